"""Words that options of rTorrent are made of: `strings.*`, and the settings that take nothing else."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from blobtorrent.interface.rtorrent.claimed import GENERATION_9, GENERATION_16
from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.faults import failed, no_such_word, wrong_type
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.engine import SessionEngine
from blobtorrent.interface.rtorrent.session.making import Answer, command, getter
from blobtorrent.interface.rtorrent.values import Value, one_text, parse_number, single, to_text

_LEVELS_OF_ENCRYPTION: Final = ("deny", "allow", "prefer", "require")
_MODES: Final = ("disabled", "allowed", "preferred", "required")       # of encryption.mode, one for each level
# The least that each word of 0.9 asks for, as such a level. That a stream is to be plain rather than not is not asked
# for by any: it would undo the rest.
_LEAST: Final = {"allow_incoming": 1, "enable_retry": 1, "try_outgoing": 2, "require": 3, "require_RC4": 3,
                 "require_rc4": 3}

MAX_ENCODINGS: Final = 100

# Taken whatever is claimed.
ENCRYPTION: Final = GENERATION_9.words["encryption"]
IP_TOS: Final = GENERATION_9.words["ip_tos"]
_TYPES_OF_SERVICE: Final = {"default": 0, "lowdelay": 0x10, "throughput": 8, "reliability": 4, "mincost": 2}
LOG_GROUPS: Final = frozenset((*GENERATION_9.words["log_group"], *GENERATION_16.words["log_group"]))
CHOKE_UP: Final = ("upload_leech", "upload_leech_experimental", "upload_seed")
CHOKE_DOWN: Final = ("download_leech",)
TRACKER_MODES: Final = ("normal", "aggressive")
IP_FILTER: Final = ("unwanted", "preferred")

_LISTS: Final[dict[str, tuple[str, ...]]] = {      # the others go with what is claimed
    "choke_heuristics": (*CHOKE_UP, *CHOKE_DOWN, "invalid"),
    "choke_heuristics.download": CHOKE_DOWN,
    "choke_heuristics.upload": CHOKE_UP,
    "connection_type": ("leech", "seed", "initial_seed", "metadata"),
    "encryption.handshake": tuple(f"handshake_{word}" for word in _LEVELS_OF_ENCRYPTION),
    "encryption.stream": tuple(f"stream_{word}" for word in _LEVELS_OF_ENCRYPTION),
    "ip_filter": IP_FILTER,
    "tracker_event": ("updated", "completed", "started", "stopped", "scrape"),
    "tracker_mode": TRACKER_MODES,
}


def require_word(option: str, word: str, words: Container[str]) -> None:
    """Raises Fault when the option has no such word."""
    if word not in words:
        raise no_such_word(option, word)


class Words:
    """The commands, and the words in which encryption was asked for. Owned by the interpreter's thread.

    `words` are those that go with what is claimed.
    """

    def __init__(self, engine: SessionEngine, words: Mapping[str, tuple[str, ...]] = GENERATION_9.words) -> None:
        self._engine = engine
        self._lists = {**_LISTS, **words}
        self.encodings: list[str] = []                     # that were added, in order
        self._asked: tuple[str, dict[str, str]] = "", {}   # the last mode that was, and by which levels

    def commands(self) -> Iterator[Command]:
        for name, words in self._lists.items():
            yield getter(f"strings.{name}", partial(list, words), f"The words of {name.partition('.')[0]}.",
                         returns="array", category="strings")
        yield command("enum.log_group", self._number_of_group, "GROUP: the number of a log group.", returns="i8",
                      category="strings")
        yield command("protocol.encryption.set", self._set_encryption,
                      "OPTION...: how peers are met. The strongest of the words sets encryption.mode: none is "
                      "disabled, allow_incoming and enable_retry allowed, try_outgoing preferred, require and "
                      "require_RC4 required; prefer_plaintext alone changes nothing.", category="protocol")
        reads: tuple[tuple[str, Answer], ...] = (
            ("", lambda: ",".join(f"{kind}_{level}" for kind, level in self._levels().items())),
            (".handshake", lambda: self._levels()["handshake"]), (".stream", lambda: self._levels()["stream"]))
        for ending, answer in reads:
            yield getter(f"protocol.encryption{ending}", answer, "Options of encryption, as 0.16 tells them.",
                         returns="string", category="protocol")
        yield command("network.tos.set", self._set_tos, "WORD: type of service of connections to peers that are made "
                      "from now on; or the number of one.", category="network")
        yield command("network.xmlrpc.dialect.set", _set_dialect, "WORD: how numbers are written.",
                      category="network", is_neutral=True)
        yield command("encoding.add", self._add_encoding, "CHARSET: an encoding that names of torrents may have that "
                      "are loaded from now on. It is tried on names that are no UTF-8, after the one that the torrent "
                      "tells and those that were added before; the first that fits all its names is taken. Of "
                      "one that came as a magnet link it is tried when its metadata comes, up to 1 MiB of that.",
                      category="encoding")

    def _set_encryption(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        if not args:
            raise wrong_type()
        levels, least = dict[str, str](), 0
        words = [to_text(arg) for arg in args]
        for word in words:
            kind, _, level = word.partition("_")
            if kind in ("handshake", "stream") and level in _LEVELS_OF_ENCRYPTION:
                levels[kind] = level
                least = max(least, _LEVELS_OF_ENCRYPTION.index(level))
            elif word not in ENCRYPTION:
                raise failed("Invalid option name.", f"Invalid encryption option: '{word}'")
            least = max(least, _LEAST.get(word, 0))
        if all(word == "prefer_plaintext" for word in words):
            return None
        mode = _MODES[least]
        self._asked = mode, levels
        if mode != self._engine.settings().encryption.mode:
            self._engine.change({"encryption": {"mode": mode}})
        return None

    def _add_encoding(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        name = one_text(args)
        if name not in self.encodings and len(self.encodings) < MAX_ENCODINGS:
            self.encodings.append(name)
        return None

    def _levels(self) -> dict[str, str]:
        """As they were asked for, while that holds; else those that come nearest to what does."""
        mode, (asked, levels) = self._engine.settings().encryption.mode, self._asked
        level = _LEVELS_OF_ENCRYPTION[_MODES.index(mode)]
        return dict.fromkeys(("handshake", "stream"), level) | (levels if asked == mode else {})

    def _set_tos(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        word = single(args)
        number = word if isinstance(word, int) else parse_number(to_text(word))
        if number is None:
            require_word("ip_tos", to_text(word), IP_TOS)
            number = _TYPES_OF_SERVICE[to_text(word)]
        if number & 0xFF != self._engine.settings().network.type_of_service:
            self._engine.change({"network": {"type_of_service": number & 0xFF}})
        return None

    def _number_of_group(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        word, groups = one_text(args), self._lists["log_group"]
        require_word("log_group", word, groups)
        return groups.index(word)


def _set_dialect(_context: Context, _item: Any, args: Sequence[Value]) -> Value:
    if one_text(args) not in ("i8", "apache", "generic"):
        raise failed("Unsupported XMLRPC dialect selected.")
    return None

