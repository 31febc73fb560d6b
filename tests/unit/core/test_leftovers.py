"""What ends leaves nothing behind that only a collection finds: crowds come and go faster than collections."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator

import pytest

from blobtorrent.core.session.commands import Reply
from blobtorrent.model.errors import BencodeError, NotFound, PeerError, bare
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.extended import HANDSHAKE_ID
from tests.support.oneswarm import OneSwarm
from tests.support.payload import KIB
from tests.support.stored import StoredTorrent
from tests.support.swarmsim import World

LINKS = 20
LIMIT_S = 60.0
LATE_S = 130.0


@pytest.fixture()
def garbage() -> Iterator[Callable[[], int]]:
    """How many objects are garbage that only a collection finds, since the begin or the last call."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield gc.collect
    finally:
        gc.enable()
        gc.unfreeze()


@pytest.fixture(scope="module")
def torrent() -> StoredTorrent:
    return StoredTorrent([256 * KIB], 32 * KIB)


SAID = {
    "a handshake that is no dictionary": wire.Extended(HANDSHAKE_ID, b"i1e" + bytes(20_000)),
    "a handshake with a bad number": wire.Extended(HANDSHAKE_ID, b"d1:pi6x"),
    "an exchange that is cut off": wire.Extended(1, b"d5:added6:abc"),
    "a bitfield of another torrent": wire.BitfieldMessage(bytes(3)),
    "a piece that is not there": wire.Have(1 << 20),
}


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_links_of_peers_that_break_the_rules(
        torrent: StoredTorrent, garbage: Callable[[], int], said: wire.Message) -> None:
    one = OneSwarm(torrent, range(4))

    def come_and_go() -> None:
        link = one.join()
        with_error = False
        try:
            one.tell(link, said)
        except PeerError as error:     # as the receiver does
            link.on_lost(error)
            with_error = True
        assert with_error and link.closing is not None
        one.swarm.on_link_closed(link, [], 0)
        del link.intake                # as the host does
        one.notes.closed.clear()
        one.said()

    come_and_go()
    garbage()
    for _ in range(LINKS):
        come_and_go()
    assert garbage() == 0


def test_torrents_that_are_closed(
        torrent: StoredTorrent, garbage: Callable[[], int], caplog: pytest.LogCaptureFixture) -> None:
    world = World(1)
    seed, leech = world.node(), world.node()
    seed.open(torrent, have=True)

    def fetch_and_close() -> None:
        leech.open(torrent)
        leech.find(torrent, [seed.endpoint])
        world.run_until_complete(torrent, [leech], LIMIT_S)
        leech.close(torrent)
        world.run_until(lambda: bool(leech.closed), LIMIT_S, "it is closed")
        leech.closed.clear()
        leech.latest.clear()
        leech._closing.clear()
        world.run(LATE_S)              # what it had yet to do comes too late

    fetch_and_close()
    garbage()
    for _ in range(3):
        fetch_and_close()
    assert garbage() == 0
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_refused_commands(garbage: Callable[[], int]) -> None:
    def refuse(reply: Reply[None]) -> None:
        try:
            raise NotFound("torrent.unknown", "there is no such torrent")
        except NotFound as error:
            answer = error             # the session's frame knows the error, and the other way round
        reply.give(answer)

    def ask() -> str:
        reply: Reply[None] = Reply()
        refuse(reply)
        try:
            reply.wait(1.0)
        except NotFound as error:
            return error.code
        return ""

    for _ in range(LINKS):
        assert ask() == "torrent.unknown"
    assert garbage() == 0


def test_a_bare_error_says_the_same_and_knows_nothing_else() -> None:
    try:
        try:
            raise BencodeError("bencode.trailing", "more")
        except BencodeError:
            raise PeerError("wire.bad-pex", "no exchange") from None
    except PeerError as error:
        assert error.__context__ is not None and error.__traceback__ is not None
        kept = bare(error)
        assert kept is error
    assert (kept.code, kept.detail) == ("wire.bad-pex", "no exchange")
    assert kept.__context__ is kept.__cause__ is kept.__traceback__ is None
