"""Plain text shapes: timed blocks, Otter, `NAME: text`, and Podcasting 2.0 HTML."""

from __future__ import annotations

import pytest

from econchatr.errors import TranscriptError
from tests.helpers.read_text import read, said

STAMPED = """Orla Quill (00:00:36):
Who dug it?

(00:01:21):
And when?
Dara Finch (00:01:30):  
My aunt. [inaudible 00:01:32]
"""  # noqa: W291 - the space at a line's end is the pitfall


def test_header_without_a_name_goes_on_with_the_speaker() -> None:
    parsed = read(STAMPED)
    assert said(parsed) == [("Orla Quill", "Who dug it?\nAnd when?"), ("Dara Finch", "My aunt. [inaudible 00:01:32]")]
    assert [turn.start_seconds for turn in parsed.turns] == [36, 90]
    assert (parsed.episode.reader, parsed.episode.n_unplaced_chars) == ("stamped", 0)


@pytest.mark.parametrize(
    "text",
    [
        "Orla Quill (00:36):\nWho dug it?\nDara Finch (01:30):\nMy aunt.\n",
        "Orla Quill (00:36)\nWho dug it?\nDara Finch (01:30)\nMy aunt.\n",
        "Orla Quill (0:36): Who dug it?\nDara Finch (1:30): My aunt.\n",
        "Orla Quill [00:00:36]:\nWho dug it?\n\nDara Finch [00:01:30]:\nMy aunt.\n",
        "[00:00:36] Orla Quill: Who dug it?\n[00:01:30] Dara Finch: My aunt.\n",
        "00:36 - Orla Quill: Who dug it?\n01:30 - Dara Finch: My aunt.\n",
        "---\ntitle: Wells\n---\nOrla Quill (00:36):\nWho dug it?\nDara Finch (01:30):\nMy aunt.\n",
        "Orla Quill  0:36\nWho dug it?\n\nDara Finch  1:30\nMy aunt.\n\nTranscribed by https://otter.ai\n",
        "Orla Quill: Who dug it?\n\nDara Finch: My aunt.\n",
        "ORLA QUILL: Who dug it?\n\nDARA FINCH: My aunt.\n",
        "Orla Quill\tWho dug it?\nDara Finch\tMy aunt.\n",
        "\u202aOrla Quill: Who dug it?\u202c\n\u200bDara Finch: My aunt.\n",
    ],
    ids=range(12),
)
def test_every_common_way_to_write_a_turn_is_read(text: str) -> None:
    parsed = read(text)
    turns = [(speaker.title(), words.strip("\u202c")) for speaker, words in said(parsed)]
    assert turns == [("Orla Quill", "Who dug it?"), ("Dara Finch", "My aunt.")]
    assert parsed.episode.n_unplaced_chars == 0


def test_time_glued_to_a_word_is_no_speech() -> None:
    text = STAMPED + "78:34Thank you all.\n"
    assert said(read(text))[-1][1].endswith("\nThank you all.")


def test_times_may_run_backwards() -> None:
    turns = read("Ada Moss (09:00):\nLate.\nCy Hart (01:00):\nEarly.\n").turns
    assert [turn.start_seconds for turn in turns] == [540, 60]


def test_unnamed_speaker_stays_unnamed() -> None:
    assert [who for who, _ in said(read("Speaker 1 (00:12):\nWells.\nSpeaker 2 (00:15):\nDeep ones.\n"))] == [
        "Speaker 1",
        "Speaker 2",
    ]


def test_otter_without_names_is_unlabelled_and_its_unknown_speaker_nobody() -> None:
    bare = read("0:15  \nWho dug it?\n\n1:20  \nMy aunt.\n\nTranscribed by https://otter.ai\n")
    assert (bare.episode.reader, bare.episode.kind, bare.episode.n_unplaced_chars) == ("otter", "unlabelled", 0)
    named = read("Orla Quill  0:15\nWho?\n\nUnknown Speaker  53:34\nMe.\n")
    assert [turn.role for turn in named.turns] == ["host", "other"]


PLAIN = """Wells, a talk
OQ: One thing: it is deep.
See http: no, and at 10:30 we read John 3:16
The point is this: dig.
DF: So it is.
OQ: Q: is what my aunt wrote.
DF: Fine.
"""


def test_colon_inside_speech_is_no_label() -> None:
    parsed = read(PLAIN)
    assert [who for who, _ in said(parsed)] == ["OQ", "DF", "OQ", "DF"]
    assert parsed.loss.unplaced == ("Wells, a talk",)


def test_text_in_which_others_than_names_stand_before_colons_has_no_labels() -> None:
    with pytest.raises(TranscriptError, match="no known transcript format"):
        read("Shovel: one\nrope of hemp: two\na bucket: three\nBring this: four\nMy Aunt: five\n")


def test_question_and_answer_are_anonymous_labels() -> None:
    parsed = read("Q: How deep?\nA: Nine feet.\nQ: Dry?\nA: Never.\n")
    assert said(parsed)[:2] == [("Q", "How deep?"), ("A", "Nine feet.")]


HTML = """<html><head><title>Wells</title><script>cite: no</script></head><body><h1>Wells</h1>
<cite>Orla Quill :</cite>
<time>0:00</time>
<p>Who dug it &amp; why?</p>
<p>And <b>when</b>?</p><!-- cut here -->
<cite>Dara Finch:</cite><p>My aunt.</p><footer>All rights gone</footer></body></html>"""


def test_podcast_html_keeps_every_paragraph_of_a_name() -> None:
    parsed = read(HTML)
    assert said(parsed) == [("Orla Quill", "Who dug it & why?\nAnd when?"), ("Dara Finch", "My aunt.")]
    assert [turn.start_seconds for turn in parsed.turns] == [0, None]
    assert (parsed.episode.reader, parsed.loss.unplaced) == ("podcast-html", ("Wells", "All rights gone"))


def test_name_inside_the_paragraph_and_unclosed_tags_are_read() -> None:
    assert said(read("<p><cite>Orla Quill:</cite> Who?<p><cite>Dara Finch:</cite> <time>0:09</time> Me.")) == [
        ("Orla Quill", "Who?"),
        ("Dara Finch", "Me."),
    ]
