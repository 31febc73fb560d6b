"""What is changed of a download."""

from __future__ import annotations

import pytest

from blobtorrent.core.session.commands import ChangeTorrent, StartTorrent, TorrentChanges
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
