from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from econchatr.errors import InputError
from econchatr.money.prices import (
    REPORTED_2023,
    find_price,
    load_prices,
    parse_price,
    parse_usd,
    training_usd_per_mtok,
    warn_of_prices,
)
from econchatr.records import Price, PriceRow

TODAY = date(2026, 11, 21)
WHOLE = '[[price]]\nprofile = "p"\nmodel = "m"\ntraining = "$1 per 1M tokens"\nread_on = 2026-11-01\nsource = "s"\n'


def load(tmp_path: Path, text: str) -> tuple[PriceRow, ...]:
    (tmp_path / "prices.toml").write_text(text, encoding="utf-8")
    return load_prices((tmp_path / "prices.toml",))


# --- what ships -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "training", "tuned", "base"),
    [
        ("ada", "0.0004", "0.0016", "0.0004"),
        ("babbage", "0.0006", "0.0024", "0.0005"),
        ("curie", "0.0030", "0.0120", "0.0020"),
        ("davinci", "0.0300", "0.1200", "0.0200"),
    ],
)
def test_the_twelve_prices_of_2023_are_those_of_the_page(model: str, training: str, tuned: str, base: str) -> None:
    """Dollars per 1,000 tokens, as of 4 January 2023."""
    row = find_price(f"gpt3-2023/{model}")
    prices = (row.training, row.input, row.output, row.base_input, row.base_output)
    expected = (training, tuned, tuned, base, base)
    assert [str(price.usd) for price in prices if price] == list(expected)
    assert {(price.n_units, price.unit) for price in prices if price} == {(1000, "token")}


def test_the_drafts_amounts_imply_between_5_89_and_6_03_million_tokens() -> None:
    implied = []
    for model, (training, use) in REPORTED_2023.items():
        row = find_price(f"gpt3-2023/{model}")
        assert row.output is not None
        implied.append(Decimal(training) / training_usd_per_mtok(row))
        implied.append(Decimal(use) / row.output.usd_per_mtok)
    assert round(min(implied), 2) == Decimal("5.89")
    assert round(max(implied), 2) == Decimal("6.02")
    assert len({round(value, 2) for value in implied}) > 4


def test_every_shipped_row_says_where_and_when_it_was_read() -> None:
    for row in load_prices():
        assert row.source.startswith("https://")
        assert date(2023, 1, 1) <= row.read_on <= TODAY
        assert row.provider


def test_every_service_a_user_can_buy_from_has_rows() -> None:
    profiles = {row.profile for row in load_prices() if not row.is_historical}
    services = {"tinker", "nebius", "crusoe", "together", "fireworks", "openai", "azure"}
    assert profiles == services | {"econchatr"}  # one's own server, at simulated prices


def test_closed_services_say_to_whom_and_until_when_they_sell() -> None:
    for row in load_prices():
        if row.profile in ("openai", "azure"):
            assert row.open_to
            assert row.jobs_until
            assert row.shutdown_on


def test_a_price_that_is_not_known_is_left_out_and_asked_for() -> None:
    with pytest.raises(InputError, match="training is not known") as caught:
        training_usd_per_mtok(find_price("azure/openai-models"))
    assert 'training = "$... per 1M tokens"' in caught.value.hint


def test_an_unknown_price_is_answered_with_the_nearest_and_what_to_edit() -> None:
    with pytest.raises(InputError) as caught:
        find_price("gpt3-2023/abbage")
    assert "Did you mean 'gpt3-2023/babbage'?" in caught.value.hint
    assert "prices.toml" in caught.value.hint


# --- a price in words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "usd", "n_units", "unit"),
    [
        ("$0.44 per 1M tokens", "0.44", 1_000_000, "token"),
        ("0.44 USD / 1M tokens", "0.44", 1_000_000, "token"),
        ("$0.44/Mtok", "0.44", 1_000_000, "token"),
        ("US$0.0004 per 1K tokens", "0.0004", 1000, "token"),
        ("$1,250.50 per million tokens", "1250.50", 1_000_000, "token"),
        ("$.50 per 1,000 tokens", "0.50", 1000, "token"),
        ("free", "0", 1, "token"),
    ],
)
def test_a_price_is_read_as_it_is_said(text: str, usd: str, n_units: int, unit: str) -> None:
    assert parse_price(text, ("token",)) == Price(usd=Decimal(usd), n_units=n_units, unit=unit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$0.44", "has no unit"),
        ("0.44", "has no unit"),
        ("-$0.44 per 1M tokens", "is negative"),
        ("$-0.44 per 1M tokens", "is negative"),
        ("\N{EURO SIGN}0.44 per 1M tokens", "not in US dollars"),
        ("0.44 EUR per 1M tokens", "not in US dollars"),
        ("C$0.44 per 1M tokens", "not in US dollars"),
        ("$0,44 per 1M tokens", "is no price"),
        ("$0.44 per hour", "is not a price per token"),
        ("$0.44 per 0 tokens", "is not a price per token"),
        ("$0.44 per minute tokens", "is not a price per token"),
        ("$1e-7 per 1M tokens", "not in US dollars|is no price"),
        ("nan per 1M tokens", "is no price"),
        ("", "is no price"),
    ],
)
def test_what_is_no_price_in_dollars_with_its_unit_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_price(text, ("token",))


