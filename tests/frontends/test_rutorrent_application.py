"""ruTorrent itself, in PHP: pages, plugins, and the programs that it has the daemon run. See README.md."""

from __future__ import annotations

import os
import re
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.program import wait_until
from tests.support.peers.rpcdaemon import PATIENCE_S, RpcDaemon, digits
from tests.support.peers.rutorrent import RuTorrent

pytestmark = pytest.mark.interop

TRACKER = "http://127.0.0.1:9/announce"                # nobody listens there
PIECE = 32 * KIB
MISSING = {"rTorrentExternalNotFoundError", "webExternalNotFoundError", "rTorrentExternalNotFoundWarning",
           "webExternalNotFoundWarning"}               # programs like ffmpeg


class Site(NamedTuple):
    daemon: RpcDaemon
    rutorrent: RuTorrent
    plugins: str                       # what the page loads with all of them


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    base = tmp_path_factory.mktemp("rutorrent")
    with RpcDaemon(base / "daemon") as daemon:
        checkout = Path(os.environ["BLOBTORRENT_RUTORRENT"])
        with RuTorrent(checkout, base / "rutorrent", daemon.socket) as rutorrent:
            yield Site(daemon, rutorrent, rutorrent.get("/php/getplugins.php"))
            assert rutorrent.told_faults() == []


@pytest.fixture
def seeded(site: Site, tmp_path: Path) -> Iterator[Sample]:
    """A torrent of three files that was uploaded and is complete."""
    sample = make_sample(tmp_path, "Füße & <Söhne>", [("a.mkv", 200_000), ("b.nfo", 100), ("sub/c.txt", 5_000)], PIECE,
                         seed=2, trackers=[TRACKER])
    assert site.rutorrent.add(sample.torrent, dir_edit=str(sample.folder), label="a label, with 100 %") == "Success"
    site.daemon.wait_for(sample, 1, "is_active")
    site.daemon.wait_for(sample, 1, "complete")
    yield sample
    if digits(sample) in site.daemon.ask("download_list"):
        site.daemon.ask("d.erase", digits(sample))
        wait_until(lambda: digits(sample) not in site.daemon.ask("download_list"), PATIENCE_S, "the end of the torrent")


def test_it_finds_an_rtorrent_and_all_plugins_start(site: Site) -> None:
    assert "<!DOCTYPE html>" in site.rutorrent.get("/")
    assert "started:true" in site.plugins and "version:'0.9.8'" in site.plugins
    complaints = re.findall(r"noty\('(\w+): '\s*\+\s*theUILang\.(\w+)", site.plugins)
    assert {word for _, word in complaints} <= MISSING
    for plugin in ("ratio", "throttle", "erasedata", "httprpc", "edit", "datadir", "create", "seedingtime", "trafic"):
        assert f"new rPlugin('{plugin}'" in site.plugins


def test_the_plugins_have_put_their_handlers_groups_and_throttles(site: Site) -> None:
    ask = site.daemon.ask
    assert {"addtime", "_ratio", "tadd_trackers1", "thistory"} <= set(
        ask("method.list_keys", "", "event.download.inserted_new"))
    assert {"seedingtime", "automove"} <= set(ask("method.list_keys", "", "event.download.finished"))
    assert {f"rat_{number}" for number in range(8)} <= set(ask("view.list"))
    assert (ask("group.rat_0.ratio.min"), ask("group.rat_0.ratio.max")) == (100, 300)
    assert ask("throttle.up.max", "", "thr_0") == 16 * KIB


def test_an_uploaded_torrent_is_listed_with_all_that_was_given(site: Site, seeded: Sample) -> None:
    row = site.rutorrent.listed()[digits(seeded)]
    assert row["name"] == "Füße & <Söhne>"
    assert (row["size_bytes"], row["bytes_done"], row["left_bytes"]) == ("205100", "205100", "0")
    assert (row["is_open"], row["state"], row["custom1"]) == ("1", "1", "a%20label%2C%20with%20100%20%25")
    assert re.fullmatch(r"\d{10}\n?", site.daemon.ask("d.custom", digits(seeded), "addtime"))


