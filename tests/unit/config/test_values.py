from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.config import values
from blobtorrent.config.values import ListenSpec

read_size = values.size(1024, 1 << 30)
read_number = values.whole_number(1, 10)
read_word = values.one_of("sparse", "full")


@pytest.mark.parametrize(("given", "size"), [(2048, 2048), ("64 KiB", 65536), ("1MB", 1_000_000)])
def test_a_size_is_a_number_or_text_with_a_unit(given, size):
    assert read_size(given) == size


@pytest.mark.parametrize("given", [True, 1.5, [], "64 apples", "", None])
def test_what_is_no_size_is_refused(given):
    with pytest.raises(ValueError, match="size|bytes"):
        read_size(given)


@pytest.mark.parametrize("given", [1023, -1, (1 << 30) + 1, "2 GiB"])
def test_a_size_stays_within_its_limits(given):
    with pytest.raises(ValueError, match=r"between 1\.0 KiB and 1\.0 GiB"):
        read_size(given)


def test_whole_numbers_stay_within_their_limits():
    assert [read_number(1), read_number(10)] == [1, 10]
    for given in (0, 11):
        with pytest.raises(ValueError, match="between 1 and 10"):
            read_number(given)


@pytest.mark.parametrize("given", [True, 1.0, "1"])
def test_only_whole_numbers_are_whole_numbers(given):
    with pytest.raises(ValueError, match="whole number"):
        read_number(given)


@pytest.mark.parametrize("given", ["Full", "", 1, ["full"]])
def test_a_choice_is_one_of_its_words(given):
    assert read_word("full") == "full"
    with pytest.raises(ValueError, match="one of sparse, full"):
        read_word(given)


def test_a_folder_may_be_below_the_home(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert values.folder("~/x") == Path("/somewhere/x")
    assert values.folder("y") == Path("y")


@pytest.mark.parametrize("given", ["", "a\0b", 3, "~nobody-of-that-name/x"])
def test_what_is_no_folder_is_refused(given):
    with pytest.raises(ValueError):
        values.folder(given)


@pytest.mark.parametrize(
    ("text", "host", "ports"),
    [
        ("0.0.0.0:6881", "0.0.0.0", range(6881, 6882)),
        ("[::]:0", "::", range(1)),
        ("box.example:6881-6889", "box.example", range(6881, 6890)),
    ],
)
def test_a_listener_is_a_host_and_ports(text, host, ports):
    assert values.listeners([text]) == (ListenSpec(host, ports),)
    assert str(ListenSpec(host, ports)) == text


@pytest.mark.parametrize(
    "text", ["", "1.2.3.4", "1.2.3.4:", ":80", "::1:80", "h:65536", "h:5-3", "h:0-9", "h:-1", "h:1-2-3", "h:1e3", "h:²"]
)
def test_what_is_no_listener_is_refused(text):
    with pytest.raises(ValueError):
        values.listener(text)


@pytest.mark.parametrize("given", ["1.2.3.4:5", [1], {}])
def test_listeners_are_a_list_of_text(given):
    with pytest.raises(ValueError, match="list"):
        values.listeners(given)
