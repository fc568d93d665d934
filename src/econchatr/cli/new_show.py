"""What `init` finds out: it looks at the transcripts, takes what the user said, and asks for the rest in a terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import typer

from econchatr.cli.narrator import open_narrator
from econchatr.cli.running import say
from econchatr.config import MAX_NAME_CHARS
from econchatr.errors import EconChatRError, InputError

if TYPE_CHECKING:
    from econchatr.presets import NewShow
    from econchatr.tools.survey import Survey


_MOST_FILES: Final = 150
"""So many files tell who speaks; all of them are read once the show is there."""


class Wishes(NamedTuple):
    """What the user said about the new show; an empty field was not said."""

    source: str
    """Folder of the transcripts."""
    hosts: tuple[str, ...]
    name: str
    ground: str
    ladder: str
    is_solo: bool
    feed: str = ""
    """Address of the show's feed, or the path of a saved one."""


def settle_show(show: Path, wishes: Wishes, *, can_ask: bool) -> NewShow:
    """Look at the transcripts, where there are any, and settle what the new show needs.

    Raises:
        InputError: Something is not said, cannot be told from the transcripts, and nobody can be asked.
        SourceError: The folder holds no transcript.
    """
    from econchatr.presets import NewShow

    if wishes.feed:
        return _settle_feed(show, wishes, can_ask=can_ask)
    if can_ask and not wishes.source and not (show / "transcripts").is_dir():
        wishes = wishes._replace(source=_ask_source(show))
    survey = _look(show, wishes.source)
    is_solo = wishes.is_solo or (survey is not None and _may_be_solo(survey, can_ask=can_ask))
    hosts = _choose_hosts(survey, wishes.hosts, is_solo=is_solo, can_ask=can_ask)
    name = wishes.name or _ask_name(show, can_ask=can_ask)
    ground = wishes.ground or _ask_ground(hosts[0], can_ask=can_ask)
    aliases = _settle_aliases(survey, hosts)
    return NewShow(name, hosts, relate_path(wishes.source, show), ground, wishes.ladder, aliases, is_solo)


def _settle_feed(show: Path, wishes: Wishes, *, can_ask: bool) -> NewShow:
    """Look at the feed. Who speaks in its episodes is known once they are fetched."""
    from econchatr.pipeline.fetch import look_at_feed
    from econchatr.presets import NewShow
    from econchatr.tools.survey_feed import list_hosts, tell_feed

    if wishes.source:
        raise InputError(f"both --from {wishes.source} and --feed {wishes.feed}.", hint="Give one of the two.")
    with open_narrator() as narrator:
        feed = look_at_feed(wishes.feed, narrator)
    for line in tell_feed(feed):
        say(line)
    likely = list_hosts(feed)
    hosts = wishes.hosts or ((_ask_host(likely[0] if likely else ""),) if can_ask else tuple(likely))
    if not hosts:
        raise InputError("who is the host? The feed names none.", hint="Say it with --host NAME (once per host).")
    name = wishes.name or feed.title[:MAX_NAME_CHARS] or _ask_name(show, can_ask=can_ask)
    ground = wishes.ground or _ask_ground(hosts[0], can_ask=can_ask)
    place = wishes.feed if "://" in wishes.feed else relate_path(wishes.feed, show)
    return NewShow(name, hosts, "", ground, wishes.ladder, is_solo=wishes.is_solo, feed=place)


def _look(show: Path, source: str) -> Survey | None:
    """Survey the transcripts and print what was found; `None`: there are none yet."""
    from econchatr.tools.survey import survey_folder, tell_survey

    folder = Path(source) if source else show / "transcripts"
    if not folder.is_dir():
        if source:
            raise InputError(f"no folder {folder}.", hint="--from takes the folder of the transcripts.")
        return None
    with open_narrator() as narrator:
        survey = survey_folder(folder, narrator, most_files=_MOST_FILES)
    for line in tell_survey(survey):
        say(line)
    return survey


def _may_be_solo(survey: Survey, *, can_ask: bool) -> bool:
    """Whether the host alone speaks, asked where nobody is named."""
    if survey.speakers or not survey.n_episodes:
        return False
    if can_ask and typer.confirm("Does the host alone speak in them?", default=False, err=True):
        return True
    raise InputError(
        f"none of the {survey.n_episodes:,} transcripts names a speaker.",
        hint="Transcribe them with speakers, see above; or add --solo if the host alone speaks.",
    )


def _choose_hosts(survey: Survey | None, wanted: Sequence[str], *, is_solo: bool, can_ask: bool) -> tuple[str, ...]:
    from econchatr.tools.survey import refuse_unclear, warn_of_size

    if survey is None or not survey.speakers or is_solo:
        hosts = tuple(wanted) or ((_ask_host(""),) if can_ask else ())
        if not hosts:
            raise InputError("who is the host?", hint="Say it with --host NAME (once per host).")
        return hosts
    hosts = tuple(_spell_as_heard(survey, name) for name in wanted)
    if not hosts and can_ask:
        hosts = (_ask_heard_host(survey),)
    if not hosts and survey.is_plain:
        hosts = (survey.hosts[0].name,)
        say(f"The host is {hosts[0]}, who is heard in most episodes; --host says otherwise.")
    if not hosts:
        raise InputError(refuse_unclear(survey), hint="Say it with --host NAME; the first is the one to imitate.")
    _check_heard(survey, hosts)
    if warning := warn_of_size(survey, hosts[0]):
        say(warning)
    _tell_other_hosts(survey, hosts)
    return hosts


