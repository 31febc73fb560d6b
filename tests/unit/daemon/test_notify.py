"""What the service manager hears."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blobtorrent.daemon.notify import Notifier
from tests.support.datagrams import DatagramSocket


@pytest.mark.parametrize("is_abstract", [False, True])
def test_the_manager_hears_every_step(tmp_path: Path, is_abstract: bool) -> None:
    with DatagramSocket(tmp_path / "notify", is_abstract=is_abstract) as manager:
        notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.address})
        assert notifier.is_heard
        notifier.extend(30)
        notifier.ready("3 torrents")
        notifier.reloading(12.5)
        notifier.alive()
        notifier.stopping()
        assert manager.take() == [
            b"EXTEND_TIMEOUT_USEC=30000000",
            b"READY=1\nSTATUS=3 torrents",
            b"RELOADING=1\nMONOTONIC_USEC=12500000\nSTATUS=reloading",
            b"WATCHDOG=1",
            b"STOPPING=1\nSTATUS=stopping",
        ]
        notifier.close()


def test_names_of_strangers_add_no_line(tmp_path: Path) -> None:
    with DatagramSocket(tmp_path / "notify") as manager:
        notifier = Notifier(manager.address)
        notifier.status("downloading a\nMAINPID=1")
        assert manager.take() == [rb"STATUS=downloading a\x0aMAINPID=1"]
        notifier.close()


def test_the_variables_are_taken_out_so_that_children_do_not_speak_for_us() -> None:
    environ = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
    assert Notifier.from_environment(environ).watchdog_s == 60.0
    assert environ == {"HOME": "/"}


@pytest.mark.parametrize(
    "environ", [{}, {"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}]
)
def test_a_watchdog_of_somebody_else_is_not_fed(environ: dict[str, str]) -> None:
    assert Notifier.from_environment(environ).watchdog_s == 0.0


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1"])
def test_without_a_manager_nothing_happens(address: str) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    notifier.ready("")
    assert not notifier.is_heard


def test_a_manager_that_went_away_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier(str(tmp_path / "notify"))
    notifier.ready("")
    notifier.status("going on")
    assert caplog.text.count("cannot be told") == 1
    with DatagramSocket(tmp_path / "notify") as manager:
        notifier.status("it is back")
        assert manager.take() == [b"STATUS=it is back"]
    notifier.alive()
    assert caplog.text.count("cannot be told") == 2
    notifier.close()
