"""Stored items (BEP 44): small values under the digest of themselves, or under a key whose owner may change them.

Signatures come from the library `cryptography`, which is loaded with the first of them.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from hashlib import sha1
from typing import Any, NamedTuple

from blobtorrent.model.errors import DhtError
from blobtorrent.protocol.bencode import MAX_INT, MIN_INT, encode
from blobtorrent.protocol.dht import krpc
from blobtorrent.protocol.dht.ids import host_key, number_of
from blobtorrent.runtime import cryptolibrary

MAX_VALUE_BYTES = 1000                 # as bencoded
MAX_SALT_BYTES = 64
KEY_BYTES, SIGNATURE_BYTES = 32, 64
ITEM_LIFE_S = 7200.0                   # unless it is put again
MAX_ITEMS = 1000
MAX_ITEMS_OF_HOST = 50


class Refused(DhtError):
    """The item is not taken; `number` is what the protocol calls it."""

    def __init__(self, number: int, detail: str) -> None:
        super().__init__("dht.item-refused", detail)
        self.number = number


class Item(NamedTuple):
    """`value` is bencoded. Of an immutable item `key`, `salt` and `signature` are empty and `seq` is 0."""

    value: bytes
    key: bytes = b""
    salt: bytes = b""
    seq: int = 0
    signature: bytes = b""

    @property
    def target(self) -> bytes:
        return sha1(self.key + self.salt if self.key else self.value, usedforsecurity=False).digest()


def target_of_key(key: bytes, salt: bytes = b"") -> bytes:
    """Where the mutable item of a key lies."""
    return sha1(key + salt, usedforsecurity=False).digest()


def immutable(value: Any) -> Item:
    """Raises Refused when it is too big."""
    item = Item(encode(value))
    if len(item.value) > MAX_VALUE_BYTES:
        raise Refused(krpc.ITEM_TOO_BIG, f"a value of {len(item.value)} bytes")
    return item


def signed(value: Any, seed: bytes, *, seq: int, salt: bytes = b"") -> Item:
    """A mutable item, signed with the private key that the seed of 32 bytes makes. Raises Refused when it is too big.
    """
    cryptolibrary.load()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = Ed25519PrivateKey.from_private_bytes(seed)
    key = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    encoded = immutable(value).value
    item = Item(encoded, key, salt, seq, private.sign(signed_bytes(encoded, seq, salt)))
    if len(salt) > MAX_SALT_BYTES:
        raise Refused(krpc.SALT_TOO_BIG, f"a salt of {len(salt)} bytes")
    return item


def signed_bytes(value: bytes, seq: int, salt: bytes) -> bytes:
    """What a signature is of: a stretch of a dictionary, not a whole one."""
    start = b"4:salt" + encode(salt) if salt else b""
    return start + b"3:seq" + encode(seq) + b"1:v" + value


def is_genuine(item: Item) -> bool:
    """Whether the key's owner signed it."""
    cryptolibrary.load()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(item.key).verify(
            item.signature, signed_bytes(item.value, item.seq, item.salt))
    except (InvalidSignature, ValueError):
        return False
    return True


def read_item(fields: dict[bytes, Any], datagram: bytes, salt: bytes = b"") -> Item:
    """The item of a `put` or of an answer to `get`; `salt` where the message does not carry it.

    Raises Refused when it is too big, not in the one form that can be hashed, or not what its key's owner signed.
    """
    if b"v" not in fields:
        raise Refused(krpc.PROTOCOL_ERROR, "no value")
    value = encode(fields[b"v"])
    if len(value) > MAX_VALUE_BYTES:
        raise Refused(krpc.ITEM_TOO_BIG, f"a value of {len(value)} bytes")
    # Else it was sent in another form than the one that everybody hashes. Whoever hides a good copy elsewhere in the
    # datagram gains nothing: what is kept is the good one.
    if b"1:v" + value not in datagram:
        raise Refused(krpc.PROTOCOL_ERROR, "the value is not canonical")
    if b"k" not in fields:
        return Item(value)
    key, seq, signature = fields[b"k"], fields.get(b"seq"), fields.get(b"sig")
    salt = fields.get(b"salt", salt)
    if (not isinstance(key, bytes) or len(key) != KEY_BYTES or not isinstance(seq, int)
            or not MIN_INT <= seq <= MAX_INT or not isinstance(salt, bytes)
            or not isinstance(signature, bytes) or len(signature) != SIGNATURE_BYTES):
        raise Refused(krpc.PROTOCOL_ERROR, "key, seq, salt or signature is malformed")
    if len(salt) > MAX_SALT_BYTES:
        raise Refused(krpc.SALT_TOO_BIG, f"a salt of {len(salt)} bytes")
    item = Item(value, key, salt, seq, signature)
    if not is_genuine(item):
        raise Refused(krpc.BAD_SIGNATURE, "the signature is not the key's")
    return item


class _Kept:
    __slots__ = ("expires_s", "host", "item")

    def __init__(self, item: Item, host: bytes, expires_s: float) -> None:
        self.item = item
        self.host = host
        self.expires_s = expires_s


class ItemStore:
    """Items that others put here. When it is full those go that are farthest from us: others look for them elsewhere.
    """

    def __init__(self) -> None:
        self._items: dict[bytes, _Kept] = {}
        self._hosts: dict[bytes, int] = {}                 # how many each host put

    def __len__(self) -> int:
        return len(self._items)

    def get(self, target: bytes) -> Item | None:
        kept = self._items.get(target)
        return None if kept is None else kept.item

    def put(self, item: Item, host: bytes, own_id: bytes, now: float, cas: object = None) -> None:
        """Keep an item, or keep it for longer; `host` is the address it comes from, packed.

        Raises Refused when an older one must not be replaced by it, or there is no room.
        """
        target = item.target
        kept = self._items.get(target)
        if kept is None:
            host = host_key(host)
            self._make_room(target, host, own_id)
            self._items[target] = _Kept(item, host, now + ITEM_LIFE_S)
            self._hosts[host] = self._hosts.get(host, 0) + 1
        else:                          # whoever puts it again, it is the first one's
            _check_successor(item, kept.item, cas)
            self._items[target] = _Kept(item, kept.host, now + ITEM_LIFE_S)

    def expire(self, now: float) -> None:
        for target in [target for target, kept in self._items.items() if kept.expires_s <= now]:
            self._drop(target)

    def _make_room(self, target: bytes, host: bytes, own_id: bytes) -> None:
        if self._hosts.get(host, 0) >= MAX_ITEMS_OF_HOST:
            raise Refused(krpc.SERVER_ERROR, "too many items of this host")
        if len(self._items) < MAX_ITEMS:
            return
        own = number_of(own_id)
        farthest = max(self._items, key=lambda kept: number_of(kept) ^ own)
        if number_of(farthest) ^ own < number_of(target) ^ own:
            raise Refused(krpc.SERVER_ERROR, "no room")
        self._drop(farthest)

    def _drop(self, target: bytes) -> None:
        host = self._items.pop(target).host
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]


def _check_successor(item: Item, before: Item, cas: object) -> None:
    if not item.key:
        return
    if cas is not None and cas != before.seq:
        raise Refused(krpc.CAS_MISMATCH, "it was changed meanwhile")
    if item.seq < before.seq or (item.seq == before.seq and item.value != before.value):
        raise Refused(krpc.SEQ_TOO_OLD, "a newer one is here")
