"""One announce to an HTTP tracker, as a blocking call (BEP 3, 7, 23)."""

from __future__ import annotations

import socket

from blobtorrent.discovery.httpcall import Deadline
from blobtorrent.discovery.httpget import http_get
from blobtorrent.discovery.messages import Announce, AnnounceDone
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import TimedOut, TrackerError
from blobtorrent.network.transport import endpoint_of
from blobtorrent.protocol.tracker.announce import is_dialable
from blobtorrent.protocol.tracker.http import MAX_REPLY_BYTES, announce_url, read_reply
from blobtorrent.runtime.clock import Clock

MAX_NAMES = 20                         # peers given by name that are looked up
# A torrent's author can name any tracker: on this machine only what looks like one is asked.
LOOPBACK_PATH = "/announce"


def announce(order: Announce, clock: Clock) -> AnnounceDone:
    """Ask the tracker. Raises TrackerError when it refused or sent nonsense, NetworkError when it did not answer."""
    deadline = Deadline(clock, order.timeout_s)
    url = announce_url(order.url, order.query)
    response = http_get(url, deadline, max_bytes=MAX_REPLY_BYTES, loopback_path=LOOPBACK_PATH)
    try:
        reply = read_reply(response.body)
    except TrackerError as error:
        # A reason may come with any status, and is worth more than the status.
        if response.status == 200 or error.code == "tracker.refused":
            raise
        raise TrackerError("tracker.http-status", f"HTTP status {response.status}") from None
    named = _look_up(reply.hostnames[:MAX_NAMES], deadline)
    endpoints = tuple(dict.fromkeys((*reply.endpoints, *named)))
    return AnnounceDone(order.info_hash, order.url, order.query, endpoints=endpoints, reply=reply)


def _look_up(hostnames: tuple[tuple[str, int], ...], deadline: Deadline) -> list[Endpoint]:
    """Addresses of peers that the tracker named; those of which none is known are left out."""
    endpoints: list[Endpoint] = []
    for name, port in hostnames:
        try:
            deadline.left_s()
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except TimedOut:
            break
        except (OSError, UnicodeError):
            continue
        endpoints += [endpoint_of((str(address[0]), port)) for *_, address in found]
    return [endpoint for endpoint in endpoints if is_dialable(endpoint)]
