from __future__ import annotations

import json
import random
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from econchatr.config import load_config
from econchatr.money.prices import find_price, load_prices
from econchatr.presets.ladders import list_ladders
from econchatr.records import Episode, Failure
from econchatr.tables import lock_folder, read_table
from tests.functional.conftest import Run, edit_show


def test_every_command_has_help(econchatr: Run) -> None:
    commands = re.findall(r"^│ ([a-z]+) ", econchatr("--help").stdout, flags=re.MULTILINE)
    assert {"demo", "init", "run", "chat", "status"} <= set(commands)
    for command in commands:
        assert "Usage:" in econchatr(command, "--help").stdout


def test_the_version_is_that_of_the_installed_package(econchatr_process: Run) -> None:
    assert econchatr_process("--version").stdout == f"econchatr {version('econchatr')}\n"


def test_init_writes_a_show_that_can_be_prepared(tmp_path: Path, tiny_show: Path, econchatr: Run) -> None:
    econchatr("init", tmp_path / "new", "--from", tiny_show / "transcripts", "--host", "Hester Pellow")
    result = json.loads(econchatr("select", tmp_path / "new", "--json").stdout)
    assert result["counts"]["parse"]["episodes"] == 6
    # init read the transcripts to draft the exam
    assert result["done"] == ["pair", "pair/guests", "pair/answers", "select"]


@pytest.mark.parametrize("ladder", list_ladders())
def test_init_starts_with_a_ready_made_ladder(tmp_path: Path, econchatr: Run, ladder: str) -> None:
    econchatr("init", tmp_path / "new", "--host", "Hester Pellow", "--ladder", ladder)
    written = load_config(tmp_path / "new/show.toml").ladder
    assert [rung.name for rung in written] == [rung.name for rung in list_ladders()[ladder].rungs]
    for rung in written:
        assert rung.where == "local" or find_price(rung.price, load_prices()).name == rung.price


def test_the_econtalk_preset_has_the_ladder_of_its_name(tmp_path: Path, econchatr: Run) -> None:
    econchatr("init", tmp_path / "et", "--preset", "econtalk")
    bases = [rung.base for rung in load_config(tmp_path / "et/show.toml").ladder]
    assert bases == [rung.settings["base"] for rung in list_ladders()["econtalk"].rungs]


def test_an_unknown_ladder_is_refused_with_the_known_ones(tmp_path: Path, econchatr: Run) -> None:
    told = econchatr("init", tmp_path / "new", "--host", "Hester Pellow", "--ladder", "huge", check=2).stderr
    assert "laptop, gpu, hosted, econtalk" in told


def test_init_never_overwrites(tiny_show: Path, econchatr: Run) -> None:
    before = (tiny_show / "show.toml").read_text()
    assert "exists already" in econchatr("init", tiny_show, "--host", "Somebody", check=3).stderr
    assert (tiny_show / "show.toml").read_text() == before


def test_the_econtalk_preset_is_complete(tmp_path: Path, econchatr: Run) -> None:
    econchatr("init", tmp_path / "et", "--preset", "econtalk")
    text = (tmp_path / "et" / "show.toml").read_text()
    assert "https://feeds.simplecast.com/wgl4xEgL" in text
    assert (tmp_path / "et" / "questions.toml").read_text().count("[[question]]") == 12
    assert "Hint" in econchatr("run", tmp_path / "et", check=2).stderr


def test_the_econtalk_preset_works_on_saved_pages(tmp_path: Path, econchatr: Run) -> None:
    """Four rungs are counted and priced, and $40 are not exceeded; nothing is asked of a network."""
    words = [
        "sparrow",
        "harbour",
        "market",
        "price",
        "prairie",
        "data",
        "skeptical",
        "bell",
        "plan",
        "deep",
        "number",
        "honest",
        "trade",
        "crowd",
        "rule",
    ]
    (tmp_path / "pages").mkdir()
    for year in range(2017, 2023):
        rng = random.Random(year)
        turns = "".join(
            f"<p><b>{name}:</b> {' '.join(rng.choices(words, k=length)).capitalize()}.</p>"
            for _ in range(8)
            for name, length in (("Ada Example", 80), ("Russ Roberts", 40))
        )
        page = f"""<html><body><h1>Ada Example on Sparrows {year}</h1><div class="audio-highlight"><table><tbody>
        <tr><th>Time</th><th>Podcast Episode Highlights</th></tr><tr><td>0:37</td>
        <td><p>Intro. [Recording date: March 3rd, {year}.]</p>{turns}</td></tr></tbody></table></div></body></html>"""
        (tmp_path / "pages" / f"{year}.html").write_text(page, encoding="utf-8")
    econchatr("init", tmp_path / "et", "--preset", "econtalk", "--from", tmp_path / "pages")
    econchatr("select", tmp_path / "et")
    plan = json.loads(econchatr("run", tmp_path / "et", "--plan", "--json", check=2).stdout)
    quote = plan["quote"]
    assert ["has no [rights]" in fault["message"] for fault in plan["faults"]] == [True]
    assert [row["rung"] for row in quote] == ["ada", "babbage", "curie", "davinci"]
    assert all(row["n_pairs"] > 0 for row in quote)
    assert sum(float(row["cost"].removeprefix("$")) for row in quote if row["where"] == "hosted") <= 40


