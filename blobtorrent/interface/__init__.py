"""Rank 7: control interfaces; they hold a Gateway and nothing else of the engine."""
