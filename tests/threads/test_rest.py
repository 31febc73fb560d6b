"""The REST server on its real threads: hostile, slow and many clients, and what the honest ones notice of them."""

from __future__ import annotations

import os
import resource
import socket
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from blobtorrent.config.values import ListenSpec
from blobtorrent.core.session.commands import (
    AddTorrent,
    ChangeTorrent,
    MoveTorrent,
    RemoveTorrent,
    RenamePath,
    TorrentChanges,
)
from blobtorrent.interface.rest import crowd, server
from blobtorrent.interface.rest.channel import RECEIVE_BYTES
from blobtorrent.interface.rest.connection import HEAD_S, IDLE_S, LINGER_S, MIN_BYTES_PER_S, TRANSFER_S
from blobtorrent.interface.rest.crowd import MAX_CONNECTIONS, MAX_PER_NETWORK
from blobtorrent.interface.rest.http import MAX_BODY_BYTES
from blobtorrent.interface.rest.server import WORKERS
from blobtorrent.model.errors import Conflict, NetworkError, StorageError, Unavailable
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.runtime.clock import FakeClock
from tests.support.rest import (
    ANY_LOOPBACK_PORT,
    PATIENCE_S,
    TOKEN,
    Answer,
    RestRig,
    info_hash,
    read_all,
    request_on,
    status_of,
    tiny_torrent,
    unix_connection,
)

HEALTH = b"GET /v1/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
ONE = f"/v1/torrents/{info_hash(1).hex}"


@pytest.fixture
def rig():
    with RestRig() as running:
        yield running


def statuses_of(data: bytes) -> list[int]:
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


def head(method: str, path: str, *lines: str) -> bytes:
    start = (f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {TOKEN}")
    return "\r\n".join((*start, *lines, "", "")).encode()


# ---- the resources


def test_torrents_are_listed_and_filtered(rig):
    rig.session.show(status_of(1, labels=("a",)), status_of(2, state="seeding", labels=("a", "b")), status_of(3))
    for query, numbers in (
        ("", [1, 2, 3]), ("?state=seeding", [2]), ("?label=a", [1, 2]), ("?label=a&state=stopped", [1])
    ):
        answer = rig.request("GET", f"/v1/torrents{query}")
        assert [torrent["hash"] for torrent in answer.json["torrents"]] == [info_hash(number).hex for number in numbers]


def test_a_torrent_has_the_fields_that_were_promised(rig):
    rig.session.show(status_of(
        1, state="error", error_code="storage.disk-full", error_detail="no space", done_bytes=500, skipped_bytes=100,
        downloaded_bytes=1000, uploaded_bytes=1500, added_at=1_700_000_000.7, is_private=True,
    ))
    told = rig.request("GET", ONE).json
    assert told.keys() >= {
        "hash", "info_hash_v1", "info_hash_v2", "name", "state", "error", "size_bytes", "wanted_bytes", "done_bytes",
        "down_bytes_per_s", "up_bytes_per_s", "downloaded_bytes", "uploaded_bytes", "ratio", "eta_s", "peers_connected",
        "peers_known", "seeds_connected", "download_dir", "labels", "priority", "added_at", "finished_at", "private",
        "sequential", "super_seeding",
    }
    assert told["error"] == {"code": "storage.disk-full", "message": "no space"}
    assert (told["wanted_bytes"], told["ratio"], told["eta_s"]) == (900, 1.5, None)
    assert (told["added_at"], told["finished_at"], told["private"]) == (1_700_000_000, None, True)


def test_a_torrent_is_added_once_and_found_there_later(rig, tmp_path):
    raw = tiny_torrent()
    metainfo = parse_torrent(raw)
    source = tmp_path / "a.torrent"
    source.write_bytes(raw)
    body = {"source": str(source), "labels": ["x"], "start": False, "download_dir": str(tmp_path)}
    first, second = (rig.request("POST", "/v1/torrents", body) for _ in range(2))
    assert (first.status, second.status) == (201, 200)
    assert first.headers["location"] == f"/v1/torrents/{metainfo.info_hash.hex}"
    assert first.json == second.json == rig.request("GET", first.headers["location"]).json
    assert rig.session.commands[0] == AddTorrent(
        metainfo, raw=raw, labels=("x",), start=False, download_dir=tmp_path
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "command"),
    [
        ("PATCH", ONE, {"labels": ["b"]}, ChangeTorrent(info_hash(1), TorrentChanges(labels=("b",)))),
        ("POST", f"{ONE}/move", {"download_dir": "/srv"}, MoveTorrent(info_hash(1), Path("/srv"))),
        ("POST", f"{ONE}/rename", {"old": "a/b", "new": "a/c"}, RenamePath(info_hash(1), "a/b", "a/c")),
        ("DELETE", f"{ONE}?with_data=true", None, RemoveTorrent(info_hash(1), True)),
        ("DELETE", ONE, None, RemoveTorrent(info_hash(1), False)),
    ],
)
def test_a_request_becomes_a_command(rig, method, path, body, command):
    rig.session.show(status_of(1))
    assert rig.request(method, path, body).status in (200, 204)
    assert rig.session.commands == [command]


