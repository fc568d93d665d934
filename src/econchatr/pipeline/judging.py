"""Put answers before the judge that show.toml names, and keep what it said.

Scores are worked out from the stored verdicts and the answers that are there now. This module does not know how a judge
is asked over the wire, nor when it may be believed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final

from econchatr.ask.log import GenerationLog
from econchatr.config import CONFIG_NAME, JudgeTable, Rung
from econchatr.errors import InputError, ModelError, ShowFolderError
from econchatr.models.served import ServedAddress, ServedModel
from econchatr.pipeline.heldout import PairsBySide, read_sides
from econchatr.pipeline.show import Narrator, Show
from econchatr.prompts import JUDGE_VERSION, judge_messages
from econchatr.records import Answer, Contest, Judgement, Score
from econchatr.score.judge import (
    PROOF,
    Failed,
    Said,
    Utterance,
    contest_key,
    is_proved,
    judge_contests,
    pair_answers,
    pair_with_guests,
    read_verdict,
    score_judge,
    score_proof,
)
from econchatr.tables import hash_file, hash_settings, read_manifest, read_table, write_table

_SEED: Final = 0


def run_judge(show: Show, rung: Rung, narrator: Narrator, *, environment: Mapping[str, str]) -> list[Score]:
    """Let the judge prove itself on real people first, and only then say what it takes for the host.

    Raises:
        InputError: show.toml names no judge, or the variable that should hold its key is not set.
        ShowFolderError: The rung was not asked yet.
    """
    judge = show.config.score.judge
    if judge is None:
        raise InputError(
            f"{show.root / CONFIG_NAME} names no judge.",
            hint='Add [score.judge] with base_url = "https://.../v1", model = "..." and key_env = "NAME_OF_VARIABLE".',
        )
    if read_manifest(show.folder("ask", rung.name)) is None:
        raise ShowFolderError(f"rung {rung.name!r} was not asked yet.", hint=f"econchatr ask {show.root}")
    pairs = read_sides(show)
    proof, contests, known = _proof_contests(pairs, rung, judge), _contests(show, rung), _known_replies(pairs, judge)
    name, start = f"judge/{rung.name}", time.monotonic()
    narrator.begin(name, _tell_price(judge, known, proof, contests))
    address = ServedAddress(judge.base_url, judge.model, _find_key(judge, environment), judge.timeout_seconds)
    with ServedModel(address) as model:
        bench = _Bench(show, rung, known, model, judge)

        def judged(rows: Sequence[Contest]) -> list[Judgement]:
            return judge_contests(
                rows, bench.ask, on_progress=lambda n, n_all: narrator.progress(n, n_all, "pairs in both orders")
            )

        judgements = judged(proof)
        if is_proved(score_proof(judgements, rung=rung.name)):
            judgements += judged(contests)
        else:
            narrator.note("the judge has not proved itself on real people, so it is not asked about models")
    write_table(_path(show, rung, judge), judgements, Judgement)
    n_failed = sum(row.verdict == "failed" for row in judgements)
    narrator.end(name, {"judged": len(judgements) - n_failed, "failed": n_failed}, time.monotonic() - start)
    return score_judged(show, [rung])


def score_judged(show: Show, rungs: Sequence[Rung]) -> list[Score]:
    """What the judge of show.toml said so far, of answers that are still there; empty where it was not asked."""
    scores: list[Score] = []
    judge = show.config.score.judge
    if judge is None:
        return scores
    for rung in rungs:
        path = _path(show, rung, judge)
        if path.is_file():
            known = {contest_key(contest) for contest in _contests(show, rung)}
            rows = [row for row in read_table(path, Judgement) if row.name == PROOF or row.key in known]
            scores += score_judge(rows, rung=rung.name)
    return scores


def hash_judged(show: Show, rungs: Sequence[Rung]) -> dict[str, str]:
    """What a report made from the judge's verdicts depends on."""
    judge = show.config.score.judge
    paths = {f"judge/{rung.name}": _path(show, rung, judge) for rung in rungs} if judge else {}
    return {name: hash_file(path) for name, path in paths.items() if path.is_file()}


def _path(show: Show, rung: Rung, judge: JudgeTable) -> Path:
    # One table per judge: another one's verdicts must not pass for this one's.
    who = hash_settings([judge.base_url, judge.model, JUDGE_VERSION])[:12]
    return show.folder("score", rung.name) / f"judge-{who}.parquet"


class _Bench:
    """Asks the judge about two texts, and never twice about the same two in the same order."""

    def __init__(self, show: Show, rung: Rung, known: Sequence[str], model: ServedModel, judge: JudgeTable) -> None:
        self._voice, self._judge, self._model, self._known = show.voice, judge, model, known
        self._log = GenerationLog(show.folder("score", rung.name) / "judge.jsonl")

    def ask(self, one: str, two: str) -> Said | Failed:
        messages = judge_messages(self._voice, self._known, " ".join(one.split()), " ".join(two.split()))
        settings = self._judge.model_dump(include={"base_url", "model", "max_tokens"})
        key = hash_settings([JUDGE_VERSION, settings, [message.content for message in messages]])
        reply = self._log.find(key)
        if reply is None:
            try:
                reply = self._model.reply(messages, temperature=0, max_tokens=self._judge.max_tokens, seed=_SEED)
            except ModelError as exc:
                return Failed(exc.message)
            self._log.add(key, {"model": self._judge.model, "reply": reply.model_dump()})
        return read_verdict(reply.text)


def _proof_contests(pairs: PairsBySide, rung: Rung, judge: JudgeTable) -> list[Contest]:
    sides = {side: [Utterance(pair.slug, pair.reply) for pair in rows] for side, rows in pairs.held_out().items()}
    return pair_with_guests(sides["host"], sides["guest"], rung=rung.name, n=judge.n_pairs, seed=_SEED)


def _contests(show: Show, rung: Rung) -> list[Contest]:
    answers = read_table(show.folder("ask", rung.name) / "answers.parquet", Answer)
    return pair_answers(answers, rung=rung.name)


def _known_replies(pairs: PairsBySide, judge: JudgeTable) -> list[str]:
    """Replies the host did say, from training episodes, for the judge to go by."""
    fit = [
        " ".join(pair.reply.split())
        for pair in pairs.host
        if pair.is_kept and pair.split == "train" and 15 <= len(pair.reply.split()) <= 100
    ]
    return Random(_SEED).sample(fit, min(judge.n_known, len(fit)))


def _tell_price(
    judge: JudgeTable, known_replies: Sequence[str], proof: Sequence[Contest], contests: Sequence[Contest]
) -> str:
    """How much will be asked, at most, before anything is: about what it costs is then the service's price list."""
    known = sum(len(text.split()) for text in known_replies)
    rows = [*proof, *contests]
    n_words = sum(2 * (known + 100 + len(row.one.split()) + len(row.two.split())) for row in rows)
    return (
        f"{judge.model} at {judge.base_url} is asked at most {2 * len(rows):,} times, about {n_words * 4 // 3:,} "
        "tokens in all; what it was asked before is not asked again"
    )


def _find_key(judge: JudgeTable, environment: Mapping[str, str]) -> str:
    if not judge.key_env:
        return ""
    key = environment.get(judge.key_env, "").strip()
    if not key:
        raise InputError(f"${judge.key_env} is not set.", hint=f"export {judge.key_env}=... with the judge's key.")
    return key
