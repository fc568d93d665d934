"""What a show's tables hold, for commands to print and for the report: also what people, judge and rounds left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import ValidationError

from econchatr.config import JudgeTable
from econchatr.errors import InputError, ShowFolderError
from econchatr.pipeline.select import overlaps_of
from econchatr.pipeline.show import OUTCOME_NAME, Ladder, Rung, Show
from econchatr.prompts import JUDGE_VERSION
from econchatr.records import (
    Answer,
    BlindCue,
    BlindPick,
    Contest,
    Gate,
    HandMark,
    JudgedContest,
    JudgeMark,
    Mark,
    Overlap,
    Pair,
    PreferenceOutcome,
    Question,
    Reason,
    RightCount,
    Score,
    Selection,
    SentSheet,
)
from econchatr.records.measures import keep_listed
from econchatr.score.grading.right_of_twelve import average_marks, count_right, worth_by_key, worth_by_rule
from econchatr.score.raters.blind_test import score_blind
from econchatr.score.raters.hand import score_hand
from econchatr.score.raters.judge_marks import find_doubt, find_quarrel
from econchatr.score.raters.llm_judge import PROOF, contest_key, pair_answers, score_judge
from econchatr.select.examples import build_example
from econchatr.tables import hash_bytes, hash_file, hash_settings, outputs_sha256, read_lines, read_manifest, read_table

SHEETS: Final = "sheets"
"""The folder inside the show: pages to send out, and the tables of what came back."""
MARKS_JOURNAL: Final = "marks.jsonl"
"""In `sheets`: marks of the marking page, each written as it is given; a later one of the same person on the same
answer counts. They come on top of `marks.parquet`."""
SENT_JOURNAL: Final = "sent.jsonl"
"""In `sheets`: blind sheets that visitors of the served page sent, each written as it came. No file is read into it."""
_SHOW_STAGES: Final = ("fetch", "parse", "pair", "select")
_RUNG_STAGES: Final = ("train", "ask", "score")


# --- what the stages made ---------------------------------------------------------------------------------------------


class RungUse(NamedTuple):
    """What one rung will use of a finished selection."""

    rung: str
    where: str
    n_pairs: int
    n_pool_pairs: int
    n_tokens: int
    n_epochs: int
    budget: str
    cost: str


def read_uses(show: Show) -> list[RungUse]:
    """What each rung will use, from the finished selection; empty before that, and where the selection is damaged."""
    if not show.is_done("select"):
        return []
    try:
        rows = {row.rung: row for row in show.selections()}
    except ShowFolderError:
        return []  # `status_of` says of the step `select` that its table is damaged, and `run` makes it anew
    return [
        RungUse(
            rung=rung.name,
            where=rung.config.where,
            n_pairs=len(rows[rung.name].pair_ids),
            n_pool_pairs=rows[rung.name].n_pool_pairs,
            n_tokens=rows[rung.name].n_tokens,
            n_epochs=rows[rung.name].n_epochs,
            budget=rows[rung.name].budget,
            cost=f"${rows[rung.name].cost_usd}" if rows[rung.name].cost_usd else "nothing but this machine's time",
        )
        for rung in show.rungs
        if rung.name in rows
    ]


def sample_pairs(show: Show, n: int) -> list[Pair]:
    """`n` pairs, kept and dropped in turn, spread over the show; the same ones each time."""
    pairs = sorted([*show.pairs(), *show.answer_pairs()], key=lambda pair: hash_bytes(pair.pair_id.encode()))
    kept = [pair for pair in pairs if pair.is_kept]
    dropped = [pair for pair in pairs if not pair.is_kept]
    n_dropped = min(len(dropped), max(n // 2, n - len(kept)))
    return sorted([*kept[: n - n_dropped], *dropped[:n_dropped]], key=lambda pair: (pair.rank, pair.first_turn))


def find_pair(show: Show, pair_id: str) -> Pair:
    """The pair of that id, as said or as an answer pair.

    Raises:
        InputError: There is none.
    """
    for pair in (*show.pairs(), *show.answer_pairs()):
        if pair.pair_id == pair_id:
            return pair
    raise InputError(f"no pair {pair_id!r}.", hint=f"`econchatr pair {show.root} --show 20` prints ids.")


class ShownExample(NamedTuple):
    """A pair as the token ids that a rung's model learns from."""

    rung: str
    tokens: tuple[str, ...]
    """The text of each token; a character that two tokens share is broken in both."""
    n_prompt: int
    """Tokens before the first one that is trained."""

    def as_dict(self) -> dict[str, object]:
        """For programs."""
        return {"rung": self.rung, "n_prompt": self.n_prompt, "tokens": self.tokens}


