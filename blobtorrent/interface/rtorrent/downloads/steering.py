"""Steering: starting, stopping, opening, closing, checking and erasing downloads, as rTorrent understands the words."""

from __future__ import annotations

import os
from pathlib import Path

from blobtorrent.core.session.commands import (
    MoveTorrent,
    PauseTorrent,
    RecheckTorrent,
    RemoveTorrent,
    StartTorrent,
    StopTorrent,
)
from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.downloads.download import CLOSED, Download, Phase
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.following import Follower
from blobtorrent.interface.rtorrent.faults import Fault, failed
from blobtorrent.interface.rtorrent.reach import require_folder
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.runtime.logs import get_logger

log = get_logger(__name__)

SHUT = Phase()
TOO_LARGE = "File exceedes the configured max file size."              # sic
MAX_FILE_SIZE = "max_file_size"        # the text that a download is kept with


class Steering:
    """Owned by the interpreter's thread. Everything raises Fault when the engine refuses."""

    def __init__(self, downloads: Downloads, follower: Follower) -> None:
        self._downloads = downloads
        self._follower = follower

    def start(self, download: Download) -> None:
        """Put it into the view `started`: one that is there already stays as it is, even paused or closed."""
        if download.is_started and not download.has_failed:
            return
        self._run(download)

    def _run(self, download: Download) -> None:
        if has_too_large(self._downloads, download):
            download.message = TOO_LARGE   # nobody is told of it otherwise, as in rTorrent
            return
        download.is_failed = download.is_closing = download.is_resumed = False
        download.message = ""
        self._clear_closed(download)
        self._downloads.apply_priorities(download)         # what was said of files before counts now
        try:
            self._downloads.engine.ask(StartTorrent(download.info_hash))
        except BlobTorrentError as error:
            if error.code == "torrent.goal-met":           # there is nobody to read a fault
                download.message = error.detail
            elif error.code != "torrent.not-stopped":
                raise failed(error.detail) from None
        self._downloads.refresh()
        self._follower.poll()

    def stop(self, download: Download) -> None:
        """Put it into the view `stopped`. Its files stay open, as rTorrent sees it."""
        self._clear_closed(download)
        if download.status.is_started:
            self._downloads.try_to(StopTorrent(download.info_hash), "torrent.not-running")
        self._follower.catch_up(download)

    def close(self, download: Download) -> None:
        """Close its files; whether it is to be started is another matter."""
        if download.is_started:
            self._downloads.set_texts(download, {CLOSED: "1"})
        download.is_open = download.is_checked = download.is_rechecking = False
        if download.status.state not in ("stopped", "queued", "moving"):
            download.is_closing = True
        if download.status.is_started or download.status.state == "checking":
            self._downloads.try_to(StopTorrent(download.info_hash), "torrent.not-running")
        self._follower.catch_up(download)

    def open(self, download: Download) -> None:
        if has_too_large(self._downloads, download):
            raise failed(TOO_LARGE)
        download.is_open = download.was_opened = True
        download.is_closing = False
        self._follower.catch_up(download)

    def pause(self, download: Download) -> None:
        if download.is_active:
            self._downloads.try_to(PauseTorrent(download.info_hash), "torrent.not-running", "torrent.paused")
            self._follower.catch_up(download)

    def resume(self, download: Download) -> None:
        """Go on after a pause or a close. One that is stopped is opened and looked at first, and runs the next time."""
        if download.is_active:
            return
        if download.is_started:
            self._run(download)
        elif download.is_open and download.is_checked:
            self._run(download)
            download.is_resumed = download.status.is_started
        elif download.was_opened or download.status.lacks_metadata:
            self.open(download)
            download.is_checked = True
        else:
            self.open(download)
            self._downloads.ask(RecheckTorrent(download.info_hash, if_unknown=True))
            self._follower.poll()

    def check(self, download: Download) -> None:
        """Hash all that lies on disk. What is to be started is so afterwards."""
        if download.status.lacks_metadata:
            return
        was_closed = download.has(CLOSED)
        self._follower.step(download, SHUT)
        download.is_rechecking, download.is_checked, download.is_closing = True, False, False
        self._downloads.ask(RecheckTorrent(download.info_hash))
        download.is_open = download.was_opened = True
        if was_closed:
            self._run(download)
        self._follower.poll()

    def erase(self, download: Download) -> None:
        """Forget it. Its data stays where it is."""
        self._follower.step(download, SHUT)
        self._follower.tell(download, "erased")
        self._downloads.try_to(RemoveTorrent(download.info_hash), "torrent.removing", "torrent.unknown")
        self._downloads.forget(download)

    def try_start(self, download: Download) -> None:
        if not is_left_alone(download) and not download.has_failed:
            self.start(download)

    def try_stop(self, download: Download) -> None:
        if not is_left_alone(download):
            self.stop(download)

    def try_close(self, download: Download) -> None:
        if not is_left_alone(download):
            self.stop(download)
            self.close(download)

    def _clear_closed(self, download: Download) -> None:
        if download.has(CLOSED):
            self._downloads.set_texts(download, {CLOSED: None})

    # ---- folders

    def set_directory(self, context: Context, download: Download, path: str) -> None:
        """Its file or folder is in this folder: somebody has moved it there, or it is yet to be made."""
        folder = folder_of(path)
        require_folder(context, str(folder), download.root)
        name = None if download.status.lacks_metadata else download.status.name
        self._place(download, folder, name if download.own_name != name else None)

    def set_directory_base(self, context: Context, download: Download, path: str) -> None:
        """The same, but a folder of its own is this one, whatever it is called."""
        folder = folder_of(path)
        require_folder(context, str(folder), download.root)
        if not self._downloads.shape(download).is_multi_file:
            self._place(download, folder, None)
            return
        if not folder.name:
            raise failed("A folder of a download cannot be the root of all.")
        self._place(download, folder.parent, folder.name)

    def _place(self, download: Download, folder: Path, name: str | None) -> None:
        if str(folder) == download.root and name in (None, download.own_name):
            return
        if download.is_open:
            self.close(download)
        self._downloads.ask(MoveTorrent(download.info_hash, folder, move_files=False, name=name))

    # ---- the .torrent file that it came from

    def delete_tied(self, download: Download) -> None:
        """Delete that file, and be tied to none. What cannot be deleted is left, and so is a file that is not its
        .torrent: anybody may say what it is tied to."""
        from blobtorrent.core.session.sources import read_file
        from blobtorrent.protocol.metafile import parse_torrent

        path = download.text("tied_to_file")
        if not path:
            return
        try:
            file = os.path.expanduser(path)
            if os.path.isfile(file):
                if parse_torrent(read_file(file)).info_hash != download.info_hash:
                    raise ValueError("it is another torrent")
                os.unlink(file)
        except (OSError, ValueError, BlobTorrentError) as error:
            log.warning("a tied file was not deleted", path=path, reason=str(error))
        if not download.is_gone:
            self._downloads.set_texts(download, {"tied_to_file": None})


def has_too_large(downloads: Downloads, download: Download) -> bool:
    """Whether one of its files is larger than they may be."""
    if not download.has(MAX_FILE_SIZE) or download.status.lacks_metadata:
        return False
    limit = download.number(MAX_FILE_SIZE)
    return any(entry.length > limit for entry in downloads.metainfo(download).files)


def is_left_alone(download: Download) -> bool:
    """Its owner says that what is done to many is not done to it."""
    return bool(download.number("ignore_commands"))


def folder_of(path: str) -> Path:
    """An absolute folder. Raises Fault."""
    if not path or "\0" in path:
        raise Fault(-503, "Tried to set an empty root directory.")
    return Path(os.path.abspath(os.path.expanduser(path)))
