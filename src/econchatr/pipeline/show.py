"""A show and its rungs: what show.toml says of them, and the stored tables.

Every stage and every tool gets a `Show` or a `Rung` and asks it for tables; nobody else builds a path inside a show's
folder or reads show.toml.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from econchatr.ask.exam import SERVED_TEMPLATE, ExamSettings, FramedSpeaker, OpenRung, Speaker
from econchatr.config import CONFIG_NAME, RungConfig, ShowConfig, load_config, locate
from econchatr.errors import InputError, ShowFolderError
from econchatr.fetch.plan import FeedSource
from econchatr.hosted.profiles import Profile
from econchatr.models.base_model import Base
from econchatr.money.prices import find_price
from econchatr.pipeline.show_folder import ShowFolder, guess_show, list_manifests
from econchatr.prompts import (
    ChatTemplate,
    EncodedExample,
    Voice,
    completion_template,
    encode_example,
    form_version,
    name_frame,
    reply_frame,
)
from econchatr.records import (
    Answer,
    Example,
    Gate,
    Pair,
    PreferenceOutcome,
    PriceRow,
    Probe,
    Score,
    Selection,
    Split,
    TunedModel,
)
from econchatr.select.examples import ExampleForm
from econchatr.select.strategies import find_strategy
from econchatr.tables import read_manifest, refuse_newer
from econchatr.tokens import Tokenizer
from econchatr.train.recipe import LoraRecipe
from econchatr.user_folders import cache_folder, config_folder

PREFERRED = "preferred"
"""Folder, inside a trained rung's, of the adapter that a preference round made."""
OUTCOME_NAME = "outcome.parquet"
_SERVED_TOKENIZER = "o200k_base"
"""Counts a served model's tokens where show.toml names no tokenizer: near enough for a quote; the service bills."""


@dataclass(frozen=True)
class Show(ShowFolder):
    """A show: its folder, its config, and where shared things (converted weights, tokenizers) are kept."""

    config: ShowConfig
    cache: Path

    @property
    def voice(self) -> Voice:
        """Who is imitated."""
        return Voice(host=self.config.show.voice, show=self.config.show.name)

    @property
    def transcripts(self) -> Path:
        """The folder the episodes come from, where they do not come from a feed."""
        return self.root / (self.config.fetch.folder or "transcripts")

    @property
    def feed(self) -> FeedSource | None:
        """The feed the episodes come from; `None`: they come from a folder."""
        fetch = self.config.fetch
        if fetch.folder or not fetch.feed:
            return None
        return FeedSource(fetch.feed if "://" in fetch.feed else str(self.root / fetch.feed), fetch.prefer)

    @property
    def source(self) -> str:
        """Where the episodes come from, for people."""
        return str(self.transcripts) if self.feed is None else self.feed.feed

    @property
    def exam_settings(self) -> ExamSettings:
        """How the models are asked."""
        return ExamSettings(**self.config.ask.model_dump(include=set(ExamSettings._fields)))

    def learnable(self) -> list[Pair]:
        """The pairs of every split that a model may learn from, dropped ones too: as said, and answer pairs.

        Of each kind, as far as `[select] answers` wants any.
        """
        share = self.config.select.answers
        return [*(self.pairs() if share < 1 else ()), *(self.answer_pairs() if share > 0 else ())]

    def require_rights(self) -> None:
        """Refuse a show that does not say whose voice it is.

        Raises:
            InputError: It has no `[rights]`: it may be prepared, but not trained on and not talked to.
        """
        if self.config.rights is None:
            raise InputError(
                f"{self.root / CONFIG_NAME} has no [rights]: whose voice is it, on what ground may it be imitated?",
                hint=f"`econchatr init {self.root} --rights WHY` adds it, or these lines in show.toml; until then "
                f"`econchatr select` prepares it.\n[rights]\nvoice = {json.dumps(self.config.show.voice)}\nground = "
                '"consent, licence, or your own voice"',
            )

    # --- rungs

    @property
    def rungs(self) -> list[Rung]:
        """Every rung of the ladder, in its order."""
        return [Rung(self, config) for config in self.config.ladder]

    def rung(self, name: str = "") -> Rung:
        """The rung of that name; the first one when the name is empty.

        Raises:
            InputError: No such rung.
        """
        for rung in self.rungs:
            if name in ("", rung.name):
                return rung
        known = ", ".join(rung.name for rung in self.config.ladder)
        raise InputError(f"no rung {name!r} in {self.root / CONFIG_NAME}.", hint=f"Its rungs: {known}.")

    @property
    def ladder(self) -> Ladder:
        """Every rung together."""
        return Ladder(self, tuple(self.rungs))

    @property
    def hosted_rungs(self) -> list[Rung]:
        """The rungs that are trained by a service, in the ladder's order."""
        return [rung for rung in self.rungs if rung.config.where == "hosted"]

    @property
    def trained_rungs(self) -> list[Rung]:
        """The rungs that are trained, here or by a service; the others are only asked."""
        return [rung for rung in self.rungs if not rung.is_served]

    def asked_ladder(self, name: str = "") -> Ladder:
        """The rung of that name; when the name is empty, every rung that can be asked, at home or at an address.

        Raises:
            InputError: No such rung.
        """
        asked = tuple(rung for rung in self.rungs if rung.is_asked)
        return Ladder(self, (self.rung(name),) if name else asked)

    def local_ladder(self, name: str = "") -> Ladder:
        """The rung of that name; when the name is empty, every rung that is trained at home.

        Raises:
            InputError: No such rung.
        """
        return Ladder(self, (self.rung(name),) if name else tuple(rung for rung in self.rungs if rung.is_local))


