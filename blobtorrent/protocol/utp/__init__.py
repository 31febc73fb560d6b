"""The micro transport protocol: ordered streams over datagrams that give way to everything else (BEP 29)."""
