"""Rank 6: all torrents and the global budgets. Lives on the core thread."""