def test_a_name_with_quotes_and_brackets_survives_init(tmp_path: Path, tiny_show: Path, econchatr: Run) -> None:
    name = 'The "Odd" [Show] \\ café'
    econchatr("init", tmp_path / "new", "--from", tiny_show / "transcripts", "--host", "Hester Pellow", "--name", name)
    econchatr("status", tmp_path / "new")


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (lambda show: shutil.rmtree(show / "transcripts"), 4, "no folder"),
        (lambda show: [path.unlink() for path in (show / "transcripts").iterdir()], 4, "holds no transcript"),
        (
            lambda show: [path.write_bytes(bytes(range(256)) * 9) for path in (show / "transcripts").iterdir()],
            5,
            "none of the 6",
        ),
        (lambda show: edit_show(show, "Hester Pellow", "Nobody Here"), 2, "heard most: 'Hester Pellow'"),
        (lambda show: edit_show(show, "samples", "sample"), 2, "Did you mean 'samples'?"),
        (
            lambda show: edit_show(show, "\n[[ladder]]", '\n[select]\nstrategy = "coverge"\n[[ladder]]'),
            2,
            "no strategy",
        ),
        (
            lambda show: edit_show(show, "\n[[ladder]]", '\n[select]\nstrategy = "longest"\n[[ladder]]'),
            2,
            "was removed",
        ),
        (lambda show: (show / "questions.toml").unlink(), 2, "questions.toml is missing"),
        (lambda show: (show / "show.toml").unlink(), 3, "econchatr init"),
        (lambda show: edit_show(show, "max_tokens = 1200", "max_tokens = 3"), 6, "the cheapest of"),
    ],
)
def test_bad_input_is_one_line_a_hint_and_its_exit_code(
    tiny_show: Path, econchatr: Run, spoil: object, code: int, message: str
) -> None:
    spoil(tiny_show)  # type: ignore[operator]
    done = econchatr("run", tiny_show, check=code)
    assert message in done.stderr
    assert "Error: " in done.stderr
    assert "Hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_without_rights_a_show_is_prepared_but_not_trained(tiny_show: Path, econchatr: Run) -> None:
    edit_show(tiny_show, '[rights]\nvoice = "Hester Pellow"\nground = "made up"\n', "")
    econchatr("select", tiny_show)
    assert "on what ground" in econchatr("run", tiny_show, check=2).stderr
    assert not (tiny_show / "train").exists()


def test_an_unreadable_file_is_quarantined_and_the_rest_goes_on(tiny_show: Path, econchatr: Run) -> None:
    (tiny_show / "transcripts" / "noise.md").write_bytes(bytes(range(256)) * 20)
    done = econchatr("parse", tiny_show)
    assert "quarantined noise.md" in done.stderr
    assert "6 episodes, 1 quarantined" in done.stderr


def test_pairs_can_be_read_kept_and_dropped(tiny_show: Path, econchatr: Run) -> None:
    text = econchatr("pair", tiny_show, "--show", 20).stdout
    assert "  kept" in text
    assert "  dropped: " in text
    assert len(json.loads(econchatr("pair", tiny_show, "--show", 20, "--json").stdout)) == 20


