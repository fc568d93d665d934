"""Check what this machine has: Python, packages, weights, number formats, disk space. No network is asked."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from econchatr.errors import EconChatRError
from econchatr.install_line import list_missing, tell_install
from econchatr.models.files.weights import locate_embedded_gguf
from econchatr.presets.ladders import ReadyRung, list_ladders
from econchatr.user_folders import cache_folder

_NEEDED_BYTES = 2_000_000_000
"""Space for converted weights and checkpoints of the embedded model, with as much again to spare."""


class Finding(NamedTuple):
    """The result of one check."""

    subject: str
    is_good: bool
    text: str


def examine() -> list[Finding]:
    """Every finding, in the order in which a user needs them."""
    python = f"{platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
    missing = list_missing()
    told = f"missing {', '.join(missing)}: {tell_install('local')}" if missing else "installed"
    return [
        Finding("Python", True, python),
        Finding("extra local", not missing, told),
        _try("embedded model", lambda: str(locate_embedded_gguf())),
        _try("arithmetic", _describe_arithmetic),
        _check_room(),
        *(() if "torch" in missing else _check_ladders()),
    ]


def _describe_arithmetic() -> str:
    from econchatr.train.local import describe_arithmetic

    return describe_arithmetic()


def _check_ladders() -> Iterator[Finding]:
    """Which of the ready-made ladders' rungs this machine's memory can train now."""
    from econchatr.models.machine import look_at_machine

    free_gb = look_at_machine().free_bytes / 1e9
    for ladder in list_ladders().values():
        told = [_tell_fit(rung, free_gb) for rung in ladder.rungs]
        fits = any(rung.train_gb and rung.train_gb <= free_gb for rung in ladder.rungs)
        yield Finding(f"--ladder {ladder.name}", fits, f"{'; '.join(told)} (of {free_gb:.1f} GB free)")


def _tell_fit(rung: ReadyRung, free_gb: float) -> str:
    if rung.train_gb is None:
        return f"{rung.name} trained by a service"
    fits = "fits" if rung.train_gb <= free_gb else "too large"
    return f"{rung.name} {fits}, about {rung.train_gb:.1f} GB"


def _try(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, True, look())
    except EconChatRError as exc:
        return Finding(subject, False, f"{exc.message} {exc.hint}")


def _check_room() -> Finding:
    place = cache_folder()
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    short = str(place).replace(str(Path.home()), "~", 1)
    return Finding("room", free > _NEEDED_BYTES, f"{free / 1e9:.1f} GB free for the cache {short}")
