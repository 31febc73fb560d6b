"""Listings: filters, orders and pages, whatever comes and goes between two pages, and tokens that somebody made up."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.interface.rest.listing import (
    MAX_LIMIT,
    SORT_SLICE,
    SORTABLE,
    in_order,
    one_page,
    place_of,
    read_list_query,
)
from blobtorrent.model.errors import Invalid, NotFound
from tests.support.rest import info_hash, status_of

TORRENTS = [
    status_of(1, name="Beta", state="seeding", labels=("tv", "hd"), group="g", added_at=10.0, is_private=True),
    status_of(2, name="alpha", state="downloading", labels=("tv",), added_at=30.0, down_bytes_per_s=100,
              done_bytes=400),
    status_of(3, name="gamma", state="error", error_code="storage.disk-full", added_at=20.0, held_by="disk"),
    status_of(4, name="Alpha 2", state="queued", held_by="queue", added_at=40.0, down_bytes_per_s=50, done_bytes=900),
]


def numbers(found) -> list[int]:
    return [int.from_bytes(status.info_hash.v1, "big") for status in found]


def listed(statuses=TORRENTS, **query: str) -> list[int]:
    listing = read_list_query(query)
    return numbers(one_page([status for status in statuses if listing.wants(status)], listing)[0])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [1, 2, 3, 4]),
        ({"state": "seeding"}, [1]),
        ({"state": "seeding,queued"}, [1, 4]),
        ({"label": "tv"}, [1, 2]),
        ({"label": ""}, [3, 4]),
        ({"label": "t"}, []),
        ({"group": "g"}, [1]),
        ({"group": ""}, [2, 3, 4]),
        ({"private": "true"}, [1]),
        ({"private": "false"}, [2, 3, 4]),
        ({"held_by": "queue"}, [4]),
        ({"held_by": ""}, [1, 2]),
        ({"error": "true"}, [3]),
        ({"error": "false"}, [1, 2, 4]),
        ({"name": "ALPHA"}, [2, 4]),
        ({"hash": f"{info_hash(3).hex},{info_hash(1).hex.upper()},{'0' * 64}"}, [1, 3]),
        ({"label": "tv", "state": "downloading"}, [2]),
    ],
)
def test_filters_leave_out_the_others(query, found):
    assert listed(**query) == found


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("added_at", [1, 3, 2, 4]), ("-added_at", [4, 2, 3, 1]), ("name", [2, 4, 1, 3]), ("-name", [3, 1, 4, 2]),
        ("private,-added_at", [4, 2, 3, 1]), ("-private,added_at", [1, 3, 2, 4]), ("hash", [1, 2, 3, 4]),
        ("-hash", [4, 3, 2, 1]), ("name,-name", [2, 4, 1, 3]), ("-name,name,name", [3, 1, 4, 2]),
        ("eta_s", [4, 2, 1, 3]), ("-eta_s", [2, 4, 1, 3]), ("state,name", [2, 3, 4, 1]),
    ],
)
def test_torrents_come_in_the_order_that_was_asked_for_and_what_has_no_value_last(sort, order):
    assert listed(sort=sort) == order


@pytest.mark.parametrize("name", SORTABLE)
def test_every_scalar_member_can_be_sorted_by_and_paged(name):
    for sort in (name, f"-{name}"):
        assert pages(TORRENTS, sort, 1) == listed(sort=sort)


def pages(statuses, sort: str, limit: int) -> list[int]:
    """All pages, one after the other."""
    found, token = [], None
    while True:
        query = {"sort": sort, "limit": str(limit)} | ({"page": token} if token else {})
        page, token = one_page(list(statuses), read_list_query({key: text for key, text in query.items() if text}))
        found += numbers(page)
        if token is None:
            return found


MANY = st.lists(
    st.tuples(st.sampled_from(["a", "A", "b", "ß", "", "ss"]), st.integers(0, 3), st.booleans()), max_size=30)


@given(MANY, st.integers(1, 7), st.sampled_from(["", "name", "-name", "name,-priority", "-private,name",
                                                 "-eta_s,name"]))
def test_the_pages_together_are_the_list(rows, limit, sort):
    statuses = [
        status_of(number, name=name, priority=priority, is_private=is_private, down_bytes_per_s=priority)
        for number, (name, priority, is_private) in enumerate(rows, 1)
    ]
    whole = in_order(statuses, read_list_query({"sort": sort or "added_at"}).order)
    assert pages(statuses, sort, limit) == numbers(whole)


def test_a_page_goes_on_where_the_last_one_ended_whatever_came_and_went():
    statuses = [status_of(number, added_at=float(number)) for number in range(1, 11)]
    first, token = one_page(statuses, read_list_query({"limit": "4"}))
    there = [status for status in statuses if numbers([status])[0] not in (2, 4, 6)] + [status_of(99, added_at=99.0)]
    second, _ = one_page(there, read_list_query({"limit": "4", "page": token}))
    assert (numbers(first), numbers(second)) == ([1, 2, 3, 4], [5, 7, 8, 9])


def test_the_last_page_has_no_next_one():
    assert one_page(TORRENTS, read_list_query({"limit": "4"}))[1] is None
    assert one_page(TORRENTS, read_list_query({"limit": "3"}))[1] is not None


def test_sorting_in_slices_is_sorting():
    statuses = [status_of(number, name=str(number * 7919 % 1009)) for number in range(1, 3 * SORT_SLICE)]
    order = read_list_query({"sort": "-name"}).order
    expected = sorted(sorted(statuses, key=lambda status: status.info_hash), key=lambda s: s.name, reverse=True)
    assert in_order(statuses, order) == expected


def token_of(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


HASH = info_hash(2).hex


@pytest.mark.parametrize(
    "token",
    ["", "x", "!", "a" * 5000, "\xe9", "W10", token_of([]), token_of({}), token_of(["", 1]),
     token_of(["", "text", HASH]),
     token_of(["", True, HASH]), token_of(["", [1], HASH]), token_of(["", 1, 2]), token_of(["name", 1, HASH]),
     token_of(["", {"a": 1}, HASH]), base64.urlsafe_b64encode(b"[" * 4000).decode()],
)
def test_a_token_that_is_none_is_refused(token):
    with pytest.raises(NotFound) as caught:
        read_list_query({"page": token})
    assert caught.value.code == "rest.no-page"


def test_a_token_of_another_order_is_refused():
    _, token = one_page(TORRENTS, read_list_query({"limit": "1", "sort": "name"}))
    with pytest.raises(NotFound, match="another sort"):
        read_list_query({"page": token, "sort": "-name"})


def test_a_place_that_somebody_made_up_is_a_place():
    listing = read_list_query({"sort": "name", "page": token_of(["name", "b", "zz"])})
    assert numbers(one_page(TORRENTS, listing)[0]) == [1, 3]


def test_an_absent_value_is_a_place_too():
    order = read_list_query({"sort": "-eta_s"}).order
    assert place_of(TORRENTS[0], order).values == (None,)
    assert pages(TORRENTS, "-eta_s", 3) == [2, 4, 1, 3]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"fields": "name,nope"}, "nope"), ({"fields": ""}, "fields"), ({"state": "seeding,"}, "state"),
        ({"state": "Seeding"}, "state"), ({"private": "1"}, "private"), ({"error": ""}, "error"),
        ({"hash": "12"}, "hexa"),
        ({"hash": ""}, "hexa"), ({"sort": "labels"}, "labels"), ({"sort": "error"}, "error"), ({"sort": ""}, "sort"),
        ({"sort": "--name"}, "-name"), ({"limit": "0"}, "limit"),
        ({"limit": str(MAX_LIMIT + 1)}, "limit"), ({"limit": "-1"}, "limit"), ({"limit": "1e3"}, "limit"),
        ({"limit": "9" * 5000}, "limit"), ({"limit": "²"}, "limit"), ({"limit": ""}, "limit"), ({"stat": "a"}, "stat"),
        ({"since": "a", "limit": "3"}, "since"),
    ],
)
def test_a_query_that_cannot_be_used_names_what_is_wrong(query, named):
    with pytest.raises(Invalid) as caught:
        read_list_query(query)
    assert named in caught.value.detail
