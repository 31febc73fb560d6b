"""How the library of `cryptography` is loaded."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from blobtorrent.runtime.cryptolibrary import MOST_BYTES, VARIABLE, wanted_of

ZEN_5 = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
flags\t\t: fpu tsc cx8 cmov mmx fxsr sse sse2 ht pni pclmulqdq ssse3 sse4_1 aes avx avx2 bmi2 sha_ni rdrand rdseed
bugs\t\t: spectre_v1

processor\t: 1
vendor_id\t: AuthenticAMD
"""

# The library is loaded as for a Zen 5, but with what this CPU has. Then both of its uses here are tried.
TRY = """
import hashlib, os, subprocess, sys
from blobtorrent.runtime import cryptolibrary
said = cryptolibrary._told_of_cpu()
lines = ["vendor_id: AuthenticAMD", "cpu family: 26", *[line for line in said.splitlines() if line[:5] == "flags"][:1]]
cryptolibrary._told_of_cpu = lambda: "\\n".join(lines)
before = dict(os.environ)
asked = []
put = os.putenv
cryptolibrary.os.putenv = lambda name, value: (asked.append(value), put(name, value))
from blobtorrent.protocol.mse.cipher import SlowRc4, rc4
from blobtorrent.protocol.dht.items import is_genuine, signed
text = bytes(range(256)) * 100
slow = SlowRc4(b"k" * 20)
slow.update(bytes(1024))
assert rc4(b"k" * 20).update(text) == slow.update(text)
assert is_genuine(signed(b"value", b"s" * 32, seq=1))
assert dict(os.environ) == before
inherited = subprocess.run([sys.executable, "-c", "import os; print(os.environ.get('OPENSSL_ia32cap', 'none'))"],
                           capture_output=True, text=True, check=True)
print(*asked, inherited.stdout.strip())
"""


def test_rc4_by_bytes_is_chosen_where_it_is_the_faster_one():
    basic, _, extended = (wanted_of(ZEN_5) or "").partition(":")
    assert int(basic, 16) & 1 << 20


def test_openssl_is_told_of_no_more_than_there_is():
    basic, _, extended = (wanted_of(ZEN_5) or "").partition(":")
    have = {0, 4, 8, 15, 23, 24, 25, 26, 32, 33, 41, 51, 57, 59, 60}       # by Intel's manual, of leaf 1
    assert int(basic, 16) == sum(1 << bit for bit in have | {20})
    assert int(extended, 16) == 1 << 5 | 1 << 8 | 1 << 29


def test_without_avx_the_system_is_not_said_to_save_its_registers():
    basic, _, _ = (wanted_of(ZEN_5.replace(" avx ", " ")) or "").partition(":")
    assert not int(basic, 16) & (1 << 59 | 1 << 60)


@pytest.mark.parametrize("cpu", [
    "",
    ZEN_5.replace("AuthenticAMD", "GenuineIntel"),
    ZEN_5.replace("cpu family\t: 26", "cpu family\t: 25"),
    ZEN_5.replace("cpu family\t: 26", "cpu family\t: new"),
    ZEN_5.replace("flags", "features"),
    "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd aes sha1\nCPU implementer\t: 0x41\n",
])
def test_other_cpus_are_left_alone(cpu):
    assert wanted_of(cpu) is None


def test_a_text_that_is_cut_in_the_middle_will_do():
    many = "\n".join([ZEN_5] * 100)[:MOST_BYTES]
    assert wanted_of(many) == wanted_of(ZEN_5)


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="a matter of this CPU's OpenSSL")
@pytest.mark.parametrize(("environ", "times"), [({}, 1), ({VARIABLE: ":~0"}, 0)])
def test_what_it_is_for_works_and_nobody_inherits_it(environ, times):
    clean = {name: value for name, value in os.environ.items() if name != VARIABLE}
    told = subprocess.run([sys.executable, "-c", TRY], env={**clean, **environ}, capture_output=True, text=True,
                          check=False, timeout=60)
    assert told.returncode == 0, told.stderr
    *asked, inherited = told.stdout.split()
    assert len(asked) == times
    assert inherited == environ.get(VARIABLE, "none")
