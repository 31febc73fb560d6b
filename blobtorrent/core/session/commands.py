"""What the session can be asked for, and the Reply that the answer comes in."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from blobtorrent.config.values import ListenSpec
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BlobTorrentError, Unavailable
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.runtime.mailbox import Mailbox

T = TypeVar("T")


class SeedGoal(NamedTuple):
    """When a complete torrent is stopped: as soon as one of the limits that are set is reached. None set: never.

    `ratio` is uploaded bytes over payload bytes, `time_s` counts from the moment the torrent was complete.
    """

    ratio: float | None = None
    time_s: float | None = None

    @property
    def is_met_at_once(self) -> bool:
        """A complete torrent need not even look for peers."""
        return self.time_s == 0 or self.ratio == 0


class OpenListeners(NamedTuple):
    """Answered by the tuple of addresses (host, port) that are open; NetworkError when none could be opened."""

    addresses: tuple[ListenSpec, ...]


class AddTorrent(NamedTuple):
    """Prepare, check what lies on disk, then download and seed. Answered by the InfoHash; Conflict when it is there.

    `download_dir` is the folder that gets the torrent's file or folder; `peers` are tried for ever.
    """

    metainfo: Metainfo
    download_dir: Path
    peers: tuple[Endpoint, ...] = ()
    goal: SeedGoal = SeedGoal()


class AddPeers(NamedTuple):
    """Answered by None; NotFound for an unknown torrent."""

    info_hash: InfoHash
    peers: tuple[Endpoint, ...]


class StartTorrent(NamedTuple):
    """Start a stopped torrent. Answered by None; NotFound, or Conflict when it is not stopped."""

    info_hash: InfoHash


class StopTorrent(NamedTuple):
    """Close the swarm and the files, keep the torrent. Answered by None; NotFound, or Conflict when it is stopped."""

    info_hash: InfoHash


class RemoveTorrent(NamedTuple):
    """Stop and forget a torrent; its files stay. Answered by None; NotFound, or Conflict when it is being removed."""

    info_hash: InfoHash


class StopSession:
    """Stop everything. Answered by None when all is closed and the trackers were told, or the drain time is over."""


Command = OpenListeners | AddTorrent | AddPeers | StartTorrent | StopTorrent | RemoveTorrent | StopSession


class Reply(Generic[T]):
    """The answer to one command, given once by the session and awaited once by the asker."""

    def __init__(self) -> None:
        self._box: Mailbox[T | BlobTorrentError] = Mailbox("reply")

    def give(self, answer: T | BlobTorrentError) -> None:
        self._box.post(answer)

    def wait(self, timeout_s: float) -> T:
        """The answer. Raises the error that it is, or Unavailable ("command.no-answer") after `timeout_s` seconds."""
        try:
            answer = self._box.get(timeout_s)
        except queue.Empty:
            raise Unavailable("command.no-answer", f"no answer within {timeout_s:g} s") from None
        if isinstance(answer, BlobTorrentError):
            raise answer
        return answer


class Ask(NamedTuple):
    """A command on its way to the session."""

    command: Command
    reply: Reply[Any]
