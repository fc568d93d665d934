"""The settings of a training server: `server.toml` in its folder. Every setting has a default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, field_validator

from econchatr.config import RightsTable
from econchatr.errors import InputError
from econchatr.models.files.weights import EMBEDDED
from econchatr.records import Record
from econchatr.toml_files import validate_toml
from econchatr.train.preference_training import PreferenceRecipe
from econchatr.train.recipe import LoraRecipe
from econchatr.training_server.job_schema import CALLER_NAME, Hyperparameters

SETTINGS_NAME = "server.toml"
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")


class CallerTable(Record):
    """`[[caller]]`: somebody with a key, who sees only the files, jobs and models that it made."""

    name: str = Field(pattern=CALLER_NAME)
    """Stands in the names of the caller's models."""
    key_env: str = Field(pattern=r"^[A-Z_][A-Z0-9_]{0,99}$")
    """Name of the environment variable that holds the key; the key itself never stands in a file."""


class QuotaTable(Record):
    """`[quotas]`: what one caller may take up."""

    max_file_mb: int = Field(default=100, ge=1, le=8192)
    """Of one file; a MB is 1,000,000 bytes."""
    max_files: int = Field(default=100, ge=1)
    max_stored_mb: int = Field(default=1000, ge=1)
    """Of all files and parts of uploads together."""
    max_waiting_jobs: int = Field(default=5, ge=1)
    """Jobs that have not ended, the running one and paused ones too."""
    max_examples: int = Field(default=100_000, ge=1)
    """Of one job."""
    max_example_tokens: int = Field(default=2048, ge=16, le=32_768)
    """A longer example is refused, with its line."""
    max_answers: int = Field(default=10_000, ge=1)
    """Answers that are kept, as their requests had `store`."""
    max_answers_mb: int = Field(default=100, ge=1)
    """Of them together, with what was asked."""
    answer_days: int = Field(default=30, ge=1, le=3650)
    """They go away by themselves then."""
    max_permissions: int = Field(default=100, ge=1)
    """Given to other callers, to ask one's models."""


class RecipeTable(Record):
    """`[train]`: what a job does not choose for itself."""

    rank: int = Field(default=16, ge=1, le=512)
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    """At a `learning_rate_multiplier` of 1."""
    n_epochs: int = Field(default=2, ge=1, le=50)
    """Where a job says "auto" or nothing, as the next."""
    batch_size: int = Field(default=8, ge=1, le=256)
    max_dev_tokens: int = Field(default=6000, ge=100)
    """Of the validation file, spread evenly over it."""

    def recipe(self, chosen: Hyperparameters, *, seed: int) -> LoraRecipe:
        """How a job with these hyperparameters is trained."""
        return LoraRecipe(
            rank=self.rank, alpha=2 * self.rank, learning_rate=self.learning_rate * chosen.learning_rate_multiplier,
            batch_examples=chosen.batch_size, n_epochs=chosen.n_epochs, seed=seed,
        )  # fmt: skip


class DpoTable(Record):
    """`[dpo]`: what jobs that train on preferences do not choose; rank is that of `[train]`.

    Source: the recipe of `train.preference_training`, measured in `docs/preferences.md`.
    """

    beta: float = Field(default=0.1, gt=0, le=2)
    learning_rate: float = Field(default=2e-4, gt=0, lt=1)
    """At a `learning_rate_multiplier` of 1."""
    n_epochs: int = Field(default=1, ge=1, le=50)
    batch_size: int = Field(default=4, ge=1, le=256)

    def recipe(self, chosen: Hyperparameters, *, beta: float, seed: int) -> PreferenceRecipe:
        """How a job with these hyperparameters is trained."""
        return PreferenceRecipe(
            beta=beta, learning_rate=self.learning_rate * chosen.learning_rate_multiplier,
            batch_examples=chosen.batch_size, n_epochs=chosen.n_epochs, seed=seed,
        )  # fmt: skip


class TrainingServerSettings(Record):
    """All of `server.toml`."""

    bases: dict[str, str] = Field(default={"smollm2-135m": EMBEDDED}, min_length=1)
    """What a caller calls a model, and the base behind it: `embedded`, a path, or a name on the model hub."""
    asks_hub: bool = False
    """Whether the model hub may be asked for bases that are not on this machine."""
    rights: RightsTable | None = None
    """Whose voice every job trains, on what ground; `None`: each job names both in its metadata."""
    caller: tuple[CallerTable, ...] = ()
    """Empty: everybody on this machine is the one caller `local`, and no key is wanted."""
    quotas: QuotaTable = QuotaTable()
    train: RecipeTable = RecipeTable()
    dpo: DpoTable = DpoTable()
    max_open_models: int = Field(default=3, ge=1, le=64)
    """Models that are kept in memory to answer; the one asked longest ago is closed for the next."""

    @field_validator("bases")
    @classmethod
    def _check_names(cls, bases: dict[str, str]) -> dict[str, str]:
        for name in bases:
            if not _MODEL_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no model's name: letters, digits and ._/- only, at most 100")
        return bases

    @field_validator("caller")
    @classmethod
    def _check_callers(cls, callers: tuple[CallerTable, ...]) -> tuple[CallerTable, ...]:
        if len({caller.name for caller in callers}) < len(callers):
            raise ValueError("two callers have the same name")
        return callers

    def find_keys(self, environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Every caller with its key.

        Raises:
            InputError: A key is not set, is too short to keep anybody out, or is two callers'.
        """
        found = []
        for caller in self.caller:
            key = environment.get(caller.key_env, "").strip()
            if len(key) < 16:
                told = f"has {len(key)} characters" if key else "is not set"
                raise InputError(
                    f"caller {caller.name!r}: ${caller.key_env} {told}.",
                    hint=f"export {caller.key_env}=$(openssl rand -hex 24)",
                )
            found.append((caller.name, key))
        if len({key for _, key in found}) < len(found):
            raise InputError("two callers have the same key.", hint="Give each one its own.")
        return tuple(found)


def read_server_settings(folder: Path) -> TrainingServerSettings:
    """The settings in a server's folder; the defaults where it has no `server.toml`.

    Raises:
        InputError: The file cannot be read, or says something that cannot be.
    """
    path = folder / SETTINGS_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return TrainingServerSettings()
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read: {exc}.", hint="It must be a UTF-8 text file.") from exc
    return validate_toml(path, text, TrainingServerSettings)
