"""Files that mean harm: each is one located error, or is read as what it says; soon, in little memory, no traceback.

Every case runs in a process of its own, with an address space of MEMORY beyond which Python fails, and SECONDS of a
processor after which it is killed: five times the 2 seconds that are meant, for a machine may be slow.
"""

# ruff: noqa: E501, a table reads better with a case a line
from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from tests.command import CHECKOUT

MEMORY = 512 << 20
SECONDS = 10  # of a processor
HANGS = 60  # seconds on the clock
HUGE = "1" + "0" * 30
RIGHT_TO_LEFT = chr(0x202E)


@dataclass(frozen=True)
class Case:
    """A folder's files by name, the first of them checked, and the one error that comes, at a line; no code is none.

    `many`: such errors come one after another, of which a hundred are told and the rest counted.
    """

    name: str
    text: str | bytes
    code: str = ""
    line: int = 0
    file: str = "main.net"  # where the error lies
    others: dict[str, str] = field(default_factory=dict[str, str])
    links: dict[str, str] = field(default_factory=dict[str, str])
    many: bool = False

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
TENS = "for i in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] { "
OPEN = "[N, 3, H, W] where H > 3000000, W > 3000000"
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29)
STEPS = [f"upsample({p}) -> maxpool({q})" for q, p in pairwise(PRIMES)]
CODE = "__import__('os').system('touch hacked')"

