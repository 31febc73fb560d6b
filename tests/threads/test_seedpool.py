"""Reading from web seeds: ranges of files straight into memory, and servers that do not behave."""

from __future__ import annotations

import gc
import os
import ssl
import time
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path

import bencodepy
import pytest

from blobtorrent.cli.selfsigned import make_identity
from blobtorrent.discovery import seedstream
from blobtorrent.discovery.seedmessages import FetchEnded, FetchParts, Part, PartsFetched
from blobtorrent.discovery.seedpool import SeedPool
from blobtorrent.discovery.seedreader import PLACE_BYTES, SeedReader
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.network.binding import ANYWHERE
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.protocol.webseed import SeedContent
from blobtorrent.runtime.clock import SystemClock
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.arena import Arena
from tests.support.payload import MIB, Sample, make_sample
from tests.support.seedserver import Answer, Asked, SeedServer

TIMEOUT_S = 20.0
FILES = [("one.bin", 2 * MIB + 1), ("folder/empty", 0), ("folder/two.bin", MIB), ("folder/ünï 你好", 777)]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample", FILES)


@pytest.fixture(scope="module")
def metainfo(sample: Sample) -> Metainfo:
    return parse_torrent(sample.torrent.read_bytes())


@pytest.fixture(scope="module")
def whole(sample: Sample, metainfo: Metainfo) -> bytes:
    return b"".join(sample.folder.joinpath(*entry.path).read_bytes() for entry in metainfo.files)


class Reading:
    """A pool with some memory, and what came of its orders."""

    def __init__(self, metainfo: Metainfo, **options: object) -> None:
        self.arena = Arena(16 * MIB)
        self.pool = SeedPool(self.arena, 1, SystemClock(), ANYWHERE, **options)  # type: ignore[arg-type]
        self.inbox: Mailbox[object] = Mailbox("test")
        self.metainfo = metainfo
        self.content = SeedContent(metainfo)
        self.reader: SeedReader | None = None
        self.got: dict[int, bytes] = {}

    def order(self, url: str, pieces: range, bytes_per_s: int = 0) -> FetchParts:
        geometry, parts = self.metainfo.geometry, []
        for index in pieces:
            blocks = geometry.num_blocks(index)
            assert self.arena.reserve(blocks)
            parts.append(Part(index, 0, geometry.piece_size(index), self.arena.take(blocks)))
        order = FetchParts(url, self.content, parts, self.inbox, "token", reader=self.reader, bytes_per_s=bytes_per_s)
        self.pool.post(order)
        return order

    def end(self) -> FetchEnded:
        while True:
            message = self.inbox.get(TIMEOUT_S)
            if isinstance(message, FetchEnded):
                self.reader = message.reader
                return message
            assert isinstance(message, PartsFetched)
            for part in message.parts:
                self.got[part.piece] = b"".join(self.arena.segments(part.slots, part.length))
                self.arena.release(part.slots)

    def read(self, url: str, pieces: range) -> FetchEnded:
        self.order(url, pieces)
        return self.end()

    def stop(self) -> None:
        assert self.pool.stop(TIMEOUT_S)
        if self.reader is not None:
            self.reader.close()
        assert not open_answers()

    def is_exact(self, whole: bytes, pieces: range) -> bool:
        length = self.metainfo.geometry.piece_length
        return self.got == {index: whole[index * length : (index + 1) * length] for index in pieces}


def open_answers() -> list[HTTPResponse]:
    """Answers of web seeds that were left without being closed."""
    found = (thing for thing in gc.get_objects() if isinstance(thing, HTTPResponse))
    return [answer for answer in found if isinstance(answer.fp, seedstream._KeptOpen)]


@pytest.fixture()
def reading(metainfo: Metainfo) -> Iterator[Reading]:
    reading = Reading(metainfo)
    yield reading
    reading.stop()
    assert reading.arena.reserved == 0                     # whatever happened, no memory was lost


