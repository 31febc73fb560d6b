"""`blobtorrentd` as a process: it serves what it is given until it is told to end."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.support.datagrams import DatagramSocket
from tests.support.payload import MIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until

TIMEOUT_S = 60.0


class LoggingDaemon(Daemon):
    """A daemon whose log goes to a file."""

    def __init__(self, folder: Path, *words: str, log_file: Path, closes_stderr: bool = False) -> None:
        super().__init__(folder, *words)
        self._log_file = log_file
        if closes_stderr:
            self._options["preexec_fn"] = lambda: os.close(2)

    def wait_ready(self) -> None:
        wait_until(lambda: self._log_file.exists() and " ready " in self._log_file.read_text(), TIMEOUT_S, "the start")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample.bin", 4 * MIB + 3)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_seeds_until_a_signal_and_ends_in_order(sample: Sample, tmp_path: Path, number: int) -> None:
    with Daemon(tmp_path / "daemon") as daemon:
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "download_dir": str(sample.folder)})
        job = Job(Role.LEECH, sample.torrent, tmp_path / "leech", sample.info_hash, (daemon.endpoint,))
        job.folder.mkdir()
        with BlobTorrentGet(job, seed_for_s=0.0) as leech:
            leech.wait_complete(TIMEOUT_S)
        assert (daemon.runtime / "blobtorrentd.pid").read_text() == f"{daemon.pid}\n"
        daemon.send_signal(number)
        assert daemon.wait(TIMEOUT_S) == 0
        assert "stopped clean=True" in daemon.output()
    assert sample.differences(job.folder) == []
    assert list(daemon.runtime.iterdir()) == []


def test_bad_settings_refuse_the_start_with_their_own_status(tmp_path: Path) -> None:
    with Daemon(tmp_path, settings="[network]\nmax_pers = 1\n") as daemon:
        assert daemon.wait(TIMEOUT_S) == 78
        (line,) = daemon.output().splitlines()
        assert line == (
            f"blobtorrentd: {daemon.config}:2: there is no setting network.max_pers; did you mean network.max_peers? "
            "(config.unknown-key)"
        )


def test_a_second_daemon_in_the_same_place_does_not_start(tmp_path: Path) -> None:
    with Daemon(tmp_path) as first, Daemon(tmp_path) as second:
        assert second.wait(TIMEOUT_S) == 1
        assert f"process {first.pid} is running already" in second.output()
        assert first.call("GET", "/v1/health/ready")["status"] == "ok"


def test_a_start_that_fails_says_why_in_one_line_and_leaves_nothing_open(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        pass
    token = tmp_path / "state" / "admin.token"
    good = token.read_text()
    token.write_text("short\n")
    with Daemon(tmp_path) as daemon:
        assert daemon.wait(TIMEOUT_S) == 1
        assert daemon.output().count("holds no token") == 1
        assert daemon.output().splitlines()[-1].endswith("have a new one made (token.unusable)")
        assert list(daemon.runtime.iterdir()) == []
    token.write_text(good)
    with Daemon(tmp_path) as daemon:
        assert "a killed process left" not in daemon.output()


def test_the_usual_port_is_done_without_when_another_daemon_has_it(tmp_path: Path) -> None:
    usual = "--set", "rest.listen=['unix:rest.sock', '127.0.0.1:7070']"
    with socket.socket() as other:
        def takes_it() -> bool:
            try:
                other.bind(("127.0.0.1", 7070))
            except OSError:            # a suite beside this one has it, for a moment
                return False
            other.listen()
            return True

        wait_until(takes_it, TIMEOUT_S, "the port")
        with Daemon(tmp_path / "usual", *usual) as daemon:
            assert daemon.call("GET", "/v1/health/ready")["status"] == "ok"
            assert "REST does without an address" in daemon.output()
        with Daemon(tmp_path / "wanted", "--set", "rest.listen=['unix:rest.sock', 'localhost:7070']") as daemon:
            assert daemon.wait(TIMEOUT_S) == 1
            assert daemon.output().splitlines()[-1].endswith("(net.cannot-listen)")


def test_the_service_manager_hears_the_whole_life(tmp_path: Path) -> None:
    with DatagramSocket(tmp_path / "notify") as manager:
        environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000"}
        with Daemon(tmp_path / "daemon", environ=environ) as daemon:
            heard: list[bytes] = []

            def hears(words: bytes) -> bool:
                heard.extend(manager.take())
                return any(words in datagram for datagram in heard)

            wait_until(lambda: hears(b"READY=1\nSTATUS=0 torrents, down 0 B/s, up 0 B/s"), TIMEOUT_S, "READY")
            assert heard[0].startswith(b"EXTEND_TIMEOUT_USEC=")
            wait_until(lambda: hears(b"WATCHDOG=1"), TIMEOUT_S, "the watchdog's food")
            heard.clear()
            daemon.send_signal(signal.SIGHUP)
            wait_until(lambda: hears(b"READY=1"), TIMEOUT_S, "the end of the reload")
            reload = [datagram for datagram in heard if b"RELOADING=1" in datagram or b"READY=1" in datagram]
            assert reload[0].startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert reload[1].startswith(b"READY=1\n")
            heard.clear()
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(TIMEOUT_S) == 0
            assert hears(b"STOPPING=1")


def test_threads_that_help_with_a_job_may_end(tmp_path: Path) -> None:
    with DatagramSocket(tmp_path / "notify") as manager:
        environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "40000"}     # it looks at its threads so often
        with Daemon(tmp_path / "daemon", environ=environ) as daemon:
            daemon.wait_ready()
            content = tmp_path / "content"
            content.write_bytes(bytes(64 * MIB))
            job = {"kind": "create", "path": str(content), "piece_size": MIB}
            for _ in range(10):
                number = daemon.call("POST", "/v1/jobs", job)["id"]
                while daemon.call("GET", f"/v1/jobs/{number}")["state"] != "done":
                    manager.take()     # it waits for a manager that does not listen, and looks at nothing meanwhile
            assert daemon.poll() is None


def test_a_reload_applies_what_is_good_and_refuses_the_whole_of_what_is_not(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.config.write_text("[log]\nlevel = 'debug'\n[storage]\nmemory_budget = '8 MiB'\n")
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_logged("settings reloaded changed=log.level\n")
        daemon.wait_logged("some changes need a restart changed=storage.memory_budget\n")
        daemon.config.write_text("[log]\nlevel = 'error'\n[network]\nmax_peers = 0\n")
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_logged("the new settings are refused, the old ones stay code=config.bad-value")
        daemon.call("GET", "/v1/session")
        daemon.wait_logged("DEBUG blobtorrent.interface.rest.server: request")


def test_drop_ins_and_the_environment_are_read(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10-log.toml").write_text("[log]\nformat = 'json'\n")
    with Daemon(tmp_path, environ={"BLOBTORRENT_LOG__LEVEL": "debug"}) as daemon:
        pass
    assert '"level": "debug"' in daemon.output()


def test_the_stacks_of_all_threads_are_written_on_request(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.send_signal(signal.SIGUSR2)
        daemon.wait_logged("blobtorrent/daemon/signals.py")
        assert daemon.output().count("(most recent call first)") > 5
        assert daemon.call("GET", "/v1/health/live")["status"] == "ok"


def test_the_log_file_is_opened_again_at_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "daemon.log"
    with LoggingDaemon(tmp_path, "--set", f"log.file='{path}'", log_file=path) as daemon:
        path.rename(tmp_path / "daemon.log.1")
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: path.exists() and "settings reloaded" in path.read_text(), TIMEOUT_S, "the new file")
    assert daemon.output() == ""


def test_it_runs_without_a_standard_error(tmp_path: Path) -> None:
    with LoggingDaemon(
        tmp_path, "--set", f"log.file='{tmp_path}/daemon.log'", log_file=tmp_path / "daemon.log", closes_stderr=True
    ) as daemon:
        assert os.readlink(f"/proc/{daemon.pid}/fd/2") == "/dev/null"
        assert daemon.call("GET", "/v1/health/live")["status"] == "ok"


def test_the_admin_token_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Daemon(tmp_path) as daemon:
            token = daemon.state / "admin.token"
            assert token.stat().st_mode & 0o777 == 0o600
            first = token.read_text()
            assert len(first.strip()) >= 32
        with Daemon(tmp_path) as daemon:
            assert token.read_text() == first
            assert first.strip() not in daemon.output()
    finally:
        os.umask(before)
