"""Torrents with few peers have their trackers asked sooner, as far as that is allowed and of use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blobtorrent.core.session.commands import RESET, ApplySettings, ChangeTorrent, TorrentChanges
from blobtorrent.discovery.messages import Announce
from tests.support.sessions import SessionRig, only, settings_of, torrent_of

A = "http://a.test/announce"
MINUTE_S = 60.0


def waiting(folder: Path, links: int, seeds: int | None = None, leechers: int | None = None, **settings: Any
            ) -> SessionRig:
    """A torrent that downloads from so many peers, and the tracker counts so many; it wants half an hour between."""
    rig, torrent = SessionRig(keeps=True, **settings), torrent_of(4, tiers=((A,),))
    rig.open_listeners()
    rig.add_kept(torrent, folder)
    rig.answer_prepare(has_data=False)
    order = only(Announce, [order for order in rig.outcalls.drain() if isinstance(order, Announce)])
    rig.answer_announce(order, interval_s=1800, min_interval_s=700, seeds=seeds, leechers=leechers)
    rig.report(torrent, have=1, links=links)
    return rig


def asked_after_s(rig: SessionRig) -> float:
    """When the tracker is asked again."""
    for minutes in range(1, 40):
        rig.advance(MINUTE_S)
        if any(isinstance(order, Announce) for order in rig.outcalls.drain()):
            return minutes * MINUTE_S
    raise AssertionError("it is not asked again")


@pytest.mark.parametrize(("links", "counts", "after_s"), [
    (3, {}, 720.0),                                        # the tracker tells nothing
    (3, {"seeds": 1, "leechers": 5}, 720.0),
    (3, {"seeds": 1, "leechers": 3}, 1800.0),              # we are one of its leechers
    (20, {"seeds": 100, "leechers": 100}, 1800.0),
])
def test_a_torrent_with_few_peers_asks_as_soon_as_the_tracker_allows_if_there_are_more(
    tmp_path: Path, links: int, counts: dict[str, int], after_s: float
) -> None:
    assert asked_after_s(waiting(tmp_path, links, **counts, network__min_peers_per_torrent=20)) == after_s


def test_another_number_holds_from_the_next_look_on(tmp_path: Path) -> None:
    rig = waiting(tmp_path, 30, network__min_peers_per_torrent=20)
    rig.command(ApplySettings(settings_of(network__min_peers_per_torrent=40)))
    assert asked_after_s(rig) == 720.0


def test_who_may_have_few_is_not_short_of_peers(tmp_path: Path) -> None:
    rig = waiting(tmp_path, 5, network__min_peers_per_torrent=20, network__max_peers_per_torrent=5)
    assert asked_after_s(rig) == 1800.0


@pytest.mark.parametrize(("least", "leechers", "after_s"), [
    (-1, 50, 720.0), (0, 50, 1800.0), (10, 50, 720.0), (-1, 3, 1800.0)])
def test_a_seed_may_have_another_number_and_has_no_use_for_seeds(
    tmp_path: Path, least: int, leechers: int, after_s: float
) -> None:
    torrent = torrent_of(4, tiers=((A,),))
    rig = SessionRig(keeps=True, network__min_peers_per_torrent=20, network__min_peers_per_seed=least)
    rig.open_listeners()
    rig.add_kept(torrent, tmp_path)
    rig.answer_prepare(has_data=False)
    order = only(Announce, [order for order in rig.outcalls.drain() if isinstance(order, Announce)])
    rig.answer_announce(order, interval_s=1800, min_interval_s=700)
    rig.report(torrent, have=4, links=3)
    told = only(Announce, [order for order in rig.outcalls.drain() if isinstance(order, Announce)])
    rig.answer_announce(told, interval_s=1800, min_interval_s=700, seeds=900, leechers=leechers)
    assert rig.state(torrent) == "seeding"
    assert asked_after_s(rig) == after_s


@pytest.mark.parametrize(("wish", "after_s"), [(40, 720.0), (0, 1800.0), (RESET, 1800.0)])
def test_its_owner_may_have_said_how_many(tmp_path: Path, wish: Any, after_s: float) -> None:
    rig = waiting(tmp_path, 30, network__min_peers_per_torrent=20)
    torrent = torrent_of(4, tiers=((A,),))
    rig.command(ChangeTorrent(torrent.info_hash, TorrentChanges(min_peers=wish)))
    assert rig.status(torrent).min_peers == (None if wish is RESET else wish)
    assert asked_after_s(rig) == after_s
