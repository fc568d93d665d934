"""The blind test: fair cues, checked files, honest shares."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest

from econchatr.errors import InputError
from econchatr.records import BlindCue, BlindPick, Pair, Score
from econchatr.records.measures import HELD_OUT_CUES, Measure
from econchatr.score.raters.blind_test import lay_out_cue, order_cues, read_picks, score_blind
from econchatr.score.raters.filled_sheets import BLIND_FORM, FilledSheet, sheet_sha256
from econchatr.score.statistics import exact_share
from tests.helpers.make_records import make_pair

SAMPLES = ["one fib", "two fibs", "three fibs", "four fibs"]


def make_held_out(episode: int, place: int, **more: Any) -> Pair:
    fields: dict[str, Any] = {
        "pair_id": f"e{episode}#{place}", "slug": f"e{episode}", "first_turn": place, "split": "test",
        "reply": f"The truth number {place} of episode {episode} in nine words",
    }  # fmt: skip
    return make_pair(**(fields | more))


def make_cue(n: int, *, rung: str = "small") -> BlindCue:
    cue = lay_out_cue(make_held_out(n, 1), SAMPLES, rung=rung, seed=0)
    assert cue is not None
    return cue


CUES = [make_cue(n) for n in range(5)]


def fill(cues: list[BlindCue] = CUES, *, person: str = "Ada", n_right: int = 0, **more: object) -> dict[str, Any]:
    picks = {cue.key: cue.real if n < n_right else (cue.real + 1) % 5 for n, cue in enumerate(cues)}
    file: dict[str, Any] = {
        "form": BLIND_FORM, "show": "The Show", "sheet_sha256": sheet_sha256(0, picks), "seed": 0, "person": person,
        "knows_host": "well", "picks": picks, "n_cues": len(picks),
    }  # fmt: skip
    return file | more


def read(*files: dict[str, Any]) -> list[BlindPick]:
    return read_picks(
        [FilledSheet(f"{n}.json", json.dumps(f).encode()) for n, f in enumerate(files)], CUES, show="The Show"
    )


def overall(scores: list[Score]) -> Score:
    (score,) = [score for score in scores if score.subject == HELD_OUT_CUES]
    return score


# --- the cues ---------------------------------------------------------------------------------------------------------


def test_cues_are_held_out_kept_and_of_a_length_one_can_judge() -> None:
    pairs = [
        make_held_out(1, 1),
        make_held_out(1, 3, split="train"),
        make_held_out(1, 5, is_kept=False),
        make_held_out(1, 7, reply="Too short."),
        make_held_out(1, 9, reply="word " * 121),
        make_held_out(1, 11, cue="word " * 151),
    ]
    assert [pair.pair_id for pair in order_cues(pairs, seed=0)] == ["e1#1"]


def test_episodes_take_turns_and_the_seed_decides() -> None:
    pairs = [make_held_out(episode, place) for episode in range(4) for place in range(6)]
    order = order_cues(pairs, seed=1)
    assert sorted(pair.pair_id for pair in order) == sorted(pair.pair_id for pair in pairs)
    assert all(len({pair.slug for pair in order[n : n + 4]}) == 4 for n in range(0, 24, 4))
    assert order == order_cues(list(reversed(pairs)), seed=1)
    assert order != order_cues(pairs, seed=2)


def test_the_real_reply_may_stand_anywhere() -> None:
    """Over 500 cues each of five places holds it about a hundred times."""
    places = Counter(make_cue(n).real for n in range(500))
    assert set(places) == set(range(5))
    assert all(70 <= n <= 130 for n in places.values())


def test_line_breaks_go_from_every_reply_alike() -> None:
    cue = lay_out_cue(make_held_out(1, 1, reply="The truth\n\nitself"), ["a\n b", *SAMPLES[1:]], rung="small", seed=0)
    assert cue is not None
    assert cue.replies[cue.real] == "The truth itself"
    assert "a b" in cue.replies


def test_a_model_that_says_the_hosts_own_words_makes_no_cue() -> None:
    assert lay_out_cue(make_held_out(1, 1, reply="Who counted?"), ["who  counted?"], rung="small", seed=0) is None


# --- the files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (fill() | {"picks": dict(list(fill()["picks"].items())[1:])}, "half filled: 1 of 5"),
        (fill(sheet_sha256="0" * 64), "changed after it was saved"),
        (fill([make_cue(77)]), "1 of 1 cues are not among"),
        (fill(show="Other"), "for the show 'Other'"),
        (fill(form="econchatr hand marks 1"), "is for --hand"),
        (fill(knows_host="by heart"), "knows_host"),
        (fill(picks=dict.fromkeys(fill()["picks"], 5)), "picks reply 6 of 5"),
        (fill(picks=dict.fromkeys(fill()["picks"], -1)), "picks reply 0 of 5"),
        (fill(picks=dict.fromkeys(fill()["picks"], 1.5)), "integer"),
    ],
)
def test_a_file_that_is_not_whole_and_ours_is_refused(file: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(file)
    assert message in caught.value.message


# --- the share --------------------------------------------------------------------------------------------------------


def test_the_share_picked_right_with_its_exact_interval() -> None:
    score = overall(score_blind(read(fill(n_right=3)), CUES))
    assert (score.measure, score.value, score.n) == (Measure.BLIND_PICKS, pytest.approx(0.6), 5)
    assert (score.low, score.high) == (pytest.approx(0.14663, abs=1e-5), pytest.approx(0.94726, abs=1e-5))


def test_more_people_make_no_more_cues() -> None:
    """Two people, one all right, one all wrong: a half, of five cues."""
    scores = score_blind(read(fill(n_right=5), fill(person="Bea", knows_host="not at all")), CUES)
    assert (overall(scores).value, overall(scores).n) == (pytest.approx(0.5), 5)
    assert [score.value for score in scores if score.subject != HELD_OUT_CUES] == [1.0, 0.0]


def test_rungs_are_scored_apart_and_old_picks_count_for_nothing() -> None:
    other = make_cue(9, rung="large")
    picks = [
        BlindPick(key=other.key, person="Ada", knows_host="well", pick=other.real),
        BlindPick(key="0" * 64, person="Ada", knows_host="well", pick=0),
    ]
    (score,) = score_blind(picks, [*CUES, other])
    assert (score.rung, score.value, score.n) == ("large", 1.0, 1)


def test_guessers_are_within_the_interval_of_chance_as_often_as_it_says() -> None:
    """A thousand people who guess at twenty cues: one in five lies in the interval at least 95% of the times."""
    rng = random.Random(1)
    hits = 0
    for _ in range(1000):
        _, low, high = exact_share(sum(rng.randrange(5) == 0 for _ in range(20)), 20)
        assert low is not None
        assert high is not None
        hits += low <= 0.2 <= high
    assert hits >= 950
