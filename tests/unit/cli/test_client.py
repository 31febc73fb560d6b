"""Which daemon the remote commands talk to, with which token."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

import pytest

from blobtorrent.cli import client
from blobtorrent.cli.client import DEFAULT_URL, Client, connect, default_url
from blobtorrent.daemon.pidfile import PID_FILE, PidFile
from blobtorrent.model.errors import Invalid, NetworkError


def home(folder: Path, token: str = "of-this-user") -> dict[str, str]:
    """The environment of a user whose daemon has run."""
    state = folder / "state" / "blobtorrent"
    state.mkdir(parents=True)
    (state / "admin.token").write_text(f"{token}\n")
    return {"XDG_STATE_HOME": str(folder / "state"), "XDG_RUNTIME_DIR": str(folder / "run")}


def token_of(client: Client) -> str | None:
    return client._headers.get("Authorization")


def options(url: str | None = None, token_file: Path | None = None) -> Namespace:
    return Namespace(url=url, token_file=token_file, ca_file=None)


def test_the_socket_of_this_user_comes_before_the_usual_port(tmp_path):
    environ = home(tmp_path)
    assert default_url(environ) in (DEFAULT_URL, "unix:/run/blobtorrent/rest.sock")
    path = tmp_path / "run" / "blobtorrent" / "rest.sock"
    path.parent.mkdir(parents=True)
    path.touch()
    assert default_url(environ) == f"unix:{path}"


@pytest.mark.parametrize("url", ["http://127.0.0.1:7070", "http://localhost:1", "http://[::1]:7070", "unix:/a"])
def test_the_token_of_this_user_is_sent_to_this_machine(tmp_path, url):
    assert token_of(connect(options(url), home(tmp_path))) == "Bearer of-this-user"


def test_the_usual_port_gets_the_token_only_when_somebody_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "SYSTEM_RUNTIME_DIR", tmp_path / "nothing")
    environ = home(tmp_path)
    assert token_of(connect(options(), environ)) is None
    assert token_of(connect(options(), {**environ, "BLOBTORRENT_URL": DEFAULT_URL})) == "Bearer of-this-user"


@pytest.mark.parametrize("url", ["http://192.168.1.2:7070", "https://nas.example", "http://localhost.evil.example"])
def test_the_token_of_this_user_goes_nowhere_else(tmp_path, url):
    assert token_of(connect(options(url), home(tmp_path))) is None


def test_options_come_before_the_environment(tmp_path):
    given, other = tmp_path / "given", tmp_path / "other"
    given.write_text("given")
    other.write_text("other")
    environ = {**home(tmp_path), "BLOBTORRENT_URL": "http://nas.example", "BLOBTORRENT_TOKEN_FILE": str(other)}
    assert token_of(connect(options(), environ)) == "Bearer other"
    assert token_of(connect(options(token_file=given), environ)) == "Bearer given"
    with pytest.raises(Invalid):
        connect(options("ftp://a"), environ)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff", b"a\nb", None])
def test_a_token_file_without_a_token_is_refused(tmp_path, content):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Invalid, match="token"):
        connect(options("unix:/a", path), {})


@pytest.mark.parametrize(
    "url", ["", "unix:", "127.0.0.1:7070", "ftp://a", "http://", "http://a:b", "http://a:99999", "http://u:p@a",
            "http://a/?q=1", "http://[::1"],
)
def test_what_is_no_address_of_a_daemon_is_refused(url):
    with pytest.raises(Invalid, match="write http"):
        Client(url)


def test_a_daemon_that_is_not_there_is_told_in_one_line(tmp_path):
    with pytest.raises(NetworkError, match="No such file") as caught:
        Client(f"unix:{tmp_path / 'none.sock'}").get("/v1/session")
    assert caught.value.code == "client.unreachable"


def test_a_daemon_that_does_not_listen_yet_is_named(tmp_path: Path) -> None:
    pid_file = PidFile(tmp_path / PID_FILE)
    pid_file.take()
    with pytest.raises(NetworkError, match=rf"No such file or directory; process {os.getpid()} may be starting"):
        Client(f"unix:{tmp_path}/rest.sock").get("/v1/torrents")
    pid_file.release()
    with pytest.raises(NetworkError, match="No such file or directory$"):
        Client(f"unix:{tmp_path}/rest.sock").get("/v1/torrents")
