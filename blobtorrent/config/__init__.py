"""Rank 2: the settings and where they come from."""
