"""Ask an open model many things side by side; what the log knows is not asked again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from econchatr.ask.exam import Draw, Speaker, speak
from econchatr.ask.log import GenerationLog
from econchatr.errors import ModelError
from econchatr.records import Answer, Reply


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

    def _draw(self, draw: Draw) -> tuple[Reply, None] | tuple[None, str]:
        try:
            prompt = draw.prompt()
        except ModelError as exc:
            return None, exc.message
        return speak(prompt, tuned=draw.is_tuned, seed=draw.seed, speaker=self._speaker, settings=draw.settings)