CASES = (
    # ---- Nesting
    Case("parentheses", net(f"  y = x -> conv({'(' * DEEP}1{')' * DEEP}, 1)"), "E0806", 3),
    Case("parentheses that stay open", net(f"  y = x -> conv({'(' * DEEP}"), "E0806", 3),
    Case("lists", net(f"  y = x -> conv({'[' * DEEP}1{']' * DEEP}, 1)"), "E0806", 3),
    Case("braces", net(f"  y = x -> {'if true { ' * DEEP}relu{' }' * DEEP}"), "E0806", 3),
    Case("minus signs", net(f"  y = x -> conv({'-' * (DEEP // 3)}1, 1)"), "E0806", 3),
    Case("nots", net(f"  y = x -> if {'not ' * DEEP}true {{ relu }}"), "E0806", 3),
    Case("a long sum", net(f"  y = x -> conv({'1 + ' * (DEEP // 3)}1, 1)"), "E0806", 3),
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
    Case("loops around an if over a size", net(
        "  y = x -> B", "block B: x -> y {\n  y = x -> " + TENS * 6 + "if x.C > 1 { relu }" + " }" * 6 + "\n}\n"
    ), "E0820", 0),
    Case("an if over a size around loops", net(
        "  y = x -> B", "block B: x -> y {\n  y = x -> if x.C > 1 { " + TENS * 6 + "if i == 11 { relu }" + " }" * 7 + "\n}\n"
    ), "E0820", 0),
    Case("an if over a size around blocks that double", net("  y = x -> if x.C > 1 { B60 }", doubling(60)), "E0820", 0),
    Case("a repeat over a size", net("  y = x -> if x.C > 1 { relu * (x.C * 1_000_000) }"), "E0820", 3),
    Case("steps that are shared", net(
        "  a0 = x -> relu\n" + "".join(f"  shared s{i} = relu\n  a{i} = a{i - 1} -> s{i}\n" for i in range(1, 10_000)) + "  y = a9999 -> relu"
    )),
    Case("parameters beside many blocks", net(
        "  y = x -> B * 20_000", "".join(f"param p{i}: int = 1\n" for i in range(4_000)) + "block B: x -> y {\n  y = x -> relu\n}\n"
    )),
    Case("a split into a million parts", net("  a, b = x -> split(1_000_000)\n  y = a + b", shape="[N, 1000000, 8, 8]"), "E0820", 3),
    Case("a split into more parts than names", net("  a, b = x -> split(190_000)\n  y = a + b", shape="[N, 190000, 8, 8]"), "E0210", 3),
    Case("splits in a loop", net(
        "  y = x -> for i in range(10_000) { B }", "block B: x -> y {\n  y = x -> split(1_000) -> concat\n}\n", "[N, 1000, 8, 8]"
    ), "E0820", 3),
    Case("a split into as many parts as a size says", net("  y = x -> split(x.C) -> concat", shape="[N, 1000000, 8, 8]"), "E0820", 3),
    Case("expressions that are evaluated in every turn", net(
        "  y = x -> for i in range(10_000) { for j in [1, 2, 3, 4, 5] { if " + " + ".join(["i"] * 190) + " < 0 { relu } } }"
    ), "E0820", 3),
    Case("lists that are made in every turn", net(
        "  y = x -> for i in range(10_000) { for j in [1, 2, 3, 4, 5] { if len(range(i)) < 0 { relu } } }"
    ), "E0820", 3),
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
    Case("a number that is infinite", net("  y = x -> dropout(1e999)"), "E0805", 3),
    Case("a dilation of 2^31", net("  y = x -> conv(1, 3, dilation=2000000000, pad=2000000000)")),
    Case("a kernel of 2^31 in as much padding", net("  y = x -> conv(1, 2000000000, pad=1000000000)")),
    Case("a stride of 2^31", net("  y = x -> conv(1, 3, stride=1000000000, pad=2000000000)")),
    Case("lists that double", net(
        "  y = x -> conv(1, 1, weight=p40)", "param p0: list = [1, 1]\n" + "".join(f"param p{i}: list = [p{i - 1}, p{i - 1}]\n" for i in range(1, 41))
    ), "E0820", 0),
    Case("tuples that double", net(
        "  y = x -> conv(1, 1, pad=p40)", "param p0 = (1, 1)\n" + "".join(f"param p{i} = (p{i - 1}, p{i - 1})\n" for i in range(1, 41))
    ), "E0820", 0),
    Case("lists in lists by parameters", net(
        "  y = x -> conv(1, 1, weight=p2000)", "param p0: list = [1]\n" + "".join(f"param p{i}: list = [p{i - 1}]\n" for i in range(1, 2001))
    ), "E0806", 0),
    # ---- Symbolic sizes
    Case("residues of large primes", net(
        "  a = x -> upsample(999983) -> maxpool(1000003)\n  b = x -> upsample(999979) -> maxpool(999983)\n  y = a + b", shape=OPEN
    ), "E0308", 5),
    Case("residues that multiply", net(
        f"  a = x -> {' -> '.join(STEPS)}\n  y = a + x", shape=OPEN
    ), "E0308", 3),
    Case("residues under a where clause", net(
        "  a = x -> maxpool(4096) -> upsample(4095) -> maxpool(4093)\n  b = x -> maxpool(4093) -> upsample(4095) -> maxpool(4096)\n  y = a + b",
        shape="[N, 3, H, W] where H % 4091 == 5, W % 4093 == 7, H > 30000000, W > 30000000",
    ), "E0308", 5),
    Case("residues in an if", net(
        "  a = x -> upsample(1009) -> maxpool(1013)\n  b = x -> upsample(1019) -> maxpool(1021)\n"
        "  y = a -> if a.H == x.H { relu }\n  z = b -> if a.H == b.H { relu }\n  output z", shape=OPEN
    ), "E0308", 6),
    Case("residues in an expect", net(
        "  y = x -> upsample(1009) -> maxpool(1013)\n  z = x -> upsample(1019) -> maxpool(1021)\n  output z\n  expect shape(y) == shape(z)", shape=OPEN
    ), "E0308", 6),
    Case("floors in floors", net(
        "  y = x -> " + " -> ".join(f"conv(1, 3, stride={i % 7 + 2}, pad=3) -> upsample({i % 5 + 2})" for i in range(300)), shape=OPEN
    ), "E0308", 3),
    Case("numbers that grow", net("  y = x" + " -> conv(1, 3, stride=2, pad=1)" * 300, shape=OPEN), "E0308", 3),
    Case("sums that double", net(
        "  a0 = x -> relu\n"
        + "".join(f"  p{i} = a{i - 1} -> maxpool(({i + 2}, 1))\n  a{i} = [a{i - 1}, p{i}] -> concat(axis=H)\n" for i in range(1, 25))
        + "  y = a24 -> relu", shape=OPEN
    ), "E0308", 0),
    Case("a total that a size decides", net("  y = x -> conv(1, 1)\n  expect memory < 1000", shape=OPEN), "E0308", 4),
    # ---- Graphs whose paths multiply
    Case("skips whose paths are Fibonacci numbers", net(SKIPS)),
    Case("dense skips", net(DENSE_SKIPS)),
    Case("joins of 1,500 different strides", net(
        "  b0 = x -> slice(H, 0, 1) -> slice(W, 0, 1)\n" + "".join(
            f"  a{i} = x -> conv(3, 1, stride={i + 1}) -> slice(H, 0, 1) -> slice(W, 0, 1)\n"
            f"  b{i} = a{i} + b{i - 1} -> conv(3, 3, pad=1)\n" for i in range(1, 1_500)
        ) + "  y = b1499 -> relu", shape="[N, 3, 4000, 4000]"
    )),
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
    Case("blocks in a long row", net("  y = x -> if false { B3000 }", doubling(3000, step="B{0}"))),
    # ---- Many mistakes, and many things
    Case("unknown tensors", net("".join(f"  y{i} = z{i} -> relu\n" for i in range(10_000)) + "  y = x -> relu"), "E0201", 3, many=True),
    Case("unknown layers", net("".join(f"  y{i} = x -> relv{i}\n" for i in range(30_000)) + "  y = x -> relu"), "E0202", 3, many=True),
    Case("tensors that nothing reads", net("".join(f"  y{i} = x -> relu\n" for i in range(10_000)) + "  y = x -> relu"), "E0501", 3, many=True),
    Case("words that are unknown", net("".join(f"  y{i} = x -> conv(1, 1, pad=halff)\n" for i in range(10_000)) + "  y = x -> relu"), "E0207", 3, many=True),
    Case("lines without an arrow", net("".join(f"  y{i} = x relu\n" for i in range(30_000)) + "  y = x -> relu"), "E0102", 3, many=True),
    Case("unknown tensors among long names that are alike", net(
        "".join(f"  name_that_is_rather_long_and_alike_{i} = x -> relu\n" for i in range(12_000))
        + "".join(f"  o{i} = name_that_is_rather_long_and_aliek_{i} -> relu\n" for i in range(300)) + "  y = x -> relu"
    ), "E0201", 12_003, many=True),
    Case("an unknown name used by a shared step", net("  shared f = rleu\n  a = x -> f\n  y = a -> f"), "E0202", 3),
    Case("5,000 nets", "".join(f"net T{i} {{\n  input x: [N, 3]\n  y = x -> relu\n  output y\n}}\n" for i in range(5_000))),
    Case("20,000 nets", "".join(f"net T{i} {{\n  input x: [N, 3]\n  y = x -> relu\n  output y\n}}\n" for i in range(20_000)), "E0802", 25_001),
    Case("20,000 blocks", "".join(f"block B{i}: x -> y {{\n  y = x -> relu\n}}\n" for i in range(20_000)), "E0802", 15_001),
    Case("300,000 layers on a line", net("  y = x -> " + " -> ".join(["relu"] * 300_000)), "E0820", 3),
    Case("300,000 layers, each on a line", net("  y = x\n" + "    -> relu\n" * 300_000), "E0820", 200_004),
    Case("300,000 rows of weights", net(f"  y = x -> conv(1, 3, weight=[{', '.join(['[1, 2, 3]'] * 300_000)}])"), "E0802", 3),
    Case("60,000 rows of weights", net(f"  y = x -> conv(1, 3, weight=[{', '.join(['[1, 2, 3]'] * 60_000)}])"), "E0820", 3),
    Case("a loop through 200,000 numbers", net(f"  y = x -> for i in [{', '.join(['1'] * 200_000)}] {{ relu }}"), "E0820", 3),
    Case("a shape of 300,000 sizes", net(f"  y = x -> relu\n  expect shape(y) == [{', '.join(['1'] * 300_000)}]"), "E0820", 4),
    Case("a shape of 9,000 sizes", net(f"  y = x -> relu\n  expect shape(y) == [{', '.join(['1'] * 9_000)}]"), "E0701", 4),
    Case("300,000 comments", "# a\n" * 300_000 + net("  y = x -> relu")),
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
    Case("a layer's name of 800 KB", net("  y = x -> " + "conv" * 200_000), "E0202", 3),
    Case("a string of 1 MB", net(f'  y = x -> conv(3, 3, border="{"a" * 1_000_000}")'), "E0207", 3),
    Case("a field where a number stands", net("  y = x -> relu\n  expect 3 + rf(x) == 4"), "E0208", 4),
    Case("tensors that are called as words are", net(
        "  C = x -> relu\n  half = [C, x] -> concat(axis=C)\n  same = half -> conv(3, 3, pad=half)\n  floor = same -> maxpool(2, round=floor)\n"
        "  y = floor -> conv(3, 3, pad=same)"
    )),
    Case("10,000 losses", net(
        "  y = x -> flatten -> dense(3)",
        "train A {\n  target t: int[N]\n" + "".join(f"  loss l{i} = [y, t] -> softmax_xent\n" for i in range(10_000)) + "}\n",
    )),
    Case("braces of a format in a string", net('  y = x -> relu("{0.__class__}")'), "E0206", 3),
)  # fmt: skip


