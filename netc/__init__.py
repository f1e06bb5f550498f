"""netc: from a network in one text file to facts, pictures and a trained model.

    net = netc.load("lenet5.net")          # every mistake at once, each with its line
    net.report()                           # shapes, parameters, MACs, receptive fields, memory
    net.draw("lenet5.svg")
    model = netc.compile(net)              # forward and backward by Numba
    model.fit(x, y)

Names are imported when they are first used, so that asking for one costs what that one costs.
"""

from typing import TYPE_CHECKING, Final

from netc._lazy import lazy_names
from netc.errors import Diagnostic, MissingDependency, NetError, Note, Span

if TYPE_CHECKING:
    from netc.api import Net, compile, load, load_model, parse
    from netc.train.model import Model
    from netc.train.predictor import Predictor
else:
    __getattr__, _names = lazy_names(
        __name__,
        {
            **dict.fromkeys(("Net", "compile", "load", "load_model", "parse"), "netc.api"),
            "Model": "netc.train.model",
            "Predictor": "netc.train.predictor",
        },
    )

__version__: Final = "0.1.0"

__all__ = [
    "Diagnostic",
    "MissingDependency",
    "Model",
    "Net",
    "NetError",
    "Note",
    "Predictor",
    "Span",
    "compile",
    "load",
    "load_model",
    "parse",
]


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
