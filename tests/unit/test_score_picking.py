"""Voice as the picker's measure: it picks the host's manner, never a copy, and luck is no gain."""

from __future__ import annotations

import random
from functools import cache

import pytest

from econchatr.score.copying import index_speech
from econchatr.score.picking import VoicePicker, _halve_episodes
from econchatr.score.speech import Said
from tests.unit.make_records import make_pair
from tests.unit.show_material import demo_show
from tests.unit.test_score_nearest import demo_subjects


@cache
def demo_picker() -> VoicePicker:
    show = demo_show()
    return VoicePicker(show.host, show.guest, index_speech(show.take("host", "train")), demo_subjects())


def draw(side_of_sample: list[str], *, n_questions: int = 12) -> list[Said]:
    """Real held-out replies as if they were answers: sample k of each question is said by that side."""
    said, rng = [], random.Random(0)
    for number in range(n_questions):
        for sample, side in enumerate(side_of_sample):
            replies = [pair for pair in demo_show().take(side, "dev") if len(pair.reply.split()) > 30]
            pair = replies[(5 * number + sample + rng.randrange(2)) % len(replies)]
            said.append(Said(pair.cue, pair.reply, f"q{number}", sample))
    return said


def test_the_hosts_own_reply_is_picked_among_guests() -> None:
    """A prompt without content words, so that being on it decides nothing; by chance four of twelve."""
    said = draw(["guest", "host", "guest"])
    picked = demo_picker().pick([one._replace(prompt="And so?") for one in said])
    assert sum(one.sample == 1 for one in picked) >= 7


def test_picking_among_host_and_guests_gains_and_among_guests_alone_hardly() -> None:
    mixed = demo_picker().score(draw(["host", "guest", "host", "guest"]), rung="r", variant="tuned")
    same = demo_picker().score(draw(["host", "host", "host", "host"]), rung="r", variant="tuned")
    assert mixed.measure == "gain of the best of 3, voice"
    assert mixed.value is not None
    assert same.value is not None
    assert same.low is not None
    assert mixed.value > 0.1
    assert same.low < 0.1


def test_a_copy_is_never_picked() -> None:
    copied = max(demo_show().take("host", "train"), key=lambda pair: len(pair.reply))
    guest = demo_show().take("guest", "dev")[0]
    said = [Said("And so?", copied.reply, "q", 0), Said("And so?", guest.reply, "q", 1)]
    assert demo_picker().pick(said) == [said[1]]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([], "no answers"),
        ([Said("Why?", "Nobody knows.", "q", n) for n in range(4)], "too few words"),
        (draw(["host"]), "three draws per question are needed"),
        (draw(["host", "guest"], n_questions=2), "too few words"),
    ],
)
def test_where_the_gain_is_not_known_the_reason_is_told(said: list[Said], reason: str) -> None:
    score = demo_picker().score(said, rung="r", variant="tuned")
    assert score.value is None
    assert reason in score.reason


def test_a_show_too_small_for_two_scales_has_no_gain_and_picks_the_first() -> None:
    pairs = [make_pair(n, split="test" if n > 2 else "train") for n in range(5)]
    picker = VoicePicker(pairs, pairs, index_speech(pairs), demo_subjects())
    score = picker.score(draw(["host", "guest"]), rung="r", variant="tuned")
    assert "half of the show: " in score.reason
    assert "are needed" in score.reason
    assert [one.sample for one in picker.pick(draw(["host", "guest"]))] == [0] * 12


def test_the_two_instruments_share_no_episode_and_have_each_a_half_of_every_split() -> None:
    show = demo_show()
    one, other = _halve_episodes(show.host)
    assert not one & other
    for split in ("train", "dev", "test"):
        slugs = {pair.slug for pair in show.take("host", split)}
        assert abs(len(slugs & one) - len(slugs & other)) <= 1
