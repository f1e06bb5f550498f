"""The wheel, installed in an environment of its own and used from another folder."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed, with nothing of ours in its environment."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source archive, so that the archive is shown to be whole as well."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, CHECKOUT, cwd=out)
    [wheel] = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def env(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment in which netc comes from the wheel.

    What netc depends on is taken from the environment that runs the tests, by a line in a .pth file. Such a
    line adds a folder but does not read the .pth files in it, so the editable netc there stays unseen.
    """
    root = tmp_path_factory.mktemp("env")
    run(sys.executable, "-m", "venv", "--without-pip", root, cwd=root)
    python = root / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=root)
    [site] = root.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return root / "bin"


def test_wheel_holds_the_package_the_grammar_and_the_specs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    wanted = {
        f"netc/data/{path.parent.name}/{path.name}": path
        for path in [*CHECKOUT.glob("grammars/*.lark"), *CHECKOUT.glob("specs/*.net")]
    }
    assert any(name.endswith(".lark") for name in wanted)
    assert any(name.endswith(".net") for name in wanted)
    for name, path in wanted.items():
        assert packed[name] == path.read_bytes(), name
    assert "netc/py.typed" in packed
    assert {name.split("/")[0] for name in packed} == {"netc", "netc-0.1.0.dist-info"}


def test_netc_comes_from_the_wheel(env: Path, tmp_path: Path) -> None:
    where = run(env / "python", "-c", "import netc; print(netc.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(env.parent)


def test_specs_are_listed_from_another_folder(env: Path, tmp_path: Path) -> None:
    listed = run(env / "netc", "specs", cwd=tmp_path)
    for path in (CHECKOUT / "specs").glob("*.net"):
        assert path.stem in listed


def test_a_spec_is_checked_by_its_name_from_another_folder(env: Path, tmp_path: Path) -> None:
    run(env / "netc", "check", "lenet5", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []  # and nothing is left behind


def test_what_netc_imports_is_declared(wheel: Path) -> None:
    """The environment above borrows all that the tests have, so a missing dependency would not show there."""
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [
            archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")
        ]
    wanted = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*(?:; extra == .data.)?$", metadata, re.MULTILINE)
    declared = {name.lower() for name in wanted}
    assert "torch" not in declared
    imported: set[str] = set()
    for path in (CHECKOUT / "netc").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    others = imported - sys.stdlib_module_names - {"netc"}
    assert "numba" in others
    names = packages_distributions()
    assert {name: names[name] for name in others if not declared & {d.lower() for d in names[name]}} == {}
