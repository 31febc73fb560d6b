"""`dht.*`: whether there is a DHT node, and how it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.engine import SessionEngine
from blobtorrent.interface.rtorrent.session.making import command, getter
from blobtorrent.interface.rtorrent.values import Value, one_number, one_text

CATEGORY: Final = "dht"
MODES: Final = {"disable": False, "off": False, "auto": True, "on": True}
USUAL_PORT: Final = 6881
_UNKNOWN: Final = ("buckets", "bytes_read", "bytes_written", "cycle", "peers", "peers_max", "torrents")


class Dht:
    """The node of this engine runs from its start on or not at all: a change is kept for the next start."""

    def __init__(self, engine: SessionEngine) -> None:
        self._engine = engine
        self._mode = ""                # as it was set; empty: never
        self._port = USUAL_PORT        # as it was set, for who asks while there is no node

    def commands(self) -> Iterator[Command]:
        yield getter("dht.statistics", self._statistics, "How the node stands.", returns="struct", category=CATEGORY)
        yield getter("dht.port", self._port_now, "UDP port of the node; while there is none, what was set.",
                     category=CATEGORY)
        yield command("dht.port.set", self._set_port,
                      "Sets what dht.port is while there is no node: that is at the port that peers reach us at.",
                      returns="i8", category=CATEGORY)
        yield command("dht.mode.set", self._set_mode, "disable, off, auto or on; from the next start on.",
                      category=CATEGORY)
        yield command("dht.add_node", self._add_node, "HOST[:PORT]: a node to begin with; from the next start on.",
                      category=CATEGORY)

    def _set_mode(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        mode = one_text(args)
        if mode not in MODES:
            raise failed("Invalid argument.", f"Invalid dht mode: {mode}")
        if MODES[mode] != self._engine.settings().dht.enabled:
            self._engine.change({"dht": {"enabled": MODES[mode]}})
        self._mode = mode
        return None

    def _add_node(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        node = one_text(args).lower()
        host, colon, _ = node.rpartition(":")
        if not node or colon and not host:
            raise failed("Could not parse host.")
        node = node if colon else f"{node}:{USUAL_PORT}"
        nodes = self._engine.settings().dht.bootstrap
        if node not in nodes:
            self._engine.change({"dht": {"bootstrap": [*nodes, node]}})
        return None

    def _port_now(self) -> Value:
        listen = self._engine.status().listen if self._nodes() else ()
        return int(listen[0].rpartition(":")[2]) if listen else self._port

    def _set_port(self, _context: Context, _item: Any, args: Sequence[Value]) -> Value:
        self._port = one_number(args)
        return self._port

    def _nodes(self) -> Mapping[str, float]:
        """How many it knows, of each kind; empty while there is none."""
        return self._engine.figures("blobtorrent_dht_nodes") if self._engine.settings().dht.enabled else {}

    def _statistics(self) -> Value:
        is_enabled, figures = self._engine.settings().dht.enabled, self._nodes()
        statistics: dict[str, Value] = {
            "active": int(bool(figures)), "dht": self._mode or ("auto" if is_enabled else "disable"),
            "throttle": "",
        }
        if figures:
            counts = Counter[str]()
            for label, value in self._engine.figures("blobtorrent_dht_datagrams_total").items():
                counts[label.partition(",")[2]] += int(value)
            statistics.update(dict.fromkeys(_UNKNOWN, 0))
            statistics.update(
                nodes=int(sum(figures.values())), queries_received=counts["query"], replies_received=counts["answer"],
                queries_sent=counts["answer"] + counts["unanswered"] + counts["refused"],
                errors_received=counts["refused"], errors_caught=counts["dht.bad-message"])
        return statistics
