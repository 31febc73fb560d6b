"""Rank 9: the command `blobtorrent`."""
