"""The lines of a training file: read, judged line by line, and turned into what a model learns from.

Three forms: `{"messages": [...]}`; `{"prompt": "...", "completion": "..."}`, the form of 2023; and, for a training on
preferences, `{"input": {"messages": [...]}, "preferred_output": [...], "non_preferred_output": [...]}`. A file has one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from econchatr.errors import EconChatRError, InputError
from econchatr.prompts import ChatTemplate, EncodedExample, encode_continuation, encode_example
from econchatr.records import Message
from econchatr.train.preference_training import EncodedPreference

RowForm = Literal["messages", "completion", "preference"]
SUPERVISED: Final[tuple[RowForm, ...]] = ("messages", "completion")
"""What the method `supervised` learns from."""
DPO: Final[tuple[RowForm, ...]] = ("preference",)
"""What the method `dpo` learns from."""

_MAX_LINE_BYTES: Final = 4_000_000
_MAX_MESSAGES: Final = 512
_MOST_TOLD: Final = 5
_KEYS: Final[dict[RowForm, str]] = {
    "messages": "messages",
    "completion": "prompt and completion",
    "preference": "input, preferred_output and non_preferred_output",
}
_ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


class TrainingRow(NamedTuple):
    """What one line holds: messages, a prompt and its completion, or a conversation with two ends."""

    messages: tuple[Message, ...] = ()
    learned: tuple[int, ...] = ()
    """Places of the messages that are learned: the assistant's, but for those of weight 0."""
    prompt: str = ""
    completion: str = ""
    worse: str = ""
    """Of a preference: the last message that is not preferred; the preferred one is the last of `messages`."""

    @property
    def form(self) -> RowForm:
        """Which of the three."""
        if self.worse:
            return "preference"
        return "messages" if self.messages else "completion"


class RowEncoder(NamedTuple):
    """How rows become token ids for one base."""

    template: ChatTemplate
    encode: Callable[[str], list[int]]

    def examples(self, row: TrainingRow) -> list[EncodedExample]:
        """What is learned from a row: of a conversation one example for each reply that counts, of a preference both.

        Raises:
            InputError: Nothing is left to learn.
            ModelError: The base's template does not take such a conversation.
        """
        if row.form == "completion":
            return [encode_continuation(row.prompt, row.completion, self.template, self.encode)]
        ends = [row.messages[: place + 1] for place in row.learned]
        if row.worse:
            ends.append((*row.messages[:-1], Message(role="assistant", content=row.worse)))
        return [encode_example(messages, self.template, self.encode) for messages in ends]


class FileFacts(NamedTuple):
    """What is in a training file that can be used."""

    form: RowForm
    n_examples: int
    """Replies that count, completions, or preferences."""
    n_tokens: int
    """Of all examples, once."""


def judge_file(
    path: Path, encoder: RowEncoder, *, max_examples: int, max_example_tokens: int,
    wanted: Sequence[RowForm] = SUPERVISED,
) -> FileFacts:  # fmt: skip
    """Look at every line of a file.

    Args:
        wanted: The forms that the method learns from.

    Raises:
        InputError: A line cannot be used; the message names the first ones.
    """
    faults, forms, n_examples, n_tokens = list[str](), set[RowForm](), 0, 0
    for number, row in read_rows(path):
        if isinstance(row, str):
            faults.append(f"line {number}: {row}")
            continue
        forms.add(row.form)
        if row.form not in wanted:
            needed = ", or ".join(_KEYS[form] for form in wanted)
            faults.append(f"line {number}: it has {_KEYS[row.form]}; the job's method wants {needed}")
            break
        if len(forms) > 1:
            faults.append(f"line {number}: the file has messages in some lines, prompt and completion in others")
            break
        try:
            lengths = [len(example.ids) for example in encoder.examples(row)]
        except EconChatRError as exc:
            faults.append(f"line {number}: {exc.message.rstrip('.')}")
            continue
        if max(lengths) > max_example_tokens:
            faults.append(f"line {number}: {max(lengths):,} tokens; {max_example_tokens:,} are the most")
        n_examples += 1 if row.worse else len(lengths)
        n_tokens += sum(lengths)
        if n_examples > max_examples:
            faults.append(f"line {number}: more than {max_examples:,} examples")
            break
    if not forms and not faults:
        faults.append("it has no line")
    if faults:
        raise _refuse(faults)
    return FileFacts(forms.pop(), n_examples, n_tokens)


def _refuse(faults: Sequence[str]) -> InputError:
    more = f"; and {len(faults) - _MOST_TOLD:,} more" if len(faults) > _MOST_TOLD else ""
    return InputError(f"{'; '.join(faults[:_MOST_TOLD])}{more}.", hint="Mend these lines and upload the file again.")