def _check_heard(survey: Survey, hosts: Sequence[str]) -> None:
    for name in hosts:
        if survey.find(name) is None:
            raise InputError(_tell_unheard(survey, name), hint="Give --host the name as the transcripts write it.")


def _tell_unheard(survey: Survey, name: str) -> str:
    from econchatr.tools.survey import tell_heard

    return f"nobody is heard as {name!r} in {survey.folder}; heard most: {tell_heard(survey)}."


def _spell_as_heard(survey: Survey, name: str) -> str:
    """The name with the capitals of the transcripts, but where these shout."""
    labels = [label for one in survey.speakers for label in (one.name, *one.spellings) if not label.isupper()]
    return next((label for label in labels if label.casefold() == name.casefold()), name)


def _tell_other_hosts(survey: Survey, hosts: Sequence[str]) -> None:
    known = {found.name for name in hosts if (found := survey.find(name))}
    for one in survey.hosts:
        if one.name not in known and survey.n_episodes > 1:
            say(
                f"{one.name} is heard in {one.n_episodes:,} of {survey.n_episodes:,} episodes too. A second host is "
                f"named with another --host; without it {one.name} counts as a guest."
            )


def _settle_aliases(survey: Survey | None, hosts: Sequence[str]) -> dict[str, str]:
    from econchatr.tools.survey import choose_aliases

    return choose_aliases(survey, hosts) if survey else {}


def _ask_source(show: Path) -> str:
    """The folder of the transcripts, asked until it is one; empty: it is said later."""
    from econchatr.fetch.folder import may_hold_transcripts

    near = next((str(one) for one in (show, Path("transcripts"), Path()) if may_hold_transcripts(one)), "")
    question = f"Folder with the transcripts ({'-' if near else 'empty'}: later)"
    while True:
        answer = str(typer.prompt(question, default=near, show_default=bool(near), err=True)).strip().strip("'\"")
        folder = Path(answer).expanduser()
        if answer in ("", "-") or folder.is_dir():
            return "" if answer in ("", "-") else str(folder)
        say(f"There is no folder {folder}.")


def _ask_host(likely: str) -> str:
    question = "Who is the host, whose voice is to be imitated?"
    return str(typer.prompt(question, default=likely or None, err=True)).strip()


def _ask_heard_host(survey: Survey) -> str:
    """The host, asked until it is somebody who is heard."""
    while True:
        name = _spell_as_heard(survey, _ask_host(survey.hosts[0].name if survey.hosts else ""))
        if survey.find(name) is not None:
            return name
        say(_tell_unheard(survey, name))


def _ask_name(show: Path, *, can_ask: bool) -> str:
    """The show's name: asked in a terminal; else the name of its own folder, which is said."""
    if can_ask:
        return str(typer.prompt("What is the show called?", default=show.resolve().name, err=True))
    say(f"The show is called {show.resolve().name!r} in questions and prompts: --name says it better.")
    return show.resolve().name


def _ask_ground(host: str, *, can_ask: bool) -> str:
    """On what ground the host may be imitated; empty: to be said later."""
    if not can_ask:
        return ""
    question = f"On what ground may {host} be imitated (consent, a licence, 'my own voice')? Empty: say it later"
    return str(typer.prompt(question, default="", show_default=False, err=True)).strip()


def tell_run(show: Path) -> None:
    """Say what a run of the new show takes here; where that cannot be planned, why."""
    from datetime import UTC, datetime

    from econchatr.pipeline import open_show
    from econchatr.tools.run_plan import plan_run, tell_time

    try:
        plan = plan_run(open_show(show), today=datetime.now(UTC).date())
    except EconChatRError as exc:
        return say(f"{exc.message} {exc.hint}".rstrip())
    parts = ", ".join(
        f"{step.name.partition('/')[0]} {tell_time(step.minutes)}"
        for step in plan.steps
        if step.minutes is not None and step.minutes >= 1
    )
    needs = "; ".join(f"{name}: {words}" for name, words in plan.needs if name in ("memory", "download"))
    took = f"{tell_time(plan.minutes)} on an otherwise idle machine ({parts or 'every step under a minute'})"
    say(f"A run here takes {took}. {needs[:1].upper()}{needs[1:]}.")


def relate_path(source: str, show: Path) -> str:
    """The transcripts' folder relative to the show's folder, for show.toml; absolute if they are far apart."""
    if not source:
        return ""
    near = Path(os.path.relpath(Path(source).resolve(), show.resolve())).as_posix()
    return Path(source).resolve().as_posix() if near.startswith("../../..") else near
