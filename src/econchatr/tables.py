"""A show's folder: one Parquet table per record, a manifest written last, and staleness by hash.

Every file is written beside its place, flushed to disk and renamed, so a file that has its name is whole, whatever
killed the writer. A stage is done when its manifest exists and names the hashes of what went in and what came out.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError

from econchatr import __version__
from econchatr.errors import ShowFolderError
from econchatr.install_line import tell_update
from econchatr.records import Record

if TYPE_CHECKING:
    import polars as pl

R = TypeVar("R", bound=Record)

MANIFEST_NAME = "manifest.json"
NOT_DONE: Final = "not done yet"

FORMAT: Final = 1
"""How a show's folder is laid out. Raised when a version before could not read the folder, or would damage it."""


class Manifest(Record):
    """The account of one finished stage; written last."""

    stage: str
    version: int
    """Of the stage's code: raised whenever the same input would give other output."""
    settings_sha256: str
    inputs: dict[str, str]
    """Name -> sha256 of everything the stage read."""
    outputs: dict[str, str]
    """File name inside the stage's folder -> sha256."""
    counts: dict[str, int]
    seconds: float
    finished_at: datetime
    format: int = 1
    """`FORMAT` of the program that wrote it. Not written while it is 1: version 0.1 refuses a key it does not know."""


# --- hashes -----------------------------------------------------------------------------------------------------------


def hash_bytes(data: bytes) -> str:
    """The sha256 of `data`, in hex."""
    return hashlib.sha256(data).hexdigest()


