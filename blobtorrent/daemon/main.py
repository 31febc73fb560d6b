"""The command `blobtorrentd`: the engine as a foreground service. It runs the torrents it is given until SIGTERM."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from blobtorrent import __version__
from blobtorrent.config.load import load
from blobtorrent.config.schema import Settings
from blobtorrent.core.session.commands import AddTorrent, OpenListeners
from blobtorrent.core.session.sources import load_source
from blobtorrent.daemon.assemble import Engine, build_engine
from blobtorrent.model.errors import BlobTorrentError, ConfigError
from blobtorrent.model.text import clean
from blobtorrent.runtime.logs import FORMATS, QueuedLogging, get_logger

log = get_logger(__name__)

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CONFIG = 78
HEALTH_CHECK_S = 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit status: 0, 1 after a failure, 78 for bad settings."""
    args = _parser().parse_args(argv)
    # Signals are taken by sigtimedwait alone; threads inherit the mask, so it comes before the first of them.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        settings = load(args.config, os.environ, args.set)
    except ConfigError as error:
        return _fail(error, EXIT_CONFIG)
    logs = QueuedLogging(style=args.log_format)
    logs.start()
    try:
        return _serve(build_engine(settings), settings, args.torrent)
    except BlobTorrentError as error:
        return _fail(error, EXIT_FAILED)
    finally:
        logs.stop(timeout_s=2.0)


def _serve(engine: Engine, settings: Settings, sources: Sequence[str]) -> int:
    started_s = time.monotonic()
    engine.start()
    try:
        engine.gateway.ask(OpenListeners(settings.network.listen))
        for source in sources:
            _add(engine, source, settings.storage.download_dir)
        log.info("ready", version=__version__, seconds=round(time.monotonic() - started_s, 3))
        return _wait(engine)
    finally:
        engine.stop()


def _add(engine: Engine, source: str, folder: Path) -> None:
    """Add one torrent; one that cannot be added does not keep the others from running."""
    try:
        engine.gateway.ask(AddTorrent(load_source(source), folder.absolute()))
    except BlobTorrentError as error:
        log.error("cannot add a torrent", source=source, code=error.code, detail=error.detail)


def _wait(engine: Engine) -> int:
    """Until we are told to end, or a thread has died."""
    while True:
        caught = signal.sigtimedwait((signal.SIGTERM, signal.SIGINT), HEALTH_CHECK_S)
        if caught is not None:
            log.info("ending", signal=signal.Signals(caught.si_signo).name)
            return EXIT_OK
        dead = engine.dead_threads()
        if dead:
            log.critical("threads died, ending", threads=", ".join(dead))
            return EXIT_FAILED


def _fail(error: BlobTorrentError, status: int) -> int:
    print(f"blobtorrentd: {clean(error.detail)} ({error.code})", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="blobtorrentd", description="The BlobTorrent daemon, in the foreground.")
    parser.add_argument("--version", action="version", version=f"blobtorrentd {__version__}")
    parser.add_argument("--config", type=Path, action="append", default=[], metavar="FILE", help="settings (TOML)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, as in TOML")
    parser.add_argument("--log-format", choices=FORMATS, default="text", help="how the log is written to stderr")
    parser.add_argument("torrent", nargs="*", metavar="TORRENT", help="a .torrent file or its URL")
    return parser


if __name__ == "__main__":
    sys.exit(main())
