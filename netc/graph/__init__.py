"""From the syntax tree to the graph: names, arguments, blocks, repeats, limits."""

from netc.graph.elaborate import Elaborated, elaborate
from netc.graph.expansion import expansion
from netc.graph.model import Expansion, Graph, Node, Scope, Weight

__all__ = ["Elaborated", "Expansion", "Graph", "Node", "Scope", "Weight", "elaborate", "expansion"]