def limits() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


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
    assert found == ([case.code] * 100 + ["E0807"] if case.many else [case.code] if case.code else [])
    assert done.returncode == (1 if case.code else 0)
    if case.line:
        assert f"--> {case.file}:{case.line}:" in done.stderr
    assert len(done.stderr) < (50_000 if case.many else 5_000)
    assert sorted(p.name for p in folder.parent.iterdir()) == ["root", "secret.net"]
    assert not (folder / "hacked").exists()


@pytest.mark.parametrize("case", [c for c in CASES if not c.code], ids=str)
def test_what_is_no_mistake_is_reported_too(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "root"
    written(case, folder)
    done = run(folder, "report", "main.net")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("form", ["text", "json", "sarif"])
def test_advice_in_3000_places_is_told_ten_times_and_listed_in_full(form: str, tmp_path: Path) -> None:
    text = net("  y = x" + " -> conv(8, 3, pad=1) -> bn -> relu" * 3_000)
    written(Case("advice", text), tmp_path / "root")
    done = run(tmp_path / "root", "check", "--format", form, "main.net")
    assert done.returncode == 0
    if form == "text":
        assert done.stderr.count("warning[W0201]: `bn`") == 10
        assert "warning[W0201]: the same 2,990 times more, in line 3;" in done.stderr
        assert done.stderr.endswith("main.net: 3000 warnings\n")
    else:
        told = '"ruleId": "W0201"' if form == "sarif" else '"code": "W0201"'
        assert done.stdout.count(told) == 3_000


def test_what_cannot_be_seen_never_reaches_the_terminal(tmp_path: Path) -> None:
    told = "\x1b[31m" + RIGHT_TO_LEFT + "\x9b"
    text = net(f'  a = x -> "{told}"\n  b = x -> conv(3, 3, border="{told}")\n  y = x -> B("{told}")\n')
    text += f"## {told}\nblock B(s: str): x -> y {{\n  y = x -> conv(s, 3)\n}}\n# {told}\n"
    written(Case("controls", text), tmp_path / "root")
    for command in (
        ["check"],
        ["check", "--json"],
        ["check", "--format", "sarif"],
        ["report"],
        ["report", "--json"],
    ):
        done = run(tmp_path / "root", *command, "main.net")
        assert done.returncode == 1
        shown = done.stdout + done.stderr
        assert [c for c in shown if not c.isprintable() and c != "\n"] == []
        assert "x1b" in shown or "u001b" in shown


def test_the_same_name_is_shown_in_full_where_it_is_short(tmp_path: Path) -> None:
    written(Case("short", net("  y = x -> " + "r" * 58)), tmp_path / "root")
    assert f"`{'r' * 58}`" in run(tmp_path / "root", "check", "main.net").stderr


def test_300000_comments_are_formatted(tmp_path: Path) -> None:
    written(Case("comments", "# a\n" * 300_000 + net("  y = x -> relu  # b")), tmp_path / "root")
    done = run(tmp_path / "root", "fmt", "main.net")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "root" / "main.net").read_text(encoding="utf-8").count("# a\n") == 300_000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("layers that read all before them", net(DENSE_SKIPS)),
        (
            "3,000 inputs",
            net(
                "".join(f"  input x{i}: [N, 3, 8, 8]\n" for i in range(3_000))
                + f"  y = [x, {', '.join(f'x{i}' for i in range(3_000))}] -> concat"
            ),
        ),
    ],
)
def test_a_picture_that_is_too_large_is_one_error(name: str, text: str, tmp_path: Path) -> None:
    written(Case(name, text), tmp_path / "root")
    done = run(tmp_path / "root", "draw", "main.net", "-o", "a.svg")
    assert done.returncode == 1
    assert re.fullmatch(r"Error: a picture of .* is too large to be laid out; --depth 0 .*\n", done.stderr)
    assert run(tmp_path / "root", "draw", "main.net", "-o", "a.dot").returncode == 0


