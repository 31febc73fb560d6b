"""Settings of rTorrent that are settings of this engine under other names: they are read from it and set in it.

What was set is answered again in the words it was set in as long as the engine has it so. What is so already is not set
again: a configuration file says the same at each start.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.reach import require_folder
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.engine import SessionEngine
from blobtorrent.interface.rtorrent.session.making import command, getter
from blobtorrent.interface.rtorrent.session.variables import Kind, category_of, read_argument
from blobtorrent.interface.rtorrent.values import Value
from blobtorrent.model.splitting import MAX_SPLIT_BYTES, MIN_SPLIT_BYTES
from blobtorrent.storage.filepool import descriptor_share

if TYPE_CHECKING:
    from blobtorrent.config.schema import Settings

Patch = Mapping[str, Any]

MAX_PEERS = 100_000
MAX_SLOTS = 10_000
MAX_SLOTS_TOTAL = 1_000_000
MIN_OPEN_FILES, MAX_OPEN_FILES = 4, 1 << 16
MAX_CALLS = 1000
MAX_BUFFER = 1 << 30
MAX_SYNC_S = 3600
MAX_ACTIVE = 1_000_000
HTTP_PROXY_PORT = 1080                 # as libcurl has it
_HAS_PORT = re.compile(r":\d+$")
PRELOADS = ("off", "advise", "read")   # by the numbers that rTorrent has for them
MAX_PRELOAD_SIZE, MAX_PRELOAD_RATE = 1 << 30, 1 << 40
MIN_MEMORY, MAX_MEMORY = 4 << 20, 64 << 30
MAX_WANTED = 1000                      # by a tracker at a time
USUAL_WANTED = 200


class Mapped(NamedTuple):
    """One row: how the engine's setting reads as rTorrent's, and what a value of rTorrent's sets, or a Fault."""

    name: str
    kind: Kind
    read: Callable[[Settings], Value]
    patch: Callable[[Any], Patch]
    doc: str
    answers: bool = True               # the setter answers the new value
    is_flag: bool = False              # what is not 0 is 1
    is_folder: bool = False            # files are put there
    key: str = ""                      # where two names are one setting


class MappedSettings:
    """The commands of the table. Owned by the interpreter's thread."""

    def __init__(self, engine: SessionEngine) -> None:
        self._engine = engine
        self._said: dict[str, tuple[Value, Value]] = {}    # what was set, and how that reads in the engine

    def commands(self) -> Iterator[Command]:
        for row in TABLE:
            yield from self._commands_of(row)

    def _commands_of(self, row: Mapped) -> Iterator[Command]:
        key = row.key or row.name

        def read() -> Value:
            reading = row.read(self._engine.settings())
            said, then = self._said.get(key, (reading, None))
            return said if reading == then else reading

        def write(context: Context, _item: Any, args: Sequence[Value]) -> Value:
            value = read_argument(row.kind, args)
            if row.is_folder:
                require_folder(context, os.path.expanduser(str(value)), str(row.read(self._engine.settings())))
            if row.is_flag:
                value = int(bool(value))
            if row.read(self._engine.settings()) != value:
                self._engine.change(row.patch(value))
            self._said[key] = value, row.read(self._engine.settings())
            return value if row.answers else None

        category = category_of(row.name)
        yield getter(row.name, read, row.doc, returns=row.kind.value, category=category)
        yield command(f"{row.name}.set", write, f"Sets {row.name}.", returns=row.kind.value if row.answers else "none",
                      category=category)


def _most(value: int, maximum: int) -> int:
    """A limit of rTorrent, where nothing and less is no limit."""
    return value if 0 < value <= maximum else maximum


def _wanted(settings: Settings) -> int:
    return -1 if settings.trackers.peers_wanted == USUAL_WANTED else settings.trackers.peers_wanted


def _open_files(value: int) -> Patch:
    if not MIN_OPEN_FILES <= value <= MAX_OPEN_FILES:
        raise failed("Max open files must be between 4 and 2^16.")
    return {"storage": {"open_files": value}}


def _http_proxy(value: str) -> Patch:
    """As libcurl reads it: HTTP unless it says otherwise, and the port that proxies have."""
    kind, is_said, place = value.rpartition("://")
    kind = kind.lower().replace("socks5h", "socks5") if is_said else "http"
    place = place.rstrip("/")
    if place and not _HAS_PORT.search(place):
        place = f"{place}:{HTTP_PROXY_PORT}"
    return {"network": {"http_proxy": f"{kind}://{place}" if place else ""}}


