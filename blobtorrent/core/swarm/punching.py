"""Punching: peers that nobody can dial meet by uTP, with the help of one that both are connected to (BEP 55).

Whoever asks has us make somebody dial an address, so little is believed: only peers of this swarm that take part are
introduced to each other, nobody is sent where the teller has no business, and all of it happens seldom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.reach import is_host, may_name
from blobtorrent.protocol.wire.extended import UT_HOLEPUNCH
from blobtorrent.protocol.wire.holepunch import Punch, PunchError, PunchKind

if TYPE_CHECKING:
    from blobtorrent.core.swarm.link import PeerLink
    from blobtorrent.core.swarm.outlets import Outlets
    from blobtorrent.core.swarm.swarm import Swarm
    from blobtorrent.model.address import Endpoint

RELAY_INTERVAL_S, RELAY_BURST = 5.0, 5                     # of one peer that wants to meet others
CONNECT_INTERVAL_S, CONNECT_BURST = 10.0, 5                # of one relay that sends us somewhere
ALL_INTERVAL_S, ALL_BURST = 0.5, 20                        # of all of them together, each kind
ASK_AGAIN_S = 600.0                    # for the same peer
MAX_KNOWN = 500                        # addresses with somebody who could introduce us
_OUT_OF_REACH = frozenset(("net.timed-out", "net.refused", "net.unreachable", "net.reset", "net.only-utp"))


def offer_punching(swarm: Swarm, outlets: Outlets) -> None:
    """Take part in it or not, as the settings and the torrent have it."""
    if swarm.settings.punches_holes and not swarm.order.metainfo.is_private:
        if swarm.punching is None:
            swarm.punching = Punching(swarm, outlets)
            swarm.talk.offer(UT_HOLEPUNCH, swarm.punching.on_message)
    elif swarm.punching is not None:
        swarm.talk.withdraw(UT_HOLEPUNCH)
        swarm.punching = None


class Punching:
    """Of one swarm."""

    def __init__(self, swarm: Swarm, outlets: Outlets) -> None:
        self._swarm = swarm
        self._outlets = outlets
        self._introducers: dict[Endpoint, PeerLink] = {}   # who told of a peer that takes part, the latest at the end
        self._asked_at: dict[Endpoint, float] = {}
        self._relayed: dict[PeerLink, Pace] = {}
        self._sent: dict[PeerLink, Pace] = {}
        self._all = {kind: Pace(ALL_INTERVAL_S, ALL_BURST) for kind in PunchKind}

    # ---- meeting others

    def note(self, endpoint: Endpoint, link: PeerLink) -> None:
        """A peer tells of another one, that it takes part."""
        if link.extended.ids.get(UT_HOLEPUNCH):
            self._introducers.pop(endpoint, None)
            self._introducers[endpoint] = link
            _trim(self._introducers)

    def on_dial_failed(self, endpoint: Endpoint, error: BlobTorrentError | None) -> None:
        """A peer cannot be dialled: perhaps somebody makes it dial us."""
        link, now = self._introducers.get(endpoint), self._swarm.now
        if link is None or error is None or error.code not in _OUT_OF_REACH:
            return
        if link not in self._swarm.links or now - self._asked_at.get(endpoint, -ASK_AGAIN_S) < ASK_AGAIN_S:
            return
        self._asked_at.pop(endpoint, None)
        self._asked_at[endpoint] = now
        _trim(self._asked_at)
        self._say(link, Punch(PunchKind.RENDEZVOUS, endpoint))

    # ---- what peers say

    def on_message(self, link: PeerLink, payload: bytes) -> None:
        """Raises PeerError ("wire.bad-holepunch")."""
        punch = Punch.decode(payload)
        if not link.extended.ids.get(UT_HOLEPUNCH):
            return                     # it takes no part itself
        if punch.kind is PunchKind.RENDEZVOUS:
            self._relay(link, punch.endpoint)
        elif punch.kind is PunchKind.CONNECT:
            self._connect(link, punch.endpoint)
        elif self._introducers.get(punch.endpoint) is link:
            del self._introducers[punch.endpoint]

    def _relay(self, link: PeerLink, wanted: Endpoint) -> None:
        """Introduce a peer to another one of ours."""
        now = self._swarm.now
        pace = self._pace_of(self._relayed, link, RELAY_INTERVAL_S, RELAY_BURST)
        if not (pace.allows(now) and self._all[PunchKind.RENDEZVOUS].allows(now)):
            return
        error, other = self._find(link, wanted)
        if other is not None:
            ends = _meets_at(link), _meets_at(other)
            if ends[0] is not None and ends[1] is not None:
                self._say(link, Punch(PunchKind.CONNECT, ends[1]))
                self._say(other, Punch(PunchKind.CONNECT, ends[0]))
                return
            error = PunchError.NO_SUPPORT
        self._say(link, Punch(PunchKind.ERROR, wanted, error))

    def _find(self, link: PeerLink, wanted: Endpoint) -> tuple[PunchError, PeerLink | None]:
        if not wanted.port or not is_host(wanted.host):
            return PunchError.NO_SUCH_PEER, None
        others = [one for one in self._swarm.links if wanted in (one.endpoint, one.listening_at)]
        if not others:
            return PunchError.NOT_CONNECTED, None
        other = others[0]
        if other is link:
            return PunchError.NO_SELF, None
        if not other.extended.ids.get(UT_HOLEPUNCH):
            return PunchError.NO_SUPPORT, None
        is_fit = self._may_name(link.endpoint.host, other.endpoint.host) and self._may_name(
            other.endpoint.host, link.endpoint.host)
        return (PunchError.NONE, other) if is_fit else (PunchError.NOT_CONNECTED, None)

    def _connect(self, link: PeerLink, endpoint: Endpoint) -> None:
        """A relay has a peer dial us: do the same there, now."""
        now, swarm = self._swarm.now, self._swarm
        pace = self._pace_of(self._sent, link, CONNECT_INTERVAL_S, CONNECT_BURST)
        if not (pace.allows(now) and self._all[PunchKind.CONNECT].allows(now)):
            return
        if not endpoint.port or not is_host(endpoint.host) or not self._may_name(link.endpoint.host, endpoint.host):
            return
        if swarm.is_open and swarm.peers.punch(endpoint, PeerSource.PEX, now):
            self._outlets.dial(swarm, endpoint)

    def left(self, link: PeerLink) -> None:
        """A link ended."""
        self._relayed.pop(link, None)
        self._sent.pop(link, None)
        for endpoint in [endpoint for endpoint, by in self._introducers.items() if by is link]:
            del self._introducers[endpoint]

    def _may_name(self, by: str, host: str) -> bool:
        return may_name(by, host, allow_loopback=self._swarm.settings.allow_loopback)

    @staticmethod
    def _pace_of(paces: dict[PeerLink, Pace], link: PeerLink, interval_s: float, burst: int) -> Pace:
        if link not in paces:
            paces[link] = Pace(interval_s, burst)
        return paces[link]

    def _say(self, link: PeerLink, punch: Punch) -> None:
        message = link.extended.message(UT_HOLEPUNCH, punch.encode())
        if message is not None:
            link.send(message)


class Pace:
    """Lets something happen every `interval_s` on average, and `burst` times at once."""

    __slots__ = ("_burst_s", "_interval_s", "_until")

    def __init__(self, interval_s: float, burst: int) -> None:
        self._interval_s = interval_s
        self._burst_s = interval_s * burst
        self._until = 0.0              # when it would have happened as often as it may

    def allows(self, now: float) -> bool:
        """Whether it may happen now; then it counts."""
        until = max(self._until, now) + self._interval_s
        if until > now + self._burst_s:
            return False
        self._until = until
        return True


def _meets_at(link: PeerLink) -> Endpoint | None:
    """Where datagrams reach a peer: where its own come from, through whatever translates its address."""
    return link.endpoint if link.transport == "utp" else link.listening_at


def _trim(known: dict[Endpoint, PeerLink] | dict[Endpoint, float]) -> None:
    while len(known) > MAX_KNOWN:
        del known[next(iter(known))]
