"""How the library of `cryptography` is loaded: so that its RC4 takes the way that is the faster one on this CPU.

OpenSSL has two: its state as 256 words, or as 256 bytes. It takes the one with words for all but a Pentium 4. On Zen 5
that takes 1.40 CPU s/GiB, the one with bytes 0.78 (medians of 240 runs, taken in turns, of chunks of 256 KiB). The
manual page OPENSSL_ia32cap(3) tells of the switch: bit 20 of a variable of the environment, which is read once, when
the library is loaded, and is for nothing else than RC4. It cannot be set alone: the variable stands for all that
OpenSSL is to know of the CPU. So that is put together here, of what the kernel says that there is.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache

VARIABLE = "OPENSSL_ia32cap"
# Where the kernel tells it in a service as well that sees no more of /proc than its processes.
CPU = "/sys/devices/system/cpu/modalias"
# Maker and family, as they are written there, for which it was measured. Others stay with what OpenSSL takes by itself.
BYTES_ARE_FASTER = frozenset({("0002", "001A")})           # AMD, Zen 5

_ALIAS = re.compile(r"cpu:type:x86,ven([0-9A-F]{4})fam([0-9A-F]{4})mod[0-9A-F]{4}:feature:((?:,[0-9A-F]{4})+)")
_RC4_BY_BYTES = 1 << 20
# Where the kernel counts from and OpenSSL does: CPUID's leaf 1, EDX and ECX; leaf 7, EBX and ECX.
_BASIC = ((0x000, 0), (0x080, 32))
_EXTENDED = ((0x120, 0), (0x200, 32))
_WORD_BITS = 32


def make_room() -> None:
    """For the main thread, before there are others: so that `load`, by any thread, moves nothing.

    Who asks for a variable reads a table of pointers without a lock. The C library makes a longer one for the first
    variable that is added. For the next one, after that was taken away again, it is long enough.
    """
    if _wanted() is not None:
        os.putenv(VARIABLE, "")
        os.unsetenv(VARIABLE)


@lru_cache(maxsize=1)
def load() -> None:
    """Import `cryptography`, if it is here. Who is the first to use it calls this before.

    The variable is there meanwhile only, and never in `os.environ`: programs that we start shall not inherit it, and
    the other OpenSSL of this process, that of `hashlib`, is loaded before, so it does not see it.
    """
    import hashlib  # noqa: F401

    wanted = _wanted()
    if wanted is not None:
        os.putenv(VARIABLE, wanted)
    try:
        import cryptography.hazmat.bindings._rust  # noqa: F401
    except ImportError:                # whoever needs it says so
        pass
    finally:
        if wanted is not None:
            os.unsetenv(VARIABLE)


def _wanted() -> str | None:
    return None if VARIABLE in os.environ else wanted_of(_told_of_cpu())


def wanted_of(cpu: str) -> str | None:
    """The variable's value for a CPU that the kernel names so; None: it is best left alone."""
    found = _ALIAS.match(cpu)
    if found is None or (found[1], found[2]) not in BYTES_ARE_FASTER:
        return None
    features = [int(number, 16) for number in found[3].split(",")[1:]]
    return f"{_bits(_BASIC, features) | _RC4_BY_BYTES:#x}:{_bits(_EXTENDED, features):#x}"


def _bits(words: tuple[tuple[int, int], ...], features: list[int]) -> int:
    return sum(1 << number - first + shift for first, shift in words for number in features
               if first <= number < first + _WORD_BITS)


def _told_of_cpu() -> str:
    try:
        with open(CPU, encoding="ascii") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ""
