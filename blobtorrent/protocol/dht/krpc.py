"""The messages of the DHT as values (BEP 5; BEP 32: nodes6; BEP 42: ip; BEP 43: ro)."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import Any, NamedTuple

from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import BencodeError, DhtError
from blobtorrent.protocol.bencode import Limits, decode, encode
from blobtorrent.protocol.dht.ids import ID_BYTES, host_of, may_name, pack_host

MAX_DATAGRAM_BYTES = 2048              # that are read; honest nodes send at most 1,024 and an item
MAX_ANSWER_BYTES = 1024                # that are sent
MAX_ITEM_ANSWER_BYTES = 1400           # the same, to who asks for an item: still one packet
LIMITS = Limits(size_bytes=MAX_DATAGRAM_BYTES, depth=12, tokens=600)       # an item may be of 500 empty lists
MAX_TRANSACTION_BYTES = 128            # others use 2 to 20
MAX_NODES = 32                         # of one answer that are looked at
MAX_VALUES = 100                       # the same; 1,024 bytes hold no more

GENERIC_ERROR, SERVER_ERROR, PROTOCOL_ERROR, METHOD_UNKNOWN = 201, 202, 203, 204
ITEM_TOO_BIG, BAD_SIGNATURE, SALT_TOO_BIG, CAS_MISMATCH, SEQ_TOO_OLD = 205, 206, 207, 301, 302


class NodeInfo(NamedTuple):
    """A node as others tell of it."""

    node_id: bytes
    endpoint: Endpoint


class Query(NamedTuple):
    """Somebody asks."""

    transaction: bytes                 # opaque: echoed
    method: bytes
    arguments: dict[bytes, Any]
    sender_id: bytes
    is_read_only: bool                 # the sender answers no queries: of no use in a table (BEP 43)


class Response(NamedTuple):
    """Somebody answers. `seen_as` is our own address as the sender sees it (BEP 42), in 4 or 16 bytes."""

    transaction: bytes
    values: dict[bytes, Any]
    sender_id: bytes
    seen_as: bytes | None


class Failure(NamedTuple):
    """Somebody refuses to answer."""

    transaction: bytes
    code: int
    text: bytes


def read_message(data: bytes) -> Query | Response | Failure:
    """Read a datagram. Raises DhtError ("dht.bad-message") on anything that is no message of the DHT."""
    try:
        message = decode(data, limits=LIMITS, lenient=True)
    except BencodeError as error:
        raise DhtError("dht.bad-message", error.detail) from None
    if not isinstance(message, dict):
        raise DhtError("dht.bad-message", "no dictionary")
    transaction, kind = message.get(b"t"), message.get(b"y")
    if not isinstance(transaction, bytes):
        raise DhtError("dht.bad-message", "no transaction id")
    if len(transaction) > MAX_TRANSACTION_BYTES:
        raise DhtError("dht.bad-message", f"a transaction id of {len(transaction)} bytes")
    if kind == b"q":
        method, arguments = message.get(b"q"), message.get(b"a")
        if not isinstance(method, bytes) or not isinstance(arguments, dict):
            raise DhtError("dht.bad-message", "a query without method or arguments")
        return Query(transaction, method, arguments, _sender_of(arguments), message.get(b"ro") == 1)
    if kind == b"r":
        values = message.get(b"r")
        if not isinstance(values, dict):
            raise DhtError("dht.bad-message", "an answer without values")
        seen_as = message.get(b"ip")
        if not isinstance(seen_as, bytes) or len(seen_as) not in (6, 18):
            seen_as = None
        return Response(transaction, values, _sender_of(values), seen_as and seen_as[:-2])
    if kind == b"e":
        return _read_failure(transaction, message.get(b"e"))
    raise DhtError("dht.bad-message", "neither query nor answer")


def _sender_of(values: dict[bytes, Any]) -> bytes:
    node_id = values.get(b"id")
    if not isinstance(node_id, bytes) or len(node_id) != ID_BYTES:
        raise DhtError("dht.bad-message", "no node id of 20 bytes")
    return node_id


def _read_failure(transaction: bytes, error: Any) -> Failure:
    """Errors are a list of a code and a text, but some nodes send what they like."""
    code: Any = error[0] if isinstance(error, list) and error else GENERIC_ERROR
    text: Any = error[1] if isinstance(error, list) and len(error) > 1 else b""
    return Failure(
        transaction, code if isinstance(code, int) else GENERIC_ERROR, text[:200] if isinstance(text, bytes) else b"")


def write_query(transaction: bytes, method: bytes, arguments: dict[bytes, Any], *, is_read_only: bool = False) -> bytes:
    message: dict[bytes, Any] = {b"t": transaction, b"y": b"q", b"q": method, b"a": arguments}
    if is_read_only:
        message[b"ro"] = 1
    return encode(message)


def write_response(transaction: bytes, values: dict[bytes, Any], to: Endpoint) -> bytes:
    return encode({b"t": transaction, b"y": b"r", b"r": values, b"ip": compact(to)})


def write_failure(transaction: bytes, code: int, text: str) -> bytes:
    return encode({b"t": transaction, b"y": b"e", b"e": [code, text]})


def pack_nodes(nodes: list[NodeInfo]) -> bytes:
    return b"".join(node_id + compact(endpoint) for node_id, endpoint in nodes)


def read_nodes(values: dict[bytes, Any], sender: bytes, *, is_ipv6: bool) -> list[NodeInfo]:
    """The nodes of one family that an answer names, as far as its sender can know of them. Nonsense is left out."""
    packed = values.get(b"nodes6" if is_ipv6 else b"nodes")
    size = ID_BYTES + (18 if is_ipv6 else 6)
    if not isinstance(packed, bytes) or len(packed) % size:
        return []
    records = [packed[start:start + size] for start in range(0, min(len(packed), MAX_NODES * size), size)]
    return [
        NodeInfo(record[:ID_BYTES], endpoint_of(record[ID_BYTES:]))
        for record in records
        if record[-2:] != b"\0\0" and may_name(sender, record[ID_BYTES:-2])
    ]


def read_values(values: dict[bytes, Any], sender: bytes) -> list[Endpoint]:
    """The peers that an answer names, of both families, as far as its sender can know of them."""
    records = values.get(b"values")
    if not isinstance(records, list):
        return []
    return [
        endpoint_of(record)
        for record in records[:MAX_VALUES]
        if isinstance(record, bytes) and len(record) in (6, 18) and record[-2:] != b"\0\0"
        and may_name(sender, record[:-2])
    ]


def wanted_families(arguments: dict[bytes, Any], *, is_ipv6: bool) -> tuple[bool, bool]:
    """Whether a query wants nodes of IPv4 and of IPv6 (BEP 32); what it does not say is the family that it came by."""
    want = arguments.get(b"want")
    if not isinstance(want, list):
        return not is_ipv6, is_ipv6
    return b"n4" in want, b"n6" in want


# The same few addresses come again and again: these remember them, which takes a third off the cost of a message.

def packed_host(endpoint: Endpoint) -> bytes:
    return pack_host(endpoint.host)


def compact(endpoint: Endpoint) -> bytes:
    """6 or 18 bytes, as `Endpoint.compact`."""
    return pack_host(endpoint.host) + endpoint.port.to_bytes(2, "big")


def endpoint_of(record: bytes) -> Endpoint:
    """Read a compact record of 6 or 18 bytes."""
    return Endpoint(host_of(record[:-2]), int.from_bytes(record[-2:], "big"))