def read_examples(path: Path, encoder: RowEncoder) -> list[EncodedExample]:
    """Every example of a file that `judge_file` found good.

    Raises:
        InputError: A line is bad after all.
    """
    found: list[EncodedExample] = []
    for number, row in read_rows(path):
        if isinstance(row, str):
            raise InputError(f"line {number}: {row}.", hint="Upload the file again.")
        found += encoder.examples(row)
    return found


def read_preferences(path: Path, encoder: RowEncoder) -> list[EncodedPreference]:
    """Every preference of a file that `judge_file` found good.

    Raises:
        InputError: A line is bad after all.
    """
    examples = read_examples(path, encoder)
    return [
        EncodedPreference(better.ids[: better.n_prompt], better.ids[better.n_prompt :], worse.ids[worse.n_prompt :])
        for better, worse in zip(examples[::2], examples[1::2], strict=True)
    ]


def read_rows(path: Path) -> Iterator[tuple[int, TrainingRow | str]]:
    """Each line's number, from 1, and its row, or in words what is wrong with it; empty lines are passed over."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > _MAX_LINE_BYTES:
                yield number, f"longer than {_MAX_LINE_BYTES:,} bytes"
                return
            if line.strip():
                yield number, _read_row(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)


def _read_row(line: bytes) -> TrainingRow | str:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return "not UTF-8"
    except (ValueError, RecursionError):
        return "not JSON"
    if not isinstance(row, dict):
        return "not a JSON object"
    if "messages" in row:
        return _read_messages(row["messages"])
    if "prompt" in row or "completion" in row:
        return _read_completion(row)
    if "preferred_output" in row or "non_preferred_output" in row:
        return _read_preference(row)
    return f"neither {' nor '.join(_KEYS.values())}"


def _read_preference(row: dict[str, Any]) -> TrainingRow | str:
    asked = row.get("input")
    if not isinstance(asked, dict) or not isinstance(asked.get("messages"), list) or not asked["messages"]:
        return "no messages in input"
    if asked.get("tools"):
        return "tools are not trained here"
    ends = list[str]()
    for key in ("preferred_output", "non_preferred_output"):
        told = row.get(key)
        if not isinstance(told, list) or len(told) != 1:
            return f"{key} is not a list of one message"
        if fault := _find_message_fault(told[0], is_first=False):
            return f"{key}: {fault}"
        if told[0]["role"] != "assistant":
            return f"{key}: it is not the assistant's"
        ends.append(told[0]["content"])
    if ends[0].strip() == ends[1].strip():
        return "both outputs are the same"
    whole = _read_messages([*asked["messages"], {"role": "assistant", "content": ends[0]}])
    if isinstance(whole, str):
        return f"input: {whole}"
    if whole.messages[-2].role == "assistant":
        return "input: the last message is the assistant's"
    return TrainingRow(whole.messages, (len(whole.messages) - 1,), worse=ends[1])


def _read_completion(row: dict[str, Any]) -> TrainingRow | str:
    for key in ("prompt", "completion"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            return f"no text in {key}"
        if _is_broken(row[key]):
            return f"half a character in {key}"
    return TrainingRow(prompt=row["prompt"], completion=row["completion"])


def _read_messages(told: Any) -> TrainingRow | str:
    if not isinstance(told, list) or not told:
        return "messages is no list, or an empty one"
    if len(told) > _MAX_MESSAGES:
        return f"{len(told):,} messages; {_MAX_MESSAGES} are the most"
    messages, learned = list[Message](), list[int]()
    for place, item in enumerate(told):
        if fault := _find_message_fault(item, is_first=place == 0):
            return f"message {place + 1}: {fault}"
        role = _ROLES[item["role"]]
        messages.append(Message(role=role, content=item["content"]))
        if role == "assistant" and item.get("weight") in (None, 1):
            learned.append(place)
    if messages[-1].role != "assistant":
        return "the last message is not the assistant's"
    if not learned:
        return "no message of the assistant counts: all have weight 0"
    if learned[0] == 0:
        return "nothing stands before the assistant's first message"
    return TrainingRow(tuple(messages), tuple(learned))


def _find_message_fault(item: Any, *, is_first: bool) -> str:
    """What is wrong with one message; empty: nothing."""
    if not isinstance(item, dict):
        return "no JSON object"
    role, weight = item.get("role"), item.get("weight")
    if not isinstance(role, str) or role not in _ROLES:
        return "its role is none of system, user, assistant"
    if item.get("tool_calls") or item.get("function_call"):
        return "tools are not trained here"
    if not isinstance(item.get("content"), str) or not item["content"].strip():
        return "it has no text"
    if _is_broken(item["content"]):
        return "half a character in its text"
    if _ROLES[role] == "system" and not is_first:
        return "a system message stands first or nowhere"
    if weight is not None and (weight not in (0, 1) or role != "assistant"):
        return "weight is 0 or 1, and only the assistant's"
    return ""


def _is_broken(text: str) -> bool:
    """Whether half of a surrogate pair is in a text: JSON can hold it, and no tokenizer takes it."""
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)
