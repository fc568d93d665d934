"""Ask an open model many things side by side; what the log knows is not asked again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Protocol

from econchatr.ask.exam import BatchSpeaker, Draw, Speaker
from econchatr.errors import ModelError
from econchatr.records import Answer, Message, Reply, Sampling
from econchatr.tables import append_line, read_lines

_THINKING = re.compile(r"<think>.*?(?:</think>|$)", re.DOTALL)


class Asker:
    """Draws replies from one open model, and logs each of them."""

    def __init__(self, speaker: Speaker, log: GenerationLog) -> None:
        self._speaker, self._log = speaker, log

    def ask_all(self, draws: Sequence[Draw], on_progress: Callable[[int, int], None]) -> list[Answer]:
        """The answers, in the order of the draws. A model that fails gives an answer with its error and no reply.

        Args:
            on_progress: Called after each answer with how many are there, and how many are wanted.

        Raises:
            ShowFolderError: The log cannot be written.
        """
        if isinstance(self._speaker, BatchSpeaker) and self._speaker.n_together > 1:
            return self._ask_in_batches(self._speaker, draws, on_progress)
        answers: list[Answer] = []
        with ThreadPoolExecutor(self._speaker.n_at_once) as pool:
            for answer in pool.map(self.ask, draws):
                answers.append(answer)
                on_progress(len(answers), len(draws))
        return answers

    def ask(self, draw: Draw) -> Answer:
        """One answer: from the log where the very same request was answered before, else drawn and logged.

        Raises:
            ShowFolderError: The log cannot be written.
        """
        if known := self._log.find(draw.key):
            return draw.record(known, None)
        answer = draw.record(*self._draw(draw))
        self._log.add(draw.key, answer.model_dump())
        return answer

    def _ask_in_batches(
        self, speaker: BatchSpeaker, draws: Sequence[Draw], on_progress: Callable[[int, int], None]
    ) -> list[Answer]:
        """The answers of a model that computes several together.

        What is computed together does not depend on what the log knows, so that a run that was broken off ends with
        the answers of one that was not.
        """
        answers: list[Answer] = []
        for batch in _split_batches(draws, speaker.n_together):
            is_known = all(self._log.find(draw.key) for draw in batch)
            drawn = {} if is_known else self._draw_batch(speaker, batch)
            for draw in batch:
                reply = drawn.get(draw.key)
                answers.append(draw.record(reply, None) if reply else self.ask(draw))
            on_progress(len(answers), len(draws))
        return answers

    def _draw_batch(self, speaker: BatchSpeaker, batch: Sequence[Draw]) -> dict[str, Reply]:
        """Draw replies together and log those that are new, by key; a batch that fails gives none."""
        first, seeds = batch[0], [draw.seed for draw in batch]
        prompts = [draw.prompt() for draw in batch]
        try:
            replies = speaker.reply_all(prompts, _sampling(first), seeds=seeds, tuned=first.is_tuned)
        except ModelError:
            return {}
        fresh = {}
        for draw, reply in zip(batch, replies, strict=True):
            if reply.text.strip() and draw.key not in fresh and self._log.find(draw.key) is None:
                fresh[draw.key] = reply
                self._log.add(draw.key, draw.record(reply, None).model_dump())
        return fresh

    def _draw(self, draw: Draw) -> tuple[Reply, None] | tuple[None, str]:
        """What the model says, or why it said nothing; silence is a failure."""
        try:
            reply = self._speaker.reply(draw.prompt(), _sampling(draw), tuned=draw.is_tuned)
        except ModelError as exc:
            return None, exc.message
        return (reply, None) if reply.text.strip() else (None, "the model returned no text")


def _sampling(draw: Draw) -> Sampling:
    settings = draw.settings
    return Sampling(draw.seed, settings.temperature, settings.max_tokens, settings.repeat_penalty)


def _split_batches(draws: Sequence[Draw], n: int) -> Iterator[list[Draw]]:
    """Draws that follow each other and may be computed together: of one model, one setting, at most `n` replies."""
    for (_, _, n_replies), alike in groupby(draws, key=lambda draw: (draw.is_tuned, draw.settings, draw.n_replies)):
        left, n_draws = list(alike), max(1, n // n_replies)
        yield from (left[start : start + n_draws] for start in range(0, len(left), n_draws))


class MessagesModel(Protocol):
    """A model at a service, which takes messages."""

    def reply(self, messages: Sequence[Message], *, temperature: float, max_tokens: int, seed: int) -> Reply:
        """What the model says.

        Raises:
            ModelError: The service failed.
        """


class ServedSpeaker:
    """A served model, spoken to as one on this machine is; what it thinks aloud is left out."""

    n_at_once = 4

    def __init__(
        self, model: MessagesModel, pay: Callable[[str, Reply, bool], None], *, tuned: MessagesModel | None = None
    ) -> None:
        """Take the base, what writes a price down, and the tuned model; `None`: it is only asked, never tuned."""
        self._model, self._pay, self._tuned = model, pay, tuned

    def reply(
        self, prompt: str, sampling: Sampling, *, tuned: bool, on_text: Callable[[str], None] | None = None
    ) -> Reply:
        """What the model says to messages in the form of `SERVED_TEMPLATE`, once its price is written down.

        Raises:
            ModelError: The service failed, or the tuned model was asked for.
            ShowFolderError: The price cannot be written down.
        """
        model = self._tuned if tuned else self._model
        if model is None:
            raise ModelError("a served model is only asked, never tuned.", hint="Ask its base.")
        messages = [Message.model_validate(row) for row in json.loads(prompt)]
        reply = model.reply(
            messages, temperature=sampling.temperature, max_tokens=sampling.max_tokens, seed=sampling.seed
        )
        self._pay(prompt, reply, tuned)
        reply = reply.model_copy(update={"text": _THINKING.sub("", reply.text).strip()})
        if on_text:
            on_text(reply.text)
        return reply


class GenerationLog:
    """The log of one folder; threads may share it."""

    def __init__(self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path, self._now, self._lock = path, now, Lock()
        self._known: dict[str, Reply] = {}
        for line in read_lines(path):
            try:
                row = json.loads(line)
                self._known[row["key"]] = Reply.model_validate(row["reply"])
            except (ValueError, KeyError, TypeError):
                continue

    def find(self, key: str) -> Reply | None:
        """The reply given before to the very same request; `None` if there is none, or it failed."""
        return self._known.get(key)

    def add(self, key: str, row: Mapping[str, object]) -> None:
        """Keep one generation; a failed one (`reply` is `None`) is logged but not found again.

        Raises:
            ShowFolderError: The disk is full.
        """
        line = {"key": key, "at": self._now().isoformat(timespec="seconds"), **row}
        with self._lock:
            append_line(self._path, json.dumps(line, ensure_ascii=False).encode())
