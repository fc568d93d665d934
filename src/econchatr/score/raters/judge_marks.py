"""A judge model that marks answers 1, a half or 0 by a rubric, believed only after it has proved itself.

It must mark the host's real held-out replies above other real replies of the host put behind the same cues, surely; and
where people marked the same answers, it must agree with them beyond chance. Both are worked out anew each time.

Source: shared reference `evaluation.md`, section 3, "LLM judge": judges saturate, so they are calibrated first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

from econchatr.records import Answer, JudgeMark, Pair, Question
from econchatr.score.raters.hand import answer_key, ordinal_alpha
from econchatr.score.raters.llm_judge import MAX_FAILURES_IN_A_ROW, THINKING, Failed
from econchatr.score.speech import spread_evenly
from econchatr.score.statistics import jackknife_ratio

MIN_PROOF_CUES: Final = 20
"""Cues whose real and whose shuffled reply must both be marked."""
_MIN_WORDS: Final = 12
_MAX_WORDS: Final = 150
_MAX_CHARS: Final = 2000
_MARK: Final = re.compile(
    r"\W*(?:(?:the )?(?:mark|score|answer)(?: is)?\W+)?(1/2|0[.,]5|½|half|[01])\W*", re.IGNORECASE
)
_HALVES: Final = frozenset({"1/2", "0.5", "0,5", "½", "half"})


class MarkTask(NamedTuple):
    """One answer to mark."""

    part: str
    """`real` and `shuffled` are the proof, `answer` is a model's."""
    group: str
    """The question's id; of the proof, the pair's."""
    question: Question
    text: str

    @property
    def key(self) -> str:
        """What stands for question and answer, as on a sheet."""
        return answer_key(self.question.text, self.text)


def plan_proof(pairs: Sequence[Pair], *, n: int) -> list[MarkTask]:
    """Held-out cues with the host's real reply, and with the reply to another of these cues; real ones first in turn.

    Cues that ask something are taken first: an answer to them is most like the exam's.
    """
    fit = [pair for pair in pairs if _is_fit(pair.cue) and _is_fit(pair.reply)]
    asking = [pair for pair in fit if "?" in pair.cue]
    chosen = spread_evenly(asking, n=n)
    chosen += spread_evenly([pair for pair in fit if pair not in asking], n=n - len(chosen)) if len(chosen) < n else []
    tasks = []
    for place, pair in enumerate(chosen):
        other = chosen[(place + len(chosen) // 2) % len(chosen)]
        question = Question(question_id=f"cue-{place}", kind="belief", text=pair.cue)
        tasks += [MarkTask("real", pair.pair_id, question, pair.reply)]
        tasks += [MarkTask("shuffled", pair.pair_id, question, other.reply)] if other is not pair else []
    return tasks


def _is_fit(text: str) -> bool:
    return _MIN_WORDS <= len(text.split()) <= _MAX_WORDS and len(text) <= _MAX_CHARS


def plan_answers(answers: Iterable[Answer], questions: Sequence[Question]) -> list[MarkTask]:
    """Every answer of base, persona and tuned model to the exam, each text once."""
    asked = {question.question_id: question for question in questions}
    tasks = (
        MarkTask("answer", answer.question_id, asked[answer.question_id], answer.reply.text)
        for answer in answers
        if answer.reply is not None
        and answer.wording == 0
        and answer.question_id in asked
        and answer.variant in ("base", "persona", "tuned")
    )
    return list({task.key: task for task in tasks}.values())


def mark_tasks(
    tasks: Sequence[MarkTask],
    ask: Callable[[MarkTask], float | Failed],
    *,
    on_progress: Callable[[int, int], None] = lambda n_done, n_all: None,
) -> list[JudgeMark]:
    """Every task marked; after three failures in a row the rest is not asked any more."""
    marks: list[JudgeMark] = []
    for task in tasks:
        failures = list(takewhile(lambda mark: mark.value is None, reversed(marks)))
        said = Failed(failures[0].reason) if len(failures) >= MAX_FAILURES_IN_A_ROW else ask(task)
        value, reason = (None, said.reason) if isinstance(said, Failed) else (said, "")
        marks.append(JudgeMark(part=task.part, group=task.group, key=task.key, value=value, reason=reason))
        on_progress(len(marks), len(tasks))
    return marks


def read_mark(text: str) -> float | Failed:
    r"""The mark a judge gave, alone on its first or its last line; anything else is no mark.

    >>> read_mark("**0.5**"), read_mark("Right. It says who counted.\n\nMark: 1")
    (0.5, 1.0)
    >>> read_mark("I give it 1 of 1.").reason
    "gave no mark: 'I give it 1 of 1.'"
    """
    lines = [line for line in THINKING.sub("", text).strip().splitlines() if line.strip()]
    for line in (lines[:1], lines[-1:]):
        found = _MARK.fullmatch(line[0].strip()) if line else None
        if found:
            return 0.5 if found.group(1).lower() in _HALVES else float(found.group(1))
    return Failed(f"gave no mark: {text.strip()[:80]!r}")


def find_doubt(marks: Sequence[JudgeMark]) -> str:
    """Why the judge's marks are not believed, by its proof; empty: they are, unless people disagree."""
    parts: dict[str, dict[str, float]] = {"real": {}, "shuffled": {}}
    for mark in marks:
        if mark.part in parts and mark.value is not None:
            parts[mark.part][mark.group] = mark.value
    cues = [group for group in parts["real"] if group in parts["shuffled"]]
    failed = [mark.reason for mark in marks if mark.value is None]
    if len(cues) < MIN_PROOF_CUES:
        why = f"; {len(failed)} failed, the last: {failed[-1]}" if failed else ""
        return f"the judge marked {len(cues)} held-out cues, {MIN_PROOF_CUES} are needed{why}"
    gains = [parts["real"][cue] - parts["shuffled"][cue] for cue in cues]
    found = jackknife_ratio(gains, [1.0] * len(gains), cues)
    if found.low is not None and found.low > 0:
        return ""
    return (
        f"the judge does not surely mark real held-out replies above shuffled ones: {found.value:+.2f} on {len(cues)} "
        "cues"
    )


def find_quarrel(marks: Sequence[JudgeMark], people: Mapping[str, float]) -> str:
    """Why the judge's marks are not believed beside those of people; empty: they agree, or nobody marked these answers.

    Args:
        marks: Of the judge.
        people: Answer -> the mean of people's marks.
    """
    both = [mark for mark in marks if mark.part == "answer" and mark.value is not None and mark.key in people]
    if not both:
        return ""
    units = [(people[mark.key], mark.value or 0.0) for mark in both]
    found = ordinal_alpha(units, [mark.group for mark in both])
    if isinstance(found, str):
        return f"the judge cannot be compared with people on {len(both)} answers: {found}"
    if found.low is not None and found.low > 0:
        return ""
    return f"the judge does not agree with people beyond chance: alpha {found.value:.2f} on {len(both)} answers"