def show_example(rung: Rung, pair: Pair) -> ShownExample:
    """The tokens of a pair for one rung, cut to the rung's lengths as in training.

    Raises:
        InputError: The rung is not trained at home, so its tokens are the service's affair.
        ModelError: The base cannot be read.
    """
    if not rung.is_local:
        raise InputError(
            f"rung {rung.name!r} is not trained at home: its service makes the tokens.",
            hint="Name a rung that is, with --rung.",
        )
    (example,) = rung.encode([build_example(pair, rung.form)])
    return ShownExample(rung.name, tuple(rung.tokenizer.decode([one]) for one in example.ids), example.n_prompt)


class SelectionAccount(NamedTuple):
    """The choice for each rung, and how far each leans towards the exam."""

    selections: list[Selection]
    overlaps: list[Overlap]
    """Empty where there are no questions yet."""

    def as_dict(self) -> dict[str, object]:
        """For programs; the ids of the pairs are in the training files and tables."""
        return {
            "selections": [row.model_dump(mode="json", exclude={"pair_ids"}) for row in self.selections],
            "overlaps": [row.model_dump(mode="json") for row in self.overlaps],
        }


class ExplainedPair(NamedTuple):
    """A pair of the pool, and why it was taken or left."""

    pair: Pair
    reason: Reason

    def as_dict(self) -> dict[str, object]:
        """For programs."""
        return {"pair": self.pair.model_dump(mode="json"), **self.reason.model_dump(mode="json")}


def account_selections(show: Show) -> SelectionAccount:
    """Everything worth telling of a finished selection."""
    return SelectionAccount(show.selections(), overlaps_of(show))


