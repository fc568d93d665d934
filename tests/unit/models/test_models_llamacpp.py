from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import pytest

from econchatr.errors import ModelError
from econchatr.models.engines.llamacpp import LlamaCpp, open_llamacpp
from econchatr.models.files.adapters import write_gguf_adapter
from econchatr.models.files.weights import locate_embedded_gguf
from econchatr.records import Reply, Sampling
from tests.helpers.model_material import PROMPT, open_embedded, train_briefly


@pytest.fixture(scope="module")
def adapter(cache: Path) -> Path:
    out = cache / "brief.gguf"
    write_gguf_adapter(train_briefly(cache).adapter_folder, base_gguf=locate_embedded_gguf(), out=out)
    return out


@pytest.fixture(scope="module")
def speaker(adapter: Path) -> Iterator[LlamaCpp]:
    with open_llamacpp(locate_embedded_gguf(), adapter=adapter, n_ctx=512) as opened:
        yield opened


def say(speaker: LlamaCpp, *, tuned: bool, seed: int = 1, temperature: float = 0.7, max_tokens: int = 16) -> Reply:
    return speaker.reply(PROMPT, Sampling(seed, temperature, max_tokens), tuned=tuned)


def test_the_adapter_is_switched_on_and_off_by_request(speaker: LlamaCpp, adapter: Path) -> None:
    tuned, base = say(speaker, tuned=True, temperature=0), say(speaker, tuned=False, temperature=0)
    assert tuned.text.startswith("Arr,")
    assert not base.text.startswith("Arr,")
    with open_llamacpp(locate_embedded_gguf(), adapter=None, n_ctx=512) as alone:
        assert say(alone, tuned=False, temperature=0) == base


def test_the_same_arguments_give_the_same_reply_whatever_was_asked_between(speaker: LlamaCpp) -> None:
    first = say(speaker, tuned=True)
    say(speaker, tuned=False, seed=2)
    assert say(speaker, tuned=True) == first
    assert say(speaker, tuned=True, seed=2, max_tokens=40) != say(speaker, tuned=True, seed=3, max_tokens=40)


def test_another_process_gives_the_same_reply(speaker: LlamaCpp, adapter: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom econchatr.models.engines.llamacpp import open_llamacpp\n"
        "from econchatr.records import Sampling\n"
        "with open_llamacpp(Path(sys.argv[1]), adapter=Path(sys.argv[2]), n_ctx=512) as speaker:\n"
        "    print(speaker.reply(sys.argv[3], Sampling(1, 0.7, 16), tuned=True).text, end='')\n"
    )
    arguments = [sys.executable, "-c", code, str(locate_embedded_gguf()), str(adapter), PROMPT]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=120)
    assert (done.stdout, done.stderr) == (say(speaker, tuned=True).text, "")


@pytest.fixture(scope="module")
def often(adapter: Path) -> Iterator[LlamaCpp]:
    """The same, opened for four replies to one prompt."""
    with open_llamacpp(locate_embedded_gguf(), adapter=adapter, n_together=4) as opened:
        yield opened


def draw_often(model: LlamaCpp, *, seed: int = 1, n: int = 4) -> list[Reply]:
    return model.reply_often(PROMPT, Sampling(seed, 0.9, 16), n, tuned=True)


def test_replies_drawn_together_are_the_same_whatever_was_asked_between(often: LlamaCpp) -> None:
    first = draw_often(often)
    for n in (1, 2, 3):
        draw_often(often, seed=n, n=n)
        say(often, tuned=False)
        assert draw_often(often) == first


def test_each_reply_drawn_together_has_its_own_seed_and_counts(often: LlamaCpp) -> None:
    replies = draw_often(often)
    assert len({reply.text for reply in replies}) == 4
    assert all(0 < reply.n_reply_tokens <= 16 and reply.n_prompt_tokens > 3 for reply in replies)


def test_replies_drawn_together_begin_as_those_drawn_alone(often: LlamaCpp, speaker: LlamaCpp) -> None:
    """Only the rounding differs, so the first word is the same nearly always."""
    together = [reply.text.split()[0] for reply in draw_often(often)]
    alone = [say(speaker, tuned=True, seed=seed, temperature=0.9).text.split()[0] for seed in range(1, 5)]
    assert sum(one == other for one, other in zip(together, alone, strict=True)) >= 3


def test_more_replies_than_it_was_opened_for_come_in_lots(often: LlamaCpp) -> None:
    assert draw_often(often, n=6) == [*draw_often(often), *draw_often(often, seed=5, n=2)]


def test_a_listener_stops_all_that_are_drawn_together(often: LlamaCpp) -> None:
    def stop(_text: str) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        often.reply_often(PROMPT, Sampling(1, 0.9, 400), 4, tuned=True, on_text=stop)
    assert draw_often(often)


