"""The files of a torrent as its `info` dictionary lists them: the v1 list (BEP 3, BEP 47) and the v2 tree (BEP 52).

Both become SourceFiles with the names still as bytes: a hybrid torrent carries both lists, and they must agree byte for
byte before one of them is turned into paths.
"""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

from blobtorrent.model.errors import MetainfoError
from blobtorrent.model.merkle import HASH_BYTES

MAX_LENGTH = (1 << 48) - 1             # bytes of a file and of a torrent
_OLD_PAD_PREFIX = b"_____padding_file_"                # BitComet's, before BEP 47


class SourceFile(NamedTuple):
    """One file as the torrent names it: `path` below the torrent's folder, without the torrent's name."""

    path: tuple[bytes, ...]
    length: int                        # bytes; 0 for a link
    is_pad: bool = False
    link: tuple[bytes, ...] | None = None              # target below the torrent's folder
    is_executable: bool = False
    is_hidden: bool = False
    pieces_root: bytes = b""


def read_file_list(info: dict[bytes, Any]) -> list[SourceFile]:
    """The v1 files: the `files` list, or the one file that `length` and `name` describe.

    Raises MetainfoError ("metainfo.bad-file", "metainfo.no-files").
    """
    entries = info.get(b"files")
    if isinstance(entries, list):
        if not entries:
            raise MetainfoError("metainfo.no-files", "the file list is empty")
        return [_listed_file(entry) for entry in entries]
    return [_described((info_name(info),), info)]


def info_name(info: dict[bytes, Any]) -> bytes:
    """The torrent's name. Old programs put another encoding into `name` and UTF-8 beside it: that one is better."""
    for key in (b"name.utf-8", b"name"):
        name = info.get(key)
        if isinstance(name, bytes):
            return name
    raise MetainfoError("metainfo.no-name", "the torrent has no name")


def read_file_tree(info: dict[bytes, Any]) -> list[SourceFile]:
    """The v2 files in the order of the tree; `info` has passed strict decoding, so the tree is sorted.

    Raises MetainfoError ("metainfo.bad-tree", "metainfo.bad-file", "metainfo.no-files").
    """
    tree = info.get(b"file tree")
    if not isinstance(tree, dict):
        _refuse_tree("the file tree is missing")
    files = []
    path: list[bytes] = []
    folders = [iter(tree.items())]     # the folders we are in, each with what is left to see of it
    while folders:
        item = next(folders[-1], None)
        if item is None:
            folders.pop()
            if path:
                path.pop()
            continue
        name, node = item
        if not name or not isinstance(node, dict):
            _refuse_tree("the file tree has a file without a name, or a name without a file")
        path.append(name)
        if len(node) == 1 and b"" in node:
            files.append(_tree_file(tuple(path), node[b""]))
            path.pop()
        else:
            folders.append(iter(node.items()))
    if not files:
        raise MetainfoError("metainfo.no-files", "the file tree is empty")
    return files


def _listed_file(entry: Any) -> SourceFile:
    if not isinstance(entry, dict):
        raise MetainfoError("metainfo.bad-file", "an entry of the file list is no dictionary")
    path = entry.get(b"path.utf-8")
    if not isinstance(path, list):
        path = entry.get(b"path")
    if isinstance(path, list) and path:
        file = _described(_path(path), entry)
        return file if not path[-1].startswith(_OLD_PAD_PREFIX) else file._replace(is_pad=True)
    file = _described((), entry)
    if not file.is_pad:
        raise MetainfoError("metainfo.bad-file", "a file without a path")
    return file._replace(path=(b".pad", b"%d" % file.length))


def _tree_file(path: tuple[bytes, ...], entry: Any) -> SourceFile:
    if not isinstance(entry, dict):
        _refuse_tree("a file of the tree has no description")
    file = _described(path, entry)
    if file.is_pad:
        raise MetainfoError("metainfo.bad-file", "a pad file in the v2 file tree")
    if file.length == 0:
        return file
    root = entry.get(b"pieces root")
    if not isinstance(root, bytes) or len(root) != HASH_BYTES or not any(root):
        raise MetainfoError("metainfo.bad-file", "a file with content but without a pieces root of 32 bytes")
    return file._replace(pieces_root=root)


def _described(path: tuple[bytes, ...], entry: dict[bytes, Any]) -> SourceFile:
    """The file of that path with the length and the attributes (BEP 47) of its entry."""
    attributes = entry.get(b"attr")
    if not isinstance(attributes, bytes):
        attributes = b""
    if b"l" in attributes:             # whatever length a link claims, it holds no bytes of the torrent
        link = entry.get(b"symlink path")
        return SourceFile(path, 0, link=_link(link) if isinstance(link, list) else None)
    length = entry.get(b"length")
    if not isinstance(length, int) or not 0 <= length <= MAX_LENGTH:
        raise MetainfoError("metainfo.bad-file", "a file without a length, or with an impossible one")
    if not attributes:
        return SourceFile(path, length)
    return SourceFile(path, length, is_pad=b"p" in attributes,
                      is_executable=b"x" in attributes, is_hidden=b"h" in attributes)


def _link(parts: list[Any]) -> tuple[bytes, ...]:
    """BEP 47 forbids dots in a link's target; old torrents have them and mean the torrent's folder (as libtorrent)."""
    return tuple(part for part in _path(parts) if part not in (b".", b".."))


def _path(parts: list[Any]) -> tuple[bytes, ...]:
    for part in parts:
        if not isinstance(part, bytes):
            raise MetainfoError("metainfo.bad-file", "a path with a part that is no string")
    return tuple(parts)


def _refuse_tree(why: str) -> NoReturn:
    raise MetainfoError("metainfo.bad-tree", why)

