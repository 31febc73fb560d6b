"""What mapping a port means, whichever way a router is asked: values that the three protocols share."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from enum import Enum
from typing import NamedTuple


class Transport(Enum):
    TCP = "tcp"
    UDP = "udp"


class Mapping(NamedTuple):
    """What the router agreed to. `lifetime_s` 0: until it restarts. `external_host` is empty when it did not tell."""

    transport: Transport
    internal_port: int
    external_port: int
    lifetime_s: int
    external_host: str = ""
