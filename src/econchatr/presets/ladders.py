"""Ladders to start from, by the machine or the money at hand: `ladders.toml`, as text for a show.toml."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from econchatr.errors import InputError


class ReadyRung(NamedTuple):
    """A rung of a ready-made ladder."""

    settings: dict[str, Any]
    """As they stand in show.toml."""
    million_parameters: int | None
    """`None`: a server's settings say which model it is."""
    licence: str
    """As its makers name it."""
    train_gb: float | None
    """Memory that training takes, estimated; `None`: it is trained elsewhere."""
    download: str
    """What has to be downloaded; empty: nothing, or it is trained elsewhere."""

    @property
    def name(self) -> str:
        """The rung's name."""
        return str(self.settings["name"])

    def tell(self) -> str:
        """Size, licence, memory and download in one line."""
        parts = [f"{self.million_parameters:,} million parameters"] if self.million_parameters else []
        parts += [f"licence {self.licence}"]
        parts += [f"about {self.train_gb:.1f} GB to train"] if self.train_gb else []
        return ", ".join(parts + ([f"download: {self.download}"] if self.download else []))


class ReadyLadder(NamedTuple):
    """A ladder to start from."""

    name: str
    about: str
    """For which machine or money."""
    rungs: tuple[ReadyRung, ...]


@cache
def list_ladders() -> dict[str, ReadyLadder]:
    """Every ready-made ladder by its name, in the order of `ladders.toml`."""
    text = resources.files("econchatr.presets").joinpath("ladders.toml").read_text(encoding="utf-8")
    return {
        name: ReadyLadder(name, table["about"], tuple(_read_rung(rung) for rung in table["rung"]))
        for name, table in tomllib.loads(text).items()
    }


def write_ladder(name: str) -> str:
    """The `[[ladder]]` tables of a ready-made ladder, with what each rung is as a comment.

    Raises:
        InputError: No such ladder.
    """
    ladder = list_ladders().get(name)
    if ladder is None:
        raise InputError(f"no ladder {name!r}.", hint=f"Use one of {', '.join(list_ladders())}.")
    return "\n\n".join([f"# For {ladder.about}.", *map(_write_rung, ladder.rungs)])


def _read_rung(table: dict[str, Any]) -> ReadyRung:
    about = table["about"]
    settings = {key: value for key, value in table.items() if key != "about"}
    train_gb, download = about.get("train_gb"), about.get("download", "")
    return ReadyRung(settings, about.get("million_parameters"), about["licence"], train_gb, download)


def _write_rung(rung: ReadyRung) -> str:
    lines = [f"# {rung.tell()}", "[[ladder]]"]
    lines += [f"{key} = {_write_value(value)}" for key, value in rung.settings.items()]
    return "\n".join(lines)


def _write_value(value: str | int) -> str:
    return json.dumps(value) if isinstance(value, str) else f"{value:_}"
