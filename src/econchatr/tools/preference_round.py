"""One round of training on preferences, beside a rung's tuned model; its result is kept only if it is no worse.

The round writes to `train/<rung>/preferred`, whether its result is kept or not. The tuned model stays as it is.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from econchatr.ask.asker import Asker, GenerationLog
from econchatr.ask.exam import plan_exam
from econchatr.errors import ShowFolderError
from econchatr.models.base_model import free_memory
from econchatr.models.files.adapters import write_gguf_adapter
from econchatr.models.files.weights import BaseWeights
from econchatr.models.llama.meter import reply_nats
from econchatr.models.parity import ParityResult
from econchatr.pipeline.ask import examinee_of
from econchatr.pipeline.results import round_outcome
from econchatr.pipeline.run import run_alone
from econchatr.pipeline.score import kept_pairs
from econchatr.pipeline.show import PREFERRED, Rung, Show
from econchatr.pipeline.stage import Made, Narrator, Stage, Step
from econchatr.pipeline.train import check_engines_agree
from econchatr.prompts import (
    EncodedExample,
    chat_messages,
    encode_example,
    flatten_reply,
    render_chat,
    reply_frame,
    system_line,
)
from econchatr.records import Answer, Gate, PreferenceOutcome, Record, Score
from econchatr.records.measures import (
    ANSWERS,
    BEFORE_PREFERENCES,
    DEV_REPLIES,
    KEPT_OUT,
    PREFERRED_MINUS_TUNED,
    Measure,
)
from econchatr.score.gates import BitsChange, Ruling, decide_keeping, list_lost_gates, share_agreeing
from econchatr.score.rows import Row, Yardstick, compare_rows, list_gates, list_scores, make_yardstick, measure_row
from econchatr.score.speech import read_answers
from econchatr.score.statistics import Interval, exact_share, jackknife_ratio, make_score
from econchatr.tables import disk_errors, hash_file
from econchatr.tokens import cut_left, cut_right
from econchatr.tools.rankings import Judgements, RankedText, gather_judgements, hash_judgements
from econchatr.train.preference_training import (
    EncodedPreference,
    EncodedVerdict,
    PreferenceRecipe,
    blend_adapters,
    train_preferences,
)

_STRENGTHS = (1.0, 0.5, 0.25)
"""Weights of the trained change, tried in this order; the first that keeps the host's replies as likely is taken."""
_MAX_DEV_REPLIES = 200
"""The host's development replies measured, evenly spread."""


class RoundRows(NamedTuple):
    """The answers before and after a round, measured by one yardstick."""

    yardstick: Yardstick
    before: Row
    after: Row


class _Measured(NamedTuple):
    """What the decision is made from, and what the outcome also records."""

    bits: BitsChange | None
    n_held_out: int
    agreement: tuple[float | None, float | None]
    """Of the tuned and of the preferred model."""
    rows: RoundRows
    parity: ParityResult | None


def prefer_rungs(show: Show, narrator: Narrator, *, rung: str = "") -> list[PreferenceOutcome]:
    """Run the round of one rung, or of every rung trained at home, unless it is done; gives the outcomes.

    Raises:
        InputError: No such rung, no `[rights]`, or too few judgements.
        ShowFolderError: A rung is not trained yet.
        ModelError: A model cannot be opened or trained.
    """
    rungs = show.local_ladder(rung).rungs
    run_alone(show, [Step(_PREFERENCE_ROUND, item) for item in rungs], narrator)
    return [outcome for item in rungs if (outcome := round_outcome(item))]


# --- the round --------------------------------------------------------------------------------------------------------


def _inputs(rung: Rung) -> dict[str, str]:
    show = rung.show
    made = {"tuned model": rung.made("train"), "pairs": show.made("pair")}
    return made | {"judgements": hash_judgements(show), "questions": show.questions_sha256()}


