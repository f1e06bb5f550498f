"""Pictures of a net: the graph as Graphviz text, and that text as svg, png or pdf."""

from netc.draw.dot import to_dot
from netc.draw.effort import PictureError, TooLargeError
from netc.draw.picture import FORMATS, GraphvizError, render, svg
from netc.draw.theme import THEMES

__all__ = ["FORMATS", "THEMES", "GraphvizError", "PictureError", "TooLargeError", "render", "svg", "to_dot"]
