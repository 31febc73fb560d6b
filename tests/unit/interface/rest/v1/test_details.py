"""What is told of one torrent besides its row: files, peers, trackers, web seeds, pieces, reasons, metainfo."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from blobtorrent.core.session.commands import (
    RESET,
    AddPeers,
    AddTrackers,
    ChangeTorrent,
    FilePriority,
    FilesOf,
    SetTrackers,
)
from blobtorrent.core.session.queries import Explain, MetainfoOf, PeersOf, PieceOf, PiecesOf, TrackersOf, WebSeedsOf
from blobtorrent.model.address import Endpoint
from blobtorrent.model.details import (
    Cause,
    Explanation,
    PartialPiece,
    PeerReport,
    PeerStatus,
    PieceGiver,
    PieceReport,
    PieceStory,
    SourceStatus,
    TrackerStatus,
    WebSeedStatus,
)
from blobtorrent.model.errors import Invalid, StorageError
from tests.support.resources import Resources, grant_of
from tests.support.rest import info_hash, status_of

ONE = f"/v1/torrents/{info_hash(1).hex}"
READ = grant_of("read")
SECRET = "0123456789abcdef0123"
TRACKER = TrackerStatus(
    0, "v1", f"http://tracker.example/{SECRET}/announce", "http://tracker.example/***/announce", "waiting",
    "20 peers", last_announce_at=1000.9, seeds=3)
PEER = PeerStatus(
    "2001:db8::1", 6881, b"-XX0001-" + bytes(12), "Client 1", "tracker", "tcp", False, True, 12.9, False, True, True,
    False,
    False, True, False, 3, 0.123456, 5, 16384, 100, 200, 300, 400)

SOURCE = SourceStatus("tracker", "failing", 5, 2, 9, 61.7, "0 of 1 answer", "tracker.timed-out", 29.8)


@pytest.fixture
def rest():
    resources = Resources()
    resources.session.show(status_of(1, name="a/\r\nb"))
    resources.session.answers |= {
        PeersOf: PeerReport((PEER,), (SOURCE,)), TrackersOf: (TRACKER,), MetainfoOf: b"d4:infodee",
        WebSeedsOf: (WebSeedStatus(f"http://seed.example/{SECRET}/", "http://seed.example/***/", "unused"),),
        PiecesOf: PieceReport(12, 16384, b"\xf0\x10", bytes([0, 255] * 6), (PartialPiece(7, 4, 1),)),
        PieceOf: PieceStory(
            7, 16384, "partial", "it is asked of 1.2.3.4:5", 2.5, 9.0, blocks=1, seeds=1,
            givers=(PieceGiver("1.2.3.4:5", "asked", {"rarity": -1.0}),),
            history=((30.0, "spoiled", "its hash is wrong"),)),
        Explain: Explanation("downloading", "Nobody has it.", (Cause("no-peers", "There are none.", "Wait.", 9.9),),
                             {"a": 1}),
    }
    return resources


def test_files_are_told_and_wanted_more_or_less(rest):
    assert [file["number"] for file in rest.ask("GET", f"{ONE}/files").json["files"]] == [0, 2]
    rest.commands.clear()
    told = rest.ask("PATCH", f"{ONE}/files", {"file_priorities": {"0": "skip", "2": "high"}})
    assert (told.status, len(told.json["files"])) == (200, 2)
    change, listing = rest.commands
    assert change.changes.file_priorities == {0: FilePriority.SKIP, 2: FilePriority.HIGH}
    assert listing == FilesOf(info_hash(1))


def test_all_files_are_wanted_alike_again(rest):
    rest.ask("PATCH", f"{ONE}/files", {"file_priorities": None})
    assert isinstance(rest.commands[0], ChangeTorrent) and rest.commands[0].changes.file_priorities is RESET


@pytest.mark.parametrize(
    "body", [{"labels": ["a"]}, {"file_priorities": {"-1": "high"}}, {"file_priorities": {"0": 1}},
             {"file_priorities": []}])
def test_what_is_no_priority_of_a_file_is_refused(rest, body):
    assert (rest.ask("PATCH", f"{ONE}/files", body).status, rest.commands) == (422, [])


def test_peers_are_told_with_addresses_that_can_be_used_again(rest):
    [peer] = rest.ask("GET", f"{ONE}/peers").json["peers"]
    assert (peer["address"], peer["host"], peer["port"]) == ("[2001:db8::1]:6881", "2001:db8::1", 6881)
    assert (peer["peer_id"], peer["progress"], peer["connected_s"]) == ((b"-XX0001-" + bytes(12)).hex(), 0.1235, 12)
    assert (peer["incoming"], peer["snubbed"], peer["flags"]) == (True, True, "dSI")


def test_every_source_of_peers_is_told_of(rest):
    (source,) = rest.ask("GET", f"{ONE}/peers").json["sources"]
    assert source == {
        "source": "tracker", "state": "failing", "known": 5, "connected": 2, "told": 9, "told_s": 61,
        "result": "0 of 1 answer", "error_code": "tracker.timed-out", "next_s": 30,
    }


def test_peers_are_added(rest):
    told = rest.ask("POST", f"{ONE}/peers", {"peers": ["192.0.2.1:6881", "[2001:db8::1]:1", "a:1"]})
    assert (told.status, len(told.json["peers"])) == (200, 1)
    assert rest.commands[0] == AddPeers(
        info_hash(1), (Endpoint("192.0.2.1", 6881), Endpoint("2001:db8::1", 1)), ("a:1",))


@pytest.mark.parametrize("peers", [
    None, "192.0.2.1:1", ["name:0"], ["name"], ["192.0.2.1"], ["192.0.2.1:0"], [1], ["a"] * 1001])
def test_what_is_no_peer_is_refused(rest, peers):
    assert (rest.ask("POST", f"{ONE}/peers", {"peers": peers}).status, rest.commands) == (422, [])


def test_a_passkey_is_shown_to_who_may_control_the_torrent_only(rest):
    for path, name in (("trackers", "trackers"), ("webseeds", "web_seeds")):
        assert SECRET.encode() not in rest.ask("GET", f"{ONE}/{path}", grant=READ).body
        [shown] = rest.ask("GET", f"{ONE}/{path}", grant=grant_of("control")).json[name]
        assert SECRET in shown["url"]


def test_a_tracker_is_told_with_what_came_of_it(rest):
    [tracker] = rest.ask("GET", f"{ONE}/trackers").json["trackers"]
    assert (tracker["state"], tracker["result"], tracker["last_announce_at"], tracker["next_announce_at"]) == (
        "waiting", "20 peers", 1000, None)
    assert (tracker["seeds"], tracker["leeches"], tracker["error_code"]) == (3, None, None)


@pytest.mark.parametrize(
    ("method", "tiers", "command"),
    [
        ("PUT", [["http://a/", "udp://b:1"], ["http://c/"]],
         SetTrackers(info_hash(1), (("http://a/", "udp://b:1"), ("http://c/",)))),
        ("PUT", [], SetTrackers(info_hash(1), ())),
        ("PUT", None, SetTrackers(info_hash(1), None)),
        ("POST", ["http://a/"], AddTrackers(info_hash(1), (("http://a/",),))),
    ],
)
def test_trackers_are_replaced_and_added(rest, method, tiers, command):
    assert rest.ask(method, f"{ONE}/trackers", {"tiers": tiers}).status == 200
    assert rest.commands[0] == command


@pytest.mark.parametrize(
    ("method", "body"), [("PUT", {}), ("PUT", {"tiers": "http://a/"}), ("PUT", {"tiers": [[1]]}),
                         ("POST", {"tiers": None}),
                         ("POST", {"tiers": [["a"]], "x": 1})])
def test_what_are_no_tiers_is_refused(rest, method, body):
    assert (rest.ask(method, f"{ONE}/trackers", body).status, rest.commands) == (422, [])


def test_the_session_judges_the_urls(rest):
    rest.session.refuse_with = Invalid("trackers.bad-url", "no")
    assert rest.ask("PUT", f"{ONE}/trackers", {"tiers": [["gopher://a"]]}).code == "trackers.bad-url"


def test_pieces_are_told_as_bits_and_bytes(rest):
    told = rest.ask("GET", f"{ONE}/pieces").json
    assert (told["count"], told["length_bytes"]) == (12, 16384)
    assert base64.b64decode(told["have"]) == b"\xf0\x10"
    assert base64.b64decode(told["availability"]) == bytes([0, 255] * 6)
    assert told["partial"] == [{"index": 7, "blocks": 4, "done": 1}]


def test_one_piece_is_told_of_with_who_could_bring_it_and_what_went_wrong(rest):
    told = rest.ask("GET", f"{ONE}/pieces/7").json
    assert rest.commands[-1] == PieceOf(info_hash(1), 7)
    assert (told["state"], told["since_s"], told["opened_s"], told["seeds"]) == ("partial", 2.5, 9.0, 1)
    assert told["givers"] == [{"peer": "1.2.3.4:5", "standing": "asked", "worth": {"rarity": -1.0}}]
    assert told["history"] == [{"ago_s": 30.0, "state": "spoiled", "cause": "its hash is wrong"}]


@pytest.mark.parametrize("piece", ["x", "-1", "1.5", "9" * 10, "\u0663"])
def test_what_is_no_number_is_no_piece(rest, piece):
    assert rest.ask("GET", f"{ONE}/pieces/{quote(piece)}").code == "piece.unknown"


def test_reasons_come_with_advice(rest):
    told = rest.ask("GET", f"{ONE}/why").json
    assert told == {
        "state": "downloading", "summary": "Nobody has it.", "facts": {"a": 1},
        "causes": [{"code": "no-peers", "text": "There are none.", "advice": "Wait.", "since_s": 9}],
    }


def test_the_torrent_file_comes_as_it_was_added_under_a_harmless_name(rest):
    told = rest.ask("GET", f"{ONE}/metainfo")
    assert (told.status, told.body, told.headers["content-type"]) == (200, b"d4:infodee", "application/x-bittorrent")
    assert told.headers["content-disposition"] == (
        "attachment; filename=\"a___b.torrent\"; filename*=UTF-8''a%2F%0D%0Ab.torrent")


@pytest.mark.parametrize("path", ["files", "peers", "trackers", "webseeds", "pieces", "why", "metainfo"])
def test_what_the_storage_refuses_is_told(rest, path):
    rest.session.refuse_with = StorageError("storage.io-error", "the disk is gone")
    told = rest.ask("GET", f"{ONE}/{path}")
    assert (told.status, told.code) == (507, "storage.io-error")
