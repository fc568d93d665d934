"""The guests' pairs: a table of the stage `pair`, made once, hidden like the host's, that makes nothing else stale."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from econchatr.errors import ShowFolderError
from econchatr.pipeline import Show, Silent, open_show, run_show, status_of
from econchatr.pipeline.score import SCORE, held_out, kept_pairs
from econchatr.records import Pair
from econchatr.tables import MANIFEST_NAME, write_table
from tests.functional.conftest import edit_show
from tests.helpers.make_records import make_pair

NUMBER = "020 7946 0958"
"""No pattern hides a British number; Presidio does."""
GUEST_LINE = re.compile(r"^(\*\*(?!Hester Pellow)[^*]+:\*\*) ", flags=re.MULTILINE)


class PhoneFinder:
    """In place of Presidio's engine, which is not installed for every test run."""

    def analyze(self, text: str, **_: object) -> Iterator[SimpleNamespace]:
        for match in re.finditer(NUMBER, text):
            yield SimpleNamespace(start=match.start(), end=match.end(), entity_type="PHONE_NUMBER", score=1.0)


@pytest.fixture
def show(tiny_show: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Show:
    """Paired; every turn of a guest begins with a telephone number."""
    monkeypatch.setattr("econchatr.pair.presidio._open_engine", PhoneFinder)
    monkeypatch.setattr("econchatr.pipeline.episode_pairs.name_presidio", lambda: ["a finder of telephone numbers"])
    edit_show(tiny_show, "test_share = 0.2", 'test_share = 0.2\nprivate = "presidio"')
    for path in (tiny_show / "transcripts").iterdir():
        path.write_text(GUEST_LINE.sub(rf"\1 Call {NUMBER}. ", path.read_text(encoding="utf-8")), encoding="utf-8")
    opened = open_show(tiny_show, cache=cache)
    run_show(opened, Silent(), until="select")
    return opened


def test_presidio_hides_in_the_guests_replies_too(show: Show) -> None:
    sides = held_out(show)
    assert any("[phone]" in pair.cue for pair in sides["host"])
    assert any("[phone]" in pair.reply for pair in sides["guest"])
    assert not any(NUMBER in pair.cue + pair.reply for pairs in sides.values() for pair in pairs)


def test_guests_are_paired_in_the_host_s_episodes_and_splits(show: Show) -> None:
    host, guest = show.pairs(), show.guest_pairs()
    assert {(pair.slug, pair.split) for pair in guest} <= {(pair.slug, pair.split) for pair in host}
    assert {pair.reply_speaker for pair in guest}.isdisjoint({"Hester Pellow"})
    assert {pair.cue_speaker for pair in guest} == {"Hester Pellow"}


def test_the_table_is_made_for_an_older_folder_and_nothing_else_is(show: Show) -> None:
    """A folder of an earlier version has everything but this table."""
    before = {stage: show.made(stage) for stage in ("pair", "select")}
    for path in show.folder("pair", "guests").iterdir():
        path.unlink()
    waiting = {state.name: state.why for state in status_of(show)}
    assert waiting["pair/guests"] == "not done yet"
    assert waiting["score/tiny"] == "waits for pair/guests"
    assert waiting["select"] == ""
    assert run_show(show, Silent(), until="select").done == ("pair/guests",)
    assert {stage: show.made(stage) for stage in before} == before


def test_a_table_of_other_pairs_is_refused_with_the_command_that_makes_it(show: Show) -> None:
    manifest = show.folder("pair", "guests") / MANIFEST_NAME
    manifest.write_text(manifest.read_text().replace(show.made("pair"), "0" * 64))
    with pytest.raises(ShowFolderError, match=r"guest_pairs\.parquet is missing, or older") as caught:
        show.guest_pairs()
    assert f"econchatr pair {show.root}" in caught.value.hint


def test_only_presidio_makes_scores_depend_on_the_guests_table(show: Show) -> None:
    """Else an earlier version's scores would count as stale, though they are the same."""

    def names(opened: Show) -> set[str]:
        return set(SCORE.inputs(opened.rung()))

    with_presidio = names(show)
    edit_show(show.root, 'private = "presidio"', 'private = "patterns"')
    assert with_presidio - names(open_show(show.root)) == {"guests' pairs"}


def test_a_passage_that_guests_repeat_is_kept_once_but_held_out_each_time(show: Show) -> None:
    twice = [make_pair(n, split="test", cue="Why?", reply="Because it rains.") for n in (1, 2)]
    write_table(show.folder("pair", "guests") / "guest_pairs.parquet", twice, Pair)
    assert (len(kept_pairs(show)["guest"]), len(held_out(show)["guest"])) == (1, 2)
