"""The best of several draws: which one is given, and what stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.ask.best_of import BestOf, Chooser
from econchatr.ask.exam import Ask, Examinee, ExamSettings
from econchatr.errors import ModelError
from econchatr.prompts import CHATML, Voice
from econchatr.records import Answer, Reply, Sampling
from tests.helpers.make_records import make_question

SAMPLING = Sampling(7, 0.6, 50, 1.0)
BARE = "bare"


class Deck:
    """A speaker that says the next of these at each draw, and notes the seeds."""

    n_at_once = 2

    def __init__(self, *texts: str) -> None:
        self.texts, self.seeds = list(texts), list[int]()

    def reply(
        self, prompt: str, sampling: Sampling, *, tuned: bool, on_text: Callable[[str], None] | None = None
    ) -> Reply:
        self.seeds.append(sampling.seed)
        if not self.texts:
            raise ModelError("out of memory")
        text = self.texts.pop(0)
        if on_text:
            on_text(text)
        return Reply(text=text, stop="end", n_prompt_tokens=1, n_reply_tokens=1)

    def reply_often(
        self,
        prompt: str,
        sampling: Sampling,
        n_replies: int,
        *,
        tuned: bool,
        on_text: Callable[[str], None] | None = None,
    ) -> list[Reply]:
        seeds = range(sampling.seed, sampling.seed + n_replies)
        return [self.reply(prompt, sampling._replace(seed=seed), tuned=tuned, on_text=on_text) for seed in seeds]


def weigh(prompt: str, replies: Sequence[str]) -> list[float]:
    """Long replies are unlikely; after a question those with its words are likelier by far."""
    return [-len(reply) + 10.0 * sum(word in prompt for word in reply.split()) for reply in replies]


def say(deck: Deck, *, tuned: bool = True, sampling: Sampling = SAMPLING, n: int = 3) -> str:
    return BestOf(deck, Chooser(n, BARE, weigh)).reply("money and trust", sampling, tuned=tuned).text


def test_the_draw_that_the_question_explains_best_is_given() -> None:
    assert (
        say(Deck("short", "all of it is about trust in money", "money is nice")) == "all of it is about trust in money"
    )


def test_a_draw_that_is_as_likely_without_the_question_does_not_win() -> None:
    assert say(Deck("a", "on trust", "bare bare bare")) == "on trust"


def test_of_equal_draws_the_first_is_given() -> None:
    assert say(Deck("one", "two", "six")) == "one"


def test_silence_among_the_draws_is_passed_over() -> None:
    assert say(Deck("", "  ", "well")) == "well"


def test_silence_at_every_draw_is_silence() -> None:
    assert say(Deck("", "", "")) == ""


@given(st.sets(st.integers(0, 10_000), min_size=2, max_size=9), st.integers(2, 32))
def test_no_two_answers_share_a_draw(seeds: set[int], n_draws: int) -> None:
    chooser = Chooser(n_draws, BARE, weigh)
    drawn = [seed for one in seeds for seed in chooser.list_seeds(one)]
    assert len(set(drawn)) == n_draws * len(seeds)


def test_the_untuned_model_is_drawn_once() -> None:
    deck = Deck("a", "on trust")
    assert say(deck, tuned=False) == "a"
    assert deck.seeds == [SAMPLING.seed]


def test_at_temperature_zero_there_is_one_draw() -> None:
    deck = Deck("a", "on trust")
    assert say(deck, sampling=SAMPLING._replace(temperature=0.0)) == "a"
    assert deck.seeds == [SAMPLING.seed]


def test_a_draw_that_fails_fails_the_answer() -> None:
    with pytest.raises(ModelError, match="out of memory"):
        say(Deck("a", "b"))


def listen(deck: Deck, on_text: Callable[[str], None]) -> None:
    BestOf(deck, Chooser(2, BARE, weigh)).reply("money and trust", SAMPLING, tuned=True, on_text=on_text)


def test_whoever_listens_hears_the_best_draw_alone() -> None:
    heard: list[str] = []
    listen(Deck("a", "on trust"), heard.append)
    assert heard == ["", "", "on trust"]


def test_a_listener_can_stop_the_drawing() -> None:
    def stop(_text: str) -> None:
        raise KeyboardInterrupt

    deck = Deck("a", "on trust")
    with pytest.raises(KeyboardInterrupt):
        listen(deck, stop)
    assert len(deck.seeds) == 1


class Table(Deck):
    """A speaker that computes several together."""

    n_together = 8

    def reply_all(
        self, prompts: Sequence[str], sampling: Sampling, *, seeds: Sequence[int], tuned: bool
    ) -> list[Reply]:
        return [
            self.reply(prompt, sampling._replace(seed=seed), tuned=tuned)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]


def ask_two(speaker: BestOf, *, tuned: bool) -> list[str]:
    replies = speaker.reply_all(["money and trust", "bare facts"], SAMPLING, seeds=[3, 4], tuned=tuned)
    return [reply.text for reply in replies]


def test_several_prompts_together_each_get_the_best_of_their_own_draws() -> None:
    deck = Table("a", "on trust", "facts", "a")
    assert ask_two(BestOf(deck, Chooser(2, BARE, weigh)), tuned=True) == ["on trust", "facts"]
    assert deck.seeds == [6, 7, 8, 9]


def test_draws_of_several_prompts_are_computed_together_as_far_as_they_fit() -> None:
    lots: list[int] = []

    class Wide(Table):
        n_together = 5

        def reply_all(
            self, prompts: Sequence[str], sampling: Sampling, *, seeds: Sequence[int], tuned: bool
        ) -> list[Reply]:
            lots.append(len(prompts))
            return super().reply_all(prompts, sampling, seeds=seeds, tuned=tuned)

    speaker = BestOf(Wide(*"abcdef"), Chooser(2, BARE, weigh))
    assert len(speaker.reply_all([BARE] * 3, SAMPLING, seeds=[1, 2, 3], tuned=True)) == 3
    assert lots == [4, 2]


def test_the_untuned_model_is_drawn_together_as_ever() -> None:
    deck = Table("a", "b")
    speaker = BestOf(deck, Chooser(2, BARE, weigh))
    assert (speaker.n_together, ask_two(speaker, tuned=False), deck.seeds) == (8, ["a", "b"], [3, 4])


def record(variant: str, best_of: int, *, temperature: float = 0.6) -> tuple[str, Answer]:
    """The key of an exam's draw, and the answer it makes of a reply."""
    examinee = Examinee("small", Voice(host="Hal", show="S"), CHATML, lambda variant: "m", best_of)
    draw = examinee.draw(Ask(make_question(), variant, 0, 7), ExamSettings(1, temperature, 50, 7, 1.0))  # type: ignore[arg-type]
    return draw.key, draw.record(Reply(text="a", stop="end", n_prompt_tokens=1, n_reply_tokens=1), None)


def test_a_tuned_answer_says_of_how_many_draws_it_is_and_is_not_taken_for_a_single_draw() -> None:
    (one, single), (many, best) = record("tuned", 1), record("tuned", 4)
    assert (single.best_of, best.best_of) == (1, 4)
    assert one != many


def test_the_base_models_answers_are_the_same_however_many_draws_the_tuned_one_has() -> None:
    assert record("base", 1) == record("base", 4)


def test_an_answer_at_temperature_zero_is_not_called_the_best_of_several() -> None:
    assert record("tuned", 4, temperature=0.0)[1].best_of == 1
