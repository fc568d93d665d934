"""The last step: gather what is stored and write the report.

This module measures nothing: what is not in a table is not in the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import numpy as np

from econchatr import __version__
from econchatr.config import QUESTIONS_NAME, Rung
from econchatr.pipeline.approval import read_bill
from econchatr.pipeline.choosing import show_strategy
from econchatr.pipeline.compare import COMPARED_NAME
from econchatr.pipeline.corpus import REPORT_EXCERPTS, gather_parsed, note_rights, read_episodes, read_failures
from econchatr.pipeline.judging import hash_judged, score_judged
from econchatr.pipeline.people import hash_people, score_people
from econchatr.pipeline.selected import read_overlaps
from econchatr.pipeline.show import Outcome, Show, Step
from econchatr.records import (
    Answer,
    ComparedStrategy,
    CurvePoint,
    Mark,
    Pair,
    PriceRow,
    Score,
    Selection,
    TunedModel,
)
from econchatr.report.counts import count_by_role
from econchatr.report.markdown import render_markdown
from econchatr.report.material import EpochRow, ReportMaterial, SubsetRow, SubsetTable, describe_corpus
from econchatr.report.page import render_html
from econchatr.select.baskets import fill_baskets
from econchatr.select.cover import Purse
from econchatr.select.prices import (
    REPORTED_2023,
    limit_tokens,
    load_prices,
    price_training,
    training_usd_per_mtok,
)
from econchatr.tables import hash_file, hash_settings, read_table, write_bytes

HISTORY_PROFILE = "gpt3-2023"
HISTORY_BUDGET_USD = Decimal(10)
HISTORY_EPOCHS = 4
"""What each model of 2023 might cost, for how many passes. Source: shared reference `original.md`, step 8."""

_VERSION = 2


def publish_steps(show: Show, rungs: Sequence[Rung]) -> list[Step]:
    """Report."""

    def inputs() -> dict[str, str]:
        stages = {stage: show.made(stage) for stage in ("fetch", "parse", "pair", "select")}
        learned = {
            f"{stage}/{rung.name}": show.made(stage, rung.name) for rung in rungs for stage in ("train", "ask", "score")
        }
        compared = show.folder("select") / COMPARED_NAME
        stages |= {"compared strategies": hash_file(compared)} if compared.is_file() else {}
        bill = [row.model_dump(mode="json") for row in read_bill(show)]
        paid = {"bill": hash_settings(bill)} if bill else {}
        heard = hash_people(show) | hash_judged(show, rungs)
        return {**stages, **learned, **paid, **heard, "questions": hash_file(show.root / QUESTIONS_NAME)}

    settings = {
        "show": show.config.show.model_dump(),
        "rights": show.config.rights.model_dump() if show.config.rights else None,
        "version": __version__,
    }
    folder = show.folder("report")
    return [Step("report", "", folder, _VERSION, settings, inputs, lambda narrator: _publish(show, rungs))]


def _publish(show: Show, rungs: Sequence[Rung]) -> Outcome:
    folder, material = show.folder("report"), gather_material(show, rungs)
    write_bytes(folder / "index.html", render_html(material).encode())
    write_bytes(folder / "report.md", render_markdown(material).encode())
    return Outcome(("index.html", "report.md"), {"answers": len(material.answers), "scores": len(material.scores)})


def gather_material(show: Show, rungs: Sequence[Rung]) -> ReportMaterial:
    """Everything the report needs, from the show's tables."""
    episodes, failures = read_episodes(show), read_failures(show)
    parsed = gather_parsed(show, episodes, failures, n_excerpts=REPORT_EXCERPTS)
    pairs = tuple(read_table(show.folder("pair") / "pairs.parquet", Pair))
    return ReportMaterial(
        show_name=show.config.show.name,
        hosts=(show.voice.host,),
        rights=note_rights(show),
        episodes=episodes,
        failures=failures,
        roles=count_by_role(parsed.speakers),
        parsed=parsed,
        pairs=pairs,
        corpus=describe_corpus(pairs, tokenizer="gpt2"),
        prices=_history_prices(),
        subsets=(_history_subsets(show, pairs),),
        epochs=tuple(_history_epochs(pairs)),
        bill=read_bill(show),
        selections=tuple(read_table(show.folder("select") / "selections.parquet", Selection)),
        overlaps=tuple(read_overlaps(show)),
        compared=_compared(show),
        curve=tuple(
            row for rung in rungs for row in read_table(show.folder("train", rung.name) / "curve.parquet", CurvePoint)
        ),
        tuned_models=tuple(
            row for rung in rungs for row in read_table(show.folder("train", rung.name) / "tuned.parquet", TunedModel)
        ),
        questions=show.questions(),
        answers=tuple(
            row for rung in rungs for row in read_table(show.folder("ask", rung.name) / "answers.parquet", Answer)
        ),
        marks=tuple(
            row for rung in rungs for row in read_table(show.folder("score", rung.name) / "marks.parquet", Mark)
        ),
        scores=(
            *(row for rung in rungs for row in read_table(show.folder("score", rung.name) / "scores.parquet", Score)),
            *score_people(show, rungs),
            *score_judged(show, rungs),
        ),
        settings=_settings(show),
        version=__version__,
        made_on=None,
    )


