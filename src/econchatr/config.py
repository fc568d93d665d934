"""show.toml -> ShowConfig: what the user wants of one show, checked before anything runs.

Each stage has one table of its own name. Unknown keys are refused with their line and the key that was probably meant.
Questions and choices are read here too.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from econchatr.errors import InputError
from econchatr.records import REPEAT_PENALTY, Question, ReportedMarks
from econchatr.toml_files import find_toml_line, read_toml_text, validate_toml

CONFIG_NAME = "show.toml"
QUESTIONS_NAME = "questions.toml"
CHOICES_NAME = "choices.toml"
MAX_NAME_CHARS = 200
"""Of a show's name."""

_CONTACT = r"^$|^(mailto:)?[!-'*-;=?A-~]+@[!-'*-;=?A-~]+$|^https?://[!-'*-;=?A-~]+$"
"""An e-mail or web address in plain characters: it goes into a header, inside brackets."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShowTable(_Table):
    """`[show]`: who speaks."""

    name: str = Field(min_length=1, max_length=MAX_NAME_CHARS)
    hosts: tuple[Annotated[str, Field(pattern=r"\S")], ...] = Field(min_length=1)
    persona: str = ""
    """The host whose replies are learned, where a show has several; empty: every host's."""
    solo: bool = False
    """Whether the host alone speaks: text without a label is then the host's, and his statements become pairs, each
    behind a question that is made for it."""
    aliases: dict[str, str] = {}
    """Label in a transcript -> the person's name."""
    language: str = Field(default="", pattern=r"^(?:any|[a-z]{2})?$")
    """Code of the show's language (ISO 639-1); a transcript in another one is set aside. Empty: the language of most of
    its transcripts; `any`: none is set aside for it."""

    @model_validator(mode="after")
    def _persona_is_a_host(self) -> ShowTable:
        if self.persona and self.persona not in self.hosts:
            raise ValueError(f"persona {self.persona!r} is not among hosts {list(self.hosts)}")
        if self.solo and len(self.hosts) > 1:
            raise ValueError(f"solo means that one host alone speaks, and hosts has {len(self.hosts)} names")
        return self

    @property
    def voice(self) -> str:
        """The name of the person the models imitate."""
        return self.persona or self.hosts[0]


class RightsTable(_Table):
    """`[rights]`: whose voice, on what ground. Without it a show is not trained on."""

    voice: str = Field(min_length=1)
    ground: str = Field(min_length=1)
    """Consent, licence or own voice, in words."""
    licence: str = ""


class FetchTable(_Table):
    """`[fetch]`: where the episodes are."""

    folder: str = ""
    """A folder of saved files, below the show's folder unless absolute; nothing is then asked of the feed. Empty:
    the feed, or `transcripts` where there is none."""
    feed: str = ""
    """Address of the show's feed, or the path of a saved one."""
    prefer: Literal["transcript", "page"] = "transcript"
    """What to fetch of an episode that has both: the feed's transcript file, or the episode's page."""
    contact: str = Field(default="", max_length=200, pattern=_CONTACT)
    """Who fetches, for the sites' owners: an e-mail or web address. It stands in every request."""
    delay_seconds: float = Field(default=3.0, ge=0, le=3600)
    """Pause between two requests to one host; at least 1 for hosts that `allow_hosts` does not name."""
    allow_hosts: tuple[str, ...] = ()
    """Hosts of your own that may have a private address or an unusual port."""


class _AddressTable(_Table):
    """A served model's address; all empty where the model is another."""

    base_url: str = Field(default="", max_length=300)
    """Of any service that speaks OpenAI's `/chat/completions`, up to and with `/v1`."""
    model: str = Field(default="", max_length=200)
    """The served model's name."""
    key_env: str = Field(default="", max_length=100, pattern=r"^$|^[A-Z_][A-Z0-9_]*$")
    """Name of the environment variable that holds the key; the key itself never stands in a file. Empty: no key."""


