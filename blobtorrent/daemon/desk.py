"""DaemonDesk: what clients ask of the daemon as a whole, carried out by the main thread, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from blobtorrent.config.schema import Settings
from blobtorrent.core.session.commands import NO_ANSWER, DrainSession, Reply
from blobtorrent.core.session.gateway import COMMAND_DEADLINE_S, Gateway
from blobtorrent.daemon.origin import OVERRIDES_MODE, Origin
from blobtorrent.daemon.reload import Reloader
from blobtorrent.interface.desk import ChangeResult, unconditional
from blobtorrent.model.errors import BlobTorrentError, BugError, Conflict, Unavailable
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from blobtorrent.config.listing import Setting
    from blobtorrent.config.load import Loaded

log = get_logger(__name__)

T = TypeVar("T")

DEADLINE_S = COMMAND_DEADLINE_S + 5    # a change of settings waits for the session
LAST_WORDS_S = 1.0                     # from the end of a drain to that of the interfaces: clients look now and then
PATCH = "in the change"                # the place of what a patch says


class _Order(NamedTuple):
    work: Callable[[], Any]
    reply: Reply[Any]
    end_s: float                       # nobody waits for it any more


class DaemonDesk:
    """Implements interface.desk.Desk. `wake` has the main thread call `serve` soon."""

    def __init__(self, reloader: Reloader, origin: Origin, gateway: Gateway, wake: Callable[[], None]) -> None:
        self.must_stop = False         # somebody asked for the end
        self.is_draining = False       # or to come to it
        self._drained_s: float | None = None   # when that was seen to be done
        self._reloader = reloader
        self._origin = origin
        self._gateway = gateway
        self._wake = wake
        self._orders: Mailbox[_Order] = Mailbox("desk")
        self._is_closed = False

    # ---- any thread

    def settings(self) -> Settings:
        return self._reloader.settings

    def listing(self) -> tuple[Setting, ...]:
        from blobtorrent.config.listing import settings_in_force

        return tuple(settings_in_force(self._reloader.loaded))

    def sources(self) -> Mapping[str, str]:
        return {setting.name: setting.source for setting in self.listing()}

    def change(self, patch: Mapping[str, Any], check: Callable[[], None] = unconditional) -> ChangeResult:
        return self._ask(lambda: self._change(patch, check))

    def reload(self) -> ChangeResult:
        return self._ask(self._reloader.reload)

    def drain(self, timeout_s: float) -> None:
        self._ask(lambda: self._drain(timeout_s))

    def stop(self) -> None:
        self.must_stop = True
        self._wake()

    def _ask(self, work: Callable[[], T]) -> T:
        if self._is_closed:
            raise Unavailable("session.stopping", "the daemon is ending")
        reply: Reply[T] = Reply()
        self._orders.post(_Order(work, reply, time.monotonic() + DEADLINE_S))
        self._wake()
        if self._is_closed:
            self.close()               # it was closed meanwhile, perhaps without having seen this one
        return reply.wait(DEADLINE_S)

    # ---- the main thread

    def close(self) -> None:
        """None is any more; who waits is told."""
        self._is_closed = True
        for order in self._orders.drain():
            order.reply.give(Unavailable("session.stopping", "the daemon is ending"))

    def serve(self) -> None:
        """Carry out what was asked for, except what nobody waits for any more."""
        for order in self._orders.drain():
            if time.monotonic() < order.end_s:
                order.reply.give(_answer_of(order.work))
        if self.is_draining and self._drained_s is None and self._gateway.session.unique_pieces is not None:
            self._drained_s = time.monotonic()

    @property
    def is_drained(self) -> bool:
        """That was asked for, all is done that could be, and whoever waits for it had time to read what is left."""
        return self._drained_s is not None and time.monotonic() - self._drained_s >= LAST_WORDS_S

    def _drain(self, timeout_s: float) -> None:
        try:
            self._gateway.ask(DrainSession(timeout_s))
        except Unavailable as error:
            self.is_draining |= error.code == NO_ANSWER    # a busy session drains yet, and then we are to end
            raise
        self.is_draining = True

    def _change(self, patch: Mapping[str, Any], check: Callable[[], None]) -> ChangeResult:
        """Check all, save, use; when that is refused, save what was there before."""
        from blobtorrent.config.overrides import check_patch, patched, read_overrides, without, write_overrides

        check()
        named = check_patch(patch, PATCH)
        before, said = read_overrides(self._origin.overrides), self._origin.said.document
        text = write_overrides(patched(before.document(), patch))
        self._origin.said.document = without(said, patch)
        try:
            wanted = self._origin.read_with(text)
            refuse_overridden(named, wanted, f"{self._origin.overrides}:")
            self._save(self._origin.overrides_before, before.text)
            self._save(self._origin.overrides, text)
            try:
                return self._reloader.use(wanted)
            except BlobTorrentError:
                self._save(self._origin.overrides, before.text)
                raise
        except BlobTorrentError:
            self._origin.said.document = said
            raise

    def _save(self, path: Path, text: str) -> None:
        from blobtorrent.storage.atomicfile import write_atomically

        write_atomically(path, text.encode(), mode=OVERRIDES_MODE)


def refuse_overridden(named: Iterable[str], wanted: Loaded, place: str) -> None:
    """Raises Conflict when one of the settings is not given by a place that begins so."""
    for name in named:
        given = wanted.given[name].place
        if not given.startswith(place):
            raise Conflict("config.overridden", f"{name} is given by {given}, which comes before what is set here")


def _answer_of(work: Callable[[], T]) -> T | BlobTorrentError:
    """Here a request of the main thread ends, whatever happens: a mistake in one is no reason to end the daemon."""
    try:
        return work()
    except BlobTorrentError as error:
        return error
    except Exception:
        log.exception("a request to the daemon failed")
        return BugError("bug.command", "the daemon could not do it; the log has the reason")
