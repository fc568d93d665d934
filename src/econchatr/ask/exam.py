"""The exam: every question, asked of every variant of a rung, with fixed seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol, runtime_checkable

from econchatr.errors import ModelError
from econchatr.prompts import (
    ChatTemplate,
    Frame,
    Voice,
    chat_messages,
    form_version,
    persona_line,
    render_chat,
    system_line,
)
from econchatr.records import Answer, Pair, Question, Reply, Sampling, TunedModel, Variant
from econchatr.tables import hash_settings

VARIANTS: tuple[Variant, ...] = ("base", "persona", "tuned")

GROUNDED_FORM: Mapping[Variant, Variant] = MappingProxyType({"base": "retrieval", "tuned": "grounded"})
"""What a model is called that is given real turns of the host before the question."""

GROUNDED_VARIANTS: tuple[Variant, ...] = tuple(GROUNDED_FORM.values())
"""The base and the tuned model, each given real turns of the host before the question."""

TUNED_VARIANTS: frozenset[Variant] = frozenset({"tuned", "grounded"})
"""Those that the adapter answers."""

_PARAPHRASE_SAMPLES: Final = 2


SERVED_TEMPLATE: Final = ChatTemplate("{{ messages | tojson }}", bos="", eos="")
"""A served model is sent messages, not a text: its prompt is the messages as JSON."""


class Speaker(Protocol):
    """A model that continues a rendered prompt."""

    n_at_once: int
    """Callers it can answer side by side; more than these wait for each other."""

    def reply(
        self, prompt: str, sampling: Sampling, *, tuned: bool, on_text: Callable[[str], None] | None = None
    ) -> Reply:
        """What the model says; the adapter is used when `tuned`."""


@runtime_checkable
class BatchSpeaker(Protocol):
    """A model that continues several rendered prompts together."""

    n_together: int
    """The most it computes together; 1: it computes each alone."""

    def reply_all(
        self, prompts: Sequence[str], sampling: Sampling, *, seeds: Sequence[int], tuned: bool
    ) -> list[Reply]:
        """What the model says to each, each drawn with its own seed."""


@runtime_checkable
class OftenSpeaker(Speaker, Protocol):
    """A model that also gives several replies to one rendered prompt."""

    def reply_often(
        self,
        prompt: str,
        sampling: Sampling,
        n_replies: int,
        *,
        tuned: bool,
        on_text: Callable[[str], None] | None = None,
    ) -> list[Reply]:
        """What the model says, with seeds that follow each other."""


class FramedSpeaker:
    """A model whose replies end where their form says, and come without what the form writes before them."""

    def __init__(self, speaker: Speaker, frame: Frame) -> None:
        self.speaker, self._frame = speaker, frame
        self.n_at_once = speaker.n_at_once
        self.n_together = speaker.n_together if isinstance(speaker, BatchSpeaker) else 1

    def reply(
        self, prompt: str, sampling: Sampling, *, tuned: bool, on_text: Callable[[str], None] | None = None
    ) -> Reply:
        """What the model says; the adapter is used when `tuned`.

        Raises:
            ModelError: The model failed.
        """
        sampling = self._stop(sampling)
        if not self._frame.lead:
            return self.speaker.reply(prompt, sampling, tuned=tuned, on_text=on_text)
        hear = drop_lead(on_text) if on_text else None
        reply = self.speaker.reply(prompt, sampling, tuned=tuned, on_text=hear)
        return reply.model_copy(update={"text": reply.text.lstrip()})

    def reply_all(
        self, prompts: Sequence[str], sampling: Sampling, *, seeds: Sequence[int], tuned: bool
    ) -> list[Reply]:
        """What the model says to each, each drawn with its own seed.

        Raises:
            ModelError: The model failed, or it computes each alone.
        """
        if not isinstance(self.speaker, BatchSpeaker):
            raise ModelError("this model computes each reply alone.", hint="Ask for one at a time.")
        return self._drop_leads(self.speaker.reply_all(prompts, self._stop(sampling), seeds=seeds, tuned=tuned))

    def reply_often(
        self,
        prompt: str,
        sampling: Sampling,
        n_replies: int,
        *,
        tuned: bool,
        on_text: Callable[[str], None] | None = None,
    ) -> list[Reply]:
        """What the model says to one prompt several times, with seeds that follow each other.

        Args:
            on_text: Gets each piece of text of any reply as it comes.

        Raises:
            ModelError: The model failed.
        """
        if isinstance(self.speaker, OftenSpeaker):
            told = self.speaker.reply_often(prompt, self._stop(sampling), n_replies, tuned=tuned, on_text=on_text)
            return self._drop_leads(told)
        seeds = range(sampling.seed, sampling.seed + n_replies)
        return [self.reply(prompt, sampling._replace(seed=seed), tuned=tuned, on_text=on_text) for seed in seeds]

    def _stop(self, sampling: Sampling) -> Sampling:
        return sampling._replace(stop=(*sampling.stop, *self._frame.stop))

    def _drop_leads(self, replies: list[Reply]) -> list[Reply]:
        if not self._frame.lead:
            return replies
        return [reply.model_copy(update={"text": reply.text.lstrip()}) for reply in replies]


def drop_lead(on_text: Callable[[str], None]) -> Callable[[str], None]:
    """What passes a reply's pieces on without the space before its first word."""
    has_begun = False

    def hear(text: str) -> None:
        nonlocal has_begun
        text = text if has_begun else text.lstrip()
        if text:
            has_begun = True
            on_text(text)

    return hear


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
    excerpts: tuple[Pair, ...] = ()
    """Real turns that stand before it, as the model is given them."""

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
                for sample in range(min(settings.samples, _PARAPHRASE_SAMPLES)):
                    yield Ask(question, variant, sample, settings.seed + sample, wording)


