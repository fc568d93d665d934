"""Every record that flows between the stages, in the order in which they arise.

All records are frozen and refuse unknown keys, so that bad data stops where it is loaded. Counts begin with `n_`, units
stand last (`_seconds`, `_tokens`, `_chars`, `_usd`), and `None` always means "not known" or "not scored", never zero.

This module knows no stage, no file and no model: it only says what the things are.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Role = Literal["host", "guest", "other"]
EpisodeKind = Literal["verbatim", "unlabelled", "notes"]
Split = Literal["train", "dev", "test"]
QuestionKind = Literal["belief", "quotation", "idea", "joke", "fact"]
Variant = Literal["base", "persona", "tuned"]
DatePrecision = Literal["day", "month", "season", "none"]
Grade = Literal["exact", "near", "wrong", "unmarked"]


class Record(BaseModel):
    """What all records share: frozen, and no key that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- fetch ------------------------------------------------------------------------------------------------------------


class SourceFile(Record):
    """One file as it was received; its bytes are kept under `fetch/raw/<sha256>`."""

    location: str
    """Path below the source folder, with forward slashes, or the address it was found at."""
    sha256: str
    n_bytes: int
    title: str = ""
    """What the feed calls the episode; empty: there is no feed, or it does not say."""
    published: date | None = None
    """By the feed."""
    hosts: tuple[str, ...] = ()
    """By the feed's `podcast:person`."""
    guests: tuple[str, ...] = ()
    media_type: str = ""
    """As the server declared it, which is often wrong."""
    etag: str = ""
    last_modified: str = ""
    """Both as the server sent them, to ask later whether the page has changed."""


# --- parse ------------------------------------------------------------------------------------------------------------


class Flag(NamedTuple):
    """One doubt about a turn, or about a stretch of its text."""

    kind: str
    reason: str
    start: int | None = None
    """Where in the turn's text the stretch begins; `None` means the whole turn."""
    end: int | None = None

    def __str__(self) -> str:
        stretch = "" if self.start is None else f"@{self.start}-{self.end}"
        return f"{self.kind}{stretch}: {self.reason}"


def read_flag(text: str) -> Flag:
    """Get a flag back from what `str` made of it."""
    head, _, reason = text.partition(": ")
    kind, _, stretch = head.partition("@")
    start, _, end = stretch.partition("-")
    return Flag(kind, reason, int(start), int(end)) if start.isdecimal() and end.isdecimal() else Flag(kind, reason)


class Turn(Record):
    """What one speaker says before another speaks."""

    slug: str
    position: int
    """0 for the first turn of the episode."""
    speaker: str
    role: Role
    text: str
    start_seconds: int | None = None
    """Known only as well as the transcript says: often the start of a block that holds several turns."""
    flags: tuple[str, ...] = ()
    """What is doubtful about it and why, each as `Flag` writes it: `intro: reason`, `advertisement@120-340: reason`.
    Nothing is deleted; `pair` decides by the kind."""

    def list_flags(self) -> list[Flag]:
        """Get the flags as records."""
        return [read_flag(flag) for flag in self.flags]


class Episode(Record):
    """One item of a show, with the account of what its reader could and could not place."""

    slug: str
    title: str
    published: date | None
    rank: int
    """Place in the show's order, oldest first: by date where known, else by the numbers in the file's name."""
    kind: EpisodeKind
    reader: str
    location: str
    sha256: str
    n_turns: int
    n_words: int
    n_chars: int
    """Characters of the file, after decoding; of a Word document, those of its text."""
    n_placed_chars: int
    """Characters that ended in a turn's text outside its flags, or in a label or time stamp that was understood."""
    n_unplaced_chars: int
    """Characters of text that no rule could place."""
    unplaced: tuple[str, ...]
    """The unplaced lines themselves, each cut at 200 characters, at most 50 of them."""
    n_unplaced_lines: int
    language: str = ""
    """Code of the language it is spoken in (ISO 639-1); empty: not told."""
    doubt: str = ""
    """What is doubtful about the whole file, and what to do; empty: nothing."""
    precision: DatePrecision = "none"
    """How exactly `published` is known; `none`: not at all."""
    n_flagged_chars: int = 0
    """Characters of turns' texts that stand under a flag; 0 before flags are set."""
    n_markup_chars: int = 0
    """Characters that are neither speech nor lost: tags, cue numbers, keys."""
    n_white_chars: int = 0
    """Spaces and line ends. Placed, flagged, unplaced, markup and white add up to `n_chars`."""


