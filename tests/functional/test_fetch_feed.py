"""A show from its feed, by the real command: fetched once, asked again only on request, its news told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from econchatr.records import Episode, Failure, SourceFile, Turn
from econchatr.tables import finish_stage, hash_file, read_table
from tests.functional.conftest import Run, edit_show
from tests.helpers.aired_episodes import tell_difference
from tests.helpers.econtalk_stand_in import N_LOST, Planted, build_site, path_of, real_or_made_up
from tests.helpers.stand_in_site import Said, StandIn, open_site

N_ITEMS = 40
SHOW = """
[show]
name = "A Show"
hosts = ["Russ Roberts"]
aliases = {{ "Russ" = "Russ Roberts" }}

[fetch]
feed = "{root}/feed.xml"
contact = "ada@example.org"
delay_seconds = 0
allow_hosts = ["127.0.0.1"]
"""


@pytest.fixture
def site() -> Iterator[StandIn]:
    with open_site() as opened:
        yield opened


@pytest.fixture
def planted(site: StandIn) -> Planted:
    """Forty episodes, eight of them at fault and two without a transcript."""
    return build_site(site, real_or_made_up(N_ITEMS), n_items=N_ITEMS)


@pytest.fixture
def show(site: StandIn, planted: Planted, tmp_path: Path) -> Path:
    """A show whose feed lists them."""
    (tmp_path / "show").mkdir()
    (tmp_path / "show" / "show.toml").write_text(SHOW.format(root=site.root))
    return tmp_path / "show"


def news_of(show: Path, econchatr: Run) -> dict[str, object]:
    found = json.loads(econchatr("fetch", show, "--json").stdout)["news"]
    assert isinstance(found, dict)
    return found


def add_episodes(site: StandIn, *titles: str) -> None:
    data = site.pages["/feed.xml"].body  # type: ignore[union-attr]
    for title in titles:
        path = f"/{title.lower().replace(' ', '-')}/"
        item = f"<item><title>{title}</title><link>{site.root}{path}</link><guid>{title}</guid></item>"
        data = data.replace(b"<item>", item.encode() + b"<item>", 1)
        page = f"<p>{title}</p><div class='audio-highlight'><p><b>Russ Roberts:</b> {title}.</p></div>"
        site.pages[path] = Said(200, page.encode())
    site.pages["/feed.xml"] = Said(200, data)


def test_a_show_goes_from_its_feed_to_turns(show: Path, site: StandIn, planted: Planted, econchatr: Run) -> None:
    told = econchatr("parse", show).stderr
    episodes = read_table(show / "parse" / "episodes.parquet", Episode)
    files = read_table(show / "fetch" / "files.parquet", SourceFile)
    failures = read_table(show / "parse" / "failures.parquet", Failure)
    assert (len(files), len(episodes)) == (N_ITEMS - N_LOST, N_ITEMS - N_LOST - len(planted.bare))
    assert len(episodes) + len(failures) == N_ITEMS
    assert all(f"quarantined {failure.item}: " in told for failure in failures)
    titles = {file.location: file.title for file in files}
    assert {episode.title for episode in episodes} == {titles[episode.location] for episode in episodes}
    assert all(isinstance(episode.published, date) for episode in episodes)
    assert {asked.headers["user-agent"].partition("(")[2] for asked in site.log} == {"+ada@example.org)"}


def test_no_turn_is_lost_between_the_site_and_the_table(show: Path, planted: Planted, econchatr: Run) -> None:
    econchatr("parse", show)
    turns = read_table(show / "parse" / "turns.parquet", Turn)
    episodes = {path_of(one.location): one for one in read_table(show / "parse" / "episodes.parquet", Episode)}
    assert episodes.keys() == planted.aired.keys()
    for path, episode in episodes.items():
        aired = planted.aired[path]
        # Where the page has no date, the table has the feed's.
        known = aired if aired.published else aired._replace(published=episode.published, precision=episode.precision)
        assert tell_difference(known, episode, [turn for turn in turns if turn.slug == episode.slug]) == ""


def test_what_is_fetched_is_not_asked_for_until_the_user_wants_it(show: Path, site: StandIn, econchatr: Run) -> None:
    econchatr("parse", show)
    site.log.clear()
    assert json.loads(econchatr("parse", show, "--json").stdout)["done"] == []
    assert site.log == []
    before = hash_file(show / "fetch" / "files.parquet")
    news = news_of(show, econchatr)
    assert (news["n_new"], news["n_episodes"]) == (0, N_ITEMS - N_LOST)
    assert hash_file(show / "fetch" / "files.parquet") == before
    assert json.loads(econchatr("parse", show, "--json").stdout)["done"] == []


def test_a_new_episode_is_told_and_parsed(show: Path, site: StandIn, planted: Planted, econchatr: Run) -> None:
    econchatr("parse", show)
    add_episodes(site, "New One")
    told = econchatr("fetch", show)
    n_files = N_ITEMS - N_LOST + 1
    assert told.stdout.startswith(f"1 new episode; {n_files} in all, 8 could not be had (1 forbidden, 1 large,")
    assert "run --plan" in told.stdout
    assert json.loads(econchatr("parse", show, "--json").stdout)["counts"]["parse"]["episodes"] == n_files - len(
        planted.bare
    )


def test_a_refresh_says_what_changed_and_only_that_is_parsed_again(show: Path, site: StandIn, econchatr: Run) -> None:
    econchatr("parse", show)
    before = read_table(show / "fetch" / "files.parquet", SourceFile)
    told = econchatr("fetch", show, "--refresh")
    assert f"No new episode; {N_ITEMS - 8} in all" in told.stdout
    assert f"Asked again: 0 changed, {N_ITEMS - 8} unchanged." in told.stdout
    assert json.loads(econchatr("parse", show, "--json").stdout)["done"] == []
    changed, gone = (file.location.removeprefix(site.root) for file in before[:2])
    site.pages[changed] = b"<div class='audio-highlight'><p><b>Russ Roberts:</b> Corrected.</p></div>"
    site.pages[gone] = Said(404)
    told = econchatr("fetch", show, "--refresh")
    assert (
        f"1 changed, {N_ITEMS - 10} unchanged, 1 could not be had again and stay as they were (1 missing)"
        in told.stdout
    )
    assert "kept as it was:" in told.stderr
    assert json.loads(econchatr("fetch", show, "--refresh", "--json").stdout)["news"]["n_kept"] == 1
    econchatr("parse", show)
    assert any(turn.text == "Corrected." for turn in read_table(show / "parse" / "turns.parquet", Turn))


def test_a_refresh_that_a_site_stopped_does_not_stop_the_run(show: Path, site: StandIn, econchatr: Run) -> None:
    econchatr("parse", show)
    location = read_table(show / "fetch" / "files.parquet", SourceFile)[3].location.removeprefix(site.root)
    site.pages[location] = Said(503, b"", (("Retry-After", "7200"),))
    assert "until" in econchatr("fetch", show, "--refresh", check=4).stderr
    n_asked = len(site.log)
    econchatr("parse", show)
    assert len(site.log) == n_asked
    assert "asked to be left alone until" in econchatr("fetch", show, check=4).stderr
    assert len(site.log) == n_asked


def test_a_refresh_of_a_folder_asks_nobody(show: Path, site: StandIn, econchatr: Run) -> None:
    edit_show(show, "[fetch]", '[fetch]\nfolder = "saved"')
    (show / "saved").mkdir()
    (show / "saved" / "a.html").write_text("<div class='audio-highlight'><p><b>Russ Roberts:</b> Hm.</p></div>")
    assert "read anew each time" in econchatr("fetch", show, "--refresh").stderr
    assert site.log == []


def test_retraining_is_worth_quoting_only_for_enough_new_episodes(show: Path, site: StandIn, econchatr: Run) -> None:
    assert "No model is trained yet" in econchatr("fetch", show).stdout
    finish_stage(show / "train" / "smollm2-135m", stage="train", version=1, settings_sha256="", inputs={}, outputs=[],
                 counts={}, seconds=0)  # fmt: skip
    assert "Nothing came or changed since" in econchatr("fetch", show).stdout
    add_episodes(site, "One")
    news = news_of(show, econchatr)
    assert (news["n_since_trained"], news["is_worth_quoting"]) == (1, False)
    add_episodes(site, "Two", "Three")
    news = news_of(show, econchatr)
    assert (news["n_new"], news["n_since_trained"], news["is_worth_quoting"]) == (2, 3, True)


def add_subtitles(site: StandIn, name: str, *guests: str) -> str:
    """Put subtitles of `Russ` and `Guest` on the site; get the item of the feed that names the guests."""
    cues = (f"00:0{n}.000 --> 00:0{n + 1}.000\n<v {who}>Word {name}." for n, who in enumerate(("Russ", "Guest")))
    site.pages[f"/{name}.vtt"] = "\n\n".join(("WEBVTT", *cues)).encode()
    people = "".join(f'<p:person role="guest">{guest}</p:person>' for guest in guests)
    link = f'<p:transcript url="{site.root}/{name}.vtt" type="text/vtt"/>'
    return f"<item><title>{name}</title><guid>{name}</guid>{link}{people}</item>"


def test_people_whom_the_feed_names_are_the_speakers(show: Path, site: StandIn, econchatr: Run) -> None:
    items = add_subtitles(site, "one", "Dara Finch") + add_subtitles(site, "two", "Dara Finch", "Corin Vale")
    feed = f'<rss version="2.0" xmlns:p="https://podcastindex.org/namespace/1.0"><channel>{items}</channel></rss>'
    site.pages["/feed.xml"] = feed.encode()
    told = econchatr("parse", show)
    turns = read_table(show / "parse" / "turns.parquet", Turn)
    assert [turn.speaker for turn in turns] == ["Russ Roberts", "Dara Finch", "Russ Roberts", "Guest"]
    assert 'in "two" "Guest" may be Dara Finch or Corin Vale, so it stays as it is' in told.stderr
    assert "1 shared label" in told.stderr
    two = next(file for file in read_table(show / "fetch" / "files.parquet", SourceFile) if "two" in file.location)
    explained = econchatr("parse", show, "--explain", show / "fetch" / "raw" / two.sha256)
    assert '"Guest" may be Dara Finch or Corin Vale' in explained.stdout


def test_a_kept_page_that_was_changed_is_noticed_and_asked_for_again(show: Path, site: StandIn, econchatr: Run) -> None:
    econchatr("parse", show)
    changed, other = read_table(show / "fetch" / "files.parquet", SourceFile)[3:5]
    kept = show / "fetch" / "raw" / changed.sha256
    kept.write_bytes(kept.read_bytes().swapcase())
    n_asked = len(site.log)
    assert "1 kept in" in econchatr("parse", show).stderr
    assert hash_file(kept) == kept.name
    again = [site.root + path for path in site.paths()[n_asked:]]
    assert (again.count(changed.location), again.count(other.location)) == (1, 0)


def test_without_a_network_what_was_fetched_still_runs(show: Path, site: StandIn, econchatr: Run) -> None:
    econchatr("parse", show)
    site.pages["/feed.xml"] = Said(403)
    refused = econchatr("fetch", show, check=4)
    assert "refuses to be read by a program" in refused.stderr
    assert "folder" in refused.stderr
    econchatr("parse", show)


def test_loopback_is_not_asked_unless_the_config_names_it(show: Path, site: StandIn, econchatr: Run) -> None:
    edit_show(show, 'allow_hosts = ["127.0.0.1"]', "")
    told = econchatr("fetch", show, check=4)
    assert "allow_hosts" in told.stderr
    assert site.log == []


@pytest.mark.parametrize(
    "contact", ["Mozilla/5.0", "a b@example.org", "x@y\\r\\nX-Injected: 1", "(compatible)", "ädä@example.org"]
)
def test_a_contact_is_an_address_and_nothing_else(show: Path, econchatr: Run, contact: str) -> None:
    edit_show(show, "ada@example.org", contact)
    assert "contact" in econchatr("fetch", show, check=2).stderr


def test_a_folder_that_is_named_is_the_source_and_nobody_is_asked(show: Path, site: StandIn, econchatr: Run) -> None:
    edit_show(show, "[fetch]", '[fetch]\nfolder = "saved"')
    (show / "saved").mkdir()
    (show / "saved" / "a.html").write_text("<div class='audio-highlight'><p><b>Russ Roberts:</b> Hm.</p></div>")
    econchatr("parse", show)
    assert site.log == []
