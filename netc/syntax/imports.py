"""`from "blocks.net" import Basic`: finds and reads the files that a file imports, and those that they import.

A file from a stranger may import only `.net` files that lie beside it or below: never absolute, never above the folder
of the file that was named first, not by way of a symbolic link, in no circle.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final, Literal

from netc.errors import Diagnostic, NetError, Note, Report, Span
from netc.syntax import ast
from netc.syntax.parse import parse
from netc.syntax.scan import MAX_BYTES, read

MAX_FILES: Final = 100


@dataclass(slots=True)
class Found:
    """The imported files, each after those that it imports itself; which one an import means; all texts.

    `links` is keyed by the path of the file that imports and the path that it writes.  `texts` are by the path under
    the root, with `/` on every system: what a model needs to be opened elsewhere.
    """

    files: list[ast.File] = field(default_factory=list[ast.File])
    links: dict[tuple[str, str], ast.File] = field(default_factory=dict[tuple[str, str], ast.File])
    texts: dict[str, str] = field(default_factory=dict[str, str])
    sources: dict[str, str] = field(default_factory=dict[str, str])


def find_imports(file: ast.File, report: Report, bundle: Mapping[str, str] | None = None) -> Found:
    """Reads all that a file imports, from beside it, or from `bundle` where the texts came with it."""
    finder = _Finder(file, report, bundle)
    finder.imports_of(file, "")
    return finder.found


class _Finder:
    """Walks the imports depth first; MAX_FILES bounds how deep."""

    def __init__(self, file: ast.File, report: Report, bundle: Mapping[str, str] | None) -> None:
        self.report, self.bundle = report, bundle
        self.main = file
        self.root = Path(file.path).parent
        self.found = Found()
        self.done: dict[str, ast.File | None] = {}  # by path under the root
        # The files whose imports are being read, outermost first, by where they lie and where they are imported.
        name = Path(file.path).name
        self.open: dict[str, Span] = {name: Span(file.path, 1, 1, 1, 1)}
        self.bytes = len(file.text)

    def imports_of(self, file: ast.File, folder: str) -> None:
        """Finds the imports of a file that lies in `folder` under the root."""
        for item in file.items:
            if isinstance(item, ast.Import):
                target = self._target(item, folder)
                if target:
                    self.found.links[file.path, item.path.value] = target

    def _target(self, item: ast.Import, folder: str) -> ast.File | None:
        name = self._under_root(item, folder)
        if name is None:
            return None
        if name in self.open:
            circle = [*self.open][[*self.open].index(name) :]
            message = f"the import of `{item.path.value}` closes a circle: {' → '.join([*circle, name])}"
            notes = tuple(Note(self.open[n], f"{n} is imported here") for n in circle[1:])
            self._refuse("E0823", message, item, "move what both need into a third file", notes)
            return None
        if name not in self.done:
            if len(self.done) >= MAX_FILES:
                self._refuse("E0824", f"more than {MAX_FILES} files are imported", item)
                return None
            self.done[name] = None
            self.open[name] = item.path.span
            self.done[name] = self._read(name, item)
            del self.open[name]
        return self.done[name]

    def _under_root(self, item: ast.Import, folder: str) -> str | None:
        """The path under the root, `..` taken out; None where it is not allowed, which is told."""
        written = item.path.value
        if "\0" in written:
            return None  # told of as what cannot be seen
        windows = PureWindowsPath(written)
        if PurePosixPath(written).is_absolute() or windows.drive or windows.root:
            self._refuse("E0822", f"an import is relative to its file, and `{written}` is absolute", item)
            return None
        if "\\" in written or not written.endswith(".net"):
            help = 'write it as "blocks.net" or "parts/blocks.net"'
            self._refuse("E0822", f"`{written}` is no path of a `.net` file", item, help)
            return None
        parts = folder.split("/") if folder else []
        for part in written.split("/"):
            if part == ".." and not parts:
                message = f"`{written}` lies above the folder of the file that was named first"
                self._refuse("E0822", message, item, "move it beside that file, or below")
                return None
            if part == "..":
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        return "/".join(parts)

    def _read(self, name: str, item: ast.Import) -> ast.File | None:
        text = self._text(name, item)
        if text is None:
            return None
        path = str(self.root / name)
        self.bytes += len(text)
        if self.bytes > MAX_BYTES:
            message = f"the imported files are larger than {MAX_BYTES >> 20} MiB together"
            self._refuse("E0824", message, item)
            return None
        file, mistakes = parse(text, path)
        self.found.sources[path] = self.found.texts[name] = text
        for mistake in mistakes:
            self.report.add(mistake)
        self.imports_of(file, name.rpartition("/")[0])
        self.found.files.append(file)
        return file

    def _text(self, name: str, item: ast.Import) -> str | None:
        if self.bundle is not None:
            if name not in self.bundle:
                self._refuse("E0825", f"`{item.path.value}` did not come with its file", item)
            return self.bundle.get(name)
        path = self.root / name
        if not Path(self.main.path).is_file():
            self._refuse("E0825", "a text that is in no file cannot import others", item)
            return None
        try:
            fault = self._fault(path)
            if fault:
                self._refuse(fault[0], fault[1], item)
                return None
            return read(path)
        except NetError as error:
            for diagnostic in error.diagnostics:
                if diagnostic.code == "E0801":
                    self._refuse("E0825", diagnostic.message, item)
                else:
                    self.report.add(diagnostic)
            self.found.sources.update(error.sources)
            return None

    def _fault(self, path: Path) -> tuple[Literal["E0822", "E0825"], str] | None:
        """Why a file may not be read: it is not there, no plain file, or lies elsewhere by a link."""
        try:
            real = Path(os.path.realpath(path, strict=True))
            if not real.is_relative_to(os.path.realpath(self.root)):
                return "E0822", f"`{path}` is a link to a file outside of {self.root}"
            if not real.is_file():
                return "E0825", f"`{path}` is no file"
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            return "E0825", f"cannot read `{path}`: {reason[0].lower()}{reason[1:]}"
        return None

    def _refuse(
        self, code: str, message: str, item: ast.Import, help: str = "", notes: tuple[Note, ...] = ()
    ) -> None:
        self.report.add(Diagnostic(code, message, item.path.span, help=help, notes=notes))
