"""The routing table of one family (BEP 5): nodes that answered us, more of those that are near our own id.

Only the bucket that our own id falls in is split, so bucket i holds ids that share exactly i leading bits with ours,
and the last bucket all that share more. The first ones are larger than the eight of the BEP: half of all nodes belong
into the first, and a search that starts with 128 of them needs fewer steps.

Nobody fills a bucket alone: it takes one node of a network (BEP 42 and `ids.network_of`), none with an id or an address
that another one has, and nodes whose id fits their address push out those whose does not.
"""

from __future__ import annotations

from collections.abc import Iterator

from blobtorrent.model.address import Endpoint
from blobtorrent.protocol.dht.ids import ID_BITS, is_local, is_secure, network_of, number_of, pack_host, shared_bits

K = 8                                  # nodes of a bucket, and of an answer
FIRST_BUCKET = 128                     # halved with every bucket until K
SPARES = 8                             # that wait for a place in a bucket
GOOD_FOR_S = 900.0                     # without hearing of it
REFRESH_S = 900.0                      # a bucket in which nothing happened for so long is looked through
MAX_FAILURES = 2                       # in a row: then it is bad
GIVE_UP_FAILURES = 8                   # then it goes, whether there is another or not


class Contact:
    """A node that answered us at least once, with the id that it has."""

    __slots__ = ("node_id", "number", "endpoint", "packed", "is_secure", "is_spare", "answered_s", "heard_s",
                 "failures")

    def __init__(self, node_id: bytes, endpoint: Endpoint, now: float) -> None:
        self.node_id = node_id
        self.number = number_of(node_id)
        self.endpoint = endpoint
        self.packed = pack_host(endpoint.host)
        self.is_secure = is_secure(node_id, self.packed)
        self.is_spare = False          # it waits for a place
        self.answered_s = now
        self.heard_s = now             # its last answer or query
        self.failures = 0              # to answer, in a row

    def is_good(self, now: float) -> bool:
        return not self.failures and now - self.heard_s < GOOD_FOR_S

    @property
    def is_bad(self) -> bool:
        return self.failures >= MAX_FAILURES


class Bucket:
    """Contacts, the one heard longest ago first, and those that would take a place that becomes free."""

    __slots__ = ("contacts", "spares", "touched_s")

    def __init__(self, now: float) -> None:
        self.contacts: list[Contact] = []
        self.spares: list[Contact] = []
        self.touched_s = now


