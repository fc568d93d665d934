from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from econchatr.ask.exam import Ask, ExamSettings, answer_one, plan_exam, plan_paraphrases, recall_one, render_question
from econchatr.ask.log import GenerationLog
from econchatr.errors import ModelError
from econchatr.prompts import CHATML, Voice
from econchatr.records import Answer, Reply
from tests.unit.make_records import make_question

VOICE = Voice(host="Hal Host", show="The Show")
SETTINGS = ExamSettings(samples=2, temperature=0.6, max_tokens=250, seed=7, repeat_penalty=1.0)


class Scripted:
    """A speaker that says what it was told to, or fails; it notes what it was asked."""

    n_at_once = 1

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.calls: list[dict[str, object]] = []

    def reply(
        self,
        prompt: str,
        *,
        tuned: bool,
        seed: int,
        temperature: float,
        max_tokens: int,
        stop: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
        repeat_penalty: float = 1.0,
    ) -> Reply:
        self.calls.append({"prompt": prompt, "tuned": tuned, "seed": seed})
        if self.text is None:
            raise ModelError("out of memory")
        return Reply(text=self.text, stop="end", n_prompt_tokens=1, n_reply_tokens=1)


def answer(text: str | None, variant: str = "tuned") -> Answer:
    ask = Ask(make_question(), variant, 0, 7)  # type: ignore[arg-type]
    return answer_one(
        ask, rung="small", model_sha256="m", speaker=Scripted(text), voice=VOICE, template=CHATML, settings=SETTINGS
    )


def test_every_question_is_put_to_every_variant_with_the_same_seeds() -> None:
    asks = list(plan_exam([make_question("a"), make_question("b")], SETTINGS))
    assert len(asks) == 2 * 3 * 2
    assert {(ask.sample, ask.seed) for ask in asks} == {(0, 7), (1, 8)}


def test_paraphrases_are_put_twice_each_with_the_exams_first_seeds() -> None:
    question = make_question("a").model_copy(update={"paraphrases": ("How come?", "For what reason?")})
    asks = list(plan_paraphrases([question, make_question("b")], SETTINGS._replace(samples=4)))
    assert len(asks) == 3 * 2 * 2
    assert {(ask.text, ask.seed) for ask in asks} == {
        (text, seed) for text in question.paraphrases for seed in (7, 8)
    }  # fmt: skip


def test_a_paraphrase_is_what_the_model_hears_and_the_answer_says_which() -> None:
    question, speaker = make_question().model_copy(update={"paraphrases": ("How come?",)}), Scripted("Hm.")
    given = answer_one(
        Ask(question, "tuned", 0, 7, 1), rung="s", model_sha256="m", speaker=speaker, voice=VOICE, template=CHATML,
        settings=SETTINGS,
    )  # fmt: skip
    assert "How come?" in str(speaker.calls[0]["prompt"])
    assert "Why?" not in str(speaker.calls[0]["prompt"])
    assert given.wording == 1


def test_base_and_tuned_model_see_the_same_prompt_and_persona_a_longer_one() -> None:
    base, persona, tuned = (render_question("Why?", variant, VOICE, CHATML) for variant in ("base", "persona", "tuned"))  # type: ignore[arg-type]
    assert base == tuned
    assert "favourite phrases" in persona


def test_only_the_tuned_variant_uses_the_adapter() -> None:
    speaker = Scripted("Hm.")
    for variant in ("base", "persona", "tuned"):
        ask = Ask(make_question(), variant, 0, 7)  # type: ignore[arg-type]
        answer_one(ask, rung="s", model_sha256="m", speaker=speaker, voice=VOICE, template=CHATML, settings=SETTINGS)
    assert [call["tuned"] for call in speaker.calls] == [False, False, True]


def test_a_failure_is_never_speech() -> None:
    failed = answer(None)
    assert failed.reply is None
    assert failed.error == "out of memory"


def test_silence_is_a_failure() -> None:
    assert answer("  \n").error == "the model returned no text"


def test_a_logged_reply_need_not_be_asked_again(tmp_path: Path) -> None:
    given = answer("Who counted?")
    GenerationLog(tmp_path / "log.jsonl").add("k", given.model_dump())
    known = GenerationLog(tmp_path / "log.jsonl").find("k")
    assert known is not None
    assert recall_one(Ask(make_question(), "tuned", 0, 7), known, rung="small", model_sha256="m") == given


def test_a_failed_generation_is_logged_but_not_recalled(tmp_path: Path) -> None:
    GenerationLog(tmp_path / "log.jsonl").add("k", answer(None).model_dump())
    assert GenerationLog(tmp_path / "log.jsonl").find("k") is None
    assert "out of memory" in (tmp_path / "log.jsonl").read_text()


def test_a_line_cut_off_by_a_kill_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    GenerationLog(path).add("one", answer("One.").model_dump())
    path.write_bytes(path.read_bytes() + b'\n{"key": "two", "reply": {"te')
    GenerationLog(path).add("three", answer("Three.").model_dump())
    log = GenerationLog(path)
    assert [log.find(key) is not None for key in ("one", "two", "three")] == [True, False, True]


def test_the_log_says_which_model_seed_and_time(tmp_path: Path) -> None:
    GenerationLog(tmp_path / "log.jsonl").add("k", answer("Hm.").model_dump())
    row = json.loads((tmp_path / "log.jsonl").read_text())
    assert row["model_sha256"] == "m"
    assert row["seed"] == 7
    assert row["at"].startswith("20")
