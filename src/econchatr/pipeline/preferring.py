"""One round of training on preferences, beside a rung's tuned model; kept only if it costs the host nothing.

Everything it makes lies in `train/<rung>/preferred`, whether it is kept or not; the tuned model stays as it is. This
module does not know what was ranked, nor how a model learns: it brings both together, measures, and decides.
"""

from __future__ import annotations

import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from econchatr.ask.exam import ExamSettings, answer_one, plan_exam
from econchatr.ask.log import GenerationLog
from econchatr.config import QUESTIONS_NAME, Rung
from econchatr.errors import ShowFolderError
from econchatr.models.examples import EncodedExample
from econchatr.models.gguf_adapter import write_gguf_adapter
from econchatr.models.likelihood import reply_nats
from econchatr.models.llamacpp import count_usable_cores
from econchatr.models.memory import free_memory
from econchatr.models.parity import ParityResult
from econchatr.models.weights import BaseWeights
from econchatr.pipeline.forms import encode_examples, example_form, rung_template, rung_weights
from econchatr.pipeline.judgements import MAX_AT_ONCE, Judgements, Text, gather_judgements, hash_judgements
from econchatr.pipeline.parity import check_rung_parity
from econchatr.pipeline.round_rows import RoundRows, list_round, measure_round, score_agreement, score_bits
from econchatr.pipeline.rounds import GATES_NAME, SCORES_NAME, preferred_folder, read_outcome
from econchatr.pipeline.run import run_alone
from econchatr.pipeline.rungs import OUTCOME_NAME, PREFERRED, open_speaker
from econchatr.pipeline.show import Narrator, Outcome, Show, Step
from econchatr.prompts import FORM_VERSION, chat_messages, encode_example, system_line
from econchatr.records import Answer, Example, Gate, PreferenceOutcome, Score, TunedModel
from econchatr.score.gates import Ruling
from econchatr.score.preferring import BitsChange, decide_keeping, list_lost_gates, share_agreeing
from econchatr.score.rows import Row
from econchatr.score.speech import read_answers
from econchatr.score.statistics import Interval, bootstrap_ratio
from econchatr.tables import disk_errors, hash_file, hash_settings, read_manifest, read_table, write_table
from econchatr.tokens import cut_left, cut_right
from econchatr.train.preferences import (
    EncodedPreference,
    EncodedVerdict,
    PreferenceRecipe,
    blend_adapters,
    train_preferences,
)

ANSWERS_NAME = "answers.parquet"
STRENGTHS = (1.0, 0.5, 0.25)
"""How far to go from the tuned model to what the round made of it: the farthest that costs the host nothing."""
MAX_DEV_REPLIES = 200
"""The host's development replies measured, evenly spread."""

_VERSION = 2


class _Measured(NamedTuple):
    """What the decision is made from, and what the outcome tells beside it."""

    bits: BitsChange | None
    n_held_out: int
    agreement: tuple[float | None, float | None]
    """Of the tuned and of the preferred model."""
    rows: RoundRows
    parity: ParityResult | None


def preference_step(show: Show, rung: Rung) -> Step:
    """The round of one rung: stale when the tuned model, or what people said, has changed."""

    def inputs() -> dict[str, str]:
        made = {"tuned model": show.made("train", rung.name), "pairs": show.made("pair")}
        return made | {"judgements": hash_judgements(show), "questions": hash_file(show.root / QUESTIONS_NAME)}

    settings = {
        "recipe": PreferenceRecipe().model_dump(), "ask": show.config.ask.model_dump(), "form": FORM_VERSION,
        "train": show.config.train.model_dump(), "voice": show.voice,
    }  # fmt: skip
    return Step("train", f"{rung.name}/{PREFERRED}", preferred_folder(show, rung), _VERSION, settings, inputs,
                lambda narrator: _prefer(show, rung, narrator))  # fmt: skip


