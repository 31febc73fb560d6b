"""Commands before there is an engine: there are no torrents, settings are those that it will be made with."""

from __future__ import annotations

import pytest

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.queries import StatsOf
from blobtorrent.interface.rtorrent.lategateway import LateGateway
from blobtorrent.interface.rtorrent.session.engine import GatewayEngine
from blobtorrent.model.errors import Unavailable
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import SessionStatus, TorrentStatus
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.bus import EventBus
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.metrics import Registry
from tests.support.desk import PlayedDesk

ALPHA = InfoHash(bytes(20))


def gateway_with_one() -> Gateway:
    torrents: StatusBoard[InfoHash, TorrentStatus] = StatusBoard()
    torrents.publish(ALPHA, TorrentStatus(ALPHA, "alpha", "stopped", 1, 1, "/srv"))
    sessions: StatusBoard[str, SessionStatus] = StatusBoard()
    sessions.publish("session", SessionStatus("running", listen=("127.0.0.1:5000",)))
    return Gateway(Mailbox("core"), torrents, EventBus(), sessions)


def test_until_it_has_a_gateway_there_is_nothing_and_what_is_asked_is_refused() -> None:
    late = LateGateway()
    assert (late.session.state, list(late.torrents.values())) == ("starting", [])
    for call in (lambda: late.ask(StatsOf()), lambda: late.submit(StatsOf()), lambda: late.subscribe(bool, 1)):
        with pytest.raises(Unavailable) as caught:
            call()
        assert caught.value.code == "session.starting"


def test_then_it_is_that_one() -> None:
    late, gateway = LateGateway(), gateway_with_one()
    late.attach(gateway)
    assert late.session.listen == ("127.0.0.1:5000",)
    assert [status.name for status in late.torrents.values()] == ["alpha"]
    late.unsubscribe(late.subscribe(lambda event: True, 10))


def test_settings_are_asked_of_whoever_keeps_them_then() -> None:
    late = LateGateway()
    before, after = PlayedDesk({"network": {"max_peers": 7}}), PlayedDesk({"network": {"max_peers": 9}})
    engine = GatewayEngine(late, before)
    assert engine.settings().network.max_peers == 7
    engine.change({"network": {"max_peers": 8}})
    engine.stop()
    assert [wish for wish, _ in before.wishes] == ["change", "stop"]
    assert (engine.stats().this_run.downloaded_bytes, engine.figures("any"), list(engine.torrents())) == (0, {}, [])
    late.attach(gateway_with_one())
    engine.attach(after, Registry())
    assert engine.settings().network.max_peers == 9
    engine.stop()
    assert after.wishes == [("stop", None)]
    assert engine.status().state == "running"
