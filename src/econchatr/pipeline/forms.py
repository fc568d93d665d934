"""What a rung's model is and how its examples are written: tokenizer, template, epochs.

This module does not select, train or ask.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from econchatr.config import Rung
from econchatr.models.examples import EncodedExample
from econchatr.models.weights import BaseWeights, locate_embedded_gguf, open_base, read_chat_template
from econchatr.pipeline.prices import rung_price
from econchatr.pipeline.show import Show
from econchatr.prompts import CHATML, ChatTemplate, encode_example
from econchatr.records import Example
from econchatr.select.examples import ExampleForm
from econchatr.tables import hash_file, hash_settings
from econchatr.tokens import Tokenizer, open_tokenizer
from econchatr.train.recipe import LoraRecipe


def example_form(show: Show, rung: Rung) -> ExampleForm:
    """How a rung's examples are written and counted."""
    return ExampleForm(
        rung=rung.name,
        voice=show.voice,
        tokenizer=rung_tokenizer(show, rung),
        template=None if _is_gpt3(rung) else rung_template(rung),
        max_cue_tokens=show.config.train.max_cue_tokens,
        max_example_tokens=show.config.train.max_example_tokens,
    )


def _is_gpt3(rung: Rung) -> bool:
    return rung.price.startswith("gpt3-2023/")


def rung_tokenizer(show: Show, rung: Rung) -> Tokenizer:
    """The tokenizer a rung's tokens are counted with: its own, unless the config names another."""
    name = rung.tokenizer or ("gpt2" if _is_gpt3(rung) else rung.base)
    return open_tokenizer(str(locate_embedded_gguf()) if name == "embedded" else name, cache=show.cache)


def rung_template(rung: Rung) -> ChatTemplate:
    """The chat template of a rung's base; ChatML, to count with, where the base is out of reach."""
    path = locate_embedded_gguf() if rung.base == "embedded" else Path(rung.base)
    return _read_template(path) if path.exists() else CHATML


@lru_cache(maxsize=8)
def _read_template(path: Path) -> ChatTemplate:
    return read_chat_template(path)


def rung_epochs(show: Show, rung: Rung) -> int:
    """How often a rung sees its selection."""
    if rung.n_epochs:
        return rung.n_epochs
    profile = rung_price(show, rung).n_epochs if rung.price else None
    return profile or show.config.train.n_epochs


def rung_weights(show: Show, rung: Rung) -> BaseWeights:
    """A rung's base weights, converted where they must be."""
    return open_base(rung.base, cache=show.cache, hub="auto" if show.config.train.weights == "auto" else "never")


def rung_recipe(show: Show, rung: Rung) -> LoraRecipe:
    """How a rung is trained."""
    settings = show.config.train
    return LoraRecipe(
        rank=settings.rank,
        alpha=2 * settings.rank,
        learning_rate=settings.learning_rate,
        batch_examples=settings.batch_examples,
        n_epochs=rung_epochs(show, rung),
        seed=settings.seed,
    )


def encode_examples(examples: Iterable[Example], show: Show, rung: Rung) -> list[EncodedExample]:
    """Examples as the token ids a rung's model learns from, or is measured on."""
    encode, template = rung_tokenizer(show, rung).encode, rung_template(rung)
    return [
        EncodedExample(*encode_example(example.messages, template, encode, is_whole=not example.n_cut_reply_tokens))
        for example in examples
    ]


def base_identity(rung: Rung) -> str:
    """What tells one base from another without opening it: a file's hash, a folder's, or the name on the hub."""
    path = locate_embedded_gguf() if rung.base == "embedded" else Path(rung.base)
    if path.is_dir():
        return hash_settings(sorted((file.name, file.stat().st_size) for file in path.iterdir() if file.is_file()))
    return hash_file(path) if path.is_file() else rung.base
