"""Sheets for people, and what comes back: written to and kept in the show's `sheets` folder.

Scores are never stored here: they are worked out from the marks and the answers that are there now, so that a mark on
an answer that is gone counts for nothing. This module does not know how a page looks or what makes a file foreign.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from econchatr.config import Rung
from econchatr.errors import InputError, ShowFolderError
from econchatr.pipeline.show import Show
from econchatr.records import Answer, HandMark, Record, Score
from econchatr.report.sheets import render_hand_sheet
from econchatr.score.hand import answer_key, lay_out_sheet, read_marks, score_hand
from econchatr.score.sheets import HAND_FORM, Filled
from econchatr.tables import hash_file, lock_folder, read_manifest, read_table, write_bytes, write_table

R = TypeVar("R", bound=Record)

SHEETS = "sheets"
"""The folder inside the show: pages to send out, and the tables of what came back."""

_MARKS = "marks.parquet"


def write_hand_sheet(show: Show, *, seed: int) -> Path:
    """The hand-scoring page over every answer of every rung that was asked.

    Raises:
        ShowFolderError: Nothing was asked yet, or every answer failed.
    """
    sheet = lay_out_sheet(_answers(show), show.questions(), seed=seed)
    if not sheet.answers:
        raise ShowFolderError(f"no rung of {show.root} gave an answer.", hint="`econchatr doctor` looks for the cause.")
    path = show.folder(SHEETS) / "hand.html"
    page = render_hand_sheet(sheet, show.questions(), form=HAND_FORM, show=show.voice.show, hosts=(show.voice.host,))
    write_bytes(path, page.encode())
    return path


def take_hand_files(show: Show, paths: Sequence[Path]) -> list[Score]:
    """Read filled hand-scoring sheets, keep their marks beside earlier ones, and score all of them.

    A scorer's new file takes the place of the earlier one.

    Raises:
        InputError: A file is missing, foreign, half filled, changed, or about answers the show does not have.
    """
    answers = _answers(show)
    texts = {question.question_id: question.text for question in show.questions()}
    known = {
        answer_key(texts[answer.question_id], answer.reply.text)
        for answer in answers
        if answer.reply is not None and answer.question_id in texts
    }
    marks = read_marks(_read_files(paths), known, show=show.voice.show)
    with lock_folder(show.root):
        new = {mark.scorer.casefold() for mark in marks}
        kept = [mark for mark in _stored(show, _MARKS, HandMark) if mark.scorer.casefold() not in new]
        write_table(show.folder(SHEETS) / _MARKS, [*kept, *marks], HandMark)
    return score_people(show)


def score_people(show: Show, rungs: Sequence[Rung] | None = None) -> list[Score]:
    """The scores of everything people filled in so far; empty when nobody did.

    Args:
        rungs: Only these; `None`: every rung that was asked.
    """
    marks = _stored(show, _MARKS, HandMark)
    if not marks:
        return []
    answers = _answers(show, rungs)
    return score_hand(marks, answers, show.questions(), n_resamples=show.config.score.n_resamples)


def hash_people(show: Show) -> dict[str, str]:
    """What a report made from people's marks depends on."""
    return {name: hash_file(path) for name in (_MARKS,) if (path := show.folder(SHEETS) / name).is_file()}


def _answers(show: Show, rungs: Sequence[Rung] | None = None) -> list[Answer]:
    ladder = show.config.ladder if rungs is None else rungs
    folders = [show.folder("ask", rung.name) for rung in ladder]
    asked = [folder for folder in folders if read_manifest(folder) is not None]
    if not asked:
        raise ShowFolderError(f"{show.root}: no question was asked yet.", hint=f"econchatr ask {show.root}")
    return [row for folder in asked for row in read_table(folder / "answers.parquet", Answer)]


def _stored(show: Show, name: str, kind: type[R]) -> list[R]:
    path = show.folder(SHEETS) / name
    return read_table(path, kind) if path.is_file() else []


def _read_files(paths: Sequence[Path]) -> list[Filled]:
    filled = []
    for path in paths:
        try:
            filled.append(Filled(str(path), path.read_bytes()))
        except OSError as exc:
            reason = exc.strerror or str(exc)
            raise InputError(f"cannot read {path}: {reason}.", hint="Give the file that the page saved.") from exc
    return filled
