"""The programs in contrib/hooks, run as the daemon runs them: what they do, and what names of strangers do to them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blobtorrent.interface.eventjson import Told, tell
from blobtorrent.interface.hooks.environment import environment_of
from blobtorrent.interface.hooks.outcome import OK, REFUSED, Outcome
from blobtorrent.interface.hooks.program import run_program
from blobtorrent.interface.hooks.webhook import post_event
from blobtorrent.model.events import TorrentFailed, TorrentFinished
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.runtime.clock import SystemClock
from tests.support.rest import info_hash, status_of
from tests.support.source import ROOT

HOOKS = ROOT / "contrib" / "hooks"
PATIENCE_S = 20.0
ODD_NAMES = ["plain", "two words", "-rf", "$(touch canary)", "a\nSubject: forged", "'\"`;&|*?", "ünïcode"]


def told(name: str) -> Told:
    status = status_of(1, name=name)
    return tell(TorrentFinished(info_hash(1), 5), status, number=3, event_id="ab-3", wall=1.0)


def run(program: str, *words: str, event: Told, path: Path | None = None, **environ: str) -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    outcome = run_program(
        [str(HOOKS / program), *words],
        environment_of(event.fields, {}, path and str(path)) | environ,
        event.json + b"\n",
        timeout_s=PATIENCE_S, is_stopped=lambda: False, on_line=lines.append)
    return outcome, lines


@pytest.fixture(autouse=True)
def nothing_is_made_here(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    yield
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_complete_torrent_is_copied_to_the_library(tmp_path, name):
    library, folder = tmp_path / "library", tmp_path / "downloads" / name.replace("/", "_")
    library.mkdir()
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_bytes(b"content")
    for _ in range(2):                 # told twice, it does it once
        outcome, lines = run("copy-to-library", str(library), event=told(name), path=folder)
        assert outcome == Outcome(OK), lines
    copy = library / folder.name / "inner" / "file"
    assert copy.read_bytes() == b"content" and copy.samefile(folder / "inner" / "file")
    assert [path.name for path in library.iterdir()] == [folder.name]


def test_a_single_file_is_copied_too(tmp_path):
    library, file = tmp_path / "library", tmp_path / "film.mkv"
    library.mkdir()
    file.write_bytes(b"film")
    assert run("copy-to-library", str(library), event=told("film.mkv"), path=file)[0] == Outcome(OK)
    assert (library / "film.mkv").read_bytes() == b"film"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_mail_tells_of_trouble_and_a_name_adds_nothing_to_its_head(tmp_path, name):
    mail, sendmail = tmp_path / "mail", tmp_path / "sendmail"
    sendmail.write_text(f'#!/bin/sh\necho "$@" >{mail}.words\ncat >{mail}\n')
    sendmail.chmod(0o700)
    failed = TorrentFailed(info_hash(1), "storage.disk-full", "no room")
    event = tell(failed, status_of(1, name=name), number=4, event_id="ab-4", wall=1.0)
    assert run("mail-on-trouble", "me@example.org", event=event, SENDMAIL=str(sendmail))[0] == Outcome(OK)
    head, _, body = mail.read_text().partition("\n\n")
    assert head.split("\n") == [
        "To: me@example.org", "Subject: blobtorrent: torrent-failed", "Content-Type: text/plain; charset=utf-8"]
    assert name in body and "storage.disk-full" in body and "no room" in body


def test_events_are_appended_to_a_file(tmp_path):
    log = tmp_path / "events.jsonl"
    for name in ODD_NAMES:
        assert run("log-events", str(log), event=told(name))[0] == Outcome(OK)
    assert [json.loads(line)["name"] for line in log.read_text().splitlines()] == ODD_NAMES


def test_the_receiver_takes_what_is_signed_and_nothing_else(tmp_path):
    secret, wrong = tmp_path / "secret", tmp_path / "wrong"
    secret.write_text("hush\n")
    wrong.write_text("hash\n")
    server = subprocess.Popen(
        [sys.executable, str(HOOKS / "receive-webhook"), str(secret), "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]

        def post(name: str, secret_file: Path | None) -> Outcome:
            return post_event(
                url, told(name), secret_file=secret_file, timeout_s=PATIENCE_S, clock=SystemClock(),
                binding=ANYWHERE)

        assert post("unsigned", None).kind == post("forged", wrong).kind == REFUSED
        assert post("a\x1b[2J", secret) == Outcome(OK)
        assert server.stdout.readline() == 'ab-3 torrent-finished "a\\u001b[2J"\n'
    finally:
        server.kill()
        server.wait()


def test_every_example_is_explained():
    explained = (HOOKS / "README.md").read_text()
    examples = {path.name for path in HOOKS.iterdir()} - {"README.md"}
    assert all(f"| `{name}` |" in explained for name in examples) and examples
