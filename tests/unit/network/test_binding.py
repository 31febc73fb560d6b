"""Which sockets may be opened with an interface in the settings. No test asks the system for more than loopback."""

from __future__ import annotations

import errno
import socket

import pytest

from blobtorrent.config.schema import NetworkSettings
from blobtorrent.config.values import InterfaceSpec, ProxySpec
from blobtorrent.model.errors import ConfigError, NetworkError
from blobtorrent.network import binding as binding_module
from blobtorrent.network.binding import Binding
from blobtorrent.network.policy import binding_of
from blobtorrent.network.proxy import Proxy
from tests.support.interfaces import found_of, ours

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
        binding.stream_to("2001:db8::1", 9)
    assert caught.value.code == "net.interface-gone"


def test_connections_begin_at_the_interfaces_address():
    with at("127.0.0.2").stream_to("198.51.100.1", 9) as sock:
        assert sock.getsockname()[0] == "127.0.0.2"


def test_connections_to_this_machine_are_free():
    with at("127.0.0.2").stream_to("127.0.0.1", 9) as sock:
        assert sock.getsockname() == ("0.0.0.0", 0)


def test_an_address_that_is_gone_gives_no_sockets():
    binding = at(NOBODYS_ADDRESS)
    assert not binding.is_there
    with pytest.raises(NetworkError) as caught:
        binding.stream_to("198.51.100.1", 9)
    assert caught.value.code == "net.interface-gone"


def test_an_interface_that_nobody_has_gives_no_sockets():
    binding = Binding(InterfaceSpec("nosuch0"))
    assert not binding.is_there
    for open_socket in (lambda: binding.stream_to("198.51.100.1", 9),
                        lambda: binding.open_at("0.0.0.0", 0, socket.SOCK_DGRAM)):
        with pytest.raises(NetworkError) as caught:
            open_socket()
        assert caught.value.code == "net.interface-gone"


TUN = (7, "tun0", True)


def look(binding, *own, links=(TUN,)):
    return binding.look(found_of(links, own))


def named(*own, links=(TUN,)):
    return Binding(InterfaceSpec("tun0"), survey=lambda: found_of(links, own))


def test_an_interface_that_goes_and_comes_back_has_sockets_opened_anew():
    binding = named(ours(7, "10.8.0.2"))
    assert binding.sources == ("10.8.0.2",)
    assert look(binding, ours(7, "10.8.0.2")) == (frozenset(), False)
    assert look(binding, links=()) == ({"10.8.0.2"}, True)
    assert not binding.is_there
    assert look(binding, ours(9, "10.8.0.2"), links=((9, "tun0", True),)) == (frozenset(), True)
    assert look(binding, ours(11, "10.8.0.2"), links=((11, "tun0", True),)) == ({"10.8.0.2"}, True)


def test_one_address_more_or_less_of_a_named_interface_ends_only_what_it_carried():
    binding = named(ours(7, "10.8.0.2"))
    assert look(binding, ours(7, "fd00::99"), ours(7, "10.8.0.2")) == (frozenset(), False)
    assert look(binding, ours(7, "10.8.0.2")) == ({"fd00::99"}, False)


def test_an_interface_that_is_down_is_gone():
    assert not named(ours(7, "10.8.0.2"), links=((7, "tun0", False),)).is_there


def test_addresses_belong_to_the_links_that_have_them():
    binding = Binding(InterfaceSpec(addresses=("10.8.0.2", "fd00::2")),
                      survey=lambda: found_of((TUN,), (ours(7, "10.8.0.2"), ours(7, "10.8.0.3"))))
    assert binding.sources == ("10.8.0.2",)
    assert look(binding, ours(7, "10.8.0.2"), ours(7, "10.8.0.9")) == (frozenset(), False)
    assert look(binding, ours(7, "10.8.0.2"), ours(7, "fd00::2")) == (frozenset(), True)
    assert look(binding, ours(8, "10.8.0.2"), ours(7, "fd00::2"), links=(TUN, (8, "tun1", True))) == (
        {"10.8.0.2"}, True)


