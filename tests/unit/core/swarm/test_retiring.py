"""A swarm that is about to leave: what it still does, and when it is done."""

from __future__ import annotations

from typing import Any

import pytest

from blobtorrent.core.swarm.guard import Guard
from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import RetireSwarm, SwarmRetired
from blobtorrent.core.swarm.retiring import LINGER_S, LOOK_S, Retirements, unique_mask
from blobtorrent.model.errors import NetworkError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.jobs import SpansRead
from tests.support.oneswarm import OneSwarm, on_bug, outstanding
from tests.support.stored import StoredTorrent

K = 1024
BLOCKS = 32                            # of a piece: more than are opened several at once
COUNT = 4
TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def torrent() -> StoredTorrent:
    return StoredTorrent([COUNT * BLOCKS * 16 * K], BLOCKS * 16 * K)


class Leaving:
    """A swarm, and who retires it."""

    def __init__(self, one: OneSwarm) -> None:
        self.one = one
        self.answers: Mailbox[Any] = Mailbox("answers")
        self.retirements = Retirements(one.notes.timers.at, lambda: one.notes.now, Guard(on_bug))

    def begin(self) -> None:
        self.retirements.begin(self.one.swarm, RetireSwarm(self.one.swarm.info_hash, TIMEOUT_S, self.answers))

    def answer(self) -> SwarmRetired | None:
        answers = self.answers.drain()
        assert len(answers) <= 1
        return answers[0] if answers else None


def retired(one: OneSwarm, unique: int, *, complete: bool = True) -> SwarmRetired:
    return SwarmRetired(one.swarm.info_hash, unique, complete)


def open_pieces(link: PeerLink) -> set[int]:
    return {index for index, _ in outstanding(link)}


def test_a_swarm_that_nobody_is_connected_to_is_done_at_once_and_tells_what_only_it_has(torrent: StoredTorrent) -> None:
    leaving = Leaving(OneSwarm(torrent, have=[0, 2]))
    leaving.begin()
    assert leaving.answer() == retired(leaving.one, 2)


def test_pieces_that_a_connected_peer_has_are_not_unique(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=[0, 1, 2])
    link = one.join([1])
    assert unique_mask(one.swarm) == 0b101
    one.swarm.lose(link, NetworkError("net.reset", "gone"))
    one.swarm.on_link_closed(link, [], 0)
    leaving = Leaving(one)
    leaving.begin()
    assert leaving.answer() == retired(one, 3)             # it left before anybody asked
    one.join()
    assert unique_mask(one.swarm) == 0


def test_open_pieces_are_finished_and_no_others_are_begun(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent)
    link = one.join()
    begun = open_pieces(link)
    assert begun and len(begun) < COUNT
    leaving = Leaving(one)
    leaving.begin()
    for index in begun:
        one.give(link, [(index, block) for block in range(BLOCKS)])
        one.said()
    assert open_pieces(link) == set()
    assert {piece.index for piece in one.notes.hashed} == begun
    one.pass_time(2 * LOOK_S)
    assert leaving.answer() is None    # they are not on disk yet


def test_what_nobody_gives_is_not_waited_for(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent)
    link = one.join()
    one.give(link, [(min(open_pieces(link)), 0)])
    leaving = Leaving(one)
    leaving.begin()
    assert leaving.answer() is None
    one.tell(link, wire.Choke())
    one.pass_time(LINGER_S + LOOK_S)
    assert leaving.answer() == retired(one, 0)


def test_unique_pieces_are_handed_on_before_it_leaves(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=range(COUNT))
    link = one.join([0])
    one.tell(link, wire.Interested())
    leaving = Leaving(one)
    leaving.begin()
    for index in range(1, COUNT):
        one.pass_time(2 * LOOK_S)
        assert leaving.answer() is None
        one.tell(link, wire.Have(index))
    assert one.notes.closed == [link]  # both have everything
    one.swarm.on_link_closed(link, [], 0)
    one.pass_time(2 * LOOK_S)
    assert leaving.answer() == retired(one, 0)


def test_a_piece_that_was_sent_as_a_whole_is_handed_on_though_the_peer_does_not_say_so(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=[0, 1])
    link = one.join([0])
    one.tell(link, wire.Interested())
    leaving = Leaving(one)
    leaving.begin()
    link.given.add(1, 0, BLOCKS * 8 * K, BLOCKS * 16 * K)
    one.pass_time(LINGER_S + LOOK_S)
    assert leaving.answer() is None
    link.given.add(1, BLOCKS * 8 * K, BLOCKS * 8 * K, BLOCKS * 16 * K)
    one.pass_time(LINGER_S - 2 * LOOK_S)
    assert leaving.answer() is None    # it may be on its way
    one.pass_time(3 * LOOK_S)
    assert leaving.answer() == retired(one, 0)


def test_what_a_peer_was_sent_counts_also_when_it_leaves(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=[0, 1])
    link = one.join([0])
    one.tell(link, wire.Interested())
    leaving = Leaving(one)
    leaving.begin()
    link.given.add(1, 0, BLOCKS * 16 * K, BLOCKS * 16 * K)
    one.swarm.lose(link, NetworkError("net.reset", "gone"))
    one.swarm.on_link_closed(link, [], 0)
    one.pass_time(2 * LOOK_S)
    assert leaving.answer() == retired(one, 0)


