"""The Python API: a net, what is known of it, and the model it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from netc import draw as drawing
from netc.analyze.report import net_dict
from netc.errors import MissingDependency
from netc.loading import Compiled, Loaded, load_file, load_text
from netc.train.spec import default_spec
from netc.types import MOST_THREADS, DType, Math

if TYPE_CHECKING:
    from netc.train.frugal import Recompute
    from netc.train.model import Model
    from netc.train.predictor import Predictor


class Net:
    """One net of a `.net` file, known through and through before any data is seen."""

    def __init__(self, loaded: Loaded, name: str) -> None:
        self.loaded, self.name = loaded, name

    @property
    def compiled(self) -> Compiled:
        return self.loaded.nets[self.name]

    def __repr__(self) -> str:
        facts = self.compiled.facts
        macs = "" if facts.macs is None else f", {facts.macs:,} MACs"
        return f"<net {self.name}: {facts.params:,} parameters{macs}>"

    def report(self, batch: int = 1) -> Report:
        """Shapes, parameters, MACs, receptive fields and memory, layer by layer; prints itself."""
        return Report(self, batch)

    def draw(self, path: str | Path | None = None, **options: Any) -> Drawing:
        """The net as a picture: written to `path` (svg, png, pdf or dot) if one is given; shows itself in a notebook.

        `options` are those of `netc.draw.to_dot`: depth, theme, rankdir, fold.  Raises `netc.draw.TooLargeError` for a
        picture that could not be laid out in reasonable time.
        """
        laid_out = path is None or Path(path).suffix.lower() != ".dot"
        picture = Drawing(drawing.to_dot(self.compiled.graph, limit=laid_out, **options))
        if path is not None:
            drawing.render(picture.dot, Path(path))
        return picture


class Report:
    """The figures of a net as a table, a dict or a data frame."""

    def __init__(self, net: Net, batch: int) -> None:
        self._net, self._batch = net, batch

    def to_dict(self) -> dict[str, Any]:
        """One net's part of the JSON report (`netc.report/1`)."""
        return net_dict(self._net.compiled.report(self._batch))

    def to_frame(self) -> Any:
        """The layers as a pandas DataFrame.  Raises MissingDependency without pandas."""
        try:
            pandas: Any = import_module("pandas")
        except ImportError:
            raise MissingDependency("a data frame needs pandas: pip install pandas") from None
        return pandas.DataFrame(self.to_dict()["layers"])

    def __str__(self) -> str:
        from netc.analyze.table import table_text

        return table_text(self._net.compiled.report(self._batch))

    __repr__ = __str__


class Drawing:
    """A picture of a net: its DOT text, and SVG where one is shown."""

    def __init__(self, dot: str) -> None:
        self.dot = dot

    def _repr_svg_(self) -> str:
        return drawing.svg(self.dot)


def load(path: str | Path, net: str | None = None, settings: Mapping[str, Any] | None = None) -> Net:
    """The net of a `.net` file or of a shipped spec (`"lenet5"`).

    `net` names one where the file has several; `settings` are as with `--set`: `{"classes": 10}`.
    Raises NetError, with all diagnostics, where the file is wrong, and ValueError where `net` is needed or unknown.
    """
    return _choose(load_file(str(path), _texts(settings), only=net), net)


def parse(text: str, net: str | None = None, settings: Mapping[str, Any] | None = None) -> Net:
    """The net of a text.

    >>> parse('''net Line {
    ...   input x: [N, 1]
    ...   y = x -> dense(1)
    ...   output y
    ... }''')
    <net Line: 2 parameters, 1 MACs>
    """
    return _choose(load_text(text, settings=_texts(settings), only=net), net)


@overload
def compile(
    net: Net,
    *,
    train: Literal[True] = True,
    device: Literal["cpu"] = "cpu",
    backend: Literal["cpu", "numpy"] = "cpu",
    threads: int | None = None,
    dtype: DType | None = None,
    math: Math = "fast",
    recompute: Recompute | None = None,
) -> Model: ...


@overload
def compile(
    net: Net,
    *,
    train: Literal[False],
    device: Literal["cpu"] = "cpu",
    backend: Literal["cpu", "numpy"] = "cpu",
    threads: int | None = None,
    dtype: DType | None = None,
    math: Math = "fast",
) -> Predictor: ...


