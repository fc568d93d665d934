"""How likely base and tuned model find held-out replies, and which of twenty they take for the true one.

What was measured is kept line by line, so a measurement that was stopped goes on, and `--minutes` adds to what is
there. Contexts are taken in one fixed order, spread over the episodes; how many of them is a setting, or what the
minutes given were enough for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import Final, NamedTuple

from econchatr.models.llama.meter import ReplyMeter, open_meter
from econchatr.pipeline.show import Rung
from econchatr.pipeline.stage import Narrator, narrated
from econchatr.prompts import EncodedExample
from econchatr.records import Example, Pair
from econchatr.score.likelihood import Choice, ChoiceLikelihood, ReplyLikelihood, draw_choices
from econchatr.score.speech import spread_evenly
from econchatr.select.examples import ExampleForm, build_example
from econchatr.tables import append_line, hash_settings, lock_folder, read_lines, write_bytes

_CHUNK_REPLIES: Final = 8
"""Of each side, measured together and kept together: some seconds of work."""

_MAX_OTHER_TOKENS: Final = 400
"""Of an answer that is measured for sense, and of what stands before every cue."""

_LOG_NAME: Final = "likelihoods.jsonl"
_CONTEXTS_NAME: Final = "contexts.json"
MODELS: Final = ("base", "tuned")


HeldOut = Mapping[str, Sequence[Pair]]
"""Per side (`host`, `guest`), the kept pairs of test episodes."""


class MeasuredReply(NamedTuple):
    """One held-out reply as it was measured."""

    side: str
    pair: Pair
    example: Example
    """As the models saw it; its reply may be cut."""
    nats: tuple[float, float]
    """Negative log-likelihood of base and tuned model."""

    def likelihood(self) -> ReplyLikelihood:
        """The same without its text."""
        n_bytes = len(self.example.messages[-1].content.encode())
        return ReplyLikelihood(self.pair.slug, n_bytes, self.example.n_learned_tokens, *self.nats)


class MeasuredChoices(NamedTuple):
    """What the models made of the choices among twenty."""

    by_model: dict[str, list[ChoiceLikelihood]]
    reason: str
    """Why there is none; empty where there are some."""


class Likelihoods(NamedTuple):
    """Everything measured of one rung."""

    replies: list[MeasuredReply]
    choices: MeasuredChoices


def measure_likelihoods(rung: Rung, sides: HeldOut, book: LikelihoodBook, narrator: Narrator) -> Likelihoods:
    """Measure as many contexts as the settings say, or `measure_longer` came to; what is known is not measured again.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: The model cannot be opened.
    """
    contexts = _Contexts(rung, sides)
    n_chunks, n_choices = contexts.read_counts() or (contexts.n_first_chunks, rung.show.config.score.max_choices)
    chunks, choices = contexts.chunks[:n_chunks], contexts.choices[:n_choices]
    n_all = 2 * (sum(map(len, chunks)) + len(choices))
    n_done = 0

    def tell(n: int) -> None:
        nonlocal n_done
        n_done += n
        narrator.progress(n_done, n_all, "replies")

    replies = [row for chunk in chunks for row in contexts.measure_chunk(chunk, book, tell)]
    by_model: dict[str, list[ChoiceLikelihood]] = {model: [] for model in MODELS}
    for choice in choices:
        for model, likelihood in contexts.measure_choice(choice, book, tell).items():
            by_model[model].append(likelihood)
    return Likelihoods(replies, MeasuredChoices(by_model, _explain_choices(contexts, n_choices)))


def measure_longer(
    rung: Rung, sides: HeldOut, narrator: Narrator, *, seconds: float, clock: Callable[[], float] = time.monotonic
) -> tuple[int, int]:
    """Measure for so long, replies and choices in turn; say how many replies and choices are measured now, in all.

    How many that are is stored, until the model or the pairs change; the step `score` goes by it.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: The model cannot be opened.
        ShowFolderError: Another run holds the folder, or the disk is full.
    """
    name, why = f"score/{rung.name}: likelihoods", f"as many held-out replies as {seconds / 60:g} minutes allow"
    with lock_folder(rung.show.root), narrated(narrator, name, why) as told:
        contexts = _Contexts(rung, sides)
        book = LikelihoodBook(rung)
        streams = (
            [lambda chunk=chunk: contexts.measure_chunk(chunk, book) for chunk in contexts.chunks],
            [lambda choice=choice: contexts.measure_choice(choice, book) for choice in contexts.choices],
        )
        known = contexts.count_known(book)
        counts = _take_turns(streams, known, seconds, clock, lambda spent: narrator.progress(spent, seconds, "seconds"))
        contexts.write_counts(*counts)
        n_replies = sum(map(len, contexts.chunks[: counts[0]]))
        told |= {"replies": n_replies, "choices": counts[1]}
        return n_replies, counts[1]


def _take_turns(
    streams: Sequence[Sequence[Callable[[], object]]],
    known: tuple[int, int],
    seconds: float,
    clock: Callable[[], float],
    tell: Callable[[float], None],
) -> tuple[int, int]:
    """Do the next of the stream that has had less time, until time or work is out; at least one of the first.

    Nothing is begun that, by the one before it, would not end in time. So many of each were done before.
    """
    start, spent, last, counts = clock(), [0.0, 0.0], [0.0, 0.0], list(known)
    while True:
        left = seconds - (clock() - start)
        ready = [n for n, stream in enumerate(streams) if counts[n] < len(stream) and last[n] <= left]
        if not ready or (left <= 0 and counts[0]):
            return counts[0], counts[1]
        n = min(ready, key=lambda n: spent[n])
        began = clock()
        streams[n][counts[n]]()
        last[n] = clock() - began
        spent[n] += last[n]
        counts[n] += 1
        tell(min(clock() - start, seconds))


def contexts_input(rung: Rung) -> dict[str, str]:
    """What the step `score` depends on besides its settings: how many contexts `measure_longer` came to."""
    path = rung.folder("score") / _CONTEXTS_NAME
    counts = _read_counts(path, _identify(rung)) if path.is_file() else None
    return {"contexts measured": hash_settings(counts)} if counts else {}


# --- what is measured, and in which order -----------------------------------------------------------------------------


class _Contexts:
    """All that could be measured of a rung, in the order in which it is."""

    def __init__(self, rung: Rung, sides: HeldOut) -> None:
        self._rung, self._form, config = rung, rung.form, rung.show.config
        first = {side: spread_evenly(pairs, n=config.score.max_replies) for side, pairs in sides.items()}
        chosen = {pair.pair_id for pairs in first.values() for pair in pairs}
        rest = {side: [pair for pair in pairs if pair.pair_id not in chosen] for side, pairs in sides.items()}
        self.chunks = [*_cut_chunks(first), *_cut_chunks(rest)]
        self.n_first_chunks = len(list(_cut_chunks(first)))
        self.choices = draw_choices(_list_whole(sides["host"], self._form))

    def count_known(self, book: LikelihoodBook) -> tuple[int, int]:
        """How many chunks, and how many choices, were measured before, from the first on without a gap."""
        chunks = (self._encode([build_example(pair, self._form) for _, pair in chunk]) for chunk in self.chunks)
        n_chunks = sum(1 for _ in takewhile(book.knows, chunks))
        # A choice's twenty with their cue are kept together; what each is without a cue was measured with them.
        given = (self._encode(self._give_cue(choice)) for choice in self.choices)
        return n_chunks, sum(1 for _ in takewhile(book.knows, given))

    def measure_chunk(
        self, chunk: Sequence[tuple[str, Pair]], book: LikelihoodBook, tell: Callable[[int], None] = lambda n: None
    ) -> list[MeasuredReply]:
        """Measure these replies, each after its own cue."""
        examples = [build_example(pair, self._form) for _, pair in chunk]
        encoded = self._encode(examples)
        nats = []
        for model in MODELS:
            nats.append(book.measure(encoded, model))
            tell(len(chunk))
        return [
            MeasuredReply(side, pair, example, both)
            for (side, pair), example, both in zip(chunk, examples, zip(*nats, strict=True), strict=True)
        ]

    def measure_choice(
        self, choice: Choice, book: LikelihoodBook, tell: Callable[[int], None] = lambda n: None
    ) -> dict[str, ChoiceLikelihood]:
        """Measure twenty replies after one cue, and after none."""
        with_cue = self._encode(self._give_cue(choice))
        without = self._encode([self._form_reply("", pair) for pair in (choice.pair, *choice.others)])
        found = {}
        for model in MODELS:
            given = book.measure(with_cue, model)
            bare = book.measure_each(without, model)
            found[model] = ChoiceLikelihood(choice.pair.slug, tuple(-x for x in given), tuple(-x for x in bare))
            tell(1)
        return found

    def read_counts(self) -> tuple[int, int] | None:
        """How many chunks and choices `measure_longer` came to; `None`: it was not asked, or of another model."""
        return _read_counts(self._path, _identify(self._rung))

    def write_counts(self, n_chunks: int, n_choices: int) -> None:
        """Keep how far the measuring came."""
        counts = {"of": _identify(self._rung), "n_chunks": n_chunks, "n_choices": n_choices}
        write_bytes(self._path, json.dumps(counts).encode() + b"\n")

    @property
    def _path(self) -> Path:
        return self._rung.folder("score") / _CONTEXTS_NAME

    def _give_cue(self, choice: Choice) -> list[Example]:
        return [self._form_reply(choice.pair.cue, pair) for pair in (choice.pair, *choice.others)]

    def _form_reply(self, cue: str, pair: Pair) -> Example:
        return build_example(pair.model_copy(update={"cue": cue}), self._form)

    def _encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        return self._rung.encode(examples)


def _cut_chunks(sides: HeldOut) -> Iterator[list[tuple[str, Pair]]]:
    """Host and guest side by side, in an order that is spread over the episodes wherever it ends."""
    ordered = [[(side, pairs[place]) for place in _spread_order(len(pairs))] for side, pairs in sides.items()]
    rows = [row for pair_of_sides in zip_longest(*ordered) for row in pair_of_sides if row is not None]
    size = _CHUNK_REPLIES * len(sides)
    return (rows[at : at + size] for at in range(0, len(rows), size))


def _spread_order(n: int) -> list[int]:
    """The numbers below n so that every beginning of the list is spread evenly: van der Corput's sequence.

    >>> _spread_order(5)
    [0, 2, 1, 3, 4]
    """
    n_bits = max(1, (n - 1).bit_length())
    turned = (int(f"{number:0{n_bits}b}"[::-1], 2) for number in range(2**n_bits))
    return list(dict.fromkeys(place * n >> n_bits for place in turned)) if n else []


def _list_whole(pairs: Sequence[Pair], form: ExampleForm) -> list[Pair]:
    """Pairs whose reply is uncut behind the longest cue: else it would be a shorter one there than without a cue."""
    room = form.max_example_tokens - form.max_cue_tokens
    empty = build_example(pairs[0].model_copy(update={"cue": "", "reply": ""}), form).n_billed_tokens if pairs else 0
    return [pair for pair in pairs if form.tokenizer.count(pair.reply) <= room - empty - 2]


def _explain_choices(contexts: _Contexts, n_choices: int) -> str:
    if contexts.choices and not n_choices:
        return "not measured: max_choices is 0 under [score]; `econchatr score --minutes 10` measures it"
    return "" if contexts.choices else "too few held-out replies of like length in other episodes to choose from"


def _identify(rung: Rung) -> str:
    """The models and the pairs that a number of contexts belongs to."""
    tuned = rung.tuned()
    return hash_settings([tuned.base_sha256, tuned.adapter_sha256, rung.show.made("pair"), rung.form_version])


def _read_counts(path: Path, of: str) -> tuple[int, int] | None:
    try:
        row = json.loads(path.read_bytes())
        return (int(row["n_chunks"]), int(row["n_choices"])) if row["of"] == of else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


# --- what was measured ------------------------------------------------------------------------------------------------


class LikelihoodBook:
    """Likelihoods by what they are of; the model is opened only for one that is not known."""

    def __init__(self, rung: Rung, *, of: Rung | None = None) -> None:
        """Read what is known.

        Args:
            rung: The rung that is scored, in whose folder it is kept.
            of: The rung whose models measure; `None`: the same.
        """
        train = rung.show.config.train
        self._n_positions = max(train.max_example_tokens, train.max_cue_tokens + _MAX_OTHER_TOKENS) + 1
        self._rung = of or rung
        self._path = rung.folder("score") / _LOG_NAME
        tuned = self._rung.tuned()
        self._sha256 = {"base": tuned.base_sha256, "tuned": hash_settings([tuned.base_sha256, tuned.adapter_sha256])}
        self._meter: ReplyMeter | None = None
        self._known: dict[str, list[float]] = {}
        for line in read_lines(self._path):
            try:
                self._known |= {key: [float(x) for x in nats] for key, nats in json.loads(line).items()}
            except (ValueError, AttributeError, TypeError):
                continue  # cut off by a kill: it is measured again

    def measure(self, examples: Sequence[EncodedExample], model: str) -> list[float]:
        """Give nats of each example; all of them are measured together, and kept together."""
        key = self._key(examples, model)
        if key not in self._known:
            self._keep({key: self._open().measure(examples, tuned=model == "tuned")})
        return self._known[key]

    def knows(self, examples: Sequence[EncodedExample]) -> bool:
        """Whether these were measured together under both models."""
        return all(self._key(examples, model) in self._known for model in MODELS)

    def _key(self, examples: Sequence[EncodedExample], model: str) -> str:
        return hash_settings([self._sha256[model], *((example.n_prompt, example.ids) for example in examples)])

    def measure_each(self, examples: Sequence[EncodedExample], model: str) -> list[float]:
        """Give nats of each example; what is not known is measured together, and known alone from then on."""
        keys = [hash_settings([self._sha256[model], "alone", example.n_prompt, example.ids]) for example in examples]
        new = {key: example for key, example in zip(keys, examples, strict=True) if key not in self._known}
        if new:
            nats = self._open().measure(list(new.values()), tuned=model == "tuned")
            self._keep({key: [value] for key, value in zip(new, nats, strict=True)})
        return [self._known[key][0] for key in keys]

    def _keep(self, found: dict[str, list[float]]) -> None:
        # One line: after a kill either all of it is known or nothing, and the same lots are measured again.
        append_line(self._path, json.dumps(found).encode())
        self._known |= found

    def _open(self) -> ReplyMeter:
        if self._meter is None:
            base, adapter = self._rung.base.weights(), self._rung.folder("train")
            self._meter = open_meter(base.checkpoint_path, adapter=adapter, n_positions=self._n_positions)
        return self._meter
