"""Words that options of rTorrent are made of: `strings.*`, and the settings that take nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.faults import failed, wrong_type
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.making import Answer, command, getter
from blobtorrent.interface.rtorrent.values import Value, one_text, parse_number, single, to_text

ENCRYPTION: Final = (
    "none", "allow_incoming", "try_outgoing", "require", "require_RC4", "require_rc4", "enable_retry",
    "prefer_plaintext")
_ENCRYPTION_16: Final = ("deny", "allow", "prefer", "require")
IP_TOS: Final = ("default", "lowdelay", "throughput", "reliability", "mincost")
_LEVELS: Final = ("critical", "error", "warn", "notice", "info", "debug")
_PARTS: Final = ("connection", "dht", "peer", "socket", "storage", "thread", "tracker", "torrent")
LOG_GROUPS: Final = (
    *_LEVELS, *(f"{part}_{level}" for part in _PARTS for level in _LEVELS), "__non_cascading__", "dht_all",
    "dht_manager", "dht_node", "dht_router", "dht_server", "instrumentation_memory", "instrumentation_mincore",
    "instrumentation_choke", "instrumentation_polling", "instrumentation_transfers", "peer_list_events",
    "protocol_piece_events", "protocol_metadata_events", "protocol_network_errors", "protocol_storage_errors",
    "resume_data", "rpc_events", "rpc_dump", "ui_events")
CHOKE_UP: Final = ("upload_leech", "upload_leech_experimental", "upload_seed")
CHOKE_DOWN: Final = ("download_leech",)
TRACKER_MODES: Final = ("normal", "aggressive")
IP_FILTER: Final = ("unwanted", "preferred")

_LISTS: Final[dict[str, tuple[str, ...]]] = {
    "choke_heuristics": (*CHOKE_UP, *CHOKE_DOWN, "invalid"),
    "choke_heuristics.download": CHOKE_DOWN,
    "choke_heuristics.upload": CHOKE_UP,
    "connection_type": ("leech", "seed", "initial_seed", "metadata"),
    "encryption": ENCRYPTION,
    "encryption.handshake": tuple(f"handshake_{word}" for word in _ENCRYPTION_16),
    "encryption.stream": tuple(f"stream_{word}" for word in _ENCRYPTION_16),
    "ip_filter": IP_FILTER,
    "ip_tos": IP_TOS,
    "log_group": LOG_GROUPS,
    "tracker_event": ("updated", "completed", "started", "stopped", "scrape"),
    "tracker_mode": TRACKER_MODES,
}


def require_word(word: str, words: Sequence[str]) -> None:
    """Raises Fault."""
    if word not in words:
        raise failed("Invalid option name.")


class Words:
    """The commands, and the options of the encryption that was asked for. Owned by the interpreter's thread."""

    def __init__(self) -> None:
        self._level = dict.fromkeys(("handshake", "stream"), "allow")

    def commands(self) -> Iterator[Command]:
        for name, words in _LISTS.items():
            yield getter(f"strings.{name}", partial(list, words), f"The words of {name.partition('.')[0]}.",
                         returns="array", category="strings")
        yield command("enum.log_group", _number_of_group, "GROUP: the number of a log group.", returns="i8",
                      category="strings")
        yield command("protocol.encryption.set", self._set_encryption,
                      "OPTION...: options of encryption; connections to peers are not encrypted.",
                      category="protocol", is_neutral=True)
        reads: tuple[tuple[str, Answer], ...] = (
            ("", lambda: ",".join(f"{kind}_{level}" for kind, level in self._level.items())),
            (".handshake", lambda: self._level["handshake"]), (".stream", lambda: self._level["stream"]))
        for ending, answer in reads:
            yield getter(f"protocol.encryption{ending}", answer, "Options of encryption, as 0.16 tells them.",
                         returns="string", category="protocol", is_neutral=True)
        yield command("network.tos.set", _set_tos, "WORD: type of service of connections.", category="network",
                      is_neutral=True)
        yield command("network.xmlrpc.dialect.set", _set_dialect, "WORD: how numbers are written.",
                      category="network", is_neutral=True)
        yield command("encoding.add", _add_encoding, "CHARSET: an encoding that names may have.", category="encoding",
                      is_neutral=True)

    def _set_encryption(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if not args:
            raise wrong_type()
        for arg in args:
            word = to_text(arg)
            kind, _, level = word.partition("_")
            if kind in self._level and level in _ENCRYPTION_16:
                self._level[kind] = level
            else:
                require_word(word, ENCRYPTION)
        return None


def _number_of_group(_context: Context, _item: Any, args: Sequence[Value]) -> Value:
    word = one_text(args)
    require_word(word, LOG_GROUPS)
    return LOG_GROUPS.index(word)


def _set_tos(_context: Context, _item: Any, args: Sequence[Value]) -> Value:
    word = single(args)
    if not isinstance(word, int) and parse_number(to_text(word)) is None:
        require_word(to_text(word), IP_TOS)
    return None


def _set_dialect(_context: Context, _item: Any, args: Sequence[Value]) -> Value:
    if one_text(args) not in ("i8", "apache", "generic"):
        raise failed("Unsupported XMLRPC dialect selected.")
    return None


def _add_encoding(_context: Context, _item: Any, args: Sequence[Value]) -> Value:
    one_text(args)
    return None
