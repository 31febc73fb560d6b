"""How a torrent's progress looks."""

from __future__ import annotations

import pytest

from blobtorrent.cli.progress import (
    ASCII,
    UNICODE,
    bar,
    charset_for,
    columns_of,
    fit,
    percent,
    piece_map,
    plain_line,
    screen_lines,
)
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus

STATUS = TorrentStatus(
    info_hash=InfoHash(v1=b"x" * 20),
    name="name",
    state="downloading",
    size_bytes=1000 << 20,
    num_pieces=1000,
    download_dir="/downloads",
    done_bytes=250 << 20,
    down_bytes_per_s=10 << 20,
    peers_connected=3,
    pieces_wire=Bitfield(1000, range(250)).to_wire(),
)
THREE_LEVELS = ASCII._replace(levels=" .%#")


@pytest.mark.parametrize(
    ("done", "size", "shown"),
    [(0, 10, "----------"), (999, 1000, "#########-"), (1000, 1000, "##########"), (0, 0, "##########")],
)
def test_a_bar_is_full_only_when_everything_is_done(done: int, size: int, shown: str) -> None:
    assert bar(done, size, 10, ASCII) == shown


@pytest.mark.parametrize(
    ("done", "size", "shown"), [(0, 3, "0.0%"), (1, 3, "33.3%"), (99_999, 100_000, "99.9%"), (3, 3, "100.0%")]
)
def test_percent_never_rounds_up_to_all(done: int, size: int, shown: str) -> None:
    assert percent(done, size) == shown


@pytest.mark.parametrize(
    ("have", "shown"),
    [
        (range(0), "          "),
        (range(100), "##########"),
        (range(1), ".         "),
        (range(1, 100), "%#########"),
        (range(50, 60), "     #    "),
    ],
)
def test_a_column_of_the_map_is_blank_for_none_and_full_for_all_of_its_pieces(have: range, shown: str) -> None:
    assert piece_map(Bitfield(100, have).to_wire(), 100, 10, THREE_LEVELS) == shown


def test_a_map_has_no_more_columns_than_there_are_pieces() -> None:
    assert piece_map(Bitfield(3, [1]).to_wire(), 3, 10, ASCII) == " # "


def test_wide_and_combining_letters_are_measured_as_terminals_draw_them() -> None:
    assert columns_of("你好") == 4
    assert columns_of("e\u0301") == 1


@pytest.mark.parametrize("text", ["short", "a rather long name of something", "你好你好你好", ""])
def test_a_fitted_text_has_exactly_the_width_asked_for(text: str) -> None:
    assert columns_of(fit(text, 8, UNICODE)) == 8


@pytest.mark.parametrize("columns", [20, 40, 60, 79, 80, 100, 132, 250])
@pytest.mark.parametrize("state", ["checking", "downloading", "seeding", "stopped", "error"])
def test_no_line_is_wider_than_the_screen(columns: int, state: str) -> None:
    status = STATUS._replace(state=state, name="长" * 100, error_detail="x" * 300)
    assert all(columns_of(line) <= columns for line in screen_lines(status, columns, UNICODE))


def test_a_wide_screen_has_room_for_the_map_of_pieces() -> None:
    assert len(screen_lines(STATUS, 80, ASCII)) == 1
    assert len(screen_lines(STATUS, 120, ASCII)) == 2


def test_the_figures_of_a_download() -> None:
    line = plain_line(STATUS)
    for part in ("25.0% of 1000.0 MiB", "10.0 MiB/s down", "3 peers", "ETA 1m 15s"):
        assert part in line


def test_names_cannot_steer_the_terminal() -> None:
    status = STATUS._replace(name="evil\x1b[2J\n", state="error", error_detail="bad\x07")
    for line in (plain_line(status), *screen_lines(status, 200, UNICODE)):
        assert line.isprintable()


@pytest.mark.parametrize(
    ("encoding", "chars"),
    [("utf-8", UNICODE), ("ascii", ASCII), ("latin-1", ASCII), (None, ASCII), ("nonsense", ASCII)],
)
def test_the_terminals_encoding_decides_what_bars_are_made_of(encoding: str | None, chars: object) -> None:
    assert charset_for(encoding) is chars
