from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from econchatr.ask.asker import Asker, GenerationLog
from econchatr.ask.exam import Ask, Examinee, ExamSettings, plan_exam, plan_paraphrases, render_question
from econchatr.errors import ModelError
from econchatr.prompts import CHATML, Voice
from econchatr.records import Answer, Reply, Sampling
from tests.helpers.make_records import make_question

VOICE = Voice(host="Hal Host", show="The Show")
SETTINGS = ExamSettings(samples=2, temperature=0.6, max_tokens=250, seed=7, repeat_penalty=1.0)


EXAMINEE = Examinee("small", VOICE, CHATML, lambda variant: "m")


class Scripted:
    """A speaker that says what it was told to, or fails; it notes what it was asked."""

    n_at_once = 2

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.calls: list[dict[str, object]] = []

    def reply(
        self,
        prompt: str,
        sampling: Sampling,
        *,
        tuned: bool,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        self.calls.append({"prompt": prompt, "tuned": tuned, "seed": sampling.seed})
        if self.text is None:
            raise ModelError("out of memory")
        return Reply(text=self.text, stop="end", n_prompt_tokens=1, n_reply_tokens=1)


def ask_one(ask: Ask, speaker: Scripted, log: Path | None = None) -> Answer:
    """Ask as the exam does, with a log of its own unless one is given."""
    with TemporaryDirectory() as folder:
        asker = Asker(speaker, GenerationLog(log or Path(folder) / "log.jsonl"))
        return asker.ask(EXAMINEE.draw(ask, SETTINGS))


def answer(text: str | None, variant: str = "tuned") -> Answer:
    return ask_one(Ask(make_question(), variant, 0, 7), Scripted(text))  # type: ignore[arg-type]


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
    given = ask_one(Ask(question, "tuned", 0, 7, 1), speaker)
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
        ask_one(Ask(make_question(), variant, 0, 7), speaker)  # type: ignore[arg-type]
    assert [call["tuned"] for call in speaker.calls] == [False, False, True]


def test_a_failure_is_never_speech() -> None:
    failed = answer(None)
    assert failed.reply is None
    assert failed.error == "out of memory"


def test_silence_is_a_failure() -> None:
    assert answer("  \n").error == "the model returned no text"


def test_a_logged_reply_need_not_be_asked_again(tmp_path: Path) -> None:
    ask, speaker = Ask(make_question(), "tuned", 0, 7), Scripted("Who counted?")
    first = ask_one(ask, speaker, tmp_path / "log.jsonl")
    assert ask_one(ask, speaker, tmp_path / "log.jsonl") == first
    assert len(speaker.calls) == 1


def test_many_are_asked_side_by_side_and_answered_in_their_order(tmp_path: Path) -> None:
    asks = list(plan_exam([make_question("a"), make_question("b")], SETTINGS))
    told: list[tuple[int, int]] = []
    asker = Asker(Scripted("Hm."), GenerationLog(tmp_path / "log.jsonl"))
    answers = asker.ask_all([EXAMINEE.draw(ask, SETTINGS) for ask in asks], lambda n, n_all: told.append((n, n_all)))
    assert [(one.question_id, one.variant, one.seed) for one in answers] == [
        (ask.question.question_id, ask.variant, ask.seed) for ask in asks
    ]
    assert told == [(n, len(asks)) for n in range(1, len(asks) + 1)]


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


class Together(Scripted):
    """A speaker that answers several at once; it notes how many."""

    n_together = 3

    def reply_all(
        self, prompts: Sequence[str], sampling: Sampling, *, seeds: Sequence[int], tuned: bool
    ) -> list[Reply]:
        if self.text is None:
            raise ModelError("out of memory")
        self.calls.append({"seeds": list(seeds), "tuned": tuned})
        return [Reply(text=f"{self.text} {seed}", stop="end", n_prompt_tokens=1, n_reply_tokens=1) for seed in seeds]


def test_what_may_be_drawn_together_is_and_known_answers_do_not_change_that(tmp_path: Path) -> None:
    asked = [make_question("a", text="Why?"), make_question("b", text="How?")]
    draws = [EXAMINEE.draw(ask, SETTINGS) for ask in plan_exam(asked, SETTINGS)]
    speaker, log = Together("Yes"), GenerationLog(tmp_path / "log.jsonl")
    whole = Asker(speaker, log).ask_all(draws, lambda n, of: None)
    batches = [(call["seeds"], call["tuned"]) for call in speaker.calls]
    assert batches == [([7, 8, 7], False), ([8, 7, 8], False), ([7, 8], False), ([7, 8, 7], True), ([8], True)]
    lines = (tmp_path / "log.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "half.jsonl").write_text("".join(lines[:4]))
    again = Together("Yes")
    assert Asker(again, GenerationLog(tmp_path / "half.jsonl")).ask_all(draws, lambda n, of: None) == whole
    assert [call["seeds"] for call in again.calls] == [[8, 7, 8], [7, 8], [7, 8, 7], [8]]


def test_answers_that_are_the_best_of_several_are_logged_as_soon_as_their_draws_are_there(tmp_path: Path) -> None:
    asked = [make_question("a", text="Why?"), make_question("b", text="How?")]
    speaker, told = Together("Yes"), list[int]()
    draws = [EXAMINEE._replace(best_of=3).draw(ask, SETTINGS) for ask in plan_exam(asked, SETTINGS)]
    Asker(speaker, GenerationLog(tmp_path / "log.jsonl")).ask_all(draws, lambda n, of: told.append(n))
    assert [len(call["seeds"]) for call in speaker.calls] == [3, 3, 2, 1, 1, 1, 1]
    assert told == [3, 6, 8, 9, 10, 11, 12]


def test_where_a_batch_fails_each_is_asked_alone(tmp_path: Path) -> None:
    draws = [EXAMINEE.draw(ask, SETTINGS) for ask in plan_exam([make_question("a")], SETTINGS)]
    answers = Asker(Together(None), GenerationLog(tmp_path / "log.jsonl")).ask_all(draws, lambda n, of: None)
    assert {answer.error for answer in answers} == {"out of memory"}
