"""A program after each pass, and what each of them saves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Final

from netc.analyze.figures import short, size
from netc.bench.cost import Cost, total_cost
from netc.bench.text import Column, Line, left_out, table
from netc.graph.model import Graph
from netc.ir.constant import split_constant
from netc.ir.fold import FOLDING
from netc.ir.passes import CLEANING, IMPROVING
from netc.ir.program import Program
from netc.ir.recompute import recompute
from netc.lower import forward
from netc.plan import plan
from netc.train.frugal import Recompute, lean
from netc.train.spec import TrainSpec
from netc.train.step import whole_step

EMITTED: Final = "as emitted"
_LEAST: Final = 0.0005  # a change that a percentage of one digit shows


@dataclass(frozen=True, slots=True)
class Stage:
    """A program as a pass has left it: its costs, and the bytes of the arena that it wants."""

    name: str
    program: Program
    cost: Cost
    arena: int


def stages(
    graph: Graph, spec: TrainSpec, batch: int, *, infer: bool = False, again: Recompute | None = None
) -> tuple[Stage, ...]:
    """A training step, or what predicts, as the layers have it and after each pass."""
    program = forward(graph, batch) if infer else whole_step(graph, spec, batch)
    return tuple(
        Stage(name, p, total_cost(p.equations), plan(p).arena_bytes)
        for name, p in _after_each(program, infer, again)
    )


def _after_each(program: Program, infer: bool, again: Recompute | None) -> Iterator[tuple[str, Program]]:
    yield EMITTED, program
    for step in FOLDING if infer else ():
        program = step(program)
        yield step.__name__, program
    if infer:
        program = split_constant(program)[1]  # without what runs when weights change
        yield split_constant.__name__, program
    for step in CLEANING:
        program = step(program)
        yield step.__name__, program
    if again and not infer:
        program = lean(program, again)
        yield recompute.__name__, program
    for step in IMPROVING:
        program = step(program)
        yield step.__name__, program


def stages_dict(found: Sequence[Stage], *, text: bool) -> list[dict[str, Any]]:
    """The stages for JSON, with their programs' text if it is asked for."""
    return [
        {
            "name": s.name,
            "equations": s.cost.equations,
            "flops": s.cost.flops,
            "bytes": s.cost.bytes,
            "arena_bytes": s.arena,
        }
        | ({"program": str(s.program)} if text else {})
        for s in found
    ]


def stages_lines(title: str, found: Sequence[Stage], width: int | None, *, text: bool) -> list[Line]:
    """A table of the stages, with what each saves of the one before it; then the programs, if they are asked for."""
    rows = [
        (
            s.name,
            f"{s.cost.equations:,}",
            short(s.cost.flops),
            size(s.cost.bytes),
            size(s.arena),
            _saved(before, s),
        )
        for before, s in zip((None, *found), found, strict=False)
    ]
    columns = (
        Column("pass"), Column("equations", True, 4), Column("FLOPs", True, 2), Column("bytes moved", True, 3),
        Column("arena", True, 1), Column("change", False, 5),
    )  # fmt: skip
    out = [Line(title, "bold"), Line(""), *table(columns, rows, width)]
    if missing := left_out(columns, rows, width):
        out += [Line(""), *map(Line, wrap(f"left out: {missing}", max(width or 0, 8)))]
    if text:
        for s in found:
            out += [Line(""), Line(f"# {s.name}", "bold"), *map(Line, str(s.program).splitlines())]
    return out


def _saved(before: Stage | None, now: Stage) -> str:
    """What is less than before, as shares; what is more has a plus."""
    if before is None:
        return ""
    pairs = {
        "equations": (before.cost.equations, now.cost.equations),
        "FLOPs": (before.cost.flops, now.cost.flops),
        "bytes": (before.cost.bytes, now.cost.bytes),
        "arena": (before.arena, now.arena),
    }
    shares = {what: (b - a) / a for what, (a, b) in pairs.items() if a}
    return ", ".join(f"{x:+.1%} {what}" for what, x in shares.items() if abs(x) >= _LEAST) or "nothing"
