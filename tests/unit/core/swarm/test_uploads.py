"""The upload manager: requests become spans, spans become batches, and memory is held only while it is needed."""

from __future__ import annotations

import pytest

from blobtorrent.core.swarm.messages import ChangeSwarm
from blobtorrent.core.swarm.preload import Preload
from blobtorrent.core.swarm.throttle import Branch, Throttle, Valve
from blobtorrent.core.swarm.uploads import MAX_QUEUE_BYTES, MIN_QUEUE_BYTES, SPAN_BYTES, payload_in
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.protocol.wire.decode import Decoder
from tests.support.oneswarm import OneSwarm
from tests.support.stored import StoredTorrent

K = 1024
BLOCK = 16 * K


@pytest.fixture(scope="module")
def torrent():
    return StoredTorrent([3 << 20], 1 << 20)


@pytest.fixture(scope="module")
def odd():
    """Pieces that are no multiple of a block, nor of a span."""
    return StoredTorrent([2_060_000], 600_000)


class Seeding(OneSwarm):
    """A seed's swarm, whose disk reads when told and whose sender sends when told."""

    def __init__(self, torrent, **settings):
        super().__init__(torrent, range(torrent.geometry.num_pieces), **settings)

    def reader(self, *, links=1):
        """A peer that wants data, one of so many."""
        link = self.join([])
        self.swarm.uploads.share_among(links)
        self.tell(link, wire.Interested())
        return link

    def ask(self, link, *requests):
        self.tell(link, *[wire.Request(*request) for request in requests])

    def read(self):
        """The disk fills what was to be read; returns (piece, begin, length) of each."""
        uploads = self.swarm.uploads
        spans, uploads.to_read = uploads.to_read, []
        for span in spans:
            data = self.torrent.piece(span.index)[span.begin:span.begin + span.length]
            for number, slot in enumerate(span.slots):
                part = data[number * BLOCK:(number + 1) * BLOCK]
                self.arena.views[slot][:len(part)] = part
        assert uploads.on_read(spans, []) == []
        return [(span.index, span.begin, span.length) for span in spans]

    def batches(self):
        """(link number, messages, token) of what goes out, tokens still to be returned."""
        self.swarm.flush(self.notes.now)
        outgoing, self.swarm.outgoing = list(self.swarm.outgoing), []
        return [(number, Decoder().feed(b"".join(buffers)), token)
                for number, buffers, _, token in outgoing if token is not None]

    def sent(self, link, batches):
        for _, _, token in batches:
            self.swarm.on_sent(link, token)


def blocks_of(batches):
    return [(message.index, message.begin, message.payload) for _, messages, _ in batches for message in messages]


def expected(torrent, *requests):
    return [(index, begin, torrent.piece(index)[begin:begin + length]) for index, begin, length in requests]


def test_requests_of_one_span_are_read_once_and_go_out_as_one_batch(torrent):
    one = Seeding(torrent)
    link = one.reader()
    requests = [(1, begin, BLOCK) for begin in range(0, SPAN_BYTES, BLOCK)]
    one.ask(link, *requests)
    assert one.read() == [(1, 0, SPAN_BYTES)]
    batches = one.batches()
    assert len(batches) == 1
    assert blocks_of(batches) == expected(torrent, *requests)


def test_a_second_peer_is_served_from_what_was_read(torrent):
    one = Seeding(torrent)
    first, second = one.reader(), one.reader()
    one.ask(first, (0, 0, BLOCK))
    one.read()
    one.ask(second, (0, BLOCK, BLOCK))
    assert one.read() == []
    assert len(one.batches()) == 2


def test_two_peers_that_want_a_span_wait_for_the_same_read(torrent):
    one = Seeding(torrent)
    first, second = one.reader(), one.reader()
    one.ask(first, (0, 0, BLOCK))
    one.ask(second, (0, 0, BLOCK))
    assert len(one.read()) == 1
    assert sorted(number for number, _, _ in one.batches()) == [first.number, second.number]


def test_what_is_read_ahead_and_what_lies_across_spans_are_counted(odd):
    one = Seeding(odd)
    one.ask(one.reader(), (0, 0, BLOCK), (0, BLOCK, BLOCK), (1, 5, 100), (0, SPAN_BYTES - 10, 100))
    assert len(one.read()) == 3
    assert (one.reads.ahead, one.reads.alone) == (2, 1)


