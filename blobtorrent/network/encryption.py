"""Encryption: how peers are greeted, as the settings say, and how much work strangers may make with it. Owned by the
door.

    disabled    in plain, both ways
    allowed     who comes, as it likes; who is dialled in plain, and once encrypted if it closes without a word
    preferred   who comes, as it likes, by RC4 if it can; who is dialled encrypted, and once in plain if that fails
    required    by RC4 alone; nobody else is spoken to

Of the streams that an encrypted handshake offers, "allowed" takes the plain one: RC4 costs as much as all the rest of a
transfer, and what is to get by those who look for BitTorrent is the handshake.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from blobtorrent.model.errors import BlobTorrentError, NetworkError, PeerError
from blobtorrent.network.arrival import Arrival, State
from blobtorrent.network.messages import Dial
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.metrics import Registry

if TYPE_CHECKING:
    from blobtorrent.protocol.mse.handshake import Initiator, Method, Obfuscation, Responder, Secrets

log = get_logger(__name__)

DISABLED, ALLOWED, PREFERRED, REQUIRED = "disabled", "allowed", "preferred", "required"
MODES = (DISABLED, ALLOWED, PREFERRED, REQUIRED)

# Handshakes with who comes to us, of 1 ms each: begun in a second, and of these from one site. Others wait.
MAX_WORK = 100
MAX_WORK_OF_SITE = 50
WORK_S = 1.0

_WORDLESS = frozenset(("net.reset", "net.timed-out"))      # how a peer goes that cannot make sense of a handshake


class WorkLimit:
    """Counts in windows of WORK_S; `now` is monotonic seconds. Pure."""

    def __init__(self) -> None:
        self._began = 0.0
        self._by_site: Counter[str] = Counter()
        self._total = 0

    def take(self, site: str, now: float) -> bool:
        """Whether one more may be begun now; it counts if it may."""
        if not self._began <= now < self._began + WORK_S:
            self._began, self._total = now, 0
            self._by_site.clear()
        if self._total >= MAX_WORK or self._by_site[site] >= MAX_WORK_OF_SITE:
            return False
        self._total += 1
        self._by_site[site] += 1
        return True


class Encryption:
    """`served` has the wire forms of all torrents that peers may ask for, and changes under it: see on_served()."""

    def __init__(self, served: Mapping[bytes, object], now: Callable[[], float]) -> None:
        self.mode = DISABLED
        self._served = served
        self._now = now
        self._work = WorkLimit()
        self._wire_forms: dict[bytes, bytes] | None = None             # by torrent marks; made for the first who asks
        self._results: Counter[tuple[str, str]] = Counter()
        self._retries = 0
        self._deferred = 0

    def use(self, mode: str) -> None:
        """From now on. Links that exist stay as they are."""
        if mode != self.mode and mode in (PREFERRED, REQUIRED):
            from blobtorrent.protocol.mse.cipher import has_fast_rc4

            if not has_fast_rc4():
                then = "no peer can be connected to" if mode == REQUIRED else "streams of peers will be plain"
                log.warning(f"OpenSSL has no RC4 here: {then}", setting="encryption.mode", mode=mode)
        self.mode = mode

    def measure(self, registry: Registry) -> None:
        """Have its figures exported."""
        for direction in ("in", "out"):
            for result in ("rc4", "plaintext", "failed", "refused"):
                registry.total(
                    "blobtorrent_encryption_handshakes_total",
                    "Encrypted handshakes with peers by how they ended; refused: it would have been in plain.",
                    lambda key=(direction, result): self._results[key],  # type: ignore[misc]
                    direction=direction, result=result)
        registry.total("blobtorrent_encryption_retries_total", "Peers that were dialled once more, the other way.",
                       lambda: self._retries)
        registry.total("blobtorrent_encryption_waits_total", "Handshakes that had to wait, there being so many.",
                       lambda: self._deferred)

    # ---- torrents

    def on_served(self, wire_forms: Iterable[bytes]) -> None:
        """These are there now, or not any more."""
        if self._wire_forms is None:
            return
        from blobtorrent.protocol.mse.keys import torrent_mark

        for wire_form in wire_forms:
            if wire_form in self._served:
                self._wire_forms[torrent_mark(wire_form)] = wire_form
            else:
                self._wire_forms.pop(torrent_mark(wire_form), None)

    def _find(self, mark: bytes) -> bytes | None:
        if self._wire_forms is None:
            self._wire_forms = {}
            self.on_served(list(self._served))
        return self._wire_forms.get(mark)

    # ---- what an arrival asks

    @property
    def is_used(self) -> bool:
        return self.mode != DISABLED

    def is_for(self, dial: Dial) -> bool:
        """Whether a peer is to be dialled by an encrypted handshake."""
        if self.mode in (DISABLED, REQUIRED):
            return self.mode == REQUIRED
        return self.mode == PREFERRED if dial.encrypt is None else dial.encrypt

    def admits(self, obfuscation: Obfuscation | None) -> bool:
        """Whether a stream that was agreed on will do."""
        return self.mode != REQUIRED or obfuscation is not None and obfuscation.incoming is not None

    def initiate(self, wire_form: bytes, hello: bytes) -> Initiator:
        from blobtorrent.protocol.mse.handshake import Initiator

        return Initiator(wire_form, self._methods(), hello, _new_secrets())

    def respond(self, site: str) -> Responder | None:
        """None while there is too much of it."""
        if not self._work.take(site, self._now()):
            self._deferred += 1
            return None
        from blobtorrent.protocol.mse.handshake import Responder

        return Responder(self._find, self._methods(), _new_secrets(), prefers_rc4=self.mode != ALLOWED)

    def _methods(self) -> Method:
        from blobtorrent.protocol.mse.cipher import has_fast_rc4
        from blobtorrent.protocol.mse.handshake import Method

        methods = Method.RC4 if has_fast_rc4() else Method(0)
        return methods if self.mode == REQUIRED else methods | Method.PLAINTEXT

    # ---- what the door asks

    def check_means(self) -> None:
        """Raises NetworkError ("encryption.unavailable") when nobody can be dialled as the settings want it."""
        if self.mode == REQUIRED:
            from blobtorrent.protocol.mse.cipher import has_fast_rc4

            if not has_fast_rc4():
                raise NetworkError("encryption.unavailable", "OpenSSL has no RC4 here, and encryption is required")

    def on_admitted(self, arrival: Arrival) -> None:
        """It becomes a link."""
        if arrival.obfuscation is not None:
            self._results[_direction(arrival), str(arrival.obfuscation.method.name).lower()] += 1

    def on_refused(self, arrival: Arrival, reason: BlobTorrentError) -> Dial | BlobTorrentError:
        """It failed: how to dial once more, or what to say of it."""
        dial, state = arrival.purpose, arrival.state
        if state is State.ENCRYPTING:
            self._results[_direction(arrival), "failed"] += 1
        elif reason.code == "encryption.required":
            self._results[_direction(arrival), "refused"] += 1
        if not isinstance(dial, Dial):
            return reason
        is_wordless = reason.code in _WORDLESS or reason.code.startswith("encryption.")
        if state is State.ENCRYPTING and is_wordless:
            if self.mode == REQUIRED:
                return PeerError("encryption.refused", f"it does not encrypt: {reason.detail}")
            again = False
        elif state is State.GREETING and arrival.obfuscation is None and reason.code == "net.reset":
            again = True
        else:
            return reason
        if not self.is_used or dial.encrypt is not None:
            return reason
        self._retries += 1
        return dial._replace(encrypt=again)


def _direction(arrival: Arrival) -> str:
    return "in" if arrival.is_incoming else "out"


def _new_secrets() -> Secrets:
    from blobtorrent.protocol.mse.handshake import MAX_PAD, Secrets
    from blobtorrent.protocol.mse.keys import EXPONENT_BYTES

    return Secrets(secrets.token_bytes(EXPONENT_BYTES), secrets.token_bytes(secrets.randbelow(MAX_PAD + 1)))
