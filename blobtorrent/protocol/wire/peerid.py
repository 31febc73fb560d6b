"""Peer ids (BEP 20): ours, and what those of others say about their program.

Nearly everybody writes `-XXvvvv-` and 12 random bytes: two letters for the program, four characters of version.
"""

from __future__ import annotations

from blobtorrent import __version__
from blobtorrent.model.ids import PeerId
from blobtorrent.model.text import clean

RANDOM_BYTES = 12
MAX_NAME = 64                          # characters of a client's name that we keep; it is untrusted text
CLIENT_CODE = "BQ"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_NAMES = {
    "7T": "aTorrent", "A2": "aria2", "AG": "Ares", "AZ": "Vuze", "BC": "BitComet", "BI": "BiglyBT", "BT": "BitTorrent",
    "BW": "BitTorrent Web", "CD": "Enhanced CTorrent", "DE": "Deluge", "FD": "Free Download Manager", "FW": "FrostWire",
    "GT": "anacrolix/torrent", "HL": "Halite", "KG": "KGet", "KT": "KTorrent", "LP": "Lphant", "LT": "libtorrent",
    "LW": "LimeWire", "lt": "rTorrent", "MG": "MediaGet", "PI": "PicoTorrent", "qB": "qBittorrent", "QD": "QQDownload",
    "rQ": "rqbit", "SD": "Xunlei", "SZ": "Shareaza", "TL": "Tribler", "TR": "Transmission",
    "UM": "uTorrent Mac", "UT": "uTorrent", "UW": "uTorrent Web", "WD": "WebTorrent Desktop",
    "WW": "WebTorrent", "WY": "FireTorrent", "XF": "Xfplay", "XL": "Xunlei", CLIENT_CODE: "BlobTorrent",
}


def make_peer_id(random_bytes: bytes, version: str = __version__) -> PeerId:
    """Our id of one torrent session: `-BQ0100-` for version 0.1.0, then the last 12 of the bytes given.

    A part above 35 has no letter any more and shows as Z.
    """
    if len(random_bytes) < RANDOM_BYTES:
        raise ValueError(f"{len(random_bytes)} random bytes for a peer id")
    digits = "".join(_DIGITS[min(int(part), 35)] for part in version.split(".")[:3]).ljust(4, "0")
    return PeerId(f"-{CLIENT_CODE}{digits}-".encode("ascii") + random_bytes[-RANDOM_BYTES:])


def client_name(peer_id: bytes, version: bytes = b"") -> str:
    """A short printable name of a peer's program: what it calls itself (`version`, BEP 10 "v"), else its id's letters.

    Made of untrusted text: at most 64 characters, those that could steer a terminal escaped.
    """
    if version:
        return clean(version.decode("utf-8", "replace"), MAX_NAME)
    code, digits = peer_id[1:3].decode("latin-1"), peer_id[3:7].decode("latin-1")
    letters = code + digits
    if peer_id[:1] != b"-" or peer_id[7:8] != b"-" or not (letters.isascii() and letters.isalnum()):
        return "unknown"
    return f"{_NAMES.get(code, code)} {'.'.join(digits)}"
