"""Who was a guest of which episode, from the parsed turns.

This module does not know what is asked about guests, nor how an answer is marked.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from econchatr.parse.people import find_ad_voices
from econchatr.parse.speakers import is_anonymous, is_pseudo
from econchatr.pipeline.show import Show
from econchatr.records import Episode, Turn
from econchatr.score.exam import AiredEpisode, MarkingGuide
from econchatr.tables import read_table

MIN_GUEST_TURNS = 3
"""Who says less often something is a caller or a voice played in, not a guest."""


def marking_guide(show: Show) -> MarkingGuide:
    """What the exam's answers are checked against."""
    hosts = show.config.show.hosts
    return MarkingGuide(list_aired(show), passed_over=(*hosts, show.voice.host, show.voice.show))


def list_aired(show: Show) -> list[AiredEpisode]:
    """Every episode with its year and its named guests, in the show's order; `year` is `None` where it is undated.

    Raises:
        ShowFolderError: The episodes are not parsed, or the tables are broken.
    """
    folder = show.folder("parse")
    turns = read_table(folder / "turns.parquet", Turn)
    counts = defaultdict[str, Counter[str]](Counter)
    for turn in turns:
        if turn.role == "guest" and turn.speaker and not (is_anonymous(turn.speaker) or is_pseudo(turn.speaker)):
            counts[turn.slug][turn.speaker] += 1
    readers = find_ad_voices(turns, hosts=show.config.show.hosts)
    return [
        AiredEpisode(
            title=episode.title,
            year=episode.published.year if episode.published else None,
            guests=tuple(
                name for name, n in counts[episode.slug].items() if n >= MIN_GUEST_TURNS and name not in readers
            ),
        )
        for episode in sorted(read_table(folder / "episodes.parquet", Episode), key=lambda episode: episode.rank)
    ]
