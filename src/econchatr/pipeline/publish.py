"""The last step: gather what is stored and write the report.

This module measures nothing: what is not in a table is not in the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from econchatr import __version__
from econchatr.config import QUESTIONS_NAME, Rung
from econchatr.pipeline.judging import hash_judged, score_judged
from econchatr.pipeline.people import hash_people, score_people
from econchatr.pipeline.show import Outcome, Show, Step
from econchatr.records import (
    Answer,
    CurvePoint,
    Episode,
    Failure,
    Mark,
    Pair,
    PriceRow,
    Score,
    Selection,
    TunedModel,
    Turn,
)
from econchatr.report.markdown import render_markdown
from econchatr.report.material import ReportMaterial, RightsNote, SubsetRow, SubsetTable, count_by_role, describe_corpus
from econchatr.report.page import render_html
from econchatr.select.order import order_pairs
from econchatr.select.prices import limit_tokens, load_prices
from econchatr.tables import hash_file, read_table, write_bytes

HISTORY_PROFILE = "gpt3-2023"
HISTORY_BUDGET_USD = Decimal(10)
"""What each model of 2023 might cost. Source: shared reference `original.md`, step 8."""

_VERSION = 2


def publish_steps(show: Show, rungs: Sequence[Rung]) -> list[Step]:
    """Report."""

    def inputs() -> dict[str, str]:
        stages = {stage: show.made(stage) for stage in ("parse", "pair", "select")}
        learned = {
            f"{stage}/{rung.name}": show.made(stage, rung.name) for rung in rungs for stage in ("train", "ask", "score")
        }
        return {
            **stages,
            **learned,
            **hash_people(show),
            **hash_judged(show, rungs),
            "questions": hash_file(show.root / QUESTIONS_NAME),
        }

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
    config, parsed = show.config, show.folder("parse")
    pairs = tuple(read_table(show.folder("pair") / "pairs.parquet", Pair))
    rights = config.rights
    return ReportMaterial(
        show_name=config.show.name,
        hosts=(show.voice.host,),
        rights=RightsNote(voice=rights.voice, ground=rights.ground, licence=rights.licence) if rights else None,
        episodes=tuple(sorted(read_table(parsed / "episodes.parquet", Episode), key=lambda episode: episode.rank)),
        failures=tuple(read_table(parsed / "failures.parquet", Failure)),
        roles=count_by_role(read_table(parsed / "turns.parquet", Turn)),
        pairs=pairs,
        corpus=describe_corpus(pairs, tokenizer="gpt2"),
        prices=_history_prices(),
        subsets=(_history_subsets(show, pairs),),
        selections=tuple(read_table(show.folder("select") / "selections.parquet", Selection)),
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


def _history_prices() -> tuple[PriceRow, ...]:
    return tuple(row for row in load_prices() if row.profile == HISTORY_PROFILE)


def _history_subsets(show: Show, pairs: Sequence[Pair]) -> SubsetTable:
    """What $10 per model would have bought of this show in January 2023, by the show's own strategy."""
    settings = show.config.select
    pool = order_pairs(
        [pair for pair in pairs if pair.is_kept and pair.split == "train"],
        strategy=settings.strategy, seed=settings.seed, subjects=settings.subjects,
    )  # fmt: skip
    prices = _history_prices()
    rows = []
    for price in prices:
        limit = limit_tokens(
            n_pool_tokens=sum(pair.n_cue_tokens + pair.n_reply_tokens for pair in pool), n_epochs=price.n_epochs,
            budget_usd=HISTORY_BUDGET_USD, usd_per_mtok=Decimal(price.training_usd_per_mtok),
        )  # fmt: skip
        n_pairs, n_tokens = _fill(pool, limit)
        rows.append(
            SubsetRow(
                model=price.model, limit_tokens=limit, n_pairs=n_pairs, n_tokens=n_tokens, share=n_pairs / len(pool)
            )
        )
    return SubsetTable(
        profile=HISTORY_PROFILE,
        budget=f"${HISTORY_BUDGET_USD:.2f}",
        n_epochs=prices[0].n_epochs,
        strategy=settings.strategy,
        rows=tuple(rows),
    )


def _fill(pool: Sequence[Pair], limit: int) -> tuple[int, int]:
    n_tokens = 0
    for n_pairs, pair in enumerate(pool):
        if n_tokens + pair.n_cue_tokens + pair.n_reply_tokens > limit:
            return n_pairs, n_tokens
        n_tokens += pair.n_cue_tokens + pair.n_reply_tokens
    return len(pool), n_tokens


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
