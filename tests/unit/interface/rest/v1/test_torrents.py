"""The list of torrents: pages, deltas and tags; adding; and what a token that is bound to labels gets of it."""

from __future__ import annotations

import base64

import pytest

from blobtorrent.core.session.commands import AddTorrent
from blobtorrent.interface.rest.encode import TORRENT
from blobtorrent.interface.rest.http import parse_head
from blobtorrent.interface.rest.v1.torrents import FEW_MEMBERS, ROWS_PER_PART
from blobtorrent.protocol.metafile import parse_torrent
from tests.support.resources import Resources, grant_of
from tests.support.rest import info_hash, status_of, tiny_torrent

RAW = tiny_torrent()
METAINFO = parse_torrent(RAW)
ENCODED = base64.b64encode(RAW).decode()
HASHES = [info_hash(number).hex for number in range(10)]


@pytest.fixture
def rest():
    return Resources()


def hashes(told) -> list[str]:
    return [torrent["hash"] for torrent in told.json["torrents"]]


# ---- the list


@pytest.mark.parametrize("count", [0, 1, ROWS_PER_PART, ROWS_PER_PART + 1, 3 * ROWS_PER_PART + 7])
def test_the_list_is_whole_json_whatever_its_length(rest, count):
    rest.session.show(*map(status_of, range(1, count + 1)))
    told = rest.ask("GET", "/v1/torrents")
    assert len(hashes(told)) == told.json["total"] == count
    assert told.json["next_page"] is None


