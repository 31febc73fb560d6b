"""All settings: one class per section, one attribute per key. The only list of them.

The loader's checks and `blobtorrent.toml.example` come from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from blobtorrent.config import values
from blobtorrent.config.values import ListenSpec, Reader

MIB = 1 << 20
GIB = 1 << 30


class Option(NamedTuple):
    """What is known of one key. `default` is as written in TOML; `read` checks and converts such a value."""

    doc: str
    default: object
    read: Reader[Any]


def _option(default: object, read: Reader[Any], doc: str) -> Any:
    return Option(doc, default, read)


class Section:
    """One section: an attribute is an Option in the class and its value in an instance, which never changes."""

    def __init__(self, **values: object) -> None:
        """Keys that are not given get their default. Raises TypeError for a key that the section does not have."""
        known = dict(_options_of(type(self)))
        if not values.keys() <= known.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(values.keys() - known.keys()))}")
        # A default is read late: "~" means the home of the time, and has no meaning where there is none.
        vars(self).update(
            (key, values[key] if key in values else option.read(option.default)) for key, option in known.items()
        )

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError(f"{key} cannot be set: settings are replaced as a whole")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in vars(self).items())})"


class StorageSettings(Section):
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


class NetworkSettings(Section):
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


class Settings(NamedTuple):
    """Everything that can be set."""

    storage: StorageSettings
    network: NetworkSettings


SECTIONS: dict[str, type[Any]] = {"storage": StorageSettings, "network": NetworkSettings}


def options(section: str) -> Iterator[tuple[str, Option]]:
    """The keys of a section in the order they are documented."""
    return _options_of(SECTIONS[section])


def all_options() -> dict[str, Option]:
    """Every option by its full name, `section.key`."""
    return {f"{section}.{key}": option for section in SECTIONS for key, option in options(section)}


def _options_of(section: type[Section]) -> Iterator[tuple[str, Option]]:
    return ((key, option) for key, option in vars(section).items() if isinstance(option, Option))
