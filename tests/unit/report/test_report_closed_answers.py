"""Closed questions stand with what was answered, and what the wording of a question does is told."""

from __future__ import annotations

from econchatr.records.measures import Measure
from econchatr.report.sections.measured import tabulate_closed_answers, tell_wording
from tests.helpers.report_proof_material import make_proved_material, score


def test_share_of_the_wording_is_told() -> None:
    told = tell_wording(make_proved_material())
    assert any(
        "(words said), 30% (95% interval 10% to 50%) comes from how the question is worded" in one for one in told
    )


def test_what_is_unscored_or_of_another_row_is_not_told() -> None:
    scores = (score(Measure.WORDING_SHARE, "tuned", None, reason="one draw"), score("voice", "base", 0.3))
    assert tell_wording(make_proved_material().model_copy(update={"scores": scores})) == ()


def test_closed_question_stands_with_its_right_name_and_the_answer() -> None:
    table = tabulate_closed_answers(make_proved_material())
    assert table is not None
    assert table.rows == (("Who was a guest in 2021?", "Mirela Dunne", "yes", "=HYPERLINK(1)"),)
    assert "AI imitation of Hester Pellow, not Hester Pellow" in table.note


def test_failed_answer_to_a_closed_question_is_an_error() -> None:
    material = make_proved_material()
    failed = material.more_answers[0].model_copy(update={"reply": None, "error": "lost"})
    table = tabulate_closed_answers(material.model_copy(update={"more_answers": (failed,)}))
    assert table is not None
    assert table.rows[0][-1] == "no answer: lost"


def test_no_answer_no_table() -> None:
    assert tabulate_closed_answers(make_proved_material().model_copy(update={"more_answers": ()})) is None


def test_what_all_closed_questions_of_a_kind_begin_with_is_said_once() -> None:
    material = make_proved_material()
    first = material.probes[0]
    probes = [
        first.model_copy(
            update={"probe_id": f"p-{n}", "text": f"Whose name is cut out? The name only. Once {end}. Yes."}
        )
        for n, end in enumerate(("a day", "a year"))
    ]
    answers = tuple(material.more_answers[0].model_copy(update={"question_id": probe.probe_id}) for probe in probes)
    table = tabulate_closed_answers(material.model_copy(update={"probes": tuple(probes), "more_answers": answers}))
    assert table is not None
    assert [row[0] for row in table.rows] == ["Once a day. Yes.", "Once a year. Yes."]
    assert "says: “Whose name is cut out? The name only.”" in table.note