def test_while_the_system_tells_nothing_the_interface_counts_as_gone():
    def survey():
        raise NetworkError("net.no-netlink", "no")

    assert not Binding(InterfaceSpec("lo"), survey=survey).is_there


class Sockets:
    """Stands for the module `socket` and keeps what sockets are tied to."""

    def __init__(self, refusal=None):
        self.tied = []
        sockets = self

        class Spy(socket.socket):
            def setsockopt(self, level, option, value):
                if (level, option) == (socket.SOL_SOCKET, 25):
                    if refusal is not None:
                        raise OSError(refusal, "refused")
                    sockets.tied.append(value)
                    return
                super().setsockopt(level, option, value)

        self.socket = Spy

    def __getattr__(self, name):
        return getattr(socket, name)


@pytest.fixture
def sockets(monkeypatch):
    found = Sockets()
    monkeypatch.setattr(binding_module, "socket", found)
    return found


def loopbacks():
    return found_of(((1, "lo", True), TUN), (ours(1, "127.0.0.1"), ours(7, "127.0.0.2")))


@pytest.mark.parametrize("interface", [InterfaceSpec("tun0"), InterfaceSpec(addresses=("127.0.0.2",))])
def test_every_socket_is_tied_to_the_interface_also_when_that_is_known_by_its_address(interface, sockets):
    binding = Binding(interface, survey=loopbacks)
    for open_socket in (lambda: binding.stream_to("198.51.100.1", 9),
                        lambda: binding.open_at("0.0.0.0", 0, socket.SOCK_DGRAM),
                        lambda: binding.open_at("127.0.0.2", 0, socket.SOCK_STREAM)):
        open_socket().close()
        assert sockets.tied.pop() == b"tun0\0"
    binding.stream_to("127.0.0.1", 9).close()
    assert sockets.tied == []


@pytest.mark.parametrize("interface", [InterfaceSpec("tun0"), InterfaceSpec(addresses=("127.0.0.2",))])
def test_where_the_kernel_does_not_let_us_tie_sockets_there_are_none(interface, monkeypatch):
    monkeypatch.setattr(binding_module, "socket", Sockets(errno.EPERM))
    binding = Binding(interface, survey=loopbacks)
    for open_socket in (lambda: binding.stream_to("198.51.100.1", 9),
                        lambda: binding.open_at("0.0.0.0", 0, socket.SOCK_DGRAM)):
        with pytest.raises(NetworkError) as caught:
            open_socket()
        assert caught.value.code == "net.cannot-confine"
    with pytest.raises(ConfigError) as refused:
        binding_of(NetworkSettings(interface=interface))
    assert refused.value.code == "config.cannot-confine"


def test_a_machine_without_ipv6_may_still_be_given_an_address_of_it(monkeypatch):
    monkeypatch.setattr(socket, "socket", None)            # nothing is tried out with sockets
    binding = Binding(InterfaceSpec(addresses=("10.8.0.2", "fd00::2")),
                      survey=lambda: found_of((TUN,), (ours(7, "10.8.0.2"),)))
    assert binding.sources == ("10.8.0.2",)


def test_a_strict_proxy_is_one_port_of_its_host():
    binding = Binding(proxy=Proxy(ProxySpec("socks5", "127.0.0.1", 1080)))
    binding.stream_to("127.0.0.1", 1080).close()
    with pytest.raises(NetworkError) as caught:
        binding.stream_to("127.0.0.1", 8080)
    assert caught.value.code == "net.proxy-only"


def test_a_stranger_may_not_send_us_home_unless_the_settings_say_so():
    assert not Binding().admits("192.168.0.1", by="8.8.8.8")
    assert Binding(allow_loopback=True).admits("192.168.0.1", by="8.8.8.8")
