"""SSRF: no stranger's URL makes us a client of services of this machine, of its network or of its provider.

Every address is judged when it is connected to, so a name whose addresses change gains nothing. Canaries on loopback
count who comes. Nothing is sent elsewhere: connections to other addresses are written down and refused.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.core.session.sources import FETCH_TIMEOUT_S, read_source
from blobtorrent.discovery.http_tracker import HttpTrackers
from blobtorrent.discovery.httpcall import Deadline
from blobtorrent.discovery.httpget import MAX_REDIRECTS, http_get
from blobtorrent.discovery.messages import Announce
from blobtorrent.discovery.udp_tracker import may_send
from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rest.v1.adding import _read_source
from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.downloads.fetching import Fetcher
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError, TrackerError
from blobtorrent.model.ids import InfoHash, PeerId
from blobtorrent.model.reach import address_of, may_ask
from blobtorrent.network.binding import Binding
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.protocol.tracker.announce import AnnounceQuery
from blobtorrent.runtime.clock import SystemClock
from blobtorrent.runtime.mailbox import Mailbox
from tests.support.canaries import Pages
from tests.support.payload import Sample, make_sample
from tests.support.rest import tiny_torrent
from tests.support.rtorrentdownloads import Stage
from tests.threads import test_seedpool

WAIT_S = 10.0
TORRENT = InfoHash(v1=b"h" * 20)
QUERY = AnnounceQuery(TORRENT.v1, PeerId(b"p" * 20), 6881, 0, 0, 1)
PUBLIC, OTHER_PUBLIC = "8.8.8.8", "2001:4860:4860::8888"
INSIDE = (
    "127.0.0.1", "127.99.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
    "2002:7f00:1::", "169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "100.100.100.200", "168.63.129.16",
    "192.0.0.192", "fd00:ec2::254", "fd20:ce::254", "224.0.0.1", "239.255.255.250", "ff02::1", "255.255.255.255",
)
# Ways to write 127.0.0.1 that systems understand and that look like something else.
DISGUISED = ("2130706433", "0x7f000001", "017700000001", "127.1", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "localhost",
             "LOCALHOST", "localhost.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0", "0.0.0.0")


def may_be_seed(host: str) -> bool:
    """Caches of a network, and of this machine, may be web seeds."""
    return may_ask(address_of(host), came_from_public=False, on_loopback=True)


class Watched(Binding):
    """Writes down which addresses somebody wants to connect to. Only loopback is let through."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[str] = []

    def stream_to(self, host: str, port: int) -> socket.socket:
        self.wanted.append(host)
        if not host.startswith("127.") and host != "::1":
            raise OSError(101, "Network is unreachable")
        return super().stream_to(host, port)


@pytest.fixture
def canary() -> Iterator[Pages]:
    with Pages() as pages:
        yield pages


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Iterator[tuple[str, ...]]]:
    """What names mean, look-up for look-up."""
    meanings: dict[str, Iterator[tuple[str, ...]]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host not in meanings:
            return real(host, port, *more, **options)
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
                for address in next(meanings[host])]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return meanings


def fetch(url: str, binding: Binding, *, loopback: bool = False) -> bytes:
    return http_get(url, Deadline(SystemClock(), WAIT_S), max_bytes=1000, on_loopback=lambda _path: loopback,
                    binding=binding).body


def announce(url: str, binding: Binding) -> str:
    """The code of what became of it."""
    trackers = HttpTrackers(SystemClock(), binding)
    try:
        trackers.announce(Announce(TORRENT, url, QUERY, Mailbox("test"), WAIT_S))
    except TrackerError as error:
        return error.code
    finally:
        trackers.connections.close()
    return ""


# ---- DNS that changes

@pytest.mark.parametrize("inside", INSIDE)
def test_a_name_that_means_something_inside_now_and_then_leads_nowhere(names: Any, canary: Pages, inside: str) -> None:
    """It was public when somebody looked before; every look-up since may say something else."""
    names["changing.example"] = cycle([(PUBLIC,), (inside,), (PUBLIC, inside), (inside, OTHER_PUBLIC)])
    binding = Watched()
    for _ in range(8):
        with pytest.raises((NetworkError, OSError)):
            fetch(canary.url("/latest/meta-data/", "changing.example"), binding)
        assert announce(canary.url("/secret", "changing.example"), binding)
    assert set(binding.wanted) <= {PUBLIC, OTHER_PUBLIC}
    assert canary.came == 0