class WriterTable(_AddressTable):
    """`[pair.writer]`: the model that writes questions for answer pairs; asked with `--write-questions` only."""

    base: str = ""
    """A model on this machine: `embedded`, or the path of a .gguf file. Empty: a served model."""
    candidates: int = Field(default=3, ge=1, le=10)
    """Questions asked for per passage; the first that passes every check is taken."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    max_tokens: int = Field(default=60, ge=1, le=8192)
    """Of one question; models that think aloud need room."""
    timeout_seconds: float = Field(default=60, gt=0, le=3600)

    @model_validator(mode="after")
    def _one_model(self) -> WriterTable:
        if bool(self.base) == bool(self.base_url and self.model):
            raise ValueError("name either base, or base_url and model")
        return self

    @property
    def name(self) -> str:
        """By which pairs tell who made their questions."""
        return self.base or self.model


class PairTable(_Table):
    """`[pair]`: which turns become pairs, and which episodes are held out."""

    profile: Literal["default", "2023"] = "default"
    private: Literal["patterns", "presidio"] = "patterns"
    """What finds private data: tested patterns, or these and Microsoft Presidio (the extra `presidio`)."""
    writer: WriterTable | None = None
    dev_share: float = Field(default=0.1, ge=0, lt=1)
    test_share: float = Field(default=0.2, ge=0, lt=1)

    @model_validator(mode="after")
    def _leave_something_to_train(self) -> PairTable:
        if self.dev_share + self.test_share >= 1:
            raise ValueError("dev_share and test_share together leave no episode to train on")
        return self


class SelectTable(_Table):
    """`[select]`: which pairs are bought."""

    strategy: str = "coverage"
    """A name from the table of strategies, which `open_show` checks."""
    seed: int = 0
    answers: float = Field(default=0.6, ge=0, le=1)
    """What share of each budget goes to answer pairs: statements of the host behind a question. 0: none; 1: all."""
    subjects: tuple[str, ...] = ()
    """Patterns for `subjects-2023`; a pattern `a+b` wants both words."""


class RungConfig(_AddressTable):
    """`[[ladder]]`: one base model, where it trains and what it may cost."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=40)
    base: str = "embedded"
    """`embedded`, a path to a .gguf file or a checkpoint folder, or a model's name on the hub."""
    where: Literal["local", "hosted", "served"] = "local"
    """Trained on this machine, trained by a service, or only asked, at `base_url`."""
    form: Literal["auto", "chat", "completion"] = "auto"
    """How a model sees a cue: in its own chat template or as a text to continue; `auto`: `chat` if it can."""
    tokenizer: str = ""
    """Name of a tokenizer to count with; empty: the base model's own."""
    price: str = ""
    """`profile/model` of the price table, for a hosted rung; for a served one where its answers cost money."""
    n_epochs: int = Field(default=0, ge=0, le=50)
    """0: as the recipe or the price profile says."""
    max_tokens: int | None = Field(default=None, gt=0)
    """Budget of a local rung: billed tokens of all epochs together."""
    max_minutes: float | None = Field(default=None, gt=0)
    """Budget of a local rung: minutes of training at this machine's measured rate."""
    max_usd: Decimal | None = Field(default=None, gt=0)
    """Budget of a hosted or a served rung."""
    tokens_per_second: float | None = Field(default=None, gt=0)
    """Of training at home, where you know it; else as measured."""
    watts: Decimal | None = Field(default=None, gt=0)
    usd_per_kwh: Decimal | None = Field(default=None, ge=0)
    rent_usd_per_hour: Decimal | None = Field(default=None, ge=0)
    """What training at home costs you, for the quote."""

    @model_validator(mode="after")
    def _served_or_trained(self) -> RungConfig:
        if self.where != "served":
            if self.base_url or self.model or self.key_env:
                raise ValueError('base_url, model and key_env are of a rung with where = "served"')
            return self
        if not (self.base_url and self.model):
            raise ValueError("a served rung needs base_url and model")
        if self.max_tokens or self.max_minutes or self.n_epochs or self.form != "auto":
            raise ValueError("a served rung is only asked: it has no form, no epochs and no budget but max_usd")
        return self

    @model_validator(mode="after")
    def _one_budget_of_the_right_kind(self) -> RungConfig:
        if self.where == "hosted":
            if not self.price:
                raise ValueError("a hosted rung needs a price, as `profile/model`")
            if self.max_tokens or self.max_minutes:
                raise ValueError("a hosted rung's budget is max_usd, not tokens or minutes")
            if self.tokens_per_second or self.watts or self.usd_per_kwh or self.rent_usd_per_hour:
                raise ValueError("watts, rent and tokens per second are of a rung trained at home, not of a hosted one")
        elif self.max_usd is not None and self.where == "local":
            raise ValueError(
                'a rung trained at home has max_tokens or max_minutes; one with max_usd needs where = "hosted"'
            )
        if self.max_tokens and self.max_minutes:
            raise ValueError("give max_tokens or max_minutes, not both")
        if self.usd_per_kwh is not None and self.watts is None:
            raise ValueError("usd_per_kwh needs watts: how much the machine draws")
        return self


