"""Answer with many replies drawn together in this process, where the processor multiplies in bfloat16.

llama.cpp reads the whole model for each few tokens it draws, in arithmetic that uses a tenth of such a processor. For
exams, and for the best of several draws, that is what people wait for (`docs/decisions/0027-drawn-together.md`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from econchatr.errors import ModelError
from econchatr.models.llama.meter import measure_packed, open_packed
from econchatr.prompts import ChatTemplate, EncodedExample
from econchatr.records import Reply, Sampling
from econchatr.tokens import Tokenizer

if TYPE_CHECKING:
    from econchatr.models.llama.drawing import DrawnModel

_OnText: TypeAlias = Callable[[str], None]
_N_TOGETHER: Final = 32
"""More are hardly faster, and take more memory. Source: docs/performance.md, "Asking beside llama.cpp alone"."""
_MAX_TOKENS: Final = 2048
"""Of prompt and reply, as with llama.cpp."""
_N_POSITIONS: Final = 2 * _MAX_TOKENS
"""Of an example that is measured: a reply is cut into tokens anew for that, which may be more than were drawn."""
_MAX_KEPT_TOKENS: Final = 16_384
"""Of all prompts and replies that are drawn together: 0.4 GB of keys and values of SmolLM2 135M."""
_ENDS: Final = frozenset({
    "<|im_end|>", "<|end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<end_of_turn>", "</s>",
    "<EOT>", "_<EOT>", "<|return|>", "<|call|>",
})  # fmt: skip
"""Special tokens that end a reply by their name, besides the one that the template names and those of the checkpoint.

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


class Words(NamedTuple):
    """How the tokens of a reply become text."""

    tokenizer: Tokenizer
    ends: frozenset[int]
    """Tokens that end a reply."""
    specials: Mapping[int, str]
    """Every special token by its number: none of them is a word."""

    def read(self, ids: Sequence[int], stop: Sequence[str]) -> tuple[str, bool]:
        """Give the text of a reply so far, and whether one of `stop` has ended it, before which it is cut."""
        text = self.tokenizer.decode([token for token in ids if not self._is_hidden(token, stop)])
        places = [place for word in stop if (place := text.find(word)) >= 0]
        return (text[: min(places)], True) if places else (text, False)

    def _is_hidden(self, token: int, stop: Sequence[str]) -> bool:
        return token in self.ends or (token in self.specials and self.specials[token] not in stop)


class TogetherModel:
    """A base and its adapter, open to be spoken to: one lot of replies at a time."""

    n_at_once = 1
    n_together = _N_TOGETHER

    def __init__(self, drawn: DrawnModel, words: Words, *, name: str, has_adapter: bool) -> None:
        """Take over an open model; `name` is for errors."""
        self._open: DrawnModel | None = drawn
        self._words, self._name, self._has_adapter = words, name, has_adapter
        self._lock = Lock()

    def close(self) -> None:
        """Free the model's memory. No request may be under way."""
        self._open = None

    @property
    def drawn(self) -> DrawnModel:
        """The open model.

        Raises:
            ModelError: It is closed.
        """
        if self._open is None:
            raise ModelError(f"{self._name}: is closed.", hint="Open it again.")
        return self._open

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

        The same arguments give the same texts. In other company only the rounding of a reply differs.

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
            return measure_packed(self.drawn.model, examples, tuned=tuned, on_progress=on_progress)

    def _reply_all(
        self, prompts: Sequence[str], sampling: Sampling, seeds: Sequence[int], tuned: bool, on_text: _OnText | None
    ) -> list[Reply]:
        if tuned and not self._has_adapter:
            raise ModelError(f"{self._name}: was opened without an adapter.", hint="Open it with the adapter.")
        if sampling.max_tokens < 1:
            raise ModelError(f"{self._name}: a reply of {sampling.max_tokens} tokens.", hint="Allow one or more.")
        begun = []
        for prompt, seed in zip(prompts, seeds, strict=True):
            ids = tuple(self._words.tokenizer.encode(prompt))
            if not 1 < len(ids) < _MAX_TOKENS:
                told = f"a prompt of {len(ids)} tokens, where 2 to {_MAX_TOKENS - 1} can be continued"
                raise ModelError(f"{self._name}: {told}.", hint="Ask a shorter question, or any.")
            begun.append(_Begun(ids, sampling._replace(seed=seed), self._words))
        with self._lock:
            for lot in _cut_lots(begun):
                self._draw_lot(lot, sampling, tuned, on_text)
        return [one.finish() for one in begun]

    def _draw_lot(self, lot: Sequence[_Begun], sampling: Sampling, tuned: bool, on_text: _OnText | None) -> None:
        """Draw the tokens of some replies together; once half of them have ended, those are let go."""
        import torch

        from econchatr.models.llama.drawing import DrawnReplies, TokenDraws

        prompts, going = [one.prompt_ids for one in lot], list(lot)
        with torch.no_grad():
            replies = DrawnReplies(self.drawn, prompts, tuned=tuned, n_new=max(one.n_most for one in lot))
            draws = TokenDraws(prompts, sampling, [one.sampling.seed for one in lot])
            logits = replies.read()
            while True:
                tokens = draws.draw(logits)
                for one, token in zip(going, tokens.tolist(), strict=True):
                    one.take(token, on_text)
                left = [n for n, one in enumerate(going) if not one.is_ended]
                if not left:
                    return
                if len(left) <= len(going) // 2:
                    going, tokens = [going[n] for n in left], tokens[left]
                    replies.keep(left)
                    draws.keep(left)
                logits = replies.step(tokens)


