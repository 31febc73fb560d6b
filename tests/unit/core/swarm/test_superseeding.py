"""Super-seeding (BEP 16): what each peer is shown, when it is shown more, and how it ends."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.messages import ChangeSwarm, SwarmSettings
from blobtorrent.core.swarm.superseeding import OFFERS, OFFERS_ALONE, PATIENCE_S, QUIET_S
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import RejectRun
from blobtorrent.protocol.wire.extended import ExtendedHandshake
from blobtorrent.protocol.wire.greeting import OUR_RESERVED
from blobtorrent.storage.jobs import SpansRead
from tests.support.oneswarm import PLAIN, OneSwarm, haves_in
from tests.support.stored import StoredTorrent

PIECES = 20
PIECE = 4 << 14


@pytest.fixture(scope="module")
def torrent():
    return StoredTorrent([PIECES * PIECE], PIECE)


@pytest.fixture
def one(torrent):
    return OneSwarm(torrent, have=range(PIECES), super_seeding=True)


def join(one, pieces=()):
    link = one.join(pieces, unchoked=False, reserved=OUR_RESERVED)
    one.tell(link, wire.Interested())
    return link


def shown(one, links):
    said = one.said()
    return [haves_in(said.get(link, ())) for link in links]


def send_piece(one, link, index):
    """All of a piece goes out to a peer that may not tell us that it has it."""
    for begin in range(0, PIECE, 1 << 14):
        link.given.add(index, begin, 1 << 14, PIECE)
    one.swarm.super_seeding.on_sent(link)


def upload_only(messages):
    return [ExtendedHandshake.decode(message.payload).is_upload_only
            for message in messages if isinstance(message, wire.Extended) and not message.sub_id]


def test_a_peer_is_told_that_we_have_nothing_and_then_of_a_few_pieces_that_no_other_was_told_of(one):
    links = [join(one) for _ in range(4)]
    said = one.said()
    assert all(isinstance(said[link][0], wire.HaveNone) for link in links)
    assert all(upload_only(said[link]) == [None] for link in links)
    told = [haves_in(said[link]) for link in links]
    assert [len(indices) for indices in told[1:]] == [OFFERS] * 3
    assert len(told[0]) == OFFERS_ALONE          # it was the only one then
    assert len(set(sum(told, []))) == OFFERS_ALONE + 3 * OFFERS


def test_a_peer_that_speaks_no_fast_extension_is_told_of_no_bitfield(one):
    link = one.join([], unchoked=False)
    said = one.said()[link]
    assert not any(isinstance(message, wire.BitfieldMessage) for message in said)
    assert len(haves_in(said)) == OFFERS_ALONE


@pytest.mark.parametrize("reserved", [OUR_RESERVED, PLAIN])
def test_no_word_tells_of_more_than_what_was_shown(one, reserved):
    other = join(one)
    one.swarm.talk.unchoke(other)
    one.tell(other, *[wire.Request(index, 0, 1 << 14) for index in shown(one, [other])[0]])
    spans, one.swarm.uploads.to_read = one.swarm.uploads.to_read, []
    one.swarm.on_read(SpansRead(one.torrent.metainfo.info_hash, spans, []))
    assert one.swarm.uploads.cached_pieces(0, PIECES), "there is something that might be suggested"
    link = one.join([], unchoked=False, reserved=reserved)
    one.tell(link, wire.Interested())
    one.swarm.talk.unchoke(link)
    one.swarm.talk.choke(link)
    one.swarm.talk.unchoke(link)
    one.pass_time(3)
    said = one.said()[link]
    telling = (wire.BitfieldMessage, wire.HaveAll, wire.AllowedFast, wire.Suggest)
    assert not [message for message in said if isinstance(message, telling)]
    assert link.shown == sum(1 << index for index in haves_in(said))
    assert 0 < link.shown.bit_count() <= OFFERS_ALONE


def test_who_says_nothing_of_what_it_has_has_nothing_after_a_while(one):
    link = one.join([], unchoked=False)
    link.said_pieces = False
    one.swarm.super_seeding.leave(link)
    one.swarm.super_seeding.join(link)
    one.said()
    one.pass_time(QUIET_S - 2)
    assert shown(one, [link]) == [[]]
    one.pass_time(4)
    assert len(shown(one, [link])[0]) == OFFERS_ALONE


def test_the_next_piece_is_shown_when_one_was_passed_on_and_not_before(one):
    first, second, third = links = [join(one) for _ in range(3)]
    told = shown(one, links)
    index = told[1][0]
    send_piece(one, second, index)
    one.pass_time(3)
    assert shown(one, links) == [[], [], []]
    one.tell(third, wire.Have(index))
    assert [len(indices) for indices in shown(one, links)] == [0, 1, 0]


def test_who_is_alone_is_shown_more_as_it_takes(one):
    link = join(one)
    (told,) = shown(one, [link])
    assert len(told) == OFFERS_ALONE
    send_piece(one, link, told[0])
    send_piece(one, link, told[1])
    assert [len(indices) for indices in shown(one, [link])] == [2]


def test_who_passes_nothing_on_gets_more_after_a_minute(one):
    links = [join(one) for _ in range(2)]
    told = shown(one, links)
    for index in told[1]:
        send_piece(one, links[1], index)
    one.pass_time(PATIENCE_S - 2)
    assert shown(one, links)[1] == []
    one.pass_time(4)
    assert len(shown(one, links)[1]) == OFFERS


def test_what_was_not_shown_is_refused(one):
    link = join(one)
    (told,) = shown(one, [link])
    one.swarm.talk.unchoke(link)
    hidden = min(set(range(PIECES)) - set(told))
    one.tell(link, wire.Request(hidden, 0, 1 << 14), wire.Request(told[0], 0, 1 << 14))
    rejects = [message for message in one.said()[link] if isinstance(message, RejectRun)]
    assert [key >> 32 for run in rejects for key in run.keys] == [hidden]
    plain = one.join([], unchoked=False)
    one.swarm.talk.unchoke(plain)
    (told,) = shown(one, [plain])
    with pytest.raises(PeerError):
        one.tell(plain, wire.Request(min(set(range(PIECES)) - set(told)), 0, 1 << 14))


def test_pieces_of_a_peer_that_left_are_shown_to_others(one):
    links = [join(one) for _ in range(2)]
    told = shown(one, links)
    one.swarm.lose(links[0], PeerError("peer.x", "gone"))
    new: set[int] = set()
    for _ in range(PIECES):
        one.pass_time(1)
        news = shown(one, links[1:])[0]
        for index in news:
            send_piece(one, links[1], index)
        new.update(news)
    for index in told[1]:
        send_piece(one, links[1], index)
    one.pass_time(2)
    assert set(told[0]) <= new | set(shown(one, links[1:])[0])


def test_it_ends_when_every_piece_is_twice_among_the_peers_and_all_is_shown_then(one):
    links = [join(one) for _ in range(3)]
    told = shown(one, links)
    half = PIECES // 2
    for index in range(half):
        for link in links[:2]:
            one.tell(link, wire.Have(index))
    assert one.swarm.super_seeding is not None
    for index in range(half, PIECES):
        for link in links[1:]:
            one.tell(link, wire.Have(index))
        if index < PIECES - 1:
            assert one.swarm.super_seeding is not None
    assert one.swarm.super_seeding is None
    said = one.said()
    assert upload_only(said[links[0]])[-1] is True
    assert {*told[0], *haves_in(said[links[0]])} == set(range(PIECES))


def test_it_ends_when_there_is_another_seed(one):
    first = join(one)
    one.said()
    join(one, range(PIECES))
    assert one.swarm.super_seeding is None
    assert upload_only(one.said()[first])[-1] is True


def test_it_begins_and_ends_while_the_swarm_runs(torrent):
    one = OneSwarm(torrent, have=range(PIECES))
    old = join(one)
    one.swarm.change(ChangeSwarm(one.swarm.info_hash, SwarmSettings(super_seeding=True)))
    assert old not in one.swarm.links and old.closing.code == "net.super-seeding"
    new = join(one)
    (told,) = shown(one, [new])
    assert len(told) == OFFERS_ALONE
    one.swarm.change(ChangeSwarm(one.swarm.info_hash, SwarmSettings()))
    assert {*told, *shown(one, [new])[0]} == set(range(PIECES))
    assert one.swarm.super_seeding is None


def test_a_torrent_that_lacks_something_does_as_others(torrent):
    one = OneSwarm(torrent, have=range(PIECES - 1), super_seeding=True)
    link = join(one)
    assert isinstance(one.said()[link][0], wire.BitfieldMessage)
    assert one.swarm.super_seeding is None


def test_pieces_that_are_lost_end_it(one):
    join(one)
    one.swarm.lose_pieces(1 << 3)
    assert one.swarm.super_seeding is None
