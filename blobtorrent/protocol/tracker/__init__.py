"""Tracker protocols, sans-IO."""
