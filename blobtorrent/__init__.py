"""BlobTorrent: a BitTorrent daemon of dedicated threads, explicit machines and verified bytes."""

__version__ = "0.1.0"
