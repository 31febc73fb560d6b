"""Keyring: the tokens that open the interface. The thread `tokens` changes and saves them, others read what it has.

A change is answered when it is saved, and holds from then on: nobody is told of a token that a crash would take away,
and none that was revoked comes back.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection
from typing import NamedTuple

from blobtorrent.core.session.commands import Reply
from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rest.tokens import Token, digest_of, write_tokens
from blobtorrent.model.errors import BlobTorrentError, Conflict, NotFound
from blobtorrent.runtime.clock import Clock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.worker import Worker

log = get_logger(__name__)

FIRST_TOKEN = "admin"                  # noqa: S105  its name; made at the first start, kept in a file of its own
MAX_TOKENS = 100                       # each is compared with what a client shows
SECRET_BYTES = 32
CHANGE_DEADLINE_S = 10.0


class _Add(NamedTuple):
    token: Token
    reply: Reply[None]


class _Remove(NamedTuple):
    name: str
    reply: Reply[None]


class _SaveUses:
    """When tokens were used is saved now and then, not with each use."""


class Keyring:
    """`tokens` were saved before by `save`, which raises StorageError; `first` is the secret of the first one."""

    def __init__(
        self, first: str, tokens: Collection[Token], save: Callable[[bytes], None], clock: Clock
    ) -> None:
        self._clock = clock
        self._save = save
        self._first = _first_token(first)
        self._tokens = tuple(tokens)   # replaced as a whole by the thread `tokens`
        self._used: dict[str, float] = {}          # wall time by digest; written by the thread `rest`
        self._on_change: Callable[[], None] = lambda: None
        self._worker: Worker[_Add | _Remove | _SaveUses] = Worker("tokens", Mailbox("tokens"), self._handle)

    def start(self, on_change: Callable[[], None]) -> None:
        """`on_change` is called on the thread `tokens` when there are others than before."""
        self._on_change = on_change
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        self.save_uses()
        return self._worker.stop(timeout_s)

    # ---- any thread

    def tokens(self) -> tuple[Token, ...]:
        """All of them, the first one first; expired ones, too."""
        return self._with_uses((self._first, *self._tokens))

    def holds(self, grant: Grant) -> bool:
        """Whether what a client was let in with is still good."""
        return not grant.token or self._find(grant.token) is not None

    def create(
        self, name: str, scopes: Collection[Scope], labels: Collection[str] = (), expires_at: float | None = None
    ) -> tuple[Token, str]:
        """A new token and its secret, which is known to nobody later.

        Raises Conflict ("token.present", "token.too-many"), StorageError, or Unavailable.
        """
        import secrets

        secret = secrets.token_urlsafe(SECRET_BYTES)
        digest = digest_of(secret.encode())
        token = Token(name, frozenset(scopes), digest, frozenset(labels), self._clock.wall(), expires_at)
        reply: Reply[None] = Reply()
        self._worker.mailbox.post(_Add(token, reply))
        reply.wait(CHANGE_DEADLINE_S)
        return token, secret

    def revoke(self, name: str) -> None:
        """Nobody gets in with it any more. Raises NotFound, Conflict ("token.first"), StorageError, or Unavailable."""
        reply: Reply[None] = Reply()
        self._worker.mailbox.post(_Remove(name, reply))
        reply.wait(CHANGE_DEADLINE_S)

    def replace_first(self, secret: str) -> None:
        """The first token is another one from now on. For the thread that starts and stops the interface."""
        if digest_of(secret.encode()) != self._first.digest:
            self._first = _first_token(secret)
            log.info("the first token was replaced")
            self._on_change()

    # ---- on the thread rest

    def open(self, secret: bytes) -> Grant | None:
        """What this secret opens."""
        digest = digest_of(secret)
        token = self._find(digest)
        if token is None:
            return None
        self._used[digest] = self._clock.wall()
        return token.grant

    def save_uses(self) -> None:
        self._worker.mailbox.post(_SaveUses())

    def _find(self, digest: str) -> Token | None:
        wall = self._clock.wall()
        for token in (self._first, *self._tokens):
            if hmac.compare_digest(token.digest, digest) and not token.is_expired(wall):
                return token
        return None

    # ---- on the thread tokens

    def _handle(self, message: _Add | _Remove | _SaveUses) -> None:
        if isinstance(message, _SaveUses):
            self._save_uses()
            return
        try:
            if isinstance(message, _Add):
                self._add(message.token)
            else:
                self._remove(message.name)
        except BlobTorrentError as error:
            message.reply.give(error)
        else:
            message.reply.give(None)

    def _add(self, token: Token) -> None:
        if token.name == FIRST_TOKEN or any(other.name == token.name for other in self._tokens):
            raise Conflict("token.present", f"there is a token {token.name} already")
        if len(self._tokens) >= MAX_TOKENS:
            raise Conflict("token.too-many", f"there are {MAX_TOKENS} tokens already")
        self._publish((*self._tokens, token))

    def _remove(self, name: str) -> None:
        if name == FIRST_TOKEN:
            raise Conflict("token.first", "the first token is in a file: put another in it and reload")
        kept = tuple(token for token in self._tokens if token.name != name)
        if len(kept) == len(self._tokens):
            raise NotFound("token.unknown", f"there is no token {name}")
        self._publish(kept)
        self._on_change()

    def _save_uses(self) -> None:
        if self._with_uses(self._tokens) != self._tokens:
            try:
                self._publish(self._tokens)
            except BlobTorrentError as error:
                log.warning("cannot save when tokens were used", code=error.code, detail=error.detail)

    def _publish(self, tokens: tuple[Token, ...]) -> None:
        """Save, then let it hold."""
        tokens = self._with_uses(tokens)
        self._save(write_tokens(tokens))
        self._tokens = tokens

    def _with_uses(self, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        used = self._used              # each look-up sees one value or the next
        return tuple(token._replace(last_used_at=used.get(token.digest, token.last_used_at)) for token in tokens)


def _first_token(secret: str) -> Token:
    return Token(FIRST_TOKEN, frozenset((Scope.ADMIN,)), digest_of(secret.encode()))
