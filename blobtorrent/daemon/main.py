"""The command `blobtorrentd`: the engine as a foreground service, until SIGTERM."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from blobtorrent import __version__
from blobtorrent.config.load import Loaded
from blobtorrent.config.places import is_runtime_dir_removed, overrides_file, runtime_dir, state_dir
from blobtorrent.core.session.commands import ApplySettings
from blobtorrent.core.session.watcher import Watcher
from blobtorrent.daemon.assemble import build_engine
from blobtorrent.daemon.desk import DaemonDesk
from blobtorrent.daemon.inherited import inherited_sockets
from blobtorrent.daemon.interfaces import build_interfaces
from blobtorrent.daemon.logsink import is_seen_on_stderr, level_of, open_sink
from blobtorrent.daemon.notify import Notifier
from blobtorrent.daemon.origin import Origin
from blobtorrent.daemon.pidfile import PID_FILE, PidFile
from blobtorrent.daemon.reload import Reloader
from blobtorrent.daemon.service import START_LIMIT_S, Service
from blobtorrent.daemon.signals import Signals, dump_on_request
from blobtorrent.daemon.supervisor import Part, Supervisor
from blobtorrent.interface.chronicle import Chronicle
from blobtorrent.interface.figures import measure_session
from blobtorrent.interface.hooks.manager import HookManager
from blobtorrent.model.errors import BlobTorrentError, ConfigError
from blobtorrent.model.text import clean
from blobtorrent.runtime.logs import QueuedLogging, get_logger

log = get_logger(__name__)

EXIT_FAILED = 1
EXIT_CONFIG = 78                       # EX_CONFIG of sysexits.h
REST_SOCKETS = "rest"                  # FileDescriptorName= of the sockets that may be handed over
LOG_STOP_S = 2.0


class Launch(NamedTuple):
    """What the process was started with."""

    origin: Origin
    state: Path
    runtime: Path
    runtime_stays: bool                # when we are killed
    inherited: Mapping[str, list[socket.socket]]
    signals: Signals
    notifier: Notifier


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status: 0, 1 after a failure, 78 for bad settings."""
    if sys.stderr is None:             # closed by whoever started us: its number must not become a socket's
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    args = build_parser().parse_args(argv)
    dump_on_request(sys.stderr)
    try:
        state = state_dir(args.state_dir, os.environ).absolute()
        launch = Launch(
            origin=Origin(args.config, dict(os.environ), args.set, overrides_file(state)),
            state=state,
            runtime=runtime_dir(args.runtime_dir, os.environ, state).absolute(),
            runtime_stays=not is_runtime_dir_removed(args.runtime_dir, os.environ),
            inherited=inherited_sockets(os.environ),
            signals=Signals(),
            notifier=Notifier.from_environment(os.environ),
        )
        loaded = launch.origin.read()
        sink = open_sink(loaded.settings.log, os.environ)
        logs = QueuedLogging(sink, level=level_of(loaded.settings.log))
    except ConfigError as error:
        return _fail(error)
    logs.start()
    try:
        return _serve(launch, loaded, logs)
    except BlobTorrentError as error:
        if not is_seen_on_stderr(sink, os.environ):        # else it would be told twice there
            log.critical("cannot run", code=error.code, detail=error.detail)
        return _fail(error)
    finally:
        launch.notifier.close()
        logs.stop(LOG_STOP_S)


def _serve(launch: Launch, loaded: Loaded, logs: QueuedLogging) -> int:
    settings = loaded.settings
    pid_file = PidFile(launch.runtime / PID_FILE)
    pid_file.take()
    try:
        launch.notifier.extend(START_LIMIT_S)
        engine = build_engine(settings, launch.state, launch.runtime if launch.runtime_stays else None)
        try:
            watcher = Watcher(engine.gateway)
            watcher.apply(settings.watch)
            chronicle, hooks = Chronicle(engine.gateway), HookManager(engine.gateway)
            chronicle.follow(hooks.on_told)
            hooks.apply(settings.hooks)
            hooks.measure(engine.metrics)
            measure_session(engine.metrics, engine.gateway)
            reloader = Reloader(loaded, launch.origin.read, [
                lambda new: engine.gateway.ask(ApplySettings(new)),
                lambda new: logs.set_level(level_of(new.log)),
                lambda new: watcher.apply(new.watch),
                lambda new: hooks.apply(new.hooks),
            ])
            desk = DaemonDesk(reloader, launch.origin, engine.gateway, launch.signals.wake)
            interfaces = Supervisor([
                *build_interfaces(
                    settings, engine.gateway, desk, chronicle=chronicle, watcher=watcher, registry=engine.metrics,
                    state=launch.state, runtime=launch.runtime, inherited=launch.inherited.get(REST_SOCKETS, []),
                ),
                Part("watch", watcher.start, watcher.stop),
                Part("hooks", hooks.start, hooks.stop, (hooks.heart,)),
                Part("chronicle", chronicle.start, chronicle.stop),
            ])
            reloader.read_files = interfaces.reload
        except BaseException:
            engine.abandon()
            raise
        service = Service(
            engine, interfaces, reloader, desk, signals=launch.signals, logs=logs, notifier=launch.notifier
        )
        return service.run()
    finally:
        pid_file.release()


def _fail(error: BlobTorrentError) -> int:
    """One line for whoever started us; the exit status."""
    print(f"blobtorrentd: {clean(error.detail)} ({error.code})", file=sys.stderr)
    return EXIT_CONFIG if isinstance(error, ConfigError) else EXIT_FAILED


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="blobtorrentd", description="The BlobTorrent daemon, in the foreground.")
    parser.add_argument("--version", action="version", version=f"blobtorrentd {__version__}")
    parser.add_argument("--config", type=Path, metavar="FILE",
                        help="settings; conf.d/*.toml beside it is read too (default: "
                        "~/.config/blobtorrent/blobtorrent.toml, else /etc/blobtorrent/blobtorrent.toml)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="one setting, as section.key and a TOML value; may be repeated")
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="where torrents and their progress are kept")
    parser.add_argument("--runtime-dir", type=Path, metavar="DIR", help="where sockets and the pid file are")
    return parser


if __name__ == "__main__":
    sys.exit(main())
