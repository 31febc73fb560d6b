"""`blobtorrentd` as people who come from rTorrent start it: with an rc file, its session folder, SCGI and HTTP."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import tempfile
import xmlrpc.client
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.payload import Sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import free_port, wait_until
from tests.support.peers.rtorrent import scgi_call

PATIENCE_S = 30.0
_QUIET = """
[storage]
download_dir = "{downloads}"
memory_budget = "16 MiB"
[network]
allow_loopback = true
port_mapping = "off"
[dht]
enabled = false
[lsd]
enabled = false
[rest]
listen = ["unix:rest.sock"]
"""


class RpcDaemon(Daemon):
    """Its interface is at the UNIX socket `socket`, at `scgi_port` of the loopback interface, which is trusted, and
    over HTTP at `http_port`, which is not. `rc` are lines of an rTorrent configuration; `more` is put at the end of
    its settings, `rpc` are other settings of its section `rtorrent`.
    """

    def __init__(self, folder: Path, *, rc: Sequence[str] = (), more: str = "", rpc: str = "") -> None:
        self.scgi_port, self.http_port = free_port(), free_port()
        self.rc = folder / "rtorrent.rc"
        folder.mkdir(parents=True, exist_ok=True)
        self.rc.write_text("".join(f"{line}\n" for line in rc))
        # Sockets have short names, and those of a module outlive a test.
        runtime = Path(tempfile.mkdtemp(prefix="rpc-"))
        super().__init__(folder, "-n", "-o", f"import={self.rc}", settings=f"""
{_QUIET.format(downloads=folder / "downloads")}
[rtorrent]
listen = ["unix:rpc.sock", "127.0.0.1:{self.scgi_port}"]
http_listen = ["127.0.0.1:{self.http_port}"]
trusted = ["127.0.0.1:{self.scgi_port}"]
{rpc}
{more}
""", runtime=runtime)
        self.leave_to_settings("storage.download_dir")
        self.socket = self.runtime / "rpc.sock"

    def wait_ready(self) -> None:
        super().wait_ready()
        wait_until(self.socket.is_socket, PATIENCE_S, "the socket of the interface")
        self.ask("system.pid")         # is answered when the configuration was run

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.runtime, ignore_errors=True)

    @property
    def rest_port(self) -> int:
        """Where REST is on the loopback interface."""
        found = re.search(r"REST listens address=127\.0\.0\.1:(\d+)", self.output())
        assert found is not None
        return int(found[1])

    def ask(self, command: str, *arguments: Any) -> Any:
        """What a command answers, over SCGI; xmlrpc.client.Fault when it fails."""
        return scgi_call(self.socket, command, *arguments)

    def facts(self, sample: Sample, *getters: str) -> list[Any]:
        """What these commands `d.NAME` answer."""
        return [self.ask(f"d.{name}", digits(sample)) for name in getters]

    def wait_for(self, sample: Sample, value: Any, getter: str) -> None:
        def found() -> list[Any] | None:
            try:
                return self.facts(sample, getter)
            except xmlrpc.client.Fault:
                return None

        try:
            wait_until(lambda: found() == [value], PATIENCE_S, f"d.{getter} to be {value!r}")
        except TimeoutError as error:
            raise AssertionError(f"{error}; it is {found()}\n{self.output()[-2000:]}") from None

    def failed_lines(self) -> list[str]:
        """Lines of the configuration that failed, as the log tells them."""
        return [line for line in self.output().splitlines() if "a line of rTorrent's configuration fails" in line]

    def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """A request to /RPC2 over HTTP: the status and the body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=PATIENCE_S)
        try:
            connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def scgi(self, body: bytes, *headers: tuple[str, str]) -> bytes:
        """One request with headers of the client's own: everything that comes back."""
        names = b"".join(f"{name}\0{value}\0".encode() for name, value in headers)
        head = b"CONTENT_LENGTH\0%d\0SCGI\x001\0%s" % (len(body), names)
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(PATIENCE_S)
            link.connect(str(self.socket))
            link.sendall(b"%d:%s,%s" % (len(head), head, body))
            return b"".join(iter(lambda: link.recv(65536), b""))


def digits(sample: Sample) -> str:
    """Its hash, as rTorrent writes it."""
    return sample.info_hash.hex().upper()
