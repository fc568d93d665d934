"""Filled sheets as they come back from people: small JSON files, and nothing in them is believed unchecked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Final, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from econchatr.errors import InputError
from econchatr.tables import hash_settings

HAND_FORM: Final = "econchatr hand marks 1"
BLIND_FORM: Final = "econchatr blind picks 1"
_OPTIONS: Final = {HAND_FORM: "--hand", BLIND_FORM: "--blind"}
_MAX_BYTES: Final = 4_000_000


class FilledSheet(NamedTuple):
    """One file as it came: its name for messages, and its bytes."""

    name: str
    data: bytes


def tidy_name(name: str) -> str:
    """Give a person's name in one line, without what cannot be printed.

    Raises:
        ValueError: Nothing is left of it.
    """
    tidy = " ".join("".join(char if char.isprintable() else " " for char in name).split())
    if not tidy:
        raise ValueError("the name is empty")
    return tidy


_Name = Annotated[str, Field(max_length=60), AfterValidator(tidy_name)]
_Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    show: str
    sheet_sha256: str
    seed: int


class HandFile(_File):
    """What the hand-scoring page saves."""

    form: Literal["econchatr hand marks 1"]
    scorer: _Name
    marks: dict[_Key, Literal[0, 0.5, 1]]  # type: ignore[valid-type]
    n_answers: int


class SentMark(BaseModel):
    """One mark as the marking page sends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scorer: _Name
    key: _Key
    value: Literal[0, 0.5, 1]  # type: ignore[valid-type]


class BlindFile(_File):
    """What the blind sheet saves."""

    form: Literal["econchatr blind picks 1"]
    person: _Name
    knows_host: Literal["well", "a little", "not at all"]
    picks: dict[_Key, int]
    n_cues: int


_F = TypeVar("_F", HandFile, BlindFile)


def sheet_sha256(seed: int, keys: Collection[str]) -> str:
    """The hash that ties a filled sheet to everything that was on it."""
    return hash_settings([seed, sorted(keys)])


def read_file(filled: FilledSheet, kind: type[_F], *, show: str) -> _F:
    """The checked contents of a filled sheet: whole, unchanged, and of this show.

    Raises:
        InputError: It is not such a file, another show's, half filled, or its answers are not those of its sheet.
    """
    form = HAND_FORM if kind is HandFile else BLIND_FORM
    if len(filled.data) > _MAX_BYTES:
        raise InputError(
            f"{filled.name} has {len(filled.data):,} bytes: no filled sheet is that large.", hint="Give the saved file."
        )
    try:
        file = kind.model_validate_json(filled.data)
    except ValidationError as exc:
        raise _refuse(filled, form, exc) from exc
    if file.show != show:
        raise InputError(
            f"{filled.name} was filled in for the show {file.show!r}, not for {show!r}.",
            hint="Give it to the show it belongs to.",
        )
    filled_in: Collection[str]
    filled_in, n_all = (file.marks, file.n_answers) if isinstance(file, HandFile) else (file.picks, file.n_cues)
    if len(filled_in) < n_all:
        raise InputError(
            f"{filled.name} is half filled: {n_all - len(filled_in)} of {n_all} are still open.",
            hint="Open the same page in the same browser: what was filled in is still there. Finish it and save again.",
        )
    if sheet_sha256(file.seed, filled_in) != file.sheet_sha256 or len(filled_in) != n_all:
        raise InputError(
            f"{filled.name} was changed after it was saved: what it fills in is not what stood on its sheet.",
            hint="Ask for the file as the page saved it.",
        )
    return file


def check_known(filled: FilledSheet, keys: Collection[str], known: Collection[str], *, thing: str) -> None:
    """Refuse a file about things the show does not have (any more).

    Raises:
        InputError: Some of its keys are unknown.
    """
    n_strange = sum(key not in known for key in keys)
    if n_strange:
        raise InputError(
            f"{filled.name}: {n_strange} of {len(keys)} {thing} are not among this show's: they were asked anew since "
            "the sheet was made, or it is another show's of the same name.",
            hint="Make a new sheet with `econchatr score SHOW --sheet hand` (or blind) and fill that in.",
        )


def check_people(names: Sequence[tuple[FilledSheet, str]]) -> None:
    """Refuse two files by one person in one go: which one counts would be a guess.

    Raises:
        InputError: Two files have the same name in them.
    """
    seen: dict[str, str] = {}
    for filled, name in names:
        if name.casefold() in seen:
            raise InputError(
                f"{seen[name.casefold()]} and {filled.name} are both by {name!r}.",
                hint="Give the later one only; two people of one name need a second name each.",
            )
        seen[name.casefold()] = filled.name


def _refuse(filled: FilledSheet, form: str, error: ValidationError) -> InputError:
    for other, option in _OPTIONS.items():
        if other != form and other.encode() in filled.data:
            return InputError(f"{filled.name} is for {option}.", hint=f"Give it with {option}.")
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part)[:70] for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return InputError(
        f"{filled.name} is not a sheet as the page saves it: {f'{where}: ' if where else ''}{reason}.",
        hint="Give the file the page saved, unchanged.",
    )
