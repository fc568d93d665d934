"""Mutate a small transcript of every format many times; nothing but our own error may come out, and nothing may hang.

    python benchmarks/fuzz_readers.py 100000            # of each format
    python benchmarks/fuzz_readers.py 2000 webvtt otter # of these two

Prints one line per format: inputs, how many were read, how many refused, the slowest in seconds, and what went wrong.
Ends with status 1 if anything did. It mutates bytes (flips, cuts, copies, joins with another format's pieces) from a
seed, so that what it finds can be found again.
"""

# ruff: noqa: E501 - small transcripts as they stand

from __future__ import annotations

import copy
import io
import json
import random
import resource
import sys
import time
import traceback
import zipfile
from typing import Any

from written_tables import tell_usage

from econchatr.errors import TranscriptError
from econchatr.parse import SpeakerTable, parse_file

SHOW = SpeakerTable(hosts=("Orla Quill",), aliases={"OQ": "Orla Quill"})
MAX_SECONDS = 2.0
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def make_docx(xml: bytes) -> bytes:
    """Pack a document's XML, so that mutations reach the XML and not only the archive around it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", xml)
    return out.getvalue()


def make_seeds() -> dict[str, bytes]:
    """One small transcript of every format."""
    words = [{"word": "Deep?", "start": 0.1, "score": 0.9, "speaker": "SPEAKER_01"}]
    segments = [{"start": n, "end": n + 1, "text": f"Word {n}.", "speaker": f"SPEAKER_0{n % 2}"} for n in range(4)]
    alternative = {"transcript": "Deep?", "words": words}
    utterances = [{"speaker": "A", "start": 61000, "text": "Deep?", "words": words}, {"speaker": "B", "text": "Very."}]
    elements = [{"type": "text", "value": "Deep", "ts": 1.0}, {"type": "punct", "value": " "}]
    turn = {"start": 0, "speaker": {"name": "Orla Quill", "roles": []}, "text_blocks": [{"start": 0, "text": "Go."}]}
    trees: dict[str, object] = {
        "podcast-json": {"version": "1.0.0", "segments": [{"speaker": "Ada Moss", "startTime": "0.5", "body": "Hi\n"}]},
        "whisper": {"text": "Deep.", "segments": [{"start": 0, "text": " Deep.", "no_speech_prob": 0.1}]},
        "whisperx": {"segments": [*segments, {"text": "Deep? No.", "speaker": "A", "words": words}], "word_segments": words},
        "openai-diarized": {"task": "transcribe", "text": "Deep?", "segments": segments},
        "assemblyai": {"id": "x", "text": "Deep? Very.", "utterances": utterances},
        "deepgram": {"results": {"channels": [{"alternatives": [alternative]}],
                                 "utterances": [{"speaker": 0, "start": 1.5, "transcript": "Deep?"}]}},
        "rev-json": {"speakers": [{"id": 1, "name": "Ada Moss"}], "monologues": [{"speaker": 1, "elements": elements}]},
        "oyez": {"transcript": {"title": "Q v. F", "sections": [{"turns": [turn, {**turn, "speaker": None}]}]}},
    }  # fmt: skip
    texts = {
        "markdown": "---\ntitle: Wells\ndate: 2021-02-03\n---\n**Orla Quill:** \\[00:12\\] Who?\n\n> and *when*\n\n"
        "**Dara Finch:** Me.\n\n**Break:** \\[25:59\\] to \\[27:11\\]\n\nAnd more.\n",
        "econtalk": "<html><title>Dara Finch on Wells</title><div class='audio-highlight'><table><tbody><tr><th>Time</th>"
        "</tr><tr><td>0:37</td><td><p>Intro. [Recording date: March 3rd, 2030.]</p><p><b>Orla Quill:</b> Who?</p>"
        "<p><b>Guest:</b> Me &amp; you.</p></td></tr></tbody></table></div></html>",
        "webvtt": "WEBVTT\nKind: captions\n\nNOTE x\n\n1\n00:00.000 --> 00:05.000 align:start\n<v.loud Orla Quill>Who &amp;"
        " <i>how</i>?</v>\n\n00:00:05.000 --> 00:00:06.000\nthe<00:00:05.400><c> well</c>\n\n00:06.000 --> 00:07.000\n>> yes\n",
        "srt": "1\n00:00:00,000 --> 00:00:02,760\nOrla Quill: Who?\nand: so\n\n2\n00:00:03.000 --> 00:00:05.000\n"
        "[SPEAKER_01]: Me\n\n3\n00:00:05,000 --> 00:00:07,000\n- a\n- b\n",
        "podcast-html": "<cite>Orla Quill :</cite>\n<time>0:00</time>\n<p>Who &amp; <b>why</b>?</p><!-- x -->\n"
        "<cite>Dara Finch:</cite><p>Me.<p>And you.<script>x</script>",
        "stamped": "Orla Quill (00:00:36):\nWho?\n\n(00:01:21):\nAnd?\nDara Finch (01:30)\nMe. [inaudible 00:01:32]\n78:34Thanks\n",
        "otter": "Orla Quill  0:49\nWho?\n\nUnknown Speaker  53:34\nMe.\n\n0:15  \nx\n\nTranscribed by https://otter.ai\n",
        "plain": "Wells\nORLA QUILL: Who?\n[00:28] Dara Finch: Me: so.\nOQ\tAnd?\n\u202aQ: x\u202c\n12:30\nORLA QUILL: Fine.\n",
        "docx": f"<w:document xmlns:w='{W}'><w:body><w:p><w:r><w:t>Orla Quill: Who?</w:t></w:r></w:p><w:tbl><w:tr><w:tc>"
        "<w:p><w:r><w:t>Dara Finch</w:t><w:tab/></w:r></w:p></w:tc><w:tc><w:p><w:del><w:r><w:delText>x</w:delText></w:r>"
        "</w:del><w:r><w:t>Me: so.</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body></w:document>",
    }
    seeds = {name: text.encode() for name, text in texts.items()}
    return seeds | {name: json.dumps(tree).encode() for name, tree in trees.items()}


HOSTILE = [
    b"\xff", b"\xff\xfe", b"\x00", b"\xe2\x80\xae", b"\xe2\x80\x8b", b"\xf0\x9f\x92\xa7", b"\xc3", b"\r", b"\x85", b"\xe2\x80\xa8",
    b"\\u0000", b"\\ud800", b"&#x110000;", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"-->", b"<v ", b"<p>", b"</", b"]]", b"{{",
    b"null", b"true", b"-1", b"1e999", b"NaN", b"99999999999999999999", b'""', b"[]", b"{}", b"\"", b"\\", b":", b": ", b"::", b"**",
    b"(99:99:99):", b"00:00:00.000 --> 00:00:00.000\n", b"\n\n", b"\t", b" " * 50, b"A" * 300, b"word: " * 40, b"<b>" * 50, b"[" * 80,
]  # fmt: skip


def mutate(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Change a file in one to eight places."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
        place, length = rng.randrange(len(out) + 1), rng.choice((1, 1, 2, 4, 8, 30))
        match rng.randrange(7):
            case 0:
                out[place : place + length] = rng.randbytes(length)
            case 1:
                del out[place : place + length]
            case 2:
                out[place:place] = rng.choice(HOSTILE)
            case 3:
                out[place:place] = out[place : place + length] * rng.choice((2, 5, 200))
            case 4:
                out[place : place + length] = rng.choice(HOSTILE)
            case 5:
                other = rng.choice(others)
                start = rng.randrange(len(other))
                out[place:place] = other[start : start + 8 * length]
            case _:
                del out[rng.randrange(len(out) + 1) :]
        out = out or bytearray(b"x")
    return bytes(out)


ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1e300,
    10**30,
    "",
    " ",
    "x",
    "Ada Moss",
    "SPEAKER_00",
    "00:00:99",
    "\u202e",
    "\x00",
    [],
    {},
    [[]],
    [None],
    "w " * 200,
]


def mutate_tree(data: bytes, rng: random.Random) -> bytes:
    """Change one to four values of a JSON file, so that it stays JSON."""
    tree = json.loads(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        node = tree
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(node[key], dict | list) and rng.random() < 0.8:
                node = node[key]
                continue
            choice = rng.randrange(4)
            if choice == 0:
                del node[key]
            elif choice == 1 and isinstance(node, list):
                node.extend([node[key]] * rng.choice((1, 5, 50)))
            else:
                node[key] = copy.deepcopy(rng.choice(ODD))
            break
    return json.dumps(tree).encode()


SNIPPETS = [b"<w:p/>", b"<w:tab/>", b"<w:br/>", b"<w:tbl><w:tr><w:tc/><w:tc/></w:tr></w:tbl>", b"<w:p><w:r><w:t>A: b</w:t></w:r></w:p>",
            b"<w:t> : </w:t>", b"<w:t>\xe2\x80\xaeOrla Quill: x</w:t>", b"<x xmlns='y'><t>z</t></x>", b"<w:t>" + b"a " * 300 + b"</w:t>",
            b"&#x202e;", b"&amp;", b"<w:txbxContent><w:p><w:r><w:t>in a box</w:t></w:r></w:p></w:txbxContent>"]  # fmt: skip


def mutate_xml(data: bytes, rng: random.Random) -> bytes:
    """Put whole elements between the tags of a document, so that it stays XML."""
    pieces = data.split(b"><")
    for _ in range(rng.choice((1, 2, 4, 8))):
        place = rng.randrange(1, len(pieces))
        pieces[place : place + 1] = [pieces[place], *[rng.choice(SNIPPETS).strip(b"<>")] * rng.choice((1, 1, 30))]
    return b"><".join(pieces)


def check(data: bytes) -> bool:
    """Read one input; true if it was read, false if it was refused in our words."""
    try:
        parsed = parse_file(data, location="x", show=SHOW)
    except TranscriptError as exc:
        if not (exc.message and exc.hint):
            raise ValueError("an error without a word") from exc
        return False
    loss, episode = parsed.loss, parsed.episode
    total = loss.n_placed_chars + loss.n_unplaced_chars + loss.n_markup_chars + loss.n_white_chars
    if total != episode.n_chars or not parsed.turns:
        raise ValueError(f"the account has {total} of {episode.n_chars} characters")
    n_said = sum(len("".join(turn.text.split())) for turn in parsed.turns)
    if n_said > loss.n_placed_chars:
        raise ValueError(f"{n_said} characters are said, but only {loss.n_placed_chars} were placed")
    return True


def fuzz(name: str, n_inputs: int, seeds: dict[str, bytes]) -> bool:
    """Read many mutations of one format; true if all went well."""
    rng, others = random.Random(name), list(seeds.values())
    n_read, slowest, faults = 0, 0.0, list[str]()
    check(make_docx(seeds[name]) if name == "docx" else seeds[name])
    for number in range(n_inputs):
        if name == "docx":
            plain = mutate_xml(seeds[name], rng) if number % 2 else mutate(seeds[name], others, rng)
            data = make_docx(plain) if number % 8 else mutate(make_docx(plain), others, rng)
        elif number % 2 and seeds[name][:1] == b"{":
            data = mutate_tree(seeds[name], rng)
        else:
            data = mutate(seeds[name], others, rng)
        begin = time.perf_counter()
        try:
            n_read += check(data)
        except Exception:  # noqa: BLE001 - finding these is what this is for
            faults.append(f"input {number}: {traceback.format_exc(limit=-2)}\n  {data[:300]!r}")
        slowest = max(slowest, time.perf_counter() - begin)
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{name:16} {n_inputs:>8,} inputs  {n_read:>8,} read  {n_inputs - n_read - len(faults):>8,} refused  "
          f"slowest {slowest:.3f} s  {memory_mb} MB  {len(faults)} faults", flush=True)  # fmt: skip
    for fault in faults[:3]:
        print(fault)
    return not faults and slowest <= MAX_SECONDS


def main() -> None:
    """Fuzz the formats named on the command line, or all."""
    n_inputs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seeds = make_seeds()
    results = [fuzz(name, n_inputs, seeds) for name in sys.argv[2:] or seeds]
    sys.exit(not all(results))


if __name__ == "__main__":
    tell_usage(__doc__)
    main()
