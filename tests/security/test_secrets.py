"""Secrets: on disk only their owner reads them, in logs nobody, and no command line or environment holds one.

A daemon is started with a umask that takes nothing away, and logs all it can. Secrets are planted wherever one can be.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from blobtorrent.protocol.bencode import encode
from tests.support.canaries import Pages
from tests.support.payload import KIB, make_sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.rest import request_on
from tests.support.rpc import connect, exchange, framed

PASSKEY = "7pk3a91c0ffee5f2bd61"
PATH_KEY = "k9d2c4b6a8e0f1375924"
SEED_PASSWORD = "wsPw8812secret"
COOKIE = "ck55sessionvalue9911"
WRONG_TOKEN = "wr0ngt0ken77aa55cc33ee11ff99dd88"
URL_TOKEN = "urltok3n1122334455667788"
TIMEOUT_S = 40.0


@contextmanager
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def files_below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):                  # of a database, for a moment
            yield path, path.lstat()


@pytest.mark.slow
def test_secrets_are_their_owners_on_disk_and_nobodys_in_logs(tmp_path: Path) -> None:
    sample = make_sample(tmp_path / "sample", "content.bin", 96 * KIB, 16 * KIB)
    headers_file = tmp_path / "headers"
    refusal = encode({b"failure reason": f"no such passkey: {PASSKEY}".encode()})
    with Pages({"/announce": (200, {}, refusal)}) as web:
        headers_file.write_text(f"http://127.0.0.1:{web.port}/ Cookie: {COOKIE}\n")
        headers_file.chmod(0o600)
        settings = (f"[log]\nlevel = 'debug'\n[trackers]\nannounce_to_all = true\n"
                    f"[webseeds]\nheaders_file = '{headers_file}'\n")
        folder = tmp_path / "daemon"
        with open_umask():
            daemon = Daemon(folder, settings=settings)
            daemon.__enter__()
        try:
            daemon.wait_ready()
            secret = (daemon.state / "admin.token").read_text().strip()
            call = daemon.call
            made = call("POST", "/v1/tokens", {"name": "reader", "scopes": ["read"]})
            token = made["token"] if "token" in made else made["secret"]
            call("POST", "/v1/torrents", {"source": str(sample.torrent)})
            one = f"/v1/torrents/{sample.info_hash.hex()}"
            call("PUT", f"{one}/trackers", {"tiers": [
                [f"http://127.0.0.1:{web.port}/announce?passkey={PASSKEY}"],
                [f"http://127.0.0.1:{web.port}/announce/{PATH_KEY}"], [f"http://127.0.0.1:1/{PATH_KEY}/announce"],
                [f"udp://127.0.0.1:1/announce?passkey={PASSKEY}"]]})
            call("POST", f"{one}/announce")
            magnet = (f"magnet:?xt=urn:btih:{'ab' * 20}&tr=http://127.0.0.1:{web.port}/announce?passkey={PASSKEY}"
                      f"&ws=http://user:{SEED_PASSWORD}@127.0.0.1:{web.port}/")
            call("POST", "/v1/torrents", {"source": magnet})
            call("POST", "/v1/torrents", {"source": f"http://127.0.0.1:{web.port}/x.torrent?token={URL_TOKEN}"})
            rpc = f"unix:{daemon.runtime / 'rpc.sock'}"
            url = f"http://u:{SEED_PASSWORD}@127.0.0.1:1/?token={URL_TOKEN}"
            exchange(rpc, framed(json.dumps({"id": 1, "method": "load.normal", "params": ["", url]}).encode()))
            found = re.search(r"REST listens address=(127\.0\.0\.1:\d+)", daemon.output())
            assert found is not None
            for _ in range(3):
                with connect(found[1]) as sock:
                    request_on(sock, "GET", f"/v1/session?token={URL_TOKEN}", token=WRONG_TOKEN, headers={
                        "Cookie": COOKIE})
            wait_until(lambda: any(PASSKEY in path for path in web.asked), TIMEOUT_S, "the announce")
            wait_until(lambda: any(PATH_KEY in path for path in web.asked), TIMEOUT_S, "the other announce")
            time.sleep(1.0)            # for what is logged of it
            check_modes(daemon)
            check_process(daemon, (secret, token, PASSKEY, SEED_PASSWORD, COOKIE, WRONG_TOKEN, URL_TOKEN))
            kept = b"".join(path.read_bytes() for path, status in files_below(daemon.state)
                            if stat.S_ISREG(status.st_mode))
            assert token.encode() not in kept, "of tokens only digests are kept"
            assert kept.count(secret.encode()) == 1
        finally:
            daemon.stop()
    log = daemon.output()
    assert "DEBUG" in log, "it logged all it could"
    for planted in (secret, token, PASSKEY, PATH_KEY, SEED_PASSWORD, COOKIE, WRONG_TOKEN, URL_TOKEN):
        lines = [line for line in log.splitlines() if planted in line]
        assert lines == []


def check_modes(daemon: Daemon) -> None:
    seen = 0
    for path, status in files_below(daemon.state):
        seen += 1
        mode = stat.S_IMODE(status.st_mode)
        # Front-ends look into what rTorrent would keep, as members of the group; its lock says no more than a number.
        others = 0o007 if path.parent.name == "rtorrent" and stat.S_ISREG(status.st_mode) else 0o077
        assert mode & others == 0 or path.name == "rtorrent.lock", f"{path}: {mode:o}"
    assert seen >= 3
    assert stat.S_IMODE(daemon.state.stat().st_mode) == 0o700
    for path, status in files_below(daemon.runtime):
        mode = stat.S_IMODE(status.st_mode)
        if path.name == "blobtorrentd.pid":                # scripts of others look into it
            continue
        assert mode & 0o007 == 0, f"{path}: {mode:o}"
        if not stat.S_ISSOCK(status.st_mode):
            assert mode & 0o077 == 0, f"{path}: {mode:o}"


def check_process(daemon: Daemon, secrets: tuple[str, ...]) -> None:
    for name in ("cmdline", "environ"):
        data = Path(f"/proc/{daemon.pid}/{name}").read_bytes()
        for secret in secrets:
            assert secret.encode() not in data


def test_a_secret_is_made_with_its_mode_and_not_given_it_later(tmp_path: Path) -> None:
    """Whoever waits for the file never sees one that all may read."""
    from blobtorrent.storage.atomicfile import write_atomically

    seen: set[int] = set()
    with open_umask(), pytest.MonkeyPatch.context() as patch:
        real = os.open

        def opened(path: object, flags: int, mode: int = 0o777, **more: int) -> int:
            descriptor = real(path, flags, mode, **more)  # type: ignore[arg-type]
            if flags & os.O_CREAT:
                seen.add(stat.S_IMODE(os.fstat(descriptor).st_mode))
            return descriptor

        patch.setattr(os, "open", opened)
        patch.setattr(os, "chmod", None)
        patch.setattr(os, "fchmod", None)
        write_atomically(tmp_path / "secret", b"x", mode=0o600)
    assert seen == {0o600}
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
