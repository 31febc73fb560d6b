"""How the library of `cryptography` is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blobtorrent.runtime.cryptolibrary import CPU, VARIABLE, wanted_of

FEATURES = "0000,0004,0019,001A,0064,0080,0081,0089,0093,0099,009B,009C,0125,0128,013D,0165,0209,020A,0225"
ZEN_5 = f"cpu:type:x86,ven0002fam001Amod0002:feature:,{FEATURES}\n"

# The library is loaded as for a Zen 5, but with what this CPU has. Then both of its uses here are tried.
TRY = """
import os, re, subprocess, sys
from blobtorrent.runtime import cryptolibrary
said = re.sub("ven.*fam....", "ven0002fam001A", cryptolibrary._told_of_cpu())
cryptolibrary._told_of_cpu = lambda: said
cryptolibrary.make_room()
before = dict(os.environ)
asked = []
put = os.putenv
cryptolibrary.os.putenv = lambda name, value: (asked.append(value), put(name, value))
from blobtorrent.protocol.mse.cipher import SlowRc4, rc4
from blobtorrent.protocol.dht.items import is_genuine, signed
text = bytes(range(256)) * 100
slow = SlowRc4(b"k" * 20)
slow.update(bytes(1024))
stream, parts, at = rc4(b"k" * 20), [], 0
for size in (1, 7, 8, 13, 4096, 15, 17, len(text)):
    parts.append(stream.update(text[at:at + size]))
    at += size
assert b"".join(parts) == slow.update(text)
assert is_genuine(signed(b"value", b"s" * 32, seq=1))
assert dict(os.environ) == before
inherited = subprocess.run([sys.executable, "-c", "import os; print(os.environ.get('OPENSSL_ia32cap', 'none'))"],
                           capture_output=True, text=True, check=True)
print(*asked, inherited.stdout.strip())
"""


def test_rc4_by_bytes_is_chosen_and_openssl_told_of_no_more_than_there_is():
    basic, _, extended = (wanted_of(ZEN_5) or "").partition(":")
    of_leaf_1 = {0, 4, 25, 26, *(32 + bit for bit in (0, 1, 9, 19, 25, 27, 28))}
    assert int(basic, 16) == sum(1 << bit for bit in of_leaf_1 | {20})
    assert int(extended, 16) == sum(1 << bit for bit in (5, 8, 29, 32 + 9, 32 + 10))


@pytest.mark.parametrize("cpu", [
    "",
    ZEN_5.replace("ven0002", "ven0000"),                   # Intel
    ZEN_5.replace("fam001A", "fam0019"),
    "cpu:type:x86,ven0002fam001Amod0002:feature:\n",
    "cpu:type:aarch64:feature:,0000,0001,0002\n",
])
def test_other_cpus_are_left_alone(cpu):
    assert wanted_of(cpu) is None


def test_a_name_that_is_cut_off_will_do():
    assert wanted_of(ZEN_5[:-3]) == wanted_of(ZEN_5.replace(",0225", ""))


@pytest.mark.skipif(not Path(CPU).exists() or "type:x86" not in Path(CPU).read_text(), reason="a matter of x86 CPUs")
@pytest.mark.parametrize(("environ", "times"), [({}, 1), ({VARIABLE: ":~0"}, 0)])
def test_what_it_is_for_works_and_nobody_inherits_it(environ, times):
    clean = {name: value for name, value in os.environ.items() if name != VARIABLE}
    told = subprocess.run([sys.executable, "-c", TRY], env={**clean, **environ}, capture_output=True, text=True,
                          check=False, timeout=60)
    assert told.returncode == 0, told.stderr
    *asked, inherited = told.stdout.split()
    assert len(asked) == times
    assert inherited == environ.get(VARIABLE, "none")