def plan_grounded(
    questions: Sequence[Question],
    settings: ExamSettings,
    find: Callable[[str], tuple[Pair, ...]],
    *,
    n_samples: int,
    n_questions: int = 0,
) -> Iterator[Ask]:
    """Questions with the real turns that `find` gives for each, to base and tuned model, with the exam's seeds.

    So many of the questions are asked, evenly over the exam; 0: every one. Where nothing is found the question is put
    as it is: that, too, is what a grounded model does.
    """
    chosen = spread_questions(questions, n_questions)
    found = {question.question_id: find(question.text) for question in chosen}
    for variant in GROUNDED_VARIANTS:
        for question in chosen:
            for sample in range(min(settings.samples, n_samples)):
                excerpts = found[question.question_id]
                yield Ask(question, variant, sample, settings.seed + sample, excerpts=excerpts)


def spread_questions(questions: Sequence[Question], n: int) -> list[Question]:
    """`n` questions, evenly over all of them and in their order; all where `n` is 0 or more than there are."""
    n = min(n or len(questions), len(questions))
    return [questions[place * len(questions) // n] for place in range(n)]


def render_question(
    text: str, variant: Variant, voice: Voice, template: ChatTemplate, excerpts: Sequence[Pair] = ()
) -> str:
    """The prompt of a question.

    Base and tuned model see the very same text; the persona variant gets a longer system line.
    """
    system = persona_line(voice) if variant == "persona" else system_line(voice)
    return render_chat(chat_messages(text, None, system=system, earlier=excerpts), template)


class Draw(NamedTuple):
    """One reply to draw from an open model."""

    key: str
    """Tells the very same request apart from every other: its reply is found again by it."""
    prompt: Callable[[], str]
    """Renders the prompt; a `ModelError` it raises becomes the error of the answer."""
    is_tuned: bool
    seed: int
    settings: ExamSettings
    record: Callable[[Reply | None, str | None], Answer]
    """Makes the answer of a reply, or of the error that came in its place."""
    n_replies: int = 1
    """Replies that are drawn for it, of which one is kept."""


class Examinee(NamedTuple):
    """A rung's models, as the exam is put to them."""

    rung: str
    voice: Voice
    template: ChatTemplate
    identify: Callable[[Variant], str]
    """The hash that every answer of a variant carries."""
    best_of: int = 1
    """Draws for each answer of the tuned model."""

    def draw(self, ask: Ask, settings: ExamSettings) -> Draw:
        """What has to be drawn for one thing to ask."""
        model_sha256, is_tuned = self.identify(ask.variant), ask.variant in TUNED_VARIANTS
        n_draws = self.best_of if is_tuned and settings.temperature else 1  # at temperature 0 all draws are one
        asked = [model_sha256, ask.text, ask.variant, ask.seed, settings, self.voice]
        asked += [("best of", n_draws)] if n_draws > 1 else []

        def record(reply: Reply | None, error: str | None) -> Answer:
            return Answer(
                question_id=ask.question.question_id,
                rung=self.rung,
                variant=ask.variant,
                model_sha256=model_sha256,
                sample=ask.sample,
                seed=ask.seed,
                reply=reply,
                error=error,
                wording=ask.wording,
                excerpts=tuple(pair.pair_id for pair in ask.excerpts),
                best_of=n_draws,
            )

        return Draw(
            key=hash_settings([*asked, *((pair.pair_id, pair.cue, pair.reply) for pair in ask.excerpts)]),
            prompt=lambda: render_question(ask.text, ask.variant, self.voice, self.template, ask.excerpts),
            is_tuned=is_tuned,
            seed=ask.seed,
            settings=settings,
            record=record,
            n_replies=n_draws,
        )


def model_identity(tuned: TunedModel, variant: Variant) -> str:
    """The hash that every answer of a model carries: of base weights, adapter, variant and prompt form together.

    An answer of the base carries the base's own: no adapter took part in it. Every command that keeps answers takes the
    hash from here.
    """
    adapter = tuned.adapter_sha256 if variant in TUNED_VARIANTS else ""
    return hash_settings([tuned.base_sha256, adapter, variant, form_version(tuned.form)])


class OpenRung(NamedTuple):
    """A rung ready to be spoken to."""

    speaker: Speaker
    template: ChatTemplate
    tuned: TunedModel

    def identify(self, variant: Variant) -> str:
        """The hash that an answer of this variant carries."""
        return model_identity(self.tuned, variant)
