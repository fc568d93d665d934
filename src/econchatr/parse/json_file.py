"""JSON text -> a tree whose strings remember their place in the file, and the account of the file.

So a JSON transcript is accounted for like any other file: syntax, keys and numbers are markup; every string value must
be claimed by its reader, or it counts as unplaced. It knows no service's format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from econchatr.errors import TranscriptError
from econchatr.parse.account import Account

MAX_VALUES: Final = 600_000
"""Four hours of speech with every word's times twice have 400,000; more would take memory by the gigabyte."""

_MAX_DEPTH: Final = 60
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_KEY: Final = re.compile(r'"([A-Za-z_]{1,30})"\s{0,4}:')


class Text(str):
    """A string value; `start` and `end` are where its letters stand in the file, between the quotes."""

    start: int
    end: int


class _Pairs(list[tuple[str, Any]]):
    """An object as it stands: a key may stand twice, and every string must be met in the file's order."""


@dataclass(frozen=True)
class JsonFile:
    """The root of the tree (dicts, lists, `Text`, numbers) and the account, in which only strings are unclaimed."""

    root: Any
    account: Account

    def place(self, *texts: object) -> None:
        """Claim strings as speech or labels; what is no string of the file is passed over."""
        for text in texts:
            if isinstance(text, Text):
                self.account.place(text.start, text.end)

    def mark(self, node: object) -> None:
        """Claim every string below a node as markup."""
        for text in walk_texts(node):
            self.account.mark(text.start, text.end)

    def mark_keys(self, keys: frozenset[str]) -> None:
        """Claim as markup whatever stands under these keys, anywhere in the file."""
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, dict):
                for key, value in node.items():
                    if key in keys:
                        self.mark(value)
                    else:
                        waiting.append(value)
            elif isinstance(node, list):
                waiting.extend(node)


def looks_like_json(text: str) -> bool:
    """Say whether the text begins as JSON does."""
    return text[:100].lstrip("\ufeff \t\r\n")[:1] in ("{", "[")


@lru_cache(maxsize=1)
def list_keys(text: str) -> frozenset[str]:
    """Get the keys that stand anywhere in the text; cheap, and true even of a file that is cut off."""
    return frozenset(match[1] for match in _KEY.finditer(text)) if looks_like_json(text) else frozenset()


def open_json(text: str) -> JsonFile:
    """Get the tree and the account.

    Raises:
        TranscriptError: the text is no whole JSON, or has more values than a transcript may.
    """
    n_values = text.count(",") + text.count("[") + text.count("{")
    if n_values > MAX_VALUES:
        raise TranscriptError(
            f"the JSON has about {n_values:,} values; a transcript may have {MAX_VALUES:,}",
            hint="Export it without word timings, or split it into one file per episode.",
        )
    try:
        tree = json.loads(text.lstrip("\ufeff"), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as exc:
        where = f" at line {exc.lineno}" if isinstance(exc, json.JSONDecodeError) else ""
        raise TranscriptError(
            f"the JSON cannot be read{where}: {str(exc)[:120]}", hint="Export or download it again; it may be cut off."
        ) from exc
    account, spans = Account(text), _STRING.finditer(text)
    root = _locate(tree, spans, 0)
    position = 0
    for leaf in sorted(walk_texts(root), key=_get_start):
        account.mark(position, leaf.start)
        position = leaf.end
    account.mark(position, len(text))
    return JsonFile(root, account)


def walk_texts(node: object) -> Iterator[Text]:
    """Get every string below a node."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Text):
            yield one
        elif isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _get_start(text: Text) -> int:
    return text.start


def _locate(node: Any, spans: Iterator[re.Match[str]], depth: int) -> Any:
    if isinstance(node, str):
        return _make_text(node, next(spans))
    if isinstance(node, _Pairs | list) and depth > _MAX_DEPTH:
        raise TranscriptError(
            f"the JSON is nested more than {_MAX_DEPTH} deep", hint="A transcript is flatter; look what the file is."
        )
    if isinstance(node, _Pairs):
        found = dict[str, Any]()
        for key, value in node:
            next(spans)
            located = _locate(value, spans, depth + 1) if isinstance(value, str | list) else value
            # A key that stands twice keeps both values, or the first would be lost without a count.
            found[key if key not in found else f"{key}#{len(found)}"] = located
        return found
    if isinstance(node, list):
        return [_locate(one, spans, depth + 1) if isinstance(one, str | list) else one for one in node]
    return node


def _make_text(value: str, span: re.Match[str]) -> Text:
    text = Text(value)
    text.start, text.end = span.start() + 1, span.end() - 1
    return text
