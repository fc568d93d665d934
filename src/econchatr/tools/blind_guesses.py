"""The blind page that `serve --blind` hands out, made of the cues that were drawn, and the sheets that come back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from econchatr.errors import BusyError, InputError, ShowFolderError
from econchatr.pipeline.results import SENT_JOURNAL, SHEETS, blind_cues, sent_sheets
from econchatr.pipeline.show import Show
from econchatr.records import BlindCue, BlindPick, SentSheet
from econchatr.score.raters.blind_test import read_picks
from econchatr.score.raters.filled_sheets import FilledSheet
from econchatr.tables import append_line
from econchatr.tools.sheets import render_blind, show_sealed

MAX_SENT_SHEETS: Final = 5_000
"""More visitors hardly move the figure any more, and nobody may fill the disk."""
_SEED: Final = 0
"""Of the sheet's hash alone; the cues are drawn and laid out already."""


class BlindDesk:
    """One rung's blind page, and what keeps the sheets its visitors send.

    The show's lock is not taken: a sheet is one line that is added, so it is kept while a run or a score works.
    """

    def __init__(self, show: Show, rung: str, *, post_to: str, now: Callable[[], datetime]) -> None:
        self.rung = rung
        self._show, self._post_to, self._now = show, post_to, now
        self._lock = threading.Lock()
        self._kept = {frozenset(sheet.list_picks()) for sheet in sent_sheets(show)}
        self._page: tuple[Sequence[BlindCue], str] = ((), "")

    def page(self) -> str:
        """The page; once `econchatr blind` has written another, that one."""
        cues = self._cues()
        if self._page[0] != cues:
            page = render_blind(self._show, show_sealed(cues), seed=_SEED, post_to=self._post_to)
            self._page = (cues, page)
        return self._page[1]

    def take(self, data: bytes) -> None:
        """Keep a filled sheet of this page; it is on the disk when this returns. One that is kept already is left.

        Raises:
            InputError: It is no whole and unchanged sheet of this page.
            BusyError: `MAX_SENT_SHEETS` are kept.
            ShowFolderError: It cannot be written.
        """
        cues = self._cues()
        picks = read_picks([FilledSheet("this sheet", data)], cues, show=self._show.voice.show)
        if not picks or {pick.key for pick in picks} != {cue.key for cue in cues}:
            raise InputError("this sheet is not of the page that is handed out.", hint="Load the page again.")
        with self._lock:
            if frozenset(picks) in self._kept:
                return
            if len(self._kept) >= MAX_SENT_SHEETS:
                raise BusyError("as many guesses are kept as may be.", hint="Save the guesses as a file.")
            append_line(self._show.folder(SHEETS) / SENT_JOURNAL, self._describe(picks).model_dump_json().encode())
            self._kept.add(frozenset(picks))

    def _describe(self, picks: Sequence[BlindPick]) -> SentSheet:
        return SentSheet(
            at=self._now().isoformat(timespec="seconds"),
            person=picks[0].person,
            knows_host=picks[0].knows_host,
            picks={pick.key: pick.pick for pick in picks},
        )

    def _cues(self) -> list[BlindCue]:
        return _list_cues(self._show, self.rung)


def open_blind_desk(
    show: Show, rung: str = "", *, post_to: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> BlindDesk:
    """The blind page of a rung, or of the first that has one.

    Args:
        post_to: Where the page sends filled sheets.

    Raises:
        InputError: No such rung, or the show has no `[rights]`.
        ShowFolderError: No blind page was written.
    """
    show.require_rights()
    names = [show.rung(rung).name] if rung else [one.name for one in show.rungs]
    found = next((name for name in names if _list_cues(show, name)), None)
    if found is None:
        option = f" --rung {rung}" if rung else ""
        raise ShowFolderError(f"{show.root}: no blind page was written.", hint=f"econchatr blind {show.root}{option}")
    return BlindDesk(show, found, post_to=post_to, now=now)


def _list_cues(show: Show, rung: str) -> list[BlindCue]:
    return [cue for cue in blind_cues(show.ladder) if cue.rung == rung]
