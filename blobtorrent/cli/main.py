"""The command `blobtorrent`: finds the subcommand, runs it, turns what goes wrong into one line and an exit status."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from blobtorrent import __version__
from blobtorrent.cli.catalogue import COMMANDS, GROUPS, module_of
from blobtorrent.cli.output import EXIT_CONFIG, EXIT_FAILED, EXIT_TIMEOUT, OutOfTime, fail
from blobtorrent.model.errors import BlobTorrentError, ConfigError

GARBAGE_THRESHOLD = 50_000             # new objects between collections: modules are many objects and no garbage


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (default: that of the process) and return its exit status."""
    gc.set_threshold(GARBAGE_THRESHOLD)        # the usual 700 costs 5 ms at every start
    arguments = list(sys.argv[1:] if argv is None else argv)
    # A terminal that lacks a letter of a name shows its number: no name may end the program.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    args = build_parser(arguments).parse_args(arguments)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except ConfigError as error:
        return fail(error.code, error.detail, args.json, EXIT_CONFIG)
    except OutOfTime as error:
        return fail(error.code, error.detail, args.json, EXIT_TIMEOUT)
    except BlobTorrentError as error:
        return fail(error.code, error.detail, args.json)
    except KeyboardInterrupt:
        return fail("command.interrupted", "interrupted", args.json)
    except BrokenPipeError:
        # Whoever read our output has gone. Python flushes stdout once more at the end: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def build_parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of a command line: it knows the subcommand that comes first, or all of them."""
    parser = _GroupingParser(prog="blobtorrent", description="A BitTorrent client.")
    parser.add_argument("--version", action="version", version=f"blobtorrent {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=argparse.ArgumentParser)
    # Only the module of the command that runs is loaded: the others would double the time to start.
    chosen = arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS
    for name in chosen:
        import_module(module_of(name)).register(commands)
    return parser


class _GroupingParser(argparse.ArgumentParser):
    """Lists its subcommands below the titles of their groups."""

    def format_help(self) -> str:
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, [])
        formatter.add_text(self.description)
        entries = {
            entry.metavar: entry for action in self._actions for entry in formatter._iter_indented_subactions(action)
        }
        for title, names in GROUPS:
            formatter.start_section(title)
            formatter.add_arguments([entries[name] for name in names if name in entries])
            formatter.end_section()
        formatter.start_section("options")
        formatter.add_arguments([action for action in self._actions if action.option_strings])
        formatter.end_section()
        return formatter.format_help()
