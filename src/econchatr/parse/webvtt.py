"""Reader for WebVTT subtitles: the form Podcasting 2.0 recommends, and what YouTube's automatic captions are in.

It knows only how the format begins; cues and voices are read as in any subtitle file.
"""

from __future__ import annotations

import re
from typing import Final

from econchatr.parse.cues import read_voices
from econchatr.parse.draft import Draft, Reader
from econchatr.parse.speakers import SpeakerTable

_HEADER: Final = re.compile(
    r"\s{0,20}WEBVTT(?=\s|$)[^\n]{0,500}(?:\n(?![ \t\r]*\n)(?![^\n]{0,60}-->)[^\n]{0,500}){0,50}"
)


def score_webvtt(text: str) -> float:
    """Get how surely the text is WebVTT: it must say so in its first line."""
    return 1.0 if _HEADER.match(text) else 0.0


def read_webvtt(text: str, show: SpeakerTable) -> Draft:
    """Get the turns by voice tags; a cue without one goes on with the voice before it.

    Source: https://www.w3.org/TR/webvtt1/ (voice spans, comment blocks, times without hours).
    """
    header = _HEADER.match(text)
    return read_voices(text, show, start=header.end() if header else 0)


WEBVTT: Final = Reader("webvtt", score_webvtt, read_webvtt)
