"""The command `blobtorrentd`: the engine as a foreground service, until SIGTERM."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from blobtorrent import __version__
from blobtorrent.config.load import Loaded
from blobtorrent.config.places import credentials_dir, is_runtime_dir_removed, overrides_file, runtime_dir, state_dir
from blobtorrent.config.schema import Settings
from blobtorrent.daemon.inherited import inherited_sockets
from blobtorrent.daemon.launch import START_LIMIT_S, Launch, RtorrentWords
from blobtorrent.daemon.logsink import is_seen_on_stderr, level_of, open_sink
from blobtorrent.daemon.notify import Notifier
from blobtorrent.daemon.origin import Mended, Origin, Said
from blobtorrent.daemon.pidfile import PID_FILE, PidFile
from blobtorrent.daemon.signals import Signals, dump_on_request
from blobtorrent.model.errors import BlobTorrentError, ConfigError
from blobtorrent.model.text import clean
from blobtorrent.network.receiver import SCATTER_UNITS
from blobtorrent.runtime.logs import QueuedLogging, get_logger
from blobtorrent.storage.arena import num_slots
from blobtorrent.storage.live.livefile import LiveDraft
from blobtorrent.storage.live.liveplace import live_path

log = get_logger(__name__)

EXIT_FAILED = 1
EXIT_CONFIG = 78                       # EX_CONFIG of sysexits.h
LOG_STOP_S = 2.0
GARBAGE_THRESHOLD = 50_000             # new objects between collections, while modules are loaded


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status: 0, 1 after a failure, 78 for bad settings."""
    if sys.stderr is None:             # closed by whoever started us: its number must not become a socket's
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    gc.set_threshold(GARBAGE_THRESHOLD)        # the usual 700 costs 15 ms at every start
    args = build_parser().parse_args(argv)
    dump_on_request(sys.stderr)
    try:
        state = state_dir(args.state_dir, os.environ).absolute()
        launch = Launch(
            origin=Origin(args.config, dict(os.environ), args.set, overrides_file(state), Said()),
            state=state,
            runtime=runtime_dir(args.runtime_dir, os.environ, state).absolute(),
            runtime_stays=not is_runtime_dir_removed(args.runtime_dir, os.environ),
            inherited=inherited_sockets(os.environ),
            credentials=credentials_dir(os.environ),
            signals=Signals(),
            notifier=Notifier.from_environment(os.environ),
            rtorrent=RtorrentWords(tuple(args.options), args.rtorrent_rc, args.strict),
        )
        loaded, mended = launch.origin.read_at_start()
        sink = open_sink(loaded.settings.log, os.environ)
        logs = QueuedLogging(sink, level=level_of(loaded.settings.log))
    except ConfigError as error:
        return _fail(error)
    is_seen = is_seen_on_stderr(sink, os.environ)
    if not is_seen:
        launch = launch._replace(tell=_say)
    logs.start()
    try:
        return _serve(launch, loaded, mended, logs)
    except BlobTorrentError as error:
        if not is_seen:                # else it would be told twice there
            log.critical("cannot run", code=error.code, detail=error.detail)
        failure = error
    finally:
        launch.notifier.close()
        logs.stop(LOG_STOP_S)
    return _fail(failure)              # when the log is written: it is the last that is said


def _serve(launch: Launch, loaded: Loaded, mended: Mended | None, logs: QueuedLogging) -> int:
    pid_file = PidFile(launch.runtime / PID_FILE)
    pid_file.take()
    try:
        launch.notifier.extend(START_LIMIT_S)
        draft = _reserve_memory(launch, loaded.settings)
        try:
            # Not before the settings are good, and the collector knows that what is loaded is no garbage.
            from blobtorrent.daemon.serve import serve

            return serve(launch, loaded, mended, logs, draft)
        finally:
            if draft is not None:
                draft.abandon()
    finally:
        pid_file.release()


def _reserve_memory(launch: Launch, settings: Settings) -> LiveDraft | None:
    """Begin to reserve the memory that outlives us, if there is a place for it: it is there when the rest is loaded."""
    place = live_path(launch.lasting_runtime, launch.state)
    if place is None:
        return None
    return LiveDraft(place, num_slots=num_slots(settings.storage.memory_budget, SCATTER_UNITS))


def _fail(error: BlobTorrentError) -> int:
    """One line for whoever started us; the exit status."""
    _say(f"{error.detail} ({error.code})")
    return EXIT_CONFIG if isinstance(error, ConfigError) else EXIT_FAILED


def _say(line: str) -> None:
    print(f"blobtorrentd: {clean(line)}", file=sys.stderr)


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
    parser.add_argument("--rtorrent-rc", type=Path, metavar="FILE",
                        help="run the commands of a configuration file of rTorrent, once we run")
    parser.add_argument("-o", dest="options", action="append", default=[], metavar="KEY=VALUE",
                        help="run a command of rTorrent before that; may be repeated, and hold several with commas")
    parser.add_argument("-n", action="store_true",
                        help="as with rtorrent: read no .rtorrent.rc. None is ever read that is not named")
    parser.add_argument("--strict", action="store_true",
                        help="end when a line of rTorrent's configuration fails; else that is only logged")
    return parser


if __name__ == "__main__":
    sys.exit(main())
