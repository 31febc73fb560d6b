"""Peers that break the rules, a few of each kind: a download from an honest seed goes on as without them, memory stays,
and who breaks a rule is cut, for a reason that can be read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest

from tests.support.evil import leeches, seeds, words
from tests.support.evil.kinds import ALL
from tests.support.evil.visits import Raid, Visit
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.mini import INTERESTED, PROTOCOL, REQUEST, MiniSeed, message, receive_exactly
from tests.support.peers.program import wait_until

COMPLETE_S = 60.0
RATE = 6 * MIB                         # of the honest seed: slow enough that it decides how long a download takes
SIZE = 12 * MIB + 3
CATCH_UP_S, LEAST_PAUSE_S = 1.0, 0.02
USUAL_S = SIZE / RATE
SLOWER = 3.0                           # no more than that, with all that a busy machine adds
BUSY_S = 8.0
MOST_MORE_BYTES = 20 * MIB
VISITS = 4
CROWD = 500
ROOM_S = 40.0                          # until silent ones make room, when they have taken all places
ROUNDS_S = 60.0                        # of the choker, until all silent ones are known to be
WORDS = ("--set", "lsd.enabled=false", "--set", "dht.enabled=false", "--set", "storage.memory_budget='16 MiB'",
         "--set", "rtorrent.listen=[]")

# What the daemon says of who breaks a rule; the others do nothing that is forbidden, or are banned for what they sent.
REASONS: dict[type[Visit], set[str]] = {
    seeds.Corrupting: {"peer.bad-piece"}, seeds.Miscut: {"wire.unasked-blocks", "wire.too-long"},
    seeds.Pushing: {"wire.unasked-blocks", "peer.bad-piece"}, seeds.Stammering: {"wire.unasked-blocks"},
    leeches.Deaf: {"wire.bad-request"}, leeches.Nibbling: {"wire.bad-request"}, leeches.Fickle: {"wire.flood"},
    leeches.Refused: {"wire.too-many-requests", "wire.flood", "wire.bad-request"}, leeches.Choking: {"wire.flood"},
    words.Boasting: {"wire.too-long"}, words.Hoarding: {"wire.too-long"},
    words.Bitfields: {"wire.bad-bitfield", "wire.bad-have", "wire.too-long"}, words.Rattling: {"wire.flood"},
    words.Extending: {"wire.bad-extended", "wire.bad-pex", "wire.too-long"}, words.Contradicting: {"wire.bad-piece"},
}


class PacedSeed(MiniSeed):
    """Gives no more than RATE; what a busy machine kept it from, a little later."""

    _due_s = 0.0

    def answer(self, link: socket.socket, index: int, begin: int, block: bytes) -> bool:
        now = time.monotonic()
        self._due_s = max(self._due_s, now - CATCH_UP_S) + len(block) / RATE
        if self._due_s > now + LEAST_PAUSE_S:
            time.sleep(self._due_s - now)
        return super().answer(link, index, begin, block)


@dataclass
class Field:
    """Where they meet."""

    daemon: Daemon
    sample: Sample
    honest: PacedSeed

    @property
    def one(self) -> str:
        return f"/v1/torrents/{self.sample.info_hash.hex()}"

    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = self.daemon.call("GET", self.one)
        return told

    def broken(self) -> dict[str, int]:
        """How often each rule was broken, as the daemon explains."""
        facts = self.daemon.call("GET", f"{self.one}/why")["facts"]
        broken: dict[str, int] = facts["swarm"]["rules_broken"]
        return broken

    def fetch(self) -> float:
        """Have the honest seed tried; seconds until everything is here."""
        began_s = time.monotonic()
        self.daemon.call("POST", f"{self.one}/peers", {"peers": [self.honest.endpoint]})
        wait_until(lambda: self.told()["state"] == "seeding", COMPLETE_S, "the download", 0.05)
        return time.monotonic() - began_s

    def check(self) -> None:
        assert self.sample.differences(self.daemon.downloads) == []
        log = self.daemon.output()
        assert "ERROR" not in log and "Traceback" not in log


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    work = tmp_path_factory.mktemp("evil")
    sample = make_sample(work, "content.bin", SIZE, 128 * KIB)
    with ExitStack() as stack:
        daemon = stack.enter_context(Daemon(work / "daemon", *WORDS, runtime=work / "run"))
        yield Field(daemon, sample, stack.enter_context(PacedSeed(sample)))


@pytest.fixture
def leeching(running: Field) -> Iterator[Field]:
    """The torrent is there, and nothing of it."""
    running.daemon.call("POST", "/v1/torrents", {"source": str(running.sample.torrent)})
    wait_until(lambda: running.told()["state"] == "downloading", COMPLETE_S, "the torrent")
    yield running
    running.daemon.call("DELETE", f"{running.one}?with_data=true")
    wait_until(lambda: not running.daemon.call("GET", "/v1/torrents")["torrents"], COMPLETE_S, "the removal")


@pytest.fixture
def seeding(leeching: Field) -> Field:
    """All of it is there."""
    leeching.fetch()
    return leeching


def test_a_download_takes_as_long_as_its_seed_does(leeching: Field) -> None:
    """Without evil: what the others are compared with. Also, memory for pieces is touched now."""
    assert leeching.fetch() < SLOWER * USUAL_S + BUSY_S
    assert leeching.broken() == {}
    leeching.check()


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_beside_evil_peers_a_download_goes_on_as_without(leeching: Field, kind: type[Visit]) -> None:
    before_bytes = leeching.daemon.rss_bytes()
    with Raid(kind, leeching.daemon.endpoint, leeching.sample, VISITS) as raid:
        assert raid.struck.wait(COMPLETE_S) or kind is leeches.Nibbling
        took_s = leeching.fetch()
        more_bytes = leeching.daemon.rss_bytes() - before_bytes
        reasons = REASONS.get(kind, set())
        if reasons:
            wait_until(lambda: reasons & leeching.broken().keys(), COMPLETE_S, "the reason", 0.2)
        broken = leeching.broken()
    assert took_s < SLOWER * USUAL_S + BUSY_S
    assert more_bytes < MOST_MORE_BYTES
    assert broken.keys() <= reasons, broken
    leeching.check()
    told = leeching.told()
    assert told["peers_banned"] == 0 or kind in (seeds.Corrupting, seeds.Pushing)


def test_a_poisoner_is_banned_and_shown_long_before_it_gave_the_torrents_size(leeching: Field) -> None:
    with Raid(seeds.Corrupting, leeching.daemon.endpoint, leeching.sample, 1) as raid:
        wait_until(lambda: leeching.told()["peers_banned"] == 1, COMPLETE_S, "the ban", 0.05)
        leeching.fetch()
        assert raid.sent_bytes < SIZE // 2
    told = leeching.told()
    assert told["wasted_bytes"] < SIZE // 2 and told["spoiled_pieces"]
    assert "a peer is banned" in leeching.daemon.output()
    leeching.check()


@pytest.mark.parametrize("kind", [words.Hoarding, words.Speechless, words.Slow, leeches.Silent],
                         ids=lambda kind: kind.__name__)
def test_a_thousand_connections_take_no_memory_and_keep_nobody_out(leeching: Field, kind: type[Visit]) -> None:
    before_bytes = leeching.daemon.rss_bytes()
    with Raid(kind, leeching.daemon.endpoint, leeching.sample, 1000) as raid:
        assert raid.struck.wait(COMPLETE_S)
        time.sleep(2.0)
        assert leeching.fetch() < ROOM_S + SLOWER * USUAL_S + BUSY_S
        assert leeching.daemon.rss_bytes() - before_bytes < MOST_MORE_BYTES
    leeching.check()


@pytest.mark.parametrize("kind", [leeches.Deaf, leeches.Nibbling], ids=lambda kind: kind.__name__)
def test_leeches_that_read_nothing_hold_little_of_a_seed(seeding: Field, kind: type[Visit]) -> None:
    before_bytes = seeding.daemon.rss_bytes()
    with Raid(kind, seeding.daemon.endpoint, seeding.sample, 50) as raid:
        assert raid.struck.wait(COMPLETE_S)
        time.sleep(2.0)
        assert _fetch_all(seeding) < ROUNDS_S + BUSY_S
        assert seeding.daemon.rss_bytes() - before_bytes < MOST_MORE_BYTES
    seeding.check()


def test_hundreds_of_silent_interested_peers_do_not_starve_a_real_one(seeding: Field) -> None:
    """They have all upload slots when it comes, and take nothing. rTorrent, aria2 and Transmission let it wait."""
    seeding.daemon.call("PATCH", "/v1/settings", {"network": {"max_peers": 1000, "max_peers_per_torrent": 700}})
    with Raid(leeches.Silent, seeding.daemon.endpoint, seeding.sample, CROWD) as raid:
        wait_until(lambda: seeding.told()["peers_connected"] >= 300, COMPLETE_S, "the crowd", 0.2)
        took_s = _fetch_all(seeding)
        assert raid.connected
    seeding.daemon.call("PATCH", "/v1/settings", {"network": {"max_peers": None, "max_peers_per_torrent": None}})
    assert took_s < ROUNDS_S + BUSY_S


def _fetch_all(field: Field) -> float:
    """A leech that behaves: seconds until it has everything. It comes again as long as there is no room for it."""
    host, _, port = field.daemon.endpoint.rpartition(":")
    began_s = time.monotonic()
    sample = field.sample
    content = (sample.folder / sample.name.decode()).read_bytes()
    while time.monotonic() < began_s + 2 * COMPLETE_S:
        try:
            with socket.create_connection((host, int(port)), COMPLETE_S, ("127.9.0.1", 0)) as link:
                _fetch_over(link, sample, content)
            return time.monotonic() - began_s
        except (ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise TimeoutError("nobody lets it in")


def _fetch_over(link: socket.socket, sample: Sample, content: bytes) -> None:
    link.sendall(PROTOCOL + bytes(8) + sample.info_hash + b"-OK0001-honest-leech")
    receive_exactly(link, 68)
    link.sendall(message(INTERESTED))
    missing = {begin: min(16 * KIB, sample.size_bytes - begin) for begin in range(0, sample.size_bytes, 16 * KIB)}
    asked: set[int] = set()            # answers come in the order in which they are read
    is_free = False
    while missing:
        for begin in islice((begin for begin in missing if begin not in asked), 32 - len(asked) if is_free else 0):
            length = missing[begin]
            index, offset = divmod(begin, sample.piece_length)
            link.sendall(message(REQUEST, index.to_bytes(4, "big") + offset.to_bytes(4, "big")
                                 + length.to_bytes(4, "big")))
            asked.add(begin)
        size = int.from_bytes(receive_exactly(link, 4), "big")
        body = receive_exactly(link, size)
        if size and body[0] == 1:
            is_free = True
        elif size and body[0] == 0:
            is_free = False
            asked.clear()              # a choke voids what was asked for (BEP 3)
        elif size and body[0] == 7:
            begin = int.from_bytes(body[1:5], "big") * sample.piece_length + int.from_bytes(body[5:9], "big")
            assert content[begin:begin + size - 9] == body[9:]
            missing.pop(begin, None)
            asked.discard(begin)
