"""pyrosimple, from its package: its programs, and the configuration that it has rTorrent started with."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.program import wait_until
from tests.support.peers.pyrosimple import Pyrosimple, Pyrotorque, packaged_configuration
from tests.support.peers.rpcdaemon import PATIENCE_S, RpcDaemon, digits

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]     # dozens of programs are started, one after the other

TRACKER = "http://tracker.example.com:1/announce"      # a name that is never looked up: nothing of it is started
PIECE = 32 * KIB
CONFIG = """
[ALIASES]
example = ["http://tracker.example.com:1/announce"]
[TORQUE.watched]
handler = "pyrosimple.job.watch:TreeWatch"
schedule = "second=*/1"
path = "{watch}"
check_unhandled = true
cmd_label = "d.custom1.set={{{{tracker_alias}}}}"
cmd_target = "d.custom.set=filetype,{{{{filetype}}}}"
[TORQUE.queue]
handler = "pyrosimple.job.queue:QueueManager"
schedule = "second=*/1"
intermission = 0
matcher = "custom_queued=yes is_open=no"
"""

FOUND: list[tuple[list[str], list[str]]] = [
    (["//"], ["alpha.bin", "beta", "gamma.iso"]),
    (["gam*"], ["gamma.iso"]),
    (["/^[ab]/"], ["alpha.bin", "beta"]),
    (["size=+201k"], ["alpha.bin"]),
    (["size=-201k", "is_complete=yes"], ["beta"]),
    (["done=0"], ["gamma.iso"]),
    (["alpha.bin", "OR", "gamma.iso"], ["alpha.bin", "gamma.iso"]),
    (["name!=beta"], ["alpha.bin", "gamma.iso"]),
    (["kind_80=mkv"], ["beta"]),
    (["files=*.nfo"], ["beta"]),
    (["fno=3", "is_multi_file=y"], ["beta"]),
    (["alias=example", "ratio=0", "loaded=-1h"], ["alpha.bin", "beta", "gamma.iso"]),
    (["traits=video"], ["beta"]),
    (["completed=-1d", "is_private=no", "prio=2"], ["alpha.bin", "beta"]),
    (["-Q1", "size=+201k"], ["alpha.bin"]),
    (["-Q2", "name=*a*", "size=-250k"], ["beta", "gamma.iso"]),
    (["-Q1", "is_complete=no"], ["gamma.iso"]),
]


class Stage(SimpleNamespace):
    """A daemon with three torrents, of which nothing is started, and the tools."""

    daemon: RpcDaemon
    tools: Pyrosimple
    folder: Path
    alpha: Sample                      # one file of 300,000 bytes, complete
    beta: Sample                       # three files of 205,100 bytes together, complete
    gamma: Sample                      # one file, of which there is nothing

    def wait_state(self, sample: Sample, expected: list[int]) -> None:
        """Of d.state, d.is_open, d.is_active and d.complete, once it is not checked any more."""
        self.daemon.wait_for(sample, 0, "hashing")
        names = ("state", "is_open", "is_active", "complete")
        wait_until(lambda: self.daemon.facts(sample, *names) == expected, PATIENCE_S, f"{expected}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RpcDaemon, Pyrosimple, Path]]:
    base = tmp_path_factory.mktemp("pyrosimple")
    (base / "watch").mkdir()
    with RpcDaemon(base / "daemon", rc=packaged_configuration(base)) as daemon:
        tools = Pyrosimple(base / "home", f"scgi+unix://{daemon.socket}", CONFIG.format(watch=base / "watch"))
        yield daemon, tools, base


@pytest.fixture
def stage(running: tuple[RpcDaemon, Pyrosimple, Path], tmp_path: Path) -> Iterator[Stage]:
    daemon, tools, base = running

    def sample(name: str, files: object, seed: int) -> Sample:
        return make_sample(tmp_path, name, files, PIECE, seed=seed, trackers=[TRACKER])  # type: ignore[arg-type]

    made = Stage(
        daemon=daemon, tools=tools, folder=base, alpha=sample("alpha.bin", 300_000, 1),
        beta=sample("beta", [("a.mkv", 200_000), ("b.nfo", 100), ("sub/c.txt", 5_000)], 2),
        gamma=sample("gamma.iso", 100_000, 3))
    (tmp_path / "content" / "gamma.iso").unlink()
    for known in (made.alpha, made.beta, made.gamma):
        daemon.ask("load.normal", "", str(known.torrent), f'd.directory.set="{known.folder}"', "d.check_hash=")
        daemon.wait_for(known, 0, "hashing")
    daemon.wait_for(made.beta, 1, "complete")
    yield made
    for hash_digits in daemon.ask("download_list"):
        daemon.ask("d.erase", hash_digits)
    wait_until(lambda: daemon.ask("download_list") == [], PATIENCE_S, "the end of the torrents")


# ---- the configuration


def test_the_configuration_that_it_comes_with_is_understood_line_by_line(stage: Stage) -> None:
    assert stage.daemon.failed_lines() == []
    assert stage.daemon.ask("session.path") == f"{stage.folder}/rtorrent/.session/"
    assert stage.daemon.ask("directory.default") == f"{stage.folder}/rtorrent/download/"
    assert (stage.folder / "rtorrent/.session/rtorrent.pid").read_text().split() == [str(stage.daemon.pid)]
    (log,) = (stage.folder / "rtorrent/log").glob("rtorrent-*.log")
    stage.daemon.ask("print", "", "a word of a test")
    wait_until(lambda: "a word of a test" in log.read_text(), PATIENCE_S, "the log")


def test_its_own_check_has_nothing_to_say_against_it(stage: Stage) -> None:
    done = stage.tools.finish("pyroadmin", "-v", "config", "--check")
    assert done.returncode == 0 and "Connected to rTorrent successfully" in done.stderr
    assert "WARNING" not in done.stderr and "ERROR" not in done.stderr


def test_it_writes_down_the_configuration_that_is_in_force(stage: Stage) -> None:
    dumped = stage.tools.run("pyroadmin", "config", "--dump-rc")
    assert 'method.insert = d.session_file, string, "cat=(session.path), (d.hash), .torrent"' in dumped
    assert "method.insert = pyro.scrape_interval.idle, value, 43200" in dumped
    assert 'method.set_key = event.download.finished, "!time_stamp", "pyro._tm_completed.now="' in dumped
    assert "d.session_file.set" not in dumped          # as it would if it were taken for one of ours
    assert "group2.seeding.ratio.min.set = 200" in dumped


def test_its_methods_and_events_keep_times(stage: Stage) -> None:
    begin_s = int(time.time()) - 60
    stage.daemon.ask("d.open", digits(stage.alpha))
    stage.tools.rtcontrol("--start", "alpha.bin")
    stage.daemon.wait_for(stage.alpha, 1, "is_active")
    (item,) = stage.tools.items("alpha.bin")
    assert min(item["loaded"], item["started"], item["completed"]) > begin_s
    assert re.fullmatch(r"R\d+", stage.daemon.ask("d.custom", digits(stage.alpha), "activations"))
    assert stage.daemon.ask("d.session_file", digits(stage.alpha)).endswith(f"/{digits(stage.alpha)}.torrent")
    assert stage.daemon.ask("d.data_path", digits(stage.alpha)) == f"{stage.alpha.folder}/alpha.bin"
    assert stage.daemon.ask("d.data_path", digits(stage.beta)) == f"{stage.beta.folder}/beta/"
    written_s = int(os.stat(stage.alpha.torrent).st_mtime)
    assert stage.daemon.ask("d.timestamp.downloaded", digits(stage.alpha)) == str(written_s)


# ---- rtcontrol: finding and showing


def test_torrents_are_found_by_what_they_are(stage: Stage) -> None:
    for filters, names in FOUND:
        assert stage.tools.rtcontrol("-oname", *filters) == names, filters


def test_nothing_found_is_told_by_the_exit_status(stage: Stage) -> None:
    assert stage.tools.rtcontrol("-oname", "nosuch", status=44) == []


def test_torrents_are_shown_sorted_and_as_wished(stage: Stage) -> None:
    tools = stage.tools
    assert tools.rtcontrol("-s-size", "-osize,name", "//") == ["300000\talpha.bin", "205100\tbeta", "100000\tgamma.iso"]
    assert tools.rtcontrol("-sname", "-r", "-oname,is_complete,done", "//") == [
        "gamma.iso\tPART\t0.0", "beta\tDONE\t100.0", "alpha.bin\tDONE\t100.0"]
    assert tools.rtcontrol("-/2-3", "-oname", "//") == ["beta", "gamma.iso"]
    assert tools.run("rtcontrol", "-0", "-oname", "//") == "alpha.bin\0beta\0gamma.iso\0"
    assert tools.rtcontrol("-ofilelist", "beta") == [
        f"{stage.beta.folder}/beta/{name}" for name in ("a.mkv", "b.nfo", "sub/c.txt")]
    assert tools.rtcontrol("-o{{d.name}} {{d.d_size_chunks}} {{d.t_url}}", "alpha.bin") == [
        f"alpha.bin 10 {[TRACKER]}"]
    assert tools.rtcontrol("--summary", "-osize", "//")[-1] == "SUM:\t605100"
    assert tools.rtcontrol("-S", "-orealpath", "alpha.bin") == [f"{stage.alpha.folder}/alpha.bin"]
    usual = tools.rtcontrol("gamma.iso")
    assert usual[0] == "gamma.iso \t[example]" and "OPN STP P2     0.00%" in usual[1]
    assert "alpha.bin" in tools.run("rtcontrol", "-oshort", "alpha.bin")


def test_everything_it_knows_of_a_torrent_can_be_had_as_json(stage: Stage) -> None:
    (item,) = stage.tools.items("beta")
    assert (item["hash"], item["size"], item["fno"], item["done"]) == (digits(stage.beta), 205_100, 3, 100.0)
    assert (item["directory"], item["path"]) == (f"{stage.beta.folder}/beta", f"{stage.beta.folder}/beta")
    assert [file["path"] for file in item["files"]] == ["a.mkv", "b.nfo", "sub/c.txt"]
    assert (item["tracker"], item["metafile"], item["alias"]) == (TRACKER, str(stage.beta.torrent), "example")
    assert item["is_multi_file"] and item["is_complete"] and not item["is_active"] and not item["is_ghost"]


# ---- rtcontrol: doing


def test_torrents_are_started_stopped_and_checked(stage: Stage) -> None:
    for words, state in (("--start", [1, 1, 1, 1]), ("--stop", [0, 0, 0, 1]), ("--start", [1, 1, 1, 1]),
                         ("--close", [0, 0, 0, 1])):
        stage.tools.rtcontrol(words, "beta")
        stage.wait_state(stage.beta, state)
    (Path(stage.beta.folder) / "beta" / "a.mkv").write_bytes(bytes(200_000))
    stage.tools.rtcontrol("--hash-check", "--yes", "beta")
    stage.wait_state(stage.beta, [0, 1, 0, 0])         # a check opens the files


def test_a_torrent_has_tags_values_priority_and_a_throttle(stage: Stage) -> None:
    daemon, tools = stage.daemon, stage.tools
    tools.rtcontrol("--yes", "--tag", "one +two", "--custom", "kind_of=a b, c;d", "--custom", "1=label", "alpha.bin")
    tools.rtcontrol("--yes", "--tag=-one", "--prio", "high", "--ignore", "1", "alpha.bin")
    assert tools.rtcontrol("-otagged,custom_kind_of,label,prio,is_ignored", "tagged=two") == [
        "two\ta b, c;d\tlabel\t+\tIGN!"]
    assert daemon.facts(stage.alpha, "priority", "ignore_commands") == [3, 1]
    tools.rtxmlrpc("throttle.up", "", "slow", "50")
    tools.rtcontrol("--start", "alpha.bin")
    tools.rtcontrol("--yes", "--throttle", "slow", "alpha.bin")
    assert tools.rtcontrol("-oname", "throttle=slow") == ["alpha.bin"]
    stage.wait_state(stage.alpha, [1, 1, 1, 1])
    assert tools.finish("rtcontrol", "--yes", "--throttle", "nosuch", "alpha.bin").returncode != 0
    tools.rtcontrol("--yes", "--throttle", "none", "alpha.bin")
    assert daemon.facts(stage.alpha, "throttle_name") == [""]
    tools.rtcontrol("--flush", "alpha.bin")


def test_commands_and_programs_are_run_for_each(stage: Stage) -> None:
    quietly = ("--yes", "-o-")
    said = stage.tools.rtcontrol(*quietly, "--exec", "d.priority.set=1 ; >d.priority=", "//")
    assert said == [f"{digits(sample)}\t1\t>d.priority=" for sample in (stage.alpha, stage.beta, stage.gamma)]
    assert stage.tools.rtcontrol(*quietly, "--call", "echo {{item.name}} {{item.size}}", "beta") == ["beta 205100"]
    assert stage.tools.rtcontrol(*quietly, "--spawn", "echo {{item.hash}}", "beta") == [digits(stage.beta)]


def test_what_was_found_is_put_into_views(stage: Stage) -> None:
    tools, daemon = stage.tools, stage.daemon
    tools.rtcontrol("--to-view", "mine", "/a/", "name!=beta")
    assert daemon.ask("ui.current_view") == "mine"
    assert tools.rtcontrol("--from-view", "mine", "-oname", "//") == ["alpha.bin", "gamma.iso"]
    tools.rtcontrol("--to-view", "mine", "--alter-view", "append", "beta")
    tools.rtcontrol("--modify-view", "mine", "--alter-view", "remove", "gamma.iso")
    assert tools.rtcontrol("--from-view", "mine", "-oname,views", "//") == ["alpha.bin\tmine", "beta\tmine"]
    tools.rtcontrol("-V", "gamma.iso")
    assert tools.rtcontrol("--from-view", "rtcontrol", "-oname", "//") == ["gamma.iso"]
    assert tools.rtcontrol("--from-view", digits(stage.beta), "-oname", "//") == ["beta"]
    assert "mine" in daemon.ask("view.list")


def test_a_torrent_is_deleted_and_its_files_stay(stage: Stage) -> None:
    stage.tools.rtcontrol("--yes", "--delete", "alpha.bin")
    wait_until(lambda: digits(stage.alpha) not in stage.daemon.ask("download_list"), PATIENCE_S, "the deletion")
    assert stage.alpha.differences(stage.alpha.folder) == []
    wait_until(lambda: not stage.alpha.torrent.exists(), PATIENCE_S, "the file to go that it was tied to")


def test_a_torrent_is_culled_with_its_files(stage: Stage) -> None:
    stage.tools.rtcontrol("--start", "beta")
    stage.tools.rtcontrol("--yes", "--cull", "beta")
    wait_until(lambda: digits(stage.beta) not in stage.daemon.ask("download_list"), PATIENCE_S, "the deletion")
    wait_until(lambda: not (stage.beta.folder / "beta").exists(), PATIENCE_S, "the files to go")
    assert (stage.alpha.folder / "alpha.bin").exists()


def test_a_torrent_is_purged_with_those_of_its_files_that_are_incomplete(stage: Stage) -> None:
    (stage.beta.folder / "beta" / "b.nfo").unlink()
    (stage.beta.folder / "beta" / "a.mkv").write_bytes(bytes(200_000))
    stage.daemon.ask("d.check_hash", digits(stage.beta))
    stage.daemon.wait_for(stage.beta, 0, "complete")
    stage.daemon.wait_for(stage.beta, 0, "hashing")
    stage.tools.rtcontrol("--yes", "--purge", "beta")
    wait_until(lambda: digits(stage.beta) not in stage.daemon.ask("download_list"), PATIENCE_S, "the deletion")
    wait_until(lambda: not (stage.beta.folder / "beta" / "a.mkv").exists(), PATIENCE_S, "the file to go")


def test_a_torrent_is_moved_and_goes_on_from_there(stage: Stage, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    stage.tools.rtcontrol("--start", "alpha.bin")
    stage.tools.rtcontrol("--yes", "--copy-and-set", str(target), "alpha.bin")
    assert stage.alpha.differences(target) == []
    stage.wait_state(stage.alpha, [1, 1, 1, 1])
    assert stage.daemon.facts(stage.alpha, "directory", "base_path") == [str(target), str(target / "alpha.bin")]


def test_a_torrent_is_moved_to_another_daemon(stage: Stage, tmp_path: Path) -> None:
    stage.tools.rtcontrol("--custom", "kept=value", "--custom", "2=two", "beta")
    with RpcDaemon(tmp_path / "other") as other:
        stage.tools.rtcontrol("--yes", "--move-to-host", f"scgi://127.0.0.1:{other.scgi_port}", "beta")
        other.wait_for(stage.beta, 1, "is_active")
        assert other.facts(stage.beta, "complete", "custom2", "directory_base") == [
            1, "two", str(stage.beta.folder / "beta")]
        assert other.ask("d.custom", digits(stage.beta), "kept") == "value"
        assert not [line for line in other.output().splitlines() if "torrent checked" in line]
    assert digits(stage.beta) not in stage.daemon.ask("download_list")


# ---- rtxmlrpc


def test_calls_go_over_all_transports(stage: Stage) -> None:
    daemon, tools = stage.daemon, stage.tools
    for url in (f"scgi+unix://{daemon.socket}", str(daemon.socket), f"scgi://127.0.0.1:{daemon.scgi_port}",
                f"127.0.0.1:{daemon.scgi_port}", f"http://127.0.0.1:{daemon.http_port}/RPC2",
                f"scgi+unix://{daemon.socket}?rpc=json", f"http://127.0.0.1:{daemon.http_port}/RPC2?rpc=json"):
        assert tools.rtxmlrpc("system.client_version", url=url) == "0.9.8", url
        assert tools.rtxmlrpc("d.name", digits(stage.beta), url=url) == "beta", url
        assert tools.rtxmlrpc("-orepr", "d.size_bytes", digits(stage.beta), url=url) == "205100", url
        tools.rtxmlrpc("d.name", "0" * 40, status=66, url=url)
        tools.rtxmlrpc("nosuch.method", status=65, url=url)


def test_the_other_programs_work_over_json_too(stage: Stage) -> None:
    url = f"scgi+unix://{stage.daemon.socket}?rpc=json"
    assert stage.tools.run("rtcontrol", "-oname,size", "-s-size", "//", url=url).splitlines() == [
        "alpha.bin\t300000", "beta\t205100", "gamma.iso\t100000"]
    stage.tools.run("rtcontrol", "--yes", "--tag", "json", "beta", url=url)
    assert stage.tools.rtcontrol("-oname", "tagged=json") == ["beta"]


def test_arguments_are_numbers_lists_and_files(stage: Stage, tmp_path: Path) -> None:
    tools, daemon = stage.tools, stage.daemon
    tools.rtxmlrpc("d.priority.set", digits(stage.alpha), "+3")
    assert daemon.facts(stage.alpha, "priority") == [3]
    listed = tools.rtxmlrpc("-ojson", "d.multicall2", "", "main", "d.name=", "d.size_bytes=")
    assert sorted(json.loads(listed)) == [["alpha.bin", 300_000], ["beta", 205_100], ["gamma.iso", 100_000]]
    assert tools.rtxmlrpc("cat", "", "[a,b,c") == "abc"
    assert tools.rtxmlrpc(f"d.custom.set={digits(stage.beta)},word,value") == "0"
    assert daemon.ask("d.custom", digits(stage.beta), "word") == "value"
    extra = make_sample(tmp_path, "extra", 70_000, PIECE, seed=7, trackers=[TRACKER])
    tools.rtxmlrpc("load.raw", "", f"@{extra.torrent}", "d.custom1.set=raw")
    daemon.wait_for(extra, "raw", "custom1")


def test_commands_are_imported_as_a_configuration(stage: Stage) -> None:
    tools, daemon = stage.tools, stage.daemon
    tools.rtxmlrpc("-i", "method.insert = mine, value, 5", "# a remark", "mine.set = 7")
    assert daemon.ask("mine") == 7
    done = tools.finish("rtxmlrpc", "-i", "nosuch.command = 1")
    assert done.returncode == 65 and 'Command "nosuch.command" does not exist.' in done.stderr
    listed = tools.rtxmlrpc("system.listMethods").splitlines()
    assert listed.index("mine") > listed.index("view.sort_new")


# ---- metafiles


def test_fast_resume_data_is_believed(stage: Stage, tmp_path: Path) -> None:
    """mktor -H and chtor -H write what rTorrent would have known after a check."""
    source = tmp_path / "made"
    shutil.copytree(stage.beta.folder / "beta", source)
    stage.tools.run("mktor", "-H", "-o", f"{tmp_path}/", str(source), TRACKER)
    changed = tmp_path / "out"
    changed.mkdir()
    stage.tools.run("chtor", "-H", str(stage.alpha.folder / "alpha.bin"), "-o", str(changed), str(stage.alpha.torrent))
    stage.daemon.ask("d.erase", digits(stage.alpha))
    wait_until(lambda: digits(stage.alpha) not in stage.daemon.ask("download_list"), PATIENCE_S, "the deletion")
    checks = stage.daemon.output().count("torrent checked")
    for file, folder in ((tmp_path / "made-resume.torrent", tmp_path),
                         (changed / stage.alpha.torrent.name, stage.alpha.folder)):
        stage.tools.rtxmlrpc("load.start", "", str(file), f'd.directory.set="{folder}"')
    wait_until(lambda: len(stage.tools.finish("rtcontrol", "-oname", "is_active=yes").stdout.splitlines()) == 2,
               PATIENCE_S, "both to be started")
    assert stage.tools.rtcontrol("-oname,is_complete", "is_active=yes") == ["alpha.bin\tDONE", "made\tDONE"]
    assert stage.daemon.output().count("torrent checked") == checks


def test_the_session_folder_has_metafiles_for_lstor(stage: Stage) -> None:
    path = stage.daemon.ask("d.session_file", digits(stage.beta))
    wait_until(lambda: Path(path).exists(), PATIENCE_S, path)
    assert stage.tools.run("lstor", "-o__hash__,info.name,__size__", path) == f"{digits(stage.beta)}\tbeta\t205100\n"
    assert stage.tools.run("lstor", "-c", str(stage.beta.folder / "beta"), path).splitlines()[0].startswith("NAME")


# ---- pyrotorque


def test_the_queue_manager_loads_what_is_put_into_a_folder_and_starts_what_waits(stage: Stage, tmp_path: Path) -> None:
    extra = make_sample(tmp_path, "delta.mkv", 50_000, PIECE, seed=9, trackers=[TRACKER])
    with Pyrotorque(stage.tools):
        shutil.copy(extra.torrent, stage.folder / "watch" / "delta.load.torrent")
        stage.daemon.wait_for(extra, "example", "custom1")
        assert stage.daemon.ask("d.custom", digits(extra), "filetype") == ".mkv"
        assert stage.daemon.facts(extra, "state") == [0]
        shutil.copy(extra.torrent, tmp_path / "delta.torrent")
        stage.daemon.ask("d.custom.set", digits(extra), "queued", "yes")
        stage.daemon.wait_for(extra, 1, "is_active")
