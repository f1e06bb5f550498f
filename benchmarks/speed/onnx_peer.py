"""ONNX Runtime's inference, on the network that torch_peer wrote."""

from __future__ import annotations

from typing import Any

import numpy as np  # noqa: F401  # what it is fed; imported here so that its time counts, as with the others
import onnxruntime

from benchmarks.speed.peers import Job, Step


def build(job: Job, x: Any, y: Any) -> tuple[Step, dict[str, Any]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(job.model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})[0], {}
