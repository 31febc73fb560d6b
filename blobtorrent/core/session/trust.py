"""Which pieces are hashed before a torrent runs again: those whose bytes may not be what its record says. Pure.

After a clean stop these are the pieces of files that somebody else changed. After a kill the log of written pieces
survived in memory, so nothing more. After a power cut pieces may lie on disk that no row claims, the last ones that a
row claims may have been torn, and a random sample of all others tells whether the disk kept its word.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Collection, Iterable
from typing import NamedTuple, Protocol

from blobtorrent.core.session.record import TorrentRecord
from blobtorrent.model.metainfo import Metainfo

SAMPLE_SHARE = 100                     # one piece in so many


class Sampler(Protocol):
    """random.Random, or what a test wants it to be."""

    def sample(self, population: list[int], k: int) -> list[int]: ...


class Evidence(NamedTuple):
    """What was found. `changed` and `missing` are files that do not look as they were left.

    `is_crash` is False after a clean stop; then `log_survived` says whether the log of written pieces was still there.
    """

    is_crash: bool = False
    log_survived: bool = False
    changed: Collection[int] = ()
    missing: Collection[int] = ()


def doubtful_pieces(record: TorrentRecord, metainfo: Metainfo, evidence: Evidence, rng: Sampler) -> int:
    """The mask of pieces to hash. `record.durable` is what the row claims, `record.have` also what the log added."""
    everything = (1 << record.facts.num_pieces) - 1
    if not record.is_checked:
        return everything
    explained = _unfinished_files(record.durable, metainfo) if evidence.is_crash else frozenset[int]()
    strange = [number for number in evidence.changed if number not in explained]
    doubtful = mask_of_files(metainfo, [*strange, *evidence.missing])
    if evidence.is_crash and not evidence.log_survived:
        # Hashing what nobody claims is cheap: almost all of it is holes, which are not read.
        doubtful |= everything & ~record.have.mask | record.recent | _sample(record, rng)
    return doubtful


def mask_of_files(metainfo: Metainfo, numbers: Iterable[int]) -> int:
    """All pieces that hold a byte of one of these files."""
    mask = 0
    for number in numbers:
        entry = metainfo.files[number]
        if entry.length:
            pieces = metainfo.geometry.pieces_of_span(entry.offset, entry.length)
            mask |= (1 << pieces.stop) - (1 << pieces.start)
    return mask


def files_of_mask(metainfo: Metainfo, mask: int) -> frozenset[int]:
    """All files that hold a byte of one of these pieces."""
    return frozenset(
        number for number, entry in enumerate(metainfo.files)
        if entry.length and not entry.is_pad and mask_of_files(metainfo, (number,)) & mask
    )


def _unfinished_files(durable: int, metainfo: Metainfo) -> frozenset[int]:
    """Files that were still being written: their times differ from the last stamp without anybody's fault."""
    return files_of_mask(metainfo, ((1 << metainfo.geometry.num_pieces) - 1) & ~durable)


def _sample(record: TorrentRecord, rng: Sampler) -> int:
    owned = list(record.have)
    return sum(1 << index for index in rng.sample(owned, -(-len(owned) // SAMPLE_SHARE)))
