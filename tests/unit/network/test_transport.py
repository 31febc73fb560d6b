"""What the errors of sockets mean, and how listeners and dials are opened."""

from __future__ import annotations

import errno
import socket

import pytest

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError
from blobtorrent.network import transport
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.network.messages import TunePeers


@pytest.mark.parametrize(("number", "code"), [
    (errno.ECONNREFUSED, "net.refused"),
    (errno.EHOSTUNREACH, "net.unreachable"),
    (errno.ETIMEDOUT, "net.timed-out"),
    (errno.ECONNRESET, "net.reset"),
    (errno.EPIPE, "net.reset"),
])
def test_socket_errors_have_stable_codes(number, code):
    assert transport.error_code(OSError(number, "x")) == code


def test_running_out_of_descriptors_is_not_the_peers_fault():
    assert transport.is_shortage(OSError(errno.EMFILE, "x"))
    assert not transport.is_shortage(OSError(errno.ECONNREFUSED, "x"))


def test_the_first_free_port_of_a_range_is_taken():
    with transport.open_listener("127.0.0.1", range(1), ANYWHERE) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NetworkError) as caught:
            transport.open_listener("127.0.0.1", range(port, port + 1), ANYWHERE)
        assert caught.value.code == "net.cannot-listen"
        # Port 0 after the taken one stands for "the next free".
        with transport.open_listener("127.0.0.1", range(port, -1, -port), ANYWHERE) as other:
            assert other.getsockname()[1] != port


def test_a_name_is_no_address_to_listen_on():
    with pytest.raises(NetworkError) as caught:
        transport.open_listener("localhost", range(1), ANYWHERE)
    assert caught.value.code == "net.bad-address"


def test_an_empty_range_of_ports_is_said_to_be_one():
    with pytest.raises(NetworkError, match="no port was given"):
        transport.open_listener("127.0.0.1", range(0), ANYWHERE)


def test_a_dialed_socket_does_not_block_and_sends_at_once():
    with (
        transport.open_listener("127.0.0.1", range(1), ANYWHERE) as listener,
        transport.begin_dial(transport.endpoint_of(listener.getsockname()), ANYWHERE) as sock,
    ):
        assert not sock.getblocking()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_endpoints_of_socket_addresses_are_in_canonical_form():
    assert transport.endpoint_of(("0:0::1", 7, 0, 0)) == Endpoint("::1", 7)
    assert transport.endpoint_of(("127.0.0.1", 7)) == Endpoint("127.0.0.1", 7)


@pytest.mark.parametrize(("host", "level", "option"), [
    ("127.0.0.1", socket.IPPROTO_IP, socket.IP_TOS), ("::1", socket.IPPROTO_IPV6, socket.IPV6_TCLASS)])
def test_sockets_of_peers_are_as_somebody_wants_them(host, level, option):
    with transport.open_listener(host, range(1), ANYWHERE) as listener:
        endpoint = Endpoint(host, listener.getsockname()[1])
        with transport.begin_dial(endpoint, ANYWHERE) as usual, \
                transport.begin_dial(endpoint, ANYWHERE, TunePeers(16384, 32768, 8)) as tuned:
            assert tuned.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * 16384      # Linux counts its own books
            assert tuned.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * 32768
            assert (usual.getsockopt(level, option), tuned.getsockopt(level, option)) == (0, 8)
