"""What a run would do and take on this machine: minutes a step, memory, disk, downloads, dollars; and what is wrong.

Nothing is written, no network is asked, no weights are opened.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from econchatr.ask.exam import GROUNDED_VARIANTS, TUNED_VARIANTS, VARIANTS
from econchatr.errors import EconChatRError, InputError
from econchatr.models.files.description import BaseDescription
from econchatr.models.files.hub import read_hub_name
from econchatr.money.quote import Quote
from econchatr.pipeline import Silent, list_steps, status_of
from econchatr.pipeline.hosted_training import HOSTED_TRAIN, tell_unbought
from econchatr.pipeline.quotes import quote_selection
from econchatr.pipeline.select import kept_rate
from econchatr.pipeline.show import Rung, Show
from econchatr.pipeline.stage import Step
from econchatr.records import Variant
from econchatr.tables import read_manifest
from econchatr.tools.survey import survey_folder

_MEASURED_PARAMETERS: Final = 135_000_000
"""Of the model whose speed stands below; another one's time is in proportion. Source of the five figures:
docs/performance.md, for two cores."""
_TRAIN_TOKENS_A_SECOND: Final = 300.0
_ANSWER_SECONDS: Final = 1.2
_FURTHER_DRAW: Final = 0.57
"""Of the time of an answer above: 6.0 s for eight draws, each of which is weighed. Source:
docs/experiments.md, "How many draws"."""
_TOGETHER_SECONDS: Final = (1.0, 0.3)
"""The same two where replies are drawn together: 250 s were measured where they give 350, on a fast processor.
Source: docs/performance.md, "300 episodes"."""
_FOUND_SECONDS: Final = 2.0
"""A held-out answer, measured and found among twenty."""
_CHOICE_SECONDS: Final = 10.0
_READ_BYTES_A_SECOND: Final = 1_000_000
_BYTES_A_TOKEN: Final = 4
_TEXT_SECONDS: Final = 15.0
"""The measures of text alone."""
_WITHOUT_BFLOAT16: Final = 2.2
"""How many times as long it takes where the processor does not multiply in bfloat16. Source: docs/performance.md."""
_CPU_INFO = Path("/proc/cpuinfo")
_GPU = Path("/dev/nvidia0")
_N_LOOKED_AT: Final = 20
"""Files in which a plan looks for the hosts, where nothing is parsed yet."""
_CHOOSING_BYTES: Final = 1_050_000_000
"""What torch and the contexts of draws take, beside four bytes a parameter of the untuned model. Measured: 1.9 GB of
the embedded model, while the exam is put on two cores."""

_TOGETHER_BYTES: Final = 1_900_000_000
"""The same, beside seven bytes a parameter, where replies are drawn together: 2.9 GB of the embedded model."""


class PlannedStep(NamedTuple):
    """A step of a run, and about how long it takes."""

    name: str
    why: str
    """Why it must be done; empty: it is done."""
    minutes: float | None
    """About; `None`: not known before the steps that it waits for."""
    basis: str
    """What the minutes go by: `last time`, `estimated`; empty: there are none."""


class RunPlan(NamedTuple):
    """What a run would do and take."""

    steps: tuple[PlannedStep, ...]
    faults: tuple[EconChatRError, ...]
    """What would stop the run."""
    needs: tuple[tuple[str, str], ...]
    """What it takes beside time: name and words."""
    bases: tuple[tuple[str, str], ...]
    """Each rung at home whose base is on this machine, and what that base is."""
    quote: Quote | None
    """Of the rungs that cost money; `None`: there are none, or nothing is selected yet."""
    unbought: tuple[str, ...] = ()
    """Why each rung that is priced only is neither trained nor asked, in words."""

    @property
    def minutes(self) -> float:
        """All minutes that are known, together."""
        return sum(step.minutes or 0.0 for step in self.steps)

    @property
    def is_whole(self) -> bool:
        """Whether the time of every step is known."""
        return all(step.minutes is not None for step in self.steps if step.why)


def plan_run(show: Show, *, rung: str = "", today: date) -> RunPlan:
    """Plan a run of a show.

    Raises:
        InputError: No such rung.
    """
    faults, bases = list[EconChatRError](), dict[str, BaseDescription]()
    for one in show.local_ladder(rung).rungs:
        try:
            bases[one.name] = replace(one.base, may_ask_hub=False).describe()
        except EconChatRError as exc:
            if read_hub_name(one.config.base) is None:
                faults.append(exc)  # else it is still to be downloaded
    steps, quotes, n_bytes = list[PlannedStep](), list[Quote](), _count_bytes(show)
    n_before = len(faults)
    _try(faults, show.questions)
    _try(faults, lambda: _check_prices(show))
    unbought = list[str]()
    _try(faults, lambda: unbought.extend(tell_unbought(show, rung)))
    if len(faults) == n_before:
        _try(faults, lambda: steps.extend(_plan_steps(show, rung, bases, n_bytes)))
    _try(faults, show.require_rights)
    _try(faults, lambda: _check_hosts(show))
    if steps and show.is_done("select") and any(not one.is_local for one in show.rungs):
        _try(faults, lambda: quotes.append(quote_selection(show, today=today)))
    quote = quotes[0] if quotes else None
    needs, told = _list_needs(show, bases, n_bytes or 0), ((name, base.tell()) for name, base in bases.items())
    return RunPlan(tuple(steps), tuple(faults), tuple(needs), tuple(told), quote, tuple(unbought))


def _try(faults: list[EconChatRError], check: Callable[[], object]) -> None:
    try:
        check()
    except EconChatRError as exc:
        if exc.message not in [fault.message for fault in faults]:
            faults.append(exc)


def _count_bytes(show: Show) -> int | None:
    """The size of the show's transcripts; `None`: they come from a feed, or cannot be looked at."""
    if show.feed is not None:
        return None
    try:
        return sum(path.stat().st_size for path in show.transcripts.rglob("*") if path.is_file())
    except OSError:
        return None


