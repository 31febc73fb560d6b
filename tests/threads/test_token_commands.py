"""`blobtorrent token` and `blobtorrent tls` against a real REST server before a played session."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from blobtorrent.cli.main import main
from blobtorrent.config.values import HttpsSpec
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.tls import load_identity
from tests.support.rest import ANY_LOOPBACK_PORT, TOKEN, RestRig

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[RestRig]:
    with RestRig(tmp_path / "rest.sock") as running:
        yield running


@pytest.fixture
def command(rig: RestRig, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `blobtorrent token` against the rig: exit status, stdout, stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        status = main(["token", *words, "--url", rig.server.addresses[0]])
        return (status, *capsys.readouterr())

    return run


def test_a_token_is_made_and_its_secret_is_all_that_is_printed(rig, command):
    status, out, err = command("create", "tv", "--scope", "add", "--label", "a", "--label", "b", "--expires", "30d")
    assert (status, err) == (0, "")
    _, token = rig.keyring.tokens()
    assert (token.name, token.scopes, token.labels) == ("tv", {Scope.ADD}, {"a", "b"})
    assert token.expires_at is not None and 29 * 86400 < token.expires_at - token.created_at < 31 * 86400
    grant = rig.keyring.open(out.strip().encode())
    assert grant is not None and grant.name == "tv"


def test_without_a_scope_a_token_is_for_reading(rig, command):
    assert command("create", "t", "--json")[0] == 0
    assert rig.keyring.tokens()[1].scopes == {Scope.READ}


def test_a_secret_goes_to_a_file_for_its_owner_alone(rig, command, tmp_path):
    path = tmp_path / "secret"
    status, out, _ = command("create", "t", "-o", str(path), "--json")
    assert status == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = path.read_text().strip()
    assert rig.keyring.open(secret.encode()) is not None
    assert "token" not in json.loads(out)


def test_a_file_that_is_there_is_kept_and_no_token_made(rig, command, tmp_path):
    path = tmp_path / "secret"
    path.write_text("precious")
    status, _, err = command("create", "t", "-o", str(path))
    assert (status, path.read_text()) == (1, "precious")
    assert "token.cannot-write" in err
    assert len(rig.keyring.tokens()) == 1


def test_a_token_that_is_refused_leaves_no_file(rig, command, tmp_path):
    path = tmp_path / "secret"
    status, _, err = command("create", "admin", "-o", str(path))
    assert (status, path.exists()) == (1, False)
    assert "token.present" in err


def test_tokens_are_listed_and_revoked(rig, command):
    command("create", "tv", "--scope", "read", "--scope", "control")
    status, out, _ = command("list")
    titles, first, second = out.splitlines()
    assert titles.split() == ["NAME", "SCOPES", "LABELS", "CREATED", "EXPIRES", "USED"]
    assert (first.split()[:2], second.split()[:3]) == (["admin", "admin"], ["tv", "read,", "control"])
    assert command("revoke", "tv") == (0, "revoked tv\n", "")
    assert len(json.loads(command("list", "--json")[1])["tokens"]) == 1
    assert command("revoke", "tv")[0] == 1


@pytest.mark.parametrize(
    "words", [("create",), ("revoke",), ("list", "a"), ("list", "--scope", "read"), ("revoke", "a", "--label", "b")]
)
def test_what_does_not_go_together_is_refused(rig, command, words):
    status, _, err = command(*words)
    assert status == 1 and "token.usage" in err
    assert len(rig.keyring.tokens()) == 1


def test_https_with_a_certificate_of_our_own_works_for_who_is_told_to_trust_it(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("BLOBTORRENT_CA_FILE", raising=False)
    assert main(["tls", "self-signed", "--host", "127.0.0.1", "-o", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    certificate, key = Path(told["certificate"]), Path(told["key"])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with RestRig(HttpsSpec(ANY_LOOPBACK_PORT), identify=partial(load_identity, certificate, key)) as rig:
        words = ["list", "--url", f"https://127.0.0.1:{rig.port}", "--token-file", str(token)]
        assert main([*words, "--ca-file", str(certificate)]) == 0
        assert main(words) == 1
        assert "certificate" in capsys.readouterr().err.lower()


def test_a_key_that_is_there_is_never_replaced_and_nothing_is_left_half_done(tmp_path, capsys):
    assert main(["tls", "self-signed", "--host", "a", "-o", str(tmp_path)]) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["tls", "self-signed", "--host", "a", "-o", str(tmp_path)]) == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / "key.pem").unlink()
    assert main(["tls", "self-signed", "--host", "a", "-o", str(tmp_path)]) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"certificate.pem"}
    assert "tls.cannot-write" in capsys.readouterr().err