def _compared(show: Show) -> tuple[ComparedStrategy, ...]:
    path = show.folder("select") / COMPARED_NAME
    return tuple(read_table(path, ComparedStrategy)) if path.is_file() else ()


def _history_prices() -> tuple[PriceRow, ...]:
    return tuple(row for row in load_prices() if row.profile == HISTORY_PROFILE)


def _history_subsets(show: Show, pairs: Sequence[Pair]) -> SubsetTable:
    """What $10 per model would have bought of this show in January 2023, by the show's own strategy."""
    pool = [pair for pair in pairs if pair.is_kept and pair.split == "train"]
    costs = np.array([pair.n_cue_tokens + pair.n_reply_tokens for pair in pool], np.int64)
    purses = [
        Purse(
            costs,
            limit_tokens(
                n_pool_tokens=int(costs.sum()),
                n_epochs=HISTORY_EPOCHS,
                budget_usd=HISTORY_BUDGET_USD,
                usd_per_mtok=training_usd_per_mtok(price),
            ),
            price.model,
        )
        for price in _history_prices()
    ]
    rows = [
        SubsetRow(
            model=purse.name,
            limit_tokens=purse.limit,
            n_pairs=len(basket.places),
            n_tokens=int(costs[list(basket.places)].sum()),
            share=len(basket.places) / len(pool),
        )
        for purse, basket in zip(purses, fill_baskets(pool, purses, show_strategy(show)).baskets, strict=True)
    ]
    return SubsetTable(
        profile=HISTORY_PROFILE,
        budget=f"${HISTORY_BUDGET_USD:.2f}",
        n_epochs=HISTORY_EPOCHS,
        strategy=show.config.select.strategy,
        rows=tuple(rows),
    )


def _history_epochs(pairs: Sequence[Pair]) -> Iterator[EpochRow]:
    """One epoch of this show at the prices of 2023, beside what the drafts of 2023 report of theirs."""
    n_tokens = sum(pair.n_cue_tokens + pair.n_reply_tokens for pair in pairs if pair.is_kept and pair.split == "train")
    for row in _history_prices():
        if row.model not in REPORTED_2023 or row.output is None:
            continue
        training, use = REPORTED_2023[row.model]
        per_mtok, use_per_mtok = training_usd_per_mtok(row), row.output.usd_per_mtok
        yield EpochRow(
            model=row.model,
            n_tokens=n_tokens,
            training_usd=_cents(n_tokens, per_mtok),
            use_usd=_cents(n_tokens, use_per_mtok),
            reported_training_usd=training,
            reported_use_usd=use,
            implied_training_tokens=round(Decimal(training) * 1_000_000 / per_mtok),
            implied_use_tokens=round(Decimal(use) * 1_000_000 / use_per_mtok),
        )


def _cents(n_tokens: int, usd_per_mtok: Decimal) -> str:
    return f"{price_training(n_tokens=n_tokens, n_epochs=1, usd_per_mtok=usd_per_mtok):.2f}"


def _settings(show: Show) -> tuple[tuple[str, str], ...]:
    ask, train = show.config.ask, show.config.train
    return (
        ("temperature", f"{ask.temperature:g}"),
        ("tokens per answer, at most", str(ask.max_tokens)),
        ("samples per question", str(ask.samples)),
        ("seed of the first sample", str(ask.seed)),
        ("repeat penalty", f"{ask.repeat_penalty:g}"),
        ("training seed", str(train.seed)),
        ("learning rate", f"{train.learning_rate:g}"),
        ("adapter rank", str(train.rank)),
        ("pair profile", show.config.pair.profile),
    )
