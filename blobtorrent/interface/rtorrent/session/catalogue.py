"""All commands of this package, and the parts of it that outlive a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from blobtorrent.interface.rtorrent import aliases
from blobtorrent.interface.rtorrent.claimed import generation_of
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.rules import Rules
from blobtorrent.interface.rtorrent.session import housekeeping, listening, ratiogroups
from blobtorrent.interface.rtorrent.session.addresstables import AddressTables
from blobtorrent.interface.rtorrent.session.chokegroups import ChokeGroups
from blobtorrent.interface.rtorrent.session.dht import Dht
from blobtorrent.interface.rtorrent.session.engine import SessionEngine
from blobtorrent.interface.rtorrent.session.execute import Outside, Programs, at_once
from blobtorrent.interface.rtorrent.session.figures import FigureCommands
from blobtorrent.interface.rtorrent.session.listening import Open, already_open
from blobtorrent.interface.rtorrent.session.logfiles import LogFiles
from blobtorrent.interface.rtorrent.session.mapped import MappedSettings
from blobtorrent.interface.rtorrent.session.ports import Ports
from blobtorrent.interface.rtorrent.session.priorities import FilePatterns
from blobtorrent.interface.rtorrent.session.rates import Throttles
from blobtorrent.interface.rtorrent.session.scheduling import Scheduling
from blobtorrent.interface.rtorrent.session.shownview import ShownView
from blobtorrent.interface.rtorrent.session.sockets import SocketShares
from blobtorrent.interface.rtorrent.session.system import USUAL_CLAIMS, Claims, System
from blobtorrent.interface.rtorrent.session.variables import Follow, Variables
from blobtorrent.interface.rtorrent.session.variabletable import NEUTRAL
from blobtorrent.interface.rtorrent.session.watching import Watching
from blobtorrent.interface.rtorrent.session.words import Words
from blobtorrent.interface.rtorrent.session.workingfolder import WorkingFolder


class SessionCommands:
    """Owned by the interpreter's thread. `folder` is the session folder, empty for none; `wall` tells the seconds since
    1970, `now` is a clock that is never set back. `outside(call)` waits for a program while others have their turns,
    `open_place(text)` listens at one more place.
    """

    def __init__(
        self, engine: SessionEngine, *, folder: str, wall: Callable[[], float], now: Callable[[], float],
        outside: Outside = at_once, open_place: Open = already_open, claims: Claims = USUAL_CLAIMS,
        rules: Rules | None = None,
    ) -> None:
        self._open_place = open_place
        self._generation = generation = generation_of(claims.client_version)
        rules = rules or Rules()
        self.variables = Variables(NEUTRAL, followers_of(rules))
        self.working = WorkingFolder()
        self.logs = LogFiles(self.working, wall, rules)
        self.system = System(engine, claims, folder=folder, working=self.working, wall=wall)
        self.scheduling = Scheduling(now)
        self.watching = Watching(now, self.working)
        self.ports = Ports(engine)
        self.words = Words(engine, generation.words)
        self._parts = (
            self.variables, self.logs, self.system, self.scheduling, self.watching, MappedSettings(engine),
            Throttles(engine), self.ports, Dht(engine), FigureCommands(engine),
            AddressTables(engine, self.working), ChokeGroups(), self.words, SocketShares(engine, self.variables),
            FilePatterns(), ShownView(),
            Programs(self.logs.note_program, outside, self.working, tells_unstarted=generation.tells_unstarted),
        )

    def commands(self) -> Iterator[Command]:
        for part in self._parts:
            yield from part.commands()
        yield from ratiogroups.commands()
        yield from housekeeping.commands()
        yield from listening.commands(self._open_place, self.working)

    def finish(self, interpreter: Interpreter) -> None:
        """What is made of other commands, and how settings begin: to be called when all are in the registry."""
        ratiogroups.make_usual_group(interpreter.context())
        aliases.install(interpreter.registry)
        for name, value in self._generation.settings.items():
            interpreter.call(interpreter.context(), f"{name}.set", [value])

    def configure(self) -> None:
        """A configuration is run from here on."""
        self.system.configure()

    def enable(self) -> None:
        """It was run, and there is no other: what only a configuration sets stays as it is."""
        self.system.enable()
        self.ports.enable()

    def next_due_s(self) -> float | None:
        """When `run_due` has something to do, by the clock `now`; None: never, as it is now."""
        times = (self.scheduling.next_due_s(), self.watching.next_due_s())
        return min((time_s for time_s in times if time_s is not None), default=None)

    def run_due(self, interpreter: Interpreter) -> None:
        """Run what is due: schedules, and commands for files that came."""
        self.scheduling.run_due(interpreter)
        self.watching.run_due(interpreter)

    def close(self) -> None:
        self.logs.close()


def followers_of(rules: Rules) -> dict[str, Follow]:
    """What the server makes of variables, by their keys."""

    def set_limit(value: Any) -> None:
        rules.max_xml_bytes = value

    def switch_xml(value: Any) -> None:
        rules.takes_xml = bool(value)

    def switch_json(value: Any) -> None:
        rules.takes_json = bool(value)

    def switch_routes(value: Any) -> None:
        rules.is_routed = not value

    return {"network.xmlrpc.size_limit": set_limit, "network.rpc.use_xmlrpc": switch_xml,
            "network.rpc.use_jsonrpc": switch_json, "network.scgi.dont_route": switch_routes}
