"""Settings of rTorrent: those that are settings of ours, and those that are only kept."""

from __future__ import annotations

from typing import Any

import pytest

from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.session.listening import commands
from blobtorrent.interface.rtorrent.session.workingfolder import WorkingFolder
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import SessionStatus, TorrentStatus
from blobtorrent.storage.filepool import descriptor_share
from tests.support.rtorrentsession import SessionStage


def status(name: str, group: str, up: int, **fields: Any) -> TorrentStatus:
    info_hash = InfoHash(v1=name.encode().ljust(20, b"."))
    return TorrentStatus(info_hash, name, "seeding", 1000, 1, "/srv", group=group, up_bytes_per_s=up, **fields)


@pytest.mark.parametrize(("name", "value", "setting", "wanted"), [
    ("directory.default", "/srv/data", "storage.download_dir", "/srv/data"),
    ("throttle.max_peers.normal", 77, "network.max_peers_per_torrent", 77),
    ("throttle.max_peers.normal", -1, "network.max_peers_per_torrent", 100_000),
    ("throttle.max_uploads", 0, "network.upload_slots", 10_000),
    ("network.max_open_sockets", 900, "network.max_peers", 900),
    ("protocol.pex", 0, "pex.enabled", False),
    ("pieces.sync.always_safe", 1, "storage.sync", "always"),
    ("system.file.allocate", 1, "storage.allocation", "full"),
    ("pieces.memory.max", 1 << 28, "storage.memory_budget", 1 << 28),
    ("pieces.memory.max", 1000, "storage.memory_budget", 4 << 20),
    ("trackers.numwant", 50, "trackers.peers_wanted", 50),
    ("trackers.numwant", -1, "trackers.peers_wanted", 200),
    ("trackers.use_udp", 0, "trackers.udp", False),
    ("network.max_open_files", 600, "storage.open_files", 600),
    ("network.local_address", "192.0.2.7", "trackers.own_address", "192.0.2.7"),
    ("network.local_address", "0.0.0.0", "trackers.own_address", ""),
    ("throttle.max_downloads", 20, "network.download_slots", 20),
    ("throttle.max_downloads", -1, "network.download_slots", 0),
    ("throttle.max_downloads.global", 12, "network.download_slots_total", 12),
    ("throttle.max_downloads.div", 0, "network.download_slots_divisor", 0),
    ("throttle.max_uploads.global", 12, "network.upload_slots_total", 12),
    ("throttle.max_uploads.global", -1, "network.upload_slots_total", 0),
    ("throttle.max_uploads.div", 3, "network.upload_slots_divisor", 3),
    ("network.send_buffer.size", 65536, "network.send_buffer", 65536),
    ("network.receive_buffer.size", 65536, "network.receive_buffer", 65536),
    ("network.receive_buffer.size", -1, "network.receive_buffer", 0),
    ("network.http.max_total_connections", 50, "trackers.http_calls", 50),
    ("network.http.max_total_connections", 0, "trackers.http_calls", 1000),
    ("network.http.max_open", 7, "trackers.http_calls", 7),
    ("network.http.cacert", "/etc/own.pem", "network.tls_ca_file", "/etc/own.pem"),
    ("network.http.capath", "/etc/own", "network.tls_ca_folder", "/etc/own"),
    ("network.http.ssl_verify_peer", 0, "network.tls_verify", False),
    ("network.http.ssl_verify_host", 0, "network.tls_verify_host", False),
    ("network.http.proxy_address", "127.0.0.1:3128", "network.http_proxy", "http://127.0.0.1:3128"),
    ("network.http.proxy_address", "http://127.0.0.1", "network.http_proxy", "http://127.0.0.1:1080"),
    ("network.http.proxy_address", "socks5h://127.0.0.1:9/", "network.http_proxy", "socks5://127.0.0.1:9"),
    ("pieces.sync.timeout", 600, "storage.sync_after_s", 600.0),
    ("pieces.sync.timeout", 0, "storage.sync_after_s", 1.0),
    ("pieces.sync.timeout_safe", 900, "storage.sync_always_after_s", 900.0),
    ("throttle.min_uploads", 5, "network.upload_slots_min", 5),
    ("throttle.min_downloads", -1, "network.download_slots_min", 0),
    ("pieces.preload.type", 1, "storage.preload", "advise"),
    ("pieces.preload.type", 2, "storage.preload", "read"),
    ("pieces.preload.type", 5, "storage.preload", "read"),
    ("pieces.preload.min_size", 1 << 20, "storage.preload_min_piece", 1 << 20),
    ("pieces.preload.min_rate", -1, "storage.preload_min_bytes_per_s", 0),
    ("scheduler.max_active", 5, "queue.active_downloads", 5),
    ("scheduler.max_active", -1, "queue.active_downloads", 0),
    ("throttle.min_peers.normal", 20, "network.min_peers_per_torrent", 20),
    ("throttle.min_peers.normal", -1, "network.min_peers_per_torrent", 0),
    ("throttle.min_peers.seed", 20, "network.min_peers_per_seed", 20),
    ("throttle.min_peers.seed", -1, "network.min_peers_per_seed", -1),
    ("throttle.max_peers.seed", 20, "network.max_peers_per_seed", 20),
    ("throttle.max_peers.seed", 0, "network.max_peers_per_seed", 100_000),
    ("throttle.max_peers.seed", -1, "network.max_peers_per_seed", 0),
])
def test_a_setting_of_ours_is_set_and_read_back(name: str, value: Any, setting: str, wanted: Any) -> None:
    stage = SessionStage()
    stage.call(f"{name}.set", value)
    section, key = setting.split(".")
    assert str(getattr(getattr(stage.engine.settings(), section), key)) == str(wanted)
    assert stage.call(name) == value