def _prefer(rung: Rung, narrator: Narrator) -> Made:
    folder, tuned_folder = rung.preferred_folder, rung.folder("train")
    if not rung.is_done("train"):
        raise ShowFolderError(f"rung {rung.name!r} is not trained yet.", hint=f"econchatr train {rung.show.root}")
    base, recipe = rung.base.weights(), PreferenceRecipe()
    judgements = gather_judgements(rung, narrator)
    free_memory()
    kept_out = f", {judgements.n_kept_out} kept out to check" if judgements.n_kept_out else ""
    narrator.note(f"{rung.name}: learns from {judgements.n_rows} of {judgements.source}{kept_out}")
    trained = train_preferences(
        _encode_judgements(judgements, rung),
        base=base,
        adapter=tuned_folder,
        folder=folder / "work",
        recipe=recipe,
        on_progress=lambda done: narrator.progress(done.step, done.n_steps, "steps"),
    )
    free_memory()
    bench = _DevBench(rung, base)
    strength, bits, names = _keep_adapter(trained.adapter_folder, folder, bench, base=base)
    free_memory()
    parity = check_engines_agree(rung, base=base, folder=folder)
    answers = tuple(_answer_exam(rung, place, narrator) for place in (tuned_folder, folder))
    agreements = [_agree(rung, judgements, base, place) for place in (tuned_folder, folder)]
    said = [read_answers(rows, rung.show.questions(), variant="tuned") for rows in answers]
    pairs = kept_pairs(rung.show)
    yardstick = make_yardstick(pairs["host"], pairs["guest"])
    rows = RoundRows(yardstick, *(measure_row(one, yardstick) for one in said))
    measured = _Measured(bits, bench.n, (agreements[0], agreements[1]), rows, parity)
    outcome = _conclude(rung, judgements, measured, recipe, n_steps=trained.n_steps, strength=strength)
    scores, gates = list_round(rows, rung)
    scores += _score_bits(bench.spans, rung=rung, n=bench.n) if bench.spans else []
    scores += _score_agreement(measured.agreement, rung=rung, n=judgements.n_kept_out)
    shutil.rmtree(folder / "work", ignore_errors=True)
    counts = {"judgements": judgements.n_rows, "steps": trained.n_steps, "kept": int(outcome.is_kept)}
    made: dict[str, Sequence[Record]] = {"outcome": [outcome], "answers": answers[1], "scores": scores, "gates": gates}
    return Made(made, tuple(names), counts)


_PREFERENCE_ROUND = Stage[Rung](
    "train",
    part=PREFERRED,
    version=2,
    settings={
        "recipe": lambda rung: PreferenceRecipe().model_dump(),
        "ask": "ask",
        "form": lambda rung: rung.form_version,
        "train": "train",
        "voice": lambda rung: rung.show.voice,
    },
    inputs=_inputs,
    reads=("train", "pair", "select", "what people ranked", "questions.toml"),
    writes={"outcome": PreferenceOutcome, "answers": Answer, "scores": Score, "gates": Gate},
    do=_prefer,
)
"""The round of one rung: stale when the tuned model or the judgements have changed."""


def _keep_adapter(
    trained: Path, folder: Path, bench: _DevBench, *, base: BaseWeights
) -> tuple[float, BitsChange | None, list[str]]:
    """Write the adapter in both formats, at the first strength that keeps the host's replies as likely.

    If there is none, the adapter is written at full strength; it will not be kept.
    """
    names = ["adapter_model.safetensors", "adapter_config.json"]
    with disk_errors(folder):
        shutil.copyfile(trained / names[1], folder / names[1])
    for strength in (*_STRENGTHS, _STRENGTHS[0]):
        blend_adapters(folder.parent / names[0], trained / names[0], strength, out=folder / names[0])
        bits = bench.change(folder)
        if bits is None or decide_keeping(bits, ())[0]:
            break
    if base.gguf_path is None:
        return strength, bits, names
    write_gguf_adapter(folder, base_gguf=base.gguf_path, out=folder / "adapter.gguf")
    return strength, bits, [*names, "adapter.gguf"]


