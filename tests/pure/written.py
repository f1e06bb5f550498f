"""Files of the language as hypothesis writes them: right by the grammar, in any style, and mostly without meaning."""

from __future__ import annotations

from hypothesis import strategies as st

WORDS = ("x", "y", "conv", "relu", "c1", "N", "half", "Basic", "long_name_of_a_layer")
_names = st.sampled_from(WORDS)
_numbers = st.sampled_from(["0", "1", "3", "64", "60_000", "5e-4", "1.5", "2K", "0.1"])
_space = st.sampled_from(
    ["", " ", "  ", "\n", " \n  ", "  # why\n   ", " ## why\n ", "\n## why\n\n"]
)  # inside brackets, where lines end freely
_break = st.sampled_from([" ", " ", "\n", "\n    # why\n  ", "   "])  # before an arrow


def _joined(parts: list[str], sign: str, space: str) -> str:
    return f"{sign}{space}".join(parts)


def _bracket(opening: str, closing: str, inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda parts, a, b, c, comma: (
            f"{opening}{a}{_joined(parts, ',', b)}{',' if comma and parts else ''}{c}{closing}"
        ),
        inner, _space, _space, _space, st.booleans(),
    )  # fmt: skip


def _expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    some = st.lists(inner, max_size=3)
    atom = st.one_of(_names, _numbers, st.just("true"), st.just('"dir"'))
    bracketed = st.builds(lambda e: f"({e})", inner)
    operand = st.one_of(atom, bracketed, _bracket("[", "]", some))
    return st.one_of(
        operand,
        _bracket("(", ")", st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda a, op, b: f"{a}{op}{b}", operand, st.sampled_from([" + ", "-", "*", " / ", " % "]), operand),
        st.builds(lambda a, op, b: f"{a} {op} {b}", bracketed, st.sampled_from(["and", "or", "==", "<="]), bracketed),
        st.builds(lambda op, e: f"{op}({e})", st.sampled_from(["-", "not ", "--", "not not "]), inner),
        st.builds(lambda n, e: f"{n}.{e}", _names, _names),
        st.builds(lambda n, args: n + args, _names, _bracket("(", ")", some)),
    )  # fmt: skip


expressions = st.recursive(st.one_of(_names, _numbers), _expressions, max_leaves=8)
_arguments = st.lists(
    st.builds(lambda n, e: f"{n}{e}", st.sampled_from(["", "pad=", "axis = "]), expressions), max_size=4
)
_calls = st.builds(lambda n, args: n + args, _names, st.one_of(st.just(""), _bracket("(", ")", _arguments)))
_labelled = st.builds(lambda label, c: f"{label}{c}", st.sampled_from(["", "", "k: ", "k :"]), _calls)


def _arrows(steps: st.SearchStrategy[str], first: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    rest = st.lists(st.tuples(_break, steps), max_size=4)
    return st.builds(lambda a, more: a + "".join([f"{b}-> {s}" for b, s in more]), first, rest)


def _steps(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.builds(lambda a, s, b: f"{{{a}{s}{b}}}", _space, _arrows(inner, inner), _space)
    return st.one_of(
        inner,
        st.builds(lambda e, a, b, c: f"if {e} {a} else if {e} {b} else {c}", expressions, body, body, body),
        st.builds(lambda e, a: f"if {e} {a}", expressions, body),
        st.builds(lambda e, a: f"for (c, n) in {e} {a}", expressions, body),
        st.builds(lambda e, a, n: f"for c in {e} {a} * {n}", expressions, body, _numbers),
    )


steps = st.recursive(_labelled, _steps, max_leaves=5)
_chains = _arrows(steps, expressions)
_statements = st.one_of(
    st.builds(lambda n, c: f"{n} = {c}", st.sampled_from(["y", "l, r"]), _chains),
    st.builds(lambda e: f"expect {e}", expressions),
    st.builds(lambda s: f"shared e = {s}", steps),
    st.builds(lambda n: f"output {n}", _names),
    st.builds(lambda e: f"input x: [N, {e}] where {e}, H % 32 == 0", expressions),
)
_settings = st.one_of(
    st.builds(lambda c, m: f"metric {c}{m}", _chains, st.sampled_from(["", ", top(5)", ",a , b(1)"])),
    st.builds(lambda c: f"loss main = {c}", _chains),
    st.just("target label: int[N]"),
)
_ends = st.sampled_from(["\n", "\n\n", "\n\n\n# why\n", "  # why\n", "\n ## doc\n"])


def _body(statements: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.tuples(statements, _ends), max_size=4).map(
        lambda s: "".join([f" {a}{b}" for a, b in s])
    )


_parameters = st.lists(st.sampled_from(["a", "b: int", "c: int = 3", "d = [1, (2, 3)]"]), max_size=4)
_items = st.one_of(
    st.builds(lambda e: f"param p: int = {e}", expressions),
    st.just('from "blocks.net" import A,B'),
    st.builds(lambda p, b: f"net A{p} {{\n{b}}}", _bracket("(", ")", _parameters), _body(_statements)),
    st.builds(
        lambda p, b: f"block B{p}: x, y -> z {{\n{b}}}",
        _bracket("(", ")", _parameters),
        _body(_statements.filter(lambda s: s.startswith(("y", "l", "shared")))),
    ),
    st.builds(lambda b: f"train A {{\n{b}}}", _body(_settings)),
)


def files() -> st.SearchStrategy[str]:
    """Texts that parse without errors."""
    return st.lists(st.tuples(_items, _ends), max_size=4).map(
        lambda items: "".join([a + b for a, b in items])
    )