def test_a_setting_that_somebody_else_changed_is_read_as_it_is_now() -> None:
    stage = SessionStage()
    stage.call("throttle.max_uploads.set", 0)
    stage.engine.change({"network": {"upload_slots": 3}})
    assert stage.call("throttle.max_uploads") == 3


def test_what_our_settings_refuse_is_a_fault_and_changes_nothing() -> None:
    stage = SessionStage()
    with pytest.raises(Fault):
        stage.call("directory.default.set", "")
    assert stage.engine.desk.wishes[-1:] == []


def test_a_limit_is_kept_in_whole_kib() -> None:
    stage = SessionStage()
    stage.call("throttle.global_up.max_rate.set", 100)
    assert stage.engine.settings().limits.up_bytes_per_s == 0
    stage.call("throttle.global_up.max_rate.set", "2000")
    assert stage.call("throttle.global_up.max_rate") == 1024
    stage.call("throttle.global_down.max_rate.set_kb", 5)
    assert stage.engine.settings().limits.down_bytes_per_s == 5120


@pytest.mark.parametrize("value", [-5, (1 << 30) + 1])
def test_a_limit_has_bounds(value: int) -> None:
    with pytest.raises(Fault, match="between 0 and"):
        SessionStage().call("throttle.global_up.max_rate.set", value)


@pytest.mark.parametrize(("word", "number"), [
    ("throughput", 8), ("lowdelay", 16), ("reliability", 4), ("mincost", 2), ("default", 0), ("0x28", 40), (184, 184)])
def test_a_type_of_service_is_a_word_or_a_number(word: str | int, number: int) -> None:
    stage = SessionStage()
    assert stage.call("network.tos.set", word) is None
    assert stage.engine.settings().network.type_of_service == number


def test_a_word_that_is_no_type_of_service_changes_nothing() -> None:
    stage = SessionStage()
    with pytest.raises(Fault, match="Invalid option name"):
        stage.call("network.tos.set", "bogus")
    assert stage.engine.desk.wishes == []


