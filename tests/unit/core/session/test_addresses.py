"""What follows when this machine gets other addresses."""

from __future__ import annotations

import types

import pytest

from blobtorrent.core.session.addresses import AddressManager
from blobtorrent.network.messages import AddressesChanged, DropLinks, RebindUdp
from blobtorrent.runtime.mailbox import Mailbox

GONE = frozenset(("192.0.2.1",))


@pytest.mark.parametrize(("lost", "rebind", "shard", "udp", "heard"), [
    (frozenset(), False, [], [], 0),   # one more
    (GONE, False, [DropLinks(GONE)], [], 1),
    (frozenset(), True, [], [RebindUdp()], 1),
    (GONE, True, [DropLinks(GONE)], [RebindUdp()], 1),
])
def test_links_end_with_their_address_and_sockets_are_opened_anew_with_the_interface(lost, rebind, shard, udp, heard):
    outlets = types.SimpleNamespace(shards=(Mailbox("shard"),), udp=Mailbox("udp"))
    calls = []
    AddressManager(outlets, lambda: calls.append(1)).on_changed(AddressesChanged(lost, rebind))
    assert (outlets.shards[0].drain(), outlets.udp.drain(), len(calls)) == (shard, udp, heard)
