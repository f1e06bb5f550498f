"""`netc bench`: where the time of a step goes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from netc.cli.files import (
    file_argument,
    math_option,
    net_option,
    only,
    read_net,
    recompute_option,
    set_option,
)
from netc.cli.output import complain, console, is_terminal, say, width
from netc.cli.sizes import Sizes, check_sizes, input_option
from netc.types import MOST_THREADS

if TYPE_CHECKING:
    from netc.analyze.table import Line
    from netc.bench.measure import Bench
    from netc.bench.stages import Stage
    from netc.graph.model import Graph
    from netc.train.frugal import Recompute
    from netc.types import Math

SCHEMA: Final = "netc.bench/1"
BATCH: Final = 8  # where no train block says one


@click.command(
    "bench", epilog="Data and labels are random, and the learning rate is 0.  The machine should be idle."
)
@file_argument
@net_option
@set_option
@input_option
@click.option(
    "--batch",
    type=click.IntRange(1, 2**20),
    help="Examples at a time: the train block's, else 8; 1 with --infer.",
)
@click.option(
    "--threads", type=click.IntRange(1, MOST_THREADS), help="As NETC_NUM_THREADS: every core if not given."
)
@click.option("--infer", is_flag=True, help="Predict instead of training.")
@click.option(
    "--steps", type=click.IntRange(1, 10**6), help="How many are measured; two seconds' worth if not given."
)
@click.option(
    "--depth", type=click.IntRange(0), help="How many levels of blocks the table opens; all if not given."
)
@recompute_option
@math_option
@click.option("--passes", is_flag=True, help="Run nothing: tell what each pass of the compiler saves.")
@click.option("--programs", is_flag=True, help="The same, with the program after each pass.")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
def command(
    file: str,
    net: str | None,
    settings: Mapping[str, str],
    sizes: Sizes,
    batch: int | None,
    threads: int | None,
    infer: bool,
    steps: int | None,
    depth: int | None,
    recompute: Recompute | None,
    math: Math,
    passes: bool,
    programs: bool,
    as_json: bool,
) -> None:
    """Time a step and each of its layers against the machine's roofline.

    A layer's time is that of its kernels inside the whole step, forward, backward and its weights' update.  The
    roofline is the least that its operations and bytes could take at the speeds that this machine has now.

    \b
    Example:
      netc bench lenet5 --net LeNet5
      netc bench resnet --net ResNet18 --infer --threads 1 --depth 0
      netc bench digits --passes
    """
    loaded = read_net(file, settings, sizes, net).must_be_right()
    compiled = only(loaded, net)
    check_sizes({net or "": compiled}, sizes)
    graph = compiled.graph
    _must_be_known(graph)
    from netc.train.spec import default_spec

    spec = compiled.train or default_spec(graph)
    batch = batch or (1 if infer else compiled.train.batch if compiled.train else BATCH)
    if infer and recompute:
        raise click.UsageError("--recompute is for training, and --infer predicts")
    if not (infer or spec.losses):
        raise click.UsageError(
            f"the outputs of {graph.name} are whole numbers, so no loss trains it; try --infer"
        )
    if passes or programs:
        from netc.bench.stages import stages

        found = stages(graph, spec, batch, infer=infer, again=recompute)
        _show_passes(graph.name, found, batch, infer, programs, as_json)
        return
    from netc.bench.measure import bench

    how = partial(bench, graph, spec, batch=batch, infer=infer, threads=threads, steps=steps, depth=depth)
    _show_times(partial(how, again=recompute, math=math), as_json)


def _show_times(measure: Callable[[], Bench], as_json: bool) -> None:
    """Measures, and shows what came out; the environment lacks something where the step is too large."""
    from netc.bench.measure import TooLarge
    from netc.bench.show import bench_dict, bench_lines

    try:
        found = measure()
    except TooLarge as error:
        complain(str(error))
        raise click.exceptions.Exit(3) from None
    if as_json:
        _say_json({"nets": [bench_dict(found)]})
    else:
        _show(bench_lines(found, width(sys.stdout)))


def _must_be_known(graph: Graph) -> None:
    from netc.sizes import symbols

    names = sorted({str(s) for n in graph.inputs for size in n.type.shape[1:] for s in symbols(size)})
    if names:
        raise click.UsageError(
            f"{graph.name} runs at known sizes only, and {' and '.join(names)} are open; --input says them"
        )


def _show_passes(
    net: str, found: Sequence[Stage], batch: int, infer: bool, text: bool, as_json: bool
) -> None:
    from netc.bench.stages import stages_dict, stages_lines
    from netc.errors import plural

    if as_json:
        mode = "infer" if infer else "train"
        passes = stages_dict(found, text=text)
        _say_json({"nets": [{"name": net, "mode": mode, "batch": batch, "passes": passes}]})
    else:
        what = "a prediction" if infer else "a training step"
        title = f"{net}: {what} of {plural(batch, 'example')}"
        _show(stages_lines(title, found, width(sys.stdout), text=text))


def _say_json(facts: Mapping[str, Any]) -> None:
    say(json.dumps({"schema": SCHEMA, **facts}, indent=2, ensure_ascii=False))


def _show(lines: Sequence[Line]) -> None:
    if is_terminal(sys.stdout):
        from netc.bench.text import print_lines

        print_lines(console(sys.stdout), lines)
    else:
        say("\n".join(line.text for line in lines))
