"""A judge model: which of two replies did the host say? Asked in both orders, believed only after it has proved itself.

A judge that prefers the first reply, whichever it is, is torn and counts for neither. What it says of models is shown
only if it tells the real host from real guests often enough; even then it may still be fooled by models.

Source: shared reference `evaluation.md`, section 3, "LLM judge", and 9.2, "Judge".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any, Final, Literal, NamedTuple

from econchatr.records import Answer, Contest, JudgedContest, Score
from econchatr.records.measures import ANSWERS, HELD_OUT_REPLIES, Measure
from econchatr.score.speech import split_words
from econchatr.score.statistics import average_groups, exact_share, make_score
from econchatr.tables import hash_settings

PROOF: Final = "host against guest"

_MIN_PROOF: Final = 0.85
"""Share of real pairs it must get right in both orders. Source: shared reference `evaluation.md`, 9.2."""
_MIN_PROOF_PAIRS: Final = 20
"""Below this the interval of even a perfect judge reaches under 0.83."""
_CHANCE: Final = 0.5
_MIN_WORDS: Final = 12
_MAX_WORDS: Final = 150
_MAX_LENGTH_RATIO: Final = 1.25
MAX_FAILURES_IN_A_ROW: Final = 3

JudgePick = Literal["A", "B"]


class Utterance(NamedTuple):
    """One real reply of an episode."""

    slug: str
    text: str


class Failed(NamedTuple):
    """Why a judge gave no verdict."""

    reason: str


# --- contests ---------------------------------------------------------------------------------------------------------


def pair_with_guests(
    hosts: Sequence[Utterance], guests: Sequence[Utterance], *, rung: str, n: int, seed: int
) -> list[Contest]:
    """Real replies of the host beside guests' of the same episode, alike in length and in whether they ask something.

    Otherwise a judge could do without the voice: hosts ask and are brief. Each reply is used once; episodes take turns.
    """
    random = Random(seed)
    by_episode = {}
    for slug in sorted({host.slug for host in hosts}):
        ours = [one.text for one in hosts if one.slug == slug and _is_fit(one.text)]
        theirs = [one.text for one in guests if one.slug == slug and _is_fit(one.text)]
        random.shuffle(ours)
        by_episode[slug] = _match(ours, theirs)
    longest = max(map(len, by_episode.values()), default=0)
    contests = [
        Contest(name=PROOF, rung=rung, group=slug, one=pairs[place][0], two=pairs[place][1])
        for place in range(longest)
        for slug, pairs in by_episode.items()
        if place < len(pairs)
    ]
    return contests[:n]


def _is_fit(text: str) -> bool:
    return _MIN_WORDS <= len(text.split()) <= _MAX_WORDS


def _match(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[str, str]]:
    left, pairs = list(theirs), []
    for text in ours:
        n_words = len(text.split())
        fitting = [other for other in left if ("?" in other) == ("?" in text) and _ratio(other, n_words) <= 1]
        if fitting:
            best = min(fitting, key=lambda other: _ratio(other, n_words))
            left.remove(best)
            pairs.append((text, best))
    return pairs


def _ratio(other: str, n_words: int) -> float:
    """How far apart in length, 1 being the most that is allowed."""
    n_other = len(other.split())
    return max(n_words / n_other, n_other / n_words) / _MAX_LENGTH_RATIO


def pair_answers(answers: Sequence[Answer], *, rung: str) -> list[Contest]:
    """Tuned answers beside those of the base and of the persona prompt, question by question, sample by sample."""
    texts = {
        (answer.variant, answer.question_id, answer.sample): answer.reply.text
        for answer in answers
        if answer.reply is not None and answer.rung == rung and answer.wording == 0
    }
    return [
        Contest(name=f"tuned against {other}", rung=rung, group=question_id, one=text, two=against)
        for other in ("base", "persona")
        for (variant, question_id, sample), text in texts.items()
        if variant == "tuned"
        and (against := texts.get((other, question_id, sample)))
        and split_words(text) != split_words(against)
    ]


# --- verdicts ---------------------------------------------------------------------------------------------------------


def judge_contests(
    contests: Sequence[Contest],
    ask: Callable[[str, str], JudgePick | Failed],
    *,
    on_progress: Callable[[int, int], None] = lambda n_done, n_all: None,
) -> list[JudgedContest]:
    """Every contest judged in both orders; after three failures in a row the rest is not asked any more.

    Args:
        ask: Given reply A and reply B, what the judge says.
    """
    judgements: list[JudgedContest] = []
    for contest in contests:
        last = judgements[-MAX_FAILURES_IN_A_ROW:]
        if len(last) == MAX_FAILURES_IN_A_ROW and all(row.verdict == "failed" for row in last):
            found = {"verdict": "failed", "reason": last[-1].reason}
        else:
            found = _judge(contest, ask)
        place = contest.model_dump(include={"name", "rung", "group"})
        judgements.append(JudgedContest(**place, key=contest_key(contest), **found))
        on_progress(len(judgements), len(contests))
    return judgements


def contest_key(contest: Contest) -> str:
    """What stands for the two texts of a contest."""
    return hash_settings([contest.one, contest.two])


def _judge(contest: Contest, ask: Callable[[str, str], JudgePick | Failed]) -> dict[str, Any]:
    """The verdict, and the reason of one that failed."""
    picks = []
    for texts in ((contest.one, contest.two), (contest.two, contest.one)):
        said = ask(*texts)
        if isinstance(said, Failed):
            return {"verdict": "failed", "reason": said.reason}
        picks.append(said)
    return {"verdict": {("A", "B"): "one", ("B", "A"): "two"}.get((picks[0], picks[1]), "torn")}


THINKING: Final = re.compile(r"<think>.*?(</think>|$)", flags=re.DOTALL | re.IGNORECASE)
_LETTER: Final = re.compile(r"\W*(?:(?:the )?(?:reply|answer)(?: is)?\W+)?([AB])\W*", flags=re.IGNORECASE)


def read_verdict(text: str) -> JudgePick | Failed:
    r"""The letter a judge answered with, alone on its first or its last line; anything else is no verdict.

    >>> read_verdict("**B**.")
    'B'
    >>> read_verdict("A reply like this could be anybody's.").reason
    'gave no verdict: "A reply like this could be anybody\\'s."'
    """
    lines = [line for line in THINKING.sub("", text).strip().splitlines() if line.strip()]
    for line in (lines[:1], lines[-1:]):
        found = _LETTER.fullmatch(line[0].strip()) if line else None
        if found:
            return "A" if found.group(1).upper() == "A" else "B"
    return Failed(f"gave no verdict: {text.strip()[:80]!r}")


# --- scores -----------------------------------------------------------------------------------------------------------


def score_proof(judgements: Sequence[JudgedContest], *, rung: str) -> Score:
    """How often the judge tells the real host from a real guest, in both orders; being torn is not being right."""
    asked = [row for row in judgements if row.name == PROOF and row.rung == rung]
    rows, failed = ([row for row in asked if (row.verdict == "failed") == flag] for flag in (False, True))
    score = partial(make_score, Measure.JUDGE_PROOF, rung=rung, variant="judge", subject=HELD_OUT_REPLIES)
    if len(rows) < _MIN_PROOF_PAIRS:
        why = f"; {len(failed)} failed, the last: {failed[-1].reason}" if failed else ""
        return score(None, n=len(rows), reason=f"{len(rows)} pairs judged, {_MIN_PROOF_PAIRS} are needed{why}")
    return score(exact_share(sum(row.verdict == "one" for row in rows), len(rows)), n=len(rows))


def is_proved(proof: Score) -> bool:
    """Whether a judge may be believed: right on 85% of real pairs or more, and surely better than a coin."""
    return proof.value is not None and proof.low is not None and proof.value >= _MIN_PROOF and proof.low > _CHANCE


def score_judge(judgements: Sequence[JudgedContest], *, rung: str) -> list[Score]:
    """The proof, and what the judge says of the models; that is unscored, with the proof as reason, if it fails.

    Of each question, the share of consistent verdicts that go to the tuned model is taken first; `n` counts questions.
    """
    proof = score_proof(judgements, rung=rung)
    scores = [proof]
    for name in ("tuned against base", "tuned against persona"):
        score = partial(make_score, Measure.JUDGE_PICKS, rung=rung, variant=name, subject=ANSWERS)
        rows = [row for row in judgements if row.name == name and row.rung == rung]
        if not is_proved(proof):
            told = proof.reason if proof.value is None else f"it is right on {proof.value:.0%} of {proof.n} real pairs"
            reason = f"the judge has not proved itself: {told} ({_MIN_PROOF:.0%} is asked)"
            scores.append(score(None, n=0, reason=reason))
            continue
        wins = average_groups((row.group, row.verdict == "one") for row in rows if row.verdict in ("one", "two"))
        failed = [row.reason for row in rows if row.verdict == "failed"]
        reason = failed[-1] if failed else "it is torn every time" if rows else "no answers"
        scores.append(score(exact_share(sum(wins.values()), len(wins)) if wins else None, n=len(wins), reason=reason))
    return scores
