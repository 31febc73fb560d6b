"""Gateway: all that an interface ever holds of the session. Any thread may use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blobtorrent.core.session.commands import Ask, Command, Reply
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import SessionStatus, TorrentStatus
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.bus import EventBus
from blobtorrent.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from blobtorrent.core.session.queries import Query

COMMAND_DEADLINE_S = 10.0
SESSION_KEY = "session"                # of the one snapshot on its board


class Gateway:
    """Three ways to the session: commands and queries that are answered, snapshots that are read, events that are told.
    """

    def __init__(
        self,
        inbox: Mailbox[Any],
        torrents: StatusBoard[InfoHash, TorrentStatus],
        bus: EventBus,
        sessions: StatusBoard[str, SessionStatus],
    ) -> None:
        self._inbox = inbox
        self.torrents = torrents
        self.bus = bus
        self._sessions = sessions

    @property
    def session(self) -> SessionStatus:
        """The snapshot of the session as a whole."""
        return self._sessions.read(SESSION_KEY) or SessionStatus("starting")

    def submit(self, command: Command | Query) -> Reply[Any]:
        """Send a command or query; the answer comes in the Reply."""
        reply: Reply[Any] = Reply()
        self._inbox.post(Ask(command, reply))
        return reply

    def ask(self, command: Command | Query, timeout_s: float = COMMAND_DEADLINE_S) -> Any:
        """Send a command or query and wait for the answer. Raises what Reply.wait raises."""
        return self.submit(command).wait(timeout_s)