class TrainTable(_Table):
    """`[train]`: the recipe, where it should differ from the measured defaults."""

    n_epochs: int = Field(default=2, ge=1, le=50)
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    rank: int = Field(default=16, ge=1, le=512)
    batch_examples: int = Field(default=8, ge=1, le=512)
    max_cue_tokens: int = Field(default=192, ge=16, le=8192)
    max_example_tokens: int = Field(default=512, ge=64, le=32768)
    seed: int = 0
    max_dev_tokens: int = Field(default=6000, ge=100)
    """Of development speech read for each point of the learning curve, at most; less where that would cost more than a
    tenth of the training. Spread evenly over its episodes."""
    weights: Literal["auto", "embedded"] = "auto"
    """`auto`: full-precision weights where the model hub answers; `embedded`: never ask it."""
    tracker: Literal["none", "tensorboard", "trackio", "wandb"] = "none"
    """Where the learning curve is sent while a training runs; the package must be installed."""


SMALL_BASE_PARAMETERS = 1_000_000_000
"""A larger base is opened once, through llama.cpp: to weigh draws it would have to be opened through torch too."""
SMALL_BASE_DRAWS = 8
"""Draws for each answer of a small base. Source: docs/experiments.md, "How many draws"."""


class AskTable(_Table):
    """`[ask]`: how the exam is put."""

    samples: int = Field(default=4, ge=1, le=100)
    best_of: Literal["auto"] | Annotated[int, Field(ge=1, le=32)] = "auto"
    """Draws for each answer of a model tuned on this machine; the draw that the question explains best is the answer,
    in the exam, in a chat, by `serve` and on the playground. `auto`: eight where the base has at most a billion
    parameters, else one."""
    temperature: float = Field(default=0.6, ge=0, le=2)
    max_tokens: int = Field(default=250, ge=1, le=8192)
    seed: int = 2023
    repeat_penalty: float = Field(default=REPEAT_PENALTY, ge=1, le=2)
    max_probes: int = Field(default=24, ge=0)
    """Closed questions about the show, asked once of the base and once of the tuned model; 0: none. They show what it
    makes up; each takes about half a second on two cores."""
    paraphrases: bool = False
    """Whether to put every question in its other wordings too, two samples each: twenty answers more per question and
    model form where it has ten."""
    retrieval: bool = True
    """Whether to put every question with real turns of the host before it too, to the base and to the tuned model."""
    retrieval_samples: int = Field(default=2, ge=1, le=100)
    """Of those, per question and model; never more than `samples`."""
    retrieval_questions: int = Field(default=0, ge=0)
    """Questions put so, evenly over the exam; 0: every one."""
    excerpts: int = Field(default=2, ge=1, le=8)
    """Real turns put before a question, at most; by `retrieval`, in a chat and by `serve`."""

    def count_draws(self, read_size: Callable[[], int | None]) -> int:
        """The draws for each answer of a model tuned here.

        Args:
            read_size: Gives the parameters of its base, `None` where they are not told; only called for `auto`.
        """
        if self.best_of != "auto":
            return self.best_of
        n_parameters = read_size()
        return SMALL_BASE_DRAWS if n_parameters and n_parameters <= SMALL_BASE_PARAMETERS else 1


class JudgeTable(_AddressTable):
    """`[score.judge]`: a served model that says which of two replies the host said; asked with `--judge` only."""

    base_url: str = Field(min_length=1, max_length=300)
    model: str = Field(min_length=1, max_length=200)
    n_pairs: int = Field(default=40, ge=20, le=500)
    """Real pairs of host and guest on which it must prove itself first."""
    n_known: int = Field(default=8, ge=1, le=50)
    """Replies of the host it is shown to go by."""
    max_tokens: int = Field(default=256, ge=1, le=8192)
    """Of its answer; models that think aloud need room."""
    timeout_seconds: float = Field(default=60, gt=0, le=3600)


