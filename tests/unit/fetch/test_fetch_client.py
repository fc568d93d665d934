from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import httpx2
import pytest

from econchatr.fetch.address_guard import GuardedTransport
from econchatr.fetch.client import PoliteClient, read_retry_after, user_agent
from econchatr.fetch.http_answers import Fault, FetchedPage, Manners
from tests.helpers.stand_in_site import Handler, Said, StandIn, open_site

NOW = datetime(2031, 5, 6, 12, 0, tzinfo=UTC)
BASE = "https://pages.example"


class FakeWorld:
    """A clock that only sleeping moves, and a network that answers by address and keeps a log."""

    def __init__(self, **answers: object) -> None:
        self.seconds = 1000.0
        self.log: list[tuple[float, str]] = []
        self.answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}

    def say(self, address: str, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self.answers[address] = list(answers)

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        address = str(request.url)
        self.log.append((self.seconds, address))
        self.seconds += 0.25
        script = self.answers.get(address, [(404, {}, b"")])
        status, headers, body = script.pop(0) if len(script) > 1 else script[0]
        if status == 0:
            raise httpx2.ReadTimeout("nothing came")
        return httpx2.Response(status, headers=headers, content=iter([body]))

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.seconds += seconds

    def client(self, **options: object) -> PoliteClient:
        return PoliteClient(
            agent=user_agent("mailto:ada@example.org"), transport=httpx2.MockTransport(self.handle),
            clock=lambda: self.seconds, now=lambda: NOW + timedelta(seconds=self.seconds - 1000),
            sleep=self.sleep, random=Random(0), **options,  # type: ignore[arg-type]
        )  # fmt: skip

    def gaps(self) -> list[float]:
        times = [at for at, _ in self.log]
        return [later - earlier - 0.25 for earlier, later in pairwise(times)]


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


@pytest.fixture
def site() -> Iterator[StandIn]:
    with open_site() as opened:
        yield opened


@pytest.fixture
def connect(request: pytest.FixtureRequest) -> Callable[..., PoliteClient]:
    def make(**manners: float) -> PoliteClient:
        options = Manners(delay_seconds=0.01, timeout_seconds=2, **manners)  # type: ignore[arg-type]
        transport = GuardedTransport(clock=time.monotonic, page_seconds=options.page_seconds, allow_hosts=["127.0.0.1"])
        client = PoliteClient(
            agent=user_agent(""), transport=transport, clock=time.monotonic, now=lambda: datetime.now(UTC),
            sleep=time.sleep, random=Random(0), manners=options, allow_hosts=["127.0.0.1"],
        )  # fmt: skip
        request.addfinalizer(client.close)
        return client

    return make


Connect = Callable[..., PoliteClient]


def fault_of(answer: FetchedPage | Fault) -> Fault:
    assert isinstance(answer, Fault), answer
    return answer


def page_of(answer: FetchedPage | Fault) -> FetchedPage:
    assert isinstance(answer, FetchedPage), answer
    return answer


# --- who asks, and how fast -------------------------------------------------------------------------------------------


def test_the_agent_names_program_version_and_contact(site: StandIn, connect: Connect) -> None:
    site.pages["/a"] = b"a"
    page_of(connect().get(site.root + "/a"))
    agents = {asked.headers["user-agent"] for asked in site.log}
    assert len(agents) == 1
    assert agents.pop().startswith("econchatr/")
    assert user_agent("mailto:ada@example.org").endswith(" (+mailto:ada@example.org)")


def test_no_cookie_is_sent_back(site: StandIn, connect: Connect) -> None:
    site.pages["/a"] = Said(200, b"a", (("Set-Cookie", "track=1"),))
    client = connect()
    client.get(site.root + "/a")
    client.get(site.root + "/a")
    assert not any("cookie" in asked.headers for asked in site.log)


def test_requests_to_one_host_are_never_closer_than_the_delay(world: FakeWorld) -> None:
    client = world.client()
    for name in "abcde":
        client.get(f"{BASE}/{name}")
    assert len(world.log) == 6
    assert min(world.gaps()) >= 3


def test_a_longer_crawl_delay_in_robots_txt_counts(world: FakeWorld) -> None:
    world.say(f"{BASE}/robots.txt", (200, {}, b"User-agent: *\nCrawl-delay: 20\n"))
    client = world.client()
    for name in "abc":
        client.get(f"{BASE}/{name}")
    assert min(world.gaps()[1:]) >= 20


def test_a_crawl_delay_beyond_reason_stops_the_host_instead_of_sleeping_for_days(world: FakeWorld) -> None:
    world.say(f"{BASE}/robots.txt", (200, {}, b"User-agent: *\nCrawl-delay: 86400\n"))
    assert fault_of(world.client().get(f"{BASE}/a")).kind == "busy"
    assert world.seconds < 1100


def test_a_resumed_fetch_waits_before_its_first_request(world: FakeWorld) -> None:
    world.client(is_resuming=True).get(f"{BASE}/a")
    assert world.log[0][0] >= 1003


# --- robots.txt -------------------------------------------------------------------------------------------------------


def test_what_robots_txt_forbids_is_not_asked(world: FakeWorld) -> None:
    rules = b"User-agent: *\nDisallow: /private/\nAllow: /private/open\nDisallow: /*.pdf$\n"
    world.say(f"{BASE}/robots.txt", (200, {}, rules))
    world.say(f"{BASE}/private/open", (200, {}, b"open"))
    client = world.client()
    assert fault_of(client.get(f"{BASE}/private/x")).kind == "forbidden"
    assert fault_of(client.get(f"{BASE}/a.pdf")).kind == "forbidden"
    assert page_of(client.get(f"{BASE}/private/open")).body == b"open"
    assert [address for _, address in world.log] == [f"{BASE}/robots.txt", f"{BASE}/private/open"]


def test_rules_for_us_by_name_win_over_those_for_everybody(world: FakeWorld) -> None:
    world.say(f"{BASE}/robots.txt", (200, {}, b"User-agent: *\nDisallow:\n\nUser-agent: EconChatR\nDisallow: /\n"))
    assert fault_of(world.client().get(f"{BASE}/a")).kind == "forbidden"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_robots_txt_that_is_not_there_allows_everything(world: FakeWorld, status: int) -> None:
    world.say(f"{BASE}/robots.txt", (status, {}, b""))
    world.say(f"{BASE}/a", (200, {}, b"a"))
    assert page_of(world.client().get(f"{BASE}/a")).body == b"a"


@pytest.mark.parametrize("status", [500, 503, 429, 0])
def test_a_robots_txt_that_cannot_be_read_forbids_everything(world: FakeWorld, status: int) -> None:
    world.say(f"{BASE}/robots.txt", (status, {}, b""))
    world.say(f"{BASE}/a", (200, {}, b"a"))
    fault = fault_of(world.client().get(f"{BASE}/a"))
    assert fault.kind == "unreachable"
    assert "robots.txt" in fault.message
    assert f"{BASE}/a" not in [address for _, address in world.log]


def test_robots_txt_is_read_again_after_a_day_and_not_before(world: FakeWorld) -> None:
    client = world.client()
    client.get(f"{BASE}/a")
    world.seconds += 23 * 3600
    client.get(f"{BASE}/b")
    world.seconds += 2 * 3600
    client.get(f"{BASE}/c")
    assert [address.removeprefix(BASE) for _, address in world.log].count("/robots.txt") == 2


# --- conditional requests ---------------------------------------------------------------------------------------------


def test_a_copy_that_is_still_right_is_not_sent_again(site: StandIn, connect: Connect) -> None:
    site.pages["/a"] = Said(200, b"long page", (("ETag", '"v1"'),))
    client = connect()
    tag = page_of(client.get(site.root + "/a")).header("etag")
    again = page_of(client.get(site.root + "/a", etag=tag, last_modified="Mon, 05 May 2031 10:00:00 GMT"))
    assert (again.status, again.body) == (304, b"")
    assert site.log[-1].headers["if-modified-since"] == "Mon, 05 May 2031 10:00:00 GMT"


def test_a_stored_tag_cannot_smuggle_a_header(site: StandIn, connect: Connect) -> None:
    site.pages["/a"] = b"a"
    page_of(connect().get(site.root + "/a", etag='"x"\r\nX-Injected: 1'))
    assert "x-injected" not in site.log[-1].headers
    assert "if-none-match" not in site.log[-1].headers


# --- trouble ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", ["60", (NOW + timedelta(seconds=64)).strftime("%a, %d %b %Y %H:%M:%S GMT")])
def test_the_pause_a_site_asks_for_is_kept_and_the_page_survives(world: FakeWorld, status: int, asked: str) -> None:
    world.say(f"{BASE}/a", (status, {"Retry-After": asked}, b""), (200, {}, b"a"))
    assert page_of(world.client().get(f"{BASE}/a")).body == b"a"
    assert world.gaps()[-1] >= 60 - 0.25


def test_a_pause_longer_than_we_wait_stops_the_host(world: FakeWorld) -> None:
    world.say(f"{BASE}/a", (429, {"Retry-After": "7200"}, b""))
    client = world.client()
    fault = fault_of(client.get(f"{BASE}/a"))
    assert fault.kind == "busy"
    assert "7,200 seconds" in fault.message
    n_asked = len(world.log)
    assert fault_of(client.get(f"{BASE}/b")) == fault
    assert len(world.log) == n_asked


def test_a_pause_is_handed_on_before_it_is_waited_for(world: FakeWorld) -> None:
    waits: list[tuple[str, datetime, float]] = []
    world.say(f"{BASE}/a", (503, {"Retry-After": "600"}, b""), (200, {}, b"a"))
    page_of(world.client(on_wait=lambda host, until: waits.append((host, until, world.seconds))).get(f"{BASE}/a"))
    ((host, until, told_at),) = waits
    assert host == "pages.example"
    assert until == NOW + timedelta(seconds=told_at - 1000 + 600)


@pytest.mark.parametrize("left", [1, 600, 899])
def test_a_host_is_not_asked_before_the_time_it_gave_to_an_earlier_process(world: FakeWorld, left: int) -> None:
    told: list[str] = []
    world.say(f"{BASE}/a", (200, {}, b"a"))
    page_of(world.client(waits={"pages.example": NOW + timedelta(seconds=left)}, note=told.append).get(f"{BASE}/a"))
    assert world.log[0][0] >= 1000 + left
    until = (NOW + timedelta(seconds=left)).strftime("%Y-%m-%d %H:%M:%S")
    assert told == [f"pages.example asked to be left alone until {until} UTC; waiting {left} seconds"]


def test_a_host_whose_time_is_far_is_not_asked_at_all_and_the_others_are(world: FakeWorld) -> None:
    world.say("https://other.example/b", (200, {}, b"b"))
    client = world.client(waits={"pages.example": NOW + timedelta(hours=2)})
    fault = fault_of(client.get(f"{BASE}/a"))
    assert (fault.kind, fault.message) == (
        "busy",
        "pages.example asked to be left alone until 2031-05-06 14:00:00 UTC.",
    )
    assert fault_of(client.get(f"{BASE}/c")) == fault
    assert page_of(client.get("https://other.example/b")).body == b"b"
    assert not any(address.startswith(BASE) for _, address in world.log)


def test_a_time_that_is_past_is_nothing(world: FakeWorld) -> None:
    world.say(f"{BASE}/a", (200, {}, b"a"))
    page_of(world.client(waits={"pages.example": NOW - timedelta(seconds=1)}).get(f"{BASE}/a"))
    assert world.log[0][0] == 1000


@pytest.mark.parametrize("asked", ["999999999999", "Fri, 06 May 9999 12:00:00 GMT"])
def test_a_pause_of_ages_is_one_of_thirty_days(world: FakeWorld, asked: str) -> None:
    waits: list[datetime] = []
    world.say(f"{BASE}/a", (429, {"Retry-After": asked}, b""))
    fault_of(world.client(on_wait=lambda host, until: waits.append(until)).get(f"{BASE}/a"))
    assert [(until - NOW).days for until in waits] == [30]


@pytest.mark.parametrize("status", [0, 500, 502, 504])
def test_passing_trouble_is_tried_again_each_time_later(world: FakeWorld, status: int) -> None:
    world.say(f"{BASE}/a", (status, {}, b""), (status, {}, b""), (200, {}, b"a"))
    assert page_of(world.client().get(f"{BASE}/a")).body == b"a"
    first, second = world.gaps()[-2:]
    assert 3 <= first < second <= 12


def test_a_long_pause_is_told(world: FakeWorld) -> None:
    told: list[str] = []
    world.say(f"{BASE}/a", (503, {"Retry-After": "60"}, b""), (200, {}, b"a"))
    page_of(world.client(note=told.append).get(f"{BASE}/a"))
    assert told == [f"{BASE}/a answered with 503; asked again in 60 seconds"]


@pytest.mark.parametrize("status", [0, 500, 503])
def test_trouble_that_stays_is_given_up_after_four_tries(world: FakeWorld, status: int) -> None:
    world.say(f"{BASE}/a", (status, {}, b""))
    assert fault_of(world.client().get(f"{BASE}/a")).kind in ("unreachable", "busy")
    assert [address for _, address in world.log].count(f"{BASE}/a") == 4


@pytest.mark.parametrize("status", [401, 403, 451])
def test_a_refusal_is_called_one_and_stops_the_host(world: FakeWorld, status: int) -> None:
    world.say(f"{BASE}/a", (status, {}, b""))
    client = world.client()
    fault = fault_of(client.get(f"{BASE}/a"))
    assert fault.kind == "refused"
    assert str(status) in fault.message
    assert "folder" in fault.hint
    fault_of(client.get(f"{BASE}/b"))
    assert [address for _, address in world.log] == [f"{BASE}/robots.txt", f"{BASE}/a"]


def test_a_dead_link_is_missing_and_the_rest_goes_on(world: FakeWorld) -> None:
    world.say(f"{BASE}/b", (200, {}, b"b"))
    client = world.client()
    assert fault_of(client.get(f"{BASE}/a")).kind == "missing"
    assert page_of(client.get(f"{BASE}/b")).body == b"b"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("17", 17), (" 5 ", 5), ("Tue, 06 May 2031 12:01:00 GMT", 60), ("Tue, 06 May 2031 11:00:00 GMT", 0),
     ("", None), ("-5", None), ("soon", None), ("1e9", None), ("٣", None)],
)  # fmt: skip
def test_retry_after_is_read_as_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert read_retry_after(value, NOW) == seconds


