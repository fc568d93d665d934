"""Who may use one of so many places, and when: one group at a time, each group in its turn.

llama.cpp computes side by side only what uses the same adapters. Left to itself it lets whoever comes with another
adapter wait until nobody asks for the present one any more, which on a busy server is never. Here each group gets its
turn: while somebody of another group stands at the head of the line, nobody behind is let in; when the places are
empty, the head goes in and takes along whoever in the line is of its group. So nobody waits for more than one turn of
each other group, and for those of its own group who came before.

It knows nothing of models; a group is any value that can be compared.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import NamedTuple

from econchatr.errors import BusyError


class _Waiting(NamedTuple):
    group: Hashable
    called: asyncio.Future[None]


class Turns:
    """So many places, given to one group at a time. For one event loop."""

    def __init__(self, n_places: int, *, max_waiting: int) -> None:
        self.n_places, self._max_waiting = n_places, max_waiting
        self._line: deque[_Waiting] = deque()
        self._group: Hashable = None
        self.n_busy = 0

    @property
    def n_waiting(self) -> int:
        """How many stand in the line."""
        return len(self._line)

    @asynccontextmanager
    async def take(self, group: Hashable) -> AsyncIterator[None]:
        """Hold a place until the block ends.

        Raises:
            BusyError: As many wait already as may wait.
        """
        await self._wait(group)
        try:
            yield
        finally:
            self.n_busy -= 1
            self._call()

    async def _wait(self, group: Hashable) -> None:
        waiting = _Waiting(group, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        self._call()
        if len(self._line) > self._max_waiting:
            self._line.remove(waiting)
            raise BusyError(f"{len(self._line)} requests are waiting already.", hint="Ask again in a moment.")
        try:
            await waiting.called
        except asyncio.CancelledError:
            if not waiting.called.cancelled():
                self.n_busy -= 1  # the place was given in the same moment: hand it back
            self._call()
            raise

    def _call(self) -> None:
        """Let in whoever's turn it is."""
        # Whoever gave up a moment ago may not have come to leave the line yet.
        self._line = deque(waiting for waiting in self._line if not waiting.called.cancelled())
        if self.n_busy == 0 and self._line:
            self._group = self._line[0].group
            for waiting in [waiting for waiting in self._line if waiting.group == self._group][: self.n_places]:
                self._let_in(waiting)
        while self._line and self.n_busy < self.n_places and self._line[0].group == self._group:
            self._let_in(self._line[0])

    def _let_in(self, waiting: _Waiting) -> None:
        self._line.remove(waiting)
        self.n_busy += 1
        waiting.called.set_result(None)