def test_what_was_public_redirects_to_nobody_inside(names: Any, canary: Pages) -> None:
    """The server that answers counts as public here; wherever it sends us, by whatever name, is judged anew."""
    for host in (*INSIDE, "10.0.0.1", "192.168.1.1", "changing.example"):
        names["changing.example"] = cycle([("127.0.0.1",), ("10.0.0.1",)])
        address = f"[{host}]" if ":" in host else host
        with Pages({"/announce": (302, {"Location": f"http://{address}:{canary.port}/announce"}, b"")}) as public:
            binding = Watched()
            with pytest.raises((NetworkError, OSError)) as caught, pytest.MonkeyPatch.context() as patch:
                patch.setattr("blobtorrent.discovery.httpget.is_public", lambda _address: True)
                fetch(public.url("/announce"), binding, loopback=True)
            assert isinstance(caught.value, NetworkError) and caught.value.code == "net.forbidden-address", host
            assert binding.wanted == ["127.0.0.1"]         # the first one
    assert canary.came == 0


def test_redirects_end_and_do_not_lead_from_tls_to_none() -> None:
    assert MAX_REDIRECTS == 3
    with Pages({f"/{n}": (302, {"Location": f"/{n + 1}"}, b"") for n in range(9)}) as pages:
        with pytest.raises(NetworkError) as caught:
            fetch(pages.url("/0"), Binding(), loopback=True)
        assert caught.value.code == "net.too-many-redirects"
        assert len(pages.asked) == 1 + MAX_REDIRECTS


# ---- ways to write an address

@pytest.mark.parametrize("host", DISGUISED)
@pytest.mark.parametrize("path", [
    "/", "/admin?delete=all", "/announce/../admin", "/latest/meta-data/", "/announce.evil"])
def test_no_tracker_is_a_service_of_this_machine(canary: Pages, host: str, path: str) -> None:
    assert announce(canary.url(path, host), Watched())
    assert canary.asked == []


@pytest.mark.parametrize("host", DISGUISED)
def test_no_redirect_of_a_public_server_means_this_machine(canary: Pages, host: str) -> None:
    with Pages({"/announce": (307, {"Location": canary.url("/announce", host)}, b"")}) as public, \
            pytest.MonkeyPatch.context() as patch:
        patch.setattr("blobtorrent.discovery.httpget.is_public", lambda _address: True)
        assert announce(public.url("/announce"), Watched())
    assert canary.came == 0


@pytest.mark.parametrize("host", INSIDE)
def test_a_udp_tracker_inside_gets_no_datagram(host: str) -> None:
    assert not may_send(Endpoint(host, 53), b"/secret")


def test_an_ipv6_canary_is_not_visited() -> None:
    with Pages(host="::1") as canary:
        for url in (canary.url("/secret"), canary.url("/", "[0:0:0:0:0:0:0:1]"), canary.url("/", "ip6-localhost")):
            assert announce(url, Watched())
        assert canary.came == 0


# ---- web seeds

@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample.bin", 40_000, 16 << 10)


def read_seed(sample: Sample, url: str, binding: Binding) -> str:
    """The code of what became of reading a piece of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_seedpool, "ANYWHERE", binding)
        reading = test_seedpool.Reading(parse_torrent(sample.torrent.read_bytes()))
    try:
        error = reading.read(url, range(1)).error
        return "" if error is None else error.code
    finally:
        assert reading.pool.stop(WAIT_S)


@pytest.mark.parametrize("inside", [host for host in INSIDE if not may_be_seed(host)])
def test_no_web_seed_is_where_credentials_are(names: Any, sample: Sample, inside: str) -> None:
    """Nor by a name that is public for the first look-up."""
    names["changing.example"] = cycle([(inside,), (PUBLIC, inside)])
    binding = Watched()
    for _ in range(2):
        assert read_seed(sample, "http://changing.example/sample.bin", binding)
        assert read_seed(sample, "http://changing.example/x?y=z", binding)
    assert set(binding.wanted) <= {PUBLIC}


@pytest.mark.parametrize("host", DISGUISED)
def test_no_web_seed_asks_this_machine_a_question(names: Any, sample: Sample, canary: Pages, host: str) -> None:
    """It may be a cache on this machine, but then it serves files, and takes no words of the torrent's author."""
    names["changing.example"] = cycle([("127.0.0.1",), (PUBLIC, "::1", "127.0.0.1")])
    for name in (host, "changing.example", "changing.example"):
        assert read_seed(sample, canary.url("/delete?all=1", name), Watched())
    assert canary.came == 0


