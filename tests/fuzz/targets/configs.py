"""What the operator writes: settings in TOML, on the command line, beside torrents and as a wished state."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.cli.desired import read_desired
from blobtorrent.config.load import load
from blobtorrent.config.overrides import Overrides, check_patch, patched, write_overrides
from blobtorrent.config.render import render_example
from blobtorrent.config.sources import load_with_sources
from blobtorrent.core.session.watch import read_sidecar
from blobtorrent.interface.rest.http import Refused
from blobtorrent.interface.rest.jsonbody import parse_json
from blobtorrent.model.errors import ConfigError, Invalid
from tests.fuzz.registry import Shape, target

FILE = Path("/etc/blobtorrent/blobtorrent.toml")
WORDS = (b"[network]\n", b"[[watch]]\n", b"[groups.x]\n", b"[[hooks]]\n", b"listen", b" = ", b"[", b"]", b"{", b"}",
         b'"""', b"'''",
         b"true", b"inf", b"nan", b"1979-05-27", b"0x", b"\\u0000", b'"127.0.0.1:0"', b'"[::1]:6881-6889"', b'"unix:x"',
         b'"64 MiB"', b'"1h 30m"', b'"mon-fri 08:00-18:00"', b"[[[[[[[[[[", b"\0", b"\xff", b"a.b.c",
         b'"socks5://1.2.3.4:5"',
         b"-1", b"1e999", b"9" * 5000, b'"preset"', b'""')


def documents() -> list[bytes]:
    full = "\n".join(line[1:] if line.startswith("#") and " = " in line and line[1:2].islower() else line
                     for line in render_example().splitlines())
    return [
        full.encode(), b"",
        b'[storage]\ndownload_dir = "/srv"\nmemory_budget = "64 MiB"\n[limits]\ndown_bytes_per_s = "1 MiB/s"\n'
        b'schedule = [{when = "mon-fri 08:00-18:00", down_bytes_per_s = 5}]\n',
        b'[network]\nlisten = ["0.0.0.0:6881-6999"]\nproxy = "socks5://10.0.0.1:1080"\ninterface = "tun0"\n'
        b'[groups.slow]\n'
        b'weight = 2\n[[watch]]\nfolder = "/w"\n[[hooks]]\non = ["torrent-finished"]\nprogram = ["/bin/true"]\n',
        b'[picker]\npreset = "stream"\ntemperature = 0.5\nweight_rarity = "preset"\n'
        b'[filters]\nblock = ["192.0.2.0/24"]\n',
    ]


@target("configs.toml", errors=(ConfigError,), seeds=documents, tokens=WORDS)
def _toml(data: bytes) -> str:
    loaded = load_with_sources(overrides=Overrides(FILE, data.decode("utf-8", "replace")))
    return f"{min(len(loaded.given), 5)}"


@target("configs.assignment", errors=(ConfigError,), tokens=WORDS, seeds=lambda: [
    b"network.max_peers=5", b'storage.download_dir="/x"', b"rest.listen=[]",
    b'network.listen=["127.0.0.1:0"]\nlsd.enabled=false',
    b"groups.x.weight=2", b"watch=[{folder='/w'}]"])
def _assignment(data: bytes) -> str:
    """Of the command line, where lines are words; as a variable of the environment when it has no word before "="."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")[:20]
    variables = {f"BLOBTORRENT_{line.partition('=')[0].replace('.', '__').upper()}": line.partition("=")[2]
                 for line in lines[1::2] if "\0" not in line}
    return f"{load(environ=variables, assignments=lines[::2])!r}"[:12]


@target("configs.patch", errors=(ConfigError, Refused), shape=Shape.JSON, tokens=WORDS, seeds=lambda: [
    b'{"network": {"max_peers": 5, "listen": null}, "dht": {"enabled": false}}', b'{"groups": {"x": {"weight": 2}}}',
    b'{"watch": [{"folder": "/w"}], "limits": {"schedule": []}}', b'{"hooks": null, "storage": {"sync": "always"}}'])
def _patch(data: bytes) -> str:
    """A change over the API, and the file that it is kept in: what was written is read again."""
    patch = parse_json(data)
    if not isinstance(patch, dict):
        return "no object"
    named = check_patch(patch, "in the change")
    document = patched({"network": {"max_peers": 7}}, patch)
    text = write_overrides(document)
    assert Overrides(FILE, text).document() == document
    load_with_sources(overrides=Overrides(FILE, text))
    return f"{min(len(named), 4)}"


@target("configs.sidecar", errors=(Invalid,), tokens=(*WORDS, b"labels", b"peers", b"files", b"priority", b"ratio",
                                                      b"picker"), seeds=lambda: [
    b'labels = ["a"]\ndownload_dir = "/srv"\nstart = false\n[files]\n0 = "high"\n',
                                                          b'sequential = true\npeers = ["10.0.0.1:1"]\n',
    b'{"labels": ["a"], "priority": 2, "goal": {"ratio": 1.5}}',
                                                          b'{"down_bytes_per_s": "1 MiB/s", "custom": {"a": "b"}}'])
def _sidecar(data: bytes) -> str:
    name = "x.json" if data[:1] in b"{[" else "x.toml"
    return f"{sorted(read_sidecar(name, data))}"[:60]


@target("configs.desired", errors=(Invalid,), tokens=(*WORDS, b"[[torrents]]\n", b"torrent = ", b"hash = ",
                                                      b"[defaults]\n"), seeds=lambda: [
    b'[defaults]\nlabels = ["a"]\n[[torrents]]\ntorrent = "a.torrent"\n[[torrents]]\nhash = "' + b"a" * 40
    + b'"\nratio = 2\n'
    b"[settings]\nnetwork = {max_peers = 5}\n"])
def _desired(data: bytes) -> str:
    return f"{len(read_desired(data.decode('utf-8', 'replace')).entries)}"
