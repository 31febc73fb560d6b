"""Tokens over the real server: what they open, when they end, what is kept of them, and what the audit log tells."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.interface.rest.attempts import FREE_ATTEMPTS
from blobtorrent.interface.rest.crowd import MAX_PER_NETWORK
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Response
from blobtorrent.interface.rest.keyring import MAX_TOKENS
from blobtorrent.interface.rest.listeners import SocketAccess
from blobtorrent.interface.rest.server import LASTING_CHECK_S, USES_SAVED_S
from blobtorrent.interface.rest.tokens import read_tokens
from blobtorrent.model.errors import NetworkError, StorageError
from blobtorrent.runtime.clock import FakeClock
from tests.support.bodies import Pushing, Reading, Serving, wait_for
from tests.support.rest import TOKEN, Answer, RestRig, info_hash, read_all, request_on, status_of, unix_connection

ONE = f"/v1/torrents/{info_hash(1).hex}"


@pytest.fixture
def rig() -> Iterator[Serving]:
    with Serving() as running:
        yield running


def make(rig: RestRig, name: str = "reader", *scopes: str, **options: Any) -> str:
    answer = rig.request("POST", "/v1/tokens", {"name": name, "scopes": scopes or ["read"], **options})
    assert answer.status == 201, answer.body
    return str(answer.json["token"])


def names(rig: RestRig) -> list[str]:
    return [token["name"] for token in rig.request("GET", "/v1/tokens").json["tokens"]]


def ask_with(sock: socket.socket, token: str) -> None:
    sock.sendall(f"GET /body HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())


# ---- making and revoking


def test_a_new_token_is_told_once_and_kept_as_a_digest(rig):
    answer = rig.request("POST", "/v1/tokens", {"name": "tv", "scopes": ["read", "add"], "labels": ["b", "a"]})
    told = answer.json
    secret = told.pop("token")
    assert len(secret) >= 43
    assert answer.headers["location"] == "/v1/tokens/tv"
    assert {**told, "created_at": 0} == {
        "name": "tv", "scopes": ["read", "add"], "labels": ["a", "b"], "created_at": 0, "expires_at": None,
        "last_used_at": None,
    }
    listed = rig.request("GET", "/v1/tokens")
    assert secret.encode() not in listed.body
    assert [token["name"] for token in listed.json["tokens"]] == ["admin", "tv"]
    assert secret.encode() not in b"".join(rig.saved)
    (kept,) = read_tokens(rig.saved[-1])
    assert (kept.name, kept.scopes) == ("tv", {Scope.READ, Scope.ADD})


def test_a_token_holds_at_once_and_no_longer_than_until_it_is_revoked(rig):
    secret = make(rig)
    with rig.connect() as sock:
        assert request_on(sock, "GET", "/v1/session", token=secret).status == 200
        assert rig.request("DELETE", "/v1/tokens/reader").status == 204
        assert request_on(sock, "GET", "/v1/session", token=secret).status == 401
    assert names(rig) == ["admin"]
    assert read_tokens(rig.saved[-1]) == ()


def test_a_new_token_of_an_old_name_opens_nothing_for_the_old_secret(rig):
    old = make(rig)
    assert rig.request("DELETE", "/v1/tokens/reader").status == 204
    new = make(rig)
    assert rig.request("GET", "/v1/session", token=new).status == 200
    assert rig.request("GET", "/v1/session", token=old).status == 401


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"scopes": ["read"]}, 422, "option.bad-value"), ({"name": "a"}, 422, "option.bad-value"),
        ({"name": "", "scopes": ["read"]}, 422, "option.bad-value"),
        ({"name": "a/b", "scopes": ["read"]}, 422, "option.bad-value"),
        ({"name": "a" * 65, "scopes": ["read"]}, 422, "option.bad-value"),
        ({"name": "a", "scopes": []}, 422, "option.bad-value"),
        ({"name": "a", "scopes": ["root"]}, 422, "option.bad-value"),
        ({"name": "a", "scopes": "read"}, 422, "option.bad-value"),
        ({"name": "a", "scopes": [["read"]]}, 422, "option.bad-value"),
        ({"name": "a", "scopes": ["read"], "labels": [""]}, 422, "option.bad-value"),
        ({"name": "a", "scopes": ["read"], "expires_in_s": 0}, 422, "option.bad-value"),
        ({"name": "a", "scopes": ["read"], "expires_in_s": "soon"}, 422, "option.bad-value"),
        ({"name": "a", "scopes": ["read"], "token": "mine"}, 422, "option.unknown"),
        ({"name": "a", "scopes": ["admin"], "labels": ["b"]}, 422, "token.bad-scope"),
        ({"name": "admin", "scopes": ["read"]}, 409, "token.present"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(rig, body, status, code):
    answer = rig.request("POST", "/v1/tokens", body)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert names(rig) == ["admin"]
    assert rig.saved == []


def test_a_name_is_given_once_and_tokens_are_not_without_number(rig):
    make(rig, "a")
    again = rig.request("POST", "/v1/tokens", {"name": "a", "scopes": ["admin"]})
    assert (again.status, again.json["code"]) == (409, "token.present")
    for number in range(MAX_TOKENS - 1):
        make(rig, f"t{number}")
    many = rig.request("POST", "/v1/tokens", {"name": "b", "scopes": ["read"]})
    assert (many.status, many.json["code"]) == (409, "token.too-many")


@pytest.mark.parametrize(("name", "status", "code"), [("admin", 409, "token.first"), ("nobody", 404, "token.unknown")])
def test_what_cannot_be_revoked_is_told_why(rig, name, status, code):
    answer = rig.request("DELETE", f"/v1/tokens/{name}")
    assert (answer.status, answer.json["code"]) == (status, code)


def test_a_token_that_cannot_be_saved_is_not_made_and_one_that_stays_on_disk_not_revoked(rig):
    secret = make(rig)

    def fail(_data: bytes) -> None:
        raise StorageError("storage.disk-full", "no space")

    rig.keyring._save = fail
    refused = rig.request("POST", "/v1/tokens", {"name": "b", "scopes": ["read"]})
    assert (refused.status, refused.json["code"]) == (507, "storage.disk-full")
    assert rig.request("DELETE", "/v1/tokens/reader").status == 507
    assert names(rig) == ["admin", "reader"]
    assert rig.request("GET", "/v1/session", token=secret).status == 200


# ---- scopes


@pytest.mark.parametrize(
    ("scope", "statuses"),
    [("read", [200, 403, 403, 403]), ("add", [200, 400, 403, 403]), ("control", [200, 400, 200, 403]),
     ("admin", [200, 400, 200, 200])],
)
def test_each_scope_opens_what_it_says_and_no_more(rig, scope, statuses):
    rig.session.show(status_of(1))
    secret = make(rig, "t", scope)
    asked = [("GET", ONE), ("POST", "/v1/torrents"), ("POST", f"{ONE}/start"), ("GET", "/v1/tokens")]
    assert [rig.request(method, path, token=secret).status for method, path in asked] == statuses


def test_a_body_is_not_waited_for_from_who_may_not_send_it(rig):
    secret = make(rig)
    with rig.connect() as sock:
        sock.sendall(
            f"POST /v1/torrents HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n"
            "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert read_all(sock).startswith(b"HTTP/1.1 403 ")


# ---- the end of tokens


@pytest.mark.parametrize("kind", [Pushing, lambda: Reading(bytes(64 << 20))])
def test_revoking_cuts_the_answers_that_last_and_no_others(rig, kind):
    mine, theirs = make(rig, "mine"), make(rig, "theirs")
    bodies = [kind(), kind()]
    with rig.connect() as revoked, rig.connect() as kept:
        for sock, token, body in zip((revoked, kept), (mine, theirs), bodies):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            rig.response = Response(200, body)
            ask_with(sock, token)
            assert sock.recv(1)
        assert rig.request("DELETE", "/v1/tokens/mine").status == 204
        wait_for(lambda: _is_over(bodies[0]))
        assert not _is_over(bodies[1])


def _is_over(body: Pushing | Reading) -> int:
    return body.ended if isinstance(body, Pushing) else body.closed


def test_an_expired_token_opens_nothing_and_what_it_opened_is_cut():
    clock = FakeClock()
    with Serving(clock=clock) as rig:
        secret = make(rig, "t")
        token = rig.keyring.tokens()[1]
        rig.keyring._tokens = (token._replace(expires_at=clock.wall() + 100),)
        push = Pushing()
        rig.response = Response(200, push)
        with rig.connect() as sock:
            ask_with(sock, secret)
            wait_for(lambda: push.sink)
            clock.advance(99)
            rig.settle()
            assert not push.ended
            clock.advance(1 + LASTING_CHECK_S)
            rig.settle()
            assert push.ended == 1
        assert rig.request("GET", "/v1/session", token=secret).status == 401
        assert names(rig) == ["admin", "t"]


def test_the_lifetime_counts_from_now(rig):
    answer = rig.request("POST", "/v1/tokens", {"name": "t", "scopes": ["read"], "expires_in_s": "30d"})
    assert answer.json["expires_at"] - answer.json["created_at"] in (30 * 86400 - 1, 30 * 86400, 30 * 86400 + 1)


def test_uses_are_told_at_once_and_saved_now_and_then():
    clock = FakeClock()
    with Serving(clock=clock) as rig:
        secret = make(rig, "t")
        clock.advance(50)
        assert rig.request("GET", "/v1/session", token=secret).status == 200
        _, told = rig.request("GET", "/v1/tokens").json["tokens"]
        assert told["last_used_at"] - told["created_at"] == 50
        assert len(rig.saved) == 1
        clock.advance(USES_SAVED_S)
        rig.settle()
        wait_for(lambda: len(rig.saved) == 2)
        clock.advance(USES_SAVED_S)
        rig.settle()
    assert len(rig.saved) == 2         # nothing was new, also at the end
    (kept,) = read_tokens(rig.saved[-1])
    assert kept.last_used_at == kept.created_at + 50


def test_another_first_token_replaces_the_one_before(rig):
    push = Pushing()
    rig.response = Response(200, push)
    with rig.connect() as sock:
        ask_with(sock, TOKEN)
        wait_for(lambda: push.sink)
        rig.keyring.replace_first(TOKEN)
        rig.settle()
        assert not push.ended
        rig.keyring.replace_first("another token of this kind")
        wait_for(lambda: push.ended)
    assert rig.request("GET", "/v1/tokens", token="another token of this kind").status == 200
    assert rig.request("GET", "/v1/tokens").status == 401


# ---- the audit log


def records(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [
        record.__dict__["fields"] for record in caplog.records
        if record.name == "blobtorrent.audit" and record.levelno == logging.INFO
    ]


def test_every_change_is_told_with_who_and_what_came_of_it(rig, caplog):
    caplog.set_level(logging.INFO, "blobtorrent.audit")
    rig.session.show(status_of(1))
    control = make(rig, "tv", "control")
    rig.request("GET", ONE, token=control)
    rig.request("POST", f"{ONE}/start", token=control)
    rig.request("DELETE", f"{ONE}?with_data=maybe", token=control)
    rig.request("PATCH", "/v1/settings", {"limits": {}}, token=control)
    rig.request("POST", f"{ONE}/stop", token="wrong")
    told = records(caplog)
    assert told == [
        {"who": "admin", "address": "127.0.0.1", "method": "POST", "path": "/v1/tokens", "status": 201,
         "token": "tv", "scopes": "control"},
        {"who": "tv", "address": "127.0.0.1", "method": "POST", "path": f"{ONE}/start", "status": 200},
        {"who": "tv", "address": "127.0.0.1", "method": "DELETE", "path": ONE, "status": 422},
        {"who": "tv", "address": "127.0.0.1", "method": "PATCH", "path": "/v1/settings", "status": 403},
    ]
    assert control not in caplog.text and TOKEN not in caplog.text


def test_it_is_told_which_torrents_were_changed_together(rig, caplog):
    caplog.set_level(logging.INFO, "blobtorrent.audit")
    rig.session.show(status_of(1), status_of(2))
    words = [info_hash(number).hex for number in (1, 2, 3)]
    rig.request("POST", "/v1/torrents/actions", {"action": "remove", "hashes": words, "with_data": True})
    (told,) = records(caplog)
    assert (told["action"], told["torrents"]) == ("remove with data", ",".join(words[:2]))


def test_a_change_is_told_although_its_client_has_left(rig, caplog):
    caplog.set_level(logging.INFO, "blobtorrent.audit")
    rig.session.show(status_of(1))
    with rig.connect() as sock:
        sock.sendall(
            f"POST {ONE}/start HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
    wait_for(lambda: records(caplog))
    assert records(caplog)[0]["status"] == 200


def test_wrong_tokens_are_told_and_not_what_they_were(rig, caplog):
    caplog.set_level(logging.INFO, "blobtorrent.audit")
    for _ in range(3 * FREE_ATTEMPTS):
        rig.request("GET", "/v1/session", token="guess-of-somebody")
    rig.request("GET", "/v1/session", token=None, address="127.0.0.2")
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == FREE_ATTEMPTS
    assert "guess-of-somebody" not in caplog.text


# ---- places for each address


def test_one_address_cannot_take_the_places_of_the_others(rig):
    crowd = [rig.connect("127.0.0.5") for _ in range(3 * MAX_PER_NETWORK)]
    try:
        for sock in crowd[:2 * MAX_PER_NETWORK]:
            assert read_all(sock) == b""               # those that waited gave way to those that came later
        assert request_on(crowd[-1], "GET", "/v1/session").status == 200
    finally:
        for sock in crowd:
            sock.close()


def test_an_address_whose_places_are_in_use_is_told_so_and_others_are_not():
    with Serving() as rig:
        crowd = []
        for _ in range(MAX_PER_NETWORK):
            push = Pushing()
            rig.response = Response(200, push)
            crowd.append(rig.connect("127.0.0.5"))
            ask_with(crowd[-1], TOKEN)
            wait_for(lambda push=push: push.sink)
        with rig.connect("127.0.0.5") as late:
            refusal = read_all(late)
            assert refusal.startswith(b"HTTP/1.1 503 ") and b"rest.too-many" in refusal
        assert rig.request("GET", "/v1/session", address="127.0.0.6").status == 200
        crowd.pop().close()
        wait_for(lambda: rig.request("GET", "/v1/session", address="127.0.0.6").status and _has_room(rig))
        for sock in crowd:
            sock.close()


def _has_room(rig: RestRig) -> bool:
    with rig.connect("127.0.0.5") as sock:
        try:
            return request_on(sock, "GET", "/v1/health/live").status == 200
        except OSError:
            return False


def test_a_unix_socket_has_as_many_places_as_there_are(tmp_path):
    path = tmp_path / "rest.sock"
    with RestRig(path):
        crowd = [unix_connection(path) for _ in range(2 * MAX_PER_NETWORK)]
        for sock in crowd:
            assert request_on(sock, "GET", "/v1/session", token=None).status == 200
            sock.close()


# ---- users of UNIX sockets

NOBODY_ID = 65534


class Stranger:
    """A process of another user that asks a UNIX socket when told to. Made before there are threads."""

    def __init__(self, path: Path, gid: int, groups: tuple[int, ...] = ()) -> None:
        (go, self._start), (self._result, told) = os.pipe(), os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(NOBODY_ID)
            os.read(go, 1)
            try:
                with unix_connection(path) as sock:
                    answer: Answer | None = request_on(sock, "GET", "/v1/tokens", token=None)
            except OSError:
                answer = None
            os.write(told, b"refused" if answer is None else str(answer.status).encode())
            os._exit(0)
        for descriptor in (go, told):
            os.close(descriptor)

    def status(self) -> str:
        os.write(self._start, b"!")
        with open(self._result) as pipe:
            told = pipe.read()
        os.waitpid(self._child, 0)
        os.close(self._start)
        return told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("gid", "groups", "access", "told"),
    [
        (1234, (), SocketAccess(0o660, "1234"), "200"),            # its own group
        (NOBODY_ID, (1, 1234, 2), SocketAccess(0o660, "1234"), "200"),     # one of its others
        (NOBODY_ID, (), SocketAccess(0o660, "1234"), "refused"),
        (NOBODY_ID, (), SocketAccess(0o666, "1234"), "401"),
        (0, (), SocketAccess(0o660), "401"),           # that of the process is not enough
        (1234, (), SocketAccess(0o600, "1234"), "refused"),
    ],
)
def test_members_of_the_group_are_trusted_and_nobody_else(gid, groups, access, told):
    path = Path(f"/tmp/blobtorrent-rest-{os.getpid()}.sock")
    stranger = Stranger(path, gid, groups)
    with RestRig(path, access=access):
        assert (path.stat().st_mode & 0o777, path.stat().st_gid) == (access.mode, int(access.group or os.getegid()))
        assert stranger.status() == told


def test_a_group_that_does_not_exist_is_told(tmp_path):
    rig = RestRig(tmp_path / "rest.sock", access=SocketAccess(group="no-such-group"))
    with pytest.raises(NetworkError) as caught:
        rig.server.start()
    assert caught.value.code == "net.no-group"
