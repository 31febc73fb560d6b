"""Rank 3: sockets. The loops here call handlers that higher layers implement."""
