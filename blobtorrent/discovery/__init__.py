"""Rank 4: finding peers."""
