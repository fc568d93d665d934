"""Rankings of answers and verdicts (right or wrong): stored beside the show's ledger, and made into preferences.

No stored judgement is changed or deleted. When a person judges the same answers to the same question again, the later
judgement counts. A ranking of n answers gives a preference for each two of them. Where people disagree, the majority
decides; a draw counts for nothing.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import combinations
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from econchatr.ask.asker import Asker, GenerationLog
from econchatr.errors import InputError, ShowFolderError
from econchatr.money.ledger import LEDGER_NAME
from econchatr.pipeline.ask import plan_reply
from econchatr.pipeline.show import Rung, Show
from econchatr.pipeline.stage import Narrator
from econchatr.prompts import render_chat
from econchatr.records import Ranking, Verdict
from econchatr.tables import hash_settings

MIN_JUDGEMENTS = 8
"""Fewer preferences, or verdicts, teach single answers and no taste."""
_N_HOST_REPLIES = 64
"""Replies of the host that are compared with the model's own, where nobody ranked anything."""
_KEPT_OUT_ONE_IN = 5
"""One question in so many is kept out of the training, to test whether the training helps on other questions."""


class RankedText(NamedTuple):
    """One reply, and whether it ended by itself."""

    text: str
    is_whole: bool


class Preference(NamedTuple):
    """Two replies to a question."""

    question: str
    better: RankedText
    worse: RankedText


class Judged(NamedTuple):
    """One reply to a question, judged right or wrong."""

    question: str
    reply: RankedText
    is_right: bool