def test_details_are_shown(site: Site, seeded: Sample) -> None:
    order, name = site.rutorrent.order, digits(seeded)
    assert [row[:4] for row in order("fls", name)] == [
        ["a.mkv", "7", "7", "200000"], ["b.nfo", "1", "1", "100"], ["sub/c.txt", "1", "1", "5000"]]
    assert [row[0] for row in order("trk", name)] == [TRACKER]
    assert order("trkall")[name][0][0] == TRACKER
    assert order("prs", name) == []
    assert order("getchunks", name)["chunks"] == "FE"
    assert order("prp", name)[1:3] == [str(site.daemon.ask(f"d.peers_{word}", name)) for word in ("max", "min")]


def test_torrents_are_stopped_started_paused_and_checked(site: Site, seeded: Sample) -> None:
    name = digits(seeded)

    def becomes(state: str, is_open: str, is_active: int) -> None:
        def now() -> tuple[str, str, int]:
            row = site.rutorrent.listed()[name]
            return row["state"], row["is_open"], site.daemon.ask("d.is_active", name)

        wait_until(lambda: now() == (state, is_open, is_active), PATIENCE_S, f"{(state, is_open, is_active)}")

    for mode, expected in (("stop", ("0", "0", 0)), ("start", ("1", "1", 1)), ("pause", ("0", "1", 0)),
                           ("unpause", ("1", "1", 1)), ("recheck", ("1", "1", 1))):
        site.rutorrent.order(mode, name)
        becomes(*expected)


def test_labels_priorities_trackers_and_properties_are_set(site: Site, seeded: Sample) -> None:
    order, facts, name = site.rutorrent.order, site.daemon.facts, digits(seeded)
    order("setlabel", name, v=["other%20label"])
    order("dsetprio", name, v=["3"])
    order("setprio", name, s=["0"], v=["1", "2"])
    order("trkstate", name, s=["0"], v=["0"])
    order("setprops", name, s=["ulslots", "peers_max", "pex"], v=["7", "33", "0"])
    order("setprops", name, s=["superseed"], v=["1"])
    assert facts(seeded, "custom1", "priority", "uploads_max", "peers_max") == ["other%20label", 3, 7, 33]
    assert [row[-1] for row in order("fls", name)] == ["1", "0", "0"]
    assert site.daemon.ask("t.is_enabled", f"{name}:t0") == 0
    site.daemon.wait_for(seeded, "initial_seed", "connection_seed")
    site.daemon.wait_for(seeded, 1, "is_active")


def test_settings_are_shown_and_changed(site: Site) -> None:
    before = site.rutorrent.order("stg")
    assert str(site.daemon.folder) in "".join(map(str, before))
    site.rutorrent.order("setsettings", s=["nupload_rate", "nmax_peers", "nmax_uploads", "sdirectory"],
                         v=["81920", "77", "11", str(site.daemon.downloads)])
    ask = site.daemon.ask
    assert (ask("throttle.global_up.max_rate"), ask("throttle.max_peers.normal"), ask("throttle.max_uploads")) == (
        81_920, 77, 11)
    site.rutorrent.order("setdl", s=["51200"])
    assert site.rutorrent.order("ttl")[2:] == ["81920", "51200"]


def test_a_magnet_link_is_listed_at_once(site: Site) -> None:
    name = "AB" * 20
    assert site.rutorrent.add_link(f"magnet:?xt=urn:btih:{name}&dn=far+away&tr={TRACKER}", label="linked") == "Success"
    wait_until(lambda: name in site.rutorrent.listed(), PATIENCE_S, "the magnet link")
    row = site.rutorrent.listed()[name]
    assert (row["name"], row["custom1"]) == (f"{name}.meta", "linked")
    site.rutorrent.order("remove", name)
    wait_until(lambda: name not in site.rutorrent.listed(), PATIENCE_S, "the removal")


def test_trackers_and_comment_are_edited(site: Site, seeded: Sample) -> None:
    """It erases the torrent, and loads the changed one with what it knows of the files."""
    answer = site.rutorrent.post("/plugins/edit/action.php", [
        ("hash", digits(seeded)), ("set_trackers", "1"), ("set_comment", "1"), ("comment", "said by hand"),
        ("tracker", "http://127.0.0.1:9/one"), ("tracker", ""), ("tracker", "http://127.0.0.1:9/two")])
    assert answer["errors"] == []
    wait_until(lambda: [row[0] for row in site.rutorrent.order("trk", digits(seeded))] == [
        "http://127.0.0.1:9/one", "http://127.0.0.1:9/two"], PATIENCE_S, "the trackers")
    site.daemon.wait_for(seeded, 1, "is_active")
    assert site.daemon.facts(seeded, "complete", "custom1") == [1, "a%20label%2C%20with%20100%20%25"]
    assert "VRS24mrkersaid%20by%20hand" in site.daemon.facts(seeded, "custom2")