def _check_prices(show: Show) -> None:
    for one in show.rungs:
        if one.config.price:
            one.price()


def _check_hosts(show: Show) -> None:
    """Look whether the hosts are heard in some of the files; where the transcripts are parsed, `parse` has looked."""
    if show.feed is not None or show.is_done("parse") or show.config.show.solo:
        return
    survey = survey_folder(show.transcripts, Silent(), most_files=_N_LOOKED_AT)
    names = [*show.config.show.hosts, *show.config.show.aliases]
    if survey.speakers and not any(survey.find(name) for name in names):
        heard = ", ".join(repr(one.name) for one in survey.speakers[:5])
        raise InputError(
            f"no host of show.toml is heard in {survey.n_files} files of {show.transcripts}; heard most: {heard}.",
            hint="Set `hosts` under [show] to the host's name as the transcripts write it, or add an alias.",
        )


# --- minutes ----------------------------------------------------------------------------------------------------------


def _plan_steps(show: Show, rung: str, bases: dict[str, BaseDescription], n_bytes: int | None) -> Iterator[PlannedStep]:
    why = {state.name: state.why for state in status_of(show, rung=rung)}
    for step in list_steps(show, rung=rung):
        seconds, basis = _take_time(step, bases, n_bytes) if why[step.name] else (None, "")
        yield PlannedStep(step.name, why[step.name], None if seconds is None else seconds / 60, basis)


def _take_time(step: Step, bases: dict[str, BaseDescription], n_bytes: int | None) -> tuple[float | None, str]:
    """Seconds of a step, and what they go by."""
    seconds = _estimate(step, bases, n_bytes)
    last = read_manifest(step.folder)
    # The last time counts where the work is of the same size: training, asking and scoring go by their settings.
    if last is not None and (seconds is None or step.stage.name not in ("train", "ask", "score")):
        return last.seconds, "last time"
    return seconds, "" if seconds is None else "estimated"


