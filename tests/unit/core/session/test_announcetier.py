"""From which of our addresses trackers are told of us."""

from __future__ import annotations

import pytest

from blobtorrent.core.session.announcetier import origins_of
from blobtorrent.discovery.messages import Origin


@pytest.mark.parametrize(("listening", "origins"), [
    ([], (Origin(),)),
    ([("0.0.0.0", 1)], (Origin(),)),
    ([("127.0.0.1", 1)], (Origin(),)),
    ([("0.0.0.0", 1), ("::", 1)], (Origin(4), Origin(6))),
    ([("0.0.0.0", 1), ("0.0.0.0", 2)], (Origin(),)),
    ([("192.0.2.1", 1)], (Origin(4, "192.0.2.1"),)),
    ([("2001:db8::1", 1)], (Origin(6, "2001:db8::1"),)),
    ([("192.0.2.1", 1), ("192.0.2.2", 1)], (Origin(4, "192.0.2.1"), Origin(4, "192.0.2.2"))),
])
def test_trackers_are_asked_from_each_address_that_we_listen_on(listening, origins):
    assert origins_of(listening) == origins