def prefer_rungs(show: Show, narrator: Narrator, *, rung: str = "") -> list[PreferenceOutcome]:
    """Do the round of one rung, or of every rung trained at home, unless it is done; and what each came to.

    Raises:
        InputError: No such rung, no `[rights]`, or too few judgements.
        ShowFolderError: A rung is not trained yet.
        ModelError: A model cannot be opened or trained.
    """
    rungs = [show.rung(rung)] if rung else [item for item in show.config.ladder if item.where == "local"]
    run_alone(show, [preference_step(show, item) for item in rungs], narrator)
    return [outcome for item in rungs if (outcome := read_outcome(show, item))]


def tell_outcome(outcome: PreferenceOutcome) -> list[str]:
    """What a round came to, in lines."""
    lines = [
        f"{outcome.rung}: {'kept' if outcome.is_kept else 'not kept'}. {outcome.reason}",
        f"  {outcome.method} on {outcome.n_preferences} of {outcome.source}, {outcome.n_steps} steps, "
        f"{outcome.strength:.0%} of the way",
    ]
    for name, before, after, form in (
        ("bits per byte of the host's development replies", outcome.bits_before, outcome.bits_after, ".4f"),
        ("words copied", outcome.copied_before, outcome.copied_after, ".1%"),
        ("median words of an answer", outcome.words_before, outcome.words_after, ".0f"),
        (f"agreement on {outcome.n_kept_out} kept out", outcome.agreement_before, outcome.agreement_after, ".0%"),
    ):
        told = [f"{value:{form}}" if value is not None else "not measured" for value in (before, after)]
        lines.append(f"  {name}: {told[0]} before, {told[1]} after")
    if outcome.n_agreeing_questions is not None:
        alike = f"{outcome.n_agreeing_questions} of {outcome.n_checked_questions}"
        lines.append(f"  questions with the same first tokens in transformers and llama.cpp: {alike}")
    return lines


# --- the round --------------------------------------------------------------------------------------------------------


def _prefer(show: Show, rung: Rung, narrator: Narrator) -> Outcome:
    folder, tuned_folder = preferred_folder(show, rung), show.folder("train", rung.name)
    if read_manifest(tuned_folder) is None:
        raise ShowFolderError(f"rung {rung.name!r} is not trained yet.", hint=f"econchatr train {show.root}")
    base, recipe = rung_weights(show, rung), PreferenceRecipe()
    judgements = gather_judgements(show, rung, narrator)
    free_memory()
    kept_out = f", {judgements.n_kept_out} kept out to check" if judgements.n_kept_out else ""
    narrator.note(f"{rung.name}: learns from {judgements.n_rows} of {judgements.source}{kept_out}")
    trained = train_preferences(
        _encode_judgements(judgements, show, rung), base=base, adapter=tuned_folder, folder=folder / "work",
        recipe=recipe, on_progress=lambda n, n_all: narrator.progress(n, n_all, "steps"),
    )  # fmt: skip
    free_memory()
    bench = _DevBench(show, rung, base)
    strength, bits, names = _keep_adapter(trained.adapter_folder, folder, bench, base=base)
    free_memory()
    parity = check_rung_parity(show, rung, base=base, folder=folder)
    answers = tuple(_answer_exam(show, rung, base, place, narrator) for place in (tuned_folder, folder))
    agreements = [_agree(show, rung, judgements, base, place) for place in (tuned_folder, folder)]
    said = [read_answers(rows, show.questions(), variant="tuned") for rows in answers]
    measured = _Measured(bits, bench.n, (agreements[0], agreements[1]), measure_round(show, *said), parity)
    outcome = _conclude(show, rung, judgements, measured, recipe, n_steps=trained.n_steps, strength=strength)
    scores, gates = list_round(measured.rows, rung)
    scores += score_bits(bench.spans, rung=rung, n=bench.n) if bench.spans else []
    scores += score_agreement(measured.agreement, rung=rung, n=judgements.n_kept_out)
    write_table(folder / OUTCOME_NAME, [outcome], PreferenceOutcome)
    write_table(folder / ANSWERS_NAME, answers[1], Answer)
    write_table(folder / SCORES_NAME, scores, Score)
    write_table(folder / GATES_NAME, gates, Gate)
    shutil.rmtree(folder / "work", ignore_errors=True)
    counts = {"judgements": judgements.n_rows, "steps": trained.n_steps, "kept": int(outcome.is_kept)}
    return Outcome((*names, OUTCOME_NAME, ANSWERS_NAME, SCORES_NAME, GATES_NAME), counts)