def _conclude(
    rung: Rung, judgements: Judgements, measured: _Measured, recipe: PreferenceRecipe, *, n_steps: int, strength: float
) -> PreferenceOutcome:
    folder, root, bits = rung.preferred_folder, rung.show.root, measured.bits
    before, after = measured.rows.before, measured.rows.after
    lost = list_lost_gates(before.rulings, after.rulings)
    is_kept, reason = decide_keeping(bits, lost)
    gguf = folder / "adapter.gguf"
    return PreferenceOutcome(
        rung=rung.name,
        method="dpo" if judgements.preferences else "kto",
        source=judgements.source,
        n_preferences=judgements.n_rows,
        n_scorers=judgements.n_scorers,
        n_steps=n_steps,
        strength=strength,
        beta=recipe.beta,
        learning_rate=recipe.learning_rate,
        tuned_sha256=rung.tuned().adapter_sha256,
        adapter_path=(folder / "adapter_model.safetensors").relative_to(root).as_posix(),
        adapter_sha256=hash_file(folder / "adapter_model.safetensors"),
        gguf_path=gguf.relative_to(root).as_posix() if gguf.is_file() else None,
        gguf_sha256=hash_file(gguf) if gguf.is_file() else None,
        n_held_out=measured.n_held_out,
        bits_base=bits.base if bits else None,
        bits_before=bits.before if bits else None,
        bits_after=bits.after if bits else None,
        bits_change_low=bits.low if bits else None,
        bits_change_high=bits.high if bits else None,
        copied_before=_find_copying(before).value,
        copied_after=_find_copying(after).value,
        copied_limit=_find_copying(after).limit,
        gates_lost=lost,
        words_before=before.length.words.value if before.length.words else None,
        words_after=after.length.words.value if after.length.words else None,
        n_kept_out=judgements.n_kept_out,
        agreement_before=measured.agreement[0],
        agreement_after=measured.agreement[1],
        n_agreeing_questions=measured.parity.n_agreeing if measured.parity else None,
        n_checked_questions=measured.parity.n_checked if measured.parity else 0,
        is_kept=is_kept,
        reason=reason,
    )


# --- token ids --------------------------------------------------------------------------------------------------------


def _encode_judgements(judgements: Judgements, rung: Rung) -> list[EncodedPreference] | list[EncodedVerdict]:
    """Everything that is learned from, as token ids."""
    if judgements.judged:
        verdicts = [(_encode(row.question, row.reply, rung), row.is_right) for row in judgements.judged]
        return [EncodedVerdict(*_split(one), is_right) for one, is_right in verdicts]
    rows = []
    for row in judgements.preferences:
        prompt, better = _split(_encode(row.question, row.better, rung))
        rows.append(EncodedPreference(prompt, better, _split(_encode(row.question, row.worse, rung))[1]))
    return rows


def _encode(question: str, reply: RankedText, rung: Rung) -> EncodedExample:
    """A reply to a question as an example of training, cut to the same lengths."""
    form, template = rung.form, rung.template
    system, tokenizer = system_line(form.voice), form.tokenizer
    cue, _ = cut_left(question, tokenizer, n_tokens=form.max_cue_tokens)
    prompt = render_chat(chat_messages(cue, None, system=system), template)
    n_prompt = len(tokenizer.encode(prompt)) + len(tokenizer.encode(reply_frame(template).end))
    room = max(1, form.max_example_tokens - n_prompt - 1)
    text, n_cut = cut_right(flatten_reply(reply.text, template), tokenizer, n_tokens=room)
    messages, is_whole = chat_messages(cue, text, system=system), reply.is_whole and not n_cut
    return encode_example(messages, template, tokenizer.encode, is_whole=is_whole)


def _split(example: EncodedExample) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return example.ids[: example.n_prompt], example.ids[example.n_prompt :]


# --- what the round changes -------------------------------------------------------------------------------------------


