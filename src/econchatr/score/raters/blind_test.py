"""The blind test: people look for the host's own reply among four of the model's; a guess is right one time in five.

Cues come from held-out episodes and are chosen by a seed alone; the model's replies are the first it gave, whatever
they are. A sheet does not learn which reply is real; a page for the web does, sealed, to tell when all are picked.

Source: the protocol of Schwitzgebel, Schwitzgebel and Strasser 2023 (arXiv 2302.01339), as the shared reference
`evaluation.md`, H6, takes it over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from econchatr.errors import InputError
from econchatr.records import BlindCue, BlindPick, Pair, Score
from econchatr.records.measures import HELD_OUT_CUES, Measure
from econchatr.score.raters.filled_sheets import BlindFile, FilledSheet, check_known, check_people, read_file
from econchatr.score.statistics import average_groups, exact_share, make_score
from econchatr.tables import hash_settings

N_SAMPLES: Final = 4
"""Of the model's replies beside the real one."""

_MIN_REPLY_WORDS: Final = 8
_MAX_REPLY_WORDS: Final = 120
_MAX_CUE_WORDS: Final = 150
"""A shorter reply could be anybody's; longer texts nobody reads five times over."""


def order_cues(pairs: Sequence[Pair], *, seed: int) -> list[Pair]:
    """The held-out pairs fit for the test, in the order in which they are used: by lot, one of each episode in turn."""
    by_episode = defaultdict[str, list[Pair]](list)
    for pair in pairs:
        n_reply, n_cue = len(pair.reply.split()), len(pair.cue.split())
        is_fit = _MIN_REPLY_WORDS <= n_reply <= _MAX_REPLY_WORDS and n_cue <= _MAX_CUE_WORDS
        if pair.is_kept and pair.split == "test" and is_fit:
            by_episode[pair.slug].append(pair)
    episodes = [sorted(by_episode[slug], key=lambda pair: pair.first_turn) for slug in sorted(by_episode)]
    random = Random(seed)
    for episode in episodes:
        random.shuffle(episode)
    random.shuffle(episodes)
    longest = max(map(len, episodes), default=0)
    return [episode[place] for place in range(longest) for episode in episodes if place < len(episode)]


def lay_out_cue(pair: Pair, samples: Sequence[str], *, rung: str, seed: int) -> BlindCue | None:
    """A cue with its replies in an order drawn by lot; `None` where a sample says the host's own words.

    Line breaks become spaces in all replies alike: only models write them.
    """
    real, *others = (" ".join(text.split()) for text in (pair.reply, *samples))
    if real.casefold() in {text.casefold() for text in others}:
        return None
    places = list(range(len(others) + 1))
    Random(f"{seed} {pair.pair_id}").shuffle(places)
    replies = tuple([real, *others][place] for place in places)
    cue = pair.cue.strip()
    key, place = hash_settings([cue, *replies]), places.index(0)
    return BlindCue(key=key, rung=rung, pair_id=pair.pair_id, cue=cue, replies=replies, real=place)


def seal_place(cue: BlindCue) -> str:
    """Two hexadecimal digits in which a page's script finds the real reply's place and a glance does not.

    No secret: whoever reads the script can work the place out.
    """
    n = len(cue.replies)
    n_turns = int(cue.key[2:4], 16) % (256 // n - 1)
    return f"{(int(cue.key[:2], 16) + cue.real + n * n_turns) % 256:02x}"


def read_picks(files: Sequence[FilledSheet], cues: Sequence[BlindCue], *, show: str) -> list[BlindPick]:
    """The picks in filled sheets, each checked against the cues that went out.

    Raises:
        InputError: A file is foreign, half filled, changed, about other cues, or two are by one person.
    """
    known = {cue.key: cue for cue in cues}
    read = [(filled, read_file(filled, BlindFile, show=show)) for filled in files]
    check_people([(filled, file.person) for filled, file in read])
    picks = []
    for filled, file in read:
        check_known(filled, file.picks, known, thing="cues")
        for key, pick in file.picks.items():
            if not 0 <= pick < len(known[key].replies):
                raise InputError(
                    f"{filled.name} picks reply {pick + 1} of {len(known[key].replies)}.",
                    hint="Ask for the file as the page saved it.",
                )
            picks.append(BlindPick(key=key, person=file.person, knows_host=file.knows_host, pick=pick))
    return picks


def score_blind(picks: Sequence[BlindPick], cues: Sequence[BlindCue]) -> list[Score]:
    """Per rung, how often people found the real reply; apart for those who know the host well, if others picked too.

    Picks of several people on one cue are averaged, and `n` counts cues: more people make no more cues, and the
    interval (Clopper and Pearson) narrows with cues only. Picks on cues that are gone count for nothing.
    """
    known = {cue.key: cue for cue in cues}
    scores = []
    for rung in dict.fromkeys(cue.rung for cue in cues):
        own = [pick for pick in picks if pick.key in known and known[pick.key].rung == rung]
        groups = {HELD_OUT_CUES: own}
        for level in ("well", "a little", "not at all"):
            of_level = [pick for pick in own if pick.knows_host == level]
            if 0 < len(of_level) < len(own):
                groups[f"{HELD_OUT_CUES}, people who know the host {level}"] = of_level
        scores += [_score(rows, known, rung=rung, subject=subject) for subject, rows in groups.items() if rows]
    return scores


def _score(picks: Sequence[BlindPick], known: Mapping[str, BlindCue], *, rung: str, subject: str) -> Score:
    hits = average_groups((pick.key, pick.pick == known[pick.key].real) for pick in picks)
    found = exact_share(sum(hits.values()), len(hits))
    return make_score(Measure.BLIND_PICKS, found, rung=rung, variant="tuned", subject=subject, n=len(hits))
