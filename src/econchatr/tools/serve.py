"""Open a show's trained rungs for the server and the playground: each base file once, with all its adapters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from econchatr.ask.best_of import Chooser
from econchatr.ask.exam import GROUNDED_FORM, TUNED_VARIANTS, model_identity
from econchatr.errors import InputError, ModelError, ShowFolderError
from econchatr.models.engines.llama_server import ServedModel, SlotServer, open_slots
from econchatr.models.files.weights import BaseWeights
from econchatr.money.billing import bill_local
from econchatr.pipeline.choosing import open_chooser
from econchatr.pipeline.show import Rung, Show
from econchatr.records import BlindCue, Episode, Pair, Ranking, TunedModel, Turn, Variant, Verdict
from econchatr.tables import append_line, hash_file
from econchatr.tools.rankings import save_judgement

RealTurnsUse = Literal["never", "offered", "default"]
"""Models that are given real turns: none; under names of their own; also under the rung's own name."""


class _Trained(NamedTuple):
    rung: Rung
    tuned: TunedModel
    base: BaseWeights
    adapter: Path


@contextmanager
def open_served(
    show: Show, rung: str = "", *, n_slots: int, apart: bool = False, real_turns: RealTurnsUse = "never"
) -> Iterator[list[ServedModel]]:
    """The tuned model and the base of one rung, or of every trained rung, open until the block ends.

    Args:
        n_slots: Replies that one llama.cpp server generates at the same time.
        apart: Give every model a llama.cpp server of its own, so that all models can answer at the same time. Weights
            are mapped once into memory; the rest (context, buffers) is needed once per model.
        real_turns: Whether the models are also offered with real turns of the host; this needs the show's pairs. The
            caller puts the turns into the prompts.

    Raises:
        InputError: No such rung, no rung that llama.cpp can serve, or no `[rights]`.
        ShowFolderError: Nothing is trained yet, or real turns are the default and there are no pairs.
        ModelError: A model cannot be opened, or was changed since it was trained.
    """
    trained, names = _find_trained(show, rung), _choose_names(show, real_turns)
    with ExitStack() as stack:
        models: list[ServedModel] = []
        for gguf in dict.fromkeys(item.base.gguf_path for item in trained if item.base.gguf_path):
            beside = [item for item in trained if item.base.gguf_path == gguf]
            shared = None if apart else _open(stack, gguf, beside, n_slots)
            for place, item in enumerate(beside):
                tuned, base = shared or _open(stack, gguf, [item], n_slots), shared or _open(stack, gguf, [], n_slots)
                models += [
                    _name(item, suffix, variant, tuned if variant in TUNED_VARIANTS else base, place if shared else 0)
                    for suffix, variant in names.items()
                ]
        yield models


def _name(item: _Trained, suffix: str, variant: Variant, slots: SlotServer, place: int) -> ServedModel:
    return ServedModel(
        name=item.rung.name + suffix,
        rung=item.rung.name,
        variant=variant,
        slots=slots,
        adapter=place if variant in TUNED_VARIANTS else None,
        template=item.rung.template,
        identify=partial(model_identity, item.tuned),
        weights=item.tuned.weights,
    )


def _choose_names(show: Show, real_turns: RealTurnsUse) -> dict[str, Variant]:
    """Suffixes of a rung's name, in the order of listing, and the variant that each stands for."""
    plain: dict[str, Variant] = {"": "tuned", ":base": "base"}
    grounded: dict[str, Variant] = {f":{one}": one for one in (GROUNDED_FORM["tuned"], GROUNDED_FORM["base"])}
    has_pairs = show.is_done("pair")
    if real_turns == "default":
        if not has_pairs:
            raise ShowFolderError(
                f"{show.root}: there are no pairs to take real turns from.", hint=f"econchatr pair {show.root}"
            )
        return {"": "grounded", ":tuned": "tuned", ":base": "base", **grounded}
    return {**plain, **grounded} if real_turns == "offered" and has_pairs else plain


def _open(stack: ExitStack, gguf: Path, items: Sequence[_Trained], n_slots: int) -> SlotServer:
    return stack.enter_context(open_slots(gguf, adapters=[item.adapter for item in items], n_slots=n_slots))


