"""What the tests of the playground share: a hostile little show, and the page served with it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from econchatr.records import BlindCue, Ranking, Turn, Verdict
from econchatr.score.quoting.nearest import CLOSE, SaidBefore
from econchatr.score.topic import Subjects
from econchatr.talk.playground.lookups import Material
from tests.helpers.make_records import make_episode, make_pair
from tests.helpers.server_material import VOICE, Server, serve

ATTACK = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> ${7*7} {{7*7}} @children"
)
BEES = "The inspector counted eleven hives of bees before the frost came down on Hather, and nobody thanked her for it."
HOST_SAYS = "Well, it depends who counted the kettles, and whether anybody asked them twice about the lids."
EXAM_QUESTION = "Is it ninety-four per cent?"
SUBJECTS = Subjects(frozenset({"the", "of", "and", "it", "for", "a"}), 100, Counter())
"""As a longer show would teach them: of four texts every word would be one of the commonest."""


class Kept(NamedTuple):
    """What people said."""

    rankings: list[Ranking]
    verdicts: list[Verdict]
    guesses: list[tuple[str, int, int]]
    """Who, which was the host's, which was picked."""

    def save_ranking(self, ranking: Ranking) -> None:
        self.rankings.append(ranking)

    def save_verdict(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    def save_guess(self, cue: BlindCue, *, who: str, pick: int) -> None:
        self.guesses.append((who, cue.real, pick))


class Playground(NamedTuple):
    """A running playground."""

    server: Server
    material: Material
    kept: Kept


def make_turn(position: int, text: str, *, role: str = "guest", slug: str = "episode-0") -> Turn:
    fields = {"slug": slug, "position": position, "speaker": f"A {role}", "role": role, "text": text}
    return Turn.model_validate(fields)


def make_material(folder: Path, **changes: Any) -> Material:
    """Three episodes: one of attacks, one about bees, one held out."""
    pairs = [
        make_pair(0, cue=ATTACK, reply=f"{ATTACK} said the host."),
        make_pair(1, cue="How many?", reply=BEES),
        *(make_pair(n, cue=f"What is it for? {ATTACK}", reply=HOST_SAYS, split="test") for n in (2, 3)),
    ]
    turns = [make_turn(0, ATTACK), make_turn(1, BEES, role="host"), make_turn(2, "No bees here.", slug="episode-1")]
    folder.mkdir(parents=True, exist_ok=True)
    material = Material(
        voice=VOICE, episodes=[make_episode(n, title=f"Title {n} {ATTACK}") for n in range(4)], turns=turns,
        pairs=pairs,
        make_finder=lambda said: SaidBefore(said, SUBJECTS), close=CLOSE,
        usd_per_hour={"first": Decimal("3.6"), "second": None}, report=folder / "index.html",
        keeper=Kept([], [], []), open_find=lambda rung: lambda question: tuple(pairs[:2]),
        questions=[EXAM_QUESTION, ATTACK],
    )  # fmt: skip
    return material._replace(**changes)


@contextmanager
def play(slots: Any, folder: Path, **shown: Any) -> Iterator[Playground]:
    """The playground over a real socket, until the block ends; `shown` goes to `add_playground`."""
    from econchatr.talk.playground.page import add_playground

    kept = Kept([], [], [])
    material = make_material(folder, keeper=kept)
    material.report.write_text(
        "<!doctype html><title>r</title><h1>The report</h1><script>parent.document.title='owned'</script>"
    )
    add = add_playground(material, **shown)

    async def add_in_loop(app: Any, answerer: Any) -> None:
        # Outside a running loop the page library opens several of its own, and closes none of them.
        add(app, answerer)

    # In a thread of its own: a browser driven from this one keeps a loop running here.
    with ThreadPoolExecutor(1) as thread:
        extend = lambda app, answerer: thread.submit(lambda: asyncio.run(add_in_loop(app, answerer))).result()  # noqa: E731
        with serve(slots, folder, extend=extend) as server:
            yield Playground(server, material, kept)
