"""What is said of a statement that does not parse: what was expected, in words, at the place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netc.errors import Diagnostic, Note, Span, did_you_mean
from netc.syntax.build import number_value
from netc.syntax.scan import Token

ITEM_WORDS = ("net", "block", "train", "param", "from")
STATEMENT_WORDS = ("input", "output", "expect", "shared")
_OPERATORS = frozenset({"PLUS", "MINUS", "STAR", "SLASH", "PERCENT", "COMPARE", "AND", "OR"})
_SIGNS = {
    "COMMA": "`,`", "_ARROW": "`->`", "LBRACE": "`{`", "RBRACE": "`}`", "LPAR": "`(`", "RPAR": "`)`",
    "LSQB": "`[`", "RSQB": "`]`",
    "COLON": "`:`", "EQUAL": "`=`", "DOT": "`.`", "IN": "`in`", "IMPORT": "`import`",
    "STRING": "a string", "NUMBER": "a number", "NAME": "a name", "_NL": "the end of the line",
}  # fmt: skip
_INSTEAD = {
    "→": "write `->`", "⟶": "write `->`", "×": "write `*`", "·": "write `*`", "−": "write `-`",
    "–": "write `-`",
    "≤": "write `<=`", "≥": "write `>=`", "≠": "write `!=`", "&": "write `and`",
    "|": "write `->` between layers, `or` between conditions",
    "!": "write `not`", "'": 'strings stand in `"`', "“": 'strings stand in `"`', "”": 'strings stand in `"`',
    ";": "write one statement a line",
    "\\": "a line end inside brackets needs no `\\`",
    "^": "there are no powers: write the product", "~": "write `not`", "@": "write a block, or a layer",
    "$": "a setting is used by its name alone",
    "?": "a size that is left open is a capital name, `[N, 3, H, W]`; a choice is `if … { layers } else { layers }`",
}  # fmt: skip


Place = Literal["file", "net", "block", "train"]


_FOREIGN = {
    "//": "a comment begins with `#`; exact division is written `/`",
    "**": "there are no powers: write the product",
    "=>": "layers are joined by `->`",
    ">>": "layers are joined by `->`",
    "->>": "layers are joined by `->`",
    "--": "there is no `--`; layers are joined by `->`",
    "+=": "a name is given once: write `z = x + y`",
    "-=": "a name is given once: write `z = x - y`",
    "*=": "a name is given once: write `z = x * y`",
    "===": "write `==`",
    "++": "there is no `++`",
    "::": "write one `:`",
    "..": "there are no ranges; write the list",
}


@dataclass(frozen=True, slots=True)
class Context:
    """A statement, the token in it that does not fit, and the terminals that would have."""

    tokens: list[Token]
    at: int
    accepts: set[str]
    where: Place
    path: str

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    @property
    def before(self) -> Token | None:
        return self.tokens[self.at - 1] if self.at else None

    def follow(self, steps: int = 1) -> str:
        """The type of a later token."""
        return self.tokens[self.at + steps].type if self.at + steps < len(self.tokens) else "_NL"

    def has(self, *types: str) -> bool:
        """Whether one of these tokens stands before."""
        return any(t.type in types for t in self.tokens[: self.at])

    def error(
        self, code: str, message: str, help_: str = "", at: Token | None = None, label: str = ""
    ) -> Diagnostic:
        return Diagnostic(code, message, _visible(at or self.token, self.path), label, help=help_)


def explain(c: Context) -> Diagnostic:
    """The one diagnostic of a statement that does not parse."""
    for case in _CASES:
        found = case(c)
        if found:
            return found
    help_ = ""
    if c.tokens[0].type == "INPUT" and "LSQB" in c.accepts:
        help_ = "an input states its sizes: `input x: [N, 3, 32, 32]`"
    if c.tokens[0].type == "INPUT" and c.at == 2 and c.token.type == "COMMA":
        help_ = "each input has a line of its own: `input x: [N, 3, 32, 32]`"
    after = f" after `{_cut(c.before.text)}`" if c.before and c.before.text else ""
    return c.error("E0101", f"expected {expected(c.accepts, c.where)}{after}, found {_found(c.token)}", help_)


def bad_character(token: Token, path: str) -> Diagnostic:
    """A character the language has no use for, or a string that is not closed."""
    if token.text.startswith('"'):
        return Diagnostic(
            "E0107", 'this string has no closing `"`', token.span(path), help="a string ends on its line"
        )
    sign = f"`{token.text}`" if token.text.isprintable() else f"U+{ord(token.text):04X}"
    if token.text.isalpha():
        help_ = "a name is made of the letters a to z and A to Z, digits and `_`"
    else:
        help_ = _INSTEAD.get(token.text, "")
    return Diagnostic("E0108", f"the character {sign} has no meaning here", token.span(path), help=help_)


def too_deep(span: Span, most: int) -> Diagnostic:
    """An expression over the limit."""
    message = f"this expression is nested deeper than {most}, the most netc reads"
    return Diagnostic("E0806", message, span, help="give a part of it a name, on a line of its own")


def expected(accepts: set[str], where: Place) -> str:
    """The terminals in the words of the language: "`,` or `)`", "a layer"."""
    rest = set(accepts) - {"BAD", "BROKEN", "$END"}
    said: list[str] = []
    if "NET" in rest:
        return "`net`, `block`, `train`, `param` or `from`"
    if "RBRACE" in rest and rest & {"SHARED", "NAME"} and "IF" not in rest:
        return {"train": "a setting"}.get(where, "a statement") + " or `}`"
    if "NUMBER" in rest and rest & {"LSQB", "MINUS"}:
        said.append("an expression")
        rest -= {"NUMBER", "STRING", "TRUE", "FALSE", "NAME", "LSQB", "LPAR", "MINUS", "NOT"}
    elif {"IF", "FOR"} <= rest:
        said.append("a layer")
        rest -= {"IF", "FOR", "NAME"}
    if len(rest - _OPERATORS - {"DOT", "LPAR"}) + len(said) > 0 and not rest <= {"DOT", "LPAR", "NAME"}:
        rest -= _OPERATORS | {"DOT"} | ({"LPAR"} if len(rest - _OPERATORS) > 1 else set[str]())
    said += [_SIGNS.get(kind, f"`{kind.lower()}`") for kind in sorted(rest - {"_NL"}, key=_rank)]
    if "_NL" in rest:
        said.append(_SIGNS["_NL"])
    return " or ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


def _rank(kind: str) -> tuple[int, str]:
    order = list(_SIGNS)
    return (order.index(kind) if kind in order else len(order), kind)


def _found(token: Token) -> str:
    if token.type in ("_NL", "$END"):
        return "the end of the line"
    return f"the string `{_cut(token.text)}`" if token.type == "STRING" else f"`{_cut(token.text)}`"


def _cut(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _visible(token: Token, path: str) -> Span:
    return Span(path, token.line, token.col, token.line, max(token.end, token.col + 1))


def _is_word(token: Token) -> bool:
    return token.type not in ("NAME", "NUMBER", "STRING", "BAD") and token.text.isalpha()


# ---- The mistakes people make, each told by its own sentence; the first that fits is told ----------------


def _wrong_number(c: Context) -> Diagnostic | None:
    if c.token.type == "DOT" and c.follow() == "NUMBER" and "NUMBER" in c.accepts:
        written = f".{c.tokens[c.at + 1].text}"
        at = c.token._replace(text=written)
        return c.error("E0106", f"`{written}` is not a number", f"write `0{written}`", at)
    if c.token.type != "NUMBER":
        return None
    return number_value(c.token.text, c.token.span(c.path))[1]


def _reserved(c: Context) -> Diagnostic | None:
    """`in` used as a name: where a name fits, or before an `=`."""
    word = c.token
    if c.at == 1 and _is_word(c.tokens[0]) and word.type in ("EQUAL", "_ARROW", "COMMA"):
        word = c.tokens[0]
    else:
        fits = "NAME" in c.accepts if c.at else c.follow() in ("EQUAL", "_ARROW", "COMMA")
        if not fits or not _is_word(word) or word.type in ("AND", "OR", "ELSE"):
            return None
    if word.type in ("IF", "FOR") and "NUMBER" in c.accepts:
        help_ = f"y = x -> {word.text} … {{ … }}"
        return c.error("E0101", f"`{word.text}` is a layer, and needs a tensor before it", help_)
    message = f"`{word.text}` is a word of the language, and cannot be a name"
    return c.error("E0104", message, f"choose another name, such as `{word.text}_1`", word)


def _first_word(c: Context) -> Diagnostic | None:
    """A line that begins with a word nobody knows, or in the wrong place."""
    first = c.tokens[0]
    if c.where == "file" and c.at == 0:
        if first.type.lower() in STATEMENT_WORDS:
            return c.error(
                "E0114",
                f"`{first.text}` stands outside of a `net`",
                "it belongs between the braces of a `net`",
            )
        if first.type == "NAME" and (c.follow() in ("EQUAL", "COMMA", "_ARROW")):
            return c.error("E0114", "a statement stands outside of a `net` or `block`")
        if first.type == "IMPORT":
            return c.error("E0114", "an import begins with its file", 'from "blocks.net" import Basic')
        help_ = did_you_mean(first.text, (*ITEM_WORDS, "netc")) if first.type == "NAME" else ""
        return c.error(
            "E0114", f"expected `net`, `block`, `train`, `param` or `from`, found {_found(first)}", help_
        )
    if c.at == 0 and c.where != "file" and first.type in ("PARAM", "FROM", "NETC", "IMPORT"):
        return c.error("E0118", f"`{first.text}` stands at the top level, not inside a `{c.where}`")
    if c.at == 0 and c.where == "block" and first.text in ("input", "output", "expect"):
        helps = {
            "input": "a block names its inputs in its first line: `block B: x -> y {`",
            "output": "a block names its outputs in its first line: `block B: x -> y {`",
            "expect": "state it in a `net` that uses the block",
        }
        return c.error("E0114", f"`{first.text}` stands in a `net`, not in a block", helps[first.text])
    if c.at == 0 and c.where == "train" and _is_word(first):
        return c.error("E0114", f"`{first.text}` is not a setting of a `train` block")
    if (
        c.at == 1
        and first.type == "NAME"
        and c.where in ("net", "block")
        and c.token.type in ("NAME", "NUMBER", "LSQB")
    ):
        help_ = did_you_mean(first.text, STATEMENT_WORDS)
        if help_:
            return c.error("E0114", f"unknown statement `{_cut(first.text)}`", help_, first)
    return None


def _comparison(c: Context) -> Diagnostic | None:
    kind = c.token.type
    if kind == "COLON" and {"EQUAL", "RPAR"} <= c.accepts and c.where != "file":
        return c.error("E0105", "an argument gets its value with `=`", "write `=`")
    if kind == "COMPARE" and c.token.text == "==" and "EQUAL" in c.accepts:
        return c.error("E0105", "`==` compares; a value is given with `=`", "write `=`")
    if kind == "EQUAL" and "COMPARE" in c.accepts and c.before:
        follow = c.tokens[c.at + 1] if c.at + 1 < len(c.tokens) else None
        if follow and follow.type == "EQUAL" and follow.col == c.token.end:
            return None
        return c.error("E0105", "`=` gives a value; a comparison is written `==`", "write `==`")
    if kind == "COMPARE" and c.has("COMPARE") and "AND" in c.accepts:
        return c.error("E0105", "comparisons do not chain", "write `a < b and b < c`")
    return None


def _python(c: Context) -> Diagnostic | None:
    """`then`, `:` and `elif`, where braces do the work."""
    token = c.token
    if token.text == "elif" and "ELSE" in c.accepts:
        return c.error("E0112", "expected `else if`, found `elif`", "write `else if condition { layers }`")
    if "LBRACE" not in c.accepts:
        return None
    if c.tokens[0].type == "NET" and token.type == "COLON" and c.follow() == "NAME":
        return c.error(
            "E0112",
            "a `net` states its inputs and outputs in its body",
            "net Name { input x: [N, 8] … output y }",
        )
    if token.type in ("NAME", "COLON", "_NL", "_ARROW") and (token.type != "_ARROW" or c.has("ELSE")):
        if c.tokens[0].type in ("NET", "BLOCK", "TRAIN"):
            return c.error(
                "E0112",
                f"expected `{{`, found {_found(token)}",
                "a body stands in braces, one statement a line",
            )
        help_ = "braces hold the layers: `{ conv(64, 3) -> relu }`"
        return c.error("E0112", f"expected `{{`, found {_found(token)}", help_)
    return None


def _target(c: Context) -> Diagnostic | None:
    """A target without the colon before its type."""
    if c.where != "train" or c.tokens[0].text != "target" or c.has("COLON", "_ARROW") or not c.before:
        return None
    help_ = "a target has a name and a type: `target label: int[N]`"
    return c.error("E0101", f"expected `:` after `{_cut(c.before.text)}`, found {_found(c.token)}", help_)


def _arrow(c: Context) -> Diagnostic | None:
    """Two layers, or a tensor and a layer, with nothing between."""
    begins = c.token.type in ("NAME", "IF", "FOR")
    if (
        not begins
        or "_ARROW" not in c.accepts
        or not c.before
        or c.before.type not in ("NAME", "RPAR", "RBRACE", "RSQB")
    ):
        return None
    here = _cut(c.token.text)
    return c.error("E0102", f"expected `->` before `{here}`", f"layers are joined by `->`: `… -> {here}`")


def _sum(c: Context) -> Diagnostic | None:
    """A tensor that is joined to what comes out of a layer."""
    joins = c.token.type in ("PLUS", "MINUS") and c.where in ("net", "block") and c.has("_ARROW")
    if not joins or "_ARROW" not in c.accepts:
        return None
    help_ = f"give what flows here a name, and join it on the next line: `y = a {c.token.text} x`"
    return c.error("E0101", f"`{c.token.text}` joins tensors, and stands left of all arrows", help_)


def _equals(c: Context) -> Diagnostic | None:
    """A statement that gives its result no name."""
    if c.where == "train" and c.at == 1 and c.token.type in ("EQUAL", "COLON"):
        help_ = f"a setting is a word and its value: `{_cut(c.tokens[0].text)} 64`"
        return c.error("E0103", f"a setting takes no `{c.token.text}`", help_)
    if c.where not in ("net", "block") or c.tokens[0].type != "NAME" or "EQUAL" not in c.accepts:
        return None
    if c.has("EQUAL", "_ARROW", "LPAR") or c.token.type == "EQUAL":
        return None
    if c.token.type in ("_ARROW", "LPAR", "_NL", "DOT", *_OPERATORS):
        return c.error("E0103", "the result of a statement needs a name", "y = x -> relu", c.tokens[0])
    before = f" after `{_cut(c.before.text)}`" if c.before else ""
    return c.error("E0103", f"expected `=`{before}, found {_found(c.token)}", "y = x -> relu")


def _inside(c: Context) -> Diagnostic | None:
    """An arrow where one tensor or one layer stands."""
    if c.token.type != "_ARROW":
        return None
    if c.accepts & {"RPAR", "RSQB"}:
        help_ = "give the chain a name on a line of its own, and use the name here"
        return c.error("E0113", "a chain cannot stand inside `( )` or `[ ]`", help_)
    word = c.tokens[0].text
    if word in ("output", "expect", "shared"):
        one = "a shared name stands for one layer or block"
        help_ = one if word == "shared" else "give the chain a name first"
        return c.error("E0113", f"a chain cannot stand after `{word}`", help_)
    return None


def _end(c: Context) -> Diagnostic | None:
    if c.token.type != "_NL" or not c.before or c.before.type != "_ARROW":
        return None
    return c.error("E0111", "expected a layer after `->`, found the end of the line")


def _sign(c: Context) -> Diagnostic | None:
    """Signs of other languages that are made of ours."""
    for at in (c.at, c.at + 1):
        pair = c.tokens[max(0, at - 1) : at + 1]
        if len(pair) < 2 or pair[0].line != pair[1].line or pair[0].end != pair[1].col:
            continue
        both = pair[0]._replace(text=pair[0].text + pair[1].text)
        if both.text in _FOREIGN:
            return c.error("E0115", f"`{both.text}` is not a sign of the language", _FOREIGN[both.text], both)
    before = c.before
    clings = before and before.type == "NAME" and (before.line, before.end) == c.token[2:]
    if before and clings and c.token.type in ("LSQB", "LBRACE") and "LPAR" in c.accepts:
        if c.token.type == "LSQB" and c.where in ("net", "block") and c.has("EQUAL") and not c.has("_ARROW"):
            help_ = "`a, b = x -> split(2)` cuts a tensor in parts, and `x -> slice(C, 0, 1)` takes one out"
            return c.error(
                "E0115", f"`{_cut(before.text)}` has no index: names are given, not counted", help_
            )
        return c.error("E0115", f"the arguments of `{_cut(before.text)}` stand in `( )`")
    return None


_CASES = (
    _wrong_number, _reserved, _first_word, _sign, _comparison, _python, _target, _arrow, _sum, _equals, _inside, _end,
)  # fmt: skip


def misplaced_version(first: Span, second: Span) -> Diagnostic:
    """`netc 1` somewhere else than at the start."""
    note = Note(first, "the file begins here")
    return Diagnostic("E0117", "the version is the first statement of a file, once", second, notes=(note,))