@pytest.mark.parametrize("way", ["up", "down"])
def test_the_slots_of_all_torrents_are_as_many_as_are_set_or_as_the_limit_feeds(way: str) -> None:
    stage, name = SessionStage(), f"throttle.max_{way}loads"
    assert stage.call(f"throttle.max_unchoked_{way}loads") == 0
    stage.call(f"{name}.global.set", 50)
    assert stage.call(f"throttle.max_unchoked_{way}loads") == 50
    stage.call(f"throttle.global_{way}.max_rate.set_kb", 100)
    assert stage.call(f"throttle.max_unchoked_{way}loads") == 30
    stage.call(f"{name}.div.set", 10)
    assert stage.call(f"throttle.max_unchoked_{way}loads") == 11


def test_a_named_throttle_is_a_group() -> None:
    stage = SessionStage()
    stage.call("throttle.up", "slow", "20")
    assert stage.engine.settings().groups["slow"].up_bytes_per_s == 20 << 10
    stage.engine.rows = [status("a", "slow", 5), status("b", "slow", 6), status("c", "", 100)]
    assert stage.call("throttle.up.rate", "slow") == 11
    assert (stage.call("throttle.up.max", "slow"), stage.call("throttle.down.max", "slow")) == (20 << 10, -1)
    stage.call("throttle.up", "slow", "0")
    assert stage.call("throttle.up.max", "slow") == 0


def test_rates_and_totals_are_those_of_the_session() -> None:
    stage = SessionStage()
    stage.engine.session = SessionStatus("running", down_bytes_per_s=7, up_bytes_per_s=8)
    stage.engine.of_run = stage.engine.of_run._replace(downloaded_bytes=70, uploaded_bytes=80)
    names = ("global_down.rate", "global_up.rate", "global_down.total", "global_up.total")
    assert [stage.call(f"throttle.{name}") for name in names] == [7, 8, 70, 80]


def test_a_port_range_is_for_all_hosts_that_are_listened_at() -> None:
    stage = SessionStage()
    assert stage.call("network.port_range") == "6881-6999"
    stage.call("network.port_range.set", "50000-50010")
    assert [str(spec) for spec in stage.engine.settings().network.listen] == [
        "0.0.0.0:50000-50010", "[::]:50000-50010"]
    stage.call("network.port_range.set", "nonsense")
    assert stage.call("network.port_range") == "nonsense"
    assert str(stage.engine.settings().network.listen[0]) == "0.0.0.0:50000-50010"


def test_the_port_is_the_one_that_is_open() -> None:
    stage = SessionStage()
    assert stage.call("network.listen.port") == 51401
    stage.engine.session = SessionStatus("starting")
    assert stage.call("network.listen.port") == 0


def test_no_port_is_opened_when_that_is_asked_for() -> None:
    stage = SessionStage()
    stage.call("network.port_open.set", 0)
    assert stage.engine.settings().network.listen == ()
    stage.call("network.port_open.set", 1)
    assert str(stage.engine.settings().network.listen[0]) == "0.0.0.0:6881-6999"


def test_a_bound_address_is_the_interface_and_any_address_is_none() -> None:
    stage = SessionStage()
    stage.call("network.bind_address.set", "127.0.0.1")
    assert stage.engine.settings().network.interface.addresses == ("127.0.0.1",)
    stage.call("network.bind_address.set", "0.0.0.0")
    assert stage.engine.settings().network.interface.addresses == ()


def test_an_address_of_each_family_may_be_bound() -> None:
    stage = SessionStage()
    stage.call("network.bind_address.ipv6.set", "::1")
    stage.call("network.bind_address.ipv4.set", "127.0.0.1")
    assert stage.engine.settings().network.interface.addresses == ("127.0.0.1", "::1")
    assert stage.call("network.bind_address.ipv4") == stage.call("network.bind_address") == "127.0.0.1"
    stage.call("network.bind_address.ipv4.set", "0.0.0.0")
    assert (stage.call("network.bind_address.ipv4"), stage.call("network.bind_address.ipv6")) == ("", "::1")
    with pytest.raises(Fault, match="none of IPv4"):
        stage.call("network.bind_address.ipv4.set", "::1")


