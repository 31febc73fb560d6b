"""Names of strangers as file names: safe, whole, apart from each other."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.model.errors import MetainfoError
from blobtorrent.model.paths import (
    MAX_DEPTH,
    MAX_LINK_HOPS,
    LinkResolver,
    PathMaker,
    folders_of,
    keep_apart,
    safe_part,
    safe_text,
    shorten_part,
)

PARTS = st.sampled_from([b"", b".", b"..", b"/", b"a", b"b", b"a/b", b"../..", b"\x00", b"\xff", b"c\\d"])


@given(st.binary(max_size=400) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_part_is_always_one_safe_name(raw: bytes) -> None:
    part = safe_part(raw)
    assert part not in ("", ".", "..")
    assert 0 < len(part.encode("utf-8")) <= 255
    assert not set(part) & {"/", "\\", "\x00", "\n", "\x1b", "\x7f", "\x9b", "\u202e"}
    assert safe_part(part.encode()) == part


@given(st.lists(PARTS, min_size=1, max_size=6))
def test_a_path_stays_below_its_root(raw: list[bytes]) -> None:
    path = PathMaker(("t",)).make(raw)
    root = Path("/download")
    assert Path(os.path.normpath(root.joinpath(*path))).parts[:3] == ("/", "download", "t")
    assert len(path) == len(raw) + 1


def test_good_names_stay_as_they_are() -> None:
    for name in ("a", "...", ".hidden", "a b.tar.gz", "ünï", "日本語", "-rf", "a" * 255, "con"):
        assert safe_part(name.encode()) == name


def test_what_is_left_of_nothing_is_the_substitute() -> None:
    assert [safe_part(raw, instead="x") for raw in (b"", b".", b"..", b"/", b"./", b"\x00..")] == ["x"] * 6


def test_a_long_name_keeps_its_extension_and_whole_characters() -> None:
    assert shorten_part("n" * 300 + ".mkv") == "n" * 251 + ".mkv"
    assert shorten_part("n" * 300 + "." + "e" * 50) == "n" * 255
    assert shorten_part("ü" * 200 + ".mkv").endswith("ü.mkv")


def test_text_for_display_keeps_its_lines_and_loses_its_controls() -> None:
    assert safe_text(b"a\n\tb\x1b[0m\x7f\xff") == "a\n\tb\ufffd[0m\ufffd\ufffd"


def test_paths_too_deep_or_too_long_are_refused() -> None:
    maker = PathMaker(())
    assert len(maker.make([b"a"] * MAX_DEPTH)) == MAX_DEPTH
    for raw in ([b"a"] * (MAX_DEPTH + 1), [b"a" * 255] * 17):
        with pytest.raises(MetainfoError):
            maker.make(raw)


def test_equal_paths_are_numbered_before_the_extension() -> None:
    assert keep_apart([("a.x",), ("a.x",), ("a (2).x",), ("a.x",)]) == [
        ("a.x",), ("a (2).x",), ("a (2) (2).x",), ("a (3).x",)]


def test_a_file_gives_way_to_a_folder_of_its_name_even_when_it_comes_first() -> None:
    assert keep_apart([("a",), ("a", "b")]) == [("a (2)",), ("a", "b")]


def test_a_numbered_name_still_fits() -> None:
    long = "n" * 255
    assert keep_apart([(long,), (long,)]) == [(long,), ("n" * 245 + " (2)",)]


@given(st.lists(st.lists(st.sampled_from(["a", "b", "a (2)"]), min_size=1, max_size=3).map(tuple), max_size=12))
def test_no_two_files_and_no_file_and_folder_share_a_path(paths: list[tuple[str, ...]]) -> None:
    apart = keep_apart(paths)
    assert len(set(apart)) == len(paths)
    assert not folders_of(apart) & set(apart)
    assert [path[:-1] for path in apart] == [path[:-1] for path in paths]


@pytest.mark.parametrize("names", [
    ["a"] * 20_000,
    [*(f"a ({number})" for number in range(2, 10_000)), *["a"] * 10_000],
    [name for number in range(10_000) for name in ["n" * 250 + f"{number:05}"] * 2],
], ids=["equal", "numbers taken", "equal when cut"])
def test_names_made_to_collide_cost_no_more_than_others(names: list[str]) -> None:
    started = time.process_time()
    apart = keep_apart([(name,) for name in names])
    assert len(set(apart)) == len(names)
    assert time.process_time() - started < 1.0


def test_folders_are_counted() -> None:
    deep = tuple("d" * 90)
    with pytest.raises(MetainfoError) as caught:
        keep_apart([(str(number), *deep) for number in range(3000)])
    assert caught.value.code == "metainfo.too-many-folders"


def test_links_are_followed_over_links_but_not_for_ever() -> None:
    chain = {("t", f"l{number}"): ("t", f"l{number + 1}") for number in range(20)}
    chain[("t", "l20")] = ("t", "f")
    resolver = LinkResolver(("t",), [("t", "f")], chain)
    assert resolver.target_of(("t", "l20")) == ("t", "f")
    assert resolver.target_of(("t", f"l{21 - MAX_LINK_HOPS}")) is not None
    assert resolver.target_of(("t", "l0")) is None


def test_the_work_for_links_is_bounded() -> None:
    deep = tuple("d" * 90)
    links = {("t", str(number)): ("t", *deep, str(number)) for number in range(3000)}
    resolver = LinkResolver(("t",), [("t", "f")], links)
    assert all(resolver.target_of(link) is None for link in links)
