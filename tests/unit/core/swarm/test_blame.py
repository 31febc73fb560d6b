"""Who sent what does not belong to the torrent: proof, suspects, and what becomes of them."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm import blame
from blobtorrent.core.swarm.messages import WantPieces
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import PeerId
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.storage.jobs import PieceVerdicts
from blobtorrent.storage.pieces import block_digests
from tests.support.accounts import check_pieces, check_requests
from tests.support.oneswarm import OneSwarm, outstanding
from tests.support.stored import StoredTorrent

K = 1024
PIECES, BLOCKS = 6, 20


@pytest.fixture
def one():
    return OneSwarm(StoredTorrent([PIECES * BLOCKS * 16 * K], BLOCKS * 16 * K))


def join(one, **told):
    """A peer that is asked for one piece at a time, and does not let us have any yet."""
    link = one.join(unchoked=False, **told)
    link.window.size = BLOCKS
    return link


def begin(one, link, count, *, lies=False):
    """The peer sends the first blocks of a piece, and no more than that; returns the piece."""
    one.tell(link, wire.Unchoke())
    one.said()
    index = outstanding(link)[0][0]
    one.give(link, outstanding(link, index)[:count], spoil=lies)
    one.tell(link, wire.Choke())
    one.said()
    return index


def finish(one, link, index=None, *, lies=False):
    """The peer sends all that is lacking of a piece, of any if none is named, and that is judged; returns whether it
    was right. No more is asked of it then."""
    one.tell(link, wire.Unchoke())
    one.said()
    index = outstanding(link)[0][0] if index is None else index
    while not one.notes.hashed:
        one.give(link, outstanding(link, index), spoil=lies)
        one.said()
    if link in one.swarm.links:
        one.tell(link, wire.Choke())
    return judge(one, index)


def judge(one, index):
    """Hasher and disk do their work."""
    piece = one.notes.hashed.pop()
    assert piece.index == index
    data = b"".join(bytes(one.arena.views[slot]) for slot in piece.slots)
    is_good = data == one.torrent.piece(piece.index)
    if piece.is_doubted or not is_good:
        piece.digests = block_digests([data])
    one.arena.release(piece.slots)
    written, spoiled = ([piece], []) if is_good else ([], [piece])
    one.swarm.completion.on_verdicts(PieceVerdicts(one.swarm.info_hash, written, spoiled, []))
    one.said()
    return is_good


def only(one, index):
    """Nothing but this piece is wanted from now on, so that it comes next."""
    one.swarm.want(WantPieces(one.swarm.info_hash, one.swarm.all_mask & ~(1 << index), {}))


def is_banned(one, link):
    return one.swarm.peers.is_banned(link.endpoint, link.greeting.peer_id)


def spoil_together(one, liar, honest):
    """A piece of which both gave some is spoiled; returns it."""
    index = begin(one, liar, 5, lies=True)
    assert not finish(one, honest, index)
    return index


def test_when_a_spoiled_piece_comes_right_its_liar_is_banned_and_the_other_one_is_no_suspect_any_more(one):
    liar, honest, third = join(one), join(one), join(one)
    index = spoil_together(one, liar, honest)
    assert liar.is_suspect and honest.is_suspect and not (is_banned(one, liar) or is_banned(one, honest))
    only(one, index)
    assert finish(one, third, index)
    assert is_banned(one, liar) and liar not in one.swarm.links
    assert not is_banned(one, honest) and not is_banned(one, third)
    assert not honest.is_suspect
    assert one.swarm.completion.peers_proven_bad == 1
    check_pieces(one.swarm)


def test_who_is_proven_to_lie_after_it_has_left_may_not_come_back(one):
    liar, honest, third = join(one), join(one), join(one)
    index = spoil_together(one, liar, honest)
    one.swarm.lose(liar, RuntimeError("gone"))
    only(one, index)
    assert finish(one, third, index)
    assert one.swarm.refusal(liar.endpoint, liar.greeting.peer_id, is_incoming=True).code == "peer.banned"


def test_who_sends_one_block_in_two_ways_is_banned_before_the_piece_comes_right(one):
    liar, honest, third = join(one), join(one), join(one)
    index = spoil_together(one, liar, honest)
    only(one, index)
    assert begin(one, liar, 5) == index
    liar.is_suspect = False            # else nobody goes on with its piece
    assert not finish(one, third, index, lies=True)
    assert is_banned(one, liar)
    assert not is_banned(one, third) and not is_banned(one, honest)


def test_who_was_asked_for_a_spoiled_piece_and_sent_nothing_is_no_suspect(one):
    idle, liar = join(one), join(one)
    index = begin(one, idle, 0)
    assert not finish(one, liar, index, lies=True)
    assert is_banned(one, liar), "all of it was its own"
    assert not idle.is_suspect


def test_a_suspect_that_connects_anew_under_another_name_is_one_still(one):
    liar, honest = join(one), join(one)
    spoil_together(one, liar, honest)
    one.swarm.lose(liar, RuntimeError("gone"))
    anew = join(one, dialled=Endpoint(liar.endpoint.host, 7000), peer_id=PeerId(b"another name of it.."))
    assert anew.is_suspect
    assert not join(one).is_suspect


def test_a_suspect_that_delivers_a_whole_good_piece_is_none_any_more(one):
    liar, honest = join(one), join(one)
    spoil_together(one, liar, honest)
    assert finish(one, honest)
    assert not honest.is_suspect and liar.is_suspect


def test_what_a_liar_gave_of_other_pieces_is_fetched_again_and_what_others_gave_stays(one):
    liar, honest = join(one), join(one)
    mixed = begin(one, liar, 5, lies=True)
    assert begin(one, honest, 3) == mixed
    liar.is_suspect = True             # and so begins another one
    before = one.swarm.wasted.total
    finish(one, liar, lies=True)
    assert is_banned(one, liar)
    assembly = one.swarm.pieces.open[mixed]
    assert [block for block, _ in assembly.held_slots] == [5, 6, 7]
    assert one.swarm.wasted.total - before == (BLOCKS + 5) * 16 * K
    check_pieces(one.swarm)
    check_requests(one.swarm)
    only(one, mixed)
    assert finish(one, honest, mixed)


def test_a_spoiled_piece_is_fetched_next_and_by_one_peer_alone(one):
    liar, honest, third, fourth = join(one), join(one), join(one), join(one)
    index = spoil_together(one, liar, honest)
    third.askable = third.mask
    assert one.swarm.picker.pick(third, 4, one.notes.now) == range(index, index + 1)
    only(one, index)
    one.tell(third, wire.Unchoke())
    one.tell(fourth, wire.Unchoke())
    one.said()
    assert outstanding(third) and not outstanding(fourth)
    assert finish(one, third, index)
    assert not one.swarm.pieces.doubted_mask


def test_pieces_that_never_come_right_are_forgotten_and_their_peers_are_no_suspects_for_ever(one, monkeypatch):
    monkeypatch.setattr(blame, "MAX_PIECES", 1)
    first, second, third, fourth = join(one), join(one), join(one), join(one)
    index = spoil_together(one, first, second)
    only(one, (index + 1) % PIECES)
    spoil_together(one, third, fourth)
    assert not first.is_suspect and not second.is_suspect
    assert third.is_suspect and fourth.is_suspect
