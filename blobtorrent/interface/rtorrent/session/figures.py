"""What the engine is doing now, in the figures of rTorrent: sockets, files, memory, checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.engine import SessionEngine
from blobtorrent.interface.rtorrent.session.making import getter
from blobtorrent.interface.rtorrent.session.variables import category_of
from blobtorrent.runtime.pacing import paced

_BLOCK: Final = 16 * 1024              # what peers are asked for at once (BEP 3)

# Nothing like it is here; of all rTorrent 0.16 says 0 when it is idle.
_NEUTRAL: Final = (
    ("system.sockets.available_alloc", "Descriptors that are left to share out."),
    ("system.sockets.reserved_alloc", "Descriptors beside those."),
    ("system.sockets.generic.min_alloc", "Descriptors for peers that are sure."),
    *((f"system.sockets.{kind}.{word}", f"Descriptors for {kind}.")
      for kind in ("files", "generic", "http", "internal", "rpc") for word in ("max_size", "size")),
)


class FigureCommands:
    def __init__(self, engine: SessionEngine) -> None:
        self._engine = engine

    def commands(self) -> Iterator[Command]:
        real: tuple[tuple[str, Callable[[], int], str], ...] = (
            ("network.open_sockets", self._peers, "Connections to peers."),
            ("network.open_files", lambda: self._figure("blobtorrent_process_open_descriptors"),
             "Files and sockets of the daemon."),
            ("network.http.current_open", lambda: self._figure("blobtorrent_tracker_announces_waiting"),
             "Trackers that were asked and have not answered."),
            ("network.total_handshakes", lambda: self._figure("blobtorrent_handshakes_connections"),
             "Connections that are being made."),
            ("system.files.opened_counter", lambda: self._figure("blobtorrent_files_opened_total"),
             "Files of torrents that were opened."),
            ("system.files.closed_counter", self._files_closed, "Files of torrents that were closed again."),
            ("system.files.failed_counter", lambda: self._figure("blobtorrent_files_failed_total"),
             "Files of torrents that could not be opened."),
            ("pieces.hash.queue_size", lambda: self._figure("blobtorrent_jobs_waiting", "hash"),
             "Jobs that wait to be hashed."),
            ("pieces.memory.current", lambda: self._engine.stats().memory_used_bytes,
             "Memory of pieces on their way between network and disk."),
            ("pieces.memory.sync_queue", lambda: self._figure("blobtorrent_unsaved_bytes"),
             "Bytes that came and are not being made durable yet."),
            ("pieces.memory.block_count", lambda: self._engine.stats().memory_used_bytes // _BLOCK,
             "The same in blocks of 16 KiB."),
            ("pieces.stats_preloaded", lambda: self._figure("blobtorrent_upload_reads_total", "ahead"),
             "Stretches of up to 512 KiB that were read at once when peers asked for the first of them."),
            ("pieces.stats_not_preloaded", lambda: self._figure("blobtorrent_upload_reads_total", "alone"),
             "Requests of peers that were read alone, since they lie across two stretches."),
            ("pieces.stats.total_size", self._total_size, "Bytes of all torrents that may transfer something."),
            ("pieces.sync.queue_size", lambda: self._figure("blobtorrent_jobs_waiting", "disk"),
             "Jobs that wait for disks."),
            ("pieces.sync.safe_free_diskspace", self._space_needed,
             "Space that downloads leave free, and what pieces in memory may take yet."),
            ("throttle.unchoked_downloads", lambda: self._moving("down"), "Torrents that receive payload now."),
            ("throttle.unchoked_uploads", lambda: self._moving("up"), "Torrents that send payload now."),
        )
        for name, answer, doc in real:
            yield getter(name, answer, doc, category=category_of(name))
        for name, doc in _NEUTRAL:
            yield getter(name, lambda: 0, f"{doc} Descriptors are not shared out among kinds.",
                         category=category_of(name), is_neutral=True)

    def _figure(self, name: str, label: str | None = None) -> int:
        figures = self._engine.figures(name)
        return int(sum(figures.values()) if label is None else figures.get(label, 0))

    def _files_closed(self) -> int:
        return self._figure("blobtorrent_files_opened_total") - self._figure("blobtorrent_files_open")

    def _space_needed(self) -> int:
        return self._engine.settings().storage.reserve + self._engine.stats().memory_used_bytes

    def _peers(self) -> int:
        return sum(status.peers_connected for status in paced(self._engine.torrents()))

    def _total_size(self) -> int:
        return sum(status.size_bytes for status in paced(self._engine.torrents())
                   if status.state != "stopped" and not status.held_by)

    def _moving(self, way: str) -> int:
        return sum(bool(getattr(status, f"{way}_bytes_per_s")) for status in paced(self._engine.torrents()))
