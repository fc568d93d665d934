"""Who was a guest of which episode, from the parsed turns."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from econchatr.parse.people import find_ad_voices
from econchatr.parse.speakers import is_anonymous, is_pseudo
from econchatr.pipeline.show import Show
from econchatr.records import Episode, Turn
from econchatr.score.exam import AiredEpisode, MarkingGuide

MIN_GUEST_TURNS = 3
"""Who says less often something is a caller or a voice played in, not a guest."""


def marking_guide(show: Show, episodes: Sequence[Episode], turns: Sequence[Turn]) -> MarkingGuide:
    """What the exam's answers are checked against."""
    hosts = show.config.show.hosts
    aired = list_aired(episodes, turns, hosts=hosts)
    return MarkingGuide(aired, passed_over=(*hosts, show.voice.host, show.voice.show))


def list_aired(episodes: Sequence[Episode], turns: Sequence[Turn], *, hosts: Sequence[str]) -> list[AiredEpisode]:
    """Every episode with its year and its named guests, in the show's order; `year` is `None` where it is undated."""
    counts = defaultdict[str, Counter[str]](Counter)
    for turn in turns:
        if turn.role == "guest" and turn.speaker and not (is_anonymous(turn.speaker) or is_pseudo(turn.speaker)):
            counts[turn.slug][turn.speaker] += 1
    readers = find_ad_voices(turns, hosts=hosts)
    return [
        AiredEpisode(
            title=episode.title,
            year=episode.published.year if episode.published else None,
            guests=tuple(
                name for name, n in counts[episode.slug].items() if n >= MIN_GUEST_TURNS and name not in readers
            ),
        )
        for episode in sorted(episodes, key=lambda episode: episode.rank)
    ]