def test_the_tokens_of_a_pair_say_which_of_them_are_trained(tiny_show: Path, econchatr: Run) -> None:
    (pair,) = json.loads(econchatr("pair", tiny_show, "--show", 1, "--tokens", "--json").stdout)
    (told,) = pair["tokens"]
    trained = "".join(told["tokens"][told["n_prompt"] :])
    assert trained == f"{pair['reply']}<|im_end|>"
    text = econchatr("pair", tiny_show, "--show", pair["pair_id"], "--tokens").stdout
    assert f"tiny: {len(told['tokens'])} tokens, " in text
    assert re.search(r"trained: .*\|<\|im_end\|>$", text, flags=re.MULTILINE)
    assert "Add --show" in econchatr("pair", tiny_show, "--tokens", check=2).stderr
    assert "no pair 'x#1'" in econchatr("pair", tiny_show, "--show", "x#1", check=2).stderr


def test_select_tells_how_good_the_choice_is(tiny_show: Path, econchatr: Run) -> None:
    text = econchatr("select", tiny_show).stdout
    assert re.search(r"tiny: \d+ of \d+ pairs by coverage, [\d,]+ of 1,200 tokens", text)
    assert re.search(r"at least \d+% of the best possible cover at this cost; random choices cover \d+%", text)
    assert "subject word of the exam" in text
    assert "Nothing to do: select is up to date." in econchatr("select", tiny_show).stdout
    result = json.loads(econchatr("select", tiny_show, "--json").stdout)
    assert 0 < result["selections"][0]["certificate"] <= 1
    assert result["overlaps"][0]["rung"] == "tiny"


def test_select_says_of_each_pair_why_it_was_taken_or_left(tiny_show: Path, econchatr: Run) -> None:
    text = econchatr("select", tiny_show, "--show", 20).stdout
    assert "  taken for tiny, number 1: adds most for its cost, among replies of " in text
    assert "  first to bring: " in text
    assert "  left: " in text
    assert len(json.loads(econchatr("select", tiny_show, "--show", 20, "--json").stdout)) == 20


def test_pairs_are_pinned_and_banned_by_their_ids(tiny_show: Path, econchatr: Run) -> None:
    rows = json.loads(econchatr("select", tiny_show, "--show", 20, "--json").stdout)
    taken = next(row["pair_id"] for row in rows if row["rung"])
    left = next(row["pair_id"] for row in rows if not row["rung"])
    assert "choices.toml changed" in econchatr("select", tiny_show, "--ban", taken, "--pin", left).stderr
    reasons = {row["pair_id"]: row for row in json.loads(econchatr("select", tiny_show, "--show", 9, "--json").stdout)}
    assert (reasons[left]["reason"], reasons[left]["position"]) == ("pinned", 0)
    assert (reasons[taken]["reason"], reasons[taken]["rung"]) == ("banned", "")
    assert "stands under ban" in econchatr("select", tiny_show, "--pin", taken, check=2).stderr


def test_a_mistyped_pair_id_is_answered_with_the_nearest(tiny_show: Path, econchatr: Run) -> None:
    row = json.loads(econchatr("select", tiny_show, "--show", 1, "--json").stdout)[0]
    done = econchatr("select", tiny_show, "--ban", row["pair_id"].replace("-", "_", 1), check=2)
    assert f"Did you mean {row['pair_id']!r}?" in done.stderr
    assert not (tiny_show / "choices.toml").exists()


def test_pins_beyond_the_budget_are_refused(tiny_show: Path, econchatr: Run) -> None:
    edit_show(tiny_show, "max_tokens = 1200", "max_tokens = 120")
    rows = json.loads(econchatr("select", tiny_show, "--show", 20, "--json").stdout)
    pins = [part for row in rows for part in ("--pin", row["pair_id"])]
    assert "pinned pairs alone cost" in econchatr("select", tiny_show, *pins, check=6).stderr


def test_a_transcript_cannot_steer_the_terminal(tiny_show: Path, econchatr: Run) -> None:
    turns = (
        "**Ada Guest:** It is \x1b[2J ninety-four \u202e per cent of them, I am sure.\n\n"
        "**Hester Pellow:** Who counted, and what did they skip?\n\n"
    )
    (tiny_show / "transcripts" / "2020-01-01-evil.md").write_text(turns * 3, encoding="utf-8")
    text = econchatr("pair", tiny_show, "--show", 200).stdout
    assert "evil" in text
    assert "\x1b[2J" not in text
    assert "\u202e" not in text


def test_the_plan_does_nothing(tiny_show: Path, econchatr: Run) -> None:
    before = sorted(path.name for path in tiny_show.iterdir())
    assert "fetch" in econchatr("run", tiny_show, "--plan").stdout
    assert sorted(path.name for path in tiny_show.iterdir()) == before


