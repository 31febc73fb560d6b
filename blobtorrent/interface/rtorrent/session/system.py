"""`system.*` and `session.*`: who we are, where, since when, and how to end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.reach import require_folder
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.engine import SessionEngine
from blobtorrent.interface.rtorrent.session.making import Answer, command, getter
from blobtorrent.interface.rtorrent.session.variables import kept
from blobtorrent.interface.rtorrent.session.workingfolder import WorkingFolder
from blobtorrent.interface.rtorrent.values import Value, one_number, one_text, parse_number, single

SYSTEM: Final = "system"
SESSION: Final = "session"
OCTAL: Final = 8
MAX_UMASK: Final = 0o777
MICROSECONDS: Final = 1_000_000


class Claims(NamedTuple):
    """The versions that we pretend to be: clients choose their words by them."""

    client_version: str = "0.9.8"
    library_version: str = "0.13.8"
    api_version: str = "10"


USUAL_CLAIMS: Final = Claims()


class System:
    """`folder` is where clients find HASH.torrent, unless a configuration says otherwise; `wall` tells the time, in
    seconds since 1970.
    """

    def __init__(
        self, engine: SessionEngine, claims: Claims, *, folder: str, working: WorkingFolder, wall: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._claims = claims
        self._working = working
        self._wall = wall
        self._folder = self._usual_folder = folder
        self._is_enabled = False       # the session folder is in use
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._is_daemon = 0

    @property
    def session_folder(self) -> str:
        """The session folder, with a slash at its end; empty: there is none."""
        return f"{self._folder.rstrip('/')}/" if self._folder else ""

    def configure(self) -> None:
        """A configuration is run from here on: for it there is no session folder but the one that it sets."""
        self._usual_folder, self._folder = self._folder, ""

    def enable(self) -> None:
        """It was run: the session folder, if there is one, stays what it is."""
        self._folder = self._folder or self._usual_folder
        self._is_enabled = bool(self._folder)

    def commands(self) -> Iterator[Command]:
        yield from self._facts()
        yield from self._session()
        yield from self._process()

    def _facts(self) -> Iterator[Command]:
        claims = self._claims
        facts: tuple[tuple[str, str, Answer, str], ...] = (
            ("client_version", "string", lambda: claims.client_version, "The version of rTorrent that is claimed."),
            ("library_version", "string", lambda: claims.library_version, "That of its library."),
            ("api_version", "string", lambda: claims.api_version, "That of its interface; clients choose by it."),
            ("hostname", "string", socket.gethostname, "Name of the machine."),
            ("pid", "i8", os.getpid, "Process id of the daemon."),
            ("time", "i8", self._seconds, "Seconds since 1970."),
            ("time_seconds", "i8", self._seconds, "Seconds since 1970."),
            ("time_usec", "i8", lambda: int(self._wall() * MICROSECONDS), "Microseconds since 1970."),
        )
        for name, returns, answer, doc in facts:
            yield getter(f"system.{name}", answer, doc, returns=returns, category=SYSTEM)

    def _seconds(self) -> int:
        return int(self._wall())

    def _session(self) -> Iterator[Command]:
        yield getter("session.name", lambda: self._name, "Name of the session: HOST:PID.", returns="string",
                     category=SESSION)
        yield command("session.name.set", self._set_name, "Sets session.name.", returns="string", category=SESSION)
        yield getter("session.path", lambda: self.session_folder,
                     "Folder where clients find HASH.torrent of each torrent.", returns="string", category=SESSION)
        yield command("session.path.set", self._set_folder, "Sets session.path, in a configuration.", category=SESSION)
        yield getter("session.path.realpath.or_empty", lambda: os.path.realpath(self._folder) if self._folder else "",
                     "session.path without links.", returns="string", category=SESSION)
        yield getter("session.path.realpath.or_throw", self._real_folder, "The same; there must be one.",
                     returns="string", category=SESSION)
        yield getter("directory.default.realpath.or_empty", self._real_downloads, "directory.default without links.",
                     returns="string", category="directory")
        yield getter("directory.default.realpath.or_throw", self._real_downloads, "directory.default without links.",
                     returns="string", category="directory")

    def _set_name(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        self._name = kept(one_text(args))
        return self._name

    def _set_folder(self, context: Context, _item: Any, args: Sequence[Value]) -> Value:
        folder = one_text(args)
        if self._is_enabled:
            raise failed("Tried to change session directory while it is enabled.")
        path = self._working.full(folder) if folder else ""
        require_folder(context, path, self._folder)
        self._folder = path
        return None

    def _real_folder(self) -> Value:
        if not self._folder:
            raise failed("Session path is not set.")
        return os.path.realpath(self._folder)

    def _real_downloads(self) -> Value:
        return os.path.realpath(self._engine.settings().storage.download_dir)

    def _process(self) -> Iterator[Command]:
        yield getter("system.cwd", lambda: self._working.path, "The folder that relative paths of commands are below.",
                     returns="string", category=SYSTEM)
        # Programs are run in that folder, all that we write goes by that mask, and secrets are in the environment.
        yield command("system.cwd.set", self._set_cwd, "Sets system.cwd.", category=SYSTEM, is_code=True)
        yield command("system.umask.set", _set_umask, "Which bits new files lack, in octal digits.", category=SYSTEM,
                      is_code=True)
        yield command("system.env", _variable, "NAME: a variable of the daemon's environment; empty: there is none.",
                      returns="string", category=SYSTEM, is_code=True)
        yield getter("system.daemon", lambda: self._is_daemon,
                     "Whether no screen was wanted. The daemon draws none, whatever this is, as rTorrent does where it "
                     "is 1: it may have no terminal. Its screen is blobtorrent top, in any terminal and as often as it "
                     "is opened.", category=SYSTEM, is_neutral=True)
        yield command("system.daemon.set", self._set_daemon,
                      "Sets system.daemon; nothing goes by it: the daemon always runs as rTorrent does with 1.",
                      returns="i8", category=SYSTEM, is_neutral=True)
        for name in ("system.shutdown.normal", "system.shutdown.quick"):
            yield getter(name, self._stop, "Ends the daemon.", returns="none", category=SYSTEM)

    def _set_cwd(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        self._working.change(one_text(args))
        return None

    def _set_daemon(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        self._is_daemon = int(bool(one_number(args)))
        return self._is_daemon

    def _stop(self) -> Value:
        self._engine.stop()
        return None


def _set_umask(_context: Context, _item: Any, args: Sequence[Value]) -> Value:
    given = single(args)
    mask = parse_number(given, OCTAL) if isinstance(given, str) else one_number(args)
    if mask is None or not 0 <= mask <= MAX_UMASK:
        raise failed("Invalid umask.")
    os.umask(mask)
    return None


def _variable(_context: Context, _item: Any, args: Sequence[Value]) -> Value:
    return os.environ.get(one_text(args), "")
