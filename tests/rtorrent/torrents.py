"""The six downloads that the getters were recorded of, in their states, made by calls that any rTorrent understands."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from typing import Any

from tests.rtorrent.recorded import GOLDEN, call, placed
from tests.rtorrent.servers import Server

FIXTURES = GOLDEN / "fixtures"
READY_S = 60.0

ALPHA = "1DE49452D03B14E46250ADD77D84282CE455519A"
BRAVO = "F3B8E2A8E423B1AC8D90EF5A87ADC2C0680E1609"
CHARLIE = "BEE46435F1705AB483FEA327B2432B2D912BE6E3"
DELTA = "1DBD3AC1307681FDF86DA0337DF4764ED1AC3DEE"
ECHO = "379198BFDB66140E37B7FFDD2D35E337B5715D1D"
FOXTROT = "5339763DCFCA6A79D5EE1CC5DCDE7667E4708227"

# Answers that tell of rates and counts, of the machine (limits that go by its memory, too) or of another program:
# their types are compared.
TIMES = re.compile(
    r"^(d\.free_diskspace|d\.local_id(_html)?|d\.message|d\.peers_accounted|d\.ratio|d\.up\.(rate|total)"
    r"|f\.last_touched|p\.(client_version|id_html|up_rate|up_total|multicall|options_str)|pieces\.memory\.block_count"
    r"|system\.(hostname|pid|time|time_seconds|time_usec)|system\.files\.\w+_counter|convert\.elapsed_time"
    r"|t\.failed_counter|throttle\.global_(up|down)\.(rate|total)|network\.(max_)?open_sockets|pieces\.memory\.max"
    r"|pieces\.stats_(not_)?preloaded)$")

FILES = {
    "alpha.bin": ("alpha", 300000), "delta/readme.txt": ("delta1", 100), "delta/video.mkv": ("delta2", 150000),
    "delta/empty.nfo": ("x", 0), "echo.bin": ("echo", 2000000),
    # Enough for four of its pieces.
    **{f"bravo/dir{folder}/sub{number % 2}/file{folder}{number}.dat": (
        f"bravo{folder}{number}", 3000 + 1700 * folder + 311 * number) for folder in range(3) for number in range(8)},
}


# The leecher that was connected to one of them: it fetched so slowly that it stayed one.
PEER_OF = ECHO
PEER_PORT = "51402"
SLOWLY_KB = 1


def payload(seed: str, size: int) -> bytes:
    """The content that the torrents of the recordings were made of."""
    blocks = (hashlib.sha256(f"{seed}:{number}".encode()).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def write_payload(server: Server) -> None:
    """The files of the complete ones, and some of one that is not."""
    for name, (seed, size) in FILES.items():
        path = server.root / "a/dl" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(payload(seed, size))


def load(server: Server, name: str, command: str, *extra: str) -> None:
    """One of the fixtures, with the trackers that stand for those of the recordings."""
    data = base64.b64encode((FIXTURES / f"{name}.torrent").read_bytes()).decode()
    call(server.dial, command, placed(["", {"$b64": data}, *extra], server.stands_for))
    time.sleep(0.3)


def load_all_of_16(server: Server) -> None:
    """The same six in the states that they had when 0.16.20 was asked."""
    write_payload(server)
    load(server, "alpha", "load.raw_start", "d.custom1.set=lbl", "d.custom.set=addtime,1700000000", "d.custom.set=k,v")
    load(server, "bravo", "load.raw")
    for name in ("charlie", "delta", "echo"):
        load(server, name, "load.raw_start")
    load(server, "foxtrot", "load.raw")
    call(server.dial, "throttle.global_up.max_rate.set", ["", 10240])
    for hash_ in (ALPHA, CHARLIE, DELTA, ECHO):
        _wait(server, "d.is_active", hash_, 1)
        _wait(server, "d.hashing", hash_, 0)
    call(server.dial, "d.priority.set", [BRAVO, 3])
    time.sleep(1.0)


def load_all(server: Server) -> None:
    """Bring all six into the states of the recordings, as far as one daemon alone can."""
    write_payload(server)
    for name, command, *extra in (
        ("alpha", "load.raw_start", "d.custom1.set=labelA", "d.custom.set=addtime,1700000000"),
        ("bravo", "load.raw", "d.custom1.set=label%20B"),
        ("charlie", "load.raw_start"),
        ("delta", "load.raw_start", "d.custom1.set=priv"),
        ("echo", "load.raw_start"),
        ("foxtrot", "load.raw"),
    ):
        load(server, name, command, *extra)
    for hash_ in (ALPHA, CHARLIE, DELTA, ECHO):
        _wait(server, "d.is_active", hash_, 1)
        _wait(server, "d.hashing", hash_, 0)
    call(server.dial, "d.pause", [DELTA])
    call(server.dial, "d.check_hash", [BRAVO])             # which opens it, and has it be the last to be looked at
    _wait(server, "d.is_hash_checked", BRAVO, 1)
    call(server.dial, "d.priority.set", [BRAVO, 3])
    call(server.dial, "t.is_enabled.set", [f"{CHARLIE}:t3", 0])
    call(server.dial, "throttle.up", ["", "slowup", "5"])
    time.sleep(1.0)


def connect_leecher(server: Server, leecher: Server) -> dict[str, str]:
    """Have `leecher` be the peer of the recordings; what stands for what of it, but for its name."""
    call(leecher.dial, "throttle.global_down.max_rate.set_kb", ["", SLOWLY_KB])
    load(leecher, "echo", "load.raw_start")
    _wait(leecher, "d.is_active", PEER_OF, 1)
    call(server.dial, "add_peer", [PEER_OF, f"127.0.0.1:{leecher.port}"])
    _wait(server, "d.peers_connected", PEER_OF, 1)
    _wait(server, "t.scrape_incomplete", f"{PEER_OF}:t0", 1, asking="d.tracker_announce")
    _wait_for_tracker(server, CHARLIE)
    _wait(server, "d.peers_connected", PEER_OF, 1)
    return {PEER_PORT: str(leecher.port)}


def peer_of(server: Server) -> str:
    """The name of the leecher, as its own side made it up."""
    end_s = time.monotonic() + READY_S
    while time.monotonic() < end_s:
        rows = call(server.dial, "p.multicall", [PEER_OF, "", "p.id="])["v"]
        if rows:
            return str(rows[0]["v"][0]["v"])
        time.sleep(0.1)                # of two links that cross one ends
    raise RuntimeError("the leecher is not connected")


def _wait_for_tracker(server: Server, hash_: str) -> None:
    """One of several has answered: which is the first of its tier is a matter of chance."""
    end_s = time.monotonic() + READY_S
    while time.monotonic() < end_s:
        call(server.dial, "d.tracker_announce", [hash_])
        rows = [[cell["v"] for cell in row["v"]] for row in call(
            server.dial, "t.multicall", [hash_, "", "t.success_counter=", "t.is_busy="])["v"]]
        if any(successes for successes, _ in rows) and not any(is_busy for _, is_busy in rows):
            return
        time.sleep(1.0)
    raise RuntimeError(f"no tracker of {hash_} has answered")


def _wait(server: Server, name: str, hash_: str, value: int, *, asking: str = "") -> None:
    """Until a getter answers so; a command that brings it about is called again and again."""
    end_s = time.monotonic() + READY_S
    answer: dict[str, Any] = {}
    while time.monotonic() < end_s:
        answer = call(server.dial, name, [hash_])
        if answer.get("v") == value:
            return
        if asking:
            call(server.dial, asking, [hash_.partition(":")[0]])
        time.sleep(1.0 if asking else 0.1)
    raise RuntimeError(f"{name} of {hash_} never was {value}, it is {answer}")
