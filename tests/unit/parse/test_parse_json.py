"""JSON transcripts of services and archives: speakers, times, repeats, and what is not speech."""

from __future__ import annotations

import json

import pytest

from econchatr.errors import TranscriptError
from tests.helpers.read_text import read, read_json, said


def test_podcast_json_glues_words_and_keeps_the_speaker() -> None:
    parsed = read_json({"version": "1.0.0", "segments": [
        {"speaker": "Orla Quill", "startTime": "0.5", "endTime": 1, "body": "Who"},
        {"startTime": 1, "body": "knew"},
        {"startTime": 2, "body": "?\n"},
        {"speaker": "Dara Finch", "startTime": 3.9, "endTime": 5, "body": "I did."},
    ]})  # fmt: skip
    assert said(parsed) == [("Orla Quill", "Who knew?"), ("Dara Finch", "I did.")]
    assert [turn.start_seconds for turn in parsed.turns] == [0, 3]
    assert (parsed.episode.reader, parsed.episode.n_unplaced_chars) == ("podcast-json", 0)


def test_whisper_names_nobody_so_the_file_is_unlabelled() -> None:
    parsed = read_json({"text": " Wells. Deep ones.", "language": "en", "segments": [
        {"id": 0, "seek": 0, "start": 0.0, "end": 1.0, "text": " Wells.", "no_speech_prob": 0.1, "avg_logprob": -0.2},
        {"id": 1, "seek": 0, "start": 1.0, "end": 2.0, "text": " Deep ones.", "no_speech_prob": 0.1, "avg_logprob": 0},
    ]})  # fmt: skip
    assert said(parsed) == [("", "Wells. Deep ones.")]
    assert (parsed.episode.reader, parsed.episode.kind, parsed.episode.n_unplaced_chars) == ("whisper", "unlabelled", 0)


def make_words(*words: tuple[str, str | None]) -> list[dict[str, object]]:
    return [{"word": word, "score": 0.9} | ({"speaker": who} if who else {}) for word, who in words]


def test_whisperx_segment_of_two_speakers_is_split_by_its_words() -> None:
    parsed = read_json({"language": "en", "word_segments": make_words(("How", "SPEAKER_00")), "segments": [
        {"start": 0.1, "end": 2, "text": "How deep? Nine feet.", "speaker": "SPEAKER_00", "words": make_words(
            ("How", "SPEAKER_00"), ("deep?", None), ("Nine", "SPEAKER_01"), ("feet.", "SPEAKER_01"))},
        {"start": 3.0, "end": 4, "text": "At most.", "speaker": "SPEAKER_01"},
    ]})  # fmt: skip
    assert said(parsed) == [("SPEAKER_00", "How deep?"), ("SPEAKER_01", "Nine feet. At most.")]
    assert (parsed.episode.reader, parsed.episode.n_unplaced_chars) == ("whisperx", 0)


def test_whisperx_segment_without_a_speaker_is_nobodys() -> None:
    segments = [{"start": n, "text": f"Word {n}."} | ({"speaker": "SPEAKER_00"} if n != 1 else {}) for n in range(3)]
    parsed = read_json({"segments": segments, "word_segments": []})
    assert said(parsed) == [("SPEAKER_00", "Word 0."), ("", "Word 1."), ("SPEAKER_00", "Word 2.")]


def test_openai_letters_are_labels() -> None:
    kind = "transcript.text.segment"
    parsed = read_json({"task": "transcribe", "duration": 3.0, "text": "Deep? Very.", "segments": [
        {"type": kind, "id": "s1", "start": 0.0, "end": 1.0, "text": "Deep?", "speaker": "A"},
        {"type": kind, "id": "s2", "start": 1.0, "end": 2.0, "text": "Very.", "speaker": "B"},
    ]})  # fmt: skip
    assert said(parsed) == [("A", "Deep?"), ("B", "Very.")]
    assert (parsed.episode.reader, parsed.episode.n_unplaced_chars) == ("openai-diarized", 0)


def test_assemblyai_counts_milliseconds() -> None:
    words = [{"text": "Deep?", "start": 61_000, "speaker": "A"}]
    parsed = read_json({"id": "x", "status": "completed", "text": "Deep? Very.", "utterances": [
        {"speaker": "A", "start": 61_000, "end": 62_000, "text": "Deep?", "words": words},
        {"speaker": "B", "start": 62_500, "end": 63_000, "text": "Very."},
    ]})  # fmt: skip
    assert [(turn.speaker, turn.start_seconds) for turn in parsed.turns] == [("A", 61), ("B", 62)]
    assert (parsed.episode.reader, parsed.episode.n_unplaced_chars) == ("assemblyai", 0)


def test_assemblyai_without_speakers_is_unlabelled() -> None:
    parsed = read_json({"id": "x", "text": "Deep. Very.", "utterances": None})
    assert (said(parsed), parsed.episode.kind) == ([("", "Deep. Very.")], "unlabelled")


def make_deepgram(**more: object) -> dict[str, object]:
    alternative = {"transcript": "Deep? Very.", "words": [{"word": "deep", "punctuated_word": "Deep?", "speaker": 0}]}
    return {"metadata": {"request_id": "r"}, "results": {"channels": [{"alternatives": [alternative | more]}]}}