def test_settings_begin_as_in_the_version_that_is_claimed() -> None:
    names = ("network.xmlrpc.size_limit", "method.use_intermediate", "dht.port")
    stages = SessionStage({"dht": {"enabled": False}}), SessionStage({"dht": {"enabled": False}}, version="0.16.20")
    assert [[stage.call(name) for name in names] for stage in stages] == [[524288, 1, 6881], [16 << 20, 3, 0]]
    assert "mincost" in stages[0].call("strings.ip_tos") and "mincost" not in stages[1].call("strings.ip_tos")
    assert stages[0].call("enum.log_group", "dht_all") == 55 and stages[1].call("enum.log_group", "dht_all") == 26


def test_the_port_of_the_dht_is_that_of_its_node_while_there_is_one() -> None:
    stage = SessionStage()
    assert stage.call("dht.port.set", 7000) == stage.call("dht.port") == 7000
    stage.engine.exported["blobtorrent_dht_nodes"] = {"good": 3.0}
    assert stage.call("dht.port") == 51401


def test_a_proxy_is_named_by_host_and_port() -> None:
    stage = SessionStage()
    stage.call("network.proxy_address.set", "127.0.0.1:3128")
    assert str(stage.engine.settings().network.proxy) == "http://127.0.0.1:3128"
    assert stage.call("network.proxy_address") == "127.0.0.1"


def test_the_dht_is_switched_and_told_of() -> None:
    stage = SessionStage()
    stage.call("dht.mode.set", "disable")
    assert stage.engine.settings().dht.enabled is False
    assert stage.call("dht.statistics") == {"active": 0, "dht": "disable", "throttle": ""}
    stage.call("dht.mode.set", "on")
    stage.engine.exported = {
        "blobtorrent_dht_nodes": {"ipv4": 3, "ipv6": 4}, "blobtorrent_dht_datagrams_total": {"ipv4,query": 5}}
    statistics = stage.call("dht.statistics")
    assert isinstance(statistics, dict)
    assert {name: statistics[name] for name in ("active", "dht", "nodes", "queries_received")} == {
        "active": 1, "dht": "on", "nodes": 7, "queries_received": 5}


def test_a_node_to_begin_with_is_added_once() -> None:
    stage = SessionStage({"dht": {"bootstrap": []}})
    for node in ("Router.Example", "router.example:6881", "other.example:1"):
        stage.call("dht.add_node", node)
    assert stage.engine.settings().dht.bootstrap == ("router.example:6881", "other.example:1")


@pytest.mark.parametrize("name", ["system.hash.interval", "ui.focus.page_size"])
def test_what_we_have_no_use_for_is_kept_and_marked(name: str) -> None:
    stage = SessionStage()
    stage.call(f"{name}.set", "5")
    assert stage.call(name) == 5
    for ending in ("", ".set"):
        command = stage.registry.find(f"{name}{ending}")
        assert command is not None and command.is_neutral
    assert stage.engine.desk.wishes == []


@pytest.mark.parametrize("name", [
    "trackers.use_udp", "protocol.pex", "network.port_random", "system.daemon", "session.use_lock"])
def test_a_flag_is_0_or_1(name: str) -> None:
    stage = SessionStage()
    assert [stage.call(f"{name}.set", value) for value in (7, 0, "yes")] == [1, 0, 1]


@pytest.mark.parametrize(("name", "args", "text"), [
    ("throttle.up", ["a"], "Missing throttle rate for 'a'."), ("network.max_open_files.set", [1], "between 4 and 2^16"),
    ("network.xmlrpc.dialect.set", ["bogus"], "Unsupported XMLRPC dialect selected."),
    ("network.bind_address.set", ["bogus"], "Could not set bind address"),
    ("schedule2", ["", "1", "1", "cat="], "Scheduler received an empty key."),
    ("schedule2", ["k", "1", "1", 5], "Invalid type passed to command scheduler."),
    ("choke_group.up.max", ["x"], "Choke group not found."), ("ipv4_filter.get", ["junk"], "Invalid address format."),
    ("system.file.split_suffix.set", ["a/b"], "may be in the name of a file"),
    ("protocol.connection.leech.set", ["seed"], "Invalid option name."),
    ("protocol.connection.seed.set", ["leech"], "Invalid option name."),
    ("keys.layout.set", ["bogus"], "Invalid layout"), ("ui.torrent_list.layout.set", ["wide"], "full, compact"),
    ("file.append", ["/nonexistent/x"], "Could not append to file '/nonexistent/x': No such file or directory"),
])
def test_what_is_refused_is_told_in_the_words_of_rtorrent(name: str, args: list[Any], text: str) -> None:
    with pytest.raises(Fault) as refused:
        SessionStage().call(name, *args)
    assert text in refused.value.text


