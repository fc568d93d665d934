"""Pins and bans: check the pair ids in choices.toml, and add ids to that file."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from econchatr.config import CHOICES_NAME, Choices, parse_choices
from econchatr.errors import InputError
from econchatr.pipeline.show import Show
from econchatr.records import Pair, Reason
from econchatr.tables import read_table, write_bytes

_HEADER = """\
# Pairs that are always taken (pin) and pairs that never are (ban), by id; `econchatr pair --show 20` prints ids.
"""


def add_choices(show: Show, *, pin: Sequence[str] = (), ban: Sequence[str] = ()) -> None:
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
    check_choices(wanted, read_table(show.folder("pair") / "pairs.parquet", Pair), path=path)
    text = path.read_text(encoding="utf-8") if path.exists() else _HEADER
    for name, new in (("pin", pin), ("ban", ban)):
        text = _insert(text, name, [one for one in dict.fromkeys(new) if one not in getattr(known, name)])
    if not _says(path, text, wanted):  # the file may be in a form of the user's own
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


def check_choices(choices: Choices, pairs: Sequence[Pair], *, path: Path = Path(CHOICES_NAME)) -> None:
    """Refuse ids that no pair has, and pins of pairs that may not be trained on.

    Raises:
        InputError: With the id that was probably meant.
    """
    by_id = {pair.pair_id: pair for pair in pairs}
    for pair_id in (*choices.pin, *choices.ban):
        if pair_id not in by_id:
            near = find_nearest(pair_id, list(by_id))
            raise InputError(f"{path}: no pair {pair_id!r}.", hint=f"Did you mean {near!r}?" if near else "")
    for pair_id in choices.pin:
        pair = by_id[pair_id]
        if not pair.is_kept:
            raise InputError(f"{path}: {pair_id!r} was dropped: {pair.reason}.", hint="Take it out of `pin`.")
        if pair.split != "train":
            raise InputError(
                f"{path}: {pair_id!r} is held out ({pair.split}): a model that learns it cannot be measured on it.",
                hint="Take it out of `pin`.",
            )


def find_nearest(pair_id: str, ids: Sequence[str]) -> str:
    """The id most like one that does not exist: of the likest episode, the nearest turn; empty: none is like it."""
    slug, _, turn = pair_id.rpartition("#")
    slugs = dict.fromkeys(one.rpartition("#")[0] for one in ids)
    likest = difflib.get_close_matches(slug or pair_id, slugs, n=1, cutoff=0.4)
    if not likest:
        return ""
    turns = [one for one in ids if one.rpartition("#")[0] == likest[0]]
    wanted = int(turn) if turn.isdecimal() else 0
    return min(turns, key=lambda one: (abs(int(one.rpartition("#")[2]) - wanted), one))


def list_pool(pairs: Sequence[Pair], choices: Choices) -> list[Pair]:
    """The pairs that may be taken."""
    banned = set(choices.ban)
    return [pair for pair in pairs if pair.is_kept and pair.split == "train" and pair.pair_id not in banned]


def reason_bans(pairs: Sequence[Pair], choices: Choices) -> list[Reason]:
    """Why the banned pairs of the training split are not taken."""
    banned = set(choices.ban)
    return [
        Reason(pair_id=pair.pair_id, rung="", position=None, reason="banned", cost=None)
        for pair in pairs
        if pair.pair_id in banned and pair.is_kept and pair.split == "train"
    ]
