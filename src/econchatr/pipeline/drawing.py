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
from econchatr.pipeline.forms import example_form
from econchatr.pipeline.rungs import model_identity, open_rung
from econchatr.pipeline.show import Show
from econchatr.prompts import FORM_VERSION, ChatTemplate, render_chat
from econchatr.records import Answer, Pair, TunedModel
from econchatr.select.examples import ExampleForm, build_example
from econchatr.tables import hash_settings

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
        key = self._key(prompt, seed)
        reply, error = self.log.find(key), None
        is_known = reply is not None
        if reply is None:
            reply, error = speak(prompt, tuned=True, seed=seed, speaker=self.speaker, settings=self.settings)
        answer = Answer(
            question_id=pair.pair_id, rung=self.rung, variant="tuned",
            model_sha256=model_identity(self.tuned, "tuned"), sample=sample, seed=seed, reply=reply, error=error,
        )  # fmt: skip
        if not is_known:
            self.log.add(key, answer.model_dump())
        return answer

    def _key(self, prompt: str, seed: int) -> str:
        """What a reply is known by in the log. It must not change: a reply drawn before is not drawn again."""
        drawn_from = hash_settings([self.tuned.base_sha256, self.tuned.adapter_sha256, "held out", FORM_VERSION])
        return hash_settings([drawn_from, prompt, seed, self.settings])


@contextmanager
def open_drawer(show: Show, rung: Rung) -> Iterator[HeldOutDrawer]:
    """Open a rung's tuned model for held-out cues, with the exam's own settings.

    Raises:
        InputError: The show has no `[rights]`.
        ShowFolderError: The rung is not trained yet.
        ModelError: The model cannot be opened.
    """
    settings = ExamSettings(**show.config.ask.model_dump(include=set(ExamSettings._fields)))
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
