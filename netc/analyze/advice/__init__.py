"""Advice from lectures and papers (codes W…): what is allowed, and rarely meant.

Each piece is a small function from a net to diagnostics, and names its source.  To add one: a function in a file here,
its place in ADVICE, and its page in netc/explain/pages.  A comment `# allow W0201: reason` silences it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from netc.analyze.advice import figures, neighbours
from netc.analyze.advice.silence import CODES, silence
from netc.analyze.advice.study import Study, study
from netc.analyze.facts import Facts
from netc.errors import Diagnostic
from netc.syntax import ast

ADVICE: Final[Mapping[str, Callable[[Study], Iterator[Diagnostic]]]] = {
    "W0101": figures.small_field,
    "W0102": figures.unread_pixels,
    "W0103": figures.leftover_pixels,
    "W0104": figures.heavy_dense,
    "W0201": neighbours.bias_before_bn,
    "W0202": neighbours.linear_after_linear,
    "W0203": neighbours.many_sigmoids,
    "W0204": neighbours.dropout_before_bn,
    "W0205": neighbours.equal_weights,
}
assert ADVICE.keys() <= CODES


def advise(facts: Facts) -> list[Diagnostic]:
    """All advice about a net without mistakes; of a place that expands many times, once."""
    about = study(facts)
    found: dict[tuple[str, object], Diagnostic] = {}
    for advice in ADVICE.values():
        for diagnostic in advice(about):
            found.setdefault((diagnostic.code, diagnostic.span), diagnostic)
    return list(found.values())


def advice_of_file(nets: Mapping[str, Facts], file: ast.File) -> tuple[Diagnostic, ...]:
    """The advice about all nets of a file that its comments do not silence, in the order of the file.

    What lies in a file that it imports is told where that file is checked with a net of its own.
    """
    found: dict[tuple[str, object], Diagnostic] = {}
    for facts in nets.values():
        for diagnostic in advise(facts):
            if diagnostic.span.file == file.path:
                found.setdefault((diagnostic.code, diagnostic.span), diagnostic)
    for diagnostic in _of_train_blocks(nets, file):
        found[diagnostic.code, diagnostic.span] = diagnostic
    told = silence(list(found.values()), file)
    return tuple(sorted(told, key=lambda d: (d.span.line, d.span.col, d.code)))


def _of_train_blocks(nets: Mapping[str, Facts], file: ast.File) -> Iterator[Diagnostic]:
    """W0205 for a whole net: `init zeros` where more than one layer learns."""
    for item in file.items:
        if not isinstance(item, ast.Train):
            continue
        facts = nets.get(item.net.id) if item.net else next(iter(nets.values()), None)
        for s in item.body:
            zeros = isinstance(s, ast.Setting) and s.key.id == "init" and s.chain.source
            if (
                zeros
                and isinstance(zeros, ast.Name)
                and zeros.id == neighbours.ZEROS
                and facts
                and facts.depth > 1
            ):
                message = (
                    f"every layer of `{facts.graph.name}` begins with units that are alike, and stay alike"
                )
                help = "write init he, or leave init out (Sokolov, lecture 5, 2023)"
                yield Diagnostic("W0205", message, zeros.span, "all begins at 0", help=help)