def _split_size(value: int) -> Patch:
    return {"storage": {"split_size": min(max(value, MIN_SPLIT_BYTES), MAX_SPLIT_BYTES) if value > 0 else 0}}


def _one_of(key: str, *words: str) -> Callable[[str], Patch]:
    """The patch of a setting of the screen."""

    def patch(value: str) -> Patch:
        if value not in words:
            raise failed(f"Invalid layout: it is one of {', '.join(words)}.")
        return {"top": {key: value}}

    return patch


def _behind(row: Mapped) -> Mapped:
    """The name of the variable that is behind another name, by which configurations set it, too."""
    return row._replace(name=f"{row.name}._val", doc="The variable behind it.", answers=True, key=row.name)


_SHARED_SLOTS = (
    Mapped(
        "throttle.max_downloads.div", Kind.NUMBER, lambda settings: settings.network.download_slots_divisor,
        lambda value: {"network": {"download_slots_divisor": min(max(value, 0), MAX_SLOTS_TOTAL)}},
        "How many download slots a limit on what is received leaves, in the way of throttle.max_uploads.div; 0: it "
        "does not matter.", answers=False),
    Mapped(
        "throttle.max_downloads.global", Kind.NUMBER, lambda settings: settings.network.download_slots_total,
        lambda value: {"network": {"download_slots_total": min(max(value, 0), MAX_SLOTS_TOTAL)}},
        "Peers of all torrents together that are asked for data at the same time; 0: no limit.", answers=False),
    Mapped(
        "throttle.max_uploads.div", Kind.NUMBER, lambda settings: settings.network.upload_slots_divisor,
        lambda value: {"network": {"upload_slots_divisor": min(max(value, 0), MAX_SLOTS_TOTAL)}},
        "How many upload slots a limit on what is sent leaves: of its KiB/s, divided by this, the first ten bring a "
        "slot each, of the others five do; 0: it does not matter.", answers=False),
    Mapped(
        "throttle.max_uploads.global", Kind.NUMBER, lambda settings: settings.network.upload_slots_total,
        lambda value: {"network": {"upload_slots_total": min(max(value, 0), MAX_SLOTS_TOTAL)}},
        "Peers of all torrents together that are sent to at the same time; 0: no limit.", answers=False),
)

