"""Items a stage could not do, told to people: one line each, with the item, the reason and what to do.

This module does not know why anything failed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from econchatr.pipeline.show import Narrator
from econchatr.records import Failure

MOST_TOLD: Final = 50


def tell_failures(failures: Iterable[Failure], narrator: Narrator) -> None:
    """Tell the first fifty, and how many more there are."""
    failures = list(failures)
    for failure in failures[:MOST_TOLD]:
        narrator.note(f"quarantined {tell_failure(failure)}")
    if len(failures) > MOST_TOLD:
        narrator.note(f"and {len(failures) - MOST_TOLD:,} more: see {failures[0].stage}/failures.parquet")


def tell_failure(failure: Failure) -> str:
    """The line for one item; a message that begins with the item does not say it twice.

    >>> tell_failure(Failure(stage="parse", item="a.md", error="E", message="a.md is empty", hint="Remove it."))
    'a.md is empty. Remove it.'
    """
    has_name = failure.message.startswith(failure.item)
    reason = failure.message if has_name else f"{failure.item}: {failure.message}"
    end = "" if not failure.hint or reason.endswith((".", "!", "?")) else "."
    return f"{reason}{end} {failure.hint}".strip()