@pytest.mark.parametrize("word", ["start", "stop", "recheck", "announce"])
def test_a_torrent_is_steered_by_words(rig, word):
    rig.session.show(status_of(1))
    answer = rig.request("POST", f"{ONE}/{word}")
    assert (answer.status, answer.json["hash"]) == (200, info_hash(1).hex)
    assert rig.session.commands[0].info_hash == info_hash(1)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", None, 404), ("GET", "/v1", None, 404), ("GET", "/v1/torrents/", None, 422),
        ("GET", "/v1//torrents", None, 404), ("GET", "/v1/../v1/session", None, 404), ("GET", "/V1/session", None, 404),
        ("PUT", "/v1/session", None, 405), ("GET", f"{ONE}/start", None, 405), ("GET", ONE, None, 404),
        ("GET", "/v1/torrents/xyz", None, 422), ("GET", "/v1/torrents?stat=a", None, 422),
        ("DELETE", f"{ONE}?with_data=yes", None, 422), ("POST", f"{ONE}/start", {"soon": True}, 422),
        ("POST", "/v1/torrents", {}, 422), ("POST", "/v1/torrents", {"source": "a", "metainfo": "b"}, 422),
        ("POST", "/v1/torrents", {"metainfo": "!"}, 422), ("POST", "/v1/torrents", {"metainfo": ""}, 422),
        ("POST", "/v1/torrents", {"metainfo": "ZGU="}, 422), ("POST", "/v1/torrents", {"source": "relative"}, 422),
        ("POST", "/v1/torrents", {"source": "/dev/zero"}, 422), ("POST", "/v1/torrents", {"source": "/a\0"}, 422),
        ("POST", "/v1/torrents", {"source": "/nonexistent"}, 404),
        ("POST", "/v1/torrents", {"source": "/" + "a" * 5000}, 422),
        ("POST", "/v1/torrents", {"source": "/\ud800"}, 422), ("POST", f"{ONE}/move", {"download_dir": "/\ud800"}, 422),
        ("POST", "/v1/torrents", {"source": "magnet:?"}, 422),
        ("POST", "/v1/torrents", {"source": "http://169.254.169.254/"}, 422),
        ("POST", "/v1/torrents", {"source": "/nonexistent", "label": "a"}, 422),
        ("POST", "/v1/torrents", b"{", 415),
    ],
)
def test_a_request_that_cannot_be_done_is_told_why(rig, method, path, body, status):
    answer = rig.request(method, path, body)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json.keys() == {"title", "status", "code", "detail"}
    assert rig.session.commands == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Conflict("torrent.removing", "it goes"), 409), (Unavailable("session.stopping", "no"), 503),
        (StorageError("storage.disk-full", "full"), 507),
    ],
)
def test_what_the_session_refuses_keeps_its_code(rig, error, status):
    rig.session.show(status_of(1))
    rig.session.refuse_with = error
    answer = rig.request("POST", f"{ONE}/start")
    assert (answer.status, answer.json["code"], answer.json["detail"]) == (status, error.code, error.detail)


