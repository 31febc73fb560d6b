"""What is changed of a download."""

from __future__ import annotations

import pytest

from blobtorrent.core.session.commands import ChangeTorrent, MakeFiles, StartTorrent, TorrentChanges
from blobtorrent.interface.rtorrent.faults import Fault
from tests.support.rtorrentdownloads import Stage
from tests.support.rtorrentengine import FIXTURES


def test_peers_of_a_download_are_told_of_each_other_as_it_was_said() -> None:
    stage = Stage()
    info_hash = stage.engine.add("echo")
    digits = stage.only().hash
    assert stage.call("d.peer_exchange", digits) == 0      # as protocol.pex says
    stage.call("d.peer_exchange.set", digits, 1)
    assert stage.call("d.peer_exchange", digits) == 1
    assert ChangeTorrent(info_hash, TorrentChanges(exchanges_peers=True)) in stage.engine.asked


def test_those_of_a_private_one_never_are() -> None:
    stage = Stage()
    stage.engine.add("delta")
    stage.call("d.peer_exchange.set", stage.only().hash, 1)
    assert not any(isinstance(command, ChangeTorrent) for command in stage.engine.asked)


def test_one_with_a_file_that_is_too_large_is_loaded_but_not_opened() -> None:
    stage = Stage()
    stage.max_file_size = 1000
    raw = (FIXTURES / "alpha.torrent").read_bytes().decode("utf-8", "surrogateescape")
    stage.call("load.raw_start", "", raw)
    digits = stage.only().hash
    assert stage.call("d.max_file_size", digits) == 1000 and stage.call("d.is_open", digits) == 0
    with pytest.raises(Fault, match="File exceedes the configured max file size."):
        stage.call("d.open", digits)
    stage.call("d.start", digits)
    assert "max file size" in str(stage.call("d.message", digits))
    assert not any(isinstance(command, StartTorrent) for command in stage.engine.asked)
    stage.call("d.max_file_size.set", digits, 1 << 30)
    stage.call("d.start", digits)
    assert stage.call("d.is_open", digits) == 1


def test_a_throttle_is_the_group_of_the_engine_that_limits_it() -> None:
    stage = Stage()
    info_hash = stage.engine.add("foxtrot")
    digits = stage.only().hash
    stage.call("d.throttle_name.set", digits, "slow")
    assert stage.engine.status(info_hash).group == "slow" and stage.call("d.throttle_name", digits) == "slow"
    stage.call("d.throttle_name.set", digits, "")
    assert stage.engine.status(info_hash).group == ""


@pytest.mark.parametrize(("name", "words"), [
    ("d.peers_max", "Max peer connections"), ("d.peers_min", "Min peer connections"), ("d.uploads_max", "Max uploads"),
    ("d.uploads_min", "Min uploads"), ("d.downloads_max", "Max downloads"), ("d.downloads_min", "Min downloads"),
])
def test_a_limit_that_none_can_be_is_refused(name: str, words: str) -> None:
    stage = Stage()
    stage.engine.add("echo")
    digits = stage.only().hash
    stage.call(f"{name}.set", digits, 55)
    for value in (-1, (1 << 16) + 1):
        with pytest.raises(Fault, match=f"^{words} must be between 0 and 2"):
            stage.call(f"{name}.set", digits, value)
    assert stage.call(name, digits) == 55


def test_as_many_peers_are_asked_as_a_download_may_ask() -> None:
    stage = Stage()
    info_hash = stage.engine.add("echo")
    digits = stage.only().hash
    assert (stage.call("d.downloads_max", digits), stage.engine.status(info_hash).download_slots) == (50, None)
    for value in (3, 0):
        stage.call("d.downloads_max.set", digits, value)
        assert (stage.call("d.downloads_max", digits), stage.engine.status(info_hash).download_slots) == (value, value)


def test_no_limit_of_peers_reads_as_the_largest_number() -> None:
    stage = Stage()
    stage.engine.add("echo")
    stage.call("d.peers_max.set", stage.only().hash, 0)
    assert stage.call("d.peers_max", stage.only().hash) == (1 << 32) - 1


def test_the_way_of_connections_is_as_it_was_set_until_the_download_is_complete() -> None:
    stage = Stage()
    info_hash = stage.engine.add("echo")
    digits = stage.only().hash
    stage.call("d.connection_current.set", digits, "initial_seed")
    assert stage.call("d.connection_current", digits) == "initial_seed"
    stage.engine.publish(stage.engine.status(info_hash)._replace(done_bytes=2_000_000))
    assert stage.call("d.complete", digits) == 1
    assert stage.call("d.connection_current", digits) == "seed"


