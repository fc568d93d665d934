"""What a round of preference training learns from: rankings and verdicts, or, without any, the host's own replies.

A ranking of n answers says of each two which is better. What two people see the other way round goes by the majority,
and counts for nothing in a draw. This module trains nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import NamedTuple

from econchatr.ask.exam import ExamSettings, speak
from econchatr.ask.log import GenerationLog
from econchatr.config import Rung
from econchatr.errors import InputError
from econchatr.models.llamacpp import count_usable_cores
from econchatr.pipeline.forms import rung_template, rung_weights
from econchatr.pipeline.rankings import read_rankings, read_verdicts
from econchatr.pipeline.rungs import PREFERRED, model_identity, open_speaker, read_tuned
from econchatr.pipeline.show import Narrator, Show
from econchatr.prompts import render_chat
from econchatr.records import Example, Ranking, Verdict
from econchatr.tables import hash_settings, read_table

MIN_JUDGEMENTS = 8
"""Fewer preferences, or verdicts, teach one answer and not a taste."""
N_HOST_REPLIES = 64
"""Replies of the host that are set against the model's own, where nobody ranked anything."""
KEPT_OUT = 5
"""One question in so many is kept out of the training, to see whether what was learned holds for others."""
MAX_AT_ONCE = 4
"""Samples drawn side by side. Source: as in the exam, docs/performance.md."""


class Text(NamedTuple):
    """One reply, and whether it ended by itself."""

    text: str
    is_whole: bool


class Preference(NamedTuple):
    """Two replies to a question; the first is the better one."""

    question: str
    better: Text
    worse: Text


class Judged(NamedTuple):
    """One reply to a question, called right or wrong."""

    question: str
    reply: Text
    is_right: bool


class Judgements(NamedTuple):
    """What a round learns from: preferences, or else judged replies; one of the two kinds is empty."""

    source: str
    """`rankings`, `verdicts` or `host replies`."""
    n_scorers: int
    preferences: tuple[Preference, ...] = ()
    judged: tuple[Judged, ...] = ()
    kept_out_preferences: tuple[Preference, ...] = ()
    kept_out_judged: tuple[Judged, ...] = ()

    @property
    def n_rows(self) -> int:
        """How many are learned from."""
        return len(self.preferences) + len(self.judged)

    @property
    def n_kept_out(self) -> int:
        """How many are kept out."""
        return len(self.kept_out_preferences) + len(self.kept_out_judged)


def gather_judgements(show: Show, rung: Rung, narrator: Narrator) -> Judgements:
    """The rankings; without any the verdicts; without either the host's replies against the tuned model's own.

    Raises:
        InputError: There are some, too few to learn from.
        ModelError: The tuned model cannot be opened.
    """
    rankings, verdicts = read_rankings(show), read_verdicts(show)
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
    return part_preferences("host replies", list(_prefer_host(show, rung, narrator)), 0)


def hash_judgements(show: Show) -> str:
    """One hash over everything that people ranked or judged."""
    return hash_settings([row.model_dump_json() for row in (*read_rankings(show), *read_verdicts(show))])


def prefer_by_majority(rankings: Sequence[Ranking], verdicts: Sequence[Verdict] = ()) -> list[Preference]:
    """Every two answers to one question of which more people put the first above the second than the other way.

    An answer that a person called right stands above one that the same person called wrong.
    """
    votes = Counter[Preference]()
    for ranking in rankings:
        texts = [Text(sample.text, sample.is_whole) for sample in ranking.samples]
        votes.update(Preference(ranking.question, better, worse) for better, worse in combinations(texts, 2))
    for one, other in combinations(verdicts, 2):
        if (one.scorer, one.question) == (other.scorer, other.question) and one.is_right != other.is_right:
            right, wrong = (one, other) if one.is_right else (other, one)
            texts = [Text(verdict.sample.text, verdict.sample.is_whole) for verdict in (right, wrong)]
            votes[Preference(right.question, *texts)] += 1
    return [row for row, n in votes.items() if n > votes[Preference(row.question, row.worse, row.better)]]


def judge_by_majority(verdicts: Sequence[Verdict]) -> list[Judged]:
    """Every answer that more people called right than wrong, or the other way."""
    votes = Counter[tuple[str, Text]]()
    for verdict in verdicts:
        text = Text(verdict.sample.text, verdict.sample.is_whole)
        votes[verdict.question, text] += 1 if verdict.is_right else -1
    return [Judged(question, text, n > 0) for (question, text), n in votes.items() if n]


def part_preferences(source: str, rows: Sequence[Preference], n_scorers: int) -> Judgements:
    """Keep out one question in five; none where too few preferences would be left to learn from."""
    learned = [row for row in rows if not is_kept_out(row.question)]
    if len(learned) < MIN_JUDGEMENTS:
        return Judgements(source, n_scorers, preferences=tuple(rows))
    kept_out = tuple(row for row in rows if is_kept_out(row.question))
    return Judgements(source, n_scorers, preferences=tuple(learned), kept_out_preferences=kept_out)


def is_kept_out(question: str) -> bool:
    """Whether a question is kept out of every round: always the same ones, so that no later round has seen them."""
    return hashlib.sha256(question.encode()).digest()[0] % KEPT_OUT == 0


def _check_enough(n: int, what: str, cure: str) -> None:
    if n < MIN_JUDGEMENTS:
        raise InputError(f"{n} {what} are too few to learn from.", hint=f"{cure}: {MIN_JUDGEMENTS} at least.")


def _prefer_host(show: Show, rung: Rung, narrator: Narrator) -> Iterator[Preference]:
    """What the host said in training episodes above what the tuned model says to the same cue."""
    rows = read_table(show.folder("select") / "examples.parquet", Example)
    chosen = [row for row in rows if row.rung == rung.name and row.split == "train"]
    n = min(N_HOST_REPLIES, len(chosen))
    examples = [chosen[place * len(chosen) // n] for place in range(n)]
    settings = ExamSettings(**show.config.ask.model_dump(include=set(ExamSettings._fields)))
    template, folder = rung_template(rung), show.folder("train", rung.name)
    log = GenerationLog(folder / PREFERRED / "generations.jsonl")
    made_by = model_identity(read_tuned(show, rung), "tuned")
    n_at_once = min(count_usable_cores(), MAX_AT_ONCE)
    with open_speaker(rung_weights(show, rung), folder=folder, n_at_once=n_at_once) as speaker:

        def sample(example: Example) -> Preference | None:
            cue, said = example.messages[-2].content, example.messages[-1].content
            prompt = render_chat(example.messages[:-1], template)
            key = hash_settings([show.made("train", rung.name), prompt, settings])
            reply = log.find(key)
            if reply is None:
                reply, error = speak(prompt, tuned=True, seed=settings.seed, speaker=speaker, settings=settings)
                row = {"model_sha256": made_by, "cue": cue, "seed": settings.seed, "error": error}
                log.add(key, {**row, "reply": reply.model_dump() if reply else None})
            if reply is None or reply.text.strip() == said.strip():
                return None
            host = Text(said, not example.n_cut_reply_tokens)
            return Preference(cue, host, Text(reply.text.strip(), reply.stop == "end"))

        with ThreadPoolExecutor(speaker.n_at_once) as pool:
            for n_done, found in enumerate(pool.map(sample, examples), start=1):
                narrator.progress(n_done, len(examples), "samples")
                if found is not None:
                    yield found
