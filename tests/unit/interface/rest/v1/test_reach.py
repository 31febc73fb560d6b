"""What a token without the scope admin may name of the daemon's machine."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from blobtorrent.core.session.commands import AddTorrent, MoveTorrent
from tests.support.resources import Resources, grant_of
from tests.support.rest import info_hash, status_of, tiny_torrent

RAW = tiny_torrent()
METAINFO = {"metainfo": base64.b64encode(RAW).decode()}
ONE = f"/v1/torrents/{info_hash(1).hex}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """It has the folders downloads, more and secrets; links lead from downloads to the others."""
    for name in ("downloads", "more", "secrets"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.torrent").write_bytes(RAW)
    (tmp_path / "downloads" / "to-secrets").symlink_to(tmp_path / "secrets")
    (tmp_path / "downloads" / "to-more").symlink_to(tmp_path / "more")
    return tmp_path


@pytest.fixture
def rest(folder: Path) -> Resources:
    return Resources(settings={
        "storage": {"download_dir": str(folder / "downloads")}, "rest": {"folders": [str(folder / "more")]}})


WITHIN = ["downloads", "downloads/new", "downloads/to-more", "downloads/../more", "more/a/b"]
BEYOND = [
    "", "secrets", "down", "downloads-2", "downloads/..", "downloads/../secrets", "downloads/to-secrets",
    "downloads/to-secrets/a", "more/\ud800/../../secrets",
]


@pytest.mark.parametrize("name", WITHIN)
def test_torrents_go_below_the_folders_that_are_for_them(rest, folder, name):
    body = {**METAINFO, "download_dir": str(folder / name)}
    assert rest.ask("POST", "/v1/torrents", body, grant=grant_of("add")).status == 201
    assert [command.download_dir for command in rest.commands] == [folder / name]


@pytest.mark.parametrize("name", BEYOND[:-1])
def test_torrents_go_nowhere_else(rest, folder, name):
    rest.session.show(status_of(1))
    place = {"download_dir": str(folder / name)}
    for method, path, body in (
        ("POST", "/v1/torrents", {**METAINFO, **place}), ("POST", f"{ONE}/move", place), ("PUT", ONE, place),
    ):
        told = rest.ask(method, path, body, grant=grant_of("control"))
        assert (told.status, told.code) == (403, "rest.scope")
    assert rest.commands == []


@pytest.mark.parametrize("name", BEYOND)
def test_torrent_files_are_read_from_nowhere_else(rest, folder, name):
    source = {"source": str(folder / name / "a.torrent")}
    for method, path in (("POST", "/v1/torrents"), ("PUT", ONE)):
        told = rest.ask(method, path, source, grant=grant_of("control"))
        assert (told.status, told.code) == (403, "rest.scope")
    assert rest.commands == []


def test_whether_something_is_there_is_not_told_either(rest, folder):
    told = [
        rest.ask("POST", "/v1/torrents", {"source": str(folder / name)}, grant=grant_of("add")).body
        for name in ("secrets", "secrets/a.torrent", "secrets/none")
    ]
    assert len(set(told)) == 1


def test_torrent_files_are_read_from_the_folders_that_are_for_them(rest, folder):
    source = {"source": str(folder / "more" / "a.torrent")}
    assert rest.ask("POST", "/v1/torrents", source, grant=grant_of("add")).status == 201


def test_the_scope_admin_reaches_everywhere(rest, folder):
    rest.session.show(status_of(1))
    secrets = folder / "secrets"
    body = {"source": str(secrets / "a.torrent"), "download_dir": str(secrets)}
    assert rest.ask("POST", "/v1/torrents", body).status == 201
    assert rest.ask("POST", f"{ONE}/move", {"download_dir": str(secrets)}).status == 200
    assert [type(command) for command in rest.commands] == [AddTorrent, MoveTorrent]


def test_a_url_leads_only_the_scope_admin_to_this_machine(rest):
    source = {"source": "http://127.0.0.1:1/nobody-listens"}
    codes = [rest.ask("POST", "/v1/torrents", source, grant=grant_of(scope)).code for scope in ("control", "admin")]
    assert codes == ["net.forbidden-address", "net.refused"]


def test_a_bound_token_cannot_have_what_lies_on_disk_believed(rest):
    body = {**METAINFO, "skip_check": True}
    told = rest.ask("POST", "/v1/torrents", body, grant=grant_of("control", "tv"))
    assert (told.status, told.code, rest.commands) == (403, "rest.scope", [])
    assert rest.ask("POST", "/v1/torrents", body, grant=grant_of("add")).status == 201
