"""Text to syntax tree and back: `parse`, `ast`, `format`.

Lark turns `grammars/net.lark` into LALR tables (`tables`).  A text is cut into tokens (`scan`), the tokens
into statements (`lines`), and the tables are run over each statement (`machine`), which makes the tree as it
goes (`build`).  A statement that is wrong is told in words (`words`) and stepped over.
"""
