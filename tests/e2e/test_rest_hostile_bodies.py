"""Bodies that nobody should send a daemon over HTTP: each is refused with a reason that helps, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.besieged import Besieged, check_problem

DEEP = 100_000
LIMIT_BYTES = 16 << 20

# ---- bodies that are no JSON that two readers would understand the same way

ROUTES = (
    ("POST", "/v1/torrents"), ("PUT", "{one}"), ("PATCH", "{one}"), ("POST", "{one}/start"), ("POST", "{one}/stop"),
    ("POST", "{one}/pause"), ("POST", "{one}/recheck"), ("POST", "{one}/announce"), ("POST", "{one}/move"),
    ("POST", "{one}/rename"), ("PATCH", "{one}/files"), ("POST", "{one}/peers"), ("PUT", "{one}/trackers"),
    ("POST", "{one}/trackers"), ("POST", "/v1/torrents/actions"), ("PATCH", "/v1/settings"), ("PUT", "/v1/groups/slow"),
    ("POST", "/v1/jobs"), ("POST", "/v1/tokens"), ("POST", "/v1/session/reload"), ("POST", "/v1/session/drain"),
    ("POST", "/v1/session/stop"),
)
BODIES = {
    "a brace": b"{", "a list": b"[]", "a number": b"1", "text": b'"labels"', "null": b"null", "spaces": b"  ",
    "two objects": b"{}{}", "NaN": b'{"priority": NaN}', "Infinity": b'{"priority": Infinity}',
    "-Infinity": b'{"priority": -Infinity}', "1e999": b'{"priority": 1e999}', "-1e999": b'{"priority": -1e999}',
    "a key twice": b'{"labels": ["a"], "labels": ["b"]}',
    "a key twice, escaped": b'{"labels": [], "\\u006cabels": ["b"]}',
    "a key twice, deep": b'{"seeding": {"ratio": 1, "ratio": 2}}',
    "deep lists": b'{"labels": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep objects": b'{"seeding":' * DEEP + b"1" + b"}" * DEEP, "deep without an end": b"[" * DEEP,
    "65 levels": b'{"labels": ' + b"[" * 65 + b"]" * 65 + b"}",
    "5,000 digits": b'{"priority": ' + b"7" * 5000 + b"}", "-5,000 digits": b'{"priority": -' + b"7" * 5000 + b"}",
    "a byte order mark": b"\xef\xbb\xbf{}", "UTF-16": '{"priority": 1}'.encode("utf-16"),
    "no UTF-8": b'{"labels": ["\xff"]}',
    "a surrogate in UTF-8": b'{"labels": ["\xed\xa0\x80"]}', "single quotes": b"{'priority': 1}",
    "a comment": b'{"priority": 1 /* one */}', "a comma too many": b'{"priority": 1,}',
    "an octal number": b'{"priority": 01}',
    "a hexadecimal number": b'{"priority": 0x1}', "a plus": b'{"priority": +1}',
    "a control character": b'{"labels": ["\x01"]}',
    "a bare key": b"{priority: 1}", "something behind": b'{"priority": 1} x', "a NUL behind": b'{"priority": 1}\x00',
    "a strange field": b'{"no-such-field": 1}', "a prototype": b'{"__proto__": {"admin": true}}',
    "a key of half a character": b'{"\\ud800": 1}', "an empty key": b'{"": 1}',
}


@pytest.mark.parametrize("body", BODIES)
def test_what_is_no_acceptable_json_changes_nothing_anywhere(victim: Besieged, body: str) -> None:
    for method, path in ROUTES:
        answer = victim.ask(method, path.format(one=victim.one), BODIES[body], Content_Type="application/json")
        check_problem(answer)


@pytest.mark.parametrize("content_type", [
    "application/x-www-form-urlencoded", "text/plain", "text/plain; charset=application/json", "application/json2",
    "text/json",
    "", "application/xml", "multipart/mixed; boundary=x",
])
def test_what_does_not_say_that_it_is_json_changes_nothing_anywhere(victim: Besieged, content_type: str) -> None:
    for method, path in ROUTES:
        answer = victim.ask(method, path.format(one=victim.one), b'{"labels": ["a"]}', Content_Type=content_type)
        assert check_problem(answer, 415)["code"] == "rest.not-json"


FORMS = (
    "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=y",
    'multipart/form-data; boundary="x', "multipart/form-data; boundary=x; charset=utf-8",
    "multipart/form-data; boundary=x\t!",
    "multipart/form-data; boundary=" + "x" * 71,
)
PARTS = (
    b"", b"--x--", b"--x\r\n--x--\r\n", b"--x\r\n\r\na\r\n--x--",
    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1',
    b'--x\r\nContent-Disposition: form-data; name="source"; filename="a"\r\n\r\n/a.torrent\r\n--x--',
    b'--x\r\nContent-Disposition: form-data; name="start"\r\n\r\ntrue\r\n' * 2 + b"--x--",
    b'--x\r\nContent-Disposition: form-data; name="metainfo"; filename="../../a"\r\n\r\nd4:infodee\r\n--x--',
    b'--x\r\nContent-Disposition: form-data; name="metainfo"\r\nContent-Transfer-Encoding: base64\r\n\r\nZGU=\r\n--x--',
    b'--x\r\nContent-Disposition: form-data; name="a\r\nb"\r\n\r\n1\r\n--x--',
    b"--x" + b"\r\nX: a" * 2000 + b"\r\n\r\n1\r\n--x--",
    b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n' * 65 + b"--x--",
)


@pytest.mark.parametrize(("content_type", "body"), [
    *((content_type, PARTS[4]) for content_type in FORMS), *(("multipart/form-data; boundary=x",
    part) for part in PARTS),
])
def test_what_is_no_form_with_a_torrent_adds_nothing(victim: Besieged, content_type: str, body: bytes) -> None:
    check_problem(victim.ask("POST", "/v1/torrents", body, Content_Type=content_type))


def test_the_largest_body_is_read_and_refused_for_what_it_is(victim: Besieged) -> None:
    body = b'{"source": "' + b"a" * (LIMIT_BYTES - 14) + b'"}'
    told = check_problem(victim.ask("POST", "/v1/torrents", body, Content_Type="application/json"))
    assert len(told["detail"]) < 1000


# ---- values of the wrong type or size, for every field: the answer names the field

LARGE = 10**18
NO_TEXT: tuple[Any, ...] = (True, 1, 1.5, [], {}, ["a"])
NO_NAME = (*NO_TEXT, "a\nb", "a\0b", "\ud800", " a", "a\x1b[2J", "\u202e", "x" * 10_000)
NO_BOOLEAN = ("true", "", 1, 0, 1.5, [], {})
NO_NUMBER = ("x", "", True, [], {}, -LARGE, LARGE, -1, 1e300, "-1", "1 MB MB", "\u0665")
NO_LIST = ("a", 1, True, {}, {"0": "a"}, 1.5)
NO_OBJECT = ("a", 1, True, [], 1.5)
NO_PATH = (*NO_TEXT, "", "relative", "../x", "a\0b", "/a\0b", "/a\ud800")
NO_URLS = (*NO_LIST, [1], [[1]], [None], [[[]]], [{}], ["file:///etc/passwd"], ["http://a b/"],
    ["http://a\r\nX: y/announce"],
           ["\ud800"], ["javascript:alert(1)"], ["http://"], [["udp://:1"]], ["http://u\0/announce"])
NO_LABELS = (*NO_LIST, [1], [None], [[]], [""], ["a\nb"], ["\ud800"], ["x" * 10_000], ["a"] * 65)
NO_GOAL = (*NO_OBJECT, {"ratio": "x"}, {"ratio": -1}, {"ratio": True}, {"time_s": []}, {"action": "format"},
    {"nothing": 1},
           {"action": ["stop"]}, {"ratio": 1e300})
NO_PRIORITIES = (*NO_OBJECT, {"x": "skip"}, {"0": "never"}, {"0": 1}, {"-1": "skip"}, {"0x0": "skip"},
    {"\u0660": "skip"},
                 {"9" * 50: "skip"}, {"": "skip"}, {"0": None})
NO_PEERS = (*NO_LIST, [1], ["x"], ["127.0.0.1"], ["127.0.0.1:0"], ["127.0.0.1:65536"], ["a\r\nb:1"], ["host.example"],
            ["host.example:0"], ["a b:1"], ["[::1:1"], ["127.0.0.1:-1"], ["127.0.0.1:1"] * 1001, [None])
CHANGEABLE = {
    "labels": NO_LABELS, "group": NO_NAME, "priority": ("x", True, 1.5, [], {}, LARGE, -LARGE, 1001),
    "seeding": NO_GOAL,
    "down_limit_bytes_per_s": NO_NUMBER, "up_limit_bytes_per_s": NO_NUMBER, "sequential": NO_BOOLEAN,
    "super_seeding": NO_BOOLEAN,
    "picker": (*NO_OBJECT, {"preset": 1}, {"preset": "none"}, {"temperature": 0}, {"temperature": LARGE},
               {"guard": "2"}, {"weight_rarity": -1}, {"weight_rarity": True}, {"weight_nothing": 1}),
    "upload_slots": (*NO_NUMBER, 1.5), "max_peers": (*NO_NUMBER, 0, 1.5), "file_priorities": NO_PRIORITIES,
}
NO_CUSTOM = (*NO_OBJECT, {"custom1": 1}, {"tied_to_file": "/etc/passwd"}, {"custom.": ""}, {"custom0": "x"})
ADDITION = {"download_dir": NO_PATH, "start": NO_BOOLEAN, "skip_check": NO_BOOLEAN,
            "split_files": NO_BOOLEAN, "peers": NO_PEERS,
            "custom": NO_CUSTOM, **CHANGEABLE}
FIELDS: dict[tuple[str, str], tuple[dict[str, Any], dict[str, tuple[Any, ...]]]] = {
    ("POST", "/v1/torrents"): ({}, {
        "source": (*NO_TEXT, "", "relative.torrent", "/dev/zero", "/etc", "/a\0b", "/proc/self/mem\0", "ftp://a/",
        "file:///etc"),
        "metainfo": (*NO_TEXT, "not base64!", "ZGU", "\ud800", "ZGU=\n"), **ADDITION,
    }),
    ("PUT", "{one}"): ({}, ADDITION),
    ("PATCH", "{one}"): ({}, CHANGEABLE),
    ("PATCH", "{one}/files"): ({}, {"file_priorities": NO_PRIORITIES}),
    ("POST", "{one}/start"): ({}, {"now": NO_BOOLEAN}),
    ("POST", "{one}/move"): ({"download_dir": "/nowhere"}, {"download_dir": NO_PATH, "move_files": NO_BOOLEAN}),
    ("POST", "{one}/rename"): ({"old": "seed", "new": "other"}, {"old": NO_TEXT, "new": NO_TEXT}),
    ("POST", "{one}/peers"): ({}, {"peers": NO_PEERS}),
    ("PUT", "{one}/trackers"): ({}, {"tiers": NO_LIST}),
    ("POST", "{one}/trackers"): ({}, {"tiers": NO_LIST}),
    ("POST", "/v1/torrents/actions"): ({"action": "stop", "hashes": []}, {
        "action": (*NO_TEXT, "", "Stop", "stop\0", "format"), "hashes": (*NO_LIST, [1], [None], [[]], ["0"] * 10_001),
        "with_data": NO_BOOLEAN,
    }),
    ("PUT", "/v1/groups/slow"): ({}, {
        "down_limit_bytes_per_s": NO_NUMBER, "up_limit_bytes_per_s": NO_NUMBER, "weight": (*NO_NUMBER, 0, 101),
    }),
    ("POST", "/v1/jobs"): ({"kind": "create", "path": "/nowhere"}, {
        "kind": (*NO_TEXT, "delete"), "path": NO_PATH, "trackers": NO_URLS, "web_seeds": NO_URLS, "private": NO_BOOLEAN,
        "piece_size": (*NO_NUMBER, 0), "source": (*NO_TEXT, "\ud800", "x" * 5000),
        "comment": (*NO_TEXT, "\ud800", "x" * 5000), "format": (*NO_TEXT, "v3"),
    }),
    ("POST", "/v1/tokens"): ({"name": "evil", "scopes": ["read"]}, {
        "name": (*NO_TEXT, "", "a b", "a/b", "..", "a\n", "\u00e9", "x" * 65), "labels": (*NO_LIST, [1], [""], ["a\nb"],
        [[]]),
        "scopes": (*NO_LIST, [], [1], ["root"], ["admin", "root"], [[]], [None], [{}]),
        "expires_in_s": ("x", True, [], {}, -1, 0, LARGE, 1e300, "forever"),
    }),
    ("POST", "/v1/session/drain"): ({}, {"timeout_s": ("x", True, [], {}, -1, 1e300, LARGE)}),
}
CASES = [
    pytest.param(method, path, fields, field, value, id=f"{method} {path} {field} {ascii(value)[:40]}")
    for (method, path), (fields, kinds) in FIELDS.items() for field, values in kinds.items() for value in values
]


@pytest.mark.parametrize(("method", "path", "fields", "field", "value"), CASES)
def test_a_value_that_cannot_be_is_refused_by_its_name(
    victim: Besieged, method: str, path: str, fields: dict[str, Any], field: str, value: Any,
) -> None:
    told = check_problem(victim.ask(method, path.format(one=victim.one), {**fields, field: value}))
    assert field in told["detail"]
    assert told["detail"].isprintable() and len(told["detail"]) < 1000


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("tiers", NO_URLS, ids=lambda value: ascii(value)[:40])
def test_what_is_no_tracker_is_not_taken_for_one(victim: Besieged, method: str, tiers: Any) -> None:
    check_problem(victim.ask(method, f"{victim.one}/trackers", {"tiers": tiers}))


@pytest.mark.parametrize("new", [
    "", ".", "..", "/", "/etc/cron.d/evil", "../evil", "seed/../../evil", "a/../../../evil", "./../evil", "a\0b",
    "\ud800", "x" * 5000,
    "a/" * 200 + "b", "..\0", "a//../..",
], ids=lambda value: ascii(value)[:40])
def test_no_new_name_leads_out_of_the_folder(victim: Besieged, new: str) -> None:
    check_problem(victim.ask("POST", f"{victim.one}/rename", {"old": "seed", "new": new}), 400, 409, 422)


@pytest.mark.parametrize("patch", [
    {"rest": None, "nothing": 1}, {"rest": []}, {"rest": {"listen": "x"}}, {"rest": {"listen": ["unix:"]}},
    {"limits": 1},
    {"limits": {"up_bytes_per_s": []}}, {"limits": {"up_bytes_per_s": {"a": None}}}, {"limits": {"up": 1}},
    {"hooks": {}},
    {"hooks": [{"events": ["torrent-finished"], "program": "rm -rf /"}]}, {"hooks": [{"program": ["relative"]}]},
    {"hooks": [{"events": ["torrent-finished"], "url": "file:///etc"}]}, {"watch": [{}]},
    {"watch": [{"path": "/a\0b"}]},
    {"groups": {"a\n[rest]": {"weight": 1}}}, {"groups": {"a": {"weight": "x"}}}, {"groups": {"\ud800": {"weight": 1}}},
    {"storage": {"download_dir": "/a\ud800"}}, {"storage": {"memory_budget": "1 EiB"}},
    {"storage": {"memory_budget": -1}},
    {"limits": {"up_bytes_per_s": 1, "down_bytes_per_s": "x"}}, {"groups": []}, {"log": {"level": "\n"}}, {"": {}},
    {"\ud800": {}},
    {"log": {"file": "/a\0b"}}, {"network": {"listen": ["127.0.0.1:99999"]}}, {"rest": {"folders": ["relative"]}},
], ids=ascii)
def test_settings_change_as_a_whole_or_not_at_all(victim: Besieged, patch: dict[str, Any]) -> None:
    check_problem(victim.ask("PATCH", "/v1/settings", {"limits": {"down_bytes_per_s": 7}, **patch}))


def test_after_all_that_the_log_tells_of_no_bug_and_of_no_secret(besieged: Besieged) -> None:
    log = besieged.daemon.output()
    assert "Traceback" not in log and "bug." not in log
    assert besieged.secret not in log
    assert all(line.isprintable() for line in log.splitlines())
