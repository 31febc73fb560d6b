"""The installed service at work: torrents that it keeps, instances beside it, clients at its socket."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import xmlrpc.client
from pathlib import Path
from typing import Any

from tests.support.machine import Machine
from tests.support.peers.program import wait_until

UNIT = "blobtorrentd.service"
SECOND = "blobtorrentd@second"         # an instance beside it
SOCKET = "/run/blobtorrent/rest.sock"
RPC_SOCKET = "/run/blobtorrent/rpc.sock"
HOME = "/var/lib/blobtorrent"
INSTANCES = "/var/lib/blobtorrent-instances"

TORRENTS = ("one", "two")
CONTENT_MIB = 16
CONTENT_BYTES = CONTENT_MIB << 20
EXCHANGED_MIB = 8
ACTION_S = 120.0
ANSWER_S = 30.0
PROBE_S = 0.02
ALONE = "[dht]\nenabled = false\n[lsd]\nenabled = false\n"


def make_file(machine: Machine, path: str, size_mib: int) -> None:
    """A file of random bytes that belongs to the service."""
    folder = path.rpartition("/")[0]
    machine.run("install", "--directory", "--owner=blobtorrent", "--group=blobtorrent", folder)
    machine.run("runuser", "-u", "blobtorrent", "--", "dd", "if=/dev/urandom", f"of={path}", "bs=1M",
                f"count={size_mib}")


def begin_to_serve(machine: Machine) -> None:
    """Two torrents that seed, an instance beside, and a setting that the owner has changed."""
    machine.path("/etc/blobtorrent/conf.d/own.toml").write_text(f"[network]\nmax_peers = 77\n{ALONE}")
    machine.path("/etc/blobtorrent/instances/second.toml").write_text(
        '[rest]\nlisten = ["unix:rest.sock"]\n[network]\nlisten = ["127.0.0.1:7001"]\n[dht]\nenabled = false\n')
    machine.run("systemctl", "reload", UNIT)
    machine.run("systemctl", "enable", "--now", SECOND)
    for name in TORRENTS:
        make_file(machine, f"{HOME}/Downloads/{name}", CONTENT_MIB)
        machine.run("blobtorrent", "create", f"{HOME}/Downloads/{name}", "-o", f"/tmp/{name}.torrent")
    machine.run("blobtorrent", "add", *(f"/tmp/{name}.torrent" for name in TORRENTS), "--wait", "--timeout", "60")


def torrents_of(machine: Machine) -> dict[str, Any]:
    """Hash and state by name, once the daemon has looked at what lies on disk."""
    def look() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(machine.run("blobtorrent", "list", "--json"))["torrents"]
        return found

    wait_until(lambda: all(torrent["state"] != "checking" for torrent in look()), ANSWER_S, "the looks at the files")
    found = look()
    return {torrent["name"]: (torrent["hash"], torrent["state"]) for torrent in found}


def bytes_read(machine: Machine) -> int:
    """What the daemon's process has read of files since it started."""
    text = machine.path(f"/proc/{machine.property(UNIT, 'MainPID')}/io").read_text()
    return int(text.partition("rchar: ")[2].split()[0])


def call_rpc(path: Path, method: str, *params: Any) -> Any:
    """One call of a front-end of rTorrent, as XML over SCGI."""
    body = xmlrpc.client.dumps(params, method).encode()
    fields = f"CONTENT_LENGTH\0{len(body)}\0SCGI\x001\0REQUEST_METHOD\0POST\0REQUEST_URI\0/RPC2\0".encode()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(ANSWER_S)
        sock.connect(str(path))
        sock.sendall(b"%d:%s,%s" % (len(fields), fields, body))
        answer = b"".join(iter(lambda: sock.recv(1 << 16), b""))
    (value,), _method = xmlrpc.client.loads(answer.partition(b"\r\n\r\n")[2])
    return value


def watch_socket(path: Path, while_runs: subprocess.Popen[str]) -> int:
    """Connect again and again while a command runs; how often. An attempt that is refused is an error."""
    tried = 0
    deadline = time.monotonic() + ACTION_S
    while while_runs.poll() is None:
        assert time.monotonic() < deadline
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            tried += 1
        time.sleep(PROBE_S)
    return tried


def upgrade_under_service(machine: Machine, *command: str) -> None:
    """Run a command that installs the next version: no client is refused meanwhile, and every daemon is a new one."""
    pids = [machine.property(unit, "MainPID") for unit in (UNIT, SECOND)]
    upgrade = machine.start(*command)
    tried = watch_socket(machine.path(SOCKET), upgrade)
    assert upgrade.stdout is not None
    said = upgrade.stdout.read()
    upgrade.stdout.close()
    assert upgrade.returncode == 0, said
    assert tried > 1
    for unit, pid in zip((UNIT, SECOND), pids):
        assert machine.property(unit, "ActiveState") == "active"
        assert machine.property(unit, "MainPID") != pid, f"{unit} still runs the old version"


def remains(machine: Machine) -> list[str]:
    """Everything on the disk that has our name or belongs to our account."""
    found = machine.run("find", "/", "-xdev", "(", "-name", "*blobtorrent*", "-o", "-user", "blobtorrent", ")")
    return sorted(found.splitlines())


def start_instance(machine: Machine, name: str, port: int) -> str:
    """An instance that listens for peers on a port of its own; its URL."""
    machine.path(f"/etc/blobtorrent/instances/{name}.toml").write_text(
        f'{ALONE}[rest]\nlisten = ["unix:rest.sock"]\n'
        f'[network]\nlisten = ["127.0.0.1:{port}"]\nallow_loopback = true\n')
    machine.run("systemctl", "start", f"blobtorrentd@{name}")
    return f"unix:/run/blobtorrent-instances/{name}/rest.sock"


def exchange_between_instances(machine: Machine) -> None:
    """One instance seeds a file of random bytes, another downloads it, and has the same bytes."""
    seed_url, leech_url = start_instance(machine, "seed", 7001), start_instance(machine, "leech", 7002)
    seeded, downloaded = (f"{INSTANCES}/{name}/Downloads/data.bin" for name in ("seed", "leech"))
    make_file(machine, seeded, EXCHANGED_MIB)
    machine.run("blobtorrent", "create", seeded, "-o", "/tmp/data.torrent")
    machine.run("blobtorrent", "add", "/tmp/data.torrent", "--url", seed_url, "--wait", "--timeout", "60")
    machine.run("blobtorrent", "add", "/tmp/data.torrent", "--url", leech_url, "--peer", "127.0.0.1:7001", "--wait",
                "--timeout", "60")
    machine.run("cmp", seeded, downloaded)
    machine.run("systemctl", "stop", "blobtorrentd@seed", "blobtorrentd@leech")
