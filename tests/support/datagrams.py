"""DatagramSocket: the listening end of a service manager or a journal, which only collects what it is sent."""

from __future__ import annotations

import array
import socket
from pathlib import Path


class DatagramSocket:
    """A UNIX datagram socket at `path`; with `is_abstract` the path is only a name. Closes with its `with` block."""

    def __init__(self, path: Path, *, is_abstract: bool = False) -> None:
        self.path = path
        self.address = f"@{path}" if is_abstract else str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{path}" if is_abstract else str(path))
        self._socket.setblocking(False)

    def __enter__(self) -> DatagramSocket:
        return self

    def __exit__(self, *raised: object) -> None:
        self._socket.close()

    def take(self) -> list[bytes]:
        """All datagrams that came since, oldest first."""
        return [data for data, _ in self.take_with_descriptors()]

    def take_with_descriptors(self) -> list[tuple[bytes, int | None]]:
        """As `take`, each with the descriptor that came with it, which is the caller's to close."""
        taken: list[tuple[bytes, int | None]] = []
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(1 << 20, 256)
            except BlockingIOError:
                return taken
            descriptors = array.array("i")
            for _, _, payload in ancillary:
                descriptors.frombytes(payload)
            taken.append((data, descriptors[0] if descriptors else None))


def read_entry(data: bytes) -> dict[str, str]:
    """The fields of a journal entry in its native form."""
    fields: dict[str, str] = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + length], rest[9 + length :]
        fields[name.decode()] = value.decode()
        data = rest
    return fields
