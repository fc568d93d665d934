"""Every measure by name, with its unit, which way is better, and what it tells; and the rows and subjects of a score.

A name is spelt here and nowhere else. It is what stands in `scores.parquet`, so it must not change: a show scored by an
earlier version stays readable.

A new measure takes a line in `Measure`, a function in `score/` that ends in `make_score(Measure.ITS_NAME, ...)`, and a
call in `pipeline/`. The report lists it without being told.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Literal, Self

from econchatr.records.scores import Score

Better = Literal["higher", "lower", "near 1", "near 0", "near the host's", "near chance", "neither"]
"""Which values are better. `near the host's`: near the value of the real host's own replies."""

_VOICE_SCALE: Final = "0 guests, 1 host"
_P: Final = "p, sign-flip test over questions"


class Measure(StrEnum):
    """A measure. Its value is the stored name."""

    unit: str
    better: Better
    sentence: str
    """What it tells, for a reader who has never heard of it. The report says the host's name for `the host`."""

    def __new__(cls, name: str, unit: str, better: Better, sentence: str) -> Self:
        """Make a member that is its name, and knows the rest."""
        measure = str.__new__(cls, name)
        measure._value_, measure.unit, measure.better, measure.sentence = name, unit, better, sentence
        return measure

    # fmt: off
    # What a model finds likely.
    BITS_PER_BYTE = "bits per byte", "bits", "lower", "How surprised the model is by held-out replies."
    NATS_PER_TOKEN = "nats per token", "nats", "lower", "The same surprise, per token of the model's own tokenizer."
    HOST_BITS_SAVED = ("host bits saved", "bits", "higher",
        "How much less training left the model surprised by what the host said in episodes it never saw, beyond "
        "what it learned of the guests in the same episodes: above 0, it learned the host and not only the show.")
    TRUE_REPLY = ("true reply among twenty", "share, chance 0.05", "higher",
        "Given what was said to the host, how often the model finds the host's true reply among twenty that the "
        "host gave elsewhere: a guess finds 5%.")
    TRUE_ANSWER = ("true answer among twenty", "share, chance 0.05", "higher",
        "Given a question, how often the model finds the host's true answer among the beginnings of twenty held-out "
        "answers of the host: a guess finds 5%.")
    ANSWER_SURPRISE = ("bits per byte of answers", "bits", "near the host's",
        "How surprised the untrained model is by the median answer, after its question: nonsense surprises more than "
        "anything the host says.")
    # How an answer sounds.
    VOICE = ("voice", _VOICE_SCALE, "near 1",
        "How it talks, whatever it talks about: 0 is how the guests talk when they state something and 1 is how the "
        "host does, so the nearest to 1 is best, and above 1 is caricature.")
    VOICE_DISTANCE = ("voice, distance from the host", "0 is the host", "lower",
        "How far the Voice is from 1, on either side.")
    VOICE_WORDS = "voice by common words", _VOICE_SCALE, "near 1", "The Voice by the commonest words and marks alone."
    VOICE_CHARACTERS = ("voice by masked characters", _VOICE_SCALE, "near 1",
        "The Voice by sequences of four characters alone, rarer words masked.")
    VOICE_ALL_SPEECH = ("voice, all speech", _VOICE_SCALE, "near 1",
        "The Voice on the scale of all that host and guests say, their questions included.")
    VOICE_CLOSER = ("voice, closer to the host by", _VOICE_SCALE, "higher",
        "By how much one row is nearer to the host than another, over the questions both answered.")

    # Ways to sound right without being right.
    COPIED_WORDS = ("copied words", "share", "near the host's",
        "How many of its words stand in runs of eight or more that the host said in the training episodes: the "
        "host's own new episodes show how much is ordinary.")
    COPIED_BEYOND_HOST = ("copied words beyond the host's", "share", "lower",
        "The share of copied words, less the held-out host's own.")
    LONGEST_RUN = "longest copied run", "words", "lower", "The longest run of words taken from training episodes."
    REPETITION = ("repetition within a pass", "share", "near the host's",
        "How many four-word sequences were said before, within one pass through the questions.")
    ON_QUESTION = ("answers on their question", "share", "higher",
        "How often an answer fits its own question best among all the questions.")
    ASKS_BACK = ("answers that ask back", "share", "near the host's",
        "How many answers end in a question, or only ask. The host's are his replies to real questions.")
    HANDS_OVER = ("answers that hand over or thank", "share", "near the host's",
        "How many answers give the word back instead of answering.")
    MEDIAN_WORDS = "median reply words", "words", "near the host's", "How many words a typical reply has."
    LENGTH_CHANCE = ("reply length, chance of such a difference", _P, "neither",
        "How often chance alone would make two rows differ so much in length.")
    COPIED_CHANCE = ("copied words, chance of such a difference", _P, "neither",
        "How often chance alone would make two rows differ so much in copied words.")
    ON_QUESTION_CHANCE = ("answers on their question, chance of such a difference", _P, "neither",
        "How often chance alone would make two rows differ so much in keeping to the question.")

    # What is made up.
    MADE_UP = ("made-up rate", "share of the names given", "lower",
        "Of the names it gives when asked about the show, how many are wrong.")
    CONFABULATION = ("confabulation", "share of answers that only held-out episodes have", "lower",
        "How often it names somebody where it cannot know.")
    COVERAGE = ("coverage", "share of answers that training episodes have", "higher",
        "How often it is right where it could be. A model that never names anybody makes nothing up and is never "
        "right.")
    F05U = "F0.5u", "0 to 1", "higher", "Right names against wrong ones and answers without a name."

    # The exam, by rule.
    QUOTATION_EXACT = "quotation exact", "share", "higher", "How often the quotation asked for is given word for word."
    QUOTATION_NEAR = ("quotation exact or near", "share", "higher",
        "How often the quotation is given word for word or nearly.")
    FACT_EXACT = "fact exact", "share", "higher", "How often the fact asked for is given in the expected words."
    FACT_NEAR = "fact exact or near", "share", "higher", "How often the fact is given in the expected words or nearly."
    EXAM_BELIEF = "exam: belief", "share", "higher", "What answers about beliefs are worth by rule: 1, a half or 0."
    EXAM_IDEA = "exam: idea", "share", "higher", "What explanations are worth by rule: 1, a half or 0."
    EXAM_JOKE = "exam: joke", "share", "higher", "What jokes are worth by rule: 1, a half or 0."
    GUESTS_RIGHT = "guests named, right", "share", "higher", "Of the guests an answer names, how many were asked for."
    GUESTS_INVENTED = ("guests named, invented", "share", "lower",
        "Of the guests an answer names, how many never were a guest.")
    GUESTS_RECALLED = "guests recalled", "share", "higher", "Of the guests asked for, how many an answer names."
    WORDING_SHARE = ("wording's share of the spread", "share", "lower",
        "How much of what makes answers to one question differ comes from how the question is worded.")

    # What an LLM judge and people said.
    JUDGE_PROOF = ("judge tells host from guest", "share, by chance 0.5", "higher",
        "How often the LLM judge tells a real reply of the host from a guest's: the proof it must pass.")
    JUDGE_PICKS = ("judge takes for the host", "share, by chance 0.5", "higher",
        "How often the LLM judge takes the tuned model's answer for the host's, rather than the other model's.")
    HAND_MARK = "hand mark", "share", "higher", "What people think an answer is worth: 0, a half or 1."
    SCORER_AGREEMENT = ("agreement between scorers", "Krippendorff's alpha, ordinal", "higher",
        "How far the people who marked agree, beyond chance.")
    SAME_MARK = "same mark from both scorers", "share", "higher", "How often two people gave an answer the same mark."
    BLIND_PICKS = ("blind picks of the real host", "share, by chance 0.2", "near chance",
        "How often people find the host's own reply among five: a guess finds 20%, so the nearest to 20% is best.")
    JUDGEMENTS_AGREED = ("agreement with judgements kept out", "share", "higher",
        "How often the model prefers the answer that people ranked higher, on rankings kept out of training.")
    # fmt: on


