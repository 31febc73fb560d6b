"""The description of the interface is OpenAPI 3.1, and says of every route what its code does."""

from __future__ import annotations

import re

import pytest

from blobtorrent.interface.rest.encode import FILE, TORRENT
from tests.support.resources import Resources


@pytest.fixture(scope="module")
def document():
    return Resources().ask("GET", "/v1/openapi.json").json


def operations(document):
    for pattern, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield pattern, method, operation


def test_the_document_is_valid(document):
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(document)


def test_every_route_is_described_and_nothing_else(document):
    described = {(method.upper(), pattern) for pattern, method, _ in operations(document)}
    assert described == {(route.method, route.pattern) for route in Resources().router.routes}
    assert ("GET", "/v1/openapi.json") in described


def test_every_name_in_a_path_is_a_parameter(document):
    for pattern, item in document["paths"].items():
        named = [parameter["name"] for parameter in item.get("parameters", ())]
        assert named == re.findall(r"{(\w+)}", pattern)


def test_every_operation_has_a_name_of_its_own(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert {"getTorrents", "patchTorrentsHash", "postTorrentsHashStart"} <= set(names)


def test_what_needs_no_token_says_so_and_the_rest_names_its_scope(document):
    for pattern, _, operation in operations(document):
        is_open = operation.get("security") == []
        assert is_open is pattern.startswith("/v1/health/")
        assert is_open or operation["x-scope"] in ("read", "add", "control", "admin")
        assert is_open or {"401", "403"} <= operation["responses"].keys()


def test_every_reference_leads_somewhere(document):
    text = str(document)
    for section, name in re.findall(r"#/components/(\w+)/(\w+)", text):
        assert name in document["components"][section]


def test_a_torrent_is_described_member_by_member(document):
    schemas = document["components"]["schemas"]
    assert list(schemas["Torrent"]["properties"]) == list(TORRENT.readers) == schemas["Torrent"]["required"]
    assert list(schemas["File"]["properties"]) == list(FILE.readers)
    assert schemas["SelectedTorrent"]["required"] == []


def test_who_has_the_description_is_not_sent_it_again():
    rest = Resources()
    tag = rest.ask("GET", "/v1/openapi.json").headers["etag"]
    assert rest.ask("GET", "/v1/openapi.json", if_none_match=tag).status == 304
