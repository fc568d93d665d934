"""The steps before any model is trained: fetch, parse, pair, select.

This module does not know how a file is read, a pair is cleaned or a strategy orders: it hands records on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from econchatr.config import CHOICES_NAME, CONFIG_NAME
from econchatr.errors import InputError, TranscriptError
from econchatr.fetch.folder import keep_files, list_files
from econchatr.pair import PROFILES, assign_splits, drop_duplicates, hide_private, open_presidio, pair_episode
from econchatr.parse import (
    Cast,
    Language,
    ParsedFile,
    SharedLabel,
    SpeakerTable,
    account_flags,
    choose_language,
    explain_foreign,
    flag_turns,
    list_unnamed,
    parse_file,
    rank_episodes,
    tell_shared,
    unify_speakers,
)
from econchatr.pipeline.choices import reason_bans
from econchatr.pipeline.choosing import choose_for_ladder, list_candidates
from econchatr.pipeline.costs import money_inputs, plan_money
from econchatr.pipeline.failures import tell_failure, tell_failures
from econchatr.pipeline.feeds import list_pages, open_journal
from econchatr.pipeline.forms import example_form
from econchatr.pipeline.heldout import GUESTS_FOLDER, GUESTS_NAME
from econchatr.pipeline.show import Narrator, Outcome, Show, Step
from econchatr.records import Episode, Example, Failure, Pair, Reason, Selection, SourceFile, Split, Turn
from econchatr.select.examples import build_example
from econchatr.select.files import chat_lines, completion_lines
from econchatr.tables import hash_settings, read_table, write_bytes, write_table
from econchatr.tokens import open_tokenizer

PAIR_TOKENIZER = "gpt2"
"""The filters of 2023 count in GPT-2 tokens; both profiles do."""


def prepare_steps(show: Show) -> list[Step]:
    """fetch, parse, pair, the guests' pairs, select."""
    config = show.config
    source = {"folder": config.fetch.folder, "feed": config.fetch.feed, "prefer": config.fetch.prefer}
    speakers = {"hosts": config.show.hosts, "aliases": config.show.aliases, "language": config.show.language}
    select = {
        "select": config.select.model_dump(),
        "ladder": [rung.model_dump(exclude=_COSTS_AT_HOME) for rung in config.ladder],
        "lengths": [config.train.max_cue_tokens, config.train.max_example_tokens, config.train.n_epochs],
        "voice": show.voice,
    }
    pair = {"pair": config.pair.model_dump(), "persona": config.show.persona}
    return [
        _step(show, "fetch", source, lambda: _describe_source(show), lambda n: _fetch(show, n)),
        _step(show, "parse", speakers, lambda: {"fetch": show.made("fetch")}, lambda n: _parse(show, n)),
        _step(show, "pair", pair, lambda: {"parse": show.made("parse")}, lambda n: _pair(show, n)),
        guest_pairs_step(show),
        _step(show, "select", select, lambda: _describe_select(show), lambda n: _select(show, n)),
    ]


def guest_pairs_step(show: Show) -> Step:
    """The guests' pairs, with a manifest of their own: training and asking do not depend on them, scoring does."""

    def inputs() -> dict[str, str]:
        return {"parse": show.made("parse"), "pair": show.made("pair")}

    return Step(
        "pair", GUESTS_FOLDER, show.folder("pair", GUESTS_FOLDER), _VERSIONS["pair/guests"],
        {"pair": show.config.pair.model_dump()}, inputs, lambda narrator: _pair_guests(show, narrator),
        read_by=("score", "report"),
    )  # fmt: skip


_VERSIONS = {"fetch": 3, "parse": 4, "pair": 2, "pair/guests": 1, "select": 3}

_MAX_VOICES_TOLD = 10

_COSTS_AT_HOME = {"tokens_per_second", "watts", "usd_per_kwh", "rent_usd_per_hour"}
"""What a rung costs at home changes the quote, never what is chosen."""


def _step(
    show: Show,
    stage: str,
    settings: object,
    inputs: Callable[[], dict[str, str]],
    work: Callable[[Narrator], Outcome],
) -> Step:
    return Step(stage, "", show.folder(stage), _VERSIONS[stage], settings, inputs, work)


