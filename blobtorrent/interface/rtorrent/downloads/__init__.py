"""Torrents as rTorrent's commands see them: downloads, their files, peers and trackers, views, loading, events."""
