"""Readers for JSON transcripts of services and archives: one function and one row of `SHAPES` each.

Every string remembers its place in the file. Syntax, keys and numbers are markup; a string that no reader claims counts
as unplaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby
from typing import Any, Final

from econchatr.errors import TranscriptError
from econchatr.parse.draft import Account, Draft, Reader, TurnWriter
from econchatr.parse.people import SpeakerTable, tidy_label

_MAX_VALUES: Final = 600_000
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
        for text in _walk_texts(node):
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
def _list_keys(text: str) -> frozenset[str]:
    """Get the keys that stand anywhere in the text; cheap, and true even of a file that is cut off."""
    return frozenset(match[1] for match in _KEY.finditer(text)) if looks_like_json(text) else frozenset()


def open_json(text: str) -> JsonFile:
    """Get the tree and the account.

    Raises:
        TranscriptError: the text is no whole JSON, or has more values than a transcript may.
    """
    n_values = text.count(",") + text.count("[") + text.count("{")
    if n_values > _MAX_VALUES:
        raise TranscriptError(
            f"the JSON has about {n_values:,} values; a transcript may have {_MAX_VALUES:,}",
            hint="Export it without word timings, or split it into one file per episode.",
        )
    try:
        tree = _load_tree(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as exc:
        where = f" at line {exc.lineno}" if isinstance(exc, json.JSONDecodeError) else ""
        raise TranscriptError(
            f"the JSON cannot be read{where}: {str(exc)[:120]}", hint="Export or download it again; it may be cut off."
        ) from exc
    account, spans = Account(text), _STRING.finditer(text)
    root = _locate(tree, spans, 0)
    position = 0
    for leaf in sorted(_walk_texts(root), key=_get_start):
        account.mark(position, leaf.start)
        position = leaf.end
    account.mark(position, len(text))
    return JsonFile(root, account)


def _load_tree(text: str) -> Any:
    """Get the values of a file; JSON Lines are a list of them."""
    try:
        return json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as exc:
        lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]  # a text may hold U+2028
        if len(lines) < 2 or not all(line.strip().endswith(("}", "]")) for line in lines[:3]):
            raise
        try:
            return [json.loads(line, object_pairs_hook=_Pairs) for line in lines]
        except json.JSONDecodeError:
            raise exc from None


def _walk_texts(node: object) -> Iterator[Text]:
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


_MAX_LABEL_CHARS: Final = 128
_MAX_SECONDS: Final = 1_000_000
_NO_SPACE_BEFORE: Final = frozenset(",.!?;:%)]’”…")
# Strings under these keys are the service's own; words with times repeat the text of their segment.
TECHNICAL: Final = frozenset({
    "acoustic_model", "auto_highlights_result", "created", "duration", "entities", "href", "id", "identifier",
    "iab_categories_result", "justia_url", "language", "language_code", "language_model", "metadata", "model",
    "model_info", "models", "request_id", "sentiment_analysis_results", "sha256", "source", "speech_model", "status",
    "task", "term", "type", "usage", "version", "webhook_url", "audio_url", "last_name", "length_of_service",
    "view_count", "role_title", "start", "end", "startTime", "endTime", "ts", "end_ts", "timestamp",
    "date_start", "date_end", "speech_models", "file", "url", "docket_number", "thumbnail",
})  # fmt: skip


@dataclass(frozen=True)
class Speech:
    """Strings in a row by one speaker; `None` goes on with whoever spoke last, an empty label names nobody."""

    label: object
    texts: tuple[Text, ...]
    start_seconds: int | None
    covers: tuple[object, ...] = ()
    """Strings that say the same once more, so that they count as placed."""


@dataclass(frozen=True)
class Shape:
    """One service's JSON: keys that must be there, keys that must not, how to read it, and what repeats the speech."""

    name: str
    keys: frozenset[str]
    others: frozenset[str]
    score: float
    read: Callable[[Any], Iterator[Speech]]
    repeats: frozenset[str] = frozenset()


def _score_shape(text: str, *, shape: Shape) -> float:
    """Get how surely the text is in a shape: by the keys that stand anywhere in it."""
    found = _list_keys(text)
    return shape.score if found and shape.keys <= found and not shape.others & found else 0.0