def test_a_bug_is_told_on_the_thread_of_the_connections_too(rig, monkeypatch):
    monkeypatch.setattr("blobtorrent.interface.rest.v1.torrents.read_list_query", lambda query: 1 / 0)
    assert (rig.request("GET", "/v1/torrents").status, rig.request("GET", "/v1/session").status) == (500, 200)


def test_a_bug_of_ours_is_a_500_and_the_server_goes_on(rig):
    rig.session.board.publish(info_hash(1), "no status")
    assert (rig.request("GET", ONE).status, rig.request("GET", "/v1/session").status) == (500, 200)


def test_ready_follows_the_session(rig):
    assert rig.request("GET", "/v1/health/ready", token=None).status == 200
    rig.session.tell_state("draining")
    answer = rig.request("GET", "/v1/health/ready", token=None)
    assert (answer.status, answer.json["reasons"]) == (503, ["the session is draining"])
    assert rig.request("GET", "/v1/health/live", token=None).status == 200


# ---- connections


def test_a_connection_serves_one_request_after_the_other(rig):
    with rig.connect() as sock:
        assert [request_on(sock, "GET", "/v1/session").status for _ in range(3)] == [200, 200, 200]


def test_requests_that_come_together_are_answered_in_order(rig):
    data = (HEALTH + head("GET", "/v1/torrents") + head("GET", "/nope")) * 200
    last = head("GET", "/v1/session", "Connection: close")
    assert statuses_of(rig.raw(data + last)) == [200, 200, 404] * 200 + [200]