def keep_listed(scores: Iterable[Score]) -> tuple[Score, ...]:
    """Give the scores whose measure is in the table; the rest are of measures that another version had."""
    names = {measure.value for measure in Measure}
    return tuple(score for score in scores if score.measure in names)


# --- rows: whose replies were measured --------------------------------------------------------------------------------

HOST: Final = "host"
GUEST: Final = "guest"
PARROT: Final = "parrot"
REFERENCES: Final = (HOST, GUEST, PARROT)
"""Rows that are the same for every rung."""

PREFERRED: Final = "preferred"
"""What a round on preferences made of the tuned model."""
BEFORE_PREFERENCES: Final = "tuned before preferences"
"""The tuned model, asked and measured anew beside the round: so both rows are drawn and counted in the same way."""

ROW_NAMES: Final = {
    HOST: "the real host",
    GUEST: "the guests",
    "base": "base model",
    "persona": "base model with a persona prompt",
    "retrieval": "base model with real excerpts",
    PARROT: "retrieval parrot",
    "tuned": "tuned model",
    "grounded": "tuned model with real excerpts",
    PREFERRED: "tuned model after a round on preferences",
}
"""What each row is, in the order of the report: ceiling and floor, what costs no training, what was trained."""


def name_difference(after: str, before: str) -> str:
    """Give the variant of a score that says how the second row differs from the first.

    >>> name_difference("tuned", "base")
    'tuned minus base'
    """
    return f"{after} minus {before}"


TUNED_MINUS_BASE: Final = name_difference("tuned", "base")
TUNED_MINUS_PERSONA: Final = name_difference("tuned", "persona")
PREFERRED_MINUS_TUNED: Final = name_difference(PREFERRED, "tuned")

# --- subjects: what was measured --------------------------------------------------------------------------------------

ANSWERS: Final = "answers"
WORDS_SAID: Final = "answers, words said"
MARKS_GIVEN: Final = "answers, marks"
HOST_REPLIES: Final = "host replies (test)"
GUEST_REPLIES: Final = "guest replies (test)"
HOST_LESS_GUEST: Final = "host minus guest (test)"
STATEMENTS_LESS_GUEST: Final = "host minus guest, statements (test)"
HELD_OUT_ANSWERS: Final = "held-out answers (test)"
DEV_REPLIES: Final = "host replies (dev)"
HELD_OUT_REPLIES: Final = "held-out replies (test)"
HELD_OUT_CUES: Final = "held-out cues (test)"
CLOSED_QUESTIONS: Final = "closed questions"
KEPT_OUT: Final = "judgements kept out"
