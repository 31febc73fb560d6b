"""Session: the core thread's state, its command table and its message table.

The loop that calls `on_message` is built by whoever assembles the engine; here is no thread and no waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from blobtorrent.core.session.announces import AnnounceManager
from blobtorrent.core.session.announcetier import origins_of
from blobtorrent.core.session.commands import (
    AddTorrent,
    Ask,
    MoveTorrent,
    OpenListeners,
    RecheckTorrent,
    RenamePath,
    Reply,
    StartTorrent,
    StopSession,
)
from blobtorrent.core.session.gateway import SESSION_KEY
from blobtorrent.core.session.keeping import Keeper
from blobtorrent.core.session.lifecycle import SESSION, SessionEvent, SessionState
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.ports import PortManager
from blobtorrent.core.session.roster import Roster
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrents import TorrentManager
from blobtorrent.discovery.messages import AnnounceDone
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BlobTorrentError, BugError, Invalid, Unavailable
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import MappingStatus, NetworkStatus, SessionStatus
from blobtorrent.network.messages import BindUdp, ListenFailed, Listening, UdpBindFailed, UdpBound
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.machine import Machine
from blobtorrent.runtime.ownership import owned
from blobtorrent.runtime.timers import TimerWheel

log = get_logger(__name__)

DRAIN_S = 20.0                         # for disks to finish what they write; then we end all the same
ANNOUNCE_DRAIN_S = 3.0                 # for trackers to hear that we leave, after the last one that did
ANNOUNCE_DRAIN_MAX_S = 15.0            # for all of them
STATUS_S = 1.0                         # between two snapshots of the whole

_PUBLIC_NAMES = {SessionState.RETIRING: SessionState.DRAINING.value}     # seen from outside both are a way to the end

_BEGINNINGS = (AddTorrent, StartTorrent, RecheckTorrent, MoveTorrent, RenamePath)     # too late for these in a drain

# Returns the answer, or the Reply itself when it is given later.
CommandHandler = Callable[[Any, Reply[Any]], Any]
MessageHandler = Callable[[Any], None]


class Begin:
    """The first message: do what comes before everything else, on the core thread."""


@owned
class Session:
    """Owned by the core thread, except that it is built before that thread starts.

    Who builds it puts the managers' handlers into `commands` and `messages`, by type, what they do first into
    `at_begin`, what they do last into `at_stop`, and says in `on_announced` who takes the peers that a tracker named,
    in `on_port` who hears of the port that we listen on, in `on_listeners` who hears that the listeners are others, in
    `on_addresses` who hears that some of our addresses are ours no more, or on another interface.
    """

    def __init__(
        self,
        outlets: Outlets,
        roster: Roster,
        torrents: TorrentManager,
        swarms: SwarmManager,
        announces: AnnounceManager,
        keeper: Keeper,
        board: StatusBoard[str, SessionStatus],
        *,
        clock: Clock,
        timers: TimerWheel,
        damages: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
    ) -> None:
        self.commands: dict[type[Any], CommandHandler] = {
            OpenListeners: self._open_listeners,
            StopSession: self._stop,
        }
        self.messages: dict[type[Any], MessageHandler] = {
            Begin: self._begin,
            Ask: self._on_ask,
            Listening: self._on_listening,
            ListenFailed: self._on_listening,
            UdpBound: lambda _: None,
            UdpBindFailed: self._on_udp_failed,
            AnnounceDone: self._on_announced,
        }
        self.on_announced: Callable[[InfoHash, tuple[Endpoint, ...], str], None] = lambda info_hash, peers, url: None
        self.on_port: Callable[[int], None] = lambda port: None
        self.on_listeners: Callable[[], None] = lambda: None
        self.on_addresses: Callable[[], None] = lambda: None
        self.at_begin: list[Callable[[], None]] = [self._tick]
        self.at_stop: list[Callable[[], None]] = []
        self.is_restoring = False      # torrents of earlier runs are still read
        self._outlets = outlets
        self._roster = roster
        self._torrents = torrents
        self._swarms = swarms
        self._announces = announces
        self._keeper = keeper
        self._board = board
        self._clock = clock
        self._timers = timers
        self._ports = PortManager(outlets.inbox)
        self._machine = Machine(SESSION, on_change=lambda *_: self._publish())
        self._status = SessionStatus(
            self.state.value, started_at=clock.wall(), damages=damages, warnings=warnings)
        self._stop_replies: list[Reply[Any]] = []
        self._stopping_since_s = 0.0
        self._is_clean = False

    @property
    def state(self) -> SessionState:
        return self._machine.state

    @property
    def listeners(self) -> tuple[tuple[str, int], ...]:
        """The addresses and ports where peers reach us now."""
        return tuple(self._ports.opened)

    @property
    def public_ports(self) -> tuple[int, int]:
        """The ports where peers reach us by IPv4 and by IPv6; 0 where they do not."""
        return self._ports.public_port_of(is_ipv6=False), self._ports.public_port_of(is_ipv6=True)

    @property
    def announces_waiting(self) -> int:
        """Announces that are not answered yet, most of them not even sent. Any thread may read it."""
        return self._announces.waiting

    @property
    def unsaved_bytes(self) -> int:
        """What was received and is not being made durable yet. Any thread may read it."""
        return self._keeper.unsaved_bytes

    @property
    def announce_results(self) -> Mapping[str, int]:
        """How often announces ended in each way: "ok", or the code of the error. Any thread may read it."""
        return self._announces.results

    def tell_loaded(self, loaded: int, total: int) -> None:
        """So many of the torrents of earlier runs are known again."""
        self._status = self._status._replace(loaded=loaded, total=total)
        self._publish()

    def end_restoring(self, damages: tuple[str, ...]) -> None:
        """They all are; this is what was found damaged."""
        self.is_restoring = False
        self._status = self._status._replace(damages=damages)
        self._publish()

    def tell_warnings(self, warnings: tuple[str, ...]) -> None:
        """The settings as they are now give that up."""
        if warnings != self._status.warnings:
            self._status = self._status._replace(warnings=warnings)
            self._publish()

    def tell_external(self, hosts: tuple[str, ...]) -> None:
        """Others see us at these addresses."""
        self._swarms.tell_own_hosts(hosts)
        self._status = self._status._replace(external=hosts)
        self._publish()

    def tell_network(self, network: NetworkStatus) -> None:
        """Traffic takes this way now."""
        self._status = self._status._replace(network=network)
        self._publish()

    def tell_mappings(self, mappings: tuple[MappingStatus, ...]) -> None:
        """The router was asked for these ports."""
        self._status = self._status._replace(mappings=mappings)
        self._publish()

    def retire(self) -> None:
        """Begin nothing new from now on. Raises Unavailable ("session.starting", "session.stopping")."""
        if self.state is SessionState.STARTING:
            raise Unavailable("session.starting", "the session is starting")
        if self.state is SessionState.RUNNING:
            self._machine.fire(SessionEvent.RETIRE)
            log.info("draining", torrents=len(self._roster))
            self._torrents.retire()

    def tell_drained(self, drained: int, to_drain: int) -> None:
        """So many swarms have retired of all that are to; the next snapshot says so."""
        self._status = self._status._replace(drained=drained, to_drain=to_drain)

    def has_retired(self, unique_pieces: int) -> None:
        """All swarms have done what they could; the snapshot says how many pieces only we have."""
        self._status = self._status._replace(unique_pieces=unique_pieces)
        self._publish()

    def _begin(self, _message: Begin) -> None:
        for step in self.at_begin:
            step()

    def _tick(self) -> None:
        self._swarms.rebalance()
        self._publish()
        self._timers.at(self._clock.now() + STATUS_S, self._tick)

    def on_message(self, message: Any) -> None:
        self.messages[type(message)](message)
        if self.state is SessionState.DRAINING:
            self._end_when_drained()

    def _on_ask(self, ask: Ask) -> None:
        try:
            if self.state in (SessionState.DRAINING, SessionState.STOPPED) and not isinstance(ask.command, StopSession):
                raise Unavailable("session.stopping", "the session is stopping")
            if self.is_restoring and not isinstance(ask.command, StopSession):
                raise Unavailable(
                    "session.starting", "the daemon is starting: its torrents are not all known yet, try again")
            if self.state is SessionState.RETIRING and isinstance(ask.command, _BEGINNINGS):
                raise Unavailable("session.draining", "the session is about to leave: it begins nothing more")
            handler = self.commands.get(type(ask.command))
            if handler is None:
                raise Invalid("session.no-such-command", f"{type(ask.command).__name__} is not served here")
            answer = handler(ask.command, ask.reply)
        except BlobTorrentError as error:
            answer = error
        except Exception:
            ask.reply.give(BugError("bug.command", f"{type(ask.command).__name__} failed; the log has the reason"))
            raise
        if answer is not ask.reply:
            ask.reply.give(answer)

    def _publish(self) -> None:
        """Replace the snapshot, if anything of it changed."""
        status = self._status._replace(
            state=_PUBLIC_NAMES.get(self.state, self.state.value),
            listen=tuple(str(Endpoint(host, port)) for host, port in self._ports.opened),
            torrents=len(self._roster),
            down_bytes_per_s=self._swarms.down_bytes_per_s,
            up_bytes_per_s=self._swarms.up_bytes_per_s,
        )
        if status != self._board.read(SESSION_KEY):
            self._status = status
            self._board.publish(SESSION_KEY, status)

    # ---- listeners

    def _open_listeners(self, command: OpenListeners, reply: Reply[Any]) -> Reply[Any]:
        self._post_listen(self._ports.open(command.addresses, reply))
        return reply

    def _on_listening(self, message: Listening | ListenFailed) -> None:
        if isinstance(message, Listening):
            self._outlets.udp.post(BindUdp(message.host, message.port, self._outlets.inbox))
            self._post_listen(self._ports.on_listening(message))
        else:
            self._post_listen(self._ports.on_failed(message))

    def _on_udp_failed(self, message: UdpBindFailed) -> None:
        log.warning("no datagrams", host=message.host, code=message.code, detail=message.detail)

    def _post_listen(self, listen: Any) -> None:
        self._tell_port()
        self._announces.origins = origins_of(self._ports.opened)
        if listen is not None:
            self._outlets.door.post(listen)
        elif self._machine.can(SessionEvent.READY) and not self._ports.is_opening:
            self._machine.fire(SessionEvent.READY)
            self._torrents.wake()

    def use_external_port(self, port: int) -> None:
        """Peers reach us at this port from now on; 0: at the one that we listen on."""
        self._ports.external_port = port
        self._tell_port()

    def _tell_port(self) -> None:
        self._swarms.listen_port = self._announces.listen_port = self._ports.public_port
        self.on_port(self._ports.port)
        self.on_listeners()

    # ---- trackers

    def _on_announced(self, answer: AnnounceDone) -> None:
        self.on_announced(answer.info_hash, self._announces.on_done(answer), answer.url)

    # ---- the end

    def _stop(self, _command: StopSession, reply: Reply[Any]) -> Reply[Any] | bool:
        if self.state is SessionState.STOPPED:
            return self._is_clean
        self._stop_replies.append(reply)
        if self._machine.can(SessionEvent.STOP):
            log.info("stopping", torrents=len(self._roster))
            self._machine.fire(SessionEvent.STOP)
            now = self._clock.now()
            self._stopping_since_s = now
            self._timers.at(self._announces_end_s, self._look_at_announces)
            self._timers.at(now + DRAIN_S, self._end)
            self._torrents.rest()
            for step in self.at_stop:
                step()
        return reply

    @property
    def _announces_end_s(self) -> float:
        """When trackers have had their time. As long as they go on answering there is use in waiting for the rest."""
        heard_s = max(self._stopping_since_s, self._announces.heard_s)
        return min(heard_s + ANNOUNCE_DRAIN_S, self._stopping_since_s + ANNOUNCE_DRAIN_MAX_S)

    def _look_at_announces(self) -> None:
        self._end_when_drained()
        if self._clock.now() < self._announces_end_s and self.state is SessionState.DRAINING:
            self._timers.at(self._announces_end_s, self._look_at_announces)

    def _end_when_drained(self) -> None:
        if not (self._torrents.has_closed_all and self._roster.is_quiet):
            return
        self._keeper.flush()
        told = self._announces.is_quiet or self._clock.now() >= self._announces_end_s
        if told and self._keeper.is_quiet:
            self._end()

    def _end(self) -> None:
        if self._machine.can(SessionEvent.DRAINED):
            self._is_clean = self._roster.is_quiet and self._keeper.is_quiet
            self._machine.fire(SessionEvent.DRAINED)
            log.info("stopped", clean=self._is_clean)
            for reply in self._stop_replies:
                reply.give(self._is_clean)
