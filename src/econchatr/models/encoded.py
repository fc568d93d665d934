"""The form in which a conversation reaches a model's weights: token numbers, and where the reply begins.

Knows no tokenizer and no template; `prompts` decides what the numbers say.
"""

from __future__ import annotations

from dataclasses import dataclass

from econchatr.errors import InputError


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """A prompt and its reply as token numbers."""

    ids: tuple[int, ...]
    """The rendered prompt, then the reply with the token that ends it."""
    n_prompt: int
    """Tokens before the reply; the rest carry loss."""

    def __post_init__(self) -> None:
        if not 0 < self.n_prompt < len(self.ids):
            raise InputError(
                f"an example of {len(self.ids)} tokens has {self.n_prompt} of prompt: nothing to learn from.",
                hint="Raise max_example_tokens, or drop the example.",
            )

    @property
    def n_reply(self) -> int:
        """Tokens that carry loss."""
        return len(self.ids) - self.n_prompt
