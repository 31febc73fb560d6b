"""Fetching: .torrent files behind URLs, on threads of their own, so that commands need not wait for the network."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Callable
from typing import NamedTuple

from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.network.binding import Binding
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.worker import Pool

log = get_logger(__name__)

THREADS = 2
MAX_WAITING = 1000


class _Job(NamedTuple):
    url: str
    from_loopback: bool
    then: Callable[[bytes], None]


class Fetcher:
    """`post(work)` has work done by whoever may run commands. `binding()` says how the network is reached.

    The threads begin with the first URL. `fetch` and `stop` belong to one thread at a time.
    """

    def __init__(self, post: Callable[[Callable[[], object]], None], binding: Callable[[], Binding]) -> None:
        self._post = post
        self._binding = binding
        self._pool: Pool[_Job] | None = None

    def fetch(self, url: str, from_loopback: bool, then: Callable[[bytes], None]) -> None:
        """Have `then(bytes)` done when they are there; the URL may lead to this machine itself `from_loopback`.
        What goes wrong is logged."""
        if self._pool is None:
            self._pool = Pool("rtorrent-fetch", THREADS, self._get)
            self._pool.start()
        if self._pool.mailbox.depth >= MAX_WAITING:
            log.warning("too many URLs wait to be fetched", url=url)
        else:
            self._pool.post(_Job(url, from_loopback, then))

    def stop(self, timeout_s: float) -> bool:
        """True when nothing is under way any more within `timeout_s` seconds."""
        return self._pool is None or self._pool.stop(timeout_s)

    def _get(self, job: _Job) -> None:
        from blobtorrent.core.session.sources import read_source

        try:
            raw = read_source(job.url, binding=self._binding(), from_loopback=job.from_loopback)
        except BlobTorrentError as error:
            log.warning("nothing was loaded", url=job.url, code=error.code, detail=error.detail)
            return
        self._post(lambda: job.then(raw))
