"""What a report is made from: one frozen record, with the ways to find scores and gates in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Self

from econchatr.display import label_imitation
from econchatr.records import (
    Answer,
    BillRow,
    ComparedStrategy,
    CopiedSpan,
    CurvePoint,
    Episode,
    Failure,
    Gate,
    HeldOutReply,
    Mark,
    NearQuote,
    Overlap,
    Pair,
    PreferenceOutcome,
    PriceRow,
    Probe,
    Question,
    Record,
    ReportedMarks,
    RightCount,
    Score,
    Selection,
    TunedModel,
)
from econchatr.records.measures import REFERENCES
from econchatr.report.counts import FlaggedSpeech, LostLine, RoleCount, SetAside, SpeakerCount, UnnamedSpeaker


class RightsNote(Record):
    """The `[rights]` table of a show, as it is printed."""

    voice: str
    """Whose voice is imitated, and who said so."""
    ground: str
    """On what ground: consent, licence, test use."""
    licence: str
    """Licence of the transcripts."""


class CorpusStatistics(Record):
    """Size of all kept texts; a cue and a reply are one text each, as in the 2023 table."""

    tokenizer: str
    n_texts: int
    n_tokens: int
    n_words: int
    n_chars: int
    first_date: date | None
    """Oldest dated episode with a kept pair; `None`: no such episode is dated."""
    last_date: date | None


class SubsetRow(Record):
    """What one hosted model's price lets a budget buy of this show."""

    model: str
    limit_tokens: int
    """Tokens of one epoch that the budget pays for, never more than the pool holds."""
    n_pairs: int
    n_tokens: int
    share: float
    """Of the pool's pairs, 0 to 1."""


class SubsetTable(Record):
    """The subsets of one price profile, one row per model."""

    profile: str
    budget: str
    """Per model, in words: `$10.00`."""
    n_epochs: int
    strategy: str
    rows: tuple[SubsetRow, ...]


class ParsedMaterial(Record):
    """What the turns of the whole show come to, and some of their text to look at."""

    speakers: tuple[SpeakerCount, ...] = ()
    unnamed: tuple[UnnamedSpeaker, ...] = ()
    flagged: FlaggedSpeech = FlaggedSpeech()
    lost_lines: tuple[LostLine, ...] = ()
    """Some of the lines no rule could place, the first ones of each episode."""
    set_aside: tuple[SetAside, ...] = ()
    """Some of the failures, with how their files begin."""


class EpochRow(Record):
    """What one epoch cost by a price of 2023: as the drafts of 2023 report it for their show, and for this one."""

    model: str
    n_tokens: int
    """Of this show's kept training pairs."""
    training_usd: str
    use_usd: str
    reported_training_usd: str
    reported_use_usd: str
    implied_training_tokens: int
    """What the reported amount buys at the price; the reported rows do not agree on one count."""
    implied_use_tokens: int


class PricesOf2023(Record):
    """What the prices of the 2023 experiment would buy of a show: told of that experiment's own show only."""

    prices: tuple[PriceRow, ...] = ()
    subsets: tuple[SubsetTable, ...] = ()
    epochs: tuple[EpochRow, ...] = ()