def test_runs_are_read_over_one_connection_with_one_request_for_each_file(
    reading: Reading, sample: Sample, whole: bytes,
) -> None:
    pieces = range(reading.metainfo.geometry.num_pieces)
    with SeedServer(sample.folder) as server:
        assert reading.read(server.url, pieces[:3]).error is None
        assert reading.read(server.url, pieces[3:]).error is None
        assert reading.is_exact(whole, pieces)
        assert server.connections == 1
        assert [asked.path for asked in server.asked] == [
            "/sample/one.bin", "/sample/one.bin", "/sample/folder/two.bin", "/sample/folder/ünï 你好"]


def test_a_server_without_ranges_sends_each_file_once(reading: Reading, sample: Sample, whole: bytes) -> None:
    pieces = range(reading.metainfo.geometry.num_pieces)
    with SeedServer(sample.folder, SeedServer.serve_whole) as server:
        for piece in pieces:
            ended = reading.read(server.url, range(piece, piece + 1))
            assert (ended.error, ended.has_ranges) == (None, False)
        assert reading.is_exact(whole, pieces)
        assert len(server.asked) == 3


def test_what_nobody_asked_for_is_skipped(reading: Reading, sample: Sample, whole: bytes) -> None:
    with SeedServer(sample.folder, SeedServer.serve_whole) as server:
        assert reading.read(server.url, range(4, 6)).error is None
        assert reading.is_exact(whole, range(4, 6))


def test_a_server_that_closes_what_it_kept_is_asked_again(reading: Reading, sample: Sample, whole: bytes) -> None:
    def serve(server: SeedServer, asked: Asked) -> Answer:
        return server.serve(asked)._replace(is_last=True)

    with SeedServer(sample.folder, serve) as server:
        for piece in range(3):
            assert reading.read(server.url, range(piece, piece + 1)).error is None
            time.sleep(0.05)           # for the end of the connection to arrive
        assert reading.is_exact(whole, range(3))
        assert server.connections == 3


