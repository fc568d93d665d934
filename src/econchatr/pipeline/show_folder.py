"""A show's folder: where each stage keeps what it made, its tables, each read from disk once, and the user's files."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from econchatr.config import (
    CHOICES_NAME,
    CONFIG_NAME,
    QUESTIONS_NAME,
    Choices,
    load_choices,
    load_questions,
    load_reported,
)
from econchatr.errors import InputError, ShowFolderError
from econchatr.hosted.profiles import PROFILES_NAME, Profile, load_profiles
from econchatr.money.prices import PRICES_NAME, load_prices
from econchatr.records import (
    Episode,
    Example,
    Failure,
    Pair,
    PriceRow,
    Question,
    Reason,
    Record,
    ReportedMarks,
    Selection,
    SourceFile,
    Split,
    Turn,
)
from econchatr.tables import MANIFEST_NAME, hash_file, outputs_sha256, read_manifest, read_table
from econchatr.user_folders import config_folder

R = TypeVar("R", bound=Record)

STAGE_NAMES: Final = ("fetch", "parse", "pair", "select", "train", "ask", "score", "report")
"""In their order. `run.STAGES` says what each of them is."""


def guess_show(root: Path) -> str:
    """Which show beside a folder that is not there may be meant, as a question; empty: none has a name like it."""
    names = [path.parent.name for path in root.parent.glob(f"*/{CONFIG_NAME}")]
    near = difflib.get_close_matches(root.name, names, n=1)
    return f"Did you mean {root.parent / near[0]}? " if near else ""


class TableCache:
    """Tables in memory as they were read; a table that was written since is read again."""

    def __init__(self) -> None:
        self._rows: dict[Path, tuple[tuple[int, int, int], list[Any]]] = {}

    def read(self, path: Path, kind: type[R]) -> list[R]:
        """The records of one table, in a list of the caller's own.

        Raises:
            ShowFolderError: The table is missing, broken, or of another version's shape.
        """
        try:
            found = path.stat()
        except OSError:
            return read_table(path, kind)  # raises, and names the file
        # A table is written beside its place and renamed: one that was written since is another file.
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        if path not in self._rows or self._rows[path][0] != stamp:
            self._rows[path] = (stamp, read_table(path, kind))
        return list(self._rows[path][1])

    def clear(self) -> None:
        """Give the memory back."""
        self._rows.clear()


@dataclass(frozen=True)
class ShowFolder:
    """A show's folder, without its config."""

    root: Path
    _tables: TableCache = field(default_factory=TableCache, compare=False, repr=False, init=False)

    def folder(self, stage: str, rung: str = "") -> Path:
        """Where a stage keeps what it made."""
        return self.root / stage / rung if rung else self.root / stage

    def made(self, stage: str, rung: str = "") -> str:
        """The hash of everything a finished stage put out; empty when it is not finished."""
        return outputs_sha256(self.folder(stage, rung))

    def is_done(self, stage: str) -> bool:
        """Whether a stage was finished; its inputs may have changed since."""
        return read_manifest(self.folder(stage)) is not None

    def table(self, path: Path, kind: type[R]) -> list[R]:
        """The rows of one table, from memory where it was read before and has not changed.

        Raises:
            ShowFolderError: The table is missing, broken, or of another version's shape.
        """
        return self._tables.read(path, kind)

    def table_if_there(self, path: Path, kind: type[R]) -> list[R]:
        """The rows of one table; none where the file is missing.

        Raises:
            ShowFolderError: The table is broken, or of another version's shape.
        """
        return self.table(path, kind) if path.is_file() else []

    def forget_tables(self) -> None:
        """Give back the memory of the tables read so far."""
        self._tables.clear()

    def files(self) -> list[SourceFile]:
        """The fetched files."""
        return self.table(self.folder("fetch") / "files.parquet", SourceFile)

    def failures(self, stage: str) -> list[Failure]:
        """The items that `fetch`, or `fetch` and `parse`, could not use."""
        return self.table(self.folder(stage) / "failures.parquet", Failure)

    def episodes(self) -> list[Episode]:
        """The parsed episodes, in the show's order."""
        rows = self.table(self.folder("parse") / "episodes.parquet", Episode)
        return sorted(rows, key=lambda episode: episode.rank)

    def turns(self) -> list[Turn]:
        """Every turn, episode by episode."""
        return self.table(self.folder("parse") / "turns.parquet", Turn)

    def pairs(self, *, split: Split | None = None, kept: bool = False) -> list[Pair]:
        """The pairs of cue and host's reply.

        Args:
            split: Only the pairs of this split; `None`: of every split.
            kept: Only the pairs that no filter dropped.
        """
        return _choose(self.table(self.folder("pair") / "pairs.parquet", Pair), split, kept)

    def guest_pairs(self, *, split: Split | None = None, kept: bool = False) -> list[Pair]:
        """The pairs the other way round: a cue of the host's and a guest's reply; chosen as in `pairs`.

        A passage that is repeated gives a kept pair each time.

        Raises:
            ShowFolderError: The table is missing or broken, or was made from other pairs of the host.
        """
        folder = self.folder("pair", "guests")
        manifest = read_manifest(folder)
        if manifest is None or manifest.inputs.get("pair") != self.made("pair"):
            raise ShowFolderError(
                f"{folder / 'guest_pairs.parquet'} is missing, or older than the pairs of the host.",
                hint=f"`econchatr pair {self.root}` makes the table; nothing is trained again for it.",
            )
        return _choose(self.table(folder / "guest_pairs.parquet", Pair), split, kept)

    def answer_pairs(self, *, split: Split | None = None, kept: bool = False) -> list[Pair]:
        """What the host states, behind a question that was asked or made; chosen as in `pairs`.

        Nothing here counts as said: for what was said, ask `pairs`. Shows of earlier versions have none.
        """
        return _choose(self.table_if_there(self.folder("pair", "answers") / "answer_pairs.parquet", Pair), split, kept)

    @property
    def written_path(self) -> Path:
        """The table of questions that a model wrote for answer pairs; the file is missing where none did."""
        return self.folder("pair", "written") / "written.parquet"

    def selections(self) -> list[Selection]:
        """What was selected for each rung."""
        return self.table(self.folder("select") / "selections.parquet", Selection)

    def reasons(self) -> list[Reason]:
        """Why each pair of the pool was taken or left."""
        return self.table(self.folder("select") / "reasons.parquet", Reason)

    def examples(self) -> list[Example]:
        """The training and development examples of every rung."""
        return self.table(self.folder("select") / "examples.parquet", Example)

    # --- what the user wrote beside show.toml

    @property
    def has_questions(self) -> bool:
        """Whether there is a questions.toml."""
        return (self.root / QUESTIONS_NAME).is_file()

    def questions(self) -> tuple[Question, ...]:
        """The exam.

        Raises:
            InputError: questions.toml is missing or wrong.
        """
        return load_questions(self.root / QUESTIONS_NAME)

    def reported(self) -> ReportedMarks | None:
        """What an earlier experiment reported of the exam's questions; `None`: nothing.

        Raises:
            InputError: questions.toml is missing or wrong.
        """
        return load_reported(self.root / QUESTIONS_NAME)

    def questions_sha256(self) -> str:
        """The hash of questions.toml.

        Raises:
            InputError: The file is missing.
        """
        if not self.has_questions:
            raise InputError(f"{self.root / QUESTIONS_NAME} is missing.", hint="`econchatr init` writes one.")
        return hash_file(self.root / QUESTIONS_NAME)

    def choices(self) -> Choices:
        """The pairs the user pins and bans; none where there is no choices.toml.

        Raises:
            InputError: choices.toml is wrong.
        """
        return load_choices(self.root / CHOICES_NAME)

    def prices(self) -> tuple[PriceRow, ...]:
        """Every price that counts here; the show's own outrank the user's, and those the shipped ones.

        Raises:
            InputError: One of the files is wrong.
        """
        return load_prices((config_folder() / PRICES_NAME, self.root / PRICES_NAME))

    def profiles(self) -> tuple[Profile, ...]:
        """Every service that trains; the show's own profiles outrank the user's, and those the shipped ones.

        Raises:
            InputError: A profiles.toml is wrong.
        """
        return load_profiles((config_folder() / PROFILES_NAME, self.root / PROFILES_NAME))


def _choose(pairs: Iterable[Pair], split: Split | None, kept: bool) -> list[Pair]:
    return [pair for pair in pairs if (split is None or pair.split == split) and (pair.is_kept or not kept)]


def list_manifests(root: Path) -> Iterator[Path]:
    """Every manifest in a show's folder: of stages, of their rungs, and of a rung's preference round."""
    for stage in STAGE_NAMES:
        for pattern in (MANIFEST_NAME, f"*/{MANIFEST_NAME}", *([f"*/*/{MANIFEST_NAME}"] if stage == "train" else [])):
            yield from sorted((root / stage).glob(pattern))
