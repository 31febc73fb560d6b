"""Rank 3: bytes at rest and the threads that move them."""
