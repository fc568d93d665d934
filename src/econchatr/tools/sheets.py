"""Write sheets for people to fill in to the show's `sheets` folder, and read the filled ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from econchatr.ask.asker import Asker, GenerationLog
from econchatr.ask.exam import ExamSettings
from econchatr.errors import InputError, ModelError, ShowFolderError
from econchatr.pipeline.ask import plan_reply
from econchatr.pipeline.results import (
    MARKS_JOURNAL,
    SHEETS,
    asked_answers,
    blind_cues,
    filed_picks,
    hand_marks,
    score_people,
)
from econchatr.pipeline.show import Rung, Show
from econchatr.pipeline.stage import Narrator, narrated
from econchatr.prompts import ChatTemplate, form_version, render_chat
from econchatr.records import Answer, BlindCue, BlindPick, HandMark, Pair, Score, TunedModel
from econchatr.report.pages import AnswerCard, MarkingDeck, ShownCue, render_blind_sheet, render_hand_sheet
from econchatr.score.quoting.nearest import find_real_words
from econchatr.score.raters.blind_test import N_SAMPLES, lay_out_cue, order_cues, read_picks, seal_place
from econchatr.score.raters.filled_sheets import BLIND_FORM, HAND_FORM, FilledSheet, sheet_sha256
from econchatr.score.raters.hand import answer_key, lay_out_sheet, order_answers, read_marks
from econchatr.select.examples import ExampleForm, build_example
from econchatr.tables import append_line, hash_settings, lock_folder, require_writable, write_bytes, write_table


def write_hand_sheet(show: Show, *, seed: int) -> Path:
    """Write the hand-scoring page, with every answer of every rung that was asked.

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
    """Read filled hand-scoring sheets, store their marks beside earlier ones, and score all of them.

    A scorer's new file replaces the earlier one.

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
        (show.folder(SHEETS) / MARKS_JOURNAL).unlink(missing_ok=True)  # its marks are in the table now
    return score_people(show.ladder)


def read_deck(show: Show, *, seed: int = 0) -> MarkingDeck:
    """Everything the marking page shows: the answers of every rung that was asked, in the order of marking.

    Raises:
        ShowFolderError: Nothing was asked yet, every answer failed, or the pairs are not made.
    """
    questions = {question.question_id: question for question in show.questions()}
    first, further = order_answers(asked_answers(show.ladder), list(questions.values()), seed=seed)
    if not first and not further:
        raise ShowFolderError(f"no rung of {show.root} gave an answer.", hint="`econchatr doctor` looks for the cause.")
    pairs = show.pairs(split="train", kept=True) if show.is_done("pair") else []
    real = find_real_words(list(questions.values()), pairs)
    cards = [
        AnswerCard(one.key, question.text, question.told_expected, real[one.question_id], one.text)
        for one in (*first, *further)
        if (question := questions[one.question_id])
    ]
    return MarkingDeck(show.voice.show, show.voice.host, tuple(cards), n_first=len(first) or len(further))


class MarkKeeper:
    """Stores each mark in the show's folder as it is given, and tells what a person marked before."""

    def __init__(self, show: Show) -> None:
        self._show = show

    def save(self, mark: HandMark) -> None:
        """Store a mark; it is on the disk when this returns.

        Raises:
            ShowFolderError: It cannot be written.
        """
        append_line(self._show.folder(SHEETS) / MARKS_JOURNAL, mark.model_dump_json().encode())

    def find(self, scorer: str) -> dict[str, float]:
        """Answer -> the mark this person gave it."""
        name = scorer.casefold()
        return {mark.key: mark.value for mark in hand_marks(self._show) if mark.scorer.casefold() == name}


def write_blind_sheet(rung: Rung, *, n_cues: int, seed: int, narrator: Narrator) -> Path:
    """Write the blind sheet of one rung; its tuned model first answers held-out cues, which takes a while.

    Raises:
        InputError: No held-out pair is fit for the sheet, or the show has no `[rights]`.
        ShowFolderError: The pairs are not made or the rung is not trained yet.
        ModelError: The model cannot be opened, or answered no cue.
    """
    path = rung.show.folder(SHEETS) / f"blind-{rung.name}.html"
    cues = _make_cues(rung, path.parent, n_cues=n_cues, seed=seed, narrator=narrator)
    shown = [ShownCue(cue.key, cue.cue, cue.replies) for cue in cues]
    _keep(rung, cues, path, render_blind(rung.show, shown, seed=seed), narrator)
    return path


def write_blind_page(
    rung: Rung, folder: Path | None = None, *, n_cues: int, seed: int, send_to: str, narrator: Narrator
) -> Path:
    """Write the blind test of one rung as a folder to put on the web: `index.html`, which loads nothing else.

    The page tells its visitor at the end how many were found, and saves the guesses as a file for `take_blind_files`.

    Args:
        rung: The rung whose tuned model made up the replies.
        folder: `None`: `sheets/page-<rung>` in the show.
        n_cues: As many cues, or fewer where fewer held-out pairs are fit.
        seed: Of the choice of cues and the order of replies.
        send_to: Where visitors send their files; empty: to whoever showed them the page.

    Raises:
        InputError: The folder holds an `index.html` of something else, no held-out pair is fit for the page, or the
            show has no `[rights]`.
        ShowFolderError: The folder cannot be written, the pairs are not made, or the rung is not trained yet.
        ModelError: The model cannot be opened, or answered no cue.
    """
    path = (folder or rung.show.folder(SHEETS) / f"page-{rung.name}") / "index.html"
    rung.show.require_rights()
    _require_free(path)
    cues = _make_cues(rung, path.parent, n_cues=n_cues, seed=seed, narrator=narrator)
    shown = show_sealed(cues)
    _keep(rung, cues, path, render_blind(rung.show, shown, seed=seed, send_to=send_to), narrator)
    return path


