"""The head of a transcript, before any speech: YAML between `---`, TOML between `+++`, or lines as `Date: ...`.

The keys are those that hosting services and static site tools write. A head that is broken is read as far as it goes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from econchatr.parse.dates import read_date
from econchatr.parse.lines import is_name, iterate_lines
from econchatr.parse.people import is_degree
from econchatr.records import DatePrecision

_MAX_CHARS: Final = 20_000
_MAX_VALUE_CHARS: Final = 2_000
_MAX_GUESTS: Final = 20
_MAX_HEAD_LINES: Final = 20
_FENCE: Final = re.compile(r"\ufeff?\s{0,200}(---|\+\+\+)[ \t]*\r?\n")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_YAML_LINE: Final = re.compile(r"([^\s#:'\"-][^:\n]{0,60}?)[ \t]{0,8}:(?:[ \t]+(.*)|[ \t]*)$")
_YAML_ITEM: Final = re.compile(r"[ \t]*-[ \t]+(.*)$")
_HEAD_LINE: Final = re.compile(r"[ \t>*_-]{0,6}([A-Za-z][A-Za-z _-]{2,24})[*_]{0,2}[ \t]?:[*_]{0,2}[ \t]+(\S.*)$")
_HEADING: Final = re.compile(r"[ \t]{0,3}#[ \t]+(\S.*)")
_COMMENT: Final = re.compile(r"[ \t]+#[ \t].*$")
_BETWEEN: Final = re.compile(r"\s*[,;]\s*|\s+(?:&|and|with)\s+")

# fmt: off
_TITLES: Final = ("title", "episode_title", "episode_name", "episode", "name", "headline", "subject")
_DATES: Final = (
    "date", "publish_date", "published", "published_at", "published_date", "published_on", "date_published",
    "publication_date", "pub_date", "pubdate", "release_date", "released", "air_date", "aired", "upload_date",
    "uploaded", "episode_date", "recorded", "recorded_at", "recording_date", "recorded_on", "created", "created_at",
)
_GUESTS: Final = ("guest", "guests", "guest_name", "guest_names", "featured_guest", "interviewee", "interviewees")
_DESCRIPTIONS: Final = ("description", "summary", "subtitle", "excerpt", "abstract")
_PLAIN: Final = frozenset({"episode_title", "title", "publish_date", "published", "release_date", "air_date",
    "recording_date", "recorded", "date", "guest", "guests", "host", "hosts", "episode", "duration", "url", "link",
    "youtube_url", "show", "podcast", "description", "keywords", "tags", "season", "length", "source", "speakers"})
# fmt: on
"""Keys that may stand in lines without a fence around them."""


@dataclass(frozen=True)
class Front:
    """The head of one file; everything is empty where there is none."""

    end: int = 0
    """Where the speech may begin."""
    title: str = ""
    published: date | None = None
    precision: DatePrecision = "none"
    guests: tuple[str, ...] = ()
    description: str = ""
    doubt: str = ""
    """What could not be read; empty: nothing."""


def read_front(text: str) -> Front:
    """Get the head of a file and where it ends; one without a head ends at 0."""
    fence = _FENCE.match(text)
    if fence is None:
        return _read_head_lines(text)
    mark = fence[1]
    closing = re.compile(rf"^{re.escape(mark)}[ \t]*$", re.MULTILINE).search(
        text, fence.end(), fence.end() + _MAX_CHARS
    )
    if closing is None:
        return Front()
    inside = text[fence.end() : closing.start()]
    fields = _read_toml(inside) if mark == "+++" else dict(_read_yaml(inside))
    # A rule (`---`) around prose is no head.
    return _make_front(fields, closing.end()) if fields or not inside.strip() else Front()


def make_guests(value: object) -> tuple[str, ...]:
    """Get the names in a value: a list of names, a list of tables with names, or names in a row."""
    if isinstance(value, Mapping):
        value = value.get("name", "")
    if isinstance(value, list | tuple):
        return tuple(dict.fromkeys(name for one in value[:_MAX_GUESTS] for name in make_guests(one)))
    parts = _BETWEEN.split(str(value)[:_MAX_VALUE_CHARS].strip("[]"))
    names = (part.strip("\"'“”‘’ \t") for part in parts)
    return tuple(name for name in names if name and not is_degree(name))[:_MAX_GUESTS]


def _make_front(fields: Mapping[str, Any], end: int) -> Front:
    dated = [str(fields[key]) for key in _DATES if fields.get(key)]
    published, precision = next((found for one in dated if (found := read_date(one))[0]), (None, "none"))
    guests = next((names for key in _GUESTS if (names := make_guests(fields.get(key) or ""))), ())
    doubt = f"its date {dated[0][:40]!r} is in no form that is read" if dated and published is None else ""
    return Front(end, _find(fields, _TITLES), published, precision, guests, _find(fields, _DESCRIPTIONS), doubt)


def _find(fields: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((" ".join(str(fields[key]).split()) for key in keys if isinstance(fields.get(key), str)), "")


def _fold_key(key: str) -> str:
    return re.sub(r"[\s-]+", "_", _CAMEL.sub("_", key.strip().strip("\"'"))).lower()


def _read_toml(text: str) -> dict[str, Any]:
    """Get the keys, those of tables beside those at the top; of a broken head, what its lines say."""
    try:
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
        return {_fold_key(key): value.strip().strip("\"'") for key, _, value in pairs}
    fields = dict[str, Any]()
    for key, value in tree.items():
        for name, inner in value.items() if isinstance(value, dict) else ((key, value),):
            fields.setdefault(_fold_key(name), inner)
    return fields


def _read_yaml(text: str) -> Iterator[tuple[str, Any]]:
    """Get the keys at the first level, with plain values, lists, and texts of several lines.

    Not by a YAML library: hosts write `title: Rust: the book`, which is no YAML, and such a head must be read too.
    """
    key, value, more = "", "", list[str]()
    for line in [*text.splitlines(), "end:"]:
        found = _YAML_LINE.match(line)
        if found is None:
            more += [line.strip()] if line.strip() and not line.lstrip().startswith("#") else []
            continue
        if key:
            yield key, _join_yaml(value, more)
        key, value, more = _fold_key(found[1]), (found[2] or "").strip(), []


def _join_yaml(value: str, more: list[str]) -> Any:
    """Get a value: a list of the lines that begin with a dash, or one text of all lines."""
    items = [item[1] for line in more if (item := _YAML_ITEM.match(line))]
    if items and not value.strip("|>-+ "):
        return [re.sub(r"^name:[ \t]*", "", _unquote(item)) for item in items]
    if value.startswith("[") and value.endswith("]"):
        return [_unquote(one) for one in value[1:-1].split(",") if one.strip()]
    first = "" if re.fullmatch(r"[|>][+-]?\d?", value) else value
    return _unquote(" ".join(part for part in (first, *more) if part))[:_MAX_VALUE_CHARS]


def _unquote(value: str) -> str:
    value = value.strip()
    if value[:1] in ("'", '"') and value.count(value[0]) >= 2:
        return value[1 : value.rindex(value[0])]
    return _COMMENT.sub("", value).strip()


def _read_head_lines(text: str) -> Front:
    """Get what `Title: ...` and `Date: ...` lines at the top say; a title or a date must be among them."""
    fields, end, title = dict[str, str](), 0, ""
    for n_lines, (offset, line) in enumerate(iterate_lines(text[:_MAX_CHARS])):
        heading, pair = _HEADING.match(line), _HEAD_LINE.match(line)
        key = _fold_key(pair[1]) if pair else ""
        if n_lines >= _MAX_HEAD_LINES or (line.strip() and not (heading and not title) and key not in _PLAIN):
            break
        if heading:
            title = heading[1].strip()
        elif pair and not (key in ("guest", "guests", "host", "hosts") and not _are_names(pair[2])):
            fields.setdefault(key, pair[2].strip())
            end = offset + len(line)
        elif pair:
            break
    if not {"title", "episode_title", *_DATES} & fields.keys():
        return Front()
    return _make_front({"title": title} | fields if title else fields, end)


def _are_names(value: str) -> bool:
    """Say whether a line's value is names, and not what a guest says."""
    return all(is_name(name) for name in make_guests(value)) and not value.rstrip().endswith((".", "?", "!"))
