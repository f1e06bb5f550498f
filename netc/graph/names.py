"""What chains name, read off the syntax without expanding anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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


def labels(steps: Iterable[ast.Step]) -> Iterator[str]:
    """Every label in a chain, whether its step is taken or not."""
    return (part.label for step in steps for part in walk(step) if isinstance(part, ast.Labelled))


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


def mentioned(node: ast.Step | ast.Expr) -> set[str]:
    """Every name that a step or an expression may look up, those of layers and blocks too."""
    return {
        part.id if isinstance(part, ast.Name) else part.name
        for part in walk(node)
        if isinstance(part, ast.Name | ast.Call)
    }


def dotted(e: ast.Expr) -> str:
    """`b1.conv2` as it is written; nothing for what is no path."""
    match e:
        case ast.Name():
            return e.id
        case ast.Attribute():
            before = dotted(e.of)
            return before and f"{before}.{e.name}"
        case _:
            return ""


def asks_for_a_size(e: ast.Expr) -> bool:
    """Whether an expression may depend on the size of a tensor: `x.C`."""
    return any(isinstance(part, ast.Attribute) for part in walk(e))


def walk(node: ast.Step | ast.Expr) -> Iterator[ast.Step | ast.Expr]:
    """A step or an expression, and all that is in it."""
    todo = [node]
    while todo:
        yield (part := todo.pop())
        todo += _parts(part)


def _parts(node: ast.Step | ast.Expr) -> Iterable[ast.Step | ast.Expr]:
    match node:
        case ast.Call():
            return [a.value for a in node.arguments]
        case ast.Labelled():
            return (node.call,)
        case ast.Repeat():
            return node.step, node.count
        case ast.Loop():
            return node.items, *node.body
        case ast.Branch():
            arms = [part for condition, arm in node.arms for part in (condition, *arm)]
            return *arms, *node.otherwise
        case ast.ListExpr() | ast.TupleExpr():
            return node.items
        case ast.Binary() | ast.Compare():
            return node.left, node.right
        case ast.Unary():
            return (node.operand,)
        case ast.Attribute():
            return (node.of,)
        case _:
            return ()
