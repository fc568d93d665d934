"""Answer with many replies drawn together in this process, where the processor multiplies in bfloat16.

llama.cpp reads the whole model for each few tokens it draws, in arithmetic that uses a tenth of such a processor. For
exams, and for the best of several draws, that is what people wait for (`docs/decisions/0027-drawn-together.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias

from econchatr.errors import ModelError
from econchatr.models.llama.meter import measure_packed, open_packed
from econchatr.prompts import EncodedExample
from econchatr.records import Reply, Sampling
from econchatr.tokens import Tokenizer

if TYPE_CHECKING:
    from econchatr.models.llama.drawing import DrawnModel
    from econchatr.models.llama.packed import PackedLlama

_OnText: TypeAlias = Callable[[str], None]
_N_TOGETHER: Final = 32
"""More are hardly faster, and take more memory. Source: docs/performance.md, "Asking beside llama.cpp alone"."""
_MAX_TOKENS: Final = 2048
"""Of prompt and reply, as with llama.cpp."""
_N_POSITIONS: Final = _MAX_TOKENS + 256
"""A reply that is measured is cut into tokens anew, which may be a few more."""
_MAX_KEPT_TOKENS: Final = 16_384
"""Of all prompts and replies that are drawn together: 0.4 GB of keys and values of SmolLM2 135M."""
_ENDS: Final = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "</s>")
"""Tokens that end a reply by their name, as with llama.cpp, besides those that the checkpoint names.

Source: llama.cpp/src/llama-vocab.cpp, the names of `special_eog_ids`.
"""


def can_draw_together(checkpoint: Path) -> bool:
    """Tell whether a checkpoint's replies are drawn together here: it is a plain Llama, on a CPU with bfloat16."""
    try:
        from econchatr.models import machine
        from econchatr.models.llama import checkpoint as folders
    except ModuleNotFoundError:
        return False
    device = machine.choose_device()
    is_fast = device == "cpu" and machine.name_dtype(machine.choose_dtype(device)) == "bfloat16"
    return is_fast and folders.is_packable(checkpoint)


class TogetherModel:
    """A base and its adapter, open to be spoken to: one lot of replies at a time."""

    n_at_once = 1
    n_together = _N_TOGETHER

    def __init__(self, model: PackedLlama, tokenizer: Tokenizer, ends: frozenset[int], *, name: str) -> None:
        """Take over an open model.

        Args:
            ends: The tokens that end a reply.
            name: For errors.
        """
        self._model, self._tokenizer, self._ends, self._name = model, tokenizer, ends, name
        self._lock = Lock()
        self._drawn: DrawnModel | None = None

    def reply(
        self, prompt: str, sampling: Sampling, *, tuned: bool, on_text: Callable[[str], None] | None = None
    ) -> Reply:
        """Give what the model says after a rendered prompt; the same arguments give the same text.

        Args:
            prompt: Special tokens written in the prompt are read as such; none is added.
            tuned: Whether the adapter takes part.
            on_text: Gets each piece of text as it comes.

        Raises:
            ModelError: The prompt is too long.
        """
        return self._reply_all([prompt], sampling, [sampling.seed], tuned, on_text)[0]

    def reply_all(
        self, prompts: Sequence[str], sampling: Sampling, *, seeds: Sequence[int], tuned: bool
    ) -> list[Reply]:
        """Give what the model says after each of several prompts, each drawn with its own seed.

        Args:
            sampling: For all of them, but for its seed.
            seeds: One for each prompt.

        Raises:
            ModelError: A prompt is too long.
        """
        return self._reply_all(prompts, sampling, seeds, tuned, None)

    def reply_often(
        self,
        prompt: str,
        sampling: Sampling,
        n_replies: int,
        *,
        tuned: bool,
        on_text: Callable[[str], None] | None = None,
    ) -> list[Reply]:
        """Give several replies to one rendered prompt, with seeds that follow each other.

        Args:
            on_text: Gets each piece of text of any reply as it comes, so that a caller can stop all by raising.

        Raises:
            ModelError: The prompt is too long.
        """
        seeds = range(sampling.seed, sampling.seed + n_replies)
        return self._reply_all([prompt] * n_replies, sampling, seeds, tuned, on_text)

    def measure(
        self, examples: Sequence[EncodedExample], *, tuned: bool, on_progress: Callable[[int, int], None] | None = None
    ) -> list[float]:
        """Give what `ReplyMeter.measure` gives, of the same model in memory; it takes its turn with the replies."""
        with self._lock:
            return measure_packed(self._model, examples, tuned=tuned, on_progress=on_progress)

    def _reply_all(
        self, prompts: Sequence[str], sampling: Sampling, seeds: Sequence[int], tuned: bool, on_text: _OnText | None
    ) -> list[Reply]:
        encoded = [tuple(self._tokenizer.encode(prompt)) for prompt in prompts]
        if (longest := max(map(len, encoded), default=0)) + sampling.max_tokens > _MAX_TOKENS:
            told = f"{longest} tokens of prompt and {sampling.max_tokens} of reply exceed its {_MAX_TOKENS}"
            raise ModelError(f"{self._name}: {told}.", hint="Shorten the question.")
        begun = [_Begun(ids, seed, self._ends) for ids, seed in zip(encoded, seeds, strict=True)]
        with self._lock:
            for lot in _cut_lots(begun, n_new=sampling.max_tokens):
                self._draw_lot(lot, sampling, tuned, on_text)
        return [one.finish(self._tokenizer, sampling) for one in begun]

    def _draw_lot(self, lot: Sequence[_Begun], sampling: Sampling, tuned: bool, on_text: _OnText | None) -> None:
        """Draw the tokens of some replies together; once half of them have ended, those are let go."""
        import torch

        from econchatr.models.llama.drawing import DrawnModel, DrawnReplies, TokenDraws

        if self._drawn is None:
            self._drawn = DrawnModel(self._model, max_kept_tokens=_MAX_KEPT_TOKENS)
        prompts, going = [one.prompt_ids for one in lot], list(lot)
        with torch.no_grad():
            drawing = DrawnReplies(self._drawn, prompts, tuned=tuned, n_new=sampling.max_tokens)
            draws = TokenDraws(prompts, sampling, [one.seed for one in lot])
            logits = drawing.read()
            while True:
                tokens = draws.draw(logits)
                for one, token in zip(going, tokens.tolist(), strict=True):
                    one.take(token, self._tokenizer, sampling, on_text)
                left = [n for n, one in enumerate(going) if not one.is_ended]
                if not left:
                    return
                if len(left) <= len(going) // 2:
                    going, tokens = [going[n] for n in left], tokens[left]
                    drawing.keep(left)
                    draws.keep(left)
                logits = drawing.step(tokens)


