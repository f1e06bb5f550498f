"""The syntax tree of a `.net` file: one frozen dataclass a construct, each with the span it was written at.

`netc.syntax.parse` makes it, `netc.syntax.format` prints it, `netc.graph` gives it its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netc.errors import Span

# ---- Expressions: evaluated before any data is seen -------------------------------------------------------

BinaryOp = Literal["+", "-", "*", "/", "%", "and", "or"]
CompareOp = Literal["==", "!=", "<=", ">=", "<", ">"]


@dataclass(frozen=True, slots=True)
class Number:
    value: int | float
    text: str  # as written: `60_000`, `5e-4`
    span: Span
    wrong: bool = False  # it is no number, or too large, which is told already


@dataclass(frozen=True, slots=True)
class String:
    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Bool:
    value: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Name:
    id: str
    span: Span


@dataclass(frozen=True, slots=True)
class Attribute:
    """`x.C`: a size of a tensor, or a part of a fact (`rf(t).stride`)."""

    of: Expr
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class ListExpr:
    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class TupleExpr:
    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Unary:
    op: Literal["-", "not"]
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    op: BinaryOp
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Compare:
    op: CompareOp
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Argument:
    """`stride=2`, or `2` where the place says the name."""

    name: str | None
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """A layer, a block or a fact with its arguments: `conv(6, 5, pad=2)`, `relu`, `rf(c5)`."""

    name: str
    arguments: tuple[Argument, ...]
    span: Span
    name_span: Span


Expr = Number | String | Bool | Name | Attribute | ListExpr | TupleExpr | Unary | Binary | Compare | Call

# ---- Chains: tensors flow through layers ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Labelled:
    """`c1: conv(6, 5)`: the label names the layer and so its weights."""

    label: str
    call: Call
    span: Span


@dataclass(frozen=True, slots=True)
class Branch:
    """`if c { … } else if d { … } else { … }`; without `else` it is the identity."""

    arms: tuple[tuple[Expr, tuple[Step, ...]], ...]
    otherwise: tuple[Step, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Loop:
    """`for (c, n) in [(64, 3), (128, 4)] { … }`"""

    names: tuple[str, ...]
    unpacks: bool  # written with parentheses, so each item must be a tuple
    items: Expr
    body: tuple[Step, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Repeat:
    """`Basic(64) * 3`: copies in a row, each with weights of its own."""

    step: Call | Labelled | Branch | Loop
    count: Expr
    span: Span


Step = Call | Labelled | Branch | Loop | Repeat


@dataclass(frozen=True, slots=True)
class Chain:
    source: Expr
    steps: tuple[Step, ...]
    span: Span


# ---- Statements ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ident:
    """A name where it is defined or listed."""

    id: str
    span: Span


@dataclass(frozen=True, slots=True)
class TypeExpr:
    """`[N, 1, 28, 28]`, `int[N]`"""

    dtype: str | None
    sizes: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Input:
    name: Ident
    type: TypeExpr
    where: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Assign:
    names: tuple[Ident, ...]
    chain: Chain
    span: Span


@dataclass(frozen=True, slots=True)
class Shared:
    name: Ident
    step: Step
    span: Span


@dataclass(frozen=True, slots=True)
class Output:
    names: tuple[Ident, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Expect:
    claim: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Target:
    """`target label: int[N]`"""

    name: Ident
    type: TypeExpr
    span: Span


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of a train block: `batch 64`, `loss main = [logits, label] -> softmax_xent`."""

    key: Ident
    name: Ident | None
    chain: Chain
    more: tuple[Call, ...]  # after commas: `accuracy, top(5)`
    span: Span


@dataclass(frozen=True, slots=True)
class Broken:
    """What could not be parsed.  Its error is told already; the names in it are not unused, and those that it
    would define are not missing.
    """

    names: frozenset[str]
    defined: frozenset[str]
    span: Span


NetStatement = Input | Shared | Assign | Output | Expect | Broken
BlockStatement = Shared | Assign | Broken
TrainStatement = Target | Setting | Broken

# ---- Items ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parameter:
    """A typed setting of a file, a net or a block: `stride: int = 1`."""

    name: Ident
    type: Ident | None
    default: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Version:
    number: Number
    span: Span


@dataclass(frozen=True, slots=True)
class Import:
    path: String
    names: tuple[Ident, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Param:
    parameter: Parameter
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class Net:
    name: Ident
    parameters: tuple[Parameter, ...]
    body: tuple[NetStatement, ...]
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    name: Ident
    parameters: tuple[Parameter, ...]
    inputs: tuple[Ident, ...]
    outputs: tuple[Ident, ...]
    body: tuple[BlockStatement, ...]
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class Train:
    net: Ident | None
    body: tuple[TrainStatement, ...]
    doc: str
    span: Span


Item = Version | Import | Param | Net | Block | Train | Broken


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment from its `#` to the end of the line; `##` documents what follows."""

    text: str
    span: Span
    alone: bool  # nothing else stands on its line

    @property
    def is_doc(self) -> bool:
        """Whether it documents the item that follows, if there is one; a line of `####` is a rule between parts."""
        return self.alone and self.text.startswith("##") and not self.text.startswith("###")


@dataclass(frozen=True, slots=True)
class File:
    path: str
    items: tuple[Item, ...]
    comments: tuple[Comment, ...]
    text: str
