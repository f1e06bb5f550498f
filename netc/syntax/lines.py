"""Tokens to statements: where a statement ends, and which bracket belongs to which.

A `{` of a top-level line opens a body, whose statements end with their lines.  Any other bracket swallows the
line ends inside it.  What the brackets say is checked here, so that a lost one costs its own statement and no
more; where it was lost is guessed from words that begin a statement, and from the indentation, which means
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from netc.errors import Diagnostic, Note, Report
from netc.syntax.scan import Token
from netc.syntax.words import bad_character

MAX_NESTING = 64  # brackets in brackets in one statement
MAX_STEPS = 200_000  # of one net, when all blocks and repetitions are expanded
MAX_LIST = 10_000  # items between two brackets
MAX_INSIDE = 100_000  # numbers, names and signs between the brackets of an argument or list, nested ones too

_CLOSER = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
_OPENER = {closer: opener for opener, closer in _CLOSER.items()}
_SIGN = {"LPAR": "(", "RPAR": ")", "LSQB": "[", "RSQB": "]", "LBRACE": "{", "RBRACE": "}"}
_BODY = ("NET", "BLOCK", "TRAIN")
_STATEMENT = frozenset({"INPUT", "OUTPUT", "EXPECT", "SHARED"})
_ITEM = {
    "NET": ("NAME",),
    "BLOCK": ("NAME",),
    "TRAIN": ("NAME", "LBRACE"),
    "PARAM": ("NAME",),
    "FROM": ("STRING",),
}
ITEMS = frozenset(_ITEM)  # words that begin what stands at the top level
_LAYER_WORDS = frozenset({"IF", "FOR"})
# A line that ends in one of these goes on, the writer thought.
_DANGLING = frozenset(
    {"_ARROW", "EQUAL", "COMMA", "PLUS", "MINUS", "STAR", "SLASH", "PERCENT", "COMPARE", "AND", "OR", "NOT"}
)


@dataclass(slots=True)
class Line:
    """A statement's tokens: an `open` line ends with its `{`, every other with one `_NL`."""

    kind: Literal["open", "statement", "close", "item"]
    tokens: list[Token]
    reported: bool  # its mistake has been told; another would be a consequence
    deep: bool = False  # it is over a limit of nesting or length, so it is not parsed


