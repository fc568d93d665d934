"""What is trained on, what training leaves behind, and what a training was worth."""

from __future__ import annotations

from typing import Literal

from econchatr.records.base import PairOrigin, Record, Split

# --- select -----------------------------------------------------------------------------------------------------------


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
    origin: PairOrigin = "said"
    """Of the pair."""


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

    answers_wanted: float | None = None
    """The share of the tokens that answer pairs should have; `None` in tables of earlier versions."""
    n_answers: int = 0
    """Answer pairs among the pairs."""
    n_answer_tokens: int = 0
    """Their part of `n_tokens`."""

    def tell_answers(self) -> str:
        """The share of answer pairs that was reached beside the one that was wanted, or empty."""
        if not self.answers_wanted or not self.n_tokens:
            return ""
        return (
            f"answer pairs: {self.n_answers:,} of {len(self.pair_ids):,} pairs, "
            f"{self.n_answer_tokens / self.n_tokens:.0%} of the tokens; wanted {self.answers_wanted:.0%}"
        )

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


# --- train ------------------------------------------------------------------------------------------------------------


class CurvePoint(Record):
    """One reading of the learning curve."""

    rung: str
    step: int
    n_seen_tokens: int
    train_loss: float | None
    """Mean loss per learned token since the last reading, in nats; `None` before the first step."""
    dev_loss: float | None
    """Mean loss per learned token on the development pairs, in nats."""
    is_best: bool


_NOTICES = {
    "gemma": "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms",
}
"""What must stand beside a base with this licence and every model made of it. Source: Gemma Terms of Use, 3.1."""


class TunedModel(Record):
    """An adapter, tied by hash to the selection and the base weights that made it."""

    rung: str
    base_model: str
    base_sha256: str
    """Of the base weights file the adapter was trained on."""
    weights: str
    """Which weights these are, in words: `SmolLM2-135M-Instruct, 4-bit (Q4_1) dequantized`."""
    selection_sha256: str
    adapter_path: str
    """Below the show's folder: peft's safetensors."""
    adapter_sha256: str
    gguf_path: str | None
    """Below the show's folder: the same adapter for llama.cpp; `None` where the base is not a Llama-type GGUF."""
    gguf_sha256: str | None
    n_steps: int
    best_step: int
    n_trained_tokens: int
    dtype: str
    n_agreeing_questions: int | None
    """Questions whose answers transformers and llama.cpp find equally likely; `None`: not checked."""
    n_checked_questions: int
    licence: str = ""
    """Of the base, as its makers name it: `apache-2.0`, `gemma`; empty: not told."""
    base_commit: str = ""
    """The model hub's revision the base weights are of; empty: they are not from there."""

    def tell_licence(self) -> str:
        """The base's licence, with the sentence that its makers want beside it."""
        notice = _NOTICES.get(self.licence, "")
        return f"{self.licence or 'not told'}{f' ({notice})' if notice else ''}"

    form: str = ""
    """What stood around each reply in training, as `prompts.name_frame` gives it; empty: nothing but `eos` after it."""

    @property
    def ends_with_line(self) -> bool:
        """Whether a line break ends its replies."""
        return self.form.endswith(r'"\n"]')


class HostedTuning(Record):
    """A model that a service tuned, tied by hash to its selection; its weights stay there."""

    rung: str
    service: str
    """Name of its profile."""
    base_model: str
    """As the service calls it."""
    tuned_model: str
    outside_job: str
    """The service's id of the job."""
    our_job: str
    """Ours, under which the ledger has it."""
    selection_sha256: str
    asked: str
    """Everything that was asked for, as JSON: model, hyperparameters, seed, hashes of the files."""
    resolved: str
    """Hyperparameters as the service resolved them, as JSON; empty: it does not say."""
    n_billed_tokens: int | None
    """Of all epochs; `None`: the service does not say."""
    charged_usd: str | None
    """Decimal dollars; `None`: nothing."""


class EpisodeSaving(Record):
    """What one training saved on one held-out episode."""

    slug: str
    host_bits: float
    """Bits by which the host's replies became less surprising, summed."""
    host_bytes: int
    guest_bits: float
    guest_bytes: int


class Trial(Record):
    """One fine-tune of a comparison of strategies."""

    key: str
    """Hash of all that decides the result."""
    strategy: str
    share: float
    """Of the pool's billed tokens that the budget allows, 0 to 1."""
    selection_seed: int
    train_seed: int
    n_pairs: int
    n_tokens: int
    """Billed tokens of one epoch."""
    n_steps: int
    seconds: float
    savings: tuple[EpisodeSaving, ...]


class ComparedStrategy(Record):
    """What one strategy is worth at one budget."""

    strategy: str
    share: float
    n_trials: int
    mean_pairs: float
    mean_tokens: float
    mean_steps: float
    value: float
    """Host bits saved, in bits per byte; the mean of the trials."""
    low: float | None
    """95% interval over episodes and trials; `None`: one episode cannot give one."""
    high: float | None
    over_random: float | None
    """Difference from random choice at the same budget; `None`: random was not tried there."""
    over_random_low: float | None
    over_random_high: float | None
