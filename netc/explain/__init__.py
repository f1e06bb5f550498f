"""The pages of `netc explain`: of every layer, setting and argument, read off its class; of the language and of every
code, from `pages/`.
"""

from netc.explain.codes import CodePage, code_pages
from netc.explain.language import Topic, topics
from netc.explain.layers import ArgumentPage, Page, argument_pages, example, pages

__all__ = [
    "ArgumentPage",
    "CodePage",
    "Page",
    "Topic",
    "argument_pages",
    "code_pages",
    "example",
    "pages",
    "topics",
]