class _Begun:
    """A reply that is being drawn."""

    def __init__(self, prompt_ids: tuple[int, ...], seed: int, ends: frozenset[int]) -> None:
        self.prompt_ids, self.seed, self._end_ids = prompt_ids, seed, ends
        self.is_ended = False
        self._ids: list[int] = []
        self._n_told = 0

    def take(self, token: int, tokenizer: Tokenizer, sampling: Sampling, on_text: _OnText | None) -> None:
        """Take the next token, unless the reply has ended; tell the text that is certain by then."""
        if self.is_ended:
            return
        self._ids.append(token)
        self.is_ended = token in self._end_ids or len(self._ids) == sampling.max_tokens
        if not (on_text or sampling.stop):
            return
        text, is_stopped = self._text(tokenizer, sampling)
        self.is_ended = self.is_ended or is_stopped
        certain = text if self.is_ended else text[: _count_certain(text, sampling.stop)]
        if on_text and len(certain) > self._n_told:
            on_text(certain[self._n_told :])
            self._n_told = len(certain)

    def finish(self, tokenizer: Tokenizer, sampling: Sampling) -> Reply:
        """Give the reply, without the token or the text that ended it."""
        text, is_stopped = self._text(tokenizer, sampling)
        is_whole = is_stopped or self._ids[-1] in self._end_ids
        return Reply(
            text=text,
            stop="end" if is_whole else "length",
            n_prompt_tokens=len(self.prompt_ids),
            n_reply_tokens=len(self._ids),
        )

    def _text(self, tokenizer: Tokenizer, sampling: Sampling) -> tuple[str, bool]:
        """What was said so far, and whether a text that ends a reply cut it."""
        text = tokenizer.decode([token for token in self._ids if token not in self._end_ids])
        places = [place for word in sampling.stop if (place := text.find(word)) >= 0]
        return (text[: min(places)], True) if places else (text, False)


def _count_certain(text: str, stop: Sequence[str]) -> int:
    """How many characters no later token can take back: not half a character, nor what may begin a text that ends.

    >>> _count_certain("Well. Gue", ["Guest:"])
    6
    """
    starts = {word[:n] for word in stop for n in range(1, len(word))}
    n_held = max((len(start) for start in starts if text.endswith(start)), default=0)
    return len(text[: len(text) - n_held].rstrip("\ufffd"))


def _cut_lots(begun: Sequence[_Begun], *, n_new: int) -> Iterator[list[_Begun]]:
    """Replies that follow each other and are drawn together: as many as there is room for their keys and values."""
    lot: list[_Begun] = []
    longest = 0
    for one in begun:
        longest = max(longest, len(one.prompt_ids))
        if lot and (len(lot) == _N_TOGETHER or (len(lot) + 1) * (longest + n_new) > _MAX_KEPT_TOKENS):
            yield lot
            lot, longest = [], len(one.prompt_ids)
        lot.append(one)
    if lot:
        yield lot


def open_together(checkpoint: Path, *, adapter: Path | None, tokenizer: Tokenizer) -> TogetherModel:
    """Open a plain Llama's checkpoint folder to be spoken to.

    Args:
        adapter: A peft adapter folder, or `None`.

    Raises:
        ModelError: The checkpoint or the adapter cannot be read.
    """
    from econchatr.models.llama.checkpoint import read_config

    named = read_config(checkpoint).get("eos_token_id")
    found = [tokenizer.encode(name) for name in _ENDS]
    ends = {ids[0] for ids in found if len(ids) == 1} | {*(named if isinstance(named, list) else [named])} - {None}
    model = open_packed(checkpoint, adapter=adapter, n_positions=_N_POSITIONS)
    return TogetherModel(model, tokenizer, frozenset(ends), name=checkpoint.name)
