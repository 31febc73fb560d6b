"""`blobtorrent filters`, before a played daemon."""

from __future__ import annotations

import json

import pytest

from blobtorrent.cli.main import main
from blobtorrent.cli.output import EXIT_OK
from tests.support.fakedaemon import FakeDaemon

LIST = {"path": "/lists/a\x07", "ranges_v4": 400, "ranges_v6": 2, "lines": 500, "malformed": 3, "first_malformed": [],
        "read_at": 1, "error": None, "refused": 7}


def test_lists_are_shown_with_whom_they_refused(capsys: pytest.CaptureFixture[str]) -> None:
    failed = {**LIST, "path": "/b", "error": {"code": "filters.unreadable", "message": "/b: no such file"}}
    with FakeDaemon() as daemon:
        daemon.answer("GET /v1/filters", {"lists": [LIST, failed], "refused_by_settings": 0})
        assert main(["filters", "--url", daemon.url]) == EXIT_OK
        lines = capsys.readouterr().out.splitlines()
        assert lines[1].split() == ["/lists/a\\x07", "402", "7", "3"]
        assert lines[2].split()[:4] == ["/b", "402", "7", "3"] and "no such file" in lines[2]
        assert main(["filters", "--json", "--url", daemon.url]) == EXIT_OK
        assert json.loads(capsys.readouterr().out)["lists"][0]["refused"] == 7


def test_addresses_are_shown_with_who_refuses_them(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeDaemon() as daemon:
        daemon.answer("GET /v1/filters/192.0.2.1", {"address": "192.0.2.1", "refused_by": "/lists/a"})
        daemon.answer("GET /v1/filters/2001:db8::1", {"address": "2001:db8::1", "refused_by": None})
        assert main(["filters", "192.0.2.1", "2001:db8::1", "--url", daemon.url]) == EXIT_OK
        assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [
            ["192.0.2.1", "/lists/a"], ["2001:db8::1", "nobody"]]