def _describe_source(show: Show) -> dict[str, str]:
    if show.feed is not None:
        return {"pages": open_journal(show, show.feed).digest()}
    files, failures = list_files(show.transcripts)
    rows = [(file.location, file.sha256) for file in files] + [(failure.item, "") for failure in failures]
    return {"transcripts": hash_settings(rows)}


def _describe_select(show: Show) -> dict[str, str]:
    chosen = {CHOICES_NAME: hash_settings(show.choices().model_dump())}
    return {"pair": show.made("pair"), **chosen, **money_inputs(show)}


def _fetch(show: Show, narrator: Narrator) -> Outcome:
    folder = show.folder("fetch")
    if show.feed is None:
        files, failures = list_files(show.transcripts)
        keep_files(files, folder=show.transcripts, raw=folder / "raw")
        counts = {"files": len(files), "refused": len(failures)}
    else:
        files, failures, counts = list_pages(show, show.feed)
    write_table(folder / "files.parquet", files, SourceFile)
    write_table(folder / "failures.parquet", failures, Failure)
    tell_failures(failures, narrator)
    return Outcome(("files.parquet", "failures.parquet"), counts)


@dataclass
class _Heard:
    """What the files of a show hold, before it is known who is who."""

    episodes: list[Episode] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    shared: list[SharedLabel] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    languages: dict[str, Language] = field(default_factory=dict)
    """By episode."""

    def take(self, parsed: ParsedFile, file: SourceFile) -> None:
        """Add one file's."""
        self.episodes.append(_complete(parsed.episode, file))
        self.turns += parsed.turns
        self.shared += parsed.shared
        self.languages[parsed.episode.slug] = parsed.language

    def set_aside(self, foreign: Mapping[str, Failure]) -> None:
        """Take out the episodes of these slugs."""
        self.failures += foreign.values()
        self.episodes = [episode for episode in self.episodes if episode.slug not in foreign]
        self.shared = [one for one in self.shared if one.slug not in foreign]
        self.turns = [turn for turn in self.turns if turn.slug not in foreign]


def _parse(show: Show, narrator: Narrator) -> Outcome:
    folder, table = show.folder("parse"), SpeakerTable(show.config.show.hosts, show.config.show.aliases)
    heard = _read_files(show, table, narrator)
    turns = unify_speakers(heard.turns, table, held={(one.slug, one.label) for one in heard.shared})
    turns = flag_turns(turns, hosts=table.hosts)
    _check_parsed(show, heard.episodes, turns, heard.failures)
    said = {slug: list(group) for slug, group in groupby(turns, key=lambda turn: turn.slug)}
    ranked = rank_episodes([account_flags(episode, said[episode.slug]) for episode in heard.episodes])
    write_table(folder / "episodes.parquet", ranked, Episode)
    write_table(folder / "turns.parquet", turns, Turn)
    write_table(folder / "failures.parquet", heard.failures, Failure)
    counts = {
        "episodes": len(ranked),
        "quarantined": len(heard.failures),
        "turns": len(turns),
        "words": sum(episode.n_words for episode in ranked),
        "unplaced_chars": sum(episode.n_unplaced_chars for episode in ranked),
        "flagged_chars": sum(episode.n_flagged_chars for episode in ranked),
        "flagged_turns": sum(bool(turn.flags) for turn in turns),
        "unnamed_voices": _tell_doubts(ranked, turns, heard, narrator),
        "shared_labels": len(heard.shared),
    }
    return Outcome(("episodes.parquet", "turns.parquet", "failures.parquet"), counts)


def _read_files(show: Show, table: SpeakerTable, narrator: Narrator) -> _Heard:
    source, taken = show.folder("fetch"), set[str]()
    heard = _Heard(failures=read_table(source / "failures.parquet", Failure))
    files = read_table(source / "files.parquet", SourceFile)
    for n_done, file in enumerate(files, start=1):
        data, cast = (source / "raw" / file.sha256).read_bytes(), Cast(file.title, file.hosts, file.guests)
        try:
            parsed = parse_file(data, location=file.location, taken=taken, show=replace(table, cast=cast))
        except TranscriptError as exc:
            heard.failures.append(_fail(file.location, exc.message, exc.hint))
        else:
            taken.add(parsed.episode.slug)
            heard.take(parsed, file)
        narrator.progress(n_done, len(files), "files")
    heard.set_aside(_find_foreign(show, heard.episodes, heard.languages))
    return heard


