from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.config import values
from blobtorrent.config.values import HttpsSpec, InterfaceSpec, ListenSpec, ProxySpec, UnixSpec

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


@pytest.mark.parametrize("given", ["", "a\0b", "a\ud800b", 3, "~nobody-of-that-name/x"])
def test_what_is_no_folder_is_refused(given):
    with pytest.raises(ValueError):
        values.folder(given)


def test_folders_are_absolute_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert values.folders(["~/x", "/srv"]) == (Path("/somewhere/x"), Path("/srv"))


@pytest.mark.parametrize("given", ["/srv", ["srv"], [""], [1], {"/srv": 1}])
def test_what_is_no_list_of_folders_is_refused(given):
    with pytest.raises(ValueError):
        values.folders(given)


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


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (values.rate(1 << 40), "2 MiB/s", 2 << 20),
        (values.rate(1 << 40), 100, 100),
        (values.duration(0), "1h 30m", 5400.0),
        (values.duration(0), 1.5, 1.5),
        (values.number(0, 10), 2, 2.0),
        (values.boolean, False, False),
        (values.label, "films and more", "films and more"),
        (values.optional_folder, "", None),
        (values.optional_folder, "/srv", Path("/srv")),
        (values.static_peers, ["10.0.0.1:1", "[::1]:02", "Node-1.Example.:6881", "_BitTorrent._tcp.fleet.example."],
         ("10.0.0.1:1", "[::1]:2", "node-1.example:6881", "_bittorrent._tcp.fleet.example")),
        (values.host_names, ["Box.local", "seed_1"], ("box.local", "seed_1")),
        (
            values.web_listeners, ["unix:a.sock", "127.0.0.1:7070", "https:[::1]:7071"],
            (
                UnixSpec("a.sock"), ListenSpec("127.0.0.1", range(7070, 7071)),
                HttpsSpec(ListenSpec("::1", range(7071, 7072))),
            ),
        ),
        (values.optional_file, "", None),
        (values.optional_file, "/etc/key.pem", Path("/etc/key.pem")),
        (values.socket_mode, "0660", 0o660),
        (values.socket_mode, "600", 0o600),
        (values.group_name, "", ""),
        (values.group_name, "1000", "1000"),
        (values.group_name, "media-users", "media-users"),
    ],
)
def test_what_is_written_becomes_a_value(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (values.rate(1 << 40), "fast", "not a size"),
        (values.rate(1 << 40), -1, "between 0 and"),
        (values.rate(1 << 40), True, "number of bytes a second"),
        (values.rate(1 << 40), 1.5, "number of bytes a second"),
        (values.duration(10), "9s", "between 10 s and"),
        (values.duration(0), "soon", "not a duration"),
        (values.duration(0), float("nan"), "between"),
        (values.duration(0), True, "number of seconds"),
        (values.number(0, 10), 11, "between 0 and 10"),
        (values.number(0, 10), float("nan"), "between"),
        (values.number(0, 10), "1", "must be a number"),
        (values.boolean, 1, "true or false"),
        (values.label, "a\nb", "printable"),
        (values.label, "x" * 256, "at most 255"),
        (values.host_names, ["http://x"], "not a host name"),
        (values.static_peers, "a:1", "list of at most"),
        (values.static_peers, ["a:1"] * 101, "list of at most"),
        (values.static_peers, ["a"], "neither HOST:PORT nor"),
        (values.static_peers, ["a:70000"], "not between 1 and 65535"),
        (values.static_peers, ["_bittorrent._tcp"], "neither HOST:PORT nor"),
        (values.static_peers, ["_bittorrent.fleet.example"], "neither HOST:PORT nor"),
        (values.host_names, "x", "list of host names"),
        (values.web_listeners, ["unix:"], "names no socket"),
        (values.web_listeners, ["127.0.0.1"], "not HOST:PORT"),
        (values.web_listeners, [1], "must be a list"),
        (values.web_listeners, ["https:"], "not HOST:PORT"),
        (values.web_listeners, ["https:unix:a"], "not HOST:PORT|port is not"),
        (values.web_listeners, ["http:127.0.0.1:80"], "not HOST:PORT|port is not|address"),
        (values.optional_file, 5, "path of a file"),
        (values.optional_file, "a\0", "path of a file"),
        (values.socket_mode, 432, "octal digits"),
        (values.socket_mode, "0o660", "octal digits"),
        (values.socket_mode, "1660", "octal digits"),
        (values.socket_mode, "0680", "octal digits"),
        (values.group_name, 5, "group"),
        (values.group_name, "a b", "group"),
    ],
)
def test_what_makes_no_sense_is_refused_with_words(read, text, words):
    with pytest.raises(ValueError, match=words):
        read(text)


@pytest.mark.parametrize(("text", "spec"), [
    ("", InterfaceSpec()),
    ("tun0", InterfaceSpec("tun0")),
    ("wg-vpn.7@x", InterfaceSpec("wg-vpn.7@x")),
    ("10.8.0.2", InterfaceSpec(addresses=("10.8.0.2",))),
    ("10.8.0.2, FD00::2", InterfaceSpec(addresses=("10.8.0.2", "fd00::2"))),
])
def test_an_interface_is_a_name_or_its_addresses(text, spec):
    assert values.interface(text) == spec


@pytest.mark.parametrize("value", ["a/b", "x" * 16, "tun0, tun1", "10.8.0.2, 10.8.0.3", "10.8.0.2, tun0", "-x", 7, ","])
def test_what_can_be_no_interface_is_refused(value):
    with pytest.raises(ValueError, match="must|neither"):
        values.interface(value)


@pytest.mark.parametrize(("text", "spec", "written"), [
    ("socks5://10.0.0.1:1080", ProxySpec("socks5", "10.0.0.1", 1080), "socks5://10.0.0.1:1080"),
    ("http://[FD00::1]:3128/", ProxySpec("http", "fd00::1", 3128), "http://[fd00::1]:3128"),
    ("socks5://localhost:9050", ProxySpec("socks5", "127.0.0.1", 9050), "socks5://127.0.0.1:9050"),
])
def test_a_proxy_is_a_language_and_an_address(text, spec, written):
    assert values.proxy(text) == spec
    assert str(spec) == written


@pytest.mark.parametrize("value", [
    "10.0.0.1:1080", "socks4://10.0.0.1:1080", "socks5://proxy.example:1080", "socks5://me:secret@10.0.0.1:1080",
    "socks5://10.0.0.1", "socks5://10.0.0.1:0", "http://10.0.0.1:1-2", "https://10.0.0.1:1", 5,
])
def test_what_can_be_no_proxy_is_refused_and_no_password_repeated(value):
    with pytest.raises(ValueError, match="must|names|holds") as caught:
        values.proxy(value)
    assert "secret" not in str(caught.value)


def test_without_text_there_is_no_proxy():
    assert values.proxy("") is None
