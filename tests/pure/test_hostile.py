"""Files that mean harm: each is one located error, or is read as what it says; soon, in little memory, no traceback.

Every case runs in a process of its own, with an address space of MEMORY beyond which Python fails.  The clock only
catches what hangs: a busy machine is slow, so it allows more than the 2 seconds that are meant.
"""

# ruff: noqa: E501, a table reads better with a case a line
from __future__ import annotations

import re
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.command import CHECKOUT

MEMORY = 512 << 20
HANGS = 60  # seconds
HUGE = "1" + "0" * 30
RIGHT_TO_LEFT = chr(0x202E)


@dataclass(frozen=True)
class Case:
    """A folder's files by name, the first of them checked, and the one error that comes, at a line; no code is none."""

    name: str
    text: str | bytes
    code: str = ""
    line: int = 0
    file: str = "main.net"  # where the error lies
    others: dict[str, str] = field(default_factory=dict[str, str])
    links: dict[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return self.name


def net(body: str, before: str = "", shape: str = "[N, 3, 8, 8]") -> str:
    """A net around a body that makes `y`; the first line of the body is the third."""
    return f"net A {{\n  input x: {shape}\n{body}\n  output y\n}}\n{before}"


def doubling(levels: int, first: str = "relu", step: str = "B{0} -> B{0}") -> str:
    blocks = [f"block B0: x -> y {{\n  y = x -> {first}\n}}\n"]
    blocks += [f"block B{i}: x -> y {{\n  y = x -> {step.format(i - 1)}\n}}\n" for i in range(1, levels + 1)]
    return "".join(blocks)


def imports(path: str, name: str = "Q") -> str:
    return f'from "{path}" import {name}\n\n' + net(f"  y = x -> {name}")


DEEP = 100_000
SKIPS = "\n".join(
    ["  a0 = x -> conv(3, 1)", "  a1 = a0 -> relu"]
    + [f"  a{i} = a{i - 1} + a{i - 2} -> relu" for i in range(2, 400)]
    + ["  y = a399 -> relu"]
)
DENSE_SKIPS = "\n".join(
    ["  a0 = x -> conv(1, 1)\n  a1 = a0 -> conv(1, 1)"]
    + [
        f"  a{i} = [{', '.join(f'a{j}' for j in range(i))}] -> concat -> conv(1, 3, pad=1)"
        for i in range(2, 80)
    ]
    + ["  y = a79 -> relu"]
)
CODE = "__import__('os').system('touch hacked')"

CASES = (
    # ---- Nesting
    Case("parentheses", net(f"  y = x -> conv({'(' * DEEP}1{')' * DEEP}, 1)"), "E0806", 3),
    Case("parentheses that stay open", net(f"  y = x -> conv({'(' * DEEP}"), "E0806", 3),
    Case("lists", net(f"  y = x -> conv({'[' * DEEP}1{']' * DEEP}, 1)"), "E0806", 3),
    Case("braces", net(f"  y = x -> {'if true { ' * DEEP}relu{' }' * DEEP}"), "E0806", 3),
    Case("minus signs", net(f"  y = x -> conv({'-' * DEEP}1, 1)"), "E0806", 3),
    Case("nots", net(f"  y = x -> if {'not ' * DEEP}true {{ relu }}"), "E0806", 3),
    Case("a long sum", net(f"  y = x -> conv({'1 + ' * DEEP}1, 1)"), "E0806", 3),
    Case("braces in blocks, each within its limit", net(
        "  y = x -> B3", doubling(3, step="if true {{ " * 30 + "B{0}" + " }}" * 30)
    ), "E0821", 0),
    Case("blocks in blocks", net("  y = x -> B300", doubling(300, step="B{0}")), "E0821", 0),
    # ---- Expansion
    Case("a repeat of 10^30", net(f"  y = x -> relu * {HUGE}"), "E0805", 3),
    Case("a repeat of 10^18", net(f"  y = x -> relu * {10**18}"), "E0820", 3),
    Case("repeats in repeats", net("  y = x -> " + "if true { " * 20 + "relu" + " * 100 }" * 20), "E0820", 3),
    Case("repeats of nothing", net("  y = x -> " + "if true { " * 20 + "if false { relu }" + " * 100 }" * 20), "E0820", 3),
    Case("blocks that repeat blocks", net("  y = x -> B10", doubling(10, step="B{0} * 1000")), "E0820", 0),
    Case("a parameter that repeats", net("  y = x -> B(10_000_000)", "block B(n: int): x -> y {\n  y = x -> relu * n\n}\n"), "E0820", 7),
    Case("doubling 100 deep", net("  y = x -> B100", doubling(100)), "E0821", 0),
    Case("doubling 60 deep", net("  y = x -> B60", doubling(60)), "E0820", 0),
    Case("doubling nothing", net("  y = x -> B60", doubling(60, first="if false { relu }")), "E0820", 0),
    Case("doubling by shared", net(
        "  y = x -> B60", doubling(60).replace("  y = x -> B", "  shared f = B").replace(" -> B", "\n  y = x -> f -> f -> B")
    ), "E0820", 0),
    Case("loops in loops", net("  y = x -> " + "for i in range(10_000) { " * 3 + "if false { relu }" + " }" * 3), "E0820", 3),
    Case("a range without end", net("  y = x -> for i in range(1_000_000_000_000) { relu }"), "E0820", 3),
    Case("a list that doubles", net(
        "  y = x -> B30([1, 2])",
        "block B0(l: list): x -> y {\n  y = x -> for i in l { relu }\n}\n"
        + "".join(f"block B{i}(l: list): x -> y {{\n  y = x -> B{i - 1}(l + l)\n}}\n" for i in range(1, 31)),
    ), "E0820", 0),
    Case("a block of itself", net("  y = x -> B", "block B: x -> y {\n  y = x -> B\n}\n"), "E0503", 6),
    Case("blocks in a circle", net("  y = x -> B", "block B: x -> y {\n  y = x -> C\n}\nblock C: x -> y {\n  y = x -> B\n}\n"), "E0503", 6),
    # ---- Numbers and sizes
    Case("an input of 2^62", net("  y = x -> relu", shape=f"[N, {2**62}]"), "E0301", 2),
    Case("2^62 outputs", net(f"  y = x -> conv({2**62}, 1)"), "E0207", 3),
    Case("products of sizes beyond 2^62", net("  y = x -> relu", shape="[N, 2147483647, 2147483647, 2147483647]")),
    Case("2^62 by arithmetic", net(f"  y = x -> conv({2**62} * 4, 1)"), "E0805", 3),
    Case("5,000 digits", net(f"  y = x -> conv({'9' * 5000}, 1)"), "E0805", 3),
    Case("5,000 digits after the point", net(f"  y = x -> bn(eps=0.{'1' * 5000})"), "E0805", 3),
    Case("an exponent of 10^9", net("  y = x -> bn(eps=1e999999999)"), "E0805", 3),
    Case("zero stride", net("  y = x -> conv(1, 1, stride=0)"), "E0207", 3),
    Case("negative kernel", net("  y = x -> conv(1, -3)"), "E0207", 3),
    Case("negative padding", net("  y = x -> conv(1, 3, pad=-1)"), "E0207", 3),
    Case("no channels", net("  y = x -> conv(0, 1)"), "E0207", 3),
    Case("a negative size", net("  y = x -> relu", shape="[N, -3, 8, 8]"), "E0301", 2),
    Case("a size of zero", net("  y = x -> relu", shape="[N, 0]"), "E0301", 2),
    Case("a negative repeat", net("  y = x -> relu * (0 - 1)"), "E0207", 3),
    Case("division by zero", net("  y = x -> conv(1 / 0, 1)"), "E0208", 3),
    Case("a kernel larger than the map", net("  y = x -> conv(1, 2147483647)"), "E0302", 3),
    Case("padding of 2^31", net("  y = x -> conv(1, 2, pad=2147483647)")),
    # ---- Graphs whose paths multiply
    Case("skips whose paths are Fibonacci numbers", net(SKIPS)),
    Case("dense skips", net(DENSE_SKIPS)),
    Case("unaligned skips", net("\n".join(
        ["  a0 = x -> conv(3, 1)"]
        + [f"  b{i} = a{i} -> conv(3, 3, pad=((0, 2), (0, 2)))\n  c{i} = a{i} -> conv(3, 3, pad=((2, 0), (2, 0)))\n"
           f"  a{i + 1} = b{i} + c{i} -> relu" for i in range(60)]
        + ["  y = a60 -> relu"]
    ))),
    # ---- Imports
    Case("an absolute import", imports("/etc/passwd.net"), "E0822", 1),
    Case("an absolute import for Windows", imports("C:/secret.net"), "E0822", 1),
    Case("an import from above", imports("../secret.net"), "E0822", 1),
    Case("an import from above by a detour", imports("a/../../secret.net"), "E0822", 1),
    Case("an import of something else", imports("secret.txt"), "E0822", 1),
    Case("an import by a link", imports("link.net"), "E0822", 1, links={"link.net": "../secret.net"}),
    Case("an import by a linked folder", imports("up/secret.net"), "E0822", 1, links={"up": ".."}),
    Case("an import of a device", imports("zero.net"), "E0822", 1, links={"zero.net": "/dev/zero"}),
    Case("an import of a folder", imports("sub.net"), "E0825", 1, others={"sub.net/a.net": ""}),
    Case("an import of itself", imports("main.net"), "E0823", 1),
    Case("imports in a circle", imports("a.net"), "E0823", 1, "b.net", {
        "a.net": 'from "b.net" import P\nblock Q: x -> y {\n  y = x -> P\n}\n', "b.net": 'from "a.net" import Q\nblock P: x -> y {\n  y = x -> relu\n}\n',
    }),
    Case("a chain of 1,000 imports", imports("a0.net"), "E0824", 1, "a99.net", {
        f"a{i}.net": f'from "a{i + 1}.net" import Q\n' for i in range(1000)
    }),
    Case("an import with a NUL", imports("a\0.net"), "E0804", 1),
    Case("a mistake in an imported file", imports("a.net"), "E0202", 2, "a.net", {
        "a.net": "block Q: x -> y {\n  y = x -> rleu\n}\n"
    }),
    # ---- Texts
    Case("50 MB", b"# " + b"x" * 50_000_000, "E0802", 1),
    Case("NUL", net("  y = x -> re\0lu"), "E0804", 3),
    Case("text from right to left", net(f"  y = x -> relu # {RIGHT_TO_LEFT}"), "E0804", 3),
    Case("no UTF-8", b"net A {\n  \xff\xfe\n}\n", "E0803", 2),
    Case("names that are Python's", net(
        "  shared exec = conv(3, 1)\n  __class__ = x -> exec\n  lambda = __class__ -> __init__: conv(3, 1)\n"
        "  None = lambda -> exec\n  y = None -> eval", "block eval: self -> yield {\n  yield = self -> relu\n}\n"
    )),
    Case("code for a name", net(f"  y = x -> {CODE}"), "E0108", 3),
    Case("code for a label", net("  y = x -> __import__: relu -> open: dense(3)"), "E0301", 3),
    Case("braces of a format in a string", net('  y = x -> relu("{0.__class__}")'), "E0206", 3),
)  # fmt: skip


def limits() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netc", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(CHECKOUT), "PATH": "", "NETC_CACHE_DIR": str(folder / ".cache")},
        capture_output=True,
        text=True,
        timeout=HANGS,
        preexec_fn=limits,
        check=False,
    )


