"""What choosing among the draws of a question does for keeping to it, by four rules.

python benchmarks/best_of_draws.py SHOW

SHOW is a folder that `econchatr ask` has finished with two samples or more and `best_of = 1`. Every answer of the first
rung's tuned model is weighed after its question and after none, by the tuned and by the untuned model. Prints the share
that keeps to its question of all draws and of those that each rule chooses, then the chosen draws of the rule that
`[ask] best_of` goes by.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from econchatr.ask.exam import render_question
from econchatr.models.llama.meter import open_meter
from econchatr.pipeline import open_show
from econchatr.pipeline.show import Rung
from econchatr.prompts import EncodedExample, reply_frame
from econchatr.score.speech import Said, read_answers
from econchatr.score.topic import learn_subjects, measure_topic


class Draw(NamedTuple):
    """One draw, and how much its question explains of it."""

    said: Said
    credit: float | None
    """Whether it keeps to its question, as `measure_topic` says."""
    gains: Mapping[str, float]
    """By rule; the draw with the most is chosen."""


def read_draws(rung: Rung) -> list[Draw]:
    """The exam's draws of the tuned model, weighed."""
    show = rung.show
    pairs = show.pairs(split="train", kept=True)
    subjects = learn_subjects([text for pair in pairs for text in (pair.cue, pair.reply)])
    said = [one for one in read_answers(rung.answers(), show.questions(), variant="tuned") if one.text.strip()]
    credits = measure_topic(said, subjects).credits
    after, alone = (weigh(rung, said, has_question=is_asked) for is_asked in (True, False))
    return [
        Draw(one, credit, list_gains(one, [a - b for a, b in zip(*nats, strict=True)]))
        for one, credit, *nats in zip(said, credits, zip(*after, strict=True), zip(*alone, strict=True), strict=True)
    ]


def list_gains(said: Said, gains: Sequence[float]) -> dict[str, float]:
    """What each rule goes by, from the gains under the tuned and the untuned model, in nats."""
    n_bytes = len(said.text.encode())
    return {
        name + suffix: gain / size
        for name, gain in zip(("tuned", "untuned"), gains, strict=True)
        for suffix, size in (("", 1), (", a byte", n_bytes))
    }


def weigh(rung: Rung, said: Sequence[Said], *, has_question: bool) -> tuple[list[float], list[float]]:
    """Log-likelihoods of all draws, in nats, under the tuned and the untuned model."""
    encode, lead = rung.base.tokenizer().encode, reply_frame(rung.template).lead
    examples = []
    for one in said:
        text = one.prompt if has_question else ""
        prompt = encode(render_question(text, "tuned", rung.show.voice, rung.template))
        examples.append(EncodedExample((*prompt, *encode(lead + one.text)), len(prompt)))
    adapter = (rung.show.root / rung.tuned().adapter_path).parent
    longest = max(len(one.ids) for one in examples)
    meter = open_meter(rung.base.weights().checkpoint_path, adapter=adapter, n_positions=longest)
    tuned, untuned = ([-nats for nats in meter.measure(examples, tuned=is_tuned)] for is_tuned in (True, False))
    return tuned, untuned


def choose(draws: Sequence[Draw], rule: str) -> list[Draw]:
    """The best draw of each question."""
    by_question = dict[str, list[Draw]]()
    for draw in draws:
        by_question.setdefault(draw.said.group, []).append(draw)
    return [max(of_one, key=lambda draw: draw.gains[rule]) for of_one in by_question.values()]


def tell_share(name: str, draws: Sequence[Draw]) -> str:
    """One line of the table."""
    credits = [draw.credit for draw in draws if draw.credit is not None]
    return f"{name}: {sum(credits) / len(credits):.0%} of {len(credits)} keep to their question"


def main() -> None:
    """Print the table and the chosen draws."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    draws = read_draws(open_show(Path(sys.argv[1])).rung())
    print(tell_share("all draws", draws))
    for rule in draws[0].gains:
        print(tell_share(f"the best by {rule}", choose(draws, rule)))
    for draw in choose(draws, "untuned"):
        print(f"\n{draw.said.prompt}\n    {' '.join(draw.said.text.split())}")


if __name__ == "__main__":
    main()
