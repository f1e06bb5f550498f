"""The lines of a train block: what each word means and takes.

The reader of a block and the pages of `netc explain` are made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from netc.layers import LAYERS
from netc.layers.initial import INITS
from netc.train.augment import AUGMENTATIONS
from netc.train.settings import METRICS, OPTIMIZERS, SCHEDULES, STOPS
from netc.train.sources import SOURCES


@dataclass(frozen=True)
class Key:
    """A word that begins a line.

    Attributes:
        name: the word.
        about: what it decides.
        example: a whole line.
        kinds: the names that it takes, each with its class.
        least: the smallest whole number that it takes, where it takes one.
        often: whether a block may have several such lines.
        takes: what it takes in a sentence, where that is neither.
    """

    name: str
    about: str
    example: str
    kinds: Mapping[str, type[Any]] = field(default_factory=dict[str, type[Any]])
    least: int | None = None
    often: bool = False
    takes: str = ""


_LOSSES: Final = {name: cls for name, cls in LAYERS.items() if cls.loss}

_ALL: Final = (
    Key(
        "data",
        "Where the examples come from. `--data PATH` of the command line goes before it: a folder or file of any of\n"
        "these kinds. A path in the file begins at the file's folder.",
        "data digits",
        SOURCES,
    ),
    Key(
        "loss",
        "What is minimised: a list of tensors and an arrow to a loss. Of several lines the sum is minimised; each may\n"
        "have a name, by which it is reported.",
        "loss main = [y, label] -> softmax_xent",
        _LOSSES,
        often=True,
    ),
    Key(
        "metric",
        "What is told beside the loss: logits [N, C] and labels, and an arrow to metrics with commas between them.\n"
        "A classifier that names none is told its accuracy.",
        "metric [y, label] -> accuracy, top(2)",
        METRICS,
        often=True,
    ),
    Key(
        "init",
        "How weights are drawn before training. A layer's own `init=` goes before it. Biases begin at 0 and scales\n"
        "at 1, whatever the rule.",
        "init he",
        INITS,
    ),
    Key(
        "optimizer",
        "How a step changes the weights, and the learning rate that the schedule begins from.",
        "optimizer adam(lr=0.001)",
        OPTIMIZERS,
    ),
    Key("schedule", "How the learning rate changes from epoch to epoch.", "schedule cosine", SCHEDULES),
    Key(
        "augment",
        "What happens at random to each picture of a training batch, and never to validation and test data: one or\n"
        "several steps, with arrows between them. The net's input is [N, C, H, W]. The seed and the number of the\n"
        "step decide all that is drawn. `netc eval` and `netc predict` average over such pictures by --tta N.",
        "augment shift(1) -> rotate(10)",
        AUGMENTATIONS,
    ),
    Key(
        "batch",
        "Examples a step. What is left over at the end of an epoch waits for the next, shuffled anew.",
        "batch 64",
        least=1,
    ),
    Key("epochs", "How often the training data are gone through.", "epochs 20", least=1),
    Key("stop", "When training ends before its last epoch.", "stop early(patience=5)", STOPS),
    Key(
        "seed",
        "The number that decides everything random: first weights, the order of examples, dropout and augmentation.\n"
        "The same seed gives the same run.",
        "seed 1",
        least=0,
    ),
    Key(
        "target",
        "What the data hold beside the examples. int[N] is a label an example, int[N, H, W] one a pixel, [N, 1] a\n"
        "number to come near to.",
        "target label: int[N]",
        takes="It takes a name and a type.",
    ),
)

KEYS: Final[Mapping[str, Key]] = {key.name: key for key in _ALL}