# --- redirects --------------------------------------------------------------------------------------------------------


def test_a_redirect_is_followed_and_the_last_address_kept(world: FakeWorld) -> None:
    world.say(f"{BASE}/a", (301, {"Location": "/b#part"}, b""))
    world.say(f"{BASE}/b", (200, {}, b"b"))
    page = page_of(world.client().get(f"{BASE}/a"))
    assert (page.address, page.location) == (f"{BASE}/a", f"{BASE}/b")


@pytest.mark.parametrize(
    "inward",
    ["http://127.0.0.1/", "http://169.254.169.254/latest", "file:///etc/passwd", "http://[::1]/", "//10.0.0.1/",
     "http://u:p@example.org/", "https://example.org:22/", "http://[bad"],
)  # fmt: skip
def test_a_redirect_inward_is_not_followed(world: FakeWorld, inward: str) -> None:
    world.say(f"{BASE}/a", (302, {"Location": inward}, b""))
    fault = fault_of(world.client().get(f"{BASE}/a"))
    assert fault.kind == "unsafe"
    assert len(world.log) == 2


def test_a_redirect_to_what_robots_txt_forbids_is_not_followed(world: FakeWorld) -> None:
    world.say("https://other.example/robots.txt", (200, {}, b"User-agent: *\nDisallow: /"))
    world.say(f"{BASE}/a", (302, {"Location": "https://other.example/x"}, b""))
    assert fault_of(world.client().get(f"{BASE}/a")).kind == "forbidden"