def test_status_says_whether_another_command_works_in_the_show(tiny_show: Path, econchatr: Run) -> None:
    assert json.loads(econchatr("status", tiny_show, "--json").stdout)["running"] is False
    with lock_folder(tiny_show):
        assert "Running: another command works" in econchatr("status", tiny_show).stdout
    assert "Running" not in econchatr("status", tiny_show).stdout


def test_the_quote_says_what_each_rung_will_use(tiny_show: Path, econchatr: Run) -> None:
    econchatr("select", tiny_show)
    (row,) = json.loads(econchatr("run", tiny_show, "--plan", "--json").stdout)["quote"]
    assert row["rung"] == "tiny"
    assert row["budget"] == "1,200 tokens"
    assert 0 < row["n_tokens"] <= 1200


def test_prices_warn_of_models_that_will_be_gone(econchatr: Run, tmp_path: Path) -> None:
    done = econchatr("prices", tmp_path, "--until", "2027-06-01")
    assert "gpt3-2023/davinci" in done.stdout
    assert "is shut down on 2027-01-14, within its intended life until 2027-06-01" in done.stderr
    assert "within its intended life" not in econchatr("prices", tmp_path, "--until", "2027-01-01").stderr


def test_a_shows_own_prices_are_listed_and_a_bad_one_is_refused(econchatr: Run, tmp_path: Path) -> None:
    row = '[[price]]\nprofile = "p"\nmodel = "m"\ntraining = "$1 per 1M tokens"\nread_on = 2026-11-01\nsource = "s"\n'
    (tmp_path / "prices.toml").write_text(row)
    listed = {row["profile"]: row for row in json.loads(econchatr("prices", tmp_path, "--json").stdout)}
    assert listed["p"]["training"]["usd"] == "1"
    (tmp_path / "prices.toml").write_text(row.replace("$", "\N{EURO SIGN}"), encoding="utf-8")
    assert "not in US dollars" in econchatr("prices", tmp_path, check=2).stderr


def test_a_rung_of_an_unknown_model_is_refused_with_what_to_edit(econchatr: Run, tiny_show: Path) -> None:
    edit_show(tiny_show, "max_tokens = 1200", 'where = "hosted"\nprice = "tinker/qwen3-9b"\nmax_usd = 5')
    told = econchatr("select", tiny_show, check=2).stderr
    assert "show.toml, rung 'tiny', price: no price 'tinker/qwen3-9b'" in told
    assert "Did you mean 'tinker/qwen3" in told


def test_doctor_answers(econchatr: Run) -> None:
    assert {"Python", "embedded model", "room", "--ladder laptop", "--ladder gpu"} <= {
        row["subject"] for row in json.loads(econchatr("doctor", "--json").stdout)
    }


def test_explain_names_the_reader_and_what_it_could_not_place(tmp_path: Path, econchatr: Run) -> None:
    path = tmp_path / "talk.txt"
    path.write_text("A note\nOrla Quill (00:36):\nWho?\nDara Finch (00:40):\nMe.\n")
    told = econchatr("parse", tmp_path, "--explain", path).stdout
    assert "read as stamped" in told
    assert "| A note" in told
    assert json.loads(econchatr("parse", tmp_path, "--explain", path, "--json").stdout)["reader"] == "stamped"


def test_parse_accounts_for_every_character_of_every_file(tiny_show: Path, econchatr: Run) -> None:
    folder = tiny_show / "transcripts"
    (folder / "noise.md").write_bytes(bytes(range(256)) * 20)
    econchatr("parse", tiny_show)
    episodes = read_table(tiny_show / "parse" / "episodes.parquet", Episode)
    failures = read_table(tiny_show / "parse" / "failures.parquet", Failure)
    assert {one.location for one in episodes} | {one.item for one in failures} == {one.name for one in folder.iterdir()}
    for one in episodes:
        ends = one.n_placed_chars + one.n_flagged_chars + one.n_unplaced_chars + one.n_markup_chars + one.n_white_chars
        assert ends == one.n_chars == len((folder / one.location).read_text(encoding="utf-8"))
    assert any(one.n_flagged_chars for one in episodes)


