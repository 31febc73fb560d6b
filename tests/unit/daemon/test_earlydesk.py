"""Settings that a configuration of rTorrent makes before there is an engine, and what becomes of them later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blobtorrent.config.sources import SAID
from blobtorrent.daemon.desk import DaemonDesk
from blobtorrent.daemon.earlydesk import EarlyDesk
from blobtorrent.daemon.origin import Mended, Origin, Said
from blobtorrent.daemon.reload import Reloader
from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import ConfigError, Conflict


class Begun:
    """A start with a settings file; `desk` is asked before there is an engine."""

    def __init__(self, folder: Path, text: str = "", *, overrides: str = "", assignments: tuple[str, ...] = ()) -> None:
        file = folder / "a.toml"
        file.write_text(text)
        if overrides:
            (folder / "settings.toml").write_text(overrides)
        self.origin = Origin(file, {}, assignments, folder / "settings.toml", Said())
        self.desk = EarlyDesk(self.origin, self.origin.read())

    def run(self) -> DaemonDesk:
        """Go on as the daemon does, with a session that takes whatever it is told."""
        self.reloader = Reloader(self.desk.loaded, self.origin.read, [lambda settings: None])
        later = DaemonDesk(self.reloader, self.origin, None, lambda: later.serve())  # type: ignore[arg-type]
        return later


def slots(begun: Begun) -> tuple[int, int]:
    network = begun.desk.settings().network
    return network.upload_slots, network.max_peers


def change(slots: int | None = None, peers: int | None = None) -> dict[str, Any]:
    return {"network": {key: value for key, value in (("upload_slots", slots), ("max_peers", peers)) if value}}


def test_what_is_said_comes_after_files_and_overrides_and_is_written_nowhere(tmp_path: Path) -> None:
    begun = Begun(tmp_path, "[network]\nmax_peers = 40\n", overrides="[network]\nupload_slots = 3\n")
    assert slots(begun) == (3, 40)
    begun.desk.change(change(slots=5))
    begun.desk.change(change(peers=50))
    assert slots(begun) == (5, 50)
    assert begun.desk.loaded.given["network.max_peers"].place == SAID
    assert (tmp_path / "settings.toml").read_text() == "[network]\nupload_slots = 3\n"


def test_a_reload_keeps_to_it(tmp_path: Path) -> None:
    begun = Begun(tmp_path)
    begun.desk.change(change(slots=5))
    desk = begun.run()
    desk.reload()
    assert desk.settings().network.upload_slots == 5


def test_what_is_set_later_comes_before_what_was_said_of_the_same_and_stays(tmp_path: Path) -> None:
    begun = Begun(tmp_path)
    begun.desk.change(change(slots=5, peers=50))
    desk = begun.run()
    desk.change(change(slots=7))
    assert (desk.settings().network.upload_slots, desk.settings().network.max_peers) == (7, 50)
    desk.reload()
    assert (desk.settings().network.upload_slots, desk.settings().network.max_peers) == (7, 50)
    # The next start says the same again, and it comes after what was kept.
    again = Begun(tmp_path)
    assert slots(again)[0] == 7
    again.desk.change(change(slots=5))
    assert slots(again)[0] == 5


def test_a_later_change_that_is_refused_leaves_what_was_said(tmp_path: Path) -> None:
    begun = Begun(tmp_path, assignments=("network.max_peers=40",))
    begun.desk.change(change(slots=5))
    desk = begun.run()
    with pytest.raises(Conflict):
        desk.change(change(slots=7, peers=60))
    desk.reload()
    assert desk.settings().network.upload_slots == 5


def test_a_later_change_may_take_it_back(tmp_path: Path) -> None:
    begun = Begun(tmp_path)
    usual = slots(begun)
    begun.desk.change(change(slots=5, peers=50))
    desk = begun.run()
    desk.change({"network": {"upload_slots": None}})
    assert (desk.settings().network.upload_slots, desk.settings().network.max_peers) == (usual[0], 50)


@pytest.mark.parametrize(("patch", "error"), [
    (change(slots=-4), ConfigError), ({"network": {"nosuch": 1}}, ConfigError), (change(slots=5, peers=60), Conflict),
])
def test_what_is_refused_changes_nothing(tmp_path: Path, patch: dict[str, Any], error: type[Exception]) -> None:
    begun = Begun(tmp_path, assignments=("network.max_peers=40",))
    begun.desk.change(change(slots=9))
    with pytest.raises(error):
        begun.desk.change(patch)
    assert slots(begun) == (9, 40)
    assert begun.origin.read().settings == begun.desk.settings()


def test_damaged_overrides_are_left_out_of_it(tmp_path: Path) -> None:
    begun = Begun(tmp_path)
    (tmp_path / "settings.toml").write_text("no TOML")
    desk = EarlyDesk(begun.origin, begun.desk.loaded, Mended("[network]\nmax_peers = 41\n", Damage("a", "b", "c", "d")))
    desk.change(change(slots=5))
    assert (desk.settings().network.upload_slots, desk.settings().network.max_peers) == (5, 41)


def test_the_end_may_be_asked_for(tmp_path: Path) -> None:
    begun = Begun(tmp_path)
    assert not begun.desk.must_stop
    begun.desk.stop()
    assert begun.desk.must_stop
