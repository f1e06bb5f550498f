"""The LALR tables of the language: made by Lark from the grammar, kept in the user's cache.

Importing Lark takes 60 ms and making the tables 100 ms, on every start; reading them back takes 2 ms.  What
is kept is what Lark's own stand-alone generator keeps (`Lark.memo_serialize`), as JSON and cut down to what
`machine` needs.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from netc.cache import cache_dir, tell_unusable, write_atomically
from netc.resources import grammar_path

_FORMAT = "2"  # of the cached file; goes up when `Tables` changes


@dataclass(frozen=True, slots=True)
class Rule:
    """One alternative of a grammar rule."""

    origin: str  # the rule reduced to
    name: str  # its alias, or its origin: who builds it
    size: int
    keep: tuple[int, ...]  # the children that say something; -1 stands for one that was left out


@dataclass(frozen=True, slots=True)
class Tables:
    """An LALR automaton and its lexer.  Action `s >= 0` goes to state s, `a < 0` reduces by rule `-1 - a`."""

    terminals: tuple[tuple[str, str], ...]  # name and regular expression, in the order they are tried
    keywords: dict[str, str]  # word to terminal
    ignored: frozenset[str]
    rules: tuple[Rule, ...]
    actions: tuple[dict[str, int], ...]  # a state: terminal or rule name to action
    start: int
    end: int


@cache
def tables() -> Tables:
    """The tables of `grammars/net.lark`, from the cache where they are there and whole."""
    grammar = grammar_path("net").read_text(encoding="utf-8")
    # The tables of a grammar without conflicts follow from the grammar alone, so Lark's version is not in the
    # key (and asking for it takes 20 ms).
    key = sha256(f"{_FORMAT}\0{grammar}".encode()).hexdigest()
    try:
        path = cache_dir() / f"grammar-{key[:32]}.json"
        checksum, _, data = path.read_bytes().partition(b"\n")
        if checksum.decode() == sha256(data).hexdigest():
            return unpack(json.loads(data))
    except (OSError, ValueError):
        path = None
    made = make_tables(grammar)
    try:
        path = path or cache_dir() / f"grammar-{key[:32]}.json"
        data = json.dumps(pack(made), separators=(",", ":")).encode()
        write_atomically(path, sha256(data).hexdigest().encode() + b"\n" + data)
    except OSError as error:
        tell_unusable(error)  # it only costs time
    return made


def make_tables(grammar: str) -> Tables:
    """The tables Lark makes of the grammar's text."""
    from lark import Lark
    from lark.grammar import Rule as LarkRule
    from lark.lexer import BasicLexer, TerminalDef

    lark = Lark(grammar, parser="lalr", lexer="basic", start="file", maybe_placeholders=True)
    data: dict[str, Any]
    memo: dict[int, dict[str, Any]]
    data, memo = lark.memo_serialize([TerminalDef, LarkRule])
    automaton = data["parser"]["parser"]
    known = {k: v for k, v in memo.items() if v["__type__"] == "Rule"}
    place = {k: i for i, k in enumerate(known)}
    names = automaton["tokens"]
    states = {
        state: {names[t]: -1 - place[arg["@"]] if reduces else arg for t, (reduces, arg) in row.items()}
        for state, row in automaton["states"].items()
    }
    start, end = automaton["start_states"]["file"], automaton["end_states"]["file"]
    order = _order(states, start)
    actions = tuple(
        {t: states[s][t] if states[s][t] < 0 else order[states[s][t]] for t in sorted(states[s])}
        for s in order
    )
    ordered = BasicLexer(lark.lexer_conf).terminals
    words = {t.pattern.value: t.name for t in ordered if re.fullmatch("[a-z]+", t.pattern.value)}
    return Tables(
        terminals=tuple((t.name, t.pattern.to_regexp()) for t in ordered if t.name not in words.values()),
        keywords=words,
        ignored=frozenset(lark.ignore_tokens),
        rules=tuple(_rule(r) for r in known.values()),
        actions=actions,
        start=order[start],
        end=order[end],
    )


def _order(states: dict[int, dict[str, int]], start: int) -> dict[int, int]:
    """New numbers of the states, by when they are reached; Lark's own change from run to run."""
    order = {start: 0}
    queue = [start]
    for state in queue:
        for _, action in sorted(states[state].items()):
            if action >= 0 and action not in order:
                order[action] = len(order)
                queue.append(action)
    return order


def _rule(rule: dict[str, Any]) -> Rule:
    """Which children Lark's tree builder would keep, and where it would put a None."""
    symbols: list[dict[str, Any]] = rule["expansion"]
    absent: tuple[bool, ...] = rule["options"]["empty_indices"] or (False,) * len(symbols)
    keep: list[int] = []
    at = 0
    for is_absent in absent:
        if is_absent:
            keep.append(-1)
            continue
        if not symbols[at].get("filter_out"):
            keep.append(at)
        at += 1
    origin = rule["origin"]["name"]
    return Rule(origin, rule["alias"] or origin, len(symbols), tuple(keep))


def pack(t: Tables) -> dict[str, Any]:
    """The tables as JSON takes them."""
    return {
        "terminals": t.terminals,
        "keywords": t.keywords,
        "ignored": sorted(t.ignored),
        "rules": [(r.origin, r.name, r.size, r.keep) for r in t.rules],
        "actions": t.actions,
        "start": t.start,
        "end": t.end,
    }


def unpack(data: dict[str, Any]) -> Tables:
    """`pack` undone."""
    return Tables(
        terminals=tuple((name, pattern) for name, pattern in data["terminals"]),
        keywords=data["keywords"],
        ignored=frozenset(data["ignored"]),
        rules=tuple(Rule(origin, name, size, tuple(keep)) for origin, name, size, keep in data["rules"]),
        actions=tuple(data["actions"]),
        start=data["start"],
        end=data["end"],
    )
