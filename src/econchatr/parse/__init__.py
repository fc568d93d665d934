"""A file's bytes -> one episode and its turns, with an account of every character.

This package knows no show folder, no table and no pair: it gets bytes and a speaker table and gives records.
"""

from __future__ import annotations

from econchatr.parse.dates import DatePrecision, read_date
from econchatr.parse.speakers import SpeakerTable
from econchatr.parse.transcript import READERS, Explanation, ParsedFile, explain_file, parse_file, rank_episodes

__all__ = [
    "READERS",
    "DatePrecision",
    "Explanation",
    "ParsedFile",
    "SpeakerTable",
    "explain_file",
    "parse_file",
    "rank_episodes",
    "read_date",
]
