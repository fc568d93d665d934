"""What stands under an answer: the nearest thing the host really said, and which of its words are the host's own.

Reads what was found; looks nothing up. Words that were copied are found again in the answer as it stands, by the words
alone: where that fails, nothing is marked, and the sentence under the answer still says what was copied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from econchatr.display import name_hosts
from econchatr.records import CopiedSpan, NearQuote
from econchatr.report.counts import keep_start
from econchatr.report.formats import count_noun, format_date, format_share
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import RealQuote, Stretch

_MOST_QUOTE_CHARS = 200
_BETWEEN = r"[\W_]+"
_QUOTES = "['\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}]"

Place = tuple[str, str, str, int]
"""Rung, variant, question, sample."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that was found for the answers of a show."""

    near: Mapping[Place, RealQuote]
    spans: Mapping[Place, CopiedSpan]
    titles: Mapping[str, str]
    host: str

    def tell_copied(self, place: Place) -> str:
        """Say what the answer copies, from where; empty: no run of words."""
        span = self.spans.get(place)
        if span is None:
            return ""
        words = count_noun(span.n_words, "word")
        return f"{words} in a row are {self.host}’s own: {_name_source(span.slug, span.published, self.titles)}."


def gather_findings(material: ReportMaterial) -> Findings:
    """Look up by answer what was found of it."""
    titles, host = {episode.slug: episode.title for episode in material.episodes}, name_hosts(material.hosts)
    near = {(row.rung, row.variant, row.question_id, row.sample): _show(row, titles, host) for row in material.nearest}
    spans: dict[Place, CopiedSpan] = {}
    for span in sorted(material.spans, key=lambda one: one.n_words):
        spans[span.rung, span.variant, span.group, span.sample] = span
    return Findings(near, spans, titles, host)


def split_copied(text: str, span: CopiedSpan | None) -> tuple[Stretch, ...]:
    """Part an answer where the copied run stands in it; in one piece where none is, or where it is not found.

    >>> from econchatr.records import CopiedSpan
    >>> span = CopiedSpan(rung="r", variant="tuned", group="q", sample=0, n_words=2, text="who counted", slug="e",
    ...                   published=None, position=0)
    >>> [piece.text for piece in split_copied("Well. Who, counted it?", span)]
    ['Well. ', 'Who, counted', ' it?']
    """
    found = None if span is None else _find_words(text, span.text.split())
    if found is None:
        return (Stretch(text),)
    start, end = found
    pieces = (Stretch(text[:start]), Stretch(text[start:end], is_marked=True), Stretch(text[end:]))
    return tuple(piece for piece in pieces if piece.text)


def _find_words(text: str, words: Sequence[str]) -> tuple[int, int] | None:
    if not words:
        return None
    patterns = (re.escape(word).replace("'", _QUOTES) for word in words)
    found = re.search(rf"(?<![^\W_]){_BETWEEN.join(patterns)}(?![^\W_])", text, re.IGNORECASE)
    return found.span() if found else None


def _show(row: NearQuote, titles: Mapping[str, str], host: str) -> RealQuote:
    likeness = f"{format_share(row.likeness)} alike"
    if not row.text.strip():
        return RealQuote(host, "", likeness)
    quote = keep_start(" ".join(row.text.split()), _MOST_QUOTE_CHARS)
    return RealQuote(host, quote, f"{_name_source(row.slug, row.published, titles)}, {likeness}")


def _name_source(slug: str, published: date | None, titles: Mapping[str, str]) -> str:
    title = titles.get(slug) or slug
    return title if published is None else f"{title}, {format_date(published)}"
