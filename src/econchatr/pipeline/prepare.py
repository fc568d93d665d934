"""The steps before any model is trained: fetch, parse, pair, select.

This module does not know how a file is read, a pair is cleaned or a strategy orders: it hands records on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal

from econchatr.config import CHOICES_NAME, CONFIG_NAME, Rung
from econchatr.errors import InputError, TranscriptError
from econchatr.fetch.folder import keep_files, list_files
from econchatr.pair import PROFILES, assign_splits, drop_duplicates, pair_episode
from econchatr.parse import SpeakerTable, flag_turns, list_unnamed, parse_file, rank_episodes, unify_speakers
from econchatr.pipeline.choices import check_choices, list_pool, reason_bans
from econchatr.pipeline.feeds import list_pages, open_journal
from econchatr.pipeline.forms import example_form, rung_epochs
from econchatr.pipeline.rate import measured_rate
from econchatr.pipeline.show import Narrator, Outcome, Show, Step
from econchatr.records import Episode, Example, Failure, Pair, Reason, Selection, SourceFile, Turn
from econchatr.select.choose import Budget, choose_examples, open_purse
from econchatr.select.examples import build_example
from econchatr.select.files import chat_lines, completion_lines
from econchatr.select.order import order_pairs
from econchatr.select.plan import Strategy, plan_purses
from econchatr.select.prices import find_price
from econchatr.tables import hash_settings, read_table, write_bytes, write_table
from econchatr.tokens import open_tokenizer

PAIR_TOKENIZER = "gpt2"
"""The filters of 2023 count in GPT-2 tokens; both profiles do."""


def prepare_steps(show: Show) -> list[Step]:
    """fetch, parse, pair, select."""
    config = show.config
    source = {"folder": config.fetch.folder, "feed": config.fetch.feed, "prefer": config.fetch.prefer}
    speakers = {"hosts": config.show.hosts, "aliases": config.show.aliases}
    select = {
        "select": config.select.model_dump(),
        "ladder": [rung.model_dump() for rung in config.ladder],
        "lengths": [config.train.max_cue_tokens, config.train.max_example_tokens, config.train.n_epochs],
        "voice": show.voice,
    }
    pair = {"pair": config.pair.model_dump(), "persona": config.show.persona}
    return [
        _step(show, "fetch", source, lambda: _describe_source(show), lambda n: _fetch(show)),
        _step(show, "parse", speakers, lambda: {"fetch": show.made("fetch")}, lambda n: _parse(show, n)),
        _step(show, "pair", pair, lambda: {"parse": show.made("parse")}, lambda n: _pair(show, n)),
        _step(show, "select", select, lambda: _select_inputs(show), lambda n: _select(show, n)),
    ]


_VERSIONS = {"fetch": 2, "parse": 3, "pair": 2, "select": 2}

_MAX_VOICES_TOLD = 10


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


def _fetch(show: Show) -> Outcome:
    folder = show.folder("fetch")
    if show.feed is None:
        files, failures = list_files(show.transcripts)
        keep_files(files, folder=show.transcripts, raw=folder / "raw")
        counts = {"files": len(files), "refused": len(failures)}
    else:
        files, failures, counts = list_pages(show, show.feed)
    write_table(folder / "files.parquet", files, SourceFile)
    write_table(folder / "failures.parquet", failures, Failure)
    return Outcome(("files.parquet", "failures.parquet"), counts)


def _parse(show: Show, narrator: Narrator) -> Outcome:
    folder, source = show.folder("parse"), show.folder("fetch")
    table = SpeakerTable(hosts=show.config.show.hosts, aliases=show.config.show.aliases)
    episodes: list[Episode] = []
    turns: list[Turn] = []
    failures = read_table(source / "failures.parquet", Failure)
    files = read_table(source / "files.parquet", SourceFile)
    taken: set[str] = set()
    for n_done, file in enumerate(files, start=1):
        try:
            parsed = parse_file(
                (source / "raw" / file.sha256).read_bytes(), location=file.location, show=table, taken=taken
            )
        except TranscriptError as exc:
            failures.append(Failure(stage="parse", item=file.location, error="TranscriptError", message=exc.message))
        else:
            taken.add(parsed.episode.slug)
            episodes.append(_complete(parsed.episode, file))
            turns += parsed.turns
        narrator.progress(n_done, len(files), "files")
    turns = flag_turns(unify_speakers(turns, table), hosts=table.hosts)
    _check_parsed(show, episodes, turns, failures)
    ranked = rank_episodes(episodes)
    write_table(folder / "episodes.parquet", ranked, Episode)
    write_table(folder / "turns.parquet", turns, Turn)
    write_table(folder / "failures.parquet", failures, Failure)
    for failure in failures:
        narrator.note(f"quarantined {failure.item}: {failure.message}")
    unnamed = list_unnamed(turns)
    for voice in unnamed[:_MAX_VOICES_TOLD]:
        narrator.note(f'nobody named "{voice.alias}" ({voice.n_turns} turns): name it under [show.aliases]')
    counts = {
        "episodes": len(ranked),
        "quarantined": len(failures),
        "turns": len(turns),
        "words": sum(episode.n_words for episode in ranked),
        "unplaced_chars": sum(episode.n_unplaced_chars for episode in ranked),
        "flagged_turns": sum(bool(turn.flags) for turn in turns),
        "unnamed_voices": len(unnamed),
    }
    return Outcome(("episodes.parquet", "turns.parquet", "failures.parquet"), counts)


def _complete(episode: Episode, file: SourceFile) -> Episode:
    """Add what only the feed knows: the title as the show writes it, and a date where the page has none."""
    known = {"title": file.title or episode.title, "published": episode.published or file.published}
    return episode.model_copy(update=known)


def _check_parsed(show: Show, episodes: Sequence[Episode], turns: Sequence[Turn], failures: Sequence[Failure]) -> None:
    if not episodes:
        raise TranscriptError(
            f"none of the {len(failures)} files from {show.source} is a transcript; "
            f"{failures[0].item}: {failures[0].message}",
            hint="See docs/readers.md for the shapes that are read.",
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
    folder, parsed = show.folder("pair"), show.folder("parse")
    episodes = sorted(read_table(parsed / "episodes.parquet", Episode), key=lambda episode: episode.rank)
    turns: dict[str, list[Turn]] = {episode.slug: [] for episode in episodes}
    for turn in read_table(parsed / "turns.parquet", Turn):
        turns[turn.slug].append(turn)
    splits = assign_splits(episodes, dev_share=show.config.pair.dev_share, test_share=show.config.pair.test_share)
    profile, count = PROFILES[show.config.pair.profile], open_tokenizer(PAIR_TOKENIZER, cache=show.cache).count_each
    pairs: list[Pair] = []
    for n_done, episode in enumerate(episodes, start=1):
        if episode.slug in splits:
            pairs += pair_episode(
                episode, turns[episode.slug], split=splits[episode.slug], profile=profile, count_tokens=count,
                persona=show.config.show.persona or None,
            )  # fmt: skip
        narrator.progress(n_done, len(episodes), "episodes")
    pairs = drop_duplicates(pairs) if profile.drop_duplicates else pairs
    write_table(folder / "pairs.parquet", pairs, Pair)
    kept = [pair for pair in pairs if pair.is_kept]
    if not any(pair.split == "train" for pair in kept):
        raise InputError(
            f"{len(pairs)} pairs, none of them left to train on.",
            hint='Read why with `econchatr pair --show 20`; a gentler profile is profile = "default" under [pair].',
        )
    counts = {"pairs": len(pairs), "kept": len(kept)} | {
        split: sum(pair.split == split for pair in kept) for split in ("train", "dev", "test")
    }
    return Outcome(("pairs.parquet",), counts)


def _select_inputs(show: Show) -> dict[str, str]:
    return {"pair": show.made("pair"), CHOICES_NAME: hash_settings(show.choices().model_dump())}


def _select(show: Show, narrator: Narrator) -> Outcome:
    folder, settings = show.folder("select"), show.config.select
    pairs, choices = read_table(show.folder("pair") / "pairs.parquet", Pair), show.choices()
    check_choices(choices, pairs)
    # In the order of chance, so that the first ones stand for all when a rate is measured.
    pool = order_pairs(list_pool(pairs, choices), strategy="random", seed=settings.seed)
    dev = [pair for pair in pairs if pair.is_kept and pair.split == "dev"]
    strategy = Strategy(settings.strategy, settings.seed, settings.subjects)
    examples: list[list[Example]] = []
    for n_done, rung in enumerate(show.config.ladder, start=1):
        form = example_form(show, rung)
        examples.append([build_example(pair, form) for pair in pool])
        narrator.progress(n_done, len(show.config.ladder), "rungs counted")
    budgets = [_budget(show, rung, built) for rung, built in zip(show.config.ladder, examples, strict=True)]
    purses = [open_purse(built, budget) for built, budget in zip(examples, budgets, strict=True)]
    plan = plan_purses(pool, purses, strategy, pinned=choices.pin)
    selections: list[Selection] = []
    chosen: list[Example] = []
    outputs = ["selections.parquet", "examples.parquet", "reasons.parquet"]
    for rung, built, budget, share in zip(show.config.ladder, examples, budgets, plan.shares, strict=True):
        form = example_form(show, rung)
        selections.append(
            choose_examples(
                built, budget, share, strategy, n_pinned=len(set(choices.pin)), n_banned=len(set(choices.ban))
            )
        )
        taken, held = [built[place] for place in share.places], [build_example(pair, form) for pair in dev]
        chosen += [*taken, *held]
        outputs += _write_files(show, rung, taken, held, pairs=[pool[place] for place in share.places], dev=dev)
        if rung.where == "hosted":
            narrator.note(f"{rung.name}: training files are in {folder / rung.name}; hosted training is not built yet")
    write_table(folder / "selections.parquet", selections, Selection)
    write_table(folder / "examples.parquet", chosen, Example)
    write_table(folder / "reasons.parquet", [*plan.reasons, *reason_bans(pairs, choices)], Reason)
    counts = {f"{selection.rung} pairs": len(selection.pair_ids) for selection in selections}
    counts |= {f"{selection.rung} tokens": selection.n_tokens for selection in selections}
    return Outcome(tuple(outputs), counts)


def _write_files(
    show: Show, rung: Rung, taken: list[Example], held: list[Example], *, pairs: list[Pair], dev: list[Pair]
) -> list[str]:
    """Write a rung's training files; get their names."""
    files = {
        "train.chat.jsonl": chat_lines(taken),
        "dev.chat.jsonl": chat_lines(held),
        "train.completion.jsonl": completion_lines(pairs, show.voice),
        "dev.completion.jsonl": completion_lines(dev, show.voice),
    }
    for name, data in files.items():
        write_bytes(show.folder("select", rung.name) / name, data)
    return [f"{rung.name}/{name}" for name in files]


def _budget(show: Show, rung: Rung, examples: Sequence[Example]) -> Budget:
    """What a rung may use; dollars are shared evenly between hosted rungs that name none."""
    n_epochs = rung_epochs(show, rung)
    if rung.where == "hosted":
        price = find_price(rung.price)
        usd = rung.max_usd
        if usd is None and show.config.budget_usd is not None:
            usd = show.config.budget_usd / sum(item.where == "hosted" for item in show.config.ladder)
        if usd is None:
            raise InputError(f"rung {rung.name!r} has no budget.", hint="Give it max_usd, or the show budget_usd.")
        return Budget(n_epochs, f"${usd:.2f}", usd=usd, usd_per_mtok=Decimal(price.training_usd_per_mtok))
    if rung.max_tokens is not None:
        return Budget(n_epochs, f"{rung.max_tokens:,} tokens", all_epochs_tokens=rung.max_tokens)
    if rung.max_minutes is not None:
        rate = measured_rate(show, rung, examples)
        return Budget(
            n_epochs,
            f"{rung.max_minutes:g} minutes at {rate:,.0f} tokens/s",
            all_epochs_tokens=int(rung.max_minutes * 60 * rate),
        )
    return Budget(n_epochs, "everything")
