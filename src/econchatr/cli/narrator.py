"""Tell the user what happens while stages run, on stderr: a progress bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from econchatr.display import strip_controls

if TYPE_CHECKING:
    from rich.live import Live
    from rich.progress import Progress, TaskID
    from rich.table import Table

    from econchatr.pipeline import Narrator


@contextmanager
def open_narrator() -> Iterator[Narrator]:
    """A narrator that suits what stderr is connected to; the bar is taken away however the block ends."""
    if not sys.stderr.isatty():
        yield LineNarrator()
        return
    narrator = BarNarrator()
    try:
        yield narrator
    finally:
        narrator.close()


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
        told = ", ".join(f"{n:,} {counted.replace('_', ' ')}" for counted, n in counts.items())
        self._show(f"{name}: {told} ({seconds:.1f} s)")

    def _show(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class BarNarrator(LineNarrator):
    """A bar for the running step, a live table of what runs side by side, and a line for each finished step."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._name = ""

    def begin(self, name: str, why: str) -> None:
        """Begin a bar; it shows once there is progress."""
        self._name = name
        super().begin(name, why)

    def progress(self, n_done: float, n_all: float, unit: str) -> None:
        """Move the bar."""
        if self._bar is None:
            self._bar = _make_bar()
            self._bar.start()
            self._task = self._bar.add_task(self._name, total=n_all, unit=unit)
        if self._task is not None:
            self._bar.update(self._task, completed=n_done, total=n_all)

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
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Units per second."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        Rate(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