class Failure(Record):
    """One item a stage could not do; the run went on without it."""

    stage: str
    item: str
    error: str
    """Name of the error's class."""
    message: str
    hint: str = ""
    """One thing to do about it; empty: nothing is known that helps."""


# --- pair -------------------------------------------------------------------------------------------------------------


class Pair(Record):
    """A cue (what was said to the host) and the reply (what the host said)."""

    pair_id: str
    """`<slug>#<position of the reply's first turn>`."""
    slug: str
    published: date | None
    rank: int
    split: Split
    cue_speaker: str
    """Speaker of the last turn of the cue."""
    reply_speaker: str
    cue: str
    reply: str
    first_turn: int
    """Position of the cue's first turn."""
    last_turn: int
    """Position of the reply's last turn."""
    n_cue_tokens: int
    """By the tokenizer of the pair profile (`gpt2` in both), as the filters count."""
    n_reply_tokens: int
    is_kept: bool
    reason: str
    """Why it was dropped; empty when kept."""


# --- select -----------------------------------------------------------------------------------------------------------


class Message(Record):
    """One message as a chat model gets it."""

    role: Literal["system", "user", "assistant"]
    content: str


class Example(Record):
    """A pair as one rung's model sees it."""

    pair_id: str
    rung: str
    split: Split
    messages: tuple[Message, ...]
    n_billed_tokens: int
    """All tokens of the example in one epoch, template included, by the rung's own tokenizer."""
    n_learned_tokens: int
    """Tokens that carry loss: the reply and the token that ends it."""
    n_cut_cue_tokens: int = 0
    """Tokens cut from the beginning of the cue to fit the rung's example length."""
    n_cut_reply_tokens: int = 0
    """Tokens cut from the end of the reply; such an example does not teach where to stop."""


class Selection(Record):
    """The examples chosen for one rung within its budget."""

    rung: str
    strategy: str
    seed: int
    n_epochs: int
    pair_ids: tuple[str, ...]
    """In the order in which they were taken: a smaller budget keeps a beginning of this list."""
    n_pool_pairs: int
    n_pool_tokens: int
    """Billed tokens of one epoch over every kept training pair."""
    n_tokens: int
    """Billed tokens of one epoch over the selection."""
    limit_tokens: int
    """What the budget allows for one epoch."""
    budget: str
    """The budget in words, as the user gave it: `$10.00`, `100000 tokens`, `20 minutes`."""
    cost_usd: str | None
    """Decimal dollars of all epochs; `None` for a rung trained at home."""
    sha256: str
    """Of the ordered pair ids and their texts: the hash a tuned model is tied to."""
    n_learned_tokens: int | None = None
    """Of the selection, in one epoch: what is left of `n_tokens` when cues and template are taken away."""
    n_pool_learned_tokens: int | None = None
    n_pinned: int = 0
    n_banned: int = 0
    """Pairs that the user took out of the pool."""
    certificate: float | None = None
    """At least this share of the best possible cover within the budget is reached, 0 to 1, rounded down; `None`: the
    strategy covers nothing on purpose."""
    random_share: float | None = None
    """What random choices of the same cost cover, as a share of what this one does: the mean of five."""

    def tell_cover(self) -> str:
        """How good the cover is, in words; empty where there is no certificate."""
        if self.certificate is None:
            return ""
        told = f"at least {int(self.certificate * 100 + 1e-6)}% of the best possible cover at this cost"
        if self.random_share is None:
            return told
        return f"{told}; random choices cover {self.random_share:.0%} of what this one does"

    def tell_lengths(self) -> str:
        """Mean lengths of the selection and of all pairs, in words; empty where they were not counted."""
        if self.n_learned_tokens is None or self.n_pool_learned_tokens is None or not self.pair_ids:
            return ""
        n_rest, n_pool_rest = self.n_tokens - self.n_learned_tokens, self.n_pool_tokens - self.n_pool_learned_tokens
        return (
            f"tokens on average, all pairs in brackets: a reply {self.n_learned_tokens / len(self.pair_ids):.0f} "
            f"({self.n_pool_learned_tokens / self.n_pool_pairs:.0f}), what stands before it "
            f"{n_rest / len(self.pair_ids):.0f} ({n_pool_rest / self.n_pool_pairs:.0f})"
        )


