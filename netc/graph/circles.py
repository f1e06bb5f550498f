"""Blocks that would expand themselves, by whatever way, found in one walk over who calls whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set


def circles(called: Mapping[str, Set[str]]) -> list[list[str]]:
    """The groups of names of which each reaches itself through the others; each in the order of `called`.

    R. Tarjan, Depth-First Search and Linear Graph Algorithms, 1972, without recursion.

    >>> circles({"A": {"B"}, "B": {"C"}, "C": {"B"}, "D": {"D"}, "E": set()})
    [['B', 'C'], ['D']]
    """
    order = {name: i for i, name in enumerate(called)}
    found: list[list[str]] = []
    number: dict[str, int] = {}  # by when a name was first met
    low: dict[str, int] = {}  # the earliest that it reaches among those of no finished group
    waiting: dict[str, None] = {}  # names of no finished group, in the order they were met
    for root in called:
        if root in number:
            continue
        todo: list[tuple[str, Iterator[str]]] = []
        _meet(root, called, todo, number, low, waiting)
        while todo:
            name, others = todo[-1]
            for other in others:
                if other not in number:
                    _meet(other, called, todo, number, low, waiting)
                    break
                if other in waiting:
                    low[name] = min(low[name], number[other])
            else:
                todo.pop()
                if todo:
                    low[todo[-1][0]] = min(low[todo[-1][0]], low[name])
                if low[name] == number[name]:
                    group = _taken(waiting, name)
                    if len(group) > 1 or name in called[name]:
                        found.append(sorted(group, key=order.__getitem__))
    return sorted(found, key=lambda group: order[group[0]])


def _meet(
    name: str,
    called: Mapping[str, Set[str]],
    todo: list[tuple[str, Iterator[str]]],
    number: dict[str, int],
    low: dict[str, int],
    waiting: dict[str, None],
) -> None:
    number[name] = low[name] = len(number)
    waiting[name] = None
    todo.append((name, iter([other for other in sorted(called[name]) if other in called])))


def _taken(waiting: dict[str, None], name: str) -> list[str]:
    """Takes a name and all that were met after it."""
    group: list[str] = []
    while not group or group[-1] != name:
        group.append(waiting.popitem()[0])
    return group