class Splitter:
    """Walks over the tokens of one file once; `lines()` gives its statements."""

    def __init__(self, tokens: list[Token], path: str, report: Report) -> None:
        self.tokens = tokens
        self.path = path
        self.report = report
        self.at = 0
        self.looked_again = 0
        self.header: list[Token] | None = None  # of the body we are in

    def lines(self) -> list[Line]:
        out: list[Line] = []
        while True:
            token = self.tokens[self.at]
            if token.type == "_NL":
                self.at += 1
            elif token.type in _BODY and self._is_inner(token):
                out.append(self._inner_item(token))
            elif self.header is not None and (token.type == "$END" or self._begins_outer(token)):
                out.append(self._end_unclosed_body(token))
            elif token.type == "$END":
                return out
            elif token.type == "RBRACE":
                if self.header is None or self._closes_too_early():
                    too_early = "ends its body too early: more of it follows"
                    self.error("E0110", f"this `}}` {too_early if self.header else 'closes nothing'}", token)
                    self.at += 1
                else:
                    self.at += 1
                    self.header = None
                    out.append(Line("close", [token, _line_end(token)], False))
            elif self.header is not None and token.type in _LAYER_WORDS and self.first(self.at):
                out.append(self._layer_alone(token))
            else:
                out.append(_Statement(self).line())

    def begins_item(self, at: int) -> bool:
        """Whether a top-level item begins here; these words begin nothing else."""
        follow = _ITEM.get(self.tokens[at].type)
        return follow is not None and self.tokens[at + 1].type in follow and self.first(at)

    def first(self, at: int) -> bool:
        return at == 0 or self.tokens[at - 1].type == "_NL"

    def _closes_too_early(self) -> bool:
        """Whether more of the body follows this `}`, by its indentation."""
        at = self.at + 1
        while self.tokens[at].type == "_NL":
            at += 1
        follow = self.tokens[at]
        header = self.header
        if not header or follow.type in ("$END", "RBRACE") or not self.first(at) or self.begins_item(at):
            return False
        return follow.col > header[0].col

    def _begins_outer(self, token: Token) -> bool:
        return self.begins_item(self.at) and not self._is_inner(token)

    def _is_inner(self, token: Token) -> bool:
        """Whether an item begins that stands, by its indentation, inside another."""
        return self.header is not None and self.begins_item(self.at) and token.col > self.header[0].col

    def _inner_item(self, token: Token) -> Line:
        """The whole of that item, which is told of here."""
        header = self.header or [token]
        message = f"`{token.text}` stands at the top level, not inside a `{header[0].text}`"
        self.error("E0118", message, token)
        return self._wrong_line(lambda kind, depth: not depth and kind in ("_NL", "RBRACE"))

    def _layer_alone(self, token: Token) -> Line:
        """An `if` or `for` around statements, with all that it holds: in other languages it stands there."""
        help_ = f"it chooses or repeats layers, not statements: y = x -> {token.text} … {{ … }}"
        self.error("E0101", f"`{token.text}` is a layer, and needs a tensor before it", token, help_)

        def ends(kind: str, depth: int) -> bool:
            over = kind == "RBRACE" or (kind == "_NL" and self.tokens[self.at + 1].type != "ELSE")
            return (over and not depth) or self._begins_outer(self.tokens[self.at])

        return self._wrong_line(ends)

    def _wrong_line(self, ends: Callable[[str, int], bool]) -> Line:
        """What was told of, up to where it `ends` by the kind of a token and the depth of braces, as one line."""
        start, depth = self.at, 0
        while (kind := self.tokens[self.at].type) != "$END" and not ends(kind, depth):
            depth += {"LBRACE": 1, "RBRACE": -1}.get(kind, 0)
            self.at += 1
        tokens = [t for t in self.tokens[start : self.at] if t.type != "_NL"]
        return Line("statement", [*tokens, _line_end(tokens[-1])], True)

    def _end_unclosed_body(self, token: Token) -> Line:
        brace = self.header[-1] if self.header else token
        if brace.type == "LBRACE":
            help_ = "its body ends with a `}` on a line of its own"
            self.error("E0109", "this `{` is never closed", brace, help_)
        self.header = None
        before = self.tokens[self.at - 1]
        close = Token("RBRACE", "", before.line, before.end)
        return Line("close", [close, _line_end(close)], True)

    def error(
        self, code: str, message: str, token: Token, help_: str = "", notes: tuple[Note, ...] = ()
    ) -> None:
        self.report.add(Diagnostic(code, message, token.span(self.path), notes=notes, help=help_))


