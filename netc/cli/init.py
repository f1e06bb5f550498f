"""`netc init`: a first file to change."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click

from netc.cli.output import say

_TEXT: Final = """netc 1

# A network in one file.  Try:
#   netc check FILE      every mistake, each with its line
#   netc report FILE     shapes, parameters, MACs, receptive fields, memory
#   netc draw FILE       a picture
#   netc train FILE      trains it, here in seconds

# A setting of the file; from outside: --set width=32
param width: int = 16

## Two convolutions with an input that goes around them (a comment of two # is shown in reports).
block Residual(c: int): x -> y {
  main = x -> conv(c, 3, pad=half, bias=false) -> bn -> relu
           -> conv(c, 3, pad=half, bias=false) -> bn
  skip = x -> if x.C != c { conv(c, 1) }  # an if without else leaves its input as it is
  y = main + skip -> relu  # names are given only where the graph forks
}

## A small residual network for 8x8 images of handwritten digits.
net NAME {
  input image: [N, 1, 8, 8]  # batch, channels, height, width
  stem = image -> conv(width, 3, pad=half) -> relu
  features = stem -> Residual(width) * 2 -> maxpool(2) -> Residual(2 * width)
  logits = features -> gap -> flatten -> dense(10)
  output logits

  # Facts that `netc check` proves:
  expect shape(features) == [N, 2 * width, 4, 4]
  expect rf(features) == 20
}

train NAME {
  data digits  # 1,797 images that come with scikit-learn
  target label: int[N]
  loss [logits, label] -> softmax_xent
  metric [logits, label] -> accuracy
  init he
  optimizer adam(lr=0.003)
  schedule cosine
  batch 32
  epochs 10
  seed 1
}
"""


@click.command("init", epilog="A file that is there is never overwritten.")
@click.argument("name", default="digits_net")
def command(name: str) -> None:
    """Write a first .net file, with comments, that trains on digits.

    \b
    Example:
      netc init tiny
      netc train tiny.net
    """
    path = Path(name if name.endswith(".net") else f"{name}.net")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(first_file(path))
    except FileExistsError:
        raise click.UsageError(f"{path} is there already; name another file") from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None
    say(f"{path} is written; next: netc report {path}, netc train {path}")


def first_file(path: Path) -> str:
    """The text of a first file; its net is called as the file is.

    >>> [line for line in first_file(Path("my-first.net")).splitlines() if line.startswith(("net ", "train "))]
    ['net MyFirst {', 'train MyFirst {']
    """
    words = re.findall("[A-Za-z0-9]+", path.stem)
    net = "".join(w[0].upper() + w[1:] for w in words)
    return _TEXT.replace("FILE", path.name).replace("NAME", net if net[:1].isalpha() else f"Net{net}")