@pytest.mark.parametrize(("count", "query", "is_short"), [
    (FEW_MEMBERS // len(TORRENT.readers), "", True), (FEW_MEMBERS // len(TORRENT.readers) + 1, "", False),
    (FEW_MEMBERS // 2, "?fields=hash,name", True), (FEW_MEMBERS // 2 + 1, "?fields=hash,name", False),
])
def test_only_lists_with_few_values_are_made_on_the_thread_of_the_connections(rest, count, query, is_short):
    rest.session.show(*map(status_of, range(1, count + 1)))
    head = parse_head(f"GET /v1/torrents{query} HTTP/1.1\r\nHost: localhost")
    assert rest.router.is_answered_at_once(head) is is_short


def test_the_total_counts_all_pages_and_the_filter_holds(rest):
    rest.session.show(*(status_of(number, labels=("a",) if number % 2 else ()) for number in range(1, 8)))
    told = rest.ask("GET", "/v1/torrents?label=a&limit=3&fields=hash")
    assert (told.json["total"], hashes(told)) == (4, [HASHES[1], HASHES[3], HASHES[5]])
    rest_of_it = rest.ask("GET", f"/v1/torrents?label=a&limit=3&fields=hash&page={told.json['next_page']}")
    assert (hashes(rest_of_it), rest_of_it.json["next_page"]) == ([HASHES[7]], None)


def test_nothing_is_listed_before_all_torrents_are_known(rest):
    rest.session.tell_state("starting")
    assert (rest.ask("GET", "/v1/torrents").status, rest.ask("GET", "/v1/torrents").code) == (503, "session.starting")


def test_who_has_the_list_already_is_not_sent_it_until_something_changes(rest):
    rest.session.show(status_of(1))
    tag = rest.ask("GET", "/v1/torrents").headers["etag"]
    assert tag.startswith('W/"')
    assert rest.ask("GET", "/v1/torrents", if_none_match=tag).status == 304
    rest.session.show(status_of(1, name="other"))
    assert rest.ask("GET", "/v1/torrents", if_none_match=tag).status == 200


# ---- what has changed


def test_a_cursor_tells_what_changed_came_and_went(rest):
    rest.session.show(*map(status_of, (1, 2, 3)))
    cursor = rest.ask("GET", "/v1/torrents").json["cursor"]
    rest.session.show(status_of(2, name="other"), status_of(4))
    rest.session.board.withdraw(info_hash(3))
    told = rest.ask("GET", f"/v1/torrents?since={cursor}")
    assert hashes(told) == [HASHES[2], HASHES[4]]
    assert (told.json["removed"], told.json["is_full"]) == ([HASHES[3]], False)
    nothing = rest.ask("GET", f"/v1/torrents?since={told.json['cursor']}").json
    assert (nothing["torrents"], nothing["removed"]) == ([], [])


def test_what_no_longer_fits_the_filter_is_told_as_gone(rest):
    rest.session.show(status_of(1, state="seeding"), status_of(2, state="seeding"))
    cursor = rest.ask("GET", "/v1/torrents?state=seeding").json["cursor"]
    rest.session.show(status_of(1, state="stopped"))
    told = rest.ask("GET", f"/v1/torrents?state=seeding&since={cursor}").json
    assert (told["torrents"], told["removed"]) == ([], [HASHES[1]])


@pytest.mark.parametrize("cursor", ["", "x", "0", "12345678-1", "-1", "%C3%A9-1", "9" * 100])
def test_a_cursor_that_is_not_of_this_run_gets_everything(rest, cursor):
    rest.session.show(status_of(1))
    told = rest.ask("GET", f"/v1/torrents?since={cursor}").json
    assert (told["is_full"], told["removed"], len(told["torrents"])) == (True, [], 1)


def test_a_cursor_of_the_future_gets_everything(rest):
    rest.session.show(status_of(1))
    run = rest.ask("GET", "/v1/torrents").json["cursor"].partition("-")[0]
    assert rest.ask("GET", f"/v1/torrents?since={run}-999999").json["is_full"] is True
    assert rest.ask("GET", f"/v1/torrents?since={run}-{'9' * 5000}").json["is_full"] is True


# ---- adding


def test_a_torrent_is_new_once(rest):
    first, second = (rest.ask("POST", "/v1/torrents", {"metainfo": ENCODED, "start": False}) for _ in range(2))
    assert (first.status, second.status) == (201, 200)
    assert first.headers["location"] == f"/v1/torrents/{METAINFO.info_hash.hex}"
    assert "location" not in second.headers
    assert rest.commands[0] == AddTorrent(METAINFO, raw=RAW, start=False)


def test_options_are_looked_at_before_anything_is_fetched(rest):
    told = rest.ask("POST", "/v1/torrents", {"source": "http://192.0.2.1/slow.torrent", "priority": "high"})
    assert (told.status, told.code) == (422, "option.bad-value")
    assert "priority" in told.json["detail"]


@pytest.mark.parametrize(
    "body",
    [{}, {"source": None}, {"source": "/a", "metainfo": ENCODED}, {"metainfo": "é"}, {"metainfo": "Z"},
     {"metainfo": [ENCODED]}, {"metainfo": ENCODED, "nope": 1}, {"metainfo": ENCODED, "labels": "a"},
     {"metainfo": ENCODED, "download_dir": "relative"}, {"metainfo": ENCODED, "peers": ["a"]},
     {"metainfo": ENCODED, "start": 1}, {"metainfo": ENCODED, "seeding": {"ratio": -1}}],
)
def test_what_cannot_be_added_changes_nothing(rest, body):
    assert rest.ask("POST", "/v1/torrents", body).status == 422
    assert rest.commands == []


def test_a_body_is_wanted(rest):
    assert (rest.ask("POST", "/v1/torrents").status, rest.ask("POST", "/v1/torrents").code) == (400, "rest.no-body")


# ---- tokens that are bound to labels


def test_a_bound_token_sees_its_torrents_only(rest):
    rest.session.show(status_of(1, labels=("tv",)), status_of(2, labels=("hd",)), status_of(3))
    bound = grant_of("admin", "tv")
    assert hashes(rest.ask("GET", "/v1/torrents", grant=bound)) == [HASHES[1]]
    assert rest.ask("GET", f"/v1/torrents/{HASHES[1]}", grant=bound).status == 200
    hidden, absent = (rest.ask("GET", f"/v1/torrents/{HASHES[number]}", grant=bound) for number in (2, 9))
    assert (hidden.status, hidden.code) == (absent.status, absent.code) == (404, "torrent.unknown")


def test_a_bound_token_is_not_told_of_others_that_change_or_go(rest):
    rest.session.show(status_of(1, labels=("tv",)), status_of(2), status_of(3))
    bound = grant_of("read", "tv")
    cursor = rest.ask("GET", "/v1/torrents", grant=bound).json["cursor"]
    rest.session.show(status_of(2, name="other"))
    rest.session.board.withdraw(info_hash(3))
    told = rest.ask("GET", f"/v1/torrents?since={cursor}", grant=bound)
    assert (hashes(told), told.json["removed"], told.json["is_full"]) == ([HASHES[1]], [], True)


def test_a_bound_token_adds_with_its_labels(rest):
    for labels, status in ((["hd"], 403), (["tv", "hd"], 403), (["tv"], 201)):
        body = {"metainfo": ENCODED, "labels": labels}
        assert rest.ask("POST", "/v1/torrents", body, grant=grant_of("add", "tv", "uhd")).status == status
    assert [command.labels for command in rest.commands] == [("tv",)]


def test_a_bound_token_that_names_no_label_gives_its_own(rest):
    rest.ask("POST", "/v1/torrents", {"metainfo": ENCODED}, grant=grant_of("add", "tv", "hd"))
    assert rest.commands[0].labels == ("hd", "tv")


def test_a_bound_token_does_not_get_to_see_a_torrent_by_adding_it(rest):
    rest.session.show(status_of(1, info_hash=METAINFO.info_hash, name="secret", labels=("hd",)))
    told = rest.ask("POST", "/v1/torrents", {"metainfo": ENCODED}, grant=grant_of("add", "tv"))
    assert (told.status, told.code) == (409, "torrent.present")
    assert b"secret" not in told.body


# ---- uploads


def form(**parts: bytes | str) -> bytes:
    """A form with files where the value is bytes."""
    lines = []
    for name, value in parts.items():
        file = '; filename="x"' if isinstance(value, bytes) else ""
        data = value if isinstance(value, bytes) else value.encode()
        lines += [b"--b", f'Content-Disposition: form-data; name="{name}"{file}'.encode(), b"", data]
    return b"\r\n".join([*lines, b"--b--", b""])


def upload(rest, **parts: bytes | str):
    return rest.ask("POST", "/v1/torrents", form(**parts), content_type="multipart/form-data; boundary=b")


def test_a_torrent_file_is_uploaded_as_browsers_and_curl_do(rest):
    told = upload(rest, metainfo=RAW, start="false", labels='["tv", "hd"]', priority="-3",
                  down_limit_bytes_per_s="1 MiB/s")
    assert told.status == 201
    assert rest.commands == [AddTorrent(
        METAINFO, raw=RAW, start=False, labels=("tv", "hd"), priority=-3, down_bytes_per_s=1 << 20)]


@pytest.mark.parametrize(
    "parts",
    [{}, {"metainfo": "text"}, {"torrent": RAW}, {"metainfo": b"de"}, {"metainfo": RAW, "other": b""},
     {"metainfo": RAW, "start": "yes"}, {"metainfo": RAW, "priority": "1.5"}, {"metainfo": RAW, "nope": "1"},
     {"metainfo": RAW, "peers": "name:1"}, {"metainfo": RAW, "source": "/etc/passwd"},
     {"metainfo": RAW, "labels": "tv"}],
)
def test_a_form_that_cannot_be_used_changes_nothing(rest, parts):
    assert upload(rest, **parts).status in (400, 422)
    assert rest.commands == []
