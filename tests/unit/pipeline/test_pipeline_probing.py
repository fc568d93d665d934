"""Which closed questions are asked where there is no time for all."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from econchatr.ask.exam import ExamSettings
from econchatr.pipeline.ask import _ANSWER_TOKENS, _plan_probes, thin_probes
from econchatr.records import Probe

SETTINGS = ExamSettings(samples=4, temperature=0.6, max_tokens=250, seed=7, repeat_penalty=1.0)


def make_probes(kind: Literal["guests by year", "name cloze"], *, n: int, is_answerable: bool) -> list[Probe]:
    return [
        Probe(
            probe_id=f"{kind.replace(' ', '-')}-{is_answerable}-{number}".lower(), kind=kind, text="Who?",
            is_answerable=is_answerable, right=("Ada Moss",),
        )
        for number in range(n)
    ]  # fmt: skip


def make_all(n_years: int, n_known: int, n_new: int) -> list[Probe]:
    return [
        *make_probes("guests by year", n=n_years, is_answerable=True),
        *make_probes("name cloze", n=n_known, is_answerable=True),
        *make_probes("name cloze", n=n_new, is_answerable=False),
    ]


def test_each_sort_gets_its_share() -> None:
    taken = thin_probes(make_all(3, 20, 8), 12)
    assert Counter((probe.kind, probe.is_answerable) for probe in taken) == {
        ("guests by year", True): 3, ("name cloze", True): 5, ("name cloze", False): 4,
    }  # fmt: skip


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 40))
def test_as_many_as_there_is_time_for_in_their_order(n_years: int, n_known: int, n_new: int, n: int) -> None:
    probes = make_all(n_years, n_known, n_new)
    taken = thin_probes(probes, n)
    assert len(taken) == min(n, len(probes))
    assert taken == [probe for probe in probes if probe in taken]


def test_base_and_tuned_are_asked_each_once_and_briefly() -> None:
    probes = make_all(1, 1, 0)
    jobs = list(_plan_probes(probes, SETTINGS))
    assert [(ask.variant, ask.question.question_id, ask.sample, ask.seed) for ask, _ in jobs] == [
        (variant, probe.probe_id, 0, 7) for variant in ("base", "tuned") for probe in probes
    ]
    assert {settings.max_tokens for _, settings in jobs} == {_ANSWER_TOKENS}
