"""All settings: one dataclass per section, one field per key. The only list of them.

The loader's checks and `blobtorrent.toml.example` come from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from blobtorrent.config import values
from blobtorrent.config.values import ListenSpec, Reader

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Option:
    """What is known of one key. `default` is as written in TOML; `read` checks and converts such a value."""

    doc: str
    default: object
    read: Reader[Any]


def _option(default: object, read: Reader[Any], doc: str) -> Any:
    # Read late: "~" means the home of the time, and has no meaning where there is none.
    return field(default_factory=lambda: read(default), metadata={"option": Option(doc, default, read)})


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where the bytes go."""

    download_dir: Path = _option("~/Downloads", values.folder, "Folder that torrents are downloaded to.")
    memory_budget: int = _option(
        "64 MiB",
        values.size(4 * MIB, 64 * GIB),
        "Memory for pieces on their way between network and disk, in bytes or with a unit. When it is used up, "
        "peers wait.",
    )
    allocation: str = _option(
        "sparse",
        values.one_of("sparse", "full"),
        '"sparse": files grow as their pieces arrive; "full": their space is reserved before the download starts.',
    )
    hash_threads: int = _option(
        0, values.whole_number(0, 64), "Threads that check pieces; 0: one per processor, at most 4."
    )
    disk_threads: int = _option(
        3, values.whole_number(2, 16), "Threads for each storage device: one writes, the others read for uploads."
    )


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Peers and how many."""

    listen: tuple[ListenSpec, ...] = _option(
        ["0.0.0.0:6881-6999", "[::]:6881-6999"],
        values.listeners,
        'Where peers reach us: a list of "HOST:PORT". "HOST:6881-6999" takes the first free port of these, port 0 any. '
        "An empty list: no peer reaches us, we reach them.",
    )
    max_peers: int = _option(500, values.whole_number(1, 100_000), "Connections to peers, of all torrents together.")
    max_peers_per_torrent: int = _option(
        200, values.whole_number(1, 100_000), "Connections to peers of one torrent."
    )
    upload_slots: int = _option(
        8, values.whole_number(0, 10_000), "Peers of one torrent that we send to at the same time; 0: upload nothing."
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set."""

    storage: StorageSettings = field(default_factory=StorageSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)


SECTIONS: dict[str, type[Any]] = {"storage": StorageSettings, "network": NetworkSettings}


def options(section: str) -> Iterator[tuple[str, Option]]:
    """The keys of a section in the order they are documented."""
    for entry in fields(SECTIONS[section]):
        yield entry.name, entry.metadata["option"]


def all_options() -> dict[str, Option]:
    """Every option by its full name, `section.key`."""
    return {f"{section}.{key}": option for section in SECTIONS for key, option in options(section)}
