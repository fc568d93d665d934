"""Graders: a text is compared with a reference, and the reward is a number from 0 to 1.

The two kinds that compute a figure from two texts are there; no text is ever run as code. Source: OpenAI's guide to
graders for the operations and the templates.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from econchatr.training_server.job_schema import CallError

_MAX_CHARS: Final = 50_000
"""Of a template, and of what becomes of it: a similarity takes the product of both lengths."""
_VARIABLE: Final = re.compile(r"\{\{([^{}]*)\}\}")
_PATH: Final = re.compile(r"item(?:\.[\w-]+|\[\d{1,6}\])+|sample\.output_(?:text|json(?:\.[\w-]+|\[\d{1,6}\])*)")
_STEP: Final = re.compile(r"\.([\w-]+)|\[(\d+)\]")
_WORD: Final = re.compile(r"\w+")

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Template = Annotated[str, Field(max_length=_MAX_CHARS)]

# --- asked ------------------------------------------------------------------------------------------------------------


class _Grader(BaseModel):
    model_config = ConfigDict(strict=True)

    name: _Name
    input: _Template
    """What is graded; `{{ item.x }}` and `{{ sample.output_text }}` are filled in."""
    reference: _Template


class StringCheck(_Grader):
    """Whether a text is, is not, or has in it, another."""

    type: Literal["string_check"]
    operation: Literal["eq", "ne", "like", "ilike"]


class TextSimilarity(_Grader):
    """How much two texts have in common."""

    type: Literal["text_similarity"]
    evaluation_metric: Literal[
        "cosine", "fuzzy_match", "bleu", "gleu", "meteor",
        "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l",
    ]  # fmt: skip


class OtherGrader(BaseModel):
    """Graders that run code or ask a model; they are refused by name."""

    type: Literal["label_model", "multi", "python", "score_model"]


GraderOrder: TypeAlias = Annotated[StringCheck | TextSimilarity | OtherGrader, Field(discriminator="type")]


class GraderValidation(BaseModel):
    """POST /v1/fine_tuning/alpha/graders/validate."""

    model_config = ConfigDict(strict=True)

    grader: GraderOrder


class GraderRun(GraderValidation):
    """POST /v1/fine_tuning/alpha/graders/run."""

    model_sample: Annotated[str, Field(max_length=1_000_000)]
    """The answer to grade."""
    item: dict[str, Any] | None = None
    """The row of data that it answers."""


# --- answered ---------------------------------------------------------------------------------------------------------


class ValidGrader(BaseModel):
    """A grader that can be run."""

    grader: StringCheck | TextSimilarity


class GraderFaults(BaseModel):
    """What kept a grader from grading; the first two are all that can happen here."""

    invalid_variable_error: bool = False
    sample_parse_error: bool = False
    formula_parse_error: Literal[False] = False
    model_grader_parse_error: Literal[False] = False
    model_grader_refusal_error: Literal[False] = False
    model_grader_server_error: Literal[False] = False
    model_grader_server_error_details: None = None
    other_error: Literal[False] = False
    python_grader_runtime_error: Literal[False] = False
    python_grader_runtime_error_details: None = None
    python_grader_server_error: Literal[False] = False
    python_grader_server_error_type: None = None
    truncated_observation_error: Literal[False] = False
    unresponsive_reward_error: Literal[False] = False


class GraderMetadata(BaseModel):
    """How it went."""

    name: str
    type: str
    errors: GraderFaults
    execution_time: float
    scores: dict[str, float]
    sampled_model_name: None = None
    token_usage: None = None


class GraderResult(BaseModel):
    """What a grader gives."""

    reward: float
    """0 where there is a fault."""
    metadata: GraderMetadata
    sub_rewards: dict[str, float] = {}
    model_grader_token_usage_per_model: dict[str, int] = {}


# --- graded -----------------------------------------------------------------------------------------------------------


def check_grader(grader: GraderOrder) -> StringCheck | TextSimilarity:
    """A grader that can be run here.

    Raises:
        CallError: It is of a kind that is not run, or a template names no variable.
    """
    if isinstance(grader, OtherGrader):
        raise CallError(
            f"Graders of the type {grader.type!r} are not run here. Take 'string_check' or 'text_similarity'.",
            param="grader", code="unsupported_grader",
        )  # fmt: skip
    if isinstance(grader, TextSimilarity) and grader.evaluation_metric in ("cosine", "bleu", "gleu", "meteor"):
        raise CallError(
            f"The metric {grader.evaluation_metric!r} is not computed here. Take 'fuzzy_match', 'rouge_1' to "
            "'rouge_5' or 'rouge_l'.", param="grader", code="unsupported_metric",
        )  # fmt: skip
    for text in (grader.input, grader.reference):
        if not all(_PATH.fullmatch(found.strip()) for found in _VARIABLE.findall(text)):
            raise CallError(
                "A template names no variable. Write {{ item.NAME }}, {{ sample.output_text }} or "
                "{{ sample.output_json.NAME }}.", param="grader", code="invalid_template",
            )  # fmt: skip
    return grader


def run_grader(body: GraderRun) -> GraderResult:
    """Grade an answer.

    Raises:
        CallError: The grader cannot be run here, or its texts become too long.
    """
    grader, start, reward, faults = check_grader(body.grader), time.perf_counter(), 0.0, GraderFaults()
    try:
        sample: dict[str, Any] = {"output_text": body.model_sample}
        if any("output_json" in path for path in _VARIABLE.findall(grader.input + grader.reference)):
            sample["output_json"] = json.loads(body.model_sample)
        known = {"item": body.item or {}, "sample": sample}
        reward = _grade(grader, _fill(grader.input, known), _fill(grader.reference, known))
    except LookupError:
        faults = GraderFaults(invalid_variable_error=True)
    except (ValueError, RecursionError):
        faults = GraderFaults(sample_parse_error=True)
    told = GraderMetadata(
        name=grader.name, type=grader.type, errors=faults, execution_time=time.perf_counter() - start,
        scores={grader.name: reward},
    )  # fmt: skip
    return GraderResult(reward=reward, metadata=told)


def _fill(template: str, known: dict[str, Any]) -> str:
    """A template with its variables in their places.

    Raises:
        LookupError: A variable is not there, or cannot be written down.
        CallError: It becomes too long.
    """
    parts, n_chars, end = list[str](), 0, 0
    for found in _VARIABLE.finditer(template):
        parts += [template[end : found.start()], _write(_look_up(found[1].strip(), known))]
        n_chars, end = n_chars + len(parts[-2]) + len(parts[-1]), found.end()
        if n_chars > _MAX_CHARS:
            raise CallError(f"A template becomes longer than {_MAX_CHARS:,} characters.", param="grader")
    return "".join([*parts, template[end:]])


def _look_up(path: str, known: Any) -> Any:
    for name, place in _STEP.findall(f".{path}"):
        if not isinstance(known, list if place else dict):
            raise LookupError(path)
        known = known[int(place) if place else name]
    return known


def _write(value: Any) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError as exc:
        raise LookupError("nested too deeply to be written down") from exc


def _grade(grader: StringCheck | TextSimilarity, text: str, reference: str) -> float:
    if isinstance(grader, TextSimilarity):
        return measure_similarity(grader.evaluation_metric, text, reference)
    if grader.operation in ("eq", "ne"):
        return float((text == reference) is (grader.operation == "eq"))
    if grader.operation == "ilike":
        text, reference = text.casefold(), reference.casefold()
    return float(reference in text)


def measure_similarity(metric: str, text: str, reference: str) -> float:
    """Twice what two texts have in common, by the length of both: in the words of ROUGE, F1.

    Source: Lin 2004 for ROUGE; `fuzzy_match` is the `ratio` of rapidfuzz, which is the same of characters in order.
    """
    if metric == "fuzzy_match":
        return _share(_count_in_order(text, reference), len(text) + len(reference)) if text or reference else 1.0
    words, others = (_WORD.findall(one.casefold()) for one in (text, reference))
    if metric == "rouge_l":
        return _share(_count_in_order(words, others), len(words) + len(others))
    n = int(metric.removeprefix("rouge_"))
    grams, known = (Counter(zip(*(one[k:] for k in range(n)), strict=False)) for one in (words, others))
    return _share((grams & known).total(), grams.total() + known.total())


def _share(n_common: int, n_both: int) -> float:
    return 2 * n_common / n_both if n_both else 0.0


def _count_in_order(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence.

    Source: Hyyrö 2004, bit-parallel: one whole number holds a row of the table.
    """
    places = dict[Hashable, int]()
    for place, item in enumerate(one):
        places[item] = places.get(item, 0) | 1 << place
    whole = row = (1 << len(one)) - 1
    for item in other:
        found = row & places.get(item, 0)
        row = (row + found | row - found) & whole
    return len(one) - row.bit_count()


def validate_grader(body: GraderValidation) -> ValidGrader:
    """Whether a grader can be run here."""
    return ValidGrader(grader=check_grader(body.grader))


def add_grader_routes(app: FastAPI, answers: dict[int | str, dict[str, Any]]) -> None:
    """Put the routes into an application.

    Args:
        answers: Errors that every route may answer with.
    """
    graders, post = "/v1/fine_tuning/alpha/graders/", ["POST"]
    app.add_api_route(
        graders + "validate", validate_grader, methods=post, response_model=ValidGrader, responses=answers
    )
    app.add_api_route(graders + "run", run_grader, methods=post, response_model=GraderResult, responses=answers)
