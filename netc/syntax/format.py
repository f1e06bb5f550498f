"""The one style of `.net` files: two spaces a level, at most 100 columns, every comment kept.

Line breaks before `->` are the writer's: they group the layers of a chain.  A chain without any that does not
fit is broken after its source.  A bracket stays broken where the writer broke it behind its opening.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import cast

from netc.errors import NetError
from netc.syntax import ast
from netc.syntax.layout import INDENT, Layout
from netc.syntax.parse import parse
from netc.syntax.print import call_text, expr_text, idents_text, type_text
from netc.syntax.weave import Row, weave


def format_text(text: str, path: str) -> str:
    """The text in netc's style.  Raises NetError with the syntax errors of a text that has any.

    >>> text = "net A {input x:[N,3]\\n y=x->relu()->dense( 4 )# four\\n output y}"
    >>> print(format_text(text, "a.net"), end="")
    net A {
      input x: [N, 3]
      y = x -> relu -> dense(4)  # four
      output y
    }
    """
    file, errors = parse(text, path)
    if errors:
        raise NetError(errors, {path: text})
    return format_file(file)


def format_file(file: ast.File) -> str:
    """The file in netc's style.  It must have no syntax errors."""
    rows: list[Row] = []
    for item in file.items:
        rows += _item(item)
    text = weave(rows, file)
    again, errors = parse(text, file.path)
    if errors or not same_meaning(file, again) or len(again.comments) != len(file.comments):
        raise RuntimeError(f"the formatter would change the meaning of {file.path}; please report this file")
    return text


def same_meaning(a: ast.File, b: ast.File) -> bool:
    """Whether two files say the same: all but places, blank space and the comments that document nothing."""
    return _meaning(a.items) == _meaning(b.items)


def _meaning(node: object) -> object:
    if isinstance(node, tuple):
        return tuple([_meaning(child) for child in cast("tuple[object, ...]", node)])
    if is_dataclass(node):
        said = [f.name for f in fields(node) if f.name not in ("span", "name_span")]
        return (type(node).__name__, *[_meaning(getattr(node, name)) for name in said])
    return node


def _item(item: ast.Item) -> list[Row]:
    out = Layout(0)
    match item:
        case ast.Version():
            out.write(f"netc {item.number.text}")
        case ast.Import():
            out.write(f'from "{item.path.value}" import {idents_text(item.names)}')
        case ast.Param():
            out.write("param ")
            out.parameter(item.parameter)
        case ast.Net() | ast.Block() | ast.Train():
            return _with_body(item)
        case ast.Broken():
            raise _broken()
    return out.rows


def _with_body(item: ast.Net | ast.Block | ast.Train) -> list[Row]:
    out = Layout(0)
    match item:
        case ast.Train():
            out.write(f"train {item.net.id} {{" if item.net else "train {")
        case ast.Net():
            out.write(f"net {item.name.id}")
            out.parameters(item.parameters, item.name)
            out.write(" {")
        case ast.Block():
            out.write(f"block {item.name.id}")
            out.parameters(item.parameters, item.name)
            out.write(f": {idents_text(item.inputs)} -> {idents_text(item.outputs)} {{")
    out.rows[0].opens = True
    rows = out.rows
    for statement in item.body:
        rows += _statement(statement)
    return [*rows, Row(0, "}", closes=True, ends_body=True)]


def _statement(statement: ast.NetStatement | ast.TrainStatement) -> list[Row]:
    out = Layout(INDENT)
    match statement:
        case ast.Input():
            where = ", ".join([expr_text(e) for e in statement.where])
            tail = f" where {where}" if where else ""
            out.write(f"input {statement.name.id}: {type_text(statement.type)}{tail}")
        case ast.Assign():
            out.write(f"{idents_text(statement.names)} = ")
            out.chain(statement.chain)
        case ast.Shared():
            out.write(f"shared {statement.name.id} = ")
            out.step(statement.step)
        case ast.Output():
            out.write(f"output {idents_text(statement.names)}")
        case ast.Expect():
            out.write(f"expect {expr_text(statement.claim)}")
        case ast.Target():
            out.write(f"target {statement.name.id}: {type_text(statement.type)}")
        case ast.Setting():
            name = f"{statement.name.id} = " if statement.name else ""
            out.write(f"{statement.key.id} {name}")
            out.chain(statement.chain, "".join([f", {call_text(c)}" for c in statement.more]))
        case ast.Broken():
            raise _broken()
    return out.rows


def _broken() -> ValueError:
    return ValueError("a file with syntax errors cannot be formatted")