@pytest.mark.parametrize(("preload", "rate", "ahead", "announced"), [
    (Preload(), 1e6, [], 0),
    (Preload("read"), 1e6, [(1, 1 << 19, SPAN_BYTES)], 0),
    (Preload("advise"), 1e6, [], SPAN_BYTES),
    (Preload("read"), 5119.0, [], 0),                      # too slow a link
    (Preload("read", min_piece_bytes=(1 << 20) + 1), 1e6, [], 0),
])
def test_the_rest_of_a_piece_is_preloaded_for_links_and_pieces_that_it_is_worth_it(
        torrent, preload, rate, ahead, announced):
    one = Seeding(torrent, preload=preload)
    link = one.reader()
    link.up.rate = rate
    one.ask(link, (1, BLOCK, BLOCK))
    assert [span.announced_bytes for span in one.swarm.uploads.to_read[:1]] == [announced]
    assert one.read() == [(1, 0, SPAN_BYTES), *ahead]
    one.ask(link, (1, SPAN_BYTES, BLOCK))
    assert one.read() == ([] if ahead else [(1, SPAN_BYTES, SPAN_BYTES)])
    batches = one.batches()
    assert blocks_of(batches) == expected(torrent, (1, BLOCK, BLOCK), (1, SPAN_BYTES, BLOCK))
    one.sent(link, batches)
    one.swarm.uploads.close()
    assert one.arena.reserved == 0


def test_how_pieces_are_preloaded_may_change_while_it_runs(torrent):
    one = Seeding(torrent)
    one.swarm.change(ChangeSwarm(torrent.metainfo.info_hash, one.swarm.settings._replace(
        preload=Preload("read", min_link_bytes_per_s=0))))
    one.ask(one.reader(), (2, 0, BLOCK))
    assert one.read() == [(2, 0, SPAN_BYTES), (2, SPAN_BYTES, SPAN_BYTES)]


@pytest.mark.parametrize("request_", [
    (0, 100, BLOCK), (0, 0, 1), (0, 5, 16_000), (0, SPAN_BYTES - 10, 100), (0, SPAN_BYTES - 10, 37_000),
    (3, 250_000, 10_000), (0, 1, 128 * K), (0, SPAN_BYTES + 65_536, 10_176),
])
def test_odd_requests_get_exactly_their_bytes(odd, request_):
    one = Seeding(odd)
    link = one.reader()
    one.ask(link, request_)
    one.read()
    batches = one.batches()
    assert blocks_of(batches) == expected(odd, request_)
    one.sent(link, batches)
    one.swarm.uploads.close()
    assert one.arena.reserved == 0


def test_requests_in_any_order_are_all_answered(torrent):
    one = Seeding(torrent)
    link = one.reader()
    requests = [(index, begin, BLOCK) for begin in (5 * BLOCK, 0, 20 * BLOCK, BLOCK, 2 * BLOCK) for index in (2, 0)]
    one.ask(link, *requests)
    one.read()
    assert sorted(blocks_of(one.batches())) == sorted(expected(torrent, *requests))


@pytest.mark.parametrize(("request_", "what"), [
    ((0, 1 << 20, BLOCK), "beyond the end"), ((0, (1 << 20) - 1, 2), "beyond the end"), ((3, 0, BLOCK), "piece 3"),
])
def test_a_request_for_what_is_not_there_breaks_the_rules(torrent, request_, what):
    one = Seeding(torrent)
    link = one.reader()
    with pytest.raises(PeerError, match=what) as caught:
        one.ask(link, request_)
    assert caught.value.code == "wire.bad-request"


def test_far_too_many_requests_break_the_rules(torrent):
    one = Seeding(torrent)
    link = one.reader()
    with pytest.raises(PeerError) as caught:
        for _ in range(100):
            one.ask(link, *[(0, number % 60 * BLOCK + 1, BLOCK) for number in range(100)])
    assert caught.value.code == "wire.too-many-requests"


def test_requests_of_a_choked_peer_are_void(torrent):
    one = Seeding(torrent, upload_slots=0)
    link = one.reader()
    one.ask(link, (0, 0, BLOCK))
    assert one.read() == [] and one.batches() == []


def test_a_choke_makes_what_waits_void_also_what_is_being_read(torrent):
    one = Seeding(torrent)
    link = one.reader(links=1000)
    one.ask(link, *[(index, begin, BLOCK) for index in range(3) for begin in range(0, 1 << 20, BLOCK)])
    assert link.wanted
    one.swarm.talk.choke(link)
    one.read()
    assert one.batches() == []
    assert link.queued_upload_bytes == 0 and not link.wanted


