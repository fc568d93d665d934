"""The closed questions about a show, to be asked beside the exam: guests of a year, and names to fill into gaps.

This module makes no question and judges no answer: `score` does. It chooses which ones there is time for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final

from econchatr.ask.exam import Ask, ExamSettings
from econchatr.pipeline.show import Show
from econchatr.records import Episode, Pair, Probe, Turn, Variant
from econchatr.score.names import NameBook, list_guests
from econchatr.score.probes import Probes, ask_questions, make_probes
from econchatr.tables import read_table

PROBES_NAME: Final = "probes.parquet"
"""Answers to the closed questions, apart from the exam's."""

PROBE_QUESTIONS_NAME: Final = "probe_questions.parquet"

ANSWER_TOKENS: Final = 32
"""A name needs no more; who has not given one by then is taken at what was said."""

MODELS: Final[tuple[Variant, ...]] = ("base", "tuned")


def make_show_probes(
    show: Show, episodes: Sequence[Episode], turns: Sequence[Turn], host: Sequence[Pair], book: NameBook
) -> Probes:
    """Make the closed questions of a show that there is time for, and say what cannot be asked, and why.

    Args:
        show: The show.
        episodes: All of its episodes.
        turns: All of its turns.
        host: Its pairs whose reply is the host's, kept and dropped.
        book: The names of its guests.
    """
    kept = [pair for pair in host if pair.is_kept]
    made = make_probes(episodes, list_guests(turns), kept, book, show=show.voice.show)
    return made._replace(probes=tuple(thin_probes(made.probes, show.config.ask.max_probes)))


def read_parsed(show: Show) -> tuple[list[Episode], list[Turn]]:
    """Read the episodes and turns of a show, as they were parsed.

    Raises:
        ShowFolderError: The show is not parsed, or a table is broken.
    """
    parsed = show.folder("parse")
    return read_table(parsed / "episodes.parquet", Episode), read_table(parsed / "turns.parquet", Turn)


def thin_probes(probes: Sequence[Probe], n: int) -> list[Probe]:
    """Take at most `n`, of each sort in turn: years, gaps that training episodes fill, gaps that only others do."""
    sorts: dict[tuple[str, bool], list[Probe]] = {}
    for probe in probes:
        sorts.setdefault((probe.kind, probe.is_answerable), []).append(probe)
    in_turn = [probe for lot in zip_longest(*sorts.values()) for probe in lot if probe is not None]
    taken = {probe.probe_id for probe in in_turn[:n]}
    return [probe for probe in probes if probe.probe_id in taken]


def plan_probes(probes: Sequence[Probe], settings: ExamSettings) -> Iterator[tuple[Ask, ExamSettings]]:
    """Each closed question, once to the base and once to the tuned model, with the exam's first seed."""
    brief = settings._replace(max_tokens=min(ANSWER_TOKENS, settings.max_tokens))
    for model in MODELS:
        for question in ask_questions(probes):
            yield Ask(question, model, 0, settings.seed), brief