@pytest.mark.parametrize(("text", "usd"), [("40", "40"), ("$40", "40"), ("40.50 USD", "40.50"), ("1,000", "1000")])
def test_an_amount_of_money_is_read(text: str, usd: str) -> None:
    assert parse_usd(text) == Decimal(usd)


@pytest.mark.parametrize("text", ["-40", "0", "40 EUR", "\N{POUND SIGN}40", "forty", "40 per hour", "inf"])
def test_what_is_no_positive_amount_of_dollars_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("$", ".")):
        parse_usd(text)


# --- the user's own rows ----------------------------------------------------------------------------------------------


def test_a_user_adds_a_row(tmp_path: Path) -> None:
    row = find_price("p/m", load(tmp_path, WHOLE))
    assert training_usd_per_mtok(row) == 1
    assert row.file == str(tmp_path / "prices.toml")


def test_a_user_overrides_one_price_and_keeps_the_rest(tmp_path: Path) -> None:
    text = '[[price]]\nprofile = "tinker"\nmodel = "qwen3-8b"\ntraining = "$0.50 per 1M tokens"\n'
    rows = load(tmp_path, text + 'read_on = 2026-11-20\nsource = "our contract"\n')
    row = find_price("tinker/qwen3-8b", rows)
    assert (training_usd_per_mtok(row), row.read_on, row.source) == (
        Decimal("0.50"),
        date(2026, 11, 20),
        "our contract",
    )
    assert row.output == find_price("tinker/qwen3-8b").output
    assert len(rows) == len(load_prices())


def test_the_later_file_outranks_the_earlier(tmp_path: Path) -> None:
    for name, usd in (("home", 2), ("show", 3)):
        (tmp_path / name).write_text(WHOLE.replace("$1", f"${usd}"), encoding="utf-8")
    rows = load_prices((tmp_path / "home", tmp_path / "show", tmp_path / "absent"))
    assert training_usd_per_mtok(find_price("p/m", rows)) == 3


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ('"$1 per 1M tokens"', '"$1"', r"line 4 \(row 1, p/m\), training: .* has no unit", "per 1M tokens"),
        ('"$1 per 1M tokens"', "1.5", r"line 4 .*, training: '1.5' has no unit", "per 1M tokens"),
        ('"$1 per 1M tokens"', '"-$1 per 1M tokens"', "line 4 .*, training: .* is negative", "Write it like"),
        ('"$1 per 1M tokens"', '"1 EUR per 1M tokens"', "line 4 .* not in US dollars", "Write it like"),
        ("training", 'currency = "EUR"\ntraining', "line 4 .*currency: prices are in US dollars", "Convert"),
        ("training", "trainng", "line 4 .*trainng: unknown key", "Did you mean 'training'"),
        ("read_on = 2026-11-01\n", "", r"line 1 \(row 1, p/m\): gives 'training', but not 'read_on'", "read_on ="),
        ('source = "s"\n', "", "but not 'source'", "source ="),
        ('model = "m"\n', "", "'model' is missing", "Add model"),
        ("2026-11-01", '"yesterday"', "read_on: .*yesterday", "Change 'read_on'"),
        ("[[price]]", "[[prices]]", r"'prices' is no \[\[price\]\] table", "Begin each row"),
        ("[[price]]", "[[price", "is not TOML", "Mend"),
        (WHOLE, WHOLE * 2, "stands twice", "Keep one"),
    ],
)
def test_a_bad_row_is_refused_with_file_line_row_key_and_cure(
    tmp_path: Path, old: str, new: str, message: str, hint: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path, WHOLE.replace(old, new))
    assert str(tmp_path / "prices.toml") in caught.value.message
    assert hint in caught.value.hint


def test_a_row_that_completes_no_shipped_one_must_be_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"row 1, tinker/qwen3-8.*'source' is missing"):
        load(tmp_path, '[[price]]\nprofile = "tinker"\nmodel = "qwen3-8"\nread_on = 2026-11-01\nnote = "x"\n')


# --- warnings ---------------------------------------------------------------------------------------------------------


def row(**more: object) -> PriceRow:
    return PriceRow.model_validate({"profile": "p", "model": "m", "source": "https://x/y z", "read_on": TODAY} | more)


def texts(price: PriceRow, until: date | None = None) -> list[str]:
    return [warning.text for warning in warn_of_prices([price], today=TODAY, until=until)]


def test_a_row_of_ninety_days_is_fresh_and_of_ninety_one_is_not() -> None:
    assert texts(row(read_on=date(2026, 8, 23))) == []
    assert texts(row(read_on=date(2026, 8, 22))) == ["read 91 days ago, on 2026-08-22; look again at https://x/y"]


def test_a_model_that_dies_within_its_intended_life_is_warned_of() -> None:
    dying = row(shutdown_on=date(2027, 1, 14))
    assert texts(dying) == []
    assert texts(dying, date(2027, 1, 13)) == []
    assert texts(dying, date(2027, 6, 1)) == ["is shut down on 2027-01-14, within its intended life until 2027-06-01"]
    assert "which is past" in texts(row(shutdown_on=date(2026, 10, 1)))[0]


def test_a_service_that_takes_no_more_training_is_warned_of() -> None:
    assert texts(row(jobs_until=TODAY)) == ["takes no new training since 2026-11-21"]


def test_historical_rows_are_not_warned_of() -> None:
    assert texts(row(is_historical=True, read_on=date(2023, 1, 4), shutdown_on=date(2024, 1, 4))) == []
