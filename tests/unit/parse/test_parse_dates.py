"""Recording dates as people typed them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.parse import read_date


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("December 20th, 2022", (date(2022, 12, 20), "day")),
        ("Dec. 20, 2022", (date(2022, 12, 20), "day")),
        ("September 5, 2023", (date(2023, 9, 5), "day")),
        ("January 11, 2012", (date(2012, 1, 11), "day")),
        ("August 2013", (date(2013, 8, 1), "month")),
        ("Summer 2021", (date(2021, 7, 1), "season")),
        ("June 21st century, 2019", (date(2019, 6, 21), "day")),
        ("March 1 3, 2014", (date(2014, 3, 13), "day")),
        ("Sept. 5, 2023", (date(2023, 9, 5), "day")),
        ("March 31 st, 2015", (date(2015, 3, 31), "day")),
        ("March 3rd and 4th, 2015", (date(2015, 3, 3), "day")),
        ("January 3, 2015, postscript recorded March 9, 2015", (date(2015, 1, 3), "day")),
        ("20 December 2022", (date(2022, 12, 20), "day")),
        ("2022-12-20", (date(2022, 12, 20), "day")),
        ("February 31, 2015", (date(2015, 2, 1), "month")),
        ("some day soon", (None, "none")),
        ("2019", (None, "none")),
        ("", (None, "none")),
    ],
)
def test_date_is_read_as_written_or_not_at_all(text: str, expected: tuple[date | None, str]) -> None:
    assert read_date(text) == expected


@given(st.text(alphabet="0123456789 MarchDec.,/-thundy", max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    found, precision = read_date(text)
    assert (found is None) == (precision == "none")