def test_two_names_of_a_variable_have_one_value() -> None:
    stage = SessionStage()
    assert stage.call("throttle.max_uploads.div.set", 3) is None
    assert stage.call("throttle.max_uploads.div._val") == 3
    assert stage.call("throttle.max_uploads.div._val.set", 4) == 4
    assert stage.call("throttle.max_uploads.div") == 4


@pytest.mark.parametrize("value", [-1, 64 << 20])
def test_the_limit_of_requests_has_bounds(value: int) -> None:
    with pytest.raises(Fault, match="Invalid XMLRPC limit size"):
        SessionStage().call("network.xmlrpc.size_limit.set", value)


def test_a_list_is_not_the_callers_to_change() -> None:
    stage = SessionStage()
    patterns = stage.call("file.prioritize_toc.first")
    assert isinstance(patterns, list)
    patterns.append("*.iso")
    assert stage.call("file.prioritize_toc.first") == ["*.avi", "*.mp4", "*.mkv", "*.gz"]
    stage.call("file.prioritize_toc.last.push_back", "*.rar")
    assert stage.call("file.prioritize_toc.last") == ["*.zip", "*.rar"]


@pytest.mark.parametrize(("name", "given", "place"), [
    ("open_port", "127.0.0.1:5000", "127.0.0.1:5000"), ("open_port", 5000, "127.0.0.1:5000"),
    ("open_port", "[::1]:5000", "[::1]:5000"), ("open_local", "/run/rpc.sock", "unix:/run/rpc.sock"),
])
def test_a_place_to_listen_at_is_as_in_our_settings(name: str, given: Any, place: str) -> None:
    places: list[str] = []
    opening = {command.name: command for command in commands(places.append, WorkingFolder())}[f"network.scgi.{name}"]
    opening.run(SessionStage().interpreter.context(), None, [given])
    assert places == [place]


def test_without_a_configuration_file_all_places_are_open_already() -> None:
    with pytest.raises(Fault, match="SCGI already enabled"):
        SessionStage().call("network.scgi.open_port", "127.0.0.1:5000")


@pytest.mark.parametrize(("name", "args"), [
    ("directory.default.set", ["/srv/data"]), ("throttle.max_uploads.set", [7]), ("protocol.pex.set", ["yes"]),
    ("throttle.global_up.max_rate.set_kb", [50]), ("throttle.down", ["slow", "20"]), ("throttle.up", ["free", "0"]),
    ("network.port_range.set", ["5000-5000"]), ("network.port_range.set", ["5000-5010"]),
    ("network.bind_address.set", ["127.0.0.1"]), ("network.bind_address.set", ["0.0.0.0"]),
    ("network.proxy_address.set", ["127.0.0.1:3128"]), ("dht.mode.set", ["auto"]),
])
def test_what_is_so_already_is_not_set_again(name: str, args: list[Any]) -> None:
    stage = SessionStage()
    stage.call(name, *args)
    wishes = len(stage.engine.desk.wishes)
    stage.call(name, *args)
    assert len(stage.engine.desk.wishes) == wishes


def test_a_configuration_that_wants_any_port_of_its_range_has_them_tried_from_one_of_them_on() -> None:
    firsts = set()
    for _ in range(200):
        stage = SessionStage()
        stage.call("network.port_random.set", 1)
        stage.call("network.port_range.set", "5000-5005")
        stage.commands.enable()
        (spec, _other) = stage.engine.settings().network.listen
        firsts.add(spec.ports[0])
        assert spec.ports[-1] == 5005
        assert stage.call("network.port_range") == "5000-5005"
    assert firsts == {5000, 5001, 5002, 5003}


