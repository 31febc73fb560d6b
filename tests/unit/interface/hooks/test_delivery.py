from __future__ import annotations

import pytest

from blobtorrent.config.doors import HookSettings
from blobtorrent.interface.eventjson import Told, tell
from blobtorrent.interface.hooks.delivery import MAX_PAUSE_S, MAX_WAITING, Delivery, DeliveryState, Line
from blobtorrent.interface.hooks.outcome import FAILED, OK, REFUSED, TIMED_OUT, Outcome
from blobtorrent.model.events import SettingsApplied, TorrentFinished
from tests.support.rest import info_hash, status_of

SUCCESS, FAILURE = Outcome(OK), Outcome(FAILED, "exit status 1")


def told(number: int = 1, *labels: str) -> Told:
    status = status_of(number, labels=labels)
    return tell(TorrentFinished(info_hash(number), 0), status, number=number, event_id=f"ab-{number}", wall=0.0)


def line_of(**settings: object) -> Line:
    return Line(HookSettings(program=("/bin/true",), **settings))


def begun(line: Line) -> list[int]:
    """The numbers of what begins now."""
    found = []
    while (delivery := line.next()) is not None:
        found.append(delivery.told.number)
    return found


def first(line: Line) -> Delivery:
    delivery = line.next()
    assert delivery is not None
    return delivery


@pytest.mark.parametrize(("labels", "of_torrent", "is_wanted"), [
    ((), (), True), ((), ("tv",), True), (("tv", "hd"), ("hd",), True),
    (("tv",), ("film",), False), (("tv",), (), False),
])
def test_a_hook_hears_of_torrents_with_its_labels(labels, of_torrent, is_wanted):
    assert line_of(labels=labels).wants(told(1, *of_torrent)) is is_wanted


def test_a_hook_hears_of_its_events_only():
    applied = tell(SettingsApplied(), None, number=1, event_id="ab-1", wall=0.0)
    assert not line_of().wants(applied)
    assert line_of(events=("settings-applied",)).wants(applied)
    assert not line_of(events=("settings-applied",), labels=("tv",)).wants(applied)


def test_no_more_are_told_at_the_same_time_than_allowed_and_in_order():
    line = line_of(concurrency=2)
    for number in (1, 2, 3):
        assert line.add(told(number))
    one = first(line)
    assert begun(line) == [2]
    assert not line.on_outcome(one, SUCCESS)
    assert begun(line) == [3]


@pytest.mark.parametrize("outcome", [FAILURE, Outcome(TIMED_OUT)])
def test_what_failed_is_tried_again_so_often_with_longer_pauses(outcome):
    line = line_of(retries=3)
    line.add(told())
    pauses = []
    delivery = first(line)
    while line.on_outcome(delivery, outcome):
        pauses.append(delivery.pause_s)
        assert line.next() is None
        line.retry(delivery)
        assert first(line) is delivery
    assert pauses == [2.0, 8.0, 32.0]
    assert (delivery.machine.state, delivery.attempts, line.num_open) == (DeliveryState.LOST, 4, 0)


def test_a_pause_has_an_end():
    line = line_of(retries=10)
    line.add(told())
    delivery = first(line)
    delivery.attempts = 10
    assert delivery.pause_s == MAX_PAUSE_S


def test_what_is_refused_is_not_tried_again():
    line = line_of()
    line.add(told())
    assert not line.on_outcome(first(line), Outcome(REFUSED))
    assert line.num_open == 0


def test_a_pause_keeps_no_place_from_the_others_and_comes_first_when_it_is_over():
    line = line_of(concurrency=1)
    for number in (1, 2, 3):
        line.add(told(number))
    failed = first(line)
    assert line.on_outcome(failed, FAILURE)
    second = first(line)
    assert second.told.number == 2
    line.retry(failed)
    line.on_outcome(second, SUCCESS)
    assert first(line) is failed


def test_a_line_is_bounded_whatever_its_deliveries_do():
    line = line_of(concurrency=1)
    for number in range(1, MAX_WAITING + 1):
        assert line.add(told(number))
    failed = first(line)
    assert line.on_outcome(failed, FAILURE)                # pausing: it counts
    assert not line.add(told(9999))
    assert not line.on_outcome(first(line), SUCCESS)
    assert line.add(told(9999)) and line.num_open == MAX_WAITING


def test_a_line_that_is_closed_forgets_what_does_not_run_and_tries_nothing_again():
    line = line_of(concurrency=2)
    for number in range(1, 6):
        line.add(told(number))
    running, pausing = first(line), first(line)
    assert line.on_outcome(pausing, FAILURE)
    assert [lost.number for lost in line.close()] == [2, 3, 4, 5]
    line.retry(pausing)
    assert line.next() is None
    assert not line.on_outcome(running, FAILURE) and line.num_open == 0


def test_the_log_names_a_program_by_its_path_and_a_url_by_its_host():
    assert line_of().name == "/bin/true"
    hook = HookSettings(url="https://hooks.example:8443/services/T0SECRET?token=x")
    assert Line(hook).name == "https://hooks.example:8443"
    assert Line(HookSettings(url="http://h?token=secret")).name == "http://h"