@dataclass(frozen=True)
class Rung:
    """One rung of a show's ladder: its config, its folders, and what its model needs and made."""

    show: Show
    config: RungConfig

    @property
    def name(self) -> str:
        """The rung's name in show.toml."""
        return self.config.name

    @property
    def is_local(self) -> bool:
        """Whether the rung is trained on this machine; else it is hosted."""
        return self.config.where == "local"

    @property
    def is_served(self) -> bool:
        """Whether the rung is only asked, at an address; nothing is selected or trained for it."""
        return self.config.where == "served"

    @property
    def profile(self) -> Profile | None:
        """The service a hosted rung is trained at; `None`: this program cannot train there, or it is no such rung."""
        name = self.config.price.partition("/")[0] if self.config.where == "hosted" else ""
        return next((one for one in self.show.profiles() if one.name == name), None) if name else None

    @property
    def is_asked(self) -> bool:
        """Whether its models can be asked: here, at an address, or at the service that tunes one by the token."""
        return self.is_local or self.is_served or (self.profile is not None and self.profile.serving == "token")

    def folder(self, stage: str) -> Path:
        """Where a stage keeps what it made of this rung."""
        return self.show.folder(stage, self.name)

    def made(self, stage: str) -> str:
        """The hash of everything a finished stage put out for this rung; empty when it is not finished."""
        return self.show.made(stage, self.name)

    def is_done(self, stage: str) -> bool:
        """Whether a stage was finished for this rung; its inputs may have changed since."""
        return read_manifest(self.folder(stage)) is not None

    @property
    def preferred_folder(self) -> Path:
        """Where a preference round keeps what it made."""
        return self.folder("train") / PREFERRED

    # --- what the model needs

    @property
    def base(self) -> Base:
        """The base model."""
        return Base(
            self.config.base,
            self.show.cache,
            may_ask_hub=self.show.config.train.weights == "auto",
            has_stand_in=bool(self._counts_with),
            settings=config_folder(),
        )

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """What the rung's tokens are counted with."""
        return self.base.counter(self._counts_with, is_billed=not self.is_local)

    @property
    def template(self) -> ChatTemplate:
        """How all that is said to the rung's models is written down: by the base's own template, or as `completion`.

        Raises:
            ModelError: The base cannot be read, or has no chat template though the rung's form is `chat`.
        """
        if self.is_served:
            return SERVED_TEMPLATE
        own, form = self.base.template, self.config.form
        if form == "completion" or (form == "auto" and own.is_missing):
            return completion_template(self.show.voice, own)
        return own

    @property
    def form_version(self) -> object:
        """What stands for the form in the settings of a stage."""
        return form_version("" if self.is_served else name_frame(self.template))

    @property
    def form(self) -> ExampleForm:
        """How the rung's examples are written and counted."""
        return ExampleForm(
            rung=self.name,
            voice=self.show.voice,
            tokenizer=self.tokenizer,
            template=None if self._is_gpt3 else self.template,
            max_cue_tokens=self.show.config.train.max_cue_tokens,
            max_example_tokens=self.show.config.train.max_example_tokens,
        )

    @property
    def n_epochs(self) -> int:
        """How often the rung sees its selection."""
        if self.config.n_epochs:
            return self.config.n_epochs
        profile = self.price().n_epochs if self.config.price else None
        return profile or self.show.config.train.n_epochs

    @cached_property
    def n_draws(self) -> int:
        """The draws for each answer of the tuned model: those of `[ask] best_of`, or one where a service trains it.

        Raises:
            ModelError: The base cannot be had, or is of a kind that cannot be trained here.
        """
        ask = self.show.config.ask
        return ask.count_draws(lambda: self.base.describe().n_parameters) if self.is_local else 1

    @property
    def recipe(self) -> LoraRecipe:
        """How the rung is trained."""
        settings = self.show.config.train
        same = settings.model_dump(include={"rank", "learning_rate", "batch_examples", "seed"})
        return LoraRecipe(**same, alpha=2 * settings.rank, n_epochs=self.n_epochs)

    def price(self) -> PriceRow:
        """The row of the price table that a hosted rung names.

        Raises:
            InputError: The rung names no known price, or a price file is wrong.
        """
        rows = self.show.prices()
        try:
            return find_price(self.config.price, rows)
        except InputError as exc:
            where = f"{self.show.root / CONFIG_NAME}, rung {self.name!r}, price"
            raise InputError(f"{where}: {exc.message}", hint=exc.hint) from exc

    def encode(self, examples: Iterable[Example]) -> list[EncodedExample]:
        """Examples as the token ids that the rung's model learns from, or is measured on: always its base's own."""
        encode, template = self.base.tokenizer().encode, self.template
        return [
            encode_example(example.messages, template, encode, is_whole=not example.n_cut_reply_tokens)
            for example in examples
        ]

    @property
    def _counts_with(self) -> str:
        return self.config.tokenizer or ("gpt2" if self._is_gpt3 else _SERVED_TOKENIZER if self.is_served else "")

    @property
    def _is_gpt3(self) -> bool:
        return self.config.price.startswith("gpt3-2023/")

    # --- what was made of it

    def selection(self) -> Selection:
        """What was selected for the rung."""
        return next(row for row in self.show.selections() if row.rung == self.name)

    def examples(self, split: Split) -> list[Example]:
        """The rung's training or development examples."""
        return [row for row in self.show.examples() if row.rung == self.name and row.split == split]

    def tuned(self) -> TunedModel:
        """The record of the tuned model.

        Raises:
            ShowFolderError: The table is missing or broken.
        """
        return self.show.table(self.folder("train") / "tuned.parquet", TunedModel)[0]

    def require_tuned(self) -> TunedModel:
        """The record of the tuned model of a show that may be talked to.

        Raises:
            InputError: The show has no `[rights]`.
            ShowFolderError: The rung is not trained yet.
        """
        self.show.require_rights()
        if self.is_served:
            raise InputError(
                f"rung {self.name!r} is only asked, never trained.", hint="Name a rung that is, with --rung."
            )
        if not self.is_done("train"):
            raise ShowFolderError(f"rung {self.name!r} is not trained yet.", hint=f"econchatr run {self.show.root}")
        return self.tuned()

    def answers(self, name: str = "answers") -> list[Answer]:
        """What the rung's models answered: to the exam, or to what else was asked (`paraphrased`, `probes`)."""
        return self.show.table(self.folder("ask") / f"{name}.parquet", Answer)

    def scores(self) -> list[Score]:
        """Everything that was measured of the rung."""
        return self.show.table(self.folder("score") / "scores.parquet", Score)

    def gates(self) -> list[Gate]:
        """What was checked of each row before its Voice is believed."""
        return self.show.table(self.folder("score") / "gates.parquet", Gate)

    def probes(self) -> list[Probe]:
        """The closed questions that were asked."""
        return self.show.table(self.folder("ask") / "probe_questions.parquet", Probe)

    @contextmanager
    def open(self, *, n_at_once: int = 0, is_preferred: bool = False) -> Iterator[OpenRung]:
        """The tuned model, open to be spoken to by so many callers side by side; 0: as many as cores bear.

        Args:
            is_preferred: Open what a preference round made of the tuned model, whether that was kept or not.

        Raises:
            InputError: The show has no `[rights]`.
            ShowFolderError: The rung is not trained yet, or had no such round.
            ModelError: The model cannot be opened.
        """
        tuned, folder = self.require_tuned(), self.folder("train")
        if is_preferred:
            tuned, folder = self._prefer(tuned), self.preferred_folder
        with self.speak(folder, n_at_once=n_at_once) as speaker:
            yield OpenRung(speaker, self.template, tuned)

    @contextmanager
    def speak(self, adapter_folder: Path, *, n_at_once: int = 0) -> Iterator[Speaker]:
        """The base with an adapter, open to be spoken to in the rung's form.

        Raises:
            ModelError: The model cannot be opened.
        """
        with self.base.speak(adapter_folder, n_at_once=n_at_once, n_together=self.n_draws) as speaker:
            yield FramedSpeaker(speaker, reply_frame(self.template))

    def _prefer(self, tuned: TunedModel) -> TunedModel:
        """The record of the tuned model with the preference round's adapter in it."""
        if read_manifest(self.preferred_folder) is None:
            raise ShowFolderError(
                f"rung {self.name!r} had no round of preferences.",
                hint=f"econchatr train {self.show.root} --preferences",
            )
        (outcome,) = self.show.table(self.preferred_folder / OUTCOME_NAME, PreferenceOutcome)
        names = ("adapter_path", "adapter_sha256", "gguf_path", "gguf_sha256")
        return tuned.model_copy(update={name: getattr(outcome, name) for name in names})


