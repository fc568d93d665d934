"""EconChatR: a podcast's transcripts and a budget in; models that answer like the host, and an honest report, out.

For notebooks and programs: `from econchatr import open_show, open_model`. Both are imported when they are first used,
so that the command answers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from econchatr.library import open_model, open_show

__version__ = "0.2.0"

__all__ = ["__version__", "open_model", "open_show"]


def __getattr__(name: str) -> object:
    if name in ("open_model", "open_show"):
        from econchatr import library

        return getattr(library, name)
    raise AttributeError(f"module 'econchatr' has no attribute {name!r}")