def test_explain_knows_what_the_whole_show_repeats_once_it_is_parsed(tiny_show: Path, econchatr: Run) -> None:
    passage = "The lamp is lit and the long table has been laid. Every one of us has brought a spoon of his own."
    for path in (tiny_show / "transcripts").iterdir():
        path.write_text(
            path.read_text(encoding="utf-8").replace("**Hester Pellow:** ", f"**Hester Pellow:** {passage} ", 1)
        )

    def explain() -> dict[str, dict[str, object]]:
        return json.loads(econchatr("parse", tiny_show, "--explain", path, "--json").stdout)  # type: ignore[no-any-return]

    before = explain()
    econchatr("parse", tiny_show)
    after = explain()
    assert (before["flags"]["of_the_whole_show"], after["flags"]["of_the_whole_show"]) == (False, True)
    assert after["characters"]["n_flagged_chars"] > before["characters"]["n_flagged_chars"]  # type: ignore[operator]
    assert after["characters"]["n_chars"] == before["characters"]["n_chars"]


def test_explain_says_why_a_file_is_not_read(tmp_path: Path, econchatr: Run) -> None:
    (tmp_path / "talk.txt").write_text("words and no more")
    assert "not read" in econchatr("parse", tmp_path, "--explain", tmp_path / "talk.txt").stdout
    assert "cannot read" in econchatr("parse", tmp_path, "--explain", tmp_path / "none", check=4).stderr


def test_the_page_on_the_transcripts_shows_what_was_lost_in_its_place(tiny_show: Path, econchatr: Run) -> None:
    (tiny_show / "transcripts" / "noise.md").write_bytes(b"\x00\xff\x01\xfe" * 450)
    (tiny_show / "transcripts" / "talk.txt").write_text(
        "A <b>note</b>, ada@example.org\nOrla Quill (00:36):\nWho?\nDara Finch (00:40):\nMe.\n"
    )
    done = econchatr("parse", tiny_show, "--report")
    path = tiny_show / "report" / "corpus.html"
    assert done.stdout == f"Page: {path}\n"
    page = path.read_text(encoding="utf-8")
    assert "<mark>A &lt;b&gt;note&lt;/b&gt;, [email]</mark>\nOrla Quill (00:36):" in page
    assert "noise.md is not text" in page
    assert "\\xff" in page
    assert "AI imitation of Hester Pellow, not Hester Pellow" in page
    assert "<script" not in page


def test_the_page_is_made_anew_and_leaves_every_step_as_it_was(tiny_show: Path, econchatr: Run) -> None:
    first = json.loads(econchatr("parse", tiny_show, "--report", "--json").stdout)
    page = Path(first["page"]).read_bytes()
    again = json.loads(econchatr("parse", tiny_show, "--report", "--json").stdout)
    assert (first["done"], again["done"]) == (["fetch", "parse"], [])
    assert Path(again["page"]).read_bytes() == page


def test_one_file_or_the_whole_show_is_looked_at(tiny_show: Path, econchatr: Run) -> None:
    done = econchatr("parse", tiny_show, "--report", "--explain", tiny_show / "show.toml", check=2)
    assert "--explain looks at one file" in done.stderr


def test_questions_are_printed_and_never_replace_a_persons_edits_unasked(tmp_path: Path, econchatr: Run) -> None:
    from econchatr.demo import write_demo_show

    write_demo_show(tmp_path / "demo")
    before = (tmp_path / "demo" / "questions.toml").read_bytes()
    assert "[[question]]" in econchatr("questions", tmp_path / "demo").stdout
    assert "--force" in econchatr("questions", tmp_path / "demo", "--write", check=2).stderr
    assert (tmp_path / "demo" / "questions.toml").read_bytes() == before
    econchatr("questions", tmp_path / "demo", "--write", "--force")
    assert "drafted by rule" in (tmp_path / "demo" / "questions.toml").read_text(encoding="utf-8")


def test_init_names_the_show_after_its_own_folder_and_drafts_the_exam(tmp_path: Path, econchatr: Run) -> None:
    from econchatr.demo import write_demo_show

    write_demo_show(tmp_path / "demo")
    econchatr("init", tmp_path / "ferry-talk", "--from", tmp_path / "demo" / "transcripts", "--host", "Hester Pellow")
    assert 'name = "ferry-talk"' in (tmp_path / "ferry-talk" / "show.toml").read_text(encoding="utf-8")
    assert "guests of ferry-talk" in (tmp_path / "ferry-talk" / "questions.toml").read_text(encoding="utf-8")
