"""Held-out episodes: what was said in them, and what a tuned model says to their cues.

Replies are drawn on request, logged, and never drawn twice. This module does not choose the cues and judges no reply.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from econchatr.ask.exam import ExamSettings, Speaker, speak
from econchatr.ask.log import GenerationLog
from econchatr.config import Rung
from econchatr.models.llamacpp import count_usable_cores
from econchatr.pair import PROFILES, pair_episode
from econchatr.pipeline.forms import example_form
from econchatr.pipeline.prepare import PAIR_TOKENIZER
from econchatr.pipeline.rungs import open_rung
from econchatr.pipeline.show import Show
from econchatr.prompts import FORM_VERSION, ChatTemplate, render_chat
from econchatr.records import Answer, Episode, Pair, TunedModel, Turn
from econchatr.select.examples import ExampleForm, build_example
from econchatr.tables import hash_settings, read_table
from econchatr.tokens import open_tokenizer

_ROLE_OF_OTHER_SIDE = {"host": "guest", "guest": "host", "other": "other"}

MAX_AT_ONCE = 4
"""Replies asked for side by side, where there are as many cores. Source: as in the exam, docs/performance.md."""


class HeldOutDrawer(NamedTuple):
    """A rung's tuned model, ready to be given cues as it was given them in training."""

    rung: str
    form: ExampleForm
    template: ChatTemplate
    speaker: Speaker
    tuned: TunedModel
    settings: ExamSettings
    log: GenerationLog

    def draw(self, pair: Pair, n_samples: int) -> list[Answer]:
        """The first `n_samples` replies to a pair's cue, seeds in a row; a failed one has its error and no reply."""
        prompt = render_chat(build_example(pair, self.form).messages[:-1], self.template)
        with ThreadPoolExecutor(self.speaker.n_at_once) as pool:
            return list(pool.map(lambda sample: self._draw_one(pair, prompt, sample), range(n_samples)))

    def _draw_one(self, pair: Pair, prompt: str, sample: int) -> Answer:
        seed = self.settings.seed + sample
        model_sha256 = hash_settings([self.tuned.base_sha256, self.tuned.adapter_sha256, "held out", FORM_VERSION])
        key = hash_settings([model_sha256, prompt, seed, self.settings])
        reply, error = self.log.find(key), None
        is_known = reply is not None
        if reply is None:
            reply, error = speak(prompt, tuned=True, seed=seed, speaker=self.speaker, settings=self.settings)
        answer = Answer(
            question_id=pair.pair_id, rung=self.rung, variant="tuned", model_sha256=model_sha256, sample=sample,
            seed=seed, reply=reply, error=error,
        )  # fmt: skip
        if not is_known:
            self.log.add(key, answer.model_dump())
        return answer


@contextmanager
def open_drawer(show: Show, rung: Rung) -> Iterator[HeldOutDrawer]:
    """Open a rung's tuned model for held-out cues, with the exam's own settings.

    Raises:
        InputError: The show has no `[rights]`.
        ShowFolderError: The rung is not trained yet.
        ModelError: The model cannot be opened.
    """
    settings = ExamSettings(**show.config.ask.model_dump(exclude={"paraphrases"}))
    with open_rung(show, rung.name, n_at_once=min(count_usable_cores(), MAX_AT_ONCE)) as opened:
        yield HeldOutDrawer(
            rung=rung.name, form=example_form(show, rung), template=opened.template, speaker=opened.speaker,
            tuned=opened.tuned, settings=settings,
            log=GenerationLog(show.folder("ask", rung.name) / "generations.jsonl"),
        )  # fmt: skip


def take_replies(answers: Sequence[Answer]) -> list[str] | None:
    """The texts of the replies; `None` when one of them failed."""
    texts = [answer.reply.text for answer in answers if answer.reply is not None]
    return texts if len(texts) == len(answers) else None


def test_pairs(show: Show, side: str) -> list[Pair]:
    """Held-out pairs whose reply is the host's; or, the other way round, what guests replied to the host."""
    pairs = read_table(show.folder("pair") / "pairs.parquet", Pair)
    if side == "host":
        return [pair for pair in pairs if pair.is_kept and pair.split == "test"]
    slugs = {pair.slug for pair in pairs if pair.split == "test"}
    parsed = show.folder("parse")
    episodes = [episode for episode in read_table(parsed / "episodes.parquet", Episode) if episode.slug in slugs]
    turns = [turn for turn in read_table(parsed / "turns.parquet", Turn) if turn.slug in slugs]
    swapped = [turn.model_copy(update={"role": _ROLE_OF_OTHER_SIDE[turn.role]}) for turn in turns]
    profile, count = PROFILES[show.config.pair.profile], open_tokenizer(PAIR_TOKENIZER, cache=show.cache).count_each
    found = [
        pair
        for episode in sorted(episodes, key=lambda episode: episode.rank)
        for pair in pair_episode(
            episode, [turn for turn in swapped if turn.slug == episode.slug], split="test", profile=profile,
            count_tokens=count, persona=None,
        )
    ]  # fmt: skip
    return [pair for pair in found if pair.is_kept]