class _Begun:
    """A reply that is being drawn."""

    def __init__(self, prompt_ids: tuple[int, ...], sampling: Sampling, words: Words) -> None:
        self.prompt_ids, self.sampling, self._words = prompt_ids, sampling, words
        self.n_most = min(sampling.max_tokens, _MAX_TOKENS - len(prompt_ids))
        self.is_ended = False
        self._ids: list[int] = []
        self._n_told = 0

    def take(self, token: int, on_text: _OnText | None) -> None:
        """Take the next token, unless the reply has ended; tell the text that is certain by then."""
        if self.is_ended:
            return
        self._ids.append(token)
        self.is_ended = token in self._words.ends or len(self._ids) == self.n_most
        stop = self.sampling.stop
        if not (on_text or stop):
            return
        text, is_stopped = self._words.read(self._ids, stop)
        self.is_ended = self.is_ended or is_stopped
        certain = text if self.is_ended else text[: _count_certain(text, stop)]
        if on_text and len(certain) > self._n_told:
            on_text(certain[self._n_told :])
            self._n_told = len(certain)

    def finish(self) -> Reply:
        """Give the reply, without the token or the text that ended it."""
        text, is_stopped = self._words.read(self._ids, self.sampling.stop)
        return Reply(
            text=text,
            stop="end" if is_stopped or self._ids[-1] in self._words.ends else "length",
            n_prompt_tokens=len(self.prompt_ids),
            n_reply_tokens=len(self._ids),
        )


def _count_certain(text: str, stop: Sequence[str]) -> int:
    """How many characters no later token can take back: not half a character, nor what may begin a text that ends.

    >>> _count_certain("Well. Gue", ["Guest:"])
    6
    """
    starts = {word[:n] for word in stop for n in range(1, len(word))}
    n_held = max((len(start) for start in starts if text.endswith(start)), default=0)
    return len(text[: len(text) - n_held].rstrip("\ufffd"))


def _cut_lots(begun: Sequence[_Begun]) -> Iterator[list[_Begun]]:
    """Replies that follow each other and are drawn together: as many as there is room for their keys and values."""
    lot: list[_Begun] = []
    longest, n_most = 0, 0
    for one in begun:
        longest, n_most = max(longest, len(one.prompt_ids)), max(n_most, one.n_most)
        if lot and (len(lot) == _N_TOGETHER or (len(lot) + 1) * (longest + n_most) > _MAX_KEPT_TOKENS):
            yield lot
            lot, longest, n_most = [], len(one.prompt_ids), one.n_most
        lot.append(one)
    if lot:
        yield lot


def open_together(
    checkpoint: Path, *, adapter: Path | None, tokenizer: Tokenizer, template: ChatTemplate
) -> TogetherModel:
    """Open a plain Llama's checkpoint folder to be spoken to.

    Args:
        adapter: A peft adapter folder, or `None`.
        template: Names the special tokens.

    Raises:
        ModelError: The checkpoint or the adapter cannot be read.
    """
    from econchatr.models.llama.drawing import DrawnModel

    model = open_packed(checkpoint, adapter=adapter, n_positions=_N_POSITIONS)
    words = read_words(tokenizer, template, ends=_read_ends(checkpoint))
    drawn = DrawnModel(model, max_kept_tokens=_MAX_KEPT_TOKENS)
    return TogetherModel(drawn, words, name=checkpoint.name, has_adapter=adapter is not None)


def read_words(tokenizer: Tokenizer, template: ChatTemplate, *, ends: Sequence[int]) -> Words:
    """Give how a model's tokens become text.

    Args:
        ends: Tokens that its checkpoint says end a reply, besides those that end one by their name.
    """
    specials = {}
    for name in {*template.specials, template.eos, template.bos} - {""}:
        ids = tokenizer.encode(name)
        if len(ids) == 1 and tokenizer.decode(ids) == name:  # and not what stands for the unknown
            specials[ids[0]] = name
    named = {token for token, name in specials.items() if name == template.eos or name in _ENDS}
    return Words(tokenizer, frozenset({*named, *ends}), specials)


def _read_ends(checkpoint: Path) -> list[int]:
    """The tokens that a checkpoint's files say end a reply."""
    ends: list[int] = []
    for file in ("config.json", "generation_config.json"):
        try:
            named = json.loads((checkpoint / file).read_text(encoding="utf-8")).get("eos_token_id")
        except (OSError, ValueError, AttributeError):
            continue
        ends += [token for token in (named if isinstance(named, list) else [named]) if isinstance(token, int)]
    return ends