def _keep_adapter(
    trained: Path, folder: Path, bench: _DevBench, *, base: BaseWeights
) -> tuple[float, BitsChange | None, list[str]]:
    """Put the adapter into its folder in both forms, as far from the tuned model as the host's replies bear it.

    Where they bear none of it, it goes all the way, and will not be kept.
    """
    names = ["adapter_model.safetensors", "adapter_config.json"]
    with disk_errors(folder):
        shutil.copyfile(trained / names[1], folder / names[1])
    for strength in (*STRENGTHS, STRENGTHS[0]):
        blend_adapters(folder.parent / names[0], trained / names[0], strength, out=folder / names[0])
        bits = bench.change(folder)
        if bits is None or decide_keeping(bits, ())[0]:
            break
    if base.gguf_path is None:
        return strength, bits, names
    write_gguf_adapter(folder, base_gguf=base.gguf_path, out=folder / "adapter.gguf")
    return strength, bits, [*names, "adapter.gguf"]


def _conclude(
    show: Show,
    rung: Rung,
    judgements: Judgements,
    measured: _Measured,
    recipe: PreferenceRecipe,
    *,
    n_steps: int,
    strength: float,
) -> PreferenceOutcome:
    folder, bits = preferred_folder(show, rung), measured.bits
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
        tuned_sha256=read_table(folder.parent / "tuned.parquet", TunedModel)[0].adapter_sha256,
        adapter_path=(folder / "adapter_model.safetensors").relative_to(show.root).as_posix(),
        adapter_sha256=hash_file(folder / "adapter_model.safetensors"),
        gguf_path=gguf.relative_to(show.root).as_posix() if gguf.is_file() else None,
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


# --- token numbers ----------------------------------------------------------------------------------------------------


def _encode_judgements(
    judgements: Judgements, show: Show, rung: Rung
) -> list[EncodedPreference] | list[EncodedVerdict]:
    """Everything that is learned from, as token numbers."""
    if judgements.judged:
        verdicts = [(_encode(row.question, row.reply, show, rung), row.is_right) for row in judgements.judged]
        return [EncodedVerdict(*_split(one), is_right) for one, is_right in verdicts]
    rows = []
    for row in judgements.preferences:
        prompt, better = _split(_encode(row.question, row.better, show, rung))
        rows.append(EncodedPreference(prompt, better, _split(_encode(row.question, row.worse, show, rung))[1]))
    return rows


def _encode(question: str, reply: Text, show: Show, rung: Rung) -> EncodedExample:
    """A reply to a question as an example of training, cut to the same lengths."""
    form, template = example_form(show, rung), rung_template(rung)
    system, tokenizer = system_line(form.voice), form.tokenizer
    cue, _ = cut_left(question, tokenizer, n_tokens=form.max_cue_tokens)
    n_prompt = len(encode_example(chat_messages(cue, "", system=system), template, tokenizer.encode)[0])
    room = max(1, form.max_example_tokens - n_prompt - 1)
    text, n_cut = cut_right(reply.text, tokenizer, n_tokens=room)
    messages, is_whole = chat_messages(cue, text, system=system), reply.is_whole and not n_cut
    return EncodedExample(*encode_example(messages, template, tokenizer.encode, is_whole=is_whole))


def _split(example: EncodedExample) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return example.ids[: example.n_prompt], example.ids[example.n_prompt :]


# --- what it cost -----------------------------------------------------------------------------------------------------


