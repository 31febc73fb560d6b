"""Seeded content and torrents of it, for tests and benchmarks that need real files on disk.

The torrents are written here with `bencode.py` and `hashlib` alone: what the project's own author or parser gets wrong
must not agree with itself. A `Sample` knows what a finished download looks like, down to the SHA-256 of each file.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bencodepy

KIB = 1 << 10
MIB = 1 << 20


@dataclass(frozen=True)
class SampleFile:
    """One file of a sample; `path` is below the download folder, in bytes as on disk."""

    path: bytes
    length: int
    pad: bool = False


@dataclass(frozen=True)
class Sample:
    """A torrent and the folder that holds its content complete, as a seed would have it."""

    name: bytes
    folder: Path                       # what a seed is given as its download folder
    torrent: Path
    info_hash: bytes                   # 20 bytes, v1
    size_bytes: int                    # pad files included
    piece_length: int
    files: tuple[SampleFile, ...]
    digests: dict[bytes, str] = field(repr=False)    # path -> SHA-256 of its content, without the pad files

    @property
    def num_pieces(self) -> int:
        return -(-self.size_bytes // self.piece_length)

    def differences(self, folder: Path) -> list[str]:
        """What is missing or differs in `folder`, a line for each file; an empty list means an exact copy."""
        found = []
        for path, digest in self.digests.items():
            copy = os.path.join(os.fsencode(folder), path)
            if not os.path.isfile(copy):
                found.append(f"{path!r} is missing")
            elif file_sha256(copy) != digest:
                found.append(f"{path!r} differs")
        return found


def file_sha256(path: bytes | str | Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(MIB):
            digest.update(chunk)
    return digest.hexdigest()


def make_sample(
    work: Path,
    name: bytes | str,
    files: Sequence[tuple[bytes | str, int]] | int,
    piece_length: int = 256 * KIB,
    *,
    trackers: Sequence[str] = (),
    pad: bool = False,
    private: bool = False,
    seed: int = 1,
) -> Sample:
    """Write content of pseudo-random bytes below `work/content` and its torrent beside it.

    `files` is a length for a single-file torrent, else (path below the torrent's folder, length) pairs. With `pad` the
    next piece starts at each file: pad files (BEP 47) fill the gaps, in the torrent only. The same arguments give the
    same bytes.
    """
    raw_name = os.fsencode(name)
    folder = work / "content"
    folder.mkdir(parents=True, exist_ok=True)
    listed = [SampleFile(raw_name, files)] if isinstance(files, int) else \
        list(_with_padding([(os.fsencode(path), length) for path, length in files], raw_name, piece_length, pad))
    pieces = _PieceHasher(piece_length)
    digests = {}
    content = _Content(seed)
    for entry in listed:
        if entry.pad:
            pieces.update(bytes(entry.length))
        else:
            where = os.path.join(os.fsencode(folder), entry.path)
            digests[entry.path] = _write_file(where, entry.length, content, pieces)
    info: dict[str, Any] = {"name": raw_name, "piece length": piece_length, "pieces": pieces.finish()}
    if isinstance(files, int):
        info["length"] = files
    else:
        info["files"] = [_file_entry(entry) for entry in listed]
    if private:
        info["private"] = 1
    metafile: dict[str, Any] = {"info": info}
    if trackers:
        metafile["announce"] = trackers[0]
        metafile["announce-list"] = [[tracker] for tracker in trackers]
    torrent = work / f"{hashlib.sha1(raw_name).hexdigest()[:12]}-{seed}.torrent"
    torrent.write_bytes(bencodepy.encode(metafile))
    return Sample(
        name=raw_name, folder=folder, torrent=torrent, info_hash=hashlib.sha1(bencodepy.encode(info)).digest(),
        size_bytes=sum(entry.length for entry in listed), piece_length=piece_length, files=tuple(listed),
        digests=digests)


def with_tracker(torrent: Path, url: str, folder: Path) -> Path:
    """A copy of a torrent that names this tracker and no other; its info-hash stays."""
    metafile = bencodepy.decode(torrent.read_bytes())
    metafile.pop(b"announce-list", None)
    copy = folder / "with-tracker.torrent"
    copy.write_bytes(bencodepy.encode({**metafile, b"announce": url}))
    return copy


def with_web_seeds(torrent: Path, folder: Path, *urls: str) -> Path:
    """A copy of a torrent that names these web seeds (BEP 19) and no others; its info-hash stays."""
    metafile = bencodepy.decode(torrent.read_bytes())
    copy = folder / "with-web-seeds.torrent"
    copy.write_bytes(bencodepy.encode({**metafile, b"url-list": list(urls)}))
    return copy


def many_small_files(count: int, mean_bytes: int, seed: int = 1) -> list[tuple[str, int]]:
    """`count` paths in folders of 100, with lengths from 0 to twice the mean: files share pieces and span them."""
    generator = random.Random(seed)
    return [(f"part-{number // 100:03}/file-{number:05}.bin", generator.randrange(2 * mean_bytes + 1))
            for number in range(count)]


def _with_padding(files: list[tuple[bytes, int]], name: bytes, piece_length: int, pad: bool) -> Iterator[SampleFile]:
    offset = 0
    for number, (path, length) in enumerate(files):
        yield SampleFile(os.path.join(name, path), length)
        offset += length
        gap = -offset % piece_length
        if pad and gap and number < len(files) - 1:
            yield SampleFile(os.path.join(name, b".pad", b"%d" % gap), gap, pad=True)
            offset += gap


def _write_file(path: bytes, length: int, content: _Content, pieces: _PieceHasher) -> str:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for start in range(0, length, MIB):
            chunk = content.take(min(MIB, length - start))
            file.write(chunk)
            digest.update(chunk)
            pieces.update(chunk)
    return digest.hexdigest()


def _file_entry(entry: SampleFile) -> dict[str, Any]:
    described: dict[str, Any] = {"length": entry.length, "path": entry.path.split(b"/")[1:]}
    if entry.pad:
        described["attr"] = "p"
    return described


class _Content:
    """Bytes without an end: one random MiB, turned by a random distance for each chunk. No two blocks are alike, and
    a GiB costs a memory copy."""

    def __init__(self, seed: int) -> None:
        self._generator = random.Random(seed)
        self._circle = self._generator.randbytes(MIB) * 2

    def take(self, length: int) -> bytes:
        start = self._generator.randrange(MIB)
        return self._circle[start:start + length]


class _PieceHasher:
    """SHA-1 of consecutive pieces of a stream (BEP 3 `pieces`)."""

    def __init__(self, piece_length: int) -> None:
        self._piece_length = piece_length
        self._hashes: list[bytes] = []
        self._current = hashlib.sha1()
        self._room = piece_length

    def update(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            part = view[: self._room]
            self._current.update(part)
            self._room -= len(part)
            view = view[len(part):]
            if self._room == 0:
                self._close_piece()

    def finish(self) -> bytes:
        if self._room < self._piece_length:
            self._close_piece()
        return b"".join(self._hashes)

    def _close_piece(self) -> None:
        self._hashes.append(self._current.digest())
        self._current = hashlib.sha1()
        self._room = self._piece_length
