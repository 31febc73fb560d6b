"""The admin token."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.daemon.token import admin_token
from blobtorrent.model.errors import StorageError


def test_it_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    token = admin_token(state)
    assert len(token) >= 43
    assert (state / "admin.token").stat().st_mode & 0o777 == 0o600
    assert admin_token(state) == token
    assert admin_token(tmp_path) != token


def test_a_token_that_others_can_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    token = admin_token(tmp_path)
    (tmp_path / "admin.token").chmod(0o644)
    assert admin_token(tmp_path) == token
    assert "others may read the admin token" in caplog.text


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40])
def test_what_is_no_token_is_not_taken_for_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "admin.token"
    path.write_bytes(content)
    with pytest.raises(StorageError) as caught:
        admin_token(tmp_path)
    assert caught.value.code == "token.unusable"
    assert path.read_bytes() == content
