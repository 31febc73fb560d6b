"""Core coordination: one torrent (`swarm`) and the whole daemon (`session`)."""