@pytest.mark.parametrize("said", [
    [("network.port_random.set", 0), ("network.port_range.set", "5000-5005")], [("network.port_random.set", 1)],
    [("network.port_random.set", 1), ("network.port_range.set", "5000-5005"), ("network.port_open.set", 0)],
])
def test_ports_stay_as_they_are_said_when_none_is_to_be_chosen(said: list[tuple[str, Any]]) -> None:
    stage = SessionStage()
    for name, value in said:
        stage.call(name, value)
    before = stage.engine.settings().network.listen
    stage.commands.enable()
    assert stage.engine.settings().network.listen == before


def test_files_and_connections_are_counted_as_the_engine_counts_them() -> None:
    stage = SessionStage()
    stage.engine.exported = {
        "blobtorrent_files_opened_total": {"": 7}, "blobtorrent_files_open": {"": 3},
        "blobtorrent_files_failed_total": {"": 2}, "blobtorrent_handshakes_connections": {"": 4},
        "blobtorrent_upload_reads_total": {"ahead": 9, "alone": 1}, "blobtorrent_unsaved_bytes": {"": 5}}
    names = ("system.files.opened_counter", "system.files.closed_counter", "system.files.failed_counter",
             "network.total_handshakes", "pieces.stats_preloaded", "pieces.stats_not_preloaded",
             "pieces.memory.sync_queue")
    assert [stage.call(name) for name in names] == [7, 4, 2, 4, 9, 1, 5]


def test_files_are_split_as_the_engine_is_told() -> None:
    stage = SessionStage()

    def size() -> int:
        return stage.engine.settings().storage.split_size

    assert stage.call("system.file.split_size") == -1
    for value, then in ((4 << 30, 4 << 30), (5, 16 << 10), (0, 0), (1 << 60, 1 << 48), (-1, 0)):
        assert stage.call("system.file.split_size.set", value) == value == stage.call("system.file.split_size")
        assert size() == then
    stage.call("system.file.split_suffix.set", ".zz")
    assert stage.engine.settings().storage.split_suffix == ".zz"


def test_as_many_files_as_the_system_lets_us_are_kept_open_until_somebody_says_how_many() -> None:
    assert SessionStage().call("network.max_open_files") == descriptor_share()


def test_what_is_no_address_is_not_told_to_trackers() -> None:
    stage = SessionStage()
    with pytest.raises(Fault, match="IP address"):
        stage.call("network.local_address.set", "here & there")
    assert stage.engine.settings().trackers.own_address == ""


@pytest.mark.parametrize(("name", "value"), [
    ("system.file.split_size", -1), ("system.file.split_suffix", ".zz"), ("protocol.connection.leech", "leech"),
    ("protocol.connection.seed", "initial_seed"), ("keys.layout", "azerty"), ("ui.torrent_list.layout", "compact")])
def test_words_that_there_are_are_taken_and_read_back(name: str, value: int | str) -> None:
    stage = SessionStage()
    assert stage.call(f"{name}.set", value) == value == stage.call(name)


def test_bounds_of_descriptors_count_once_they_are_to_and_give_back_what_they_took() -> None:
    stage = SessionStage({"storage": {"open_files": 300}, "trackers": {"http_calls": 20}})

    def now() -> tuple[int, int]:
        settings = stage.engine.settings()
        return settings.storage.open_files, settings.trackers.http_calls

    stage.call("system.sockets.files.max_alloc.set", 100)
    stage.call("system.sockets.http.min_alloc.set", 50)
    assert now() == (300, 20)
    stage.call("system.sockets.adjust_alloc")
    assert now() == (100, 50)
    stage.call("system.sockets.files.max_alloc.set", 1)
    stage.call("network.http.max_total_connections.set", 60)           # by somebody else
    stage.call("system.sockets.adjust_alloc")
    assert now() == (4, 60)
    stage.call("system.sockets.files.max_alloc.set", 1_000_000)
    stage.call("system.sockets.adjust_alloc")
    assert now() == (300, 60)
