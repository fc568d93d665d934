"""What base and tuned model make of the host's held-out answers, and how surprising the bases find a row's answers.

All of it is measured by default, so what candidates share (the prompt) is computed once, and of twenty candidates only
the beginnings are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from econchatr.pipeline.likelihoods import MODELS, HeldOut, LikelihoodBook
from econchatr.pipeline.show import Rung
from econchatr.pipeline.stage import Narrator
from econchatr.prompts import EncodedExample, chat_messages, encode_example, system_line
from econchatr.records import Pair, Score
from econchatr.records.measures import HELD_OUT_ANSWERS, Measure
from econchatr.score.dodging import keep_statements
from econchatr.score.likelihood import (
    Choice,
    ChoiceLikelihood,
    ReplyLikelihood,
    draw_choices,
    score_answers,
    score_choices,
)
from econchatr.score.rows import Row, Yardstick
from econchatr.score.sense import MAX_TOKENS, Sense, Surprise, judge_under_all, pick_measurable, summarise_sense
from econchatr.score.speech import Said, spread_evenly
from econchatr.select.examples import build_example
from econchatr.tokens import cut_left, cut_right

N_START_TOKENS: Final = 24
"""Of each of twenty answers: 200 contexts take some five minutes of two cores. Source: docs/performance.md."""
_N_TOGETHER: Final = 8


class AnswerLikelihoods(NamedTuple):
    """What was measured of the host's held-out answers."""

    answers: list[ReplyLikelihood]
    """Each after its question."""
    statements: dict[str, list[ReplyLikelihood]]
    """Per side, what is stated in held-out replies, each after its own cue."""
    choices: dict[str, list[ChoiceLikelihood]]
    """Per model, the true answer among twenty: the likelihood of each beginning, in nats a byte."""
    reason: str
    """Why there are no choices; empty where there are some."""


