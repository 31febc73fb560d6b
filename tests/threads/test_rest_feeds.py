"""Event streams and figures over the real server: many clients, slow ones, and those who may see only a part."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from types import TracebackType

import pytest

from blobtorrent.interface.rest.grants import Scope
from blobtorrent.model.events import Event, SettingsApplied, StateChanged
from tests.support.eventstream import Listener
from tests.support.peers.program import wait_until
from tests.support.rest import PATIENCE_S, TOKEN, RestRig, info_hash, read_all, status_of, unix_connection

APPLIED = SettingsApplied()
ONE = f"/v1/torrents/{info_hash(1).hex}"


class FeedRig(RestRig):
    """A server whose session tells of events."""

    def __enter__(self) -> FeedRig:
        super().__enter__()
        self.session.bus.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        assert self.session.bus.stop(PATIENCE_S)

    def publish(self, event: Event = APPLIED) -> None:
        self.session.bus.publish(event)

    def listen(self, query: str = "", *, token: str = TOKEN, since: str = "") -> Listener:
        return Listener(self.connect(), query, token=token, since=since)


@pytest.fixture
def rig() -> Iterator[FeedRig]:
    with FeedRig() as running:
        yield running


def changed(number: int) -> StateChanged:
    return StateChanged(info_hash(number), "stopped", "seeding")


def test_events_come_as_they_happen(rig):
    rig.session.show(status_of(1))
    with rig.listen() as client:
        assert client.headers["content-type"] == "text/event-stream"
        assert (client.headers["cache-control"], client.headers["x-accel-buffering"]) == ("no-store", "no")
        rig.publish(changed(1))
        event = client.next()
    assert (event["type"], event["hash"], event["new"]) == ("state-changed", info_hash(1).hex, "seeding")


def test_a_client_goes_on_where_it_was(rig):
    with rig.listen() as client:
        for _ in range(5):
            rig.publish()
        first, *others = [client.next()["id"] for _ in range(5)]
    for client in (rig.listen(since=first), rig.listen(f"?since={first}")):
        with client:
            assert [client.next()["id"] for _ in range(4)] == others


@pytest.mark.parametrize(("query", "status", "code"), [
    ("?types=torrent-finished,torrents-finished", 422, "event.unknown-type"),
    ("?types=gap", 422, "event.unknown-type"),
    ("?torrents=xyz", 422, "torrent.bad-hash"),
    (f"?torrents={'0' * 40},{'0' * 39}", 422, "torrent.bad-hash"),
    (f"?since={'9' * 100}", 422, "event.bad-id"),
])
def test_a_wish_that_makes_no_sense_is_refused(rig, query, status, code):
    answer = rig.request("GET", f"/v1/events{query}")
    assert (answer.status, answer.json["code"]) == (status, code)


def test_a_token_that_is_bound_to_labels_hears_of_its_torrents_only(rig):
    _, secret = rig.keyring.create("tv", {Scope.READ}, {"tv"}, None)
    rig.session.show(status_of(1, labels=("tv",)), status_of(2, labels=("film",)))
    with rig.listen(token=secret) as bound, rig.listen("?labels=film") as films:
        for event in (changed(2), SettingsApplied(), changed(1), changed(2)):
            rig.publish(event)
        assert bound.next()["hash"] == info_hash(1).hex
        assert [films.next()["hash"] for _ in range(2)] == [info_hash(2).hex] * 2


def test_a_stream_ends_with_the_token_that_began_it(rig):
    _, secret = rig.keyring.create("short", {Scope.READ}, set(), None)
    with rig.listen(token=secret) as client:
        rig.keyring.revoke("short")
        assert read_all(client.sock) == b""


def test_a_hundred_clients_hear_of_everything_and_others_do_not_wait_for_that(tmp_path):
    path = tmp_path / "rest.sock"
    with FeedRig(path) as rig:
        listeners = [Listener(unix_connection(path)) for _ in range(100)]
        begun_s = time.monotonic()
        for _ in range(100):
            rig.publish()
        heard = [[client.next()["id"] for _ in range(100)] for client in listeners]
        assert time.monotonic() - begun_s < PATIENCE_S
        assert len(set(map(tuple, heard))) == 1
        for client in listeners:
            with client:
                pass


def test_a_client_that_does_not_read_costs_a_bounded_backlog_and_the_others_nothing(rig):
    rig.session.show(status_of(1, name="x" * 4000))
    with rig.listen() as slow, rig.listen() as quick:
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 << 10)
        for _ in range(2000):          # 8 MB
            rig.publish(changed(1))
        ids = [quick.next()["id"] for _ in range(2000)]
        # The last that the quick one has read may just be on its way out of the other backlog.
        assert 0 < max(connection.backlog_bytes for connection in rig.server._lasting()) < 2 << 20
        assert [slow.next()["id"] for _ in range(2000)] == ids


def test_a_client_that_leaves_is_forgotten(rig):
    with rig.listen():
        assert len(rig.server._lasting()) == 1
    rig.publish()
    wait_until(lambda: not rig.server._lasting(), PATIENCE_S, "its end")


def test_the_figures_are_for_tokens_that_may_read(rig):
    assert rig.request("GET", "/metrics").status == 200
    assert rig.request("GET", "/metrics", token=None).status == 401
    _, secret = rig.keyring.create("tv", {Scope.READ}, {"tv"}, None)
    assert rig.request("GET", "/metrics", token=secret).status == 403


def test_requests_are_counted_by_route_and_nothing_that_a_client_wrote_becomes_a_label(rig):
    rig.server.measure(rig.registry)
    rig.session.show(status_of(1))
    for method, path, token in (
        ("GET", ONE, TOKEN), ("GET", f"/v1/torrents/{'0' * 40}", TOKEN), ("GET", "/v1/secret", TOKEN),
        ("BREW", "/v1/torrents", TOKEN), ("GET", "/v1/torrents", "wrong"),
    ):
        rig.request(method, path, token=token)
    counts = {
        tuple(value for _, value in sample.labels): sample.value for sample in rig.registry.snapshot()
        if sample.name == "blobtorrent_rest_responses_total"
    }
    assert counts == {
        ("GET /v1/torrents/{hash}", "2xx"): 1, ("GET /v1/torrents/{hash}", "4xx"): 1, ("none", "4xx"): 3,
    }