class Reason(Record):
    """Why one pair of the pool was taken or left."""

    pair_id: str
    rung: str
    """The rung with the smallest budget that has it; those with more have it too. Empty: none has."""
    position: int | None
    """0 for the pair taken first; `None`: not taken."""
    reason: str
    stratum: str = ""
    """Which pairs it was weighed against, in words; empty: all, or none."""
    cost: int | None
    """For that rung, or for the largest budget where none has it; `None`: banned, and never counted."""
    gain: float | None = None
    """What it added to the cover; for one left, what it would add in the end. `None`: the strategy does not weigh."""
    firsts: tuple[str, ...] = ()
    """Words and pairs of words that it was the first to bring, the commonest of them."""


class Overlap(Record):
    """How far a selection leans towards the exam's own subjects."""

    rung: str
    n_exam_words: int
    """Uncommon words of the questions and their expected answers."""
    words: tuple[str, ...]
    """Those of them that the chosen replies hold, the most favoured first."""
    share: float
    """Of the chosen replies, those with such a word; 0 to 1."""
    pool_share: float
    """The same of all replies that could be chosen."""
    subjects: tuple[str, ...] = ()
    """Subjects the strategy looks for that stand in the exam."""

    def tell(self, *, n_words: int = 8) -> str:
        """The overlap in words, with the first of the exam's words."""
        held = ": " + ", ".join(self.words[:n_words]) if self.words else ""
        told = (
            f"{self.share:.1%} of its replies hold a subject word of the exam, of all replies {self.pool_share:.1%}; "
            f"it has {len(self.words)} of the exam's {self.n_exam_words}{held}{' ...' * (len(self.words) > n_words)}"
        )
        return told + (f"; the strategy looks for {', '.join(self.subjects)}" if self.subjects else "")


PriceUnit = Literal["token", "second", "minute", "hour", "GB-month", "job"]


class Price(Record):
    """What one unit of something costs: dollars, never a float."""

    usd: Decimal = Field(ge=0)
    n_units: int = Field(default=1, ge=1)
    """For how many units: 1,000,000 tokens, 1 hour."""
    unit: PriceUnit

    @property
    def usd_per_unit(self) -> Decimal:
        """Dollars for a single token, hour, gigabyte and month, or job."""
        return self.usd / self.n_units

    @property
    def usd_per_mtok(self) -> Decimal:
        """Dollars for a million tokens; only for a price per token."""
        return self.usd * 1_000_000 / self.n_units

    def __str__(self) -> str:
        plural = f"{self.n_units:,} {self.unit}s" if self.n_units > 1 else self.unit
        return "free" if not self.usd else f"${self.usd} per {plural}"


class PriceRow(Record):
    """What one hosted model is billed for, and where that was read; `None`: not known."""

    profile: str
    model: str
    provider: str = ""
    """Who sells it, for people."""
    training: Price | None = None
    validation: Price | None = None
    """Of the tokens of the validation file, each time it is evaluated."""
    evaluations_per_epoch: int = Field(default=1, ge=1)
    input: Price | None = None
    cached: Price | None = None
    """Of prompt tokens that the service has seen before."""
    output: Price | None = None
    base_input: Price | None = None
    base_output: Price | None = None
    """Use of the base model, where it costs something else than use of the tuned one."""
    endpoint: Price | None = None
    """Of a machine of one's own that serves the tuned model, used or not."""
    endpoint_step: Literal["second", "minute", "hour"] = "hour"
    """Time on it is billed in whole ones of these."""
    storage: Price | None = None
    checkpoint_gb: Decimal | None = Field(default=None, ge=0)
    """Size of a tuned model; `None`: not known, and assumed by the quote."""
    minimum: Price | None = None
    """What a training job costs at least."""
    padding: Literal["none", "longest"] = "none"
    """`longest`: each example is billed as if it were as long as the longest one."""
    rounding_usd: Decimal = Field(default=Decimal("0.01"), gt=0)
    """Each charge is rounded up to a whole number of these."""
    n_epochs: int | None = Field(default=None, ge=1, le=50)
    """The profile's own number of passes; `None`: as the show says."""
    min_examples: int = Field(default=0, ge=0)
    open_to: str = ""
    """Who may still buy, in words; empty: anybody."""
    jobs_until: date | None = None
    """From this day on no new training is taken."""
    shutdown_on: date | None = None
    """From this day on the tuned model answers no more."""
    is_historical: bool = False
    """Nothing can be bought at this price any more; it can only be calculated with."""
    note: str = ""
    source: str
    read_on: date
    """Where only the month is known, its first day."""
    file: str = ""
    """Of the user, in which the row or a part of it stands; empty: as shipped."""

    @property
    def name(self) -> str:
        """`profile/model`, as a rung names it."""
        return f"{self.profile}/{self.model}"


