"""Flood with accounts, as it runs behind a web server: the first visitor says where the daemon's socket is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chromium import Chromium
from tests.support.floodpage import FloodPage
from tests.support.peers.daemon import Daemon
from tests.support.peers.flood import Flood
from tests.support.peers.program import wait_until

pytestmark = pytest.mark.interop

PATIENCE_S = 30.0
NO_DAEMON = "Cannot connect to the client."


def test_the_first_visitor_names_the_socket_and_a_daemon_that_comes_again_is_found_there(tmp_path: Path) -> None:
    for name in ("daemon", "browser", "pictures"):
        (tmp_path / name).mkdir()
    pictures = tmp_path / "pictures"
    with Flood(tmp_path / "flood") as flood, Chromium(tmp_path / "browser") as browser:
        page, flood_page = browser.page, FloodPage(browser.page, flood.url, pictures)
        with Daemon(tmp_path / "daemon") as daemon:
            page.open(flood.url)
            page.write("#username", "me")
            page.write("#password", "a long password")
            page.write("#socket", str(daemon.runtime / "rpc.sock"))
            page.picture(pictures / "account.png")
            flood_page.troubles()      # it asks for what only members are told
            page.click("button", "Create Account")
            page.wait_shown(".action--add-torrent")
            limit_uploads(flood_page, daemon, "100kB/s", 102_400)
            assert flood_page.troubles() == []
        page.wait_for(lambda: NO_DAEMON in page.texts("body")[0], NO_DAEMON)
        page.picture(pictures / "no-daemon.png")
        with Daemon(tmp_path / "daemon") as daemon:
            page.wait_for(lambda: NO_DAEMON not in page.texts("body")[0], "the daemon to be found")
            limit_uploads(flood_page, daemon, "10kB/s", 10_240)


def limit_uploads(page: FloodPage, daemon: Daemon, speed: str, bytes_per_s: int) -> None:
    page.limit("up", speed)
    wait_until(lambda: daemon.call("GET", "/v1/settings")["limits"]["up_bytes_per_s"] == bytes_per_s, PATIENCE_S, speed)
