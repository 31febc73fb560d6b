"""Which pieces a swarm reads from web seeds, and what becomes of runs that fail, come late, or bring rubbish."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest

from blobtorrent.core.swarm.guard import Guard
from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.messages import ChangeSwarm, WantPieces
from blobtorrent.core.swarm.seeddesk import SeedDesk
from blobtorrent.core.swarm.webseed import (
    FIRST_REST_S,
    FORGET_FILES_S,
    KEEP_S,
    MAX_DOUBTS,
    MAX_REFUSALS,
    SLOW_RUN_S,
    State,
    WebSeed,
)
from blobtorrent.core.swarm.webseeds import WebSeeds
from blobtorrent.discovery.seedmessages import FetchEnded, FetchParts, Part, PartsFetched
from blobtorrent.discovery.seedreader import SeedReader
from blobtorrent.model.errors import BlobTorrentError, NetworkError, WebSeedError
from blobtorrent.protocol.wire import messages as wire
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.jobs import FullPiece, PieceVerdicts
from tests.support.accounts import check_pieces
from tests.support.oneswarm import OneSwarm, on_bug, outstanding
from tests.support.stored import StoredTorrent

BLOCK = 1 << 14
PIECE = 4 * BLOCK
URLS = ("http://a.test/", "http://b.test/")


class Rig:
    """A swarm with web seeds; whatever is asked of them waits until the test answers it."""

    def __init__(self, *, pieces: int = 32, urls: tuple[str, ...] = URLS[:1], limit: int = 4, slots: int = 1024,
                 piece_length: int = PIECE, sizes: list[int] | None = None, order: dict[str, Any] | None = None,
                 **settings: Any) -> None:
        torrent = StoredTorrent(sizes or [pieces * piece_length - 5], piece_length)
        torrent.metainfo = torrent.metainfo._replace(web_seeds=urls)
        self.one = OneSwarm(torrent, slots=slots, order=order or {}, **settings)
        self.swarm, self.arena, self.torrent = self.one.swarm, self.one.arena, torrent
        self.posted: list[FetchParts] = []
        self.desk = SeedDesk(self.posted.append, limit, 0, Mailbox("inbox"), Guard(on_bug))
        self.seeds = self.swarm.web_seeds = WebSeeds(self.swarm, self.desk, random.Random(1))
        self.seeds.fill()
        self.swarm.pulse.hurry()

    @property
    def states(self) -> list[str]:
        return [status.state for status in self.seeds.statuses()]

    def take(self) -> FetchParts:
        return self.posted.pop(0)

    def fill_in(self, parts: Iterable[Part], *, spoil: bool = False) -> None:
        for part in parts:
            data = self.torrent.piece(part.piece)[part.begin : part.begin + part.length]
            for number, slot in enumerate(part.slots):
                block = data[number * BLOCK : (number + 1) * BLOCK]
                self.arena.views[slot][:len(block)] = bytes(len(block)) if spoil else block

    def end(self, order: FetchParts, came: int | None = None, error: BlobTorrentError | None = None, *,
            blocks: int = 0, spoil: bool = False, **more: Any) -> None:
        """The first `came` parts came, all without a number, and of the next up to so many blocks; then it is over."""
        came = len(order.parts) if came is None else came
        fetched, left = order.parts[:came], order.parts[came:]
        if left and (blocks := min(blocks, (left[0].length - 1) // BLOCK)):
            part, size = left[0], blocks * BLOCK
            fetched.append(part._replace(length=size, slots=part.slots[:blocks]))
            left[0] = part._replace(begin=part.begin + size, length=part.length - size, slots=part.slots[blocks:])
        if fetched:
            self.fill_in(fetched, spoil=spoil)
            self.tell(PartsFetched(order.token, fetched))
        for part in left:
            self.arena.release(part.slots)
        reader = order.reader or SeedReader(order.seed, order.content)
        self.tell(FetchEnded(order.token, reader, left, error, **more))

    def tell(self, message: PartsFetched | FetchEnded) -> None:
        self.desk.handlers[type(message)](message)
        self.swarm.flush(self.one.notes.now)

    def judge(self) -> None:
        """Hasher and disk do their work."""
        self.swarm.flush(self.one.notes.now)
        hashed, self.one.notes.hashed = self.one.notes.hashed, []
        good: list[FullPiece] = []
        bad: list[FullPiece] = []
        for piece in hashed:
            data = b"".join(self.arena.segments(piece.slots, piece.size))
            (good if data == self.torrent.piece(piece.index) else bad).append(piece)
            self.arena.release(piece.slots)
        if hashed:
            self.swarm.completion.on_verdicts(PieceVerdicts(self.swarm.info_hash, good, bad, []))
            self.swarm.flush(self.one.notes.now)

    def finish(self) -> None:
        """Everything that is asked comes, from peers too."""
        for _ in range(200):
            while self.posted:
                self.end(self.take())
            for link in list(self.swarm.links):
                self.one.give(link, outstanding(link))
            self.judge()
            if self.swarm.is_seeding:
                return
            self.one.pass_time(1.0)
        raise AssertionError("it does not end")


def pieces_of(order: FetchParts) -> list[int]:
    return [part.piece for part in order.parts]


def test_a_web_seed_alone_completes_the_torrent() -> None:
    rig = Rig()
    rig.finish()
    assert rig.arena.reserved == 0
    (status,) = rig.seeds.statuses()
    assert (status.state, status.downloaded_bytes) == ("idle", rig.torrent.geometry.size)
    assert rig.swarm.downloaded.total == rig.torrent.geometry.size


def test_a_second_connection_comes_with_the_first_answer_and_reads_other_pieces() -> None:
    rig = Rig(pieces=64)
    first = rig.take()
    assert rig.posted == []
    rig.end(first)
    second, third = rig.take(), rig.take()
    assert rig.posted == []
    assert not set(pieces_of(second)) & set(pieces_of(third))
    assert pieces_of(second) == list(range(second.parts[0].piece, second.parts[-1].piece + 1))


def test_a_server_without_ranges_is_read_in_order_over_one_connection() -> None:
    rig = Rig(pieces=64)
    rig.end(rig.take(), has_ranges=False)
    rig.judge()
    order = rig.take()
    assert rig.posted == []
    assert order.parts[0].piece == (~rig.swarm.pieces.have.mask & rig.swarm.all_mask & -(
        ~rig.swarm.pieces.have.mask & rig.swarm.all_mask)).bit_length() - 1
    rig.posted.append(order)
    rig.finish()


def test_peers_and_web_seeds_are_not_asked_for_the_same() -> None:
    rig = Rig()
    order = rig.take()
    link = rig.one.join()
    asked = {piece for piece, _ in rig.one.asked(link)}
    assert asked and not asked & set(pieces_of(order))


def test_what_does_not_come_may_be_had_from_a_peer() -> None:
    rig = Rig(pieces=4)
    order = rig.take()
    link = rig.one.join()
    before = {piece for piece, _ in rig.one.asked(link)}
    rig.end(order, 1, NetworkError("net.reset", "cut"))
    assert rig.states == ["resting"]
    rig.one.pass_time(2.0)
    after = before | {piece for piece, _ in rig.one.asked(link)}
    assert after == set(range(4)) - {order.parts[0].piece}


def test_the_first_blocks_of_a_piece_that_was_cut_are_kept() -> None:
    rig = Rig(pieces=1)
    rig.end(rig.take(), 0, NetworkError("net.reset", "cut"), blocks=2)
    assert rig.swarm.pieces.open[0].missing == 2
    link = rig.one.join()
    assert {block for piece, block in outstanding(link)} == {2, 3}
    rig.finish()
    assert (rig.arena.reserved, rig.swarm.wasted.total) == (0, 0)


def test_what_a_peer_began_is_finished_by_a_web_seed() -> None:
    rig = Rig(pieces=2, web_seeds="off")
    link = rig.one.join()
    rig.one.give(link, [(0, 1)])
    rig.swarm.lose(link, NetworkError("net.reset", "gone"))
    rig.swarm.change(ChangeSwarm(rig.swarm.info_hash, rig.swarm.settings._replace(web_seeds="always")))
    blocks = [(part.piece, part.begin // BLOCK, len(part.slots)) for order in rig.posted for part in order.parts]
    assert (0, 1, 1) not in blocks
    rig.finish()
    assert rig.arena.reserved == 0


def test_failures_are_followed_by_longer_and_longer_rests() -> None:
    rig = Rig()
    rests = []
    for _ in range(3):
        rig.end(rig.take(), 0, NetworkError("net.refused", "no"))
        (status,) = rig.seeds.statuses()
        assert (status.state, status.error_code, rig.posted) == ("resting", "net.refused", [])
        assert status.next_try_s is not None
        rests.append(status.next_try_s)
        rig.one.pass_time(status.next_try_s + 2)
    assert FIRST_REST_S <= rests[0] < rests[1] < rests[2] < 8 * FIRST_REST_S
    rig.finish()
    assert rig.seeds.statuses()[0].failures == 0


def test_retry_after_counts_for_more_than_our_own_patience() -> None:
    rig = Rig()
    rig.end(rig.take(), 0, WebSeedError("webseed.busy", "HTTP status 503"), retry_after_s=300.0)
    next_try_s = rig.seeds.statuses()[0].next_try_s
    assert next_try_s is not None and 300.0 <= next_try_s <= 450.0


def test_a_file_that_is_not_there_is_left_out_for_a_while_and_the_others_are_read() -> None:
    rig = Rig(sizes=[4 * PIECE, 4 * PIECE])
    rig.end(rig.take(), 0, WebSeedError("webseed.no-file", "HTTP status 404"), file=0)
    assert rig.states == ["fetching"]
    while rig.posted:
        order = rig.take()
        assert min(pieces_of(order)) >= 4
        rig.end(order)
    rig.judge()
    assert rig.swarm.pieces.have.mask == 0b1111_0000
    rig.one.pass_time(FORGET_FILES_S + 2)
    rig.finish()


def test_a_seed_that_spoils_a_piece_is_banned_and_what_is_under_way_cancelled() -> None:
    rig = Rig(pieces=64, urls=URLS)
    rig.end(rig.take(), spoil=True)
    second = [order for order in rig.posted if order.seed == URLS[0]]
    rig.judge()
    assert rig.states[0] == "banned" and all(order.is_cancelled for order in second)
    for order in list(rig.posted):
        if order.seed == URLS[0]:
            rig.posted.remove(order)
            rig.end(order, 0)
    rig.finish()
    assert rig.states == ["banned", "idle"]


def refuse_all(rig: Rig, code: str) -> int:
    """No file is to be had; returns how many were asked for before it rests."""
    asked = 0
    while rig.posted:
        order = rig.take()
        asked += 1
        (file, *_) = order.content.ranges([(part.piece, part.begin, part.length) for part in order.parts])
        rig.end(order, 0, WebSeedError(code, "HTTP status"), file=file.file)
    return asked


def test_a_server_that_has_none_of_the_files_rests_after_some_and_longer_each_time() -> None:
    rig = Rig(sizes=[PIECE] * 100)
    rests = []
    for _ in range(3):
        assert refuse_all(rig, "webseed.no-file") == MAX_REFUSALS
        (status,) = rig.seeds.statuses()
        assert status.state == "resting" and status.next_try_s is not None
        rests.append(status.next_try_s)
        rig.one.pass_time(status.next_try_s + 2)
    assert FIRST_REST_S <= rests[0] < rests[1] < rests[2]
    rig.end(rig.take())                # one is there: it starts anew
    assert rig.seeds.statuses()[0].failures == 0


def test_a_server_that_denies_a_file_is_left_alone_for_a_while() -> None:
    rig = Rig(sizes=[PIECE] * 100)
    assert refuse_all(rig, "webseed.denied") == 1
    assert rig.states == ["resting"]
    rig.one.pass_time(2 * FIRST_REST_S)
    assert 0 not in pieces_of(rig.take())


# ---- slow ones

def drip(rig: Rig, order: FetchParts, bytes_per_s: float, seconds: float) -> None:
    for _ in range(int(seconds)):
        order.received_bytes += int(bytes_per_s)
        rig.one.pass_time(1.0)


def test_what_comes_too_slowly_is_had_from_a_peer_that_has_nothing_else_to_do() -> None:
    rig = Rig(pieces=1)
    (order,) = rig.posted
    link = rig.one.join()
    drip(rig, order, 1000, SLOW_RUN_S + 2)
    assert order.is_cancelled and rig.states == ["resting"]
    assert rig.seeds.statuses()[0].error_code == "webseed.slow"
    rig.end(rig.take(), 0)
    assert (rig.swarm.downloaded.total, rig.swarm.wasted.total) == (order.received_bytes, order.received_bytes)
    rig.one.pass_time(2.0)
    assert outstanding(link, 0) and rig.posted == []
    rig.finish()
    assert rig.arena.reserved == 0


@pytest.mark.parametrize("bytes_per_s", [1000, 40_000])
def test_a_slow_seed_is_better_than_none_and_one_that_is_not_slow_is_not_left(bytes_per_s: int) -> None:
    rig = Rig(pieces=16)
    (order,) = rig.posted
    rig.one.join([]) if bytes_per_s == 1000 else rig.one.join()
    drip(rig, order, bytes_per_s, 2 * SLOW_RUN_S)
    assert not order.is_cancelled


def test_what_one_seed_drips_another_one_is_asked_for() -> None:
    rig = Rig(pieces=1, urls=URLS)
    (order,) = rig.posted
    drip(rig, order, 1000, SLOW_RUN_S + 2)
    assert order.is_cancelled
    rig.end(rig.take(), 0)
    assert [order.seed for order in rig.posted] == [URLS[1]]


def test_two_slow_seeds_do_not_take_a_piece_from_each_other_for_ever() -> None:
    rig = Rig(pieces=1, urls=URLS)
    cancelled = 0
    for _ in range(100):
        for order in list(rig.posted):
            drip(rig, order, 1000, 1)
            if order.is_cancelled:
                cancelled += 1
                rig.posted.remove(order)
                rig.end(order, 0)
        rig.one.pass_time(1.0)
    assert cancelled == 1


def test_a_limit_is_not_the_fault_of_the_seed() -> None:
    rig = Rig(pieces=1)
    (order,) = rig.posted
    order.bytes_per_s = 1200
    rig.one.join()
    drip(rig, order, 1000, 2 * SLOW_RUN_S)
    assert not order.is_cancelled


def test_who_drips_keeps_no_thread_from_another_torrent() -> None:
    rig = Rig(pieces=1, limit=1)
    (order,) = rig.posted
    other = Rig(pieces=2)
    assert not rig.desk.has_room(other.seeds)
    drip(rig, order, 1000, SLOW_RUN_S + 2)
    assert order.is_cancelled


def begun_by_a_peer(blocks: Iterable[int], *, spoil: bool = False) -> tuple[Rig, PeerLink]:
    """A torrent of one piece; a peer was asked for it, sent these blocks and left, and web seeds go on."""
    rig = Rig(pieces=1, web_seeds="off")
    link = rig.one.join()
    rig.one.give(link, [(0, block) for block in blocks], spoil=spoil)
    rig.swarm.lose(link, NetworkError("net.reset", "gone"))
    rig.swarm.change(ChangeSwarm(rig.swarm.info_hash, rig.swarm.settings._replace(web_seeds="always")))
    return rig, link


@pytest.mark.parametrize("is_peer_to_blame", [False, True])
def test_who_gave_only_some_of_a_spoiled_piece_is_a_suspect_and_not_banned(is_peer_to_blame: bool) -> None:
    rig, link = begun_by_a_peer([1], spoil=is_peer_to_blame)
    while rig.posted:
        rig.end(rig.take(), spoil=not is_peer_to_blame)
    rig.judge()
    assert rig.swarm.spoiled_pieces == 1 and rig.states == ["resting"]
    assert rig.seeds.statuses()[0].wasted_bytes == 3 * BLOCK
    assert link.is_suspect and not rig.swarm.peers.is_banned(link.endpoint, link.greeting.peer_id)
    rig.finish()
    assert rig.seeds.statuses()[0].error_code == ""


def test_a_peer_that_was_asked_and_sent_nothing_is_not_to_blame_for_what_a_seed_sent() -> None:
    rig, link = begun_by_a_peer([])
    while rig.posted:
        rig.end(rig.take(), spoil=True)
    rig.judge()
    assert rig.states == ["banned"]
    assert not link.is_suspect and not rig.swarm.peers.is_banned(link.endpoint, link.greeting.peer_id)


def test_a_peer_that_spoils_a_piece_is_banned_although_a_seed_was_asked_for_some_in_vain() -> None:
    rig, _ = begun_by_a_peer([])
    while rig.posted:
        rig.end(rig.take(), 0, NetworkError("net.reset", "cut"))
    link = rig.one.join()
    rig.one.give(link, outstanding(link), spoil=True)
    rig.judge()
    assert rig.swarm.peers.is_banned(link.endpoint, link.greeting.peer_id)
    assert rig.states == ["resting"] and rig.seeds.statuses()[0].error_code == "net.reset"


def test_a_seed_is_banned_after_some_spoiled_pieces_that_others_had_a_share_in() -> None:
    rig = Rig(pieces=8, web_seeds="off")
    for spoiled in range(MAX_DOUBTS):
        assert rig.states != ["banned"]
        rig.swarm.change(ChangeSwarm(rig.swarm.info_hash, rig.swarm.settings._replace(web_seeds="off")))
        rig.swarm.want(WantPieces(rig.swarm.info_hash, rig.swarm.all_mask & ~(1 << spoiled), {}))
        link = rig.one.join([spoiled])
        rig.one.give(link, [(spoiled, 0)])
        rig.swarm.lose(link, NetworkError("net.reset", "gone"))
        rig.swarm.change(ChangeSwarm(rig.swarm.info_hash, rig.swarm.settings._replace(web_seeds="always")))
        rig.one.pass_time(30.0)
        rig.end(rig.take(), spoil=True)
        rig.judge()
    assert rig.states == ["banned"]


def test_slow_peers_are_waited_for_before_web_seeds_are_asked_and_fast_ones_keep_them_away() -> None:
    rig = Rig(web_seeds="when-slow", web_seed_slow_bytes_per_s=1000)
    link = rig.one.join()
    for _ in range(20):
        link.down.rate = 5000.0
        rig.one.pass_time(1.0)
    assert rig.posted == []
    for _ in range(4):
        link.down.rate = 0.0
        rig.one.pass_time(0.9)
    assert rig.posted == []
    rig.one.pass_time(10.0)
    assert rig.posted


def test_what_is_not_wanted_any_more_is_cancelled_and_dropped() -> None:
    rig = Rig(pieces=8)
    order = rig.take()
    rig.swarm.want(WantPieces(rig.swarm.info_hash, rig.swarm.all_mask, {}))
    assert order.is_cancelled
    rig.end(order)                     # it came all the same
    rig.judge()
    assert rig.arena.reserved == 0
    assert rig.swarm.wasted.total == sum(part.length for part in order.parts)


def test_the_most_wanted_files_come_first() -> None:
    rig = Rig(pieces=64, order={"priorities": dict.fromkeys(range(40, 44), 1)})
    assert pieces_of(rig.take()) == [40, 41, 42, 43]


def test_a_sequential_torrent_is_read_from_its_start() -> None:
    assert pieces_of(Rig(pieces=64, is_sequential=True).take())[0] == 0


def test_a_torrent_that_closes_waits_for_no_web_seed_and_loses_no_memory() -> None:
    rig = Rig(pieces=64)
    rig.end(rig.take())
    orders = [rig.take(), rig.take()]
    rig.judge()
    rig.swarm.drain()
    assert rig.swarm.is_drained and all(order.is_cancelled for order in orders)
    rig.end(orders[0])
    rig.end(orders[1], 0)
    assert (rig.arena.reserved, rig.posted) == (0, [])


def test_nobody_asks_for_more_than_there_are_threads_and_all_get_their_turn() -> None:
    rig = Rig(pieces=64, urls=URLS, limit=1)
    seen = []
    for _ in range(4):
        (order,) = rig.posted
        seen.append(order.seed)
        rig.end(rig.take())
    assert seen == [URLS[0], URLS[1], URLS[0], URLS[1]]


def test_pieces_that_are_larger_than_the_share_of_memory_come_in_parts() -> None:
    rig = Rig(pieces=3, piece_length=64 * BLOCK, slots=160, limit=4)
    assert all(len(part.slots) <= 20 for order in rig.posted for part in order.parts)
    rig.finish()
    assert rig.arena.reserved == 0


def test_a_seed_that_spoils_a_piece_in_several_parts_is_banned_after_one() -> None:
    rig = Rig(pieces=3, piece_length=64 * BLOCK, slots=160, limit=4)
    while not rig.swarm.spoiled_pieces:
        rig.end(rig.take(), spoil=True)
        rig.judge()
    assert (rig.swarm.spoiled_pieces, rig.states) == (1, ["banned"])
    assert rig.seeds.statuses()[0].wasted_bytes == 64 * BLOCK


@pytest.mark.parametrize("seed", range(10))
def test_of_several_seeds_that_share_large_pieces_those_that_lie_are_banned_and_no_other(seed: int) -> None:
    rng = random.Random(seed)
    urls = tuple(f"http://{number}.test/" for number in range(4))
    rig = Rig(pieces=12, piece_length=64 * BLOCK, slots=800, limit=4, urls=urls)
    for _ in range(600):
        if rig.posted:
            order = rig.posted.pop(rng.randrange(len(rig.posted)))
            rig.end(order, spoil=order.seed in urls[:2])
        rig.judge()
        rig.one.pass_time(0.5)
        if rig.swarm.is_seeding:
            break
    assert rig.swarm.is_seeding and set(rig.states[2:]) == {"idle"}
    assert rig.states[:2] == ["banned", "banned"] and rig.swarm.spoiled_pieces < 10


@pytest.mark.parametrize("blocks", [1, 4, 20])
def test_the_rest_of_a_block_comes_when_a_web_seed_gave_its_piece_back(blocks: int) -> None:
    rig = Rig(pieces=2, piece_length=blocks * BLOCK, web_seeds="off")
    link = rig.one.join([0])
    message = wire.Piece(0, 0, rig.torrent.piece(0)[:BLOCK]).encode()
    link.intake.feed(message[:113])
    while not link.snubbed:
        rig.one.pass_time(1.0)
    rig.swarm.want(WantPieces(rig.swarm.info_hash, 0b10, {}))
    rig.swarm.change(ChangeSwarm(rig.swarm.info_hash, rig.swarm.settings._replace(web_seeds="always")))
    while rig.posted:
        rig.end(rig.take(), 0, NetworkError("net.reset", "cut"))
    assert not rig.swarm.pieces.open
    link.intake.feed(message[113:])
    rig.swarm.flush(rig.one.notes.now)
    rig.swarm.want(WantPieces(rig.swarm.info_hash, 0, {}))
    rig.swarm.lose(link, NetworkError("net.reset", "gone"))
    rig.finish()
    assert (rig.arena.reserved, rig.swarm.requests._committed) == (0, 0)


def test_a_block_that_stopped_in_the_middle_is_not_offered_again_while_a_web_seed_is_to_bring_it() -> None:
    rig = Rig(pieces=1, web_seeds="off")
    link = rig.one.join()
    link.intake.feed(wire.Piece(0, BLOCK, rig.torrent.piece(0)[BLOCK : 2 * BLOCK]).encode()[:113])
    while not link.snubbed:
        rig.one.pass_time(1.0)
    rig.swarm.change(ChangeSwarm(rig.swarm.info_hash, rig.swarm.settings._replace(web_seeds="always")))
    rig.swarm.lose(link, NetworkError("net.reset", "gone"))
    (order,) = rig.posted
    assert [(part.begin, part.length) for part in order.parts] == [(0, PIECE - 5)]
    rig.end(rig.take())
    assert (rig.swarm.pieces.partial_mask, rig.posted) == (0, [])
    rig.finish()
    assert rig.swarm.wasted.total == 0


def test_a_piece_that_a_web_seed_gave_back_holds_no_promise_of_memory() -> None:
    rig = Rig(pieces=2, piece_length=20 * BLOCK, web_seeds="off")
    rig.swarm.lose(rig.one.join([0]), NetworkError("net.reset", "gone"))
    rig.swarm.want(WantPieces(rig.swarm.info_hash, 0b10, {}))
    rig.swarm.change(ChangeSwarm(rig.swarm.info_hash, rig.swarm.settings._replace(web_seeds="always")))
    rig.end(rig.take(), 0, WebSeedError("webseed.busy", "HTTP status 503"))
    assert (list(rig.swarm.pieces.open), rig.swarm.requests._committed) == ([], 0)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_no_memory_is_lost_and_the_torrent_completes(seed: int) -> None:
    rng = random.Random(seed)
    # Where no disk takes the blocks of unfinished pieces, a few of them must find room.
    slots, piece_length = rng.choice(((48, BLOCK), (48, PIECE), (256, PIECE), (256, 24 * BLOCK)))
    rig = Rig(pieces=rng.choice((3, 20, 50)), urls=URLS, limit=rng.choice((1, 2, 4)), slots=slots,
              piece_length=piece_length)
    halves: dict[PeerLink, bytes] = {}                     # what is yet to come of a block in the middle of arriving
    for _ in range(60):
        what = rng.randrange(10)
        link = rng.choice(list(rig.swarm.links)) if rig.swarm.links else None
        if what < 3 and rig.posted:
            order = rig.posted.pop(rng.randrange(len(rig.posted)))
            came = rng.randrange(len(order.parts) + 1)
            error = rng.choice((None, NetworkError("net.reset", "x"), WebSeedError("webseed.busy", "x")))
            rig.end(order, None if error is None else came, error, blocks=rng.randrange(3), spoil=not rng.randrange(10))
        elif what == 3 and len(rig.swarm.links) < 3:
            rig.one.join(rng.sample(range(rig.torrent.geometry.num_pieces), rng.randrange(1, 3)))
        elif what in (4, 5) and link is not None:
            link.intake.feed(halves.pop(link, b""))
            rig.one.give(link, outstanding(link)[:rng.randrange(5)], spoil=not rng.randrange(5))
        elif what == 6 and link is not None and link not in halves:
            for piece, block in outstanding(link)[:1]:
                data = rig.torrent.piece(piece)[block * BLOCK : (block + 1) * BLOCK]
                message = wire.Piece(piece, block * BLOCK, data).encode()
                cut = rng.randrange(14, len(message))
                link.intake.feed(message[:cut])
                halves[link] = message[cut:]
        elif what == 7 and link is not None:
            rig.swarm.lose(link, NetworkError("net.reset", "gone"))
        elif what == 8:
            skipped = rng.getrandbits(rig.torrent.geometry.num_pieces) & rng.choice((0, rig.swarm.all_mask))
            rig.swarm.want(WantPieces(rig.swarm.info_hash, skipped, {}))
        else:
            rig.judge()
            rig.one.pass_time(rng.random() * 30)
        rig.one.said()
        check_pieces(rig.swarm)
    for link in list(rig.swarm.links):
        rig.swarm.lose(link, NetworkError("net.reset", "gone"))
    rig.swarm.want(WantPieces(rig.swarm.info_hash, 0, {}))
    rig.one.join()                     # all web seeds may be banned
    rig.finish()
    assert (rig.arena.reserved, rig.swarm.requests._committed) == (0, 0)


def test_a_free_connection_is_there_only_for_who_may_be_asked() -> None:
    seed = WebSeed(Rig().seeds, URLS[0], 2)
    assert seed.free_lane() is seed.lanes[0]
    assert [seed.spoiled(piece, 0.0, random.Random(1), is_proof=True) for piece in range(2)] == [[], []]
    assert (seed.machine.state, seed.free_lane()) == (State.BANNED, None)


def test_a_connection_is_kept_for_some_seconds_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[float] = []
    rig = Rig(pieces=4, slots=1024)
    monkeypatch.setattr(SeedReader, "close", lambda reader: closed.append(rig.one.notes.now))
    rig.finish()
    ended_at = rig.one.notes.now
    rig.one.pass_time(40.0)
    assert closed and min(closed) >= ended_at + 0.5 * KEEP_S
