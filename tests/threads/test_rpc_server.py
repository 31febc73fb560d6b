"""The rTorrent interface on its threads: SCGI and HTTP, trust, deadlines, limits, and what clients do to it."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import os
import select
import socket
import time
import xmlrpc.client
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from blobtorrent.config.values import ListenSpec
from blobtorrent.interface.rest.crowd import MAX_CONNECTIONS
from blobtorrent.interface.rest.gate import Caller
from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rtorrent import connection, server
from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.httpgate import RpcGate
from blobtorrent.interface.rtorrent.rules import Rules
from blobtorrent.interface.rtorrent.server import Door, RpcServer, trust_of
from blobtorrent.interface.rtorrent.turns import Turns
from tests.support.rpc import Stage, body_of, connect, exchange, framed, read_all, recordings, serving, unix_door

TCP = ListenSpec("127.0.0.1", range(1))
EXECUTE = b'{"id":1,"method":"execute.capture","params":["","echo"]}'
PID = b'{"id":1,"method":"system.pid"}'
JSON = {"Content-Type": "application/json"}
PID_ANSWER = {"id": 1, "jsonrpc": "2.0", "result": 4242}

# The process number of the recordings has other digits than the one that was counted there; the others are better here.
OTHERWISE = {
    "longer body than length", "no params element", "control char in answer", "invalid utf8 in answer", "multicall raw",
}
STAGED = [case for case in recordings("transport.json") if case["server"] == "0.9.8" and case["label"] not in OTHERWISE]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving(unix_door(tmp_path_factory.mktemp("rpc"))) as (rpc, _):
        yield rpc.addresses[0]


def asked(address: str, body: bytes, **headers: str) -> dict:
    found: dict = json.loads(body_of(exchange(address, framed(body, headers))))
    return found


def until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 10.0
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def read_some(sock: socket.socket, num_bytes: int) -> bytes:
    data = b""
    while len(data) < num_bytes:
        data += sock.recv(65536) or pytest.fail("too little came")
    return data


@pytest.mark.parametrize("case", STAGED, ids=lambda case: case["label"])
def test_a_raw_request_is_answered_as_recorded(address, case):
    got = exchange(address, case["request"].encode("latin-1"), half_close=case["half_close"])
    assert got == case["response"].encode("latin-1")


def test_a_request_that_comes_byte_by_byte_is_answered(address):
    with connect(address) as sock:
        for byte in framed(PID):
            sock.send(bytes((byte,)))
        assert json.loads(body_of(read_all(sock))) == PID_ANSWER


def test_the_newer_dialect_is_spoken_when_that_version_is_claimed(tmp_path):
    with serving(unix_door(tmp_path), rules=Rules("0.16.20")) as (rpc, _):
        case = next(case for case in recordings("transport.json")
                    if case["server"] == "0.16.20" and case["label"] == "no params element")
        assert exchange(rpc.addresses[0], case["request"].encode()) == case["response"].encode()


def test_a_large_answer_arrives_whole_at_a_client_that_reads_slowly(address):
    body = json.dumps({"id": 1, "method": "echo", "params": ["", *["x" * 1000] * 8000]}).encode()
    with connect(address) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(framed(body))
        time.sleep(0.3)
        assert len(json.loads(body_of(read_all(sock)))["result"]) == 8000


def test_gzip_is_sent_to_who_asks_for_it(address):
    body = json.dumps({"id": 1, "method": "cat", "params": ["", "x" * 10_000]}).encode()
    answer = exchange(address, framed(body, {"ACCEPT_ENCODING": "gzip"}))
    assert b"Content-Encoding: gzip\r\n" in answer
    assert json.loads(gzip.decompress(body_of(answer)))["result"] == "x" * 10_000


def test_a_bug_is_a_fault_and_the_next_request_is_answered(address):
    assert "error" in asked(address, b'{"id":1,"method":"break"}')
    assert asked(address, PID) == PID_ANSWER


def test_many_clients_are_answered_at_once(address):
    with ThreadPoolExecutor(20) as pool:
        assert all(answer == PID_ANSWER for answer in pool.map(lambda _: asked(address, PID), range(300)))


def test_an_unknown_type_closes_the_connection(address):
    assert exchange(address, framed(PID, {"CONTENT_TYPE": "text/plain"})) == b""
    assert exchange(address, framed(PID, {"UNTRUSTED_CONNECTION": "yes"})) == b""


# ---- trust

def test_our_own_user_may_run_programs_over_the_unix_socket(address):
    assert asked(address, EXECUTE)["result"] == "hi\n"


def test_a_request_that_is_marked_may_only_do_what_is_safe(address):
    refused = asked(address, EXECUTE, UNTRUSTED_CONNECTION="1")["error"]
    assert refused["message"] == 'Command "execute.capture" is not allowed for untrusted connections.'
    assert asked(address, PID, UNTRUSTED_CONNECTION="1") == PID_ANSWER


@pytest.mark.parametrize("name", ["untrusted_connection", "HTTP_UNTRUSTED_CONNECTION", "Untrusted-Connection"])
def test_a_mark_counts_in_any_spelling(address, name):
    refused = asked(address, EXECUTE, **{name: "1", "UNTRUSTED_CONNECTION": "0"})["error"]
    assert "untrusted connections" in refused["message"]


def test_marks_that_disagree_close_the_connection(address):
    block = b"CONTENT_LENGTH\0%d\0UNTRUSTED_CONNECTION\x000\0UNTRUSTED_CONNECTION\x001\0" % len(EXECUTE)
    assert exchange(address, b"%d:%s,%s" % (len(block), block, EXECUTE)) == b""


@pytest.mark.parametrize("name", ["Untrusted-Connection", "UNTRUSTED_CONNECTION"])
def test_a_mark_counts_over_http(name):
    with serving(Door(TCP, is_http=True, is_trusted=True)) as (rpc, _):
        client = http.client.HTTPConnection(rpc.addresses[0], timeout=10)
        for mark, is_allowed in (("0", True), ("1", False)):
            client.request("POST", "/RPC2", EXECUTE, {name: mark, **JSON})
            assert ("result" in json.loads(client.getresponse().read())) is is_allowed
        client.close()


def test_over_tcp_programs_run_only_where_the_settings_say_so():
    with serving(Door(TCP), Door(TCP, is_trusted=True)) as (rpc, _):
        plain, trusted = rpc.addresses
        assert "rtorrent.trusted" in asked(plain, EXECUTE)["error"]["message"]
        assert "rtorrent.trusted" in asked(plain, EXECUTE, UNTRUSTED_CONNECTION="0")["error"]["message"]
        assert asked(plain, b'{"id":1,"method":"d.start"}')["result"] == 0
        assert asked(trusted, EXECUTE)["result"] == "hi\n"


def test_strangers_at_a_unix_socket_run_no_code():
    assert trust_of(Caller("unix:1234", is_local=True), is_trusted_door=False) is Trust.NO_CODE
    assert trust_of(Caller("unix:1234", is_local=True, is_trusted=True), is_trusted_door=False) is Trust.FULL


def test_the_group_that_a_socket_lets_in_is_that_of_its_file(tmp_path):
    place = tmp_path / "rpc.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(place))
        place.chmod(0o660)
        others = [group for group in os.getgroups() if group != os.getegid()]
        if os.geteuid() == 0:
            others = [4242]
        for group in (os.getegid(), *others):
            os.chown(place, -1, group)
            assert server.group_let_in(sock) == group
        place.chmod(0o606)
        assert server.group_let_in(sock) is None
        place.unlink()
        assert server.group_let_in(sock) is None


def test_the_socket_is_for_its_user_and_group_and_goes_with_the_server(tmp_path):
    with serving(unix_door(tmp_path)) as (rpc, _):
        path = Path(rpc.addresses[0].removeprefix("unix:"))
        assert path.stat().st_mode & 0o777 == 0o660 and path.stat().st_gid == os.getegid()
    assert not path.exists()


def test_who_comes_to_a_place_that_is_open_before_the_start_is_answered_then(tmp_path):
    stage, turns = Stage(), Turns()
    rpc = RpcServer([unix_door(tmp_path), Door(tmp_path / "more.sock")], turns.post, stage.perform)
    rpc.open(Door(tmp_path / "more.sock"))     # as a configuration may have it, too
    with connect(rpc.addresses[0]) as early:
        early.sendall(framed(PID))
        turns.start()
        rpc.start()
        assert json.loads(body_of(read_all(early))) == PID_ANSWER
    assert len(rpc.addresses) == 2
    assert rpc.stop(5.0) and turns.stop(5.0)
    assert not list(tmp_path.iterdir())


def test_places_that_are_opened_while_nothing_is_routed_answer_only_who_is_near() -> None:
    stage, turns, rules = Stage(), Turns(), Rules()
    rpc = RpcServer([], turns.post, stage.perform, rules=rules)
    rpc.open(Door(TCP))
    rules.is_routed = False
    rpc.open(Door(TCP))
    assert [opened.listener.sock.getsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE) for opened in rpc._opened] == [0, 1]
    turns.start()
    rpc.start()
    for address in rpc.addresses:
        with connect(address) as client:
            client.sendall(framed(PID))
            assert json.loads(body_of(read_all(client))) == PID_ANSWER
    assert rpc.stop(5.0) and turns.stop(5.0)


def test_what_was_opened_is_closed_by_one_that_never_started(tmp_path):
    rpc = RpcServer([unix_door(tmp_path)], print, print)
    rpc.open(Door(tmp_path / "more.sock"))
    assert rpc.stop(5.0)
    assert not list(tmp_path.iterdir())


# ---- HTTP

def test_python_s_own_client_is_answered():
    with serving(Door(TCP, is_http=True)) as (rpc, _), \
            xmlrpc.client.ServerProxy(f"http://{rpc.addresses[0]}/RPC2") as client:
        assert client.system.client_version() == "0.9.8"
        assert client.cat("", "a", "b") == "ab"
        with pytest.raises(xmlrpc.client.Fault) as caught:
            client.nosuch()
        assert (caught.value.faultCode, caught.value.faultString) == (-506, "Method 'nosuch' not defined")


@pytest.mark.parametrize(("method", "path", "headers", "status"), [
    ("GET", "/RPC2", {}, 405), ("POST", "/other", {}, 404), ("POST", "/RPC2", {"Host": "evil.example"}, 421),
    ("POST", "/RPC2", {"Origin": "http://evil.example"}, 403), ("POST", "/", {}, 200), ("POST", "/RPC2/", {}, 200),
    ("POST", "/RPC2", {"Content-Type": "text/plain"}, 415), ("POST", "/RPC2", {"Content-Type": ""}, 200),
    ("POST", "/RPC2", {"Content-Type": "", "Origin": "http://evil.example"}, 403),
    ("POST", "/RPC2", {"Content-Type": "Application/X-WWW-Form-Urlencoded; a=b"}, 415), ("HEAD", "/RPC2", {}, 405),
    ("POST", "/RPC2", {"Transfer-Encoding": "chunked"}, 411), ("POST", "/RPC2", {"Sec-Fetch-Site": "same-site"}, 403),
    ("POST", "/RPC2", {"Untrusted_Connection": "yes"}, 400), ("POST", "/RPC2", {"Content-Type": "image/png"}, 415),
])
def test_http_is_answered_at_its_path_and_not_to_other_sites(method, path, headers, status):
    with serving(Door(TCP, is_http=True)) as (rpc, _):
        client = http.client.HTTPConnection(rpc.addresses[0], timeout=10)
        client.request(method, path, PID, {"Content-Type": "application/json", **headers})
        assert client.getresponse().status == status
        client.close()


def test_a_token_for_the_whole_session_is_the_password_where_one_is_wanted():
    grants = {
        b"secret": Grant("me", frozenset((Scope.ADMIN,))), b"reader": Grant("tv", frozenset((Scope.READ,))),
        b"bound": Grant("radio", frozenset((Scope.ADMIN,)), labels=frozenset(("music",))),
    }
    with serving(Door(TCP, is_http=True), gate=RpcGate(grants.get)) as (rpc, _):
        for password, status in (("secret", 200), ("wrong", 401), ("reader", 403), ("bound", 403)):
            client = http.client.HTTPConnection(rpc.addresses[0], timeout=10)
            credentials = base64.b64encode(f"sonarr:{password}".encode()).decode()
            client.request("POST", "/RPC2", PID, {"Authorization": f"Basic {credentials}", **JSON})
            answer = client.getresponse()
            assert answer.status == status
            assert (answer.getheader("WWW-Authenticate") is None) == (status != 401)
            client.close()


# ---- slow, dead and greedy clients

def test_a_client_that_sends_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "REQUEST_S", 0.2)
    with serving(unix_door(tmp_path)) as (rpc, _), connect(rpc.addresses[0]) as sock:
        sock.sendall(framed(PID)[:-1])
        assert read_all(sock) == b""


def test_a_client_that_takes_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "ANSWER_S", 0.1)
    monkeypatch.setattr(connection, "MIN_BYTES_PER_S", 1 << 40)
    body = json.dumps({"id": 1, "method": "echo", "params": ["", *["x" * 1000] * 8000]}).encode()
    with serving(unix_door(tmp_path)) as (rpc, _), connect(rpc.addresses[0]) as sock:
        sock.sendall(framed(body))
        until(lambda: rpc._num_requests and not len(rpc._crowd))
        with pytest.raises((ConnectionError, json.JSONDecodeError)):
            json.loads(body_of(read_all(sock)))


def test_a_client_that_pauses_for_too_long_is_left_however_much_is_to_come(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "REQUEST_S", 0.3)
    with serving(unix_door(tmp_path)) as (rpc, _), connect(rpc.addresses[0]) as sock:
        begun_s = time.monotonic()
        sock.sendall(framed(b"x" * (16 << 20))[:700_000])
        assert read_all(sock) == b"" and time.monotonic() - begun_s < 5.0


def test_a_client_that_stops_taking_its_answer_is_left_however_much_is_to_go(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "ANSWER_S", 0.3)
    body = json.dumps({"id": 1, "method": "echo", "params": ["", *["x" * 1000] * 8000]}).encode()
    with serving(unix_door(tmp_path)) as (rpc, _), connect(rpc.addresses[0]) as sock:
        sock.sendall(framed(body))
        sock.recv(10)
        until(lambda: not len(rpc._crowd))
        assert rpc._crowd.held_bytes == 0


@pytest.mark.parametrize("is_http", [False, True])
def test_requests_under_way_share_a_limited_memory(is_http):
    with serving(Door(TCP, is_http=is_http)) as (rpc, _), ExitStack() as stack:
        rpc._crowd._max_held_bytes = 1 << 20
        head = b"POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        request = head + b"Content-Length: 2097152\r\n\r\n" if is_http else framed(b"x" * (2 << 20))[:200]
        slow = [stack.enter_context(connect(rpc.addresses[0])) for _ in range(6)]
        for sock in slow:
            sock.sendall(request + b"x" * 400_000)
        until(lambda: len(select.select(slow, [], [], 0)[0]) == 4)     # these were left
        assert len(rpc._crowd) == 2 and rpc._crowd.held_bytes <= 1 << 20
        body = json.dumps({"id": 1, "method": "cat", "params": ["", "x" * 900_000]}).encode()
        whole = head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body) if is_http else framed(body)
        with connect(rpc.addresses[0]) as sock:
            sock.sendall(whole)
            assert b"x" * 900_000 in read_some(sock, 900_000)


def test_answers_that_nobody_takes_share_it_too(tmp_path):
    body = json.dumps({"id": 1, "method": "echo", "params": ["", *["x" * 1000] * 8000]}).encode()
    with serving(unix_door(tmp_path)) as (rpc, _), ExitStack() as stack:
        rpc._crowd._max_held_bytes = 20 << 20
        for number in range(1, 7):
            stack.enter_context(connect(rpc.addresses[0])).sendall(framed(body))
            until(lambda number=number: rpc._num_requests == number and not rpc._num_working)
        assert rpc._crowd.held_bytes <= 20 << 20 and 0 < len(rpc._crowd) < 6
        assert asked(rpc.addresses[0], PID) == PID_ANSWER


def test_clients_that_send_a_body_for_ever_keep_no_others_out(monkeypatch):
    monkeypatch.setattr(server, "MAX_PER_NETWORK", 8)
    with serving(Door(TCP, is_http=True)) as (rpc, _), ExitStack() as stack:
        for _ in range(8):
            sock = stack.enter_context(connect(rpc.addresses[0]))
            sock.sendall(b"POST /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml\r\n"
                         b"Content-Length: 16000000\r\n\r\n<")
        until(lambda: len(rpc._crowd) == 8)
        with xmlrpc.client.ServerProxy(f"http://{rpc.addresses[0]}/RPC2") as client:
            assert client.system.client_version() == "0.9.8"


def test_a_thousand_clients_keep_no_others_out(tmp_path):
    with serving(unix_door(tmp_path)) as (rpc, _), ExitStack() as stack:
        for number in range(1000):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(rpc.addresses[0].removeprefix("unix:"))
            with suppress(OSError):    # left for others already
                sock.sendall(framed(PID)[:number % 40])
            if number % 100 == 0:
                assert asked(rpc.addresses[0], PID) == PID_ANSWER
        assert asked(rpc.addresses[0], PID) == PID_ANSWER
        assert len(rpc._crowd) <= MAX_CONNECTIONS


def test_clients_that_vanish_leave_nothing_behind(tmp_path):
    with serving(unix_door(tmp_path)) as (rpc, _):
        for cut in range(0, len(framed(PID)), 5):
            with connect(rpc.addresses[0]) as sock:
                sock.sendall(framed(PID)[:cut])
        assert asked(rpc.addresses[0], PID) == PID_ANSWER
        until(lambda: not len(rpc._crowd))
        assert not rpc._trusts and not rpc._crowd.held_bytes
