"""How results are worded and laid out for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import typer

from econchatr.display import strip_controls
from econchatr.money.prices import PRICES_NAME, PriceWarning
from econchatr.money.quote import Cost, Quote, RungQuote
from econchatr.parse import LANGUAGES, Explanation, tell_shared
from econchatr.pipeline.quotes import tell_sum
from econchatr.pipeline.results import ExplainedPair, RungUse, SelectionAccount, ShownExample
from econchatr.records import ComparedStrategy, Pair, PreferenceOutcome, Price, PriceRow
from econchatr.score.strategy_trials import RANDOM, random_multiplier
from econchatr.user_folders import config_folder

_LINE_BREAK = "\N{DOWNWARDS ARROW WITH TIP LEFTWARDS}"
"""Stands for a line break inside a token."""


class Sheet(NamedTuple):
    """A captioned table; a `#` before a heading marks a column of numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def print_sheet(sheet: Sheet, *, to_stderr: bool = False) -> None:
    """Print a table: drawn in a terminal, plain aligned lines elsewhere."""
    stream = sys.stderr if to_stderr else sys.stdout
    if not stream.isatty():
        for line in _lay_out_lines(sheet):
            typer.echo(strip_controls(line), file=stream)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(sheet.title), title_justify="left")
    for column in sheet.columns:
        table.add_column(Text(column.removeprefix("#")), justify="right" if column.startswith("#") else "left")
    for row in sheet.rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(file=stream)
    console.print(table)
    for note in sheet.notes:
        console.print(Text(note))


def _lay_out_lines(sheet: Sheet) -> Iterator[str]:
    """The table as plain lines, columns as wide as their widest cell."""
    yield sheet.title
    table = [tuple(column.removeprefix("#") for column in sheet.columns), *sheet.rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(sheet.columns))]
    for row in table:
        cells = (
            cell.rjust(width) if column.startswith("#") else cell.ljust(width)
            for cell, width, column in zip(row, widths, sheet.columns, strict=True)
        )
        yield "  ".join(cells).rstrip()
    yield from sheet.notes


# --- selection --------------------------------------------------------------------------------------------------------


def tell_use(row: RungUse) -> str:
    """What one rung will use, in words."""
    return (
        f"{row.rung}: {row.n_pairs:,} of {row.n_pool_pairs:,} pairs, "
        f"{row.n_tokens:,} tokens x {row.n_epochs} epochs, budget {row.budget}, cost {row.cost}"
    )


def tell_selections(account: SelectionAccount) -> Iterator[str]:
    """The choice for each rung, in lines."""
    leanings = {overlap.rung: overlap.tell() for overlap in account.overlaps}
    for chosen in account.selections:
        yield (
            f"{chosen.rung}: {len(chosen.pair_ids):,} of {chosen.n_pool_pairs:,} pairs by {chosen.strategy}, "
            f"{chosen.n_tokens:,} of {chosen.limit_tokens:,} tokens"
        )
        told = (chosen.tell_answers(), chosen.tell_cover(), chosen.tell_lengths(), leanings.get(chosen.rung))
        yield from (f"  {line}" for line in told if line)


def tell_reasons(explained: Sequence[ExplainedPair]) -> Iterator[str]:
    """Why each pair was taken or left, and what was said, in lines for people."""
    for pair, reason in explained:
        place = "" if reason.position is None else f", number {reason.position + 1:,}"
        among = f", among {reason.stratum}" if reason.stratum else ""
        fate = f"taken for {reason.rung}{place}" if reason.rung else "left"
        yield f"{reason.pair_id}  {fate}: {reason.reason}{among}"
        if reason.gain is not None and reason.cost:
            would = "added" if reason.rung else "would add"
            yield f"  {would} {reason.gain:,.1f} for {reason.cost:,} tokens: {reason.gain / reason.cost:.3f} a token"
        if reason.firsts:
            yield f"  first to bring: {', '.join(reason.firsts)}"
        yield from tell_pair(pair)


def tell_pair(pair: Pair) -> Iterator[str]:
    """What was said, what each side does in saying it, and where a question was made; in lines for people."""
    asker = f"a question made by {pair.made_by}" if pair.made_by else pair.cue_speaker
    yield f"  {asker}{_tell_act(pair.cue_act)}: {pair.cue}"
    turning = "" if pair.reply_turns_at is None else f", turns at {pair.reply_turns_at}"
    yield f"  {pair.reply_speaker}{_tell_act(f'{pair.reply_act}{turning}')}: {pair.reply}\n"


def tell_example(shown: ShownExample) -> Iterator[str]:
    """The tokens of a pair in lines for people: what is only read, then what is trained, a bar between tokens."""
    n_trained = len(shown.tokens) - shown.n_prompt
    yield f"  {shown.rung}: {len(shown.tokens):,} tokens, {n_trained:,} of them trained"
    for what, tokens in (("read", shown.tokens[: shown.n_prompt]), ("trained", shown.tokens[shown.n_prompt :])):
        told = "|".join(tokens).replace("\n", _LINE_BREAK)
        yield f"  {what + ':':9}{told}"
    yield ""


