"""Where netc's step goes: each layer's time and its share of the roofline, as `netc bench` finds them.

A process of its own, started when the peers of a cell have ended: python -m benchmarks.speed.layers JOB
"""

from __future__ import annotations

import json
import sys
from typing import Any

from benchmarks.speed.netc_peer import training
from benchmarks.speed.peers import Job
from netc.bench.measure import bench


def by_layer(job: Job) -> dict[str, Any]:
    """The machine as this process found it, the share of the whole net, and all layers in their order."""
    net = job.case.load()
    found = bench(
        net.compiled.graph,
        training(net),
        batch=job.case.batch,
        infer=job.mode == "infer",
        threads=job.threads,
    )
    return {
        "gflops": round(found.roof.flops / 1e9, 1),
        "gb_per_s": round(found.roof.bytes / 1e9, 1),
        "share": round(found.total.share, 3),
        "layers": [
            {"name": x.name, "ms": round(x.total * 1e3, 4), "share": round(x.share, 3)} for x in found.layers
        ],
    }


if __name__ == "__main__":
    print(json.dumps(by_layer(Job(**json.loads(sys.argv[1])))))
