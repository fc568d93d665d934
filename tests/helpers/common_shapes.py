"""One talk of four turns in the shapes in which transcripts are commonly saved, and 300 episodes with a YAML head."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

TALK = (
    ("Orla Quill", "Who dug the well?"),
    ("Dara Finch", "My aunt dug it in a week."),
    ("Orla Quill", "And who paid for it?"),
    ("Dara Finch", "Nobody ever did."),
)
TIMES = (0, 12, 31, 45)
HEAD = "---\ntitle: 'On Wells'\npublish_date: 2024-05-01T06:00:00Z\nguest: Dara Finch\n---\n\n"
TOML_HEAD = '+++\ntitle = "On Wells"\ndate = 2024-05-01\n[params]\nguests = ["Dara Finch"]\n+++\n\n'


def write_turns(form: str, between: str = "\n\n") -> str:
    """The talk, each turn in a form with `{name}`, `{upper}`, `{clock}`, `{short}`, `{end}` and `{words}`."""
    return (
        between.join(
            form.format(
                name=name,
                upper=name.upper(),
                short=f"{start // 60:02d}:{start % 60:02d}",
                clock=f"00:{start // 60:02d}:{start % 60:02d}",
                end=f"00:{(start + 9) // 60:02d}:{(start + 9) % 60:02d}",
                words=words,
            )
            for (name, words), start in zip(TALK, TIMES, strict=True)
        )
        + "\n"
    )


def _rows(make: Callable[[str, str, int], object]) -> list[object]:
    return [make(name, words, start) for (name, words), start in zip(TALK, TIMES, strict=True)]


def _words(make: Callable[[str, str, int], object]) -> list[object]:
    return [
        make(name, word, start)
        for (name, words), start in zip(TALK, TIMES, strict=True)
        for word in words.replace("?", " ?").replace(".", " .").split()
    ]


def _number(name: str) -> int:
    return 0 if name.startswith("Orla") else 1


TEXTS: dict[str, str] = {
    "bold, time behind": write_turns("**{name}** ({clock}): {words}"),
    "bold, time behind, no colon": write_turns("**{name}** ({short}) {words}"),
    "bold, time above the words": write_turns("**{name}** [{clock}]\n{words}"),
    "bold and nothing": write_turns("**{name}** {words}"),
    "bold on a line": write_turns("**{name}**\n\n{words}"),
    "bold, time before": write_turns("[{short}] **{name}:** {words}"),
    "bold, time inside before": write_turns("**[{short}] {name}:** {words}"),
    "bold, time inside behind": write_turns("**{name} ({short}):** {words}"),
    "bold, time inside behind, words below": write_turns("**{name} ({short}):**\n{words}"),
    "bold, time in italics (Dwarkesh)": write_turns("**{name}** _{clock}_\n\n{words}"),
    "bold, dash": write_turns("**{name} —** {words}"),
    "bold, linked": write_turns("**[{name}](https://example.com/a):** {words}"),
    "bold, colon, time": write_turns("**{name}:** ({clock}) {words}"),
    "bold and a colon": write_turns("**{name}**: {words}"),
    "italics": write_turns("*{name}:* {words}"),
    "headings": write_turns("### {name}\n\n{words}"),
    "headings with times": write_turns("## {name} ({clock})\n\n{words}"),
    "table": "| Speaker | Words |\n| --- | --- |\n" + write_turns("| {name} | {words} |", "\n"),
    "table with times": "| Time | Speaker | Words |\n|---|---|---|\n"
    + write_turns("| {clock} | {name} | {words} |", "\n"),
    "time, name and colon": write_turns("[{clock}] {name}: {words}"),
    "name, time, colon (Rev, Castmagic)": write_turns("{name} ({clock}):\n{words}"),
    "name and time (Riverside)": write_turns("{name} ({short}.120)\n{words}"),
    "name, time and words (Trint)": write_turns("{name} [{clock}] {words}"),
    "name, colon, time (Rev)": write_turns("{name}: ({clock})\n{words}"),
    "name on a line, time below (Lex Fridman)": write_turns("{name}\n({clock})\n{words}"),
    "time on a line, name below": write_turns("{clock}\n{name}\n{words}"),
    "time on a line, name and colon (Meet)": "On Wells (2024-05-01 10:00 GMT) - Transcript\nAttendees\n"
    "Orla Quill, Dara Finch\n"
    "Transcript\n" + write_turns("{clock}\n\n{name}: {words}") + "Transcription ended after 00:00:50\n",
    "brackets around the name (Zoom)": write_turns("[{name}] {clock}\n{words}"),
    "time, dash, name (Happy Scribe)": write_turns("[{clock}.30] - {name}\n{words}"),
    "bar before the time": write_turns("{name} | {short}\n{words}"),
    "dash before the time (Fireflies)": write_turns("{name} - {short}\n{words}"),
    "one space before the time": write_turns("{name} {short}\n{words}"),
    "two spaces before the time (Otter)": write_turns("{name}  {short}\n{words}")
    + "\nTranscribed by https://otter.ai\n",
    "from and to": write_turns("{clock} - {end} {name}: {words}", "\n"),
    "name on a line": write_turns("{name}\n{words}"),
    "capitals on a line": write_turns("{upper}\n{words}"),
    "capitals and a colon": write_turns("{upper}: {words}"),
    "capitals and a part (NPR)": write_turns("{upper}, HOST: {words}"),
    "full-width colon": write_turns("{name}：{words}"),
    "no space behind the colon": write_turns("{name}:{words}", "\n"),
    "numbered": "".join(f"{n}. {name}: {words}\n" for n, (name, words) in enumerate(TALK, 1)),
    "a tab": write_turns("{name}\t{words}", "\n"),
    "marks of direction": write_turns("\u200f{name}:\u200e {words}"),
    "YAML head, time blocks": HEAD + write_turns("{name} ({clock}):\n{words}"),
    "YAML head, plain": HEAD + write_turns("{name}: {words}"),
    "YAML head, time first": HEAD + write_turns("[{clock}] {name}: {words}"),
    "TOML head": TOML_HEAD + write_turns("{name}: {words}"),
    "head without a fence": "Title: On Wells\nDate: May 1, 2024\nGuest: Dara Finch\n\n"
    + write_turns("{name}: {words}"),
    "a page with paragraphs": "<!doctype html><html><head><title>On Wells</title></head><body>"
    "<nav><a>Home</a></nav><article>"
    + write_turns("<p><strong>{name}:</strong> {words}</p>", "\n")
    + "</article><footer>All rights</footer></body></html>",
    "a page with line breaks": "<html><body><div>"
    + write_turns("<b>{name}:</b> {words}<br><br>", "\n")
    + "</div></body></html>",
    "a page with a list of terms": "<html><body><dl>"
    + write_turns("<dt>{name}</dt><dd>{words}</dd>", "\n")
    + "</dl></body></html>",
    "WebVTT with voices": "WEBVTT\n\n" + write_turns("{clock}.000 --> {end}.000\n<v {name}>{words}</v>"),
    "WebVTT, the name twice": "WEBVTT\n\n" + write_turns("{clock}.000 --> {end}.000\n<v {name}>{name}: {words}"),
    "WebVTT with labels (Zoom)": "WEBVTT\n\n" + write_turns("{clock}.000 --> {end}.000\n{name}: {words}"),
    "SRT": "".join(
        f"{n}\n{block}\n\n"
        for n, block in enumerate(write_turns("{clock},000 --> {end},000\n{name}: {words}").split("\n\n"), 1)
    ),
    "Teams": write_turns("{clock}.0 --> {end}.0\n{name}\n{words}").replace("00:00:", "0:0:").replace("0:0:00", "0:0:0"),
    "SBV": write_turns("0:{short}.000,0:{short}.900\n{name}: {words}"),
    "ASS": "[Script Info]\nTitle: x\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    + write_turns("Dialogue: 0,{clock}.00,{end}.00,Default,{name},0,0,0,,{words}", "\n"),
    "TTML": '<?xml version="1.0"?><tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttm="x"><head><metadata>'
    '<ttm:agent type="person" xml:id="a"><ttm:name>Orla Quill</ttm:name></ttm:agent>'
    '<ttm:agent type="person" xml:id="b"><ttm:name>Dara Finch</ttm:name></ttm:agent></metadata></head><body><div>'
    + write_turns('<p begin="{clock}" end="{end}" ttm:agent="{name}">{words}</p>', "\n")
    .replace('agent="Orla Quill"', 'agent="a"')
    .replace('agent="Dara Finch"', 'agent="b"')
    + "</div></body></tt>",
}
"""Each as text; the talk comes out of every one."""

VALUES: dict[str, object] = {
    "a list of records": _rows(lambda name, words, start: {"speaker": name, "text": words, "start": start}),
    "the speaker is a table": {
        "segments": _rows(lambda name, words, _: {"speaker": {"id": 1, "name": name}, "text": words})
    },
    "speaker_name": {"segments": _rows(lambda name, words, _: {"speaker_name": name, "text": words})},
    "Fireflies": {
        "sentences": _rows(
            lambda name, words, start: {"index": start, "speaker_name": name, "text": words, "raw_text": words}
        )
    },
    "Gladia": {
        "result": {
            "transcription": {
                "full_transcript": "",
                "utterances": _rows(lambda name, words, start: {"speaker": name, "text": words, "start": start}),
            }
        }
    },
    "AssemblyAI as a list": _rows(
        lambda name, words, start: {"speaker": name, "text": words, "start": start * 1000, "confidence": 0.9}
    ),
    "Azure": {
        "recognizedPhrases": _rows(
            lambda name, words, _: {"speaker": name, "nBest": [{"display": words, "lexical": words.lower()}]}
        )
    },
    "Google": {
        "results": [{"alternatives": [{"words": _words(lambda name, word, _: {"word": word, "speakerTag": name})}]}]
    },
    "Speechmatics": {
        "results": _words(
            lambda name, word, start: {
                "type": "word",
                "start_time": start,
                "alternatives": [{"content": word, "speaker": name}],
            }
        )
    },
    "AWS": {
        "results": {
            "transcripts": [{"transcript": "all of it"}],
            "items": _words(
                lambda name, word, _: {
                    "type": "pronunciation",
                    "speaker_label": name,
                    "alternatives": [{"content": word}],
                }
            ),
        }
    },
    "Deepgram, speakers on words": {
        "results": {
            "channels": [
                {
                    "alternatives": [
                        {
                            "transcript": "all",
                            "words": _words(
                                lambda name, word, start: {
                                    "word": word,
                                    "punctuated_word": word,
                                    "start": start,
                                    "speaker": name,
                                }
                            ),
                        }
                    ]
                }
            ]
        }
    },
}
"""Each as a value that is saved as JSON."""

BYTES: dict[str, bytes] = {
    "UTF-16 without a mark": write_turns("{name}: {words}").encode("utf-16-le"),
    "UTF-32": write_turns("{name}: {words}").encode("utf-32"),
    "JSON Lines": "\n".join(json.dumps({"speaker": name, "text": words}) for name, words in TALK).encode(),
}

EVERY: dict[str, bytes] = (
    {name: text.encode() for name, text in TEXTS.items()}
    | {name: json.dumps(value, indent=1).encode() for name, value in VALUES.items()}
    | BYTES
)
"""All of them, by name."""


def write_corpus(folder: Path, n_files: int = 300) -> None:
    """Write episodes with a YAML head and `Name (00:00:00):` blocks, whose names do not tell their order."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = ("publish_date", "date", "published")
    for n in range(n_files):
        day, place = f"{2015 + n // 48}-{1 + n % 48 // 4:02d}-{1 + n % 4 * 7:02d}", (n * 37) % n_files
        guest = f"Guest {chr(65 + n % 26)}{chr(97 + n // 26)}berry"
        head = f'---\ntitle: "Wells: part {n}"\n{keys[n % 3]}: {day}\nguest: {guest}\nyoutube_url: https://example.com/{n}\n'
        head += "description: >\n  A long talk.\n  About wells.\nkeywords:\n  - wells\n  - water\n---\n\n# Wells\n\n"
        said = [
            ("Orla Quill", f"Who dug well {n}?"),
            (guest, f"My aunt dug it, in {n + 2} days."),
            ("Orla Quill", "Why?"),
        ]
        blocks = "\n".join(f"{name} (00:{m:02d}:00):\n{words}\n" for m, (name, words) in enumerate(said))
        (folder / f"wells-{place:03d}.md").write_text(head + blocks, encoding="utf-8")