def test_a_shorter_part_than_asked_for_is_taken_and_the_rest_asked_for(
    reading: Reading, sample: Sample, whole: bytes,
) -> None:
    def serve(server: SeedServer, asked: Asked) -> Answer:
        assert asked.start is not None and asked.end is not None
        return server.serve(asked._replace(end=min(asked.end, asked.start + 100_000)))

    with SeedServer(sample.folder, serve) as server:
        assert reading.read(server.url, range(2)).error is None
        assert reading.is_exact(whole, range(2))
        assert len(server.asked) == -(-2 * reading.metainfo.geometry.piece_length // 100_000)


GARBAGE = b"\x00\xff" * 5000


def refuse(status: int, **headers: str) -> Callable[[SeedServer, Asked], Answer]:
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda _server, _asked: Answer(status, (*fields, ("Content-Length", "0")))


def changed(**changes: object) -> Callable[[SeedServer, Asked], Answer]:
    return lambda server, asked: server.serve(asked)._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("behave", "code"), [
    (refuse(404), "webseed.no-file"),
    (refuse(403), "webseed.denied"),
    (refuse(500), "webseed.http-status"),
    (refuse(503), "webseed.busy"),
    (refuse(302, Location="http://169.254.169.254/latest/meta-data"), "net.forbidden-address"),
    (refuse(302, Location="http://[fe80::1]/"), "net.forbidden-address"),
    (refuse(302, Location="http://127.0.0.1:1/x?do=it"), "net.forbidden-address"),
    (refuse(302, Location="ftp://127.0.0.1/"), "net.bad-url"),
    (refuse(302, Location="http://127.0.0.1:99999/"), "net.bad-url"),
    (refuse(302, Location="/again"), "net.too-many-redirects"),
    (refuse(302, Location="http://127.0.0.1:1/" + 3000 * "x"), "net.bad-url"),
    (changed(status=206, headers=()), "webseed.bad-range"),
    (changed(headers=(("Content-Range", "bytes 0-10/11"), ("Content-Length", "11"))), "webseed.wrong-file"),
    (changed(cut_at=60_000), "net.reset"),
    (changed(cut_at=0), "net.reset"),
    (changed(raw=b""), "net.reset"),
    (changed(raw=GARBAGE), "net.bad-http"),
    (changed(raw=b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n"), "net.bad-http"),
    (changed(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000_000), "net.bad-http"),
    (changed(raw=b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x; boundary*=a; boundary*0=b\r\n\r\n"), "net.bad-http"),
    (changed(raw=b"HTTP/1.1 206 OK\r\nContent-Encoding: gzip\r\n\r\n"), "webseed.encoded"),
    (changed(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "net.bad-http"),
])
def test_servers_that_are_of_no_use_are_told_apart(
    reading: Reading, sample: Sample, behave: Callable[[SeedServer, Asked], Answer], code: str,
) -> None:
    with SeedServer(sample.folder, behave) as server:
        ended = reading.read(server.url, range(2))
        assert ended.error is not None and ended.error.code == code
        assert reading.got == {}
        assert len(ended.left) == 2 and ended.file == 0
        assert len(server.asked) <= 4


def test_what_came_before_a_cut_is_kept(reading: Reading, sample: Sample, whole: bytes) -> None:
    with SeedServer(sample.folder, changed(cut_at=600_000)) as server:
        ended = reading.read(server.url, range(8))
        length = reading.metainfo.geometry.piece_length
        kept = 600_000 // length
        begun = reading.got.pop(kept)
        assert kept and reading.is_exact(whole, range(kept))
        assert begun and begun == whole[kept * length :][: len(begun)]
        assert 600_000 - kept * length - len(begun) < PLACE_BYTES + BLOCK_SIZE
        assert [part.piece for part in ended.left] == [*range(kept, 8)]
        assert (ended.left[0].begin, ended.left[0].length) == (len(begun), length - len(begun))


@pytest.mark.parametrize("behave", [
    changed(pause_s=60.0), changed(bytes_per_s=2000),
], ids=["silent", "dripping"])
def test_who_lets_us_wait_is_left(
    reading: Reading, sample: Sample, monkeypatch: pytest.MonkeyPatch, behave: Callable[[SeedServer, Asked], Answer],
) -> None:
    monkeypatch.setattr(seedstream, "STALL_S", 0.7)
    with SeedServer(sample.folder, behave) as server:
        began = time.monotonic()
        ended = reading.read(server.url, range(2))
        assert ended.error is not None and ended.error.code == "net.timed-out"
        assert time.monotonic() - began < 5


def test_the_time_for_bytes_is_not_renewed_by_answers_that_bring_next_to_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seedstream, "STALL_S", 0.7)
    sample = make_sample(tmp_path, "many", [(f"{number:02}", 100) for number in range(60)], 32 * 1024)
    reading = Reading(parse_torrent(sample.torrent.read_bytes()))
    with SeedServer(sample.folder, changed(pause_s=0.25)) as server:
        ended = reading.read(server.url, range(1))
        assert ended.error is not None and ended.error.code == "net.timed-out"
        assert len(server.asked) <= 4
    reading.stop()


def test_many_small_files_are_read_in_peace_by_a_server_that_takes_a_moment_for_each(tmp_path: Path) -> None:
    sample = make_sample(tmp_path, "many", [(f"{number:02}", 100) for number in range(20)], 32 * 1024)
    reading = Reading(parse_torrent(sample.torrent.read_bytes()))
    with SeedServer(sample.folder, changed(pause_s=0.02)) as server:
        assert reading.read(server.url, range(1)).error is None
        assert (len(server.asked), server.connections) == (20, 1)
    reading.stop()


def test_a_server_that_sends_byte_by_byte_is_asked_once(reading: Reading, sample: Sample) -> None:
    def serve(server: SeedServer, asked: Asked) -> Answer:
        assert asked.start is not None
        return server.serve(asked._replace(end=asked.start + 1))

    with SeedServer(sample.folder, serve) as server:
        ended = reading.read(server.url, range(2))
        assert ended.error is not None and ended.error.code == "webseed.bad-range"
        assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<h1>not here</h1>"])
def test_a_connection_goes_on_after_a_file_that_is_not_there(reading: Reading, sample: Sample, body: bytes) -> None:
    def serve(server: SeedServer, asked: Asked) -> Answer:
        if asked.path.endswith("one.bin"):
            return Answer(404, (("Content-Length", str(len(body))),), body)
        return server.serve(asked)

    with SeedServer(sample.folder, serve) as server:
        last = reading.metainfo.geometry.num_pieces - 1
        for piece in (0, 1, last, 2):
            ended = reading.read(server.url, range(piece, piece + 1))
            assert (ended.error is None) == (piece == last)
        assert server.connections == 1


def test_an_answer_that_was_kept_and_ended_meanwhile_is_asked_for_again(
    reading: Reading, sample: Sample, whole: bytes,
) -> None:
    def serve(server: SeedServer, asked: Asked) -> Answer:
        cut_at = None if len(server.asked) > 1 else reading.metainfo.geometry.piece_length
        return server.serve_whole(asked)._replace(cut_at=cut_at)

    with SeedServer(sample.folder, serve) as server:
        for piece in range(3):
            assert reading.read(server.url, range(piece, piece + 1)).error is None
            time.sleep(0.05)           # for the end of the connection to arrive
        assert reading.is_exact(whole, range(3))
        assert len(server.asked) == 2


def test_what_is_skipped_is_counted(reading: Reading, sample: Sample) -> None:
    with SeedServer(sample.folder, SeedServer.serve_whole) as server:
        order = reading.order(server.url, range(4, 5))
        assert reading.end().error is None
        read_ahead = 16 * 1024         # what came with the head is not counted
        assert order.received_bytes >= 5 * reading.metainfo.geometry.piece_length - read_ahead


def test_nobody_waits_for_an_order_that_is_cancelled(reading: Reading, sample: Sample) -> None:
    with SeedServer(sample.folder, changed(pause_s=60.0)) as server:
        order = reading.order(server.url, range(2))
        while not server.asked:
            time.sleep(0.01)
        order.is_cancelled = True
        began = time.monotonic()
        ended = reading.end()
        assert (ended.error, len(ended.left)) == (None, 2)
        assert time.monotonic() - began < 2


def test_a_limit_holds(reading: Reading, sample: Sample) -> None:
    with SeedServer(sample.folder) as server:
        size = sum(part.length for part in reading.order(server.url, range(4), bytes_per_s=1 * MIB).parts)
        began = time.monotonic()
        assert reading.end().error is None
        assert time.monotonic() - began > 0.6 * size / MIB


def test_a_redirect_is_followed_once_for_each_file(reading: Reading, sample: Sample, whole: bytes) -> None:
    with SeedServer(sample.folder) as target:
        def send_on(_server: SeedServer, asked: Asked) -> Answer:
            location = target.url.rstrip("/") + asked.target.removeprefix("/old")
            return Answer(302, (("Location", location), ("Content-Length", "0")))

        with SeedServer(sample.folder, send_on) as server:
            for piece in range(3):
                assert reading.read(f"{server.url}old/", range(piece, piece + 1)).error is None
            assert reading.is_exact(whole, range(3))
            assert len(server.asked) == 1
            assert len(target.asked) == 3


def test_retry_after_comes_back(reading: Reading, sample: Sample) -> None:
    with SeedServer(sample.folder, refuse(503, Retry_After="120")) as server:
        assert reading.read(server.url, range(1)).retry_after_s == 120.0


def test_a_query_stays_with_every_file_and_leads_to_this_machine_only_when_that_is_allowed(
    metainfo: Metainfo, sample: Sample,
) -> None:
    with SeedServer(sample.folder) as server:
        for allow_local, code in ((False, "net.forbidden-address"), (True, None)):
            reading = Reading(metainfo, allow_local=allow_local)
            ended = reading.read(f"{server.url}?sig=a%2Fb", range(1))
            assert (ended.error.code if ended.error else None) == code
            reading.stop()
        assert [asked.target for asked in server.asked] == ["/sample/one.bin?sig=a%2Fb"]


def test_this_machine_is_asked_for_files_unless_the_settings_say_no(metainfo: Metainfo, sample: Sample) -> None:
    with SeedServer(sample.folder) as server:
        for asks_loopback, code in ((False, "net.forbidden-address"), (True, None)):
            for host in ("127.0.0.1", "localhost"):
                reading = Reading(metainfo, asks_loopback=asks_loopback)
                ended = reading.read(server.url.replace("127.0.0.1", host), range(1))
                assert (ended.error.code if ended.error else None) == code
                reading.pool.stop(TIMEOUT_S)
        assert [asked.target for asked in server.asked] == ["/sample/one.bin"] * 2


def test_user_and_password_and_secret_headers_go_to_their_own_server_only(
    metainfo: Metainfo, sample: Sample, tmp_path: Path,
) -> None:
    secrets = tmp_path / "headers"
    with SeedServer(sample.folder) as other:
        def send_on(_server: SeedServer, asked: Asked) -> Answer:
            return Answer(302, (("Location", other.url.rstrip("/") + asked.target), ("Content-Length", "0")))

        with SeedServer(sample.folder, send_on) as server:
            secrets.write_text(f"{server.url} X-Key: secret\n")
            secrets.chmod(0o640)
            reading = Reading(metainfo, headers_file=secrets)
            assert reading.read(server.url.replace("//", "//us%20er:pass@"), range(1)).error is None
            reading.stop()
            assert server.asked[0].headers["x-key"] == "secret"
            assert server.asked[0].headers["authorization"] == "Basic dXMgZXI6cGFzcw=="
            assert not {"x-key", "authorization"} & other.asked[0].headers.keys()


def test_a_file_with_secrets_that_all_may_read_is_not_used(
    metainfo: Metainfo, sample: Sample, tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:
    secrets = tmp_path / "headers"
    with SeedServer(sample.folder) as server:
        secrets.write_text(f"{server.url} X-Key: secret\n")
        secrets.chmod(0o644)
        reading = Reading(metainfo, headers_file=secrets)
        reading.read(server.url, range(2))
        assert "x-key" not in server.asked[0].headers
        secrets.chmod(0o600)
        reading.read(server.url, range(2, 3))
        assert server.asked[-1].headers["x-key"] == "secret"
        reading.stop()
    assert "others than its owner" in caplog.text and "secret" not in caplog.text.replace(str(secrets), "")


def test_a_file_with_secrets_that_is_none_holds_nobody_up(
    metainfo: Metainfo, sample: Sample, tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:
    os.mkfifo(tmp_path / "headers", 0o600)
    with SeedServer(sample.folder) as server:
        reading = Reading(metainfo, headers_file=tmp_path / "headers")
        assert reading.read(server.url, range(1)).error is None
        reading.stop()
    assert "no regular file" in caplog.text


def test_a_server_that_cannot_prove_its_name_is_sent_nothing(
    reading: Reading, sample: Sample, tmp_path: Path,
) -> None:
    identity = make_identity(["127.0.0.1"], 1)
    pem = tmp_path / "identity.pem"
    pem.write_bytes(identity.key + identity.certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    with SeedServer(sample.folder, wrap=lambda sock: context.wrap_socket(sock, server_side=True)) as server:
        ended = reading.read(server.url.replace("http:", "https:"), range(1))
        assert ended.error is not None and ended.error.code == "net.tls"
        assert server.asked == []


def test_padding_is_made_here(tmp_path: Path) -> None:
    (tmp_path / "padded").mkdir()
    (tmp_path / "padded/a").write_bytes(b"a" * 1000)
    (tmp_path / "padded/b").write_bytes(b"b" * 20_000)
    info = {b"name": b"padded", b"piece length": 16384, b"pieces": bytes(60), b"files": [
        {b"length": 1000, b"path": [b"a"]}, {b"length": 15384, b"path": [b".pad", b"15384"], b"attr": b"p"},
        {b"length": 20_000, b"path": [b"b"]}]}
    reading = Reading(parse_torrent(bencodepy.encode({b"info": info})))
    with SeedServer(tmp_path) as server:
        assert reading.read(server.url, range(3)).error is None
        assert b"".join(reading.got.values()) == b"a" * 1000 + bytes(15384) + b"b" * 20_000
        assert [asked.path for asked in server.asked] == ["/padded/a", "/padded/b"]
    reading.stop()