def test_data_is_moved_by_a_program_that_the_daemon_runs(site: Site, seeded: Sample, tmp_path: Path) -> None:
    target = tmp_path / "moved"
    answer = site.rutorrent.post("/plugins/datadir/action.php", [
        ("hash", digits(seeded)), ("datadir", str(target)), ("move_addpath", "1"), ("move_datafiles", "1"),
        ("move_fastresume", "1")])
    assert answer["errors"] == []
    wait_until(lambda: seeded.differences(target) == [], PATIENCE_S, "the files")
    site.daemon.wait_for(seeded, f"{target}/{os.fsdecode(seeded.name)}", "directory")
    site.daemon.wait_for(seeded, 1, "is_active")
    assert site.daemon.facts(seeded, "complete") == [1]
    assert not (seeded.folder / os.fsdecode(seeded.name)).exists()


def test_a_torrent_is_removed_with_its_data(site: Site, seeded: Sample) -> None:
    """A schedule deletes the files, with a program."""
    site.rutorrent.order("removewithdata", digits(seeded), v=["1"])
    wait_until(lambda: digits(seeded) not in site.rutorrent.listed(), PATIENCE_S, "the removal")
    wait_until(lambda: not (seeded.folder / os.fsdecode(seeded.name)).exists(), PATIENCE_S, "the files to go")


def test_a_torrent_is_created_and_seeded(site: Site, tmp_path: Path) -> None:
    content = tmp_path / "made of this"
    content.mkdir()
    (content / "data").write_bytes(bytes(range(256)) * 400)
    answer = site.rutorrent.post("/plugins/create/action.php", [
        ("cmd", "create"), ("path_edit", str(content)), ("trackers", TRACKER), ("comment", ""), ("source", ""),
        ("start_seeding", "1"), ("piece_size", "32"), ("private", "0"), ("hybrid", "0")])
    assert answer["errors"] == [], answer

    def created() -> list[str]:
        return [name for name, row in site.rutorrent.listed().items() if row["name"] == "made of this"]

    wait_until(created, PATIENCE_S, "the torrent")
    (name,) = created()
    wait_until(lambda: site.rutorrent.listed()[name]["left_bytes"] == "0", PATIENCE_S, "seeding")
    site.daemon.ask("d.erase", name)


def test_a_torrent_is_fetched_from_a_peer_that_is_shown(site: Site, tmp_path: Path) -> None:
    sample = make_sample(tmp_path, "fetched.bin", 3_000_000, PIECE, seed=5, trackers=[TRACKER])
    site.rutorrent.order("setdl", s=["400000"])
    with RpcDaemon(tmp_path / "seed") as seed:
        seed.ask("load.start", "", str(sample.torrent), f'd.directory.set="{sample.folder}"')
        seed.wait_for(sample, 1, "complete")
        site.rutorrent.add(sample.torrent)
        site.daemon.wait_for(sample, 1, "is_active")
        site.rutorrent.order("add_peer", digits(sample), v=[seed.endpoint])
        wait_until(lambda: site.rutorrent.order("prs", digits(sample)), PATIENCE_S, "the peer")
        (peer,) = site.rutorrent.order("prs", digits(sample))
        assert re.fullmatch("[0-9A-F]{40}", peer[0]) and peer[1] == "127.0.0.1"
        site.rutorrent.order("snub", digits(sample), v=[peer[0]])
        site.rutorrent.order("unsnub", digits(sample), v=[peer[0]])
        site.rutorrent.order("setdl", s=["0"])
        site.daemon.wait_for(sample, 1, "complete")
    row = site.rutorrent.listed()[digits(sample)]
    assert (row["completed_chunks"], row["left_bytes"]) == (row["size_chunks"], "0")
    assert sample.differences(site.daemon.downloads) == []
    site.rutorrent.order("remove", digits(sample))


def test_programs_may_ask_through_it_but_run_nothing(site: Site, seeded: Sample) -> None:
    def call(method: str, *arguments: str) -> str:
        return site.rutorrent.raw(xmlrpc.client.dumps(arguments, method).encode())

    assert "<string>Füße &amp; &lt;Söhne&gt;</string>" in call("d.name", digits(seeded))
    assert "uid=" not in call("execute.capture", "", "id")
    assert "rejected (not allowed on this connection): execute.capture" in site.rutorrent.faults.read_text()
