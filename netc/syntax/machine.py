"""Runs the LALR tables, one token at a time, so that a wrong statement can be stepped over."""

from __future__ import annotations

from collections.abc import Callable

from netc.syntax.tables import Tables

Place = tuple[int, int, int, int]  # line, column, end line, end column
Value = object
Build = Callable[[str, list[Value], Place], Value]

MAX_DEPTH = 200  # of a statement's tree, so that a walk over it never meets Python's recursion limit

# Rules that nest the tree once for so many of their children: `a + b + c` is `(a + b) + c`.
_FOLDS = {"or_expr": 1, "and_expr": 1, "not_expr": 1, "negative": 1, "attribute": 1, "sum": 2, "product": 2}

_WHOLE = frozenset({"net", "block", "train", "file"})  # made after the statements in them have been taken


class Unexpected(Exception):
    """The token fits nowhere here."""


class TooDeep(Exception):
    """The tree at `place` is deeper than MAX_DEPTH."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


class Machine:
    """The stacks of one parse.  `build(rule, children, place)` makes a value of each reduction.

    Rules whose name starts with an underscore make no value: their children go to the rule above.
    """

    def __init__(self, tables: Tables, build: Build) -> None:
        self.tables = tables
        self.build = build
        self.states = [tables.start]
        self.values: list[Value] = []
        self.places: list[Place | None] = []
        self.depths: list[int] = []
        # Rules that only hand on their one child, as most steps from an atom to an expression do.
        self.hands_on = [r.size == 1 and r.origin[0] == "_" and r.keep == (0,) for r in tables.rules]

    @property
    def height(self) -> int:
        return len(self.values)

    def feed(self, kind: str, value: Value, place: Place | None) -> Value:
        """Takes the token; the result of the parse comes back after `$END`.

        Raises Unexpected where it does not fit, TooDeep where what it ends is nested too deep; the stacks
        then still hold all that was there before the statement.
        """
        t = self.tables
        while True:
            action = t.actions[self.states[-1]].get(kind)
            if action is None:
                raise Unexpected
            if action >= 0:
                self._push(action, value, place, 1)
                return None
            if self.hands_on[-1 - action]:
                self.states[-1] = t.actions[self.states[-2]][t.rules[-1 - action].origin]
                continue
            self._reduce(-1 - action)
            if kind == "$END" and self.states[-1] == t.end:
                return self.values[-1]

    def truncate(self, height: int) -> None:
        """Forgets all that was fed above this height."""
        del self.states[height + 1 :], self.values[height:], self.places[height:], self.depths[height:]

    def accepts(self) -> set[str]:
        """The terminals that fit here."""
        row = self.tables.actions[self.states[-1]]
        return {kind for kind in row if (kind.isupper() or kind == "$END") and self._fits(kind)}

    def _fits(self, kind: str) -> bool:
        t = self.tables
        states = list(self.states)
        while True:
            action = t.actions[states[-1]].get(kind)
            if action is None or action >= 0:
                return action is not None
            rule = t.rules[-1 - action]
            if rule.size:
                del states[-rule.size :]
            states.append(t.actions[states[-1]][rule.origin])
            if states[-1] == t.end:
                return True

    def _push(self, state: int, value: Value, place: Place | None, depth: int) -> None:
        self.states.append(state)
        self.values.append(value)
        self.places.append(place)
        self.depths.append(depth)

    def _reduce(self, number: int) -> None:
        rule = self.tables.rules[number]
        base = len(self.values) - rule.size
        values = self.values[base:]
        places = [p for p in self.places[base:] if p is not None]
        place = (*places[0][:2], *places[-1][2:]) if places else None
        depth = max(self.depths[base:], default=0)
        self.truncate(base)
        children: list[Value] = []
        for at in rule.keep:
            child = values[at] if at >= 0 else None
            if not isinstance(child, _Inlined):
                children.append(child)
            elif children:
                children += child
            else:
                children = child  # a list that grows to the left is taken over, not copied each time
        if rule.origin.startswith("_"):
            value: Value = children if isinstance(children, _Inlined) else _Inlined(children)
        else:
            depth += (len(children) - 1) // _FOLDS[rule.name] if rule.name in _FOLDS else 1
            if depth > MAX_DEPTH and place and rule.name not in _WHOLE:
                raise TooDeep(place)
            value = self.build(rule.name, children, place or (1, 1, 1, 1))
        self._push(self.tables.actions[self.states[-1]][rule.origin], value, place, depth)


class _Inlined(list[Value]):
    """The children of a rule whose name starts with an underscore."""
