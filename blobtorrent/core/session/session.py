"""Session: the core thread's state, its command table and its message table.

The loop that calls `on_message` is built by whoever assembles the engine; here is no thread and no waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blobtorrent.core.session.announces import AnnounceManager
from blobtorrent.core.session.commands import (
    AddPeers,
    AddTorrent,
    Ask,
    OpenListeners,
    RemoveTorrent,
    Reply,
    StartTorrent,
    StopSession,
    StopTorrent,
)
from blobtorrent.core.session.gateway import SESSION_KEY
from blobtorrent.core.session.lifecycle import SESSION, SessionEvent, SessionState
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.ports import PortManager
from blobtorrent.core.session.swarms import SwarmManager
from blobtorrent.core.session.torrents import TorrentManager
from blobtorrent.core.swarm.messages import SwarmClosed, SwarmReport
from blobtorrent.discovery.messages import AnnounceDone
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BlobTorrentError, BugError, Unavailable
from blobtorrent.model.status import SessionStatus
from blobtorrent.network.messages import ListenFailed, Listening
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.machine import Machine
from blobtorrent.runtime.ownership import owned
from blobtorrent.runtime.timers import TimerWheel
from blobtorrent.storage.jobs import PiecesChecked, StoreClosed, StorePrepared

log = get_logger(__name__)

DRAIN_S = 20.0                         # for disks to finish what they write; then we end all the same
ANNOUNCE_DRAIN_S = 5.0                 # for trackers to hear that we leave


@owned
class Session:
    """Owned by the core thread, except that it is built before that thread starts."""

    def __init__(
        self,
        outlets: Outlets,
        torrents: TorrentManager,
        swarms: SwarmManager,
        announces: AnnounceManager,
        board: StatusBoard[str, SessionStatus],
        *,
        clock: Clock,
        timers: TimerWheel,
    ) -> None:
        self._outlets = outlets
        self._torrents = torrents
        self._swarms = swarms
        self._announces = announces
        self._ports = PortManager(outlets.inbox)
        self._board = board
        self._clock = clock
        self._timers = timers
        self._machine = Machine(SESSION, on_change=lambda *_: self._publish())
        self._stop_replies: list[Reply[Any]] = []
        self._announces_end_s = 0.0
        # A command's handler returns the answer, or the Reply itself when it will be given later.
        self._commands: dict[type[Any], Callable[[Any, Reply[Any]], Any]] = {
            OpenListeners: self._open_listeners,
            AddTorrent: lambda command, _: torrents.add(command),
            AddPeers: lambda command, _: torrents.add_peers(command.info_hash, command.peers),
            StartTorrent: lambda command, _: torrents.start(command.info_hash),
            StopTorrent: lambda command, _: torrents.stop(command.info_hash),
            RemoveTorrent: lambda command, _: torrents.remove(command.info_hash),
            StopSession: self._stop,
        }
        self._messages: dict[type[Any], Callable[[Any], None]] = {
            Ask: self._on_ask,
            Listening: self._on_listening,
            ListenFailed: self._on_listening,
            StorePrepared: torrents.on_prepared,
            PiecesChecked: torrents.on_checked,
            SwarmReport: torrents.on_report,
            SwarmClosed: torrents.on_swarm_closed,
            StoreClosed: torrents.on_store_closed,
            AnnounceDone: self._on_announced,
        }

    def _publish(self) -> None:
        listen = tuple(str(Endpoint(host, port)) for host, port in self._ports.opened)
        self._board.publish(SESSION_KEY, SessionStatus(self.state.value, listen, len(self._torrents)))

    @property
    def state(self) -> SessionState:
        return self._machine.state

    def on_message(self, message: Any) -> None:
        self._messages[type(message)](message)
        if self.state is SessionState.DRAINING:
            self._end_when_drained()

    def _on_ask(self, ask: Ask) -> None:
        try:
            if self.state in (SessionState.DRAINING, SessionState.STOPPED) and not isinstance(ask.command, StopSession):
                raise Unavailable("session.stopping", "the session is stopping")
            answer = self._commands[type(ask.command)](ask.command, ask.reply)
        except BlobTorrentError as error:
            answer = error
        except Exception:
            ask.reply.give(BugError("bug.command", f"{type(ask.command).__name__} failed; the log has the reason"))
            raise
        if answer is not ask.reply:
            ask.reply.give(answer)

    # ---- listeners

    def _open_listeners(self, command: OpenListeners, reply: Reply[Any]) -> Reply[Any]:
        self._post_listen(self._ports.open(command.addresses, reply))
        return reply

    def _on_listening(self, message: Listening | ListenFailed) -> None:
        if isinstance(message, Listening):
            self._post_listen(self._ports.on_listening(message))
        else:
            self._post_listen(self._ports.on_failed(message))

    def _post_listen(self, listen: Any) -> None:
        self._swarms.listen_port = self._announces.listen_port = self._ports.port
        if listen is not None:
            self._outlets.door.post(listen)
        elif self._machine.can(SessionEvent.READY):
            self._machine.fire(SessionEvent.READY)

    # ---- trackers

    def _on_announced(self, answer: AnnounceDone) -> None:
        self._torrents.on_tracker_peers(answer.info_hash, self._announces.on_done(answer))

    # ---- the end

    def _stop(self, _command: StopSession, reply: Reply[Any]) -> Reply[Any] | None:
        if self.state is SessionState.STOPPED:
            return None
        self._stop_replies.append(reply)
        if self._machine.can(SessionEvent.STOP):
            log.info("stopping", torrents=len(self._torrents))
            self._machine.fire(SessionEvent.STOP)
            now = self._clock.now()
            self._announces_end_s = now + ANNOUNCE_DRAIN_S
            self._torrents.stop_all()
            self._timers.at(self._announces_end_s, self._end_when_drained)
            self._timers.at(now + DRAIN_S, self._end)
        return reply

    def _end_when_drained(self) -> None:
        told = self._announces.is_quiet or self._clock.now() >= self._announces_end_s
        if told and self._torrents.all_are_stopped:
            self._end()

    def _end(self) -> None:
        if self._machine.can(SessionEvent.DRAINED):
            self._machine.fire(SessionEvent.DRAINED)
            log.info("stopped", clean=self._torrents.all_are_stopped)
            for reply in self._stop_replies:
                reply.give(None)