def _tell_act(act: str) -> str:
    return f" ({act})" if act else ""


def tell_comparison(rows: Sequence[ComparedStrategy]) -> Iterator[str]:
    """The comparison in lines, budget by budget, and how much money each strategy is worth."""
    for row in rows:
        beside = "" if row.over_random is None else f", {row.over_random:+.4f} beside random"
        if row.over_random_low is not None and row.over_random_high is not None:
            beside += f" [{row.over_random_low:+.4f}, {row.over_random_high:+.4f}]"
        span = "" if row.low is None or row.high is None else f" [{row.low:.4f}, {row.high:.4f}]"
        times = None if row.strategy == RANDOM else random_multiplier(rows, row.strategy, row.share)
        worth = "" if times is None else f"; random needs {times:.1f} times the budget"
        yield (
            f"{row.share:6.1%}  {row.strategy:14} {row.value:.4f}{span} bits per byte, {row.n_trials} trials, "
            f"{row.mean_pairs:,.0f} pairs, {row.mean_steps:,.0f} steps{beside}{worth}"
        )


# --- money ------------------------------------------------------------------------------------------------------------

_WHATS: tuple[Cost, ...] = ("training", "validation", "exam", "storage")


def lay_out_quote(quote: Quote) -> Sheet:
    """The quote, for people."""
    amounts = (*_WHATS, "sum", "at worst", "of budget", "a month's use")
    return Sheet(
        f"Quote for {quote.show}, US dollars",
        ("rung", "trained", "#pairs", "#share", "#tokens x epochs", *(f"#{name}" for name in amounts), "model gone"),
        tuple(_lay_out_rung(rung) for rung in quote.rungs),
        tuple(_tell_quote(quote)),
    )


def _tell_quote(quote: Quote) -> Iterator[str]:
    """What the table of a quote does not say: how each amount came about, the sum against the budget, doubts."""
    for rung in quote.rungs:
        for line in rung.lines:
            yield f"{rung.rung}, {line.what}: {line.how}."
        if rung.where == "hosted":
            yield f"{rung.rung}, a month's use, not in the sum: {rung.month_how}."
        yield from (f"{rung.rung}: {note}." for note in rung.notes)
    yield from quote.why
    yield from quote.doubts
    at_home = sum((rung.usd for rung in quote.rungs if rung.where == "local"), Decimal(0))
    if at_home:
        yield f"At home: ${at_home:.2f}, which budget_usd does not cover."
    if any(rung.where != "local" for rung in quote.rungs):
        yield tell_sum(quote)
    else:
        yield "Nothing is charged: every rung is trained at home."


def _lay_out_rung(rung: RungQuote) -> tuple[str, ...]:
    known = {line.what: "not known" if line.usd is None else _tell_usd(line.usd) for line in rung.lines}
    minutes = "" if rung.hours is None else f", {rung.hours * 60:,.0f} min"
    return (
        rung.rung,
        rung.price or ("only asked" if rung.where == "served" else f"at home{minutes}"),
        f"{rung.n_pairs:,} of {rung.n_pool_pairs:,}",
        f"{rung.share:.1%}",
        f"{rung.n_tokens:,} x {rung.n_epochs}",
        *(known.get(what, "-") for what in _WHATS),
        _tell_usd(rung.usd),
        _tell_usd(rung.worst_usd) if all(line.worst_usd is not None for line in rung.lines) else "not known",
        "-" if rung.budget_usd is None else _tell_usd(rung.budget_usd),
        "not known" if rung.month_usd is None and not rung.is_historical else _tell_usd(rung.month_usd or Decimal(0)),
        str(rung.shutdown_on or "-"),
    )


def _tell_usd(usd: Decimal) -> str:
    return f"{usd:,.2f}" if usd == round(usd, 2) else f"{usd:,f}"


def tell_warnings(warnings: Sequence[PriceWarning]) -> Iterator[str]:
    """Every warning once, after the names of the rows it is true of."""
    for text in dict.fromkeys(item.text for item in warnings):
        yield f"{', '.join(item.name for item in warnings if item.text == text)}: {text}."


