"""What is asked, how the reply is drawn, and what comes back."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from econchatr.records.base import QuestionKind, Record, Variant

REPEAT_PENALTY: Final = 1.05
"""Of answers that are drawn, unless the user says otherwise: the same for the exam as for whoever talks to the model.
1 is off; then small models circle. Source: docs/experiments.md, "How answers are drawn"."""


def split_alternatives(text: str | None) -> tuple[str, ...]:
    """Give what a question's `expected` or `opposite` holds, of which any one suffices.

    >>> split_alternatives("who counted | who did the counting")
    ('who counted', 'who did the counting')
    """
    return tuple(part for one in (text or "").split("|") if (part := " ".join(one.split())))


class Question(Record):
    """One question of the exam."""

    question_id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)
    kind: QuestionKind
    text: str = Field(min_length=1, max_length=2000)
    expected: str | None = None
    """The words or fact a right answer holds, any one of those between ` | `; `None` where only the manner counts."""
    opposite: str | None = None
    """What a wrong answer would say, the opposite of the host, in the same form; `None`: the question does not say."""
    guests_of: str | None = Field(default=None, min_length=1, max_length=200)
    """Whose guests a right answer names, looked up in the episodes: a year (`2014`), `all`, or words that stand in the
    titles of the episodes meant. `None`: it does not ask for guests."""
    paraphrases: tuple[str, ...] = ()
    """The same question in other words, to see how much the wording matters."""

    @property
    def told_expected(self) -> str:
        """What a right answer holds, for people: the alternatives with `or` between them; empty: it does not say."""
        return ", or ".join(split_alternatives(self.expected))

    @field_validator("guests_of", mode="before")
    @classmethod
    def _year_as_text(cls, guests_of: object) -> object:
        return str(guests_of) if isinstance(guests_of, int) and not isinstance(guests_of, bool) else guests_of

    @model_validator(mode="after")
    def _wordings_differ(self) -> Question:
        wordings = [" ".join(text.split()).casefold() for text in (self.text, *self.paraphrases)]
        if not all(wordings) or max(map(len, wordings)) > 2000:
            raise ValueError("a paraphrase must have words, 2,000 characters at most")
        if len(set(wordings)) < len(wordings):
            raise ValueError("each paraphrase must differ from the question and from every other one")
        return self


class ReportedMarks(Record):
    """What an earlier experiment reported of the same questions: told as reported, never computed with."""

    right_before: float = Field(ge=0)
    """Questions right before training, and `right_after` it: halves count."""
    right_after: float = Field(ge=0)
    n_questions: int = Field(ge=1)
    how: str
    """Who marked, and what stood before and after."""
    source: str


class Sampling(NamedTuple):
    """How a model draws one reply: the same prompt and sampling give the same text."""

    seed: int
    temperature: float
    """0 always takes the likeliest token."""
    max_tokens: int
    repeat_penalty: float = 1.0
    """1 is off."""
    stop: tuple[str, ...] = ()
    """Texts before which the reply ends."""


class Reply(Record):
    """What a model said to one prompt."""

    text: str
    stop: Literal["end", "length"]
    n_prompt_tokens: int
    n_reply_tokens: int


class Answer(Record):
    """One model's answer to one question, for one seed."""

    question_id: str
    rung: str
    variant: Variant
    model_sha256: str
    """Of base weights, adapter and prompt form together."""
    sample: int
    seed: int
    reply: Reply | None
    error: str | None
    """Why there is no reply. A failure is never speech."""
    wording: int = 0
    """0: the question's own text; from 1: the paraphrase of that number."""
    excerpts: tuple[str, ...] = ()
    """Ids of the pairs whose real turns the model was given before the question, in the order given."""
    best_of: int = 1
    """Draws that the reply was chosen from."""


class Probe(Record):
    """One closed question about the show, whose true answer the episodes themselves give."""

    probe_id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)
    kind: Literal["guests by year", "name cloze"]
    text: str = Field(min_length=1, max_length=2000)
    is_answerable: bool
    """Whether a training episode has the answer; of the others a model can only say that it does not know."""
    right: tuple[str, ...]
    """Full names that are right: every guest of the year, the one person of the gap."""
