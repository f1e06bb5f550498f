"""A module imports only from those that stand above it, and the front half nothing that is slow to import."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

NETC = Path(__file__).parents[2] / "netc"
# From the ground up; names in one row do not import each other.
ORDER = (
    ("_lazy", "resources", "cache", "errors", "budget", "locks"), ("sizes",), ("types",),
    ("syntax",), ("ops",), ("ir",), ("layers",), ("graph",), ("lower",), ("plan",), ("analyze",), ("draw",),
    ("backends",), ("runtime",), ("train",), ("loading",), ("api", "bench", "explain"), ("__init__",), ("cli",),
    ("__main__",),
)  # fmt: skip
RANK = {name: i for i, row in enumerate(ORDER) for name in row}
FRONT = (
    "errors",
    "budget",
    "sizes",
    "types",
    "syntax",
    "ops",
    "ir",
    "layers",
    "graph",
    "lower",
    "plan",
    "analyze",
    "draw",
    "loading",
    "cli",
)
SLOW = {"numpy", "numba", "matplotlib", "sklearn", "safetensors", "lark", "PIL", "pandas", "rich"}
FILES = sorted(NETC.rglob("*.py"))


def place(path: Path) -> str:
    """The folder or module of netc that a file belongs to."""
    return path.relative_to(NETC).parts[0].removesuffix(".py")


def imports(path: Path, everywhere: bool) -> Iterator[str]:
    """Modules that a file imports: all, or only those that it imports when it is imported itself."""
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        match node := todo.pop():
            case ast.Import():
                yield from (a.name for a in node.names)
            case ast.ImportFrom(module="netc"):
                yield from (f"netc.{a.name}" for a in node.names)
            case ast.ImportFrom(module=str(module)):
                yield module
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                todo += node.orelse
            case ast.FunctionDef() if not everywhere:
                pass
            case _:
                todo += ast.iter_child_nodes(node)


@pytest.mark.parametrize(
    ("page", "begin", "end"),
    [("CONTRIBUTING.md", "those before it:", ". `"), ("CHANGELOG.md", "order is now:", ".")],
)
def test_the_order_is_written_as_it_is(page: str, begin: str, end: str) -> None:
    _, _, rest = (NETC.parent / page).read_text("utf-8").partition(begin)
    written = re.findall(r"\w+", rest.partition(end)[0])
    small = {"_lazy", "resources", "cache", "budget", "locks", "__init__", "__main__"}
    assert {*written} == RANK.keys() - small
    assert [RANK[name] for name in written] == sorted(RANK[name] for name in written)


def test_what_is_imported_is_declared() -> None:
    text = (NETC.parent / "pyproject.toml").read_text("utf-8")
    declared = {*re.findall(r'"([a-z0-9-]+)[\[><=]', text)}
    packages = {"PIL": "pillow", "sklearn": "scikit-learn", "llvmlite": "numba"}  # numba chooses its llvmlite
    found = {m.split(".")[0] for path in FILES for m in imports(path, everywhere=True)}
    for path in FILES:
        found |= {
            name.split(".")[0] for name in re.findall(r'import_module\("([\w.]+)"', path.read_text("utf-8"))
        }
    found -= {*sys.stdlib_module_names, "pandas"}  # of which `to_frame` says how to get it
    assert "PIL" in found
    assert {packages.get(name, name) for name in found} <= declared


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(NETC)))
def test_imports_go_upwards(path: Path) -> None:
    own = RANK[place(path)]
    for module in imports(path, everywhere=True):
        package, _, rest = module.partition(".")
        if package == "netc":
            name = rest.split(".")[0] or "__init__"
            other = RANK[name] if name in RANK else RANK["__init__"]  # `from netc import load`
            assert other < own or (name == place(path) and other == own), f"{path} imports {module}"


@pytest.mark.parametrize(
    "path", [p for p in FILES if place(p) in FRONT], ids=lambda p: str(p.relative_to(NETC))
)
def test_the_front_half_imports_nothing_slow(path: Path) -> None:
    found = {m.split(".")[0] for m in imports(path, everywhere=False)}
    assert found & SLOW == set()
