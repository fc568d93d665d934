"""What a rung's model is and how its examples are written: tokenizer, template, epochs.

This module does not select, train or ask.
"""

from __future__ import annotations

from pathlib import Path

from econchatr.config import Rung
from econchatr.models.weights import locate_embedded_gguf, read_chat_template
from econchatr.pipeline.show import Show
from econchatr.prompts import CHATML, ChatTemplate
from econchatr.select.examples import ExampleForm
from econchatr.select.prices import find_price
from econchatr.tables import hash_file, hash_settings
from econchatr.tokens import Tokenizer, open_tokenizer


def example_form(show: Show, rung: Rung) -> ExampleForm:
    """How a rung's examples are written and counted."""
    return ExampleForm(
        rung=rung.name,
        voice=show.voice,
        tokenizer=rung_tokenizer(show, rung),
        template=None if rung.price.startswith("gpt3-2023/") else rung_template(rung),
        max_cue_tokens=show.config.train.max_cue_tokens,
        max_example_tokens=show.config.train.max_example_tokens,
    )


def rung_tokenizer(show: Show, rung: Rung) -> Tokenizer:
    """The tokenizer a rung's tokens are counted with: its own, unless the config names another."""
    name = rung.tokenizer or rung.base
    return open_tokenizer(str(locate_embedded_gguf()) if name == "embedded" else name, cache=show.cache)


def rung_template(rung: Rung) -> ChatTemplate:
    """The chat template of a rung's base; ChatML, to count with, where the base is out of reach."""
    if rung.base == "embedded":
        return read_chat_template(locate_embedded_gguf())
    path = Path(rung.base)
    return read_chat_template(path) if path.exists() else CHATML


def rung_epochs(show: Show, rung: Rung) -> int:
    """How often a rung sees its selection."""
    if rung.n_epochs:
        return rung.n_epochs
    return find_price(rung.price).n_epochs if rung.price else show.config.train.n_epochs


def base_identity(rung: Rung) -> str:
    """What tells one base from another without opening it: a file's hash, a folder's, or the name on the hub."""
    path = locate_embedded_gguf() if rung.base == "embedded" else Path(rung.base)
    if path.is_dir():
        return hash_settings(sorted((file.name, file.stat().st_size) for file in path.iterdir() if file.is_file()))
    return hash_file(path) if path.is_file() else rung.base