def test_redirects_in_a_circle_end(world: FakeWorld) -> None:
    world.say(f"{BASE}/a", (302, {"Location": "/b"}, b""))
    world.say(f"{BASE}/b", (302, {"Location": "/a"}, b""))
    assert fault_of(world.client().get(f"{BASE}/a")).kind == "broken"


def test_redirects_without_end_are_given_up(world: FakeWorld) -> None:
    for n in range(20):
        world.say(f"{BASE}/{n}", (302, {"Location": f"/{n + 1}"}, b""))
    assert fault_of(world.client().get(f"{BASE}/0")).kind == "broken"
    assert len(world.log) <= 8


# --- hostile bodies ---------------------------------------------------------------------------------------------------


def pour(chunk: bytes, *, pause: float = 0.0, headers: tuple[str, ...] = ()) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + "".join(f"{line}\r\n" for line in headers).encode() + b"\r\n")
        handler.close_connection = True
        try:
            while True:
                handler.wfile.write(chunk)
                time.sleep(pause)
        except OSError:
            return

    return answer


def test_an_endless_body_is_cut_off(site: StandIn, connect: Connect) -> None:
    site.pages["/a"] = pour(b"x" * 65536)
    assert fault_of(connect(max_bytes=1_000_000).get(site.root + "/a")).kind == "large"


