"""Whether new episodes are worth another training: how much training helped on the host's replies in them.

A rule of thumb: that a model which was helped less on new episodes gains more by another training was not measured.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Final, NamedTuple

from econchatr.errors import EconChatRError
from econchatr.models.base_model import free_memory
from econchatr.pipeline.fetch import RETRAIN_SHARE
from econchatr.pipeline.hosted_training import list_bought
from econchatr.pipeline.likelihoods import MODELS, LikelihoodBook
from econchatr.pipeline.run import find_stale, list_steps
from econchatr.pipeline.select import hash_rules
from econchatr.pipeline.show import Rung, Show
from econchatr.pipeline.stage import Narrator, Step, narrated
from econchatr.pipeline.train import KnownEpisodes, read_known
from econchatr.records import Pair
from econchatr.score.speech import spread_evenly
from econchatr.score.statistics import Interval, find_t
from econchatr.select.examples import build_example
from econchatr.tables import find_damage, hash_settings, read_manifest
from econchatr.train.local import spread_examples

_MAX_EPISODES: Final = 12
"""On each side. With the tokens below, some 20 seconds of two cores that multiply in bfloat16."""
_MAX_EPISODE_TOKENS: Final = 700
"""The same on both sides, so that the episodes of both differ by chance alike."""
_MIN_HELD_OUT: Final = 3
"""Fewer do not show how much episodes differ."""
_CONFIDENCE: Final = 0.95


class Worth(NamedTuple):
    """What speaks for another training of a rung. Gains are nats a token that training made replies likelier by."""

    rung: str
    n_new: int
    """Episodes with kept pairs that came after the training."""
    n_known: int
    """Episodes with kept pairs that were there when the rung was trained."""
    new_gain: float
    """In new episodes, on average."""
    known_gain: float
    """In episodes that were held out then, on average."""
    difference: Interval
    """The first less the second; the interval is that of new episodes which are like the held-out ones."""

    @property
    def is_foreign(self) -> bool:
        """Whether training helped less on the new episodes than it does on held-out ones by chance."""
        return self.difference.high is not None and self.difference.high < 0

    @property
    def is_much(self) -> bool:
        """Whether so many episodes are new that the choice of pairs may change what is learned."""
        return self.n_new >= max(1.0, RETRAIN_SHARE * self.n_known)

    @property
    def is_worth_it(self) -> bool:
        """Whether to train again."""
        return self.is_foreign or self.is_much

    def tell(self) -> str:
        """The same in words."""
        episodes = "1 new episode" if self.n_new == 1 else f"{self.n_new} new episodes"
        found = (
            f"{self.rung}: {episodes} beside {self.n_known} that were there at its training. Training made the host's "
            f"words there likelier by {self.new_gain:.2f} nats a token (below 0: less likely), in held-out episodes by "
            f"{self.known_gain:.2f}"
        )
        if self.is_foreign:
            return f"{found}: it helped less on what is new, by more than chance. Train again."
        if self.is_much:
            return f"{found}. So many episodes are new that training again may pay."
        return f"{found}: no more apart than episodes are by chance. Nothing here says that training again would pay."

    def as_dict(self) -> dict[str, object]:
        """Every figure by name."""
        return {**self._asdict(), "difference": self.difference._asdict(), "is_worth_it": self.is_worth_it}


@dataclass(frozen=True)
class Weighing:
    """What came of weighing a show."""

    found: tuple[Worth, ...]
    unweighed: tuple[str, ...]
    """Each rung that is to be trained and could not be weighed, with the reason."""

    @property
    def advises_to_stop(self) -> bool:
        """Whether every rung that would be trained was weighed, and none is worth it."""
        return bool(self.found) and not self.unweighed and not any(one.is_worth_it for one in self.found)


class _UnweighedError(Exception):
    """Why a rung is not weighed."""


def weigh_training(show: Show, narrator: Narrator, *, rung: str = "") -> Weighing:
    """Weigh each rung that a run would train again; the show is paired, and the caller holds its folder.

    Nothing is raised where a model cannot be opened: its rung is then not weighed.

    Raises:
        InputError: No such rung.
    """
    stale = [one for one in show.local_ladder(rung).rungs if find_stale(one, stages=("select", "train"))]
    unweighed = [f"{one.name}: a service trains it" for one in list_bought(show, rung)] if stale else []
    if stale and (unfinished := _find_unfinished(list_steps(show, rung=rung))):
        unweighed.append(unfinished)
    found = list[Worth]()
    for one in stale if not unweighed else ():
        try:
            found.append(_weigh(one, narrator))
        except _UnweighedError as why:
            unweighed.append(f"{one.name}: {why}")
        except EconChatRError as exc:
            unweighed.append(f"{one.name}: {exc.message}")
    return Weighing(tuple(found), tuple(unweighed))


def _find_unfinished(steps: Iterable[Step]) -> str:
    """What was not done with the present settings once before the new episodes came; empty: everything was."""
    for step in steps:
        if step.stage.name not in ("train", "ask", "score", "report"):
            continue
        if (manifest := read_manifest(step.folder)) is None:
            return f"{step.name}: not done yet"
        settings = manifest.version, manifest.settings_sha256
        if settings != (step.stage.version, hash_settings(step.settings)):
            return f"{step.name}: settings changed, too"
        if step.stage.name == "train" and (damage := find_damage(step.folder)):
            return f"{step.name}: {damage}"
    return ""


def _weigh(rung: Rung, narrator: Narrator) -> Worth:
    known = _require_known(rung)
    pairs = defaultdict[str, list[Pair]](list)
    for pair in rung.show.pairs(kept=True):
        pairs[pair.slug].append(pair)
    new = [slug for slug in pairs if slug not in known.files]
    held_out = [slug for slug in pairs if known.splits.get(slug) == "test"]
    if not new:
        raise _UnweighedError("no new episode has replies of the host")
    if len(held_out) < _MIN_HELD_OUT:
        raise _UnweighedError(f"{_MIN_HELD_OUT} held-out episodes are needed to compare with; {len(held_out)} are here")
    with narrated(narrator, f"train/{rung.name}: worth", "episodes came since it was trained") as told:
        book = LikelihoodBook(rung)
        sides = [spread_evenly(slugs, n=_MAX_EPISODES) for slugs in (new, held_out)]
        n_all, gains = sum(map(len, sides)), list[list[float]]()
        for side in sides:
            gains.append([])
            for slug in side:
                gains[-1].append(_measure(rung, book, pairs[slug]))
                narrator.progress(sum(map(len, gains)), n_all, "episodes")
        told |= {"new episodes": len(new), "measured episodes": n_all}
    del book
    free_memory()  # else a training after this would find less
    difference = predict_difference(*gains)
    return Worth(rung.name, len(new), len(known.splits), mean(gains[0]), mean(gains[1]), difference)


def _require_known(rung: Rung) -> KnownEpisodes:
    """What the show held when the rung was trained, where nothing but new episodes came since."""
    manifest, known = read_manifest(rung.folder("train")), read_known(rung)
    if known is None or manifest is None or known.adapter_sha256 != rung.tuned().adapter_sha256:
        raise _UnweighedError("an earlier version trained it, and did not write down which episodes it knew")
    if known.rules != hash_rules(rung.show):
        raise _UnweighedError("settings changed, too")
    if manifest.inputs.get("base weights") != rung.base.identity():
        raise _UnweighedError("its base changed, too")
    now = {one.slug: one.sha256 for one in rung.show.episodes()}
    if any(now.get(slug) != sha256 for slug, sha256 in known.files.items()):
        raise _UnweighedError("episodes that were there at its training were changed, renamed or taken away, too")
    return known


def _measure(rung: Rung, book: LikelihoodBook, pairs: Sequence[Pair]) -> float:
    """By how many nats a token training made an episode's replies likelier."""
    form = rung.form
    encoded = rung.encode(build_example(pair, form) for pair in pairs)
    examples = spread_examples(encoded, max_tokens=_MAX_EPISODE_TOKENS)
    base, tuned = (sum(book.measure(examples, model)) for model in MODELS)
    return (base - tuned) / sum(one.n_reply for one in examples)


def predict_difference(new: Sequence[float], known: Sequence[float]) -> Interval:
    """The mean of the new episodes' values less that of the known ones'.

    Episodes that are like the known ones come to 0 by this interval: it is as wide as the known ones vary, by Student's
    t, for the means of both.

    Args:
        new: One or more.
        known: Two or more.
    """
    difference = mean(new) - mean(known)
    half = find_t(len(known) - 1, (1 + _CONFIDENCE) / 2) * stdev(known) * math.sqrt(1 / len(new) + 1 / len(known))
    return Interval(difference, difference - half, difference + half)
