"""The files of contrib/nginx in a real nginx: what is to come through does, and nothing else."""

from __future__ import annotations

import base64
import http.client
import socket
import struct
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.peers.nginx import Nginx
from tests.support.peers.rpcdaemon import RpcDaemon
from tests.support.tools import require_tool

pytestmark = pytest.mark.interop

FILES = Path(__file__).parents[2] / "contrib" / "nginx"
USER, PASSWORD = "me", "correct horse"
LOGIN = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
PATIENCE_S = 20.0
BIG = 3_000_000                        # bytes: more than nginx takes without being told


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RpcDaemon]:
    require_tool("nginx")
    with RpcDaemon(tmp_path_factory.mktemp("daemon")) as running:
        yield running


@contextmanager
def served(folder: Path, name: str, places: Mapping[str, str], root: Path | None = None) -> Iterator[Nginx]:
    """nginx with one of the files. `places` are the paths and addresses of the file, and what they are here."""
    folder.mkdir(exist_ok=True)
    passwords = folder / "htpasswd"
    passwords.write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
    text = (FILES / name).read_text()
    for there, here in {"/etc/nginx/blobtorrent/htpasswd-safe": f"{passwords}",
                        "/etc/nginx/blobtorrent/htpasswd": f"{passwords}", **places}.items():
        assert there in text or "htpasswd" in there
        text = text.replace(there, here)
    for parameters in ("scgi_params", "fastcgi_params"):   # they lie beside the configuration of the system's nginx
        text = text.replace(f" {parameters};", f" /etc/nginx/{parameters};")
    if root is not None:               # which we say outside of the file
        text = text.replace(f"root  {root};", "")
    with Nginx(folder / "nginx", root or folder, text) as running:
        yield running


def proxy(server: Nginx, path: str, login: str = f"{USER}:{quote(PASSWORD)}@") -> xmlrpc.client.ServerProxy:
    return xmlrpc.client.ServerProxy(server.url.replace("://", f"://{login}") + path)


def get(server: Nginx, path: str, headers: Mapping[str, str] = LOGIN, method: str = "GET",
        body: bytes | None = None) -> tuple[int, bytes]:
    host = server.url.removeprefix("http://").rstrip("/")
    with closing(http.client.HTTPConnection(host, timeout=PATIENCE_S)) as connection:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()


# ---- rpc2.conf

