"""rTorrent 0.9.8, as a daemon without terminal, told what to do by XML-RPC over SCGI on a UNIX socket."""

from __future__ import annotations

import socket
import xmlrpc.client
from pathlib import Path
from typing import Any

from tests.support.payload import with_tracker
from tests.support.peers.client import LOOPBACK, Client, Doorbell, Job, Role, Transfer, Wire
from tests.support.peers.program import Program, free_port, listens, wait_until

START_TIMEOUT_S = 60.0
NO_TRACKER = f"http://{LOOPBACK}:9/announce"     # rTorrent loads no torrent without; nobody listens on "discard"
CALL_TIMEOUT_S = 30.0
INSISTS = {Wire.PLAIN: "none", Wire.HANDSHAKE: "require,prefer_plaintext", Wire.RC4: "require,require_RC4"}


class RtorrentPeer(Client):
    """rtorrent on one torrent. It checks what a seed has before it serves; a leech rings a bell when it is complete."""

    def __init__(self, job: Job) -> None:
        super().__init__(job, ["rtorrent"])
        self._doorbell = Doorbell(self.home)
        self._socket = self.home / "rpc.sock"
        port = free_port(job.address)
        self.endpoint = f"{job.address}:{port}"
        session = self.home / "session"
        session.mkdir()
        settings = self.home / "rtorrent.rc"
        settings.write_text("".join(f"{line}\n" for line in (
            "system.daemon.set = true", f"network.scgi.open_local = {self._socket}", f"session.path.set = {session}",
            f"network.bind_address.set = {job.address}", f"network.port_range.set = {port}-{port}",
            "network.port_random.set = no", f"protocol.encryption.set = {INSISTS[job.wire]}",
            "dht.mode.set = disable", "protocol.pex.set = no", "trackers.use_udp.set = no",
            "throttle.max_uploads.set = 2000", "throttle.max_uploads.global.set = 2000",
            "throttle.max_downloads.set = 2000", "throttle.max_downloads.global.set = 2000",
            "throttle.max_peers.normal.set = 2000", "throttle.max_peers.seed.set = 2000",
            f"log.open_file = \"log\", {self.log}", "log.add_output = \"error\", \"log\"",
            f"method.set_key = event.download.finished, bell, \"execute2 = {self._doorbell.script}\"")))
        self._torrent = job.torrent if job.has_tracker else with_tracker(job.torrent, NO_TRACKER, self.home)
        self._command += ["-n", "-o", f"import={settings}"]

    def wait_ready(self) -> None:
        wait_until(self._answers, START_TIMEOUT_S, "rTorrent's socket")
        self.mark_begin()
        name = self.job.info_hash.hex().upper()
        self.call("load.start", "", str(self._torrent), f"d.directory.set=\"{self.job.folder}\"")
        if self.job.role is Role.SEED:
            wait_until(lambda: self._runs(name) and self.call("d.complete", name) and listens(self.endpoint),
                       START_TIMEOUT_S, "rTorrent to seed")
        else:
            wait_until(lambda: self._runs(name), START_TIMEOUT_S, "rTorrent to start", every_s=0.005)
        for peer in self.job.peers:
            self.call("add_peer", name, peer)

    def wait_complete(self, timeout_s: float) -> Transfer:
        return self.wait_bell(self._doorbell, timeout_s)

    def close(self) -> None:
        self._doorbell.close()
        super().close()

    def call(self, command: str, *arguments: str) -> Any:
        return scgi_call(self._socket, command, *arguments)

    def answer(self, command: str, *arguments: str) -> bytes:
        """As it comes, for who measures how long it takes."""
        return scgi_answer(self._socket, command, *arguments)

    def _answers(self) -> bool:
        if self.poll() is not None:
            raise RuntimeError(f"rTorrent ended: {self.output()[-1000:]}")
        try:
            self.call("system.client_version")
        except OSError:
            return False
        return True

    def _runs(self, name: str) -> bool:
        return (name in self.call("download_list") and bool(self.call("d.is_active", name))
                and not self.call("d.hashing", name))


class RtorrentSession(Program):
    """rtorrent with a session of many torrents, below `home`; made again there, it goes on where the last one ended.

    `lines` are more of its configuration.
    """

    def __init__(self, home: Path, *lines: str) -> None:
        self._socket = home / "rpc.sock"
        self.session = home / "session"
        self.session.mkdir(exist_ok=True)
        port = free_port()
        settings = home / "rtorrent.rc"
        settings.write_text("".join(f"{line}\n" for line in (
            "system.daemon.set = true", f"network.scgi.open_local = {self._socket}",
            f"session.path.set = {self.session}", "network.bind_address.set = 127.0.0.1",
            f"network.port_range.set = {port}-{port}", "dht.mode.set = disable", "protocol.pex.set = no",
            "trackers.use_udp.set = no", *lines)))
        super().__init__(["rtorrent", "-n", "-o", f"import={settings}"], home=home)

    def call(self, command: str, *arguments: str) -> Any:
        return scgi_call(self._socket, command, *arguments)

    def knows(self, count: int) -> bool:
        try:
            found = self.call("download_list")
        except OSError:
            return False
        return isinstance(found, list) and len(found) == count


def scgi_call(path: Path, command: str, *arguments: str) -> Any:
    """One XML-RPC call over SCGI."""
    (value,), _ = xmlrpc.client.loads(scgi_answer(path, command, *arguments))
    return value


def scgi_answer(path: Path, command: str, *arguments: str) -> bytes:
    """The document that answers it. What is sent is a netstring of headers, then the body; the answer ends with the
    connection."""
    body = xmlrpc.client.dumps(arguments, command).encode()
    headers = b"CONTENT_LENGTH\0%d\0SCGI\x001\0" % len(body)
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(CALL_TIMEOUT_S)
        link.connect(str(path))
        link.sendall(b"%d:%s,%s" % (len(headers), headers, body))
        answer = b"".join(iter(lambda: link.recv(65536), b""))
    return answer.partition(b"\r\n\r\n")[2]
