"""Rank 2: the rules of the BEPs as pure code: bytes and `now` in, messages and intentions out."""
