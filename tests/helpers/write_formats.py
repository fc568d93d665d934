"""One talk, written in every format that is read."""

from __future__ import annotations

import html
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from typing import Final

Talk = Sequence[tuple[str, str]]
"""Who says what, in order; a text is one line that begins with a word."""

_WORDS_XML: Final = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def write_markdown(talk: Talk) -> str:
    return "\n\n".join(f"**{name}:** {text}" for name, text in talk) + "\n"


def write_econtalk(talk: Talk) -> str:
    """A page as EconTalk's are since 2016: a row with a time for every fifth turn."""
    said = [f"<p><b>{html.escape(name)}:</b> {html.escape(text)}</p>" for name, text in talk]
    rows = "".join(
        f"<tr><td>{first}:00</td><td>{''.join(said[first : first + 5])}</td></tr>" for first in range(0, len(said), 5)
    )
    return (
        "<html><head><title>Dara Finch on Wells</title></head><body><p>A teaser.</p><div class='audio-highlight'>"
        f"<table><tbody><tr><th>Time</th><th>Podcast Episode Highlights</th></tr>{rows}</tbody></table></div>"
        "</body></html>"
    )


def write_webvtt(talk: Talk) -> str:
    cues = (
        f"{n}\n{_clock(n)}.000 --> {_clock(n + 1)}.000\n<v {name}>{html.escape(text, quote=False)}\n"
        for n, (name, text) in enumerate(talk)
    )
    return "WEBVTT\n\n" + "\n".join(cues)


def write_srt(talk: Talk) -> str:
    return "\n".join(
        f"{n + 1}\n{_clock(n)},000 --> {_clock(n + 1)},000\n{name}: {text}\n" for n, (name, text) in enumerate(talk)
    )


def write_podcast_html(talk: Talk) -> str:
    return "\n".join(
        f"<cite>{html.escape(name)}:</cite>\n<time>{n}:00</time>\n<p>{html.escape(text)}</p>"
        for n, (name, text) in enumerate(talk)
    )


def write_stamped(talk: Talk) -> str:
    return "\n".join(f"{name} ({_clock(n)}):\n{text}\n" for n, (name, text) in enumerate(talk))


def write_otter(talk: Talk) -> str:
    said = "\n".join(f"{name}  {n}:00\n{text}\n" for n, (name, text) in enumerate(talk))
    return f"{said}\nTranscribed by https://otter.ai\n"


def write_plain(talk: Talk) -> str:
    return "\n".join(f"{name}: {text}" for name, text in talk) + "\n"


def write_headed(talk: Talk) -> str:
    return "\n".join(f"**{name}** ({_clock(n)})\n\n{text}\n" for n, (name, text) in enumerate(talk))


def write_ass(talk: Talk) -> str:
    said = (
        f"Dialogue: 0,{_clock(n)}.00,{_clock(n + 1)}.00,Default,{name},0,0,0,,{text}\n"
        for n, (name, text) in enumerate(talk)
    )
    return "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n" + "".join(said)


def write_ttml(talk: Talk) -> str:
    names = list(dict.fromkeys(name for name, _ in talk))
    agents = "".join(
        f'<ttm:agent type="person" xml:id="a{n}"><ttm:name>{html.escape(name)}</ttm:name></ttm:agent>'
        for n, name in enumerate(names)
    )
    said = "\n".join(
        f'<p begin="{_clock(n)}" ttm:agent="a{names.index(name)}">{html.escape(text)}</p>'
        for n, (name, text) in enumerate(talk)
    )
    return f'<tt xmlns="http://www.w3.org/ns/ttml"><head>{agents}</head><body><div>{said}</div></body></tt>'


def write_docx(talk: Talk) -> bytes:
    said = "".join(f"<w:p><w:r><w:t>{html.escape(f'{name}: {text}')}</w:t></w:r></w:p>" for name, text in talk)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(
            "word/document.xml", f"<w:document xmlns:w='{_WORDS_XML}'><w:body>{said}</w:body></w:document>"
        )
    return out.getvalue()