def _tell_doubts(ranked: Sequence[Episode], turns: Sequence[Turn], heard: _Heard, narrator: Narrator) -> int:
    """Tell what a person should look at; gives the number of voices that nobody named."""
    tell_failures((one for one in heard.failures if one.stage == "parse"), narrator)
    for episode in ranked:
        if episode.doubt:
            narrator.note(f"doubtful {episode.location}: {episode.doubt}")
    for line in tell_shared(heard.shared):
        narrator.note(line)
    told = {one.alias for one in heard.shared}
    unnamed = [voice for voice in list_unnamed(turns) if voice.alias not in told]
    for voice in unnamed[:_MAX_VOICES_TOLD]:
        narrator.note(f'nobody named "{voice.alias}" ({voice.n_turns} turns): name it under [show.aliases]')
    return len(unnamed)


def _fail(location: str, message: str, hint: str) -> Failure:
    return Failure(stage="parse", item=location, error="TranscriptError", message=message, hint=hint)


def _find_foreign(show: Show, episodes: Sequence[Episode], languages: Mapping[str, Language]) -> dict[str, Failure]:
    """Slug -> why an episode is not in the show's language, which show.toml names, or most of its episodes tell."""
    named = show.config.show.language
    expected = "" if named == "any" else named or choose_language(languages.values())
    hint = f'Take it out, or set language = "any" under [show] in {CONFIG_NAME} if it belongs to the show.'
    reasons = ((episode, explain_foreign(languages[episode.slug], expected)) for episode in episodes)
    return {episode.slug: _fail(episode.location, reason, hint) for episode, reason in reasons if reason}


def _complete(episode: Episode, file: SourceFile) -> Episode:
    """Add what only the feed knows: the title as the show writes it, and a date where the page has none."""
    known: dict[str, object] = {"title": file.title or episode.title}
    if episode.published is None and file.published is not None:
        known |= {"published": file.published, "precision": "day"}
    return episode.model_copy(update=known)


def _check_parsed(show: Show, episodes: Sequence[Episode], turns: Sequence[Turn], failures: Sequence[Failure]) -> None:
    if not episodes:
        raise TranscriptError(
            f"none of the {len(failures)} files from {show.source} can be used; "
            f"{tell_failure(failures[0].model_copy(update={'hint': ''}))}",
            hint=failures[0].hint or "See docs/readers.md for the shapes that are read.",
        )
    if not any(turn.role == "host" for turn in turns):
        speakers = Counter(turn.speaker for turn in turns).most_common(5)
        found = ", ".join(f"{name!r} ({n} turns)" for name, n in speakers) or "nobody"
        raise InputError(
            f"{show.root / CONFIG_NAME}: no turn of {' or '.join(map(repr, show.config.show.hosts))} "
            f"in {len(episodes)} episodes; heard most: {found}.",
            hint="Set `hosts` under [show] to the host's name as the transcripts write it, or add an alias.",
        )


def _pair(show: Show, narrator: Narrator) -> Outcome:
    episodes, turns = _read_by_episode(show)
    splits = assign_splits(episodes, dev_share=show.config.pair.dev_share, test_share=show.config.pair.test_share)
    pairs = _pair_episodes(show, episodes, turns, splits, narrator, persona=show.config.show.persona or None)
    pairs = drop_duplicates(pairs) if PROFILES[show.config.pair.profile].drop_duplicates else pairs
    write_table(show.folder("pair") / "pairs.parquet", pairs, Pair)
    kept = [pair for pair in pairs if pair.is_kept]
    if not any(pair.split == "train" for pair in kept):
        raise InputError(
            f"{len(pairs)} pairs, none of them left to train on.",
            hint='Read why with `econchatr pair --show 20`; a gentler profile is profile = "default" under [pair].',
        )
    return Outcome(("pairs.parquet",), _count_pairs(pairs))