def _read_shape(text: str, show: SpeakerTable, *, shape: Shape) -> Draft:
    """Get the turns; every string that neither is speech nor technical stays unplaced.

    Raises:
        TranscriptError: the text is no whole JSON, or not in the shape after all.
    """
    file = open_json(text)
    writer = TurnWriter(label="", joins="")
    is_named = False
    try:
        for said in shape.read(file.root):
            label = read_label(said.label)
            if label is not None and label != writer.label:
                writer.open(label, start_seconds=said.start_seconds)
                is_named = is_named or bool(label)
            file.place(said.label, *said.texts, *said.covers)
            say(said, writer)
    except (KeyError, TypeError, AttributeError, IndexError) as exc:
        raise TranscriptError(
            f"the JSON looks like {shape.name}, but a part is not as it should be ({type(exc).__name__}: {exc})",
            hint="Export it again with speakers and utterances, or use another format.",
        ) from exc
    writer.close()
    file.mark_keys(TECHNICAL | shape.repeats)
    if isinstance(file.root, dict):
        # Beside segments, the whole text stands once more.
        file.mark(file.root.get("text"))
    return Draft("verbatim" if is_named else "unlabelled", tuple(writer.turns), file.account, read_title(file))


# --- one function per shape -------------------------------------------------------------------------------------------


def _read_podcast(root: Any) -> Iterator[Speech]:
    for segment in root["segments"]:
        # A body may be a whole sentence or one word; the speaker may stand only where it changes.
        yield Speech(segment.get("speaker"), _texts(segment["body"]), read_time(segment.get("startTime")))


def _read_segments(root: Any) -> Iterator[Speech]:
    segments = root["segments"]
    has_speakers = any(_is_label(segment.get("speaker")) for segment in segments)
    for segment in segments:
        label = segment.get("speaker")
        words = segment.get("words") or []
        parts = list(_split_words(words)) if has_speakers else []
        if len({part.label for part in parts}) > 1 and len(words) == sum(len(part.texts) for part in parts):
            yield Speech(None, (), None, (label, segment["text"]))
            yield from parts
        else:
            yield Speech(label if _is_label(label) else "", _texts(segment["text"]), read_time(segment.get("start")))


def _split_words(words: list[Any]) -> Iterator[Speech]:
    """Get a segment's words by who spoke them: one segment may span two speakers. Words without one go on."""
    label: object = None
    named = list[tuple[object, Any]]()
    for word in words:
        label = word.get("speaker", label)
        named.append((label, word))
    for speaker, group in groupby(named, key=_get_first):
        said = [word for _, word in group]
        texts = tuple(text for word in said for text in _texts(word.get("word")))
        yield Speech(speaker, texts, next(filter(None, (read_time(word.get("start")) for word in said)), None))


def _read_assemblyai(root: Any) -> Iterator[Speech]:
    if not root.get("utterances"):
        yield Speech("", _texts(root["text"]), None)
        return
    for one in root["utterances"]:
        yield Speech(one.get("speaker"), _texts(one["text"]), read_time(one.get("start"), per_second=1000))


def _read_deepgram(root: Any) -> Iterator[Speech]:
    results = root["results"]
    if results.get("utterances"):
        for one in results["utterances"]:
            yield Speech(one.get("speaker"), _texts(one["transcript"]), read_time(one.get("start")))
        return
    channels = results["channels"]
    for number, channel in enumerate(channels):
        alternative = channel["alternatives"][0]
        nobody = number if len(channels) > 1 else ""
        paragraphs = (alternative.get("paragraphs") or {}).get("paragraphs") or []
        for one in paragraphs:
            for sentence in one["sentences"]:
                speaker = one.get("speaker", nobody)
                yield Speech(speaker, _texts(sentence["text"]), read_time(sentence.get("start")))
        if not paragraphs:
            yield Speech(nobody, _texts(alternative["transcript"]), None)


def _read_rev(root: Any) -> Iterator[Speech]:
    names = {person["id"]: person["name"] for person in root.get("speakers") or [] if person.get("name")}
    for monologue in root["monologues"]:
        elements = monologue["elements"]
        start = next((time for one in elements if (time := read_time(one.get("ts"))) is not None), None)
        # Spaces are elements of their own.
        texts = tuple(text for one in elements for text in _texts(one["value"]))
        yield Speech(names.get(monologue["speaker"], monologue["speaker"]), texts, start)


