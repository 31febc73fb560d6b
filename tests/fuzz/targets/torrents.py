"""Torrents as files and links: .torrent files, edits of them, magnet links, URLs, paths, block lists."""

from __future__ import annotations

import unicodedata
from urllib.parse import urlsplit

from blobtorrent.model.blocklines import read_line
from blobtorrent.model.errors import FormatError, Invalid, MagnetError, MetainfoError
from blobtorrent.model.magnet import MAX_WRITTEN_CHARACTERS, format_magnet, parse_magnet
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.paths import PathMaker, keep_apart, safe_part, safe_text
from blobtorrent.model.text import clean
from blobtorrent.model.units import parse_duration, parse_rate, parse_size
from blobtorrent.model.urls import TRACKER_SCHEMES, WEB_SEED_SCHEMES, authority_of, host_of, usable_url
from blobtorrent.protocol.metaedit import Edits, edit_torrent
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.protocol.webseed import SeedContent
from tests.fuzz.registry import Shape, target
from tests.support.oddtorrents import odd_torrents

KEYS = (
    b"info", b"name", b"piece length", b"pieces", b"length", b"files", b"path", b"path.utf-8", b"name.utf-8", b"attr",
    b"symlink path", b"file tree", b"meta version", b"piece layers", b"pieces root", b"announce", b"announce-list",
    b"private", b"url-list", b"nodes", b"source", b"comment", b"created by", b"creation date", b"encoding",
    b"httpseeds",
    b"p", b"l", b"x", b"h", b"..", b".", b"/", b"", b"\xff\xfe", b"\xe2\x80\xae", b"http://a.invalid/", b"udp://a:1",
    b"file:///etc/passwd", b"CON", b"a" * 300,
)


def torrents() -> list[bytes]:
    return [odd.data for odd in odd_torrents() if len(odd.data) < 4000]


def assert_sound(metainfo: Metainfo) -> None:
    """What every torrent that is taken must fulfil."""
    geometry = metainfo.geometry
    assert sum(file.length for file in metainfo.files) == geometry.size
    at = 0
    for file in metainfo.files:
        assert file.offset == at
        at += file.length
    assert len(metainfo.piece_hashes_v1) == (20 * geometry.num_pieces if metainfo.info_hash.v1 else 0)
    paths = [file.path for file in metainfo.files if not file.is_pad]
    assert len(set(paths)) == len(paths)
    folders = {path[:length] for path in paths for length in range(1, len(path))}
    assert not folders & set(paths)
    for path in paths:
        assert_safe(path)
    for link in metainfo.files:
        if link.symlink_target is not None:
            assert_safe(link.symlink_target)


def assert_safe(path: tuple[str, ...]) -> None:
    assert path and len("/".join(path).encode()) <= 4096
    for part in path:
        assert part not in ("", ".", "..") and len(part.encode()) <= 255
        assert not any(character in "/\\" or ord(character) < 32 or 0x7f <= ord(character) < 0xa0 for character in part)


@target("torrents.metafile", errors=(FormatError,), seeds=torrents, tokens=KEYS, shape=Shape.BENCODE)
def _metafile(data: bytes) -> str:
    metainfo = parse_torrent(data)
    assert_sound(metainfo)
    return f"v1 {bool(metainfo.info_hash.v1)} v2 {bool(metainfo.info_hash.v2)} private {metainfo.is_private}"


@target("torrents.edit", errors=(FormatError,), seeds=torrents, tokens=KEYS, shape=Shape.BENCODE)
def _edit(data: bytes) -> str:
    edits = Edits(tiers=(("http://t.invalid/announce",),), web_seeds=(), comment="", source="x", is_private=True)
    edited = parse_torrent(edit_torrent(data, edits))
    assert edited.is_private and edited.tiers == edits.tiers and not edited.web_seeds
    return "edited"


@target("torrents.webseed_paths", errors=(FormatError,), seeds=torrents, tokens=KEYS, shape=Shape.BENCODE)
def _webseed_paths(data: bytes) -> str:
    metainfo = parse_torrent(data)
    content = SeedContent(metainfo)
    geometry = metainfo.geometry
    spans = [(index, 0, geometry.piece_size(index)) for index in {0, geometry.num_pieces - 1}]
    for part in content.ranges(spans):
        assert part.offset >= 0 and part.offset + part.length <= content.length_of(part.file)
        if not part.is_pad:
            url = content.url_of("http://seed.invalid/base/?key=1", part.file)
            assert url.isascii() and url.isprintable() and " " not in url and "/../" not in url
    return "planned"


def links() -> list[bytes]:
    return [link.encode() for link in (
        "magnet:?xt=urn:btih:" + "a" * 40,
        "magnet:?xt=urn:btih:" + "A" * 32 + "&dn=some+name&xl=1000",
        "magnet:?xt=urn:btmh:1220" + "0" * 64 + "&tr=udp%3A%2F%2Ft.invalid%3A80&tr.1=http%3A%2F%2Ft.invalid%2Fa",
        "magnet:?xt.1=urn:btih:" + "b" * 40 + "&ws=http%3A%2F%2Fs.invalid%2F&x.pe=1.2.3.4:5&x.pe=[::1]:80&so=0,2-5,9",
        "magnet:?xt=urn:btih:" + "c" * 40 + "&dn=%ff%00%2e%2e%2f&so=3-1,7-7&x.pe=host.invalid:99999",
    )]


