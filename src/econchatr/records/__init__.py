"""Every record that flows between the stages, in the order in which they arise.

All records are frozen and refuse unknown keys, so that bad data stops where it is loaded. Counts begin with `n_`, units
stand last (`_seconds`, `_tokens`, `_chars`, `_usd`), and `None` always means "not known" or "not scored", never zero.

This package knows no stage, no file and no model: it only says what the things are.
"""

from econchatr.records.answers import REPEAT_PENALTY, Answer, Probe, Question, Reply, Sampling
from econchatr.records.base import DatePrecision, EpisodeKind, Grade, QuestionKind, Record, Role, Split, Variant
from econchatr.records.episodes import Episode, Failure, Flag, Pair, SourceFile, Turn, read_flag
from econchatr.records.models import ComparedStrategy, CurvePoint, EpisodeSaving, Trial, TunedModel
from econchatr.records.money import BillRow, Price, PriceRow, PriceUnit
from econchatr.records.preferences import JudgedSample, PreferenceOutcome, Ranking, Verdict
from econchatr.records.scores import (
    BlindCue,
    BlindPick,
    Contest,
    CopiedSpan,
    Gate,
    HandMark,
    HandSheet,
    HeldOutReply,
    JudgedContest,
    Mark,
    NearQuote,
    Score,
    SheetAnswer,
)
from econchatr.records.selection import Example, Message, Overlap, Reason, Selection

__all__ = [
    "REPEAT_PENALTY",
    "Answer",
    "BillRow",
    "BlindCue",
    "BlindPick",
    "ComparedStrategy",
    "Contest",
    "CopiedSpan",
    "CurvePoint",
    "DatePrecision",
    "Episode",
    "EpisodeKind",
    "EpisodeSaving",
    "Example",
    "Failure",
    "Flag",
    "Gate",
    "Grade",
    "HandMark",
    "HandSheet",
    "HeldOutReply",
    "JudgedContest",
    "JudgedSample",
    "Mark",
    "Message",
    "NearQuote",
    "Overlap",
    "Pair",
    "PreferenceOutcome",
    "Price",
    "PriceRow",
    "PriceUnit",
    "Probe",
    "Question",
    "QuestionKind",
    "Ranking",
    "Reason",
    "Record",
    "Reply",
    "Role",
    "Sampling",
    "Score",
    "Selection",
    "SheetAnswer",
    "SourceFile",
    "Split",
    "Trial",
    "TunedModel",
    "Turn",
    "Variant",
    "Verdict",
    "read_flag",
]
