"""Our outer address, as answers tell it (BEP 42): believed when nodes of several providers say the same."""

from __future__ import annotations

from collections import Counter

from blobtorrent.protocol.dht.ids import is_local, is_usable, provider_of

QUORUM = 4                             # providers that must agree
LEAD = 2                               # times as many as those who name any other address
MAX_VOTERS = 64                        # providers whose word counts, those heard last: addresses change


class AddressVote:
    """`address` is what was agreed on last, packed, None before; `voters` are the providers that agreed.

    With two ways out of our network half of the world sees us at either address: then the first that was agreed on
    stays, as neither of them has a lead.
    """

    def __init__(self) -> None:
        self.address: bytes | None = None
        self.voters: frozenset[bytes] = frozenset()
        self._words: dict[bytes, bytes] = {}               # provider -> the address that it told last

    def add(self, address: bytes, voter: bytes) -> bool:
        """One answer's word; True when that changes `address`. Neighbours see us as nobody outside does."""
        if is_local(voter) or is_local(address) or not is_usable(address) or len(address) != len(voter):
            return False
        provider = provider_of(voter)
        self._words.pop(provider, None)
        self._words[provider] = address
        if len(self._words) > MAX_VOTERS:
            del self._words[next(iter(self._words))]
        votes = Counter(self._words.values())
        others = max((number for other, number in votes.items() if other != address), default=0)
        if address == self.address or votes[address] < max(QUORUM, LEAD * others):
            return False
        self.address = address
        self.voters = frozenset(provider for provider, told in self._words.items() if told == address)
        return True
