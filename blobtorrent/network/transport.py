"""TCP sockets: how they are opened and tuned, and what their errors mean to us.

Buffers keep their default size unless somebody wants another: the kernel's own tuning was measured to be as good as any
fixed value. A host is always an address in text form, so nothing here waits for a name server.
"""

from __future__ import annotations

import errno
import ipaddress
import socket

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import NetworkError
from blobtorrent.network.binding import Binding
from blobtorrent.network.messages import TunePeers

AS_USUAL = TunePeers()
BACKLOG = 4096                         # connections the kernel keeps for us meanwhile; others come again in seconds

_CODES = {
    errno.ECONNREFUSED: "net.refused",
    errno.ETIMEDOUT: "net.timed-out",
    errno.ENETUNREACH: "net.unreachable",
    errno.EHOSTUNREACH: "net.unreachable",
    errno.ENETDOWN: "net.unreachable",
    errno.EADDRNOTAVAIL: "net.unreachable",
    errno.EAFNOSUPPORT: "net.unreachable",
    errno.EACCES: "net.unreachable",   # a firewall rule, or a broadcast address
    errno.EPERM: "net.unreachable",
    errno.EINVAL: "net.unreachable",   # a link-local address without its interface
}
_SHORTAGES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
UNDER_WAY = frozenset((0, errno.EINPROGRESS))


def tune(sock: socket.socket) -> None:
    """Make a stream socket fit for a loop: non-blocking, and requests leave at once."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def tune_peer(sock: socket.socket, tuning: TunePeers) -> None:
    """The same for a peer's. The kernel has limits of its own for buffers: it takes what is nearest."""
    tune(sock)
    if tuning.send_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, tuning.send_bytes)
    if tuning.receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, tuning.receive_bytes)
    if tuning.type_of_service and sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tuning.type_of_service)
    elif tuning.type_of_service:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tuning.type_of_service)


def error_code(error: OSError) -> str:
    """The stable code of a failed connection; "net.reset" for whatever has no name of its own."""
    return _CODES.get(error.errno or 0, "net.reset")


def is_shortage(error: OSError) -> bool:
    """Whether this machine ran out of descriptors or memory: nobody's fault on the path, worth another try soon."""
    return error.errno in _SHORTAGES


def begin_dial(endpoint: Endpoint, binding: Binding, tuning: TunePeers = AS_USUAL) -> socket.socket:
    """A tuned socket that is connecting; it becomes writable when that has ended, well or not.

    Raises OSError, or NetworkError ("net.interface-gone", "net.cannot-confine", "net.proxy-only").
    """
    sock = binding.stream_to(endpoint.host, endpoint.port)
    try:
        tune_peer(sock, tuning)        # a receive buffer counts from the first packet on
        status = sock.connect_ex((endpoint.host, endpoint.port))
        if status not in UNDER_WAY:
            raise OSError(status, errno.errorcode.get(status, "connect failed"))
    except OSError:
        sock.close()
        raise
    return sock


def open_listener(host: str, ports: range, binding: Binding, *, is_deaf: bool = False) -> socket.socket:
    """A non-blocking listener on the first free port; port 0 is any. An IPv6 one leaves IPv4 alone. One that `is_deaf`
    keeps its port, and the system turns away who knocks.

    Raises NetworkError: "net.bad-address" when `host` is no address, "net.cannot-listen" when no port could be had,
    "net.interface-gone", "net.cannot-confine", "net.off-interface", "net.proxy-only".
    """
    reason = "no port was given"
    for port in ports:
        try:
            return _keep(host, port, binding, len(ports) == 1) if is_deaf else _listen(host, port, binding)
        except ValueError:
            raise NetworkError("net.bad-address", f"{host!r} is not an IP address") from None
        except OSError as error:
            reason = f"port {port}: {error.strerror}"
    raise NetworkError("net.cannot-listen", f"cannot listen on {host}, {reason}")


def _listen(host: str, port: int, binding: Binding) -> socket.socket:
    sock = binding.open_at(host, port, socket.SOCK_STREAM)
    try:
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _keep(host: str, port: int, binding: Binding, is_only_choice: bool) -> socket.socket:
    """A socket that has the port and does not listen: nobody else shall choose it meanwhile."""
    try:
        return binding.open_at(host, port, socket.SOCK_STREAM, is_shared=False)
    except OSError:                    # perhaps what is left of our own connections has it
        if not is_only_choice:
            raise
        return binding.open_at(host, port, socket.SOCK_STREAM)


def endpoint_of(address: tuple[str, int] | tuple[str, int, int, int]) -> Endpoint:
    """The Endpoint of a socket address; an IPv6 one keeps its zone, if any, in the text."""
    return Endpoint(str(ipaddress.ip_address(address[0])), address[1])
