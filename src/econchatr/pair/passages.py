"""What the host states in a reply, cut free of what he asks: passages that could answer a question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from econchatr.speech_acts import Act, Sentence, leads_conversation, read_sentences

MIN_WORDS: Final = 25
MAX_WORDS: Final = 160
"""Shorter passages say too little to answer a question; longer ones are cut at the end of a sentence."""
_ADDRESS: Final = re.compile(r"\b(?:you|your|yours|yourself|you're|you've|you'd)\b", re.IGNORECASE)
_FILLER: Final = re.compile(r"\b(?:you know|thank you)\b", re.IGNORECASE)
_GENERAL_YOU: Final = re.compile(
    r"\b(?:(?:if|when|once|until) you|you (?:see|can|could|can't|have to"
    r"|need|want|get|don't|should|might|may|would))\b",
    re.IGNORECASE,
)
"""`You` that means everybody; so does every other `you` of that sentence."""


def list_passages(reply: str) -> list[str]:
    """The stating passages of a reply, in their order; each has `MIN_WORDS` to `MAX_WORDS` words.

    A passage holds no question, no hand-over, no thanks, no summary of what the guest said, and no sentence that speaks
    to the guest or leads the conversation: a model that learned from those would interview whoever asks it.
    """
    return [reply[run[0].start : run[-1].end] for run in _list_runs(reply)]


def _list_runs(reply: str) -> Iterator[list[Sentence]]:
    """Statements that follow each other, of no more than `MAX_WORDS` words together."""
    run = list[Sentence]()
    for one in read_sentences(reply):
        states = _is_of_a_subject(one, reply) and (bool(run) or not reply[one.start].islower())
        if not (states or (one.act == Act.NODS and run)) or _count_words([*run, one]) > MAX_WORDS:
            yield from _close(run)
            run = []
        if states or (one.act == Act.NODS and run):
            run.append(one)
    yield from _close(run)


def _close(run: Sequence[Sentence]) -> Iterator[list[Sentence]]:
    if MIN_WORDS <= _count_words(run) <= MAX_WORDS:
        yield _drop_last_nods(list(run))


def _count_words(run: Sequence[Sentence]) -> int:
    return sum(one.n_words for one in run)


def _drop_last_nods(run: list[Sentence]) -> list[Sentence]:
    while run[-1].act == Act.NODS:
        run = run[:-1]
    return run


def _is_of_a_subject(one: Sentence, reply: str) -> bool:
    text = _FILLER.sub("", reply[one.start : one.end])
    speaks_to_guest = bool(_ADDRESS.search(text)) and not _GENERAL_YOU.search(text)
    return one.act == Act.STATES and not speaks_to_guest and not leads_conversation(text)


def drop_lead(passage: str) -> str:
    """A passage without the words that tie it to what was said before: `But`, `And so`, `Well,`.

    A model that learns from passages which begin in mid turn begins its answers so.
    """
    lead = _LEAD.match(passage)
    rest = passage[lead.end() :] if lead else passage
    return rest[:1].upper() + rest[1:] if lead else passage


_LEAD: Final = re.compile(
    r"(?:(?:and|but)(?! (?:so )?on\b),? |or(?! so\b),? "
    r"|so(?:, | (?!(?:that|far|long|much|many|often|on|forth|be|am|is|are|was|were|do|does|did|has|have|had|will"
    r"|would|can|could|too|few|little|what)\b))"
    r"|(?:because|'cause|plus|well|yeah|yes|no|right|okay|now|then|like|also|again|i mean|you know|you see|actually"
    r"|anyway), )+(?=[\w\"“'])",
    re.IGNORECASE,
)
"""`So far`, `so did I` and `or so` begin a thought of their own; `because`, `well` and the like are a lead before a
comma only. What is left is trained on, so it has to be a whole sentence."""


def find_asked(cue: str) -> str:
    """The question that a cue ends in, with the sentence before it where the question alone is short.

    Empty where the cue does not end in a question.
    """
    sentences = [one for one in read_sentences(cue) if one.act != Act.NODS]
    if not sentences or sentences[-1].act != Act.ASKS:
        return ""
    first = len(sentences) - 1
    while first and sentences[first - 1].act == Act.ASKS:
        first -= 1
    if first and sum(one.n_words for one in sentences[first:]) < _SHORT_QUESTION_WORDS:
        first -= 1
    words = sum(one.n_words for one in sentences[first:])
    return cue[sentences[first].start :].strip() if words <= _MAX_QUESTION_WORDS else ""


_SHORT_QUESTION_WORDS: Final = 6
_MAX_QUESTION_WORDS: Final = 60
