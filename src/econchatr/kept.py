"""What was made of single episodes, kept under the hash of everything it depends on.

A stage asks here first and does only what is missing. What it put away is found again by its key alone: another text,
setting or version has another key. So nothing here is ever out of date, and nothing is lost when it is taken away.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from econchatr import __version__
from econchatr.processes import spread
from econchatr.tables import disk_errors, hash_settings

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

_N_SUM_BYTES: Final = 32
_N_LENGTH_BYTES: Final = 8


@dataclass(frozen=True)
class Kept:
    """What was made of one episode."""

    head: Mapping[str, Any]
    """Plain values."""
    rows: pl.DataFrame
    numbers: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Flat arrays by name."""


class EpisodeStore:
    """A folder with a file for each episode that a stage is done with."""

    def __init__(self, folder: Path, *depends: object) -> None:
        """Look into the folder.

        Args:
            folder: Where the files are.
            depends: What everything in it depends on, as plain values: the version of the stage, its settings.
        """
        self._folder = folder
        self._depends = hash_settings([__version__, *depends])
        self._used = set[str]()

    def key(self, *own: object) -> str:
        """The name of what is made of one episode, which depends on these plain values besides."""
        return hash_settings([self._depends, *own])

    def find(self, key: str, make: Callable[[T], Kept], of: T) -> Kept:
        """What was kept under this name; made now and kept where nothing was, or where it was damaged.

        A kill leaves all of it or nothing.

        Args:
            key: The name.
            make: A function of a module, or a `partial` of one.
            of: What it is made of.

        Raises:
            ShowFolderError: The disk is full or the folder cannot be written.
        """
        self._used.add(key)
        kept = _read(self._folder / key)
        if kept is None:
            kept = make(of)
            _write(self._folder / key, kept)
        return kept

    def fill(self, make: Callable[[T], Kept], wanted: Mapping[str, T], tell: Callable[[int, int], None]) -> None:
        """Make and keep what is missing, on every core, so that `find` finds it. What was damaged is left to `find`.

        Args:
            make: A function of a module, or a `partial` of one.
            wanted: By name, what each is made of.
            tell: Called with how many are there, and how many are wanted.

        Raises:
            ShowFolderError: The disk is full or the folder cannot be written.
        """
        there = _list_names(self._folder)
        missing = [(self._folder / key, of) for key, of in wanted.items() if key not in there]
        n_there = len(wanted) - len(missing)
        for n_made, _ in enumerate(spread(partial(_make_one, make), missing), start=1):
            tell(n_there + n_made, len(wanted))

    def sweep(self) -> None:
        """Take away what this run did not ask for; nobody else may work in the folder."""
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in self._used:
                    path.unlink(missing_ok=True)


def _make_one(make: Callable[[T], Kept], missing: tuple[Path, T]) -> None:
    path, of = missing
    _write(path, make(of))


def _list_names(folder: Path) -> set[str]:
    """What lies in a folder; nothing where it cannot be looked into."""
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:
        return set()


def _read(path: Path) -> Kept | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    is_whole = sha256(data[_N_SUM_BYTES:]).digest() == data[:_N_SUM_BYTES]
    return _unpack(data[_N_SUM_BYTES:]) if is_whole else None


def _write(path: Path, kept: Kept) -> None:
    data = _pack(kept)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                # Not flushed to the disk one by one: what a power cut leaves of it has another sum, and is no loss.
                file.write(sha256(data).digest() + data)
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise


def _pack(kept: Kept) -> bytes:
    rows = io.BytesIO()
    kept.rows.write_ipc_stream(rows, compression="lz4")
    arrays = [(name, array.dtype.str, np.ascontiguousarray(array).tobytes()) for name, array in kept.numbers.items()]
    places = {name: [dtype, len(data)] for name, dtype, data in arrays}
    head = json.dumps({"head": kept.head, "n_row_bytes": len(rows.getvalue()), "numbers": places}).encode()
    return b"".join([len(head).to_bytes(_N_LENGTH_BYTES), head, rows.getvalue(), *(data for *_, data in arrays)])


def _unpack(data: bytes) -> Kept:
    import polars as pl

    start = _N_LENGTH_BYTES + int.from_bytes(data[:_N_LENGTH_BYTES])
    told = json.loads(data[_N_LENGTH_BYTES:start])
    end = start + told["n_row_bytes"]
    rows, numbers = pl.read_ipc_stream(io.BytesIO(data[start:end])), dict[str, NDArray[Any]]()
    for name, (dtype, n_bytes) in told["numbers"].items():
        numbers[name] = np.frombuffer(data[end : end + n_bytes], dtype)
        end += n_bytes
    return Kept(told["head"], rows, numbers)
