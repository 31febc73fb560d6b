"""A real daemon and who may use it: tokens by command, https, new certificates by SIGHUP, the audit log."""

from __future__ import annotations

import json
import re
import signal
import ssl
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import MIB, make_sample
from tests.support.peers.blobtorrent import run
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until

TIMEOUT_S = 30.0


def command(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    return run(*words, "--url", f"unix:{daemon.runtime / 'rest.sock'}")


def address(daemon: Daemon, scheme: str) -> str:
    found = re.search(rf"REST listens address={scheme}(127\.0\.0\.1:\d+)", daemon.output())
    assert found is not None
    return found[1]


def with_https(folder: Path) -> tuple[str, Path]:
    """Settings for https beside plain HTTP, and the certificate to trust."""
    made = run("tls", "self-signed", "--host", "127.0.0.1", "-o", folder, "--json")
    told: dict[str, Any] = json.loads(made.stdout)
    settings = f"[rest]\ntls_certificate = '{told['certificate']}'\ntls_key = '{told['key']}'\n"
    return settings, Path(told["certificate"])


HTTPS_TOO = ("--set", "rest.listen=['unix:rest.sock', '127.0.0.1:0', 'https:127.0.0.1:0']")


def test_tokens_are_made_used_and_revoked_and_hold_over_a_restart(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    with Daemon(tmp_path / "daemon") as daemon:
        assert command(daemon, "token", "create", "reader", "-o", str(secret)).returncode == 0
        url = f"http://{address(daemon, '')}"
        assert run("list", "--url", url, "--token-file", secret).returncode == 0
        refused = run("token", "list", "--url", url, "--token-file", secret)
        assert (refused.returncode, "rest.scope" in refused.stderr) == (1, True)
        assert stat.S_IMODE((daemon.state / "tokens.json").stat().st_mode) == 0o600
    with Daemon(tmp_path / "daemon") as daemon:
        url = f"http://{address(daemon, '')}"
        assert run("list", "--url", url, "--token-file", secret).returncode == 0
        assert command(daemon, "token", "revoke", "reader").returncode == 0
        assert run("list", "--url", url, "--token-file", secret).returncode == 1
        assert secret.read_text().strip() not in daemon.output()


def test_a_token_with_labels_knows_only_its_torrents(tmp_path: Path) -> None:
    mine, theirs = (make_sample(tmp_path, name, MIB) for name in ("mine.bin", "theirs.bin"))
    secret = tmp_path / "secret"
    with Daemon(tmp_path / "daemon") as daemon:
        command(daemon, "add", str(theirs.torrent), "--stopped", "--label", "music")
        command(daemon, "token", "create", "tv", "--scope", "control", "--label", "tv", "-o", str(secret))
        there = ("--url", f"http://{address(daemon, '')}", "--token-file", secret)
        assert run("add", mine.torrent, "--stopped", *there).returncode == 0
        assert run("list", "--hashes", *there).stdout.split() == [mine.info_hash.hex()]
        assert run("remove", theirs.info_hash.hex(), *there).returncode == 1
        (torrent,) = json.loads(run("list", "--json", *there).stdout)["torrents"]
        assert torrent["labels"] == ["tv"]
        assert len(command(daemon, "list", "--hashes").stdout.split()) == 2


def test_https_shows_a_new_certificate_after_a_reload(tmp_path: Path) -> None:
    settings, certificate = with_https(tmp_path)
    with Daemon(tmp_path / "daemon", *HTTPS_TOO, settings=settings) as daemon:
        host, _, port = address(daemon, "https:").partition(":")
        trusting = ("--url", f"https://{host}:{port}", "--token-file", daemon.state / "admin.token", "--ca-file")
        assert run("list", *trusting, certificate).returncode == 0
        before = ssl.get_server_certificate((host, int(port)))
        for path in (certificate, certificate.with_name("key.pem")):
            path.unlink()
        with_https(tmp_path)
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: ssl.get_server_certificate((host, int(port))) != before, TIMEOUT_S, "the new certificate")
        assert run("list", *trusting, certificate).returncode == 0


@pytest.mark.parametrize("has_certificate", [True, False])
def test_https_without_a_key_that_is_secret_keeps_the_daemon_from_starting(
    tmp_path: Path, has_certificate: bool
) -> None:
    settings, certificate = with_https(tmp_path)
    certificate.with_name("key.pem").chmod(0o644)
    daemon = Daemon(tmp_path / "daemon", *HTTPS_TOO, settings=settings if has_certificate else "")
    daemon.start()
    try:
        assert daemon.wait(TIMEOUT_S) == 78
        assert ("tls.key-exposed" if has_certificate else "config.missing-key") in daemon.output()
    finally:
        daemon.stop()


def test_the_first_token_is_replaced_by_a_reload(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        url, file = f"http://{address(daemon, '')}", daemon.state / "admin.token"
        old = tmp_path / "old"
        old.write_text(file.read_text())
        assert run("list", "--url", url, "--token-file", old).returncode == 0
        file.unlink()
        daemon.send_signal(signal.SIGHUP)
        wait_until(file.exists, TIMEOUT_S, "the new token")
        wait_until(lambda: run("list", "--url", url, "--token-file", file).returncode == 0, TIMEOUT_S, "its use")
        assert run("list", "--url", url, "--token-file", old).returncode == 1


def test_the_audit_log_tells_who_changed_what(tmp_path: Path) -> None:
    sample = make_sample(tmp_path, "a.bin", MIB)
    with Daemon(tmp_path / "daemon") as daemon:
        assert command(daemon, "add", str(sample.torrent), "--stopped").returncode == 0
        daemon.wait_logged("path=/v1/torrents status=201")
        (line,) = (line for line in daemon.output().splitlines() if "status=201" in line)
        assert re.search(r"who=unix:\d+ address=unix:\d+ method=POST path=/v1/torrents status=201", line)
