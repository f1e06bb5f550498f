"""The pages of `netc explain`: of every layer and setting, read off its class; of the language and of every code, from
`pages/`.
"""

from netc.explain.codes import CodePage, code_pages
from netc.explain.language import Topic, topics
from netc.explain.layers import Page, example, pages

__all__ = ["CodePage", "Page", "Topic", "code_pages", "example", "pages", "topics"]
