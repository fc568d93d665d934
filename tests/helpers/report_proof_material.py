"""The made-up show with everything a proof leaves: every row, gates, copied runs, nearest quotes, held-out replies."""

from __future__ import annotations

from econchatr.records import (
    Answer,
    CopiedSpan,
    Failure,
    Gate,
    HeldOutReply,
    Mark,
    NearQuote,
    Overlap,
    Probe,
    Reply,
    RightCount,
    Score,
)
from econchatr.report import ReportMaterial
from tests.helpers.report_material import HASH, QUESTIONS, RUNG, make_answers, make_material

GATES = ("copying", "repetition", "on the question", "length")
VOICES = {
    "host": (0.98, 0.84, 1.12),
    "guest": (0.03, -0.2, 0.24),
    "base": (0.26, 0.15, 0.36),
    "persona": (0.34, 0.1, 0.58),
    "retrieval": (0.41, 0.2, 0.62),
    "parrot": (1.09, 0.8, 1.4),
    "tuned": (0.74, 0.61, 0.87),
    "grounded": (0.79, 0.63, 0.95),
}
COPIED_RUN = "what you learn is who fills in forms"


def score(measure: str, variant: str, value: float | None, *ends: float, **more: object) -> Score:
    low, high = ends if ends else (None, None)
    fields = {"measure": measure, "rung": RUNG, "variant": variant, "subject": "answers", "n": 48, "unit": "share"}
    return Score.model_validate(fields | {"value": value, "low": low, "high": high} | more)


def gate(variant: str, name: str = "copying", outcome: str = "passes", **more: object) -> Gate:
    fields = {"gate": name, "rung": RUNG, "variant": variant, "outcome": outcome, "value": 0.02, "limit": 0.06}
    return Gate.model_validate(fields | {"n": 48, "reason": f"2.0% of {name}; 6.0% is the limit."} | more)


def make_gates(closed: dict[str, str] | None = None) -> tuple[Gate, ...]:
    """Give four open gates per row; `closed` names a gate that fails, by row. The parrot copies."""
    fails = {"parrot": "copying"} | (closed or {})
    return tuple(
        gate(variant, name, "fails" if fails.get(variant) == name else "passes") for variant in VOICES for name in GATES
    )


def make_proof_scores() -> tuple[Score, ...]:
    closed_questions = {"subject": "closed questions", "n": 40}
    return (
        *(score("voice", variant, *ends) for variant, ends in VOICES.items()),
        score("voice, closer to the host by", "tuned minus base", 0.48, 0.31, 0.65),
        score("voice, closer to the host by", "tuned minus persona", 0.4, -0.02, 0.82),
        *(score("copied words", variant, 0.02, 0.0, 0.05) for variant in ("host", "base", "tuned", "grounded")),
        score("copied words", "parrot", 0.99, 0.97, 1.0),
        score("longest copied run", "tuned", 8.0),
        score("longest copied run", "base", 0.0),
        score("true reply among twenty", "base", 0.07, 0.02, 0.12, subject="host replies (test)"),
        score("true reply among twenty", "tuned", 0.19, 0.12, 0.26, subject="host replies (test)"),
        score("made-up rate", "tuned", 0.6, 0.4, 0.8, **closed_questions),
        score("confabulation", "tuned", 0.7, 0.5, 0.9, **closed_questions),
        score("coverage", "tuned", 0.25, 0.1, 0.4, **closed_questions),
        score("made-up rate", "base", None, subject="closed questions", n=0, reason="no name was given"),
        score("wording's share of the spread", "tuned", 0.3, 0.1, 0.5, subject="answers, words said"),
        score("blind picks of the real host", "tuned", 0.5, 0.3, 0.7, subject="held-out cues (test)", n=12),
    )


def make_more_answers() -> tuple[Answer, ...]:
    """Give the two forms with excerpts, first samples only."""
    return tuple(
        answer.model_copy(update={"variant": {"tuned": "grounded", "base": "retrieval"}[answer.variant]})
        for answer in make_answers()
        if answer.variant in ("tuned", "base") and answer.sample == 0
    )