def _require_free(path: Path) -> None:
    """Refuse to write over a page that is none of ours."""
    try:
        is_strange = path.exists() and BLIND_FORM.encode() not in path.read_bytes()
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise InputError(f"cannot write {path}: {reason}.", hint="Name another folder with --page.") from exc
    if is_strange:
        raise InputError(f"{path} is another page.", hint="Name a folder of its own with --page.")


def _make_cues(rung: Rung, folder: Path, *, n_cues: int, seed: int, narrator: Narrator) -> list[BlindCue]:
    """Draw the cues with their replies, once it is certain that a page can be written into the folder."""
    show = rung.show
    if not show.is_done("pair"):
        raise ShowFolderError(f"{show.root}: the pairs are not made yet.", hint=f"econchatr run {show.root}")
    pairs = order_cues(show.pairs(), seed=seed)
    if not pairs:
        raise InputError(
            "no held-out reply is of a length people can judge (8 to 120 words, behind at most 150).",
            hint="Hold out more episodes: test_share under [pair].",
        )
    require_writable(folder)
    return _draw_cues(rung, pairs, n_cues=n_cues, seed=seed, narrator=narrator)


def _keep(rung: Rung, cues: Sequence[BlindCue], page: Path, text: str, narrator: Narrator) -> None:
    """Write a page and the cues that its guesses are read against; where the page fails, earlier cues stay."""
    show = rung.show
    path = show.folder(SHEETS) / f"blind-{rung.name}.parquet"
    with lock_folder(show.root):
        write_bytes(page, text.encode())
        before = {cue.key for cue in show.table_if_there(path, BlindCue)}
        if n_gone := len(before - {cue.key for cue in cues}):
            narrator.note(f"{n_gone} cues of an earlier sheet of {rung.name} are replaced: their guesses are not read")
        write_table(path, cues, BlindCue)


def show_sealed(cues: Sequence[BlindCue]) -> list[ShownCue]:
    """The cues as a page for the web shows them: it can tell afterwards which replies were real."""
    return [ShownCue(cue.key, cue.cue, cue.replies, seal_place(cue)) for cue in cues]


def render_blind(show: Show, shown: Sequence[ShownCue], *, seed: int, send_to: str = "", post_to: str = "") -> str:
    """The page of these cues, for the show's host; the rest is as in `render_blind_sheet`."""
    return render_blind_sheet(
        shown,
        form=BLIND_FORM,
        sha256=sheet_sha256(seed, [cue.key for cue in shown]),
        seed=seed,
        show=show.voice.show,
        hosts=(show.voice.host,),
        send_to=send_to,
        post_to=post_to,
    )


class HeldOutDrawer(NamedTuple):
    """A rung's tuned model, ready to be given held-out cues as it was given cues in training."""

    form: ExampleForm
    template: ChatTemplate
    tuned: TunedModel
    settings: ExamSettings
    asker: Asker

    def answer(self, pair: Pair, n_samples: int) -> list[Answer]:
        """The first `n_samples` answers to a pair's cue, seeds in a row; a failed one has its error and no reply."""
        prompt = render_chat(build_example(pair, self.form).messages[:-1], self.template)
        # What a reply is known by in the log must not change: a reply drawn before is not drawn again.
        form = form_version(self.tuned.form)
        drawn_from = hash_settings([self.tuned.base_sha256, self.tuned.adapter_sha256, "held out", form])
        draws = []
        for sample in range(n_samples):
            key = hash_settings([drawn_from, prompt, self.settings.seed + sample, self.settings])
            draws.append(plan_reply(self.tuned, pair.pair_id, prompt, key, self.settings, sample=sample))
        return self.asker.ask_all(draws, lambda n_done, n_all: None)


def _draw_cues(rung: Rung, pairs: Sequence[Pair], *, n_cues: int, seed: int, narrator: Narrator) -> list[BlindCue]:
    """The cues with the model's replies, as many as asked for or as there are; a cue the model fails at is skipped."""
    cues: list[BlindCue] = []
    why = f"the tuned model answers {min(n_cues, len(pairs))} held-out cues, {N_SAMPLES} times each"
    log = GenerationLog(rung.folder("ask") / "generations.jsonl")
    with narrated(narrator, f"blind sheet/{rung.name}", why) as counts, rung.open() as opened:
        asker = Asker(opened.speaker, log)
        drawer = HeldOutDrawer(rung.form, opened.template, opened.tuned, rung.show.exam_settings, asker)
        for pair in pairs:
            texts = [answer.reply.text for answer in drawer.answer(pair, N_SAMPLES) if answer.reply is not None]
            cue = lay_out_cue(pair, texts, rung=rung.name, seed=seed) if len(texts) == N_SAMPLES else None
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
    """Read filled blind sheets, store their picks beside earlier ones, and score all of them.

    A person's new file replaces that person's earlier picks on the same cues.

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
        kept = [pick for pick in filed_picks(show) if (pick.key, pick.person.casefold()) not in new]
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
