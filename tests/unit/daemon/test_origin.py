"""Where the settings come from at the start, when what was changed while the daemon ran is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.daemon.origin import Origin, Said
from blobtorrent.model.errors import ConfigError

GOOD = "[network]\nmax_peers = 9\n"
DAMAGED = "[network]\nmax_peers = \x7f9\n"


def origin(folder: Path, overrides: str | bytes | None, config: str = "[queue]\nactive_seeds = 4\n") -> Origin:
    (folder / "a.toml").write_text(config)
    found = Origin(folder / "a.toml", {}, (), folder / "settings.toml", Said())
    if overrides is not None:
        found.overrides.write_bytes(overrides if isinstance(overrides, bytes) else overrides.encode())
    return found


def test_what_is_well_is_read_as_at_any_time(tmp_path: Path) -> None:
    loaded, mended = origin(tmp_path, GOOD).read_at_start()
    assert mended is None
    assert loaded.settings.network.max_peers == 9


@pytest.mark.parametrize("damaged", [DAMAGED, b"[network]\nmax_peers = 9\n\xff", "[netwurk]\nmax_peers = 9\n"])
def test_damaged_changes_give_way_to_those_before_the_last_one(tmp_path: Path, damaged: str | bytes) -> None:
    found = origin(tmp_path, damaged)
    found.overrides_before.write_text(GOOD)
    loaded, mended = found.read_at_start()
    assert (loaded.settings.network.max_peers, loaded.settings.queue.active_seeds) == (9, 4)
    assert mended is not None
    assert mended.text == GOOD
    assert mended.damage.where == str(found.overrides)


@pytest.mark.parametrize("before", [None, DAMAGED, b"\xff"])
def test_without_a_good_copy_the_files_alone_hold(tmp_path: Path, before: str | bytes | None) -> None:
    found = origin(tmp_path, DAMAGED)
    if before is not None:
        found.overrides_before.write_bytes(before if isinstance(before, bytes) else before.encode())
    loaded, mended = found.read_at_start()
    assert loaded.settings.queue.active_seeds == 4
    assert mended is not None
    assert mended.text == ""


@pytest.mark.parametrize("overrides", [None, GOOD, DAMAGED])
def test_what_people_wrote_wrong_is_refused(tmp_path: Path, overrides: str | None) -> None:
    with pytest.raises(ConfigError, match="active_seeds"):
        origin(tmp_path, overrides, "[queue]\nactive_seeds = -4\n").read_at_start()
