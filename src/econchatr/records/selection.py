"""What is trained on, and why: examples as a model sees them, the selection of each rung, the reason for each pair."""

from __future__ import annotations

from typing import Literal

from econchatr.records.base import Record, Split


class Message(Record):
    """One message as a chat model gets it."""

    role: Literal["system", "user", "assistant"]
    content: str


class Example(Record):
    """A pair as one rung's model sees it."""

    pair_id: str
    rung: str
    split: Split
    messages: tuple[Message, ...]
    n_billed_tokens: int
    """All tokens of the example in one epoch, template included, by the rung's own tokenizer."""
    n_learned_tokens: int
    """Tokens that carry loss: the reply and the token that ends it."""
    n_cut_cue_tokens: int = 0
    """Tokens cut from the beginning of the cue to fit the rung's example length."""
    n_cut_reply_tokens: int = 0
    """Tokens cut from the end of the reply; such an example does not teach where to stop."""


class Selection(Record):
    """The examples chosen for one rung within its budget."""

    rung: str
    strategy: str
    seed: int
    n_epochs: int
    pair_ids: tuple[str, ...]
    """In the order in which they were taken: a smaller budget keeps a beginning of this list."""
    n_pool_pairs: int
    n_pool_tokens: int
    """Billed tokens of one epoch over every kept training pair."""
    n_tokens: int
    """Billed tokens of one epoch over the selection."""
    limit_tokens: int
    """What the budget allows for one epoch."""
    budget: str
    """The budget in words, as the user gave it: `$10.00`, `100000 tokens`, `20 minutes`."""
    cost_usd: str | None
    """Decimal dollars of all epochs; `None` for a rung trained at home."""
    sha256: str
    """Of the ordered pair ids and their texts: the hash a tuned model is tied to."""
    n_learned_tokens: int | None = None
    """Of the selection, in one epoch: what is left of `n_tokens` when cues and template are taken away."""
    n_pool_learned_tokens: int | None = None
    n_pinned: int = 0
    n_banned: int = 0
    """Pairs that the user took out of the pool."""
    certificate: float | None = None
    """At least this share of the best possible cover within the budget is reached, 0 to 1, rounded down; `None`: the
    strategy covers nothing on purpose."""
    random_share: float | None = None
    """What random choices of the same cost cover, as a share of what this one does: the mean of five."""

    def tell_cover(self) -> str:
        """How good the cover is, in words; empty where there is no certificate."""
        if self.certificate is None:
            return ""
        told = f"at least {int(self.certificate * 100 + 1e-6)}% of the best possible cover at this cost"
        if self.random_share is None:
            return told
        return f"{told}; random choices cover {self.random_share:.0%} of what this one does"

    def tell_lengths(self) -> str:
        """Mean lengths of the selection and of all pairs, in words; empty where they were not counted."""
        if self.n_learned_tokens is None or self.n_pool_learned_tokens is None or not self.pair_ids:
            return ""
        n_rest, n_pool_rest = self.n_tokens - self.n_learned_tokens, self.n_pool_tokens - self.n_pool_learned_tokens
        return (
            f"tokens on average, all pairs in brackets: a reply {self.n_learned_tokens / len(self.pair_ids):.0f} "
            f"({self.n_pool_learned_tokens / self.n_pool_pairs:.0f}), what stands before it "
            f"{n_rest / len(self.pair_ids):.0f} ({n_pool_rest / self.n_pool_pairs:.0f})"
        )


class Reason(Record):
    """Why one pair of the pool was taken or left."""

    pair_id: str
    rung: str
    """The rung with the smallest budget that has it; those with more have it too. Empty: none has."""
    position: int | None
    """0 for the pair taken first; `None`: not taken."""
    reason: str
    stratum: str = ""
    """Which pairs it was weighed against, in words; empty: all, or none."""
    cost: int | None
    """For that rung, or for the largest budget where none has it; `None`: banned, and never counted."""
    gain: float | None = None
    """What it added to the cover; for one left, what it would add in the end. `None`: the strategy does not weigh."""
    firsts: tuple[str, ...] = ()
    """Words and pairs of words that it was the first to bring, the commonest of them."""


class Overlap(Record):
    """How far a selection leans towards the exam's own subjects."""

    rung: str
    n_exam_words: int
    """Uncommon words of the questions and their expected answers."""
    words: tuple[str, ...]
    """Those of them that the chosen replies hold, the most favoured first."""
    share: float
    """Of the chosen replies, those with such a word; 0 to 1."""
    pool_share: float
    """The same of all replies that could be chosen."""
    subjects: tuple[str, ...] = ()
    """Subjects the strategy looks for that stand in the exam."""

    def tell(self, *, n_words: int = 8) -> str:
        """The overlap in words, with the first of the exam's words."""
        held = ": " + ", ".join(self.words[:n_words]) if self.words else ""
        told = (
            f"{self.share:.1%} of its replies hold a subject word of the exam, of all replies {self.pool_share:.1%}; "
            f"it has {len(self.words)} of the exam's {self.n_exam_words}{held}{' ...' * (len(self.words) > n_words)}"
        )
        return told + (f"; the strategy looks for {', '.join(self.subjects)}" if self.subjects else "")
