"""Readers for what transcription services and archives give as JSON: one function and one row of `SHAPES` each.

Podcasting 2.0, Whisper, WhisperX, OpenAI's diarized_json, AssemblyAI, Deepgram, Rev and Oyez. Each function says who
spoke which strings, in order; opening, joining and accounting are the same for all. It resolves no speaker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Final

from econchatr.errors import TranscriptError
from econchatr.parse.draft import Draft, Reader, TurnWriter
from econchatr.parse.json_file import JsonFile, Text, list_keys, open_json
from econchatr.parse.speakers import SpeakerTable, tidy_label

_MAX_LABEL_CHARS: Final = 128
_MAX_SECONDS: Final = 1_000_000
_NO_SPACE_BEFORE: Final = frozenset(",.!?;:%)]’”…")
# Strings under these keys are the service's own; words with times repeat the text of their segment.
_TECHNICAL: Final = frozenset({
    "acoustic_model", "auto_highlights_result", "created", "duration", "entities", "href", "id", "identifier",
    "iab_categories_result", "justia_url", "language", "language_code", "language_model", "metadata", "model",
    "model_info", "models", "request_id", "sentiment_analysis_results", "sha256", "source", "speech_model", "status",
    "task", "term", "type", "usage", "version", "webhook_url", "audio_url", "last_name", "length_of_service",
    "view_count", "role_title", "start", "end", "startTime", "endTime", "ts", "end_ts", "timestamp",
    "date_start", "date_end", "speech_models", "file", "url", "docket_number", "thumbnail",
})  # fmt: skip


@dataclass(frozen=True)
class Said:
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
    read: Callable[[Any], Iterator[Said]]
    repeats: frozenset[str] = frozenset()


def score_shape(text: str, *, shape: Shape) -> float:
    """Get how surely the text is in a shape: by the keys that stand anywhere in it."""
    found = list_keys(text)
    return shape.score if found and shape.keys <= found and not shape.others & found else 0.0


def read_shape(text: str, show: SpeakerTable, *, shape: Shape) -> Draft:
    """Get the turns; every string that neither is speech nor technical stays unplaced.

    Raises:
        TranscriptError: the text is no whole JSON, or not in the shape after all.
    """
    file = open_json(text)
    writer = TurnWriter(label="", joins="")
    is_named = False
    try:
        for said in shape.read(file.root):
            label = _read_label(said.label)
            if label is not None and label != writer.label:
                writer.open(label, start_seconds=said.start_seconds)
                is_named = is_named or bool(label)
            file.place(said.label, *said.texts, *said.covers)
            _say(said, writer)
    except (KeyError, TypeError, AttributeError, IndexError) as exc:
        raise TranscriptError(
            f"the JSON looks like {shape.name}, but a part is not as it should be ({type(exc).__name__}: {exc})",
            hint="Export it again with speakers and utterances, or use another format.",
        ) from exc
    writer.close()
    file.mark_keys(_TECHNICAL | shape.repeats)
    if isinstance(file.root, dict):
        # Beside segments, the whole text stands once more.
        file.mark(file.root.get("text"))
    return Draft("verbatim" if is_named else "unlabelled", tuple(writer.turns), file.account, _read_title(file))


# --- one function per shape -------------------------------------------------------------------------------------------


def _read_podcast(root: Any) -> Iterator[Said]:
    for segment in root["segments"]:
        # A body may be a whole sentence or one word; the speaker may stand only where it changes.
        yield Said(segment.get("speaker"), _texts(segment["body"]), _read_time(segment.get("startTime")))


def _read_segments(root: Any) -> Iterator[Said]:
    segments = root["segments"]
    has_speakers = any(_is_label(segment.get("speaker")) for segment in segments)
    for segment in segments:
        label = segment.get("speaker")
        words = segment.get("words") or []
        parts = list(_split_words(words)) if has_speakers else []
        if len({part.label for part in parts}) > 1 and len(words) == sum(len(part.texts) for part in parts):
            yield Said(None, (), None, (label, segment["text"]))
            yield from parts
        else:
            yield Said(label if _is_label(label) else "", _texts(segment["text"]), _read_time(segment.get("start")))


def _split_words(words: list[Any]) -> Iterator[Said]:
    """Get a segment's words by who spoke them: one segment may span two speakers. Words without one go on."""
    label: object = None
    named = list[tuple[object, Any]]()
    for word in words:
        label = word.get("speaker", label)
        named.append((label, word))
    for speaker, group in groupby(named, key=_get_first):
        said = [word for _, word in group]
        texts = tuple(text for word in said for text in _texts(word.get("word")))
        yield Said(speaker, texts, next(filter(None, (_read_time(word.get("start")) for word in said)), None))


