from __future__ import annotations

from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.records import Pair
from econchatr.score.quoting.copying import RUN_WORDS, find_copied, index_speech, measure_copying
from econchatr.score.speech import Said, read_pairs
from tests.helpers.make_records import make_pair
from tests.helpers.show_material import demo_show

KETTLE = "hold the kettle for a moment because I want to know who counted and what they skipped"


def index_texts(*texts: str) -> tuple[Pair, ...]:
    return tuple(make_pair(number, reply=text) for number, text in enumerate(texts))


def test_a_copied_run_is_found_with_its_episode_whatever_case_and_marks() -> None:
    index = index_speech(
        index_texts("Nothing of the kind was ever said here, not by me.", f"Well, {KETTLE}, you know.")
    )
    copied = find_copied(f"Oh! {KETTLE.upper().replace(' ', ', ')}... anyhow.", index)
    assert copied.longest is not None
    assert (copied.longest.n_words, copied.longest.text) == (17, KETTLE.lower())
    assert copied.longest.source.slug == "episode-1"
    assert (copied.n_copied, copied.n_words) == (17, 19)


def test_seven_words_are_nobodys() -> None:
    copied = find_copied(" ".join(KETTLE.split()[:7]), index_speech(index_texts(KETTLE)))
    assert (copied.n_copied, copied.longest) == (0, None)


def test_a_run_does_not_go_on_from_one_reply_into_the_next() -> None:
    words = KETTLE.split()
    index = index_speech(index_texts(" ".join(words[:8]), " ".join(words[8:16])))
    copied = find_copied(" ".join(words[:16]), index)
    assert copied.n_copied == 16
    assert copied.longest is not None
    assert copied.longest.n_words == 8


def test_what_the_question_says_is_not_copied_from_the_host() -> None:
    index = index_speech(index_texts(KETTLE))
    assert find_copied(KETTLE, index, prompt=f"What did you mean by: {KETTLE}?").n_copied == 0
    half = " ".join(KETTLE.split()[:9])
    assert find_copied(KETTLE, index, prompt=half).n_copied == 15


def test_the_share_is_of_words_with_its_interval_over_questions() -> None:
    said = [Said("", KETTLE, "a"), Said("", "one two three", "b"), Said("", "", "c")]
    copying = measure_copying(said, index_speech(index_texts(KETTLE)))
    assert copying.share is not None
    assert copying.share.value == pytest.approx(17 / 20)
    assert copying.longest is not None
    assert copying.longest.n_words == 17
    assert copying.share.low is not None
    assert copying.share.low < 17 / 20


@pytest.mark.parametrize(("texts", "reason"), [([], "no answers"), (["", "..."], "no word in the answers")])
def test_nothing_said_is_unscored(texts: list[str], reason: str) -> None:
    copying = measure_copying([Said("", text, "q") for text in texts], index_speech(index_texts(KETTLE)))
    assert (copying.share, copying.longest, copying.reason) == (None, None, reason)


def test_an_index_of_nothing_finds_nothing() -> None:
    assert find_copied(KETTLE, index_speech([])).n_copied == 0


# Few different words, so that runs are shared often and overlap.
speech = st.lists(st.sampled_from("abc"), max_size=60)


def count_by_hand(words: list[str], sources: list[list[str]]) -> tuple[int, int]:
    """Covered words and the longest shared run, by comparing everything with everything."""
    covered, longest = set[int](), 0
    for start in range(len(words)):
        for end in range(start + RUN_WORDS, len(words) + 1):
            run = words[start:end]
            if any(run == source[i : i + len(run)] for source in sources for i in range(len(source) - len(run) + 1)):
                covered.update(range(start, end))
                longest = max(longest, len(run))
    return len(covered), longest


@given(speech, st.lists(speech, max_size=3))
def test_every_copied_word_and_the_longest_run_agree_with_a_count_by_hand(
    words: list[str], sources: list[list[str]]
) -> None:
    copied = find_copied(" ".join(words), index_speech(index_texts(*map(" ".join, sources))))
    longest = copied.longest.n_words if copied.longest else 0
    assert (copied.n_copied, longest) == count_by_hand(words, sources)


@given(speech, speech)
def test_the_longest_run_agrees_with_difflib_and_stands_in_its_source(words: list[str], source: list[str]) -> None:
    copied = find_copied(" ".join(words), index_speech(index_texts(" ".join(source))))
    size = SequenceMatcher(None, words, source, autojunk=False).find_longest_match().size
    assert (copied.longest.n_words if copied.longest else 0) == (size if size >= RUN_WORDS else 0)
    if copied.longest:
        assert copied.longest.text in copied.longest.source.reply


def test_the_training_speech_is_all_copied_from_itself() -> None:
    pairs = demo_show().take("host", "train")
    copying = measure_copying(read_pairs([p for p in pairs if len(p.reply.split()) > 20]), index_speech(pairs))
    assert copying.share is not None
    assert copying.share.value > 0.95  # the rest stands in the cues
