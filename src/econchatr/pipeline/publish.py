"""The last step: gather what is stored and write the report, and beside it the same in other forms.

This module measures nothing: what is not in a table is not in the report. A table that an older run did not write is
taken for empty, and the page says or leaves out what it would have told.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import numpy as np

from econchatr import __version__
from econchatr.config import QUESTIONS_NAME, Rung
from econchatr.models.weights import EMBEDDED, EMBEDDED_HUB_ID
from econchatr.pipeline.approval import read_bill
from econchatr.pipeline.choosing import show_strategy
from econchatr.pipeline.compare import COMPARED_NAME
from econchatr.pipeline.corpus import REPORT_EXCERPTS, gather_parsed, note_rights, read_episodes, read_failures
from econchatr.pipeline.judging import hash_judged, score_judged
from econchatr.pipeline.people import hash_people, score_people
from econchatr.pipeline.rounds import made_round, read_measured, read_outcome
from econchatr.pipeline.selected import read_overlaps
from econchatr.pipeline.show import Outcome, Show, Step
from econchatr.prompts import system_line
from econchatr.records import (
    Answer,
    ComparedStrategy,
    CopiedSpan,
    CurvePoint,
    Gate,
    HeldOutReply,
    Mark,
    NearQuote,
    Pair,
    PriceRow,
    Probe,
    Record,
    Score,
    Selection,
    TunedModel,
)
from econchatr.report.card import card_from_report, render_card
from econchatr.report.counts import count_by_role
from econchatr.report.material import EpochRow, History, ReportMaterial, SubsetRow, SubsetTable, describe_corpus
from econchatr.report.pages import render_html, render_markdown
from econchatr.report.spreadsheets import write_answers, write_gates, write_scores
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

R = TypeVar("R", bound=Record)

_VERSION = 3
_PACKAGES = ("torch", "transformers", "peft", "trl", "xllamacpp", "numpy", "scikit-learn", "polars")
_STAGES = ("fetch", "parse", "pair", "select")
_RUNG_STAGES = ("train", "ask", "score")


def publish_steps(show: Show, rungs: Sequence[Rung]) -> list[Step]:
    """Report."""

    def inputs() -> dict[str, str]:
        stages = dict(_list_made(show, rungs))
        compared = show.folder("select") / COMPARED_NAME
        stages |= {"compared strategies": hash_file(compared)} if compared.is_file() else {}
        bill = [row.model_dump(mode="json") for row in read_bill(show)]
        paid = {"bill": hash_settings(bill)} if bill else {}
        heard = hash_people(show) | hash_judged(show, rungs)
        rounds = {f"preferences/{rung.name}": made for rung in rungs if (made := made_round(show, rung))}
        return {**stages, **paid, **heard, **rounds, "questions": hash_file(show.root / QUESTIONS_NAME)}

    settings = {
        "show": show.config.show.model_dump(),
        "rights": show.config.rights.model_dump() if show.config.rights else None,
        "version": __version__,
    }
    folder = show.folder("report")
    return [Step("report", "", folder, _VERSION, settings, inputs, lambda narrator: _publish(show, rungs))]


def _publish(show: Show, rungs: Sequence[Rung]) -> Outcome:
    folder, material = show.folder("report"), gather_material(show, rungs)
    cards = {
        f"model-card-{tuned.rung}.md": render_card(card)
        for tuned in material.tuned_models
        if (card := card_from_report(material, tuned)) is not None
    }
    beside = {
        "answers.csv": write_answers(material),
        "scores.csv": write_scores(material),
        "gates.csv": write_gates(material),
        **cards,
    }
    material = material.model_copy(update={"files": ("report.md", *beside)})
    texts = {"index.html": render_html(material), "report.md": render_markdown(material), **beside}
    for name, text in texts.items():
        write_bytes(folder / name, text.encode())
    return Outcome(tuple(texts), {"answers": len(material.answers), "scores": len(material.scores)})


def gather_material(show: Show, rungs: Sequence[Rung]) -> ReportMaterial:
    """Everything the report needs, from the show's tables."""
    episodes, failures = read_episodes(show), read_failures(show)
    parsed = gather_parsed(show, episodes, failures, n_excerpts=REPORT_EXCERPTS)
    pairs = tuple(read_table(show.folder("pair") / "pairs.parquet", Pair))
    rows = partial(_read_all, show, rungs)
    scores, gates = _gather_scores(show, rungs)
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
        history=gather_history(show, pairs),
        bill=read_bill(show),
        selections=tuple(read_table(show.folder("select") / "selections.parquet", Selection)),
        overlaps=tuple(read_overlaps(show)),
        compared=_compared(show),
        curve=rows("train", "curve", CurvePoint),
        tuned_models=rows("train", "tuned", TunedModel),
        rounds=tuple(outcome for rung in rungs if (outcome := read_outcome(show, rung))),
        questions=show.questions(),
        answers=rows("ask", "answers", Answer),
        more_answers=(*rows("ask", "paraphrased", Answer), *rows("ask", "probes", Answer)),
        probes=rows("ask", "probe_questions", Probe),
        marks=rows("score", "marks", Mark),
        scores=scores,
        gates=gates,
        spans=rows("score", "spans", CopiedSpan),
        nearest=rows("score", "nearest", NearQuote),
        replies=rows("score", "replies", HeldOutReply),
        settings=_settings(show),
        system_line=system_line(show.voice),
        hub_ids=tuple((rung.name, EMBEDDED_HUB_ID) for rung in rungs if rung.base == EMBEDDED),
        made=tuple((stage, sha256) for stage, sha256 in _list_made(show, rungs) if sha256),
        versions=_versions(),
        version=__version__,
        made_on=None,
    )


