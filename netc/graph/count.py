"""How far chains expand, counted before anything is expanded: blocks and repetitions multiply.

Every layer, block, `if`, part of a `split` and turn of a `for` is one step.  The count is never too high: what
depends on the size of a tensor is not known yet, so an `if` over it counts as its shortest arm, and a repetition over
it as none.  Chains count what it takes ahead as soon as they know, and the rest while they expand.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from netc.errors import Diagnostic, Report, Span
from netc.graph.evaluate import POISON, Evaluator, Failed, LayerValue, ListValue, TupleValue
from netc.graph.frame import MAX_NESTING, TOO_DEEP, Definition, Frame, Home, Names, bound
from netc.graph.names import mentioned
from netc.graph.shared import SharedValue
from netc.graph.split import SPLIT, steps_of
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


class _Enough(Exception):
    """Counting has cost as much as it may."""


def too_many(steps: int) -> str:
    """The sentence about a net that would be too large."""
    shown = f"{steps:,}" if steps < 10**40 else "more than 10^40"
    return f"this would be expanded into {shown} steps, and a net has at most {MAX_STEPS:,}"


def count(body: Iterable[Statement], settings: Mapping[str, Any], home: Home, name: str) -> None:
    """Counts the steps of a net.  Raises TooMany over the limits."""
    try:
        Counter().body(body, dict(settings), home, (name,))
    except _Enough:
        return


class Counter:
    """Counts steps, each block once for the same arguments.  It looks at no more steps than a net may have."""

    def __init__(self) -> None:
        self.known: dict[
            tuple[Any, ...], tuple[int, Any]
        ] = {}  # by block and arguments, which are kept with it
        self.inner: dict[int, tuple[set[str], ast.Loop]] = {}  # what the bodies of loops mention
        self.deep = 0
        self.looked = 0
        self.done = 0  # steps before those that are counted

    def ahead(self, steps: Iterable[ast.Step], frame: Frame, done: int) -> None:
        """Counts steps that a chain is about to expand after `done` others.  Raises TooMany over the limits."""
        if self.looked > MAX_STEPS:
            return
        self.deep, self.done = 0, done
        try:
            self._limit(self.steps(steps, frame.scope, frame.home, frame.trace), _span(steps), frame.trace)
        except _Enough:
            return

    def body(self, body: Iterable[Statement], scope: Names, home: Home, trace: tuple[str, ...]) -> int:
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

    def steps(self, steps: Iterable[ast.Step], scope: Names, home: Home, trace: tuple[str, ...]) -> int:
        self.deep += 1
        total = 0
        for step in steps:
            if self.deep > MAX_NESTING:
                raise TooMany(Diagnostic("E0821", TOO_DEEP, step.span, trace=trace[:1]))
            self.looked += 1
            if self.looked > MAX_STEPS:
                raise _Enough
            total += self.step(step, scope, home, trace)
        self.deep -= 1
        return total

    def step(self, step: ast.Step, scope: Names, home: Home, trace: tuple[str, ...]) -> int:
        match step:
            case ast.Call():
                return self._call(step, scope, home, trace)
            case ast.Labelled():
                return self._call(step.call, scope, home, trace)
            case ast.Branch():
                return self._branch(step, scope, home, trace)
            case ast.Loop():
                return self._loop(step, scope, home, trace)
            case ast.Repeat():
                each, times = self.step(step.step, scope, home, trace), _value(step.count, scope)
                total = each * times if isinstance(times, int) and times > 0 else 0
                return self._limit(total, step.span, trace)

    def _branch(self, step: ast.Branch, scope: Names, home: Home, trace: tuple[str, ...]) -> int:
        open_arms: list[tuple[ast.Step, ...]] = []  # those that may be taken
        for condition, arm in step.arms:
            taken = _value(condition, scope)
            if taken is True:
                open_arms.append(arm)
                break
            if taken is POISON:
                open_arms.append(arm)
        else:
            open_arms.append(step.otherwise)
        return 1 + min(self.steps(arm, scope, home, trace) for arm in open_arms)

    def _loop(self, step: ast.Loop, scope: Names, home: Home, trace: tuple[str, ...]) -> int:
        found: Any = _value(step.items, scope)
        items = cast("list[Any]", found) if isinstance(found, list) else []
        if id(step) not in self.inner:
            self.inner[id(step)] = {name for s in step.body for name in mentioned(s)}, step
        alike = self.inner[id(step)][0].isdisjoint(step.names)  # then every turn is as long as the first
        total = 0
        for item in items:
            values = as_tuple(item) if step.unpacks else _alone(item)
            if values is None or len(values) != len(step.names):
                return total
            with bound(scope, dict(zip(step.names, values, strict=True))):
                turn = 1 + self.steps(step.body, scope, home, trace)
            if alike:
                return self._limit(turn * len(items), step.span, trace)
            total += turn
            self._limit(total, step.span, trace)
        return total

    def _call(self, call: ast.Call, scope: Names, home: Home, trace: tuple[str, ...]) -> int:
        shared = scope.get(call.name)
        if isinstance(shared, ast.Shared):
            with bound(scope, {call.name: POISON}):  # it does not contain itself
                return self.step(shared.step, scope, home, trace)
        if isinstance(shared, SharedValue):
            return self.step(shared.step, shared.frame.scope, shared.frame.home, trace)
        called = home.blocks.get(call.name)
        if called is None:
            parts = steps_of(call, Evaluator(_SILENT, scope)) if call.name == SPLIT else 1
            return self._limit(parts, call.span, trace)
        values = _arguments(call, called, scope)
        key = called, *map(_key, values.values())
        if key not in self.known:
            own = values | dict.fromkeys((i.id for i in called.block.inputs), POISON)
            inner = ChainMap[str, Any](own, called.home.settings)
            steps = 1 + self.body(called.block.body, inner, called.home, (*trace, call.name))
            self.known[key] = steps, values
        return self._limit(self.known[key][0], call.span, trace)

    def _limit(self, total: int, span: Span, trace: tuple[str, ...]) -> int:
        if self.done + total > MAX_STEPS:
            led = trace if len(trace) < 7 else (*trace[:2], "…", *trace[-3:])
            raise TooMany(Diagnostic("E0820", too_many(self.done + total), span, trace=led))
        return total


def _span(steps: Iterable[ast.Step]) -> Span:
    first, *rest = steps
    return first.span.to(rest[-1].span) if rest else first.span


_SHORT: Final = 50  # values of a list that are compared one by one


def _key(value: Any) -> Any:
    """What equal arguments have in common; long lists and layers only with themselves."""
    if isinstance(value, LayerValue):
        return "layer", id(value.call)
    if isinstance(value, ListValue | TupleValue) and value.held > _SHORT:
        return "list", id(value)
    return repr(value)


def _value(e: ast.Expr, scope: Names) -> Any:
    """The value, or POISON where it is not known yet."""
    try:
        return Evaluator(_SILENT, scope)(e)
    except Failed:
        return POISON


def _alone(item: Any) -> tuple[Any, ...]:
    return (item,)


def _arguments(call: ast.Call, called: Definition, scope: Names) -> dict[str, Any]:
    """The values of a block's parameters as far as they are known."""
    out: dict[str, Any] = {}
    named = {a.name: a for a in call.arguments if a.name}
    placed = [a for a in call.arguments if a.name is None]
    for i, p in enumerate(called.block.parameters):
        a = named.get(p.name.id) or (placed[i] if i < len(placed) else None)
        if a is not None:
            out[p.name.id] = _value(a.value, scope)
        elif p.default is not None:
            out[p.name.id] = _value(p.default, ChainMap[str, Any](out, called.home.settings))
        else:
            out[p.name.id] = POISON
    return out
