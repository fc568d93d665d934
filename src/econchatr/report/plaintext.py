"""Outside text in Markdown and in drawings: the functions of `display`, under the names that the report uses."""

from econchatr.display import disarm, escape_markdown, quote_markdown

__all__ = ["disarm", "escape_markdown", "quote_markdown"]
