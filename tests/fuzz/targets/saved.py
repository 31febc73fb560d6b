"""What lies on disk: our own state, damaged or forged, and what other programs left."""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import bencodepy

from blobtorrent.core.session.past import Past
from blobtorrent.core.session.rows import (
    peers_body,
    progress_body,
    read_past,
    read_peers,
    read_record,
    read_stamps,
    session_body,
    stamps_body,
    torrent_body,
)
from blobtorrent.core.swarm.messages import KnownAddress, PeerSource, Totals
from blobtorrent.interface.hooks.journal import FILE_NAME, Journal
from blobtorrent.interface.rest.tokens import read_tokens, write_tokens
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import FormatError, ResumeCorrupt
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.protocol import fastresume, rtorrentsession, transmissionresume
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.protocol.savedtrees import with_piece_layers
from blobtorrent.runtime.clock import FakeClock
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.live.recovery import Recovery
from blobtorrent.storage.live.writtenlog import read_record as read_live_record
from blobtorrent.storage.partstore import SEAL_BYTES, Durable, PartStore
from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.stamps import FileStamp
from blobtorrent.storage.state.rowfile import RowFile
from blobtorrent.storage.state.rowsums import seal_row
from blobtorrent.storage.state.sessionrecord import NAME, SessionRecord, read_session, write_session
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import Row
from tests.fuzz.registry import Shape, target
from tests.fuzz.shapes import read_events, write_events
from tests.support.livefiles import ONE, SESSION, make_live, put_block
from tests.unit.core.session.test_rows import a_record
from tests.unit.protocol import test_fastresume, test_rtorrentsession, test_savedtrees, test_transmissionresume

SEAL = Seal(b"k" * 32)
KEY = b"t" * 20
ROW_WORDS = (b"full", b"pieces", b"have", b"recent", b"totals", b"goal", b"ends", b"files", b"error", b"trackers",
             b"v1",
             b"picker", b"renames", b"custom", b"alive_at", b"removed_bytes", b"tracker", b"dht")