class BillRow(Record):
    """What one paid job of a rung was quoted at, and what it did cost so far."""

    rung: str
    what: str
    """`training`, `validation`, `exam`, `storage`."""
    quoted_usd: Decimal | None
    """As the user said yes to it; `None`: it was in no quote."""
    charged_usd: Decimal
    refunded_usd: Decimal
    reserved_usd: Decimal
    """Set aside for charges that may still come."""
    sources: tuple[str, ...]
    """Where the charges were read: `job ftjob-1`."""


# --- train ------------------------------------------------------------------------------------------------------------


class CurvePoint(Record):
    """One reading of the learning curve."""

    rung: str
    step: int
    n_seen_tokens: int
    train_loss: float | None
    """Mean loss per learned token since the last reading, in nats; `None` before the first step."""
    dev_loss: float | None
    """Mean loss per learned token on the development pairs, in nats."""
    is_best: bool


class TunedModel(Record):
    """An adapter, tied by hash to the selection and the base weights that made it."""

    rung: str
    base_model: str
    base_sha256: str
    """Of the base weights file the adapter was trained on."""
    weights: str
    """Which weights these are, in words: `SmolLM2-135M-Instruct, 4-bit (Q4_1) dequantized`."""
    selection_sha256: str
    adapter_path: str
    """Below the show's folder: peft's safetensors."""
    adapter_sha256: str
    gguf_path: str | None
    """Below the show's folder: the same adapter for llama.cpp; `None` where the base is not a Llama-type GGUF."""
    gguf_sha256: str | None
    n_steps: int
    best_step: int
    n_trained_tokens: int
    dtype: str
    n_agreeing_questions: int | None
    """Questions whose greedy first tokens agree between transformers and llama.cpp; `None`: not checked."""
    n_checked_questions: int


class EpisodeSaving(Record):
    """What one training saved on one held-out episode."""

    slug: str
    host_bits: float
    """Bits by which the host's replies became less surprising, summed."""
    host_bytes: int
    guest_bits: float
    guest_bytes: int


class Trial(Record):
    """One fine-tune of a comparison of strategies."""

    key: str
    """Hash of all that decides the result."""
    strategy: str
    share: float
    """Of the pool's billed tokens that the budget allows, 0 to 1."""
    selection_seed: int
    train_seed: int
    n_pairs: int
    n_tokens: int
    """Billed tokens of one epoch."""
    n_steps: int
    seconds: float
    savings: tuple[EpisodeSaving, ...]


class ComparedStrategy(Record):
    """What one strategy is worth at one budget."""

    strategy: str
    share: float
    n_trials: int
    mean_pairs: float
    mean_tokens: float
    mean_steps: float
    value: float
    """Host bits saved, in bits per byte; the mean of the trials."""
    low: float | None
    """95% interval over episodes and trials; `None`: one episode cannot give one."""
    high: float | None
    over_random: float | None
    """Difference from random choice at the same budget; `None`: random was not tried there."""
    over_random_low: float | None
    over_random_high: float | None


# --- ask --------------------------------------------------------------------------------------------------------------


class Question(Record):
    """One question of the exam."""

    question_id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)
    kind: QuestionKind
    text: str = Field(min_length=1, max_length=2000)
    expected: str | None = None
    """The words or fact a right answer holds; `None` where only the manner of answering counts."""
    guests_of: str | None = Field(default=None, min_length=1, max_length=200)
    """Whose guests a right answer names, looked up in the episodes: a year (`2014`), `all`, or words that stand in the
    titles of the episodes meant. `None`: it does not ask for guests."""
    paraphrases: tuple[str, ...] = ()
    """The same question in other words, to see how much the wording matters."""

    @field_validator("guests_of", mode="before")
    @classmethod
    def _year_as_text(cls, guests_of: object) -> object:
        return str(guests_of) if isinstance(guests_of, int) and not isinstance(guests_of, bool) else guests_of

    @model_validator(mode="after")
    def _wordings_differ(self) -> Question:
        wordings = [" ".join(text.split()).casefold() for text in (self.text, *self.paraphrases)]
        if not all(wordings) or max(map(len, wordings)) > 2000:
            raise ValueError("a paraphrase must have words, 2,000 characters at most")
        if len(set(wordings)) < len(wordings):
            raise ValueError("each paraphrase must differ from the question and from every other one")
        return self


