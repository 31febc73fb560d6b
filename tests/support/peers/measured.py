"""libtorrent-rasterbar inside the test process: as fast as it is told to be, and it knows what it gave and got.

Needs the module `libtorrent`; ask for it with `require_module` first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.payload import Sample
from tests.support.peers.client import LOOPBACK
from tests.support.peers.program import wait_until

START_TIMEOUT_S = 10.0

QUIET = {
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_incoming_utp": False, "enable_outgoing_utp": False, "out_enc_policy": 2, "in_enc_policy": 2,
    "rate_limit_ip_overhead": False, "min_reconnect_time": 1, "max_failcount": 1000,
}


class MeasuredPeer:
    """One session with one torrent. A context; outside it nothing runs.

    A seed has the content of `sample`; a leech is given a `folder` of its own. `bytes_per_s` limits a torrent's rate in
    the direction that matters.
    """

    def __init__(self, sample: Sample, *, folder: Path | None = None, bytes_per_s: int = 0, port: int = 0) -> None:
        self._sample = sample
        self._folder = folder
        self._bytes_per_s = bytes_per_s
        self._port = port

    def __enter__(self) -> MeasuredPeer:
        import libtorrent as lt

        settings: Any = {**QUIET, "listen_interfaces": f"{LOOPBACK}:{self._port}"}
        self._session = lt.session(settings, flags=0)
        parameters = lt.add_torrent_params()
        parameters.ti = lt.torrent_info(str(self._sample.torrent))
        parameters.save_path = str(self._folder or self._sample.folder)
        parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        if self._folder is None:
            parameters.flags |= lt.torrent_flags.seed_mode
        self._handle = self._session.add_torrent(parameters)
        self.limit(self._bytes_per_s)
        wait_until(self._session.listen_port, START_TIMEOUT_S, "libtorrent to listen")
        return self

    def __exit__(self, *raised: object) -> None:
        self._session.pause()
        del self._handle, self._session            # ends its threads

    def limit(self, bytes_per_s: int) -> None:
        """From now on no faster than this; 0 for no limit."""
        if self._folder is None:
            self._handle.set_upload_limit(bytes_per_s)
        else:
            self._handle.set_download_limit(bytes_per_s)

    @property
    def endpoint(self) -> str:
        return f"{LOOPBACK}:{self._session.listen_port()}"

    @property
    def sent_bytes(self) -> int:
        """Payload that it handed to its sockets."""
        return int(self._handle.status().total_payload_upload)

    @property
    def received_bytes(self) -> int:
        """Payload that came."""
        return int(self._handle.status().total_payload_download)

    @property
    def is_seeding(self) -> bool:
        return bool(self._handle.status().is_seeding)

    @property
    def num_links(self) -> int:
        return int(self._handle.status().num_peers)

    def dial(self, endpoint: str) -> None:
        host, _, port = endpoint.rpartition(":")
        self._handle.connect_peer((host, int(port)))