def compile(
    net: Net,
    *,
    train: bool = True,
    device: Literal["cpu"] = "cpu",
    backend: Literal["cpu", "numpy"] = "cpu",
    threads: int | None = None,
    dtype: DType | None = None,
    math: Math = "fast",
    recompute: Recompute | None = None,
) -> Predictor:
    """A trainable model of a net, its weights drawn as its train block says.

    With `train=False` one that only predicts and evaluates, without an optimiser's memory: a `Predictor`.
    `recompute="cheap"` or `"all"` trades time for memory in training: the backward pass computes activations again,
    those that take no convolution or dense layer, or all.
    `dtype` is the float type to compute in, "f32" or "f64"; without one it is that of the net's inputs.
    `math="strict"` keeps to algorithms that round no more than sums of products do: no Winograd convolution.
    `backend="numpy"` runs the definition of every operation, slowly.  Raises ValueError for an
    option that is not known.
    """
    from netc.train.checkpoint import Source
    from netc.train.model import Model
    from netc.train.predictor import Predictor

    if device != "cpu":
        raise ValueError(f"the device {device} is not in this version of netc; cpu is")
    _check_options(threads, math=math, backend=backend, dtype=dtype, recompute=recompute)
    spec = net.compiled.train or default_spec(net.compiled.graph)
    made: Predictor
    if train and not spec.losses:
        raise ValueError(
            f"{net.name} has no loss: its outputs are whole numbers; train=False makes a predictor"
        )
    if train:
        made = Model(
            net.compiled.graph,
            spec,
            backend=backend,
            threads=threads,
            dtype=dtype,
            math=math,
            recompute=recompute,
        )
    elif recompute:
        raise ValueError("recompute is for training")
    else:
        made = Predictor(net.compiled.graph, spec, backend=backend, threads=threads, dtype=dtype, math=math)
    loaded = net.loaded
    made.source = Source(net.name, loaded.text, dict(loaded.settings), dict(loaded.imports))
    return made


def _check_options(threads: object, **options: object) -> None:
    """Raises ValueError for a number of threads, or another option, that `compile` does not know."""
    known: dict[str, tuple[str | None, ...]] = {
        "math": ("fast", "strict"),
        "backend": ("cpu", "numpy"),
        "dtype": (None, "f32", "f64"),
        "recompute": (None, "cheap", "all"),
    }
    for name, value in options.items():
        if value not in known[name]:
            raise ValueError(f"{name} is {' or '.join(filter(None, known[name]))}, not {value}")
    if threads is not None and (type(threads) is not int or not 1 <= threads <= MOST_THREADS):
        raise ValueError(f"threads is a whole number from 1 to {MOST_THREADS}, not {threads}")


@overload
def load_model(path: str | Path, *, train: Literal[True] = True, **options: Any) -> Model: ...


@overload
def load_model(path: str | Path, *, train: Literal[False], **options: Any) -> Predictor: ...


def load_model(path: str | Path, *, train: bool = True, **options: Any) -> Predictor:
    """A model that `Model.save` or `netc train` wrote, or the run folder that holds it; `options` as for `compile`.

    Raises netc.train.checkpoint.ModelError where the file is none or does not fit its net.
    """
    from netc.train.checkpoint import ModelError, Source
    from netc.train.checkpoint import load as load_arrays
    from netc.train.folder import model_of

    file = model_of(Path(path))
    arrays, about = load_arrays(file)
    try:
        source = Source.of(about)
    except ValueError as error:
        raise ModelError(f"{file}: its header does not say which net it is ({error})") from None
    loaded = load_text(
        source.text, f"{file}:{source.net}", source.settings, imports=source.imports, only=source.net
    )
    net = _choose(loaded, source.net)
    model = compile(net, **options) if train else compile(net, train=False, **options)
    try:
        model.set_weights(arrays)
    except ValueError as error:
        raise ModelError(f"{file}: the weights do not fit the net: it {error}") from None
    model.source = source
    return model


def _choose(loaded: Loaded, name: str | None) -> Net:
    nets = loaded.must_be_right().names
    if name is None and len(nets) == 1:
        return Net(loaded, nets[0])
    if name in nets:
        return Net(loaded, name)
    have = ", ".join(nets) if nets else "none"
    raise ValueError(
        f"{loaded.path} has the nets {have}" + (f", and no `{name}`" if name else "; say which by net=")
    )


def _texts(settings: Mapping[str, Any] | None) -> dict[str, str]:
    """Settings as the command line would give them."""
    return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in (settings or {}).items()}
