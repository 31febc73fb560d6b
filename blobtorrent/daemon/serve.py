"""From good settings to a service that runs: the engine, and all that is built around it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

from blobtorrent.config.load import Loaded
from blobtorrent.config.schema import Settings
from blobtorrent.core.session.commands import ApplySettings
from blobtorrent.core.session.filters import FilterManager
from blobtorrent.core.session.watcher import Watcher
from blobtorrent.daemon.assemble import build_engine
from blobtorrent.daemon.desk import DaemonDesk
from blobtorrent.daemon.earlydesk import EarlyDesk
from blobtorrent.daemon.inherited import close_unserved
from blobtorrent.daemon.interfaces import build_interfaces
from blobtorrent.daemon.launch import Launch
from blobtorrent.daemon.logsink import level_of
from blobtorrent.daemon.origin import OVERRIDES_MODE, Mended
from blobtorrent.daemon.reload import Reloader
from blobtorrent.daemon.service import EXIT_OK, Service
from blobtorrent.daemon.supervisor import Part, Supervisor
from blobtorrent.daemon.token import open_keyring
from blobtorrent.interface.chronicle import Chronicle
from blobtorrent.interface.figures import measure_session
from blobtorrent.interface.hooks.manager import HookManager
from blobtorrent.model.errors import StorageError
from blobtorrent.runtime.logs import QueuedLogging, get_logger
from blobtorrent.storage.atomicfile import write_atomically
from blobtorrent.storage.state.quarantine import QUARANTINE, Quarantine

if TYPE_CHECKING:
    from blobtorrent.daemon.rpc import Rpc
    from blobtorrent.interface.rest.keyring import Keyring
    from blobtorrent.storage.live.livefile import LiveDraft

log = get_logger(__name__)

# FileDescriptorName= of the sockets that may be handed over.
REST_SOCKETS = "rest"
RPC_SOCKETS = "rpc"


def serve(
    launch: Launch, loaded: Loaded, mended: Mended | None, logs: QueuedLogging, draft: LiveDraft | None
) -> int:
    """Run until a signal ends us; the exit status. Raises BlobTorrentError when it cannot begin.

    `draft` is the memory that is to outlive us, if there is any.
    """
    desk = EarlyDesk(launch.origin, loaded, mended)
    keyring = cache(partial(open_keyring, launch.state, launch.credentials))
    rpc = _begin_rpc(launch, loaded.settings, desk)
    try:
        if rpc is not None and not launch.rtorrent.is_empty and not rpc.configure():
            log.info("ending before all was started")
            rpc.abandon()
            return EXIT_OK
        service = _assemble(launch, desk.loaded, mended, logs, draft, rpc, keyring)
    except BaseException:
        if rpc is not None:
            rpc.abandon()
        raise
    return service.run()


def _begin_rpc(launch: Launch, settings: Settings, desk: EarlyDesk) -> Rpc | None:
    """The interface of rTorrent, if anything asks for it."""
    rpc = settings.rtorrent
    inherited = launch.inherited.get(RPC_SOCKETS, [])
    if not (inherited or rpc.listen or rpc.http_listen) and launch.rtorrent.is_empty:
        return None
    from blobtorrent.daemon.rpc import Rpc

    return Rpc(launch, settings, inherited, desk)


def _assemble(
    launch: Launch, loaded: Loaded, mended: Mended | None, logs: QueuedLogging, draft: LiveDraft | None,
    rpc: Rpc | None, keyring: Callable[[], Keyring],
) -> Service:
    """Nothing of it runs yet."""
    settings = loaded.settings
    close_unserved(launch.inherited, {REST_SOCKETS, RPC_SOCKETS})
    engine = build_engine(settings, launch.state, launch.lasting_runtime, draft,
                          () if mended is None else (mended.damage,))
    try:
        if mended is not None:
            _replace_overrides(launch, mended.text)
        watcher = Watcher(engine.gateway)
        watcher.apply(settings.watch)
        filters = FilterManager(engine.use_filter, engine.gates)
        filters.apply(settings.filters)
        filters.measure(engine.metrics)
        chronicle, hooks = Chronicle(engine.gateway), HookManager(engine.gateway, launch.state, binding=engine.binding)
        chronicle.follow(hooks.on_told)
        hooks.apply(settings.hooks)
        hooks.measure(engine.metrics)
        measure_session(engine.metrics, engine.gateway)
        reloader = Reloader(loaded, launch.origin.read, [
            lambda new: engine.gateway.ask(ApplySettings(new)),
            lambda new: logs.set_level(level_of(new.log)),
            lambda new: watcher.apply(new.watch),
            lambda new: hooks.apply(new.hooks),
            lambda new: filters.apply(new.filters),
            engine.apply,
        ])
        desk = DaemonDesk(reloader, launch.origin, engine.gateway, launch.signals.wake)
        interfaces = Supervisor([
            *build_interfaces(
                settings, engine.gateway, desk, chronicle=chronicle, watcher=watcher, registry=engine.metrics,
                filters=filters, more=rpc.routes() if rpc is not None else (), keyring=keyring,
                state=launch.state, runtime=launch.runtime, inherited=launch.inherited.get(REST_SOCKETS, []),
                credentials=launch.credentials,
            ),
            *(rpc.parts(engine.gateway, desk, engine.metrics, keyring) if rpc is not None else ()),
            Part("filters", filters.start, filters.stop, (), lambda: filters.troubles, filters.reload),
            Part("watch", watcher.start, watcher.stop),
            Part("hooks", hooks.start, hooks.stop, (hooks.heart,)),
            Part("chronicle", chronicle.start, chronicle.stop),
        ])
        reloader.read_files = interfaces.reload
    except BaseException:
        engine.abandon()
        raise
    return Service(
        engine, interfaces, reloader, desk, signals=launch.signals, logs=logs, notifier=launch.notifier,
        wait_for_filters=filters.wait,
    )


def _replace_overrides(launch: Launch, text: str) -> None:
    """Put damaged overrides aside. The directory is ours by now."""
    path = launch.origin.overrides
    try:
        Quarantine(launch.state / QUARANTINE).take(path)
        if text:
            write_atomically(path, text.encode(), mode=OVERRIDES_MODE)
    except StorageError as error:
        log.error("the damaged settings stay where they are", code=error.code, detail=error.detail)
