"""Hashes stretches of files on maps of them, in a process of its own: a file that is cut short under a map kills it.

`hashchild` runs this file as a script, with a UNIX socket as standard input. It imports nothing of the package, and the
core of `socket` without the module around it, which would double the time of a start.

A request is REQUEST, with the descriptor of the file; the answer is the SHA-1 of every `step` bytes of the stretch, and
of what is left at its end. The process ends with the other side of the socket, after IDLE_S without a request, and with
whatever goes wrong: it has nothing to lose.
"""

from __future__ import annotations

import _socket
import mmap
import os
import resource
import struct
from hashlib import sha1

REQUEST = struct.Struct("=QQQ")        # offset in the file, length, step; all in bytes
DESCRIPTOR = struct.Struct("=i")       # in the ancillary data
DIGEST_BYTES = 20
IDLE_S = 10.0

_WINDOW_BYTES = 16 << 20               # mapped at once: whole steps, at least one


def digests(descriptor: int, offset: int, length: int, step: int) -> bytearray:
    """The digests of a stretch, one after the other. Raises ValueError when the file ends before it."""
    found = bytearray()
    window = max(1, _WINDOW_BYTES // step) * step
    for start in range(offset, offset + length, window):
        skipped = start % mmap.ALLOCATIONGRANULARITY
        end = skipped + min(window, offset + length - start)
        # Not MAP_POPULATE: the kernel maps pages around a fault for less than it populates them.
        with mmap.mmap(
            descriptor, end, mmap.MAP_SHARED, mmap.PROT_READ, offset=start - skipped
        ) as pages, memoryview(pages) as view:
            pages.madvise(mmap.MADV_SEQUENTIAL)            # reads ahead of us, as for a plain read
            for at in range(skipped, end, step):
                found += sha1(view[at : min(at + step, end)]).digest()
    return found


def serve(line: _socket.socket) -> None:
    """Answer requests until there are no more."""
    line.settimeout(IDLE_S)
    while True:
        try:
            request, ancillary, _, _ = line.recvmsg(REQUEST.size, _socket.CMSG_SPACE(DESCRIPTOR.size))
        except TimeoutError:
            return
        if not request:
            return
        (descriptor,) = DESCRIPTOR.unpack(ancillary[0][2])
        answer = digests(descriptor, *REQUEST.unpack(request))
        os.close(descriptor)
        line.sendall(answer)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))       # dying is part of the plan: nobody wants the core
    serve(_socket.socket(fileno=0))