def lay_out_prices(prices: Sequence[PriceRow]) -> Sheet:
    """The price list, for people."""
    rows = []
    for row in prices:
        marks = ["historical"] * row.is_historical + [f"from {row.file}"] * bool(row.file)
        use = "/".join(_tell_price(price) for price in (row.input, row.cached, row.output))
        rows.append(
            (
                row.name,
                _tell_price(row.training),
                "-" if use == "-/-/-" else use,
                _tell_hourly(row),
                _tell_price(row.storage),
                str(row.read_on),
                str(row.shutdown_on or "-"),
                ", ".join(marks),
            )
        )
    return Sheet(
        "Prices, US dollars: training and use (in/cached/out) per 1M tokens, endpoint per hour, storage per GB-month",
        ("price", "#training", "#use", "#endpoint", "#storage", "read on", "shut down", ""),
        tuple(rows),
        (
            f"- is not known. Add or override rows in {config_folder() / PRICES_NAME} or in the show's folder.",
            "Sources and everything else a row says: `econchatr prices --json`.",
        ),
    )


def _tell_price(price: Price | None) -> str:
    if price is None:
        return "-"
    if not price.usd:
        return "free"
    per = price.usd_per_mtok if price.unit == "token" else price.usd_per_unit
    return f"{per.normalize():f}" if per.normalize().as_tuple().exponent < -2 else f"{per:.2f}"  # type: ignore[operator]


def _tell_hourly(row: PriceRow) -> str:
    if row.endpoint is None:
        return "-"
    per_hour = row.endpoint.usd_per_unit * {"second": 3600, "minute": 60}.get(row.endpoint.unit, 1)
    return f"{per_hour:.2f}" + ("" if row.endpoint_step == "hour" else f", by the {row.endpoint_step}")


# --- one file ---------------------------------------------------------------------------------------------------------


def tell_explanation(explanation: Explanation) -> Iterator[str]:
    """The explanation in lines for people."""
    yield f"{explanation.location}: " + (f"read as {explanation.reader}" if explanation.reader else "not read")
    if explanation.error:
        yield f"  {explanation.error}"
    yield "how surely each reader knows it (0 to 1):"
    for name, score in explanation.scores:
        if score > 0:
            yield f"  {score:.2f}  {name}"
    if explanation.scores and explanation.scores[0][1] <= 0:
        yield "  none of them at all"
    yield from _tell_characters(explanation)
    if explanation.parsed is None:
        return
    episode = explanation.parsed.episode
    if episode.doubt:
        yield f"doubtful: {episode.doubt}"
    if episode.language:
        yield f"language: {LANGUAGES[episode.language]}"
    if episode.published is not None:
        yield f"date: {episode.published}, known to the {episode.precision}"
    yield f"turns: {episode.n_turns:,}, words: {episode.n_words:,}, kind: {episode.kind}"
    for speaker, role, n_turns, n_words in explanation.count_speakers():
        yield f"  {speaker or '(nobody named)'} ({role}): {n_turns:,} turns, {n_words:,} words"
    yield from tell_shared(explanation.parsed.shared)


def _tell_characters(explanation: Explanation) -> Iterator[str]:
    counts, loss, flagged = explanation.count_chars(), explanation.loss, explanation.flagged
    yield f"characters: {sum(counts.values()):,}"
    yield f"  {counts['placed']:,} placed in turns, labels and times"
    kinds = ", ".join(f"{kind} {n:,}" for kind, n in flagged.by_kind.items())
    yield f"  {counts['flagged']:,} flagged" + (f": {kinds}" if kinds else "")
    yield f"  {counts['unplaced']:,} unplaced, on {loss.n_unplaced_lines:,} lines"
    for line in loss.unplaced:
        yield f"    | {line}"
    yield f"  {counts['markup']:,} markup"
    yield f"  {counts['white']:,} white space"
    if explanation.parsed is not None and not explanation.knows_show:
        yield "  (flagged by this file alone; once `econchatr parse` has run: by the whole show)"


# --- preference rounds ------------------------------------------------------------------------------------------------


def tell_outcome(outcome: PreferenceOutcome) -> list[str]:
    """What a round came to, in lines."""
    lines = [
        f"{outcome.rung}: {'kept' if outcome.is_kept else 'not kept'}. {outcome.reason}",
        f"  {outcome.method} on {outcome.n_preferences} of {outcome.source}, {outcome.n_steps} steps, "
        f"{outcome.strength:.0%} of the way",
    ]
    for name, before, after, form in (
        ("bits per byte of the host's development replies", outcome.bits_before, outcome.bits_after, ".4f"),
        ("words copied", outcome.copied_before, outcome.copied_after, ".1%"),
        ("median words of an answer", outcome.words_before, outcome.words_after, ".0f"),
        (f"agreement on {outcome.n_kept_out} kept out", outcome.agreement_before, outcome.agreement_after, ".0%"),
    ):
        told = [f"{value:{form}}" if value is not None else "not measured" for value in (before, after)]
        lines.append(f"  {name}: {told[0]} before, {told[1]} after")
    if outcome.n_agreeing_questions is not None:
        alike = f"{outcome.n_agreeing_questions} of {outcome.n_checked_questions}"
        lines.append(f"  questions answered alike by transformers and llama.cpp: {alike}")
    return lines
