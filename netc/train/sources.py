"""Where a train block's examples come from: each source a frozen dataclass, read by a module of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from netc.layers.args import Word, number, text
from netc.train.settings import Setting

if TYPE_CHECKING:
    from netc.train.dataset import Dataset

_PATH: Final = 'a path in quotes, from the folder of the file: "data/cats"'


@dataclass(frozen=True, slots=True)
class Want:
    """What a net takes, so that a source can tell early what does not fit.

    Attributes:
        shape: one example, such as (1, 28, 28) or (784,).
        classes: how many classes the net tells apart; None where targets are not labels.
        target: the shape of the target of one example: () for a label, (H, W) for one a pixel.
        name: how the train block calls its target.
        whole: whether examples are whole numbers, such as those of words.
    """

    shape: tuple[int, ...]
    classes: int | None = None
    target: tuple[int, ...] = ()
    name: str = "label"
    whole: bool = False


class Source(Setting):
    """Reads a data set.  `example` is how a file writes it, and `takes` the example of a net that fits."""

    example: ClassVar[str]
    takes: ClassVar[tuple[int, ...]]
    holds: ClassVar[str] = ""  # what the path of --data is, where the source itself names none

    def read(self, base: Path, want: Want) -> Dataset:
        """The data set; a path begins at `base`.

        Raises DataError where something is wrong with it, MissingDependency where its reader is not installed.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Digits(Source):
    """Scikit-learn's digits: 1,797 handwritten digits of 8×8 pixels in ten classes, from 0 to 1.

    They come with scikit-learn: pip install 'netc[data]'. A fifth is for the test, a tenth of the rest for validation.
    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI 1998.
    """

    kind = "digits"
    example = "digits"
    takes = (1, 8, 8)

    def read(self, base: Path, want: Want) -> Dataset:
        from netc.train.data import load_digits

        return load_digits()


@dataclass(frozen=True)
class Mnist(Source):
    """MNIST, 70,000 handwritten digits of 28×28 grey pixels in ten classes, from 0 to 1, and all that took its format.

    It is the folder of four IDX files that `netc train --data DIR` points at: train-images-idx3-ubyte,
    train-labels-idx1-ubyte, and t10k-… likewise, each gzipped or not. The last 5,000 of the training images (a tenth
    of fewer than 50,000) are for validation.
    Source: Y. LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998.
    """

    kind = "mnist"
    example = "mnist"
    takes = (1, 28, 28)
    holds = "a folder with its four IDX files"

    def read(self, base: Path, want: Want) -> Dataset:
        from netc.train.idx import load_idx_folder

        return load_idx_folder(base)


@dataclass(frozen=True)
class Cifar10(Source):
    """CIFAR-10, 60,000 pictures of 32×32 colour pixels in ten classes, from 0 to 1.

    It is the folder of the published binary version that `netc train --data DIR` points at: data_batch_1.bin to
    data_batch_5.bin, test_batch.bin and, for the names of the classes, batches.meta.txt. The last 5,000 of the training
    pictures are for validation.
    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """

    kind = "cifar10"
    example = "cifar10"
    takes = (3, 32, 32)
    holds = "the folder of its binary version (data_batch_1.bin to data_batch_5.bin, test_batch.bin)"

    def read(self, base: Path, want: Want) -> Dataset:
        from netc.train.cifar import load_cifar10

        return load_cifar10(base)


@dataclass(frozen=True)
class Folder(Source):
    """Pictures in a folder for each class: png and jpg files, all of the size of the net's input, from 0 to 1.

    Folders `train` and `test`, and `validation` if there is one, each hold a folder for each class; else the folder
    itself does, and a fifth is for the test, a tenth of the rest for validation. Classes are numbered in the order of
    their names, and `netc predict` prints them. A net of one channel gets grey pictures, a net of three gets colour.
    """

    path: str = text(what=_PATH)

    kind = "folder"
    example = 'folder("pets")'
    takes = (3, 64, 64)

    def read(self, base: Path, want: Want) -> Dataset:
        from netc.train.images import load_image_folder

        return load_image_folder(base / self.path, want.shape)


@dataclass(frozen=True)
class Npz(Source):
    """Arrays in NumPy's .npz file: x_train, y_train, x_test, y_test, or train_x and so on, or only x and y.

    x is [N, C, H, W], [N, H, W] or [N, C]; bytes are pixels and become 0 to 1, other numbers stay. Where the
    net's input is int, x is whole numbers, which all stay. In y, whole numbers are labels and others are targets. Of x
    and y alone a fifth is for the test and a tenth of the rest for validation.
    """

    path: str = text(what=_PATH)

    kind = "npz"
    example = 'npz("arrays.npz")'
    takes = (4,)

    def read(self, base: Path, want: Want) -> Dataset:
        from netc.train.npz import load_npz

        return load_npz(base / self.path, whole=want.whole)


@dataclass(frozen=True)
class Csv(Source):
    """A table of numbers between commas, an example a line; the first line may be names of columns.

    One column is the target: `target=first`, `target=last`, or by name, `target="species"`. Where it is not said, it is
    the column that is called as the train block calls its target, else the last one. The others are the example, in
    their order: as many as the net's input has numbers, so pictures are C·H·W columns. Every number is divided by
    `scale`; where it is not given, that is 255 for pictures of whole numbers from 0 to 255, else 1. Of a net whose
    input is int the numbers are whole, and stay. `test` is a second table for the test; without it a fifth is for the
    test and a tenth of the rest for validation.
    """

    path: str = text(what=_PATH)
    target: str | Word | None = text(
        what='first, last or the name of a column in quotes: "species"',
        words=("first", "last"),
        default=None,
        default_text="last",
    )
    test: str | None = text(what=_PATH, default=None, default_text="none")
    scale: float | None = number(
        low=0, high=float("inf"), default=None, open_low=True, default_text="255 or 1"
    )

    kind = "csv"
    example = 'csv("iris.csv", target="species")'
    takes = (4,)

    def read(self, base: Path, want: Want) -> Dataset:
        from netc.train.tables import load_csv

        target = self.target.id if isinstance(self.target, Word) else None
        column = self.target if isinstance(self.target, str) else None
        other = base / self.test if self.test else None
        return load_csv(base / self.path, other, want, place=target, column=column, scale=self.scale)


SOURCES: Final[dict[str, type[Source]]] = {k.kind: k for k in (Digits, Mnist, Cifar10, Folder, Npz, Csv)}
