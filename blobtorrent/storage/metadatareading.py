"""From an info dictionary that peers gave to a torrent: seconds of work when it is long, so hash threads do it where
no library thread is."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import Any, NamedTuple

from blobtorrent.model.errors import BlobTorrentError, StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.metafile import encode_torrent, parse_torrent
from blobtorrent.runtime.mailbox import Mailbox

_BUG = StorageError("storage.bug", "the hashing thread failed; the log has the traceback")


class MetadataRead(NamedTuple):
    """`metainfo`, or `error` (FormatError) that says why it is no torrent."""

    info_hash: InfoHash
    metainfo: Metainfo | None
    error: BlobTorrentError | None


class ReadMetadata(NamedTuple):
    """Answered by one MetadataRead."""

    info_hash: InfoHash
    info: bytes
    tiers: tuple[tuple[str, ...], ...]
    web_seeds: tuple[str, ...]
    reply_to: Mailbox[Any]

    def run(self) -> None:
        answer = MetadataRead(self.info_hash, None, _BUG)
        try:
            answer = self._answer()
        finally:                       # what it raises is logged by the worker
            self.reply_to.post(answer)

    def _answer(self) -> MetadataRead:
        try:
            return MetadataRead(
                self.info_hash, read_metadata(self.info, tiers=self.tiers, web_seeds=self.web_seeds)[1], None)
        except BlobTorrentError as error:
            return MetadataRead(self.info_hash, None, error)


def read_metadata(info: bytes, *, tiers: tuple[tuple[str, ...], ...],
                  web_seeds: tuple[str, ...]) -> tuple[bytes, Metainfo]:
    """The .torrent file, and what it says. Raises FormatError."""
    raw = encode_torrent(info, tiers=tiers, web_seeds=web_seeds)
    return raw, parse_torrent(raw)