def test_head_is_answered_without_a_body(rig):
    answer = rig.raw(head("HEAD", "/v1/session", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n")


def test_a_client_that_asks_before_it_sends_its_body_is_told_to_go_on(rig):
    rig.session.show(status_of(1))
    body = b'{"labels":["a"]}'
    with rig.connect() as sock:
        sock.sendall(head("PATCH", ONE, "Content-Type: application/json", f"Content-Length: {len(body)}",
                          "Expect: 100-continue", "Connection: close"))
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert statuses_of(read_all(sock)) == [200]


def test_a_body_without_a_token_is_not_even_waited_for(rig):
    request = head("POST", "/v1/torrents", f"Content-Length: {MAX_BODY_BYTES}").replace(TOKEN.encode(), b"wrong")
    assert statuses_of(rig.raw(request)) == [401]


def test_huge_bodies_are_refused_by_their_announcement(rig):
    for length in (MAX_BODY_BYTES + 1, 10**12, 10**17):
        assert statuses_of(rig.raw(head("POST", "/v1/torrents", f"Content-Length: {length}"))) == [413]


def test_a_client_hears_the_refusal_also_while_it_sends_on(rig):
    with rig.connect() as sock:
        sock.sendall(head("POST", "/v1/torrents", f"Content-Length: {1 << 30}") + bytes(1 << 20))
        assert statuses_of(read_all(sock)) == [413]


def test_the_largest_body_is_taken(rig):
    body = b'{"metainfo":"' + b"A" * (MAX_BODY_BYTES - 16) + b'"}'
    answer = rig.request("POST", "/v1/torrents", body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.json["code"].partition(".")[0]) == (422, "bencode")


def test_a_large_answer_reaches_a_slow_reader_whole(rig):
    rig.session.show(*(status_of(number, name="n" * 1000) for number in range(5000)))
    with rig.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        answer = request_on(sock, "GET", "/v1/torrents")
    assert len(answer.body) > 5 << 20
    assert len(answer.json["torrents"]) == 5000


def test_fifty_clients_at_once_all_get_their_own_answer(rig):
    rig.session.show(*map(status_of, range(50)))

    def client(number: int) -> list[Answer]:
        path = f"/v1/torrents/{info_hash(number).hex}"
        with rig.connect(f"127.0.0.{number + 1}") as sock:
            return [
                answer for _ in range(10)
                for answer in (request_on(sock, "GET", path), request_on(sock, "POST", f"{path}/start"))
            ]

    with ThreadPoolExecutor(50) as pool:
        for number, answers in enumerate(pool.map(client, range(50))):
            assert {(answer.status, answer.json["hash"]) for answer in answers} == {(200, info_hash(number).hex)}
    assert len(rig.session.commands) == 500


def test_health_is_answered_while_every_worker_waits_for_the_session(rig):
    release = threading.Event()
    rig.session.before_answer = lambda: release.wait(PATIENCE_S)
    rig.session.show(status_of(1))
    with ThreadPoolExecutor(WORKERS + 4) as pool:
        waiting = [pool.submit(rig.request, "POST", f"{ONE}/start") for _ in range(WORKERS + 4)]
        while not rig.session.commands:
            time.sleep(0.001)
        assert rig.request("GET", "/v1/health/ready").status == 200
        release.set()
        assert {future.result().status for future in waiting} == {200}


# ---- slow clients


@pytest.mark.slow
@pytest.mark.alone
def test_two_thousand_clients_that_drip_do_not_keep_the_honest_ones_waiting(rig):
    crowd: list[socket.socket] = []
    took_s = []
    try:
        for number in range(2000):
            sock = rig.connect(f"127.0.0.{number % 200 + 2}")
            sock.send(b"GET /v1/session HTTP/1.1\r\nX-a: b\r\n"[:number % 30 + 1])
            crowd.append(sock)
            if len(crowd) > 2 * MAX_CONNECTIONS:
                crowd.pop(0).close()
            if number % 20 == 0:
                start_s = time.monotonic()
                assert rig.request("GET", "/v1/health/live", token=None).status == 200
                took_s.append(time.monotonic() - start_s)
    finally:
        for sock in crowd:
            sock.close()
    assert sorted(took_s)[-2] < 0.2


def address_of(number: int) -> str:
    """Addresses to come from, each a few times only."""
    return f"127.0.1.{number // (MAX_PER_NETWORK // 2) + 1}"


def test_the_client_that_waits_longest_gives_way_to_a_new_one(rig):
    crowd = [rig.connect(address_of(number)) for number in range(MAX_CONNECTIONS)]
    try:
        assert request_on(crowd[1], "GET", "/v1/session").status == 200
        with rig.connect() as late:
            assert request_on(late, "GET", "/v1/session").status == 200
        assert read_all(crowd[0]) == b""
        assert request_on(crowd[1], "GET", "/v1/session").status == 200
    finally:
        for sock in crowd:
            sock.close()


def test_when_all_are_being_answered_a_new_client_is_told_to_come_back(rig, monkeypatch):
    monkeypatch.setattr(crowd, "MAX_CONNECTIONS", 2)
    release = threading.Event()
    rig.session.before_answer = lambda: release.wait(PATIENCE_S)
    rig.session.show(status_of(1))
    with ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(rig.request, "POST", f"{ONE}/start") for _ in range(2)]
        while len(rig.session.commands) + rig.session.inbox.depth < 2:
            time.sleep(0.001)
        with rig.connect() as late:
            assert statuses_of(read_all(late)) == [503]
        release.set()
        assert {future.result().status for future in busy} == {200}


@pytest.mark.parametrize(
    ("sent", "limit_s", "before", "after"),
    [
        (b"", HEAD_S, [], []),
        (b"GET /v1/ses", HEAD_S, [], [408]),
        (HEALTH, IDLE_S, [200], []),
        (HEALTH + b"GET", HEAD_S, [200], [408]),
        (head("POST", "/v1/torrents", f"Content-Length: {2 * MIN_BYTES_PER_S}") + b"{", TRANSFER_S + 2, [], [408]),
    ],
)
def test_nobody_may_take_longer_than_the_deadline(sent, limit_s, before, after):
    clock = FakeClock()
    with RestRig(clock=clock) as rig, rig.connect() as sock:
        sock.sendall(sent)
        _settle(rig)
        clock.advance(limit_s - 0.1)
        _settle(rig)
        assert statuses_of(_what_is_there(sock)) == before
        clock.advance(0.2)
        _settle(rig)
        assert statuses_of(read_all(sock)) == after


def test_a_client_that_sends_on_after_a_refusal_is_left_after_a_while():
    clock = FakeClock()
    with RestRig(clock=clock) as rig, rig.connect() as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        assert statuses_of(read_all(sock)) == [400]
        sock.sendall(b"more")
        _settle(rig)
        clock.advance(LINGER_S)
        _settle(rig)
        with pytest.raises(OSError):
            for _ in range(1000):
                sock.sendall(b"more")
                time.sleep(0.001)


def _settle(rig: RestRig) -> None:
    """Wait until the loop has seen everything that was sent before, and the clock."""
    for _ in range(3):
        assert rig.request("GET", "/v1/health/live").status == 200


def _what_is_there(sock: socket.socket) -> bytes:
    """What has come so far on a connection that is still open."""
    sock.setblocking(False)
    try:
        data = sock.recv(65536)
        assert data, "closed"
    except BlockingIOError:
        data = b""
    return data


def test_bytes_that_drip_do_not_extend_the_time_for_a_head():
    clock = FakeClock()
    with RestRig(clock=clock) as rig, rig.connect() as sock:
        for byte in HEALTH[:int(HEAD_S) + 1]:
            sock.sendall(bytes((byte,)))
            _settle(rig)
            clock.advance(1.0)
        assert statuses_of(read_all(sock)) == [408]


# ---- places


def test_a_unix_socket_is_for_its_group_and_needs_no_token_of_its_owner(tmp_path):
    path = tmp_path / "rest.sock"
    with RestRig(path) as rig:
        assert rig.server.addresses == (f"unix:{path}",)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with unix_connection(path) as sock:
            assert request_on(sock, "GET", "/v1/session", token=None).status == 200
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_needs_the_token_on_a_unix_socket_too():
    path = Path(f"/tmp/blobtorrent-rest-{os.getpid()}.sock")
    (go, start), (result, told) = os.pipe(), os.pipe()
    child = os.fork()                  # before there are threads
    if child == 0:
        os.setuid(65534)
        os.read(go, 1)
        statuses = []
        for token in (None, TOKEN):
            with unix_connection(path) as sock:
                statuses.append(request_on(sock, "GET", "/v1/session", token=token).status)
        os.write(told, repr(statuses).encode())
        os._exit(0)
    os.close(told)
    with RestRig(path):
        path.chmod(0o666)
        os.write(start, b"!")
        with open(result) as pipe:
            assert pipe.read() == "[401, 200]"
    os.waitpid(child, 0)
    os.close(go)
    os.close(start)


def test_a_socket_that_a_killed_daemon_left_is_replaced(tmp_path):
    path = tmp_path / "rest.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with RestRig(path), unix_connection(path) as sock:
        assert request_on(sock, "GET", "/v1/session").status == 200


def test_what_is_not_ours_is_never_replaced(tmp_path):
    path = tmp_path / "rest.sock"
    with RestRig(path), pytest.raises(NetworkError), RestRig(ANY_LOOPBACK_PORT, path):
        pass
    path.write_text("precious")
    with pytest.raises(NetworkError), RestRig(path):
        pass
    assert path.read_text() == "precious"


def test_a_port_that_is_taken_is_told_and_nothing_stays_open(rig):
    taken = ListenSpec("127.0.0.1", range(rig.port, rig.port + 1))
    with pytest.raises(NetworkError, match=str(rig.port)), RestRig(ANY_LOOPBACK_PORT, taken):
        pass


def test_a_socket_that_somebody_else_opened_is_served(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as given, RestRig(given.dup()) as rig:
        assert rig.server.addresses == (f"127.0.0.1:{given.getsockname()[1]}",)
        assert rig.request("GET", "/v1/session").status == 200


def test_when_descriptors_run_out_those_that_are_there_are_served_and_others_wait(rig, monkeypatch):
    monkeypatch.setattr(server, "SHORTAGE_PAUSE_S", 0.2)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with rig.connect() as there, socket.socket() as late:
        late.settimeout(PATIENCE_S)
        assert request_on(there, "GET", "/v1/session").status == 200
        free = os.dup(there.fileno())
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            late.connect(("127.0.0.1", rig.port))
            for _ in range(3):
                assert request_on(there, "GET", "/v1/health/live").status == 200
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert request_on(late, "GET", "/v1/session").status == 200


# ---- the end


def test_stopping_answers_what_was_asked_and_takes_no_more():
    release = threading.Event()
    with RestRig() as rig, ThreadPoolExecutor(2) as pool:
        rig.session.before_answer = lambda: release.wait(PATIENCE_S)
        rig.session.show(status_of(1))
        with rig.connect() as idle:
            asked = pool.submit(rig.request, "POST", f"{ONE}/start")
            while not rig.session.commands:
                time.sleep(0.001)
            stopping = pool.submit(rig.server.stop, PATIENCE_S)
            while not rig.server._is_draining:
                time.sleep(0.001)
            idle.sendall(head("GET", "/v1/session", "Connection: close"))
            assert statuses_of(read_all(idle)) == [503]
            release.set()
            assert asked.result().status == 200
            assert stopping.result()


def test_a_server_that_was_never_started_stops():
    assert RestRig().server.stop(PATIENCE_S)


# ---- places that cannot be had


def test_a_dispensable_address_that_is_taken_is_done_without_and_told(tmp_path):
    with RestRig() as other:
        taken = ListenSpec("127.0.0.1", range(other.port, other.port + 1))
        path = tmp_path / "rest.sock"
        with RestRig(path, taken, dispensable=[taken]) as rig:
            assert rig.server.addresses == (f"unix:{path}",)
            (trouble,) = rig.server.troubles
            assert str(other.port) in trouble
            with unix_connection(path) as sock:
                assert request_on(sock, "GET", "/v1/health/live").status == 200


def test_without_any_other_address_a_dispensable_one_is_needed_too(tmp_path):
    with RestRig() as other:
        taken = ListenSpec("127.0.0.1", range(other.port, other.port + 1))
        rig = RestRig(taken, dispensable=[taken])
        with pytest.raises(NetworkError, match=str(other.port)):
            rig.server.start()


def test_while_the_session_starts_no_part_of_its_torrents_passes_for_all(rig):
    rig.session.show(status_of(1))
    rig.session.tell_state("starting")
    for path in ("/v1/torrents", f"/v1/torrents/{info_hash(2).hex}"):
        answer = rig.request("GET", path)
        assert (answer.status, answer.json["code"]) == (503, "session.starting")
    assert rig.request("GET", ONE).status == 200
    rig.session.tell_state("running")
    assert rig.request("GET", "/v1/torrents").status == 200


def test_of_requests_that_come_all_at_once_no_more_is_taken_in_than_is_looked_at(rig):
    """Clients whose next request is here already wait for their turn; what they send meanwhile stays with them."""
    clients = [rig.connect(f"127.0.3.{number + 1}") for number in range(40)]
    for client in clients:
        client.setblocking(False)
    most_bytes = 0
    end_s = time.monotonic() + 2.0
    while time.monotonic() < end_s:
        for client in clients:
            with suppress(BlockingIOError):
                client.send(HEALTH * 2000)
        most_bytes = max(most_bytes, rig.server.held_bytes)
    for client in clients:
        client.close()
    assert 0 < most_bytes <= len(clients) * (2 * RECEIVE_BYTES)
