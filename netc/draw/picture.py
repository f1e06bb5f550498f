"""DOT text to a picture file, by the `dot` program or, where it is missing or fails, by that of the pygraphviz wheel.

Either runs in a process of its own: a crash of the library leaves netc standing, and nothing it sets stays.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from netc.draw.effort import PictureError, TooLargeError
from netc.errors import MissingDependency, middle

FORMATS: Final = ("svg", "png", "pdf", "dot")
WHEEL: Final = "pygraphviz"
_PNG_DPI: Final = 200
_LONGEST_PATH: Final = 240  # characters of one in a message
_LONGEST: Final = 60  # seconds that a layout may take

# The same library without the program.  -c, and not a file, because a file's folder would come first on its sys.path.
_BY_WHEEL: Final = """
import sys
from pygraphviz import AGraph
graph = AGraph(string=sys.stdin.buffer.read().decode())
if len(sys.argv) > 2:
    graph.graph_attr["dpi"] = sys.argv[2]
sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog="dot"))
"""


class GraphvizError(MissingDependency):
    """Graphviz is there, and failed (exit code 3)."""


def render(dot: str, path: str | os.PathLike[str]) -> None:
    """Draws DOT text into `path`, as what its extension says: svg, png, pdf or dot.

    Raises PictureError for a path that cannot be written, TooLargeError where the layout takes too long or too much
    memory, MissingDependency where there is no Graphviz, and GraphvizError where it fails.
    """
    target, said = Path(path), middle(str(path), _LONGEST_PATH)
    form = target.suffix[1:].lower()
    if form not in FORMATS:
        named = f"`.{form}`" if form else "no extension"
        raise PictureError(f"{said} has {named}; a picture is one of {', '.join('.' + f for f in FORMATS)}")
    if not target.parent.is_dir():
        folder = middle(str(target.parent), _LONGEST_PATH)
        raise PictureError(f"there is no folder {folder} to write {middle(target.name, _LONGEST_PATH)} into")
    data = dot.encode() if form == "dot" else _drawn(dot, form)
    try:
        target.write_bytes(data)
    except OSError as error:
        raise PictureError(f"{said} cannot be written: {error.strerror}") from None


def svg(dot: str) -> str:
    """The picture of DOT text as SVG text, for a page or a notebook.  Raises as `render` does."""
    return _drawn(dot, "svg").decode()


def _drawn(dot: str, form: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="netc-draw-") as folder:
        data = _asked(_commands(form), dot, Path(folder))
    return _polished(data) if form == "svg" else data


def _commands(form: str) -> list[list[str]]:
    """How Graphviz can be run here, the better way first."""
    program = shutil.which("dot")
    dpi = str(_PNG_DPI) if form == "png" else ""
    found: list[list[str]] = []
    if program:
        found.append([program, f"-T{form}", *([f"-Gdpi={dpi}"] if dpi else [])])
    if find_spec(WHEEL):
        found.append([sys.executable, "-c", _BY_WHEEL, form, *([dpi] if dpi else [])])
    if not found:
        raise MissingDependency(
            "drawing needs Graphviz: `pip install 'pygraphviz>=2.0.4'` brings it, or install the `dot` program "
            "from graphviz.org; a `.dot` file needs neither"
        )
    return found


def _asked(commands: list[list[str]], dot: str, folder: Path) -> bytes:
    """What the first way answers that does not fail.  What is too large for one is so for all."""
    failed: list[GraphvizError] = []
    for command in commands:
        try:
            return _run(command, dot, folder)
        except GraphvizError as error:
            failed.append(error)
    raise failed[0]


def _run(command: list[str], dot: str, folder: Path) -> bytes:
    """What Graphviz answers; it runs in an empty folder, so that it imports nothing from where the user stands."""
    try:
        done = subprocess.run(
            command,
            input=dot.encode(),
            capture_output=True,
            cwd=folder,
            env=_surroundings(folder),
            timeout=_LONGEST,
        )
    except subprocess.TimeoutExpired:
        raise TooLargeError(
            f"Graphviz took more than {_LONGEST} s to lay this net out; draw fewer boxes: --depth 0"
        ) from None
    except OSError as error:
        raise GraphvizError(f"Graphviz ({command[0]}) cannot be started: {error.strerror}") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = said[-1] if said else f"it ended with {done.returncode} and said nothing"
        if "memory" in why.lower():
            raise TooLargeError(
                "this net is too large to lay out in the memory there is; draw fewer boxes: --depth 0"
            )
        raise GraphvizError(f"Graphviz failed: {why}")
    return done.stdout


# ---- Fonts -----------------------------------------------------------------------------------------------


def _surroundings(folder: Path) -> dict[str, str]:
    """The environment of Graphviz: that of netc, with fonts.

    A fresh machine may have no font at all, and then text has no width and no glyphs.  matplotlib carries DejaVu Sans.
    """
    env = dict(os.environ)
    fonts = _matplotlib_fonts()
    if fonts:
        config = folder / "fonts.conf"
        config.write_text(_font_config(fonts), encoding="utf-8")
        env["FONTCONFIG_FILE"] = str(config)
    return env


def _matplotlib_fonts() -> Path | None:
    spec = find_spec("matplotlib")
    places = spec.submodule_search_locations if spec else None
    fonts = [Path(p) / "mpl-data" / "fonts" / "ttf" for p in places or ()]
    return next((f for f in fonts if f.is_dir()), None)


def _font_config(fonts: Path) -> str:
    system = os.environ.get("FONTCONFIG_FILE", "/etc/fonts/fonts.conf")
    config = ElementTree.Element("fontconfig")
    ElementTree.SubElement(config, "include", ignore_missing="yes").text = system
    ElementTree.SubElement(config, "dir").text = str(fonts)
    ElementTree.SubElement(config, "cachedir", prefix="xdg").text = "fontconfig"
    return '<?xml version="1.0"?>\n' + ElementTree.tostring(config, encoding="unicode")


# ---- SVG -------------------------------------------------------------------------------------------------

_SVG: Final = "{http://www.w3.org/2000/svg}"
_LINK_TITLE: Final = "{http://www.w3.org/1999/xlink}title"


def _polished(svg: bytes) -> bytes:
    """The SVG with its tooltips where browsers and screen readers look for them: in `<title>` and `<desc>`.

    Graphviz writes node ids into `<title>`, and tooltips into links that lead nowhere.
    """
    ElementTree.register_namespace("", _SVG[1:-1])
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(svg)
    for group in root.iter(f"{_SVG}g"):
        title, link = group.find(f"{_SVG}title"), group.find(f"{_SVG}g/{_SVG}a")
        if title is None or link is None:
            continue
        place = list(group).index(next(g for g in group if g.find(f"{_SVG}a") is link))
        group[place : place + 1] = list(link)
        if group.get("class") == "graph":
            group.remove(title)
            _describe(root, title.text or "", link.get(_LINK_TITLE, ""))
        else:
            title.text = link.get(_LINK_TITLE)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="utf-8")


def _describe(root: ElementTree.Element, title: str, text: str) -> None:
    root.set("role", "img")
    root.set("aria-label", title)
    for i, (tag, said) in enumerate((("title", title), ("desc", text))):
        element = ElementTree.Element(f"{_SVG}{tag}")
        element.text = said
        root.insert(i, element)
