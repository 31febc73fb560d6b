"""Odd and broken .torrent files of our own making, each with the verdict that a correct client gives.

They are built, not stored: `odd_torrents()` lists them all, the builders serve other tests too. Where the standards
leave room the verdict is the one we settled on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from blobtorrent.model.merkle import root_of, tree_width
from blobtorrent.protocol.bencode import encode
from tests.support.merkle import leaf_hashes

PIECE = 16384
SIZE = 425                             # of the usual single file
TRACKER = b"http://tracker.invalid/announce"


@dataclass(frozen=True)
class OddTorrent:
    """One file. `code` is the error it must give, "" if it must be accepted with the `figures` of `show --json`."""

    name: str
    data: bytes
    code: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


def single(**changes: Any) -> dict[bytes, Any]:
    """The info of a v1 torrent of one file."""
    info = {b"length": SIZE, b"name": b"odd", b"piece length": PIECE, b"pieces": bytes(20)}
    return changed(info, changes)


def multi(files: list[Any], **changes: Any) -> dict[bytes, Any]:
    """The info of a v1 torrent of these `files` entries, with as many hashes as they need."""
    info: dict[bytes, Any] = {b"files": files, b"name": b"odd", b"piece length": PIECE}
    if "pieces" not in changes:
        size = sum(file[b"length"] for file in files if isinstance(file, dict))
        info[b"pieces"] = bytes(20 * max(0, -(-size // PIECE)))
    return changed(info, changes)


def listed(length: Any, *parts: bytes, **more: Any) -> dict[bytes, Any]:
    """An entry of a v1 file list."""
    return changed({b"length": length, b"path": list(parts)}, more)


def leaf(content: bytes, **more: Any) -> dict[bytes, Any]:
    """A file of a v2 tree. Its root is right for any piece length that is a power of two."""
    entry: dict[bytes, Any] = {b"length": len(content)}
    if content:
        leaves = list(leaf_hashes(content))
        entry[b"pieces root"] = root_of(leaves, tree_width(len(leaves)))
    return {b"": changed(entry, more)}


def tree(files: dict[bytes, Any], **changes: Any) -> dict[bytes, Any]:
    """The info of a v2 torrent with this file tree."""
    return changed({b"file tree": files, b"meta version": 2, b"name": b"odd", b"piece length": PIECE}, changes)


def layer(content: bytes) -> bytes:
    """The piece layer of a file whose pieces are single blocks of 16 KiB."""
    return b"".join(leaf_hashes(content))


def torrent(info: Any, **top: Any) -> bytes:
    """A .torrent file around an info value."""
    return encode(changed({b"announce": TRACKER, b"info": info}, top))


def changed(values: dict[bytes, Any], changes: dict[str, Any]) -> dict[bytes, Any]:
    """`values` with the changes: in their keys _ stands for a space and __ for a dash, a value of None removes one."""
    keyed = {key.replace("__", "-").replace("_", " ").encode(): value for key, value in changes.items()}
    return {key: value for key, value in {**values, **keyed}.items() if value is not None}


def odd_torrents() -> list[OddTorrent]:
    return [*_encodings(), *_figures(), *_names(), *_files(), *_links(), *_addresses(), *_texts(), *_v2(), *_hybrids()]


def _encodings() -> Iterator[OddTorrent]:
    good = torrent(single())
    yield OddTorrent("plain", good, figures={"size": SIZE, "num_pieces": 1, "private": False, "name": "odd"})
    yield OddTorrent("truncated", good[: len(good) // 2], "bencode.truncated")
    yield OddTorrent("empty", b"", "bencode.truncated")
    yield OddTorrent("trailing garbage", good + b"garbage", figures={"size": SIZE})
    yield OddTorrent("second torrent behind the first", good + torrent(single(name=b"two")), figures={"name": "odd"})
    yield OddTorrent("byte order mark", b"\xef\xbb\xbf" + good, "bencode.bad-mark")
    yield OddTorrent("top is a list", b"l" + good + b"e", "metainfo.no-dictionary")
    yield OddTorrent("top is a string", b"4:spam", "metainfo.no-dictionary")
    yield OddTorrent("info is missing", torrent(None), "metainfo.no-info")
    yield OddTorrent("info is a list", torrent([1]), "metainfo.no-info")
    yield OddTorrent("info twice", b"d4:info" + encode(single(name=b"one")) + b"4:info" + encode(single()) + b"e",
                     figures={"name": "one"})
    yield OddTorrent("deep lists", b"d1:a" + b"l" * 100_000, "bencode.too-deep")
    yield OddTorrent("integer as key", b"d4:infodi1ei2eee", "bencode.bad-key")
    body = encode(single())
    for what, text, code in (
        ("zeros in front", b"i007e", ""), ("negative zero", b"i-0e", ""),
        ("plus", b"i+7e", "bencode.bad-integer"), ("underscore", b"i1_0e", "bencode.bad-integer"),
        ("space", b"i 7e", "bencode.bad-integer"), ("nothing", b"ie", "bencode.bad-integer"),
        ("minus only", b"i-e", "bencode.bad-integer"), ("other digits", "i٧e".encode(), "bencode.bad-integer"),
        ("5000 digits", b"i" + b"7" * 5000 + b"e", "bencode.bad-integer"),
    ):
        yield OddTorrent(f"integer: {what}", b"d4:info" + body[:-1] + b"1:x" + text + b"ee", code)
    yield OddTorrent("keys out of order", b"d4:infod4:name3:odd6:lengthi425e12:piece lengthi16384e6:pieces20:"
                     + bytes(20) + b"ee", figures={"size": SIZE})


def _figures() -> Iterator[OddTorrent]:
    for length in (-1, 0, 1 << 48, (1 << 63) - 1):
        code = "metainfo.bad-size" if length == 0 else "metainfo.bad-file"
        yield OddTorrent(f"length {length}", torrent(single(length=length)), code)
    for what in (b"425", [425], {}):
        yield OddTorrent(f"length is {what!r}", torrent(single(length=what)), "metainfo.bad-file")
    yield OddTorrent("neither length nor files", torrent(single(length=None)), "metainfo.bad-file")
    large = [listed(1 << 47, b"%d" % n) for n in range(3)]
    yield OddTorrent("sizes add up to too much", torrent(multi(large, pieces=b"")), "metainfo.bad-size")
    yield OddTorrent("millions of pieces", torrent(single(length=1 << 40)), "metainfo.too-many-pieces")
    for length in (0, -1, 1 << 40, b"16384"):
        yield OddTorrent(f"piece length {length!r}", torrent(single(piece_length=length)), "metainfo.bad-piece-length")
    yield OddTorrent("piece length missing", torrent(single(piece_length=None)), "metainfo.bad-piece-length")
    uneven = single(length=100_000, piece_length=30_000, pieces=bytes(80))
    yield OddTorrent("piece length no power of two", torrent(uneven),
                     figures={"num_pieces": 4, "piece_length": 30_000})
    for what in (bytes(19), bytes(24), bytes(40), b"", 20, None):
        yield OddTorrent(f"pieces {what!r}", torrent(single(pieces=what)), "metainfo.bad-pieces")
    for value, is_private in ((0, False), (1, True), (2, True), (b"1", True), (b"0", False), ([], True)):
        yield OddTorrent(f"private {value!r}", torrent(single(private=value)), figures={"private": is_private})
    yield OddTorrent("private outside info", torrent(single(), private=1), figures={"private": False})


def _names() -> Iterator[OddTorrent]:
    for raw, name in (
        (b"-rf", "-rf"), (b"%s{0}", "%s{0}"), (b"../../up", ".._.._up"), (b"/etc/passwd", "_etc_passwd"),
        (b"a\\b", "a_b"), (b"a\nb\x1b[2J", "a_b_[2J"), (b"nul\x00.exe", "nul_.exe"), (b"\xff\xfe", "\ufffd\ufffd"),
        (b"\xc0\xae\xc0\xae", "\ufffd" * 4), ("\u202egpj.exe".encode(), "_gpj.exe"), ("\x9b31m".encode(), "_31m"),
        ("ünï".encode(), "ünï"), (b"n" * 300, "n" * 255), (b"n" * 300 + b".tar.gz", "n" * 252 + ".gz"),
        ("ü".encode() * 200, "ü" * 127),
    ):
        yield OddTorrent(f"name {raw[:20]!r} {len(raw)}", torrent(single(name=raw)), figures={"name": name})
    for raw in (b"", b".", b"..", b"/", b"\x00\x00", "\u202e".encode()):
        yield OddTorrent(f"no usable name {raw!r}", torrent(single(name=raw)), "metainfo.no-name")
        info = multi([listed(SIZE, b"a")], name=raw)
        digest = hashlib.sha1(encode(info)).hexdigest()
        yield OddTorrent(f"no usable folder name {raw!r}", torrent(info), figures={"name": digest})
    yield OddTorrent("name missing", torrent(single(name=None)), "metainfo.no-name")
    yield OddTorrent("name is a list", torrent(single(name=[b"odd"])), "metainfo.no-name")
    better = {b"name.utf-8": b"better", **single()}
    yield OddTorrent("name in UTF-8 beside it", torrent(better), figures={"name": "better"})


def _files() -> Iterator[OddTorrent]:
    def paths(name: str, files: list[Any], *expected: tuple[str, ...]) -> OddTorrent:
        return OddTorrent(name, torrent(multi(files)), figures={"paths": [("odd", *path) for path in expected]})

    yield paths("one file in a folder", [listed(5, b"a")], ("a",))
    yield paths("same path twice", [listed(5, b"a.x"), listed(5, b"a.x")], ("a.x",), ("a (2).x",))
    yield paths("same path after cleaning", [listed(5, b"a/b"), listed(5, b"a_b"), listed(5, b"a\x01b")],
                ("a_b",), ("a_b (2)",), ("a_b (3)",))
    yield paths("names that differ by case", [listed(5, b"A"), listed(5, b"a")], ("A",), ("a",))
    yield paths("a file where a folder is", [listed(5, b"a"), listed(5, b"a", b"b")], ("a (2)",), ("a", "b"))
    yield paths("parts that walk up", [listed(5, b"..", b"..", b"x"), listed(5, b".", b"", b"y")],
                ("_", "_", "x"), ("_", "_", "y"))
    yield paths("absolute parts", [listed(5, b"/etc", b"/passwd")], ("_etc", "_passwd"))
    yield paths("UTF-8 path beside it", [{b"path.utf-8": [b"better"], **listed(5, b"a")}], ("better",))
    yield paths("empty files around", [listed(0, b"a"), listed(5, b"b"), listed(0, b"c")], ("a",), ("b",), ("c",))
    yield OddTorrent("10,000 files", torrent(multi([listed(1, b"%05d" % n) for n in range(10_000)])),
                     figures={"num_files": 10_000, "size": 10_000})
    yield OddTorrent("1,000 equal names", torrent(multi([listed(1, b"a") for _ in range(1000)])),
                     figures={"num_files": 1000})
    for what, files, code in (
        ("no files", [], "metainfo.no-files"),
        ("only empty files", [listed(0, b"a")], "metainfo.bad-size"),
        ("files of strings", [b"a"], "metainfo.bad-file"),
        ("negative file", [listed(-5, b"a")], "metainfo.bad-file"),
        ("path is empty", [listed(5)], "metainfo.bad-file"),
        ("path is missing", [{b"length": 5}], "metainfo.bad-file"),
        ("path is a string", [{b"length": 5, b"path": b"a"}], "metainfo.bad-file"),
        ("path of numbers", [{b"length": 5, b"path": [1]}], "metainfo.bad-file"),
        ("path too deep", [listed(5, *[b"a"] * 101)], "metainfo.bad-path"),
        ("path too long", [listed(5, *[b"a" * 250] * 17)], "metainfo.bad-path"),
    ):
        yield OddTorrent(what, torrent(multi(files)), code)
    mapped = {**single(length=None), b"files": {b"a": 1}}
    yield OddTorrent("files is a dictionary", torrent(mapped), "metainfo.bad-file")
    pads = [listed(5, b"a"), listed(PIECE - 5, b".pad", b"16379", attr=b"p"), listed(7, b"b")]
    yield OddTorrent("pad file", torrent(multi(pads)), figures={"size": PIECE + 7, "payload": 12, "num_files": 3})
    old = [listed(5, b"a"), listed(PIECE - 5, b"_____padding_file_0_"), listed(7, b"b")]
    yield OddTorrent("pad file of old", torrent(multi(old)), figures={"payload": 12})
    unnamed = [listed(5, b"a"), {b"attr": b"p", b"length": PIECE - 5}, listed(7, b"b")]
    yield OddTorrent("pad file without a path", torrent(multi(unnamed)), figures={"payload": 12})
    yield OddTorrent("nothing but padding", torrent(multi([listed(100, b".pad", b"100", attr=b"p")])),
                     figures={"size": 100, "payload": 0})


def _links() -> Iterator[OddTorrent]:
    def links(name: str, targets: list[str | None], *files: dict[bytes, Any]) -> OddTorrent:
        info = multi([listed(5, b"d", b"f"), *files])
        return OddTorrent(name, torrent(info), figures={"links": targets})

    def link(path: list[bytes], target: Any, length: int = 0) -> dict[bytes, Any]:
        return {b"attr": b"l", b"length": length, b"path": path, b"symlink path": target}

    yield links("link to a file", ["odd/d/f"], link([b"l"], [b"d", b"f"]))
    yield links("link to a folder", ["odd/d"], link([b"l"], [b"d"]))
    yield links("link over a link", ["odd/d", "odd/l/f"], link([b"l"], [b"d"]), link([b"m"], [b"l", b"f"]))
    yield links("link as seen from its folder", ["odd/d/f"], link([b"d", b"l"], [b"f"]))
    yield links("link that walks up", [None], link([b"l"], [b"..", b"..", b"etc"]))
    yield links("absolute link", [None], link([b"l"], [b"/etc/passwd"]))
    yield links("link to nothing", [None], link([b"l"], [b"x"]))
    yield links("link to itself", [None], link([b"l"], [b"l"]))
    yield links("links in a circle", [None, None], link([b"l"], [b"m"]), link([b"m"], [b"l"]))
    yield links("link without a target", [None], {b"attr": b"l", b"length": 0, b"path": [b"l"]})
    yield links("link that claims bytes", ["odd/d/f"], link([b"l"], [b"d", b"f"], length=0))
    below = [link([b"l"], [b"/etc"]), listed(100, b"l", b"passwd")]
    yield OddTorrent("file below a link", torrent(multi(below)),
                     figures={"paths": [("odd", "l (2)"), ("odd", "l", "passwd")], "links": [None]})
    numbers = [listed(5, b"a"), link([b"l"], [1])]
    yield OddTorrent("link target of numbers", torrent(multi(numbers)), "metainfo.bad-file")


def _addresses() -> Iterator[OddTorrent]:
    def trackers(name: str, expected: list[list[str]], **top: Any) -> OddTorrent:
        return OddTorrent(name, torrent(single(), **top), figures={"trackers": expected})

    usual = [[TRACKER.decode()]]
    yield trackers("announce is a number", [], announce=1)
    yield trackers("announce is empty", [], announce=b"")
    yield trackers("announce of 64 KiB", [], announce=b"http://a/" + b"x" * 65536)
    yield trackers("announce with line breaks", [], announce=b"http://a/\r\nHost: b")
    yield trackers("announce with spaces", [["http://a/b%20c?d"]], announce=b" http://a/b c?d ")
    yield trackers("tiers replace announce", [["http://a/"], ["udp://b:1"]],
                   announce__list=[[b"http://a/"], [b"udp://b:1", b"http://a/"]])
    yield trackers("useless tiers leave announce", usual, announce__list=[[], [b"foo", 3], b"ftp://x/", 7])
    yield trackers("tiers as one flat list", [["http://a/"], ["http://b/"]],
                   announce__list=[b"http://a/", b"http://b/"])
    many = [[b"http://host%d.invalid/announce" % n] for n in range(5000)]
    yield OddTorrent("5,000 trackers", torrent(single(), announce__list=many), figures={"num_trackers": 200})
    seeds = [b"http://host.invalid/%d" % n for n in range(5000)]
    yield OddTorrent("5,000 web seeds", torrent(single(), url__list=seeds), figures={"num_web_seeds": 100})
    yield OddTorrent("web seed as a string", torrent(single(), url__list=b"http://a/x"),
                     figures={"web_seeds": ["http://a/x"]})
    yield OddTorrent("useless web seeds", torrent(single(), url__list=[b"", b"file:///etc/passwd", 4, b"udp://a:1"]),
                     figures={"web_seeds": []})
    yield OddTorrent("nodes of all kinds", torrent(single(), nodes=[[b"127.0.0.1", 1], [b"", 1], [b"a", 0], 7, [b"a"]]),
                     figures={"size": SIZE})


def _texts() -> Iterator[OddTorrent]:
    yield OddTorrent("comment of bad bytes", torrent(single(), comment=b"a\xff\x1b\x7fb\n", encoding=b"klingon"),
                     figures={"comment": "a\ufffd\ufffd\ufffdb\n"})
    yield OddTorrent("comment is a number", torrent(single(), comment=7), figures={"comment": None})
    yield OddTorrent("huge comment", torrent(single(), comment=b"x" * 100_000), figures={"comment": "x" * 65536})
    yield OddTorrent("date before 1970", torrent(single(), creation_date=-1), figures={"creation_date": None})
    yield OddTorrent("date far away", torrent(single(), creation_date=(1 << 63) - 1),
                     figures={"creation_date": (1 << 63) - 1})
    yield OddTorrent("date is a string", torrent(single(), creation_date=b"now"), figures={"creation_date": None})


def _v2() -> Iterator[OddTorrent]:
    small, large = b"s" * 5, b"l" * (PIECE * 3 + 1)
    root = leaf(large)[b""][b"pieces root"]
    right = {root: layer(large)}
    two = {b"a": leaf(large), b"b": leaf(small)}
    yield OddTorrent("v2 single", torrent(tree({b"f": leaf(small)})),
                     figures={"name": "f", "size": PIECE, "payload": 5, "info_hash_v1": None, "num_pieces": 1})
    yield OddTorrent("v2 folder", torrent(tree(two), piece_layers=right),
                     figures={"name": "odd", "size": PIECE * 5, "payload": len(large) + 5, "num_files": 4})
    yield OddTorrent("v2 empty files", torrent(tree({b"a": leaf(b""), b"b": leaf(small), b"c": leaf(b"")})),
                     figures={"size": PIECE, "num_files": 4})
    yield OddTorrent("v2 layers missing", torrent(tree(two)), figures={"num_pieces": 5})
    yield OddTorrent("v2 layers is a list", torrent(tree(two), piece_layers=[]), figures={"num_pieces": 5})
    wrong = bytearray(layer(large))
    wrong[40] ^= 1
    for what, layers in (
        ("wrong hash", {root: bytes(wrong)}), ("too short", {root: layer(large)[:-32]}),
        ("ragged", {root: layer(large) + b"x"}), ("of no file", {**right, bytes(32): bytes(64)}),
        ("of a small file", {leaf(small)[b""][b"pieces root"]: bytes(32)}), ("is a number", {root: 1}),
        ("key of 33 bytes", {root + b"a": layer(large)}),
    ):
        yield OddTorrent(f"v2 layer {what}", torrent(tree(two), piece_layers=layers), "metainfo.bad-layer")
    for what, files in (
        ("root is a file", {b"": {b"length": 5}}), ("file without the empty key", {b"a": {b"length": 5}}),
        ("file with siblings", {b"a": {**leaf(small), b"z": leaf(small)}}), ("node is a list", {b"a": []}),
        ("description is a list", {b"a": {b"": []}}),
    ):
        yield OddTorrent(f"v2 {what}", torrent(tree(files)), "metainfo.bad-tree")
    yield OddTorrent("v2 empty tree", torrent(tree({})), "metainfo.no-files")
    yield OddTorrent("v2 tree of empty folders", torrent(tree({b"a": {b"b": {}}})), "metainfo.no-files")
    yield OddTorrent("v2 tree missing", torrent(tree({}, file_tree=None)), "metainfo.bad-tree")
    for what, more in (("missing", {"pieces_root": None}), ("of 31 bytes", {"pieces_root": b"r" * 31}),
                       ("of zeros", {"pieces_root": bytes(32)}), ("is a number", {"pieces_root": 5})):
        yield OddTorrent(f"v2 root {what}", torrent(tree({b"a": leaf(small, **more)})), "metainfo.bad-file")
    yield OddTorrent("v2 pad file", torrent(tree({b"a": leaf(small, attr=b"p")})), "metainfo.bad-file")
    yield OddTorrent("v2 walks up", torrent(tree({b"..": {b"passwd": leaf(small)}})),
                     figures={"paths": [("odd", "_", "passwd"), ("odd", ".pad", str(PIECE - 5))]})
    yield OddTorrent("v2 tree out of order", _swapped(torrent(tree({b"f1": leaf(small), b"f2": leaf(b"t")}))),
                     "bencode.not-canonical")
    for length in (PIECE // 2, PIECE * 3):
        yield OddTorrent(f"v2 piece length {length}", torrent(tree(two, piece_length=length)),
                         "metainfo.bad-piece-length")
    yield OddTorrent("v2 version is a string", torrent(tree(two, meta_version=b"2")), "metainfo.no-version")
    yield OddTorrent("v2 version missing", torrent(tree(two, meta_version=None)), "metainfo.no-version")
    yield OddTorrent("version 3", torrent(tree(two, meta_version=3)), "metainfo.unknown-version")
    yield OddTorrent("v2 with v1 hashes alone", torrent(tree({b"a": leaf(small)}, pieces=bytes(20))),
                     "metainfo.inconsistent")


def _hybrids() -> Iterator[OddTorrent]:
    small, other = b"s" * 5, b"o" * 7
    files = {b"a": leaf(small), b"b": leaf(other)}
    a, b = listed(5, b"a"), listed(7, b"b")
    gap, tail = listed(PIECE - 5, b".pad", b"16379", attr=b"p"), listed(PIECE - 7, b".pad", b"16377", attr=b"p")

    def hybrid(v1: list[Any]) -> bytes:
        return torrent({**tree(files), **multi(v1)})

    yield OddTorrent("hybrid", hybrid([a, gap, b]), figures={"size": PIECE + 7, "payload": 12, "num_pieces": 2})
    yield OddTorrent("hybrid with padding at its end", hybrid([a, gap, b, tail]), figures={"size": 2 * PIECE})
    yield OddTorrent("hybrid of one file", torrent({**tree({b"odd": leaf(small)}), **single(length=5)}),
                     figures={"size": 5, "num_files": 1, "name": "odd"})
    for what, v1 in (
        ("without padding", [a, b]), ("in another order", [b, listed(PIECE - 7, b".pad", b"x", attr=b"p"), a]),
        ("of other names", [a, gap, listed(7, b"c")]), ("of other sizes", [a, gap, listed(8, b"b")]),
        ("with a file more", [a, gap, b, tail, listed(1, b"c")]), ("with a file less", [a]),
        ("padded too much", [a, gap, listed(PIECE, b".pad", b"y", attr=b"p"), b]),
    ):
        yield OddTorrent(f"hybrid {what}", hybrid(v1), "metainfo.inconsistent")
    yield OddTorrent("hybrid of one file with two names", torrent({**tree({b"x": leaf(small)}), **single(length=5)}),
                     "metainfo.inconsistent")
    yield OddTorrent("hybrid without v1 hashes", torrent({**tree(files), **multi([a, gap, b], pieces=None)}),
                     "metainfo.bad-pieces")


def _swapped(data: bytes) -> bytes:
    return data.replace(b"2:f1", b"2:f3")
