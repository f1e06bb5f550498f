"""How far chains expand, counted before anything is expanded: blocks and repetitions multiply.

Every layer, block, `if` and turn of a `for` is one step.  The count is never too high: what depends on the size of a
tensor is not known yet, so an `if` over it counts as its shortest arm, and a repetition over it as none.  Chains count
the rest while they expand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from netc.errors import Diagnostic, Report, Span
from netc.graph.evaluate import POISON, Evaluator, Failed
from netc.graph.frame import MAX_NESTING, TOO_DEEP, Definition, Home
from netc.layers.args import as_tuple
from netc.syntax import ast
from netc.syntax.lines import MAX_STEPS

Statement = ast.NetStatement | ast.BlockStatement


class TooMany(Exception):
    """A net that would be too large; what is to be told of it."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__()
        self.diagnostic = diagnostic


class _Silent(Report):
    """Mistakes are told by the expansion."""

    def add(self, diagnostic: Diagnostic) -> None:
        pass

    @property
    def full(self) -> bool:
        return True


_SILENT: Final = _Silent()


def count(body: Iterable[Statement], settings: Mapping[str, Any], home: Home, name: str) -> int:
    """The steps of a net, or a lower bound.  Raises TooMany over the limits."""
    return _Counter().body(body, dict(settings), home, (name,))


class _Counter:
    def __init__(self) -> None:
        self.known: dict[tuple[Definition, str], int] = {}  # by block and arguments
        self.deep = 0

    def body(
        self, body: Iterable[Statement], scope: dict[str, Any], home: Home, trace: tuple[str, ...]
    ) -> int:
        total = 0
        for statement in body:
            match statement:
                case ast.Input():
                    scope[statement.name.id] = POISON
                case ast.Shared():
                    scope[statement.name.id] = statement
                case ast.Assign():
                    total += self.steps(statement.chain.steps, scope, home, trace)
                    scope.update(dict.fromkeys((n.id for n in statement.names), POISON))
                    self._limit(total, statement.span, trace)
                case _:
                    pass
        return total

    def steps(
        self, steps: Iterable[ast.Step], scope: Mapping[str, Any], home: Home, trace: tuple[str, ...]
    ) -> int:
        self.deep += 1
        total = 0
        for step in steps:
            if self.deep > MAX_NESTING:
                raise TooMany(Diagnostic("E0821", TOO_DEEP, step.span, trace=trace[:1]))
            total += self.step(step, scope, home, trace)
        self.deep -= 1
        return total

    def step(self, step: ast.Step, scope: Mapping[str, Any], home: Home, trace: tuple[str, ...]) -> int:
        at = Evaluator(_SILENT, scope)
        match step:
            case ast.Call():
                return self._call(step, at, home, trace)
            case ast.Labelled():
                return self._call(step.call, at, home, trace)
            case ast.Branch():
                return self._branch(step, at, home, trace)
            case ast.Loop():
                return self._loop(step, at, home, trace)
            case ast.Repeat():
                each, times = self.step(step.step, scope, home, trace), _value(step.count, at)
                total = each * times if isinstance(times, int) and times > 0 else 0
                return self._limit(total, step.span, trace)

    def _branch(self, step: ast.Branch, at: Evaluator, home: Home, trace: tuple[str, ...]) -> int:
        open_arms: list[tuple[ast.Step, ...]] = []  # those that may be taken
        for condition, arm in step.arms:
            taken = _value(condition, at)
            if taken is True:
                open_arms.append(arm)
                break
            if taken is POISON:
                open_arms.append(arm)
        else:
            open_arms.append(step.otherwise)
        return 1 + min(self.steps(arm, at.scope, home, trace) for arm in open_arms)

    def _loop(self, step: ast.Loop, at: Evaluator, home: Home, trace: tuple[str, ...]) -> int:
        items: Any = _value(step.items, at)
        total = 0
        for item in items if isinstance(items, list) else ():  # pyright: ignore[reportUnknownVariableType]
            values = as_tuple(item) if step.unpacks else _alone(item)
            if values is None or len(values) != len(step.names):
                return total
            inner = {**at.scope, **dict(zip(step.names, values, strict=True))}
            total += 1 + self.steps(step.body, inner, home, trace)
            self._limit(total, step.span, trace)
        return total

    def _call(self, call: ast.Call, at: Evaluator, home: Home, trace: tuple[str, ...]) -> int:
        shared = at.scope.get(call.name)
        if isinstance(shared, ast.Shared):
            inner = {k: v for k, v in at.scope.items() if k != call.name}
            return self.step(shared.step, inner, home, trace)
        called = home.blocks.get(call.name)
        if called is None:
            return 1
        values = _arguments(call, called, at)
        key = called, repr(values)
        if key not in self.known:
            scope = {
                **called.home.settings,
                **values,
                **dict.fromkeys((i.id for i in called.block.inputs), POISON),
            }
            self.known[key] = 1 + self.body(called.block.body, scope, called.home, (*trace, call.name))
        return self._limit(self.known[key], call.span, trace)

    def _limit(self, total: int, span: Span, trace: tuple[str, ...]) -> int:
        if total > MAX_STEPS:
            shown = f"{total:,}" if total < 10**40 else "more than 10^40"
            message = f"this would be expanded into {shown} steps, and a net has at most {MAX_STEPS:,}"
            led = trace if len(trace) < 7 else (*trace[:2], "…", *trace[-3:])
            raise TooMany(Diagnostic("E0820", message, span, trace=led))
        return total


def _value(e: ast.Expr, at: Evaluator) -> Any:
    """The value, or POISON where it is not known yet."""
    try:
        return at(e)
    except Failed:
        return POISON


def _alone(item: Any) -> tuple[Any, ...]:
    return (item,)


def _arguments(call: ast.Call, called: Definition, at: Evaluator) -> dict[str, Any]:
    """The values of a block's parameters as far as they are known."""
    out: dict[str, Any] = {}
    named = {a.name: a for a in call.arguments if a.name}
    placed = [a for a in call.arguments if a.name is None]
    for i, p in enumerate(called.block.parameters):
        a = named.get(p.name.id) or (placed[i] if i < len(placed) else None)
        if a is not None:
            out[p.name.id] = _value(a.value, at)
        elif p.default is not None:
            out[p.name.id] = _value(p.default, Evaluator(_SILENT, {**called.home.settings, **out}))
        else:
            out[p.name.id] = POISON
    return out