def test_a_web_seed_that_is_public_redirects_to_nobody_inside(sample: Sample, canary: Pages) -> None:
    for target in (canary.url("/x"), canary.url("/x", "localhost"), "http://10.0.0.1/x", "http://169.254.169.254/x"):
        with Pages({"/sample.bin": (302, {"Location": target}, b"")}) as public, pytest.MonkeyPatch.context() as patch:
            patch.setattr("blobtorrent.discovery.seedreader.is_public", lambda _address: True)
            assert read_seed(sample, public.url("/sample.bin"), Watched()) == "net.forbidden-address"
            assert public.came
    assert canary.came == 0


# ---- torrents by URL

READER = Grant("tv", frozenset((Scope.ADD,)))
OWNER = Grant("me", frozenset((Scope.ADMIN,)))


class Reach:
    def __init__(self, binding: Binding) -> None:
        self._binding = binding

    def binding(self) -> Binding:
        return self._binding

    def require(self, grant: Grant, path: Path) -> None:
        raise AssertionError("no path")


@pytest.mark.parametrize("host", DISGUISED)
def test_a_token_that_may_add_does_not_reach_this_machine(canary: Pages, host: str) -> None:
    with pytest.raises((NetworkError, OSError)):
        _read_source(READER, Reach(Watched()), canary.url("/x.torrent", host))  # type: ignore[arg-type]
    assert canary.came == 0


def test_a_token_for_everything_does_and_nobody_reaches_the_link(canary: Pages) -> None:
    binding = Watched()
    assert _read_source(OWNER, Reach(binding), canary.url("/x.torrent")) == b"canary"  # type: ignore[arg-type]
    for host in ("169.254.169.254", "[fe80::1]", "100.100.100.200", "224.0.0.1"):
        with pytest.raises(NetworkError):
            _read_source(OWNER, Reach(binding), f"http://{host}/x.torrent")  # type: ignore[arg-type]
    assert binding.wanted == ["127.0.0.1"]


@pytest.mark.parametrize(("trust", "comes"), [(Trust.FULL, True), (Trust.NO_CODE, False)])
@pytest.mark.parametrize("name", ["load.normal", "load.start", "load.verbose", "load.start_verbose"])
def test_who_may_not_run_code_loads_no_url_of_this_machine(name: str, trust: Trust, comes: bool) -> None:
    with Pages({"/x.torrent": (200, {}, tiny_torrent())}) as canary:
        stage = Stage()
        binding = Watched()
        fetcher = Fetcher(lambda work: work(), lambda: binding)
        stage.side.arrivals._fetch = fetcher.fetch
        stage.call(name, "", canary.url("/x.torrent", "localhost"), trust=trust)
        assert fetcher.stop(WAIT_S)
        assert bool(canary.came) is comes


def test_a_torrent_behind_a_url_has_a_size_and_a_time() -> None:
    assert FETCH_TIMEOUT_S == 20.0
    with Pages({"/large": (200, {}, bytes((10 << 20) + 1)), "/page": (200, {}, b"<html>")}) as pages:
        with pytest.raises(NetworkError) as caught:
            read_source(pages.url("/large"), binding=Binding())
        assert caught.value.code == "net.too-large"


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:70/_x", "http:///x", "http://user@/x", "http://[/",
    "http://a\r\nHost: b/", "http://127.0.0.1:99999/", "http://127.0.0.1:0/", "http://exa mple/", "dict://127.0.0.1:1/",
])
def test_other_schemes_and_broken_urls_lead_nowhere(url: str) -> None:
    binding = Watched()
    with pytest.raises(NetworkError) as caught:
        fetch(url, binding, loopback=True)
    assert caught.value.code in ("net.bad-url", "net.no-such-host")
    assert binding.wanted == []


def test_user_and_password_of_a_url_are_sent_to_nobody() -> None:
    seen: list[str] = []
    with Pages({"/x": (200, {}, b"ok")}) as pages:
        handler = pages._server.RequestHandlerClass
        original = handler.parse_request

        def parse(self: Any) -> bool:
            found = original(self)
            seen.append(str(self.headers))
            return found

        handler.parse_request = parse  # type: ignore[method-assign]
        assert fetch(f"http://user:password@127.0.0.1:{pages.port}/x", Binding(), loopback=True) == b"ok"
    assert len(seen) == 1 and "authorization" not in seen[0].lower() and "password" not in seen[0]


