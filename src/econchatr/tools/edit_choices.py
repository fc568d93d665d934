"""Write pins and bans into a show's choices.toml."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from econchatr.config import CHOICES_NAME, Choices, parse_choices
from econchatr.errors import InputError
from econchatr.pipeline.show import Show
from econchatr.select.pins import check_pins
from econchatr.tables import write_bytes

_HEADER = """\
# Pairs that are always taken (pin) and pairs that never are (ban), by id; `econchatr pair --show 20` prints ids.
"""


def add_pins(show: Show, *, pin: Sequence[str] = (), ban: Sequence[str] = ()) -> None:
    """Add pair ids to the show's choices.toml; what stands in it already, comments too, stays.

    Raises:
        InputError: No such pair, or it cannot be pinned, or it is already on the other list.
        ShowFolderError: The pairs are not made yet, or the file cannot be written.
    """
    path, known = show.root / CHOICES_NAME, show.choices()
    for pair_id, other, name in [*((one, known.ban, "ban") for one in pin), *((one, known.pin, "pin") for one in ban)]:
        if pair_id in other:
            raise InputError(f"{path}: {pair_id!r} stands under {name}.", hint="Take it out there first.")
    wanted = Choices(pin=_join(pin, known.pin), ban=_join(ban, known.ban))
    check_pins(wanted.pin, wanted.ban, show.learnable(), place=str(path))
    text = path.read_text(encoding="utf-8") if path.exists() else _HEADER
    for name, new in (("pin", pin), ("ban", ban)):
        text = _insert(text, name, [one for one in dict.fromkeys(new) if one not in getattr(known, name)])
    if not _says(path, text, wanted):  # the user may have written the lists in another style
        raise InputError(f"{path}: its lists are not in a form that can be added to.", hint="Add the id by hand.")
    write_bytes(path, text.encode())


def _join(new: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*(one for one in new if one not in known), *known]))


def _insert(text: str, name: str, ids: Sequence[str]) -> str:
    """Put ids at the head of a list, which is made where there is none."""
    if not ids:
        return text
    lines = "".join(f"  {json.dumps(one, ensure_ascii=False)},\n" for one in ids)
    if head := re.search(rf"^{name}\s*=\s*\[[ \t]*\n?", text, flags=re.MULTILINE):
        return f"{text[: head.end()].rstrip()}\n{lines}{text[head.end() :]}"
    return f"{text.rstrip()}\n\n{name} = [\n{lines}]\n".lstrip()


def _says(path: Path, text: str, wanted: Choices) -> bool:
    try:
        return parse_choices(path, text) == wanted
    except InputError:
        return False
