"""Reader for SRT subtitles, as transcribers and Podcasting 2.0 hosts write them.

It knows how to tell the format; cues and voices are read as in any subtitle file. Numbers may be missing, and times may
have a point for the comma.
"""

from __future__ import annotations

from typing import Final

from econchatr.parse.cues import count_timings, read_voices
from econchatr.parse.draft import Draft, Reader
from econchatr.parse.speakers import SpeakerTable


def score_srt(text: str) -> float:
    """Get how surely the text is SRT: by timing lines, without the word WEBVTT before them."""
    n_timings = count_timings(text)
    return 0.95 if n_timings >= 2 else 0.8 * n_timings


def read_srt(text: str, show: SpeakerTable) -> Draft:
    """Get the turns by labels at line starts; a name stands only where the speaker changes."""
    return read_voices(text, show)


SRT: Final = Reader("srt", score_srt, read_srt)
