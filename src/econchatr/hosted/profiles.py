"""The profiles of hosted services: addresses, limits, hyperparameters, dates. Data in one TOML, to be overridden."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from econchatr.errors import InputError
from econchatr.records import Record

PROFILES_NAME = "profiles.toml"


class Profile(Record):
    """A hosted service, as far as a training there needs to know it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=40)
    """The first part of a rung's `price`."""
    provider: str = ""
    """Who it is, for people."""
    api: Literal["openai", "together", "fireworks", "tinker"] = "openai"
    """The shape of its calls."""
    base_url: str = ""
    """Up to and with `/v1`; empty: the user has to write it."""
    key_env: str = Field(pattern=r"^[A-Z_][A-Z0-9_]*$", max_length=100)
    """Name of the environment variable that holds the key; the key itself never stands in a file."""
    hyperparameters: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Sent with every job, beside `n_epochs`, which is always the rung's: nothing is left to the service's `auto`."""
    body: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Sent beside the fields of OpenAI's own API."""
    mark: Literal["metadata", "suffix"] = "metadata"
    """Where a job carries our id."""
    tells_rights: bool = False
    """Whether a job's metadata says whose voice it trains and on what ground, as a server of one's own wants it."""
    min_examples: int = Field(default=1, ge=1)
    max_examples: int = Field(default=1_000_000, ge=1)
    max_file_mb: int = Field(default=512, ge=1)
    max_example_tokens: int | None = Field(default=None, ge=1)
    """Longer examples are cut or refused by the service; `None`: not known."""
    max_jobs: int = Field(default=3, ge=1)
    """Jobs that run there side by side, at most."""
    max_hours: float = Field(default=24, gt=0)
    """After so long a job that has not ended is told as stuck."""
    save_every: int = Field(default=20, ge=1)
    """Steps between two saves, where the service has no jobs and the loop runs in this program."""
    has_validation: bool = True
    """Whether the development pairs are sent along."""
    downloads: bool = False
    """Whether the files of a finished job can be fetched."""
    serving: Literal["token", "endpoint"] = "token"
    """`token`: the tuned model answers at once, billed by the token. `endpoint`: only behind one of the user's own."""
    open_to: str = ""
    """Who may still train there, in words; empty: anybody."""
    jobs_until: date | None = None
    """From this day on no new training is taken."""
    note: str = ""
    source: str
    read_on: date


def load_profiles(files: Sequence[Path] = ()) -> tuple[Profile, ...]:
    """Every shipped profile, with those of the user's files added or put over them, file by file.

    Raises:
        InputError: A file is not TOML, or a profile in it says something that cannot be.
    """
    shipped = resources.files("econchatr.hosted").joinpath(PROFILES_NAME).read_text(encoding="utf-8")
    texts = [(f"the shipped {PROFILES_NAME}", shipped), *((str(path), _read(path)) for path in files if path.is_file())]
    rows: dict[str, tuple[str, dict[str, Any]]] = {}
    for place, text in texts:
        for row in _parse(place, text):
            name = str(row.get("name", ""))
            rows[name] = (place, rows[name][1] | row if name in rows else row)
    return tuple(_complete(place, row) for place, row in rows.values())


def find_profile(name: str, profiles: Sequence[Profile]) -> Profile:
    """The profile of that name.

    Raises:
        InputError: There is none, or its address is still to be written.
    """
    known = {profile.name: profile for profile in profiles}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        guess = f"Did you mean {close[0]!r}? " if close else ""
        raise InputError(
            f"no profile {name!r}: this program cannot train there.",
            hint=f"{guess}Known: {', '.join(known)}. Or add a [[profile]] to {PROFILES_NAME} in the show's folder.",
        )
    if not known[name].base_url:
        hint = known[name].note or "Write base_url."
        raise InputError(f"profile {name!r} has no base_url; write it into {PROFILES_NAME}.", hint=hint)
    return known[name]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read: {exc}.", hint="It must be a UTF-8 text file.") from exc


def _parse(place: str, text: str) -> list[dict[str, Any]]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise InputError(f"{place} is not TOML: {exc}.", hint="Mend that line.") from exc
    rows = tables.pop("profile", [])
    if tables or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        odd = next(iter(tables), "profile")
        raise InputError(f"{place}: {odd!r} is no [[profile]] table.", hint="Begin each with a line [[profile]].")
    names = [str(row.get("name", "")) for row in rows]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{place}: profile {name!r} stands twice.", hint="Keep one.")
    return rows


def _complete(place: str, row: dict[str, Any]) -> Profile:
    try:
        return Profile.model_validate(row)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        # Whoever writes a key where the name of its variable belongs must not read it again in a log.
        told = "" if key == "key_env" else f" (found {first['input']!r})" if first["type"] != "missing" else ""
        raise InputError(
            f"{place}, profile {row.get('name', '?')!r}, {key}: {first['msg']}{told}.", hint=f"Change {key!r} there."
        ) from exc
