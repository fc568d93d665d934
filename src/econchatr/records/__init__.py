"""Every record that flows between the stages, in the order in which they arise.

All records are frozen and refuse unknown keys, so that bad data stops where it is loaded. Counts begin with `n_`, units
stand last (`_seconds`, `_tokens`, `_chars`, `_usd`), and `None` always means "not known" or "not scored", never zero.
"""

from econchatr.records.answers import REPEAT_PENALTY, Answer, Probe, Question, Reply, ReportedMarks, Sampling
from econchatr.records.base import (
    DatePrecision,
    EpisodeKind,
    Grade,
    PairOrigin,
    QuestionKind,
    Record,
    Role,
    Split,
    Variant,
)
from econchatr.records.episodes import Episode, Failure, Flag, Pair, SourceFile, Turn, WrittenQuestion, read_flag
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
    JudgeMark,
    Mark,
    NearQuote,
    RightCount,
    Score,
    SentSheet,
    SheetAnswer,
)
from econchatr.records.tuning import (
    ComparedStrategy,
    CurvePoint,
    EpisodeSaving,
    Example,
    HostedTuning,
    Message,
    Overlap,
    Reason,
    Selection,
    Trial,
    TunedModel,
)
