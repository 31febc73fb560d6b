"""The fast extension, both directions (BEP 6): one word for what is had, rejects, allowed pieces, suggestions."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.fast import FAST_COPIES, FEW_PIECES, MAX_REJECTED
from blobtorrent.core.swarm.fasttalk import REFUSED_S
from blobtorrent.core.swarm.messages import ChangeSwarm, TreatPeer
from blobtorrent.core.swarm.treating import treat
from blobtorrent.model.address import Endpoint
from blobtorrent.model.details import PeerTreatment
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.allowedfast import allowed_fast_set
from blobtorrent.protocol.wire.decode import RejectRun
from blobtorrent.protocol.wire.greeting import OUR_RESERVED
from blobtorrent.storage.jobs import SpansRead
from tests.support.accounts import check_requests
from tests.support.oneswarm import PLAIN, OneSwarm, haves_in, outstanding
from tests.support.stored import StoredTorrent

K = 1024
PIECE = 4 * 16 * K
PIECES = 20


@pytest.fixture(scope="module")
def torrent():
    return StoredTorrent([PIECES * PIECE - 100], PIECE)


def join(one, pieces=None, **manners):
    return one.join(pieces, reserved=OUR_RESERVED, **manners)


def reject(one, link, blocks):
    """The peer refuses these blocks (piece, block)."""
    geometry = one.torrent.geometry
    one.tell(link, *[wire.Reject(index, block << 14, geometry.block_size(index, block)) for index, block in blocks])


def rejected(messages):
    return [(key >> 32, (key & 0xFFFFFFFF) >> 14) for run in messages if isinstance(run, RejectRun) for key in run.keys]


def request(one, link, blocks):
    geometry = one.torrent.geometry
    one.tell(link, *[wire.Request(index, block << 14, geometry.block_size(index, block)) for index, block in blocks])


# ---- what each side has


@pytest.mark.parametrize(("have", "kind"), [
    ([], wire.HaveNone), (range(PIECES), wire.HaveAll), ([3], wire.BitfieldMessage)])
def test_the_first_word_says_what_we_have(torrent, have, kind):
    one = OneSwarm(torrent, have=have)
    link = join(one, [], unchoked=False)
    first = one.said()[link][0]
    assert type(first) is kind


def test_who_lacks_the_extension_hears_a_bitfield_or_nothing(torrent):
    one = OneSwarm(torrent, have=range(PIECES))
    link = one.join([], reserved=PLAIN, unchoked=False)
    assert isinstance(one.said()[link][0], wire.BitfieldMessage)


def test_a_peer_has_all_or_none_by_one_word(torrent):
    one = OneSwarm(torrent)
    seed, leech = join(one, [], unchoked=False), join(one, [], unchoked=False)
    one.tell(seed, wire.HaveAll())
    one.tell(leech, wire.HaveNone())
    assert seed.is_seed and one.swarm.availability.seeds == 1
    assert not leech.mask and leech.said_pieces


@pytest.mark.parametrize("message", [
    wire.HaveAll(), wire.HaveNone(), wire.Suggest(0), wire.AllowedFast(0), wire.Reject(0, 0, 16 * K)])
def test_a_peer_that_did_not_agree_to_it_may_not_use_it(torrent, message):
    one = OneSwarm(torrent)
    link = one.join(reserved=PLAIN)
    with pytest.raises(PeerError) as caught:
        one.tell(link, message)
    assert caught.value.code == "wire.not-negotiated"


@pytest.mark.parametrize("message", [wire.Suggest(PIECES), wire.AllowedFast(PIECES)])
def test_a_piece_that_there_is_not_ends_the_link(torrent, message):
    one = OneSwarm(torrent)
    link = join(one)
    with pytest.raises(PeerError) as caught:
        one.tell(link, message)
    assert caught.value.code == "wire.bad-piece"


# ---- what we asked for


def test_a_choke_voids_nothing_until_the_peer_rejects_it(torrent):
    one = OneSwarm(torrent)
    link = join(one)
    asked = one.asked(link)
    one.tell(link, wire.Choke())
    assert outstanding(link) == asked
    one.give(link, asked[:1])
    assert one.swarm.wasted.total == 0
    reject(one, link, asked[1:])
    assert not link.outstanding and not link.working_on
    check_requests(one.swarm)
    other = join(one)
    assert asked[1] in one.asked(other)


def test_a_peer_that_chokes_and_rejects_nothing_is_not_waited_for(torrent):
    one = OneSwarm(torrent, snub_timeout_s=5.0)
    link = join(one)
    assert one.asked(link)
    one.tell(link, wire.Choke())
    one.pass_time(7.0)
    assert not link.outstanding and not link.snubbed
    check_requests(one.swarm)


def test_rejects_of_a_choking_peer_are_no_sign_of_congestion(torrent):
    one = OneSwarm(torrent)
    link = join(one)
    asked = one.asked(link)
    one.tell(link, wire.Choke())
    size = link.window.size
    reject(one, link, asked)
    assert link.window.size == size


def test_a_peer_that_refuses_though_it_does_not_choke_is_asked_for_less_and_for_something_else(torrent):
    one = OneSwarm(torrent)
    link = join(one)
    asked = one.asked(link)
    size = link.window.size
    refused = {asked[0][0]}
    reject(one, link, [block for block in asked if block[0] in refused])
    assert link.window.size < size
    one.give(link, [block for block in asked if block[0] not in refused])
    assert refused.isdisjoint(index for index, _ in one.asked(link))
    assert not link.askable >> asked[0][0] & 1
    one.pass_time(REFUSED_S + 2)
    assert link.askable >> asked[0][0] & 1
    check_requests(one.swarm)


def test_a_peer_that_refuses_everything_is_not_asked_again_at_once(torrent):
    one = OneSwarm(torrent)
    link = join(one)
    for _ in range(100):
        asked = one.asked(link)
        if not asked:
            break
        reject(one, link, asked)
    else:
        pytest.fail("it is asked for ever")
    one.tell(link, wire.Choke())
    one.tell(link, wire.Unchoke())
    assert one.asked(link)


def test_a_reject_of_what_was_taken_back_settles_it(torrent):
    one = OneSwarm(torrent)
    link = join(one)
    asked = one.asked(link)
    one.swarm.requests.cancel_all(link)
    reject(one, link, asked)
    assert not link.ghosts and not link.unasked


def test_a_reject_that_answers_nothing_is_counted(torrent):
    one = OneSwarm(torrent)
    link = join(one, unchoked=False)
    reject(one, link, [(0, 0)])
    assert link.unasked == 1


# ---- allowed while choked


def test_pieces_that_are_allowed_are_asked_for_while_choked_and_no_others(torrent):
    one = OneSwarm(torrent)
    link = join(one, unchoked=False)
    one.tell(link, wire.AllowedFast(7), wire.AllowedFast(3))
    assert {index for index, _ in one.asked(link)} == {3, 7}
    check_requests(one.swarm)


def test_an_allowed_piece_that_the_peer_lacks_is_not_asked_for(torrent):
    one = OneSwarm(torrent)
    link = join(one, [1], unchoked=False)
    one.tell(link, wire.AllowedFast(7))
    assert one.asked(link) == []
    one.tell(link, wire.Have(7))
    assert {index for index, _ in one.asked(link)} == {7}


def test_an_allowed_piece_that_is_rejected_is_allowed_no_more(torrent):
    one = OneSwarm(torrent)
    link = join(one, unchoked=False)
    one.tell(link, wire.AllowedFast(7))
    reject(one, link, one.asked(link))
    assert one.asked(link) == []
    check_requests(one.swarm)


def test_a_choke_leaves_what_is_allowed_to_go_on(torrent):
    one = OneSwarm(torrent)
    link = join(one, [7, 8])
    one.tell(link, wire.AllowedFast(7))
    asked = one.asked(link)
    one.tell(link, wire.Choke())
    reject(one, link, [block for block in asked if block[0] == 8])
    assert {index for index, _ in outstanding(link)} == {7}
    check_requests(one.swarm)


def test_a_peer_with_nothing_is_allowed_the_set_of_its_address(torrent):
    one = OneSwarm(torrent, have=range(PIECES))
    link = join(one, [], unchoked=False)
    allowed = [message.index for message in one.said()[link] if isinstance(message, wire.AllowedFast)]
    assert allowed == allowed_fast_set(link.endpoint.host, torrent.metainfo.info_hash.v1, PIECES)
    assert link.state.am_choking
    request(one, link, [(allowed[0], 0)])
    assert [span.index for span in one.swarm.uploads.to_read] == [allowed[0]]


def test_only_what_we_have_and_the_peer_lacks_is_allowed(torrent):
    everything = set(allowed_fast_set("10.1.0.1", torrent.metainfo.info_hash.v1, PIECES))
    had, theirs = sorted(everything)[:5], sorted(everything)[:2]
    one = OneSwarm(torrent, have=had)
    link = join(one, theirs, unchoked=False)
    allowed = [message.index for message in one.said()[link] if isinstance(message, wire.AllowedFast)]
    assert set(allowed) == set(had) - set(theirs)


@pytest.mark.parametrize("manners", [
    {"pieces": range(15)}, {"dialled": Endpoint("2a01::1", 1)}])
def test_who_has_much_or_has_no_set_is_allowed_nothing(torrent, manners):
    one = OneSwarm(torrent, have=range(PIECES))
    link = join(one, **{"pieces": [], **manners}, unchoked=False)
    assert not [message for message in one.said()[link] if isinstance(message, wire.AllowedFast)]


def test_an_allowed_piece_is_sent_a_few_times_and_not_for_ever(torrent):
    one = OneSwarm(torrent, have=range(PIECES))
    link = join(one, [], unchoked=False)
    (first, *_) = [message.index for message in one.said()[link] if isinstance(message, wire.AllowedFast)]
    for _ in range(FAST_COPIES):
        request(one, link, [(first, block) for block in range(4)])
    assert not rejected(one.said().get(link, ()))
    request(one, link, [(first, 0)])
    assert rejected(one.said()[link]) == [(first, 0)]


def test_what_was_allowed_is_refused_once_the_peer_has_enough_to_begin_with(torrent):
    one = OneSwarm(torrent, have=range(PIECES))
    link = join(one, [], unchoked=False)
    (first, *_) = [message.index for message in one.said()[link] if isinstance(message, wire.AllowedFast)]
    one.tell(link, *[wire.Have(index) for index in range(PIECES) if index != first][:FEW_PIECES - 1])
    request(one, link, [(first, 0)])
    assert not rejected(one.said().get(link, ()))
    one.tell(link, wire.Have(PIECES - 1 if first != PIECES - 1 else PIECES - 2))
    request(one, link, [(first, 1)])
    assert rejected(one.said()[link]) == [(first, 1)]


def test_who_is_denied_is_refused_what_it_was_allowed(torrent):
    one = OneSwarm(torrent, have=range(PIECES))
    link = join(one, [], unchoked=False)
    (first, *_) = [message.index for message in one.said()[link] if isinstance(message, wire.AllowedFast)]
    request(one, link, [(first, 0)])
    treat(one.swarm, TreatPeer(torrent.metainfo.info_hash, link.endpoint, PeerTreatment.DENY))
    spans, one.swarm.uploads.to_read = one.swarm.uploads.to_read, []
    one.swarm.on_read(SpansRead(torrent.metainfo.info_hash, spans, []))
    request(one, link, [(first, 1)])
    assert rejected(one.said()[link]) == [(first, 0), (first, 1)]


def test_who_was_allowed_pieces_is_refused_them_while_nothing_is_to_be_uploaded(torrent):
    one = OneSwarm(torrent, have=range(PIECES))
    link = join(one, [], unchoked=False)
    (first, *_) = [message.index for message in one.said()[link] if isinstance(message, wire.AllowedFast)]
    request(one, link, [(first, 0)])
    one.swarm.change(ChangeSwarm(torrent.metainfo.info_hash, one.swarm.settings._replace(upload_slots=0)))
    spans, one.swarm.uploads.to_read = one.swarm.uploads.to_read, []
    one.swarm.on_read(SpansRead(torrent.metainfo.info_hash, spans, []))
    request(one, link, [(first, 1)])
    assert rejected(one.said()[link]) == [(first, 0), (first, 1)]


# ---- what we are asked for


def test_a_choked_peer_is_refused_what_it_is_not_allowed(torrent):
    one = OneSwarm(torrent, have=range(PIECES))
    link = join(one, range(12), unchoked=False)
    one.said()
    request(one, link, [(15, 0), (15, 1), (19, 3)])
    assert rejected(one.said()[link]) == [(15, 0), (15, 1), (19, 3)]


def test_a_piece_that_we_lack_is_refused(torrent):
    one = OneSwarm(torrent, have=[0])
    link = join(one, [])
    one.swarm.talk.unchoke(link)
    request(one, link, [(5, 0), (5, 1)])
    assert rejected(one.said()[link]) == [(5, 0), (5, 1)]
    with pytest.raises(PeerError):
        one.tell(link, wire.Request(PIECES, 0, 16 * K))


def test_a_choke_comes_first_and_then_the_rejects_of_what_waited(torrent):
    one = OneSwarm(torrent, have=range(PIECES), slots=64)
    link = join(one, range(12))
    one.swarm.talk.unchoke(link)
    one.said()
    assert one.arena.reserve(64)       # nothing can be read: everything waits
    request(one, link, [(15, 0), (15, 1), (19, 3)])
    one.swarm.talk.choke(link)
    said = one.said()[link]
    assert isinstance(said[0], wire.Choke)
    assert rejected(said) == [(15, 0), (15, 1), (19, 3)]
    assert not link.wanted


def test_what_is_being_read_when_the_peer_is_choked_is_refused_as_well(torrent):
    one = OneSwarm(torrent, have=range(PIECES))
    link = join(one, range(12))
    one.swarm.talk.unchoke(link)
    request(one, link, [(15, 0)])
    one.swarm.talk.choke(link)
    spans, one.swarm.uploads.to_read = one.swarm.uploads.to_read, []
    one.swarm.on_read(SpansRead(torrent.metainfo.info_hash, spans, []))
    assert rejected(one.said()[link]) == [(15, 0)]
    assert not link.queued_upload_bytes


def test_a_cancel_is_answered_too(torrent):
    one = OneSwarm(torrent, have=range(PIECES), slots=64)
    link = join(one, range(12))
    one.swarm.talk.unchoke(link)
    assert one.arena.reserve(64)
    request(one, link, [(15, 0), (15, 1), (19, 3)])
    one.said()
    size = torrent.geometry.block_size(19, 3)
    one.tell(link, wire.Cancel(15, 1 << 14, 16 * K), wire.Cancel(19, 3 << 14, size), wire.Cancel(3, 0, 16 * K))
    assert rejected(one.said()[link]) == [(15, 1), (19, 3)]


def test_who_asks_on_and_on_while_choked_goes(torrent):
    one = OneSwarm(torrent, have=range(PIECES))
    link = join(one, range(12), unchoked=False)
    with pytest.raises(PeerError) as caught:
        for _ in range(MAX_REJECTED // 4 + 1):
            request(one, link, [(15, block) for block in range(4)])
    assert caught.value.code == "wire.too-many-requests"


# ---- suggestions


def test_who_is_unchoked_hears_of_pieces_that_need_not_be_read(torrent):
    one = OneSwarm(torrent, have=range(PIECES))
    reader, other = join(one, range(12)), join(one, [15])
    one.swarm.talk.unchoke(reader)
    request(one, reader, [(15, 0), (16, 0), (17, 0)])
    spans, one.swarm.uploads.to_read = one.swarm.uploads.to_read, []
    one.swarm.on_read(SpansRead(torrent.metainfo.info_hash, spans, []))
    one.said()
    one.swarm.talk.unchoke(other)
    said = one.said()[other]
    assert [message.index for message in said if isinstance(message, wire.Suggest)] == [17, 16]
    assert not haves_in(said)


def test_what_a_peer_suggests_is_noted(torrent):
    one = OneSwarm(torrent)
    link = join(one, unchoked=False)
    one.tell(link, wire.Suggest(3), wire.Suggest(5))
    assert link.suggested == 1 << 3 | 1 << 5
