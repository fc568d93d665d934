"""What this machine has: Python, extras, weights, arithmetic, room.

This module changes nothing and asks no network.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from econchatr.config import cache_folder
from econchatr.errors import EconChatRError
from econchatr.models.files.weights import locate_embedded_gguf

_EXTRAS = {
    "local": ("torch", "transformers", "peft", "trl", "xllamacpp"),
}
_NEEDED_BYTES = 2_000_000_000
"""Room for converted weights and checkpoints of the embedded model, with as much again to spare."""


class Finding(NamedTuple):
    """One thing looked at."""

    subject: str
    is_good: bool
    text: str


def examine() -> list[Finding]:
    """Every finding, in the order in which a user meets them."""
    return [_python(), *(_extra(name) for name in _EXTRAS), _embedded(), _arithmetic(), _room()]


def _python() -> Finding:
    return Finding("Python", True, f"{platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")


def _extra(name: str) -> Finding:
    missing = [package for package in _EXTRAS[name] if importlib.util.find_spec(package) is None]
    cure = f"missing {', '.join(missing)}: pip install 'econchatr[{name}]'"
    return Finding(f"extra {name}", not missing, cure if missing else "installed")


def _embedded() -> Finding:
    return _try("embedded model", lambda: str(locate_embedded_gguf()))


def _arithmetic() -> Finding:
    def look() -> str:
        from econchatr.train.local import describe_arithmetic

        return describe_arithmetic()

    return _try("arithmetic", look)


def _room() -> Finding:
    place = cache_folder()
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    return Finding("room", free > _NEEDED_BYTES, f"{free / 1e9:.1f} GB free for the cache {_short(place)}")


def _short(path: Path) -> str:
    return str(path).replace(str(Path.home()), "~", 1)


def _try(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, True, look())
    except EconChatRError as exc:
        return Finding(subject, False, f"{exc.message} {exc.hint}")
