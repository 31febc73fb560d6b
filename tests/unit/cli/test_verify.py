"""`verify` against files that are right, wrong and missing."""

from __future__ import annotations

import json
from pathlib import Path

import bencodepy
import pytest

from blobtorrent.cli.main import main
from blobtorrent.cli.output import EXIT_BAD_PIECES, EXIT_FAILED, EXIT_OK
from tests.support.payload import Sample, make_sample

PIECE = 16384


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path, "show", [("one", 3 * PIECE), ("two", 2 * PIECE + 1)], PIECE)


def verify(sample: Sample, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, int]]:
    status = main(["verify", str(sample.torrent), str(sample.folder), "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_untouched_files_are_good(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    status, result = verify(sample, capsys)
    assert status == EXIT_OK
    assert (result["good_pieces"], result["bad_pieces"], result["missing_pieces"]) == (6, 0, 0)
    assert result["good_bytes"] == result["size_bytes"] == 5 * PIECE + 1


def test_a_flipped_byte_makes_its_piece_bad(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    with (sample.folder / "show/one").open("r+b") as file:
        file.seek(PIECE + 5)
        (byte,) = file.read(1)
        file.seek(PIECE + 5)
        file.write(bytes([byte ^ 1]))
    status, result = verify(sample, capsys)
    assert status == EXIT_BAD_PIECES
    assert (result["good_pieces"], result["bad_pieces"], result["missing_pieces"]) == (5, 1, 0)


def test_an_absent_file_is_missing_pieces(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    (sample.folder / "show/two").unlink()
    status, result = verify(sample, capsys)
    assert status == EXIT_BAD_PIECES
    assert (result["good_pieces"], result["bad_pieces"], result["missing_pieces"]) == (3, 0, 3)


def test_people_are_told_which_files_are_damaged(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    (sample.folder / "show/two").unlink()
    assert main(["verify", str(sample.torrent), str(sample.folder)]) == EXIT_BAD_PIECES
    assert capsys.readouterr().out.splitlines() == [
        "show: 3 pieces good, 0 bad, 3 missing",
        "damaged: show/two (3 pieces)",
    ]


def test_verifying_changes_nothing_on_disk(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    (sample.folder / "show/two").unlink()
    verify(sample, capsys)
    assert [path.name for path in (sample.folder / "show").iterdir()] == ["one"]


def test_a_torrent_without_piece_hashes_cannot_be_verified(
    sample: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare.torrent"
    options = ["--format", "v2", "--piece-size", str(PIECE)]
    assert main(["create", str(sample.folder / "show"), "-o", str(bare), *options]) == EXIT_OK
    document = bencodepy.decode(bare.read_bytes())
    del document[b"piece layers"]
    bare.write_bytes(bencodepy.encode(document))
    assert main(["verify", str(bare), str(sample.folder)]) == EXIT_FAILED
    assert "torrent.no-piece-hashes" in capsys.readouterr().err


@pytest.mark.parametrize("argument", ["torrent", "folder"])
def test_what_is_not_there_is_one_line_of_error(
    sample: Sample, argument: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {"torrent": str(sample.torrent), "folder": str(sample.folder), argument: "/nonexistent"}
    assert main(["verify", paths["torrent"], paths["folder"], "--json"]) == EXIT_FAILED
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert "/nonexistent" in json.loads(out)["error"]["message"]