def test_pieces_as_they_come_make_the_reply(speaker: LlamaCpp) -> None:
    pieces: list[str] = []
    reply = speaker.reply(PROMPT, Sampling(1, 0.7, 16), tuned=True, on_text=pieces.append)
    assert "".join(pieces) == reply.text
    assert reply == say(speaker, tuned=True)
    assert len(pieces) > 1


def test_an_error_of_the_listener_comes_through(speaker: LlamaCpp) -> None:
    def refuse(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        speaker.reply(PROMPT, Sampling(1, 0, 16), tuned=True, on_text=refuse)
    assert say(speaker, tuned=False).n_reply_tokens > 0


def test_special_tokens_of_the_prompt_are_read_once(speaker: LlamaCpp, cache: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(open_embedded(cache).checkpoint_path / "tokenizer.json"))
    ids = tokenizer.encode(PROMPT, add_special_tokens=False).ids
    assert speaker.tokenize(PROMPT) == ids
    assert say(speaker, tuned=False).n_prompt_tokens == len(ids)


@pytest.mark.parametrize(
    "text", ["It cost $1,234.50 in 2019.", "naïve — “quoted” 日本", "  two  spaces\n\nand lines\t"]
)
def test_the_converted_tokenizer_is_llama_cpps(text: str, speaker: LlamaCpp, cache: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(open_embedded(cache).checkpoint_path / "tokenizer.json"))
    assert tokenizer.encode(text, add_special_tokens=False).ids == speaker.tokenize(text)


def test_a_reply_that_is_cut_says_so(speaker: LlamaCpp) -> None:
    assert say(speaker, tuned=False, max_tokens=3).stop == "length"


def test_a_stop_text_ends_the_reply_before_it(speaker: LlamaCpp) -> None:
    whole = say(speaker, tuned=True, temperature=0)
    word = whole.text.split()[1]
    cut = speaker.reply(PROMPT, Sampling(1, 0, 16, stop=(word,)), tuned=True)
    assert cut.text == whole.text[: whole.text.index(word)]
    assert cut.stop == "end"


def test_a_prompt_beyond_the_context_is_an_error_of_ours(speaker: LlamaCpp) -> None:
    with pytest.raises(ModelError, match="exceeds the available context"):
        speaker.reply("far too long " * 300, Sampling(1, 0, 4), tuned=False)


def test_without_an_adapter_tuned_is_refused() -> None:
    with open_llamacpp(locate_embedded_gguf(), adapter=None, n_ctx=512) as alone, pytest.raises(ModelError):
        say(alone, tuned=True)


OPEN_AND_CLOSE = """
import os, sys
from pathlib import Path
from econchatr.models.engines.llamacpp import open_llamacpp
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
for _ in range(4):
    with open_llamacpp(Path(sys.argv[1]), adapter=None, n_ctx=512):
        pass
"""


def test_closed_as_soon_as_it_is_open_it_ends() -> None:
    """On one core llama.cpp's server waited for ever when it was stopped before its loop had begun."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", OPEN_AND_CLOSE, str(locate_embedded_gguf())]
    assert subprocess.run(command, env=environment, timeout=300, check=False).returncode == 0


def test_it_answers_from_another_thread(speaker: LlamaCpp) -> None:
    replies: list[Reply] = []
    thread = Thread(target=lambda: replies.append(say(speaker, tuned=False)))
    thread.start()
    thread.join()
    assert replies == [say(speaker, tuned=False)]


def test_a_file_that_is_no_adapter_is_an_error_of_ours() -> None:
    gguf = locate_embedded_gguf()
    with pytest.raises(ModelError, match="cannot open it"), open_llamacpp(gguf, adapter=gguf):
        pass


def test_the_server_wants_its_key(speaker: LlamaCpp) -> None:
    import urllib.error
    import urllib.request

    with speaker._take_server() as server:
        address = server.listening_address
    request = urllib.request.Request(f"{address}/completion", b'{"prompt": "Hello"}')
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, timeout=60)
    assert "127.0.0.1" in address


def test_answers_side_by_side_are_the_answers_one_by_one(adapter: Path, speaker: LlamaCpp) -> None:
    def ask(model: LlamaCpp, seed: int) -> str:
        return model.reply(PROMPT, Sampling(seed, 0.8, 12), tuned=bool(seed % 2)).text

    with (
        open_llamacpp(locate_embedded_gguf(), adapter=adapter, n_ctx=512, n_at_once=2) as pair,
        ThreadPoolExecutor(pair.n_at_once) as pool,
    ):
        found = list(pool.map(lambda seed: ask(pair, seed), range(6)))
    assert found == [ask(speaker, seed) for seed in range(6)]
