"""Names of old torrents that are no UTF-8: the paths that are meant, when somebody knows their encoding.

The torrent may tell it itself (`encoding` beside `info`, which many programs write and few mean), or its user may. A
name that is valid UTF-8 is that. Of v2 torrents every name is (BEP 52). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Any, Final

from blobtorrent.model.errors import FormatError
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.paths import safe_part
from blobtorrent.protocol.bencode import read_document
from blobtorrent.protocol.filelist import SourceFile, info_name, read_file_list
from blobtorrent.protocol.filespace import file_entries
from blobtorrent.protocol.metafile import TORRENT_LIMITS

_LOST: Final = "\ufffd"                # what a byte that is no UTF-8 became
MAX_NAME: Final = 64                   # characters of the name of an encoding

# Charsets that people wrote names in; other codecs of Python do more than that.
CHARSETS: Final = frozenset((
    "big5", "big5hkscs", "cp437", "cp850", "cp852", "cp855", "cp866", "cp874", "cp932", "cp949", "cp950",
    *(f"cp125{number}" for number in range(9)), "euc_jp", "euc_kr", "gb18030", "gb2312", "gbk", "hz", "iso2022_jp",
    *(f"iso8859_{number}" for number in (*range(2, 12), 13, 14, 15, 16)), "johab", "koi8_r", "koi8_u", "latin_1",
    "mac_cyrillic", "mac_greek", "mac_latin2", "mac_roman", "mac_turkish", "ptcp154", "shift_jis", "shift_jisx0213",
    "shift_jis_2004", "tis_620"))


def charset(name: str) -> str:
    """The codec of a charset by one of its many names; empty for one that is not known, and for UTF-8."""
    if len(name) > MAX_NAME:
        return ""
    word = normalize_encoding(name.strip()).lower()
    codec = aliases.get(word, word)
    return codec if codec in CHARSETS else ""


def meant_paths(raw: bytes, metainfo: Metainfo, encodings: Iterable[str] = ()) -> dict[int, str]:
    """The paths of those files, by number, that are called otherwise once their names are understood; parts are joined
    by slashes.

    `raw` are the bytes of the .torrent file that `metainfo` was read from. Its own encoding is tried first, then
    `encodings`, in order: the first that fits all names is taken. None fits, or all is UTF-8: nothing.
    """
    if metainfo.info_hash.v2 or not any(_LOST in part for entry in metainfo.files for part in entry.path):
        return {}
    try:
        document = read_document(raw, limits=TORRENT_LIMITS, lenient=True).value
        info: dict[bytes, Any] = document[b"info"]
        sources, folder = read_file_list(info), info_name(info)
        told = document.get(b"encoding")
    except (FormatError, KeyError, TypeError):
        return {}
    is_single = not isinstance(info.get(b"files"), list)
    for codec in _codecs(told, encodings):
        try:
            decoded = [_decoded(source, codec) for source in sources]
            name = safe_part(_as_utf8(sources[0].path[0] if is_single else folder, codec), instead=metainfo.name)
            entries = file_entries(decoded, name, is_single=is_single)
        except (UnicodeError, FormatError):
            continue
        return {number: "/".join(entry.path) for number, (entry, own) in enumerate(zip(entries, metainfo.files))
                if entry.path != own.path and not entry.is_pad}
    return {}


def _codecs(told: object, encodings: Iterable[str]) -> Iterator[str]:
    names = [told.decode("ascii", "replace")] if isinstance(told, bytes) else []
    seen = {""}
    for name in (*names, *encodings):
        codec = charset(name)
        if codec not in seen:
            seen.add(codec)
            yield codec


def _decoded(source: SourceFile, codec: str) -> SourceFile:
    return source._replace(path=tuple(_as_utf8(part, codec) for part in source.path))


def _as_utf8(part: bytes, codec: str) -> bytes:
    """Raises UnicodeError when it cannot be in that charset."""
    try:
        part.decode("utf-8")
    except UnicodeDecodeError:
        return part.decode(codec).encode("utf-8")
    return part
