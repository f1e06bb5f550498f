"""One cell of the table: a net, its batch, training or inference, with all peers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.speed.cases import Case
from benchmarks.speed.others import Watch
from benchmarks.speed.peers import CACHES, NETC, ONNX, Job, Mode, environment, taking_part
from benchmarks.speed.protocol import Peer, PeerFailed
from benchmarks.speed.turns import Timing, interleave, noise

LAYERS = "netc by layer"  # what fails where its shares of the roofline are not to be had
START = 240.0  # seconds for a process to take its first step; compiling a large net takes one or two minutes
EXPORT = "from benchmarks.speed import cases, torch_peer; torch_peer.export(cases.CASES[{key!r}], {file!r})"
Row = dict[str, Any]


@dataclass(frozen=True)
class How:
    """What holds for a whole run.  `folder` is temporary; `cold` asks for a start with empty caches, `layers` for where
    netc's time goes.
    """

    threads: int
    rounds: int
    folder: Path
    compiled: bool = True
    cold: bool = True
    layers: bool = True


@dataclass
class Cell:
    """What is known of a cell while it is measured."""

    case: Case
    mode: Mode
    how: How
    facts: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    failed: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def caches(self) -> Path:
        """Where its peers keep compiled code: empty at first where cold starts are asked for."""
        return self.how.folder / (self.case.key.replace(" ", "-") if self.how.cold else "all")

    @property
    def model(self) -> Path:
        """The file that ONNX Runtime reads."""
        return self.caches / f"{self.case.key}.onnx"

    @property
    def cold(self) -> bool:
        """A training step is what is started with empty caches; an inference finds what that left."""
        return self.how.cold and self.mode == "train"

    def start(self, name: str) -> Peer | None:
        """A peer's process after its first step; None where it failed, which is noted."""
        self.caches.mkdir(parents=True, exist_ok=True)
        job = Job(name, self.case.key, self.mode, self.how.threads, str(self.model))
        command = [sys.executable, "-m", "benchmarks.speed.worker", json.dumps(job.message())]
        log = self.caches / f"{self.mode} {name}.log"
        peer = Peer(command, log, environment(self.how.threads, str(self.caches)))
        try:
            ready = peer.hear(START)
        except PeerFailed as failure:
            peer.close()
            self.failed[name] = str(failure)
            return None
        facts = self.facts.setdefault(name, {})
        seconds = perf_counter() - peer.begun
        if name in CACHES and self.cold and "first_step_cold" not in facts:
            facts["first_step_cold"] = seconds
        else:
            facts["first_step"] = seconds
        facts |= {key: ready[key] for key in ("import_seconds", "after_import", "flops") if key in ready}
        return peer

    def start_all(self, names: Iterable[str], stack: ExitStack) -> dict[str, Peer]:
        """Those that could be started, one after the other; with empty caches first where that is asked for."""
        running: dict[str, Peer] = {}
        for name in names:
            if name == ONNX and not self._exported():
                continue
            if name in CACHES and self.cold:
                cold = self.start(name)
                if cold is None:
                    continue
                cold.close()
            if peer := self.start(name):
                stack.callback(peer.close)
                running[name] = peer
        return running

    def _exported(self) -> bool:
        """Writes the network for ONNX Runtime, in a process of its own."""
        code = EXPORT.format(key=self.case.key, file=str(self.model))
        log = self.caches / "export.log"
        with log.open("w") as errors:
            done = subprocess.run([sys.executable, "-c", code], stdout=errors, stderr=errors, check=False)
        if done.returncode:
            words = log.read_text(errors="replace").split("\n")
            self.failed[ONNX] = f"torch.onnx.export: {next((w for w in reversed(words) if w.strip()), '')}"
        return done.returncode == 0

    def measure(self, seconds: float) -> Row:
        """The row of this cell, within about so many seconds; starting may take longer."""
        deadline = perf_counter() + seconds
        with ExitStack() as stack:
            running = self.start_all(taking_part(self.case, self.mode, self.how.compiled), stack)
            watch = Watch.begin(peer.process.pid for peer in running.values())
            timing = interleave(running, self.how.rounds, deadline - perf_counter())
            others = watch.others()
            self.failed |= timing.failed
            for name in list(timing.rounds):
                try:
                    self.facts[name]["peak"] = running[name].ask({"memory": True}, START)["peak"]
                except PeerFailed as failure:
                    self.failed[name] = str(failure)
        made = row(self, timing, others)
        if self.how.layers and NETC in made["peers"] and (found := self._by_layer()):
            made["roofline"] = found
        return made

    def _by_layer(self) -> dict[str, Any] | None:
        """Shares of the roofline, from a process of its own; None where it failed, which is noted."""
        job = Job(NETC, self.case.key, self.mode, self.how.threads)
        log = self.caches / f"{self.mode} layers.log"
        peer = Peer(
            [sys.executable, "-m", "benchmarks.speed.layers", json.dumps(job.message())],
            log,
            environment(self.how.threads, str(self.caches)),
        )
        try:
            return peer.hear(START)
        except PeerFailed as failure:
            self.failed[LAYERS] = str(failure)
            return None
        finally:
            peer.close()


def row(cell: Cell, timing: Timing, others: float) -> Row:
    """What is kept of a cell, while others used that share of the cores; without netc's figures there is no ratio."""
    peers = {name: _figures(cell.facts[name], timing, name) for name, turns in timing.rounds.items() if turns}
    made: Row = {
        "key": cell.case.key, "net": cell.case.name, "batch": cell.case.batch, "mode": cell.mode,
        "peers": peers, "failed": cell.failed,
        "others": round(others, 3),
    }  # fmt: skip
    rivals = {name: facts["ms"] for name, facts in peers.items() if name != NETC}
    if NETC in peers and rivals:
        fastest = min(rivals, key=lambda name: rivals[name])
        made |= {
            "flops": cell.facts[NETC]["flops"],
            "fastest": fastest,
            "ratio": round(rivals[fastest] / peers[NETC]["ms"], 3),
            "noise": round(noise(timing.ratios(fastest, NETC)), 4),
        }
    return made


def _figures(facts: dict[str, Any], timing: Timing, name: str) -> dict[str, Any]:
    """One peer's: milliseconds of a step, seconds to the first, MiB."""
    out: dict[str, Any] = {
        "ms": round(timing.median(name) * 1e3, 4),
        "steps": sum(map(len, timing.rounds[name])),
        "rounds": len(timing.rounds[name]),
        "import_s": round(facts["import_seconds"], 3),
        "first_step_s": round(facts["first_step"], 2),
    }
    if "first_step_cold" in facts:
        out["first_step_cold_s"] = round(facts["first_step_cold"], 2)
    if "peak" in facts:
        out |= {
            "after_import_mib": round(facts["after_import"] / 2**20, 1),
            "peak_mib": round(facts["peak"] / 2**20, 1),
            "memory_mib": round((facts["peak"] - facts["after_import"]) / 2**20, 1),
        }
    return out