@dataclass(frozen=True)
class Ladder:
    """Some rungs of one show."""

    show: Show
    rungs: tuple[Rung, ...]

    def folder(self, stage: str) -> Path:
        """Where a stage keeps what it made of all rungs together."""
        return self.show.folder(stage)


# --- opening ----------------------------------------------------------------------------------------------------------


def open_show(root: Path, *, cache: Path | None = None) -> Show:
    """The show in a folder, checked.

    Raises:
        ShowFolderError: No such folder, no show in it, or one of a newer version of this program.
        InputError: show.toml is wrong, or names a strategy that does not exist.
    """
    if not root.is_dir():
        raise ShowFolderError(f"no folder {root}.", hint=f"{guess_show(root)}`econchatr init` makes one.")
    if not (root / CONFIG_NAME).exists():
        raise ShowFolderError(f"{root} holds no {CONFIG_NAME}.", hint=f"`econchatr init {root}` writes one.")
    for path in list_manifests(root):
        refuse_newer(path.parent)
    config = load_config(root / CONFIG_NAME)
    try:
        find_strategy(config.select.strategy)
    except InputError as exc:
        raise InputError(f"{locate(root / CONFIG_NAME, 'select', 'strategy')}: {exc.message}", hint=exc.hint) from exc
    return Show(root=root, config=config, cache=cache or cache_folder())
