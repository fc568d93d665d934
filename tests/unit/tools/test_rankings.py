from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from econchatr.config import ShowConfig, ShowTable
from econchatr.errors import ShowFolderError
from econchatr.money.ledger import LEDGER_NAME, Ledger
from econchatr.pipeline.show import Show
from econchatr.records import JudgedSample, Ranking, Verdict
from econchatr.tools.rankings import read_judgements, save_judgement

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def show(tmp_path: Path) -> Show:
    return Show(tmp_path, ShowConfig(show=ShowTable(name="The Show", hosts=("Hal Host",))), tmp_path / "cache")


def sample(text: str, **more: object) -> JudgedSample:
    fields: dict[str, object] = {"rung": "small", "variant": "tuned", "model_sha256": "0" * 64, "seed": 7}
    return JudgedSample.model_validate({"text": text} | fields | more)


def ranking(*texts: str, scorer: str = "ada", minutes: int = 0, question: str = "Why?") -> Ranking:
    return Ranking(
        scorer=scorer, judged_at=NOON + timedelta(minutes=minutes), question=question, seed=3,
        samples=tuple(map(sample, texts)),
    )  # fmt: skip


def verdict(text: str, *, is_right: bool, minutes: int = 0) -> Verdict:
    judged_at = NOON + timedelta(minutes=minutes)
    return Verdict(scorer="ada", judged_at=judged_at, question="Why?", sample=sample(text), is_right=is_right)


def test_what_was_judged_comes_back_as_it_was(show: Show) -> None:
    kept, said = ranking("One.", "Two.", "Three."), verdict("One.", is_right=True)
    assert save_judgement(show, kept)
    assert save_judgement(show, said)
    assert read_judgements(show, Ranking) == [kept]
    assert read_judgements(show, Verdict) == [said]


def test_a_show_nobody_judged_has_nothing_and_gets_no_database(show: Show) -> None:
    assert (read_judgements(show, Ranking), read_judgements(show, Verdict)) == ([], [])
    assert not (show.root / LEDGER_NAME).exists()


def test_the_same_click_twice_is_one_ranking(show: Show) -> None:
    assert [save_judgement(show, ranking("One.", "Two.")) for _ in range(2)] == [True, False]
    assert len(read_judgements(show, Ranking)) == 1


def test_who_changes_their_mind_is_believed_and_others_are_not_touched(show: Show) -> None:
    for row in (ranking("One.", "Two."), ranking("One.", "Two.", scorer="bo"), ranking("Two.", "One.", minutes=1)):
        save_judgement(show, row)
    assert [(row.scorer, row.samples[0].text) for row in read_judgements(show, Ranking)] == [
        ("bo", "One."),
        ("ada", "Two."),
    ]


@pytest.mark.parametrize("ledger_first", [True, False])
def test_the_ledger_and_the_rankings_share_one_file(show: Show, ledger_first: bool) -> None:
    if ledger_first:
        with Ledger(show.root / LEDGER_NAME):
            pass
    save_judgement(show, ranking("One.", "Two."))
    with Ledger(show.root / LEDGER_NAME) as ledger:
        assert ledger.bill() == ()
    assert len(read_judgements(show, Ranking)) == 1


def test_many_who_judge_at_once_are_all_kept(show: Show) -> None:
    rows = [ranking("One.", "Two.", scorer=f"scorer {n}") for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda row: save_judgement(show, row), rows))
    assert {row.scorer for row in read_judgements(show, Ranking)} == {row.scorer for row in rows}


def test_a_damaged_database_is_refused_with_its_name(show: Show) -> None:
    (show.root / LEDGER_NAME).write_bytes(b"no database at all, but long enough to look like one" * 50)
    with pytest.raises(ShowFolderError, match=r"ledger\.sqlite"):
        save_judgement(show, ranking("One.", "Two."))


def test_a_row_of_another_version_is_refused(show: Show) -> None:
    save_judgement(show, ranking("One.", "Two."))
    with sqlite3.connect(show.root / LEDGER_NAME) as database:
        database.execute("UPDATE rankings SET body = '{\"later\": 1}'")
    database.close()
    with pytest.raises(ShowFolderError, match="another version"):
        read_judgements(show, Ranking)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValidationError, match="twice"):
        ranking("One.", "One.")
    with pytest.raises(ValidationError, match="at least 2"):
        ranking("One.")
    with pytest.raises(ValidationError, match="hash"):
        sample("One.", text_sha256="0" * 64)
    with pytest.raises(ValidationError, match="control"):
        ranking("One.", "Two.", scorer="a\x1bda")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=2, max_size=5, unique=True))
def test_any_text_survives(texts: list[str], show: Show) -> None:
    kept = ranking(*texts)
    save_judgement(show, kept)
    assert kept in read_judgements(show, Ranking)
