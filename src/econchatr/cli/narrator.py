"""Tell the user what happens while stages run, on stderr: a progress bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from econchatr.display import strip_controls

if TYPE_CHECKING:
    from rich.live import Live
    from rich.progress import Progress, TaskID
    from rich.table import Table

    from econchatr.pipeline import Narrator

_BURST_SECONDS: Final = 1.0
"""What comes so soon after the first change was known before, and says nothing about the rate."""
_LEAST_SECONDS: Final = 2.0
_LEAST_CHANGES: Final = 2
"""Before there are so many seconds and changes, a rate is a guess."""
_MEMORY_SECONDS: Final = 300.0
"""How long a rate remembers: long beside an answer of half a minute, short beside a run."""


@contextmanager
def open_narrator() -> Iterator[Narrator]:
    """A narrator that suits what stderr is connected to; the bar is taken away however the block ends.

    Within the block the first Ctrl-C is acknowledged at once: a thread that works may take half a minute to end.
    """
    if not sys.stderr.isatty():
        line = LineNarrator()
        with _telling_stop(line):
            yield line
        return
    narrator = BarNarrator()
    try:
        with _telling_stop(narrator):
            yield narrator
    finally:
        narrator.close()


@contextmanager
def _telling_stop(narrator: LineNarrator) -> Iterator[None]:
    """Tell of the first Ctrl-C, which then stops as ever; where Ctrl-C is another's or ignored, leave it so."""

    def stop(*_signal: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        narrator.tell_stop()
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    try:
        signal.signal(signal.SIGINT, stop)
    except ValueError:  # not in the main thread, where no Ctrl-C arrives
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Pace:
    """How fast a step goes on, without what was there when it began; smoothed, so that the time left is steady."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first = self._last = clock()
        self._n_done: float | None = None
        self._seconds = self._n_units = 0.0
        self._n_changes = 0

    def move(self, n_done: float) -> None:
        """So many are done now."""
        now, before = self._clock(), self._n_done
        if before == n_done:
            return
        self._n_done = n_done
        if before is None or n_done < before:
            self._first, self._seconds, self._n_units, self._n_changes = now, 0.0, 0.0, 0
        elif now - self._first > _BURST_SECONDS:
            kept = math.exp(-(now - self._last) / _MEMORY_SECONDS)
            self._seconds = kept * self._seconds + now - self._last
            self._n_units = kept * self._n_units + n_done - before
            self._n_changes += 1
        self._last = now

    @property
    def rate(self) -> float | None:
        """Units a second; `None` while there is no ground for one."""
        if self._n_changes < _LEAST_CHANGES or self._seconds < _LEAST_SECONDS:
            return None
        return self._n_units / self._seconds

    def tell(self) -> str:
        """The rate in words: `35/s`, `12 s each`; empty while there is none."""
        rate = self.rate
        if not rate:
            return ""
        value = rate if rate >= 1 else 1 / rate
        number = f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
        return f"{number}/s" if rate >= 1 else f"{number} s each"

    def tell_left(self, n_all: float) -> str:
        """The time until all are done; empty while there is no rate."""
        if not self.rate or self._n_done is None:
            return ""
        return f"{timedelta(seconds=round(max(0.0, n_all - self._n_done) / self.rate))} left"


class LineNarrator:
    """One line when a step begins and one when it ends: for logs and pipes."""

    def begin(self, name: str, why: str) -> None:
        """Say that a step starts."""
        self._show(_one_line(f"{name}: {why}"))

    def progress(self, n_done: float, n_all: float, unit: str) -> None:
        """Say nothing: a log needs no bar."""

    def note(self, text: str) -> None:
        """Pass a note on."""
        self._show(f"  {_one_line(text)}")

    def table(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Say nothing: what changes is told by notes."""

    def end(self, name: str, counts: Mapping[str, int], seconds: float) -> None:
        """Say that a step is finished."""
        nouns = {counted: counted.removesuffix("s" * (n == 1)).replace("_", " ") for counted, n in counts.items()}
        told = ", ".join(f"{n:,} {nouns[counted]}" for counted, n in counts.items())
        self._show(f"{name}: {told} ({seconds:.1f} s)")

    def tell_stop(self) -> None:
        """Say that Ctrl-C was heard."""
        self._show("Stopping: what is under way is finished first.")

    def _show(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class BarNarrator(LineNarrator):
    """A bar for the running step, a live table of what runs side by side, and a line for each finished step."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._name = ""
        self._pace = Pace()

    def begin(self, name: str, why: str) -> None:
        """Begin a bar; it shows once there is progress."""
        self._name = name
        super().begin(name, why)

    def progress(self, n_done: float, n_all: float, unit: str) -> None:
        """Move the bar."""
        if self._bar is None:
            self._bar = _make_bar()
            self._bar.start()
            self._pace = Pace()
            self._task = self._bar.add_task(self._name, total=n_all, unit=unit, pace="", left="")
        if self._task is not None:
            self._pace.move(n_done)
            # Seconds are a time that is given: they have no rate.
            rate, left = "" if unit == "seconds" else self._pace.tell(), self._pace.tell_left(n_all)
            self._bar.update(self._task, completed=n_done, total=n_all, unit=unit, pace=rate, left=left)

    def table(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Draw the table anew; without rows, take it away."""
        from rich.console import Console
        from rich.live import Live

        if self._live is None and rows:
            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        if self._live is not None:
            self._live.update(_draw_table(rows), refresh=True)
        if self._live is not None and not rows:
            self._live.stop()
            self._live = None

    def end(self, name: str, counts: Mapping[str, int], seconds: float) -> None:
        """Take the bar away and say what came of the step."""
        self.close()
        super().end(name, counts, seconds)

    def close(self) -> None:
        """Take bar and table away."""
        self.table(())
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None

    def _show(self, line: str) -> None:
        shown = self._bar or self._live
        if shown is None:
            return super()._show(line)
        shown.console.print(line, markup=False, highlight=False)


def _one_line(text: str) -> str:
    """A note may quote a label or a file's name, and must neither steer the terminal nor look like a line of ours."""
    return strip_controls(text, keeps_lines=False)


def _draw_table(rows: Sequence[Mapping[str, str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in rows[0] if rows else ():
        table.add_column(name)
    for row in rows:
        table.add_row(*(Text(_one_line(value)) for value in row.values()))
    return table


def _make_bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),  # so that all stands in 80 columns
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}"),
        TextColumn("{task.fields[pace]}"),
        TextColumn("{task.fields[left]}"),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
