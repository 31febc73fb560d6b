"""How fast what lies on disk is checked: CheckPieces against bare hashlib on as many threads, over the same pages.

    PYTHONPATH=. python tests/bench/recheck.py [--size 4GiB-in-bytes] [--piece BYTES] [--runs 5]

Both sides work on one file in the page cache: bare hashlib on a map of it that was faulted in before the clock starts.
Runs alternate; the table shows medians. A ratio of 1 would mean that reading and bookkeeping cost nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import mmap
import os
import resource
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from blobtorrent.core.session.checks import JOB_BYTES
from blobtorrent.model.geometry import PieceGeometry
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import FileEntry, Metainfo
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.arena import Arena
from blobtorrent.storage.disk import DiskPool
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.hasher import HasherPool
from blobtorrent.storage.jobs import CheckPieces
from blobtorrent.storage.store import Store

MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=4 << 30, help="bytes of the file")
    parser.add_argument("--piece", type=int, default=MIB, help="bytes of a piece")
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dir", default=None, help="where the file is made (default: the temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        metainfo = make_torrent(Path(folder), options.size, options.piece)
        os.sync()                      # the kernel looks for holes in what is not on disk yet page by page
        bare, ours = [], []
        for run in range(options.runs):
            steps = [(bare, bare_hashlib), (ours, check)]
            for results, measure in steps if run % 2 else reversed(steps):
                results.append(measure(Path(folder), metainfo, options.threads))
    print(f"{options.size / MIB:.0f} MiB, pieces of {options.piece} bytes, {options.threads} threads, "
          f"medians of {options.runs}")
    print(f"{'':14}{'MB/s':>8}{'CPU s/GiB':>12}")
    for name, results in (("bare hashlib", bare), ("CheckPieces", ours)):
        rate, cpu = (statistics.median(column) for column in zip(*results, strict=True))
        print(f"{name:14}{rate:8.0f}{cpu:12.3f}")
    ratios = [mine[0] / theirs[0] for mine, theirs in zip(ours, bare, strict=True)]
    print(f"ratio of MB/s  {statistics.median(ratios):.3f}   (runs: {', '.join(f'{ratio:.2f}' for ratio in ratios)})")


def make_torrent(folder: Path, size: int, piece_length: int) -> Metainfo:
    """A file of random bytes, read once so that it is in the page cache, and its torrent."""
    hashes = []
    chunk = os.urandom(max(piece_length, MIB) + 4096)
    with open(folder / "file", "wb") as file:
        for offset in range(0, size, piece_length):
            start = (offset // piece_length * 16) % 4096
            data = memoryview(chunk)[start : start + min(piece_length, size - offset)]
            hashes.append(hashlib.sha1(data).digest())
            file.write(data)
    return Metainfo(
        info_hash=InfoHash(v1=bytes(20)),
        name="file",
        geometry=PieceGeometry(size, piece_length),
        files=(FileEntry(("file",), size, 0),),
        piece_hashes_v1=b"".join(hashes),
        raw_info=b"",
    )


def bare_hashlib(folder: Path, metainfo: Metainfo, threads: int) -> tuple[float, float]:
    """MB/s and CPU s/GiB of threads that do nothing but hash and compare."""
    size, piece_length = metainfo.geometry.size, metainfo.geometry.piece_length
    with open(folder / "file", "rb") as file:
        pages = mmap.mmap(file.fileno(), size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=mmap.PROT_READ)
    view = memoryview(pages)
    jobs = [range(at, min(at + JOB_BYTES, size), piece_length) for at in range(0, size, JOB_BYTES)]

    def work() -> None:
        while jobs:
            try:
                job = jobs.pop()
            except IndexError:
                return
            for at in job:
                index = at // piece_length
                digest = hashlib.sha1(view[at : at + piece_length]).digest()
                assert digest == metainfo.piece_hashes_v1[index * 20 : index * 20 + 20]

    workers = [threading.Thread(target=work) for _ in range(threads)]
    started, cpu = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    figures = rates(size, time.perf_counter() - started, time.process_time() - cpu)
    view.release()
    pages.close()
    return figures


def check(folder: Path, metainfo: Metainfo, threads: int) -> tuple[float, float]:
    """MB/s and CPU s/GiB of the hasher pool and its processes, starting and ending them included."""
    arena = Arena(MIB)
    hashers = HasherPool(arena, DiskPool(arena), threads)
    store = Store(folder, metainfo, FilePool(16))
    answers: Mailbox[Any] = Mailbox("bench")
    hashers.start()
    per_job = max(1, JOB_BYTES // metainfo.geometry.piece_length)
    count = metainfo.geometry.num_pieces
    started, cpu = time.perf_counter(), cpu_s()
    jobs = [range(first, min(first + per_job, count)) for first in range(0, count, per_job)]
    for job in jobs:
        hashers.post(CheckPieces(metainfo.info_hash, store, job, answers))
    good = sum(len(answers.get().good) for _ in jobs)
    wall_s = time.perf_counter() - started
    assert good == count
    assert hashers.stop(10.0)
    store.close()
    return rates(metainfo.geometry.size, wall_s, cpu_s() - cpu)


def cpu_s() -> float:
    """CPU time of this process and of the children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def rates(size: int, wall_s: float, cpu_s: float) -> tuple[float, float]:
    return size / wall_s / 1e6, cpu_s * (1 << 30) / size


if __name__ == "__main__":
    main()
