"""The stage `pair`: turns -> pairs of a cue and the host's reply.

Apart from them, pairs of a cue and a guest's reply, and answer pairs: what the host states, behind a question.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from econchatr.pair import (
    PROFILES,
    assign_splits,
    count_answer_pairs,
    drop_duplicates,
    find_originals,
    find_passages,
    hash_neighbours,
    hide_private,
    index_passages,
    list_statements,
    make_answer_pairs,
    open_presidio,
)
from econchatr.pair.answer_pairs import Stating
from econchatr.pair.made_questions import PassageIndex
from econchatr.pipeline.episode_pairs import EpisodePairs, EpisodePassages
from econchatr.pipeline.show import Show
from econchatr.pipeline.stage import Made, Narrator, Stage
from econchatr.records import Episode, Pair, Split, Turn, WrittenQuestion
from econchatr.tables import hash_file, hash_settings, make_frame, read_frame
from econchatr.tokens import open_tokenizer

if TYPE_CHECKING:
    import polars as pl

_TOKENIZER: Final = "gpt2"
"""The filters of 2023 count in GPT-2 tokens; both profiles do."""
_MAX_TOLD: Final = 5
_ANSWERS_VERSION: Final = 3
"""Raised whenever the rules of answer pairs change."""


def _pair(show: Show, narrator: Narrator) -> Made:
    episodes, config = show.episodes(), show.config.pair
    splits = assign_splits(episodes, dev_share=config.dev_share, test_share=config.test_share)
    drops = PROFILES[config.profile].drop_duplicates
    pairs: pl.DataFrame
    if show.config.show.solo:
        made = _pair_solo(show, splits)
        pairs = make_frame(drop_duplicates(made) if drops else made, Pair)
    else:
        made_by_episode = EpisodePairs(show, PAIR.version, persona=show.config.show.persona or None)
        pairs = made_by_episode.pair(splits, narrator)
        pairs = _drop_twins(pairs) if drops else pairs
    counts = _count_pairs(pairs)
    if not counts["train"]:
        narrator.note(f"none of the {pairs.height:,} pairs is left to train on")
    if told := _tell_undated(episodes, splits):
        narrator.note(told)
    return Made({"pairs": pairs}, counts=counts)


def _drop_twins(pairs: pl.DataFrame) -> pl.DataFrame:
    """The pairs as `drop_duplicates` leaves them."""
    import polars as pl

    columns = ("twin", "pair_id", "split", "rank", "slug", "last_turn")
    originals = find_originals(pairs.filter("is_kept").select(columns).iter_rows())
    original = pl.col("twin").replace_strict(originals, default="", return_dtype=pl.String)
    is_copy = pl.col("is_kept") & (original != pl.col("pair_id"))
    told = pl.format("duplicate of {}", original)
    return pairs.with_columns(
        is_kept=pl.col("is_kept") & ~is_copy, reason=pl.when(is_copy).then(told).otherwise(pl.col("reason"))
    )


def _tell_undated(episodes: Sequence[Episode], splits: Mapping[str, Split]) -> str:
    """Which held-out episodes are the newest only by their place in the order; empty: each has a date."""
    held = [one for one in episodes if splits.get(one.slug) in ("dev", "test") and one.published is None]
    names = ", ".join(one.location for one in held[:_MAX_TOLD]) + (
        f" and {len(held) - _MAX_TOLD} more" * (len(held) > _MAX_TOLD)
    )
    return f"held out as the newest, but without a date: {names}" if held else ""


def _pair_solo(show: Show, splits: Mapping[str, Split]) -> list[Pair]:
    """What a host who speaks alone states, behind made questions: these are all the pairs such a show has."""
    turns = defaultdict[str, list[Turn]](list)
    for turn in show.turns():
        turns[turn.slug].append(turn)
    hide = open_presidio() if show.config.pair.private == "presidio" else hide_private
    said = [
        pair
        for episode in show.episodes()
        if episode.slug in splits
        for pair in list_statements(episode, turns[episode.slug], split=splits[episode.slug], hide=hide)
    ]
    count, passages = open_tokenizer(_TOKENIZER).count_each, find_passages(said)
    index = index_passages(passages, said=hash_neighbours(one.reply for one in said), exam=_list_exam(show))
    return make_answer_pairs(passages, count, index)


def _count_pairs(pairs: pl.DataFrame) -> dict[str, int]:
    kept = pairs.filter("is_kept")["split"]
    by_split = {split: int((kept == split).sum()) for split in ("train", "dev", "test")}
    return {"pairs": pairs.height, "kept": len(kept)} | by_split


def _pair_guests(show: Show, narrator: Narrator) -> Made:
    """What the guests replied to the host, in the episodes that have pairs, by the host's own rules."""
    of_host = read_frame(show.folder("pair") / "pairs.parquet", Pair, ["slug", "split"])
    pairs = EpisodePairs(show, GUESTS.version, of_guests=True).pair(dict(of_host.iter_rows()), narrator)
    return Made({"guest_pairs": pairs}, counts=_count_pairs(pairs))


