"""A base or a tuned model at a service that speaks Tinker's protocol, asked in the very tokens it is trained in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from econchatr.errors import ModelError
from econchatr.hosted.service_calls import ServiceCalls
from econchatr.hosted.tinker_line import TinkerLine, open_tinker
from econchatr.prompts import ChatTemplate, render_chat, reply_frame
from econchatr.records import Message, Reply
from econchatr.tokens import Tokenizer

_REPLY_SECONDS = 300.0
"""For one whole answer: a sampler may first have to be loaded."""


class SampledForm(NamedTuple):
    """How a model's prompts and answers are written: by the base's own template and tokenizer."""

    template: ChatTemplate
    tokenizer: Tokenizer


class SampledModel:
    """One open model."""

    def __init__(self, line: TinkerLine, sampler: Any, name: str, form: SampledForm) -> None:
        self._line, self._sampler, self._name, self._form = line, sampler, name, form
        self._frame = reply_frame(form.template)
        self._end = form.tokenizer.encode(self._frame.end)

    def reply(self, messages: Sequence[Message], *, temperature: float, max_tokens: int, seed: int) -> Reply:
        """What the model says.

        Raises:
            ModelError: The service fails, refuses, or is too slow.
        """
        package, tokenizer = open_tinker(), self._form.tokenizer
        ids = tokenizer.encode(render_chat(messages, self._form.template))
        stop = self._end if len(self._end) == 1 else [self._frame.end]
        wanted = package.SamplingParams(max_tokens=max_tokens, seed=seed, temperature=temperature, stop=stop)
        with self._line.tell_faults(f"an answer of {self._name}"):
            told = self._sampler.sample(package.ModelInput.from_ints(ids), 1, wanted).result(_REPLY_SECONDS)
        if not told.sequences:
            raise ModelError(f"{self._name} gives no answer.", hint="Ask again.")
        said, n = list(told.sequences[0].tokens), len(self._end)
        text = tokenizer.decode(said[:-n] if said[-n:] == self._end else said).partition(self._frame.end)[0]
        return Reply(
            text=text.lstrip() if self._frame.lead else text,
            stop="length" if told.sequences[0].stop_reason == "length" else "end",
            n_prompt_tokens=len(ids),
            n_reply_tokens=len(said),
        )


@contextmanager
def open_sampled(
    calls: ServiceCalls, key: str, names: Sequence[str], form: SampledForm
) -> Iterator[list[SampledModel]]:
    """Models in one session, which ends with the block: bases by their names, tuned ones by their `tinker://` names.

    Raises:
        ModelError: The service cannot be reached, refuses, or has none of that name.
    """
    line = TinkerLine(calls, key)
    known = [name if name.startswith("tinker://") else line.find_model(name).name for name in names]
    with line.open_session("exam") as session:
        yield [SampledModel(line, session.open_sampler(name), name, form) for name in known]
