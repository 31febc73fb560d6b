"""Filter lists of a real daemon: at the start, while peers are connected, and when they change."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.payload import MIB, Sample, make_sample
from tests.support.peers.blobtorrent import environment
from tests.support.peers.client import Job, Role
from tests.support.peers.daemon import Daemon
from tests.support.peers.libtorrent import LibtorrentPeer
from tests.support.peers.program import wait_until

TIMEOUT_S = 60.0
BAD, GOOD = "127.0.0.41", "127.0.0.42"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample.bin", 8 * MIB + 3)


def seed_at(sample: Sample, address: str) -> LibtorrentPeer:
    pytest.importorskip("libtorrent")
    return LibtorrentPeer(Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash, address=address))


def list_of(daemon: Daemon) -> dict[str, object]:
    return daemon.call("GET", "/v1/filters")["lists"][0]  # type: ignore[no-any-return]


def addresses(daemon: Daemon, sample: Sample) -> set[str]:
    peers = daemon.call("GET", f"/v1/torrents/{sample.info_hash.hex()}/peers")["peers"]
    return {peer["host"] for peer in peers}


def write_list(path: Path, *lines: str) -> None:
    """As a careful updater does."""
    new = path.with_name("new")
    new.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    new.replace(path)


def test_a_listed_seed_is_never_met_and_the_download_completes_from_another(sample: Sample, tmp_path: Path) -> None:
    blocklist = tmp_path / "list.gz"
    write_list(blocklist, f"bad people:{BAD}-{BAD}", "no range")
    with seed_at(sample, BAD) as bad, seed_at(sample, GOOD) as good, \
            Daemon(tmp_path / "daemon", "--set", f"filters.files=['{blocklist}']") as daemon:
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "peers": [bad.endpoint]})
        wait_until(lambda: list_of(daemon)["refused"], TIMEOUT_S, "a refusal")
        why = daemon.call("GET", f"/v1/torrents/{sample.info_hash.hex()}/why")
        assert "peers.filtered" in {cause["code"] for cause in why["causes"]}
        daemon.call("POST", f"/v1/torrents/{sample.info_hash.hex()}/peers", {"peers": [good.endpoint]})
        path = f"/v1/torrents/{sample.info_hash.hex()}"
        wait_until(lambda: daemon.call("GET", path)["state"] == "seeding", TIMEOUT_S, "the download")
        assert list_of(daemon)["malformed"] == 1
        shown = subprocess.run(
            [sys.executable, "-m", "blobtorrent", "filters", "--json", "--url", f"unix:{daemon.runtime / 'rest.sock'}",
             BAD, GOOD], capture_output=True, text=True, env=environment(), check=True, timeout=TIMEOUT_S)
        assert [one["refused_by"] for one in json.loads(shown.stdout)["addresses"]] == [str(blocklist), None]
    output = daemon.output()
    assert output.index("a filter list is in force") < output.index(" listening host=")
    assert re.search(r'lines=1 first="line 2: no address', output)


@pytest.mark.parametrize("by_signal", [True, False])
def test_a_connected_peer_is_dropped_when_the_list_that_changed_bans_it(
    sample: Sample, tmp_path: Path, by_signal: bool
) -> None:
    blocklist = tmp_path / "list.gz"
    write_list(blocklist, "someone else:192.0.2.0-192.0.2.255")
    limits = "--set", "limits.down_bytes_per_s=100000"
    with seed_at(sample, BAD) as bad, \
            Daemon(tmp_path / "daemon", "--set", f"filters.files=['{blocklist}']", *limits) as daemon:
        daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent), "peers": [bad.endpoint]})
        wait_until(lambda: addresses(daemon, sample) == {BAD}, TIMEOUT_S, "the link")
        write_list(blocklist, f"bad people:{BAD}-{BAD}")
        if by_signal:
            daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: not addresses(daemon, sample), TIMEOUT_S, "the end of the link")
        blocklist.write_bytes(b"<html>not found</html>")
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: list_of(daemon)["error"], TIMEOUT_S, "the refusal of the file")
        assert daemon.call("GET", f"/v1/filters/{BAD}")["refused_by"] == str(blocklist)
        assert not addresses(daemon, sample)
        daemon.call("PATCH", "/v1/settings", {"filters": {"allow": [f"{BAD}/32"]}})
        daemon.call("POST", f"/v1/torrents/{sample.info_hash.hex()}/peers", {"peers": [bad.endpoint]})
        wait_until(lambda: addresses(daemon, sample) == {BAD}, TIMEOUT_S, "the link again")
