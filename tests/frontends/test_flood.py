"""Flood, as it comes from npm, before a daemon; a real browser clicks through its page.

What the page shows is half of each test: the other half is what the daemon, or the disk, says of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import bencodepy
import pytest

from tests.support import foreignwords
from tests.support.floodstage import PIECE, FloodStage
from tests.support.peers.magnets import link_of
from tests.support.peers.program import wait_until

pytestmark = pytest.mark.interop

PATIENCE_S = 30.0
KB, MB = 1 << 10, 1 << 20
SETTINGS = ("Bandwidth", "Connectivity", "Resources", "User Interface", "Disk Usage", "About")
FILES = [("a/one.bin", 900_000), ("two.bin", 700_000), ("three.txt", 4_000)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FloodStage]:
    with FloodStage(tmp_path_factory.mktemp("flood")) as stage:
        yield stage


@pytest.fixture(autouse=True)
def nothing_fails(stage: FloodStage, request: pytest.FixtureRequest) -> Iterator[None]:
    stage.page.open()
    yield
    stage.page.picture(f"end-of-{request.node.name.removeprefix('test_')}")
    assert stage.troubles() == []


def test_a_torrent_added_by_file_comes_at_the_speed_that_is_allowed_and_then_is_complete(stage: FloodStage) -> None:
    page, sample = stage.page, stage.sample("holiday", [("a/one.bin", 4 * MB), ("two.bin", 2 * MB), ("three.txt", 99)])
    folder = stage.box.downloads / "by file"
    stage.seed(sample)
    page.limit("down", "500kB/s")
    wait_until(lambda: stage.setting("limits", "down_bytes_per_s") == 500 * KB, PATIENCE_S, "the limit")
    page.add_file(sample.torrent, folder, tags="films,a b")
    page.page.wait_for(lambda: 0 < page.facts(sample.info_hash).get("percent", 0) < 100, "some progress")
    assert "downloading" in page.facts(sample.info_hash)["states"]
    assert 0 < stage.box.status(sample)["done_bytes"] < sample.size_bytes
    with page.details(sample.info_hash):
        assert page.told("hash") == sample.info_hash.hex().upper()
        assert page.told("location") == str(folder / "holiday")
        assert page.told("size") == "6MB" and page.told("type") == "Public"
        assert page.told("seeds").startswith("1 connected")
        page.picture("downloading")
        page.choose_tab("Peers")
        page.page.wait_for(lambda: "libtorrent" in page.section(), "a peer")
        assert "127.0.0.1" in page.section() and "100%" in page.section()
        page.picture("peers")
        page.choose_tab("Files")
        assert page.files() == ["three.txt", "two.bin"]
        page.open_folder("a")
        assert page.files() == ["one.bin", "three.txt", "two.bin"]
        page.choose_tab("Trackers")
        page.page.wait_for(lambda: stage.tracker.url in page.section(), "the tracker")
    page.limit("down", "Unlimited")
    page.wait_state(sample.info_hash, "seeding")
    assert stage.setting("limits", "down_bytes_per_s") == 0
    assert page.facts(sample.info_hash)["percent"] == 100
    assert sample.differences(folder) == []
    assert stage.of(sample, "d.custom1") == "films,a%20b"
    assert {"films", "a b"} <= set(page.tag_filters())


def test_a_torrent_added_by_a_magnet_link_gets_its_name_and_keeps_what_was_said_of_it(stage: FloodStage) -> None:
    page, sample = stage.page, stage.sample("by link", FILES)
    folder = stage.box.downloads / "by link"
    stage.tracker.peers = ()
    page.add_link(link_of(sample, f"tr={stage.tracker.url}"), folder, tags="linked")
    page.page.wait_for(lambda: page.facts(sample.info_hash), "the link in the list")
    assert page.facts(sample.info_hash)["name"] == f"{sample.info_hash.hex().upper()}.meta"
    page.picture("link")
    stage.seed(sample)
    page.choose(sample.info_hash, "Reannounce")
    page.wait_state(sample.info_hash, "seeding")
    assert page.facts(sample.info_hash) | {"states": []} == {"name": "by link", "states": [], "percent": 100}
    assert sample.differences(folder) == []
    assert stage.of(sample, "d.custom1") == "linked" and stage.of(sample, "d.is_meta") == 0


def test_a_torrent_that_is_not_to_be_started_waits_until_it_is(stage: FloodStage) -> None:
    page, sample = stage.page, stage.sample("later", 300_000)
    folder = stage.box.downloads / "later"
    stage.seed(sample)
    page.add_file(sample.torrent, folder, is_started=False)
    page.wait_state(sample.info_hash, "stopped")
    assert stage.box.status(sample)["state"] == "stopped"
    page.choose(sample.info_hash, "Start")
    page.wait_state(sample.info_hash, "seeding")
    assert sample.differences(folder) == []


def test_a_torrent_is_stopped_and_started(stage: FloodStage) -> None:
    page, sample = stage.page, stage.sample("stop and go", FILES)
    stage.add_complete(sample)
    page.select(sample.info_hash)
    page.page.click(".action--stop-torrent")
    page.wait_state(sample.info_hash, "stopped")
    assert stage.box.status(sample)["state"] == "stopped"
    assert (stage.of(sample, "d.state"), stage.of(sample, "d.is_open")) == (0, 0)
    page.page.click(".action--start-torrent")
    page.wait_state(sample.info_hash, "seeding")
    assert stage.box.status(sample)["state"] == "seeding"


def test_tags_are_set_and_taken_away(stage: FloodStage) -> None:
    page, sample = stage.page, stage.sample("tagged", FILES)
    stage.add_complete(sample)
    page.choose(sample.info_hash, "Set Tags")
    page.page.write(".modal input[name=tags]", "naïve & co,50%")
    page.confirm("Set Tags")
    stage.wait_of(sample, "d.custom1", "na%C3%AFve%20%26%20co,50%25")
    page.page.wait_for(lambda: {"50%", "naïve & co"} <= set(page.tag_filters()), "the tags in the list")
    page.choose(sample.info_hash, "Set Tags")
    page.page.write(".modal input[name=tags]", "")
    page.confirm("Set Tags")
    stage.wait_of(sample, "d.custom1", "")
    page.page.wait_for(lambda: not {"50%", "naïve & co"} & set(page.tag_filters()), "no tags in the list")


def test_the_priority_of_a_torrent_changes_with_each_click(stage: FloodStage) -> None:
    page, sample = stage.page, stage.sample("important", FILES)
    stage.add_complete(sample)
    page.open_menu(sample.info_hash)
    for wanted in (3, 0, 1, 2):
        page.choose_from_menu("Priority")
        stage.wait_of(sample, "d.priority", wanted)
    page.leave_menu()


def test_a_file_that_is_not_wanted_is_not_downloaded_before_it_is(stage: FloodStage) -> None:
    page, sample = stage.page, stage.sample("some of it", [("one.bin", 5 * PIECE), ("two.bin", 3 * PIECE)])
    folder = stage.box.downloads / "some of it"
    stage.seed(sample)
    page.add_file(sample.torrent, folder, is_started=False)
    page.wait_state(sample.info_hash, "stopped")
    with page.details(sample.info_hash):
        page.choose_tab("Files")
        page.click_priority("two.bin")                     # from normal to high
        stage.wait_rpc("f.priority", f"{sample.info_hash.hex()}:f1", value=2)
        page.click_priority("two.bin")                     # and to none at all
        stage.wait_rpc("f.priority", f"{sample.info_hash.hex()}:f1", value=0)
        page.picture("priorities")
    page.choose(sample.info_hash, "Start")
    status = stage.box.wait_until(sample, lambda status: status["done_bytes"] == 5 * PIECE, "what is wanted")
    assert status["wanted_bytes"] == 5 * PIECE
    assert [file["done_bytes"] for file in stage.box.files(sample)] == [5 * PIECE, 0]
    with page.details(sample.info_hash):
        page.choose_tab("Files")
        page.click_priority("two.bin")
    page.page.wait_for(lambda: page.facts(sample.info_hash)["percent"] == 100, "all of it")
    stage.box.wait_state(sample, "seeding")
    assert sample.differences(folder) == []


def test_a_torrent_is_moved_with_its_files(stage: FloodStage) -> None:
    page, sample = stage.page, stage.sample("on the move", FILES)
    old = stage.add_complete(sample)
    new = stage.box.downloads / "elsewhere" / "deep"
    page.choose(sample.info_hash, "Set Torrent Location")
    page.page.write(".modal input[name=destination]", str(new))
    page.page.click(".modal__header")
    page.confirm("Set Location")
    stage.wait_of(sample, "d.directory", str(new / "on the move"))
    page.choose(sample.info_hash, "Start")                 # Flood forgets that when it has just seen it stop
    page.wait_state(sample.info_hash, "seeding")
    assert sample.differences(new) == [] and not (old / "on the move").exists()
    assert stage.box.status(sample)["download_dir"] == str(new)
    with page.details(sample.info_hash):
        page.page.wait_for(lambda: page.told("location") == str(new / "on the move"), "the new place")


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "stopped"])
def test_a_check_finds_what_was_spoiled_and_leaves_the_torrent_as_it_was(stage: FloodStage, is_running: bool) -> None:
    page, sample = stage.page, stage.sample(f"spoiled {is_running}", [("one.bin", 5 * PIECE), ("two.bin", 3 * PIECE)])
    stage.tracker.peers = ()
    place = stage.add_complete(sample)
    if not is_running:
        page.choose(sample.info_hash, "Stop")
        page.wait_state(sample.info_hash, "stopped")
    with open(place / os.fsdecode(sample.name) / "one.bin", "r+b") as file:
        file.write(b"spoiled")
    page.choose(sample.info_hash, "Check Hash")
    page.page.wait_for(lambda: page.facts(sample.info_hash)["percent"] == 87.5, "what is left")
    page.wait_state(sample.info_hash, "downloading" if is_running else "stopped")
    stage.box.wait_state(sample, "downloading" if is_running else "stopped")
    assert stage.of(sample, "d.completed_bytes") == 7 * PIECE


@pytest.mark.parametrize("with_data", [True, False], ids=["with data", "without"])
def test_a_torrent_is_removed(stage: FloodStage, with_data: bool) -> None:
    page, sample = stage.page, stage.sample(f"removed {with_data}", FILES)
    place = stage.add_complete(sample)
    kept = place / "somebody else's.txt"
    kept.write_text("not of the torrent")
    page.choose(sample.info_hash, "Remove")
    page.tick("deleteData", with_data)
    page.picture("removal")
    page.confirm("Yes")
    page.page.wait_gone(page.row(sample.info_hash))
    stage.box.wait_gone(sample)
    assert kept.exists()
    if with_data:
        wait_until(lambda: not (place / os.fsdecode(sample.name)).exists(), PATIENCE_S, "the files to go")
    else:
        assert sample.differences(place) == []
    assert list(Path(stage.rpc("session.path")).glob(f"{sample.info_hash.hex().upper()}*")) == []


def test_words_of_strangers_are_text_on_the_page_and_nothing_of_them_runs(stage: FloodStage) -> None:
    """The names in a torrent, its comment, a tag, what its tracker complains of, and how a peer calls itself."""
    page, words = stage.page, foreignwords
    sample = stage.sample(words.NAME, [(f"{words.FOLDER}/x.bin", 300_000), (words.FILE, 300_000)])
    words.with_comment(sample.torrent)
    ran = f"window.ran === 1 || document.querySelector({json.dumps(words.MADE)}) !== null"
    # On a page that takes them for elements they do run, and that is seen.
    page.page.open(f"data:text/html,{quote(words.CLIENT)}")
    page.page.wait_for(lambda: page.page.value("window.ran === 1") and page.page.dialogs, "what runs")
    assert page.page.value(ran)
    page.page.dialogs.clear()
    page.open()
    stage.tracker.failure = words.TROUBLE
    try:
        with words.NamedSeed(sample) as seed:
            page.add_file(sample.torrent, stage.box.downloads / "foreign", tags=words.LABEL)
            page.page.wait_for(lambda: page.facts(sample.info_hash).get("name") == words.NAME, "the name in the list")
            stage.rpc("add_peer", sample.info_hash.hex().upper(), seed.endpoint)
            wait_until(lambda: "window.ran" in stage.of(sample, "d.message"), PATIENCE_S, "the tracker's complaint")
            page.page.wait_for(lambda: words.LABEL in page.tag_filters(), "the tag")
            assert not page.page.value(ran)
            with page.details(sample.info_hash):
                page.page.wait_for(lambda: words.NAME in page.section(), "the name in the details")
                page.picture("foreign-words")
                for tab, text in (("Peers", words.CLIENT), ("Files", words.FILE), ("Trackers", stage.tracker.url)):
                    page.choose_tab(tab)
                    page.page.wait_for(lambda text=text: text in page.section(), f"{text} among {tab}")
                    assert not page.page.value(ran)
                page.choose_tab("Files")
                assert set(page.files()) == {words.FILE}
                page.open_folder(words.FOLDER)
                assert set(page.files()) == {words.FILE, "x.bin"}
                page.picture("foreign-files")
            assert not page.page.value(ran)
            assert page.page.dialogs == []
    finally:
        stage.tracker.failure = ""


def test_trackers_are_replaced(stage: FloodStage) -> None:
    page, sample = stage.page, stage.sample("announced", FILES)
    stage.add_complete(sample)
    page.choose(sample.info_hash, "Set Trackers")
    page.page.wait_for(lambda: page.field("trackers-0") == stage.tracker.url, "the tracker that it has")
    page.page.write("#trackers-0", "http://127.0.0.1:9/announce")
    page.confirm("Set Trackers")
    with page.details(sample.info_hash):
        page.choose_tab("Trackers")
        page.page.wait_for(lambda: "http://127.0.0.1:9/announce" in page.section(), "the new tracker")
        assert stage.tracker.url not in page.section()
    enabled = [url for url, is_enabled in stage.of(sample, "t.multicall", "", "t.url=", "t.is_enabled=") if is_enabled]
    assert enabled == ["http://127.0.0.1:9/announce"]
    # Flood writes the trackers into the daemon's own file of the torrent, too.
    saved = Path(stage.rpc("session.path")) / f"{sample.info_hash.hex().upper()}.torrent"
    assert b"http://127.0.0.1:9/announce" in saved.read_bytes()
    page.choose(sample.info_hash, "Generate Magnet Link")
    page.page.wait_for(lambda: "tr=http://127.0.0.1:9/announce" in page.field("magnet-trackers"), "a link")
    page.leave_dialog()


def test_sequential_download_and_initial_seeding_are_switched_on_and_off(stage: FloodStage) -> None:
    page, sample = stage.page, stage.sample("in order", FILES)
    stage.add_complete(sample)
    page.open_menu(sample.info_hash)
    for is_on in (True, False):
        page.choose_from_menu("Sequential")
        stage.wait_of(sample, "d.down.sequential", int(is_on))
        assert stage.box.status(sample)["sequential"] is is_on
        page.choose_from_menu("Initial Seeding")
        stage.wait_of(sample, "d.connection_seed", "initial_seed" if is_on else "seed")
    page.leave_menu()


def test_content_and_torrent_file_are_downloaded_from_the_page(stage: FloodStage) -> None:
    page, sample = stage.page, stage.sample("for the browser.bin", 300_000)
    stage.add_complete(sample)
    content, torrent = (
        stage.browser.downloads / name
        for name in ("for the browser.bin", f"{sample.info_hash.hex().upper()}.torrent"))
    page.choose(sample.info_hash, "Download Contents")
    wait_until(content.exists, PATIENCE_S, "the content")
    assert sample.differences(stage.browser.downloads) == []
    page.choose(sample.info_hash, "Download .torrent")
    wait_until(torrent.exists, PATIENCE_S, "the torrent file")
    assert bencodepy.decode(torrent.read_bytes())[b"info"] == bencodepy.decode(sample.torrent.read_bytes())[b"info"]


def test_content_that_is_said_to_be_complete_is_believed(stage: FloodStage) -> None:
    page, sample = stage.page, stage.sample("believed", FILES)
    folder = stage.box.downloads / "believed"
    stage.lay(sample, folder)
    page.add_file(sample.torrent, folder, is_complete=True)
    page.wait_state(sample.info_hash, "seeding")
    assert (stage.of(sample, "d.down.total"), stage.of(sample, "d.complete")) == (0, 1)
    page.page.wait_for(lambda: page.facts(sample.info_hash)["percent"] == 100, "all of it")


def test_a_torrent_is_made_of_a_folder_and_seeded(stage: FloodStage) -> None:
    page, folder = stage.page, stage.box.downloads / "made here"
    folder.mkdir()
    (folder / "film.bin").write_bytes(bytes(range(256)) * 1000)
    with page.creating():
        page.page.write(".modal input[name=sourcePath]", str(folder))
        page.page.write(".modal input[name=trackers-0]", stage.tracker.url)
        page.page.write(".modal input[name=name]", "made here")
    page.page.wait_for(lambda: "made here" in page.names(), "the torrent in the list")
    (hash_,) = (one for one in stage.rpc("download_list") if stage.rpc("d.name", one) == "made here")
    page.wait_state(bytes.fromhex(hash_), "seeding")
    page.page.wait_for(lambda: page.facts(bytes.fromhex(hash_))["percent"] == 100, "all of it")
    assert stage.rpc("d.complete", hash_) == 1 and stage.rpc("d.size_bytes", hash_) == 256_000


def test_every_page_of_the_settings_opens_and_what_is_changed_is_what_the_daemon_goes_by(stage: FloodStage) -> None:
    page = stage.page
    elsewhere = stage.box.downloads / "by default"
    with page.settings():
        for number, tab in enumerate(SETTINGS):
            page.choose_tab(tab)
            page.picture(f"settings-{number}")
        page.choose_tab("Bandwidth")
        page.page.write("#throttleGlobalUpSpeed", str(3 * MB))
        page.page.write("#throttleMaxUploads", "7")
        page.choose_tab("Connectivity")
        page.page.write("#throttleMaxPeersNormal", "77")
        page.tick("dht", False)
        page.tick("protocolPex", False)
        page.choose_tab("Resources")
        page.page.write("#directoryDefault", str(elsewhere))
        page.page.write("#piecesMemoryMax", "96")
        page.tick("piecesHashOnCompletion", False)
    page.page.wait_shown(".alert.is-success")
    assert stage.setting("limits", "up_bytes_per_s") == 3 * MB
    assert stage.setting("network", "max_peers_per_torrent") == 77
    assert stage.setting("dht", "enabled") is False and stage.setting("pex", "enabled") is False
    assert stage.setting("storage", "download_dir") == str(elsewhere)
    assert stage.rpc("throttle.max_uploads") == 7
    assert stage.rpc("pieces.memory.max") == 96 * MB
    assert stage.rpc("pieces.hash.on_completion") == 0
    with page.settings():
        assert page.field("throttleGlobalUpSpeed") == str(3 * MB)
        page.choose_tab("Connectivity")
        assert page.field("throttleMaxPeersNormal") == "77" and not page.is_ticked("dht")
        page.choose_tab("Resources")
        assert page.field("directoryDefault") == str(elsewhere) and page.field("piecesMemoryMax") == "96"
