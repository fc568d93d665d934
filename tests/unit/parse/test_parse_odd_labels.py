"""Labels that are not shaped like a name: each is a speaker or is told as a doubt, in every format."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from econchatr.errors import TranscriptError
from econchatr.parse import ParsedFile, SpeakerTable, parse_file
from econchatr.parse.lines import MAX_SPEAKERS

HOST = "Ada Host"
LABELS = [
    "Carol Bloom (she/her)", "Bob Guest (Acme)", "Bob Guest - Acme", "Bob Guest | Acme", "Caller #1", "Speaker #2",
    "Guest #2", 'Dwayne "The Rock" Johnson', "Bob Guest [on phone]", "Bob & Carol", "danah boyd", "bell hooks",
    "k.d. lang", "will.i.am", "deadmau5", "de Gaulle", "van Gogh", "iPhone", "Narrator (V.O.)", "Bono",
]  # fmt: skip
Said = Sequence[tuple[str, str]]


def cue(n: int, line: str, mark: str) -> str:
    return f"00:00:{n % 60:02}{mark}000 --> 00:00:{n % 60:02}{mark}900\n{line}\n"


FORMATS: dict[str, Callable[[Said], str]] = {
    "webvtt": lambda said: (
        "WEBVTT\n\n" + "\n".join(cue(n, f"{who}: {text}", ".") for n, (who, text) in enumerate(said))
    ),
    "srt": lambda said: "\n".join(f"{n + 1}\n{cue(n, f'{who}: {text}', ',')}" for n, (who, text) in enumerate(said)),
    "stamped": lambda said: "\n\n".join(f"{who} (00:00:{n % 60:02}):\n{text}" for n, (who, text) in enumerate(said)),
    "otter": lambda said: "\n\n".join(f"{who}  0:{n % 60:02}\n{text}" for n, (who, text) in enumerate(said)),
    "plain": lambda said: "\n\n".join(f"{who}: {text}" for who, text in said),
    "markdown": lambda said: "\n\n".join(f"**{who}:** {text}" for who, text in said),
}


def talk(label: str, *, times: int) -> list[tuple[str, str]]:
    """A talk of the host and somebody under a label, who says `kestrel` in each of so many turns."""
    turns = [(HOST, f"So what happened to the old mill in year {n}?") for n in range(6)]
    answers = [(label, f"I answered that the kestrel {n} left.") for n in range(times)]
    others = [("Dora Plain", f"We mended the wheel {n} times.") for n in range(times, 6)]
    return [turn for pair in zip(turns, [*answers, *others], strict=True) for turn in pair]


def read(kind: str, said: Said, **aliases: str) -> ParsedFile:
    show = SpeakerTable(hosts=(HOST,), aliases=aliases)
    parsed = parse_file(FORMATS[kind](said).encode(), location="talk.txt", show=show)
    assert parsed.episode.reader == kind
    return parsed


def silent_words(parsed: ParsedFile) -> list[str]:
    """What the host is given of the other's words."""
    return [turn.text for turn in parsed.turns if turn.role == "host" and "kestrel" in turn.text]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("label", LABELS)
def test_whoever_speaks_often_has_turns_of_their_own(label: str, kind: str) -> None:
    parsed = read(kind, talk(label, times=4))
    assert silent_words(parsed) == []
    assert sum("kestrel" in turn.text for turn in parsed.turns) == 4


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("label", LABELS)
def test_whoever_speaks_once_has_a_turn_or_is_told_as_a_doubt(label: str, kind: str) -> None:
    parsed = read(kind, talk(label, times=1))
    assert silent_words(parsed) == [] or label in parsed.episode.doubt.replace('\\"', '"')


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("label", LABELS)
def test_an_alias_for_the_very_label_always_wins(label: str, kind: str) -> None:
    parsed = read(kind, talk(label, times=1), **{label: "Carol Bloom"})
    assert [turn.speaker for turn in parsed.turns if "kestrel" in turn.text] == ["Carol Bloom"]
    assert parsed.episode.doubt == ""


@pytest.mark.parametrize(
    "around", ["<font color='#ff0'>{}: {}</font>", "<i>{}: {}</i>", "<b>{}:</b> {}", "<b>{}</b>: {}"]
)
@pytest.mark.parametrize("kind", ["webvtt", "srt"])
def test_a_coloured_guest_is_not_the_host(kind: str, around: str) -> None:
    said = [(HOST, "So what happened?"), ("Bob Guest", "The kestrel left.")] * 3
    mark = "." if kind == "webvtt" else ","
    lines = [f"{who}: {text}" if who == HOST else around.format(who, text) for who, text in said]
    text = "".join(f"{n + 1}\n{cue(n, line, mark)}\n" for n, line in enumerate(lines))
    parsed = parse_file(
        (("WEBVTT\n\n" if kind == "webvtt" else "") + text).encode(), location="a", show=SpeakerTable((HOST,))
    )
    assert {turn.speaker for turn in parsed.turns if "kestrel" in turn.text} == {"Bob Guest"}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_known_label_in_the_middle_of_a_line_opens_a_turn(kind: str) -> None:
    said = [(HOST, "So what happened?"), ("Bob Guest", "We left.")] * 2
    said.append((HOST, "And the bridges? Bob Guest: Well, the kestrel stayed."))
    assert silent_words(read(kind, said)) == []


@pytest.mark.parametrize("kind", ["webvtt", "srt", "plain"])
def test_running_speech_with_a_colon_stays_the_hosts_and_no_doubt(kind: str) -> None:
    said = [
        (HOST, "So here is the thing we found last year at the mill: it was closed."),
        ("Bob Guest", "The question is what to do?"), (HOST, "Yes: I said so."), ("Bob Guest", "And then we went."),
    ]  # fmt: skip
    parsed = read(kind, said)
    assert [turn.speaker for turn in parsed.turns] == [HOST, "Bob Guest"] * 2
    assert parsed.episode.doubt == ""


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_names_thousands_of_speakers_is_refused_before_they_are_compared(kind: str) -> None:
    said = [(f"Ada{chr(97 + n % 26)}{n} Moss{n}", "I see.") for n in range(MAX_SPEAKERS + 1)]
    with pytest.raises(TranscriptError, match=r"talk\.txt: it names 5,001 speakers"):
        read(kind, said)


def test_the_work_for_labels_grows_with_their_number_and_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def count(one: str, other: str) -> bool:
        nonlocal compared
        compared += 1
        return False

    monkeypatch.setattr("econchatr.parse.labels._is_same", count)
    read("plain", [(f"Ada{n} Moss{n}", "I see.") for n in range(2_000)])
    assert compared <= 4 * 2_000
