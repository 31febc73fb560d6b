"""Rank 8: the composition root."""
