"""Rank 5: the live side of one torrent. Runs on its shard's receive thread; no locks, no I/O."""
