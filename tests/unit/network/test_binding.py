"""Which sockets may be opened with an interface in the settings. No test asks the system for more than loopback."""

from __future__ import annotations

import socket

import pytest

from blobtorrent.config.values import InterfaceSpec
from blobtorrent.model.errors import NetworkError
from blobtorrent.network.binding import ABSENT, Binding

NOBODYS_ADDRESS = "192.0.2.77"         # for documentation: no machine has it


def at(*addresses):
    return Binding(InterfaceSpec(addresses=addresses))


def test_without_an_interface_sockets_are_free():
    binding = Binding()
    assert (binding.is_confined, binding.is_there, binding.sources) == (False, True, ())
    with binding.open_at("0.0.0.0", 0, socket.SOCK_DGRAM) as sock:
        assert sock.getsockname()[0] == "0.0.0.0"
        assert not sock.getblocking()


def test_every_address_means_those_of_the_interface():
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with at("127.0.0.2").open_at("0.0.0.0", 0, kind) as sock:
            assert sock.getsockname()[0] == "127.0.0.2"


def test_another_address_than_the_interfaces_is_refused():
    with pytest.raises(NetworkError) as caught:
        at("127.0.0.2").open_at("127.0.0.3", 0, socket.SOCK_STREAM)
    assert caught.value.code == "net.off-interface"


def test_a_family_that_the_interface_lacks_has_no_sockets():
    binding = at("127.0.0.2")
    with pytest.raises(NetworkError) as caught:
        binding.open_at("::", 0, socket.SOCK_DGRAM)
    assert caught.value.code == "net.interface-gone"
    with pytest.raises(NetworkError) as caught:
        binding.stream_to("2001:db8::1")
    assert caught.value.code == "net.interface-gone"


def test_connections_begin_at_the_interfaces_address():
    with at("127.0.0.2").stream_to("198.51.100.1") as sock:
        assert sock.getsockname()[0] == "127.0.0.2"


def test_connections_to_this_machine_are_free():
    with at("127.0.0.2").stream_to("127.0.0.1") as sock:
        assert sock.getsockname() == ("0.0.0.0", 0)


def test_an_address_that_is_gone_gives_no_sockets():
    binding = at(NOBODYS_ADDRESS)
    assert not binding.is_there
    with pytest.raises(NetworkError) as caught:
        binding.stream_to("198.51.100.1")
    assert caught.value.code == "net.interface-gone"


def test_an_interface_that_nobody_has_gives_no_sockets():
    binding = Binding(InterfaceSpec("nosuch0"))
    assert not binding.is_there
    for open_socket in (lambda: binding.stream_to("198.51.100.1"),
                        lambda: binding.open_at("0.0.0.0", 0, socket.SOCK_DGRAM)):
        with pytest.raises(NetworkError) as caught:
            open_socket()
        assert caught.value.code == "net.interface-gone"


def test_a_look_tells_whether_something_changed():
    presences = [(7, ("10.8.0.2",)), (7, ("10.8.0.2",)), ABSENT, (9, ("10.8.0.2",)), (11, ("10.8.0.2",))]
    binding = Binding(InterfaceSpec("tun0"), presence_of=lambda _name: presences.pop(0))
    assert binding.sources == ("10.8.0.2",)
    looks = [(binding.look(), binding.is_there) for _ in range(4)]
    assert looks == [(False, True), (True, False), (True, True), (True, True)]


def test_a_stranger_may_not_send_us_home_unless_the_settings_say_so():
    assert not Binding().admits("192.168.0.1", by="8.8.8.8")
    assert Binding(allow_loopback=True).admits("192.168.0.1", by="8.8.8.8")
