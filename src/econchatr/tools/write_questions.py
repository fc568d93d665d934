"""Let a model write the questions of answer pairs: one at an OpenAI-compatible address, or one on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Final, NamedTuple

from econchatr.ask.asker import GenerationLog
from econchatr.config import CONFIG_NAME, WriterTable
from econchatr.errors import InputError, ModelError
from econchatr.models.base_model import Base
from econchatr.models.engines.llamacpp import open_llamacpp
from econchatr.models.engines.openai_client import RemoteModel, ServedAddress, find_key
from econchatr.pair.answer_pairs import Stating
from econchatr.pair.written_questions import (
    STOP,
    WRITER_VERSION,
    read_page,
    read_question,
    writer_messages,
    writer_page,
)
from econchatr.pipeline.pair import list_stated
from econchatr.pipeline.show import Show
from econchatr.pipeline.stage import Narrator, narrated
from econchatr.prompts import disarm_marks
from econchatr.records import Reply, Sampling, WrittenQuestion
from econchatr.tables import hash_settings, lock_folder, write_table

_N_AT_ONCE: Final = 4


class _Writer(NamedTuple):
    """A model that writes questions."""

    say: Callable[[str, int], Reply]
    """What the model says to a passage, for a candidate."""
    read: Callable[[str, int], str]
    """The question in what the model said for a candidate; empty: there is none."""


_FindFault = Callable[[str], str]
"""Why a question may not stand before its passage; empty where it may."""


def write_questions(show: Show, narrator: Narrator, *, environment: Mapping[str, str]) -> list[WrittenQuestion]:
    """Ask the writer of show.toml for questions to every stating passage that has none; `pair` then checks them.

    What was written before is not asked for again. A failure is kept as one, and asked for again the next time.

    Raises:
        InputError: show.toml names no writer, or the environment variable for its key is not set.
        ModelError: The model on this machine cannot be opened.
    """
    writer = show.config.pair.writer
    if writer is None:
        raise InputError(
            f"{show.root / CONFIG_NAME} names no writer.",
            hint='Add [pair.writer] with base_url = "https://.../v1" and model = "...", or with base = "embedded".',
        )
    every, index = list_stated(show)
    faults = [partial(index.find_fault, place=place) for place in range(len(every))]
    wanted = [(one, find) for one, find in zip(every, faults, strict=True) if not one.asked]
    log = GenerationLog(show.written_path.parent / "log.jsonl")
    told = _tell_price(writer, [one for one, _ in wanted])
    with lock_folder(show.root), narrated(narrator, "pair/written", told) as counts:
        with _open(show, writer, environment) as model:
            rows = _ask_all(wanted, writer, model, log, narrator)
        write_table(show.written_path, rows, WrittenQuestion)
        counts |= _count(len(wanted), rows)
    return rows


def _count(n_passages: int, rows: Sequence[WrittenQuestion]) -> dict[str, int]:
    n_failed = sum(bool(row.error) for row in rows)
    return {"passages": n_passages, "questions": sum(bool(row.text) for row in rows), "failed": n_failed}


def _ask_all(
    wanted: Sequence[tuple[Stating, _FindFault]],
    writer: WriterTable,
    model: _Writer,
    log: GenerationLog,
    narrator: Narrator,
) -> list[WrittenQuestion]:
    def ask(one: tuple[Stating, _FindFault]) -> list[WrittenQuestion]:
        return _ask_until_good(*one, writer, model, log)

    rows: list[WrittenQuestion] = []
    with ThreadPoolExecutor(_N_AT_ONCE) as pool:
        for n_done, found in enumerate(pool.map(ask, wanted), start=1):
            rows += found
            narrator.progress(n_done, len(wanted), "passages")
    return rows


def _ask_until_good(
    passage: Stating, find_fault: _FindFault, writer: WriterTable, model: _Writer, log: GenerationLog
) -> list[WrittenQuestion]:
    """The candidates up to the first that passes every check; what would not be taken is not paid for."""
    rows: list[WrittenQuestion] = []
    for candidate in range(writer.candidates):
        rows.append(_ask(passage, candidate, writer, model, log))
        if rows[-1].text and not find_fault(rows[-1].text):
            break
    return rows


def _ask(passage: Stating, candidate: int, writer: WriterTable, model: _Writer, log: GenerationLog) -> WrittenQuestion:
    settings = writer.model_dump(include={"base", "base_url", "model", "temperature", "max_tokens"})
    key = hash_settings([WRITER_VERSION, settings, candidate, passage.text])
    row = WrittenQuestion(passage_id=passage.pair_id, seed=candidate, text="")
    reply = log.find(key)
    if reply is None:
        try:
            reply = model.say(passage.text, candidate)
        except ModelError as exc:
            return row.model_copy(update={"error": exc.message})
        log.add(key, {"passage": passage.pair_id, "reply": reply.model_dump()})
    return row.model_copy(update={"text": model.read(reply.text, candidate)})


@contextmanager
def _open(show: Show, writer: WriterTable, environment: Mapping[str, str]) -> Iterator[_Writer]:
    if not writer.base:
        key = find_key(writer.key_env, environment)
        with RemoteModel(ServedAddress(writer.base_url, writer.model, key, writer.timeout_seconds)) as served:
            ask = partial(served.reply, temperature=writer.temperature, max_tokens=writer.max_tokens)
            yield _Writer(
                lambda passage, candidate: ask(writer_messages(passage), seed=candidate),
                lambda said, _candidate: read_question(said),
            )
        return
    base = Base(writer.base, show.cache, may_ask_hub=False)
    gguf = base.weights().gguf_path
    if gguf is None:
        raise InputError(f"{writer.base!r} is no GGUF file.", hint='Name a .gguf file, or "embedded".')
    with open_llamacpp(gguf, adapter=None, n_at_once=1) as speaker:
        yield _Writer(
            lambda passage, candidate: speaker.reply(
                writer_page(disarm_marks(passage, base.template), candidate),
                Sampling(candidate, writer.temperature, writer.max_tokens, stop=(STOP,)),
                tuned=False,
            ),
            read_page,
        )


def _tell_price(writer: WriterTable, passages: Sequence[Stating]) -> str:
    """The most that will be asked, told before anything is; the service's price list gives the cost."""
    n_asked = writer.candidates * len(passages)
    n_words = sum(len(one.text.split()) + 60 for one in passages) * writer.candidates
    where = "this machine" if writer.base else writer.base_url
    return (
        f"{writer.name} at {where} is asked at most {n_asked:,} times, about {n_words * 4 // 3:,} tokens to read and "
        f"{n_asked * writer.max_tokens:,} to write; what it wrote before is not asked for again"
    )
