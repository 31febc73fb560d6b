"""Default credentials: there are none. A fresh daemon answers nothing to who has not read its token."""

from __future__ import annotations

import http.client
import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.peers.daemon import Daemon
from tests.support.rest import request_on
from tests.support.rpc import connect

OPEN_TO_ALL = {"/v1/health/live", "/v1/health/ready", "/v1/health/startup"}
USUAL = ["admin", "admin:admin", "admin:", "blobtorrent", "password", "adminadmin", "transmission:transmission", ""]
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, str]]:
    """A daemon that was started for the first time, and where it takes REST over TCP."""
    folder: Path = tmp_path_factory.mktemp("fresh")
    with Daemon(folder, runtime=folder / "run") as daemon:
        daemon.wait_ready()
        found = re.search(r"REST listens address=(127\.0\.0\.1:\d+)", daemon.output())
        assert found is not None
        yield daemon, found[1]


def status(address: str, method: str, path: str, token: str | None = None, **headers: str) -> int:
    with connect(address) as sock:
        return request_on(sock, method, path, token=token, headers=headers).status


def paths(daemon: Daemon) -> list[tuple[str, str]]:
    described = daemon.call("GET", "/v1/openapi.json")["paths"]
    return [(method.upper(), re.sub(r"\{[^}]*\}", "1" * 40, path))
            for path, item in described.items() for method in METHODS if method in item]


def test_every_path_wants_the_token(fresh: tuple[Daemon, str]) -> None:
    daemon, address = fresh
    wanted = [*paths(daemon), ("GET", "/metrics"), ("GET", "/v1/openapi.json"), ("GET", "/"), ("POST", "/RPC2")]
    assert len(wanted) >= 60
    told = {(method, path): status(address, method, path) for method, path in wanted if path not in OPEN_TO_ALL}
    # After some failures the address has to wait; what is nowhere is told to nobody either.
    assert {key: code for key, code in told.items() if code not in (401, 429)} == {}
    assert 401 in told.values()


@pytest.mark.parametrize("word", USUAL)
def test_no_word_that_others_have_opens_it(fresh: tuple[Daemon, str], word: str) -> None:
    assert status(fresh[1], "GET", "/v1/session", word) in (401, 429)


def test_the_token_is_random_and_its_owners_alone(fresh: tuple[Daemon, str]) -> None:
    daemon, address = fresh
    path = daemon.state / "admin.token"
    token = path.read_text().strip()
    assert len(token) >= 43 and len(set(token)) > 15               # 256 bits in base64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert status(address, "GET", "/v1/session", token) == 200
    assert token not in daemon.output()


def test_the_sockets_let_in_only_owner_and_group(fresh: tuple[Daemon, str]) -> None:
    for name in ("rest.sock", "rpc.sock"):
        assert stat.S_IMODE((fresh[0].runtime / name).stat().st_mode) & 0o007 == 0


def test_the_health_of_it_tells_nothing_else(fresh: tuple[Daemon, str]) -> None:
    connection = http.client.HTTPConnection(fresh[1], timeout=10.0)
    connection.request("GET", "/v1/health/ready")
    told = json.loads(connection.getresponse().read())
    connection.close()
    assert told == {"status": "ok", "reasons": []}
