"""Words of strangers that a page would run if it took them for more than text: in a torrent, of a tracker, of a peer.

What runs leaves `window.ran` and opens a dialog; a page that made elements of them has what `MADE` selects.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import bencodepy

from tests.support.payload import Sample
from tests.support.peers.magnets import HANDSHAKE, extended
from tests.support.peers.mini import BITFIELD, PROTOCOL, MiniSeed, message, receive_exactly

_RUN = "window.ran=1,alert(1)"
NAME = f"n<img src=x onerror={_RUN}>\"'`&lt;]]>"
FILE = f"f'\"><svg onload={_RUN}>&amp;.bin"
FOLDER = f"d<details open ontoggle={_RUN}>"
LABEL = "l<img src=x onerror=ran=1>"               # no comma, as tags are lists; no dot, as Flood keeps folders by tag
COMMENT = f"c<script>{_RUN}</script><a href=\"javascript:{_RUN}\">]]>"
TROUBLE = f"t]]></string><img src=x onerror={_RUN}><script>{_RUN}</script>"        # of a tracker
CLIENT = f"p<img src=x onerror={_RUN}>\"]]>"                                      # of a peer: 64 characters at most
ALL = (NAME, FILE, FOLDER, LABEL, COMMENT, TROUBLE, CLIENT)
MADE = "img[src=x], svg[onload], details[ontoggle], a[href^='javascript'], [onerror]"

_EXTENDS = bytes((0, 0, 0, 0, 0, 0x10, 0, 0))


def with_comment(torrent: Path, text: str = COMMENT) -> None:
    """Have the file say so of itself; its info-hash stays."""
    metafile = bencodepy.decode(torrent.read_bytes())
    torrent.write_bytes(bencodepy.encode({**metafile, b"comment": text, b"created by": text}))


class NamedSeed(MiniSeed):
    """A seed that calls itself `client`, and lets nobody download: so it stays for as long as it is looked at."""

    def __init__(self, sample: Sample, client: str = CLIENT) -> None:
        super().__init__(sample, gate=threading.Event())
        self._client = client

    def _read_content(self) -> bytes:
        return b""                     # nothing of it is sent

    def greet(self, link: socket.socket) -> bool:
        receive_exactly(link, 68)
        link.sendall(PROTOCOL + _EXTENDS + self._sample.info_hash + b"-<b>'\"&-" + bytes(range(12)))
        link.sendall(extended(HANDSHAKE, {b"m": {}, b"v": self._client}))
        link.sendall(message(BITFIELD, self._bitfield()))
        return True
