from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.score.length_and_repetition import measure_host, measure_repetition
from econchatr.score.speech import Said, read_pairs
from tests.helpers.show_material import demo_show

CATCHPHRASE = "Hold the kettle, who counted?"


def say(*texts: str, sample: int = 0) -> list[Said]:
    return [Said("?", text, f"q{number}", sample) for number, text in enumerate(texts)]


def share(said: list[Said], **more: int) -> float:
    found = measure_repetition(said, **more)
    assert found.share is not None, found.reason
    return found.share.value


def test_one_catchphrase_repeated_repeats_itself() -> None:
    assert share(say(*[f"{CATCHPHRASE} " * 20] * 12)) > 0.9


def test_saying_the_same_when_asked_twice_is_no_repetition() -> None:
    once = say("one two three four five", "six seven eight nine ten")
    again = [one._replace(sample=1) for one in once]
    assert share([*once, *again]) == 0


def test_by_hand_over_two_passes() -> None:
    """a b c d a b c d: 1 of 5 sequences is an old one; the other pass has none."""
    said = [*say("a b c d a b c d"), *say("a b c d e f g h", sample=1)]
    assert share(said) == pytest.approx(0.1)


@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=4, max_size=12), min_size=1, max_size=6))
def test_one_pass_agrees_with_the_definition(texts: list[list[str]]) -> None:
    """Rep-4: the share of four-word sequences that occurred before."""
    said = say(*map(" ".join, texts))
    sequences = [tuple(words[place : place + 4]) for words in texts for place in range(len(words) - 3)]
    assert share(said) == pytest.approx(1 - len(set(sequences)) / len(sequences), abs=1e-6)


def test_the_interval_of_a_share_does_not_reach_below_zero() -> None:
    said = say("a b c d a b c d", *(" ".join(f"{word}{n}" for word in "abcdef") for n in range(9)))
    found = measure_repetition(said).share
    assert found is not None
    assert found.low == 0 < found.value


@pytest.mark.parametrize("said", [[], say("two words"), say("")])
def test_under_four_words_are_unscored(said: list[Said]) -> None:
    found = measure_repetition(said)
    assert found.share is None
    assert found.reason


def test_a_longer_row_is_measured_at_the_words_it_is_compared_at() -> None:
    said = read_pairs(demo_show().take("host", "train"))
    short, long = share(said, max_words=300), share(said, max_words=1200)
    assert short < long


def test_the_hosts_own_repetition_is_at_as_many_words() -> None:
    replies = [pair.reply for pair in demo_show().take("host", "test")]
    few, many = measure_host(replies, 300), measure_host(replies, 1200)
    assert few is not None
    assert many is not None
    assert 0 < few < many < 0.1
    assert measure_host(replies, 1_000_000) is None
    assert measure_host(replies, 3) is None