TABLE = (
    Mapped(
        "directory.default", Kind.TEXT, lambda settings: str(settings.storage.download_dir),
        lambda value: {"storage": {"download_dir": value}}, "Folder that torrents are downloaded to.",
        is_folder=True),
    Mapped(
        "network.local_address", Kind.TEXT, lambda settings: settings.trackers.own_address,
        lambda value: {"trackers": {"own_address": "" if value in ("0.0.0.0", "::") else value}},
        "Address of ours that trackers are told; none, or 0.0.0.0: they take the one that they see.", answers=False),
    Mapped(
        "network.http.cacert", Kind.TEXT, lambda settings: str(settings.network.tls_ca_file or ""),
        lambda value: {"network": {"tls_ca_file": value}},
        "File with the certificates that HTTPS servers must be vouched for by; none: the system's.", answers=False),
    Mapped(
        "network.http.capath", Kind.TEXT, lambda settings: str(settings.network.tls_ca_folder or ""),
        lambda value: {"network": {"tls_ca_folder": value}},
        "Folder with such certificates, named by their hashes.", answers=False),
    Mapped(
        "network.http.proxy_address", Kind.TEXT, lambda settings: str(settings.network.http_proxy or ""), _http_proxy,
        "ADDRESS:PORT: a proxy for calls over HTTP alone, also as http://ADDRESS:PORT or socks5://ADDRESS:PORT; none: "
        "they take the way of all connections.", answers=False),
    Mapped(
        "network.http.ssl_verify_host", Kind.NUMBER, lambda settings: int(settings.network.tls_verify_host),
        lambda value: {"network": {"tls_verify_host": bool(value)}},
        "Whether a certificate must name the host that was called. 0 is dangerous.", answers=False, is_flag=True),
    Mapped(
        "network.http.ssl_verify_peer", Kind.NUMBER, lambda settings: int(settings.network.tls_verify),
        lambda value: {"network": {"tls_verify": bool(value)}},
        "Whether HTTPS servers must be vouched for. 0 is dangerous: anybody on the way can answer in their place.",
        answers=False, is_flag=True),
    Mapped(
        "network.max_open_files", Kind.NUMBER, lambda settings: settings.storage.open_files or descriptor_share(),
        _open_files, "Files of torrents that are kept open at a time.", answers=False),
    Mapped(
        "network.http.max_total_connections", Kind.NUMBER, lambda settings: settings.trackers.http_calls,
        lambda value: {"trackers": {"http_calls": _most(value, MAX_CALLS)}},
        "Trackers that are asked over HTTP at the same time.", answers=False),
    Mapped(
        "network.max_open_sockets", Kind.NUMBER, lambda settings: settings.network.max_peers,
        lambda value: {"network": {"max_peers": _most(value, MAX_PEERS)}},
        "Connections to peers, of all torrents together.", answers=False),
    Mapped(
        "network.receive_buffer.size", Kind.NUMBER, lambda settings: settings.network.receive_buffer,
        lambda value: {"network": {"receive_buffer": min(max(value, 0), MAX_BUFFER)}},
        "Bytes that the system keeps for each connection to a peer until we read them; for new ones. 0: as it sees "
        "fit.", answers=False),
    Mapped(
        "network.send_buffer.size", Kind.NUMBER, lambda settings: settings.network.send_buffer,
        lambda value: {"network": {"send_buffer": min(max(value, 0), MAX_BUFFER)}},
        "Bytes that the system keeps for each connection to a peer until they are sent; for new ones. 0: as it sees "
        "fit.", answers=False),
    Mapped(
        "pieces.memory.max", Kind.NUMBER, lambda settings: settings.storage.memory_budget,
        lambda value: {"storage": {"memory_budget": min(max(value, MIN_MEMORY), MAX_MEMORY)}},
        "Bytes for pieces on their way between network and disk; from the next start on.", answers=False),
    Mapped(
        "pieces.preload.min_rate", Kind.NUMBER, lambda settings: settings.storage.preload_min_bytes_per_s,
        lambda value: {"storage": {"preload_min_bytes_per_s": min(max(value, 0), MAX_PRELOAD_RATE)}},
        "Bytes a second: pieces are preloaded for peers that take at least so much.", answers=False),
    Mapped(
        "pieces.preload.min_size", Kind.NUMBER, lambda settings: settings.storage.preload_min_piece,
        lambda value: {"storage": {"preload_min_piece": min(max(value, 0), MAX_PRELOAD_SIZE)}},
        "Bytes: pieces of at least this size are preloaded.", answers=False),
    Mapped(
        "pieces.preload.type", Kind.NUMBER, lambda settings: PRELOADS.index(settings.storage.preload),
        lambda value: {"storage": {"preload": PRELOADS[min(value, 2) if value >= 0 else 2]}},
        "What is done about the rest of a piece of which a peer asks for some, up to 4 MiB: 0 nothing, 1 the kernel is "
        "told that it will be wanted, 2 it is read into memory. The 512 KiB around what was asked for are always read.",
        answers=False),
    Mapped(
        "pieces.sync.always_safe", Kind.NUMBER, lambda settings: int(settings.storage.sync == "always"),
        lambda value: {"storage": {"sync": "always" if value else "normal"}},
        "Whether what came is made durable after pieces.sync.timeout_safe, not after pieces.sync.timeout.",
        answers=False, is_flag=True),
    Mapped(
        "protocol.pex", Kind.NUMBER, lambda settings: int(settings.pex.enabled),
        lambda value: {"pex": {"enabled": bool(value)}}, "Whether peers tell each other of others.", is_flag=True),
    Mapped(
        "system.file.allocate", Kind.NUMBER, lambda settings: int(settings.storage.allocation == "full"),
        lambda value: {"storage": {"allocation": "full" if value else "sparse"}},
        "Whether the space of files is reserved before they are downloaded; from the next start on.", is_flag=True),
    Mapped(
        "keys.layout", Kind.TEXT, lambda settings: settings.top.keys,
        _one_of("keys", "azerty", "dvorak", "qwerty", "qwertz"),
        "Keyboard that the keys of blobtorrent top for the limits of all torrents are for: azerty, dvorak, qwerty or "
        "qwertz."),
    Mapped(
        "ui.torrent_list.layout", Kind.TEXT, lambda settings: settings.top.layout,
        _one_of("layout", "full", "compact"),
        "How blobtorrent top lists torrents: full, three lines each, or compact, one."),
    Mapped(
        "system.file.split_size", Kind.NUMBER, lambda settings: settings.storage.split_size or -1, _split_size,
        "Bytes: files of torrents that are loaded from now on are kept in parts when they are larger, but for those of "
        "version 2. Less than 1: no file is; less than 16 KiB: 16 KiB."),
    Mapped(
        "system.file.split_suffix", Kind.TEXT, lambda settings: settings.storage.split_suffix,
        lambda value: {"storage": {"split_suffix": value}},
        "What stands in the name of such a part between that of the file and its number, of three digits or more."),
    Mapped(
        "pieces.sync.timeout", Kind.NUMBER, lambda settings: int(settings.storage.sync_after_s),
        lambda value: {"storage": {"sync_after_s": min(max(value, 1), MAX_SYNC_S)}},
        "Seconds after which what came is made durable, or before that with 64 MiB of it.", answers=False),
    Mapped(
        "pieces.sync.timeout_safe", Kind.NUMBER, lambda settings: int(settings.storage.sync_always_after_s),
        lambda value: {"storage": {"sync_always_after_s": min(max(value, 0), MAX_SYNC_S)}},
        "The same while pieces.sync.always_safe holds; 0: at once.", answers=False),
    Mapped(
        "scheduler.max_active", Kind.NUMBER, lambda settings: settings.queue.active_downloads or -1,
        lambda value: {"queue": {"active_downloads": min(max(value, 0), MAX_ACTIVE)}},
        "Torrents that download at the same time, the others wait in the queue; -1 and 0: no limit."),
    Mapped(
        "throttle.max_peers.normal", Kind.NUMBER, lambda settings: settings.network.max_peers_per_torrent,
        lambda value: {"network": {"max_peers_per_torrent": _most(value, MAX_PEERS)}},
        "Connections to peers of one torrent."),
    Mapped(
        "throttle.max_peers.seed", Kind.NUMBER, lambda settings: settings.network.max_peers_per_seed or -1,
        lambda value: {"network": {"max_peers_per_seed": 0 if value < 0 else _most(value, MAX_PEERS)}},
        "Connections to peers of one torrent that is complete, where that is less; -1: as the other."),
    Mapped(
        "throttle.min_peers.normal", Kind.NUMBER, lambda settings: settings.network.min_peers_per_torrent,
        lambda value: {"network": {"min_peers_per_torrent": min(max(value, 0), MAX_PEERS)}},
        "Peers of one torrent, below which its trackers are asked for more as soon as they allow."),
    Mapped(
        "throttle.min_peers.seed", Kind.NUMBER, lambda settings: settings.network.min_peers_per_seed,
        lambda value: {"network": {"min_peers_per_seed": min(max(value, -1), MAX_PEERS)}},
        "The same of one torrent that is complete; -1: as of the other."),
    Mapped(
        "throttle.max_uploads", Kind.NUMBER, lambda settings: settings.network.upload_slots,
        lambda value: {"network": {"upload_slots": _most(value, MAX_SLOTS)}},
        "Peers of one torrent that are sent to at the same time."),
    Mapped(
        "throttle.max_downloads", Kind.NUMBER, lambda settings: settings.network.download_slots,
        lambda value: {"network": {"download_slots": min(max(value, 0), MAX_SLOTS)}},
        "Peers of one torrent that are asked for data at the same time; 0: no limit."),
    Mapped(
        "throttle.min_downloads", Kind.NUMBER, lambda settings: settings.network.download_slots_min,
        lambda value: {"network": {"download_slots_min": min(max(value, 0), MAX_SLOTS)}},
        "Of the peers that all torrents together may ask for data, as many as this come first to each torrent that has "
        "use for them."),
    Mapped(
        "throttle.min_uploads", Kind.NUMBER, lambda settings: settings.network.upload_slots_min,
        lambda value: {"network": {"upload_slots_min": min(max(value, 0), MAX_SLOTS)}},
        "The same of the peers that all together may send to."),
    *_SHARED_SLOTS,
    *map(_behind, _SHARED_SLOTS),
    Mapped(
        "trackers.numwant", Kind.NUMBER, _wanted, lambda value: {"trackers": {
            "peers_wanted": USUAL_WANTED if value < 0 else min(value, MAX_WANTED)}},
        "Peers that a tracker is asked for at a time; -1: as usual."),
    Mapped(
        "trackers.use_udp", Kind.NUMBER, lambda settings: int(settings.trackers.udp),
        lambda value: {"trackers": {"udp": bool(value)}}, "Whether trackers are asked over UDP.", is_flag=True),
)
