"""Answer pairs: what the host states, behind a question that was really asked, or that was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from econchatr.pair.made_questions import RULE, Keys, PassageIndex, PassageParts
from econchatr.pair.passages import drop_lead, find_asked, list_passages
from econchatr.records import Pair, PairOrigin
from econchatr.speech_acts import Act

CountTokens = Callable[[Sequence[str]], list[int]]


class Stating(NamedTuple):
    """A stating passage of a pair's reply."""

    pair: Pair
    number: int
    """0 for the first passage of the reply."""
    text: str
    asked: str
    """The question it really answers; empty where there is none."""

    @property
    def pair_id(self) -> str:
        """The id of its answer pair: `<pair>/answer`, `<pair>/answer2`."""
        return f"{self.pair.pair_id}/answer{self.number + 1 if self.number else ''}"


class _Cue(NamedTuple):
    text: str
    origin: PairOrigin
    made_by: str
    reason: str
    start: int = 0
    """Where in the passage the answer begins."""


def find_passages(pairs: Sequence[Pair]) -> list[Stating]:
    """The stating passages of every kept pair, in the order of the pairs."""
    return [
        Stating(pair, number, text, _find_asked(pair, number, text))
        for pair in pairs
        if pair.is_kept
        for number, text in enumerate(list_passages(pair.reply))
    ]


def _find_asked(pair: Pair, number: int, text: str) -> str:
    return find_asked(pair.cue) if not number and pair.reply.startswith(text[:40]) else ""


def index_passages(
    passages: Sequence[Stating],
    *,
    said: Keys | None = None,
    exam: Sequence[str] = (),
    parts: Sequence[PassageParts] | None = None,
) -> PassageIndex:
    """The passages of a show, by which questions are made and checked.

    Args:
        said: Of everything that is said in the show, as `hash_neighbours` gives it.
        exam: Questions of the exam, which no made question may ask.
        parts: Of each passage, as `take_apart` gives them, where they are known.
    """
    names = {name for one in passages for name in (one.pair.cue_speaker, one.pair.reply_speaker)}
    return PassageIndex([one.text for one in passages], parts=parts, said=said, exam=exam, names=names)


def make_answer_pairs(
    passages: Sequence[Stating],
    count_tokens: CountTokens,
    index: PassageIndex,
    *,
    written: Mapping[str, Sequence[str]] = MappingProxyType({}),
    writer: str = "",
) -> list[Pair]:
    """One answer pair for each passage; those without a question are dropped and say why.

    Args:
        count_tokens: The tokens of each of many texts, by the profile's tokenizer.
        index: Of these passages.
        written: By the id of the answer pair, the questions that a model wrote; where it was not asked, the rule
            makes one.
        writer: The model that wrote them.
    """
    cues = [
        _find_cue(one, index, place, written=written.get(one.pair_id), writer=writer)
        for place, one in enumerate(passages)
    ]
    replies = [_cut_reply(one.text, cue) for one, cue in zip(passages, cues, strict=True)]
    n_cue, n_reply = count_tokens([cue.text for cue in cues]), count_tokens(replies)
    return [
        one.pair.model_copy(
            update={
                "pair_id": one.pair_id,
                "cue": cue.text,
                "reply": replies[place],
                "n_cue_tokens": n_cue[place],
                "n_reply_tokens": n_reply[place],
                "is_kept": not cue.reason,
                "reason": cue.reason,
                "cue_act": Act.ASKS,
                "reply_act": Act.STATES,
                "reply_turns_at": None,
                "origin": cue.origin,
                "made_by": cue.made_by,
            }
        )
        for place, (one, cue) in enumerate(zip(passages, cues, strict=True))
    ]


def _cut_reply(text: str, cue: _Cue) -> str:
    """The answer to a question. What was really said in answer stays as it was said."""
    return drop_lead(text[cue.start :]) if cue.origin == "made" else text


def _find_cue(one: Stating, index: PassageIndex, place: int, *, written: Sequence[str] | None, writer: str) -> _Cue:
    if asked := one.asked:
        return _Cue(asked, "asked", "", "")
    if written is None:
        made = index.make_question(place, one.pair_id)
        return _Cue(made.text, "made", RULE, made.reason, made.start)
    faults = []
    for question in written:
        if not (fault := index.find_fault(question, place)):
            return _Cue(question, "made", writer, "")
        faults.append(fault)
    return _Cue("", "made", writer, faults[0] if faults else "the model wrote no question for it")


def count_answer_pairs(pairs: Sequence[Pair]) -> dict[str, int]:
    """How many answer pairs are kept, by origin and split, and how many passages were dropped."""
    kept = [pair for pair in pairs if pair.is_kept]
    counts = Counter(pair.origin for pair in kept)
    return {
        "passages": len(pairs),
        "asked": counts["asked"],
        "made": counts["made"],
        "train": sum(pair.split == "train" for pair in kept),
    }
