"""The host's real turns for a question, whichever rung is asked.

What finds them for a rung is opened when that rung is first asked, and kept. This module opens no file and asks no
model; it does not know what is done with the turns.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from econchatr.records import Pair

Find = Callable[[str], tuple[Pair, ...]]
"""Gives the real turns that are put before a question, as a model is given them."""


class RealTurns:
    """What finds real turns, for every rung; threads may share it."""

    def __init__(self, open_find: Callable[[str], Find]) -> None:
        self._open_find = open_find
        self._finds: dict[str, Find] = {}
        self._lock = Lock()

    def find(self, rung: str, question: str) -> tuple[Pair, ...]:
        """The real turns that a rung's models are given with a question.

        Raises:
            ShowFolderError: They cannot be looked up.
        """
        with self._lock:
            if rung not in self._finds:
                self._finds[rung] = self._open_find(rung)
        return self._finds[rung](question)
