"""HTTPS: certificates, and channels that are encrypted. Imported only for a listener that needs it: `ssl` loads slowly.

A handshake never keeps the thread waiting: it is a few steps of the loop, under the deadline of its connection.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from blobtorrent.interface.rest.channel import RECEIVE_BYTES
from blobtorrent.model.errors import ConfigError
from blobtorrent.runtime.loop import EVENT_READ, EVENT_WRITE

RECORD_BYTES = 16 << 10                # the most that TLS encrypts as one


def load_identity(certificate: Path, key: Path) -> ssl.SSLContext:
    """How we prove who we are: TLS 1.2 and later, with this chain of certificates and its private key.

    Raises ConfigError: "tls.key-exposed" when other users may read or change the key, "tls.unusable".
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        # The group may read it: that is how services share a key.
        if os.stat(key).st_mode & 0o027:
            raise ConfigError("tls.key-exposed", f"{key}: other users may read or change this private key")
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        raise ConfigError("tls.unusable", f"{certificate}, {key}: {error.reason or error}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError("tls.unusable", f"{certificate}, {key}: {reason}") from None
    return context


def _no_password() -> str:
    """Nobody is there to be asked."""
    raise ValueError("the private key is encrypted")


class SecureChannel:
    """TLS, our side being the server. Takes the socket over."""

    turn_bytes = RECORD_BYTES

    def __init__(self, sock: socket.socket, identity: ssl.SSLContext) -> None:
        self._sock = identity.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self.blocked_on = EVENT_READ

    def fileno(self) -> int:
        return self._sock.fileno()

    def establish(self) -> None:
        try:
            self._sock.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise self._blocked(error) from None

    def receive(self) -> bytes:
        self.blocked_on = EVENT_READ
        try:
            data = self._sock.recv(RECEIVE_BYTES)
            while self._sock.pending():            # decrypted already: the selector knows nothing of it
                data += self._sock.recv(RECEIVE_BYTES)
            return data
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise self._blocked(error) from None

    def send(self, parts: Sequence[memoryview]) -> int:
        self.blocked_on = EVENT_WRITE
        try:
            return self._sock.send(b"".join(parts))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise self._blocked(error) from None

    def finish(self) -> None:
        """Say goodbye, and then not in TLS any more: what still comes is of no interest but that it comes."""
        try:
            self._sock.unwrap()
        except (OSError, ValueError):  # ours is sent; theirs has not come, or the handshake had not ended
            pass
        self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._sock.close()

    def _blocked(self, error: ssl.SSLError) -> BlockingIOError:
        self.blocked_on = EVENT_WRITE if isinstance(error, ssl.SSLWantWriteError) else EVENT_READ
        return BlockingIOError()