class Judgements(NamedTuple):
    """What a round learns from: preferences or judged replies. One of the two kinds is empty."""

    source: str
    """`rankings`, `verdicts` or `host replies`."""
    n_scorers: int
    preferences: tuple[Preference, ...] = ()
    judged: tuple[Judged, ...] = ()
    kept_out_preferences: tuple[Preference, ...] = ()
    kept_out_judged: tuple[Judged, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows to learn from."""
        return len(self.preferences) + len(self.judged)

    @property
    def n_kept_out(self) -> int:
        """Number of rows kept out."""
        return len(self.kept_out_preferences) + len(self.kept_out_judged)


def gather_judgements(rung: Rung, narrator: Narrator) -> Judgements:
    """The rankings; if there are none the verdicts; if there are none either, the host's replies against the model's.

    Raises:
        InputError: There are rankings or verdicts, too few to learn from.
        ModelError: The tuned model cannot be opened.
    """
    rankings, verdicts = read_judgements(rung.show, Ranking), read_judgements(rung.show, Verdict)
    if rankings:
        preferences = prefer_by_majority(rankings, verdicts)
        _check_enough(len(preferences), "preferences", "Rank more answers")
        return part_preferences("rankings", preferences, len({row.scorer for row in (*rankings, *verdicts)}))
    if verdicts:
        judged = judge_by_majority(verdicts)
        _check_enough(len(judged), "answers called right or wrong", "Judge more answers")
        learned = [row for row in judged if not is_kept_out(row.question)]
        is_enough = len(learned) >= MIN_JUDGEMENTS and len({row.is_right for row in learned}) == 2
        kept_out = [row for row in judged if is_kept_out(row.question)] if is_enough else []
        rows = tuple(learned if is_enough else judged)
        return Judgements(
            "verdicts", len({row.scorer for row in verdicts}), judged=rows, kept_out_judged=tuple(kept_out)
        )
    return part_preferences("host replies", _prefer_host(rung, narrator), 0)


def require_judgements(show: Show) -> None:
    """Refuse a show in which nobody ranked or judged anything.

    Raises:
        InputError: There is no ranking and no verdict.
    """
    rankings, verdicts = read_judgements(show, Ranking), read_judgements(show, Verdict)
    if not (rankings or verdicts):
        raise InputError(
            f"nobody has ranked or judged an answer of {show.config.show.name} yet.",
            hint=f"Rank some in `econchatr play {show.root}`, tab Rank; or add --host-replies: the host's own "
            "replies are then preferred over the model's.",
        )


def hash_judgements(show: Show) -> str:
    """One hash over all rankings and verdicts."""
    rows = (*read_judgements(show, Ranking), *read_judgements(show, Verdict))
    return hash_settings([row.model_dump_json() for row in rows])


def prefer_by_majority(rankings: Sequence[Ranking], verdicts: Sequence[Verdict] = ()) -> list[Preference]:
    """The preferences that more people hold than the opposite.

    An answer that a person called right is better than one that the same person called wrong.
    """
    votes = Counter[Preference]()
    for ranking in rankings:
        texts = [RankedText(sample.text, sample.is_whole) for sample in ranking.samples]
        votes.update(Preference(ranking.question, better, worse) for better, worse in combinations(texts, 2))
    for one, other in combinations(verdicts, 2):
        if (one.scorer, one.question) == (other.scorer, other.question) and one.is_right != other.is_right:
            right, wrong = (one, other) if one.is_right else (other, one)
            texts = [RankedText(verdict.sample.text, verdict.sample.is_whole) for verdict in (right, wrong)]
            votes[Preference(right.question, *texts)] += 1
    return [row for row, n in votes.items() if n > votes[Preference(row.question, row.worse, row.better)]]


def judge_by_majority(verdicts: Sequence[Verdict]) -> list[Judged]:
    """Every answer with the majority's verdict; answers with a draw are left out."""
    votes = Counter[tuple[str, RankedText]]()
    for verdict in verdicts:
        text = RankedText(verdict.sample.text, verdict.sample.is_whole)
        votes[verdict.question, text] += 1 if verdict.is_right else -1
    return [Judged(question, text, n > 0) for (question, text), n in votes.items() if n]


def part_preferences(source: str, rows: Sequence[Preference], n_scorers: int) -> Judgements:
    """Keep out one question in five, or none if too few preferences would be left to learn from."""
    learned = tuple(row for row in rows if not is_kept_out(row.question))
    if len(learned) < MIN_JUDGEMENTS:
        return Judgements(source, n_scorers, preferences=tuple(rows))
    kept_out = tuple(row for row in rows if is_kept_out(row.question))
    return Judgements(source, n_scorers, preferences=learned, kept_out_preferences=kept_out)


def is_kept_out(question: str) -> bool:
    """Whether a question is kept out of every round; always the same questions, so that no round has seen them."""
    return hashlib.sha256(question.encode()).digest()[0] % _KEPT_OUT_ONE_IN == 0


def _check_enough(n: int, what: str, cure: str) -> None:
    if n < MIN_JUDGEMENTS:
        raise InputError(f"{n} {what} are too few to learn from.", hint=f"{cure}: {MIN_JUDGEMENTS} at least.")


def _prefer_host(rung: Rung, narrator: Narrator) -> list[Preference]:
    """The host's replies in training episodes as better than the tuned model's replies to the same cues."""
    chosen, tuned, settings = rung.examples("train"), rung.tuned(), rung.show.exam_settings
    n = min(_N_HOST_REPLIES, len(chosen))
    examples = [chosen[place * len(chosen) // n] for place in range(n)]
    log = GenerationLog(rung.preferred_folder / "generations.jsonl")
    draws = []
    for example in examples:
        prompt = render_chat(example.messages[:-1], rung.template)
        key = hash_settings([rung.made("train"), prompt, settings])
        draws.append(plan_reply(tuned, example.pair_id, prompt, key, settings))
    with rung.speak(rung.folder("train")) as speaker:
        answers = Asker(speaker, log).ask_all(draws, lambda n, n_all: narrator.progress(n, n_all, "samples"))
    preferences = []
    for example, answer in zip(examples, answers, strict=True):
        cue, said, reply = example.messages[-2].content, example.messages[-1].content, answer.reply
        if reply is not None and reply.text.strip() != said.strip():
            host = RankedText(said, not example.n_cut_reply_tokens)
            own = RankedText(reply.text.strip(), reply.stop == "end")
            preferences.append(Preference(cue, host, own))
    return preferences


# --- the ledger's database --------------------------------------------------------------------------------------------

_BUSY_SECONDS = 30.0
_TABLES: dict[type[Ranking | Verdict], str] = {Ranking: "rankings", Verdict: "verdicts"}
_COLUMNS = "judgement_id, judged_at, scorer, question, samples_sha256, body"

J = TypeVar("J", Ranking, Verdict)


def save_judgement(show: Show, judged: Ranking | Verdict) -> bool:
    """Store a ranking or a verdict; false: the same one is stored already.

    Raises:
        ShowFolderError: The database cannot be written.
    """
    samples = judged.samples if isinstance(judged, Ranking) else (judged.sample,)
    body = judged.model_dump_json()
    of_samples = hash_settings(sorted(sample.text_sha256 for sample in samples))
    row = (hash_settings(body), judged.judged_at.isoformat(), judged.scorer, judged.question, of_samples, body)
    with _open(show.root / LEDGER_NAME) as database:
        database.execute("BEGIN IMMEDIATE")
        for name in _TABLES.values():
            database.execute(
                f"CREATE TABLE IF NOT EXISTS {name} (judgement_id TEXT PRIMARY KEY NOT NULL, judged_at TEXT NOT NULL,"
                " scorer TEXT NOT NULL, question TEXT NOT NULL, samples_sha256 TEXT NOT NULL, body TEXT NOT NULL)"
            )
        done = database.execute(
            f"INSERT OR IGNORE INTO {_TABLES[type(judged)]} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", row
        )
        database.execute("COMMIT")
    return done.rowcount == 1


def read_judgements(show: Show, kind: type[J]) -> list[J]:
    """Every ranking, or every verdict, oldest first; of one person's judgements of the same answers, the last.

    Raises:
        ShowFolderError: The database cannot be read, or was written by another version.
    """
    path, table = show.root / LEDGER_NAME, _TABLES[kind]
    if not path.is_file():
        return []
    with _open(path) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchall():
            return []
        rows = database.execute(f"SELECT scorer, question, samples_sha256, body FROM {table} ORDER BY rowid").fetchall()
    latest: dict[tuple[str, ...], str] = {}
    for *key, body in rows:
        latest.pop(tuple(key), None)
        latest[tuple(key)] = body
    try:
        return [kind.model_validate_json(body) for body in latest.values()]
    except ValidationError as exc:
        raise ShowFolderError(
            f"{path}: a row of {table} is of another version's shape: {str(exc).splitlines()[0]}.",
            hint="Update econchatr.",
        ) from exc


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = FULL")
            yield database
    except sqlite3.Error as exc:
        raise ShowFolderError(
            f"the rankings in {path} cannot be used: {exc}.",
            hint="It also says what was paid: do not delete it. Free some space, or put back a copy that is whole.",
        ) from exc
