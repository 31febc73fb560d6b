"""Scripts: the examples of blobtorrent-rtorrent(7) as they stand there, and what exporters and cron jobs ask."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import PATIENCE_S, RpcDaemon, digits
from tests.support.source import ROOT

pytestmark = pytest.mark.interop

PAGE = ROOT / "man" / "blobtorrent-rtorrent.7"
TRACKER = "http://127.0.0.1:9/announce"
SCRIPTS_AT_ONCE = 8
ROUNDS = 10


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path, "film", [("film.mkv", 200_000), ("film.srt", 1_000)], 32 * KIB, trackers=[TRACKER])


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[RpcDaemon]:
    with RpcDaemon(tmp_path / "daemon") as daemon:
        yield daemon


def examples(section: str) -> list[str]:
    """What is shown literally there, as it looks on paper."""
    text = PAGE.read_text()
    (part,) = re.findall(rf"^\.S[sh] {section}\n(.*?)(?=^\.S[sh] )", text, re.DOTALL | re.MULTILINE)
    shown = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", part, re.DOTALL | re.MULTILINE)
    assert shown, section
    return [block.replace("\\e", "\\").replace("\\(aq", "'").replace("\\&", "") for block in shown]


def test_the_scripts_of_the_manual_page_run(daemon: RpcDaemon, sample: Sample, tmp_path: Path) -> None:
    script = "\n".join(examples("EXAMPLES"))
    assert script.count("127.0.0.1:8000") == 1 and "/srv/films" in script
    script = script.replace("127.0.0.1:8000", f"127.0.0.1:{daemon.http_port}")
    (tmp_path / "film.torrent").write_bytes(sample.torrent.read_bytes())
    done = subprocess.run([sys.executable, "-c", script.replace("/srv/films", str(sample.folder))], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    names, facts = done.stdout.splitlines()
    assert names == "[]"
    assert re.fullmatch(r"film \d+ \[\['film\.mkv', 200000\], \['film\.srt', 1000\]\]", facts)
    assert daemon.ask("throttle.global_up.max_rate") == 1 << 20
    daemon.wait_for(sample, 1, "complete")
    assert daemon.facts(sample, "custom1", "directory") == ["film", f"{sample.folder}/film"]


def test_the_commands_of_the_manual_page_are_a_configuration(sample: Sample, tmp_path: Path) -> None:
    (block,) = examples("The command language")
    watched, note, told = tmp_path / "watch", tmp_path / "note", tmp_path / "told"
    watched.mkdir()
    note.write_text(f'#!/bin/sh\necho "$1" >>{told}\n')
    note.chmod(0o755)
    lines = block.replace("/srv/watch", str(watched)).replace("/usr/local/bin/note", str(note)).splitlines()
    with RpcDaemon(tmp_path / "seed") as seed, RpcDaemon(tmp_path / "daemon", rc=["view.add = big", *lines]) as daemon:
        assert daemon.failed_lines() == []
        seed.ask("load.start", "", str(sample.torrent), f'd.directory.set="{sample.folder}"')
        seed.wait_for(sample, 1, "complete")
        (watched / "film.torrent").write_bytes(sample.torrent.read_bytes())
        daemon.wait_for(sample, 1, "is_active")
        assert daemon.facts(sample, "tied_to_file") == [str(watched / "film.torrent")]
        daemon.ask("add_peer", digits(sample), seed.endpoint)
        wait_until(lambda: told.exists() and told.read_text() == "film\n", PATIENCE_S, "the program to be run")
        assert sample.differences(daemon.downloads) == []
        assert daemon.ask("d.multicall2", "", "big", "d.name=") == []          # a gigabyte is big there
        daemon.ask("view.filter", "", "big", "greater=d.size_bytes=,value=100000")
        assert daemon.ask("d.multicall2", "", "big", "d.name=") == [["film"]]


def test_what_an_exporter_asks_is_answered_in_one_request(daemon: RpcDaemon, sample: Sample) -> None:
    """As rtorrent-exporter does: floats of every value but the names."""
    daemon.ask("load.start", "", str(sample.torrent), f'd.directory.set="{sample.folder}"')
    daemon.wait_for(sample, 1, "complete")
    rtorrent: Any = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{daemon.http_port}/RPC2")
    with rtorrent:
        many: Any = xmlrpc.client.MultiCall(rtorrent)
        for side in ("down", "up"):
            for word in ("total", "rate"):
                getattr(many, f"throttle.global_{side}.{word}")()
        for view in ("main", "started", "stopped", "hashing", "seeding", "leeching", "active"):
            many.view.size("", view)
        assert list(many())[4:] == [1, 1, 0, 0, 1, 0, 1]
        (row,) = rtorrent.d.multicall2("", "main", "d.hash=", "d.name=", "d.size_bytes=", "d.completed_bytes=",
                                       "d.down.rate=", "d.up.rate=", "d.down.total=", "d.up.total=", "d.ratio=")
    assert row[:4] == [digits(sample), "film", 201_000, 201_000] and all(float(value) >= 0 for value in row[2:])


def test_scripts_side_by_side_get_each_its_own_answer(daemon: RpcDaemon) -> None:
    wrong: list[str] = []

    def work(number: int) -> None:
        with xmlrpc.client.ServerProxy(f"http://127.0.0.1:{daemon.http_port}/RPC2") as rtorrent:
            for turn in range(ROUNDS):
                word = f"{number}/{turn}"
                if rtorrent.cat("", word) != word:
                    wrong.append(word)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(SCRIPTS_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not any(thread.is_alive() for thread in threads) and wrong == []


def test_json_is_answered_on_a_line_of_its_own_over_every_transport(daemon: RpcDaemon) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "system.client_version", "params": [""]}).encode()
    wanted = {"jsonrpc": "2.0", "id": 7, "result": "0.9.8"}
    status, answer = daemon.post(body, {"Content-Type": "application/json"})
    assert status == 200 and json.loads(answer) == wanted
    answer = daemon.scgi(body, ("CONTENT_TYPE", "application/json"))
    assert b"\n" not in answer.partition(b"\r\n\r\n")[2] and json.loads(answer.partition(b"\r\n\r\n")[2]) == wanted
