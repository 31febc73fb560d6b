"""Rank 1: how threads live and talk."""
