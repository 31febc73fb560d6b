"""A network namespace of a test's own: for programs that refuse loopback peers, and for counting what goes out.

Made with `unshare`, without a name: it lives as long as its holder process, and that ends with the test, however the
test ends. Needs root (or a kernel that lets users make namespaces and a root in one).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

CLONE_NEWNET = 0x40000000
HOLDER_READY_S = 10.0


class NetworkNamespace:
    """An empty network with `lo` up and `addresses` on it; nothing in it can reach anything outside."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    def __enter__(self) -> NetworkNamespace:
        # The holder waits for the end of its stdin, a pipe that closes when this process is gone.
        self._holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec cat"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"ready\n":
            self._end()
            raise PermissionError("no right to make a network namespace")
        self.prefix = ("nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--")
        self._ip("link", "set", "lo", "up")
        for address in self._addresses:
            self._ip("addr", "add", f"{address}/32", "dev", "lo")
        return self

    def __exit__(self, *raised: object) -> None:
        self._end()

    def _ip(self, *words: str) -> None:
        subprocess.run([*self.prefix, "ip", *words], check=True)

    def _end(self) -> None:
        assert self._holder.stdin is not None and self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait(HOLDER_READY_S)

    def call(self, function: Callable[[], Result]) -> Result:
        """What `function` returns when a thread inside the namespace runs it: sockets that it makes belong there."""
        with ThreadPoolExecutor(1, "in-namespace", self._enter) as inside:
            return inside.submit(function).result()

    def _enter(self) -> None:
        descriptor = os.open(f"/proc/{self._holder.pid}/ns/net", os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        finally:
            os.close(descriptor)
