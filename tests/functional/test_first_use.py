"""The first minutes with a show of one's own, as a newcomer meets them: `init`, the plan, what is missing."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from econchatr.config import load_config
from econchatr.models import base_model
from tests.functional.conftest import Run, edit_show
from tests.unit.tools.test_survey import write_talks

pty = pytest.importorskip("pty")


def write_plain_talks(root: Path, host: str = "Ada Host") -> Path:
    return write_talks(root / "talks", *[(host, guest) for guest in ("Bo Guest", "Cy Guest", "Di Guest", "Ed Guest")])


def test_a_plain_folder_becomes_a_show_without_a_question(tmp_path: Path, econchatr: Run) -> None:
    done = econchatr("init", tmp_path / "my", "--from", write_plain_talks(tmp_path))
    assert "The host is Ada Host" in done.stderr
    assert "A run here takes" in done.stderr
    assert done.stderr.count("on an otherwise idle machine") == 1
    assert load_config(tmp_path / "my" / "show.toml").show.hosts == ("Ada Host",)


def test_a_folder_that_holds_only_a_saved_feed_is_told_in_one_line(tmp_path: Path, econchatr: Run) -> None:
    (tmp_path / "in").mkdir()
    item = "<item><title>E</title><guid>1</guid><link>https://example.org/1</link></item>"
    feed = f"<rss version='2.0'><channel><title>S</title>{item}</channel></rss>"
    (tmp_path / "in" / "feed.xml").write_text(feed)
    known = ("--host", "Ada Host", "--rights", "own")
    told = econchatr("init", tmp_path / "show", "--from", tmp_path / "in", *known, check=None).stderr
    assert "only a feed" in told
    assert "Traceback" not in told


def test_labels_that_parse_would_not_know_become_aliases(tmp_path: Path, econchatr: Run) -> None:
    folder = write_talks(tmp_path / "talks", ("Ada Host", "Bo Guest"), ("Ada", "Cy Guest"), ("Ada Host", "Di Guest"))
    econchatr("init", tmp_path / "my", "--from", folder, "--host", "Ada Host")
    assert load_config(tmp_path / "my" / "show.toml").show.aliases == {"Ada": "Ada Host"}


@pytest.mark.parametrize(
    ("talks", "more", "message"),
    [
        ((("Ada Host", "Bo Host"), ("Ada Host", "Bo Host")), (), "who is the host? Heard most in"),
        (
            (("Ada Host", "Bo Guest"), ("Ada Host", "Cy Guest")),
            ("--host", "Ada Hosst"),
            "nobody is heard as 'Ada Hosst'",
        ),
    ],
)
def test_what_init_cannot_know_it_asks_before_anything_is_written(
    talks: tuple[tuple[str, str], ...], more: tuple[str, ...], message: str, tmp_path: Path, econchatr: Run
) -> None:
    folder = write_talks(tmp_path / "talks", *talks)
    assert message in econchatr("init", tmp_path / "my", "--from", folder, *more, check=2).stderr
    assert not (tmp_path / "my").exists()


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path: Path, econchatr: Run) -> None:
    assert "no folder" in econchatr("init", tmp_path / "my", "--from", tmp_path / "gone", check=2).stderr


FEED = """<rss version="2.0" xmlns:podcast="https://podcastindex.org/namespace/1.0"><channel><title>Talks</title>
<podcast:person role="host">Ada Host</podcast:person>
<item><title>One</title><link>https://example.org/1</link><pubDate>Mon, 02 Jan 2023 08:00:00 GMT</pubDate></item>
<item><title>Two</title><podcast:transcript url="https://example.org/2.vtt" type="text/vtt"/></item>
</channel></rss>"""


def test_a_feed_says_what_it_lists_and_names_show_and_host(tmp_path: Path, econchatr: Run) -> None:
    (tmp_path / "feed.xml").write_text(FEED)
    done = econchatr("init", tmp_path / "my", "--feed", tmp_path / "feed.xml")
    assert "'Talks' lists 2 episodes, 2 January 2023 to 2 January 2023; 1 without a date" in done.stderr
    assert "1 name a transcript; 1 have a page" in done.stderr
    config = load_config(tmp_path / "my" / "show.toml")
    assert (config.show.name, config.show.hosts, config.fetch.feed) == ("Talks", ("Ada Host",), "../feed.xml")
    assert not (tmp_path / "my" / "questions.toml").exists(), "`questions --write`, which is told next, writes the exam"


@pytest.mark.parametrize(
    ("feed", "more", "code", "message"),
    [
        ("<html></html>", (), 4, "not a feed"),
        (FEED.replace("podcast:person", "person"), (), 2, "The feed names none"),
        (FEED, ("--from", "talks"), 2, "both --from"),
        (FEED, ("--host", " "), 2, "names nobody"),
        (FEED, ("--preset", "econtalk"), 2, "has a feed of its own"),
    ],
)
def test_what_a_feed_cannot_say_is_told_before_anything_is_written(
    feed: str, more: tuple[str, ...], code: int, message: str, tmp_path: Path, econchatr: Run
) -> None:
    (tmp_path / "feed.xml").write_text(feed)
    done = econchatr("init", tmp_path / "my", "--feed", tmp_path / "feed.xml", *more, check=code)
    assert message in done.stderr
    assert not (tmp_path / "my").exists()


def test_nobody_named_leads_to_the_three_ways_and_solo_is_one(tmp_path: Path, econchatr: Run) -> None:
    (tmp_path / "talks").mkdir()
    cue = "WEBVTT\n\n" + "".join(
        f"00:0{n}:00.000 --> 00:0{n}:50.000\nThe ground is warm by then and nobody waits for the second frost {n}.\n\n"
        for n in range(9)
    )
    (tmp_path / "talks" / "one.vtt").write_text(cue)
    told = econchatr("init", tmp_path / "my", "--from", tmp_path / "talks", check=2).stderr
    assert "names a speaker" in told
    assert "--solo" in told
    econchatr("init", tmp_path / "my", "--from", tmp_path / "talks", "--host", "Ada Host", "--solo")
    assert load_config(tmp_path / "my" / "show.toml").show.solo


def answer_on_a_terminal(words: list[str | Path], answers: list[tuple[str, str]], *, cwd: Path) -> str:
    """What `econchatr` writes to a terminal on which each question is answered when it stands there."""
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "econchatr", *map(str, words)]
    with subprocess.Popen(command, stdin=child, stdout=child, stderr=child, start_new_session=True, cwd=cwd) as process:
        os.close(child)
        seen, unread = "", ""
        for question, answer in answers:
            while question not in unread:
                if not select.select([parent], [], [], 60)[0]:
                    process.kill()
                    pytest.fail(seen + unread)
                unread += os.read(parent, 4096).decode(errors="replace")
            seen, unread = seen + unread, ""
            os.write(parent, f"{answer}\n".encode())
        while process.poll() is None or select.select([parent], [], [], 0)[0]:
            try:
                seen += os.read(parent, 4096).decode(errors="replace")
            except OSError:
                break
    return seen


def test_a_terminal_is_asked_for_what_is_not_said(tmp_path: Path) -> None:
    write_talks(tmp_path / "talks", ("Ada Host", "Bo Host"), ("Ada Host", "Bo Host"))
    seen = answer_on_a_terminal(
        ["init", "my"],
        [
            ("Folder with the transcripts (empty: later)", "gone"),
            ("(empty: later)", "talks"),
            ("voice is to be imitated", "Bo Hosst"),
            ("voice is to be imitated", "bo host"),
            ("show called", "Dry Ground"),
            ("may Bo Host be", "my own"),
        ],
        cwd=tmp_path,
    )
    assert "There is no folder gone." in seen
    assert "nobody is heard as 'Bo Hosst'" in seen
    config = load_config(tmp_path / "my" / "show.toml")
    assert (config.show.hosts, config.show.name) == (("Bo Host",), "Dry Ground")
    assert config.rights is not None
    assert config.rights.ground == "my own"
    assert config.fetch.folder == "../talks"


@pytest.mark.parametrize(("answer", "folder"), [("", "."), ("-", "transcripts")])
def test_a_terminal_offers_the_folder_one_stands_in_or_later(answer: str, folder: str, tmp_path: Path) -> None:
    talks = write_plain_talks(tmp_path)
    asked = [("(-: later) [.]", answer), ("be imitated", "Ada Host"), ("show called", ""), ("may Ada Host be", "")]
    answer_on_a_terminal(["init"], asked, cwd=talks)
    assert load_config(talks / "show.toml").fetch.folder == folder


def test_without_a_terminal_the_next_step_is_where_to_put_the_transcripts(tmp_path: Path, econchatr: Run) -> None:
    told = econchatr("init", tmp_path / "my", "--host", "Ada Host").stderr
    assert f"Next: put the transcripts into {tmp_path / 'my' / 'transcripts'}" in told


def test_rights_are_added_to_a_show_that_has_none_and_never_twice(tmp_path: Path, econchatr: Run) -> None:
    econchatr("init", tmp_path / "my", "--host", "Ada Host", "--host", "Bo Host")
    assert "exists already" in econchatr("init", tmp_path / "my", "--rights", "mine", "--name", "X", check=3).stderr
    econchatr("init", tmp_path / "my", "--rights", "my own voice")
    rights = load_config(tmp_path / "my" / "show.toml").rights
    assert rights is not None
    assert (rights.voice, rights.ground) == ("Ada Host", "my own voice")
    assert "with [rights]" in econchatr("init", tmp_path / "my", "--rights", "mine", check=3).stderr


def test_the_lines_told_for_missing_rights_are_what_show_toml_needs(tiny_show: Path, econchatr: Run) -> None:
    edit_show(tiny_show, '[rights]\nvoice = "Hester Pellow"\nground = "made up"\n', "")
    told = econchatr("run", tiny_show, check=2).stderr
    with (tiny_show / "show.toml").open("a") as file:
        file.write(told[told.index("\n[rights]\n") :])
    assert load_config(tiny_show / "show.toml").rights is not None


def test_a_misspelled_show_is_told_the_one_beside_it(tiny_show: Path, econchatr: Run) -> None:
    misspelled = tiny_show.with_name(tiny_show.name[:-1])
    assert f"Did you mean {tiny_show}?" in econchatr("run", misspelled, check=3).stderr


def test_the_command_alone_ends_with_how_to_begin(econchatr: Run) -> None:
    assert econchatr("--help").stdout.rstrip().endswith("Start with: econchatr init SHOW --from FOLDER")


def test_too_few_drafted_questions_leave_the_twelve_general_ones(tmp_path: Path, econchatr: Run) -> None:
    told = econchatr("init", tmp_path / "my", "--from", write_plain_talks(tmp_path)).stderr
    assert "questions.toml holds the twelve general questions" in told
    assert "Bo Guest: 1 episode, " in told


# --- the plan ---------------------------------------------------------------------------------------------------------


def plan_training(show: Path, run: Run) -> float:
    """The minutes that a plan gives the training."""
    steps = json.loads(run("run", show, "--plan", "--json", check=None).stdout)["steps"]
    return float(next(step["minutes"] for step in steps if step["name"] == "train/tiny"))


def test_a_plan_gives_a_processor_without_bfloat16_more_time(
    tiny_show: Path, econchatr: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("econchatr.tools.run_plan._CPU_INFO", tmp_path / "cpuinfo")
    minutes = []
    for flags in ("fpu avx2 avx512_bf16", "fpu avx2"):
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
        minutes.append(plan_training(tiny_show, econchatr))
    assert minutes[1] == pytest.approx(2.2 * minutes[0], rel=0.01)


def test_a_plan_gives_a_small_show_no_more_time_than_its_tokens_take(tiny_show: Path, econchatr: Run) -> None:
    before = plan_training(tiny_show, econchatr)
    for most in ("180_000", "1_800_000"):
        edit_show(tiny_show, "max_tokens = 1200", f"max_tokens = {most}")
        assert before < plan_training(tiny_show, econchatr) < 10
        edit_show(tiny_show, f"max_tokens = {most}", "max_tokens = 1200")


def test_a_plan_tells_minutes_memory_disk_and_downloads(tiny_show: Path, econchatr: Run) -> None:
    plan = json.loads(econchatr("run", tiny_show, "--plan", "--json").stdout)
    minutes = {step["name"]: step["minutes"] for step in plan["steps"]}
    assert minutes.keys() >= {"fetch", "parse", "select", "train/tiny", "ask/tiny", "score/tiny", "report"}
    assert all(value is not None and value > 0 for value in minutes.values())
    assert plan["minutes"] == pytest.approx(sum(minutes.values()))
    assert plan["needs"].keys() >= {"memory", "disk", "download", "dollars"}
    assert plan["faults"] == []


def test_a_plan_shows_nothing_old_as_valid(tiny_show: Path, econchatr: Run) -> None:
    econchatr("select", tiny_show)
    edit_show(tiny_show, "max_tokens = 1200", "max_tokens = 900")
    plan = json.loads(econchatr("run", tiny_show, "--plan", "--json").stdout)
    assert plan["quote"] == []
    assert "No quote yet" in econchatr("run", tiny_show, "--plan").stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Hester Pellow", "Nobody Here", "no host of show.toml is heard"),
        ('name = "tiny"', 'name = "tiny"\nbase = "./no-such.gguf"', "no-such.gguf"),
        ("[rights]", "[[ladder]]\nname = 'x'\nwhere = 'hosted'\nprice = 'no/such'\n[rights]", "no/such"),
    ],
)
def test_a_plan_finds_what_would_stop_the_run(
    old: str, new: str, message: str, tiny_show: Path, econchatr: Run
) -> None:
    edit_show(tiny_show, old, new)
    done = econchatr("run", tiny_show, "--plan", check=2 if "gguf" not in new else None)
    assert done.returncode
    assert "fault: " in done.stdout
    assert message in done.stdout


def test_a_plan_finds_a_broken_exam(tiny_show: Path, econchatr: Run) -> None:
    (tiny_show / "questions.toml").unlink()
    assert "questions.toml" in econchatr("run", tiny_show, "--plan", check=2).stdout


def test_a_plan_asks_no_hub_and_counts_a_pinned_model_as_a_download(
    tiny_show: Path, econchatr: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: object) -> Path:
        raise AssertionError(f"the hub was asked for {name}")

    monkeypatch.setattr(base_model, "fetch_small_files", refuse)
    edit_show(tiny_show, 'name = "tiny"', 'name = "tiny"\nbase = "owner/model@v1"')
    edit_show(tiny_show, 'weights = "embedded"', 'weights = "auto"')
    plan = json.loads(econchatr("run", tiny_show, "--plan", "--json").stdout)
    assert plan["faults"] == []
    assert plan["needs"]["download"] == "the bases of tiny"


def test_rights_of_somebody_else_are_refused(tiny_show: Path, econchatr: Run) -> None:
    edit_show(tiny_show, 'voice = "Hester Pellow"', 'voice = "Somebody Else"')
    assert "rights.voice is 'Somebody Else'" in econchatr("status", tiny_show, check=2).stderr


# --- what never trains ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["ask", "score", "report"])
def test_only_train_and_run_train(command: str, tiny_show: Path, econchatr: Run) -> None:
    told = econchatr(command, tiny_show, check=3).stderr
    assert "train/tiny is not done" in told
    assert "econchatr run" in told
    assert not (tiny_show / "train").exists()
