"""Let a model write the questions of answer pairs: one at an OpenAI-compatible address, or one on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from econchatr.ask.asker import GenerationLog
from econchatr.config import CONFIG_NAME, WriterTable
from econchatr.errors import InputError, ModelError
from econchatr.models.base_model import Base
from econchatr.models.engines.llamacpp import open_llamacpp
from econchatr.models.engines.openai_client import RemoteModel, ServedAddress, find_key
from econchatr.pair import find_passages
from econchatr.pair.answer_pairs import Stating
from econchatr.pipeline.show import Show
from econchatr.pipeline.stage import Narrator, narrated
from econchatr.prompts import WRITER_VERSION, render_chat, writer_messages
from econchatr.records import Message, Reply, Sampling, WrittenQuestion
from econchatr.tables import hash_settings, lock_folder, write_table

_N_AT_ONCE: Final = 4

_Say = Callable[[Sequence[Message], int], Reply]
"""What the writer says to messages, with a seed."""


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
    passages = [one for one in find_passages(show.pairs(kept=True)) if not one.asked]
    log = GenerationLog(show.written_path.parent / "log.jsonl")
    with lock_folder(show.root), narrated(narrator, "pair/written", _tell_price(writer, passages)) as counts:
        with _open(show, writer, environment) as say:
            rows = _ask_all(passages, writer, say, log, narrator)
        write_table(show.written_path, rows, WrittenQuestion)
        n_failed = sum(bool(row.error) for row in rows)
        counts |= {"passages": len(passages), "questions": sum(bool(row.text) for row in rows), "failed": n_failed}
    return rows


def _ask_all(
    passages: Sequence[Stating], writer: WriterTable, say: _Say, log: GenerationLog, narrator: Narrator
) -> list[WrittenQuestion]:
    def write(wanted: tuple[Stating, int]) -> WrittenQuestion:
        return _write(*wanted, writer, say, log)

    rows: list[WrittenQuestion] = []
    wanted = [(one, seed) for one in passages for seed in range(writer.candidates)]
    with ThreadPoolExecutor(_N_AT_ONCE) as pool:
        for row in pool.map(write, wanted):
            rows.append(row)
            narrator.progress(len(rows), len(wanted), "questions")
    return rows


def _write(passage: Stating, seed: int, writer: WriterTable, say: _Say, log: GenerationLog) -> WrittenQuestion:
    messages = writer_messages(passage.text)
    settings = writer.model_dump(include={"base", "base_url", "model", "temperature", "max_tokens"})
    key = hash_settings([WRITER_VERSION, settings, seed, [message.content for message in messages]])
    reply = log.find(key)
    if reply is None:
        try:
            reply = say(messages, seed)
        except ModelError as exc:
            return WrittenQuestion(passage_id=passage.pair_id, seed=seed, text="", error=exc.message)
        log.add(key, {"passage": passage.pair_id, "reply": reply.model_dump()})
    return WrittenQuestion(passage_id=passage.pair_id, seed=seed, text=read_question(reply.text))


def read_question(said: str) -> str:
    """The question in what a model wrote, without quotes and bullets; empty where there is none.

    Of several lines the last that ends in a question mark is taken: models that think aloud end with it.
    """
    lines = [line.strip().strip("\"'“”*# -") for line in said.splitlines()]
    return next((" ".join(line.split()) for line in reversed(lines) if line.endswith("?")), "")


@contextmanager
def _open(show: Show, writer: WriterTable, environment: Mapping[str, str]) -> Iterator[_Say]:
    if not writer.base:
        key = find_key(writer.key_env, environment)
        with RemoteModel(ServedAddress(writer.base_url, writer.model, key, writer.timeout_seconds)) as model:
            yield lambda messages, seed: model.reply(
                messages, temperature=writer.temperature, max_tokens=writer.max_tokens, seed=seed
            )
        return
    base = Base(writer.base, show.cache, may_ask_hub=False)
    gguf = base.weights().gguf_path
    if gguf is None:
        raise InputError(f"{writer.base!r} is no GGUF file.", hint='Name a .gguf file, or "embedded".')
    with open_llamacpp(gguf, adapter=None, n_at_once=1) as speaker:
        yield lambda messages, seed: speaker.reply(
            render_chat(messages, base.template),
            Sampling(seed, writer.temperature, writer.max_tokens),
            tuned=False,
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
