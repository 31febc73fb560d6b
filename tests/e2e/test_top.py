"""`blobtorrent top` on a real terminal, with a real daemon and a transfer under way."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.blobtorrent import command_line, environment, run
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import RpcDaemon
from tests.support.screen import ScreenProgram

TIMEOUT_S = 60.0
RATE = 200 * KIB


class Swarm:
    """A daemon that fetches `leech.bin` slowly from another one, and has `seed.bin`."""

    def __init__(self, ours: Daemon, leeching: Sample, seeding: Sample) -> None:
        self.ours = ours
        self.leeching = leeching
        self.seeding = seeding

    def torrent(self, sample: Sample, page: str = "") -> Any:
        return self.ours.call("GET", f"/v1/torrents/{sample.info_hash.hex()}{page}")

    def top(self, *words: str, environ: dict[str, str] | None = None, **size: int) -> ScreenProgram:
        command = command_line("top", "--url", f"unix:{self.ours.runtime / 'rest.sock'}", "--interval", "0.2",
                               "--layout", "compact", *words)
        return ScreenProgram(command, environment={**environment(), **(environ or {})}, **size)


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Swarm]:
    leeching = make_sample(tmp_path / "a", "leech.bin", 24 * MIB, 64 * KIB)
    seeding = make_sample(tmp_path / "b", "seed 名前.bin", 1 * MIB, 64 * KIB)
    limit = f"limits.up_bytes_per_s={RATE}"
    with Daemon(tmp_path / "theirs", "--set", limit) as theirs, Daemon(tmp_path / "ours") as ours:
        theirs.call("POST", "/v1/torrents", {"source": str(leeching.torrent), "download_dir": str(leeching.folder)})
        ours.call("POST", "/v1/torrents", {
            "source": str(leeching.torrent), "peers": [theirs.endpoint], "labels": ["slow"]})
        ours.call("POST", "/v1/torrents", {"source": str(seeding.torrent), "download_dir": str(seeding.folder)})
        swarm = Swarm(ours, leeching, seeding)
        wait_until(lambda: swarm.torrent(leeching)["down_bytes_per_s"] > 0, TIMEOUT_S, "the transfer")
        wait_until(lambda: swarm.torrent(seeding)["state"] == "seeding", TIMEOUT_S, "the seed")
        yield swarm


def row_of(screen: ScreenProgram, word: str) -> str:
    return next((line for line in screen.lines if word in line), "")


def test_the_transfer_is_seen_as_it_goes_on(swarm: Swarm) -> None:
    with swarm.top(columns=120) as screen:
        screen.wait_for("leech.bin")
        assert screen.lines[0].startswith("*** BlobTorrent")
        assert row_of(screen, "NAME").split() == [
            "NAME", "STATE", "DONE", "SIZE", "DOWN/s", "UP/s", "RATIO", "PEERS", "LEFT", "PRI", "LABELS"]
        shown = row_of(screen, "leech.bin")
        assert re.search(r"leech\.bin +downloading +\d+\.\d% +24\.0 MiB +\d+\.\d KiB", shown)
        assert shown.endswith("slow")
        screen.wait_for(lambda: row_of(screen, "leech.bin").split()[3] != shown.split()[3])
        screen.wait_for(lambda: re.search("^down .*[▁▂▃▄▅▆▇█]{5}$", screen.text, re.MULTILINE))
        # The emulator keeps the second half of a wide character as an empty cell.
        assert row_of(screen, "seed 名前.bin").replace("  ", " ")


def test_keys_of_the_list_steer_the_torrent_and_all_of_them(swarm: Swarm) -> None:
    with swarm.top() as screen:
        screen.wait_for("leech.bin")
        screen.press("/", "leech", "enter")
        screen.wait_for("1 of 2")
        screen.press("+", "+")
        wait_until(lambda: swarm.torrent(swarm.leeching)["priority"] == 2, TIMEOUT_S, "the priority")
        screen.press("p")
        screen.wait_for(lambda: " pause " in row_of(screen, "leech.bin"))
        assert swarm.torrent(swarm.leeching)["held_by"] == "pause"
        screen.press("^D")
        screen.wait_for(lambda: " stopped " in row_of(screen, "leech.bin"))
        assert swarm.torrent(swarm.leeching)["started"] is False
        screen.press("^S")
        screen.wait_for(lambda: " downloading " in row_of(screen, "leech.bin"))
        screen.press("L", ", new", "enter")
        wait_until(lambda: swarm.torrent(swarm.leeching)["labels"] == ["slow", "new"], TIMEOUT_S, "the label")
        screen.press("^T", "^U", "64 KiB/s, 0", "enter")
        wait_until(lambda: swarm.torrent(swarm.leeching)["down_limit_bytes_per_s"] == 64 * KIB, TIMEOUT_S, "its limit")
        screen.press("D", "D", "A", "d")
        screen.wait_for("[Throttle 50/101 KB]")
        wait_until(lambda: swarm.ours.call("GET", "/v1/settings")["limits"]["down_bytes_per_s"] == 101 * KIB,
                   TIMEOUT_S, "the limit of all")
        checks = swarm.ours.output().count("torrent checked")
        screen.press("^R")
        wait_until(lambda: swarm.ours.output().count("torrent checked") > checks, TIMEOUT_S, "the check")


def test_a_torrent_is_added_and_removed(swarm: Swarm, tmp_path: Path) -> None:
    third = make_sample(tmp_path / "c", "third.bin", 100 * KIB)
    with swarm.top(columns=200) as screen:
        screen.wait_for("leech.bin")
        screen.press("backspace", str(tmp_path / "missing"), "enter")
        screen.wait_for("missing: no such file")
        screen.press("backspace", str(third.torrent), "enter")
        screen.wait_for(lambda: row_of(screen, "third.bin  "))
        screen.press("/third", "enter", "^D")
        screen.wait_for(lambda: " stopped " in row_of(screen, "third.bin  "))
        screen.press("^D")
        screen.wait_for("remove?")
        screen.press("n")
        screen.wait_for(lambda: "remove?" not in screen.text)
        assert swarm.torrent(third)["name"] == "third.bin"
        screen.press("^D", "y")
        wait_until(lambda: swarm.torrent(third).get("code") == "torrent.unknown", TIMEOUT_S, "the removal")
        screen.wait_for(lambda: not row_of(screen, "third.bin  "))
        screen.press("l")
        screen.wait_for("torrent-removed")


def test_the_details_show_every_page_of_a_torrent(swarm: Swarm) -> None:
    with swarm.top("--view", "leeching") as screen:
        screen.wait_for("leech.bin")
        screen.press("enter")
        screen.wait_for(f"hash:            {swarm.leeching.info_hash.hex()}")
        screen.press("2")
        screen.wait_for("normal  leech.bin")
        screen.press(" ")
        screen.wait_for("high    leech.bin")
        assert swarm.torrent(swarm.leeching, "/files")["files"][0]["priority"] == 2
        screen.press("right")
        screen.wait_for(lambda: re.search(r"127\.0\.0\.1:\d+ +100% +\d+\.\d KiB/s", screen.text))
        screen.press("tab")
        screen.wait_for("TIER")
        screen.press("5")
        screen.wait_for(lambda: re.search(r"\d+ of 384 pieces of 64\.0 KiB", screen.text))
        screen.wait_for("█..")
        screen.press(" ")
        screen.wait_for("1" * 80)
        screen.press("6")
        screen.wait_for("downloading at")
        screen.press("^D")
        screen.wait_for(lambda: screen.lines[2].startswith("stopped"))
        screen.press("q")
        screen.wait_for("[View: leeching, 0 of 2]")


def test_views_are_on_the_number_keys(swarm: Swarm) -> None:
    with swarm.top() as screen:
        screen.wait_for("leech.bin")
        for key, view, shown in (("8", "seeding", "seed"), ("9", "leeching", "leech"), ("5", "complete", "seed"),
                                 ("0", "active", "leech")):
            screen.press(key)
            screen.wait_for(f"[View: {view}, 1 of 2]")
            screen.wait_for(f"* {shown}")
        screen.press("4")
        screen.wait_for("[View: stopped, 0 of 2]")


def test_a_daemon_that_ends_is_told_and_the_next_one_is_found(swarm: Swarm) -> None:
    with swarm.top() as screen:
        screen.wait_for("leech.bin")
        swarm.ours.stop()
        screen.wait_for("no answer")
        assert "leech.bin" in screen.text
        with Daemon(swarm.ours.folder):
            screen.wait_for("[View: main, 2]")
            screen.press("l")
            screen.wait_for("the daemon answers again")


@pytest.mark.parametrize("size", [(60, 15), (200, 50), (20, 5)])
def test_the_screen_may_change_its_size(swarm: Swarm, size: tuple[int, int]) -> None:
    columns, rows = size
    with swarm.top() as screen:
        screen.wait_for("leech.bin")
        screen.resize(columns, rows)
        screen.wait_for("leech.bin" if columns >= 60 else "40x10 at least")
        screen.resize(100, 30)
        screen.wait_for(lambda: screen.lines[0].startswith("***") and screen.lines[29].startswith("[Throttle"))
        assert screen.lines[2].startswith("* leech.bin")


@pytest.mark.parametrize("keys", ["q", "\x11", "\x03"])
def test_the_terminal_is_as_it_was_when_it_is_left(swarm: Swarm, keys: str) -> None:
    with swarm.top() as screen:
        screen.wait_for("leech.bin")
        assert not screen.is_restored
        screen.press(keys)
        assert screen.wait_end() == 0
        assert screen.is_restored


def test_a_signal_leaves_the_terminal_as_it_was(swarm: Swarm) -> None:
    with swarm.top() as screen:
        screen.wait_for("leech.bin")
        screen.send_signal(signal.SIGTERM)
        assert screen.wait_end() == 128 + signal.SIGTERM
        assert screen.is_restored


def test_colours_are_there_unless_they_are_unwanted(swarm: Swarm) -> None:
    with swarm.top() as screen:
        screen.wait_for("downloading")
        assert {color for color, _, _ in screen.styles_of("downloading")} == {"cyan"}
        assert all(reverse for _, _, reverse in screen.styles_of("* leech.bin"))
    with swarm.top(environ={"NO_COLOR": "1"}) as screen:
        screen.wait_for("downloading")
        assert {color for color, _, _ in screen.styles_of("downloading")} == {"default"}
        assert all(reverse for _, _, reverse in screen.styles_of("* leech.bin"))


@pytest.mark.parametrize(("words", "environ"), [(["--ascii"], {}), ([], {"LC_ALL": "C"})])
def test_only_ascii_is_drawn_where_it_is_wanted_or_all_there_is(
    swarm: Swarm, words: list[str], environ: dict[str, str]
) -> None:
    with swarm.top(*words, environ=environ, columns=140) as screen:
        screen.wait_for(lambda: re.search(r"#-+ +24\.0 MiB", screen.text))
        assert not set("█░…") & set(screen.text)
        assert screen.raw.isascii() or "LC_ALL" not in environ


def test_without_a_terminal_or_a_daemon_there_is_one_line(tmp_path: Path, swarm: Swarm) -> None:
    done = run("top", "--url", f"unix:{swarm.ours.runtime / 'rest.sock'}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "top needs a terminal" in done.stderr
    command = command_line("top", "--url", f"unix:{tmp_path}/nowhere")
    with ScreenProgram(command, environment=environment()) as screen:
        assert screen.wait_end() == 1
        assert "cannot talk to the daemon" in screen.text
        assert screen.is_restored


def test_with_json_it_tells_what_it_would_show(swarm: Swarm) -> None:
    done = run("top", "--json", "--url", f"unix:{swarm.ours.runtime / 'rest.sock'}")
    assert done.returncode == 0
    assert '"session"' in done.stdout
    assert '"leech.bin"' in done.stdout


def test_the_screen_is_as_rtorrents_commands_have_it(tmp_path: Path) -> None:
    sample = make_sample(tmp_path / "a", "some.bin", 100 * KIB)
    with RpcDaemon(tmp_path / "daemon") as daemon:
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "start": False})
        words = command_line("top", "--url", f"unix:{daemon.runtime / 'rest.sock'}", "--interval", "0.2")
        with ScreenProgram(words, environment=environment()) as screen:
            screen.wait_for(lambda: row_of(screen, "some.bin") == "* some.bin")
            assert row_of(screen, "100.0 KiB").startswith("* stopped 0.0%")
            assert daemon.ask("ui.torrent_list.layout.set", "", "compact") == "compact"
            assert daemon.ask("keys.layout.set", "", "azerty") == "azerty"
            screen.wait_for(lambda: row_of(screen, "NAME").split()[:2] == ["NAME", "STATE"])
            # A screen comes in parts: its heading may be there before its rows.
            screen.wait_for(lambda: row_of(screen, "some.bin").split()[:3] == ["*", "some.bin", "stopped"])
            screen.press("s", "q")
            screen.wait_for("[Throttle 6/off KB]")
            screen.press("w")
            screen.wait_for("[Throttle 5/off KB]")
        assert daemon.call("GET", "/v1/settings")["top"] == {"layout": "compact", "keys": "azerty"}
