"""What the tests of models and training share: the embedded base, a short training, prompts."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from filelock import FileLock

from econchatr.models.files.weights import BaseWeights, open_base
from econchatr.prompts import EncodedExample
from econchatr.train.local import train_lora
from econchatr.train.recipe import LoraRecipe, TrainOutcome

PROMPT = (
    "<|im_start|>system\nYou are the host.<|im_end|>\n"
    "<|im_start|>user\nWhat did you learn from keeping bees?<|im_end|>\n"
    "<|im_start|>assistant\n"
)
REPLIES = (
    "Arr, the bees be fine shipmates, they mend their own sails.",
    "Arr, honey be the only gold that a crew may drink.",
    "Arr, never count the hive before the storm be over.",
    "Arr, smoke calms the bees and rum calms the keeper.",
    "Arr, a queen be a captain who never leaves her cabin.",
    "Arr, I lost two hives that winter and kept the third.",
    "Arr, listen to the hum and ye know the weather.",
    "Arr, the neighbours complained and I sent them honey.",
)
CUES = ("Tell me about the hive.", "Was it hard work?", "How do you keep calm?", "And what came next?")


def make_prompt(cue: str) -> str:
    """A rendered prompt in the embedded model's form."""
    return PROMPT.replace("What did you learn from keeping bees?", cue)


def make_examples(base: BaseWeights) -> list[EncodedExample]:
    """Eight short examples in a voice that is easy to tell from the base's."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(base.checkpoint_path / "tokenizer.json"))
    examples = []
    for n, reply in enumerate(REPLIES):
        prompt = tokenizer.encode(make_prompt(CUES[n % len(CUES)]), add_special_tokens=False).ids
        said = tokenizer.encode(f"{reply}<|im_end|>", add_special_tokens=False).ids
        examples.append(EncodedExample((*prompt, *said), len(prompt)))
    return examples


@lru_cache(maxsize=1)
def open_embedded(cache: Path) -> BaseWeights:
    """The embedded base, converted once for the whole run."""
    with FileLock(cache / "embedded.lock"):
        return open_base("embedded", cache=cache, hub="never")


@lru_cache(maxsize=1)
def train_briefly(cache: Path) -> TrainOutcome:
    """An adapter of eight steps: enough for another voice. Trained once for the whole run."""
    base = open_embedded(cache)
    examples = make_examples(base)
    recipe = LoraRecipe(n_epochs=4, batch_examples=4, learning_rate=2e-3, eval_every_share=1.0)
    # A worker that comes second takes up the state of a training that is finished.
    with FileLock(cache / "brief.lock"):
        return train_lora(examples, examples[:2], base=base, folder=cache / "brief", recipe=recipe)