def test_a_seed_shows_few_pieces_while_it_is_to_connect_as_initial_seed() -> None:
    stage = Stage()
    info_hash = stage.engine.add("echo")
    digits = stage.only().hash
    stage.call("d.connection_seed.set", digits, "initial_seed")
    assert stage.engine.status(info_hash).super_seeding
    assert stage.call("d.connection_current", digits) == "leech"
    stage.engine.publish(stage.engine.status(info_hash)._replace(done_bytes=2_000_000))
    assert stage.call("d.connection_current", digits) == stage.call("d.connection_seed", digits) == "initial_seed"
    stage.call("d.connection_current.set", digits, "seed")
    assert not stage.engine.status(info_hash).super_seeding
    assert stage.call("d.connection_seed", digits) == "seed"


def test_fields_are_listed_without_arguments_only() -> None:
    stage = Stage()
    stage.engine.add("echo")
    digits = stage.only().hash
    stage.call("d.custom.set", digits, "k", "v")
    assert stage.call("d.custom.items", digits) == {"k": "v"} and stage.call("d.custom.keys", digits) == ["k"]
    with pytest.raises(Fault, match="takes no arguments"):
        stage.call("d.custom.items", digits, "")


def test_payload_that_moved_is_the_last_activity() -> None:
    stage = Stage()
    info_hash = stage.engine.add("echo")
    digits = stage.only().hash
    assert stage.call("d.timestamp.last_active", digits) == 0
    stage.engine.publish(stage.engine.status(info_hash)._replace(uploaded_bytes=1))
    before = int(stage.side.downloads.now())
    assert before <= stage.call("d.timestamp.last_active", digits) <= before + 60


def test_its_trackers_are_asked_for_as_many_peers_as_it_wants() -> None:
    stage = Stage()
    info_hash = stage.engine.add("foxtrot")
    digits = stage.only().hash
    assert stage.call("d.tracker_numwant", digits) == -1
    for said, wanted, told in ((33, 33, 33), (0, 0, 0), (5000, 1000, 1000), (-1, None, -1)):
        stage.call("d.tracker_numwant.set", digits, said)
        assert stage.engine.status(info_hash).peers_wanted == wanted and stage.call("d.tracker_numwant", digits) == told


def test_what_comes_in_vain_and_who_tells_of_others_is_told() -> None:
    stage = Stage()
    stage.engine.add("foxtrot", wasted_bytes_per_s=7, peers_exchanging=3)
    digits = stage.only().hash
    assert stage.call("d.skip.rate", digits) == 7 and stage.call("d.size_pex", digits) == 3


def test_the_engine_wants_the_ends_of_files_that_are_preferred() -> None:
    stage = Stage()
    info_hash = stage.engine.add("alpha")
    digits = stage.only().hash
    stage.call("f.prioritize_first.enable", f"{digits}:f0")
    stage.call("f.prioritize_last.enable", f"{digits}:f0")
    stage.call("f.prioritize_first.disable", f"{digits}:f0")
    told = [command.changes.preferred_ends for command in stage.engine.asked
            if isinstance(command, ChangeTorrent) and command.changes.preferred_ends is not None]
    first, none = frozenset({0}), frozenset[int]()
    assert told == [(first, none), (first, first), (none, first)]
    assert (stage.call("f.prioritize_first", f"{digits}:f0"), stage.call("f.prioritize_last", f"{digits}:f0")) == (0, 1)
    assert info_hash == stage.only().info_hash


def test_ends_of_files_that_nobody_knows_yet_are_not_noted() -> None:
    stage = Stage()
    stage.engine.add("alpha", lacks_metadata=True)
    target = f"{stage.only().hash}:f0"
    stage.call("f.prioritize_first.enable", target)
    assert stage.call("f.prioritize_first", target) == 0
    assert not [command for command in stage.engine.asked if isinstance(command, ChangeTorrent)]


def test_files_may_be_marked_to_be_made_anew_as_tools_do_that_repair_downloads() -> None:
    stage = Stage()
    stage.engine.add("alpha")
    digits = stage.only().hash
    answer = stage.call("f.multicall", digits, "", "f.set_create_queued=0", "f.set_resize_queued=0")
    assert answer and not isinstance(answer, str)
    with pytest.raises(Fault, match="Wrong object type"):
        stage.call("f.set_create_queued", f"{digits}:f0")


def test_the_engine_hears_once_which_files_are_to_be_made_and_until_when() -> None:
    stage = Stage()
    stage.engine.add("bravo")
    digits = stage.only().hash
    stage.call("f.multicall", digits, "*/file0*", "f.set_create_queued=0", "f.set_resize_queued=0")
    stage.call("f.unset_resize_queued", f"{digits}:f1", 0)
    told = [command for command in stage.engine.asked if isinstance(command, MakeFiles)]
    number = stage.side.downloads.files(stage.only())[1].number
    assert len(told) == 2 and told[0].made == told[0].sized == told[1].made
    assert told[1].sized == told[0].sized - {number}
    names = ("f.is_create_queued=", "f.is_resize_queued=")
    assert stage.call("f.multicall", digits, "", *names)[:2] == [[1, 1], [1, 0]]
    stage.call("d.start", digits)
    assert stage.call("f.multicall", digits, "", *names)[:2] == [[1, 1], [1, 1]]