def test_deepgram_utterances_have_seconds_and_numbers_for_names() -> None:
    data = make_deepgram()
    data["results"] |= {"utterances": [  # type: ignore[operator]
        {"speaker": 0, "start": 1.5, "transcript": "Deep?"}, {"speaker": 1, "start": 2.0, "transcript": "Very."},
    ]}  # fmt: skip
    parsed = read_json(data)
    assert [(turn.speaker, turn.start_seconds) for turn in parsed.turns] == [("Speaker 0", 1), ("Speaker 1", 2)]
    assert (parsed.episode.reader, parsed.episode.n_unplaced_chars) == ("deepgram", 0)


def test_deepgram_paragraphs_do_where_utterances_are_missing() -> None:
    paragraphs = {"paragraphs": [{"speaker": 1, "sentences": [{"text": "Deep?", "start": 4.0}]}]}
    assert said(read_json(make_deepgram(paragraphs=paragraphs))) == [("Speaker 1", "Deep?")]


def test_rev_spaces_are_elements() -> None:
    elements = [
        {"type": "text", "value": "How", "ts": 65.2, "end_ts": 65.4, "confidence": 0.9},
        {"type": "punct", "value": " "},
        {"type": "text", "value": "deep", "ts": 65.5},
        {"type": "punct", "value": "?"},
    ]
    parsed = read_json({"speakers": [{"id": 1, "name": "Orla Quill"}], "monologues": [
        {"speaker": 1, "elements": elements}, {"speaker": 2, "elements": [{"type": "text", "value": "Very"}]},
    ]})  # fmt: skip
    assert said(parsed) == [("Orla Quill", "How deep?"), ("Speaker 2", "Very")]
    assert parsed.turns[0].start_seconds == 65


@pytest.mark.parametrize("roles", [None, [], {"1": {"role_title": "Judge"}}, [{"role_title": "Judge"}]])
def test_oyez_speaker_and_roles_may_be_missing(roles: object) -> None:
    speaker = {"name": "Orla Quill", "identifier": "q", "roles": roles}
    turns = [
        {"start": 0, "speaker": speaker, "text_blocks": [{"text": "Counsel?"}, {"start": 2, "text": "Go."}]},
        {"start": 5, "speaker": None, "text_blocks": [{"start": 5, "text": "Yes."}]},
    ]
    parsed = read_json({"term": "2019", "transcript": {"title": "Quill v. Finch", "sections": [{"turns": turns}]}})
    assert said(parsed) == [("Orla Quill", "Counsel? Go."), ("", "Yes.")]
    assert (parsed.episode.title, parsed.episode.reader) == ("Quill v. Finch", "oyez")


def test_oyez_case_without_a_transcript_is_refused() -> None:
    with pytest.raises(TranscriptError):
        read_json({"term": "2019", "transcript": None, "x": [{"sections": 1, "turns": 2, "text_blocks": 3}]})


def test_string_that_no_rule_reads_is_unplaced() -> None:
    parsed = read_json({"segments": [{"speaker": "Ada Moss", "body": "Hello."}], "credits": "Made by the shop."})
    assert (parsed.loss.unplaced, parsed.episode.n_unplaced_chars) == (("Made by the shop.",), len("Madebytheshop."))


def test_escapes_are_counted_as_the_file_has_them() -> None:
    text = '{"segments": [{"speaker": "A\\u0064a Moss", "body": "\\"Caf\\u00e9\\", she said."}]}'
    assert said(read(text)) == [("Ada Moss", '"Café", she said.')]


def test_key_that_stands_twice_keeps_both_accounted() -> None:
    parsed = read('{"segments": [{"speaker": "Ada Moss", "body": "One.", "body": "Two."}]}')
    assert (said(parsed), parsed.loss.unplaced) == ([("Ada Moss", "One.")], ("Two.",))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"segments": [{"speaker": "A", "body": "cut off"}]})[:-9],
        '{"segments": ' + "[" * 100_000,
        '{"segments": ' + "[" * 500 + "]" * 500 + ', "body": 1}',
        '{"segments": "words", "body": "x"}',
        '{"segments": [1, 2], "body": "x"}',
        '{"segments": [{"body": 5, "startTime": 1e999, "speaker": ' + "9" * 5000 + "}]}",
        '{"segments": [{"body": null, "speaker": [[]], "startTime": "::::::::"}, {"body": null}], "body": ["y"]}',
        '{"utterances": [{"speaker": {}, "text": {}, "start": "NaN"}], "text": 1}',
        '{"monologues": [{"speaker": [], "elements": [{"value": "x"}]}], "elements": 1}',
        '{"results": {"channels": [{"alternatives": []}]}, "transcript": 1}',
        "[" + "{}," * 1_000_001 + "{}]",
    ],
    ids=range(11),
)
def test_broken_json_is_refused_in_our_words(text: str) -> None:
    with pytest.raises(TranscriptError) as caught:
        read(text)
    assert caught.value.hint


def test_a_line_of_json_lines_may_hold_a_line_separator_of_unicode() -> None:
    rows = [{"speaker": "A", "text": "one\u2028two"}, {"speaker": "B", "text": "three"}]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    assert len(read(text).turns) == 2
