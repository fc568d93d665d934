"""What choosing among the draws of a question does for keeping to it, by rule and number of draws.

python benchmarks/best_of_draws.py SHOW [DRAWS]

SHOW is a folder whose first rung is trained. DRAWS (16) are drawn from its tuned model for each question of the exam
and for each of 24 questions before held-out statements. Every draw is weighed after its question and after none, by the
tuned and by the untuned model. Prints, for 1, 2, 4 ... draws, the share that keeps to its question of those that each
rule chooses: of the exam's, of the others', with the median words of the former. Then the draws that the rule of
`[ask] best_of` chooses of all.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from written_tables import tell_usage

from econchatr.ask.exam import FramedSpeaker, render_question
from econchatr.models.llama.meter import open_meter
from econchatr.pipeline import open_show
from econchatr.pipeline.show import Rung
from econchatr.prompts import EncodedExample, reply_frame
from econchatr.records import Sampling
from econchatr.score.speech import Said, spread_evenly
from econchatr.score.topic import learn_subjects, measure_topic

N_OTHERS: Final = 24


class Draw(NamedTuple):
    """One draw, and how much its question explains of it."""

    said: Said
    credit: float | None
    """Whether it keeps to its question, as `measure_topic` says."""
    gains: Mapping[str, float]
    """By rule; the draw with the most is chosen."""


def list_questions(rung: Rung) -> dict[str, list[str]]:
    """The exam's questions, and those before held-out statements."""
    held_out = rung.show.answer_pairs(split="test", kept=True)
    others = [pair.cue for pair in spread_evenly(held_out, n=N_OTHERS)]
    return {"exam": [question.text for question in rung.show.questions()], "held-out": others}


def draw_all(rung: Rung, questions: Sequence[str], n: int) -> list[Said]:
    """`n` draws for each question, together; those without a word are left out."""
    asked, said = rung.show.exam_settings, list[Said]()
    with rung.base.speak(rung.folder("train"), n_at_once=1, n_together=n) as model:
        speaker = FramedSpeaker(model, reply_frame(rung.template))
        for place, question in enumerate(questions):
            prompt = render_question(question, "tuned", rung.show.voice, rung.template)
            sampling = Sampling(asked.seed + place * n, asked.temperature, asked.max_tokens, asked.repeat_penalty)
            replies = speaker.reply_often(prompt, sampling, n, tuned=True)
            said += [Said(question, one.text, question, at) for at, one in enumerate(replies) if one.text.strip()]
    return said


def measure(rung: Rung, said: Sequence[Said]) -> list[Draw]:
    """Weigh all draws and tell which keep to their question."""
    show = rung.show
    pairs = show.pairs(split="train", kept=True)
    subjects = learn_subjects([text for pair in pairs for text in (pair.cue, pair.reply)])
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
        for suffix, size in (("", 1), (", a byte", n_bytes), (", a root of bytes", n_bytes**0.5))
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


def choose(draws: Sequence[Draw], rule: str, n: int) -> list[Draw]:
    """The best of each `n` draws of a question that follow each other."""
    groups = dict[tuple[str, int], list[Draw]]()
    for draw in draws:
        groups.setdefault((draw.said.group, draw.said.sample // n), []).append(draw)
    return [max(of_one, key=lambda draw: draw.gains[rule]) for of_one in groups.values()]


def share(draws: Sequence[Draw]) -> float:
    """The share that keeps to its question."""
    credits = [draw.credit for draw in draws if draw.credit is not None]
    return sum(credits) / len(credits)


def main() -> None:
    """Print the table and the chosen draws."""
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    rung, n_draws = open_show(Path(sys.argv[1])).rung(), int(sys.argv[2]) if len(sys.argv) == 3 else 16
    lots = {name: measure(rung, draw_all(rung, asked, n_draws)) for name, asked in list_questions(rung).items()}
    sizes = [2**k for k in range(n_draws.bit_length()) if 2**k <= n_draws]
    print("rule | draws | exam | held-out | median words")
    for rule in lots["exam"][0].gains:
        for n in sizes:
            exam, others = (choose(lots[name], rule, n) for name in ("exam", "held-out"))
            words = statistics.median(len(draw.said.text.split()) for draw in exam)
            print(f"{rule} | {n} | {share(exam):.0%} | {share(others):.0%} | {words:g}")
    for draw in choose(lots["exam"], "untuned", n_draws):
        print(f"\n{draw.said.prompt}\n    {' '.join(draw.said.text.split())}")


if __name__ == "__main__":
    tell_usage(__doc__)
    main()