@cache
def scratch() -> Path:
    """A folder of this process, gone with it."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def patched(whole: bytes, data: bytes) -> bytes:
    """A file with the patches that a case consists of: where, in three bytes, and what. One without "what" cuts it."""
    changed = bytearray(whole)
    for event in read_events(data)[:50]:
        at = int.from_bytes(event[:3], "big") % (len(changed) + 1)
        if len(event) > 3:
            changed[at:at + len(event) - 3] = event[3:]
        else:
            del changed[at:]
    return bytes(changed)


def patches(size: int, *places: int) -> Callable[[], list[bytes]]:
    return lambda: [write_events([])] + [
        write_events([(place % size).to_bytes(3, "big") + content]) for place in (0, 7, size // 2, size - 1, *places)
        for content in (b"", b"\0", b"\xff" * 8, bytes(600))]


# ---- our own state

@target("saved.torrent_row", errors=(ResumeCorrupt,), shape=Shape.JSON, tokens=ROW_WORDS, seeds=lambda: [
    torrent_body(a_record()),
    b'{"v1":"%s","name":"n","size":1,"pieces":1,"piece_length":1,"download_dir":"/"}' % (b"ab" * 20)])
def _torrent_row(data: bytes) -> str:
    record = read_record(data, None)
    again = read_record(torrent_body(record), progress_body(record))
    assert (again.facts, again.wishes, again.place) == (record.facts, record.wishes, record.place)
    return f"{record.wishes.goal is None} {bool(record.foreign)}"


@target("saved.progress_row", errors=(ResumeCorrupt,), shape=Shape.JSON, tokens=ROW_WORDS,
        seeds=lambda: [progress_body(a_record()), b"{}", b'{"have":"full","checked":true,"ran_at":1.5,"seeding":true}'])
def _progress_row(data: bytes) -> str:
    record = read_record(torrent_body(a_record()), data)
    assert record.have.size == record.facts.num_pieces and record.recent & ~record.durable == 0
    progress_body(record)
    return f"{record.is_checked} {len(record.have) > 0} {record.running is None}"


@target("saved.small_rows", shape=Shape.JSON, tokens=ROW_WORDS, seeds=lambda: [
    session_body(Past(5.5, 60.25, 3, 4, 2, Totals(1 << 60, 2, 3))), stamps_body({0: FileStamp(1, 2, 3)}),
    peers_body([KnownAddress(Endpoint("10.0.0.1", 1), PeerSource.TRACKER, 2, 99.5, "t.example", 5, True)])])
def _small_rows(data: bytes) -> str:
    past, stamps, peers = read_past(data), read_stamps(data), read_peers(data)
    assert read_past(session_body(past)) == past
    assert read_stamps(stamps_body(stamps)) == stamps
    assert read_peers(peers_body(peers)) == peers
    return f"{past != Past()} {bool(stamps)} {bool(peers)}"


def token_files() -> list[bytes]:
    from blobtorrent.interface.rest.grants import Scope
    from blobtorrent.interface.rest.tokens import Token

    return [write_tokens([Token("a", frozenset((Scope.READ,)), "0" * 64, frozenset(("x",)), 1.5, 2.5, None),
                          Token("b", frozenset(Scope), "f" * 64)]), b'{"format": 2, "tokens": []}']


@target("saved.tokens", errors=(FormatError,), shape=Shape.JSON, tokens=(b"read", b"admin", b"control", b"format",
                                                                         b"f" * 64),
        seeds=token_files)
def _tokens(data: bytes) -> str:
    tokens = read_tokens(data)
    assert read_tokens(write_tokens(tokens)) == tokens
    for token in tokens:
        token.is_expired(1.0)
    return f"{len(tokens) > 0}"


@cache
def _part_store() -> bytes:
    path = scratch() / "whole.parts"
    parts = PartStore(path.parent, FilePool(4), "owner", Durable(path, SEAL, KEY))
    parts.load_existing()
    parts.save(7, [(2, memoryview(b"b" * BLOCK_SIZE)), (0, memoryview(b"a" * BLOCK_SIZE))])
    parts.save(9, [(1, memoryview(b"c" * BLOCK_SIZE))])
    return path.read_bytes()


@target("saved.block_journal", shape=Shape.EVENTS, seeds=patches(3 * (BLOCK_SIZE + SEAL_BYTES), BLOCK_SIZE,
                                                                 BLOCK_SIZE + 8),
        tokens=(b"BTPART\r\n", bytes(16)))
def _block_journal(data: bytes) -> str:
    path = scratch() / "x.parts"
    path.write_bytes(patched(_part_store(), data))
    pool = FilePool(4)
    parts = PartStore(path.parent, pool, "owner", Durable(path, SEAL, KEY))
    found = parts.load_existing()
    wanted = {(7, 2): b"b", (7, 0): b"a", (9, 1): b"c"}
    for index, blocks in found.items():
        for block in blocks:
            view = memoryview(bytearray(BLOCK_SIZE))
            parts.load(index, block, [view])
            assert view == wanted[index, block] * BLOCK_SIZE
    parts.save(1, [(0, memoryview(bytes(BLOCK_SIZE)))])
    parts.close()
    return f"{sum(map(len, found.values()))} {parts.damaged_blocks}"


@cache
def _live_file() -> bytes:
    path = scratch() / "whole-live"
    live = make_live(path)
    put_block(live, ONE, 6, 0, slot=2)
    live.note_written(ONE, [1, 2, 3])
    return path.read_bytes()


@target("saved.live_file", shape=Shape.EVENTS, seeds=patches(16_384, 4096, 8192, 100),
        tokens=(bytes(16), b"\1\0\0\0", b"\xff" * 4))
def _live_file_target(data: bytes) -> str:
    path = scratch() / "live"
    for old in scratch().glob("live*"):
        old.unlink()
    path.write_bytes(patched(_live_file(), data))
    found = Recovery.recover(path, SEAL, SESSION)
    if found is None:
        return "nothing"
    one = found.torrents.get(ONE.v1)
    if one is not None:
        assert {index for run in one.written for index in run} <= {1, 2, 3}
    return f"{len(found.torrents)} {bool(found.damages)}"


@target("saved.live_record", errors=(ValueError,), seeds=lambda: [bytes(64), b"\1" * 256, b"\1\0\0\0" * 30])
def _live_record(data: bytes) -> str:
    number, runs = read_live_record(data.ljust(64, b"\0"), SEAL, {1: KEY})
    return f"{number} {len(runs)}"


@cache
def _row_file() -> bytes:
    path = scratch() / "whole-rows"
    rows = [Row(kind, b"%d" % number, b"body" * number) for kind in ("torrent", "progress") for number in range(20)]
    RowFile.make(path, SEAL, [seal_row(SEAL, row, 1) for row in rows], 1)
    return path.read_bytes()


@target("saved.row_file", shape=Shape.EVENTS, seeds=patches(16_384, 100, 4096, 4100, 8192, 24), errors=(sqlite3.Error,))
def _row_file_target(data: bytes) -> str:
    """Damaged pages of the state file: what is read is what was written, or is told to be damaged."""
    path = scratch() / "rows"
    for old in scratch().glob("rows*"):
        old.unlink()
    path.write_bytes(patched(_row_file(), data))
    file = RowFile(path, SEAL)
    try:
        scan = file.scan()
        for (_, key), sealed in scan.rows.items():
            assert sealed.row.body == b"body" * int(key)
        rows, flaws = file.rows_of("torrent")
        for row in rows:
            assert row.body == b"body" * int(row.key)
        assert flaws or len(rows) == 20
        return f"{len(scan.rows) == 40} {bool(scan.flaws)} {bool(flaws)}"
    finally:
        file.close()


@target("saved.session_record", seeds=lambda: [SEAL.wrap(b"session", bytes(25)),
                                               SEAL.wrap(b"session", b"x" * 16 + bytes(8) + b"c"), b""])
def _session_record(data: bytes) -> str:
    (scratch() / NAME).write_bytes(data)
    record = read_session(scratch(), SEAL)
    if record is not None:
        write_session(scratch(), SEAL, record)
        assert read_session(scratch(), SEAL) == SessionRecord(*record)
    return f"{record is None}"


@cache
def _journal_folder() -> Path:
    folder = scratch() / "state"
    StateDir(folder).close()
    return folder


@target("saved.hook_journal", shape=Shape.JSON, tokens=(b"labels", b"id", b"time", b"type"), seeds=lambda: [
    b'{"id":"a-1","time":1,"type":"torrent-finished","labels":["x"]}', b'{"id":"a-1","time":1700000000.5,"type":"x"}'])
def _hook_journal(data: bytes) -> str:
    """The lines are ours by their seals, whatever they tell; the second one was torn."""
    folder = _journal_folder()
    journal = Journal(folder, FakeClock(wall_s=1_700_000_000.0))
    journal.load()
    lines = [journal._line(b"+", "hook", b" " + data.replace(b"\n", b" ")), journal._line(b"-", "hook", b"a-1")[:-3]]
    (folder / FILE_NAME).write_bytes(b"".join(lines))
    kept = journal.load()
    journal.close()
    return f"{len(kept)}"


# ---- what other programs left

BENCODED = partial(bencodepy.encode)
WORDS = (b"all", b"none", b"pieces", b"blocks", b"bitfield", b"files", b"mtimes", b"peers", b"peers6", b"trackers",
         b"trees",
         b"hashes", b"mask", b"directory", b"custom", b"save_path", b"mapped_files", b"file_priority", b"unfinished",
         b"ratio-limit", b"speed-limit-down", b"magnet-info", b"time-checked", b"info-hash")


def fastresumes() -> list[bytes]:
    members: dict[str, Any] = {"file-version": 1, "pieces": b"\1\3\0", "verified": b"\1\0\0",
                               "unfinished": [{"piece": 3, "bitmask": b"\xff"}]}
    return [BENCODED(test_fastresume.RESUME), BENCODED({**test_fastresume.RESUME, **members}), BENCODED(members)]


@target("saved.fastresume", errors=(FormatError,), shape=Shape.BENCODE, tokens=WORDS, seeds=fastresumes)
def _fastresume(data: bytes) -> str:
    progress = fastresume.read_progress(data, 10)
    assert progress.have < 1 << 10 and progress.unverified & ~progress.have == 0
    resume = fastresume.read_fastresume(data, {})
    return f"{progress.have > 0} {bool(resume.trackers)}"


@target("saved.fastresume_parts", errors=(FormatError,), shape=Shape.BENCODE, tokens=WORDS, seeds=lambda: [
    BENCODED({"a" * 40: BENCODED(test_fastresume.RESUME)}), b'{"films": {"save_path": "/x"}}',
    BENCODED({"info": {"name": "x"}})])
def _fastresume_parts(data: bytes) -> str:
    words = []
    for read in (fastresume.read_collection, fastresume.read_categories,
                 partial(fastresume.with_members, members={b"trackers": [[b"http://a/"]]})):
        try:
            words.append(f"{bool(read(data))}")
        except FormatError as error:
            words.append(error.code)
    return " ".join(words)


@target("saved.transmission", errors=(FormatError,), shape=Shape.BENCODE, tokens=WORDS, seeds=lambda: [
    BENCODED({**test_transmissionresume.RESUME, "progress": told}) for told in (
        test_transmissionresume.OLD, test_transmissionresume.NEW, {"blocks": b"\xff\xc0", "pieces": b"\xf8"},
        {"have": "all", "bitfield": b"\xff", "mtimes": [1, 2]})])
def _transmission(data: bytes) -> str:
    transmissionresume.unresolved_magnet(data)
    progress = transmissionresume.read_progress(data, test_transmissionresume.GEOMETRY, test_transmissionresume.FILES)
    assert progress.have < 1 << 5
    transmissionresume.read_resume(data)
    return f"{progress.have > 0}"


@target("saved.rtorrent", errors=(FormatError,), shape=Shape.BENCODE, tokens=WORDS, seeds=lambda: [
    BENCODED({**test_rtorrentsession.WANTED, **test_rtorrentsession.PROGRESS}), BENCODED({"directory": "/x"}),
    BENCODED({"info": {"length": 1, "name": "x.meta", "pieces": "*", "piece length": 1},
              "magnet-uri": "magnet:?xt=urn:btih:"
              + "a" * 40})])
def _rtorrent(data: bytes) -> str:
    rtorrentsession.unresolved_magnet(data)
    progress = rtorrentsession.read_progress(data, 10, 2)
    assert progress.have < 1 << 10
    wanted = rtorrentsession.read_wanted(data)
    assert wanted.added_at >= 0 and isinstance(wanted.labels, tuple)
    return f"{progress.have > 0} {bool(progress.peers)} {bool(wanted.views)}"


@target("saved.trees", errors=(FormatError,), shape=Shape.BENCODE, tokens=WORDS, seeds=lambda: [
    BENCODED({"file-version": 2, "trees": [{"hashes": b"".join(test_savedtrees.TREE)}]}),
    BENCODED({"file-version": 2, "trees": [{"hashes": b"".join(test_savedtrees.TREE[3:7]),
                                            "mask": test_savedtrees.mask(3, 4, 5, 6)}]}),
    BENCODED({"file-version": 1, "trees": [{"hashes": b"".join(test_savedtrees.TREE[3:7]),
                                            "mask": b"000111100000000"}]})])
def _trees(data: bytes) -> str:
    made = with_piece_layers(test_savedtrees.TORRENT, parse_torrent(test_savedtrees.TORRENT), data)
    metainfo = parse_torrent(made)
    assert made == test_savedtrees.TORRENT or metainfo.has_piece_hashes
    return f"{metainfo.has_piece_hashes}"


