"""The stage `report`: gather what is stored, and write the page, and beside it the same in other forms.

What is not in a table is not in the report. A table that an older run did not write is taken for empty.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from econchatr import __version__
from econchatr.config import SMALL_BASE_DRAWS, SMALL_BASE_PARAMETERS
from econchatr.models.files.weights import EMBEDDED, EMBEDDED_HUB_ID
from econchatr.money.budget import limit_tokens, price_training
from econchatr.money.prices import REPORTED_2023, load_prices, training_usd_per_mtok
from econchatr.pipeline.parse import gather_parsed, note_rights
from econchatr.pipeline.quotes import read_bill
from econchatr.pipeline.results import (
    count_right_answers,
    hash_judged,
    hash_people,
    list_made,
    round_measures,
    round_outcome,
    round_sha256,
    score_judged,
    score_people,
)
from econchatr.pipeline.select import overlaps_of, strategy_settings
from econchatr.pipeline.show import Ladder, Show
from econchatr.pipeline.stage import Made, Narrator, Stage
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
    TunedModel,
)
from econchatr.records.measures import keep_listed
from econchatr.report.card import card_from_report, render_card
from econchatr.report.counts import count_by_role
from econchatr.report.formats import format_source
from econchatr.report.material import EpochRow, PricesOf2023, ReportMaterial, SubsetRow, SubsetTable, describe_corpus
from econchatr.report.pages import render_html, render_markdown
from econchatr.report.post import render_post
from econchatr.report.spreadsheets import write_answers, write_gates, write_scores
from econchatr.score.quoting.nearest import find_real_words
from econchatr.select.knapsack import Knapsack
from econchatr.select.strategies import choose_subsets
from econchatr.tables import hash_file, hash_settings, read_manifest, write_bytes

_HISTORY_PROFILE = "gpt3-2023"
_HISTORY_BUDGET_USD = Decimal(10)
_HISTORY_EPOCHS = 4
"""What each model of 2023 might cost, for how many passes. Source: shared reference `original.md`, step 8."""

R = TypeVar("R", bound=Record)

_PACKAGES = ("torch", "transformers", "peft", "trl", "xllamacpp", "numpy", "polars")
_EXCERPTS = 3
"""Of each kind of flag, in the report."""
GUESSES_NAME = "guesses.jsonl"
"""In talk/: what was guessed in the playground."""
COMPARED_NAME = "compared.parquet"
"""In select/: what `select --compare` found."""


def _inputs(ladder: Ladder) -> dict[str, str]:
    show = ladder.show
    compared = show.folder("select") / COMPARED_NAME
    stages = dict(list_made(ladder)) | ({"compared strategies": hash_file(compared)} if compared.is_file() else {})
    bill = [row.model_dump(mode="json") for row in read_bill(show)]
    paid = {"bill": hash_settings(bill)} if bill else {}
    guesses = show.folder("talk") / GUESSES_NAME
    stages |= {"guesses": hash_file(guesses)} if guesses.is_file() else {}
    heard = hash_people(show) | hash_judged(ladder)
    rounds = {f"preferences/{rung.name}": made for rung in ladder.rungs if (made := round_sha256(rung))}
    return {**stages, **paid, **heard, **rounds, "questions": show.questions_sha256()}


def _report(ladder: Ladder, narrator: Narrator) -> Made:
    folder, material = ladder.folder("report"), gather_material(ladder)
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
    return Made(files=tuple(texts), counts={"answers": len(material.answers), "scores": len(material.scores)})


REPORT = Stage[Ladder](
    "report",
    version=6,
    settings={"show": "show", "rights": "rights", "version": lambda ladder: __version__},
    inputs=_inputs,
    reads=("fetch", "parse", "pair", "select", "train", "ask", "score", "questions.toml", "sheets/", "the ledger"),
    do=_report,
)


def gather_material(ladder: Ladder) -> ReportMaterial:
    """Everything the report needs, from the show's tables."""
    show, rungs = ladder.show, ladder.rungs
    parsed, pairs = gather_parsed(show, n_excerpts=_EXCERPTS), tuple(show.pairs())
    rows = partial(_read_all, ladder)
    scores, gates = _gather_scores(ladder)
    return ReportMaterial(
        show_name=show.config.show.name,
        hosts=(show.voice.host,),
        rights=note_rights(show),
        episodes=tuple(show.episodes()),
        failures=tuple(show.failures("parse")),
        roles=count_by_role(parsed.speakers),
        parsed=parsed,
        pairs=pairs,
        corpus=describe_corpus(pairs, tokenizer="gpt2"),
        history=gather_history(show, pairs),
        bill=read_bill(show),
        selections=tuple(show.selections()),
        taken=tuple(_list_taken(show)),
        overlaps=tuple(overlaps_of(show)),
        compared=_compared(show),
        curve=rows("train", "curve", CurvePoint),
        tuned_models=rows("train", "tuned", TunedModel),
        minutes=tuple(_read_minutes(ladder)),
        rounds=tuple(outcome for rung in rungs if (outcome := round_outcome(rung))),
        questions=show.questions(),
        answers=rows("ask", "answers", Answer),
        more_answers=(*rows("ask", "paraphrased", Answer), *rows("ask", "probes", Answer)),
        probes=rows("ask", "probe_questions", Probe),
        marks=rows("score", "marks", Mark),
        right=tuple(count_right_answers(ladder)),
        reported=show.reported(),
        scores=scores,
        gates=gates,
        spans=rows("score", "spans", CopiedSpan),
        nearest=rows("score", "nearest", NearQuote),
        real_words=tuple(_find_real_words(show, pairs)),
        guesses=tuple(_read_guesses(show, rows("train", "tuned", TunedModel))),
        replies=rows("score", "replies", HeldOutReply),
        settings=_settings(show),
        system_line=system_line(show.voice),
        hub_ids=tuple((rung.name, EMBEDDED_HUB_ID) for rung in rungs if rung.is_local and rung.config.base == EMBEDDED),
        made=tuple((stage, sha256) for stage, sha256 in list_made(ladder) if sha256),
        versions=_versions(),
        version=__version__,
        made_on=None,
    )


