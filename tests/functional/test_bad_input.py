"""Bad input, by the real command: one line with the file, the reason and what to do; the rest goes on; exit codes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from econchatr.fetch.folder import list_files
from econchatr.records import Episode, Failure
from econchatr.tables import read_table
from tests.functional.conftest import Run, edit_show
from tests.helpers.language_samples import TALKS
from tests.helpers.stand_in_site import Said, StandIn, open_site
from tests.helpers.write_formats import FORMATS

TALK = [("Hester Pellow", "Who counted them, and how?"), ("Ada Moss", "I did, with a stick and a string.")] * 30
HUGE_BYTES = 2 * 1024**3
SHOW = """
[show]
name = "A Show"
hosts = ["Hester Pellow"]

[fetch]
feed = "{root}/feed.xml"
delay_seconds = 0
allow_hosts = ["127.0.0.1"]
"""


def put_bad_files(folder: Path) -> None:
    """Beside good transcripts, one of each kind that cannot be used, or only in part."""
    german = [(name, TALKS["de"]) for name, _ in TALK[:10]]
    (folder / "german.txt").write_bytes(FORMATS["plain"](german))
    (folder / "extra.html").write_bytes(b"<!DOCTYPE html><html><body><p>A post about nothing.</p></body></html>")
    for name, kind in (("cut.srt", "srt"), ("cut.json", "podcast-json"), ("cut.docx", "docx/plain")):
        data = FORMATS[kind](TALK)
        (folder / name).write_bytes(data[: len(data) // 2])
    (folder / "empty.md").write_bytes(b"")
    with (folder / "huge.txt").open("wb") as file:
        file.truncate(HUGE_BYTES)


def line_about(name: str, told: str) -> str:
    others = ("read as", "have no date")
    (line,) = [line for line in told.splitlines() if name in line and not any(other in line for other in others)]
    return line


@pytest.mark.parametrize(
    ("name", "reason", "cure"),
    [
        ("german.txt", "it is in German, the show in English", 'set language = "any"'),
        ("extra.html", "has no transcript box", "Save the whole page"),
        ("cut.srt", "it ends in the middle of a sentence", "Fetch or export it again"),
        ("cut.json", "the JSON cannot be read", "it may be cut off"),
        ("cut.docx", "is a broken archive", "Download it again"),
        ("empty.md", "is empty", "Fetch the file again"),
        ("huge.txt", "2,147,483,648 bytes", "Split it into one file per episode"),
    ],
)
def test_each_bad_file_is_one_line_with_reason_and_cure(
    told_of_bad_files: str, name: str, reason: str, cure: str
) -> None:
    line = line_about(name, told_of_bad_files)
    assert reason in line
    assert cure in line
    assert line.count(name) == 1


@pytest.fixture(scope="module")
def bad_show(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.functional.conftest import write_tiny_show

    root = write_tiny_show(tmp_path_factory.mktemp("bad") / "show")
    put_bad_files(root / "transcripts")
    return root


@pytest.fixture(scope="module")
def told_of_bad_files(bad_show: Path, econchatr: Run) -> str:
    return econchatr("parse", bad_show).stderr


def test_the_rest_goes_on_and_everything_is_counted(bad_show: Path, told_of_bad_files: str) -> None:
    episodes = read_table(bad_show / "parse" / "episodes.parquet", Episode)
    failures = read_table(bad_show / "parse" / "failures.parquet", Failure)
    assert "7 episodes, 6 quarantined" in told_of_bad_files
    assert sorted(one.item for one in failures) == [
        "cut.docx", "cut.json", "empty.md", "extra.html", "german.txt", "huge.txt",
    ]  # fmt: skip
    assert all(one.hint for one in failures)
    assert [one.location for one in episodes if one.doubt] == ["cut.srt"]
    assert {one.language for one in episodes if not one.doubt} == {"en"}


def test_a_file_of_two_gigabytes_is_not_read_into_memory(bad_show: Path, told_of_bad_files: str) -> None:
    # Not getrusage: what it tells begins with the memory of the process that started this one.
    code = (
        "import re; from pathlib import Path; from econchatr.cli.app import app\n"
        "try: app()\n"
        "finally: print(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024)"
    )
    arguments = ["parse", str(bad_show), "--explain", str(bad_show / "transcripts" / "huge.txt")]
    for command, exit_code in ((["parse", str(bad_show)], 0), (arguments, 4)):
        done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
        assert done.returncode == exit_code, done.stderr
        assert int(done.stdout.splitlines()[-1]) < 400
    assert "huge.txt has 2,147,483,648 bytes" in done.stderr
    assert "Hint: Split it" in done.stderr


def test_a_show_in_several_languages_keeps_them_all_on_request(tmp_path: Path, econchatr: Run) -> None:
    show = tmp_path / "show"
    (show / "transcripts").mkdir(parents=True)
    for code in ("en", "de", "fr"):
        (show / "transcripts" / f"{code}.txt").write_bytes(
            FORMATS["plain"]([(name, TALKS[code]) for name, _ in TALK[:10]])
        )
    (show / "show.toml").write_text('[show]\nname = "S"\nhosts = ["Hester Pellow"]\nlanguage = "en"\n')
    told = econchatr("parse", show).stderr
    assert "1 episode, 2 quarantined" in told
    assert "fr.txt: it is in French, the show in English." in told
    edit_show(show, '"en"', '"any"')
    assert "3 episodes, 0 quarantined" in econchatr("parse", show).stderr
    edit_show(show, '"any"', '"english"')
    assert "show.language" in econchatr("parse", show, check=2).stderr


# --- from a feed ------------------------------------------------------------------------------------------------------


@pytest.fixture
def site() -> Iterator[StandIn]:
    with open_site() as opened:
        yield opened


@pytest.fixture
def fed_show(site: StandIn, tmp_path: Path) -> Path:
    """A show of three pages by its feed."""
    items = ""
    for name in ("one", "two", "three"):
        items += f"<item><title>{name} on Wells</title><guid>{name}</guid><link>{site.root}/{name}/</link></item>"
        site.pages[f"/{name}/"] = Said(200, FORMATS["econtalk"]([*TALK, ("Hester Pellow", name)]))
    feed = f'<?xml version="1.0"?><rss version="2.0"><channel><title>S</title>{items}</channel></rss>'
    site.pages["/feed.xml"] = Said(200, feed.encode())
    (tmp_path / "show.toml").write_text(SHOW.format(root=site.root))
    return tmp_path


@pytest.mark.parametrize(
    ("said", "reason", "cure"),
    [
        (Said(404), "404", "It is asked for again"),
        (Said(302, b"", (("Location", "/"),)), "front page", "It is asked for again"),
        (Said(200, b" "), "is empty", "It is asked for again"),
        (Said(302, b"", (("Location", "file:///etc/passwd"),)), "file", "allow_hosts"),
    ],
)
def test_a_dead_link_is_one_line_and_the_rest_goes_on(
    fed_show: Path, site: StandIn, econchatr: Run, said: Said, reason: str, cure: str
) -> None:
    site.pages |= {"/two/": said, "/": b"<html>front</html>"}
    told = econchatr("parse", fed_show).stderr
    line = line_about("two on Wells", told)
    assert reason in line
    assert cure in line
    assert "2 episodes, 1 quarantined" in told


def test_a_page_without_a_transcript_is_one_line_and_the_rest_goes_on(
    fed_show: Path, site: StandIn, econchatr: Run
) -> None:
    site.pages["/two/"] = Said(200, b"<html><body><p>A post about nothing.</p></body></html>")
    told = econchatr("parse", fed_show).stderr
    line = line_about("/two/", told)
    assert re.search(r"quarantined http://127\.0\.0\.1:\d+/two/: .*no transcript box.*Save the whole page", line)
    assert "2 episodes, 1 quarantined" in told


def test_a_feed_that_is_a_web_page_ends_with_its_address_and_what_to_do(
    fed_show: Path, site: StandIn, econchatr: Run
) -> None:
    site.pages["/feed.xml"] = Said(200, b"<!DOCTYPE html><html><body>blog</body></html>")
    told = econchatr("parse", fed_show, check=4).stderr
    assert "/feed.xml" in line_about("Error: ", told)
    assert "web page" in line_about("Error: ", told)
    assert "feed" in line_about("Hint: ", told)
    assert "Traceback" not in told


def test_where_every_link_is_dead_the_run_ends_with_the_first_reason(
    fed_show: Path, site: StandIn, econchatr: Run
) -> None:
    site.pages |= dict.fromkeys(("/one/", "/two/", "/three/"), Said(404))
    told = econchatr("parse", fed_show, check=4).stderr
    assert "not one page could be fetched" in line_about("Error: ", told)


def test_where_no_page_has_a_transcript_the_run_ends_with_the_first_reason(
    fed_show: Path, site: StandIn, econchatr: Run
) -> None:
    for name in ("one", "two", "three"):
        site.pages[f"/{name}/"] = Said(200, f"<html><body><p>Post {name}.</p></body></html>".encode())
    told = econchatr("parse", fed_show, check=5).stderr
    assert "none of the 3 files" in line_about("Error: ", told)
    assert "no transcript box" in line_about("Error: ", told)


# --- at the command line ----------------------------------------------------------------------------------------------


def test_what_is_no_file_is_not_explained(tmp_path: Path, econchatr: Run) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        told = econchatr("parse", tmp_path, "--explain", path, check=4).stderr
        assert f"{path} is no file" in told


def test_a_host_without_a_name_is_refused_by_init_and_in_show_toml(tmp_path: Path, econchatr: Run) -> None:
    assert "--host '' names nobody" in econchatr("init", tmp_path / "new", "--host", " ", check=2).stderr
    assert not (tmp_path / "new").exists()
    (tmp_path / "show.toml").write_text('[show]\nname = "A Show"\nhosts = [""]\n')
    assert "show.hosts" in econchatr("status", tmp_path, check=2).stderr


def test_a_file_that_cannot_be_read_is_one_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("Ada: Words.")
    (tmp_path / "bad.txt").symlink_to(tmp_path / "bad.txt")
    listing = list_files(tmp_path)
    assert [file.location for file in listing.files] == ["good.txt"]
    assert [one.item for one in listing.failures] == ["bad.txt"]


def test_where_no_pair_is_left_the_pairs_can_still_be_looked_at(tmp_path: Path, econchatr: Run) -> None:
    (tmp_path / "transcripts").mkdir()
    (tmp_path / "transcripts" / "one.md").write_text("**Bo Guest:** Is it so?\n\n**Ada Host:** Yes.\n" * 3)
    (tmp_path / "show.toml").write_text('[show]\nname = "A Show"\nhosts = ["Ada Host"]\n')
    assert "--show 20" in econchatr("select", tmp_path, check=2).stderr
    assert "dropped: " in econchatr("pair", tmp_path, "--show", 20).stdout