class _Statement:
    """One statement (or header) in the making."""

    def __init__(self, splitter: Splitter) -> None:
        self.s = splitter
        self.start = splitter.at
        self.first = splitter.tokens[splitter.at]
        self.is_header = splitter.header is None
        self.out: list[Token] = []
        self.open: list[Token] = []
        self.branches = False  # an `if` or `for` waits for its `{`
        self.reported = False
        self.deep = False
        self.arrows = 0
        self.inside = 0  # tokens since the brackets opened that hold no layers
        self.commas: dict[int, int] = {}  # in the brackets that are open, by how deep they are

    def line(self) -> Line:
        s = self.s
        while True:
            token = s.tokens[s.at]
            if token.type == "$END" or (token.type == "_NL" and self._ends_at_newline()):
                break
            if token.type == "RBRACE" and self._ends_at_brace():
                break
            if self._is_lost(token):
                break
            if token.type != "_NL" and self._take(token):
                s.header = self.out
                return Line("open", self.out, self.reported, self.deep)
            s.at += 1
        if self.open:
            self._give_up()
        last = self.out[-1] if self.out else self.first
        self.out.append(_line_end(last))
        if not self.is_header:
            return Line("statement", self.out, self.reported, self.deep)
        if self.first.type in _BODY and self._goes_on_deeper(s.at + 1):
            s.header = self.out
            return Line("open", self.out, self.reported, self.deep)
        return Line("item", self.out, self.reported, self.deep)

    def _is_lost(self, token: Token) -> bool:
        """Whether this bracket shows that another was not closed, on a statement's line before."""
        kind = token.type
        if not self.open or (kind not in _CLOSER and kind not in _OPENER):
            return False
        if kind == "LBRACE":
            conflict = self.open[-1].type != "LBRACE"
        elif kind in _CLOSER:
            conflict = len(self.open) >= MAX_NESTING
        else:
            conflict = self.open[-1].type != _OPENER[kind]
        return conflict and self._next_statement() is not None

    def _take(self, token: Token) -> bool:
        """Adds a token; whether it opened a body."""
        kind = token.type
        self._limit(token)
        if kind in _CLOSER:
            if kind == "LBRACE":
                while self.open and self.open[-1].type != "LBRACE":
                    self._unclosed(self.open.pop())  # no layer stands inside ( or [
                if self.is_header:
                    self.out.append(token)
                    self.s.at += 1
                    return True
                self.branches = False
            if len(self.open) == MAX_NESTING:
                self.deep = True
                self._tell(
                    "E0806", f"brackets are nested deeper than {MAX_NESTING}, the most netc reads", token
                )
            self.open.append(token)
            self.commas[len(self.open)] = 0
        elif kind in _OPENER:
            closer = self._close(token)
            if closer is None:
                return False
            token = closer
        elif kind == "BAD":
            self._bad(token)
        elif kind in ("IF", "FOR"):
            self.branches = not self.is_header
        self.out.append(token)
        return False

    def _limit(self, token: Token) -> None:
        """Tells of what is too long before it is parsed, which takes ten times as long as to split it."""
        if token.type == "_ARROW":
            self.arrows += 1
            if self.arrows == MAX_STEPS + 1:
                message = f"this statement has more than {MAX_STEPS:,} layers, the most that a net may have"
                self._too_long(message, token)
        elif not self.open or self.open[-1].type == "LBRACE":
            self.inside = 0
        else:
            self.inside += 1
            deep = len(self.open)
            if token.type == "COMMA":
                self.commas[deep] += 1
            if self.commas[deep] == MAX_LIST:
                self._too_long(
                    f"this list has more than {MAX_LIST:,} items, the most netc reads", self.open[-1]
                )
            elif self.inside > MAX_INSIDE:
                message = f"these brackets hold more than {MAX_INSIDE:,} numbers, names and signs"
                self._too_long(message, self.open[-1])

    def _too_long(self, message: str, token: Token) -> None:
        self.deep = True
        self._tell("E0820", message, token)

    def _close(self, token: Token) -> Token | None:
        """The closer that is meant, or None where it closes nothing."""
        wanted = _OPENER[token.type]
        if not any(o.type == wanted for o in self.open):
            if not self.open:
                self._tell("E0110", f"this `{token.text}` closes nothing", token)
                return None
            opener = self.open.pop()
            right = _CLOSER[opener.type]
            note = (Note(opener.span(self.s.path), "opened here"),)
            self._tell("E0110", f"expected `{_SIGN[right]}`, found `{token.text}`", token, notes=note)
            return token._replace(type=right)
        while self.open[-1].type != wanted:
            self._unclosed(self.open.pop())
        self.open.pop()
        return token

    def _bad(self, token: Token) -> None:
        if not self.reported:
            self.s.report.add(bad_character(token, self.s.path))
        self.reported = True
        if token.text.startswith('"'):
            self.open.clear()  # what would have closed them is in the string

    def _ends_at_brace(self) -> bool:
        """Whether this `}` belongs to the body around."""
        if self.is_header or any(o.type == "LBRACE" for o in self.open):
            return False
        return not self.open or self.s.first(self.s.at)

    def _ends_at_newline(self) -> bool:
        s = self.s
        at = s.at + 1
        follow = s.tokens[at]
        if self.open:
            return self._must_begin_statement(at)
        if follow.type in ("_ARROW", "ELSE") or (self.is_header and follow.type == "LBRACE"):
            return False
        last = self.out[-1] if self.out else self.first
        if self.branches and self._goes_on_deeper(at):
            return not self._add_brace(last)
        if last.type in _DANGLING and self._goes_on_deeper(at):
            shown = last.text
            help_ = (
                "start the next line with `->`"
                if shown == "->"
                else "an expression in brackets may go over lines"
            )
            self._tell("E0111", f"a line cannot end with `{shown}`", last, help_)
            return False
        return True

    def _add_brace(self, last: Token) -> bool:
        """Puts in the `{` that an `if` or `for` lacks, where the lines below show what it holds."""
        place = last if last.text in (":", "then", "do") else _line_end(last)
        found = f"`{last.text}`" if place is last else "the end of the line"
        help_ = "braces hold the layers: `{ conv(64, 3) -> relu }`"
        self._tell("E0112", f"expected `{{`, found {found}", place, help_)
        if place is last:
            self.out.pop()
        brace = Token("LBRACE", "", place.line, place.col)
        self.out.append(brace)
        self.open.append(brace)
        self.branches = False
        return True

    def _goes_on_deeper(self, at: int) -> bool:
        follow = self.s.tokens[min(at, len(self.s.tokens) - 1)]
        if follow.type == "_NL":
            return self._goes_on_deeper(at + 1)
        return follow.type not in ("$END", "RBRACE") and follow.col > self.first.col

    def _must_begin_statement(self, at: int) -> bool:
        """Whether the line that begins here cannot be inside the brackets that are open."""
        token, follow = self.s.tokens[at], self.s.tokens[min(at + 1, len(self.s.tokens) - 1)]
        if token.type in _STATEMENT or self.s.begins_item(at):
            return follow.type == "NAME" or token.type == "EXPECT"
        if self.open[-1].type != "LBRACE" or self.is_header:
            return False
        if not self.open[-1].text and (
            token.col < self.first.col or (token.type != "RBRACE" and token.col == self.first.col)
        ):
            opener = self.open.pop()  # it was put in by us, and so must be its end
            self.out.append(Token("RBRACE", "", opener.line, opener.col))
            return not self.open
        return token.type == "NAME" and follow.type == "EQUAL"

    def _lost_opener(self) -> Token:
        """The bracket that was not closed: the first within the innermost braces."""
        return next((o for o in self.open[:MAX_NESTING] if o.type != "LBRACE"), self.open[0])

    def _next_statement(self) -> int | None:
        """Where the lines after the lost bracket turn back to the statement's indentation."""
        s, opener = self.s, self._lost_opener()
        # Lines cut off are read again; a file of nothing but lost brackets must not take quadratic time.
        if s.looked_again > 4 * len(s.tokens):
            return None
        s.looked_again += s.at - self.start
        for at in range(self.start, s.at):
            token = s.tokens[at]
            if s.first(at) and token.line > opener.line and token.col <= self.first.col:
                # A `}` here ends the brace that was opened first; one inside it was lost.
                ends = (
                    token.type == "RBRACE" and self.open[0].type == "LBRACE" and token.col == self.first.col
                )
                return at + 1 if ends else at
        return None

    def _give_up(self) -> None:
        """Ends the statement where the next one begins, by its indentation; its brackets say no more."""
        s = self.s
        self._unclosed(self._lost_opener())
        s.at = self._next_statement() or s.at
        self.out = [t for t in s.tokens[self.start : s.at] if t.type != "_NL"]

    def _unclosed(self, opener: Token) -> None:
        self._tell("E0109", f"this `{_SIGN[opener.type]}` is never closed", opener)

    def _tell(
        self, code: str, message: str, token: Token, help_: str = "", notes: tuple[Note, ...] = ()
    ) -> None:
        if not self.reported:
            self.s.error(code, message, token, help_, notes)
        self.reported = True


def _line_end(after: Token) -> Token:
    return Token("_NL", "", after.line, after.end)