def _list_segments(talk: Talk, *, text: str = "text", start: str = "start") -> list[dict[str, object]]:
    return [{"speaker": name, start: n, "end": n + 1, text: said} for n, (name, said) in enumerate(talk)]


def _join(talk: Talk) -> str:
    return " ".join(text for _, text in talk)


def _write_podcast_json(talk: Talk) -> object:
    return {"version": "1.0.0", "segments": _list_segments(talk, text="body", start="startTime")}


def _write_records(talk: Talk) -> object:
    return [{"speaker_name": name, "sentence": text, "start_time": n} for n, (name, text) in enumerate(talk)]


def _write_whisper(talk: Talk) -> object:
    segments = [{"start": n, "text": f" {text}", "no_speech_prob": 0.1} for n, (_, text) in enumerate(talk)]
    return {"text": _join(talk), "language": "en", "segments": segments}


def _write_whisperx(talk: Talk) -> object:
    return {"segments": _list_segments(talk), "word_segments": [], "language": "en"}


def _write_openai(talk: Talk) -> object:
    return {"task": "transcribe", "duration": 9.0, "text": _join(talk), "segments": _list_segments(talk)}


def _write_assemblyai(talk: Talk) -> object:
    return {"id": "x", "status": "completed", "text": _join(talk), "utterances": _list_segments(talk)}


def _write_deepgram(talk: Talk) -> object:
    channels = [{"alternatives": [{"transcript": _join(talk)}]}]
    return {"results": {"channels": channels, "utterances": _list_segments(talk, text="transcript")}}


def _write_rev(talk: Talk) -> object:
    names = list(dict.fromkeys(name for name, _ in talk))
    monologues = [
        {
            "speaker": names.index(name),
            "elements": [
                {"type": kind, "value": value}
                for word in text.split()
                for kind, value in (("text", word), ("punct", " "))
            ],
        }
        for name, text in talk
    ]
    return {"speakers": [{"id": n, "name": name} for n, name in enumerate(names)], "monologues": monologues}


def _write_oyez(talk: Talk) -> object:
    turns = [
        {"start": n, "speaker": {"name": name, "roles": []}, "text_blocks": [{"start": n, "text": text}]}
        for n, (name, text) in enumerate(talk)
    ]
    return {"transcript": {"title": "Quill v. Finch", "sections": [{"turns": turns}]}}


def _encode_text(write: Callable[[Talk], str]) -> Callable[[Talk], bytes]:
    return lambda talk: write(talk).encode()


def _encode_json(write: Callable[[Talk], object]) -> Callable[[Talk], bytes]:
    return lambda talk: json.dumps(write(talk), indent=1).encode()


FORMATS: Final[dict[str, Callable[[Talk], bytes]]] = {
    "markdown": _encode_text(write_markdown),
    "econtalk": _encode_text(write_econtalk),
    "webvtt": _encode_text(write_webvtt),
    "srt": _encode_text(write_srt),
    "podcast-html": _encode_text(write_podcast_html),
    "podcast-json": _encode_json(_write_podcast_json),
    "whisper": _encode_json(_write_whisper),
    "whisperx": _encode_json(_write_whisperx),
    "openai-diarized": _encode_json(_write_openai),
    "assemblyai": _encode_json(_write_assemblyai),
    "deepgram": _encode_json(_write_deepgram),
    "rev-json": _encode_json(_write_rev),
    "oyez": _encode_json(_write_oyez),
    "stamped": _encode_text(write_stamped),
    "otter": _encode_text(write_otter),
    "headed": _encode_text(write_headed),
    "ass": _encode_text(write_ass),
    "ttml": _encode_text(write_ttml),
    "json-records": _encode_json(_write_records),
    "plain": _encode_text(write_plain),
    "docx/plain": write_docx,
}
"""Reader -> how a talk is written for it."""


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}:00"
