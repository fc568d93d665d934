"""Sheets for people, and what comes back: written to and kept in the show's `sheets` folder.

Scores are never stored here: they are worked out from the marks and the answers that are there now, so that a mark on
an answer that is gone counts for nothing. This module does not know how a page looks or what makes a file foreign.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from econchatr.config import Rung
from econchatr.errors import InputError, ModelError, ShowFolderError
from econchatr.pipeline.drawing import open_drawer, take_replies
from econchatr.pipeline.show import Narrator, Show
from econchatr.records import Answer, BlindCue, BlindPick, HandMark, Pair, Record, Score
from econchatr.report.sheets import ShownCue, render_blind_sheet, render_hand_sheet
from econchatr.score.blind import N_SAMPLES, lay_out_cue, order_cues, read_picks, score_blind
from econchatr.score.hand import answer_key, lay_out_sheet, read_marks, score_hand
from econchatr.score.sheets import BLIND_FORM, HAND_FORM, FilledSheet, sheet_sha256
from econchatr.tables import hash_file, lock_folder, read_manifest, read_table, write_bytes, write_table

R = TypeVar("R", bound=Record)

SHEETS = "sheets"
"""The folder inside the show: pages to send out, and the tables of what came back."""

_MARKS = "marks.parquet"
_PICKS = "picks.parquet"


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


def write_blind_sheet(show: Show, rung: Rung, *, n_cues: int, seed: int, narrator: Narrator) -> Path:
    """The blind sheet of one rung: its tuned model answers held-out cues first, which takes a while.

    Raises:
        InputError: No held-out pair is fit for it, or the show has no `[rights]`.
        ShowFolderError: The pairs are not made or the rung is not trained yet.
        ModelError: The model cannot be opened, or answered no cue.
    """
    if read_manifest(show.folder("pair")) is None:
        raise ShowFolderError(f"{show.root}: the pairs are not made yet.", hint=f"econchatr run {show.root}")
    pairs = order_cues(read_table(show.folder("pair") / "pairs.parquet", Pair), seed=seed)
    if not pairs:
        raise InputError(
            "no held-out reply is of a length people can judge (8 to 120 words, behind at most 150).",
            hint="Hold out more episodes: test_share under [pair].",
        )
    cues = _draw_cues(show, rung, pairs, n_cues=n_cues, seed=seed, narrator=narrator)
    shown = [ShownCue(cue.key, cue.cue, cue.replies) for cue in cues]
    page = render_blind_sheet(
        shown, form=BLIND_FORM, sha256=sheet_sha256(seed, [cue.key for cue in cues]), seed=seed, show=show.voice.show,
        hosts=(show.voice.host,),
    )  # fmt: skip
    path = show.folder(SHEETS) / f"blind-{rung.name}.html"
    with lock_folder(show.root):
        write_table(path.with_suffix(".parquet"), cues, BlindCue)
        write_bytes(path, page.encode())
    return path


def _draw_cues(
    show: Show, rung: Rung, pairs: Sequence[Pair], *, n_cues: int, seed: int, narrator: Narrator
) -> list[BlindCue]:
    """As many cues as asked for, or as there are; one that the model fails at is passed over, and told."""
    cues: list[BlindCue] = []
    name, start = f"blind sheet/{rung.name}", time.monotonic()
    narrator.begin(name, f"the tuned model answers {min(n_cues, len(pairs))} held-out cues, {N_SAMPLES} times each")
    with open_drawer(show, rung) as drawer:
        for pair in pairs:
            texts = take_replies(drawer.draw(pair, N_SAMPLES))
            cue = lay_out_cue(pair, texts, rung=rung.name, seed=seed) if texts else None
            if cue is None:
                narrator.note(f"{pair.pair_id} is passed over: the model failed at it, or said the host's own words")
                continue
            cues.append(cue)
            narrator.progress(len(cues), min(n_cues, len(pairs)), "cues")
            if len(cues) == n_cues:
                break
    narrator.end(name, {"cues": len(cues)}, time.monotonic() - start)
    if not cues:
        raise ModelError(f"{rung.name} answered none of {len(pairs)} cues.", hint="`econchatr doctor` looks for why.")
    return cues


def take_blind_files(show: Show, paths: Sequence[Path]) -> list[Score]:
    """Read filled blind sheets, keep their picks beside earlier ones, and score all of them.

    A person's new file takes the place of that person's earlier picks on the same cues.

    Raises:
        ShowFolderError: No blind sheet was written.
        InputError: A file is missing, foreign, half filled, changed, or about other cues.
    """
    cues = _cues(show, show.config.ladder)
    if not cues:
        raise ShowFolderError(
            f"{show.root}: no blind sheet was written.", hint=f"econchatr score {show.root} --sheet blind"
        )
    picks = read_picks(_read_files(paths), cues, show=show.voice.show)
    with lock_folder(show.root):
        new = {(pick.key, pick.person.casefold()) for pick in picks}
        kept = [pick for pick in _stored(show, _PICKS, BlindPick) if (pick.key, pick.person.casefold()) not in new]
        write_table(show.folder(SHEETS) / _PICKS, [*kept, *picks], BlindPick)
    return score_people(show)


def score_people(show: Show, rungs: Sequence[Rung] | None = None) -> list[Score]:
    """The scores of everything people filled in so far; empty when nobody did.

    Args:
        rungs: Only these; `None`: every rung that was asked.
    """
    marks, picks = _stored(show, _MARKS, HandMark), _stored(show, _PICKS, BlindPick)
    scores: list[Score] = []
    if marks:
        n_resamples = show.config.score.n_resamples
        scores += score_hand(marks, _answers(show, rungs), show.questions(), n_resamples=n_resamples)
    if picks:
        scores += score_blind(picks, _cues(show, show.config.ladder if rungs is None else rungs))
    return scores


def hash_people(show: Show) -> dict[str, str]:
    """What a report made from people's marks and picks depends on."""
    folder = show.folder(SHEETS)
    return {path.name: hash_file(path) for path in sorted(folder.glob("*.parquet"))}


def _cues(show: Show, rungs: Sequence[Rung]) -> list[BlindCue]:
    return [cue for rung in rungs for cue in _stored(show, f"blind-{rung.name}.parquet", BlindCue)]


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


def _read_files(paths: Sequence[Path]) -> list[FilledSheet]:
    filled = []
    for path in paths:
        try:
            filled.append(FilledSheet(str(path), path.read_bytes()))
        except OSError as exc:
            reason = exc.strerror or str(exc)
            raise InputError(f"cannot read {path}: {reason}.", hint="Give the file that the page saved.") from exc
    return filled
