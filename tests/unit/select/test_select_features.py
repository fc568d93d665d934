from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from econchatr.select import features as features_module
from econchatr.select.features import MAX_WEIGHT, OWN_PARTS, Sides, SparseRows, find_features, split_words

WORDS = ("so", "we", "can't", "all", "agree", "über", "94", "Who")
SPOKEN = st.lists(st.lists(st.sampled_from(WORDS), max_size=7), max_size=12)


def name_rows(replies: list[str]) -> list[set[str]]:
    features = find_features(replies)
    return [{features.name(int(number)) for number in features.rows.row(n)} for n in range(len(replies))]


def test_words_are_folded_and_keep_their_apostrophes() -> None:
    (words,) = split_words(["Don’t WORRY, it's 94% 'fine'—über-fine!"]).to_list()
    assert words == ["don't", "worry", "it's", "94", "fine", "über", "fine"]


def test_what_fewer_than_three_replies_hold_is_no_feature() -> None:
    replies = ["the fence stands", "the fence fell", "the fence", "the prairie", "the prairie"]
    assert name_rows(replies) == [{"the", "fence", "the fence"}] * 3 + [{"the"}] * 2


def test_a_reply_counts_once_however_often_it_says_a_thing() -> None:
    assert name_rows(["so so so", "so", "no"]) == [set(), set(), set()]


def test_a_feature_weighs_the_number_of_its_replies_up_to_a_limit() -> None:
    features = find_features(["common"] * 250 + ["rare common"] * 3)
    weights = dict(
        zip([features.name(n) for n in range(len(features.weights))], features.weights.tolist(), strict=True)
    )
    assert weights == {"common": MAX_WEIGHT, "rare": 3, "rare common": 3}


@settings(deadline=None)
@given(SPOKEN)
def test_features_are_the_words_and_neighbours_that_three_replies_hold(spoken: list[list[str]]) -> None:
    held = [{word.lower() for word in words} | {f"{a} {b}".lower() for a, b in pairwise(words)} for words in spoken]
    common = {name for name, n in Counter(name for names in held for name in names).items() if n >= 3}
    assert name_rows([" ".join(words) for words in spoken]) == [names & common for names in held]


def test_a_pool_larger_than_one_chunk_is_numbered_as_one() -> None:
    features = find_features(["the fence", "", "the"] * 25_000)
    assert [features.name(n) for n in range(3)] == ["fence", "the", "the fence"]
    assert (features.n_words == np.tile([2, 0, 1], 25_000)).all()
    ones = np.ones(3, np.int64)
    assert (features.sum_rows(ones) == np.tile([3, 0, 1], 25_000)).all()
    assert features.sum_rows(ones, np.array([74_999, 1, 0])).tolist() == [1, 0, 3]


def test_an_empty_row_adds_nothing_wherever_it_stands() -> None:
    rows = SparseRows(np.array([0, 0, 2, 2, 3, 3]), np.array([4, 1, 2], np.int32))
    assert rows.sum(np.array([0, 10, 100, 0, 1])).tolist() == [0, 11, 0, 100, 0]
    assert rows.pick(np.array([3, 0, 1])).sum(np.array([0, 10, 100, 0, 1])).tolist() == [100, 0, 11]


def test_a_pool_without_words_has_no_features() -> None:
    for replies in ([], [""], ["...", "?!"]):
        features = find_features(replies)
        assert features.n_replies == len(replies)
        assert len(features.weights) == 0


def test_what_others_say_as_often_is_left_out_and_what_only_the_host_says_weighs_all() -> None:
    replies = ["hold the kettle"] * 4
    features = find_features(replies, acts=[Sides(replies, ["the"] * 3 + ["the report"] * 3 + ["a"] * 3)])
    weights = {features.name(number): weight for number, weight in enumerate(features.weights.tolist())}
    assert weights["kettle"] == weights["hold the"] == 4 * OWN_PARTS
    assert "the" not in weights


def test_a_share_is_the_same_worked_out_by_hand() -> None:
    # 4 of 12 reply words are "kettle", 1 of 6 cue words: (4/12 - 1/6) / (4/12 + 1/6) = 1/3 of 32 parts, rounded down.
    replies = ["hold the kettle"] * 4
    features = find_features(replies, acts=[Sides(replies, ["kettle on so many words here"])])
    assert dict(zip(features.words, features.weights.tolist(), strict=False))["kettle"] == 4 * 10


def test_without_cues_every_feature_weighs_as_often_as_it_is_held() -> None:
    assert find_features(["so we"] * 5).weights.tolist() == [5, 5, 5]


def test_it_does_not_matter_in_how_many_pieces_the_texts_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(5)
    said = [[" ".join(rng.choices(WORDS, k=rng.randrange(9))) for _ in range(90)] for _ in range(2)]
    whole = find_features(said[0], acts=[Sides(said[0], said[1])])
    monkeypatch.setattr(features_module, "_CHUNK_BITS", 3)
    pieces = find_features(said[0], acts=[Sides(said[0], said[1])])
    assert len(whole.weights) > 5
    assert (pieces.words, pieces.known) == (whole.words, whole.known)
    for ours, theirs in zip((*pieces.rows, pieces.weights, pieces.bigrams, pieces.n_words),
                            (*whole.rows, whole.weights, whole.bigrams, whole.n_words), strict=True):  # fmt: skip
        assert np.array_equal(ours, theirs)
