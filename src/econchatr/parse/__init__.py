"""A file's bytes -> one episode and its turns, with an account of every character.

This package knows no show folder, no table and no pair: it gets bytes and a speaker table and gives records.
"""

from __future__ import annotations

from econchatr.parse.dates import DatePrecision, read_date
from econchatr.parse.flags import flag_turns
from econchatr.parse.people import (
    HostProposal,
    UnnamedVoice,
    find_ad_voices,
    list_unnamed,
    propose_hosts,
    unify_speakers,
)
from econchatr.parse.speakers import SpeakerTable
from econchatr.parse.transcript import (
    READERS,
    Explanation,
    ParsedFile,
    explain_file,
    open_text,
    parse_file,
    rank_episodes,
)

__all__ = [
    "READERS",
    "DatePrecision",
    "Explanation",
    "HostProposal",
    "ParsedFile",
    "SpeakerTable",
    "UnnamedVoice",
    "explain_file",
    "find_ad_voices",
    "flag_turns",
    "list_unnamed",
    "open_text",
    "parse_file",
    "propose_hosts",
    "rank_episodes",
    "read_date",
    "unify_speakers",
]
