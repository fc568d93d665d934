"""Read a TOML file that a user writes, and name the line and the key of the first fault."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from econchatr.errors import InputError

T = TypeVar("T", bound=BaseModel)


def read_toml_text(path: Path, *, hint: str) -> str:
    """The text of a TOML file.

    Args:
        hint: What to do where the file is missing.

    Raises:
        InputError: The file is missing or cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as exc:
        raise InputError(f"{path} is missing.", hint=hint) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read: {exc}.", hint="It must be a UTF-8 text file.") from exc


def validate_toml(path: Path, text: str, kind: type[T]) -> T:
    """The checked contents of a TOML text, which stands at a path or is about to.

    Raises:
        InputError: It is no TOML, or says something that cannot be; the message names the line and the key.
    """
    try:
        return kind.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        raise InputError(f"{path} is not TOML: {exc}.", hint="Mend that line.") from exc
    except ValidationError as exc:
        raise _explain(path, text, kind, exc) from exc


def _explain(path: Path, text: str, kind: type[BaseModel], error: ValidationError) -> InputError:
    """Name the first fault: which key, which line, what was meant."""
    first = error.errors(include_url=False, include_context=False)[0]
    keys = list(first["loc"])
    name = ".".join(str(key) for key in keys)
    line = find_toml_line(text, keys)
    where = f"{path}, line {line}" if line else str(path)
    if first["type"] == "extra_forbidden":
        known = _known_keys(kind, keys[:-1])
        close = difflib.get_close_matches(str(keys[-1]), known, n=1, cutoff=0.5)
        hint = f"Did you mean {close[0]!r}?" if close else f"Known keys here: {', '.join(known)}."
        return InputError(f"{where}: unknown key {name!r}.", hint=hint)
    if first["type"] == "missing":
        return InputError(f"{where}: {name!r} is missing.", hint=f"Add {keys[-1]!r}.")
    # Whoever writes a key where its name belongs must not read it again in a log.
    is_told = not (isinstance(first["input"], dict | list) or "key" in str(keys[-1]))
    value = f" (found {first['input']!r})" if is_told else ""
    message = first["msg"].removeprefix("Value error, ")
    return InputError(f"{where}: {name or 'the file'}: {message}{value}.", hint="Change that value.")


def find_toml_line(text: str, keys: list[Any]) -> int | None:
    """The line on which the key at `keys` stands, or its table where the key itself is not found."""
    table, found, seen = [key for key in keys[:-1] if isinstance(key, str)], None, -1
    index = next((key for key in keys if isinstance(key, int)), None)
    inside = not table
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            parts = [part.strip().strip("\"'") for part in header.group(1).split(".")]
            if parts == [key for key in keys if isinstance(key, str)]:
                return number
            seen += parts == table and index is not None
            inside = parts == table and index in (None, seen)
            found = number if inside else found
        elif inside and keys and re.match(rf"\s*[\"']?{re.escape(str(keys[-1]))}[\"']?\s*=", line):
            return number
    return found


def _known_keys(kind: type[BaseModel], keys: list[Any]) -> list[str]:
    fields = kind.model_fields
    for key in keys:
        if key in fields:
            annotation = fields[key].annotation
            tables = [item for item in (annotation, *get_args(annotation)) if hasattr(item, "model_fields")]
            fields = tables[0].model_fields if tables else {}
    return list(fields)
