"""Look at every line of a training file before a service does: a fault found there costs days, here nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from econchatr.errors import InputError
from econchatr.hosted.profiles import Profile
from econchatr.tables import hash_file

_MOST_TOLD: Final = 5
_ROLES: Final = frozenset({"system", "user", "assistant"})


class CheckedFile(NamedTuple):
    """A training file that a service should take."""

    path: Path
    sha256: str
    n_examples: int
    n_bytes: int


def check_training_file(
    path: Path, profile: Profile, count_tokens: Callable[[str], int] | None = None, *, is_validation: bool = False
) -> CheckedFile:
    """Hold a file of chat examples against a service's limits, line by line.

    Args:
        count_tokens: Counts as the service's tokenizer does; `None`: the length of examples is not looked at.
        is_validation: It may then have fewer examples than a training needs.

    Raises:
        InputError: It breaks a limit; the message names the first lines that do.
    """
    n_bytes, faults, n_examples = path.stat().st_size, list[str](), 0
    if n_bytes > profile.max_file_mb * 1_000_000:
        raise _refuse(path, profile, [f"{n_bytes:,} bytes; {profile.max_file_mb} MB are the most"])
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            n_examples += 1
            if fault := _find_fault(line, profile, count_tokens):
                faults.append(f"line {number}: {fault}")
    if faults:
        raise _refuse(path, profile, faults)
    least = 1 if is_validation else profile.min_examples
    if not least <= n_examples <= profile.max_examples:
        told = f"{n_examples:,} examples; it takes {least:,} to {profile.max_examples:,}"
        raise _refuse(path, profile, [told])
    return CheckedFile(path, hash_file(path), n_examples, n_bytes)


def _refuse(path: Path, profile: Profile, faults: list[str]) -> InputError:
    more = f"; and {len(faults) - _MOST_TOLD:,} more" if len(faults) > _MOST_TOLD else ""
    return InputError(
        f"{path}: {profile.provider or profile.name} would not take it: {'; '.join(faults[:_MOST_TOLD])}{more}. "
        "Nothing was uploaded.",
        hint="Choose again with `econchatr select`; a limit that is wrong can be changed in profiles.toml.",
    )


def _find_fault(line: bytes, profile: Profile, count_tokens: Callable[[str], int] | None) -> str:
    """What is wrong with one line; empty: nothing."""
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return "not UTF-8"
    except (ValueError, RecursionError):
        return "not JSON"
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list) or not messages:
        return "no list of messages"
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            return "a message with a role that is none of system, user, assistant"
        if not isinstance(message.get("content"), str) or not message["content"].strip():
            return f"an empty message of the {message['role']}"
    if messages[-1]["role"] != "assistant":
        return "the last message is not the assistant's"
    limit = profile.max_example_tokens
    if limit is not None and count_tokens is not None:
        n_tokens = sum(count_tokens(message["content"]) for message in messages)
        if n_tokens > limit:
            return f"{n_tokens:,} tokens; {limit:,} are the most"
    return ""