class ScoreTable(_Table):
    """`[score]`: how much held-out speech is measured, and by whom else."""

    max_replies: int = Field(default=200, ge=1)
    """Held-out replies measured per side, spread evenly over the test episodes."""
    max_answers: int = Field(default=200, ge=0)
    """Held-out answers measured, each to be found among twenty: some two seconds each. Of host and guests half as many
    statements besides."""
    max_choices: int = Field(default=0, ge=0)
    """Held-out cues put to base and tuned model with twenty whole replies to choose from: some ten seconds each."""
    n_resamples: int = Field(default=2000, ge=100, le=100_000)
    """Bootstrap resamples behind the intervals over questions: agreement between people, the share of the wording."""
    judge: JudgeTable | None = None


class ShowConfig(_Table):
    """All of show.toml."""

    show: ShowTable
    rights: RightsTable | None = None
    budget_usd: Decimal | None = Field(default=None, gt=0)
    """Dollars for all hosted and served rungs together."""
    fetch: FetchTable = FetchTable()
    pair: PairTable = PairTable()
    select: SelectTable = SelectTable()
    ladder: tuple[RungConfig, ...] = (RungConfig(name="smollm2-135m"),)
    train: TrainTable = TrainTable()
    ask: AskTable = AskTable()
    score: ScoreTable = ScoreTable()

    @field_validator("ladder")
    @classmethod
    def _names_differ(cls, ladder: tuple[RungConfig, ...]) -> tuple[RungConfig, ...]:
        names = [rung.name for rung in ladder]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"each rung needs a name of its own, found {names}")
        if all(rung.where == "served" for rung in ladder):
            raise ValueError("a ladder needs a rung that is trained, beside those that are only asked")
        return ladder

    @model_validator(mode="after")
    def _rights_are_of_the_voice(self) -> ShowConfig:
        if self.rights is not None:
            of = (self.show.persona,) if self.show.persona else self.show.hosts
            if self.rights.voice not in of:
                raise ValueError(
                    f"rights.voice is {self.rights.voice!r}, and the voice that is imitated is {' or '.join(of)}"
                )
        return self


class Choices(_Table):
    """All of choices.toml: what the user decides about single pairs, by pair id."""

    pin: tuple[str, ...] = ()
    """Always taken, first, in this order."""
    ban: tuple[str, ...] = ()
    """Never taken."""

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Choices:
        if both := sorted(set(self.pin) & set(self.ban)):
            raise ValueError(f"{both[0]!r} is both pinned and banned")
        return self


class _QuestionFile(_Table):
    question: tuple[Question, ...] = Field(min_length=1)
    reported: ReportedMarks | None = None


def load_config(path: Path) -> ShowConfig:
    """The checked contents of a show.toml.

    Raises:
        InputError: The file is missing, is not TOML, or says something that cannot be.
    """
    return validate_toml(path, read_toml_text(path, hint="`econchatr init` writes one."), ShowConfig)


def locate(path: Path, *keys: str) -> str:
    """Where a key of a TOML file stands, for an error message: `show.toml, line 5: select.strategy`."""
    line = find_toml_line(read_toml_text(path, hint=""), list(keys))
    return f"{path}, line {line}: {'.'.join(keys)}" if line else f"{path}: {'.'.join(keys)}"


def load_questions(path: Path) -> tuple[Question, ...]:
    """The exam: every `[[question]]` of a questions.toml, in the file's order.

    Raises:
        InputError: The file is missing, is not TOML, holds no question, or gives one id twice.
    """
    hint = "`econchatr questions SHOW --write` drafts one; each question is a [[question]] table."
    text = read_toml_text(path, hint=hint)
    questions = validate_toml(path, text, _QuestionFile).question
    ids = [question.question_id for question in questions]
    for question_id in ids:
        if ids.count(question_id) > 1:
            message = f"{path}: question_id {question_id!r} stands twice."
            raise InputError(message, hint="Give each question its own id.")
    return questions


def load_reported(path: Path) -> ReportedMarks | None:
    """What a questions.toml says an earlier experiment reported; `None`: nothing.

    Raises:
        InputError: The file is missing, is not TOML, or says something that cannot be.
    """
    return validate_toml(path, read_toml_text(path, hint="`econchatr init` writes one."), _QuestionFile).reported


def load_choices(path: Path) -> Choices:
    """The user's pins and bans; none where the file is missing.

    Raises:
        InputError: The file is not TOML, or pins what it bans.
    """
    return parse_choices(path, read_toml_text(path, hint="")) if path.exists() else Choices()


def parse_choices(path: Path, text: str) -> Choices:
    """The pins and bans that a text says, which stands at a path or is about to.

    Raises:
        InputError: It is not TOML, or pins what it bans.
    """
    return validate_toml(path, text, Choices)