LINK_WORDS = (b"magnet:?", b"xt=urn:btih:", b"xt=urn:btmh:1220", b"&dn=", b"&tr=", b"&ws=", b"&x.pe=", b"&so=", b"&xl=",
              b"%", b"%00", b"%ff", b"%ed%a0%80", b"\xed\xa0\x80", b"&", b"=", b"..", b"http://", b"http://[", b"]:1",
              b"\xd9\xa3", b"http%3A%2F%2F%E4%BE%8B")


def _text(data: bytes) -> str:
    """Any text, also one that holds what is no character: command lines and JSON can."""
    return data.decode("utf-8", "surrogatepass" if data[:1] < b"n" else "surrogateescape")


@target("torrents.magnet", errors=(MagnetError,), seeds=links, tokens=LINK_WORDS)
def _magnet(data: bytes) -> str:
    try:
        text = _text(data)
    except UnicodeDecodeError:
        text = data.decode("utf-8", "surrogateescape")
    link = parse_magnet(text)
    written = format_magnet(link)
    assert parse_magnet(written, max_characters=MAX_WRITTEN_CHARACTERS) == link
    assert written.isascii() and written.isprintable()
    return " ".join(name for name, value in link._asdict().items() if value)


def urls() -> list[bytes]:
    return [b"http://t.invalid/announce?passkey=1", b"udp://t.invalid:80/x", b"https://u:p@h.invalid:443/a b",
            b"http://[::1]:80/", "http://bücher.invalid/ä".encode(), b"HTTP://X/%zz", b"ftp://a/", b"http://1.2.3.4"]


@target("torrents.url", seeds=urls, tokens=(b"://", b"[", b"]", b":", b"@", b"\xc3\xbc", b"\xe3\x80\x82", b"xn--", b"%",
                                           b" ", b"\r\n", b"#", b"?", b".", b"65536", b"udp", b"https"))
def _url(data: bytes) -> str:
    url = usable_url(data, TRACKER_SCHEMES | WEB_SEED_SCHEMES)
    if url is None:
        authority_of(data.decode("latin-1"))
        host_of(data.decode("latin-1"))
        return "unusable"
    assert url.isascii() and url.isprintable() and " " not in url
    assert usable_url(url.encode(), TRACKER_SCHEMES | WEB_SEED_SCHEMES) == url
    parts = urlsplit(url)
    assert parts.hostname and (parts.port is None or 0 < parts.port < 65536)
    return parts.scheme


@target("torrents.paths", errors=(MetainfoError,), seeds=lambda: [
    b"a\0b\0c", b"..\0..\0etc\0passwd", b"\xff\0" + b"x" * 300 + b".tar.gz", "ä\0ß\0\u202etxt.exe".encode(), b"/",
    b"\\"],
    tokens=(b"\0", b"..", b".", b"/", b"\\", b"\xc0\xae", b"\xe2\x80\xae", b" ", b"CON", b"~", b"\n", b"\x1b[31m"))
def _paths(data: bytes) -> str:
    """Files of a torrent, a line each, the parts of their paths with zeros between."""
    maker = PathMaker(("folder",))
    paths = keep_apart([maker.make(line.split(b"\0")) for line in data.split(b"\n")[:200]])
    for path in paths:
        assert path[0] == "folder"
        assert_safe(path)
    assert len(set(paths)) == len(paths)
    assert safe_part(data) and len(safe_part(data).encode()) <= 255
    assert "\x00" not in safe_text(data)
    return f"{len(paths) > 1}"


@target("torrents.text", seeds=lambda: [b"plain", "ä\u202e\u0000".encode(), b"\x1b]0;x\x07", b"a\nb\r\nc"],
        tokens=(b"\n", b"\x1b[", b"\x9b", b"\xc2\x9b", b"\xe2\x80\xae", b"\xe2\x81\xa6", b"\xed\xa0\x80",
                b"\xf4\x8f\xbf\xbf"))
def _clean(data: bytes) -> str:
    cleaned = clean(data.decode("utf-8", "surrogateescape"))
    assert len(cleaned) <= 512
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in cleaned)
    return f"{bool(cleaned)}"


@target("torrents.units", errors=(Invalid,), seeds=lambda: [
    b"65536", b"64 KiB", b"1.5 GB", b"10M/s", b"1h 30m", b"2d", b"1e3"],
    tokens=(b"KiB", b"TB", b"/s", b"h", b"d", b".", b"-", b"e9", b"nan", b"inf", b"\xd9\xa3", b"_", b"9" * 400))
def _units(data: bytes) -> str:
    text, found = data.decode("utf-8", "replace"), ""
    for read in (parse_size, parse_rate, parse_duration):
        try:
            assert read(text) >= 0
            found += read.__name__
        except Invalid:
            pass
    if not found:
        raise Invalid("units.none", "neither")
    return found


@target("torrents.blocklist", seeds=lambda: [
    b"name:1.2.3.4-1.2.3.9", b"1.2.3.4 - 1.2.3.9 , 100 , text", b"10.0.0.0/8", b"2001:db8::/32", b"# no", b"1.2.3.4",
    b"001.002.003.004 - 001.002.003.255 , 000 , x"],
    tokens=(b"-", b":", b"::", b"/", b",", b"255.255.255.255", b"/129", b"\xff", b"\0", b"0", b"ffff:", b"%eth0"))
def _blocklist(data: bytes) -> str:
    words = set()
    for line in data.split(b"\n")[:100]:
        try:
            found = read_line(line)
        except FormatError:
            words.add("refused")
            continue
        if found is not None:
            is_v6, first, last = found
            assert 0 <= first <= last < 1 << (128 if is_v6 else 32)
        words.add("nothing" if found is None else f"IPv6 {found[0]}")
    return ", ".join(sorted(words))
