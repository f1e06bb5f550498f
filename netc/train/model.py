"""A net that runs: its weights, and the programs over them, one for each batch size that comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from netc.graph.model import Graph
from netc.ir.program import Input, Program
from netc.layers.activation import Softmax
from netc.layers.loss import LABELLED, SoftmaxXent
from netc.lower import inference
from netc.runtime import Backend, Executable, compile_program
from netc.train import checkpoint
from netc.train.augment import Warp, augment
from netc.train.init import draw
from netc.train.spec import TrainSpec, pictures
from netc.train.step import evaluation, scoring, training_step, value_and_grad
from netc.types import NUMPY_NAME, DType, Size

Array = NDArray[Any]
Kind = Literal["train", "grad", "evaluate", "score", "predict"]
EVALUATION_BATCH: Final = 256  # examples at a time where nothing is learned
_STEPS, _VIEWS = 1, 2  # what augmentation is drawn for: streams of random numbers apart from each other


class Model:
    """A trainable model.  Arrays go in and come out as NumPy arrays in `(N, C, H, W)`.

    `steps` counts the updates made; `lr_factor` is what the schedule multiplies the learning rate by.
    """

    def __init__(
        self,
        graph: Graph,
        spec: TrainSpec,
        *,
        backend: Backend = "cpu",
        threads: int | None = None,
        dtype: DType = "f32",
    ) -> None:
        self.graph, self.spec = graph, spec
        self.backend: Backend = backend
        self.threads = threads
        self.dtype: DType = dtype
        self.steps = 0
        self.lr_factor = 1.0
        self.buffers: dict[str, Array] = {}
        self.source = checkpoint.Source(graph.name)  # what `save` writes beside the weights
        self._kept: dict[str, Input] = {}
        self._programs: dict[tuple[Kind, int], Executable] = {}
        self._adopt(training_step(graph, spec, 1, dtype))

    # ---- programs and their memory ------------------------------------------------------------------------

    def _adopt(self, program: Program) -> None:
        """Makes and initialises every buffer that stays and is not there yet."""
        for i in program.by_role("param", "frozen", "state", "slot"):
            if i.name not in self.buffers:
                self._kept[i.name] = i
                first = draw(i, self.spec.init, self.spec.seed)
                self.buffers[i.name] = np.ascontiguousarray(first, NUMPY_NAME[self.dtype])

    def program(self, kind: Kind, batch: int) -> Executable:
        """The program of a kind at a batch size, compiled when it is first wanted."""
        if (kind, batch) not in self._programs:
            make: dict[Kind, Callable[[], Program]] = {
                "train": lambda: training_step(self.graph, self.spec, batch, self.dtype),
                "grad": lambda: value_and_grad(self.graph, self.spec, batch, self.dtype),
                "evaluate": lambda: evaluation(self.graph, self.spec, batch, self.dtype),
                "score": lambda: scoring(self.graph, self.spec, self._logits(), batch, self.dtype),
                "predict": lambda: inference(self.graph, batch, dtype=self.dtype),
            }
            program = make[kind]()
            self._adopt(program)
            self._programs[kind, batch] = compile_program(
                program, backend=self.backend, threads=self.threads, buffers=self.buffers
            )
        return self._programs[kind, batch]

    def weights(self) -> dict[str, Array]:
        """Copies of parameters and states by name, in the layout of files: `(out, in, R, S)`, `(out, in)`."""
        return {name: self._outside(name) for name, i in self._kept.items() if i.role != "slot"}

    def slots(self) -> dict[str, Array]:
        """Copies of what the optimiser remembers, in the inner layout."""
        return {name: self.buffers[name].copy() for name, i in self._kept.items() if i.role == "slot"}

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
        for name, i in wanted.items():
            back = tuple(np.argsort(i.door)) if i.door else None
            self.buffers[name][...] = weights[name].transpose(back) if back else weights[name]

    def set_slots(self, slots: Mapping[str, Array]) -> None:
        """Replaces what the optimiser remembers, where name and shape agree; what is missing starts anew."""
        for name, i in self._kept.items():
            if i.role == "slot" and name in slots and slots[name].shape == self.buffers[name].shape:
                self.buffers[name][...] = slots[name]

    def _outside(self, name: str) -> Array:
        i = self._kept[name]
        inner = self.buffers[name]
        return _moved(inner, i.door)

    def save(self, path: str | Path) -> None:
        """Writes the weights, and in the file's header the net's text: `netc.load_model` needs no other file."""
        checkpoint.save(Path(path), self.weights(), self.source.about())

    # ---- what it does -------------------------------------------------------------------------------------

    def train_step(self, x: Any, y: Any) -> float:
        """One batch, one update, as the train block says; the loss before the update."""
        return self.train_batch(x, y)["loss"]

    def train_batch(self, x: Any, y: Any) -> dict[str, float]:
        """`train_step` with the metrics of the batch beside its loss."""
        feeds = self._augmented(self._feeds(x, y), self.steps)
        exe = self.program("train", self._batch(feeds))
        self.steps += 1
        rate = self.spec.optimizer.lr * self.lr_factor
        feeds |= self.spec.optimizer.scalars(self.steps, rate)
        return _numbers(exe.run(self._with_counter(feeds, exe)))

    def value_and_grad(self, x: Any, y: Any) -> tuple[float, dict[str, Array]]:
        """The loss of a batch in training mode and its gradient by every parameter; nothing changes."""
        feeds = self._feeds(x, y)
        exe = self.program("grad", self._batch(feeds))
        out = exe.run(self._with_counter(feeds, exe))
        params = {name: i for name, i in self._kept.items() if i.role == "param"}
        grads = {name: _moved(out[f"grad {name}"], i.door) for name, i in params.items()}
        return float(out["loss"]), grads

    def evaluate(self, x: Any, y: Any, *, views: int = 1) -> dict[str, float]:
        """Loss and metrics over all examples, outside of training.

        With `views` they are those of the class probabilities that `classify` gives with as many.
        """
        feeds = self._feeds(x, y)
        target: str = self.spec.target[0]
        kind: Kind = "evaluate"
        if views > 1:
            inputs = {n: a for n, a in feeds.items() if n != target}
            chances = np.maximum(self.classify(inputs, views=views), np.finfo(np.float32).tiny)
            # Logarithms of probabilities are logits whose softmax they are.
            logits = np.log(chances).astype(NUMPY_NAME[self.dtype])
            feeds, kind = {self._logits(): logits, target: feeds[target]}, "score"
        count = self._batch(feeds)
        totals: dict[str, float] = {}
        for part, size in _parts(feeds, count):
            exe = self.program(kind, size)
            for name, value in _numbers(exe.run(self._with_counter(part, exe))).items():
                totals[name] = totals.get(name, 0.0) + value * size
        return {name: total / count for name, total in totals.items()}

    def predict(self, x: Any) -> Any:
        """The net's output for every example; a dict by name where it has several."""
        feeds = self._inputs(x)
        outputs: dict[str, list[Array]] = {}
        for part, size in _parts(feeds, self._batch(feeds)):
            exe = self.program("predict", size)
            for name, value in exe.run(self._with_counter(part, exe)).items():
                outputs.setdefault(name, []).append(value)
        joined = {name: np.concatenate(parts) for name, parts in outputs.items()}
        return joined if len(joined) > 1 else next(iter(joined.values()))

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
            out = self.predict(self._augmented(feeds, view, _VIEWS) if view else feeds)
            logits: Array = cast("dict[str, Array]", out)[name] if isinstance(out, dict) else out
            total = total + np.asarray(Softmax.op.meaning(logits.astype(np.float64)))
        return np.asarray(total / views)

    def _logits(self) -> str:
        """The output that class probabilities are made of."""
        name = next((t.operands[0] for t in self.spec.losses if isinstance(t.layer, SoftmaxXent)), None)
        if name is None or name not in self.graph.outputs:
            raise ValueError(
                f"{self.graph.name} has no logits among its outputs that a softmax_xent loss looks at"
            )
        return name

    def fit(self, x: Any, y: Any, *, epochs: int | None = None) -> list[float]:
        """Trains on arrays for a number of epochs (the train block's); the mean loss of each epoch.

        Examples are shuffled by the seed; a last batch that is not full is left out of its epoch.
        """
        feeds = self._feeds(x, y)
        count = self._batch(feeds)
        history: list[float] = []
        for epoch in range(1, (epochs or self.spec.epochs) + 1):
            self.lr_factor = self.spec.schedule.at(epoch, epochs or self.spec.epochs, history)
            losses = [
                self.train_batch({n: a[rows] for n, a in feeds.items() if n != self.spec.target[0]},
                                 feeds[self.spec.target[0]][rows])["loss"]
                for rows in batches(count, self.spec.batch, self.spec.seed, epoch)
            ]  # fmt: skip
            history.append(float(np.mean(losses)))
        return history

    # ---- what goes in -------------------------------------------------------------------------------------

    def _feeds(self, x: Any, y: Any) -> dict[str, Any]:
        name, t = self.spec.target
        feeds = self._inputs(x)
        feeds[name] = self._fitted(name, y, t.shape, "int" if t.dtype == "int" else self.dtype)
        self._batch(feeds)
        return feeds

    def _inputs(self, x: Any) -> dict[str, Any]:
        """The net's inputs by name, from one array or a mapping."""
        names = [n.name for n in self.graph.inputs]
        given = cast("Mapping[str, Any]", x) if isinstance(x, Mapping) else {names[0]: x}
        if set(given) != set(names):
            raise ValueError(f"the net takes {', '.join(names)}; give them by name, as a dict")
        return {
            n.name: self._fitted(
                n.name, given[n.name], n.type.shape, "int" if n.type.dtype == "int" else self.dtype
            )
            for n in self.graph.inputs
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
        if len(set(sizes.values())) != 1:
            raise ValueError("different counts: " + ", ".join(f"{n} has {c}" for n, c in sizes.items()))
        count = next(iter(sizes.values()))
        if not count:
            raise ValueError("there are no examples")
        return count

    def _augmented(self, feeds: dict[str, Any], number: int, use: int = _STEPS) -> dict[str, Any]:
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

    def _with_counter(self, feeds: dict[str, Any], exe: Executable) -> dict[str, Any]:
        """Adds the number of the step, where something random asks for it, and drops what the program ignores."""
        feeds = {name: value for name, value in feeds.items() if name in exe}
        return feeds | ({"step": self.spec.seed * 2**32 + self.steps} if "step" in exe else {})


def batches(count: int, batch: int, seed: int, epoch: int) -> Iterator[Array]:
    """The rows of each batch of an epoch: shuffled, all of one size, what is left over at the end left out."""
    rows = np.random.default_rng([seed, epoch]).permutation(count)
    size = min(batch, count)
    for start in range(0, count - size + 1, size):
        yield rows[start : start + size]


def _as_array(a: Any) -> Array:
    """NumPy's own arrays, those of others by DLPack, and whatever NumPy makes of the rest."""
    if not isinstance(a, np.ndarray) and hasattr(a, "__dlpack__"):
        return np.from_dlpack(a)
    return np.asarray(cast("Any", a))


def _parts(feeds: Mapping[str, Array], count: int) -> Iterable[tuple[dict[str, Any], int]]:
    """The examples in parts of at most EVALUATION_BATCH, with the size of each."""
    for start in range(0, count, EVALUATION_BATCH):
        size = min(EVALUATION_BATCH, count - start)
        yield {name: a[start : start + size] for name, a in feeds.items()}, size


def _moved(a: Array, axes: tuple[int, ...]) -> Array:
    """A copy with its axes permuted, if a permutation is given, in the order that a file wants."""
    return np.array(np.transpose(a, axes) if axes else a, order="C")


def _numbers(out: Mapping[str, Array]) -> dict[str, float]:
    return {name: float(value) for name, value in out.items()}