@pytest.fixture(scope="module")
def rpc2(daemon: RpcDaemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with served(tmp_path_factory.mktemp("rpc2"), "rpc2.conf", {"/run/blobtorrent/rpc.sock": str(daemon.socket)}) as one:
        yield one


def test_who_has_the_password_may_do_everything(rpc2: Nginx) -> None:
    with proxy(rpc2, "RPC2") as server:
        assert server.system.client_version() == "0.9.8"
        assert server.execute.capture("", "echo", "hello") == "hello\n"


@pytest.mark.parametrize("path", ["RPC2", "RPC2-safe"])
@pytest.mark.parametrize("login", ["", f"{USER}:wrong@"])
def test_without_the_password_nobody_comes_through(rpc2: Nginx, path: str, login: str) -> None:
    with proxy(rpc2, path, login) as server, pytest.raises(xmlrpc.client.ProtocolError) as caught:
        server.system.client_version()
    assert caught.value.errcode == 401


def test_a_torrent_file_may_be_large(rpc2: Nginx) -> None:
    with proxy(rpc2, "RPC2") as server:
        assert server.cat("", xmlrpc.client.Binary(b"x" * BIG)) == "x" * BIG


def test_who_only_looks_starts_nothing(rpc2: Nginx) -> None:
    with proxy(rpc2, "RPC2-safe") as server:
        assert server.d.multicall2("", "main", "d.hash=") == []
        calls: list[Callable[[], Any]] = [
            lambda: server.execute.capture("", "echo", "hello"), lambda: server.load.normal("", "/x"),
            lambda: server.branch("", "system.pid=", "execute.capture=echo,hello")]
        for call in calls:
            with pytest.raises(xmlrpc.client.Fault, match="not allowed"):
                call()


def test_no_header_of_a_client_makes_him_trusted(rpc2: Nginx) -> None:
    body = xmlrpc.client.dumps(("", "echo", "hello"), "execute.capture").encode()
    for name in ("Untrusted-Connection", "UNTRUSTED_CONNECTION"):
        status, answer = get(rpc2, "/RPC2-safe", {**LOGIN, name: "0", "Content-Type": "text/xml"}, "POST", body)
        assert (status, b"hello\n" in answer, b"faultCode" in answer) == (200, False, True)


def test_json_comes_through(rpc2: Nginx) -> None:
    status, answer = get(rpc2, "/RPC2", {**LOGIN, "Content-Type": "application/json"}, "POST",
                         b'{"jsonrpc":"2.0","id":1,"method":"system.client_version","params":[]}')
    assert (status, answer) == (200, b'{"id":1,"jsonrpc":"2.0","result":"0.9.8"}')


# ---- flood.conf

@contextmanager
def listening(answer: Callable[[socket.socket, bytes], None], family: int = socket.AF_INET,
              place: str | tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[socket.socket]:
    """A server that has `answer(connection, what came first)` called for each connection."""
    with socket.socket(family) as listener:
        listener.bind(place)
        listener.listen()

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(PATIENCE_S)
                    answer(connection, connection.recv(1 << 16))

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE_S)


def test_what_happens_is_seen_at_once_and_connections_are_upgraded(tmp_path: Path) -> None:
    asked: list[bytes] = []
    goes_on = threading.Event()

    def flood(connection: socket.socket, request: bytes) -> None:
        asked.append(request)
        while b"POST" in request and len(request) < BIG:
            request += connection.recv(1 << 20)
        if b"activity-stream" in request:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: first\n\n")
            goes_on.wait(PATIENCE_S)
            connection.sendall(b"data: second\n\n")
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npage")

    with listening(flood) as listener, served(
            tmp_path / "flood", "flood.conf", {"127.0.0.1:3000": f"127.0.0.1:{listener.getsockname()[1]}"}) as server:
        assert get(server, "/", {"Upgrade": "websocket", "Connection": "Upgrade"}) == (200, b"page")
        assert b"Upgrade: websocket" in asked[0] and b"Connection: Upgrade" in asked[0]
        assert get(server, "/api/torrents/add-files", {}, "POST", b"x" * BIG)[1] == b"page"
        host = server.url.removeprefix("http://").rstrip("/")
        with closing(http.client.HTTPConnection(host, timeout=PATIENCE_S)) as connection:
            connection.request("GET", "/api/activity-stream?historySnapshot=FIVE_MINUTE")
            events = connection.getresponse()
            assert events.readline() == b"data: first\n"
            goes_on.set()
            assert events.read().endswith(b"data: second\n\n")


# ---- rutorrent.conf

def fastcgi(connection: socket.socket, request: bytes) -> None:
    """Answer with the parameters that came: names and values are in records of the type 4 (FastCGI 1.0)."""
    time.sleep(0.05)                   # for the rest of it
    parameters, at = b"", 0
    while at + 8 <= len(request):
        kind, length, padding = request[at + 1], *struct.unpack(">HB", request[at + 4:at + 7])
        if kind == 4:
            parameters += request[at + 8:at + 8 + length]
        at += 8 + length + padding
    body = b"Content-Type: text/plain\r\n\r\n" + parameters
    connection.sendall(struct.pack(">BBHHBB", 1, 6, 1, len(body), 0, 0) + body
                       + struct.pack(">BBHHBB", 1, 6, 1, 0, 0, 0) + struct.pack(">BBHHBB", 1, 3, 1, 8, 0, 0) + bytes(8))


def test_rutorrent_is_served_without_its_secrets(daemon: RpcDaemon, tmp_path: Path) -> None:
    root = tmp_path / "www"
    for path in ("index.html", "php/getplugins.php", "conf/config.php", "share/settings/x", ".git/config"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"this is {path}")
    php = f"{daemon.socket}.php"       # in a folder whose name is short
    places = {
        "/var/www/rutorrent": str(root), "/run/php/php-fpm.sock": php, "/run/blobtorrent/rpc.sock": str(daemon.socket)}
    with listening(fastcgi, socket.AF_UNIX, php), served(
            tmp_path / "rutorrent", "rutorrent.conf", places, root) as server:
        assert get(server, "/") == (200, b"this is index.html")
        assert get(server, "/", {})[0] == 401
        status, parameters = get(server, "/php/getplugins.php?x=1")
        assert status == 200
        assert str(root / "php/getplugins.php").encode() in parameters and b"REMOTE_USERme" in parameters
        assert get(server, "/php/none.php")[0] == 404
        for secret in ("/conf/config.php", "/conf", "/share/settings/x", "/.git/config"):
            assert get(server, secret)[0] == 403
        with proxy(server, "RPC2") as rpc:
            assert rpc.system.client_version() == "0.9.8"
