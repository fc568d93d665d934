"""Dates as people write them in English -> a date, and how exactly it is known; `None` for anything else."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from econchatr.records import DatePrecision

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SEASONS: Final = {"winter": 1, "spring": 4, "summer": 7, "fall": 10, "autumn": 10}
_MONTH: Final = re.compile(
    r"\b(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\b\.?",
    re.IGNORECASE,
)
_SEASON: Final = re.compile(r"\b(winter|spring|summer|fall|autumn)\b", re.IGNORECASE)
_ISO: Final = re.compile(r"(?<!\d)((?:19|20)\d{2})([-/._])(\d{1,2})\2(\d{1,2})(?!\d)")
_COMPACT: Final = re.compile(r"(?<!\d)((?:19|20)\d{2})(\d{2})(\d{2})(?!\d)")
_DAY_FIRST: Final = re.compile(r"(?<!\d)(\d{1,2})([./-])(\d{1,2})\2((?:19|20)\d{2})(?!\d)")
_APART: Final = re.compile(r"[()\[\]|:–—]|\s-\s")
_DATE_WORDS: Final = re.compile(
    rf"{_MONTH.pattern}|\d+(?:st|nd|rd|th)?|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b", re.I
)
_YEAR: Final = re.compile(r"\b(?:19|20)\d{2}\b")
_DAY_AFTER: Final = re.compile(r"\s*(\d{1,2})\b(?!\s*\d{3})|\s*(\d{1,2})(?=\s?(?:st|nd|rd|th)\b)", re.IGNORECASE)
# Typing slip seen on real pages: `March 1 3, 2014` means the 13th.
_SPLIT_DAY: Final = re.compile(r"\s*([123])\s(\d)\b")
_DAY_BEFORE: Final = re.compile(r"\b(\d{1,2})\s?(?:st|nd|rd|th)?\s+(?:of\s+)?$", re.IGNORECASE)
_MAX_CHARS: Final = 300


def read_date(text: str) -> tuple[date | None, DatePrecision]:
    """Get the first date in the text; a month or season alone gives its first day, and says so.

    `3/4/2024` is two days in two countries, so it is none; `3.4.2024` has the day first, `25/4/2024` can have no other.

    Source: the variants in words are those of EconTalk's `[Recording date: ...]` notes, 2006 to 2025.
    """
    text = text[:_MAX_CHARS]
    if iso := _ISO.search(text):
        return _make_date(int(iso[1]), int(iso[3]), int(iso[4]))
    if numbers := _DAY_FIRST.search(text):
        return _read_numbers(int(numbers[1]), int(numbers[3]), int(numbers[4]), has_points=numbers[2] == ".")
    if (compact := _COMPACT.search(text)) and 1 <= int(compact[2]) <= 12 and 1 <= int(compact[3]) <= 31:
        return _make_date(int(compact[1]), int(compact[2]), int(compact[3]))
    month = _MONTH.search(text)
    # The month must be read before its year: `January 3 and postscript March 9, 2015` is a day in January.
    year = _YEAR.search(text, month.end() if month else 0)
    if year is None:
        return None, "none"
    if month:
        number = _MONTHS.index(month[1][:3].lower()) + 1
        return _make_date(int(year[0]), number, _read_day(text, month))
    season = _SEASON.search(text)
    if season:
        return date(int(year[0]), _SEASONS[season[1].lower()], 1), "season"
    return None, "none"


def _read_numbers(first: int, second: int, year: int, *, has_points: bool) -> tuple[date | None, DatePrecision]:
    """Get the date of three numbers that end with the year; with points between them the day comes first."""
    if has_points or first > 12 or first == second:
        return _make_date(year, second, first)
    return _make_date(year, first, second) if second > 12 else (None, "none")


def read_title_date(title: str) -> date | None:
    """Get the day that stands apart at a title's beginning or end; a day inside is what the title is about.

    >>> read_title_date("Wells (May 3, 2022)"), read_title_date("What happened on May 3, 2022")
    (datetime.date(2022, 5, 3), None)
    """
    parts = [part for part in _APART.split(title[:_MAX_CHARS]) if part.strip()]
    for part in (parts[0], parts[-1]) if len(parts) > 1 else ():
        found, precision = read_date(part)
        if precision == "day" and not _DATE_WORDS.sub("", part).strip(" .,-/_"):
            return found
    return None


def read_name_date(name: str) -> date | None:
    """Get the first day in a file's name, year first: `2022-05-03`, `2022_05_03` or `20220503`."""
    for pattern in (_ISO, _COMPACT):
        for found in pattern.finditer(name[:_MAX_CHARS]):
            published, precision = read_date(found[0])
            if precision == "day":
                return published
    return None


def _read_day(text: str, month: re.Match[str]) -> int | None:
    split = _SPLIT_DAY.match(text, month.end())
    if split:
        return int(split[1] + split[2])
    after = _DAY_AFTER.match(text, month.end())
    if after:
        return int(after[1] or after[2])
    before = _DAY_BEFORE.search(text[max(0, month.start() - 12) : month.start()])
    return int(before[1]) if before else None


def _make_date(year: int, month: int, day: int | None) -> tuple[date | None, DatePrecision]:
    if not 1 <= month <= 12:
        return None, "none"
    try:
        return date(year, month, day or 0), "day"
    except ValueError:
        return date(year, month, 1), "month"
