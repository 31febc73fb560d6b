"""Odd and broken torrents through `show --json`: our own always, and a foreign collection where there is one."""

from __future__ import annotations

import contextlib
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.cli.main import main
from blobtorrent.model.errors import FormatError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.metafile import parse_torrent
from tests.support.corpus import CORPUS, corpus_rows
from tests.support.oddtorrents import OddTorrent, odd_torrents

MAX_S = 1.0                            # for any file, says the collection's description
ODD = odd_torrents()


def shown(path: Path) -> tuple[int, dict[str, Any]]:
    """Exit status and JSON of `show --json`; checks what holds whatever is shown."""
    output, errors = io.StringIO(), io.StringIO()
    started = time.process_time()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = main(["show", "--json", str(path)])
    assert time.process_time() - started < MAX_S
    printed = output.getvalue()
    assert printed.endswith("\n") and printed[:-1].isprintable()
    told = errors.getvalue()
    assert (status, told.count("\n")) in ((0, 0), (1, 1))
    assert told[:-1].isprintable() and len(told) < 700
    value: dict[str, Any] = json.loads(printed)
    for file in value.get("files", []):
        assert_safe(file["path"])
    return status, value


def assert_safe(path: list[str]) -> None:
    assert path and len("/".join(path).encode()) <= 4096
    for part in path:
        assert part not in ("", ".", "..")
        assert not any(character in "/\\" or ord(character) < 32 or 0x7f <= ord(character) < 0xa0 for character in part)
        assert len(part.encode()) <= 255


def assert_sound(metainfo: Metainfo) -> None:
    """What every accepted torrent must fulfil."""
    geometry = metainfo.geometry
    assert sum(file.length for file in metainfo.files) == geometry.size
    assert [file.offset for file in metainfo.files] == [
        sum(file.length for file in metainfo.files[:number]) for number in range(len(metainfo.files))]
    assert len(metainfo.piece_hashes_v1) == (20 * geometry.num_pieces if metainfo.info_hash.v1 else 0)
    paths = [file.path for file in metainfo.files if not file.is_pad]
    assert len(set(paths)) == len(paths)
    folders = {path[:length] for path in paths for length in range(1, len(path))}
    assert not folders & set(paths)
    for file in metainfo.files:
        assert_safe(list(file.path))
        if file.symlink_target is not None:
            assert_safe(list(file.symlink_target))
            assert file.length == 0


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_our_odd_torrents_get_their_verdict_and_figures(odd: OddTorrent, tmp_path: Path) -> None:
    path = tmp_path / "odd.torrent"
    path.write_bytes(odd.data)
    status, value = shown(path)
    if odd.code:
        assert (status, value["error"]["code"]) == (1, odd.code)
        return
    assert status == 0, value
    figures = {
        **value,
        "num_files": len(value["files"]),
        "paths": [tuple(file["path"]) for file in value["files"]],
        "num_trackers": sum(map(len, value["trackers"])),
        "num_web_seeds": len(value["web_seeds"]),
    }
    if "links" in odd.figures:
        links = [file for file in parse_torrent(odd.data).files if file.path[-1][0] in "lm"]
        figures["links"] = ["/".join(link.symlink_target) if link.symlink_target else None for link in links]
    assert {key: figures[key] for key in odd.figures} == odd.figures
    if len(value["files"]) <= 1000:
        assert_sound(parse_torrent(odd.data))


@pytest.mark.parametrize("row", corpus_rows() or [
    pytest.param(None, marks=pytest.mark.skip(reason=f"no collection of torrents at {CORPUS}")),
], ids=lambda row: row["file"] if row else "none")
def test_the_collection_gets_its_verdicts_and_figures(row: dict[str, str]) -> None:
    status, value = shown(CORPUS / row["file"])
    if row["strict"] == "either":
        assert status in (0, 1)
        return
    assert ("accept", "reject")[status] == row["verdict"]
    if status:
        return
    files = value["files"]
    figures = {
        "size": value["size"],
        "payload": sum(file["length"] for file in files if not file["pad"]),
        "num_files": len(files),
        "num_payload": sum(not file["pad"] for file in files),
        "piece_length": value["piece_length"],
        "num_pieces": value["num_pieces"],
        "private": int(value["private"]),
        "v1": value["info_hash_v1"] or "",
        "v2": value["info_hash_v2"] or "",
    }
    assert {key: str(figure) for key, figure in figures.items()} == {key: row[key] for key in figures}
    if row["name_check"] == "yes":
        assert value["name"] == json.loads(f'"{row["name"]}"')


SMALL = [odd.data for odd in ODD if not odd.code and len(odd.data) < 3000]


@given(st.sampled_from(SMALL), st.data())
def test_mutated_torrents_are_sound_or_refused(data: bytes, draw: st.DataObject) -> None:
    mutated = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(mutated) - 1))
        kind = draw.draw(st.sampled_from(("replace", "insert", "remove")))
        if kind == "remove":
            del mutated[at:at + draw.draw(st.integers(1, 5))]
            mutated = mutated or bytearray(b"d")
        else:
            byte = draw.draw(st.sampled_from(b"0123456789:ildex-./\x00\xff"))
            mutated[at:at + (kind == "replace")] = bytes([byte])
    try:
        metainfo = parse_torrent(bytes(mutated))
    except FormatError:
        return
    assert_sound(metainfo)
