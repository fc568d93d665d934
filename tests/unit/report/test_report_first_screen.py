"""The first screen weighs people above marks and marks above Voice, and counts cases as cases."""

from __future__ import annotations

from econchatr.report.habits import find_sayings, measure_habits
from econchatr.report.sections.first_screen import count_found, tell_readers, weigh
from tests.unit.report.test_report_verdict import make_proved_material


def test_guesses_in_the_playground_outrank_the_voice() -> None:
    proved = make_proved_material()
    rung = proved.scored_rungs[0]
    material = proved.model_copy(update={"guesses": ((rung, True),) * 7, "scores": ()})
    assert count_found(material, rung) == (7, 7)
    assert tell_readers(material, rung).startswith("Readers found the real one 7 of 7;")
    assert weigh(material, rung).startswith(f"Readers tell {rung} from ")
    assert "cannot be told" not in weigh(material, rung)


def test_a_saying_is_said_in_three_episodes() -> None:
    sayings = find_sayings((slug, "Well, who counted the bottles?") for slug in "abc")
    found = measure_habits(["But who counted the bottles then?", "They do."], sayings)
    assert found is not None
    assert (found.n, found.n_ask_back, found.n_with_saying) == (2, 1, 1)
