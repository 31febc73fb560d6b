"""python -m tests.bench.scale: a daemon that has thousands of torrents: its starts, its memory, its idling, its stops.

Torrents are tiny, distinct and without trackers (rTorrent wants one, which nobody listens at). Their state is written
with the project's own classes, as if they were added one by one. With `--rtorrent` the starts of rTorrent with as many
stopped torrents are measured beside.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import bencodepy

from blobtorrent.core.session import rows
from blobtorrent.core.session.commands import AddTorrent
from blobtorrent.core.session.record import Place, TorrentRecord, facts_of, wishes_of
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.storage.mounts import mount_point_of
from blobtorrent.storage.stamps import stamp_of
from blobtorrent.storage.state.library import Library
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import PROGRESS, STAMPS, TORRENT, Row, row_key
from tests.bench.ground import note
from tests.bench.rtorrent_session import restart_rtorrent
from tests.support.payload import with_tracker
from tests.support.peers.blobtorrent import PROJECT
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.peers.rtorrent import NO_TRACKER

STOPPED = (1_000, 10_000)
SEEDING = 1_000
CONTENT_BYTES = 16_384                 # of each torrent: one file, one piece
SETTLE_S = 20.0                        # after the last torrent seeds, before idling is measured
IDLE_S = 30.0
PATIENCE_S = 300.0
ADDED_AT_ONCE = 1_000                  # torrents of one commit, while the state is made

Line = tuple[str, str, str]            # what, figure, what it should be


def make_torrent(number: int, tracker: str = "") -> tuple[bytes, bytes]:
    """A .torrent file and its content."""
    content = number.to_bytes(8, "big") * (CONTENT_BYTES // 8)
    info = {"name": f"torrent-{number:05}.bin", "length": CONTENT_BYTES, "piece length": CONTENT_BYTES,
            "pieces": hashlib.sha1(content).digest()}
    return bencodepy.encode({"info": info, **({"announce": tracker} if tracker else {})}), content


def fill_state(daemon: Daemon, count: int, *, seeding: bool, tracker: str = "") -> None:
    """The state of a daemon that was ended in order with so many torrents, stopped or seeding."""
    state_dir = StateDir(daemon.state)
    library = Library(state_dir, lambda damage: sys.exit(str(damage)))
    made: list[Row] = []
    for number in range(count):
        raw, content = make_torrent(number, tracker)
        metainfo = parse_torrent(raw)
        place = Place(daemon.downloads, daemon.downloads, mount_point=mount_point_of(daemon.downloads))
        record = TorrentRecord(facts_of(metainfo, time.time()), wishes_of(AddTorrent(metainfo)), place,
                               should_run=seeding)
        key = row_key(metainfo.info_hash)
        if seeding:
            path = daemon.downloads / metainfo.name
            path.write_bytes(content)
            record.is_checked = True
            record.have = Bitfield.full(1)
            record.durable = record.have.mask
            record.done_bytes = CONTENT_BYTES
            made.append(Row(STAMPS, key, rows.stamps_body({0: stamp_of(path.stat())})))
        made += [library.keep(metainfo.info_hash, raw), Row(TORRENT, key, rows.torrent_body(record)),
                 Row(PROGRESS, key, rows.progress_body(record))]
        if number % ADDED_AT_ONCE == ADDED_AT_ONCE - 1 or number == count - 1:
            state_dir.state.commit(made)
            made.clear()
    state_dir.mark_clean()
    state_dir.close()


@contextmanager
def own_daemon(root: Path, count: int, *, seeding: bool = False) -> Iterator[Daemon]:
    """A daemon that is not started yet, with so many torrents."""
    folder = Path(tempfile.mkdtemp(prefix="scale-", dir=root))
    try:
        daemon = Daemon(folder)
        fill_state(daemon, count, seeding=seeding)
        os.sync()
        yield daemon
    finally:
        shutil.rmtree(folder)


def timed(action: Callable[[], object]) -> float:
    started_s = time.monotonic()
    action()
    return time.monotonic() - started_s


def start(daemon: Daemon) -> float:
    """Seconds from the command to READY."""
    def begin() -> None:
        daemon.start()
        wait_until(lambda: " ready " in daemon.output() or daemon.poll() is not None, PATIENCE_S, "READY", 0.005)
    taken_s = timed(begin)
    assert daemon.poll() is None, daemon.output()
    return taken_s


def measure_stopped(root: Path, count: int, empty_rss_bytes: int) -> list[Line]:
    with own_daemon(root, count) as daemon:
        ready_s = start(daemon)
        try:
            assert daemon.call("GET", "/v1/session")["torrents"] == count
            each_kib = (daemon.rss_bytes() - empty_rss_bytes) / count / 1024
            stop_s = timed(daemon.stop)
        finally:
            daemon.stop()
    what = f"{count:,} stopped"
    return [(what, f"{ready_s:.2f} s to READY", "<= 0.5 s" if count <= 1_000 else "<= 3 s"),
            (what, f"{each_kib:.1f} KiB each", "<= 10 KiB"), (what, f"{stop_s:.2f} s to stop", "< 5 s")]


def measure_empty(root: Path) -> tuple[list[Line], int]:
    with own_daemon(root, 0) as daemon:
        ready_s = start(daemon)
        try:
            rss_bytes = daemon.rss_bytes()
            stop_s = timed(daemon.stop)
        finally:
            daemon.stop()
    return [("empty", f"{ready_s:.2f} s to READY", "< 0.5 s"), ("empty", f"{rss_bytes / 2**20:.0f} MiB", ""),
            ("empty", f"{stop_s:.2f} s to stop", "")], rss_bytes


def measure_seeding(root: Path, count: int) -> list[Line]:
    what = f"{count:,} seeding"
    with own_daemon(root, count, seeding=True) as daemon:
        ready_s = start(daemon)
        try:
            all_s = ready_s + timed(lambda: wait_until(lambda: _num_seeding(daemon) == count, PATIENCE_S, "seeds", 0.1))
            time.sleep(SETTLE_S)
            before_s = daemon.cpu_s()
            time.sleep(IDLE_S)
            share = (daemon.cpu_s() - before_s) / IDLE_S
            rss_bytes = daemon.rss_bytes()
            stop_s = timed(daemon.stop)
        finally:
            daemon.stop()
    return [(what, f"{ready_s:.2f} s to READY", "<= 0.5 s"), (what, f"{all_s:.2f} s until all seed", ""),
            (what, f"{100 * share:.1f} % of a core when idle", "<= 2 %"),
            (what, f"{rss_bytes / 2**20:.0f} MiB", "<= 250 MB"), (what, f"{stop_s:.2f} s to stop", "< 5 s")]


def _num_seeding(daemon: Daemon) -> int:
    return len(daemon.call("GET", "/v1/torrents?state=seeding")["torrents"])


def measure_rtorrent(root: Path, count: int) -> list[Line]:
    folder = Path(tempfile.mkdtemp(prefix="scale-", dir=root))
    try:
        for number in range(count):
            plain = folder / "plain"
            plain.write_bytes(make_torrent(number)[0])
            with_tracker(plain, NO_TRACKER, folder).rename(folder / f"{number}.torrent")
        restart = restart_rtorrent(folder, sorted(folder.glob("*.torrent")), PATIENCE_S)
    finally:
        shutil.rmtree(folder)
    what = f"{count:,} stopped, rTorrent"
    return [(what, f"{restart.ready_s:.2f} s until it answers", ""),
            (what, f"{restart.each_bytes / 1024:.1f} KiB each", "")]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where state lies (default /var/tmp)")
    parser.add_argument("--rtorrent", action="store_true", help="measure rTorrent too; 10,000 take it minutes")
    options = parser.parse_args(words)
    compileall.compile_dir(PROJECT / "blobtorrent", quiet=1)           # as an installed package is
    note(f"load {os.getloadavg()[0]:.2f}")
    lines, empty_rss_bytes = measure_empty(options.folder)
    for count in STOPPED:
        lines += measure_stopped(options.folder, count, empty_rss_bytes)
        if options.rtorrent:
            lines += measure_rtorrent(options.folder, count)
    lines += measure_seeding(options.folder, SEEDING)
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
