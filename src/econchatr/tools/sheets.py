"""Sheets for people: written to the show's `sheets` folder, and read again when they come back filled in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from econchatr.ask.asker import Asker, GenerationLog
from econchatr.ask.exam import Draw, ExamSettings
from econchatr.errors import InputError, ModelError, ShowFolderError
from econchatr.pipeline.results import SHEETS, asked_answers, blind_cues, blind_picks, hand_marks, score_people
from econchatr.pipeline.show import Rung, Show, model_identity
from econchatr.pipeline.stage import Narrator, narrated
from econchatr.prompts import FORM_VERSION, ChatTemplate, render_chat
from econchatr.records import Answer, BlindCue, BlindPick, HandMark, Pair, Reply, Score, TunedModel
from econchatr.report.pages import ShownCue, render_blind_sheet, render_hand_sheet
from econchatr.score.raters.blind_test import N_SAMPLES, lay_out_cue, order_cues, read_picks
from econchatr.score.raters.filled_sheets import BLIND_FORM, HAND_FORM, FilledSheet, sheet_sha256
from econchatr.score.raters.hand import answer_key, lay_out_sheet, read_marks
from econchatr.select.examples import ExampleForm, build_example
from econchatr.tables import hash_settings, lock_folder, write_bytes, write_table


def write_hand_sheet(show: Show, *, seed: int) -> Path:
    """The hand-scoring page over every answer of every rung that was asked.

    Raises:
        ShowFolderError: Nothing was asked yet, or every answer failed.
    """
    sheet = lay_out_sheet(asked_answers(show.ladder), show.questions(), seed=seed)
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
    answers = asked_answers(show.ladder)
    texts = {question.question_id: question.text for question in show.questions()}
    known = {
        answer_key(texts[answer.question_id], answer.reply.text)
        for answer in answers
        if answer.reply is not None and answer.question_id in texts
    }
    marks = read_marks(_read_files(paths), known, show=show.voice.show)
    with lock_folder(show.root):
        new = {mark.scorer.casefold() for mark in marks}
        kept = [mark for mark in hand_marks(show) if mark.scorer.casefold() not in new]
        write_table(show.folder(SHEETS) / "marks.parquet", [*kept, *marks], HandMark)
    return score_people(show.ladder)


def write_blind_sheet(rung: Rung, *, n_cues: int, seed: int, narrator: Narrator) -> Path:
    """The blind sheet of one rung: its tuned model answers held-out cues first, which takes a while.

    Raises:
        InputError: No held-out pair is fit for it, or the show has no `[rights]`.
        ShowFolderError: The pairs are not made or the rung is not trained yet.
        ModelError: The model cannot be opened, or answered no cue.
    """
    show = rung.show
    if not show.is_done("pair"):
        raise ShowFolderError(f"{show.root}: the pairs are not made yet.", hint=f"econchatr run {show.root}")
    pairs = order_cues(show.pairs(), seed=seed)
    if not pairs:
        raise InputError(
            "no held-out reply is of a length people can judge (8 to 120 words, behind at most 150).",
            hint="Hold out more episodes: test_share under [pair].",
        )
    cues = _draw_cues(rung, pairs, n_cues=n_cues, seed=seed, narrator=narrator)
    shown = [ShownCue(cue.key, cue.cue, cue.replies) for cue in cues]
    page = render_blind_sheet(
        shown,
        form=BLIND_FORM,
        sha256=sheet_sha256(seed, [cue.key for cue in cues]),
        seed=seed,
        show=show.voice.show,
        hosts=(show.voice.host,),
    )
    path = show.folder(SHEETS) / f"blind-{rung.name}.html"
    with lock_folder(show.root):
        write_table(path.with_suffix(".parquet"), cues, BlindCue)
        write_bytes(path, page.encode())
    return path


def _draw_cues(rung: Rung, pairs: Sequence[Pair], *, n_cues: int, seed: int, narrator: Narrator) -> list[BlindCue]:
    """As many cues as asked for, or as there are; one that the model fails at is passed over, and told."""
    cues: list[BlindCue] = []
    why = f"the tuned model answers {min(n_cues, len(pairs))} held-out cues, {N_SAMPLES} times each"
    with narrated(narrator, f"blind sheet/{rung.name}", why) as counts, open_drawer(rung) as drawer:
        for pair in pairs:
            texts = drawer.draw(pair, N_SAMPLES)
            cue = lay_out_cue(pair, texts, rung=rung.name, seed=seed) if texts else None
            if cue is None:
                narrator.note(f"{pair.pair_id} is passed over: the model failed at it, or said the host's own words")
                continue
            cues.append(cue)
            narrator.progress(len(cues), min(n_cues, len(pairs)), "cues")
            if len(cues) == n_cues:
                break
        counts["cues"] = len(cues)
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
    cues = blind_cues(show.ladder)
    if not cues:
        raise ShowFolderError(
            f"{show.root}: no blind sheet was written.", hint=f"econchatr score {show.root} --sheet blind"
        )
    picks = read_picks(_read_files(paths), cues, show=show.voice.show)
    with lock_folder(show.root):
        new = {(pick.key, pick.person.casefold()) for pick in picks}
        kept = [pick for pick in blind_picks(show) if (pick.key, pick.person.casefold()) not in new]
        write_table(show.folder(SHEETS) / "picks.parquet", [*kept, *picks], BlindPick)
    return score_people(show.ladder)


def _read_files(paths: Sequence[Path]) -> list[FilledSheet]:
    filled = []
    for path in paths:
        try:
            filled.append(FilledSheet(str(path), path.read_bytes()))
        except OSError as exc:
            reason = exc.strerror or str(exc)
            raise InputError(f"cannot read {path}: {reason}.", hint="Give the file that the page saved.") from exc
    return filled


# --- held-out cues, answered ------------------------------------------------------------------------------------------


class HeldOutDrawer(NamedTuple):
    """A rung's tuned model, ready to be given held-out cues as it was given cues in training."""

    form: ExampleForm
    template: ChatTemplate
    tuned: TunedModel
    settings: ExamSettings
    asker: Asker

    def draw(self, pair: Pair, n_samples: int) -> list[str] | None:
        """The texts of the first `n_samples` replies to a pair's cue; `None` when one of them failed."""
        texts = [answer.reply.text for answer in self.answer(pair, n_samples) if answer.reply is not None]
        return texts if len(texts) == n_samples else None

    def answer(self, pair: Pair, n_samples: int) -> list[Answer]:
        """The first `n_samples` answers to a pair's cue, seeds in a row; a failed one has its error and no reply."""
        prompt = render_chat(build_example(pair, self.form).messages[:-1], self.template)
        draws = [self._plan(pair, prompt, sample) for sample in range(n_samples)]
        return self.asker.ask_all(draws, lambda n_done, n_all: None)

    def _plan(self, pair: Pair, prompt: str, sample: int) -> Draw:
        seed = self.settings.seed + sample
        # What a reply is known by in the log must not change: a reply drawn before is not drawn again.
        drawn_from = hash_settings([self.tuned.base_sha256, self.tuned.adapter_sha256, "held out", FORM_VERSION])

        def record(reply: Reply | None, error: str | None) -> Answer:
            return Answer(
                question_id=pair.pair_id,
                rung=self.tuned.rung,
                variant="tuned",
                model_sha256=model_identity(self.tuned, "tuned"),
                sample=sample,
                seed=seed,
                reply=reply,
                error=error,
            )

        key = hash_settings([drawn_from, prompt, seed, self.settings])
        return Draw(key, lambda: prompt, is_tuned=True, seed=seed, settings=self.settings, record=record)


@contextmanager
def open_drawer(rung: Rung) -> Iterator[HeldOutDrawer]:
    """Open a rung's tuned model for held-out cues, with the exam's own settings.

    Raises:
        InputError: The show has no `[rights]`.
        ShowFolderError: The rung is not trained yet.
        ModelError: The model cannot be opened.
    """
    log = GenerationLog(rung.folder("ask") / "generations.jsonl")
    with rung.open() as opened:
        asker = Asker(opened.speaker, log)
        yield HeldOutDrawer(rung.form, opened.template, opened.tuned, rung.show.exam_settings, asker)
