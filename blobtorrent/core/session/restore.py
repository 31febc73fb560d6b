"""From rows to torrents, at the start: what is believed of them after a clean stop, a kill, or damage. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from blobtorrent.core.session import rows
from blobtorrent.core.session.past import Past
from blobtorrent.core.session.record import Place, TorrentRecord, Wishes, facts_of
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import ResumeCorrupt
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.storage.live.recovery import Recovered
from blobtorrent.storage.state.statethread import PROGRESS, SESSION, TORRENT, LoadedRows

KINDS = (SESSION, TORRENT, PROGRESS)   # of rows that are read at the start


def past_of(loaded: LoadedRows, alive_at: float, now: float) -> Past:
    """What is known of the earlier runs. `alive_at` is when a killed process was alive last, as its memory says; the
    row may know better. `now` is the time, of both clocks: seconds since 1970.
    """
    past = next((rows.read_past(row.body) for row in loaded.rows if row.kind == SESSION), Past())
    is_known = 0.0 < past.alive_at <= now                  # or the clock was set meanwhile
    if past.alive_at < alive_at <= now:
        return past.until(alive_at) if is_known else past._replace(alive_at=alive_at)
    return past if is_known else past._replace(alive_at=0.0)


def restore(
    loaded: LoadedRows, recovered: Mapping[bytes, Recovered], *, is_crash: bool, alive_at: float = 0.0
) -> Iterator[Torrent | Damage]:
    """All torrents that have a row, one by one, and the damage of rows that make no sense.

    `recovered` is what a killed process left in memory, and `alive_at` when it was alive last, in seconds since 1970.
    `is_crash` says that the last one did not end cleanly.
    """
    progress = {row.key: row.body for row in loaded.rows if row.kind == PROGRESS}
    for row in loaded.rows:
        if row.kind != TORRENT:
            continue
        try:
            record = rows.read_record(row.body, progress.get(row.key))
        except ResumeCorrupt as error:
            yield Damage("row", f"torrent {row.key.hex()}", error.detail, "made anew from its .torrent file")
            continue
        if {(TORRENT, row.key), (PROGRESS, row.key)} & loaded.stale:
            record.is_checked = False              # it is the row of an hour ago
        record.is_suspect |= is_crash and record.should_run
        _count_time(record, alive_at)
        yield _with_recovered(record, recovered.get(row.key))


def rebuild(metainfo: Metainfo, download_dir: Path, added_at: float) -> Torrent:
    """A torrent whose rows are lost: stopped, so that its owner can say where it lies, and to be checked."""
    record = TorrentRecord(
        facts_of(metainfo, added_at), Wishes(), Place(download_dir, download_dir), should_run=False)
    record.error = (
        "state.row-lost", "what was known of this torrent was damaged: look at its folder, then start or move it")
    return Torrent(record)


def _count_time(record: TorrentRecord, alive_at: float) -> None:
    """It ran until the process ended: add the seconds that its row does not know of."""
    running, record.running = record.running, None
    if running is not None and alive_at > running.at:
        seconds, lifetime = alive_at - running.at, record.lifetime
        record.lifetime = lifetime._replace(
            active_s=lifetime.active_s + seconds,
            seeding_s=lifetime.seeding_s + seconds * running.is_seeding,
        )


def _with_recovered(record: TorrentRecord, found: Recovered | None) -> Torrent:
    """Add what was written after the last row, and the exact figures."""
    if found is not None:
        record.is_suspect = True
        record.owes_finish |= bool(found.written) and not record.finished_at       # perhaps no row came to say so
        before = len(record.have)
        record.have = Bitfield.from_mask(record.have.size, record.have.mask | _mask_of(found.written, record.have.size))
        news = (len(record.have) - before) * record.facts.piece_length
        record.done_bytes = min(record.facts.size_bytes, record.done_bytes + news)     # exact when it is loaded
        if found.tally is not None:
            totals = found.tally
            record.lifetime = record.lifetime._replace(
                downloaded_bytes=max(totals.downloaded, record.lifetime.downloaded_bytes),
                uploaded_bytes=max(totals.uploaded, record.lifetime.uploaded_bytes),
                wasted_bytes=max(totals.wasted, record.lifetime.wasted_bytes),
            )
    torrent = Torrent(record)
    torrent.recovered = found
    return torrent


def _mask_of(runs: Iterable[range], size: int) -> int:
    mask = 0
    for run in runs:
        mask |= (1 << run.stop) - (1 << run.start)
    return mask & ((1 << size) - 1)