def measure_answers(
    rung: Rung, answers: Sequence[Pair], sides: HeldOut, book: LikelihoodBook, narrator: Narrator
) -> AnswerLikelihoods:
    """Measure `max_answers` held-out answers under base and tuned model, and half as many statements of each side.

    Args:
        answers: Of test episodes: the host's statements, each behind a question that was asked or made.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: The model cannot be opened.
    """
    n = rung.show.config.score.max_answers
    cut = {side: keep_statements(spread_evenly(pairs, n=n // 2)) for side, pairs in sides.items()}
    choices = _draw(rung, answers, n=n)
    lots = {"answers": spread_evenly(answers, n=n), **cut}
    n_done, n_all = 0, sum(map(len, lots.values())) + len(choices)

    def tell(n_more: int) -> None:
        nonlocal n_done
        n_done += n_more
        narrator.progress(n_done, n_all, "answers")

    measured = {name: _measure_replies(rung, pairs, book, tell) for name, pairs in lots.items()}
    by_model: dict[str, list[ChoiceLikelihood]] = {model: [] for model in MODELS}
    for choice in choices:
        for model, found in _measure_choice(rung, choice, book).items():
            by_model[model].append(found)
        tell(1)
    reason = "" if choices else _tell_none(n, answers)
    return AnswerLikelihoods(measured.pop("answers"), measured, by_model, reason)


def score_held_out(measured: AnswerLikelihoods, *, rung: str) -> list[Score]:
    """Put down what was measured of held-out answers as scores."""
    found = score_choices(
        measured.choices, rung=rung, measure=Measure.TRUE_ANSWER, subject=HELD_OUT_ANSWERS, reason=measured.reason
    )
    return [*score_answers(measured.answers, measured.statements, rung=rung), *found]


def _tell_none(n: int, answers: Sequence[Pair]) -> str:
    if not n:
        return "not measured: max_answers is 0 under [score]"
    return f"{len(answers)} held-out answers: too few of like length in other episodes to choose from"


def _measure_replies(
    rung: Rung, pairs: Sequence[Pair], book: LikelihoodBook, tell: Callable[[int], None]
) -> list[ReplyLikelihood]:
    found = list[ReplyLikelihood]()
    for at in range(0, len(pairs), _N_TOGETHER):
        lot = pairs[at : at + _N_TOGETHER]
        examples = [build_example(pair, rung.form) for pair in lot]
        nats = [book.measure(rung.encode(examples), model) for model in MODELS]
        found += [
            ReplyLikelihood(pair.slug, len(one.messages[-1].content.encode()), one.n_learned_tokens, base, tuned)
            for pair, one, base, tuned in zip(lot, examples, *nats, strict=True)
        ]
        tell(len(lot))
    return found


# --- the true answer among twenty -------------------------------------------------------------------------------------


def _draw(rung: Rung, answers: Sequence[Pair], *, n: int) -> tuple[Choice, ...]:
    """Choices among the beginnings of answers; the wrong ones come from a pool that does not grow with the show."""
    pool = spread_evenly(answers, n=max(2 * n, 100))
    starts = [
        pair.model_copy(update={"reply": cut_right(pair.reply, rung.tokenizer, n_tokens=N_START_TOKENS)[0]})
        for pair in pool
    ]
    return draw_choices(starts, n=n)


def _measure_choice(rung: Rung, choice: Choice, book: LikelihoodBook) -> dict[str, ChoiceLikelihood]:
    texts = [pair.reply for pair in (choice.pair, *choice.others)]
    after, alone = ([_encode_start(rung, cue, text)[0] for text in texts] for cue in (choice.pair.cue, ""))
    sizes = [len(text.encode()) for text in texts]
    found = {}
    for model in MODELS:
        nats = book.measure(after, model), book.measure_each(alone, model)
        given, bare = (tuple(-x / size for x, size in zip(ones, sizes, strict=True)) for ones in nats)
        found[model] = ChoiceLikelihood(choice.pair.slug, given, bare)
    return found


def _encode_start(rung: Rung, cue: str, text: str, *, n_tokens: int = N_START_TOKENS) -> tuple[EncodedExample, int]:
    """The beginning of a text after a cue, without the token that ends an answer; and its bytes."""
    form = rung.form
    cue, _ = cut_left(cue, form.tokenizer, n_tokens=form.max_cue_tokens)
    start, _ = cut_right(text, form.tokenizer, n_tokens=n_tokens)
    messages = chat_messages(cue, start, system=system_line(form.voice))
    return encode_example(messages, rung.template, form.tokenizer.encode, is_whole=False), len(start.encode())


# --- sense ------------------------------------------------------------------------------------------------------------


def judge_rows(
    rung: Rung, rows: Mapping[str, Row], yardstick: Yardstick, book: LikelihoodBook | None
) -> tuple[dict[str, Row], dict[str, Sense]]:
    """Give the rows with the ruling of the gate on sense, and what the rung's own base made of each row.

    The real host's row is that of all his held-out replies: they are what the limit is made of. A served rung's
    rows are judged by the largest base that was trained at home; without one the gate stays unchecked.
    """
    n = rung.show.config.score.max_replies
    books = dict(_list_books(rung, book))
    if not books:
        return dict(rows), {}
    own = {name: _measure_sense(one, yardstick.host, book, n=n) for name, (one, book) in books.items()}
    judged, senses = dict[str, Row](), dict[str, Sense]()
    for name, row in rows.items():
        of_row = own if name == "host" else {
            model: _measure_sense(one, row.said, book, n=n) for model, (one, book) in books.items()
        }  # fmt: skip
        senses[name] = of_row[next(iter(books))]
        judged[name] = row._replace(rulings=(*row.rulings, judge_under_all(of_row, own)))
    return judged, senses


def _list_books(rung: Rung, book: LikelihoodBook | None) -> Iterator[tuple[str, tuple[Rung, LikelihoodBook]]]:
    """The rung's own base, and the largest that was trained at home, where that is another; by name."""
    trained = [one for one in rung.show.rungs if one.is_local and one.is_done("train")]
    if book is None:
        for largest in sorted(trained, key=_count_bytes)[-1:]:
            yield largest.config.base, (largest, LikelihoodBook(rung, of=largest))
        return
    yield rung.config.base, (rung, book)
    largest = max(trained, key=_count_bytes, default=rung)
    if largest.config.base != rung.config.base and _count_bytes(largest) > _count_bytes(rung):
        yield largest.config.base, (largest, LikelihoodBook(rung, of=largest))


def _count_bytes(rung: Rung) -> int:
    return sum(file.stat().st_size for file in rung.base.weights().checkpoint_path.glob("*.safetensors"))


def _measure_sense(rung: Rung, said: Sequence[Said], book: LikelihoodBook, *, n: int) -> Sense:
    picked = pick_measurable(said, n=n)
    found = [_encode_start(rung, one.prompt, one.text, n_tokens=MAX_TOKENS) for one in picked]
    nats = [
        value
        for at in range(0, len(found), _N_TOGETHER)
        for value in book.measure_each([example for example, _ in found[at : at + _N_TOGETHER]], "base")
    ]
    return summarise_sense(
        [
            Surprise(one.group, value / math.log(2) / size)
            for one, value, (_, size) in zip(picked, nats, found, strict=True)
        ]
    )
