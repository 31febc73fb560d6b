"""Our outer address, as answers tell it (BEP 42): believed when nodes of several providers say the same."""

from __future__ import annotations

from blobtorrent.protocol.dht.ids import is_local, is_usable, provider_of

QUORUM = 4                             # providers that must agree
MAX_ADDRESSES = 16                     # that are voted on at the same time
MAX_VOTES = 64                         # then they are counted anew: addresses change


class AddressVote:
    """`address` is what was agreed on last, packed, None before; `voters` are the providers that agreed."""

    def __init__(self, address: bytes | None = None) -> None:
        self.address = address
        self.voters: frozenset[bytes] = frozenset()
        self._votes: dict[bytes, set[bytes]] = {}          # address -> providers that told it
        self._counted = 0

    def add(self, address: bytes, voter: bytes) -> bool:
        """One answer's word; True when that changes `address`. Neighbours see us as nobody outside does."""
        if is_local(voter) or is_local(address) or not is_usable(address) or len(address) != len(voter):
            return False
        if self._counted >= MAX_VOTES or (address not in self._votes and len(self._votes) >= MAX_ADDRESSES):
            self._votes.clear()
            self._counted = 0
        voters = self._votes.setdefault(address, set())
        voters.add(provider_of(voter))
        self._counted += 1
        most = max(map(len, self._votes.values()))
        if address == self.address or len(voters) < max(QUORUM, most):
            return False
        self._votes.clear()
        self._counted = 0
        self.address = address
        self.voters = frozenset(voters)
        return True
