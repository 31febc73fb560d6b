"""Power cuts in mid-transfer, on a filesystem of the test's own: no row claims what is not on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.crashes import memory_folder
from tests.support.payload import KIB, MIB, make_sample
from tests.support.powercuts import run_cuts
from tests.support.tools import require_module

RATE = 12 * MIB                        # bytes a second
WINDOW_S = 7.5                         # between two commits, and the sync in between on a machine that is busy


@pytest.mark.interop
@pytest.mark.timeout(7200)
def test_a_power_cut_costs_a_few_seconds_and_no_row_claims_what_is_not_there(tmp_path: Path, is_full_run: bool) -> None:
    require_module("libtorrent")
    cuts = 200 if is_full_run else 5
    sample = make_sample(tmp_path, "sample.bin", cuts * 40 * MIB, 256 * KIB)
    with memory_folder() as memory:
        try:
            made = run_cuts(tmp_path, memory, sample, cuts=cuts, bytes_per_s=RATE, longest_s=9.0)
        except PermissionError as error:
            pytest.skip(str(error))
    assert [cut for cut in made if cut.false_pieces] == []
    assert max(cut.had_bytes - cut.found_bytes for cut in made) <= WINDOW_S * RATE
    assert all(cut.found_bytes >= cut.claimed_bytes for cut in made)
