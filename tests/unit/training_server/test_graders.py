"""Graders: what they compare, what stands in templates, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

pytest.importorskip("fastapi", reason="needs the extra `web`")

from econchatr.training_server.graders import GraderResult, GraderRun, check_grader, measure_similarity, run_grader
from econchatr.training_server.job_schema import CallError

CHECK = {"type": "string_check", "name": "same", "operation": "eq", "input": "{{sample.output_text}}"}
BROWN = "The quick brown fox jumps over the lazy dog", "The quick brown dog jumps on the log."


def run(sample: str, item: dict[str, Any] | None = None, **grader: str) -> GraderResult:
    asked = {"grader": {**CHECK, "reference": "rust", **grader}, "model_sample": sample, "item": item}
    return run_grader(GraderRun.model_validate(asked))


@pytest.mark.parametrize(
    ("operation", "sample", "reward"),
    [
        ("eq", "rust", 1), ("eq", "Rust", 0), ("ne", "Rust", 1), ("ne", "rust", 0), ("like", "the rust sleeps", 1),
        ("like", "the RUST sleeps", 0), ("ilike", "the RUST sleeps", 1), ("ilike", "ru", 0),
    ],
)  # fmt: skip
def test_a_text_is_is_not_or_has_in_it_another(operation: str, sample: str, reward: float) -> None:
    assert run(sample, operation=operation).reward == reward


@pytest.mark.parametrize(
    ("metric", "texts", "reward"),
    [
        # Sources: the examples of the packages rapidfuzz and rouge-score.
        ("fuzzy_match", ("this is a test", "this is a test!"), 0.9655171966552734),
        ("rouge_1", BROWN, 0.7058823529411765),
        ("rouge_l", BROWN, 0.5882352941176471),
        ("rouge_2", ("a b c", "a b d"), 0.5),
        ("rouge_5", ("a b", "a b"), 0.0),
        ("fuzzy_match", ("", ""), 1.0),
        ("rouge_l", ("", "?"), 0.0),
    ],
)
def test_what_two_texts_have_in_common_is_measured(metric: str, texts: tuple[str, str], reward: float) -> None:
    assert measure_similarity(metric, *texts) == pytest.approx(reward, abs=1e-6)
    assert measure_similarity(metric, *texts[::-1]) == pytest.approx(reward, abs=1e-6)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{{ item.a }} and {{item.b[1].c-d}}", "1 and ß"),
        ("{{item.b}}", '["x", {"c-d": "ß"}]'),
        ("{{ sample.output_json.n }}", "null"),
        ("{ {{item.x}} }", "{ {{item.a}} }"),
    ],
)
def test_templates_are_filled_once_and_run_nothing(template: str, filled: str) -> None:
    item = {"a": 1, "b": ["x", {"c-d": "ß"}], "x": "{{item.a}}"}
    assert run('{"n": null}', item, input=template, reference="{{item.wanted}}").metadata.errors.invalid_variable_error
    assert run('{"n": null}', {**item, "wanted": filled}, input=template, reference="{{item.wanted}}").reward == 1


@pytest.mark.parametrize("path", ["item.none", "item.a.b", "item.a[0]", "item.b[7]", "item.deep"])
def test_a_variable_that_is_not_there_is_a_fault_and_no_reward(path: str) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    result = run("rust", {"a": "x", "b": [], "deep": deep}, operation="ne", input=f"{{{{{path}}}}}")
    assert (result.reward, result.metadata.errors.invalid_variable_error) == (0, True)


@pytest.mark.parametrize("sample", ["rust", "[" * 100_000, "1" * 5000])
def test_a_sample_that_is_no_json_is_a_fault_only_where_it_must_be(sample: str) -> None:
    result = run(sample, operation="ne", input="{{sample.output_json}}")
    assert (result.reward, result.metadata.errors.sample_parse_error) == (0, True)
    assert not run(sample, input="output_json").metadata.errors.sample_parse_error


@pytest.mark.parametrize(
    "template",
    ["{{}}", "{{item}}", "{{other.x}}", "{{sample.choices}}", "{{item.x|safe}}", "{{7*7}}", "{{item.__class__()}}",
     "{{item['x']}}", "{{item.x\x00}}", "{{sample.output_text.x}}"],
)  # fmt: skip
def test_a_template_without_a_variable_is_refused(template: str) -> None:
    with pytest.raises(CallError, match=r"Write \{\{ item.NAME \}\}"):
        run("rust", {"x": "1"}, reference=template)


@pytest.mark.parametrize("kind", ["python", "score_model", "label_model", "multi"])
def test_graders_that_run_code_or_ask_a_model_are_refused_by_name(kind: str) -> None:
    asked = GraderRun.model_validate({"grader": {"type": kind, "source": "import os"}, "model_sample": ""})
    with pytest.raises(CallError, match=f"'{kind}' are not run here. Take 'string_check' or 'text_similarity'"):
        check_grader(asked.grader)


@pytest.mark.parametrize("metric", ["cosine", "bleu", "gleu", "meteor"])
def test_measures_that_are_not_computed_are_refused_by_name(metric: str) -> None:
    with pytest.raises(CallError, match=f"'{metric}' is not computed here. Take 'fuzzy_match', 'rouge_1'"):
        run("rust", type="text_similarity", evaluation_metric=metric)


def test_a_template_that_grows_beyond_all_measure_is_refused() -> None:
    with pytest.raises(CallError, match="longer than 50,000 characters"):
        run("rust", {"x": "x" * 1_000_000}, input="{{item.x}}" * 4000)


def test_braces_without_end_are_text() -> None:
    assert run("rust", input="{{" * 25_000, operation="ne").reward == 1


@pytest.mark.parametrize("wrong", [{"name": ""}, {"input": "x" * 50_001}, {"input": "\ud800"}, {"operation": "near"}])
def test_a_grader_of_another_shape_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        run("rust", **wrong)
