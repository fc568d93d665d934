"""The exam: every question, asked of every variant of a rung, with fixed seeds.

This module does not know which engine answers, nor what a good answer is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from econchatr.errors import ModelError
from econchatr.prompts import ChatTemplate, Voice, chat_messages, persona_line, render_chat, system_line
from econchatr.records import Answer, Question, Reply, Variant

VARIANTS: tuple[Variant, ...] = ("base", "persona", "tuned")

PARAPHRASE_SAMPLES = 2


class Speaker(Protocol):
    """A model that continues a rendered prompt."""

    n_at_once: int
    """Callers it can answer side by side; more than these wait for each other."""

    def reply(
        self,
        prompt: str,
        *,
        tuned: bool,
        seed: int,
        temperature: float,
        max_tokens: int,
        stop: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
        repeat_penalty: float = 1.0,
    ) -> Reply:
        """What the model says; the adapter is used when `tuned`."""


class ExamSettings(NamedTuple):
    """How the exam is put."""

    samples: int
    temperature: float
    max_tokens: int
    seed: int
    repeat_penalty: float


class Ask(NamedTuple):
    """One thing to ask: a question, of one variant, with one seed."""

    question: Question
    variant: Variant
    sample: int
    seed: int
    wording: int = 0
    """0: in its own words; else the number of the paraphrase."""

    @property
    def text(self) -> str:
        """The words in which it is put."""
        return self.question.paraphrases[self.wording - 1] if self.wording else self.question.text


def plan_exam(questions: Sequence[Question], settings: ExamSettings) -> Iterator[Ask]:
    """Everything to ask, variant by variant; sample `k` has the same seed for every question and variant."""
    for variant in VARIANTS:
        for question in questions:
            for sample in range(settings.samples):
                yield Ask(question, variant, sample, settings.seed + sample)


def plan_paraphrases(questions: Sequence[Question], settings: ExamSettings) -> Iterator[Ask]:
    """Every paraphrase of every question, two samples each, with the seeds of the exam's own first two.

    Two, because what the wording does to an answer can only be told from what chance does by asking twice.
    """
    for variant in VARIANTS:
        for question in questions:
            for wording in range(1, len(question.paraphrases) + 1):
                for sample in range(min(settings.samples, PARAPHRASE_SAMPLES)):
                    yield Ask(question, variant, sample, settings.seed + sample, wording)


def render_question(text: str, variant: Variant, voice: Voice, template: ChatTemplate) -> str:
    """The prompt of a question.

    Base and tuned model see the very same text; the persona variant gets a longer system line.
    """
    system = persona_line(voice) if variant == "persona" else system_line(voice)
    return render_chat(chat_messages(text, None, system=system), template)


def answer_one(
    ask: Ask,
    *,
    rung: str,
    model_sha256: str,
    speaker: Speaker,
    voice: Voice,
    template: ChatTemplate,
    settings: ExamSettings,
) -> Answer:
    """One answer; a model that fails gives an answer with its error and no reply."""
    reply: Reply | None = None
    error: str | None
    try:
        prompt = render_question(ask.text, ask.variant, voice, template)
    except ModelError as exc:
        error = exc.message
    else:
        reply, error = speak(prompt, tuned=ask.variant == "tuned", seed=ask.seed, speaker=speaker, settings=settings)
    return Answer(
        question_id=ask.question.question_id,
        rung=rung,
        variant=ask.variant,
        model_sha256=model_sha256,
        sample=ask.sample,
        seed=ask.seed,
        reply=reply,
        error=error,
        wording=ask.wording,
    )


def speak(
    prompt: str, *, tuned: bool, seed: int, speaker: Speaker, settings: ExamSettings
) -> tuple[Reply, None] | tuple[None, str]:
    """What a model says to a prompt, or why it said nothing; silence is a failure."""
    try:
        reply = speaker.reply(
            prompt,
            tuned=tuned,
            seed=seed,
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            repeat_penalty=settings.repeat_penalty,
        )
    except ModelError as exc:
        return None, exc.message
    return (reply, None) if reply.text.strip() else (None, "the model returned no text")


def recall_one(ask: Ask, known: Reply, *, rung: str, model_sha256: str) -> Answer:
    """The answer to a request that the very same model was given before."""
    return Answer(
        question_id=ask.question.question_id,
        rung=rung,
        variant=ask.variant,
        model_sha256=model_sha256,
        sample=ask.sample,
        seed=ask.seed,
        reply=known,
        error=None,
        wording=ask.wording,
    )
