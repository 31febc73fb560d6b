"""Rank 0: the vocabulary. Plain values, standard library only."""
