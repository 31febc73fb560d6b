"""The description of the interface is OpenAPI 3.1, and says of every route what its code does."""

from __future__ import annotations

import re

import pytest

from blobtorrent.interface.rest.encode import FILE, TORRENT
from tests.support.resources import Resources
from tests.support.source import ROOT

# How a request is read and let in, by HTTP itself and by the security scheme.
OF_EVERY_REQUEST = {"authorization", "connection", "content-length", "content-type", "expect", "host", "origin",
                    "sec-fetch-site"}


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


def headers_of(operation):
    return [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "header"]


def test_headers_are_described_where_they_are_looked_at(document):
    found = {(method, pattern): headers_of(operation) for pattern, method, operation in operations(document)}
    conditions = ["If-Match", "If-None-Match"]
    changing = {key: names for key, names in found.items() if key[0] != "get" and names}
    assert changing == {("put", "/v1/torrents/{hash}"): conditions, ("patch", "/v1/torrents/{hash}"): conditions,
                        ("patch", "/v1/settings"): conditions}
    reading = {key[1]: names for key, names in found.items() if key[0] == "get"}
    assert reading.pop("/v1/events") == ["Last-Event-ID"]
    assert reading.pop("/v1/torrents/{hash}/files/{number}/content") == ["If-None-Match", "Range", "If-Range"]
    assert all(names == ["If-None-Match"] for names in reading.values())


def test_what_may_be_answered_is_described_with_the_headers_that_lead_there(document):
    for _, method, operation in operations(document):
        names, answers = headers_of(operation), operation["responses"].keys()
        assert ("If-Match" in names) is ("412" in answers)
        assert ("If-None-Match" in names and method == "get") is ("304" in answers)
        assert ("Range" in names) is ({"206", "416"} <= answers)


def test_no_module_looks_at_a_header_that_is_not_described(document):
    described = {name.lower() for _, _, operation in operations(document) for name in headers_of(operation)}
    read = {name for path in (ROOT / "blobtorrent/interface/rest").rglob("*.py")
            for name in re.findall(r'headers\.get\("([a-z-]+)"', path.read_text())}
    assert read - described == OF_EVERY_REQUEST


@pytest.mark.parametrize(("pattern", "method"), [("/v1/torrents", "post"), ("/v1/torrents/{hash}", "put")])
def test_a_torrent_can_be_uploaded_as_a_form_with_the_options_of_json(document, pattern, method):
    content = document["paths"][pattern][method]["requestBody"]["content"]
    form, plain = content["multipart/form-data"]["schema"], content["application/json"]["schema"]
    assert form["required"] == ["metainfo"]
    assert form["properties"]["metainfo"]["contentMediaType"] == "application/octet-stream"
    assert form["properties"].keys() == plain["properties"].keys() - {"source"}


def test_who_has_the_description_is_not_sent_it_again():
    rest = Resources()
    tag = rest.ask("GET", "/v1/openapi.json").headers["etag"]
    assert rest.ask("GET", "/v1/openapi.json", if_none_match=tag).status == 304
