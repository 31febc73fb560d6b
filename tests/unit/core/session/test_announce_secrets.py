"""What trackers say repeats no key of their URLs, on no screen and in no log."""

from __future__ import annotations

import logging

import pytest

from blobtorrent.discovery.messages import AnnounceDone
from blobtorrent.protocol.tracker.announce import AnnounceReply
from blobtorrent.protocol.tracker.faults import refusal
from tests.support.announcing import AnnounceRig, torrent

KEY = "abcdefghijkl"
URL = f"http://tracker.test/{KEY}/announce"


@pytest.mark.parametrize("answer", [
    {"error": refusal(f"Invalid passkey {KEY}", 60.0)},
    {"reply": AnnounceReply(warning=f"passkey {KEY} runs out")},
])
def test_a_key_that_a_tracker_repeats_is_masked(answer, caplog):
    rig = AnnounceRig()
    rig.manager.begin(torrent(1), ((URL,),), 0)
    (order,) = rig.orders()
    with caplog.at_level(logging.DEBUG):
        rig.manager.on_done(AnnounceDone(order.info_hash, order.url, order.query, origin=order.origin, **answer))
    (status,) = rig.manager.statuses(torrent(1), ((URL,),))
    assert "passkey ***" in status.result
    said = [str(getattr(record, "fields", {}).get("detail", "")) for record in caplog.records]
    assert any("passkey ***" in text for text in said)
    assert not any(KEY in text for text in (status.result, *said))
