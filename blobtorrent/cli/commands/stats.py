"""`blobtorrent stats`: what the daemon did in this run and in all runs, and where disks, memory and
the ways to the network stand."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.fields import shown, title_of
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.paint import Cell, Style
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.table import Column
from blobtorrent.model.address import Endpoint
from blobtorrent.model.units import format_size

MAX_PATH = 4096                        # characters of a path on the screen


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "stats",
        help="show what the daemon has done",
        description="Show what the daemon did in this run and in all runs, and where its disks, memory and "
                    "ways to the network stand.",
        parents=[client_options()],
    )
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    stats = client.get("/v1/stats")
    if args.json:
        print_json(stats)
        return EXIT_OK
    screen = Screen(args)
    screen.table(
        (Column(""), Column("THIS RUN", is_number=True), Column("ALL TIME", is_number=True)),
        ([title_of(name).lower(), shown(name, stats["this_run"][name]), shown(name, stats["all_time"].get(name))]
         for name in stats["this_run"]))
    print()
    if stats["filesystems"]:
        screen.table(
            (Column("FILESYSTEM", is_text=True, importance=1), Column("FREE", is_number=True, importance=1),
             Column("RESERVE", is_number=True)),
            map(_filesystem, stats["filesystems"]))
        print()
    for line in network_lines(client.get("/v1/session")):
        print(line)
    memory = stats["memory"]
    print(f"memory for pieces: {format_size(memory['used_bytes'])} of {format_size(memory['budget_bytes'])} used")
    return EXIT_OK


def network_lines(session: Mapping[str, Any]) -> Iterator[str]:
    """What there is to say of interface, proxy and router; nothing where the settings name none."""
    interface, proxy = session["interface"], session["proxy"]
    if interface is not None:
        addresses = clean(", ".join(interface["addresses"]))
        yield f"interface {clean(interface['name'])}: {addresses or 'gone, nothing is sent'}"
    if proxy is not None:
        yield f"proxy {clean(proxy['url'])}: {_told(proxy['error']) or 'no failure'}"
        told = _told(proxy["datagrams_error"])
        yield f"datagrams: {_DATAGRAMS[proxy['datagrams']]}" + (f"; {told}" if told else "")
    for mapping in session["mappings"]:
        where = f"{mapping['port']}/{mapping['transport']}"
        if mapping["external_port"] is None:
            how = f"not mapped ({mapping['state']})"
        else:
            outside = Endpoint(mapping["external_host"] or "", mapping["external_port"])
            how = f"mapped to {clean(str(outside))} by {mapping['way']}"
            if mapping["lease_until"]:
                how += f", until {shown('lease_until_at', mapping['lease_until']).text}"
        told = _told(mapping["error"])
        if mapping["next_try_at"]:
            how += f", next asked {shown('next_try_at', mapping['next_try_at']).text}"
        yield f"port {where}: {how}" + (f"; {told}" if told else "")


_DATAGRAMS = {"direct": "not by the proxy", "relay": "by the proxy", "waiting": "by the proxy, when it grants that",
              "none": "none"}


def _told(error: Mapping[str, str] | None) -> str:
    return "" if error is None else clean(f"{error['message']} ({error['code']})")


def _filesystem(filesystem: Mapping[str, Any]) -> tuple[str | Cell, ...]:
    free = format_size(filesystem["free_bytes"])
    return (
        clean(filesystem["path"], MAX_PATH),
        Cell(free, Style.BAD if filesystem["short"] else Style.PLAIN),
        format_size(filesystem["reserve_bytes"]),
    )
