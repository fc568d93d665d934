"""One show's folder with its config, and what a step of the pipeline is.

This module does not know what any stage does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from econchatr.config import (
    CHOICES_NAME,
    CONFIG_NAME,
    QUESTIONS_NAME,
    Choices,
    Rung,
    ShowConfig,
    load_choices,
    load_config,
    load_questions,
)
from econchatr.errors import InputError, ShowFolderError
from econchatr.fetch.plan import FeedSource
from econchatr.prompts import Voice
from econchatr.records import Question
from econchatr.tables import outputs_sha256

STAGES = ("fetch", "parse", "pair", "select", "train", "ask", "score", "report")


@dataclass(frozen=True)
class Show:
    """A show's folder, its config, and where shared things (converted weights, tokenizers) are kept."""

    root: Path
    config: ShowConfig
    cache: Path

    def folder(self, stage: str, rung: str = "") -> Path:
        """Where a stage keeps what it made."""
        return self.root / stage / rung if rung else self.root / stage

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

    def questions(self) -> tuple[Question, ...]:
        """The exam.

        Raises:
            InputError: questions.toml is missing or wrong.
        """
        return load_questions(self.root / QUESTIONS_NAME)

    def choices(self) -> Choices:
        """The pairs the user pins and bans; none where there is no choices.toml.

        Raises:
            InputError: choices.toml is wrong.
        """
        return load_choices(self.root / CHOICES_NAME)

    def require_rights(self) -> None:
        """Nothing, where the show says whose voice it is.

        Raises:
            InputError: It has no `[rights]`: it may be prepared, but not trained on and not talked to.
        """
        if self.config.rights is None:
            raise InputError(
                f"{self.root / CONFIG_NAME} has no [rights]: whose voice is it, on what ground may it be imitated?",
                hint='Add [rights] with voice = "..." and ground = "..."; until then `econchatr select` prepares it.',
            )

    def rung(self, name: str) -> Rung:
        """The rung of that name; the first one when the name is empty.

        Raises:
            InputError: No such rung.
        """
        if not name:
            return self.config.ladder[0]
        for rung in self.config.ladder:
            if rung.name == name:
                return rung
        known = ", ".join(rung.name for rung in self.config.ladder)
        raise InputError(f"no rung {name!r} in {self.root / CONFIG_NAME}.", hint=f"Its rungs: {known}.")

    def made(self, stage: str, rung: str = "") -> str:
        """The hash of everything a finished stage put out; empty when it is not finished."""
        return outputs_sha256(self.folder(stage, rung))


class Narrator(Protocol):
    """Who tells the user what happens."""

    def begin(self, name: str, why: str) -> None:
        """A step starts, and why it must."""

    def progress(self, n_done: float, n_all: float, unit: str) -> None:
        """A step got this far."""

    def note(self, text: str) -> None:
        """Something the user should know."""

    def end(self, name: str, counts: Mapping[str, int], seconds: float) -> None:
        """A step is finished."""


class Silent:
    """A narrator that says nothing."""

    def begin(self, name: str, why: str) -> None:
        """Say nothing."""

    def progress(self, n_done: float, n_all: float, unit: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def end(self, name: str, counts: Mapping[str, int], seconds: float) -> None:
        """Say nothing."""


class Outcome(NamedTuple):
    """What a step made: file names inside its folder, and counts worth telling."""

    outputs: tuple[str, ...]
    counts: dict[str, int]


class Step(NamedTuple):
    """One stage, or one stage for one rung."""

    stage: str
    rung: str
    folder: Path
    version: int
    """Raised whenever the same input would give other output."""
    settings: object
    inputs: Callable[[], dict[str, str]]
    """Called when the steps before are done."""
    work: Callable[[Narrator], Outcome]
    read_by: tuple[str, ...] = STAGES
    """The stages that wait for this step."""

    @property
    def name(self) -> str:
        """`train/smollm2-135m`, or just `parse`."""
        return f"{self.stage}/{self.rung}" if self.rung else self.stage


def open_show(root: Path, *, cache: Path | None = None) -> Show:
    """The show in a folder, checked.

    Raises:
        ShowFolderError: No such folder, or no show in it.
        InputError: show.toml is wrong.
    """
    if not root.is_dir():
        raise ShowFolderError(f"no folder {root}.", hint="`econchatr init` makes one.")
    if not (root / CONFIG_NAME).exists():
        raise ShowFolderError(f"{root} holds no {CONFIG_NAME}.", hint=f"`econchatr init {root}` writes one.")
    return Show(root=root, config=load_config(root / CONFIG_NAME), cache=cache or default_cache())


def default_cache() -> Path:
    """Where converted weights and tokenizers are kept: `$ECONCHATR_CACHE`, or the user's cache folder."""
    if place := os.environ.get("ECONCHATR_CACHE"):
        return Path(place)
    import platformdirs

    return Path(platformdirs.user_cache_dir("econchatr", appauthor=False))
