"""A transcript's bytes -> one episode and its turns, with an account of every character."""

from __future__ import annotations

from econchatr.parse.dates import read_date
from econchatr.parse.draft import Flagged, account_flags, count_flagged
from econchatr.parse.flags import EpisodeMarks, flag_turns, join_flags, mark_episode
from econchatr.parse.labels import SharedLabel, tell_shared
from econchatr.parse.language import NAMES as LANGUAGES
from econchatr.parse.language import Language, choose_language, explain_foreign
from econchatr.parse.people import (
    Cast,
    SpeakerTable,
    UnnamedVoice,
    bare_name,
    choose_ad_voices,
    find_ad_voices,
    find_spellings,
    is_nobody,
    is_unnamed,
    list_unnamed,
    unify_speakers,
)
from econchatr.parse.repeats import Stretches
from econchatr.parse.transcript import (
    NOBODY_NAMED,
    READERS,
    Explanation,
    ParsedFile,
    explain_file,
    list_slugs,
    make_slug,
    open_text,
    parse_file,
    rank_episodes,
    read_stem,
)

__all__ = [
    "LANGUAGES",
    "NOBODY_NAMED",
    "READERS",
    "Cast",
    "EpisodeMarks",
    "Explanation",
    "Flagged",
    "Language",
    "ParsedFile",
    "SharedLabel",
    "SpeakerTable",
    "Stretches",
    "UnnamedVoice",
    "account_flags",
    "bare_name",
    "choose_ad_voices",
    "choose_language",
    "count_flagged",
    "explain_file",
    "explain_foreign",
    "find_ad_voices",
    "find_spellings",
    "flag_turns",
    "is_nobody",
    "is_unnamed",
    "join_flags",
    "list_slugs",
    "list_unnamed",
    "make_slug",
    "mark_episode",
    "open_text",
    "parse_file",
    "rank_episodes",
    "read_date",
    "read_stem",
    "tell_shared",
    "unify_speakers",
]
