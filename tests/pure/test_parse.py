"""Text to syntax tree: the whole language, every message, and the limits."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from netc.errors import Diagnostic, NetError, render_all
from netc.resources import grammar_path
from netc.syntax import ast
from netc.syntax.format import format_text
from netc.syntax.parse import parse, read
from netc.syntax.scan import MAX_BYTES
from netc.syntax.tables import make_tables, pack, tables, unpack
from tests.pure.example import LANGUAGE

GOLDEN = Path(__file__).parents[1] / "golden" / "syntax"


def one_item(text: str) -> ast.Item:
    file, errors = parse(text, "a.net")
    assert not errors, render_all(errors, {"a.net": text})
    (item,) = file.items
    return item


def one_error(text: str) -> Diagnostic:
    _, errors = parse(text, "a.net")
    assert len(errors) == 1, render_all(errors, {"a.net": text})
    return errors[0]


def default(expression: str) -> ast.Expr:
    item = one_item(f"param p = {expression}\n")
    assert isinstance(item, ast.Param)
    assert item.parameter.default is not None
    return item.parameter.default


def chain(text: str) -> ast.Chain:
    item = one_item(f"block B: x -> y {{\n  y = {text}\n}}\n")
    assert isinstance(item, ast.Block)
    (statement,) = item.body
    assert isinstance(statement, ast.Assign)
    return statement.chain


def quoted(text: str, span: ast.Span) -> str:
    """What a span of one line covers."""
    assert span.line == span.end_line
    return text.split("\n")[span.line - 1][span.col - 1 : span.end_col - 1]


# ---- The language ------------------------------------------------------------------------------------------


def test_the_example_of_the_language_parses() -> None:
    file, errors = parse(LANGUAGE, "a.net")
    assert errors == ()
    kinds = [type(item).__name__ for item in file.items]
    assert kinds == ["Version", "Param", "Net", "Block", "Net", "Block", "Block", "Net", "Train"]
    lenet = file.items[2]
    assert isinstance(lenet, ast.Net)
    assert lenet.doc.startswith("LeNet-5 (LeCun et al., 1998)")
    assert [type(s).__name__ for s in lenet.body] == ["Input", "Assign", "Assign", "Output", "Expect"]
    assert len(file.comments) == 10


def test_precedence_and_folding() -> None:
    e = default("1 + 2 * -3 - 4")
    assert isinstance(e, ast.Binary)
    assert e.op == "-"
    assert isinstance(e.left, ast.Binary)
    assert isinstance(e.left.right, ast.Binary)
    assert e.left.right.op == "*"
    assert isinstance(e.left.right.right, ast.Unary)
    e = default("not a or b and c == 2 % 3")
    assert isinstance(e, ast.Binary)
    assert e.op == "or"
    assert isinstance(e.left, ast.Unary)
    assert isinstance(e.right, ast.Binary)
    assert isinstance(e.right.right, ast.Compare)


def test_lists_tuples_and_parentheses() -> None:
    assert isinstance(default("(1)"), ast.Number)
    assert isinstance(default("(1,)"), ast.TupleExpr)
    e = default("[(1, 2, 3), [], (4, 5),]")
    assert isinstance(e, ast.ListExpr)
    assert [len(i.items) for i in e.items if isinstance(i, ast.ListExpr | ast.TupleExpr)] == [3, 0, 2]
    e = default('f(1, k="a", flag=true).x.y')
    assert isinstance(e, ast.Attribute)
    assert e.name == "y"


@pytest.mark.parametrize(
    ("text", "value"),
    [("60_000", 60000), ("1K", 1000), ("1.5M", 1500000), ("2G", 2 * 10**9), ("5e-4", 5e-4), ("1E2", 100.0),
     ("2.50", 2.5), ("0.0005K", 0.5), ("9223372036854775807", 2**63 - 1)],
)  # fmt: skip
def test_numbers(text: str, value: float) -> None:
    number = default(text)
    assert isinstance(number, ast.Number)
    assert (number.value, type(number.value), number.text) == (value, type(value), text)


def test_chains() -> None:
    text = "x -> c1: conv(6, 5) -> Basic(3) * (n - 1) -> if a { relu } else if b { tanh -> bn } else { bn }"
    c = chain(f"{text} -> for (i, j) in [(1, 2)] {{ conv(i) }} -> for k in l {{ relu }}")
    labelled, repeat, branch, loop, plain = c.steps
    assert isinstance(labelled, ast.Labelled)
    assert labelled.label == "c1"
    assert isinstance(repeat, ast.Repeat)
    assert isinstance(repeat.count, ast.Binary)
    assert isinstance(branch, ast.Branch)
    assert [len(body) for _, body in branch.arms] == [1, 2]
    assert len(branch.otherwise) == 1
    assert isinstance(loop, ast.Loop)
    assert (loop.names, loop.unpacks) == (("i", "j"), True)
    assert isinstance(plain, ast.Loop)
    assert (plain.names, plain.unpacks) == (("k",), False)


def test_line_ends_inside_brackets_and_before_arrows() -> None:
    text = "x\n    # why\n    -> conv(\n      6,\n\n 5)\n    -> if a {\n relu\n }\n  else {\n tanh\n }"
    assert [type(s).__name__ for s in chain(text).steps] == ["Call", "Branch"]


def test_windows_line_ends() -> None:
    text = LANGUAGE.replace("\n", "\r\n")
    file, errors = parse(text, "a.net")
    assert errors == ()
    assert all("\r" not in comment.text for comment in file.comments)


def test_spans_cover_what_was_written() -> None:
    text = "block B: x -> y {\n  y = a + b * (c) -> k: conv(6, pad=2) * 3\n}"
    file, _ = parse(text, "a.net")
    block = file.items[0]
    assert isinstance(block, ast.Block)
    statement = block.body[0]
    assert isinstance(statement, ast.Assign)
    repeat = statement.chain.steps[0]
    assert isinstance(repeat, ast.Repeat)
    assert isinstance(repeat.step, ast.Labelled)
    call = repeat.step.call
    spans = [
        statement.span,
        statement.chain.source.span,
        repeat.span,
        call.span,
        call.name_span,
        call.arguments[1].span,
    ]
    assert [quoted(text, s) for s in spans] == [
        "y = a + b * (c) -> k: conv(6, pad=2) * 3",
        "a + b * (c)",
        "k: conv(6, pad=2) * 3",
        "conv(6, pad=2)",
        "conv",
        "pad=2",
    ]
    assert (block.span.line, block.span.end_line, block.span.end_col) == (1, 3, 2)


def test_doc_comments_stand_above() -> None:
    text = "## far\n\n## one\n##   two\nparam a\n# no\nparam b\nparam c ## behind\nparam d\n## last\n"
    file, _ = parse(text, "a.net")
    docs = [item.doc for item in file.items if isinstance(item, ast.Param)]
    assert docs == ["far\n\none\ntwo", "", "", ""]
    assert [c.alone for c in file.comments] == [True, True, True, True, False, True]


@pytest.mark.parametrize(
    "between", ["", "\n", "\n\n\n", "# why\n", "\n# why\n\n", "######\n", "### Nets\n\n"]
)
@pytest.mark.parametrize("item", ["param a", "net A {\n}", "block A: x -> y {\n}", "train {\n}"])
def test_a_doc_comment_reaches_its_item_over_blank_lines_and_comments(item: str, between: str) -> None:
    text = f"param z\n## one\n## two\n{between}{item}\n"
    (_, found), errors = parse(text, "a.net")[0].items, parse(text, "a.net")[1]
    assert not errors
    assert isinstance(found, ast.Param | ast.Net | ast.Block | ast.Train)
    assert found.doc == "one\ntwo"
    once = format_text(text, "a.net")
    assert format_text(once, "a.net") == once
    assert "## two\n" in once


def test_what_stands_inside_an_item_or_above_an_import_documents_nothing() -> None:
    text = '## A\nnetc 1\n## b\nfrom "b.net" import B\nnet A {\n  ## y\n  output y\n  ## z\n}\nparam a\n'
    file, _ = parse(text, "a.net")
    assert [item.doc for item in file.items if isinstance(item, ast.Net | ast.Param)] == ["", ""]


def test_a_body_may_stand_on_one_line() -> None:
    item = one_item("net A { output y }")
    assert isinstance(item, ast.Net)
    assert len(item.body) == 1


def test_an_empty_file_has_no_items() -> None:
    assert parse("", "a.net") == (ast.File("a.net", (), (), ""), ())
    assert parse("\n  # nothing\n", "a.net")[0].items == ()


# ---- Mistakes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", sorted(GOLDEN.glob("*.net")), ids=lambda p: p.stem)
def test_messages_are_as_agreed(source: Path) -> None:
    """Run with NETC_UPDATE_GOLDEN=1 to agree to what is said now."""
    try:
        text = read(source)
        _, errors = parse(text, source.name)
        said = render_all(errors, {source.name: text}) + "\n"
    except NetError as error:
        errors = error.diagnostics
        said = str(error).replace(str(source), source.name) + "\n"
    agreed = source.with_suffix(".txt")
    if os.environ.get("NETC_UPDATE_GOLDEN"):
        agreed.write_text(said, encoding="utf-8")
    assert said == agreed.read_text(encoding="utf-8")
    assert len(errors) == (4 if source.stem == "four_mistakes" else 1)


def test_every_code_has_an_example() -> None:
    agreed = "".join(path.read_text(encoding="utf-8") for path in GOLDEN.glob("*.txt"))
    codes = [f"E01{n:02}" for n in range(1, 19)] + [f"E08{n:02}" for n in range(3, 7)]
    assert [code for code in codes if f"[{code}]" not in agreed] == []


def test_four_mistakes_give_four_errors_at_their_places() -> None:
    text = (GOLDEN / "four_mistakes.net").read_text(encoding="utf-8")
    file, errors = parse(text, "a.net")
    assert [(e.code, quoted(text, e.span), e.span.line) for e in errors] == [
        ("E0109", "(", 3),
        ("E0102", "conv", 4),
        ("E0105", "=", 5),
        ("E0105", "==", 6),
    ]
    net = file.items[0]
    assert isinstance(net, ast.Net)
    assert [type(s).__name__ for s in net.body] == ["Input", *["Broken"] * 4, "Output"]


def test_a_broken_statement_remembers_its_names() -> None:
    file, _ = parse("net A {\n  input x: [N]\n  y, z = x -> -> relu\n  output y\n}\n", "a.net")
    net = file.items[0]
    assert isinstance(net, ast.Net)
    broken = net.body[1]
    assert isinstance(broken, ast.Broken)
    assert broken.names == {"y", "z", "x", "relu"}


def test_mistakes_in_the_body_of_a_broken_header_are_found() -> None:
    text = "block B x -> y {\n  y = x relu\n}\nnet A {\n  input x: [N]\n  output x\n}\n"
    file, errors = parse(text, "a.net")
    assert [(e.code, e.span.line) for e in errors] == [("E0101", 1), ("E0102", 2)]
    broken, net = file.items
    assert isinstance(broken, ast.Broken)
    assert {"B", "x", "y", "relu"} <= broken.names
    assert isinstance(net, ast.Net)


def test_one_lost_parenthesis_costs_one_statement() -> None:
    text = LANGUAGE.replace("maxpool(3, stride=2, pad=1)", "maxpool(3, stride=2, pad=1")
    file, errors = parse(text, "a.net")
    assert [e.code for e in errors] == ["E0109"]
    net = next(i for i in file.items if isinstance(i, ast.Net) and i.name.id == "ResNet34")
    assert [type(s).__name__ for s in net.body][:3] == ["Input", "Broken", "Assign"]


# ---- Limits ------------------------------------------------------------------------------------------------


def test_files_over_the_limit() -> None:
    assert one_error("#" + "x" * MAX_BYTES).code == "E0802"
    assert one_error("#" + "é" * (MAX_BYTES // 2)).code == "E0802"
    assert parse("#" + "x" * (MAX_BYTES - 1), "a.net")[1] == ()


def test_deep_nesting_within_the_limit_is_read() -> None:
    assert isinstance(default("[" * 64 + "]" * 64), ast.ListExpr)
    assert one_error("param p = " + "[" * 65 + "]" * 65).code == "E0806"
    assert isinstance(default(" - ".join(["1"] * 190)), ast.Binary)
    assert one_error("param p = " + "-" * 500 + "1").code == "E0806"
    assert one_error("param p = a" + ".b" * 500).code == "E0806"


def test_many_lost_brackets_take_linear_time() -> None:
    _, errors = parse("net A {\n" + "  a = x -> f(\n" * 5_000 + "}\n", "a.net")
    assert {e.code for e in errors} == {"E0109", "E0807"}
    assert len(errors) == 101


def test_read_refuses_what_is_no_text(tmp_path: Path) -> None:
    def code(path: Path) -> tuple[str, str]:
        with pytest.raises(NetError) as caught:
            read(path)
        (d,) = caught.value.diagnostics
        return d.code, d.message

    assert code(tmp_path)[0] == "E0801"
    assert "no such file" in code(tmp_path / "none.net")[1]
    assert code(tmp_path / "a\0.net")[0] == "E0801"
    large = tmp_path / "large.net"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    assert code(large)[0] == "E0802"
    marked = tmp_path / "marked.net"
    marked.write_bytes(b"\xef\xbb\xbfparam a\n")
    assert read(marked) == "param a\n"


# ---- Tables ------------------------------------------------------------------------------------------------


def test_the_grammar_has_no_conflicts_and_the_tables_survive_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_tables(grammar_path("net").read_text(encoding="utf-8"))
    assert unpack(json.loads(json.dumps(pack(made)))) == made
    folder = tmp_path / "cache"
    monkeypatch.setenv("NETC_CACHE_DIR", str(folder))
    for spoil in (None, b"", b"not a checksum\n{}", "wrong"):
        for path in folder.glob("*.json"):
            if spoil == "wrong":
                path.write_bytes(path.read_bytes()[:-3] + b"7]}")
            elif isinstance(spoil, bytes):
                path.write_bytes(spoil)
        tables.cache_clear()
        assert tables() == made
    assert folder.stat().st_mode & 0o777 == 0o700
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("netc.cache._told", [])
    folder.chmod(0o777)
    for _ in range(2):
        tables.cache_clear()
        assert tables() == made
    tables.cache_clear()
    told = f"warning: the cache folder {folder} may be written by others: chmod 700 {folder}; "
    assert capsys.readouterr().err == told + "what netc compiles is compiled again in each run\n"


def test_lark_itself_accepts_the_example() -> None:
    """The tables are run by `machine`; Lark, given the same statements, must agree."""
    from lark import Lark, Token

    from netc.errors import Report
    from netc.syntax.lines import Splitter
    from netc.syntax.scan import scan

    lark = Lark(grammar_path("net").read_text(encoding="utf-8"), parser="lalr", lexer="basic", start="file")
    parser = lark.parse_interactive("")
    tokens, _ = scan(LANGUAGE, "a.net")
    lexed = [t.type for t in lark.lex(LANGUAGE) if t.type != "_NL"]
    assert lexed == [t.type for t in tokens if t.type not in ("_NL", "$END")]
    for line in Splitter(tokens, "a.net", Report()).lines():
        for token in line.tokens:
            parser.feed_token(Token(token.type, token.text))
    tree = parser.feed_eof()
    assert [child.data for child in tree.children] == [
        "version", "param", "net", "block", "net", "block", "block", "net", "train",
    ]  # fmt: skip
