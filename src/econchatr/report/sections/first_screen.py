"""The first screen: one question before and after, how many are right, whether readers can tell, habits, cost.

One sentence weighs them. People outrank the judge, the judge outranks rules; Voice is named only where none of them is.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from math import exp, lgamma, log
from typing import Final

from econchatr.display import name_hosts
from econchatr.records import Pair, Question, RightCount
from econchatr.records.measures import HELD_OUT_CUES, Measure
from econchatr.report.formats import count_noun, format_decimal, format_usd
from econchatr.report.habits import Habits, find_sayings, measure_habits
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Block, Box, Facts, Paragraph, Section, Statement, Table, tabulate
from econchatr.report.sections.answered import lay_out_before_and_after, tell_draws
from econchatr.report.sections.right_told import tell_by_marker, tell_reported
from econchatr.report.sections.verdict import give_verdicts
from econchatr.speech_acts import Act, asks_back

_GUESS: Final = 0.2
_SURE: Final = 0.025
"""So rarely at most a guesser finds the real reply as often: readers can tell then."""
_MIN_ASKED: Final = 20
"""Real questions put to the host, from which on its habits are those of its answers. As where answers are scored."""
_FORMS: Final = (
    ("base", "Before: base model"),
    ("persona", "Base model with a persona prompt"),
    ("tuned", "After: tuned model"),
)
_RANKS: Final = {
    "people": "as people mark them",
    "judge": "as the LLM judge marks them",
    "rule": "by the exam’s own rules",
}
"""Who outranks whom."""


def first_screen(material: ReportMaterial) -> Section:
    """Give what a reader with one minute should see."""
    rungs = list_rungs(material)
    blocks: list[Block] = list(_show_question(material, rungs[0], is_only=len(rungs) == 1)) if rungs else []
    for rung in rungs:
        blocks.append(Box("glance", tuple(_lay_out(material, rung, is_only=len(rungs) == 1))))
    unasked = Paragraph("No model has been asked yet.", "absent")
    return Section("first", "At a glance", tuple(blocks) or (unasked,), menu="At a glance")


def list_rungs(material: ReportMaterial) -> tuple[str, ...]:
    """Name the rungs that were asked, in the order of their answers."""
    return tuple(dict.fromkeys(answer.rung for answer in material.answers))


def _show_question(material: ReportMaterial, rung: str, *, is_only: bool) -> Iterator[Block]:
    if question := choose_question(material, rung):
        yield lay_out_before_and_after(material, question, rung, key=f"first-{question.question_id}")
        of = "" if is_only else f" The answers are of {rung}."
        why = f"Not picked for being good: the first question whose answer a rule can mark.{of}"
        yield Paragraph(" ".join((why, *tell_draws(material.answers))), "note")


def _lay_out(material: ReportMaterial, rung: str, *, is_only: bool) -> Iterator[Block]:
    if not is_only:
        yield Paragraph(rung, "variant")
    right = [(f"{title[:1].upper()}{title[1:]}", f"{told}.") for title, told in tell_by_marker(_count(material, rung))]
    is_first = rung == list_rungs(material)[0]
    reported = [("Reported", tell_reported(material.reported))] if material.reported and is_first else []
    yield Facts((*right, *reported, ("Can readers tell?", tell_readers(material, rung))))
    if habits := measure_all_habits(material, rung):
        yield _tabulate_habits(material, rung, habits)
    yield Facts((("What it cost", tell_cost(material, rung)),))
    yield Statement(weigh(material, rung))


def choose_question(material: ReportMaterial, rung: str) -> Question | None:
    """Choose the first question with a marked answer of the tuned model, else the first; `None`: none is asked."""
    marked = {
        mark.question_id
        for mark in material.marks
        if (mark.rung, mark.variant, mark.wording) == (rung, "tuned", 0) and mark.worth is not None
    }
    found = [question for question in material.questions if question.question_id in marked]
    return next(iter(found or material.questions), None)


def _count(material: ReportMaterial, rung: str) -> tuple[RightCount, ...]:
    """Give the counts of a rung, those of people first."""
    return tuple(count for marker in _RANKS for count in material.find_right_counts(rung, marker))


# --- readers ----------------------------------------------------------------------------------------------------------


def tell_readers(material: ReportMaterial, rung: str) -> str:
    """Say how often people found the real reply among five, on sheets and in the playground."""
    found, n = count_found(material, rung)
    if not n:
        return "Not tried yet: econchatr blind makes a page for readers; econchatr play has a tab Blind."
    return f"Readers found the real one {_tell_found(found, n)}; a guess finds one of five."


def _tell_found(found: float, n: int) -> str:
    return f"{round(found, 1):,g} of {n:,}"


def count_found(material: ReportMaterial, rung: str) -> tuple[float, int]:
    """Count how often the real reply was found, and of how many: cues of the sheets, guesses in the playground."""
    score = material.find_score(Measure.BLIND_PICKS, rung, "tuned", HELD_OUT_CUES)
    guesses = [is_right for of_rung, is_right in material.guesses if of_rung == rung]
    found, n = (0.0, 0) if score is None or score.value is None else (score.value * score.n, score.n)
    return found + sum(guesses), n + len(guesses)


# --- habits and cost --------------------------------------------------------------------------------------------------


def measure_all_habits(material: ReportMaterial, rung: str) -> dict[str, Habits]:
    """Measure the habits of each form of the model, and of the host in held-out episodes: when asked, if often."""
    kept = [pair for pair in material.pairs if pair.is_kept]
    sayings = find_sayings((pair.slug, pair.reply) for pair in kept if pair.split == "train")
    texts = {
        form: [
            one.reply.text
            for one in material.answers
            if (one.rung, one.variant) == (rung, form) and one.reply is not None and one.error is None
        ]
        for form, _ in _FORMS
    }
    texts["host"] = [pair.reply for pair in _list_held_out(material)[0]]
    return {form: found for form, said in texts.items() if (found := measure_habits(said, sayings)) is not None}


def _list_held_out(material: ReportMaterial) -> tuple[list[Pair], bool]:
    """List the host's held-out replies to questions, or all where too few are; and whether they are the former."""
    held_out = [pair for pair in material.pairs if pair.is_kept and pair.split == "test"]
    # Every cue that ends in a question holds one, which the pair knows: few are read once more.
    asked = [pair for pair in held_out if pair.cue_act in (Act.ASKS, Act.BOTH) and asks_back(pair.cue)]
    return (asked, True) if len(asked) >= _MIN_ASKED else (held_out, False)