def _read_oyez(root: Any) -> Iterator[Speech]:
    for section in (root.get("transcript") or root)["sections"]:
        for turn in section["turns"]:
            speaker = turn.get("speaker") or {}
            for block in turn["text_blocks"]:
                yield Speech(speaker.get("name") or "", _texts(block["text"]), read_time(block.get("start")))


def _make_shape(name: str, keys: str, read: Callable[[Any], Iterator[Speech]], **more: str | float) -> Shape:
    others, repeats = (frozenset(str(more.get(part, "")).split()) for part in ("others", "repeats"))
    return Shape(name, frozenset(keys.split()), others, float(more.get("score", 0.95)), read, repeats)


SHAPES: Final = (
    _make_shape("podcast-json", "segments body", _read_podcast),
    _make_shape("whisper", "segments text no_speech_prob", _read_segments, score=0.94, others="word_segments body",
                repeats="words"),
    _make_shape("whisperx", "segments text", _read_segments, score=0.8, others="no_speech_prob body monologues",
                repeats="words word_segments chars"),
    _make_shape("openai-diarized", "segments text speaker task", _read_segments, score=0.9,
                others="word_segments no_speech_prob body", repeats="words"),
    _make_shape("assemblyai", "utterances text", _read_assemblyai, others="transcript channels segments",
                repeats="words chapters highlights"),
    _make_shape("deepgram", "results channels transcript", _read_deepgram,
                repeats="words channels topics intents summary"),
    _make_shape("rev-json", "monologues elements", _read_rev),
    _make_shape("oyez", "sections turns text_blocks", _read_oyez),
)  # fmt: skip
"""Every JSON shape. A new one is a function above and a row here; WhisperX is also what plain segments are read as."""

JSON_READERS: Final = tuple(
    Reader(shape.name, partial(_score_shape, shape=shape), partial(_read_shape, shape=shape)) for shape in SHAPES
)


# --- what they share --------------------------------------------------------------------------------------------------


def _get_first(pair: tuple[object, Any]) -> object:
    return pair[0]


def _texts(value: object) -> tuple[Text, ...]:
    return (value,) if isinstance(value, Text) else ()


def _is_label(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip() != ""


def read_label(value: object) -> str | None:
    """Get the label: names as they stand, numbers as `Speaker 0`; `None` goes on with the last speaker."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"Speaker {value}"[:_MAX_LABEL_CHARS]
    return tidy_label(value[:_MAX_LABEL_CHARS]) if isinstance(value, str) else None


def read_time(value: object, *, per_second: int = 1) -> int | None:
    """Get whole seconds; services write numbers, numbers in quotes, and clock times."""
    if isinstance(value, str):
        hours, _, rest = value[:20].rpartition(":")
        parts = [*hours.split(":"), rest] if hours else [rest]
    elif isinstance(value, int | float):
        parts = [str(value)] if abs(value) < _MAX_SECONDS * 1000 else []
    else:
        return None
    try:
        seconds = sum(float(part) * 60**power for power, part in enumerate(reversed(parts))) / per_second
    except ValueError:
        return None
    return int(seconds) if parts and 0 <= seconds < _MAX_SECONDS else None


def say(said: Speech, writer: TurnWriter) -> None:
    """Add a speech's strings to the open turn, with a space before it where one belongs."""
    words = "".join(_glue(said.texts))
    gap = "" if not words or words[0].isspace() or words[0] in _NO_SPACE_BEFORE else " "
    writer.say(gap + words if words else "", start_seconds=said.start_seconds)


def _glue(texts: Iterable[Text]) -> Iterator[str]:
    """Get strings in a row; words without spaces of their own get one between them."""
    texts = list(texts)
    are_spaced = any(text[:1].isspace() or text[-1:].isspace() for text in texts)
    for place, text in enumerate(texts):
        yield text if are_spaced or place == 0 or text[:1] in _NO_SPACE_BEFORE else f" {text}"


def read_title(file: JsonFile) -> str:
    """Get the title that stands at the top of the file, and claim it as markup."""
    root = file.root if isinstance(file.root, dict) else {}
    inner = root.get("transcript")
    title = root.get("title") or (inner.get("title") if isinstance(inner, dict) else None)
    file.mark(title)
    return str(title)[:300] if isinstance(title, Text) else ""
