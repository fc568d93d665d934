"""Answer through transformers: for a base that is no GGUF file, and to check the export of one that is."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

from econchatr.errors import MissingExtraError, ModelError
from econchatr.records import Reply, Sampling


class TransformersModel:
    """A checkpoint and its adapter, open to be spoken to; one request, or one batch, at a time."""

    n_at_once = 1
    n_together = 8

    def __init__(self, model: Any, tokenizer: Any, *, name: str, has_adapter: bool) -> None:
        self._model, self._tokenizer, self._name, self._has_adapter = model, tokenizer, name, has_adapter
        self._lock = Lock()

    def reply(
        self, prompt: str, sampling: Sampling, *, tuned: bool, on_text: Callable[[str], None] | None = None
    ) -> Reply:
        """Give what the model says after a rendered prompt; the same arguments give the same text.

        Args:
            prompt: Special tokens written in the prompt are read as such; none is added.
            tuned: Whether the adapter takes part.
            on_text: Gets the whole text at once.

        Raises:
            ModelError: The prompt is too long for the model, or was opened without the adapter asked for.
        """
        reply = self.reply_all([prompt], sampling, seeds=[sampling.seed], tuned=tuned)[0]
        if on_text and reply.text:
            on_text(reply.text)
        return reply

    def reply_all(
        self, prompts: Sequence[str], sampling: Sampling, *, seeds: Sequence[int], tuned: bool
    ) -> list[Reply]:
        """Give what the model says after each of several prompts, computed together.

        Each is drawn with its own seed, so that only the rounding differs from what it says alone.

        Args:
            sampling: For all of them, but for its seed.
            seeds: One for each prompt.
            tuned: Whether the adapter takes part.

        Raises:
            ModelError: A prompt is too long for the model, or it was opened without the adapter asked for.
        """
        if tuned and not self._has_adapter:
            raise ModelError(f"{self._name}: was opened without an adapter.", hint="Open it with the adapter.")
        encoded = [self.encode(prompt) for prompt in prompts]
        n_tokens = max(map(len, encoded)) + sampling.max_tokens
        limit = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        if limit and n_tokens > limit:
            raise ModelError(f"{self._name}: {n_tokens} tokens exceed its {limit}.", hint="Shorten the question.")
        with self._lock, switch_adapter(self._model, is_on=tuned, has_adapter=self._has_adapter):
            said = self._generate(encoded, sampling, seeds)
        return [self._read(ids, len(prompt), sampling) for ids, prompt in zip(said, encoded, strict=True)]

    def reply_often(
        self,
        prompt: str,
        sampling: Sampling,
        n_replies: int,
        *,
        tuned: bool,
        on_text: Callable[[str], None] | None = None,
    ) -> list[Reply]:
        """Give several replies to one rendered prompt, computed together, with seeds that follow each other.

        Args:
            on_text: Gets the whole text of each reply at once.

        Raises:
            ModelError: The prompt is too long for the model, or was opened without the adapter asked for.
        """
        replies = list[Reply]()
        for start in range(0, n_replies, self.n_together):
            seeds = range(sampling.seed + start, sampling.seed + min(start + self.n_together, n_replies))
            replies += self.reply_all([prompt] * len(seeds), sampling, seeds=seeds, tuned=tuned)
        for reply in replies:
            if on_text and reply.text:
                on_text(reply.text)
        return replies

    def _read(self, ids: list[int], n_prompt: int, sampling: Sampling) -> Reply:
        """Token ids as a reply, without the token or the text that ended it."""
        is_ended = bool(ids) and ids[-1] in self._ends
        text = self._tokenizer.decode(ids[:-1] if is_ended else ids)
        if places := [place for word in sampling.stop if (place := text.find(word)) >= 0]:
            text = text[: min(places)]
        stop = "end" if is_ended or places else "length"
        return Reply(text=text, stop=stop, n_prompt_tokens=n_prompt, n_reply_tokens=len(ids))

    def greedy_ids(self, prompts: Sequence[str], *, n_tokens: int) -> list[list[int]]:
        """Give the likeliest next tokens after each prompt, with the adapter where there is one."""
        encoded, ids = [self.encode(prompt) for prompt in prompts], list[list[int]]()
        for start in range(0, len(encoded), self.n_together):
            lot = encoded[start : start + self.n_together]
            ids += self._generate(lot, Sampling(0, 0.0, n_tokens), [0] * len(lot))
        return ids

    def encode(self, prompt: str) -> list[int]:
        """Give the token ids of a rendered prompt."""
        return [int(token) for token in self._tokenizer(prompt, add_special_tokens=False).input_ids]

    def weigh_tokens(self, prompt_ids: Sequence[int], ids: Sequence[int]) -> list[tuple[float, float]]:
        """Give, for each of the tokens that follow a prompt, its log-probability and that of the likeliest there."""
        import torch

        whole = torch.tensor([[*prompt_ids, *ids]], device=self._model.device)
        with self._lock, torch.no_grad():
            logits = self._model(input_ids=whole).logits[0, len(prompt_ids) - 1 : -1].float()
        logprobs = logits.log_softmax(dim=-1)
        given = logprobs.gather(1, whole[0, len(prompt_ids) :, None])[:, 0]
        return list(zip(given.tolist(), logprobs.max(dim=-1).values.tolist(), strict=True))

    def apply_template(self, text: str) -> str:
        """Give what the checkpoint's own chat template makes of one question."""
        said = [{"role": "user", "content": text}]
        return str(self._tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True))

    def decode(self, ids: Sequence[int]) -> str:
        """Give the text of token ids, without special tokens."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    @property
    def _ends(self) -> tuple[int, ...]:
        """The tokens that end a reply."""
        ends = self._model.generation_config.eos_token_id
        named = ends if isinstance(ends, list) else [ends]
        return tuple(dict.fromkeys(end for end in (*named, self._tokenizer.eos_token_id) if end is not None))

    def _generate(self, encoded: Sequence[Sequence[int]], sampling: Sampling, seeds: Sequence[int]) -> list[list[int]]:
        """The tokens that follow each prompt, with the one that ended the reply."""
        import torch

        width, ends = max(map(len, encoded)), self._ends
        pad = self._tokenizer.pad_token_id if self._tokenizer.pad_token_id is not None else (ends or (0,))[0]
        rows = [[pad] * (width - len(ids)) + list(ids) for ids in encoded]
        mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in encoded], device=self._model.device)
        with torch.no_grad():
            found = self._model.generate(
                input_ids=torch.tensor(rows, device=self._model.device),
                attention_mask=mask,
                max_new_tokens=sampling.max_tokens,
                logits_processor=[_Chooser(sampling, seeds, mask)],
                stop_strings=list(sampling.stop) or None,
                tokenizer=self._tokenizer if sampling.stop else None,
                eos_token_id=list(ends) or None,
                pad_token_id=pad,
                do_sample=False, temperature=None, top_k=None, top_p=None,
            )  # fmt: skip
        return [_cut(row, ends) for row in found[:, width:].tolist()]


class _Chooser:
    """Turns the logits of several replies so that the greatest is the token drawn for each, by its own seed.

    Noise of Gumbel's kind added to logits makes the greatest of them a draw from their distribution. It depends on the
    seed and the place alone, so that a reply does not change with what is computed beside it.
    """

    def __init__(self, sampling: Sampling, seeds: Sequence[int], mask: Any) -> None:
        import torch

        self._sampling, self._mask = sampling, mask
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import torch

        scores = self._penalize(input_ids, scores.float())
        if not self._sampling.temperature:
            return scores
        shape = scores.shape[-1]
        drawn = torch.stack([torch.rand(shape, generator=one, dtype=torch.float64) for one in self._generators])
        noise = -torch.log(-torch.log(drawn.clamp_min(torch.finfo(torch.float64).tiny)))
        return scores / self._sampling.temperature + noise.to(scores.device, scores.dtype)

    def _penalize(self, input_ids: Any, scores: Any) -> Any:
        """Make tokens that were said before less likely; padding was not said."""
        import torch

        penalty = self._sampling.repeat_penalty
        if penalty == 1:
            return scores
        n_new = input_ids.shape[1] - self._mask.shape[1]
        said = torch.nn.functional.pad(self._mask, (0, n_new), value=1).to(scores.dtype)
        is_said = torch.zeros_like(scores).scatter_add_(1, input_ids, said) > 0
        return torch.where(is_said, torch.where(scores < 0, scores * penalty, scores / penalty), scores)


def _cut(ids: list[int], ends: Sequence[int]) -> list[int]:
    """A reply up to the first token that ends it."""
    places = [place for place, token in enumerate(ids) if token in ends]
    return ids[: places[0] + 1] if places else ids


def open_transformers(checkpoint: Path, *, adapter: Path | None, is_exact: bool = False) -> TransformersModel:
    """Open a checkpoint folder to be spoken to.

    Args:
        adapter: A peft adapter folder, or `None`.
        is_exact: Compute in float32 whatever the machine.

    Raises:
        MissingExtraError: torch, transformers or peft is not installed.
        ModelError: The checkpoint or the adapter cannot be read.
    """
    model = load_model(checkpoint, adapter=adapter, is_exact=is_exact)
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(checkpoint))
    except (OSError, ValueError, KeyError) as exc:
        raise ModelError(
            f"{checkpoint}: its tokenizer cannot be read ({exc}).", hint="Give a whole checkpoint."
        ) from exc
    return TransformersModel(model, tokenizer, name=checkpoint.name, has_adapter=adapter is not None)


def load_model(checkpoint: Path, *, adapter: Path | None, is_exact: bool = False) -> Any:
    """Give a checkpoint's model through transformers, with a peft adapter on it where one is given.

    Raises:
        MissingExtraError: torch, transformers or peft is not installed.
        ModelError: The checkpoint or the adapter cannot be read.
    """
    try:
        import torch
        from huggingface_hub.errors import StrictDataclassError
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM

        from econchatr.models.machine import choose_device, choose_dtype
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"this needs {exc.name}.", extra="local") from exc
    device = choose_device()
    dtype = torch.float32 if is_exact else choose_dtype(device)
    try:
        with without_noise():
            model = AutoModelForCausalLM.from_pretrained(str(checkpoint), dtype=dtype, attn_implementation="sdpa")
            if adapter is not None:
                from peft import PeftModel

                model = PeftModel.from_pretrained(model, str(adapter))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, StrictDataclassError) as exc:
        raise ModelError(f"{checkpoint}: cannot be opened ({exc}).", hint="Give a whole checkpoint.") from exc
    return model.to(device).eval()


@contextmanager
def without_noise() -> Iterator[None]:
    """Keep transformers' progress bars, and its warnings to other libraries' programmers, off the terminal."""
    from transformers.utils import logging

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)
            yield
    finally:
        if was_on:
            logging.enable_progress_bar()


def switch_adapter(model: Any, *, is_on: bool, has_adapter: bool) -> AbstractContextManager[Any]:
    """Let a loaded model's adapter take part within the block, or not."""
    return model.disable_adapter() if has_adapter and not is_on else nullcontext()
