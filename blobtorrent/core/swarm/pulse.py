"""Pulse: what a swarm does once a second. Rates, snubs, silent peers, choke rounds, dials, the report.

A swarm with nothing to do beats slower: a thousand of them cost less than a hundredth of a core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobtorrent.core.swarm.fasttalk import REFUSED_S
from blobtorrent.core.swarm.link import PeerLink
from blobtorrent.core.swarm.phases import Event, State
from blobtorrent.core.swarm.shedding import least_useful
from blobtorrent.model.errors import NetworkError, PeerError
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.protocol.wire import encode

if TYPE_CHECKING:
    from blobtorrent.core.swarm.outlets import Outlets
    from blobtorrent.core.swarm.swarm import Swarm
    from blobtorrent.runtime.timers import Timer

INTERVAL_S = 1.0
IDLE_INTERVAL_S = 15.0                 # at most, while there is nobody to look after
IDLE_STEP_S = 1.0                      # idle swarms beat together: to wake for each of them is most of its work
KEEP_ALIVE_S = 110.0
IDLE_LINK_S = 240.0                    # nothing received for so long: gone
STALLED_UPLOAD_S = 120.0               # a peer that takes no byte of what it asked for holds memory for nothing
STALLED_SHORT_S = 20.0                 # the same, while others wait for that memory
MAX_UNASKED = 16                       # unasked blocks of one link, then it goes
PROVEN_BYTES = 1 << 20                 # a peer that gave us so much is worth keeping for the next run
UNPROVEN_S = 60.0                      # a link so old that moves nothing may make room for a peer of another source
SILENT_S = 20.0                        # the same, while somebody waits to be dialled ...
SILENT_PART = 20                       # ... of one of so many places a round


class Pulse:
    """The clockwork of one swarm."""

    def __init__(self, swarm: Swarm, outlets: Outlets) -> None:
        self._swarm = swarm
        self._outlets = outlets
        self._last_tick = outlets.now
        self._timer: Timer | None = None

    def schedule(self) -> None:
        self._timer = self._outlets.at(self._swarm, self._next_at(), self._tick)

    def hurry(self) -> None:
        """Something came up: the next pulse may have to come earlier."""
        timer = self._timer
        if timer is not None and timer.is_pending and self._next_at() < timer.deadline_s:
            timer.cancel()
            self._last_tick = self._swarm.now          # nothing moved until now: rates begin here
            self.schedule()

    def choke_round(self, now: float) -> None:
        """Decide who may ask for data now."""
        choker, seeding = self._swarm.choker, self._swarm.is_seeding
        chosen = choker.round(self._swarm.links, now, seeding=seeding, is_full=self._swarm.uploads.is_at_limit)
        for link in self._swarm.links:
            if link in chosen:
                self._swarm.talk.unchoke(link, chosen[link])
            else:
                self._swarm.talk.choke(link, choker.why_choked(link, now, seeding=seeding))

    def _next_at(self) -> float:
        swarm = self._swarm
        if swarm.links or swarm.awaits_disk or swarm.unfinished.has_work or swarm.downloaded.rate + swarm.uploaded.rate:
            return swarm.now + INTERVAL_S
        if swarm.web_seeds is not None and swarm.web_seeds.is_watched:
            return swarm.now + INTERVAL_S
        dial_at = swarm.peers.next_dial_at(seeding=swarm.is_seeding)
        idle_until = (swarm.now + IDLE_INTERVAL_S) // IDLE_STEP_S * IDLE_STEP_S
        return idle_until if dial_at is None else max(swarm.now + INTERVAL_S, min(dial_at, idle_until))

    def _tick(self) -> None:
        if not self._swarm.is_open:
            return
        now = self._swarm.now
        elapsed_s = max(0.001, now - self._last_tick)
        self._last_tick = now
        self._swarm.refill()           # whatever it waited for: it may have come from somewhere else
        for link in list(self._swarm.links):
            self._tick_link(link, now, elapsed_s)
        self._swarm.picker.on_pulse()
        if not self._swarm.is_seeding:
            self._swarm.picker.shares.divide(self._swarm.own_id, self._swarm.links)
        self._swarm.download_slots.tick()
        if self._swarm.web_seeds is not None:
            self._swarm.web_seeds.tick(now, elapsed_s)
        self._swarm.downloaded.tick(elapsed_s)
        self._swarm.uploaded.tick(elapsed_s)
        self._swarm.wasted.tick(elapsed_s)
        self._swarm.unfinished.keep(now)
        if self._swarm.choker.is_due(now):
            self.choke_round(now)
            self._make_room(now)
            self._ask_another()
        self._watch_endgame()
        if self._swarm.super_seeding is not None:
            self._swarm.super_seeding.revise()
        if self._swarm.exchange is not None:
            self._swarm.exchange.tick(now)
        self._swarm.dial()
        self._swarm.report()
        self._swarm.wake()
        self.schedule()

    def _tick_link(self, link: PeerLink, now: float, elapsed_s: float) -> None:
        came = link.down.tick(elapsed_s)
        given = link.up.tick(elapsed_s)
        self._swarm.traffic.add(link.transport, came, given)
        if given or not link.queued_upload_bytes:
            link.last_taken_at = now
        if link.down.total - came < PROVEN_BYTES <= link.down.total:
            self._swarm.peers.introduced()
        link.window.on_tick(came // BLOCK_SIZE, elapsed_s, now)
        try:
            check_unasked(link)
        except PeerError as error:
            self._swarm.lose(link, error)
            return
        is_awaited = link.outstanding or link.arriving is not None
        if is_awaited and not came and now - link.last_block_at > link.window.patience_s(
                self._swarm.settings.snub_timeout_s):
            link.last_block_at = now
            if not link.state.peer_choking:
                link.snubbed = True
                link.window.on_snub()
            self._swarm.requests.take_back(link)           # of who chokes us: it rejects nothing, as it should (BEP 6)
            self._swarm.requests.offer_arriving(link)
        if came or link.state.peer_choking or not (is_awaited or link.snubbed):
            link.turn.gave_at = now
        if link.fast is not None and link.fast.refused and now - link.fast.refused_at > REFUSED_S:
            link.fast.refused = 0
            link.update_askable()
        if now - link.last_sent_at > KEEP_ALIVE_S:
            link.send(encode.KEEP_ALIVE)
        if now - link.last_heard_at > IDLE_LINK_S:
            self._swarm.lose(link, NetworkError("net.timed-out", "nothing heard for four minutes"))
            return
        if now - link.last_taken_at > (STALLED_SHORT_S if self._swarm.uploads.hungry else STALLED_UPLOAD_S):
            self._swarm.lose(link, NetworkError("net.peer-reads-nothing", "it asks for blocks and does not read them"))
            return
        self._swarm.fill(link)

    def _ask_another(self) -> None:
        fresh = self._swarm.download_slots.rotate()
        if fresh is not None:
            self._swarm.fill(fresh)

    def _make_room(self, now: float) -> None:
        """Those who dial us, one source of addresses, or one region of the internet, must not keep the others out: of
        those that have most places the worst goes while others wait to be tried. Who is complete has no need of others.
        """
        swarm = self._swarm
        if swarm.is_seeding or len(swarm.links) < swarm.settings.max_links:
            return
        self._shed_silent(now)
        idle = [link for link in self._crowd(now)
                if now - link.linked_at > UNPROVEN_S and not link.down.rate + link.up.rate]
        for link in least_useful(idle, 1):
            swarm.lose(link, NetworkError("net.too-many", "peers that others told of wait for the place"))

    def _shed_silent(self, now: float) -> None:
        """Those that came, give nothing and take nothing go, a few at a time, while others wait to be dialled."""
        swarm = self._swarm
        dial_at = swarm.peers.next_dial_at(seeding=False)
        if dial_at is None or dial_at > now:
            return
        silent = [link for link in swarm.links if link.is_incoming and not link.state.am_interested
                  and now - link.linked_at > SILENT_S and not link.down.rate + link.up.rate + link.queued_upload_bytes]
        for link in silent[:max(1, swarm.settings.max_links // SILENT_PART)]:
            swarm.lose(link, NetworkError("net.too-many", "others that may have pieces wait for the place"))

    def _crowd(self, now: float) -> list[PeerLink]:
        """The links of whoever has more than half of the places, while somebody else waits."""
        peers, links = self._swarm.peers, self._swarm.links
        callers = [link for link in links if link.is_incoming]
        if self._swarm.is_mostly_called:
            next_dial_at = peers.next_dial_at(seeding=False)
            return callers if next_dial_at is not None and next_dial_at <= now else []
        source = peers.crowding(now, seeding=False)
        if source is not None:
            return [link for link in links if not link.is_incoming and peers.source_of(link.endpoint) is source]
        region = peers.crowding_region(now, seeding=False)
        return [link for link in links if not link.is_incoming and peers.is_of(link.endpoint, region)] if region else []

    def _watch_endgame(self) -> None:
        state = self._swarm.machine.state
        everything_asked = not self._swarm.pieces.missing_mask and not self._swarm.pieces.partial_mask
        if state is State.NORMAL and everything_asked:
            self._swarm.machine.fire(Event.ALL_REQUESTED)
        elif state is State.ENDGAME and not everything_asked:
            self._swarm.machine.fire(Event.MORE_TO_REQUEST)


def check_unasked(link: PeerLink) -> None:
    """Raise PeerError ("wire.unasked-blocks") for a link that sends blocks that nobody asked for."""
    if link.unasked > MAX_UNASKED:
        raise PeerError("wire.unasked-blocks", f"{link.unasked} blocks that nobody asked for")
