"""Local discovery with libtorrent-rasterbar, both ways, on a network that nobody else is on; and silence of private
torrents."""

from __future__ import annotations

import socket
import struct
import subprocess
import time

import pytest

from blobtorrent.protocol.lsd import GROUP_V4, LocalAnnouncement
from tests.interop.clients import namespace
from tests.support.payload import KIB, make_sample
from tests.support.peers.daemon import Daemon
from tests.support.peers.finders import LibtorrentFinders
from tests.support.peers.program import wait_until
from tests.support.tools import require_module

OURS, THEIRS = "10.78.0.1", "10.78.0.2"
WITHIN_S = 20.0
SILENCE_S = 3.0


@pytest.fixture
def network():
    """A namespace with one interface that carries multicast, and the addresses of both on it."""
    with namespace() as made:
        for words in (("link", "add", "lan0", "type", "veth", "peer", "name", "lan1"),
                      ("link", "set", "lan0", "up"), ("link", "set", "lan1", "up"),
                      ("addr", "add", f"{OURS}/24", "dev", "lan0"), ("addr", "add", f"{THEIRS}/24", "dev", "lan0")):
            if subprocess.run([*made.prefix, "ip", *words], capture_output=True).returncode:
                pytest.skip("no right to make an interface")
        yield made


@pytest.fixture
def sample(tmp_path):
    require_module("libtorrent")
    return make_sample(tmp_path, "near", 512 * KIB, 32 * KIB)


def daemon_in(network, folder):
    made = Daemon(folder, "--set", f"network.listen=['{OURS}:0']")
    made._command = [*network.prefix, *made._command]
    return made


def add(daemon, sample):
    daemon.call("POST", "/v1/torrents", {"source": str(sample.torrent)})
    return f"/v1/torrents/{sample.info_hash.hex()}/peers"


def sources(daemon, path):
    return [(peer["host"], peer["source"]) for peer in daemon.call("GET", path)["peers"]]


def test_we_find_those_who_announce_themselves(tmp_path, network, sample):
    with daemon_in(network, tmp_path / "ours") as ours:
        path = add(ours, sample)
        with LibtorrentFinders(sample.torrent, tmp_path, [THEIRS], prefix=network.prefix, enable_lsd=True,
                               enable_outgoing_tcp=False):
            wait_until(lambda: sources(ours, path) == [(THEIRS, "lsd")], WITHIN_S, "the link", every_s=0.1)


def test_they_find_us(tmp_path, network, sample):
    with LibtorrentFinders(sample.torrent, tmp_path, [THEIRS], prefix=network.prefix, enable_lsd=True,
                           enable_incoming_tcp=False) as theirs, daemon_in(network, tmp_path / "ours") as ours:
        add(ours, sample)
        wait_until(lambda: [(found.host, found.sources) for found in theirs.links(0)] == [(OURS, ("lsd",))], WITHIN_S,
                   "the link", every_s=0.1)


def test_a_private_torrent_is_announced_to_nobody_and_the_next_public_one_is(tmp_path, network, sample):
    private = make_sample(tmp_path / "other", "secret", 512 * KIB, 32 * KIB, private=True)
    with network.call(listener) as heard, daemon_in(network, tmp_path / "ours") as ours:
        add(ours, private)
        time.sleep(SILENCE_S)
        add(ours, sample)
        told = LocalAnnouncement.decode(heard.recv(2000))
        assert told.hashes == (sample.info_hash,)


def listener():
    """A socket that hears the group on the interface."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(WITHIN_S)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((GROUP_V4.host, GROUP_V4.port))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack(
        "4s4s", socket.inet_aton(GROUP_V4.host), socket.inet_aton(OURS)))
    return sock
