"""The daemon as people start it who come from rTorrent: what their configuration says holds from the first moment."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import Sample, make_sample
from tests.support.peers.program import free_port, wait_until
from tests.support.peers.rcdaemon import PATIENCE_S, RcDaemon
from tests.support.peers.rtorrent import scgi_call
from tests.support.rpc import framed, read_all

EXIT_CONFIG = 78
# As the service manager does it; a process has its number before it becomes the daemon.
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="rpc")
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def short() -> Iterator[str]:
    """Names of sockets are limited, those of test folders are long."""
    with tempfile.TemporaryDirectory(prefix="rc-") as folder:
        yield folder


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "one.bin", 100_000)


def test_what_a_configuration_says_holds_at_the_first_start(tmp_path: Path, short: str, sample: Sample) -> None:
    port, rpc_port = free_port(), free_port()
    root = tmp_path / "root"
    lines = [
        f"execute.throw = mkdir,-p,{root}/downloads", "system.daemon.set = true",
        f"session.path.set = {root}/session", f"directory.default.set = {root}/downloads",
        "network.bind_address.set = 127.0.0.1", f"network.port_range.set = {port}-{port}",
        "network.port_random.set = no", "dht.mode.set = disable", "protocol.pex.set = no",
        "system.file.allocate.set = 1", "throttle.max_uploads.set = 7", "throttle.global_up.max_rate.set_kb = 300",
        f"network.scgi.open_local = {short}/own.sock", f"execute.throw = chmod,600,{short}/own.sock",
        f"network.scgi.open_port = 127.0.0.1:{rpc_port}",
        f"load.normal = {sample.torrent},d.custom1.set=mine",
        f"file.append = {root}/ran,once", f"schedule2 = later,0,0,\"file.append={root}/scheduled,once\"",
    ]
    with RcDaemon(tmp_path, lines=lines) as daemon:
        assert daemon.failed_lines() == []
        wanted = {
            "network.listen.port": port, "network.port_range": f"{port}-{port}", "session.path": f"{root}/session/",
            "directory.default": f"{root}/downloads", "protocol.pex": 0, "system.file.allocate": 1,
            "throttle.max_uploads": 7, "throttle.global_up.max_rate": 300 << 10, "system.daemon": 1,
        }
        assert daemon.values(*wanted) == wanted
        assert daemon.ask("dht.statistics")["dht"] == "disable"
        assert scgi_call(Path(short) / "own.sock", "system.pid") == daemon.pid
        assert (Path(short) / "own.sock").stat().st_mode & 0o777 == 0o600
        socket.create_connection(("127.0.0.1", rpc_port), PATIENCE_S).close()
        socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
        name = sample.info_hash.hex().upper()
        wait_until(lambda: daemon.ask("d.multicall2", "main", "d.hash=", "d.custom1=") == [[name, "mine"]], PATIENCE_S,
                   "what the configuration loads")
        wait_until((root / "scheduled").exists, PATIENCE_S, "the schedule")
        assert (root / "ran").read_text() == "once\n"
        assert (root / "session" / f"{name}.torrent").read_bytes() == sample.torrent.read_bytes()
        lock = root / "session" / "rtorrent.lock"
        assert lock.read_text() == f"{socket.gethostname()}:+{daemon.pid}"
        assert abs(lock.stat().st_mtime - time.time()) < PATIENCE_S
    assert not lock.exists() and not (Path(short) / "own.sock").exists()
    assert not (daemon.state / "settings.toml").exists()


def test_it_holds_as_long_as_it_is_given(tmp_path: Path) -> None:
    lines = ["throttle.max_uploads.set = 7", "throttle.global_up.max_rate.set_kb = 300"]
    with RcDaemon(tmp_path, lines=lines) as daemon:
        assert daemon.ask("throttle.max_uploads") == 7
        daemon.ask("throttle.global_up.max_rate.set_kb", 100)
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "settings reloaded" in daemon.output(), PATIENCE_S, "the reload")
        # What a client sets comes after it, what was not touched is as it was.
        assert (daemon.ask("throttle.max_uploads"), daemon.ask("throttle.global_up.max_rate")) == (7, 100 << 10)
    with RcDaemon(tmp_path, lines=lines) as daemon:
        assert (daemon.ask("throttle.max_uploads"), daemon.ask("throttle.global_up.max_rate")) == (7, 300 << 10)
    with RcDaemon(tmp_path, lines=[]) as daemon:
        assert daemon.ask("throttle.max_uploads") != 7


def test_the_way_of_traffic_is_that_of_the_configuration_and_it_is_told_where_it_comes_from(tmp_path: Path) -> None:
    lines = ["network.bind_address.set = 127.0.0.2", "network.proxy_address.set = 127.0.0.1:9", "dht.mode.set = off",
             "protocol.pex.set = 0", "network.port_open.set = 0"]
    with RcDaemon(tmp_path, lines=lines) as daemon:
        assert daemon.failed_lines() == []
        assert "listening host=" not in daemon.output()
        said = {"network.interface": "127.0.0.2", "network.proxy": "http://127.0.0.1:9", "network.listen": [],
                "dht.enabled": False, "pex.enabled": False}
        assert settings_of(daemon, "--sources", *said) == {
            name: {"value": value, "source": "the configuration of rTorrent"} for name, value in said.items()}


def test_a_port_that_a_configuration_opens_is_trusted_when_the_settings_say_so(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    lines = [f"network.scgi.open_port = {port}" for port in ports]
    with RcDaemon(tmp_path, lines=lines, settings=f"[rtorrent]\ntrusted = ['127.0.0.1:{ports[0]}']\n") as daemon:
        assert daemon.failed_lines() == []
        trusted, other = (captured(port) for port in ports)
    assert "<string>ran" in trusted
    assert "rtorrent.trusted" in other and "ran" not in other


def captured(port: int) -> str:
    """The answer to who has a program run over SCGI."""
    body = xmlrpc.client.dumps(("", "echo", "ran"), "execute.capture").encode()
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as link:
        link.sendall(framed(body))
        return read_all(link).decode()


def settings_of(daemon: RcDaemon, *words: str) -> dict[str, Any]:
    """What the command line answers."""
    done = subprocess.run(
        [sys.executable, "-m", "blobtorrent", "settings", "--json", "--url", f"unix:{daemon.runtime}/rest.sock",
         *words], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_a_killed_daemon_left_behind_is_in_nobodys_way(tmp_path: Path, short: str) -> None:
    session, own = tmp_path / "session", Path(short) / "own.sock"
    lines = [f"session.path.set = {session}", f"network.scgi.open_local = {own}"]
    with RcDaemon(tmp_path, "--strict", lines=lines, socket=own) as daemon:
        daemon.send_signal(signal.SIGKILL)
        daemon.wait(PATIENCE_S)
        left = (session / "rtorrent.lock").read_text()
    assert own.is_socket()
    with RcDaemon(tmp_path, "--strict", lines=lines, socket=own) as daemon:
        assert daemon.ask("session.path") == f"{session}/"
        assert (session / "rtorrent.lock").read_text() != left


@pytest.mark.parametrize("log", ["", "[log]\nfile = 'daemon.log'\n"])
def test_what_fails_is_told_with_its_place_and_the_start_goes_on(tmp_path: Path, log: str) -> None:
    lines = ["# a comment", "nosuch = 1", "throttle.max_uploads.set = 9", "cat=a b", "throttle.max_uploads.set = \\",
             "  many"]
    settings = log.replace("daemon.log", str(tmp_path / "daemon.log"))
    daemon = RcDaemon(tmp_path, "-o", "gone=1,ratio.nothing", lines=lines, settings=settings)
    daemon.start()
    try:
        daemon.wait_ready()
        assert scgi_call(daemon.runtime / "rpc.sock", "throttle.max_uploads") == 9
        places = [
            'Option gone=1: Command \\"gone\\" does not exist.', "Option ratio.nothing: it should be KEY=VALUE.",
            f'{daemon.rc}:2: Command \\"nosuch\\" does not exist.', f"{daemon.rc}:4: Junk at end of input.",
            f"{daemon.rc}:6: ",
        ]
        told = daemon.output().replace('\\"', '"')
        for place in places:
            assert told.count(place.replace('\\"', '"')) == 1, place
        if log:
            logged = (tmp_path / "daemon.log").read_text().replace('\\"', '"')
            assert all(place.replace('\\"', '"') in logged for place in places)
    finally:
        daemon.stop()


def test_strict_ends_it_before_anything_is_made(tmp_path: Path, short: str) -> None:
    lines = [f"network.scgi.open_local = {short}/own.sock", "nosuch = 1", "neither = 2"]
    daemon = RcDaemon(tmp_path, "--strict", lines=lines)
    daemon.start()
    try:
        assert daemon.wait(PATIENCE_S) == EXIT_CONFIG
    finally:
        daemon.stop()
    told = daemon.output()
    assert f"{daemon.rc}:2: " in told and f"{daemon.rc}:3: " in told and " ready " not in told
    assert told.splitlines()[-1].startswith("blobtorrentd: 2 lines of rTorrent's configuration failed: ")
    assert not daemon.state.exists() and not os.listdir(short)


def test_strict_is_content_with_a_configuration_that_is_right(tmp_path: Path) -> None:
    with RcDaemon(tmp_path, "--strict", lines=["throttle.max_uploads.set = 9"]) as daemon:
        assert daemon.ask("throttle.max_uploads") == 9


def test_what_the_command_line_sets_is_not_changed_by_a_configuration(tmp_path: Path) -> None:
    with RcDaemon(tmp_path, "--set", "network.upload_slots=3", lines=["throttle.max_uploads.set = 9"]) as daemon:
        (told,) = daemon.failed_lines()
        assert f"{daemon.rc}:1: " in told and "--set network.upload_slots" in told
        assert daemon.ask("throttle.max_uploads") == 3


def test_a_program_that_hangs_in_a_configuration_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    script = f"echo $$ > {file}.new; mv {file}.new {file}; exec sleep 60"
    daemon = RcDaemon(tmp_path, lines=[f"execute.throw = sh,-c,\"{script}\""])
    daemon.start()
    try:
        wait_until(file.exists, PATIENCE_S, "the program")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE_S) == 0
    finally:
        daemon.stop()
        os.kill(int(file.read_text()), signal.SIGTERM)


def test_a_socket_of_the_service_manager_is_asked_besides_that_of_the_settings(tmp_path: Path, short: str) -> None:
    path = Path(short) / "manager.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        prefix = [sys.executable, "-c", HAND_OVER, str(listener.fileno())]
        with RcDaemon(tmp_path, lines=[], socket=path, prefix=prefix, pass_fds=[listener.fileno()]) as daemon:
            assert daemon.ask("system.pid") == daemon.pid
            assert scgi_call(daemon.runtime / "rpc.sock", "system.pid", "") == daemon.pid
    assert daemon.poll() == 0
    assert path.exists()               # it is the manager's


def test_nothing_that_only_clients_need_is_imported_at_the_start() -> None:
    """A quarter second of work that most daemons need not do."""
    probe = "import json, sys, blobtorrent.daemon.serve, blobtorrent.daemon.rpc\n" \
        "print(json.dumps([name for name in sys.modules if name.startswith('blobtorrent.interface.rtorrent.')]))"
    ran = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True,
                         cwd=Path(__file__).parents[2])
    loaded = {name.rpartition(".")[2] for name in json.loads(ran.stdout)}
    assert "standby" in loaded
    assert not loaded & {"service", "exchange", "xmlrpc", "jsonrpc", "values", "evaluate", "registry", "aliases"}