def _estimate(step: Step, bases: dict[str, BaseDescription], n_bytes: int | None) -> float | None:
    rung = step.target if isinstance(step.target, Rung) else None
    if rung is None:
        return _estimate_reading(step, n_bytes)
    if step.stage is HOSTED_TRAIN:
        return None
    base = bases.get(rung.name)
    if rung.is_local and base is None:
        return None
    n_parameters = base.n_parameters if base else None
    slower = (n_parameters or _MEASURED_PARAMETERS) / _MEASURED_PARAMETERS if rung.is_local else 1.0
    slower *= 2 / min(2, os.cpu_count() or 1) * (1.0 if _multiplies_in_bfloat16() else _WITHOUT_BFLOAT16)
    match step.stage.name:
        case "train":
            return _estimate_training(rung, slower, n_bytes)
        case "ask":
            single, further = _TOGETHER_SECONDS if _draws_together(rung, base) else (_ANSWER_SECONDS, _FURTHER_DRAW)
            return single * _count_answers(rung, partial(_weigh_answer, further=further)) * slower
        case "score":
            return _TEXT_SECONDS + (_estimate_measuring(rung) * slower if rung.is_local else 0.0)
    return None


def _multiplies_in_bfloat16() -> bool:
    """Whether the processor does, as Linux tells; where nothing is told it is taken to."""
    try:
        words = set(_CPU_INFO.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return True
    return not words.isdisjoint(("avx512_bf16", "amx_bf16", "bf16"))


def _estimate_reading(step: Step, n_bytes: int | None) -> float | None:
    """Of the steps over all transcripts: by their size."""
    if not isinstance(step.target, Show):
        return 2.0
    share = {"fetch": 0.1, "parse": 1.0, "pair": 0.5, "select": 0.3}.get(step.stage.name, 0.0)
    return None if n_bytes is None else 1.0 + share * n_bytes / _READ_BYTES_A_SECOND


def _estimate_training(rung: Rung, slower: float, n_bytes: int | None) -> float | None:
    if rung.config.max_minutes is not None:
        return 60 * rung.config.max_minutes
    rate = rung.config.tokens_per_second or kept_rate(rung) or _TRAIN_TOKENS_A_SECOND / slower
    if rung.config.max_tokens is not None:
        n_there = rung.n_epochs * (n_bytes or math.inf) / _BYTES_A_TOKEN  # a small show has fewer than may be bought
        return min(rung.config.max_tokens, n_there) / rate
    if rung.show.is_done("select"):
        return rung.selection().n_tokens * rung.n_epochs / rate
    return None


def _weigh_answer(rung: Rung, variant: Variant, *, further: float) -> float:
    """How long one answer takes, in single draws: 0 where it is not asked for."""
    if variant not in TUNED_VARIANTS:
        return 1.0
    return 0.0 if rung.is_served else 1.0 + further * (rung.n_draws - 1)


def _draws_together(rung: Rung, base: BaseDescription | None) -> bool:
    """Whether the exam's replies are drawn together, as far as can be told without torch."""
    is_fitting = base is not None and base.family == "llama" and rung.n_draws > 1
    return is_fitting and _CPU_INFO.exists() and _multiplies_in_bfloat16() and not _GPU.exists()


def _is_asked(rung: Rung, variant: Variant) -> float:
    return float(not rung.is_served or variant not in TUNED_VARIANTS)


def _count_answers(rung: Rung, weigh: Callable[[Rung, Variant], float]) -> float:
    """The answers that `ask` draws, about: of the exam in each form, with real turns, and closed questions."""
    asked, n_questions = rung.show.config.ask, len(rung.show.questions())
    n_plain, n_grounded = (sum(weigh(rung, one) for one in forms) for forms in (VARIANTS, GROUNDED_VARIANTS))
    n = n_questions * asked.samples * n_plain
    if asked.retrieval:
        n += (asked.retrieval_questions or n_questions) * asked.retrieval_samples * n_grounded
    if asked.paraphrases:
        n += n_questions * 20 * n_plain
    # A closed question wants a word or two: a fifth of an answer's time.
    return n + asked.max_probes * 2 / 5


def _estimate_measuring(rung: Rung) -> float:
    scored = rung.show.config.score
    return (
        _FOUND_SECONDS * scored.max_answers
        + _CHOICE_SECONDS * scored.max_choices
        + 2 * _ANSWER_SECONDS / 3 * scored.max_replies
        + _ANSWER_SECONDS / 3 * _count_answers(rung, _is_asked)
    )


# --- what else it takes -----------------------------------------------------------------------------------------------


def _count_answer_bytes(rung: Rung, base: BaseDescription) -> float:
    """The memory that answering takes; where the untuned model chooses among draws, torch opens it too."""
    if _draws_together(rung, base):
        return _TOGETHER_BYTES + 7 * (base.n_parameters or 0)
    choosing = _CHOOSING_BYTES + 4 * (base.n_parameters or 0) if rung.n_draws > 1 else 0
    return (base.answer_bytes or 0) + choosing


def _list_needs(show: Show, bases: dict[str, BaseDescription], n_bytes: int) -> Iterator[tuple[str, str]]:
    sizes = [
        (name, base.train_bytes, _count_answer_bytes(show.rung(name), base))
        for name, base in bases.items()
        if base.train_bytes and base.answer_bytes
    ]
    memory = [
        f"{name}: {train / 1e9:.1f} GB to train, {answer / 1e9:.1f} GB to answer" for name, train, answer in sizes
    ]
    if memory:
        yield "memory", "; ".join(memory)
    n_weights = sum(2 * (base.n_parameters or 0) for base in bases.values())
    free = shutil.disk_usage(show.root).free
    yield "disk", f"about {(2 * n_bytes + n_weights) / 1e9:.1f} GB at most, of {free / 1e9:.0f} GB free"
    absent = [one.name for one in show.local_ladder().rungs if one.name not in bases]
    yield "download", f"the bases of {', '.join(absent)}" if absent else "nothing"
    charged = [one.name for one in show.rungs if not one.is_local and one.config.price]
    yield "dollars", f"for {', '.join(charged)}, as quoted" if charged else "none: everything runs on this machine"


# --- in words ---------------------------------------------------------------------------------------------------------


def tell_plan(plan: RunPlan) -> Iterator[str]:
    """The plan, in lines of 80 columns and less where names are short."""
    width = max((len(step.name) for step in plan.steps), default=0)
    for step in plan.steps:
        yield f"{step.name:{width}}  {step.why or 'done':34} {_tell_minutes(step)}".rstrip()
    if any(step.why for step in plan.steps):
        least = "" if plan.is_whole else "at least "
        yield f"{'all':{width}}  {'on an otherwise idle machine':34} {least}{tell_time(plan.minutes)}"
    for name, words in plan.needs:
        yield f"{name:{width}}  {words}"
    for name, words in plan.bases:
        yield f"{name}: {words}"
    yield from plan.unbought
    for fault in plan.faults:
        yield f"fault: {fault.message} {fault.hint}".rstrip()


def _tell_minutes(step: PlannedStep) -> str:
    if not step.why:
        return ""
    if step.minutes is None:
        return "not known yet"
    return f"{tell_time(step.minutes)}{', as last time' if step.basis == 'last time' else ''}"


def tell_time(minutes: float) -> str:
    """Minutes as people say them: `about 8 min`, `under a minute`, `about 3 h`."""
    if minutes < 1:
        return "under a minute"
    return f"about {minutes:,.0f} min" if minutes < 120 else f"about {minutes / 60:,.1f} h"
