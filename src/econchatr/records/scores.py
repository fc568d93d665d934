"""How good it is: marks, scores, gates, and what judges and people said."""

from __future__ import annotations

from datetime import date
from typing import Literal

from econchatr.records.base import Grade, Record, Variant

# --- score ------------------------------------------------------------------------------------------------------------


class Mark(Record):
    """What one answer is worth by its question's own rule."""

    question_id: str
    rung: str
    variant: Variant
    sample: int
    wording: int
    grade: Grade
    """`exact`: it holds what a right answer holds. `near`: nearly, or a part. `unmarked`: see `reason`."""
    likeness: float | None = None
    """0 to 1: how much of the expected words stands in the answer, content words first; `None`: none are expected."""
    named: tuple[str, ...] = ()
    """Of the guests asked for, those it names."""
    misplaced: tuple[str, ...] = ()
    """Guests of the show it names that were not asked for."""
    invented: tuple[str, ...] = ()
    """Names it gives that never were a guest."""
    n_true: int | None = None
    """How many guests were asked for; `None`: none."""
    says_opposite: bool = False
    """Whether it says what the question calls the opposite of the host; it is wrong then."""
    reason: str = ""
    """Why it is unmarked."""

    @property
    def worth(self) -> float | None:
        """1, a half or 0, as in 2023; `None`: it is unmarked."""
        return {"exact": 1.0, "near": 0.5, "wrong": 0.0}.get(self.grade)


class Score(Record):
    """One measured value."""

    measure: str
    rung: str
    variant: str
    """`base`, `persona`, `tuned`, `tuned minus base`, or a reference: `host`, `guest`."""
    subject: str
    """What it was measured on: `host replies (test)`, `guest replies (test)`, `answers`."""
    value: float | None
    low: float | None = None
    """95% interval; `None`: no interval."""
    high: float | None = None
    n: int
    unit: str
    reason: str = ""
    """Why `value` is `None`, or why there is no interval."""


class Gate(Record):
    """Whether a row's Voice may be believed, as far as one known trick goes."""

    gate: Literal["copying", "repetition", "on the question", "length", "answers", "sense"]
    rung: str
    variant: str
    """As in `Score`."""
    outcome: Literal["passes", "in doubt", "fails", "unscored"]
    """`in doubt`: past the limit by less than its interval. One that fails, or is unscored, greys the Voice out."""
    value: float | None
    limit: float | None
    """What `value` must not pass; `None`: there was nothing to compare with."""
    n: int
    """Replies that were measured."""
    reason: str
    """Why, in a sentence."""
    is_void: bool = False
    """Unscored because the real host himself does not pass this gate on this show: it greys nothing out."""


class CopiedSpan(Record):
    """The longest run of words that an answer shares, word for word, with what the host said in training episodes."""

    rung: str
    variant: str
    group: str
    """The question's id, or the episode's slug."""
    sample: int
    n_words: int
    text: str
    """The words in small letters, without marks."""
    slug: str
    published: date | None
    position: int
    """Episode, date and first turn of the reply in which the host said it."""


class NearQuote(Record):
    """The nearest thing that the host really said to one answer."""

    rung: str
    variant: str
    question_id: str
    sample: int
    text: str
    """As it stands in the episode; empty where nothing is close."""
    likeness: float
    """0 to 1; what counts as close is said where it is measured."""
    slug: str
    published: date | None
    position: int
    """Episode, date and first turn of the reply in which the host said it; empty and -1 where nothing is close."""


class HeldOutReply(Record):
    """One real reply that no model has seen, and how likely base and tuned model find it."""

    rung: str
    side: Literal["host", "guest"]
    pair_id: str
    cue: str
    reply: str
    n_bytes: int
    base_bits: float
    tuned_bits: float


# --- score, by a judge ------------------------------------------------------------------------------------------------


class Contest(Record):
    """Two texts put before a judge, who is asked which of them the host said."""

    name: str
    """`host against guest`, `tuned against base`, ..."""
    rung: str
    group: str
    """What it belongs to: an episode, or a question."""
    one: str
    """The text that should win."""
    two: str


class JudgedContest(Record):
    """What a judge said of one contest, asked in both orders."""

    name: str
    rung: str
    group: str
    key: str
    """sha256 of the two texts."""
    verdict: Literal["one", "two", "torn", "failed"]
    """`torn`: another text in the other order, so neither. `failed`: no verdict, see `reason`."""
    reason: str = ""


class RightCount(Record):
    """How many of an exam's questions one variant answers rightly, by one marker: 1, a half or 0 each, as in 2023."""

    marker: Literal["rule", "people", "judge"]
    rung: str
    variant: str
    n_right: float | None
    """Over the first answers to the questions marked; `None`: see `reason`."""
    n_marked: int
    """Questions whose first answer is marked."""
    n_questions: int
    """Of the exam."""
    best_of_tries: float | None = None
    """The same questions, each by its best answer, as 2023 counted; `None`: there was one try, or nothing is marked."""
    n_tries: int = 1
    """Answers marked to a question, at most."""
    reason: str = ""
    """Why there is no count."""


class JudgeMark(Record):
    """What a judge thinks one answer is worth."""

    part: str
    """`real` or `shuffled`: a reply of the host behind its own held-out cue, or behind another; `answer`: a model's."""
    group: str
    """Of an answer the question's id, of the proof the pair's."""
    key: str
    """As of a `SheetAnswer`."""
    value: float | None
    """0, 0.5 or 1; `None`: see `reason`."""
    reason: str = ""


# --- score, by people -------------------------------------------------------------------------------------------------


class SheetAnswer(Record):
    """One answer as a person gets to mark it: whose it is, is not said."""

    key: str
    """sha256 of the question's and the answer's text; the same answer from two models is marked once."""
    question_id: str
    text: str


class HandSheet(Record):
    """Every answer of an exam, shuffled within its question, for people to mark."""

    seed: int
    sha256: str
    """Of the seed and all keys: it ties a filled sheet to its answers."""
    answers: tuple[SheetAnswer, ...]


class HandMark(Record):
    """What one person thinks one answer is worth."""

    key: str
    """Of the `SheetAnswer`."""
    scorer: str
    value: float
    """0, 0.5 or 1."""


class BlindCue(Record):
    """One question of the blind test: a cue nobody was trained on, and replies, one of them the host's own."""

    key: str
    """sha256 of cue and replies, in their order."""
    rung: str
    pair_id: str
    """Of the held-out pair whose reply is the host's own."""
    cue: str
    replies: tuple[str, ...]
    real: int
    """Place of the host's own reply, from 0. It stands in no page."""


class BlindPick(Record):
    """Which reply one person took for the host's own."""

    key: str
    """Of the `BlindCue`."""
    person: str
    knows_host: Literal["well", "a little", "not at all"]
    pick: int
    """From 0."""


class SentSheet(Record):
    """A blind sheet that a visitor's page sent to the server."""

    at: str
    """Date and time in UTC."""
    person: str
    """A name of the visitor's choice; another visitor, or a person whose file was read, may have the same."""
    knows_host: Literal["well", "a little", "not at all"]
    picks: dict[str, int]
    """Key of the `BlindCue` -> the reply taken for the host's own, from 0."""

    def list_picks(self) -> list[BlindPick]:
        """The picks one by one."""
        return [
            BlindPick(key=key, person=self.person, knows_host=self.knows_host, pick=pick)
            for key, pick in self.picks.items()
        ]
