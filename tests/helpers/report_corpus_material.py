"""What `parse` made of the made-up show, for the tests of the pages that show it."""

from __future__ import annotations

from collections.abc import Sequence

from econchatr.records import Episode, Failure, Flag, Turn
from econchatr.report.counts import Effect, LostLine, SetAside, UnnamedSpeaker, count_flags, count_speakers
from econchatr.report.material import ParsedMaterial

EFFECTS: dict[str, Effect] = {"intro": "cut", "quotation": "weighed"}
HOST_TEXT = "Welcome to The Slow Answer. You wrote that half a bridge is a very expensive pier. Who counted?"
GUEST_TEXT = "I did, mostly at night."


def make_turns(episodes: Sequence[Episode]) -> list[Turn]:
    """Give six turns per verbatim episode; the first has a greeting and a quotation, the fifth is unclear."""
    turns = []
    for episode in episodes:
        for position in range(6 if episode.kind == "verbatim" else 0):
            is_host = position % 2 == 0
            flags: tuple[Flag, ...] = ()
            if position == 0:
                flags = (Flag("intro", "greets", 0, 27), Flag("quotation", "10 words between marks", 28, 76))
            elif position == 4:
                flags = (Flag("unclear", f"1 unclear places in {19 + episode.rank} words"),)
            turns.append(
                Turn(
                    slug=episode.slug,
                    position=position,
                    speaker="Hester Pellow" if is_host else f"Guest {episode.rank % 9}",
                    role="host" if is_host else "guest",
                    text=HOST_TEXT if is_host else GUEST_TEXT,
                    start_seconds=61 * position if episode.rank else None,
                    flags=tuple(map(str, flags)),
                )
            )
    return turns


def make_parsed(
    episodes: Sequence[Episode], failures: Sequence[Failure] = (), *, n_excerpts: int = 7
) -> ParsedMaterial:
    """Give the counts of the made-up turns, with some text to look at."""
    turns = make_turns(episodes)
    lines = [(episode.slug, line) for episode in episodes for line in episode.unplaced]
    return ParsedMaterial(
        speakers=count_speakers(turns),
        unnamed=(UnnamedSpeaker(alias=f"{episodes[0].slug}/Speaker 1", n_turns=2, n_words=9, sample="Well, no."),),
        flagged=count_flags(
            turns, ranks={episode.slug: episode.rank for episode in episodes}, effects=EFFECTS, n_excerpts=n_excerpts
        ),
        lost_lines=tuple(LostLine(slug=slug, line=line, before="Quite.\n", after="\nYes.") for slug, line in lines),
        set_aside=tuple(SetAside(failure=failure, opening="PK and then nothing") for failure in failures),
    )
