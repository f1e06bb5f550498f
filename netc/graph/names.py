"""What chains name, read off the syntax without expanding anything."""

from __future__ import annotations

from collections.abc import Iterator

from netc.syntax import ast


def calls(steps: tuple[ast.Step, ...]) -> Iterator[ast.Call]:
    """Every layer or block that steps call, those inside loops and branches too."""
    for step in steps:
        match step:
            case ast.Call():
                yield step
            case ast.Labelled():
                yield step.call
            case ast.Repeat():
                yield from calls((step.step,))
            case ast.Loop():
                yield from calls(step.body)
            case ast.Branch():
                for _, arm in step.arms:
                    yield from calls(arm)
                yield from calls(step.otherwise)


def tensors(e: ast.Expr) -> set[str]:
    """The bare names in what stands before an arrow."""
    match e:
        case ast.Name():
            return {e.id}
        case ast.ListExpr() | ast.TupleExpr():
            return {name for item in e.items for name in tensors(item)}
        case ast.Binary():
            return tensors(e.left) | tensors(e.right)
        case _:
            return set()