def sample_reasons(show: Show, n: int) -> list[ExplainedPair]:
    """`n` pairs of the pool, taken and left, spread over the show; the same ones each time.

    What the user pinned and banned comes before what chance picks.
    """
    pairs = {pair.pair_id: pair for pair in show.learnable()}
    reasons = sorted(
        show.reasons(), key=lambda row: (row.reason not in ("pinned", "banned"), hash_bytes(row.pair_id.encode()))
    )
    taken = [row for row in reasons if row.rung]
    left = [row for row in reasons if not row.rung]
    n_left = min(len(left), max(n // 2, n - len(taken)))
    shown = [*sorted(taken[: n - n_left], key=lambda row: row.position or 0), *left[:n_left]]
    return [ExplainedPair(pairs[row.pair_id], row) for row in shown]


def read_scores(show: Show, rung: str = "") -> list[Score]:
    """The stored scores of one rung, or of every rung that was asked, and what people and the judge said."""
    ladder = show.asked_ladder(rung)
    rows = [row for one in ladder.rungs for row in one.scores()]
    return [*keep_listed(rows), *score_people(ladder), *score_judged(ladder)]


def read_gates(show: Show, rung: str = "") -> list[Gate]:
    """The stored gates of one rung, or of every rung that was asked."""
    return [gate for one in show.asked_ladder(rung).rungs for gate in one.gates()]


def read_counts(show: Show) -> dict[str, dict[str, int]]:
    """Per finished step, what its manifest counted."""
    folders = {stage: show.folder(stage) for stage in (*_SHOW_STAGES, "report")}
    folders |= {f"{stage}/{rung.name}": rung.folder(stage) for stage in _RUNG_STAGES for rung in show.rungs}
    manifests = {name: read_manifest(folder) for name, folder in folders.items()}
    return {name: manifest.counts for name, manifest in manifests.items() if manifest is not None}


def list_made(ladder: Ladder) -> list[tuple[str, str]]:
    """Each stage before the report, and the hash of what it made; empty for one that is not finished."""
    made = [(stage, ladder.show.made(stage)) for stage in _SHOW_STAGES]
    return made + [(f"{stage}/{rung.name}", rung.made(stage)) for rung in ladder.rungs for stage in _RUNG_STAGES]


# --- what people filled in --------------------------------------------------------------------------------------------


def score_people(ladder: Ladder) -> list[Score]:
    """The scores of everything people filled in so far about these rungs; empty when nobody did.

    Scores are never stored: they are worked out from the marks and the answers that are there now, so that a mark on
    an answer that is gone counts for nothing.
    """
    show = ladder.show
    marks, picks = hand_marks(show), blind_picks(show)
    scores: list[Score] = []
    if marks:
        n_resamples = show.config.score.n_resamples
        scores += score_hand(marks, asked_answers(ladder), show.questions(), n_resamples=n_resamples)
    if picks:
        scores += score_blind(picks, blind_cues(ladder))
    return scores


def count_right_answers(ladder: Ladder) -> list[RightCount]:
    """How many of the twelve each variant of these rungs answers rightly, by every marker; empty: not asked.

    The judge is among them where it was asked; a count of one that is not believed has no value, and the reason.

    Like the scores of people, worked out from the marks and answers that are there now.
    """
    show, asked = ladder.show, [rung for rung in ladder.rungs if rung.is_done("ask")]
    answers, questions = [row for rung in asked for row in rung.answers()], show.questions() if asked else ()
    paths = [rung.folder("score") / "marks.parquet" for rung in asked]
    by_rule = worth_by_rule(mark for path in paths for mark in show.table_if_there(path, Mark))
    people = average_marks(hand_marks(show))
    by_people = worth_by_key(answers, questions, people)
    return [
        *count_right(answers, questions, by_rule, marker="rule"),
        *count_right(answers, questions, by_people, marker="people"),
        *(count for rung in asked for count in _count_judged(rung, questions, people)),
    ]


def _count_judged(rung: Rung, questions: Sequence[Question], people: Mapping[str, float]) -> list[RightCount]:
    """What the judge of show.toml marked of one rung; empty where it was not asked."""
    judge = rung.show.config.score.judge
    path = marks_path(rung, judge) if judge else None
    if path is None or not path.is_file():
        return []
    marks = rung.show.table(path, JudgeMark)
    values = {mark.key: mark.value for mark in marks if mark.part == "answer" and mark.value is not None}
    doubt, answers = find_doubt(marks) or find_quarrel(marks, people), rung.answers()
    worth = {} if doubt else worth_by_key(answers, questions, values)
    counts = count_right(answers, questions, worth, marker="judge")
    return [count.model_copy(update={"reason": doubt}) for count in counts] if doubt else counts


def hash_people(show: Show) -> dict[str, str]:
    """What a report made from people's marks and picks depends on."""
    folder = show.folder(SHEETS)
    journals = [path for name in (MARKS_JOURNAL, SENT_JOURNAL) if (path := folder / name).is_file()]
    return {path.name: hash_file(path) for path in sorted([*folder.glob("*.parquet"), *journals])}


def hand_marks(show: Show) -> list[HandMark]:
    """The marks people gave to answers, on sheets and on the marking page; of each person the last on each answer."""
    path = show.folder(SHEETS) / "marks.parquet"
    marks = read_table(path, HandMark, is_rewritten=True) if path.is_file() else []
    for line in read_lines(show.folder(SHEETS) / MARKS_JOURNAL):
        with suppress(ValidationError):  # a line that a kill cut off
            marks.append(HandMark.model_validate_json(line))
    return list({(mark.key, mark.scorer.casefold()): mark for mark in marks}.values())


def blind_picks(show: Show) -> list[BlindPick]:
    """What people took for the host's own reply: those in files, and visitors of the served page.

    Strangers choose their own names, so a name joins nobody's picks. The same sheet, sent twice or both sent and read
    from a file, counts once.
    """
    picks = filed_picks(show)
    filed, seen = set(picks), set[frozenset[BlindPick]]()
    for sheet in sent_sheets(show):
        sent = frozenset(sheet.list_picks())
        if sent not in seen and not sent <= filed:
            picks += sheet.list_picks()
        seen.add(sent)
    return picks


def sent_sheets(show: Show) -> list[SentSheet]:
    """The blind sheets that visitors sent, in the order in which they came."""
    sheets = []
    for line in read_lines(show.folder(SHEETS) / SENT_JOURNAL):
        with suppress(ValidationError):  # a line that a kill cut off
            sheets.append(SentSheet.model_validate_json(line))
    return sheets


def filed_picks(show: Show) -> list[BlindPick]:
    """The picks in files that were read."""
    path = show.folder(SHEETS) / "picks.parquet"
    return read_table(path, BlindPick, is_rewritten=True) if path.is_file() else []


def blind_cues(ladder: Ladder) -> list[BlindCue]:
    """What was on the blind sheets of these rungs."""
    folder, show = ladder.show.folder(SHEETS), ladder.show
    return [
        cue for rung in ladder.rungs for cue in show.table_if_there(folder / f"blind-{rung.name}.parquet", BlindCue)
    ]


def asked_answers(ladder: Ladder) -> list[Answer]:
    """The exam's answers of every one of these rungs that was asked.

    Raises:
        ShowFolderError: None of them was asked yet.
    """
    asked = [rung for rung in ladder.rungs if rung.is_done("ask")]
    if not asked:
        root = ladder.show.root
        raise ShowFolderError(f"{root}: no question was asked yet.", hint=f"econchatr ask {root}")
    return [row for rung in asked for row in rung.answers()]


# --- what the LLM judge said ------------------------------------------------------------------------------------------


def score_judged(ladder: Ladder) -> list[Score]:
    """What the judge of show.toml said so far, of answers that are still there; empty where it was not asked."""
    scores: list[Score] = []
    for rung, path in _judged(ladder):
        known = {contest_key(contest) for contest in answer_contests(rung)}
        rows = [row for row in rung.show.table(path, JudgedContest) if row.name == PROOF or row.key in known]
        scores += score_judge(rows, rung=rung.name)
    return scores


def hash_judged(ladder: Ladder) -> dict[str, str]:
    """What a report made from the judge's verdicts depends on."""
    judge = ladder.show.config.score.judge
    marked = [(rung, marks_path(rung, judge)) for rung in ladder.rungs] if judge else []
    return {f"judge/{rung.name}": hash_file(path) for rung, path in _judged(ladder)} | {
        f"judge's marks/{rung.name}": hash_file(path) for rung, path in marked if path.is_file()
    }


def _judged(ladder: Ladder) -> Iterable[tuple[Rung, Path]]:
    judge = ladder.show.config.score.judge
    paths = [(rung, judge_path(rung, judge)) for rung in ladder.rungs] if judge else []
    return [(rung, path) for rung, path in paths if path.is_file()]


def judge_path(rung: Rung, judge: JudgeTable) -> Path:
    """Where a judge's verdicts on a rung are kept: one table per judge, so that no judge's pass for another's."""
    who = hash_settings([judge.base_url, judge.model, JUDGE_VERSION])[:12]
    return rung.folder("score") / f"judge-{who}.parquet"


def marks_path(rung: Rung, judge: JudgeTable) -> Path:
    """Where a judge's marks on a rung's answers are kept, as its verdicts are."""
    return judge_path(rung, judge).with_stem(f"{judge_path(rung, judge).stem}-marks")


def answer_contests(rung: Rung) -> list[Contest]:
    """The answers of a rung, two by two, as a judge is asked about them."""
    return pair_answers(rung.answers(), rung=rung.name)


# --- what preference rounds left --------------------------------------------------------------------------------------


def round_outcome(rung: Rung) -> PreferenceOutcome | None:
    """What a rung's finished round came to; `None`: there was none, or it began from another tuned model.

    Raises:
        ShowFolderError: The table is broken.
    """
    if read_manifest(rung.preferred_folder) is None:
        return None
    (outcome,) = rung.show.table(rung.preferred_folder / OUTCOME_NAME, PreferenceOutcome)
    adapter = rung.folder("train") / "adapter_model.safetensors"
    return outcome if adapter.is_file() and hash_file(adapter) == outcome.tuned_sha256 else None


def round_measures(rung: Rung) -> tuple[list[Score], list[Gate]]:
    """What the answers of a finished round were found to be; nothing of one that an earlier version made.

    Raises:
        ShowFolderError: A table is broken.
    """
    scores, gates = (rung.preferred_folder / f"{name}.parquet" for name in ("scores", "gates"))
    if round_outcome(rung) is None or not (scores.is_file() and gates.is_file()):
        return [], []
    return rung.show.table(scores, Score), rung.show.table(gates, Gate)


def round_sha256(rung: Rung) -> str:
    """The hash of everything a rung's round put out; empty: there was none, or it began from another tuned model."""
    return outputs_sha256(rung.preferred_folder) if round_outcome(rung) else ""
