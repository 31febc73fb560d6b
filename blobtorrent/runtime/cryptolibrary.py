"""How the library of `cryptography` is loaded: so that its RC4 takes the way that is the faster one on this CPU.

OpenSSL has two: its state as 256 words, or as 256 bytes. It takes the one with words for all but a Pentium 4. On Zen 5
that takes 1.40 CPU s/GiB, the one with bytes 0.78 (medians of 240 runs, taken in turns, of chunks of 256 KiB). The
manual page OPENSSL_ia32cap(3) tells of the switch: bit 20 of a variable of the environment, which is read once, when
the library is loaded, and is for nothing else than RC4. It cannot be set alone: the variable stands for all that
OpenSSL is to know of the CPU. So that is put together here, of what the kernel says that there is.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache

VARIABLE = "OPENSSL_ia32cap"
# The makers' families for which it was measured. Others stay with what OpenSSL takes by itself.
BYTES_ARE_FASTER = frozenset({("AuthenticAMD", 26)})
MOST_BYTES = 8192                      # of the kernel's text: it makes it while it is read, and all CPUs are alike

_RC4_BY_BYTES = 1 << 20
# Where CPUID has what the kernel calls so: of leaf 1 EDX, and ECX above it; of leaf 7 EBX.
_BASIC = {
    "fpu": 0, "tsc": 4, "cx8": 8, "cmov": 15, "mmx": 23, "fxsr": 24, "sse": 25, "sse2": 26, "pni": 32, "pclmulqdq": 33,
    "ssse3": 41, "fma": 44, "cx16": 45, "sse4_1": 51, "sse4_2": 52, "movbe": 54, "popcnt": 55, "aes": 57, "xsave": 58,
    "avx": 60, "f16c": 61,
}
_OSXSAVE = 1 << 59                     # has no name: with `avx` the kernel says that it is on
_EXTENDED = {"bmi1": 3, "avx2": 5, "bmi2": 8, "erms": 9, "adx": 19, "sha_ni": 29}


@lru_cache(maxsize=1)
def load() -> None:
    """Import `cryptography`, if it is here. Who is the first to use it calls this before.

    The variable is there meanwhile only, and never in `os.environ`: programs that we start shall not inherit it, and
    the other OpenSSL of this process, that of `hashlib`, is loaded before, so it does not see it.
    """
    import hashlib  # noqa: F401

    wanted = None if VARIABLE in os.environ else wanted_of(_told_of_cpu())
    if wanted is not None:
        os.putenv(VARIABLE, wanted)
    try:
        import cryptography.hazmat.bindings._rust  # noqa: F401
    except ImportError:                # whoever needs it says so
        pass
    finally:
        if wanted is not None:
            os.unsetenv(VARIABLE)


def wanted_of(cpu: str) -> str | None:
    """The variable's value for a CPU, of which this is the text in /proc/cpuinfo; None: it is best left alone."""
    told = {key.strip(): value.strip() for key, colon, value in
            (line.partition(":") for line in cpu.partition("\n\n")[0].splitlines()) if colon}
    family = told.get("cpu family", "")
    flags = frozenset(told.get("flags", "").split())
    if not family.isdecimal() or (told.get("vendor_id"), int(family)) not in BYTES_ARE_FASTER or "sse2" not in flags:
        return None
    basic = _bits(_BASIC, flags) | _RC4_BY_BYTES | (_OSXSAVE if "avx" in flags else 0)
    return f"{basic:#x}:{_bits(_EXTENDED, flags):#x}"


def _bits(places: dict[str, int], flags: frozenset[str]) -> int:
    return sum(1 << place for name, place in places.items() if name in flags)


def _told_of_cpu() -> str:
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return ""
    try:
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            return (file.read(MOST_BYTES) or b"").decode("ascii", "replace")
    except OSError:
        return ""
