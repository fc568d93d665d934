"""Asking a rung that is only served: its address is opened, and the price of every answer goes into the ledger."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from typing import Final
from urllib.parse import urlsplit

from econchatr.ask.asker import GenerationLog, ServedSpeaker
from econchatr.ask.exam import Draw
from econchatr.errors import BudgetError
from econchatr.models.engines.openai_client import RemoteModel, ServedAddress, find_key
from econchatr.money.billing import TokenUsage, bill_dearest_usage, bill_usage
from econchatr.money.ledger import LEDGER_NAME, Ledger, Order
from econchatr.pipeline.show import Rung
from econchatr.records import PriceRow, Reply

_TIMEOUT_SECONDS: Final = 120.0
"""For one whole answer."""
_AT_HOME: Final = ("127.0.0.1", "localhost", "::1")
_ZERO: Final = Decimal(0)

Pay = Callable[[str, Reply], None]
"""Writes down what a reply to a prompt costs."""


@contextmanager
def open_served_model(rung: Rung, draws: Sequence[Draw], log: GenerationLog) -> Iterator[ServedSpeaker]:
    """A served rung's model, open to be asked these things; what the log knows is neither asked nor paid again.

    Raises:
        InputError: The environment variable for its key is not set, or the address is none.
        BudgetError: What is new may cost more than the budget leaves, or its price is not known and there is a budget.
    """
    config = rung.config
    address = ServedAddress(config.base_url, config.model, find_key(config.key_env, os.environ), _TIMEOUT_SECONDS)
    new = [draw for draw in draws if log.find(draw.key) is None]
    with RemoteModel(address) as model, _open_purse(rung, new) as pay:
        yield ServedSpeaker(model, pay)


@contextmanager
def _open_purse(rung: Rung, draws: Sequence[Draw]) -> Iterator[Pay]:
    """Set money aside for these answers, and give what writes down the price of each."""
    budget_usd, path = rung.show.config.budget_usd, rung.show.root / LEDGER_NAME
    if not rung.config.price or not draws:
        _check_unpriced(rung)
        yield lambda prompt, reply: None
        return
    row, job_id, numbers = rung.price(), f"{rung.name}-exam-{secrets.token_hex(8)}", count(1)
    worst = sum((_price(rung, row, draw.prompt(), draw.settings.max_tokens) for draw in draws), _ZERO)
    with Ledger(path) as ledger:
        for left in ledger.list_open_jobs():
            if left.rung == rung.name and left.what == "exam":
                ledger.close_job(left.job_id, "done")  # of a run that was killed: its charges are written
        order = Order(job_id, rung.name, "exam", worst)
        ledger.reserve(order, budget_usd=budget_usd, rung_usd=rung.config.max_usd)

    def pay(prompt: str, reply: Reply) -> None:
        n_in = reply.n_prompt_tokens or rung.tokenizer.count(prompt)
        n_out = reply.n_reply_tokens or rung.tokenizer.count(reply.text)
        usd = bill_usage(row, TokenUsage(n_in, n_out), is_tuned=False) or _ZERO
        with Ledger(path) as ledger:  # one for each: a connection belongs to its thread
            ledger.charge(job_id, f"{job_id}/{next(numbers)}", usd, source=f"answer: {n_in:,} tokens in, {n_out:,} out")

    try:
        yield pay
    finally:
        with Ledger(path) as ledger:
            ledger.close_job(job_id, "done")


def _price(rung: Rung, row: PriceRow, prompt: str, max_tokens: int) -> Decimal:
    """What one answer costs at worst.

    Raises:
        BudgetError: The row says no price of use.
    """
    usd = bill_dearest_usage(row, TokenUsage(rung.tokenizer.count(prompt), max_tokens), is_tuned=False)
    if usd is None:
        raise BudgetError(
            f"rung {rung.name!r}: {row.name} has no price by the token.",
            hint="Put input and output into prices.toml in the show's folder.",
        )
    return usd


def _check_unpriced(rung: Rung) -> None:
    """Refuse to ask a service whose price nobody said where a budget has to hold."""
    config = rung.config
    limit = config.max_usd if config.max_usd is not None else rung.show.config.budget_usd
    if config.price or limit is None or urlsplit(config.base_url).hostname in _AT_HOME:
        return
    raise BudgetError(
        f"rung {rung.name!r}: {config.base_url} names no price, so the budget of ${limit:.2f} cannot be held.",
        hint="Give the rung a price (`profile/model` of `econchatr prices`), or take the budget away.",
    )