def _read_guesses(show: Show, tuned: Sequence[TunedModel]) -> Iterator[tuple[str, bool]]:
    """Whose reply was guessed in the playground, and whether rightly.

    A line that is no guess counts for nothing, nor does a guess at a model that was trained again since.
    """
    now = {model.rung: model.adapter_sha256 for model in tuned}
    path = show.folder("talk") / GUESSES_NAME
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            rung = str(row["rung"])
            if row.get("adapter_sha256") in (None, now.get(rung)):  # older lines do not say which model it was
                yield rung, int(row["pick"]) == int(row["real"])
        except (ValueError, KeyError, TypeError):
            continue


def _list_taken(show: Show) -> Iterator[Pair]:
    """The answer pairs that were chosen for some rung, in the order of the table."""
    taken = {pair_id for chosen in show.selections() for pair_id in chosen.pair_ids}
    yield from (pair for pair in show.answer_pairs() if pair.pair_id in taken)


def _read_minutes(ladder: Ladder) -> Iterator[tuple[str, float]]:
    for rung in ladder.rungs:
        if manifest := read_manifest(rung.folder("train")):
            yield rung.name, manifest.seconds / 60


def _find_real_words(show: Show, pairs: Sequence[Pair]) -> Iterator[tuple[str, str, str]]:
    """What the host said in training episodes that is nearest to each question and its right answer."""
    spoken = [pair for pair in pairs if pair.is_kept and pair.split == "train"]
    titles = {episode.slug: episode.title for episode in show.episodes()}
    for question_id, found in find_real_words(show.questions(), spoken, n=1).items():
        for words in found:
            pair = next(pair for pair in spoken if words in pair.reply)
            yield question_id, words, format_source(titles.get(pair.slug) or pair.slug, pair.published)


def write_post(show: Show) -> Path:
    """Write `post.html` and `post.md` beside the report, with today's date; gives the page's path."""
    material = gather_material(show.asked_ladder())
    folder = show.folder("report")
    for name, text in render_post(material.model_copy(update={"made_on": datetime.now(tz=UTC).date()})).items():
        write_bytes(folder / name, text.encode())
    return folder / "post.html"


