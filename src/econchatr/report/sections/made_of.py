"""The section on what the show is made of: its size, its years, who speaks, and which episodes were held out."""

from __future__ import annotations

from collections import Counter

from econchatr.records import Split
from econchatr.report.episode_charts import chart_periods, chart_turns
from econchatr.report.flagged import chart_speakers
from econchatr.report.formats import MISSING, count_noun, format_count, format_date, format_decimal, format_share
from econchatr.report.material import CorpusStatistics, ReportMaterial, RightsNote
from econchatr.report.page_blocks import Block, Box, Chart, Facts, Part, Section, Table, keep, name_columns, say_absent
from econchatr.report.svg import Mark, draw_bars

_SPLITS: tuple[Split, ...] = ("train", "dev", "test")
_NO_PAIRS = "no pairs"
_SPLIT_WORDS = {"train": "training", "dev": "development", "test": "test", _NO_PAIRS: "gave no pairs"}


def made_of_section(material: ReportMaterial) -> Section:
    """Give the section."""
    blocks = keep(
        tabulate_corpus(material.corpus) or say_absent("No pair was kept."),
        tabulate_splits(material),
        Box("pair", keep(chart_episodes(material), _chart_roles(material))),
        Box("pair", keep(chart_speakers(material.parsed.speakers), chart_turns(material.episodes))),
        Part("Rights", (list_rights(material.rights),), style=""),
    )
    return Section("show", "What it was made of", blocks, menu="The show")


def list_rights(rights: RightsNote | None) -> Block:
    """Give whose voice is imitated, on what ground, and the licence of the text."""
    if rights is None:
        return say_absent("The show states no rights.")
    return Facts((("Voice", rights.voice), ("Ground", rights.ground), ("Licence of the text", rights.licence)))


def tabulate_corpus(corpus: CorpusStatistics | None) -> Table | None:
    """Give the size table of 2023: mean and sum of tokens, words and characters; `None` when nothing was kept."""
    if corpus is None:
        return None
    sums = (corpus.n_tokens, corpus.n_words, corpus.n_chars)
    means = tuple(format_decimal(total / corpus.n_texts, 1) for total in sums)
    period = f"{format_date(corpus.first_date)} to {format_date(corpus.last_date)}"
    if corpus.first_date is None:
        period = "no episode is dated"
    return Table(
        "corpus",
        "Size of the kept texts",
        name_columns("", f"#tokens ({corpus.tokenizer})", "#words", "#characters"),
        (("mean per text", *means), ("sum", *(format_count(total) for total in sums))),
        note=f"{count_noun(corpus.n_texts, 'text')}: every kept cue and every kept reply is one. Episodes with kept "
        f"pairs: {period}.",
    )


def tabulate_splits(material: ReportMaterial) -> Table | None:
    """Count episodes and kept pairs of each split; `None` when there are no episodes."""
    if not material.episodes:
        return None
    by_slug = _split_by_slug(material)
    n_episodes = Counter(by_slug.get(episode.slug, _NO_PAIRS) for episode in material.episodes)
    kept = [pair for pair in material.pairs if pair.is_kept]
    n_kept = Counter(pair.split for pair in kept)
    tokens = dict.fromkeys(_SPLITS, 0)
    for pair in kept:
        tokens[pair.split] += pair.n_cue_tokens + pair.n_reply_tokens
    rows = [
        (_SPLIT_WORDS[split], format_count(n_episodes[split]), format_count(n_kept[split]), format_count(tokens[split]))
        for split in _SPLITS
    ]
    if n_episodes[_NO_PAIRS]:
        rows.append((_SPLIT_WORDS[_NO_PAIRS], format_count(n_episodes[_NO_PAIRS]), MISSING, MISSING))
    return Table(
        "splits",
        "Episodes and kept pairs by split",
        name_columns("split", "#episodes", "#kept pairs", "#tokens of these"),
        tuple(rows),
        note="Whole episodes are held out, before anything is chosen: no episode is in two splits.",
    )


def chart_episodes(material: ReportMaterial) -> Chart | None:
    """Draw how many episodes fall in each quarter or year, by split; `None` when none is dated."""
    by_slug = _split_by_slug(material)
    shown = [*_SPLITS, _NO_PAIRS] if any(e.slug not in by_slug for e in material.episodes) else list(_SPLITS)
    return chart_periods(
        material.episodes,
        [by_slug.get(episode.slug, _NO_PAIRS) for episode in material.episodes],
        {split: _SPLIT_WORDS[split] for split in shown},
        stacked_by="split",
    )


def _chart_roles(material: ReportMaterial) -> Chart | None:
    """Draw the words each role says; `None` when no turns were counted."""
    n_words = sum(count.n_words for count in material.roles)
    if not n_words:
        return None
    title = "Words by role"
    marks = [Mark(f"k-role-{count.role}", count.role, count.n_words) for count in material.roles]
    told = ", ".join(f"{count.role} {format_share(count.n_words / n_words)}" for count in material.roles)
    rows = tuple(
        (c.role, format_count(c.n_turns), format_count(c.n_words), format_share(c.n_words / n_words))
        for c in material.roles
    )
    return Chart(
        "fig-roles",
        title,
        draw_bars("fig-roles", title, f"Share of {count_noun(n_words, 'word')}: {told}.", marks),
        Table(
            "fig-roles-table",
            "Turns and words by role",
            name_columns("role", "#turns", "#words", "#share of words"),
            rows,
        ),
    )


def _split_by_slug(material: ReportMaterial) -> dict[str, str]:
    return {pair.slug: pair.split for pair in material.pairs}