def test_a_cancelled_request_that_waits_is_forgotten(torrent):
    one = Seeding(torrent)
    link = one.reader(links=1000)
    first = [(0, begin, BLOCK) for begin in range(0, MIN_QUEUE_BYTES, BLOCK)]
    one.ask(link, *first)                                  # fills the queue
    one.ask(link, *[(1, number * BLOCK, BLOCK) for number in range(5)], (2, 7, 100))
    one.tell(link, wire.Cancel(1, 2 * BLOCK, BLOCK), wire.Cancel(2, 7, 100), wire.Cancel(2, 9, 100))
    one.read()
    batches = one.batches()
    one.sent(link, batches)
    one.read()
    assert blocks_of(batches) + blocks_of(one.batches()) == expected(
        torrent, *first, *[(1, number * BLOCK, BLOCK) for number in (0, 1, 3, 4)])


def test_a_slow_peer_holds_no_more_than_its_queue(torrent):
    one = Seeding(torrent)
    link = one.reader(links=1000)
    one.ask(link, *[(index, begin, 2 * BLOCK) for index in range(3) for begin in range(0, 1 << 20, 2 * BLOCK)])
    one.read()
    assert sum(len(payload) for _, _, payload in blocks_of(one.batches())) == MIN_QUEUE_BYTES
    assert link.queued_upload_bytes == MIN_QUEUE_BYTES
    assert one.swarm.uploads.to_read == []


@pytest.mark.parametrize(("links", "queue_bytes"), [(1, MAX_QUEUE_BYTES), (8, 1 << 20), (1000, MIN_QUEUE_BYTES)])
def test_queues_share_half_of_the_memory(torrent, links, queue_bytes):
    one = Seeding(torrent)
    link = one.reader(links=links)
    one.ask(link, *[(index, begin, BLOCK) for index in range(3) for begin in range(0, 1 << 20, BLOCK)])
    assert link.queued_upload_bytes <= queue_bytes + SPAN_BYTES
    assert link.queued_upload_bytes >= min(queue_bytes, 3 << 20)