def test_a_sum_of_150_is_drawn(tmp_path: Path) -> None:
    written(Case("a sum of 150", net(f"  y = {' + '.join(['x'] * 150)}")), tmp_path / "root")
    done = run(tmp_path / "root", "draw", "main.net", "-o", "a.svg")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pipe_is_refused_and_nobody_waits_for_it(tmp_path: Path) -> None:
    written(Case("pipe", imports("pipe.net")), tmp_path / "root")
    os.mkfifo(tmp_path / "root" / "pipe.net")
    for command in ("check", "report", "draw", "fmt"):
        done = run(tmp_path / "root", command, "pipe.net")
        assert done.returncode == 2
        assert (
            "pipe.net is a pipe or a device; a regular file is wanted, or - for standard input" in done.stderr
        )
    done = run(tmp_path / "root", "check", "main.net")
    assert done.returncode == 1
    assert re.findall(r"^error\[(E\d+)\]", done.stderr, re.MULTILINE) == ["E0825"]


def test_a_net_with_a_name_of_50000_letters_is_drawn_into_a_file_that_can_be_made(tmp_path: Path) -> None:
    name = "n" * 50_000
    written(Case("a long name", net("  y = x -> relu").replace("net A", f"net {name}")), tmp_path / "root")
    done = run(tmp_path / "root", "draw", "main.net")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "root" / f"{name[:100]}.svg").exists()
    done = run(tmp_path / "root", "draw", "main.net", "-o", f"{name}.svg")
    assert done.returncode == 2
    assert len(done.stderr) < 1000
