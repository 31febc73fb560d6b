"""JournalSink: log records as entries of the systemd journal, with fields that can be searched for.

Native protocol: a datagram an entry, a line `NAME=value` a field; a value with line breaks is framed by its length, so
that nobody's words can forge a field. An entry too large for a datagram goes as a sealed memory file.
"""

from __future__ import annotations

import array
import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterable, Mapping

from blobtorrent.runtime.logformat import fields_of, indented_traceback, priority_of, safe, summary
from blobtorrent.runtime.sinks import Sink

SOCKET_PATH = "/run/systemd/journal/socket"
FIELD_PREFIX = "BLOBTORRENT_"

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class JournalSink:
    """Sends to the journal at `path`; what it does not take goes to `fallback`."""

    def __init__(self, identifier: str, fallback: Sink, path: str = SOCKET_PATH) -> None:
        """`identifier` is the name that entries appear under."""
        self._identifier = identifier
        self._fallback = fallback
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def write(self, record: logging.LogRecord) -> None:
        entry = encode_entry(self._fields(record))
        try:
            self._send(entry)
        except OSError:                # the journal is down
            self._fallback.write(record)

    def reopen(self) -> None:
        self._fallback.reopen()

    def close(self) -> None:
        self._socket.close()
        self._fallback.close()

    def _fields(self, record: logging.LogRecord) -> Iterable[tuple[str, str]]:
        yield "MESSAGE", "\n".join([summary(record), *indented_traceback(record)])
        yield "PRIORITY", str(priority_of(record))
        yield "SYSLOG_IDENTIFIER", self._identifier
        yield f"{FIELD_PREFIX}LOGGER", record.name
        yield f"{FIELD_PREFIX}THREAD", record.threadName or ""
        for name, value in fields_of(record).items():
            yield f"{FIELD_PREFIX}{name.upper()}", safe(value)

    def _send(self, entry: bytes) -> None:
        try:
            self._socket.sendto(entry, self._path)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            self._send_as_file(entry)

    def _send_as_file(self, entry: bytes) -> None:
        descriptor = os.memfd_create("journal-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with open(descriptor, "wb", closefd=False) as stream:
                stream.write(entry)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))
            self._socket.sendmsg([], [rights], 0, self._path)
        finally:
            os.close(descriptor)


def encode_entry(fields: Iterable[tuple[str, str]]) -> bytes:
    """The bytes of one entry."""
    parts = []
    for name, text in fields:
        value = text.encode("utf-8", "backslashreplace")
        if b"\n" in value:
            parts.append(name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n")
        else:
            parts.append(name.encode() + b"=" + value + b"\n")
    return b"".join(parts)


def is_journal(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Whether a descriptor is the stream to the journal that JOURNAL_STREAM, "DEVICE:INODE", names."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"
