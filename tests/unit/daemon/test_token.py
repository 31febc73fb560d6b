"""Where tokens are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blobtorrent.daemon.token import CREDENTIAL, FIRST_FILE, admin_token, open_keyring
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.keyring import Keyring
from blobtorrent.model.errors import StorageError


def test_it_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    token = admin_token(state, None)
    assert len(token) >= 43
    assert (state / "admin.token").stat().st_mode & 0o777 == 0o600
    assert admin_token(state, None) == token
    assert admin_token(tmp_path, None) != token


def test_a_token_that_others_can_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    token = admin_token(tmp_path, None)
    (tmp_path / "admin.token").chmod(0o644)
    assert admin_token(tmp_path, None) == token
    assert "others may read the admin token" in caplog.text


def test_one_that_is_no_text_any_more_is_put_aside_and_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = admin_token(tmp_path, None)
    damaged = bytearray((tmp_path / FIRST_FILE).read_bytes())
    damaged[5] |= 0x80
    (tmp_path / FIRST_FILE).write_bytes(damaged)
    second = admin_token(tmp_path, None)
    assert second not in (first, "")
    assert admin_token(tmp_path, None) == second
    assert "damaged" in caplog.text
    assert (tmp_path / f"{FIRST_FILE}.damaged").read_bytes() == damaged


@pytest.mark.parametrize("content", [b"", b"short\n"])
def test_what_is_no_token_is_not_taken_for_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "admin.token"
    path.write_bytes(content)
    with pytest.raises(StorageError) as caught:
        admin_token(tmp_path, None)
    assert caught.value.code == "token.unusable"
    assert path.read_bytes() == content


def test_that_of_the_service_manager_is_used_instead_and_none_is_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state, credentials = tmp_path / "state", tmp_path / "credentials"
    state.mkdir()
    credentials.mkdir()
    made = admin_token(state, credentials)
    (credentials / CREDENTIAL).write_text(" handed-over-by-systemd\n")
    (credentials / CREDENTIAL).chmod(0o440)                # as systemd has it: an access list names us
    assert admin_token(state, credentials) == "handed-over-by-systemd"
    assert (state / FIRST_FILE).read_text() == f"{made}\n"
    assert admin_token(tmp_path / "other", credentials) == "handed-over-by-systemd"
    assert not (tmp_path / "other").exists()
    assert caplog.text == ""


@pytest.mark.parametrize("content", [b"", b"short", b"no \xe4scii text of enough letters"])
def test_one_of_the_service_manager_that_is_of_no_use_refuses_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CREDENTIAL).write_bytes(content)
    with pytest.raises(StorageError) as caught:
        admin_token(tmp_path / "state", tmp_path)
    assert caught.value.code == "token.unusable"
    assert not (tmp_path / "state").exists()


# ---- all tokens


def test_tokens_are_there_again_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as keyring:
        _, secret = keyring.create("tv", [Scope.READ], ["a"])
        keyring.create("other", [Scope.ADMIN])
        keyring.revoke("other")
    assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600
    with opened(tmp_path) as keyring:
        assert [token.name for token in keyring.tokens()] == ["admin", "tv"]
        grant = keyring.open(secret.encode())
        assert grant is not None and (grant.name, grant.labels) == ("tv", {"a"})
        assert keyring.open((tmp_path / "admin.token").read_bytes().strip()) is not None
        assert keyring.open(b"") is None


def test_damaged_tokens_open_nothing_and_are_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "tokens.json").write_text("{")
    with opened(tmp_path) as keyring:
        assert [token.name for token in keyring.tokens()] == ["admin"]
        keyring.create("tv", [Scope.READ])
    assert (tmp_path / "tokens.json.damaged").read_text() == "{"
    assert "damaged" in caplog.text


@pytest.mark.parametrize("content", ['{"format": 2}', None])
def test_tokens_that_are_not_ours_to_replace_refuse_the_start(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokens.json"
    if content is None:
        path.mkdir()
    else:
        path.write_text(content)
    with pytest.raises(StorageError) as caught:
        open_keyring(tmp_path, None)
    assert caught.value.code == "token.unusable"
    assert path.exists()


@contextmanager
def opened(state: Path) -> Iterator[Keyring]:
    keyring = open_keyring(state, None)
    keyring.start(lambda: None)
    try:
        yield keyring
    finally:
        assert keyring.stop(10.0)
