"""How many of the twelve are right, before and after training, in words: for the terminal and the model card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from econchatr.records import ReportedMarks, RightCount
from econchatr.records.measures import ROW_NAMES

_SHOWN = ("base", "persona", "tuned")
_BY = {"rule": "by rule", "people": "by people", "judge": "by the LLM judge"}
TO_MARK = "econchatr mark"
"""What gets people to mark the answers."""


def tell_right(counts: Sequence[RightCount]) -> Iterator[str]:
    """Give one line a rung and marker: `right of 12, by rule: base model 1 of 11, tuned model 4.5 of 11`."""
    for rung in dict.fromkeys(count.rung for count in counts):
        for title, told in tell_by_marker([count for count in counts if count.rung == rung]):
            yield f"{rung}  {title}: {told}"


def tell_by_marker(counts: Sequence[RightCount]) -> Iterator[tuple[str, str]]:
    """Give for each marker of one rung `right of 12, by people`, and what it found or why it found nothing."""
    for marker in dict.fromkeys(count.marker for count in counts):
        own = {count.variant: count for count in counts if count.marker == marker}
        shown = [own[variant] for variant in _SHOWN if variant in own]
        if shown:
            yield f"right of {shown[0].n_questions}, {_BY[marker]}", _tell(shown)


def tell_reported(reported: ReportedMarks) -> str:
    """Give what an earlier experiment reported, as reported.

    >>> marks = ReportedMarks(right_before=6, right_after=9.5, n_questions=12, how="by hand", source="its write-up")
    >>> tell_reported(marks)
    'Reported by its write-up, not measured here: 6 of 12 right before training, 9.5 of 12 after (by hand).'
    """
    before, after = (f"{value:g} of {reported.n_questions}" for value in (reported.right_before, reported.right_after))
    told = f"{before} right before training, {after} after ({reported.how})"
    return f"Reported by {reported.source}, not measured here: {told}."


def _tell(counts: Sequence[RightCount]) -> str:
    found = [count for count in counts if count.n_right is not None]
    if not found:
        is_open = counts[0].marker == "people"
        return f"not marked yet: {TO_MARK}" if is_open else counts[0].reason
    return ", ".join(
        f"{ROW_NAMES[one.variant]} {one.n_right:g} of {one.n_marked} marked"
        + ("" if one.best_of_tries is None else f" (best of {one.n_tries} tries: {one.best_of_tries:g})")
        for one in found
    )
