"""HashChildren: processes that hash big stretches of files for the hashing threads, on maps instead of copies.

Reading a file into a buffer costs an eighth of what hashing it costs. A map costs next to nothing, but a file that is
cut short under it ends the process: so the process is a child, which gets the open descriptor over a socket and answers
with digests. It needs no GIL of ours either. Whatever happens to it, the asker can still read the file itself.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from blobtorrent.storage import maphash
from blobtorrent.storage.maphash import DIGEST_BYTES, REQUEST

if TYPE_CHECKING:
    import subprocess

MIN_TORRENT_BYTES = 1 << 30            # a start costs as much CPU time as maps save on 250 MiB, for each of the threads
MIN_STRETCH_BYTES = 8 << 20            # half a job of a recheck; a request and its answer cost 0.1 ms

_MAX_FAILURES = 8                      # in a row; a file cut short costs one child for each thread at most

log = logging.getLogger(__name__)


class HashChildren:
    """At most `count` children, for as many threads. Each starts when it is needed and ends when it is not."""

    def __init__(
        self, count: int, min_torrent: int = MIN_TORRENT_BYTES, min_stretch: int = MIN_STRETCH_BYTES
    ) -> None:
        self.min_torrent = min_torrent       # bytes; asking for less costs more than it saves
        self.min_stretch = min_stretch
        self._children = [HashChild() for _ in range(count)]
        self._free = deque(self._children)   # the one used last is lent first, so that the others may end
        self._failures = 0                   # in a row, of any child; no harm if two threads count as one
        self._is_stopped = False

    def digests(self, descriptor: int, offset: int, length: int, step: int) -> bytes | None:
        """The SHA-1 of every `step` bytes of the stretch, and of what is left at its end, one after the other.

        None when no child could tell: it died, which is what a shrinking file or a failing disk looks like from here,
        or none can be started. Called by at most `count` threads at once.
        """
        if self._is_stopped or self._failures >= _MAX_FAILURES:
            return None
        child = self._free.pop()
        try:
            answer = child.digests(descriptor, offset, length, step)
        except (OSError, RuntimeError) as error:       # RuntimeError: not one thread more
            self._failures += 1
            if self._failures == _MAX_FAILURES:
                log.warning("checking without hashing processes from now on: %s", error)
            return None
        finally:
            self._free.append(child)
        self._failures = 0
        return answer

    def stop(self, timeout_s: float) -> bool:
        """End all children, whatever they are at. True when they have ended within `timeout_s` seconds."""
        self._is_stopped = True
        deadline_s = time.monotonic() + timeout_s
        for child in self._children:
            child.end()
        return all(child.join(deadline_s - time.monotonic()) for child in self._children)


class HashChild:
    """One process at a time, used by one thread at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._reaper: threading.Thread | None = None
        self._is_over = False

    def digests(self, descriptor: int, offset: int, length: int, step: int) -> bytes:
        """Ask the process, or a new one if there is none.

        Raises OSError when it dies, OSError or RuntimeError when it cannot be started.
        """
        line = self._line              # `end` may take it away at any time
        if line is None or _has_ended(line):
            self._close()
            line = self._start()
        try:
            socket.send_fds(line, [REQUEST.pack(offset, length, step)], [descriptor])
            return _receive(line, -(-length // step) * DIGEST_BYTES)
        except OSError:
            self._close()
            raise

    def end(self) -> None:
        """Let the process end, and start no other one. In the middle of a request, `digests` raises in its thread."""
        self._is_over = True
        self._close()

    def _close(self) -> None:
        line, self._line, self._process = self._line, None, None
        if line is not None:
            try:
                line.shutdown(socket.SHUT_RDWR)        # wakes a thread that waits for an answer; closing would not
            except OSError:                            # the process is gone already
                pass
            line.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the process after `end`; True when it has ended."""
        if self._reaper is None:
            return True
        self._reaper.join(max(0.0, timeout_s))
        return not self._reaper.is_alive()

    @property
    def pid(self) -> int | None:
        """The process that is there, or was last."""
        return None if self._process is None else self._process.pid

    def _start(self) -> socket.socket:
        # It costs 3 ms, and most processes never check a torrent of such a size.
        import subprocess

        ours, theirs = socket.socketpair()
        # Ctrl-C is for us, who decide when it ends: it inherits what this thread blocks. (A session of its own would do
        # too, but Linux may grant a session a share of the processors of its own.)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process = subprocess.Popen(        # noqa: S603  our own interpreter and our own file
                [sys.executable, "-I", "-S", maphash.__file__],
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            )
            # It may end at any time by itself, and must not stay a zombie until somebody asks for it.
            reaper = threading.Thread(target=process.wait, name="hash-reaper", daemon=True)
            reaper.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._process, self._reaper, self._line = process, reaper, ours
        if self._is_over:              # since a moment: either `end` saw the line, or this sees that it was called
            self._close()
            raise ConnectionError("no hashing process is wanted any more")
        return ours


def _has_ended(line: socket.socket) -> bool:
    """Whether the other side is closed: known from the moment its process ends, before anybody has reaped it."""
    try:
        return not line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _receive(line: socket.socket, count: int) -> bytes:
    """Exactly `count` bytes. Raises OSError when the other side ends before."""
    received = bytearray()
    while len(received) < count:
        chunk = line.recv(count - len(received))
        if not chunk:
            raise ConnectionError("a hashing process died")
        received += chunk
    return bytes(received)
