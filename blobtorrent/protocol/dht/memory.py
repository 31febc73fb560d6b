"""What is kept of the DHT from one run to the next: our ids, and nodes to begin with. Bytes in, bytes out."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import Any, NamedTuple

from blobtorrent.model.errors import BencodeError
from blobtorrent.protocol.bencode import Limits, decode, encode
from blobtorrent.protocol.dht.ids import ID_BYTES, is_secure, is_usable
from blobtorrent.protocol.dht.krpc import NodeInfo, endpoint_of, pack_nodes

KEPT_NODES = 200                       # of each family
LIMITS = Limits(size_bytes=64 << 10, depth=3, tokens=100)


class Kept(NamedTuple):
    """Of one family. `address` is our own, as it was agreed on."""

    node_id: bytes = b""
    address: bytes = b""
    nodes: tuple[NodeInfo, ...] = ()


NOTHING = Kept()


def pack(v4: Kept, v6: Kept) -> bytes:
    return encode({
        name: {b"id": kept.node_id, b"ip": kept.address, b"nodes": pack_nodes(list(kept.nodes))}
        for name, kept in ((b"v4", v4), (b"v6", v6))
    })


def unpack(data: bytes) -> tuple[Kept, Kept]:
    """What `pack` made. What is damaged is left out: it is found again. An id that does not fit the address that we
    had is not kept, nor one that nobody confirmed."""
    try:
        families = decode(data, limits=LIMITS)
    except BencodeError:
        families = None
    if not isinstance(families, dict):
        return NOTHING, NOTHING
    return _unpack_one(families.get(b"v4"), 4), _unpack_one(families.get(b"v6"), 16)


def _unpack_one(fields: Any, address_bytes: int) -> Kept:
    if not isinstance(fields, dict):
        return NOTHING
    node_id, address, packed = fields.get(b"id"), fields.get(b"ip"), fields.get(b"nodes")
    size = ID_BYTES + address_bytes + 2
    nodes: list[NodeInfo] = []
    if isinstance(packed, bytes) and len(packed) % size == 0:
        records = [packed[start:start + size] for start in range(0, min(len(packed), KEPT_NODES * size), size)]
        nodes = [NodeInfo(record[:ID_BYTES], endpoint_of(record[ID_BYTES:])) for record in records
                 if is_usable(record[ID_BYTES:-2]) and record[-2:] != b"\0\0"]
    if (isinstance(node_id, bytes) and len(node_id) == ID_BYTES and isinstance(address, bytes)
            and len(address) == address_bytes and is_secure(node_id, address)):
        return Kept(node_id, address, tuple(nodes))
    return Kept(nodes=tuple(nodes))
