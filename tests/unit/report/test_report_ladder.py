"""The ladder says what was paid and draws what it bought, also where there is one rung or nothing was paid."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.report import ReportMaterial
from econchatr.report.sections.cost import chart_by_money, chart_by_size, read_size, tell_costs
from econchatr.report.svg import Axis, Datum, Ends, Group, PlotPoint, draw_points, draw_rows
from tests.helpers.report_material import RUNG
from tests.helpers.report_page_reader import PageReader
from tests.helpers.report_proof_material import make_proved_material

VALUES = st.floats(-1e6, 1e6)


def make_two_rungs() -> ReportMaterial:
    """The made-up show and a larger, hosted rung beside it, whose bill is the made-up one's."""
    material = make_proved_material()
    more = {
        name: (*rows, *(row.model_copy(update={"rung": "large"}) for row in rows))
        for name in ("scores", "gates")
        for rows in [getattr(material, name)]
    }
    larger = material.tuned_models[0].model_copy(update={"rung": "large", "base_model": "Big-8B"})
    return material.model_copy(update={**more, "tuned_models": (*material.tuned_models, larger)})


def change(**update: object) -> ReportMaterial:
    return make_proved_material().model_copy(update=update)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("SmolLM2-135M-Instruct", 135_000_000),
        ("meta-llama/Llama-3.1-8B", 8_000_000_000),
        ("Qwen3-1.7b", 1_700_000_000),
        ("mixtral-8x7B", 56_000_000_000),
        ("davinci", None),
        ("llama-3B2-thing", None),
        ("gpt-3.5", None),
    ],
)
def test_size_is_read_from_the_name_or_not_known(name: str, size: int | None) -> None:
    assert read_size(name) == size


def test_one_rung_trained_at_home_says_that_nothing_can_be_compared() -> None:
    material = change(bill=())
    told, by_size = tell_costs(material), chart_by_size(material)
    assert told[0] == f"{RUNG}: trained at home, 100,080 tokens; nothing was charged."
    assert "The ladder has one rung" in told[1]
    assert chart_by_money(material) is None
    assert by_size is not None
    assert by_size.title == "Before and after training"


def test_two_rungs_are_drawn_by_money_and_by_size() -> None:
    material = make_two_rungs()
    by_money, by_size = chart_by_money(material), chart_by_size(material)
    assert "large: $9.00 charged, 100,080 tokens." in tell_costs(material)
    assert by_money is not None
    assert by_size is not None
    assert [row[3] for row in by_money.table.rows] == ["$0.00", "$9.00"]
    assert [row[2] for row in by_size.table.rows] == ["135 million", "8 billion"]


def test_rung_that_is_only_selected_is_not_called_trained() -> None:
    assert tell_costs(change(bill=(), scores=(), tuned_models=())) == (f"{RUNG}: not trained yet.",)


def test_refund_is_taken_off_what_was_charged() -> None:
    material = make_two_rungs()
    bill = tuple(row.model_copy(update={"refunded_usd": Decimal("9.41")}) for row in material.bill[:1])
    assert "large: $0.00 charged" in tell_costs(material.model_copy(update={"bill": bill}))[1]


def test_model_whose_name_tells_no_size_is_named_and_not_drawn() -> None:
    tuned = tuple(one.model_copy(update={"base_model": "davinci"}) for one in make_proved_material().tuned_models)
    material = make_proved_material().model_copy(update={"tuned_models": tuned})
    scores = tuple(one.model_copy(update={"rung": "curie"}) for one in material.scores)
    update = {"scores": scores, "selections": (), "tuned_models": (tuned[0].model_copy(update={"rung": "curie"}),)}
    material = material.model_copy(update=update)
    assert "How large the model is, its name does not say: curie." in tell_costs(material)
    assert chart_by_size(material) is None


def test_without_a_voice_the_ladder_is_drawn_by_bits_saved() -> None:
    scores = tuple(one for one in make_proved_material().scores if not one.measure.startswith("voice"))
    chart = chart_by_size(change(scores=scores))
    assert chart is not None
    assert "0.083" in chart.table.rows[0][5]


@given(st.lists(st.tuples(st.floats(1, 1e12), VALUES, VALUES), min_size=1, max_size=6), st.booleans())
def test_points_of_any_size_are_drawn_in_well_formed_markup(rows: list[tuple[float, float, float]], by: bool) -> None:
    points = [PlotPoint("k-tuned", "<b>", x, min(ys), *sorted(ys)) for x, *ys in rows]
    axis = Axis(tuple((point.x, "tick") for point in points), is_logarithmic=by)
    seen = PageReader(str(draw_points(points, axis, levels=((0.0, "none"),)).parts))
    assert seen.faults == []
    assert seen.tags.count("circle") == len(points)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=6))
def test_rows_of_any_value_stay_on_the_drawing(rows: list[tuple[float, float]]) -> None:
    marks = tuple(Datum("k-base", "<b>", low, *sorted((low, high))) for low, high in rows)
    drawn = str(draw_rows([Group("", "", marks)], Ends(0.0, 1.0, "0", "1")).parts)
    places = [float(part.split('%"')[0]) for name in ('cx="', 'x1="', 'x2="') for part in drawn.split(name)[1:]]
    assert PageReader(drawn).faults == []
    assert all(36.9 <= place <= 86.1 for place in places)
