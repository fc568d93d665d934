"""What the tests of the report share about a round on preferences: the made-up show, once with one on top."""

from __future__ import annotations

from typing import Any

from econchatr.records import Gate, PreferenceOutcome, Score
from econchatr.report.material import ReportMaterial
from tests.helpers.report_material import HASH, RUNG, make_material

REASON = "The host's development replies take 1.0900 bits per byte, -0.0020, and no gate was lost."


def make_outcome(**changes: Any) -> PreferenceOutcome:
    fields: dict[str, Any] = {
        "rung": RUNG, "method": "dpo", "source": "rankings", "n_preferences": 13, "n_scorers": 2, "n_steps": 4,
        "strength": 0.5, "beta": 0.1, "learning_rate": 2e-4, "tuned_sha256": HASH, "adapter_path": "a",
        "adapter_sha256": "b" * 64, "gguf_path": None, "gguf_sha256": None, "n_held_out": 37, "bits_base": 1.2,
        "bits_before": 1.092, "bits_after": 1.09, "bits_change_low": -0.0031, "bits_change_high": -0.0009,
        "copied_before": 0.011, "copied_after": 0.012, "copied_limit": 0.03, "gates_lost": (), "words_before": 65.0,
        "words_after": 48.0, "n_kept_out": 2, "agreement_before": 0.5, "agreement_after": 1.0,
        "n_agreeing_questions": 11, "n_checked_questions": 12, "is_kept": True, "reason": REASON,
    }  # fmt: skip
    return PreferenceOutcome.model_validate({**fields, **changes})


def make_score(measure: str, variant: str, value: float, low: float, high: float, **more: Any) -> Score:
    fields = {"subject": "answers", "n": 12, "unit": "share", "rung": RUNG, **more}
    return Score(measure=measure, variant=variant, value=value, low=low, high=high, **fields)


def make_scores() -> tuple[Score, ...]:
    before, after, change = "tuned before preferences", "preferred", "preferred minus tuned"
    dev: dict[str, Any] = {"subject": "host replies (dev)", "n": 37, "unit": "bits"}
    return (
        make_score("voice", before, 0.61, 0.31, 0.92), make_score("voice", after, 0.72, 0.4, 1.04),
        make_score("voice, closer to the host by", change, 0.11, -0.08, 0.3),
        make_score("copied words", before, 0.011, 0.004, 0.028), make_score("copied words", after, 0.012, 0.005, 0.03),
        make_score("median reply words", before, 65, 51, 80), make_score("median reply words", after, 48, 40, 57),
        make_score("bits per byte", before, 1.092, 1.049, 1.138, **dev),
        make_score("bits per byte", after, 1.09, 1.047, 1.135, **dev),
        make_score("bits per byte", change, -0.002, -0.0031, -0.0009, **dev),
    )  # fmt: skip


def make_gates(outcome: str = "passes") -> tuple[Gate, ...]:
    return tuple(
        Gate(gate=gate, rung=RUNG, variant=variant, outcome=now, value=0.012, limit=0.03, n=12, reason=f"{gate} told.")
        for gate in ("copying", "repetition", "on the question", "length")
        for variant, now in (("tuned before preferences", "passes"), ("preferred", outcome))
    )  # type: ignore[misc]


def make_round(*, outcome: str = "passes", **changes: Any) -> ReportMaterial:
    """The made-up show, with a round on preferences."""
    material = make_material()
    update = {
        "rounds": (make_outcome(**changes),), "scores": (*material.scores, *make_scores()),
        "gates": (*material.gates, *make_gates(outcome)),
    }  # fmt: skip
    return material.model_copy(update=update)