def _pair_answers(show: Show, narrator: Narrator) -> Made:
    """What the host states, behind questions: the step of its own that a change of the exam does again."""
    passages, index = list_stated(show)
    pairs = make_answer_pairs(
        passages,
        open_tokenizer(_TOKENIZER).count_each,
        index,
        written=_read_written(show),
        writer=show.config.pair.writer.name if show.config.pair.writer else "",
    )
    counts = count_answer_pairs(pairs)
    if not counts["train"] and not show.config.show.solo:
        narrator.note(f"{show.voice.host} states nothing to train answers on: {len(passages):,} passages, none kept")
    return Made({"answer_pairs": drop_duplicates(pairs)}, counts=counts)


def list_stated(show: Show) -> tuple[list[Stating], PassageIndex]:
    """What the host states in the kept pairs, and the index by which questions to it are checked.

    Raises:
        ShowFolderError: The show is not paired yet.
    """
    # Where the host alone speaks, all pairs are answer pairs already.
    said = [] if show.config.show.solo else show.pairs(kept=True)
    found = EpisodePassages(show, _ANSWERS_VERSION).find(said)
    index = index_passages(found.passages, said=found.said, exam=_list_exam(show), parts=found.parts)
    return found.passages, index


def _read_written(show: Show) -> dict[str, list[str]]:
    """By passage, the questions that a model wrote for it: empty where it failed each time."""
    written = defaultdict[str, list[str]](list)
    for row in show.table_if_there(show.written_path, WrittenQuestion) if show.config.pair.writer else ():
        written[row.passage_id] += [row.text] if row.text else []
    return written


def _list_exam(show: Show) -> list[str]:
    questions = show.questions() if show.has_questions else ()
    return [text for question in questions for text in (question.text, *question.paraphrases)]


def _filters(show: Show) -> dict[str, object]:
    """`[pair]` without the writer, who changes answer pairs only."""
    return show.config.pair.model_dump(exclude={"writer"})


def _pair_inputs(show: Show) -> dict[str, str]:
    inputs = {"parse": show.made("parse")}
    if show.config.show.solo:  # then these are the answer pairs
        inputs["solo"] = hash_settings([_ANSWERS_VERSION, *_list_exam(show)])
    return inputs


PAIR = Stage[Show](
    "pair",
    version=3,
    settings={"pair": _filters, "persona": "show.persona"},
    inputs=_pair_inputs,
    reads=("parse",),
    writes={"pairs": Pair},
    do=_pair,
)

GUESTS = Stage[Show](
    "pair",
    part="guests",
    version=1,
    settings={"pair": _filters},
    inputs=lambda show: {"parse": show.made("parse"), "pair": show.made("pair")},
    reads=("parse", "pair"),
    writes={"guest_pairs": Pair},
    do=_pair_guests,
)
"""Apart from `pair`, so that models trained before this table was stored stay valid."""


def _answers_inputs(show: Show) -> dict[str, str]:
    inputs = {"pair": show.made("pair"), "exam": hash_settings(_list_exam(show))}
    if show.config.pair.writer and show.written_path.is_file():
        inputs["written"] = hash_file(show.written_path)
    return inputs


ANSWERS = Stage[Show](
    "pair",
    part="answers",
    version=_ANSWERS_VERSION,
    settings={"pair": "pair"},
    inputs=_answers_inputs,
    reads=("pair", "questions.toml", "what a model wrote"),
    writes={"answer_pairs": Pair},
    do=_pair_answers,
)