def _tabulate_habits(material: ReportMaterial, rung: str, habits: dict[str, Habits]) -> Table:
    titles = dict(_FORMS) | {"host": f"{name_hosts(material.hosts)}, in new episodes"}
    replies = "replies to questions" if _list_held_out(material)[1] else "all replies, also where nobody asked"
    return tabulate(
        f"habits-{list_rungs(material).index(rung)}",
        "What it did learn",
        habits.items(),
        {
            "": lambda row: titles[row[0]],
            "#words": lambda row: format_decimal(row[1].n_words, 0),
            "#with a saying": lambda row: f"{row[1].n_with_saying} of {row[1].n}",
            "#ask back": lambda row: f"{row[1].n_ask_back} of {row[1].n}",
        },
        note="Words of a typical answer; answers that hold a saying (four words in a row that the host says in many "
        f"training episodes); answers that ask back. Of the host: {replies}.",
    )


def tell_cost(material: ReportMaterial, rung: str) -> str:
    """Say what a rung's training cost in dollars, minutes and steps."""
    charged = sum((row.charged_usd - row.refunded_usd for row in material.bill if row.rung == rung), Decimal(0))
    tuned = next((one for one in material.tuned_models if one.rung == rung), None)
    minutes = dict(material.minutes).get(rung)
    took = f" in {count_noun(max(1, round(minutes)), 'minute')}" if minutes is not None else ""
    where = "" if charged else ", at home"
    trained = f" for {count_noun(tuned.n_steps, 'step')} of training{where}{took}" if tuned else ""
    return f"{format_usd(charged)}{trained}."


# --- the sentence that weighs them ------------------------------------------------------------------------------------


def weigh(material: ReportMaterial, rung: str) -> str:
    """Weigh what was found in one sentence: people, then the judge, then rules; Voice only where none is there."""
    readers, (marker, marks) = _weigh_readers(material, rung), _weigh_marks(material, rung)
    if not (readers or marks):
        verdict = next((one.sentence for one in give_verdicts(material) if one.rung == rung), "")
        marks = verdict.rstrip(".") or f"How near {rung} comes to its host was not measured"
    missing = [
        *(["marked its answers"] if marker != "people" else []),
        *([] if readers else [f"tried to tell it from {name_hosts(material.hosts)}"]),
    ]
    yet = f"nobody has {' or '.join(missing)} yet" if missing else ""
    return (
        "; ".join(filter(None, (readers, marks, _weigh_opposites(material, rung), _weigh_asking(material, rung), yet)))
        + "."
    )


def _weigh_readers(material: ReportMaterial, rung: str) -> str:
    (n_found, n), host = count_found(material, rung), name_hosts(material.hosts)
    if not n:
        return ""
    found = _tell_found(n_found, n)
    if weigh_guesses(n_found, n) < _SURE:
        return f"Readers tell {rung} from {host}: they found the real one {found} times"
    return f"Readers found {host}’s own reply {found} times, which does not show that they can tell {rung} from it"


def weigh_guesses(n_found: float, n: int) -> float:
    """How likely chance alone finds the real reply so often, or more often, in `n` guesses."""
    whole, hit, miss = lgamma(n + 1), log(_GUESS), log(1 - _GUESS)  # whole numbers would grow too large
    return sum(
        exp(whole - lgamma(k + 1) - lgamma(n - k + 1) + k * hit + (n - k) * miss) for k in range(round(n_found), n + 1)
    )


def _weigh_marks(material: ReportMaterial, rung: str) -> tuple[str, str]:
    """Give the marker that outranks the others, and what it says of the tuned model; both empty: nobody marked."""
    counts = [count for count in _count(material, rung) if count.n_right is not None]
    for marker, by in _RANKS.items():
        own = {count.variant: f"{count.n_right:g} of {count.n_marked}" for count in counts if count.marker == marker}
        if "tuned" in own:
            before = f", and before training {own['base']}" if "base" in own else ""
            return marker, f"{rung} gets {own['tuned']} questions right{before}, {by}"
    return "", ""


def _weigh_opposites(material: ReportMaterial, rung: str) -> str:
    own = [
        mark for mark in material.marks if (mark.rung, mark.variant, mark.wording, mark.sample) == (rung, "tuned", 0, 0)
    ]
    n = sum(mark.says_opposite for mark in own)
    return f"to {n} of the questions it says the opposite of {name_hosts(material.hosts)}" if n else ""


def _weigh_asking(material: ReportMaterial, rung: str) -> str:
    habits = measure_all_habits(material, rung)
    own, host = habits.get("tuned"), habits.get("host")
    if own is None or host is None or own.n_ask_back / own.n <= host.n_ask_back / host.n:
        return ""
    really = f"{name_hosts(material.hosts)} in {host.n_ask_back} of {host.n}"
    return f"it asks back in {own.n_ask_back} of {own.n} answers, {really}"
