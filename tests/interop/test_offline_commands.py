"""What `create` writes is read by others as meant, and `verify` finds what is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import bencodepy
import pytest

from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.blobtorrent import run
from tests.support.tools import require_module, require_tool

TRACKERS = ["http://127.0.0.1:1/announce", "udp://127.0.0.1:2/announce"]


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    files = [("a.bin", 2 * MIB + 3), ("b/empty", 0), ("b/нота.txt", 70 * KIB)]
    return make_sample(tmp_path, "Füße 日本語", files, 64 * KIB)


def test_libtorrent_reads_what_create_writes(sample: Sample, tmp_path: Path) -> None:
    lt = require_module("libtorrent")
    made = _create(sample, tmp_path, "--private", "--source", "TEST", "--comment", "say", "--piece-size", "64KiB",
                   *(word for tracker in TRACKERS for word in ("--tracker", tracker)))
    info = lt.torrent_info(str(made))
    assert info.is_valid() and info.priv() and info.comment() == "say"
    assert info.piece_length() == 64 * KIB and info.total_size() == sample.size_bytes
    assert bencodepy.decode(made.read_bytes())[b"announce-list"] == [[url.encode()] for url in TRACKERS]
    files = info.layout()
    listed = {files.file_path(number): files.file_size(number) for number in range(files.num_files())}
    assert listed == {os.fsdecode(path): (sample.folder / os.fsdecode(path)).stat().st_size for path in sample.digests}


def test_the_pieces_that_create_hashes_are_those_of_the_content(tmp_path: Path) -> None:
    single = make_sample(tmp_path, "single.bin", 5 * MIB + 1, 128 * KIB)
    made = bencodepy.decode(_create(single, tmp_path, "--piece-size", "128KiB").read_bytes())
    theirs = bencodepy.decode(single.torrent.read_bytes())
    assert made[b"info"][b"pieces"] == theirs[b"info"][b"pieces"]


@pytest.mark.parametrize("form", ["v2", "hybrid"])
def test_libtorrent_agrees_with_the_hashes_of_version_2(sample: Sample, tmp_path: Path, form: str) -> None:
    lt = require_module("libtorrent")
    made = _create(sample, tmp_path, "--format", form, "--piece-size", "64KiB")
    shown = json.loads(run("show", made, "--json").stdout)
    hashes = lt.torrent_info(str(made)).info_hashes()
    assert str(hashes.v2) == shown["info_hash_v2"]
    assert hashes.has_v1() == (form == "hybrid") == (shown["info_hash_v1"] is not None)


def test_transmission_reads_what_create_writes(sample: Sample, tmp_path: Path) -> None:
    show = require_tool("transmission-show")
    made = _create(sample, tmp_path)
    told = subprocess.run([show, str(made)], capture_output=True, text=True, check=True).stdout
    info = bencodepy.decode(made.read_bytes())[b"info"]
    assert hashlib.sha1(bencodepy.encode(info)).hexdigest() in told
    assert "нота.txt" in told


def test_verify_agrees_with_an_exact_copy(sample: Sample) -> None:
    done = run("verify", sample.torrent, sample.folder, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["good_pieces"]) == (0, sample.num_pieces)
    assert (told["bad_pieces"], told["missing_pieces"]) == (0, 0)


def test_verify_finds_a_flipped_byte(sample: Sample, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample.folder, copy)
    with open(copy / os.fsdecode(sample.name) / "a.bin", "r+b") as file:
        file.seek(MIB)
        byte = file.read(1)
        file.seek(MIB)
        file.write(bytes((byte[0] ^ 1,)))
    done = run("verify", sample.torrent, copy, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["bad_pieces"], told["good_pieces"]) == (4, 1, sample.num_pieces - 1)


def test_verify_counts_what_is_missing(sample: Sample, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = run("verify", sample.torrent, empty, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["good_pieces"], told["missing_pieces"]) == (4, 0, sample.num_pieces)


def _create(sample: Sample, tmp_path: Path, *options: str) -> Path:
    made = tmp_path / "made.torrent"
    done = run("create", sample.folder / os.fsdecode(sample.name), "-o", made, *options)
    assert done.returncode == 0, done.stderr
    return made
