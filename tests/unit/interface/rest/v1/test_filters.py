"""What is told of filter lists, and of addresses."""

from __future__ import annotations

import pytest

from blobtorrent.model.details import BadLine, FilterListStatus
from tests.support.filters import filter_of
from tests.support.resources import Resources, grant_of


@pytest.fixture
def rest():
    return Resources()


def test_lists_are_told_with_what_came_of_them(rest):
    rest.filters.statuses = (
        FilterListStatus("/a", 3, 1, 5, 1, (BadLine(4, "no address"),), read_at=1_700_000_000.7),
        FilterListStatus("/b", error_code="filters.unreadable", error_detail="/b: no such file"),
    )
    told = rest.ask("GET", "/v1/filters").json
    assert told["refused_by_settings"] == 0
    assert told["lists"] == [
        {"path": "/a", "ranges_v4": 3, "ranges_v6": 1, "lines": 5, "malformed": 1,
         "first_malformed": [{"line": 4, "reason": "no address"}], "read_at": 1_700_000_000, "error": None,
         "refused": 0},
        {"path": "/b", "ranges_v4": 0, "ranges_v6": 0, "lines": 0, "malformed": 0, "first_malformed": [],
         "read_at": None, "error": {"code": "filters.unreadable", "message": "/b: no such file"}, "refused": 0},
    ]


def test_an_address_is_told_with_the_list_that_refuses_it(rest):
    assert rest.ask("GET", "/v1/filters/192.0.2.1").json == {"address": "192.0.2.1", "refused_by": None}
    rest.filters.in_force = filter_of("192.0.2.0/24", "2001:db8::/32")
    assert rest.ask("GET", "/v1/filters/192.0.2.1").json["refused_by"] == "list"
    assert rest.ask("GET", "/v1/filters/2001:db8::1").json["refused_by"] == "list"
    assert rest.ask("GET", "/v1/filters/198.51.100.1").json["refused_by"] is None


@pytest.mark.parametrize("address", ["name", "1.2.3", "300.1.1.1", "::g"])
@pytest.mark.parametrize("is_filtering", [False, True])
def test_what_is_no_address_is_refused(rest, address, is_filtering):
    rest.filters.in_force = filter_of("192.0.2.0/24") if is_filtering else None
    answer = rest.ask("GET", f"/v1/filters/{address}")
    assert (answer.status, answer.code) == (422, "filters.bad-address")


def test_a_token_that_is_bound_to_labels_is_not_told(rest):
    assert rest.ask("GET", "/v1/filters", grant=grant_of("read", "label")).status == 403
