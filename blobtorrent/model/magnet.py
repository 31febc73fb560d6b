"""Magnet links: which torrent, and where to ask for its metadata (BEP 9, BEP 53)."""

from __future__ import annotations

import re
from base64 import b32decode
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from blobtorrent.model.errors import MagnetError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.paths import safe_part
from blobtorrent.model.reach import Reach, reach_of
from blobtorrent.model.urls import usable_tiers, usable_web_seeds

MAX_LINK_CHARACTERS = 1 << 16
MAX_WRITTEN_CHARACTERS = 16 * MAX_LINK_CHARACTERS          # of one that we wrote: more than any that was read becomes
MAX_PARAMETERS = 1000
MAX_PEERS = 100
MAX_FILE_INDEX = 1 << 24
_SCHEME = "magnet:?"
_HEX_SHA1 = re.compile("[0-9A-F]{40}")
_BASE32_SHA1 = re.compile("[A-Z2-7]{32}")
_HEX_SHA256_MULTIHASH = re.compile("1220[0-9A-F]{64}")         # code of SHA-256, and its length of 32 bytes
_PEER = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})")
_SELECTION = re.compile(r"([0-9]{1,8})(?:-([0-9]{1,8}))?")
_SURROGATE = re.compile("[\ud800-\udfff]")                     # no character, yet JSON and command lines can hold it


class MagnetLink(NamedTuple):
    """A parsed link. Everything but the hash is advice of whoever wrote the link."""

    info_hash: InfoHash
    name: str | None = None            # safe as one part of a path
    size: int | None = None            # bytes
    tiers: tuple[tuple[str, ...], ...] = ()            # each tracker a tier of its own
    web_seeds: tuple[str, ...] = ()
    peers: tuple[tuple[str, int], ...] = ()            # (host name or address, port)
    selected_files: tuple[range, ...] = ()             # runs of file numbers (BEP 53), ascending; empty: all files

    def with_public_peers(self) -> MagnetLink:
        """The link without the peers that are at addresses near us or may turn out to be there, as names do."""
        return self._replace(peers=tuple((host, port) for host, port in self.peers if _is_public(host)))


def is_magnet(text: str) -> bool:
    return text[:len(_SCHEME)].lower() == _SCHEME


def parse_magnet(link: str, *, max_characters: int = MAX_LINK_CHARACTERS) -> MagnetLink:
    """Read `magnet:?xt=urn:btih:...`. Unknown and unusable parameters are passed over.

    What `format_magnet` wrote may be longer than what it was made from: MAX_WRITTEN_CHARACTERS.

    Raises MagnetError ("magnet.*") when it is no magnet link, names no torrent, or names two.
    """
    if not is_magnet(link):
        raise MagnetError("magnet.not-a-link", "a magnet link begins with magnet:?")
    if len(link) > max_characters or link.count("&") >= MAX_PARAMETERS:
        raise MagnetError("magnet.too-large", f"a magnet link of {len(link)} characters")
    digests: dict[str, bytes] = {}
    values: dict[str, list[bytes]] = {}
    for key, value in _parameters(_SURROGATE.sub("\ufffd", link[len(_SCHEME):])):
        if key == "xt":
            topic = _digest(value.decode("ascii", "replace"))
            if topic and digests.setdefault(*topic) != topic[1]:
                raise MagnetError("magnet.two-torrents", "the link names two torrents")
        else:
            values.setdefault(key, []).append(value)
    if not digests:
        raise MagnetError("magnet.no-hash", "the link names no torrent (xt=urn:btih:... or xt=urn:btmh:...)")
    name = values.get("dn", [b""])[0].replace(b"+", b" ")
    size = values.get("xl", [b""])[0]
    return MagnetLink(
        info_hash=InfoHash(**digests),
        name=safe_part(name) if name else None,
        size=int(size) if size.isdigit() and len(size) <= 15 else None,
        tiers=usable_tiers([tracker] for tracker in values.get("tr", [])),
        web_seeds=usable_web_seeds(values.get("ws", [])),
        peers=tuple(_peers(values.get("x.pe", [])))[:MAX_PEERS],
        selected_files=tuple(_selection(values.get("so", []))),
    )


def format_magnet(link: MagnetLink) -> str:
    """The link as text; `parse_magnet` reads it back, as long as it is allowed to be."""
    parts = [f"xt=urn:btih:{link.info_hash.v1.hex()}"] if link.info_hash.v1 else []
    if link.info_hash.v2:
        parts.append(f"xt=urn:btmh:1220{link.info_hash.v2.hex()}")
    if link.name is not None:
        parts.append(f"dn={quote(link.name, safe='')}")
    if link.size is not None:
        parts.append(f"xl={link.size}")
    parts += [f"tr={quote(url, safe='')}" for tier in link.tiers for url in tier]
    parts += [f"ws={quote(url, safe='')}" for url in link.web_seeds]
    parts += [f"x.pe=[{host}]:{port}" if ":" in host else f"x.pe={host}:{port}" for host, port in link.peers]
    if link.selected_files:
        runs = (f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in link.selected_files)
        parts.append(f"so={','.join(runs)}")
    return _SCHEME + "&".join(parts)


def _parameters(query: str) -> Iterator[tuple[str, bytes]]:
    for parameter in query.split("&"):
        key, equals, value = parameter.partition("=")
        if equals:
            yield re.sub(r"\.[0-9]+$", "", key.lower()), unquote_to_bytes(value)       # "tr.1" is a "tr"


def _digest(urn: str) -> tuple[str, bytes] | None:
    """("v1" or "v2", digest) of an exact topic that names a torrent; None for other topics."""
    kind, _, text = urn.rpartition(":")
    kind, text = kind.lower(), text.upper()
    if kind == "urn:btih" and _HEX_SHA1.fullmatch(text):
        return "v1", bytes.fromhex(text)
    if kind == "urn:btih" and _BASE32_SHA1.fullmatch(text):
        return "v1", b32decode(text)
    if kind == "urn:btmh" and _HEX_SHA256_MULTIHASH.fullmatch(text):
        return "v2", bytes.fromhex(text[4:])
    if kind in ("urn:btih", "urn:btmh"):
        raise MagnetError("magnet.bad-hash", f"not an info-hash: {text[:80]}")
    return None


def _peers(values: list[bytes]) -> Iterator[tuple[str, int]]:
    for value in values:
        match = _PEER.fullmatch(value.decode("ascii", "replace"))
        if match and 0 < int(match.group(3)) <= 0xffff:
            yield match.group(1) or match.group(2), int(match.group(3))


def _is_public(host: str) -> bool:
    try:
        return reach_of(host) is Reach.GLOBAL
    except ValueError:                 # a name
        return False


def _selection(values: list[bytes]) -> Iterator[range]:
    """Runs that neither meet nor touch, in ascending order: however a link puts it."""
    runs = []
    for part in b",".join(values).split(b","):
        match = _SELECTION.fullmatch(part.decode("ascii", "replace"))
        if match:
            first = int(match.group(1))
            last = int(match.group(2) or first)
            if first <= last <= MAX_FILE_INDEX:
                runs.append((first, last + 1))
    start = stop = 0
    for first, end in sorted(runs):
        if first > stop:
            if start < stop:
                yield range(start, stop)
            start = first
        stop = max(stop, end)
    if start < stop:
        yield range(start, stop)
