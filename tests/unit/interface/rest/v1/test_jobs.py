"""Jobs over HTTP: what is asked for, how far it is, and the torrent that comes of it."""

from __future__ import annotations

import pytest

from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.storage.author import Format
from tests.support.resources import Resources


@pytest.fixture
def rest():
    return Resources()


def test_a_torrent_is_made_by_a_job(rest, tmp_path):
    (tmp_path / "data.bin").write_bytes(bytes(100_000))
    body = {
        "kind": "create", "path": str(tmp_path / "data.bin"),
        "trackers": [["http://a/announce", "udp://b:1"], "http://c/"],
        "web_seeds": ["https://d/"], "piece_size": "32 KiB", "private": True, "source": "S", "comment": "ä",
        "format": "v2",
    }
    begun = rest.ask("POST", "/v1/jobs", body)
    assert (begun.status, begun.json["state"], begun.json["result"]) == (202, "waiting", None)
    where = begun.headers["location"]
    assert rest.ask("GET", f"{where}/result").code == "job.not-done"
    rest.jobs._work(rest.jobs.all()[0])
    told = rest.ask("GET", where).json
    assert (told["state"], told["done_bytes"], told["problem"]) == ("done", told["total_bytes"], None)
    result = rest.ask("GET", f"{where}/result")
    metainfo = parse_torrent(result.body)
    assert result.headers["content-disposition"].startswith('attachment; filename="data.bin.torrent"')
    assert (metainfo.tiers, metainfo.web_seeds) == ((("http://a/announce", "udp://b:1"), ("http://c/",)),
                                                    ("https://d/",))
    assert (metainfo.is_private, metainfo.source, metainfo.comment, metainfo.geometry.piece_length) == (True, "S", "ä",
                                                                                                        32768)
    assert told["result"]["info_hash_v2"] == metainfo.info_hash.v2.hex()
    assert rest.ask("GET", "/v1/jobs").json["jobs"] == [told]


def test_a_job_that_failed_says_why_wherever_it_is_asked(rest):
    where = rest.ask("POST", "/v1/jobs", {"kind": "create", "path": "/nonexistent"}).headers["location"]
    rest.jobs._work(rest.jobs.all()[0])
    told = rest.ask("GET", where).json
    assert (told["state"], told["problem"]["code"]) == ("failed", "create.no-source")
    result = rest.ask("GET", f"{where}/result")
    assert (result.status, result.code) == (409, "job.failed")
    assert "create.no-source" in result.json["detail"]


def test_a_job_is_forgotten(rest):
    where = rest.ask("POST", "/v1/jobs", {"kind": "create", "path": "/nonexistent"}).headers["location"]
    assert [rest.ask(method, where).status for method in ("DELETE", "DELETE", "GET")] == [204, 404, 404]


def test_v1_is_what_every_client_reads(rest):
    rest.ask("POST", "/v1/jobs", {"kind": "create", "path": "/a"})
    assert rest.jobs.all()[0].task.recipe.format is Format.V1


@pytest.mark.parametrize(
    "changed",
    [{"kind": "explode"}, {"kind": None}, {"path": "relative"}, {"path": None}, {"path": "/a\0"},
     {"trackers": "http://a/"},
     {"trackers": [["ftp://a/"]]}, {"trackers": [["http://a/\nb"]]}, {"trackers": [["http://a/"] * 201]},
     {"web_seeds": ["udp://a:1"]}, {"web_seeds": [1]}, {"web_seeds": ["http://a/"] * 101}, {"piece_size": "huge"},
     {"piece_size": 1 << 40}, {"piece_size": 0}, {"private": 1}, {"source": 1}, {"comment": "\ud800"},
     {"comment": "a" * 5000},
     {"format": "v3"}, {"format": ["v1"]}, {"nope": 1}, {"trackers": [["http://\ud800/"]]}],
)
def test_a_job_that_cannot_be_is_not_begun(rest, changed):
    told = rest.ask("POST", "/v1/jobs", {"kind": "create", "path": "/a", **changed})
    assert (told.status, rest.jobs.all()) == (422, [])
