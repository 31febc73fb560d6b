"""The error taxonomy: who is at fault decides the class, a stable code says what happened.

Codes look like `storage.disk-full`; logs, exit messages, REST problems, faults and man pages use them, so
a code is never renamed. The text is for people and may change. Foreign text in it is escaped by whoever prints it.
"""

from __future__ import annotations

from typing import TypeVar

E = TypeVar("E", bound=BaseException)


class BlobTorrentError(Exception):
    """Base of every expected failure: `code` is stable, `detail` is for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class ConfigError(BlobTorrentError):
    """The operator's settings cannot be used: refuse to start (exit 78) or to reload."""


class CommandError(BlobTorrentError):
    """The caller asked for something that cannot be done; nothing changed."""


class NotFound(CommandError):
    """What the command names does not exist."""


class Conflict(CommandError):
    """The command contradicts what is there."""


class Invalid(CommandError):
    """An argument of the command is malformed."""


class Unavailable(CommandError):
    """The owner could not answer in time."""


class RemoteError(BlobTorrentError):
    """Another program broke the rules."""


class PeerError(RemoteError):
    """A peer did: close its link, remember it."""


class TrackerError(RemoteError):
    """A tracker refused us or answered nonsense: back off."""


class WebSeedError(RemoteError):
    """A web seed refused us or has other files: back off, or leave it."""


class DhtError(RemoteError):
    """A DHT node did: drop the datagram."""


class FormatError(BlobTorrentError):
    """Bytes that are not what they claim to be: reject the input."""


class BencodeError(FormatError):
    """Not (acceptable) bencoding."""


class MetainfoError(FormatError):
    """Not a usable torrent."""


class MagnetError(FormatError):
    """Not a usable magnet link."""


class NetworkError(BlobTorrentError):
    """The path to somebody failed: next address, later again."""


class DialFailed(NetworkError):
    """A connection could not be made."""


class TimedOut(NetworkError):
    """Nothing came in time."""


class ProxyFailed(NetworkError):
    """The proxy refused or broke."""


class StorageError(BlobTorrentError):
    """The disk failed us: the torrent goes to error with advice, or is rechecked."""


class DiskFull(StorageError):
    """No space left, or a quota is used up."""


class FileMissing(StorageError):
    """A file that should be there is gone."""


class Denied(StorageError):
    """The file system does not let us."""


class ResumeCorrupt(StorageError):
    """Saved state is damaged or was tampered with."""


class BugError(BlobTorrentError):
    """Our own mistake: traceback, then reset what it touched."""


class IllegalTransition(BugError):
    """A machine was told an event that its state does not know."""


class WrongThread(BugError):
    """An object was used by a thread that does not own it."""


def bare(error: E) -> E:
    """The same error without the frames that it came through, and without what it came of. For one that is kept, or
    given to somebody: frames keep alive all that lay in them, and as they know the keeper, too, only a collection ends
    that. `from None` hides what an error came of, and keeps it.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error