class ReportMaterial(Record):
    """Everything the page needs; an empty tuple means that the stage has not run, and the page says so."""

    show_name: str
    hosts: tuple[str, ...]
    rights: RightsNote | None
    """`None`: the show has no `[rights]` table."""
    episodes: tuple[Episode, ...] = ()
    failures: tuple[Failure, ...] = ()
    roles: tuple[RoleCount, ...] = ()
    parsed: ParsedMaterial = ParsedMaterial()
    pairs: tuple[Pair, ...] = ()
    corpus: CorpusStatistics | None = None
    """`None`: no pair was kept."""
    history: PricesOf2023 | None = None
    """`None`: the show is not that of the 2023 experiment."""
    bill: tuple[BillRow, ...] = ()
    """Empty: nothing is to be paid, and the page says nothing of it."""
    selections: tuple[Selection, ...] = ()
    taken: tuple[Pair, ...] = ()
    """Answer pairs that some rung was trained on: statements of the host behind a question that was asked or made."""
    overlaps: tuple[Overlap, ...] = ()
    """How far each selection leans towards the exam."""
    compared: tuple[ComparedStrategy, ...] = ()
    """Strategies tried beside random choice; empty unless somebody asked for that."""
    curve: tuple[CurvePoint, ...] = ()
    tuned_models: tuple[TunedModel, ...] = ()
    minutes: tuple[tuple[str, float], ...] = ()
    """Rung, and how long its training at home took."""
    rounds: tuple[PreferenceOutcome, ...] = ()
    """Rounds on preferences, kept or not; their scores and gates stand among the others."""
    questions: tuple[Question, ...] = ()
    answers: tuple[Answer, ...] = ()
    """To the exam's questions as they stand."""
    more_answers: tuple[Answer, ...] = ()
    """To paraphrases and closed questions."""
    probes: tuple[Probe, ...] = ()
    marks: tuple[Mark, ...] = ()
    right: tuple[RightCount, ...] = ()
    """How many of the twelve are right, by rung, variant and marker; found by `find_right_counts`."""
    reported: ReportedMarks | None = None
    """What an earlier experiment reported of the same questions; `None`: nothing."""
    scores: tuple[Score, ...] = ()
    gates: tuple[Gate, ...] = ()
    """Empty: no gate was checked, and no Voice is shown as if it had passed them."""
    spans: tuple[CopiedSpan, ...] = ()
    nearest: tuple[NearQuote, ...] = ()
    real_words: tuple[tuple[str, str, str], ...] = ()
    """Question id, what the host really said that is nearest to it and to its right answer, and where."""
    replies: tuple[HeldOutReply, ...] = ()
    guesses: tuple[tuple[str, bool], ...] = ()
    """In the playground: the rung, and whether the real reply was found."""
    settings: tuple[tuple[str, str], ...] = ()
    """Name and value of what else a repeat needs: temperature, tokens per answer, seeds."""
    system_line: str = ""
    """What every example and every question began with; empty: not told."""
    hub_ids: tuple[tuple[str, str], ...] = ()
    """Rung and the name of its base where others find it, for the model card."""
    made: tuple[tuple[str, str], ...] = ()
    """Stage, or stage and rung, and the hash of what it made."""
    versions: tuple[tuple[str, str], ...] = ()
    """Programs and packages that were installed when the page was written."""
    files: tuple[str, ...] = ()
    """Names of the files that lie beside the page."""
    commands: tuple[str, ...] = ("econchatr run --plan", "econchatr run", "econchatr chat")
    """Typed in the show's folder, these make this page again."""
    version: str
    made_on: date | None
    """Given by the caller, never read from a clock, so that the same material gives the same bytes."""

    @property
    def scored_rungs(self) -> tuple[str, ...]:
        """The rungs that were scored as models, in the order of the scores."""
        models = (score.rung for score in self.scores if score.variant not in REFERENCES and score.rung)
        return tuple(dict.fromkeys(models))

    def find_score(self, measure: str, rung: str, variant: str, subject: str | None = None) -> Score | None:
        """Give the first score that fits; `None`: nobody took the measure. A reference's may stand under any rung."""
        fitting = [
            score
            for score in self.scores
            if score.measure == measure and score.variant == variant and subject in (None, score.subject)
        ]
        own = [score for score in fitting if score.rung == rung]
        return next(iter(own or (fitting if variant in REFERENCES else ())), None)

    def find_gates(self, rung: str, variant: str) -> tuple[Gate, ...]:
        """Give the gates of one row; a reference's may stand under any rung."""
        fitting = [gate for gate in self.gates if gate.variant == variant]
        own = tuple(gate for gate in fitting if gate.rung == rung)
        if own or variant not in REFERENCES:
            return own
        return tuple(gate for gate in fitting if gate.rung == fitting[0].rung)

    def find_right_counts(self, rung: str, marker: str = "") -> tuple[RightCount, ...]:
        """Give how many of the twelve each variant of a rung answers rightly, by one marker or by every one there is.

        A count without `n_right` tells in `reason` why: `not marked yet`, or why the judge is not believed. The judge
        has none where he was not asked.
        """
        return tuple(count for count in self.right if count.rung == rung and marker in ("", count.marker))

    def find_round(self, rung: str) -> PreferenceOutcome | None:
        """Give what a rung's round on preferences came to; `None`: it had none."""
        return next((outcome for outcome in self.rounds if outcome.rung == rung), None)

    def is_round_kept(self, rung: str) -> bool:
        """Tell whether a rung had a round on preferences that may be used."""
        found = self.find_round(rung)
        return found is not None and found.is_kept

    def refuse_infinite(self) -> Self:
        """Give the material with every score that is no finite number turned into an unscored one, with that reason."""
        return self.model_copy(update={"scores": tuple(map(_refuse_infinite, self.scores))})


def _refuse_infinite(score: Score) -> Score:
    if all(value is None or math.isfinite(value) for value in (score.value, score.low, score.high)):
        return score
    reason = score.reason or "the measured value or its interval is not a finite number"
    return score.model_copy(update={"value": None, "low": None, "high": None, "reason": reason})


def describe_corpus(pairs: Sequence[Pair], *, tokenizer: str) -> CorpusStatistics | None:
    """Sum up every kept cue and reply; `None` when no pair was kept.

    Args:
        pairs: All pairs; the dropped ones are passed over.
        tokenizer: Name of the tokenizer that counted the pairs' tokens (`gpt2` in both pair profiles).
    """
    kept = [pair for pair in pairs if pair.is_kept]
    if not kept:
        return None
    dates = [pair.published for pair in kept if pair.published is not None]
    return CorpusStatistics(
        tokenizer=tokenizer,
        n_texts=2 * len(kept),
        n_tokens=sum(pair.n_cue_tokens + pair.n_reply_tokens for pair in kept),
        n_words=sum(len(pair.cue.split()) + len(pair.reply.split()) for pair in kept),
        n_chars=sum(len(pair.cue) + len(pair.reply) for pair in kept),
        first_date=min(dates, default=None),
        last_date=max(dates, default=None),
    )


def label_transcripts(hosts: Sequence[str]) -> str:
    """Give the label of a page that shows what was really said: only what is made from it is an imitation."""
    return f"Words as the transcripts have them. A model made from them is an {label_imitation(hosts)}"