def asked_last(one: OneSwarm, blocks: range) -> tuple[PeerLink, Any]:
    """A peer that was sent all other blocks of piece 1 and asks for the last ones: the link, and the token of the batch
    that the send thread has not told of yet."""
    link = one.join([0])
    one.tell(link, wire.Interested())
    link.given.add(1, 0, blocks.start * 16 * K, BLOCKS * 16 * K)
    one.tell(link, *(wire.Request(1, block * 16 * K, 16 * K) for block in blocks))
    one.said()
    (span,) = one.swarm.uploads.to_read
    one.swarm.on_read(SpansRead(one.swarm.info_hash, [span], []))
    (token,) = [token for _, _, _, token in one.swarm.outgoing if token is not None]
    return link, token


@pytest.mark.parametrize("late_s", [2 * LOOK_S, LINGER_S + 2 * LOOK_S])
def test_what_a_peer_was_sent_counts_also_when_it_leaves_before_that_is_known(
    torrent: StoredTorrent, late_s: float
) -> None:
    one = OneSwarm(torrent, have=[0, 1])
    link, token = asked_last(one, range(BLOCKS - 1, BLOCKS))
    leaving = Leaving(one)
    leaving.begin()
    one.swarm.lose(link, NetworkError("net.reset", "gone"))
    one.pass_time(late_s)
    assert leaving.answer() is None
    one.swarm.on_sent(link, token)
    one.swarm.on_link_closed(link, [], 0)
    one.pass_time(2 * LOOK_S)
    assert leaving.answer() == retired(one, 0)


def test_what_a_peer_was_sent_counts_also_when_it_is_content_before_that_is_known(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=[0, 1])
    link, token = asked_last(one, range(BLOCKS - 1, BLOCKS))
    leaving = Leaving(one)
    leaving.begin()
    one.tell(link, wire.NotInterested())
    one.pass_time(LINGER_S + 2 * LOOK_S)
    assert leaving.answer() is None
    one.swarm.on_sent(link, token)
    one.pass_time(LINGER_S + 2 * LOOK_S)
    assert leaving.answer() == retired(one, 0)


@pytest.mark.parametrize(("sent_bytes", "unique"), [(13 + 16 * K, 0), (12 + 16 * K, 1), (0, 1)])
def test_of_a_batch_that_its_link_cut_off_counts_what_went_out(
    torrent: StoredTorrent, sent_bytes: int, unique: int
) -> None:
    one = OneSwarm(torrent, have=[0, 1])
    link, token = asked_last(one, range(BLOCKS - 2, BLOCKS))
    link.given.add(1, (BLOCKS - 1) * 16 * K, 16 * K, BLOCKS * 16 * K)      # it asks for its last block once more
    leaving = Leaving(one)
    leaving.begin()
    one.swarm.lose(link, NetworkError("net.reset", "gone"))
    one.swarm.on_link_closed(link, [token], sent_bytes)
    one.pass_time(2 * LOOK_S)
    assert leaving.answer() == retired(one, unique)


@pytest.mark.parametrize("is_same_peer", [True, False])
def test_a_piece_that_a_peer_took_by_two_links_is_with_it(torrent: StoredTorrent, *, is_same_peer: bool) -> None:
    one = OneSwarm(torrent, have=[0, 1])
    first = one.join([0])
    first.given.add(1, 0, 3 * 16 * K, BLOCKS * 16 * K)
    one.swarm.lose(first, NetworkError("net.crossed", "another link to the same peer is kept"))
    one.swarm.on_link_closed(first, [], 0)
    second = one.join([0], peer_id=first.greeting.peer_id if is_same_peer else None)
    one.tell(second, wire.Interested())
    leaving = Leaving(one)
    leaving.begin()
    second.given.add(1, 3 * 16 * K, (BLOCKS - 3) * 16 * K, BLOCKS * 16 * K)
    one.swarm.lose(second, NetworkError("net.closed", "the peer closed the connection"))
    one.swarm.on_link_closed(second, [], 0)
    one.pass_time(2 * LOOK_S)
    assert leaving.answer() == retired(one, 0 if is_same_peer else 1)


def test_pieces_that_nobody_takes_are_told_instead(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=range(COUNT))
    one.join([0])                      # it does not say that it wants anything
    leaving = Leaving(one)
    leaving.begin()
    assert leaving.answer() == retired(one, COUNT - 1)


def test_without_upload_slots_nobody_can_take_any(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=range(COUNT), upload_slots=0)
    one.tell(one.join([0]), wire.Interested())
    leaving = Leaving(one)
    leaving.begin()
    assert leaving.answer() == retired(one, COUNT - 1)


def test_the_time_limit_holds(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=range(COUNT))
    link = one.join([0])
    one.tell(link, wire.Interested())
    leaving = Leaving(one)
    leaving.begin()
    for _ in range(int(TIMEOUT_S) - 1):
        one.pass_time(1.0)
    assert leaving.answer() is None
    one.pass_time(2.0)
    assert leaving.answer() == retired(one, COUNT - 1, complete=False)


def test_a_swarm_that_is_closed_meanwhile_is_not_waited_for(torrent: StoredTorrent) -> None:
    one = OneSwarm(torrent, have=range(COUNT))
    one.tell(one.join([0]), wire.Interested())
    leaving = Leaving(one)
    leaving.begin()
    leaving.retirements.end(one.swarm)
    assert leaving.answer() == retired(one, COUNT - 1, complete=False)
    one.pass_time(TIMEOUT_S + 1)
    assert leaving.answer() is None