def hash_file(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_settings(settings: object) -> str:
    """The sha256 of plain settings (numbers, strings, lists, dicts), whatever the order of their keys."""
    return hash_bytes(json.dumps(settings, sort_keys=True, ensure_ascii=True, default=str).encode())


# --- files ------------------------------------------------------------------------------------------------------------


@contextmanager
def replace_path(path: Path) -> Iterator[Path]:
    """An empty file to write to. It takes the place of `path` when the block ends well, and leaves no trace otherwise.

    Raises:
        ShowFolderError: The disk is full or the folder cannot be written.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
    beside = Path(name)
    try:
        with disk_errors(path):
            yield beside
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
            beside.chmod(0o644)
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def replace_file(path: Path) -> Iterator[IO[bytes]]:
    """What `replace_path` gives, open to write bytes to.

    Raises:
        ShowFolderError: The disk is full or the folder cannot be written.
    """
    with replace_path(path) as beside, beside.open("wb") as file:
        yield file


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into a ShowFolderError that names the file."""
    try:
        yield
    except OSError as exc:
        if isinstance(exc, FileNotFoundError):
            raise
        raise ShowFolderError(
            f"cannot write {path}: {exc.strerror or exc}.",
            hint="Free some space or choose another folder; what was finished before is kept.",
        ) from exc


def require_writable(folder: Path) -> None:
    """Make a folder and prove that files can be written there, before work is done for one.

    Raises:
        ShowFolderError: The disk is full or the folder cannot be written.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"0")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file, or nothing.

    Raises:
        ShowFolderError: The disk is full or the folder cannot be written.
    """
    with replace_file(path) as file:
        file.write(data)


def append_line(path: Path, line: bytes) -> None:
    """Add one line to a file; it is on the disk when this returns, and a line cut off by a kill does not swallow it.

    Raises:
        ShowFolderError: The disk is full or the folder cannot be written.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            # The newline comes first: what a kill left of the line before stays a line of its own.
            file.write(b"\n" + line)
            file.flush()
            os.fsync(file.fileno())


def read_lines(path: Path) -> list[bytes]:
    """The lines of a file that `append_line` made; none where there is no file. The last may be cut off."""
    return [line for line in path.read_bytes().splitlines() if line] if path.is_file() else []


# --- tables -----------------------------------------------------------------------------------------------------------


def write_table(path: Path, rows: Sequence[Record], kind: type[Record]) -> None:
    """Write records as one Parquet table; the same records give the same bytes.

    Raises:
        ShowFolderError: The disk is full or the folder cannot be written.
    """
    write_frame(path, make_frame(rows, kind), kind)


def make_frame(rows: Sequence[Record], kind: type[Record]) -> pl.DataFrame:
    """Records as the columns of their table."""
    import polars as pl

    return pl.DataFrame([row.model_dump() for row in rows], schema=_table_schema(kind), orient="row")


def write_frame(path: Path, frame: pl.DataFrame, kind: type[Record]) -> None:
    """Write what is already in the columns of a record's table, in whatever order, as `write_table` writes the records.

    Raises:
        ShowFolderError: The disk is full or the folder cannot be written.
    """
    columns = frame.select(list(kind.model_fields)).match_to_schema(_table_schema(kind)).rechunk()
    # In memory first: polars tells a full disk as an error of its own, in words only.
    table = io.BytesIO()
    columns.write_parquet(table, compression="zstd", statistics=False)
    write_bytes(path, table.getvalue())


def read_frame(path: Path, kind: type[Record], columns: Sequence[str] = ()) -> pl.DataFrame:
    """The columns of one Parquet table, unchecked: only for a table that this run finished or found undamaged.

    Args:
        path: Where the table is.
        kind: What its rows are.
        columns: Only these; none: all that the record has.

    Raises:
        ShowFolderError: The table is missing, broken, or of another version's shape.
    """
    import polars as pl

    try:
        return pl.read_parquet(path, columns=list(columns or kind.model_fields))
    except (OSError, pl.exceptions.PolarsError) as exc:
        raise ShowFolderError(f"cannot read the table {path}: {_first_line(exc)}.", hint=_MAKE_AGAIN) from exc


def read_table(path: Path, kind: type[R], *, is_rewritten: bool = False) -> list[R]:
    """The records of one Parquet table, each checked again.

    A column that the record does not have is left unread; one that is missing gets the record's default.

    Args:
        path: Where the table is.
        kind: What its rows are.
        is_rewritten: The rows are written back later. A column that the record does not have is then refused, because
            it would be lost.

    Raises:
        ShowFolderError: The table is missing or broken, lacks a column that has no default, or has one too many.
    """
    import polars as pl

    try:
        frame = pl.read_parquet(path)
        known = [name for name in frame.columns if name in kind.model_fields]
        if is_rewritten and len(known) < len(frame.columns):
            unknown = next(name for name in frame.columns if name not in kind.model_fields)
            raise ShowFolderError(
                f"{path} has the column {unknown!r}, which this version does not know.", hint=_tell_update()
            )
        if lacking := _find_lacking(frame.columns, kind):
            raise ShowFolderError(f"{path} has no column {lacking!r}.", hint=_MAKE_AGAIN)
        return [kind.model_validate(row) for row in frame.select(known).to_dicts()]
    except (OSError, pl.exceptions.PolarsError) as exc:
        raise ShowFolderError(f"cannot read the table {path}: {_first_line(exc)}.", hint=_MAKE_AGAIN) from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(map(str, first["loc"]))
        message = f"cannot read the table {path}: column {place!r}: {first['msg']}."
        raise ShowFolderError(message, hint=_MAKE_AGAIN) from exc


def find_table_fault(path: Path, kind: type[Record]) -> str:
    """Why a table cannot be read as records of this kind, by its columns alone; empty when it can."""
    import polars as pl

    try:
        columns = list(pl.read_parquet_schema(path))
    except (OSError, pl.exceptions.PolarsError) as exc:
        return f"{path.name} cannot be read: {_first_line(exc)}"
    lacking = _find_lacking(columns, kind)
    return f"{path.name} has no column {lacking!r}" if lacking else ""


_MAKE_AGAIN = "Move the folder it lies in away and run again; what belongs there is made anew."


def _tell_update() -> str:
    return f"Update econchatr: {tell_update()}. Nothing was changed."


def _find_lacking(columns: Sequence[str], kind: type[Record]) -> str:
    """The first column that a record must have and the table has not; empty: it has all."""
    fields = kind.model_fields.items()
    return next((name for name, field in fields if field.is_required() and name not in columns), "")


def _first_line(exc: Exception) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0].rstrip(".")


def _table_schema(kind: type[Record]) -> dict[str, Any]:
    """The column types of a record's table, from the record alone, so that an empty table has them too."""
    hints = typing.get_type_hints(kind)
    return {name: _column_type(hints[name]) for name in kind.model_fields}


def _column_type(hint: Any) -> Any:
    import polars as pl

    plain = {str: pl.String, int: pl.Int64, float: pl.Float64, bool: pl.Boolean, date: pl.Date}
    if hint in plain:
        return plain[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return pl.String
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _column_type(inner)
    if origin is tuple:
        return pl.List(_column_type(arguments[0]))
    if isinstance(hint, type) and issubclass(hint, Record):
        return pl.Struct(_table_schema(hint))
    raise TypeError(f"no column type for {hint!r}")


# --- stages -----------------------------------------------------------------------------------------------------------


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a finished stage; `None` when the stage is not finished or its manifest is broken."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())
    except (OSError, ValidationError):
        return None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Declare a stage finished."""
    left_out = {"format"} if manifest.format == 1 else None
    write_bytes(folder / MANIFEST_NAME, manifest.model_dump_json(indent=1, exclude=left_out).encode() + b"\n")


def find_newer(folder: Path, *, version: int | None = None) -> str:
    """By what the manifest in a folder is newer than this program, in words; empty when it is not.

    Args:
        folder: A stage's.
        version: Of the stage's code, where it is known.
    """
    try:
        found = json.loads((folder / MANIFEST_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    for name, known in (("format", FORMAT), ("version", version)):
        value = found.get(name)
        if known is not None and isinstance(value, int) and value > known:
            return f"it has {name} {value}, and {known} is the newest this one knows"
    fields = Manifest.model_fields
    is_whole = all(name in found for name, field in fields.items() if field.is_required())
    unknown = sorted(found.keys() - fields.keys()) if is_whole else []
    return f"it has the key {unknown[0]!r}, which this one does not know" if unknown else ""


def refuse_newer(folder: Path, *, version: int | None = None) -> None:
    """Nothing, unless a newer program finished the stage in this folder.

    Raises:
        ShowFolderError: A newer program did.
    """
    if newer := find_newer(folder, version=version):
        message = f"{folder / MANIFEST_NAME} was written by a newer version of econchatr than {__version__}: {newer}."
        raise ShowFolderError(message, hint=_tell_update())


def find_staleness(folder: Path, *, version: int, settings_sha256: str, inputs: Mapping[str, str]) -> str:
    """Why a stage must be done again, in words; empty when it is fresh."""
    if find_newer(folder, version=version):
        return "made by a newer version of econchatr"
    manifest = read_manifest(folder)
    if manifest is None:
        return find_damage(folder) or NOT_DONE
    if manifest.version != version:
        return "made by another version"
    if manifest.settings_sha256 != settings_sha256:
        return "settings changed"
    if changed := [name for name in {*manifest.inputs, *inputs} if manifest.inputs.get(name) != inputs.get(name)]:
        return f"{', '.join(sorted(changed)[:3])} changed"
    return find_damage(folder)


def find_damage(folder: Path) -> str:
    """What of a finished stage was damaged or taken away, in words; empty: nothing, or the stage is not done."""
    manifest = read_manifest(folder)
    if manifest is None:
        return f"{MANIFEST_NAME} is damaged" if (folder / MANIFEST_NAME).is_file() else ""
    for name, sha256 in manifest.outputs.items():
        path = folder / name
        if not path.is_file() or hash_file(path) != sha256:
            return f"{name} is missing or was changed"
    return ""


def outputs_sha256(folder: Path) -> str:
    """One hash over everything a finished stage put out; empty when it is not finished."""
    manifest = read_manifest(folder)
    return hash_settings(manifest.outputs) if manifest else ""


def finish_stage(
    folder: Path,
    *,
    stage: str,
    version: int,
    settings_sha256: str,
    inputs: Mapping[str, str],
    outputs: Sequence[str],
    counts: Mapping[str, int],
    seconds: float,
) -> None:
    """Hash the outputs and write the manifest: the stage is done."""
    manifest = Manifest(
        stage=stage,
        version=version,
        settings_sha256=settings_sha256,
        inputs=dict(inputs),
        outputs={name: hash_file(folder / name) for name in sorted(outputs)},
        counts=dict(counts),
        seconds=round(seconds, 3),
        finished_at=datetime.now(UTC),
        format=FORMAT,
    )
    write_manifest(folder, manifest)


@contextmanager
def lock_folder(root: Path, *, part: str = "", seconds: float = 0.2) -> Iterator[None]:
    """Hold the show's folder, so that two runs never write it at once.

    Args:
        part: Hold only what has this name in it, `train/tiny`: for those who work for one run side by side.
        seconds: How long to wait for another who holds it; `status` does for a moment, to look whether it can.

    Raises:
        ShowFolderError: Another run holds it.
    """
    from filelock import FileLock, Timeout

    path = root / "-".join([".lock", *filter(None, part.split("/"))])
    lock = FileLock(path)
    with disk_errors(path):
        try:
            lock.acquire(timeout=seconds)
        except Timeout as exc:  # an OSError too, so it must be caught before `disk_errors` sees it
            raise ShowFolderError(f"another run is working in {root}.", hint="Wait for it, or stop it first.") from exc
    try:
        yield
    finally:
        lock.release()