def test_a_dripping_body_is_cut_off(site: StandIn, connect: Connect) -> None:
    site.pages["/a"] = pour(b"x", pause=0.05)
    assert fault_of(connect(page_seconds=0.4, n_tries=1).get(site.root + "/a")).kind in ("large", "unreachable")


def test_dripping_headers_are_cut_off(site: StandIn, connect: Connect) -> None:
    def answer(handler: Handler) -> None:
        handler.close_connection = True
        try:
            for n in range(1000):
                handler.wfile.write(b"HTTP/1.1 200 OK\r\n" if n == 0 else b"X")
                time.sleep(0.05)
        except OSError:
            return

    site.pages["/a"] = answer
    start = time.monotonic()
    assert fault_of(connect(page_seconds=0.4, n_tries=1).get(site.root + "/a")).kind == "unreachable"
    assert time.monotonic() - start < 10


def test_a_packed_bomb_is_not_unpacked(site: StandIn, connect: Connect) -> None:
    site.pages["/a"] = Said(200, gzip.compress(bytes(50_000_000)), (("Content-Encoding", "gzip"),))
    client = connect(max_bytes=1_000_000)
    tracemalloc.start()
    assert fault_of(client.get(site.root + "/a")).kind == "large"
    _, n_peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_peak_bytes < 20_000_000


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd", "deflate"])
def test_a_packing_nobody_asked_for_is_refused(site: StandIn, connect: Connect, encoding: str) -> None:
    site.pages["/a"] = Said(200, b"xx", (("Content-Encoding", encoding),))
    assert fault_of(connect().get(site.root + "/a")).kind == "broken"


def test_a_packed_page_is_unpacked_and_one_cut_off_is_not_kept(site: StandIn, connect: Connect) -> None:
    packed = gzip.compress(b"page " * 1000)
    site.pages["/a"] = Said(200, packed, (("Content-Encoding", "gzip"),))
    site.pages["/b"] = Said(200, packed[:-20], (("Content-Encoding", "gzip"),))
    assert page_of(connect().get(site.root + "/a")).body == b"page " * 1000
    assert fault_of(connect().get(site.root + "/b")).kind == "broken"


def test_a_body_cut_off_by_the_network_is_asked_for_again(site: StandIn, connect: Connect) -> None:
    def cut(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    site.pages["/a"] = [cut, Said(200, b"whole")]
    assert page_of(connect().get(site.root + "/a")).body == b"whole"
