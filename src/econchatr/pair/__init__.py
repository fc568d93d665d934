"""Turns -> pairs of cue and reply, each with the reason why it is kept or dropped, and the splits of a show.

This package knows no file format and no model; who counts tokens is an argument.
"""

from __future__ import annotations

from econchatr.pair.answer_pairs import Stating, count_answer_pairs, find_passages, index_passages, make_answer_pairs
from econchatr.pair.blocks import (
    CUT_KINDS,
    WEIGHED_KINDS,
    drop_duplicates,
    find_originals,
    list_statements,
    make_twin_key,
    pair_episode,
)
from econchatr.pair.cleaning import PROFILES, PairProfile, clean_speech
from econchatr.pair.made_questions import PassageParts, hash_neighbours, take_apart
from econchatr.pair.presidio import name_presidio, open_presidio
from econchatr.pair.private import hide_private
from econchatr.pair.split import assign_splits

__all__ = [
    "CUT_KINDS",
    "PROFILES",
    "WEIGHED_KINDS",
    "PairProfile",
    "PassageParts",
    "Stating",
    "assign_splits",
    "clean_speech",
    "count_answer_pairs",
    "drop_duplicates",
    "find_originals",
    "find_passages",
    "hash_neighbours",
    "hide_private",
    "index_passages",
    "list_statements",
    "make_answer_pairs",
    "make_twin_key",
    "name_presidio",
    "open_presidio",
    "pair_episode",
    "take_apart",
]
