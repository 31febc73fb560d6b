"""What browsers send on behalf of pages of other sites changes nothing, and its answers tell them nothing."""

from __future__ import annotations

import pytest

from tests.support.rest import TOKEN, RestRig, info_hash, status_of

ONE = f"/v1/torrents/{info_hash(1).hex}"
FORM = (
    b'--x\r\nContent-Disposition: form-data; name="source"\r\n\r\n/a.torrent\r\n--x--\r\n',
    "multipart/form-data; boundary=x",
)
PLAIN = (b'{"labels":["evil"]}', "text/plain")
JSON = (b'{"labels":["evil"]}', "application/json")
NAVIGATION = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
IMAGE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
SCRIPT = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
OLD_BROWSER = {"Origin": "http://evil.example"}
SANDBOXED = {"Origin": "null", "Sec-Fetch-Site": "cross-site"}
REBOUND = {"Host": "evil.example:7070", "Origin": "http://evil.example:7070", "Sec-Fetch-Site": "same-origin"}
PREFLIGHT = {**SCRIPT, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
WEBSOCKET = {**OLD_BROWSER, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        ("POST", "/v1/torrents", FORM, {**SCRIPT, "Sec-Fetch-Mode": "navigate"}),
        ("POST", "/v1/torrents", FORM, OLD_BROWSER),
        ("POST", "/v1/torrents", PLAIN, SANDBOXED),
        ("POST", f"{ONE}/stop", None, SCRIPT),
        ("POST", f"{ONE}/stop", None, REBOUND),
        ("PATCH", ONE, JSON, SCRIPT),
        ("PATCH", ONE, JSON, REBOUND),
        ("DELETE", ONE, None, OLD_BROWSER),
        ("OPTIONS", ONE, None, PREFLIGHT),
        ("GET", "/v1/torrents", None, SCRIPT),
        ("GET", "/v1/torrents", None, NAVIGATION),
        ("GET", "/v1/events", None, WEBSOCKET),
        ("GET", "/v1/session", None, IMAGE),
    ],
)
def test_no_page_of_another_site_is_listened_to(method, path, body, headers, token):
    with RestRig() as rig:
        rig.session.show(status_of(1))
        data, content_type = body or (None, None)
        fields = {**headers, **({"Content-Type": content_type} if content_type else {})}
        answer = rig.request(method, path, data, token=token, headers=fields)
        assert answer.status in (403, 421)
        assert not any(name.startswith("access-control-") for name in answer.headers)
        assert rig.session.commands == []