class _DevBench:
    """The host's development replies, with their likelihoods under the base and the tuned model."""

    def __init__(self, rung: Rung, base: BaseWeights) -> None:
        dev = rung.examples("dev")
        self.n = min(len(dev), _MAX_DEV_REPLIES)
        dev = [dev[place * len(dev) // self.n] for place in range(self.n)]
        self._encoded, self._base = rung.encode(dev), base
        self._sizes = [len(row.messages[-1].content.encode()) * math.log(2) for row in dev]
        self._slugs = [row.pair_id.rsplit("#", 1)[0] for row in dev]
        self._nats = [self._measure(place) for place in (None, rung.folder("train"))]
        self.spans: tuple[Interval, Interval, Interval] | None = None
        """Bits per byte of the tuned model, of the adapter measured last, and their difference."""

    def change(self, folder: Path) -> BitsChange | None:
        """What the adapter in a folder changes; `None`: there are no development replies."""
        if not self.n:
            return None
        (of_base, before), after = self._nats, self._measure(folder)
        differences = [now - then for then, now in zip(before, after, strict=True)]
        base, *spans = (
            jackknife_ratio(nats, self._sizes, self._slugs) for nats in (of_base, before, after, differences)
        )
        self.spans = (spans[0], spans[1], spans[2])
        return BitsChange(base.value, spans[0].value, spans[1].value, spans[2].low, spans[2].high)

    def _measure(self, adapter: Path | None) -> list[float]:
        return reply_nats(self._encoded, checkpoint=self._base.checkpoint_path, adapter=adapter)


def _agree(rung: Rung, judgements: Judgements, base: BaseWeights, adapter: Path) -> float | None:
    """Share of the kept-out judgements that the model agrees with, by its gain over the base; `None`: none kept out."""
    two = [(row.question, text) for row in judgements.kept_out_preferences for text in (row.better, row.worse)]
    one = [(row.question, row.reply) for row in judgements.kept_out_judged]
    encoded = [_encode(question, text, rung) for question, text in (*two, *one)]
    if not encoded:
        return None
    before, after = (reply_nats(encoded, checkpoint=base.checkpoint_path, adapter=place) for place in (None, adapter))
    gains = [then - now for then, now in zip(before, after, strict=True)]
    if two:
        return share_agreeing([better - worse for better, worse in zip(gains[::2], gains[1::2], strict=True)])
    judged = zip(gains, judgements.kept_out_judged, strict=True)
    return share_agreeing([gain if row.is_right else -gain for gain, row in judged])


def _answer_exam(rung: Rung, folder: Path, narrator: Narrator) -> list[Answer]:
    """Put the exam to the adapter in a folder, anew for both: `ask` may have drawn its answers otherwise."""
    settings = rung.show.exam_settings
    adapter_sha256 = hash_file(folder / "adapter_model.safetensors")
    examinee = examinee_of(rung, rung.tuned().model_copy(update={"adapter_sha256": adapter_sha256}))
    asks = [ask for ask in plan_exam(rung.show.questions(), settings) if ask.variant == "tuned"]
    log = GenerationLog(rung.preferred_folder / "generations.jsonl")
    with rung.speak(folder) as speaker:
        draws = [examinee.draw(ask, settings) for ask in asks]
        return Asker(speaker, log).ask_all(draws, lambda n, n_all: narrator.progress(n, n_all, "answers"))


def _find_copying(row: Row) -> Ruling:
    return next(ruling for ruling in row.rulings if ruling.gate == "copying")


# --- the rows of a round ----------------------------------------------------------------------------------------------


def list_round(measured: RoundRows, rung: Rung) -> tuple[list[Score], list[Gate]]:
    """The scores and gates of both rows, and what the rows differ in."""
    yardstick, rows = measured.yardstick, {BEFORE_PREFERENCES: measured.before, PREFERRED: measured.after}
    scores = []
    for name, row in rows.items():
        scores += list_scores(row, yardstick, rung=rung.name, variant=name)
        words, n, reason = row.length.words, len(row.said), row.length.reason
        scores.append(
            make_score(Measure.MEDIAN_WORDS, words, rung=rung.name, variant=name, subject=ANSWERS, n=n, reason=reason)
        )
    scores += compare_rows(measured.before, measured.after, yardstick, rung=rung.name, variant=PREFERRED_MINUS_TUNED)
    return scores, list_gates(rows, rung=rung.name)


def _score_bits(spans: tuple[Interval, Interval, Interval], *, rung: Rung, n: int) -> list[Score]:
    """Bits per byte of the host's development replies: before, after, and the difference."""
    return [
        make_score(Measure.BITS_PER_BYTE, span, rung=rung.name, variant=name, subject=DEV_REPLIES, n=n)
        for name, span in zip((BEFORE_PREFERENCES, PREFERRED, PREFERRED_MINUS_TUNED), spans, strict=True)
    ]


def _score_agreement(shares: tuple[float | None, float | None], *, rung: Rung, n: int) -> list[Score]:
    """Agreement with the kept-out judgements; the intervals treat each judgement as a question of its own."""
    return [
        make_score(
            Measure.JUDGEMENTS_AGREED,
            None if share is None else exact_share(share * n, n),
            rung=rung.name,
            variant=name,
            subject=KEPT_OUT,
            n=n,
            reason="no judgement was kept out",
        )
        for name, share in zip((BEFORE_PREFERENCES, PREFERRED), shares, strict=True)
    ]