def test_single_blocks_asked_for_here_and_there_hold_no_more_than_half_of_the_memory():
    one = Seeding(StoredTorrent([8 << 20], 1 << 20), slots=256)
    links = [one.reader() for _ in range(4)]
    for number, link in enumerate(links):
        one.ask(link, *[(index, number * SPAN_BYTES // 8, BLOCK) for index in range(8)],
                *[(index, SPAN_BYTES + number * BLOCK, BLOCK) for index in range(8)])
        one.read()
    assert one.arena.reserved == 128
    answered = []
    while batches := one.batches():
        answered += blocks_of(batches)
        for number, _, token in batches:
            one.swarm.on_sent(next(link for link in links if link.number == number), token)
        one.read()
        assert one.arena.reserved <= 128
    assert len(answered) == 64


def test_what_was_sent_makes_room_for_what_waits(torrent):
    one = Seeding(torrent)
    link = one.reader(links=1000)
    requests = [(index, begin, BLOCK) for index in range(3) for begin in range(0, 1 << 20, BLOCK)]
    one.ask(link, *requests)
    got = []
    while len(got) < len(requests):
        one.read()
        batches = one.batches()
        assert batches, "nothing moves"
        got += blocks_of(batches)
        one.sent(link, batches)
    assert got == expected(torrent, *requests)
    assert link.queued_upload_bytes == 0


def test_without_memory_a_peer_waits_and_is_served_when_some_comes(torrent):
    one = Seeding(torrent, slots=64)
    assert one.arena.reserve(50)
    link = one.reader()
    one.ask(link, (0, 0, BLOCK))
    assert one.read() == []
    one.batches()
    assert one.notes.waits, "the host is asked to free some"
    one.arena.unreserve(50)
    one.swarm.refill()
    assert one.read() == [(0, 0, SPAN_BYTES)]


def test_spans_that_are_being_sent_stay_and_others_give_way(torrent):
    one = Seeding(torrent, slots=128)
    first, second = one.reader(), one.reader()
    one.ask(first, (0, 0, BLOCK))
    one.read()
    pinned = one.batches()
    one.ask(second, (1, 0, BLOCK))
    one.read()
    one.sent(second, one.batches())
    one.ask(second, (2, 0, BLOCK))                         # no room but that of piece 1
    assert one.read() == [(2, 0, SPAN_BYTES)]
    assert blocks_of(pinned) == expected(torrent, (0, 0, BLOCK))
    one.sent(second, one.batches())
    assert one.swarm.uploads.drop_cached(1000)
    assert one.arena.reserved == 32, "only what is being sent"
    one.sent(first, pinned)
    one.swarm.uploads.close()
    assert one.arena.reserved == 0


def test_a_link_that_is_gone_leaves_no_pins_behind(torrent):
    one = Seeding(torrent)
    link = one.reader()
    one.ask(link, (0, 0, BLOCK), (1, 0, BLOCK))
    one.read()
    tokens = [token for _, _, token in one.batches()]
    one.ask(link, (2, 0, BLOCK))
    one.swarm.lose(link, RuntimeError("gone"))
    one.swarm.on_link_closed(link, tokens, 0)
    one.read()
    one.swarm.uploads.close()
    assert one.arena.reserved == 0


@pytest.mark.parametrize("requests", [[(0, 0, BLOCK), (0, BLOCK, BLOCK), (0, 2 * BLOCK, BLOCK)], [(0, 5, 2 * BLOCK)]])
def test_how_much_payload_is_in_the_beginning_of_a_batch_is_known_to_the_byte(torrent, requests):
    one = Seeding(torrent)
    link = one.reader()
    one.ask(link, *requests)
    one.read()
    one.swarm.flush(one.notes.now)
    ((buffers, token),) = [(buffers, token) for _, buffers, _, token in one.swarm.outgoing if token is not None]
    is_payload = b"".join(bytes(len(part)) if len(part) == 13 else b"\1" * len(part) for part in buffers)
    for end in range(len(is_payload) + 1):
        assert payload_in(token, end) == is_payload.count(1, 0, end)


def test_what_went_out_of_a_batch_before_its_link_ended_was_uploaded(torrent):
    one = Seeding(torrent)
    link = one.reader()
    one.ask(link, (0, 0, BLOCK), (0, BLOCK, BLOCK), (1, 0, BLOCK))
    one.read()
    tokens = [token for _, _, token in one.batches()]
    one.swarm.lose(link, RuntimeError("gone"))
    one.swarm.on_link_closed(link, tokens, 13 + BLOCK + 13 + 7)
    assert one.swarm.make_report().uploaded_bytes == BLOCK + 7


def test_a_span_that_cannot_be_read_names_those_who_waited_and_frees_its_memory(torrent):
    one = Seeding(torrent)
    link = one.reader()
    one.ask(link, (0, 0, BLOCK))
    spans, one.swarm.uploads.to_read = one.swarm.uploads.to_read, []
    assert one.swarm.uploads.on_read([], spans) == [link]
    assert one.arena.reserved == 0
    assert one.swarm.uploads.is_idle


def test_a_link_that_was_served_queues_behind_those_that_wait_for_memory(torrent):
    one = Seeding(torrent, slots=64)                       # half of it is one span
    links = [one.reader() for _ in range(3)]
    for index, link in enumerate(links):
        one.ask(link, (index, 0, BLOCK), (index, SPAN_BYTES, BLOCK))
    served = []
    for _ in range(6):
        ((index, begin, _),) = one.read()
        served.append((index, begin))
        one.sent(links[index], one.batches())
    assert served[:2] == [(0, 0), (1, 0)]
    assert sorted(served) == [(index, begin) for index in range(3) for begin in (0, SPAN_BYTES)]
    assert not one.swarm.uploads.hungry


def test_a_limited_link_is_served_when_it_is_its_turn_and_as_much_as_it_may(torrent):
    seed = Seeding(torrent)
    link = seed.reader()
    branch = Branch(Throttle(), None)
    branch.limit(1 << 20, seed.notes.now)
    valve = seed.swarm.uploads.valves[link] = Valve(branch, lambda budget, now: 0)
    seed.ask(link, *[(0, number * BLOCK, BLOCK) for number in range(8)], (0, 8 * BLOCK, 100))
    assert seed.read() == []
    assert valve.is_waiting
    assert seed.swarm.uploads.serve_within(link, 3 * BLOCK) == 3 * BLOCK
    seed.read()
    assert [begin for _, begin, _ in blocks_of(seed.batches())] == [0, BLOCK, 2 * BLOCK]
    assert seed.swarm.uploads.serve_within(link, 1) == BLOCK
    assert seed.swarm.uploads.serve_within(link, 1 << 20) == 4 * BLOCK + 100
    assert [begin for _, begin, _ in blocks_of(seed.batches())] == [number * BLOCK for number in range(3, 9)]


def test_a_limited_link_that_does_not_read_holds_a_second_of_its_share(torrent):
    seed = Seeding(torrent)
    link = seed.reader()
    branch = Branch(Throttle(), None)
    branch.limit(10 * BLOCK, seed.notes.now)
    seed.swarm.uploads.valves[link] = Valve(branch, lambda budget, now: 0)
    seed.ask(link, *[(0, number * BLOCK, BLOCK) for number in range(32)])
    served = [seed.swarm.uploads.serve_within(link, BLOCK) for _ in range(20)]
    assert sum(served) == 10 * BLOCK
    assert not served[-1]
