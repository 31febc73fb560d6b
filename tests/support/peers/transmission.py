"""Transmission's daemon. It refuses peers on 127/8, so both sides need other addresses, in a namespace of the test."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.payload import with_tracker
from tests.support.peers.client import LOOPBACK, Client, Job, Role, Transfer, Wire
from tests.support.peers.namespace import NetworkNamespace
from tests.support.peers.program import Program, free_port, wait_until
from tests.support.peers.tracker import ListTracker

START_TIMEOUT_S = 30.0
POLL_S = 0.05
SESSION_HEADER = "X-Transmission-Session-Id"


class Rpc:
    """Its interface. `enter` calls a function where the network of the daemon is."""

    def __init__(
        self, address: str, port: int, enter: Callable[[Callable[[], Any]], Any] = lambda call: call()
    ) -> None:
        self._address = address
        self._port = port
        self._enter = enter
        self._session_id = ""

    def call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """One call; the session id is learned from the first refusal (409)."""
        body = json.dumps({"method": method, "arguments": arguments})
        for _ in range(2):
            link = http.client.HTTPConnection(self._address, self._port, timeout=10)
            self._enter(link.connect)
            try:
                link.request("POST", "/transmission/rpc", body, {SESSION_HEADER: self._session_id})
                answer = link.getresponse()
                self._session_id = answer.getheader(SESSION_HEADER, self._session_id)
                text = answer.read()
            finally:
                link.close()
            if answer.status == http.client.OK:
                told: dict[str, Any] = json.loads(text)
                if told["result"] != "success":
                    raise RuntimeError(f"Transmission: {method}: {told['result']}")
                arguments_out: dict[str, Any] = told["arguments"]
                return arguments_out
        raise RuntimeError(f"Transmission answers {answer.status}")


class TransmissionPeer(Client):
    """transmission-daemon on one torrent inside `namespace`.

    It takes no peer by hand, so the driver keeps a tracker for it that lists them. `settings` are its own, in place of
    those that stand here.
    """

    def __init__(self, job: Job, namespace: NetworkNamespace, *, settings: Mapping[str, Any] = {}) -> None:
        super().__init__(job, ["transmission-daemon"])
        self._namespace = namespace
        self._command[:0] = namespace.prefix
        port = namespace.call(lambda: free_port(job.address))
        rpc_port = namespace.call(lambda: free_port(job.address))
        self._rpc = Rpc(job.address, rpc_port, namespace.call)
        self.endpoint = f"{job.address}:{port}"
        config = self.home / "config"
        config.mkdir()
        (config / "settings.json").write_text(json.dumps({
            "bind-address-ipv4": job.address, "bind-address-ipv6": "::1", "peer-port": port,
            "rpc-bind-address": job.address, "rpc-port": rpc_port, "rpc-whitelist-enabled": False,
            "rpc-authentication-required": False, "rpc-host-whitelist-enabled": False,
            "dht-enabled": False, "lpd-enabled": False, "pex-enabled": False, "utp-enabled": False,
            "port-forwarding-enabled": False, "encryption": 0 if job.wire is Wire.PLAIN else 2,
            "download-dir": str(job.folder), "preallocation": 0,
            "ratio-limit-enabled": False, "idle-seeding-limit-enabled": False, "upload-slots-per-torrent": 500,
            "peer-limit-global": 2000, "peer-limit-per-torrent": 2000, "umask": 18, "start-added-torrents": True,
            **settings,
        }))
        self._command += ["--foreground", "--config-dir", str(config)]
        self._tracker = ListTracker(job.peers, address=job.address, namespace=namespace)
        self._torrent = job.torrent if job.has_tracker else with_tracker(job.torrent, self._tracker.url, self.home)

    def start(self) -> None:
        self._tracker.__enter__()
        super().start()

    def close(self) -> None:
        self._tracker.__exit__()
        super().close()

    def wait_ready(self) -> None:
        wait_until(self._answers, START_TIMEOUT_S, "Transmission's interface")
        self.mark_begin()
        metafile = base64.b64encode(self._torrent.read_bytes()).decode()
        self.call("torrent-add", {"metainfo": metafile, "download-dir": str(self.job.folder), "paused": False})
        if self.job.role is Role.SEED:
            self.call("torrent-verify", {})
            wait_until(self._is_complete, START_TIMEOUT_S, "Transmission to check its files")

    def wait_complete(self, timeout_s: float) -> Transfer:
        wait_until(self._is_complete, timeout_s, "Transmission to complete", every_s=POLL_S)
        self.mark_complete()
        return self.transfer

    def call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return self._rpc.call(method, arguments)

    def status(self) -> dict[str, Any]:
        """Its view of the torrent: percentDone, status (6 = seeding), errorString."""
        fields = ["percentDone", "status", "errorString", "peersConnected"]
        torrents = self.call("torrent-get", {"fields": fields})["torrents"]
        return dict(torrents[0]) if torrents else {}

    def _answers(self) -> bool:
        if self.poll() is not None:
            raise RuntimeError(f"Transmission ended: {self.output()[-1000:]}")
        try:
            self.call("session-get", {})
        except OSError:
            return False
        return True

    def _is_complete(self) -> bool:
        return self.status().get("status") == 6


class TransmissionSession(Program):
    """transmission-daemon with a session of many torrents, below `home`; made again there, it goes on where the last
    one ended."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.config = home / "config"
        self.config.mkdir(exist_ok=True)
        rpc_port = free_port()
        self._rpc = Rpc(LOOPBACK, rpc_port)
        (self.config / "settings.json").write_text(json.dumps({
            "bind-address-ipv4": LOOPBACK, "bind-address-ipv6": "::1", "peer-port": free_port(),
            "rpc-bind-address": LOOPBACK, "rpc-port": rpc_port, "rpc-whitelist-enabled": False,
            "rpc-authentication-required": False, "rpc-host-whitelist-enabled": False,
            "dht-enabled": False, "lpd-enabled": False, "pex-enabled": False, "utp-enabled": False,
            "port-forwarding-enabled": False, "download-dir": str(home / "content"), **settings,
        }))
        super().__init__(["transmission-daemon", "--foreground", "--config-dir", self.config], home=home)

    def wait_ready(self) -> None:
        wait_until(self._answers, START_TIMEOUT_S, "Transmission's interface")

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        return self._rpc.call(method, {name.replace("_", "-"): value for name, value in arguments.items()})

    def add(self, torrent: Path, **options: Any) -> int:
        """Its number."""
        metainfo = base64.b64encode(torrent.read_bytes()).decode()
        return int(self.call("torrent-add", metainfo=metainfo, **options)["torrent-added"]["id"])

    def torrents(self, *fields: str) -> dict[int, dict[str, Any]]:
        """These fields of all torrents, by their numbers."""
        return {told["id"]: told for told in self.call("torrent-get", fields=["id", *fields])["torrents"]}

    def _answers(self) -> bool:
        if self.poll() is not None:
            raise RuntimeError(f"Transmission ended: {self.output()[-1000:]}")
        try:
            self.call("session-get")
        except OSError:
            return False
        return True
