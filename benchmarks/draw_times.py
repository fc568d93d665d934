"""How long an answer takes that is the best of several draws.

python benchmarks/draw_times.py SHOW

SHOW is a folder whose first rung is trained. Its exam's questions are asked of the tuned model, each once, with the
best of 1, 4 and 8 draws; prints seconds an answer, weighing in it, and the tokens of the answer that is given.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from written_tables import tell_usage

from econchatr.ask.exam import render_question
from econchatr.pipeline import open_show
from econchatr.pipeline.choosing import answer_best_of
from econchatr.pipeline.show import Rung
from econchatr.records import Sampling


def measure(rung: Rung) -> tuple[float, float]:
    """Seconds and tokens of an answer, means over the exam; a first answer that opens everything is not counted."""
    asked = rung.show.exam_settings
    prompts = [
        render_question(question.text, "tuned", rung.show.voice, rung.template) for question in rung.show.questions()
    ]
    sampling = Sampling(asked.seed, asked.temperature, asked.max_tokens, asked.repeat_penalty)
    with rung.speak(rung.folder("train"), n_at_once=1) as opened:
        speaker = answer_best_of(rung, opened)
        speaker.reply(prompts[0], sampling, tuned=True)
        start = time.perf_counter()
        replies = [speaker.reply(prompt, sampling, tuned=True) for prompt in prompts]
        seconds = time.perf_counter() - start
    return seconds / len(prompts), sum(reply.n_reply_tokens for reply in replies) / len(prompts)


def main() -> None:
    """Print the table."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    print("draws | seconds an answer | tokens")
    for n_draws in (1, 4, 8):
        rung = open_show(Path(sys.argv[1])).rung()
        rung.__dict__["n_draws"] = n_draws  # in place of what show.toml says
        seconds, tokens = measure(rung)
        print(f"{n_draws} | {seconds:.2f} | {tokens:.0f}")


if __name__ == "__main__":
    tell_usage(__doc__)
    main()