def make_right_counts() -> tuple[RightCount, ...]:
    """Give what the rule found of two forms, in the best of four tries too; people marked nothing yet."""
    fields = {"rung": RUNG, "n_questions": 12}
    found = {"base": {"n_right": 0.0, "best_of_tries": 2.0}, "tuned": {"n_right": 4.5, "best_of_tries": 6.0}}
    return (
        *(RightCount(marker="rule", variant=one, n_marked=11, n_tries=4, **fields, **of) for one, of in found.items()),
        *(
            RightCount(marker="people", variant=one, n_right=None, n_marked=0, reason="not marked yet", **fields)
            for one in found
        ),
    )  # type: ignore[arg-type]


def make_proved_material() -> ReportMaterial:
    """Give the made-up show with its proof."""
    material = make_material()
    answers = (*material.answers, *make_more_answers())
    slug, published = material.episodes[0].slug, material.episodes[0].published
    spoken = [answer for answer in answers if answer.reply is not None]
    nearest = tuple(
        NearQuote(
            rung=RUNG, variant=answer.variant, question_id=answer.question_id, sample=answer.sample,
            text="Right, and who was asked?" if place % 2 else "", likeness=0.61 if place % 2 else 0.12,
            slug=slug if place % 2 else "", published=published if place % 2 else None, position=3 if place % 2 else -1,
        )
        for place, answer in enumerate(spoken)
    )  # fmt: skip
    spans = tuple(
        CopiedSpan(rung=RUNG, variant=answer.variant, group=answer.question_id, sample=answer.sample, n_words=8,
                   text=COPIED_RUN, slug=slug, published=published, position=3)
        for answer in spoken if answer.reply is not None and COPIED_RUN in answer.reply.text
    )  # fmt: skip
    test = [pair for pair in material.pairs if pair.split == "test" and pair.is_kept]
    replies = tuple(
        HeldOutReply(
            rung=RUNG, side="host", pair_id=pair.pair_id, cue=pair.cue, reply=f"{pair.reply}, and that is {place}.",
            n_bytes=200, base_bits=250.0, tuned_bits=250.0 - 10 * (place - 2),
        )
        for place, pair in enumerate(test)
    )  # fmt: skip
    probe = Answer(
        question_id="year-2021", rung=RUNG, variant="tuned", model_sha256=HASH, sample=0, seed=1, error=None,
        reply=Reply(text="=HYPERLINK(1)", stop="end", n_prompt_tokens=9, n_reply_tokens=4),
    )  # fmt: skip
    doubtful = material.episodes[2].model_copy(update={"doubt": "the file ends in the middle", "language": "en"})
    kept = [pair for pair in material.pairs if pair.split == "train" and pair.is_kept]
    made = {"origin": "made", "made_by": "rule 1", "cue": "What do you make of kettles?"}
    return material.model_copy(
        update={
            "taken": (kept[0].model_copy(update=made), kept[1].model_copy(update={"origin": "asked"})),
            "minutes": ((RUNG, 3.4),),
            "right": make_right_counts(),
            "real_words": tuple(
                (one.question_id, "A census of the nosy.", "On tides, 1 May 2021") for one in QUESTIONS
            ),
            "episodes": (*material.episodes[:2], doubtful, *material.episodes[3:]),
            "failures": (
                *material.failures,
                Failure(stage="fetch", item="gone.html", error="FetchError", message="404", hint="Ask its owner."),
            ),
            "answers": answers,
            "more_answers": (probe,),
            "probes": (
                Probe(
                    probe_id="year-2021",
                    kind="guests by year",
                    text="Who was a guest in 2021?",
                    is_answerable=True,
                    right=("Mirela Dunne",),
                ),
            ),
            "marks": (
                Mark(question_id="bees", rung=RUNG, variant="tuned", sample=0, wording=0, grade="wrong", likeness=0.2),
            ),
            "scores": (*(one for one in material.scores if one.measure != "voice"), *make_proof_scores()),
            "gates": make_gates(),
            "spans": spans,
            "nearest": nearest,
            "replies": replies,
            "overlaps": (Overlap(rung=RUNG, n_exam_words=9, words=("kettle", "bees"), share=0.2, pool_share=0.1),),
            "system_line": "AI imitation of Hester Pellow, host of The Slow Answer.",
            "hub_ids": ((RUNG, "org/SmolLM2-135M-Instruct"),),
            "made": (("fetch", HASH), (f"score/{RUNG}", HASH[::-1])),
            "versions": (("Python", "3.11.9"), ("torch", "2.13.0")),
            "files": ("report.md", "answers.csv"),
        }
    )


QUESTION_IDS = tuple(question.question_id for question in QUESTIONS)
