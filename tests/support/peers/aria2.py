"""aria2. It takes no peer on its command line, so the driver keeps a tracker for it that lists them."""

from __future__ import annotations

from tests.support.payload import with_tracker
from tests.support.peers.client import Client, Doorbell, Job, Role, Transfer, Wire
from tests.support.peers.program import free_port, listens, wait_until
from tests.support.peers.tracker import ListTracker

START_TIMEOUT_S = 30.0
INSISTS = {
    Wire.PLAIN: ["--bt-min-crypto-level=plain"],
    Wire.HANDSHAKE: ["--bt-require-crypto=true", "--bt-min-crypto-level=plain"],
    Wire.RC4: ["--bt-force-encryption=true"],
}


class Aria2Peer(Client):
    """aria2c on one torrent. A seed trusts its files; a leech rings a bell when it is complete and stays."""

    def __init__(self, job: Job) -> None:
        super().__init__(job, ["aria2c"])
        self._doorbell = Doorbell(self.home)
        port = free_port(job.address)
        self.endpoint = f"{job.address}:{port}"
        self._command += [
            "--no-conf", "--quiet", f"--dir={job.folder}", f"--interface={job.address}", f"--listen-port={port}",
            "--enable-dht=false", "--enable-dht6=false", "--disable-ipv6=true", "--bt-enable-lpd=false",
            "--enable-peer-exchange=false", "--bt-max-peers=0", *INSISTS[job.wire], "--seed-ratio=0.0",
            "--seed-time=10000", "--file-allocation=none", "--auto-save-interval=0", "--summary-interval=0",
            "--bt-request-peer-speed-limit=1000M",
            f"--on-bt-download-complete={self._doorbell.script}"]
        if job.role is Role.SEED:
            self._command += ["--bt-seed-unverified=true", "--allow-overwrite=true"]
        self._tracker = ListTracker(job.peers)
        torrent = job.torrent if job.has_tracker else with_tracker(job.torrent, self._tracker.url, self.home)
        self._command.append(str(torrent))

    def start(self) -> None:
        self._tracker.__enter__()
        super().start()

    def wait_ready(self) -> None:
        self.mark_begin()
        if self.job.role is Role.SEED:
            wait_until(lambda: listens(self.endpoint), START_TIMEOUT_S, "aria2 to listen")

    def wait_complete(self, timeout_s: float) -> Transfer:
        return self.wait_bell(self._doorbell, timeout_s)

    def close(self) -> None:
        self._tracker.__exit__()
        self._doorbell.close()
        super().close()