def _find_trained(show: Show, name: str) -> list[_Trained]:
    """The rung of that name, or every trained rung that llama.cpp can serve."""
    local = list(show.local_ladder().rungs)
    if not local:
        raise InputError("no rung of this show is trained at home.", hint="Ask a hosted model where it lives.")
    # Where none is trained the first one tells what it lacks.
    done = [rung for rung in local if rung.is_done("train")] or local[:1]
    found = [_find(rung) for rung in ([show.rung(name)] if name else done)]
    servable = [item for item in found if item.base.gguf_path and item.tuned.gguf_path]
    if not servable:
        raise InputError(
            f"rung {found[0].rung.name!r} has no GGUF file, which llama.cpp needs.",
            hint="Give its base as a .gguf file and train again.",
        )
    return servable


def _find(rung: Rung) -> _Trained:
    tuned, root = rung.require_tuned(), rung.show.root
    adapter = root / (tuned.gguf_path or "")
    if tuned.gguf_path and (not adapter.is_file() or hash_file(adapter) != tuned.gguf_sha256):
        raise ModelError(f"{adapter} is missing or was changed since it was trained.", hint=f"econchatr run {root}")
    return _Trained(rung, tuned, rung.base.weights(), adapter)


def open_choosers(show: Show, models: Sequence[ServedModel]) -> dict[str, Chooser]:
    """By rung, what chooses among several draws of a served tuned model; empty where `[ask] best_of` wants one draw."""
    found = {name: open_chooser(show.rung(name)) for name in dict.fromkeys(model.rung for model in models)}
    return {name: chooser for name, chooser in found.items() if chooser is not None}


class PlayKeeper:
    """Stores in the show's folder what people judge on the playground."""

    def __init__(self, show: Show, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._show, self._now = show, now

    def save_ranking(self, ranking: Ranking) -> bool:
        """Store a ranking, as `rankings.save_judgement` does."""
        return save_judgement(self._show, ranking)

    def save_verdict(self, verdict: Verdict) -> bool:
        """Store a verdict, as `rankings.save_judgement` does."""
        return save_judgement(self._show, verdict)

    def save_guess(self, cue: BlindCue, *, who: str, pick: int) -> None:
        """Add a guess to `talk/guesses.jsonl`; the report counts the guesses.

        Raises:
            ShowFolderError: The file cannot be written.
        """
        rung = self._show.rung(cue.rung)
        adapter_sha256 = rung.tuned().adapter_sha256 if rung.is_done("train") else None
        row = {"at": self._now().isoformat(timespec="seconds"), "who": who, "pick": pick, **cue.model_dump()}
        row["adapter_sha256"] = adapter_sha256
        append_line(self._show.folder("talk") / "guesses.jsonl", json.dumps(row, ensure_ascii=False).encode())


class PlayRows(NamedTuple):
    """What the playground looks up."""

    episodes: list[Episode]
    turns: list[Turn]
    pairs: list[Pair]
    """The kept pairs of all episodes, held-out ones too."""
    usd_per_hour: dict[str, Decimal | None]
    """By rung, US dollars per hour of this machine while it answers; `None`: show.toml does not say."""
    report: Path
    questions: list[str]
    """The exam's; empty: there is none."""


def read_play(show: Show) -> PlayRows:
    """What the playground looks up in a show.

    Raises:
        ShowFolderError: The episodes or the pairs are not there.
    """
    for stage in ("parse", "pair"):
        if not show.is_done(stage):
            raise ShowFolderError(f"{show.root}: {stage} is not done yet.", hint=f"econchatr run {show.root}")
    return PlayRows(
        episodes=show.episodes(),
        turns=show.turns(),
        pairs=show.pairs(kept=True),
        usd_per_hour={
            rung.name: _cost_hour(rung.watts, rung.usd_per_kwh, rung.rent_usd_per_hour) for rung in show.config.ladder
        },
        report=show.folder("report") / "index.html",
        questions=[question.text for question in show.questions()] if show.has_questions else [],
    )


def _cost_hour(watts: Decimal | None, usd_per_kwh: Decimal | None, rent: Decimal | None) -> Decimal | None:
    if rent is None and (watts is None or usd_per_kwh is None):
        return None
    return bill_local(hours=Decimal(1), watts=watts, usd_per_kwh=usd_per_kwh, rent=rent)