def _pair_guests(show: Show, narrator: Narrator) -> Outcome:
    """Pair again with the sides exchanged, in the episodes that have a pair of the host's; repeats stay in."""
    splits = {pair.slug: pair.split for pair in read_table(show.folder("pair") / "pairs.parquet", Pair)}
    episodes, turns = _read_by_episode(show)
    exchanged = {
        slug: [turn.model_copy(update={"role": _OTHER_SIDE[turn.role]}) for turn in said]
        for slug, said in turns.items()
        if slug in splits
    }
    pairs = _pair_episodes(show, episodes, exchanged, splits, narrator, persona=None)
    write_table(show.folder("pair", GUESTS_FOLDER) / GUESTS_NAME, pairs, Pair)
    return Outcome((GUESTS_NAME,), _count_pairs(pairs))


_OTHER_SIDE = {"host": "guest", "guest": "host", "other": "other"}


def _read_by_episode(show: Show) -> tuple[list[Episode], dict[str, list[Turn]]]:
    """Episodes by rank, and the turns of each by its slug."""
    parsed = show.folder("parse")
    episodes = sorted(read_table(parsed / "episodes.parquet", Episode), key=lambda episode: episode.rank)
    turns: dict[str, list[Turn]] = {episode.slug: [] for episode in episodes}
    for turn in read_table(parsed / "turns.parquet", Turn):
        turns[turn.slug].append(turn)
    return episodes, turns


def _pair_episodes(
    show: Show,
    episodes: Sequence[Episode],
    turns: Mapping[str, Sequence[Turn]],
    splits: Mapping[str, Split],
    narrator: Narrator,
    *,
    persona: str | None,
) -> list[Pair]:
    """Pair the episodes that have a split, by the show's profile, with what is private hidden as the show wants it."""
    hide = open_presidio() if show.config.pair.private == "presidio" else hide_private
    profile, count = PROFILES[show.config.pair.profile], open_tokenizer(PAIR_TOKENIZER, cache=show.cache).count_each
    pairs: list[Pair] = []
    for n_done, episode in enumerate(episodes, start=1):
        if episode.slug in splits:
            pairs += pair_episode(
                episode, turns[episode.slug], split=splits[episode.slug], profile=profile, count_tokens=count,
                persona=persona, hide=hide,
            )  # fmt: skip
        narrator.progress(n_done, len(episodes), "episodes")
    return pairs


def _count_pairs(pairs: Sequence[Pair]) -> dict[str, int]:
    kept = [pair for pair in pairs if pair.is_kept]
    by_split = {split: sum(pair.split == split for pair in kept) for split in ("train", "dev", "test")}
    return {"pairs": len(pairs), "kept": len(kept)} | by_split


def _select(show: Show, narrator: Narrator) -> Outcome:
    folder, pairs = show.folder("select"), read_table(show.folder("pair") / "pairs.parquet", Pair)
    pool, dev = list_candidates(show, pairs), [pair for pair in pairs if pair.is_kept and pair.split == "dev"]
    money = plan_money(show, pool, dev)
    choice = choose_for_ladder(show, pool, money, narrator)
    chosen: list[Example] = []
    outputs = ["selections.parquet", "examples.parquet", "reasons.parquet"]
    for rung, one in zip(show.config.ladder, choice.rungs, strict=True):
        form = example_form(show, rung)
        held = money.dev.get(rung.name) or [build_example(pair, form) for pair in dev]
        chosen += [*one.examples, *held]
        files = {
            "train.chat.jsonl": chat_lines(one.examples),
            "dev.chat.jsonl": chat_lines(held),
            "train.completion.jsonl": completion_lines(one.pairs, show.voice),
            "dev.completion.jsonl": completion_lines(dev, show.voice),
        }
        for name, data in files.items():
            write_bytes(folder / rung.name / name, data)
            outputs.append(f"{rung.name}/{name}")
        if rung.where == "hosted":
            narrator.note(f"{rung.name}: training files are in {folder / rung.name}; hosted training is not built yet")
    selections = [one.selection for one in choice.rungs]
    write_table(folder / "selections.parquet", selections, Selection)
    write_table(folder / "examples.parquet", chosen, Example)
    write_table(folder / "reasons.parquet", [*choice.reasons, *reason_bans(pairs, show.choices())], Reason)
    counts = {f"{selection.rung} pairs": len(selection.pair_ids) for selection in selections}
    counts |= {f"{selection.rung} tokens": selection.n_tokens for selection in selections}
    return Outcome(tuple(outputs), counts)
