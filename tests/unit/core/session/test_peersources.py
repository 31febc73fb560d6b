"""How the sources of peers stand: what came of each, what is next, what is wrong."""

from __future__ import annotations

import pytest

from blobtorrent.core.session.history import Heard
from blobtorrent.core.session.peersources import Facts, source_statuses
from blobtorrent.core.session.situation import DhtRound
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.model.details import PeerNameStatus, TrackerStatus
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import PeersFrom, TorrentStatus

WALL = 1_700_000_000.0
STATUS = TorrentStatus(InfoHash(v1=b"1" * 20), "name", "downloading", 1, 1, "/srv")
FACTS = Facts(
    STATUS, has_peers=True, heard={}, trackers=(), dht=DhtRound(0, 0, 0, None, 0.3), names=(), num_static=0,
    has_dht=True, has_pex=True, has_lsd=True, can_be_reached=True, now_s=100.0, wall=WALL)


def tracker(state="waiting", error_code="", next_in_s=30.0, result="9 peers"):
    return TrackerStatus(0, "v1", "http://t.example/secret", "http://t.example/***", state, result, error_code,
                         next_announce_at=WALL + next_in_s)


def stands(**facts):
    return {source.source: source for source in source_statuses(FACTS._replace(**facts))}


def states(**facts):
    return {name: source.state for name, source in stands(**facts).items()}


def test_what_could_tell_of_peers_is_there_also_when_it_told_of_none():
    assert states() == {"tracker": "off", "dht": "asking", "lsd": "waiting", "pex": "waiting"}


def test_known_connected_and_last_told_are_those_of_the_source():
    told = stands(status=STATUS._replace(peers_from=(PeersFrom("incoming", 0, 2), PeersFrom("pex", 7, 3))),
                  heard={PeerSource.DHT: Heard(40, 90.0)})
    assert (told["pex"].known, told["pex"].connected, told["pex"].told_s) == (7, 3, None)
    assert (told["dht"].told, told["dht"].told_s) == (40, 10.0)
    assert (told["incoming"].connected, told["incoming"].state) == (2, "waiting")


def test_what_the_settings_switch_off_is_off():
    assert states(has_dht=False, dht=None, has_pex=False, has_lsd=False) == {
        "tracker": "off", "dht": "off", "lsd": "off", "pex": "off"}


def test_a_private_torrent_has_its_trackers_and_its_owner_only():
    assert states(status=STATUS._replace(is_private=True), dht=None, trackers=(tracker(),), num_static=1) == {
        "tracker": "waiting", "dht": "private", "lsd": "private", "pex": "private", "static": "waiting"}


def test_while_it_does_not_run_all_rest():
    assert set(states(has_peers=False, dht=None, num_static=2).values()) == {"off", "rests"}


@pytest.mark.parametrize(("trackers", "state", "code", "next_s"), [
    ((tracker(),), "waiting", "", 30.0),
    ((tracker("announcing"), tracker("backoff", "tracker.timed-out")), "asking", "tracker.timed-out", 30.0),
    ((tracker("backoff", "tracker.timed-out", 5.0), tracker()), "waiting", "tracker.timed-out", 5.0),
    ((tracker("backoff", "tracker.timed-out", 9.0),), "failing", "tracker.timed-out", 9.0),
    ((tracker("idle"),), "rests", "", None),
])
def test_trackers_stand_as_the_best_of_them_and_the_first_error_is_told(trackers, state, code, next_s):
    told = stands(trackers=trackers)["tracker"]
    assert (told.state, told.error_code, told.next_s) == (state, code, next_s)
    assert "secret" not in told.result


@pytest.mark.parametrize(("last", "state", "code"), [
    (DhtRound(0, 0, 0, 4.0, 15.0), "failing", "dht.no-nodes"),
    (DhtRound(20, 0, 8, 4.0, 900.0), "waiting", ""),
])
def test_the_dht_fails_when_no_node_answers(last, state, code):
    told = stands(dht=last)["dht"]
    assert (told.state, told.error_code, told.next_s) == (state, code, last.next_s)


def test_where_nobody_can_come_nothing_is_announced_locally():
    told = stands(can_be_reached=False)["lsd"]
    assert (told.state, told.error_code) == ("failing", "lsd.no-listener")


def test_names_stand_as_the_best_of_them():
    good = PeerNameStatus("a:1", "known", 3, next_s=200.0)
    bad = PeerNameStatus("b:1", "backoff", 0, "net.no-such-host", "b: nobody knows", 5.0)
    assert (stands(names=(good, bad))["dns"].state, stands(names=(bad,))["dns"].state) == ("waiting", "failing")
    told = stands(names=(good, bad))["dns"]
    assert (told.error_code, told.next_s) == ("net.no-such-host", 5.0) and "nobody knows" in told.result
