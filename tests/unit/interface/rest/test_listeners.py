"""UNIX sockets that we make, and what may keep us from it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blobtorrent.interface.rest.listeners import SocketAccess, open_all
from blobtorrent.model.errors import NetworkError


def refuse(*_words: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_sandbox_in_which_no_owner_may_be_changed_keeps_no_socket_from_its_own_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "chown", refuse)
    path = tmp_path / "rest.sock"
    ((listener,), _) = open_all([path], access=SocketAccess(0o660, str(path.parent.stat().st_gid)))
    assert path.stat().st_mode & 0o777 == 0o660
    listener.close()
    with pytest.raises(NetworkError):
        open_all([path], access=SocketAccess(0o660, str(path.parent.stat().st_gid + 1)))
