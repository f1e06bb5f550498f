"""Shapes as they are written: `[N, 3, H, W] where H % 32 == 0, W >= 64`."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from math import lcm
from typing import Any, Final

from netc.errors import Span
from netc.graph.evaluate import AXES, Evaluator
from netc.sizes import Form, Size, Symbol, symbolic
from netc.syntax import ast
from netc.types import DTYPES, N, TensorType

LARGEST: Final = 2**31 - 1
MOST_MODULUS: Final = 4096  # a proof goes through all rests


def tensor_type(
    t: ast.TypeExpr, at: Evaluator, where: tuple[ast.Expr, ...] = ()
) -> tuple[TensorType, dict[str, Size]]:
    """The type that `[N, 1, 28, 28]` or `int[N]` writes, `N` first, and the symbolic sizes that it introduces.

    A capital name that nothing defines is a size that is not known yet; the `where` clauses say what is known of it.
    """
    if t.dtype is not None and t.dtype not in DTYPES:
        help = "an element type is f32, f64 or int"
        raise at.fail("E0201", f"unknown element type `{t.dtype}`", t.span, help=help)
    first = t.sizes[0] if t.sizes else None
    if not (isinstance(first, ast.Name) and first.id == "N"):
        place = first.span if first else t.span
        raise at.fail("E0301", "the batch `N` is written first in a shape", place, help=_batch_first(t))
    for e in t.sizes[1:]:
        if isinstance(e, ast.Name) and e.id == "N":
            message = "`N` is the batch, and stands first in a shape and nowhere else"
            raise at.fail("E0301", message, e.span, help="write a number, or another name, as H")
    if len(t.sizes) not in AXES:
        raise at.fail("E0301", f"a tensor has a rank of 1 to 4, not {len(t.sizes)}", t.span)
    known = {s.name: s for s in _new_symbols(t, at)}
    for clause in where:
        _learn(clause, known, at)
    sizes: dict[str, Size] = {name: symbolic(symbol) for name, symbol in known.items()}
    inside = Evaluator(at.report, {**at.scope, **sizes}, at.trace)
    shape = (N, *(_size(e, inside) for e in t.sizes[1:]))
    return TensorType(shape, DTYPES[t.dtype or "f32"]), sizes


def _batch_first(t: ast.TypeExpr) -> str:
    """The shape as it is meant; nothing where a size is more than a number or a name."""
    sizes = [
        e.id if isinstance(e, ast.Name) else e.text for e in t.sizes if isinstance(e, ast.Name | ast.Number)
    ]
    if len(sizes) < len(t.sizes):
        return "write N before the other sizes"
    rest = [size for size in sizes if size != "N"]
    return f"write {t.dtype or ''}[{', '.join(['N', *rest])}]"


def _new_symbols(t: ast.TypeExpr, at: Evaluator) -> list[Symbol]:
    names = [
        e.id for e in t.sizes[1:] if isinstance(e, ast.Name) and e.id not in at.scope and e.id[0].isupper()
    ]
    return [Symbol(name) for name in dict.fromkeys(names)]


def _size(e: ast.Expr, at: Evaluator) -> Size:
    if isinstance(e, ast.Name) and e.id not in at.scope:
        help = (
            at.near(e.id, at.scope)
            or f"a size that is left open has a capital name: {e.id[:1].upper()}{e.id[1:]}"
        )
        raise at.fail("E0201", f"unknown size `{e.id}`", e.span, help=help)
    size: Any = at(e)
    if isinstance(size, Form):
        return size
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= LARGEST:
        raise at.fail("E0301", f"a size must be an int from 1 to {LARGEST}, not {size}", e.span)
    return size


def _learn(clause: ast.Expr, known: dict[str, Symbol], at: Evaluator) -> None:
    """Adds what one clause says: `H % 32 == 0`, `H >= 64`; one of numbers alone must simply hold."""
    match clause:
        case ast.Compare("==", ast.Binary("%", ast.Name(name), by), rest) if (
            name in known and not known.keys() & {*_names(by), *_names(rest)}
        ):
            modulus, residue = _number(by, at), _number(rest, at)
            if not 1 <= modulus <= MOST_MODULUS or not 0 <= residue < modulus:
                message = f"`where` needs a divisor from 1 to {MOST_MODULUS} and a rest below it"
                raise at.fail("E0310", message, clause.span)
            known[name] = _both(known[name], modulus, residue, clause, at)
        case ast.Compare(">=" | ">", ast.Name(name), bound) if name in known and not known.keys() & _names(
            bound
        ):
            least = _number(bound, at) + (clause.op == ">")
            known[name] = replace(known[name], least=max(known[name].least, min(least, LARGEST)))
        case ast.Compare() if not _names(clause) & known.keys():
            if not at.condition(clause):
                raise at.fail(
                    "E0310", "what `where` asks for does not hold for the input's size", clause.span
                )
        case _:
            help = (
                "it takes `H % 32 == 0` and `H >= 64` of sizes that the shape introduces; "
                "equal sizes have one name: [N, 3, H, H]"
            )
            raise at.fail("E0310", "`where` does not understand this", clause.span, help=help)


def _both(symbol: Symbol, modulus: int, residue: int, clause: ast.Expr, at: Evaluator) -> Symbol:
    """What is known of a symbol, and that it leaves a rest by one more divisor (the Chinese remainder theorem)."""
    together = lcm(symbol.modulus, modulus)
    if together > MOST_MODULUS:
        most = f"{MOST_MODULUS} is the most"
        message = f"the divisors of `{symbol.name}` have a common multiple of {together}, and {most}"
        raise at.fail("E0310", message, clause.span)
    rests = range(symbol.residue, together, symbol.modulus)
    fitting = [r for r in rests if r % modulus == residue]
    if not fitting:
        raise at.fail(
            "E0310", f"no `{symbol.name}` is as this `where` and the one before it say", clause.span
        )
    return replace(symbol, modulus=together, residue=fitting[0])


def _number(e: ast.Expr, at: Evaluator) -> int:
    value: Any = at(e)
    if isinstance(value, bool) or not isinstance(value, int):
        raise at.fail("E0310", "`where` compares with a whole number", e.span)
    return value


def _names(e: ast.Expr) -> set[str]:
    match e:
        case ast.Name():
            return {e.id}
        case ast.Compare() | ast.Binary():
            return _names(e.left) | _names(e.right)
        case _:
            return set()


def with_sizes(net: ast.Net, sizes: Mapping[str, tuple[int, ...]], settings: AbstractSet[str]) -> ast.Net:
    """The net with numbers in the place of the sizes of some of its inputs, and wherever else it names those sizes.

    `sizes` are those of one example, by the name of the input.  A net that they do not fit, for it has other inputs,
    of other ranks, or one name for what would be two numbers, is given back as it is.  `settings` are the names of the
    file's parameters, which stay what they are.
    """
    filled = {s.name.id: s for s in net.body if isinstance(s, ast.Input) and s.name.id in sizes}
    if not all(len(filled[name].type.sizes) == 1 + len(sizes[name]) for name in filled):
        return net
    numbers: dict[str, ast.Number] = {}
    for name, statement in filled.items():
        for e, size in zip(statement.type.sizes[1:], sizes[name], strict=True):
            if isinstance(e, ast.Name) and numbers.setdefault(e.id, _number_at(size, e.span)).value != size:
                return net
    own = {p.name.id for p in net.parameters}
    known = tuple(
        ast.Parameter(ast.Ident(name, number.span), None, number, number.span)
        for name, number in numbers.items()
        if name not in settings | own
    )
    body = tuple(
        _with_numbers(s, sizes[s.name.id], numbers) if isinstance(s, ast.Input) and s.name.id in filled else s
        for s in net.body
    )
    return replace(net, parameters=(*net.parameters, *known), body=body)


def _with_numbers(
    statement: ast.Input, sizes: tuple[int, ...], numbers: Mapping[str, ast.Number]
) -> ast.Input:
    old = statement.type
    written = tuple(_number_at(size, old.span) for size in sizes)
    return replace(
        statement,
        type=replace(old, sizes=(*old.sizes[:1], *written)),
        where=tuple(_filled(clause, numbers) for clause in statement.where),
    )


def _number_at(size: int, span: Span) -> ast.Number:
    return ast.Number(size, str(size), span)


def _filled(e: ast.Expr, numbers: Mapping[str, ast.Number]) -> ast.Expr:
    match e:
        case ast.Name(name) if name in numbers:
            return replace(numbers[name], span=e.span)
        case ast.Compare() | ast.Binary():
            return replace(e, left=_filled(e.left, numbers), right=_filled(e.right, numbers))
        case _:
            return e