class _DevBench:
    """The host's development replies, and how likely the base and the tuned model find them."""

    def __init__(self, show: Show, rung: Rung, base: BaseWeights) -> None:
        rows = read_table(show.folder("select") / "examples.parquet", Example)
        dev = [row for row in rows if row.rung == rung.name and row.split == "dev"]
        self.n = min(len(dev), MAX_DEV_REPLIES)
        dev = [dev[place * len(dev) // self.n] for place in range(self.n)]
        self._encoded, self._base = encode_examples(dev, show, rung), base
        self._sizes = [len(row.messages[-1].content.encode()) * math.log(2) for row in dev]
        self._slugs = [row.pair_id.rsplit("#", 1)[0] for row in dev]
        self._n_resamples = show.config.score.n_resamples
        self._nats = [self._measure(place) for place in (None, show.folder("train", rung.name))]
        self.spans: tuple[Interval, Interval, Interval] | None = None
        """Bits per byte of the tuned model, of the adapter measured last, and what they differ by."""

    def change(self, folder: Path) -> BitsChange | None:
        """What the adapter in a folder changes; `None`: there are no development replies."""
        if not self.n:
            return None
        (of_base, before), after = self._nats, self._measure(folder)
        differences = [now - then for then, now in zip(before, after, strict=True)]
        base, *spans = (
            bootstrap_ratio(nats, self._sizes, self._slugs, n_resamples=self._n_resamples)
            for nats in (of_base, before, after, differences)
        )
        self.spans = (spans[0], spans[1], spans[2])
        return BitsChange(base.value, spans[0].value, spans[1].value, spans[2].low, spans[2].high)

    def _measure(self, adapter: Path | None) -> list[float]:
        return reply_nats(self._encoded, checkpoint=self._base.checkpoint_path, adapter=adapter)


def _agree(show: Show, rung: Rung, judgements: Judgements, base: BaseWeights, adapter: Path) -> float | None:
    """On how much of what was kept out the model agrees, by what it gains over its base."""
    two = [(row.question, text) for row in judgements.kept_out_preferences for text in (row.better, row.worse)]
    one = [(row.question, row.reply) for row in judgements.kept_out_judged]
    encoded = [_encode(question, text, show, rung) for question, text in (*two, *one)]
    if not encoded:
        return None
    before, after = (reply_nats(encoded, checkpoint=base.checkpoint_path, adapter=place) for place in (None, adapter))
    gains = [then - now for then, now in zip(before, after, strict=True)]
    if two:
        return share_agreeing([better - worse for better, worse in zip(gains[::2], gains[1::2], strict=True)])
    judged = zip(gains, judgements.kept_out_judged, strict=True)
    return share_agreeing([gain if row.is_right else -gain for gain, row in judged])


def _answer_exam(show: Show, rung: Rung, base: BaseWeights, folder: Path, narrator: Narrator) -> list[Answer]:
    """The exam, put to the adapter in a folder: anew for both, since what `ask` has may be drawn otherwise."""
    settings = ExamSettings(**show.config.ask.model_dump(include=set(ExamSettings._fields)))
    asks = [ask for ask in plan_exam(show.questions(), settings) if ask.variant == "tuned"]
    model_sha256 = hash_settings([base.sha256, hash_file(folder / "adapter_model.safetensors"), "tuned", FORM_VERSION])
    template = rung_template(rung)
    n_at_once = min(count_usable_cores(), MAX_AT_ONCE)
    answers: list[Answer] = []
    with (
        open_speaker(base, folder=folder, n_at_once=n_at_once) as speaker,
        ThreadPoolExecutor(speaker.n_at_once) as pool,
    ):
        for answer in pool.map(
            lambda ask: answer_one(
                ask, rung=rung.name, model_sha256=model_sha256, speaker=speaker, voice=show.voice,
                template=template, settings=settings,
            ),
            asks,
        ):  # fmt: skip
            answers.append(answer)
            narrator.progress(len(answers), len(asks), "answers")
    log = GenerationLog(preferred_folder(show, rung) / "generations.jsonl")
    for answer in answers:
        log.add("", answer.model_dump())
    return answers


def _find_copying(row: Row) -> Ruling:
    return next(ruling for ruling in row.rulings if ruling.gate == "copying")