class RoutingTable:
    """All contacts of one family, as seen from `own_id`.

    Who has a place and who waits for one is known by endpoint, too: an endpoint is in the buckets once at most.
    """

    def __init__(self, own_id: bytes, now: float) -> None:
        self.own_number = number_of(own_id)
        self.buckets = [Bucket(now)]
        self._by_endpoint: dict[Endpoint, Contact] = {}                # spares, too

    def __len__(self) -> int:
        return sum(len(bucket.contacts) for bucket in self.buckets)

    def __iter__(self) -> Iterator[Contact]:
        return iter([contact for bucket in self.buckets for contact in bucket.contacts])

    def get(self, endpoint: Endpoint) -> Contact | None:
        contact = self._by_endpoint.get(endpoint)
        return None if contact is None or contact.is_spare else contact

    def has_room_for(self, node_id: bytes) -> bool:
        """Whether it is worth while to find out if a node answers."""
        index = self._index(number_of(node_id))
        bucket = self.buckets[index]
        return (len(bucket.contacts) < _capacity(index) or index == len(self.buckets) - 1
                or len(bucket.spares) < SPARES or any(contact.is_bad for contact in bucket.contacts))

    def on_answer(self, node_id: bytes, endpoint: Endpoint, now: float) -> Contact | None:
        """A node answered: take it, or note that it is there. None when it has no place in the table.

        Who answers with another id than it had has lost its place.
        """
        known = self._by_endpoint.get(endpoint)
        if known is not None and (known.is_spare or known.node_id != node_id):
            self._remove(known)
            known = None
        if known is None:
            contact = Contact(node_id, endpoint, now)
            return contact if contact.number != self.own_number and self._insert(contact, now) else None
        known.answered_s = known.heard_s = now
        known.failures = 0
        bucket = self.buckets[self._index(known.number)]
        bucket.contacts.remove(known)
        bucket.contacts.append(known)
        bucket.touched_s = now
        return known

    def on_query(self, node_id: bytes, endpoint: Endpoint, now: float) -> bool:
        """A node asked us something; False when it is none of our contacts."""
        contact = self.get(endpoint)
        if contact is None or contact.node_id != node_id:
            return False
        contact.heard_s = now
        return True

    def on_failure(self, endpoint: Endpoint) -> None:
        """A node did not answer. A bad one goes as soon as there is another for its place; when everybody seems bad it
        is our own network that is away, so without another it stays for a while."""
        contact = self._by_endpoint.get(endpoint)
        if contact is None:
            return
        if contact.is_spare:
            self._remove(contact)
            return
        contact.failures += 1
        if contact.is_bad:
            bucket = self.buckets[self._index(contact.number)]
            others = [one for one in bucket.contacts if one is not contact]
            for spare in reversed(bucket.spares):
                if not _is_crowded(others, spare):
                    self._remove(contact)
                    bucket.spares.remove(spare)
                    bucket.contacts.append(spare)
                    spare.is_spare = False
                    return
        if contact.failures >= GIVE_UP_FAILURES:
            self._remove(contact)

    def closest(self, target: int, now: float, most: int = K, *, only_secure: bool = False) -> list[Contact]:
        """The contacts nearest to a target, nearest first; none that is not good while there are others."""
        index = self._index(target)
        found = [contact for bucket in self.buckets[index:] for contact in bucket.contacts]
        found = [contact for contact in found if contact.is_secure or not only_secure]
        while len(found) < most and index:
            index -= 1
            found += [one for one in self.buckets[index].contacts if one.is_secure or not only_secure]
        found.sort(key=lambda contact: (not contact.is_good(now), contact.number ^ target))
        return found[:most]

    def questionable(self, now: float) -> Contact | None:
        """The one that was not heard of for longest, first where another waits for its place: ask whether it is still
        there. None while all are good."""
        doubtful = [(not bucket.spares, contact.heard_s, contact.number, contact)
                    for bucket in self.buckets for contact in bucket.contacts if not contact.is_good(now)]
        return min(doubtful)[3] if doubtful else None

    def stale_target(self, now: float, random: bytes) -> int | None:
        """A target in the bucket in which nothing happened for too long; it counts as looked through from now on."""
        for index, bucket in enumerate(self.buckets):
            if now - bucket.touched_s >= REFRESH_S:
                bucket.touched_s = now
                return self._target_in(index, number_of(random))
        return None

    def _target_in(self, index: int, random: int) -> int:
        """A number that falls in a bucket."""
        if index == len(self.buckets) - 1:
            return (self.own_number >> (ID_BITS - index) << (ID_BITS - index)
                    | random & (1 << (ID_BITS - index)) - 1)
        flipped = self.own_number ^ 1 << (ID_BITS - 1 - index)
        rest = ID_BITS - 1 - index
        return flipped >> rest << rest | random & (1 << rest) - 1

    def _index(self, number: int) -> int:
        return min(shared_bits(number, self.own_number), len(self.buckets) - 1)

    def _insert(self, contact: Contact, now: float) -> bool:
        """Give it a place, or have it wait for one; its endpoint is not in the table."""
        while True:
            index = self._index(contact.number)
            bucket = self.buckets[index]
            if _is_crowded(bucket.contacts, contact):
                return False
            if len(bucket.contacts) < _capacity(index):
                break
            if index == len(self.buckets) - 1 and index < ID_BITS - 1:
                self._split()
                continue
            loser = _loser(bucket.contacts, contact)
            if loser is None:
                if not _is_crowded(bucket.spares, contact):
                    self._have_wait(bucket, [contact])
                return False
            self._remove(loser)
            break
        bucket.contacts.append(contact)
        bucket.touched_s = now
        self._by_endpoint[contact.endpoint] = contact
        return True

    def _have_wait(self, bucket: Bucket, newcomers: list[Contact]) -> None:
        for contact in newcomers:
            contact.is_spare = True
            self._by_endpoint[contact.endpoint] = contact
        bucket.spares += newcomers
        for surplus in bucket.spares[:-SPARES]:
            self._remove(surplus)

    def _split(self) -> None:
        last = self.buckets[-1]
        index = len(self.buckets)
        deeper = Bucket(last.touched_s)
        self.buckets.append(deeper)
        for name in ("contacts", "spares"):
            both: list[Contact] = getattr(last, name)
            setattr(deeper, name, [one for one in both if shared_bits(one.number, self.own_number) >= index])
            setattr(last, name, [one for one in both if shared_bits(one.number, self.own_number) < index])
        # The next bucket may be smaller than this one was: what it has no place for waits.
        capacity = _capacity(index)
        surplus = deeper.contacts[capacity:]
        del deeper.contacts[capacity:]
        self._have_wait(deeper, surplus)

    def _remove(self, contact: Contact) -> None:
        del self._by_endpoint[contact.endpoint]
        bucket = self.buckets[self._index(contact.number)]
        (bucket.spares if contact.is_spare else bucket.contacts).remove(contact)


def _capacity(index: int) -> int:
    return max(K, FIRST_BUCKET >> index)


def _is_crowded(contacts: list[Contact], newcomer: Contact) -> bool:
    """Whether the newcomer's id, endpoint or network is there already. At home one address has many nodes."""
    if is_local(newcomer.packed):
        return any(contact.number == newcomer.number or contact.endpoint == newcomer.endpoint for contact in contacts)
    network = network_of(newcomer.packed)
    return any(contact.number == newcomer.number or network_of(contact.packed) == network for contact in contacts)


def _loser(contacts: list[Contact], newcomer: Contact) -> Contact | None:
    """Who makes room: one that is bad, else one whose id does not fit its address if the newcomer's does."""
    for contact in contacts:
        if contact.is_bad:
            return contact
    if newcomer.is_secure:
        for contact in contacts:
            if not contact.is_secure:
                return contact
    return None