def _gather_scores(ladder: Ladder) -> tuple[tuple[Score, ...], tuple[Gate, ...]]:
    """Every score and gate: of the exam, of people, of the judge, of preference rounds."""
    rounds = [round_measures(rung) for rung in ladder.rungs]
    scores = (
        *keep_listed(_read_all(ladder, "score", "scores", Score)),
        *score_people(ladder),
        *score_judged(ladder),
        *(score for scores, _ in rounds for score in scores),
    )
    gates = (*_read_all(ladder, "score", "gates", Gate), *(gate for _, gates in rounds for gate in gates))
    return scores, gates


def gather_history(show: Show, pairs: Sequence[Pair]) -> PricesOf2023 | None:
    """What the prices of 2023 would buy, for a show that chooses its pairs as the 2023 experiment did; else `None`."""
    if show.config.pair.profile != "2023" or show.config.select.strategy != "subjects-2023":
        return None
    return PricesOf2023(
        prices=_history_prices(), subsets=(_history_subsets(show, pairs),), epochs=tuple(_history_epochs(pairs))
    )


def _read_all(ladder: Ladder, stage: str, name: str, kind: type[R]) -> tuple[R, ...]:
    """One table of every rung, one after the other; nothing of a rung whose stage did not write it."""
    paths = [rung.folder(stage) / f"{name}.parquet" for rung in ladder.rungs]
    return tuple(row for path in paths for row in ladder.show.table_if_there(path, kind))


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
    return tuple(show.table_if_there(show.folder("select") / COMPARED_NAME, ComparedStrategy))


def _history_prices() -> tuple[PriceRow, ...]:
    return tuple(row for row in load_prices() if row.profile == _HISTORY_PROFILE)


def _history_subsets(show: Show, pairs: Sequence[Pair]) -> SubsetTable:
    """What $10 per model would have bought of this show in January 2023, by the show's own strategy."""
    pool = [pair for pair in pairs if pair.is_kept and pair.split == "train"]
    costs = np.array([pair.n_cue_tokens + pair.n_reply_tokens for pair in pool], np.int64)
    knapsacks = [
        Knapsack(
            costs,
            limit_tokens(
                n_pool_tokens=int(costs.sum()),
                n_epochs=_HISTORY_EPOCHS,
                budget_usd=_HISTORY_BUDGET_USD,
                usd_per_mtok=training_usd_per_mtok(price),
            ),
            price.model,
        )
        for price in _history_prices()
    ]
    solution = choose_subsets(pool, knapsacks, strategy_settings(show, pairs))
    rows = [
        SubsetRow(
            model=knapsack.name,
            limit_tokens=knapsack.limit,
            n_pairs=len(subset.places),
            n_tokens=int(costs[list(subset.places)].sum()),
            share=len(subset.places) / len(pool),
        )
        for knapsack, subset in zip(knapsacks, solution.subsets, strict=True)
    ]
    return SubsetTable(
        profile=_HISTORY_PROFILE,
        budget=f"${_HISTORY_BUDGET_USD:.2f}",
        n_epochs=_HISTORY_EPOCHS,
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


def _tell_draws(best_of: int | Literal["auto"]) -> str:
    if best_of != "auto":
        return str(best_of)
    return f"{SMALL_BASE_DRAWS} where the base has at most {SMALL_BASE_PARAMETERS:,} parameters, else 1"


def _settings(show: Show) -> tuple[tuple[str, str], ...]:
    ask, train = show.config.ask, show.config.train
    return (
        ("temperature", f"{ask.temperature:g}"),
        ("tokens per answer, at most", str(ask.max_tokens)),
        ("samples per question", str(ask.samples)),
        ("draws for each answer of a tuned model", _tell_draws(ask.best_of)),
        ("seed of the first sample", str(ask.seed)),
        ("repeat penalty", f"{ask.repeat_penalty:g}"),
        ("selection", f"{show.config.select.strategy}, seed {show.config.select.seed}"),
        ("training seed", str(train.seed)),
        ("learning rate", f"{train.learning_rate:g}"),
        ("adapter rank", str(train.rank)),
        ("pair profile", show.config.pair.profile),
    )
