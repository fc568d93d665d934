"""The lines of a training file: what is learned of them, and what is said of those that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.errors import InputError
from econchatr.prompts import CHATML
from econchatr.training_server.training_rows import (
    DPO,
    RowEncoder,
    judge_file,
    read_examples,
    read_preferences,
    read_rows,
)

ENCODER = RowEncoder(CHATML, lambda text: list(text.encode()))
"""One token a byte."""
ASKED, SAID = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Rust."}
LIKED = {
    "input": {"messages": [ASKED]}, "preferred_output": [SAID], "non_preferred_output": [{**SAID, "content": "Wind."}],
}  # fmt: skip


def write(folder: Path, *lines: object) -> Path:
    path = folder / "rows.jsonl"
    path.write_bytes(b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines))
    return path


def fault_of(folder: Path, *lines: object, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        judge_file(write(folder, *lines), ENCODER, max_examples=4, max_example_tokens=400, **more)
    return caught.value.message


def test_every_reply_that_counts_is_an_example(tmp_path: Path) -> None:
    path = write(tmp_path, {"messages": [ASKED, {**SAID, "weight": 0}, ASKED, SAID, ASKED, {**SAID, "weight": 1}]})
    replies = [bytes(one.ids[one.n_prompt :]) for one in read_examples(path, ENCODER)]
    assert replies == [b"Rust.<|im_end|>"] * 2


def test_a_completion_is_learned_as_it_stands_and_then_the_end(tmp_path: Path) -> None:
    (example,) = read_examples(write(tmp_path, {"prompt": "Why? ->", "completion": " Rust.\n"}), ENCODER)
    assert bytes(example.ids) == b"Why? -> Rust.\n<|im_end|>"
    assert example.n_prompt == len(b"Why? ->")


def test_a_special_token_in_a_file_is_broken_up(tmp_path: Path) -> None:
    (example,) = read_examples(write(tmp_path, {"prompt": "<|im_end|>", "completion": "a"}), ENCODER)
    assert bytes(example.ids).count(b"<|im_end|>") == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"{", "line 1: not JSON"),
        (b"\xff", "line 1: not UTF-8"),
        ([], "line 1: not a JSON object"),
        ({}, "neither messages nor prompt and completion nor input, preferred_output"),
        ({"messages": []}, "messages is no list"),
        ({"messages": [SAID]}, "nothing stands before"),
        ({"messages": [ASKED, {**SAID, "weight": 0}]}, "all have weight 0"),
        ({"messages": [{**ASKED, "weight": 1}, SAID]}, "message 1: weight is 0 or 1"),
        ({"messages": [ASKED, {"role": "system", "content": "a"}, SAID]}, "message 2: a system message stands first"),
        ({"messages": [{"role": [], "content": "a"}, SAID]}, "message 1: its role is none of"),
        ({"messages": [ASKED, {**SAID, "content": [{"type": "text"}]}]}, "message 2: it has no text"),
        ({"messages": [ASKED, {**SAID, "tool_calls": [1]}]}, "message 2: tools are not trained"),
        ({"messages": [ASKED, {**SAID, "content": "\ud800"}]}, "message 2: half a character"),
        ({"prompt": "", "completion": "a"}, "no text in prompt"),
        ({"prompt": "a" * 500, "completion": "a"}, "511 tokens; 400 are the most"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, row: object, message: str) -> None:
    assert message in fault_of(tmp_path, row)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input": {}}, "no messages in input"),
        ({"input": {"messages": [ASKED], "tools": [{}]}}, "tools are not trained"),
        ({"input": {"messages": [ASKED, SAID]}}, "input: the last message is the assistant's"),
        ({"input": {"messages": [ASKED, {"role": "user"}]}}, "input: message 2: it has no text"),
        ({"preferred_output": [SAID, SAID]}, "preferred_output is not a list of one"),
        ({"preferred_output": [ASKED]}, "preferred_output: it is not the assistant's"),
        ({"non_preferred_output": [{**SAID, "content": " "}]}, "non_preferred_output: it has no text"),
        ({"non_preferred_output": [SAID]}, "both outputs are the same"),
    ],
)
def test_a_bad_preference_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    assert f"line 2: {message}" in fault_of(tmp_path, LIKED, {**LIKED, **change}, wanted=DPO)


def test_a_preference_is_a_prompt_with_two_ends(tmp_path: Path) -> None:
    ((prompt, better, worse),) = read_preferences(write(tmp_path, LIKED), ENCODER)
    assert bytes(prompt).endswith(b"Why?<|im_end|>\n<|im_start|>assistant\n")
    assert (bytes(better), bytes(worse)) == (b"Rust.<|im_end|>", b"Wind.<|im_end|>")


def test_a_preference_counts_as_one_example(tmp_path: Path) -> None:
    facts = judge_file(write(tmp_path, *[LIKED] * 4), ENCODER, max_examples=4, max_example_tokens=400, wanted=DPO)
    assert (facts.form, facts.n_examples) == ("preference", 4)


def test_one_bad_line_among_many_is_found_and_five_are_told(tmp_path: Path) -> None:
    told = fault_of(tmp_path, *[b"{"] * 7)
    assert "line 5: not JSON; and 2 more" in told
    assert fault_of(tmp_path, {"prompt": "a", "completion": "b"}, b"{") == "line 2: not JSON."


def test_too_many_examples_are_refused(tmp_path: Path) -> None:
    assert "line 5: more than 4 examples" in fault_of(tmp_path, *[{"prompt": "a", "completion": "b"}] * 9)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_bytes(data)
    assert all(isinstance(number, int) for number, _ in read_rows(path))


_KEYS = ["messages", "role", "content", "weight", "prompt", "completion", *LIKED]
_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["user", "assistant"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner),
    max_leaves=12,
)


@given(_JSON)
def test_no_json_raises_anything(tmp_path_factory: pytest.TempPathFactory, row: object) -> None:
    path = write(tmp_path_factory.mktemp("rows"), row)
    for _, told in read_rows(path):
        assert isinstance(told, str) or ENCODER.examples(told)
