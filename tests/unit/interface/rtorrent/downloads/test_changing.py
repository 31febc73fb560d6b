"""What is changed of a download."""

from __future__ import annotations

from blobtorrent.core.session.commands import ChangeTorrent, TorrentChanges
from tests.support.rtorrentdownloads import Stage


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