def written(case: Case, folder: Path) -> None:
    folder.mkdir()
    (folder.parent / "secret.net").write_text("block Q: x -> y {\n  y = x -> relu\n}\n", encoding="utf-8")
    text = case.text if isinstance(case.text, bytes) else case.text.encode()
    (folder / "main.net").write_bytes(text)
    for name, other in case.others.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(other, encoding="utf-8")
    for name, target in case.links.items():
        (folder / name).symlink_to(target)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_hostile_file_is_one_error_or_none(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "root"
    written(case, folder)
    done = run(folder, "check", "main.net")
    found = re.findall(r"^error\[(E\d+)\]", done.stderr, re.MULTILINE)
    assert "Traceback" not in done.stderr
    assert found == ([case.code] if case.code else [])
    assert done.returncode == (1 if case.code else 0)
    if case.line:
        assert f"--> {case.file}:{case.line}:" in done.stderr
    assert len(done.stderr) < 5_000
    assert sorted(p.name for p in folder.parent.iterdir()) == ["root", "secret.net"]
    assert not (folder / "hacked").exists()


@pytest.mark.parametrize("case", [c for c in CASES if not c.code], ids=str)
def test_what_is_no_mistake_is_reported_too(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "root"
    written(case, folder)
    done = run(folder, "report", "main.net")
    assert (done.returncode, done.stderr) == (0, "")
