"""Forty mistakes of a new user: each ends with its exit code, a line that names the cause, and the next step."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.functional.conftest import Run, edit_show, write_tiny_show

Spoil = Callable[[Path], object]


class Mistake(NamedTuple):
    """What is typed, after what was done to the show, and what the answer must name; `SHOW` stands for the folder."""

    typed: str
    code: int
    named: str
    hint: str
    """Of the next step: stands in a line that begins with `Hint:` or `Try`."""
    spoil: Spoil = lambda show: None


def change(old: str, new: str) -> Spoil:
    return lambda show: edit_show(show, old, new)


def drop(name: str) -> Spoil:
    return lambda show: shutil.rmtree(show / name) if (show / name).is_dir() else (show / name).unlink()


def put(name: str, text: str) -> Spoil:
    return lambda show: (show / name).write_text(text, encoding="utf-8")


def empty_transcripts(show: Path) -> None:
    drop("transcripts")(show)
    (show / "transcripts").mkdir()


def only_audio(show: Path) -> None:
    empty_transcripts(show)
    put("transcripts/one.mp3", "ID3")(show)


def only_pdf(show: Path) -> None:
    empty_transcripts(show)
    put("transcripts/one.pdf", "%PDF-1.4")(show)


def nobody_named(show: Path) -> None:
    empty_transcripts(show)
    words = "the ground is warm by then and nobody waits for the second frost"
    put(
        "transcripts/one.srt",
        "".join(f"{n}\n00:00:{n:02},000 --> 00:00:{n:02},900\n{words} {n}\n\n" for n in range(1, 40)),
    )(show)


MISTAKES = {
    # the folder and the line
    "a folder that is not there": Mistake("status SHOW/gone", 3, "no folder /show/gone", "`econchatr init` makes one"),
    "a folder without show.toml": Mistake(
        "run SHOW/transcripts", 3, "holds no show.toml", "`econchatr init /show/transcripts`"
    ),
    "a file for a folder": Mistake(
        "status SHOW/show.toml", 3, "no folder /show/show.toml", "`econchatr init` makes one"
    ),
    "a command misspelled": Mistake("rnu SHOW", 2, "No such command 'rnu'. Did you mean 'run'?", "'econchatr --help'"),
    "an option misspelled": Mistake(
        "run SHOW --rungs tiny", 2, "--rungs (Possible options: --rung)", "'econchatr run --help'"
    ),
    "a value that is no number": Mistake(
        "serve SHOW --port eighty", 2, "'--port': Input should be a valid integer", "'econchatr serve --help'"
    ),
    "a port that is none": Mistake(
        "play SHOW --port 70000", 2, "'--port': Input should be less than or equal to 65535", "'econchatr play --help'"
    ),
    "a rung that is not there": Mistake("run SHOW --rung huge", 2, "no rung 'huge'", "Its rungs: tiny."),
    # show.toml
    "TOML that is none": Mistake(
        "status SHOW",
        2,
        "at line 3, column 8",
        "Mend that line",
        change('name = "The Slow Answer"', "name = The Slow Answer"),
    ),
    "a key misspelled": Mistake(
        "status SHOW", 2, "'show.hosts' is missing", "Add 'hosts'", change("hosts =", "host =")
    ),
    "one host as a word": Mistake(
        "status SHOW",
        2,
        "line 4: show.hosts: Input should be",
        "Change that value",
        change('["Hester Pellow"]', '"Hester Pellow"'),
    ),
    "a share above one": Mistake(
        "status SHOW",
        2,
        "pair.test_share: Input should be less than 1",
        "Change that value",
        change("test_share = 0.2", "test_share = 20"),
    ),
    "all held out": Mistake(
        "status SHOW",
        2,
        "test_share together leave no episode",
        "Change that value",
        change("test_share = 0.2", "test_share = 0.9"),
    ),
    "two rungs of one name": Mistake(
        "status SHOW",
        2,
        "found ['tiny', 'tiny']",
        "Change that value",
        change("[train]", '[[ladder]]\nname = "tiny"\n\n[train]'),
    ),
    "a rung's name with a blank": Mistake(
        "status SHOW", 2, "ladder.0.name: ", "Change that value", change('name = "tiny"', 'name = "my rung"')
    ),
    "rights of somebody else": Mistake(
        "status SHOW",
        2,
        "rights.voice is 'Ada'",
        "Change that value",
        change('voice = "Hester Pellow"', 'voice = "Ada"'),
    ),
    "no rights": Mistake(
        "run SHOW",
        2,
        "has no [rights]",
        "`econchatr init /show --rights WHY` adds it, or these lines",
        change('[rights]\nvoice = "Hester Pellow"\nground = "made up"\n', ""),
    ),
    "a persona who is no host": Mistake(
        "status SHOW",
        2,
        "persona 'Bob' is not among hosts",
        "Change that value",
        change("hosts = [", 'persona = "Bob"\nhosts = ['),
    ),
    "a base that is not there": Mistake(
        "run SHOW",
        7,
        "no base model './no-such.gguf'",
        "Look at `base` in show.toml",
        change('name = "tiny"', 'name = "tiny"\nbase = "./no-such.gguf"'),
    ),
    "a price nobody has": Mistake(
        "run SHOW --plan",
        2,
        "no price 'no/such'",
        "Change the rung's `price`",
        change("[train]", '[[ladder]]\nname = "x"\nwhere = "hosted"\nprice = "no/such"\n[train]'),
    ),
    # transcripts
    "transcripts that are elsewhere": Mistake(
        "parse SHOW", 4, "no folder /show/transcripts", "Put your files into that folder, or set", drop("transcripts")
    ),
    "an empty folder": Mistake(
        "parse SHOW", 4, "/show/transcripts holds no transcript.", "Put files there", empty_transcripts
    ),
    "a folder of audio": Mistake("parse SHOW", 4, "not read: 1 .mp3", "Transcribe it first", only_audio),
    "a folder of PDFs": Mistake("parse SHOW", 4, "not read: 1 .pdf", "as .docx or .txt", only_pdf),
    "transcripts that name nobody": Mistake(
        "parse SHOW", 2, "names a speaker", "set `solo = true` under [show]", nobody_named
    ),
    "a host nobody hears": Mistake(
        "parse SHOW", 2, "no turn of 'Bob' in 3 episodes", "add an alias", change("Hester Pellow", "Bob")
    ),
    "a file to explain that is not there": Mistake(
        "parse SHOW --explain gone.txt", 4, "cannot read gone.txt", "Name a file that is there"
    ),
    "explain and report at once": Mistake(
        "parse SHOW --explain x.txt --report", 2, "--explain looks at one file", "Give one of the two"
    ),
    # questions
    "no questions": Mistake(
        "run SHOW", 2, "/show/questions.toml is missing", "`econchatr questions SHOW --write`", drop("questions.toml")
    ),
    "a question twice": Mistake(
        "run SHOW",
        2,
        "question_id 'q1' stands twice",
        "Give each question its own id",
        put("questions.toml", '[[question]]\nquestion_id = "q1"\nkind = "belief"\ntext = "Why?"\n' * 2),
    ),
    "a kind of question nobody knows": Mistake(
        "run SHOW",
        2,
        "line 3: question.0.kind: ",
        "Change that value",
        put("questions.toml", '[[question]]\nquestion_id = "q1"\nkind = "riddle"\ntext = "Why?"\n'),
    ),
    # what comes too early, or in two ways at once
    "scores before training": Mistake("score SHOW", 3, "train/tiny is not done", "`econchatr run /show` does it"),
    "chat before training": Mistake("chat SHOW", 3, "rung 'tiny' is not trained yet", "econchatr run /show"),
    "a blind page before pairs": Mistake("blind SHOW", 3, "the pairs are not made yet", "econchatr run /show"),
    "an export before training": Mistake("export SHOW", 3, "rung 'tiny' is not trained yet", "econchatr run /show"),
    "a sheet nobody knows": Mistake("score SHOW --sheet foot", 2, "no sheet 'foot'", "There are two: hand and blind."),
    "a filled sheet without its option": Mistake(
        "score SHOW gone.json", 2, "what is gone.json for?", "--hand or --blind."
    ),
    "preferences nobody gave": Mistake(
        "train SHOW --preferences", 2, "nobody has ranked or judged an answer", "add --host-replies:"
    ),
    "a pair that is not there": Mistake(
        "pair SHOW --show ep-9999", 2, "no pair 'ep-9999'", "`econchatr pair /show --show 20`"
    ),
    "a show that is there already": Mistake(
        "init SHOW --host Ada", 3, "show.toml exists already", "choose another folder"
    ),
}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_show(tmp_path_factory.mktemp("fresh") / "show", n_episodes=3)


def test_there_are_forty() -> None:
    assert len(MISTAKES) == 40
    assert len({(one.typed, one.named) for one in MISTAKES.values()}) >= 39


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_cause_and_the_next_step(
    name: str, fresh: Path, tmp_path: Path, econchatr: Run
) -> None:
    show, mistake = Path(shutil.copytree(fresh, tmp_path / "show")), MISTAKES[name]
    mistake.spoil(show)
    done = econchatr(*(word.replace("SHOW", str(show)) for word in mistake.typed.split()), check=None)
    told = f"{done.stdout}{done.stderr}".replace(str(tmp_path), "")
    assert done.returncode == mistake.code, told
    assert "Traceback" not in told
    # A plan tells a fault and its cure in one line; everything else begins the next step on a line of its own.
    firsts = ("fault: ",) if "--plan" in mistake.typed else ("Hint: ", "Try ")
    steps = [line for line in told.splitlines() if line.startswith(firsts)]
    causes = [line for line in told.splitlines() if line not in steps or line.startswith("fault: ")]
    assert any(mistake.named in line for line in causes), told
    assert any(mistake.hint in line for line in steps), told
