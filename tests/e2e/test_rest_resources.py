"""A real daemon over HTTP: what is asked for is done, what is told is so, and it is so after a restart, too."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.rest import Answer, request_on, unix_connection

TIMEOUT_S = 30.0
PIECE = 16 * KIB


def ask(daemon: Daemon, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    with unix_connection(daemon.runtime / "rest.sock") as sock:
        return request_on(sock, method, path, body, token=None, headers=fields)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "film.bin", 10 * PIECE + 100, PIECE)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as running:
        yield running


def content_of(sample: Sample) -> bytes:
    [file] = sample.files
    return (sample.folder / file.path.decode()).read_bytes()


def file_of(daemon: Daemon, sample: Sample) -> Path:
    return daemon.downloads / sample.files[0].path.decode()


def with_bytes(sample: Sample) -> dict[str, str]:
    return {"metainfo": base64.b64encode(sample.torrent.read_bytes()).decode()}


def one(sample: Sample) -> str:
    return f"/v1/torrents/{sample.info_hash.hex()}"


def wait_for(daemon: Daemon, sample: Sample, **members: Any) -> dict[str, Any]:
    """The torrent when it is so."""

    def is_so() -> bool:
        told = ask(daemon, "GET", one(sample)).json
        return all(told[name] == value for name, value in members.items())

    wait_until(is_so, TIMEOUT_S, f"the torrent with {members}")
    told: dict[str, Any] = ask(daemon, "GET", one(sample)).json
    return told


def test_verified_bytes_are_served_while_others_are_missing(daemon: Daemon, sample: Sample) -> None:
    data = content_of(sample)
    file_of(daemon, sample).write_bytes(data[:4 * PIECE] + bytes(2 * PIECE) + data[6 * PIECE:])
    assert ask(daemon, "PUT", one(sample), {**with_bytes(sample), "start": True}).status == 201
    wait_for(daemon, sample, state="downloading", done_bytes=len(data) - 2 * PIECE)
    url = f"{one(sample)}/files/0/content"
    assert ask(daemon, "GET", url).json["code"] == "file.incomplete"
    part = ask(daemon, "GET", url, Range=f"bytes={PIECE + 7}-{4 * PIECE - 1}")
    assert (part.status, part.body) == (206, data[PIECE + 7:4 * PIECE])
    assert part.headers["content-range"] == f"bytes {PIECE + 7}-{4 * PIECE - 1}/{len(data)}"
    assert ask(daemon, "GET", url, Range=f"bytes={4 * PIECE - 1}-{4 * PIECE}").status == 409
    assert ask(daemon, "GET", url, Range="bytes=-100").body == data[-100:]
    head = ask(daemon, "HEAD", url, Range="bytes=0-9")
    assert (head.status, head.headers["content-length"], head.body) == (206, "10", b"")
    pieces = ask(daemon, "GET", f"{one(sample)}/pieces").json
    assert base64.b64decode(pieces["have"]) == b"\xf3\xe0"
    why = ask(daemon, "GET", f"{one(sample)}/why").json
    assert (why["state"], bool(why["causes"])) == ("downloading", True)


def test_a_complete_file_is_served_as_it_is_and_so_is_the_torrent_file(daemon: Daemon, sample: Sample) -> None:
    data = content_of(sample)
    file_of(daemon, sample).write_bytes(data)
    ask(daemon, "POST", "/v1/torrents", with_bytes(sample))
    wait_for(daemon, sample, state="seeding")
    whole = ask(daemon, "GET", f"{one(sample)}/files/0/content")
    assert (whole.status, whole.body) == (200, data)
    assert ask(daemon, "GET", f"{one(sample)}/metainfo").body == sample.torrent.read_bytes()
    assert ask(daemon, "POST", f"{one(sample)}/stop").status == 200
    wait_for(daemon, sample, state="stopped", started=False)
    assert ask(daemon, "GET", f"{one(sample)}/files/0/content").body == data


def test_what_was_set_of_a_torrent_is_told_and_survives(tmp_path: Path, sample: Sample) -> None:
    patch = {
        "labels": ["tv", "hd"], "group": "g", "priority": 7, "up_limit_bytes_per_s": 1000, "upload_slots": 2,
        "seeding": {"ratio": 2.5, "time_s": 3600, "action": "remove"},
    }
    with Daemon(tmp_path) as daemon:
        ask(daemon, "POST", "/v1/torrents", {**with_bytes(sample), "start": False})
        assert ask(daemon, "PATCH", one(sample), patch).status == 200
        assert ask(daemon, "PATCH", one(sample),
                   {"seeding": {"time_s": None, "idle_s": 60}, "group": None}).status == 200
    with Daemon(tmp_path) as daemon:
        told = ask(daemon, "GET", one(sample)).json
        assert (told["labels"], told["group"], told["priority"]) == (["tv", "hd"], None, 7)
        assert (told["up_limit_bytes_per_s"], told["upload_slots"], told["max_peers"]) == (1000, 2, None)
        assert told["seeding"] == {"ratio": 2.5, "time_s": None, "idle_s": 60, "action": "remove"}
        assert ask(daemon, "PUT", one(sample), {"labels": ["tv", "hd"], "priority": 7, "start": False}).status == 200
        assert ask(daemon, "GET", one(sample)).json == told


def test_two_who_change_the_same_do_not_undo_each_other(daemon: Daemon, sample: Sample) -> None:
    ask(daemon, "POST", "/v1/torrents", {**with_bytes(sample), "start": False})
    url = f"{one(sample)}?fields=labels"
    tag = ask(daemon, "GET", url).headers["etag"]
    assert ask(daemon, "PATCH", url, {"labels": ["mine"]}, If_Match=tag).json == {"labels": ["mine"]}
    late = ask(daemon, "PATCH", url, {"labels": ["yours"]}, If_Match=tag)
    assert (late.status, ask(daemon, "GET", url).json) == (412, {"labels": ["mine"]})


def test_a_poll_costs_what_has_changed(daemon: Daemon, sample: Sample) -> None:
    ask(daemon, "POST", "/v1/torrents", {**with_bytes(sample), "start": False})
    first = ask(daemon, "GET", "/v1/torrents?fields=hash,labels")
    assert ask(daemon, "GET", "/v1/torrents?fields=hash,labels", If_None_Match=first.headers["etag"]).status == 304
    ask(daemon, "PATCH", one(sample), {"labels": ["new"]})
    told = ask(daemon, "GET", f"/v1/torrents?fields=hash,labels&since={first.json['cursor']}").json
    assert told["torrents"] == [{"hash": sample.info_hash.hex(), "labels": ["new"]}]
    ask(daemon, "DELETE", one(sample))
    wait_until(lambda: ask(daemon, "GET", one(sample)).status == 404, TIMEOUT_S, "the end of the torrent")
    gone = ask(daemon, "GET", f"/v1/torrents?since={told['cursor']}").json
    assert (gone["torrents"], gone["removed"], gone["is_full"]) == ([], [sample.info_hash.hex()], False)


def test_settings_and_groups_are_changed_and_kept(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        told = ask(daemon, "PATCH", "/v1/settings",
                   {"limits": {"down_bytes_per_s": "2 MiB/s"}, "network": {"max_peers": 9}})
        assert sorted(told.json["applied"]) == ["limits.down_bytes_per_s", "network.max_peers"]
        assert ask(daemon, "PUT", "/v1/groups/tv", {"up_limit_bytes_per_s": 5000, "weight": 2}).status == 201
        refused = ask(daemon, "PATCH", "/v1/settings", {"limits": {"up_bytes_per_s": 1, "down_bytes_per_s": "fast"}})
        assert (refused.status, refused.json["code"]) == (422, "config.bad-value")
    with Daemon(tmp_path) as daemon:
        settings = ask(daemon, "GET", "/v1/settings?sources=true").json
        assert (settings["limits"]["down_bytes_per_s"], settings["limits"]["up_bytes_per_s"]) == ("2 MiB/s", 0)
        assert "settings.toml" in settings["sources"]["limits.down_bytes_per_s"]
        assert ask(daemon, "GET", "/v1/groups/tv").json["weight"] == 2
        assert ask(daemon, "DELETE", "/v1/groups/tv").status == 204
        assert ask(daemon, "GET", "/v1/groups").json == {"groups": []}


def test_a_torrent_that_a_job_has_made_is_seeded(daemon: Daemon, sample: Sample) -> None:
    file_of(daemon, sample).write_bytes(content_of(sample))
    job = ask(daemon, "POST", "/v1/jobs", {"kind": "create", "path": str(file_of(daemon, sample)), "format": "hybrid"})
    where = job.headers["location"]
    wait_until(lambda: ask(daemon, "GET", where).json["state"] == "done", TIMEOUT_S, "the job")
    made = ask(daemon, "GET", f"{where}/result").body
    added = ask(daemon, "POST", "/v1/torrents", {"metainfo": base64.b64encode(made).decode()}).json
    assert added["info_hash_v2"] == ask(daemon, "GET", where).json["result"]["info_hash_v2"]
    wait_until(lambda: ask(daemon, "GET", f"/v1/torrents/{added['hash']}").json["state"] == "seeding", TIMEOUT_S,
               "the seed")
    assert ask(daemon, "GET", f"/v1/torrents/{added['info_hash_v2']}/files/0/content").body == content_of(sample)


def test_many_torrents_are_steered_by_one_request(daemon: Daemon, sample: Sample) -> None:
    ask(daemon, "POST", "/v1/torrents", {**with_bytes(sample), "start": False})
    body = {"action": "start", "hashes": [sample.info_hash.hex(), "0" * 40]}
    [first, second] = ask(daemon, "POST", "/v1/torrents/actions", body).json["results"]
    assert (first["ok"], second["ok"], second["problem"]["code"]) == (True, False, "torrent.unknown")
    wait_for(daemon, sample, state="downloading", started=True)
    assert ask(daemon, "POST", f"{one(sample)}/pause").json["held_by"] == "pause"
    ask(daemon, "POST", "/v1/torrents/actions", {"action": "remove", "hashes": [sample.info_hash.hex()]})
    wait_until(lambda: not ask(daemon, "GET", "/v1/torrents").json["torrents"], TIMEOUT_S, "the end of the torrent")


def test_trackers_are_replaced_and_put_back(daemon: Daemon, sample: Sample) -> None:
    ask(daemon, "POST", "/v1/torrents", {**with_bytes(sample), "start": False})
    before = ask(daemon, "GET", f"{one(sample)}/trackers").json
    told = ask(daemon, "PUT", f"{one(sample)}/trackers",
               {"tiers": [["http://127.0.0.1:1/announce"], ["udp://127.0.0.1:2"]]})
    assert [(tracker["tier"], tracker["url"]) for tracker in told.json["trackers"]] == [
        (0, "http://127.0.0.1:1/announce"), (1, "udp://127.0.0.1:2")]
    assert ask(daemon, "PUT", f"{one(sample)}/trackers", {"tiers": [["gopher://a"]]}).status == 422
    assert ask(daemon, "PUT", f"{one(sample)}/trackers", {"tiers": None}).json == before


def test_a_daemon_that_is_told_to_leave_leaves(daemon: Daemon) -> None:
    assert ask(daemon, "POST", "/v1/session/drain", {"timeout_s": 1}).status == 202
    wait_until(lambda: daemon.poll() is not None, TIMEOUT_S, "the end of the daemon")
    assert daemon.poll() == 0
