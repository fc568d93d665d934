"""Show answers to the LLM judge that show.toml names, and store its judgements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from econchatr.ask.asker import GenerationLog
from econchatr.config import CONFIG_NAME, JudgeTable
from econchatr.errors import InputError, ModelError, ShowFolderError
from econchatr.models.engines.openai_client import RemoteModel, ServedAddress, find_key
from econchatr.pipeline.results import answer_contests, judge_path, score_judged
from econchatr.pipeline.score import held_out
from econchatr.pipeline.show import Ladder, Rung, Show
from econchatr.pipeline.stage import Narrator, narrated
from econchatr.prompts import JUDGE_VERSION, judge_messages
from econchatr.records import Contest, JudgedContest, Score
from econchatr.score.raters.llm_judge import (
    Failed,
    JudgePick,
    Utterance,
    is_proved,
    judge_contests,
    pair_with_guests,
    read_verdict,
    score_proof,
)
from econchatr.tables import hash_settings, write_table

_SEED: Final = 0


def run_judge(rung: Rung, narrator: Narrator, *, environment: Mapping[str, str]) -> list[Score]:
    """Test the judge on real people first; only a judge that tells the host from guests judges the models.

    Raises:
        InputError: show.toml names no judge, or the environment variable for its key is not set.
        ShowFolderError: The rung was not asked yet.
    """
    show = rung.show
    judge = show.config.score.judge
    if judge is None:
        raise InputError(
            f"{show.root / CONFIG_NAME} names no judge.",
            hint='Add [score.judge] with base_url = "https://.../v1", model = "..." and key_env = "NAME_OF_VARIABLE".',
        )
    if not rung.is_done("ask"):
        raise ShowFolderError(f"rung {rung.name!r} was not asked yet.", hint=f"econchatr ask {show.root}")
    sides = {side: [Utterance(pair.slug, pair.reply) for pair in pairs] for side, pairs in held_out(show).items()}
    proof = pair_with_guests(sides["host"], sides["guest"], rung=rung.name, n=judge.n_pairs, seed=_SEED)
    contests = answer_contests(rung)
    with narrated(narrator, f"judge/{rung.name}", _tell_price(show, judge, proof, contests)) as counts:
        key = find_key(judge.key_env, environment)
        address = ServedAddress(judge.base_url, judge.model, key, judge.timeout_seconds)
        with RemoteModel(address) as model:
            bench = _Bench(rung, judge, model, narrator)
            judgements = bench.judge(proof)
            if is_proved(score_proof(judgements, rung=rung.name)):
                judgements += bench.judge(contests)
            else:
                narrator.note("the judge has not proved itself on real people, so it is not asked about models")
        write_table(judge_path(rung, judge), judgements, JudgedContest)
        n_failed = sum(row.verdict == "failed" for row in judgements)
        counts |= {"judged": len(judgements) - n_failed, "failed": n_failed}
    return score_judged(Ladder(show, (rung,)))


class _Bench:
    """Asks the judge about two texts; the log answers for two that were asked before in the same order."""

    def __init__(self, rung: Rung, judge: JudgeTable, model: RemoteModel, narrator: Narrator) -> None:
        self._voice, self._judge, self._model, self._narrator = rung.show.voice, judge, model, narrator
        self._known = _known_replies(rung.show, judge)
        self._log = GenerationLog(rung.folder("score") / "judge.jsonl")

    def judge(self, contests: Sequence[Contest]) -> list[JudgedContest]:
        def tell(n_done: int, n_all: int) -> None:
            self._narrator.progress(n_done, n_all, "pairs in both orders")

        return judge_contests(contests, self.ask, on_progress=tell)

    def ask(self, one: str, two: str) -> JudgePick | Failed:
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


def _known_replies(show: Show, judge: JudgeTable) -> list[str]:
    """Real replies of the host, from training episodes, as samples for the judge."""
    fit = [
        " ".join(pair.reply.split())
        for pair in show.pairs(split="train", kept=True)
        if 15 <= len(pair.reply.split()) <= 100
    ]
    return Random(_SEED).sample(fit, min(judge.n_known, len(fit)))


def _tell_price(show: Show, judge: JudgeTable, proof: Sequence[Contest], contests: Sequence[Contest]) -> str:
    """The most that will be asked, told before anything is; the service's price list gives the cost."""
    known = sum(len(text.split()) for text in _known_replies(show, judge))
    rows = [*proof, *contests]
    n_words = sum(2 * (known + 100 + len(row.one.split()) + len(row.two.split())) for row in rows)
    return (
        f"{judge.model} at {judge.base_url} is asked at most {2 * len(rows):,} times, about {n_words * 4 // 3:,} "
        "tokens in all; what it was asked before is not asked again"
    )
