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
    """A checkpoint and its adapter, open to be spoken to; one request at a time."""

    n_at_once = 1

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
        if tuned and not self._has_adapter:
            raise ModelError(f"{self._name}: was opened without an adapter.", hint="Open it with the adapter.")
        prompt_ids = self._tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
        n_tokens = prompt_ids.shape[1] + sampling.max_tokens
        limit = getattr(self._model.config, "max_position_embeddings", None)
        if limit and n_tokens > limit:
            raise ModelError(f"{self._name}: {n_tokens} tokens exceed its {limit}.", hint="Shorten the question.")
        with self._lock, switch_adapter(self._model, is_on=tuned, has_adapter=self._has_adapter):
            ids = self._generate(prompt_ids, sampling)
        ends = self._model.generation_config.eos_token_id
        is_ended = bool(ids) and ids[-1] in (ends if isinstance(ends, list) else [ends])
        text = self._tokenizer.decode(ids[:-1] if is_ended else ids)
        if places := [place for word in sampling.stop if (place := text.find(word)) >= 0]:
            text = text[: min(places)]
        if on_text and text:
            on_text(text)
        stop = "end" if is_ended or places else "length"
        return Reply(text=text, stop=stop, n_prompt_tokens=prompt_ids.shape[1], n_reply_tokens=len(ids))

    def greedy_ids(self, prompt: str, *, n_tokens: int) -> list[int]:
        """Give the likeliest next tokens after a prompt, with the adapter where there is one."""
        prompt_ids = self._tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
        return self._generate(prompt_ids, Sampling(seed=0, temperature=0.0, max_tokens=n_tokens))

    def encode(self, prompt: str) -> list[int]:
        """Give the token ids of a rendered prompt."""
        return [int(token) for token in self._tokenizer(prompt, add_special_tokens=False).input_ids]

    def forced_gaps_nats(self, prompt_ids: Sequence[int], ids: Sequence[int]) -> list[float]:
        """Tell, for each of the tokens that follow a prompt, by how much another one would have been likelier.

        0 where the token is the one the model itself would have taken there.
        """
        import torch

        whole = torch.tensor([[*prompt_ids, *ids]], device=self._model.device)
        with self._lock, torch.no_grad():
            logits = self._model(input_ids=whole).logits[0, len(prompt_ids) - 1 : -1].float()
        given = logits.gather(1, whole[0, len(prompt_ids) :, None])[:, 0]
        return [float(gap) for gap in logits.max(dim=-1).values - given]

    def apply_template(self, text: str) -> str:
        """Give what the checkpoint's own chat template makes of one question."""
        said = [{"role": "user", "content": text}]
        return str(self._tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True))

    def decode(self, ids: Sequence[int]) -> str:
        """Give the text of token ids, without special tokens."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def _generate(self, prompt_ids: Any, sampling: Sampling) -> list[int]:
        import torch

        greedy: dict[str, Any] = {"do_sample": False, "temperature": None, "top_k": None, "top_p": None}
        sampled: dict[str, Any] = {"do_sample": True, "temperature": sampling.temperature, "top_k": 0, "top_p": 1.0}
        prompt_ids = prompt_ids.to(self._model.device)
        # A private random state: the caller's own must not move.
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(sampling.seed)
            ids = self._model.generate(
                input_ids=prompt_ids,
                attention_mask=torch.ones_like(prompt_ids),
                max_new_tokens=sampling.max_tokens,
                repetition_penalty=sampling.repeat_penalty,
                stop_strings=list(sampling.stop) or None,
                tokenizer=self._tokenizer if sampling.stop else None,
                **(sampled if sampling.temperature else greedy),
            )
        return [int(token) for token in ids[0, prompt_ids.shape[1] :]]


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
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as exc:
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
