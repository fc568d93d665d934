"""How surprising the embedded model finds texts, measured as the step `score` does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from econchatr.models.base_model import Base
from econchatr.models.llama.meter import reply_nats
from econchatr.prompts import Voice, chat_messages, encode_example, system_line
from econchatr.score.gates import Ruling
from econchatr.score.rows import Yardstick
from econchatr.score.sense import MAX_TOKENS, Sense, Surprise, judge_sense, pick_measurable, summarise_sense
from econchatr.score.speech import Said
from econchatr.tokens import cut_left, cut_right


class SenseMeter:
    """Measures under the embedded base, beside the host of one show."""

    def __init__(self, cache: Path) -> None:
        """Open the embedded base."""
        self._base = Base("embedded", cache, may_ask_hub=False)
        self.host = Sense(None)

    def set_host(self, yardstick: Yardstick, *, n: int = 60) -> None:
        """Measure the held-out host, whose range is the limit."""
        self.host = self.measure(yardstick.host, n=n)

    def measure(self, said: Sequence[Said], *, n: int) -> Sense:
        """Measure so many of the replies."""
        picked = pick_measurable(said, n=n)
        tokenizer, template, system = (
            self._base.tokenizer(),
            self._base.template,
            system_line(Voice("the host", "a show")),
        )
        examples, sizes = [], []
        for one in picked:
            cue, _ = cut_left(one.prompt, tokenizer, n_tokens=256)
            text, _ = cut_right(one.text, tokenizer, n_tokens=MAX_TOKENS)
            messages = chat_messages(cue, text, system=system)
            examples.append(encode_example(messages, template, tokenizer.encode, is_whole=False))
            sizes.append(len(text.encode()))
        nats = reply_nats(examples, checkpoint=self._base.weights().checkpoint_path, adapter=None)
        bits = [value / math.log(2) / size for value, size in zip(nats, sizes, strict=True)]
        return summarise_sense([Surprise(one.group, value) for one, value in zip(picked, bits, strict=True)])

    def judge(self, said: Sequence[Said], *, n: int) -> Ruling:
        """Judge so many of the replies."""
        return judge_sense(self.measure(said, n=n), self.host, model="the embedded model")
