"""Lists of English words that the marking rules go by.

This module does not know what they are used for; another language needs other lists.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources


@lru_cache(maxsize=8)
def word_list(name: str) -> frozenset[str]:
    """One list of `word_lists.toml`, in small letters."""
    text = resources.files("econchatr.score").joinpath("word_lists.toml").read_text(encoding="utf-8")
    return frozenset(tomllib.loads(text)[name].split())