def _read_assemblyai(root: Any) -> Iterator[Said]:
    if not root.get("utterances"):
        yield Said("", _texts(root["text"]), None)
        return
    for one in root["utterances"]:
        yield Said(one.get("speaker"), _texts(one["text"]), _read_time(one.get("start"), per_second=1000))


def _read_deepgram(root: Any) -> Iterator[Said]:
    results = root["results"]
    if results.get("utterances"):
        for one in results["utterances"]:
            yield Said(one.get("speaker"), _texts(one["transcript"]), _read_time(one.get("start")))
        return
    channels = results["channels"]
    for number, channel in enumerate(channels):
        alternative = channel["alternatives"][0]
        nobody = number if len(channels) > 1 else ""
        paragraphs = (alternative.get("paragraphs") or {}).get("paragraphs") or []
        for one in paragraphs:
            for sentence in one["sentences"]:
                speaker = one.get("speaker", nobody)
                yield Said(speaker, _texts(sentence["text"]), _read_time(sentence.get("start")))
        if not paragraphs:
            yield Said(nobody, _texts(alternative["transcript"]), None)


def _read_rev(root: Any) -> Iterator[Said]:
    names = {person["id"]: person["name"] for person in root.get("speakers") or [] if person.get("name")}
    for monologue in root["monologues"]:
        elements = monologue["elements"]
        start = next((time for one in elements if (time := _read_time(one.get("ts"))) is not None), None)
        # Spaces are elements of their own.
        texts = tuple(text for one in elements for text in _texts(one["value"]))
        yield Said(names.get(monologue["speaker"], monologue["speaker"]), texts, start)


def _read_oyez(root: Any) -> Iterator[Said]:
    for section in (root.get("transcript") or root)["sections"]:
        for turn in section["turns"]:
            speaker = turn.get("speaker") or {}
            for block in turn["text_blocks"]:
                yield Said(speaker.get("name") or "", _texts(block["text"]), _read_time(block.get("start")))


def _make_shape(name: str, keys: str, read: Callable[[Any], Iterator[Said]], **more: str | float) -> Shape:
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
    Reader(shape.name, partial(score_shape, shape=shape), partial(read_shape, shape=shape)) for shape in SHAPES
)


# --- what they share --------------------------------------------------------------------------------------------------


def _get_first(pair: tuple[object, Any]) -> object:
    return pair[0]


def _texts(value: object) -> tuple[Text, ...]:
    return (value,) if isinstance(value, Text) else ()


def _is_label(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip() != ""


def _read_label(value: object) -> str | None:
    """Get the label: names as they stand, numbers as `Speaker 0`; `None` goes on with the last speaker."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"Speaker {value}"[:_MAX_LABEL_CHARS]
    return tidy_label(value[:_MAX_LABEL_CHARS]) if isinstance(value, str) else None


def _read_time(value: object, *, per_second: int = 1) -> int | None:
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


def _say(said: Said, writer: TurnWriter) -> None:
    words = "".join(_glue(said.texts))
    gap = "" if not words or words[0].isspace() or words[0] in _NO_SPACE_BEFORE else " "
    writer.say(gap + words if words else "", start_seconds=said.start_seconds)


def _glue(texts: Iterable[Text]) -> Iterator[str]:
    """Get strings in a row; words without spaces of their own get one between them."""
    texts = list(texts)
    are_spaced = any(text[:1].isspace() or text[-1:].isspace() for text in texts)
    for place, text in enumerate(texts):
        yield text if are_spaced or place == 0 or text[:1] in _NO_SPACE_BEFORE else f" {text}"


def _read_title(file: JsonFile) -> str:
    root = file.root if isinstance(file.root, dict) else {}
    inner = root.get("transcript")
    title = root.get("title") or (inner.get("title") if isinstance(inner, dict) else None)
    file.mark(title)
    return str(title)[:300] if isinstance(title, Text) else ""
