"""Asking a rung that is only served: its address is opened, and the price of every answer goes into the ledger."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Final
from urllib.parse import urlsplit

from econchatr.ask.asker import GenerationLog, MessagesModel, ServedSpeaker
from econchatr.ask.exam import TUNED_VARIANTS, Draw
from econchatr.errors import BudgetError
from econchatr.hosted.service_calls import ServiceCalls
from econchatr.hosted.tinker_model import SampledForm, open_sampled
from econchatr.models.engines.openai_client import RemoteModel, ServedAddress, find_key
from econchatr.money.billing import TokenUsage, bill_dearest_usage, bill_usage
from econchatr.money.ledger import LEDGER_NAME, Ledger, Order
from econchatr.pipeline.show import Rung
from econchatr.prompts import form_version, render_chat
from econchatr.records import HostedTuning, Message, PriceRow, Reply, Variant
from econchatr.tables import hash_settings

_TIMEOUT_SECONDS: Final = 120.0
"""For one whole answer."""
_AT_HOME: Final = ("127.0.0.1", "localhost", "::1")
_ZERO: Final = Decimal(0)

HOSTED_PART: Final = "hosted"
"""Folder, inside a trained rung's, of what a service tells of its training."""

Pay = Callable[[str, Reply, bool], None]
"""Writes down what a reply to a prompt costs, of the base or of the tuned model."""


@contextmanager
def open_served_model(rung: Rung, draws: Sequence[Draw], log: GenerationLog) -> Iterator[ServedSpeaker]:
    """A served rung's model, open to be asked these things; what the log knows is neither asked nor paid again.

    Raises:
        InputError: The environment variable for its key is not set, or the address is none.
        BudgetError: What is new may cost more than the budget leaves, or its price is not known and there is a budget.
    """
    new = [draw for draw in draws if log.find(draw.key) is None]
    with ExitStack() as stack:
        model, tuned = _open_models(rung, stack)
        pay = stack.enter_context(_open_purse(rung, new))
        yield ServedSpeaker(model, pay, tuned=tuned)


def _open_models(rung: Rung, stack: ExitStack) -> tuple[MessagesModel, MessagesModel | None]:
    """The base and the tuned model of a rung; `None`: it is only asked, never tuned."""
    profile = rung.profile
    if profile is None or profile.api != "tinker":
        base, tuned = _find_addresses(rung)
        model = stack.enter_context(RemoteModel(base))
        return model, stack.enter_context(RemoteModel(tuned)) if tuned else None
    hosted, key = read_hosted(rung), find_key(profile.key_env, os.environ)
    calls = ServiceCalls(profile, key, today=datetime.now(UTC).date())
    form = SampledForm(rung.template, rung.base.tokenizer())
    names = (hosted.base_model, hosted.tuned_model)
    first, second = stack.enter_context(open_sampled(calls, key, names, form))
    return first, second


def read_hosted(rung: Rung) -> HostedTuning:
    """The record of the model that a service tuned for a rung.

    Raises:
        ShowFolderError: It was not trained yet.
    """
    return rung.show.table(rung.folder("train") / HOSTED_PART / "hosted.parquet", HostedTuning)[0]


def identify_served(rung: Rung, variant: Variant) -> str:
    """The hash that an answer of a model at an address carries: of address, name, variant and form together."""
    if rung.is_served:
        return hash_settings([rung.config.base_url, rung.config.model, variant, form_version()])
    hosted = read_hosted(rung)
    name = hosted.tuned_model if variant in TUNED_VARIANTS else hosted.base_model
    # Where token ids are sent, the base's own template writes them.
    form = rung.form_version if rung.profile is not None and rung.profile.api == "tinker" else form_version()
    return hash_settings([hosted.service, name, variant, form])


def _find_addresses(rung: Rung) -> tuple[ServedAddress, ServedAddress | None]:
    """Where the base and the tuned model of a rung are asked; `None`: it is only asked, never tuned."""
    config, profile = rung.config, rung.profile
    if profile is None:
        key = find_key(config.key_env, os.environ)
        return ServedAddress(config.base_url, config.model, key, _TIMEOUT_SECONDS), None
    hosted, key = read_hosted(rung), find_key(profile.key_env, os.environ)
    base = ServedAddress(profile.base_url, hosted.base_model, key, _TIMEOUT_SECONDS)
    return base, base._replace(model=hosted.tuned_model)


@contextmanager
def _open_purse(rung: Rung, draws: Sequence[Draw]) -> Iterator[Pay]:
    """Set money aside for these answers, and give what writes down the price of each."""
    budget_usd, path = rung.show.config.budget_usd, rung.show.root / LEDGER_NAME
    if not rung.config.price or not draws:
        _check_unpriced(rung)
        yield lambda prompt, reply, tuned: None
        return
    row, job_id, numbers = rung.price(), f"{rung.name}-exam-{secrets.token_hex(8)}", count(1)
    worst = sum((_price(rung, row, draw) for draw in draws), _ZERO)
    with Ledger(path) as ledger:
        for left in ledger.list_open_jobs():
            if left.rung == rung.name and left.what == "exam":
                ledger.close_job(left.job_id, "done")  # of a run that was killed: its charges are written
        order = Order(job_id, rung.name, "exam", worst)
        ledger.reserve(order, budget_usd=budget_usd, rung_usd=rung.config.max_usd)

    def pay(prompt: str, reply: Reply, tuned: bool) -> None:
        n_in = reply.n_prompt_tokens or rung.tokenizer.count(prompt)
        n_out = reply.n_reply_tokens or rung.tokenizer.count(reply.text)
        usd = bill_usage(row, TokenUsage(n_in, n_out), is_tuned=tuned) or _ZERO
        with Ledger(path) as ledger:  # one for each: a connection belongs to its thread
            ledger.charge(job_id, f"{job_id}/{next(numbers)}", usd, source=f"answer: {n_in:,} tokens in, {n_out:,} out")

    try:
        yield pay
    finally:
        with Ledger(path) as ledger:
            ledger.close_job(job_id, "done")


def _price(rung: Rung, row: PriceRow, draw: Draw) -> Decimal:
    """What one answer costs at worst.

    Raises:
        BudgetError: The row says no price of use.
    """
    usage = TokenUsage(_count_prompt(rung, draw.prompt()), draw.settings.max_tokens)
    usd = bill_dearest_usage(row, usage, is_tuned=draw.is_tuned)
    if usd is None:
        raise BudgetError(
            f"rung {rung.name!r}: {row.name} has no price by the token.",
            hint="Put input and output into prices.toml in the show's folder.",
        )
    return usd


def _count_prompt(rung: Rung, prompt: str) -> int:
    """Tokens of the messages, for a hosted rung as its quote counts them."""
    if rung.is_served:
        return rung.tokenizer.count(prompt)
    messages = [Message.model_validate(row) for row in json.loads(prompt)]
    return rung.tokenizer.count(render_chat(messages, rung.template))


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