def _gather_scores(show: Show, rungs: Sequence[Rung]) -> tuple[tuple[Score, ...], tuple[Gate, ...]]:
    """Every score and gate: of the exam, of people, of the judge, of rounds on preferences."""
    rounds = [read_measured(show, rung) for rung in rungs]
    scores = (
        *_read_all(show, rungs, "score", "scores", Score),
        *score_people(show, rungs),
        *score_judged(show, rungs),
        *(score for scores, _ in rounds for score in scores),
    )
    gates = (
        *_read_all(show, rungs, "score", "gates", Gate),
        *(gate for _, gates in rounds for gate in gates),
    )
    return scores, gates


def _read_all(show: Show, rungs: Sequence[Rung], stage: str, name: str, kind: type[R]) -> tuple[R, ...]:
    """One table of every rung, one after the other; nothing of a rung whose stage did not write it."""
    paths = [show.folder(stage, rung.name) / f"{name}.parquet" for rung in rungs]
    return tuple(row for path in paths if path.is_file() for row in read_table(path, kind))


def _list_made(show: Show, rungs: Sequence[Rung]) -> Iterator[tuple[str, str]]:
    """Each stage, and the hash of what it made; empty for one that is not finished."""
    for stage in _STAGES:
        yield stage, show.made(stage)
    for rung in rungs:
        for stage in _RUNG_STAGES:
            yield f"{stage}/{rung.name}", show.made(stage, rung.name)


def _versions() -> tuple[tuple[str, str], ...]:
    """Python, and the packages that decide what comes out; those not installed are left out."""
    found = [("Python", platform.python_version())]
    for name in _PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def _compared(show: Show) -> tuple[ComparedStrategy, ...]:
    path = show.folder("select") / COMPARED_NAME
    return tuple(read_table(path, ComparedStrategy)) if path.is_file() else ()


def gather_history(show: Show, pairs: Sequence[Pair]) -> History | None:
    """What the prices of 2023 would buy, for a show that chooses its pairs as the 2023 experiment did; else `None`."""
    if show.config.pair.profile != "2023" or show.config.select.strategy != "subjects-2023":
        return None
    return History(
        prices=_history_prices(), subsets=(_history_subsets(show, pairs),), epochs=tuple(_history_epochs(pairs))
    )


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
        ("selection", f"{show.config.select.strategy}, seed {show.config.select.seed}"),
        ("training seed", str(train.seed)),
        ("learning rate", f"{train.learning_rate:g}"),
        ("adapter rank", str(train.rank)),
        ("pair profile", show.config.pair.profile),
    )
