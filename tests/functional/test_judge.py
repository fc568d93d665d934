"""The judge, through the command line, against a real server on this machine."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from econchatr.records import Answer
from econchatr.tables import finish_stage, write_table
from tests.functional.conftest import Run, edit_show, write_tiny_show
from tests.helpers.make_records import make_answer
from tests.helpers.stand_in_judge import serve

KEY = "sk-very-secret-0123456789"


@pytest.fixture(scope="module")
def judged_show(tmp_path_factory: pytest.TempPathFactory, econchatr: Run) -> Path:
    """All bundled episodes, half of them held out, and answers written by hand: the tuned ones mention kettles."""
    root = write_tiny_show(tmp_path_factory.mktemp("judged") / "show", n_episodes=28)
    edit_show(root, "test_share = 0.2", "test_share = 0.5")
    questions = [f'[[question]]\nquestion_id = "q{n}"\nkind = "belief"\ntext = "Why {n}?"' for n in range(4)]
    (root / "questions.toml").write_text("\n".join(questions))
    econchatr("pair", root)
    texts = {"base": "It depends.", "persona": "It depends, I suppose.", "tuned": "Hold the kettle."}
    answers = [
        make_answer(f"{text} {n}", question_id=f"q{n}", variant=variant).model_copy(update={"rung": "tiny"})
        for n in range(4)
        for variant, text in texts.items()
    ]
    folder = root / "ask" / "tiny"
    write_table(folder / "answers.parquet", answers, Answer)
    finish_stage(folder, stage="ask/tiny", version=1, settings_sha256="", inputs={}, outputs=["answers.parquet"],
                 counts={}, seconds=0)  # fmt: skip
    return root


def name_judge(show: Path, base_url: str, *, key_env: str = "") -> None:
    text = re.sub(r"\n\[score\.judge\].*", "", (show / "show.toml").read_text(), flags=re.DOTALL)
    judge = f'\n[score.judge]\nbase_url = "{base_url}"\nmodel = "judge-1"\nkey_env = "{key_env}"\nn_pairs = 20\n'
    (show / "show.toml").write_text(text.rstrip() + "\n" + judge)


def read_replies(body: dict[str, Any]) -> list[str]:
    return re.findall(r"^Reply [AB]: (.*)$", body["messages"][-1]["content"], flags=re.MULTILINE)


def mark_by_fit(body: dict[str, Any], said: str) -> str:
    """A judge's mark: 1 for kettles, and for what was said right after the question."""
    asked = body["messages"][-1]["content"]
    question = re.findall(r"^Question: (.*)$", asked, flags=re.MULTILINE)[0]
    answer = re.findall(r"^Answer to mark: (.*)$", asked, flags=re.MULTILINE)[0]
    after = said.partition(question[-25:])[2][:120]
    return "1" if "kettle" in answer or answer[:25] in after else "0"


def knows_her(show: Path) -> Any:
    """A judge that has heard every episode, and takes kettles for hers."""
    said = " ".join(" ".join(path.read_text(encoding="utf-8").split()) for path in (show / "transcripts").iterdir())
    hers = set(re.findall(r"\*\*Hester Pellow:\*\* (.{25})", said))

    def speak(body: dict[str, Any], n: int) -> object:
        if not (replies := read_replies(body)):
            return mark_by_fit(body, said)
        one, two = replies
        is_hers = [text[:25] in hers or "kettle" in text for text in (one, two)]
        return "A" if is_hers[0] and not is_hers[1] else "B"

    return speak


def find(scores: list[dict[str, Any]], variant: str) -> dict[str, Any]:
    (score,) = [score for score in scores if score["variant"] == variant]
    return score


def test_a_judge_that_knows_her_proves_itself_and_is_heard(judged_show: Path, econchatr: Run) -> None:
    with serve(knows_her(judged_show)) as server:
        name_judge(judged_show, server.base_url)
        done = econchatr("score", judged_show, "--judge", "--json")
        n_asked = len(server.requests)
        econchatr("score", judged_show, "--judge")
        assert len(server.requests) == n_asked, "nothing is asked twice"
    scores = json.loads(done.stdout)
    assert find(scores, "judge")["n"] == 20
    assert find(scores, "judge")["value"] >= 0.85
    assert find(scores, "tuned against base")["value"] == 1
    assert find(scores, "tuned against base")["n"] == 4
    n_marked = 2 * 20 + 12  # the proof in twos, and three answers to each of four questions
    assert n_asked == 2 * (20 + 8) + n_marked
    assert f"is asked at most {n_asked} times" in done.stderr
    shown = econchatr("score", judged_show, "--judge").stdout
    assert "right of 4, by the LLM judge: base model 0 of 4 marked" in shown
    assert "tuned model 4 of 4 marked" in shown


def test_a_judge_that_always_says_a_is_not_asked_about_models(judged_show: Path, econchatr: Run) -> None:
    with serve(lambda body, n: "A") as server:
        name_judge(judged_show, server.base_url)
        done = econchatr("score", judged_show, "--judge", "--json")
        assert len(server.requests) == 2 * 20 + 3, "three answers in a row that are no mark are enough"
    found = find(json.loads(done.stdout), "tuned against base")
    assert found["value"] is None
    assert "has not proved itself" in found["reason"]
    assert "not asked about models" in done.stderr


def test_a_broken_judge_is_unscored_with_its_reason_and_the_key_stays_secret(
    judged_show: Path, econchatr: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with serve(lambda body, n: 403) as server:
        name_judge(judged_show, server.base_url, key_env="JUDGE_KEY")
        done = econchatr("score", judged_show, "--judge", "--json")
        assert server.requests[0][1]["authorization"] == f"Bearer {KEY}"
    assert "status 403" in find(json.loads(done.stdout), "judge")["reason"]
    assert KEY not in done.stdout + done.stderr
    for folder, _, names in os.walk(judged_show):
        assert all(KEY.encode() not in Path(folder, name).read_bytes() for name in names)


def test_without_a_judge_or_its_key_nothing_is_asked(judged_show: Path, econchatr: Run) -> None:
    name_judge(judged_show, "http://127.0.0.1:9/v1", key_env="NO_SUCH_KEY")
    assert "$NO_SUCH_KEY is not set" in econchatr("score", judged_show, "--judge", check=2).stderr
    text = (judged_show / "show.toml").read_text()
    (judged_show / "show.toml").write_text(text.replace('key_env = "NO_SUCH_KEY"', 'key_env = "sk-my-own-secret"'))
    done = econchatr("score", judged_show, "--judge", check=2)
    assert "score.judge.key_env" in done.stderr
    assert "sk-my-own-secret" not in done.stderr
    (judged_show / "show.toml").write_text(text.split("[score.judge]")[0])
    assert "names no judge" in econchatr("score", judged_show, "--judge", check=2).stderr
