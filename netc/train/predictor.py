"""A net for prediction: its weights, and the programs over them, one for each batch size that comes.

What follows from weights and statistics alone is *prepared*: computed once, before the first run after they have
changed, and shared by all batch sizes.  Norms are folded into the weights before them (`netc/ir/fold.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from netc.graph.model import Graph
from netc.ir.program import Input, Program
from netc.layers.activation import Softmax
from netc.layers.loss import LABELLED, SoftmaxXent
from netc.locks import Lock
from netc.lower import folded, forward
from netc.runtime import Backend, Executable, compile_program
from netc.train import checkpoint
from netc.train.augment import Warp, augment
from netc.train.init import draw
from netc.train.spec import TrainSpec, pictures
from netc.train.step import evaluation, scoring
from netc.types import NUMPY_NAME, DType, Math, Size

Array = NDArray[Any]
Fixed = Literal["evaluate", "score", "predict"]
EVALUATION_BATCH: Final = 256  # examples at a time where nothing is learned
ENGINES: Final = 8  # programs that are kept, for so many batch sizes: each has what it makes of the weights
STEPS, VIEWS = 1, 2  # what augmentation is drawn for: streams of random numbers apart from each other


@dataclass(slots=True, eq=False)
class _Engine:
    """A program over weights that stay, and what it wants prepared.  `version` is that of the weights it was for."""

    infer: Executable
    prepare: Executable | None
    prepared: tuple[str, ...]  # names of buffers
    version: int = -1


class Predictor:
    """A model for prediction only: no gradients and no optimiser.  Arrays go in and come out as NumPy arrays in
    `(N, C, H, W)`.

    `version` counts the changes of its weights, by `set_weights` and by training; a program is prepared again when it
    has moved on.  Who writes into `buffers` by hand adds one.
    """

    def __init__(
        self,
        graph: Graph,
        spec: TrainSpec,
        *,
        backend: Backend = "cpu",
        threads: int | None = None,
        dtype: DType | None = None,
        math: Math = "fast",
    ) -> None:
        self.graph, self.spec = graph, spec
        self.backend: Backend = backend
        self.threads = threads
        self.dtype: DType = dtype or graph.dtype
        self.math: Math = math
        self.version = 0
        self.buffers: dict[str, Array] = {}
        self.source = checkpoint.Source(graph.name)  # what `save` writes beside the weights
        self._data = {n.name: n.type for n in graph.inputs}
        self._kept: dict[str, Input] = {}
        self._engines: dict[tuple[Fixed, int], _Engine] = {}
        self._prepared: dict[str, Array] = {}
        self._fresh: dict[str, int] = {}  # by name of what is prepared: the version that it is of
        self._lock = Lock()
        self._adopt(self._first())

    # ---- programs and their memory ------------------------------------------------------------------------

    def _first(self) -> Program:
        """The program whose inputs are everything that stays."""
        return forward(self.graph, 1, dtype=self.dtype)

    def _adopt(self, program: Program) -> None:
        """Makes and initialises every buffer that stays and is not there yet."""
        for i in program.by_role("param", "frozen", "state", "slot"):
            if i.name not in self.buffers:
                self._kept[i.name] = i
                first = draw(i, self.spec.init, self.spec.seed)
                self.buffers[i.name] = np.require(first, NUMPY_NAME[self.dtype], ["C", "W"])

    def _compiled(self, program: Program, *, stay: bool = False) -> Executable:
        buffers = self.buffers | self._prepared
        return compile_program(program, self.backend, self.threads, buffers, self.math, stay)

    def engine(self, kind: Fixed, batch: int) -> Executable:
        """The program of a kind at a batch size, compiled when it is first wanted and prepared for the weights."""
        engine = self._engines.get((kind, batch))
        if engine is None or engine.version != self.version:
            with self._lock:
                engine = self._engines.get((kind, batch)) or self._made(kind, batch)
                self._prepare(engine)
        return engine.infer

    def _made(self, kind: Fixed, batch: int) -> _Engine:
        make: dict[Fixed, Callable[[], Program]] = {
            "evaluate": lambda: evaluation(self.graph, self.spec, batch, self.dtype),
            "score": lambda: scoring(self.graph, self.spec, self._logits(), batch, self.dtype),
            "predict": lambda: forward(self.graph, batch, dtype=self.dtype),
        }
        prepare, infer = folded(make[kind]())
        prepared = tuple(i.name for i in infer.by_role("prepared"))
        compiled = self._compiled(infer, stay=True)
        self._prepared |= {name: compiled[name] for name in prepared}
        engine = _Engine(compiled, self._compiled(prepare) if prepared else None, prepared)
        while len(self._engines) >= ENGINES:
            del self._engines[next(iter(self._engines))]
        self._engines[kind, batch] = engine
        return engine

    def _prepare(self, engine: _Engine) -> None:
        """Brings what the engine wants prepared up to date; another one may have done so already."""
        version = self.version
        if engine.prepare and any(self._fresh.get(name) != version for name in engine.prepared):
            engine.prepare.run({})
            self._fresh |= dict.fromkeys(engine.prepared, version)
        engine.infer.prepare()
        engine.version = version

    def weights(self) -> dict[str, Array]:
        """Copies of parameters and states by name, in the layout of files: `(out, in, R, S)`, `(out, in)`."""
        return {name: self._outside(name) for name, i in self._kept.items() if i.role != "slot"}

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Replaces parameters and states.  Raises ValueError, with nothing changed, where names or shapes differ."""
        wanted = {name: i for name, i in self._kept.items() if i.role != "slot"}
        missing, extra = wanted.keys() - weights.keys(), weights.keys() - wanted.keys()
        if missing or extra:
            said = [f"lacks {n}" for n in sorted(missing)] + [
                f"has {n}, which the net lacks" for n in sorted(extra)
            ]
            raise ValueError("; ".join(said[:5]) + (" …" if len(said) > 5 else ""))
        for name, i in wanted.items():
            if weights[name].shape != i.outer_shape:
                raise ValueError(
                    f"{name} has the shape {weights[name].shape}, and the net wants {i.outer_shape}"
                )
        with self._lock:  # nothing is prepared of weights of which half are new
            for name, i in wanted.items():
                back = tuple(np.argsort(i.door)) if i.door else None
                self.buffers[name][...] = weights[name].transpose(back) if back else weights[name]
            self.version += 1

    def _outside(self, name: str) -> Array:
        i = self._kept[name]
        inner = self.buffers[name]
        return moved(inner, i.door)

    def save(self, path: str | Path) -> None:
        """Writes the weights, and in the file's header the net's text: `netc.load_model` needs no other file."""
        checkpoint.save(Path(path), self.weights(), self.source.about())

    # ---- what it does -------------------------------------------------------------------------------------

    def evaluate(self, x: Any, y: Any, *, views: int = 1) -> dict[str, float]:
        """Loss and metrics over all examples, outside of training.

        With `views` they are those of the class probabilities that `classify` gives with as many.
        """
        feeds = self._feeds(x, y)
        count = self._batch(feeds)
        kind: Fixed = "evaluate"
        if views > 1:
            target: str = self.spec.target[0]
            inputs = {name: array for name, array in feeds.items() if name != target}
            chances = np.maximum(self.classify(inputs, views=views), np.finfo(np.float32).tiny)
            # Logarithms of probabilities are logits whose softmax they are.
            logits = np.log(chances).astype(NUMPY_NAME[self.dtype])
            feeds, kind = {self._logits(): logits, target: feeds[target]}, "score"
        totals: dict[str, float] = {}
        for part, size in _parts(feeds, count):
            exe = self.engine(kind, size)
            for name, value in numbers(exe.run(part)).items():
                totals[name] = totals.get(name, 0.0) + value * size
        return {name: total / count for name, total in totals.items()}

    def predict(self, x: Any) -> Any:
        """The net's output for every example; a dict by name where it has several."""
        feeds = self._inputs(x)
        count = self._batch(feeds)
        outputs: dict[str, Array]
        if count <= EVALUATION_BATCH:
            outputs = self.engine("predict", count).run(feeds)
        else:
            parts = [self.engine("predict", size).run(part) for part, size in _parts(feeds, count)]
            outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return outputs if len(outputs) > 1 else next(iter(outputs.values()))

    def classify(self, x: Any, *, views: int = 1) -> Array:
        """Class probabilities `(N, C)`: the softmax of the logits that the first `softmax_xent` loss looks at.

        With `views` they are means over that many looks at each example: as it is, and changed as the train block's
        `augment` says.  Raises ValueError where the net is no classifier, or nothing augments it.
        """
        name = self._logits()
        if views > 1 and not self.spec.augment:
            raise ValueError(f"the train block of {self.graph.name} names no augmentation to average over")
        feeds = self._inputs(x)
        total: Array | float = 0.0
        for view in range(views):
            out = self.predict(self._augmented(feeds, view, VIEWS) if view else feeds)
            logits: Array = cast("dict[str, Array]", out)[name] if isinstance(out, dict) else out
            total = total + np.asarray(Softmax.op.meaning(logits.astype(np.float64)))
        return np.asarray(total / views)

    @property
    def classifies(self) -> bool:
        """Whether it has class probabilities: an output that a `softmax_xent` loss looks at."""
        return self._found_logits() is not None

    def _found_logits(self) -> str | None:
        name = next((t.operands[0] for t in self.spec.losses if isinstance(t.layer, SoftmaxXent)), None)
        return name if name in self.graph.outputs else None

    def _logits(self) -> str:
        """The output that class probabilities are made of."""
        name = self._found_logits()
        if name is None:
            raise ValueError(
                f"{self.graph.name} has no logits among its outputs that a softmax_xent loss looks at"
            )
        return name

    def _augmented(self, feeds: dict[str, Any], number: int, use: int) -> dict[str, Any]:
        """The pictures among the inputs changed at random; the seed, `use` and `number` decide how."""
        if not self.spec.augment:
            return feeds
        rng = np.random.default_rng([self.spec.seed, number, use])
        warp: Warp = import_module(f"netc.backends.{self.backend}.warp").warp
        named = {n.name for n in self.graph.inputs if pictures(n.type)}
        return {
            name: augment(self.spec.augment, array, rng, warp) if name in named else array
            for name, array in feeds.items()
        }

    # ---- what goes in -------------------------------------------------------------------------------------

    def _feeds(self, x: Any, y: Any) -> dict[str, Any]:
        name, t = self.spec.target
        feeds = self._inputs(x)
        feeds[name] = self._fitted(name, y, t.shape, "int" if t.dtype == "int" else self.dtype)
        self._batch(feeds)
        return feeds

    def _inputs(self, x: Any) -> dict[str, Array]:
        """The net's inputs by name, from one array or a mapping."""
        given = cast("Mapping[str, Any]", x) if isinstance(x, Mapping) else {next(iter(self._data)): x}
        if given.keys() != self._data.keys():
            raise ValueError(f"the net takes {', '.join(self._data)}; give them by name, as a dict")
        return {
            name: self._fitted(name, given[name], t.shape, "int" if t.dtype == "int" else self.dtype)
            for name, t in self._data.items()
        }

    def _fitted(self, name: str, array: Any, shape: tuple[Size, ...], dtype: DType) -> Array:
        """An array of the right element type, if its shape is `shape` with some N."""
        out = _as_array(array)
        if dtype == "int" and out.dtype.kind not in "iub":
            raise ValueError(f"{name} must be integers, and is {out.dtype}")
        if out.ndim != len(shape) or out.shape[1:] != shape[1:]:
            wanted = ", ".join(map(str, shape))
            raise ValueError(f"{name} has the shape {out.shape}, and the net wants [{wanted}]")
        if dtype == "int" and out.size:
            self._labels_in_range(name, out)
        return np.ascontiguousarray(out, np.dtype(NUMPY_NAME[dtype]))

    def _labels_in_range(self, name: str, labels: Array) -> None:
        for term in self.spec.losses:
            if isinstance(term.layer, LABELLED) and term.operands[1] == name:
                classes = self.graph.node(term.operands[0]).type.shape[1]
                assert isinstance(classes, int)
                if labels.min() < 0 or labels.max() >= classes:
                    raise ValueError(
                        f"{name} holds labels from {labels.min()} to {labels.max()}, and there are {classes} classes"
                    )

    def _batch(self, feeds: Mapping[str, Array]) -> int:
        sizes = {name: len(a) for name, a in feeds.items()}
        count = next(iter(sizes.values()))
        if any(size != count for size in sizes.values()):
            raise ValueError("different counts: " + ", ".join(f"{n} has {c}" for n, c in sizes.items()))
        if not count:
            raise ValueError("there are no examples")
        return count


def _as_array(a: Any) -> Array:
    """NumPy's own arrays, those of others by DLPack, and whatever NumPy makes of the rest."""
    if not isinstance(a, np.ndarray) and hasattr(a, "__dlpack__"):
        return np.from_dlpack(a)
    return np.asarray(cast("Any", a))


def _parts(feeds: Mapping[str, Array], count: int) -> Iterable[tuple[dict[str, Array], int]]:
    """The examples in parts of at most EVALUATION_BATCH, with the size of each."""
    for start in range(0, count, EVALUATION_BATCH):
        size = min(EVALUATION_BATCH, count - start)
        yield {name: a[start : start + size] for name, a in feeds.items()}, size


def moved(a: Array, axes: tuple[int, ...]) -> Array:
    """A copy with its axes permuted, if a permutation is given, in the order that a file wants."""
    return np.array(np.transpose(a, axes) if axes else a, order="C")


def numbers(out: Mapping[str, Array]) -> dict[str, float]:
    """Results that are one number each, as such."""
    return {name: float(value) for name, value in out.items()}
