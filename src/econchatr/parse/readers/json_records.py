"""Reader for any other JSON: the list of records in it that holds most speech, with the speaker of each record.

Services agree on this much: somewhere stands a list, and each of its records has a text and a speaker, under one of
few names. Words are glued, punctuation records too.

Source: the documented replies of AWS Transcribe, Azure, Gladia, Google, Fireflies, OpenAI, Speechmatics, whisper.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from econchatr.errors import TranscriptError
from econchatr.parse.draft import Draft, Reader, TurnWriter
from econchatr.parse.people import SpeakerTable
from econchatr.parse.readers.json_shapes import (
    TECHNICAL,
    JsonFile,
    Speech,
    Text,
    looks_like_json,
    open_json,
    read_label,
    read_time,
    read_title,
    say,
)

_TEXTS: Final = (
    "text", "body", "transcript", "sentence", "content", "utterance", "display", "words_text", "speech", "message",
    "caption", "value", "word", "punctuated_word", "line", "quote",
)  # fmt: skip
_SPEAKERS: Final = (
    "speaker_name", "speakerName", "speaker", "name", "speaker_label", "speakerLabel", "speakerTag", "speaker_tag",
    "speaker_id", "speakerId", "author", "who", "participant", "user", "role",
)  # fmt: skip
_STARTS: Final = ("start", "start_time", "startTime", "begin", "from", "start_ts", "time", "timestamp", "offset", "ts")
_NESTED: Final = ("alternatives", "nBest", "n_best")
_REPEATS: Final = frozenset({"words", "items", "segments", "sentences", "transcripts", "paragraphs", "chars", "tokens"})
_MAX_NAME_CHARS: Final = 128


def _score_records(text: str) -> float:
    """Get a low score for whatever looks like JSON with speech: any reader that knows a shape knows it better."""
    if not looks_like_json(text):
        return 0.0
    return 0.05 if any(f'"{key}"' in text for key in _TEXTS) else 0.0


def _read_records(text: str, show: SpeakerTable) -> Draft:
    """Get the turns of the list with most speech; lists with speakers come before lists without.

    Raises:
        TranscriptError: The text is no whole JSON, or no list in it holds speech.
    """
    file = open_json(text)
    lists = sorted(_list_lists(file.root), key=_weigh, reverse=True)
    said = lists[0] if lists else []
    if not said:
        raise TranscriptError(
            "the JSON holds no list of records with a text",
            hint='Export it as a list of {"speaker": ..., "text": ...}, or as WebVTT with speakers.',
        )
    writer, is_named = TurnWriter(label="", joins=""), False
    for one in said:
        label = read_label(one.label)
        if label is not None and label != writer.label:
            writer.open(label, start_seconds=one.start_seconds)
            is_named = is_named or bool(label)
        file.place(one.label, *one.texts)
        say(one, writer)
    writer.close()
    _mark_rest(file)
    return Draft("verbatim" if is_named else "unlabelled", tuple(writer.turns), file.account, read_title(file))


def _list_lists(root: Any) -> Iterator[list[Speech]]:
    """Get the speech of every list of records in the tree."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
            records = [one for one in node if isinstance(one, Mapping)]
            found = [said for one in records if (said := _read_record(one))]
            if found and 2 * len(found) >= len(records):
                yield found


def _weigh(said: list[Speech]) -> tuple[bool, int, int]:
    """Speakers first, then the amount of speech; of lists that say the same, the one with fewer pieces."""
    n_chars = sum(len(text.strip()) for one in said for text in one.texts)
    return any(one.label not in (None, "") for one in said), n_chars // 50, -len(said)


def _read_record(record: Mapping[str, Any]) -> Speech | None:
    """Get what a record says; `None`: nothing."""
    inner: Mapping[str, Any] = record
    for key in _NESTED:
        nested = record.get(key)
        if isinstance(nested, list) and nested and isinstance(nested[0], Mapping):
            inner = nested[0]
    text = next((inner[key] for key in _TEXTS if isinstance(inner.get(key), Text)), None)
    if text is None:
        return None
    label = next(
        (found for key in _SPEAKERS for one in (inner, record) if (found := _name(one.get(key))) is not None), None
    )
    start = next((record[key] for key in _STARTS if record.get(key) is not None), None)
    return Speech(label, (text,), read_time(start if not isinstance(start, Mapping) else None))


def _name(value: Any) -> object | None:
    """Get who speaks: a name, a number, or a table with a name in it."""
    if isinstance(value, Mapping):
        return next((found for key in ("name", "label", "id") if (found := _name(value.get(key))) is not None), None)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return value if str(value).strip() and len(str(value)) <= _MAX_NAME_CHARS else None


def _mark_rest(file: JsonFile) -> None:
    """Claim as markup what repeats the speech word by word; other strings stay unplaced."""
    file.mark_keys(TECHNICAL | _REPEATS)


JSON_RECORDS: Final = Reader("json-records", _score_records, _read_records)