class Reply(Record):
    """What a model said to one prompt."""

    text: str
    stop: Literal["end", "length"]
    n_prompt_tokens: int
    n_reply_tokens: int


class Answer(Record):
    """One model's answer to one question, for one seed."""

    question_id: str
    rung: str
    variant: Variant
    model_sha256: str
    """Of base weights, adapter and prompt form together."""
    sample: int
    seed: int
    reply: Reply | None
    error: str | None
    """Why there is no reply. A failure is never speech."""
    wording: int = 0
    """0: the question's own text; from 1: the paraphrase of that number."""


# --- score ------------------------------------------------------------------------------------------------------------


class Mark(Record):
    """What one answer is worth by its question's own rule."""

    question_id: str
    rung: str
    variant: Variant
    sample: int
    wording: int
    grade: Grade
    """Of a quotation or a fact in words; `unmarked`: see `reason`."""
    likeness: float | None = None
    """0 to 1: how much of the expected words stands in the answer, content words first; `None`: none are expected."""
    named: tuple[str, ...] = ()
    """Of the guests asked for, those it names."""
    misplaced: tuple[str, ...] = ()
    """Guests of the show it names that were not asked for."""
    invented: tuple[str, ...] = ()
    """Names it gives that never were a guest."""
    n_true: int | None = None
    """How many guests were asked for; `None`: none."""
    reason: str = ""
    """Why it is unmarked."""


class Score(Record):
    """One measured value."""

    measure: str
    rung: str
    variant: str
    """`base`, `persona`, `tuned`, `tuned minus base`, or a reference: `host`, `guest`."""
    subject: str
    """What it was measured on: `host replies (test)`, `guest replies (test)`, `answers`."""
    value: float | None
    low: float | None = None
    """95% interval; `None`: no interval."""
    high: float | None = None
    n: int
    unit: str
    reason: str = ""
    """Why `value` is `None`."""


# --- score, by a judge ------------------------------------------------------------------------------------------------


class Contest(Record):
    """Two texts put before a judge, who is asked which of them the host said."""

    name: str
    """`host against guest`, `tuned against base`, ..."""
    rung: str
    group: str
    """What it belongs to: an episode, or a question."""
    one: str
    """The text that should win."""
    two: str


class Judgement(Record):
    """What a judge said of one contest, asked in both orders."""

    name: str
    rung: str
    group: str
    key: str
    """sha256 of the two texts."""
    verdict: Literal["one", "two", "torn", "failed"]
    """`torn`: another text in the other order, so neither. `failed`: no verdict, see `reason`."""
    reason: str = ""


# --- score, by people -------------------------------------------------------------------------------------------------


class SheetAnswer(Record):
    """One answer as a person gets to mark it: whose it is, is not said."""

    key: str
    """sha256 of the question's and the answer's text; the same answer from two models is marked once."""
    question_id: str
    text: str


class HandSheet(Record):
    """Every answer of an exam, shuffled within its question, for people to mark."""

    seed: int
    sha256: str
    """Of the seed and all keys: it ties a filled sheet to its answers."""
    answers: tuple[SheetAnswer, ...]


class HandMark(Record):
    """What one person thinks one answer is worth."""

    key: str
    """Of the `SheetAnswer`."""
    scorer: str
    value: float
    """0, 0.5 or 1."""


class BlindCue(Record):
    """One question of the blind test: a cue nobody was trained on, and replies, one of them the host's own."""

    key: str
    """sha256 of cue and replies, in their order."""
    rung: str
    pair_id: str
    """Of the held-out pair whose reply is the host's own."""
    cue: str
    replies: tuple[str, ...]
    real: int
    """Place of the host's own reply, from 0. It stands in no page."""


class BlindPick(Record):
    """Which reply one person took for the host's own."""

    key: str
    """Of the `BlindCue`."""
    person: str
    knows_host: Literal["well", "a little", "not at all"]
    pick: int
    """From 0."""
