"""Lays the files of a torrent into its linear space of bytes: offsets, padding, agreement of v1 and v2 (BEP 47, 52)."""

from __future__ import annotations

from itertools import accumulate

from blobtorrent.model.errors import MetainfoError
from blobtorrent.model.geometry import PieceGeometry
from blobtorrent.model.metainfo import FileEntry
from blobtorrent.model.paths import LinkResolver, Path, PathMaker, keep_apart
from blobtorrent.protocol.filelist import MAX_LENGTH, SourceFile

MAX_PIECES = 1 << 21                   # as libtorrent


def with_implied_padding(files: list[SourceFile], piece_length: int) -> list[SourceFile]:
    """The tree of a v2-only torrent as a list: every file is filled up to whole pieces, so the next starts on one.

    The padding exists in no file and not on the wire; it is there so that v1 and v2 share one arithmetic.
    """
    padded = []
    for file in files:
        padded.append(file)
        gap = -file.length % piece_length
        if gap:
            padded.append(SourceFile((b".pad", b"%d" % gap), gap, is_pad=True))
    return padded


def merged_hybrid(listed: list[SourceFile], tree: list[SourceFile], piece_length: int) -> list[SourceFile]:
    """The v1 list with the roots of the v2 tree.

    Raises MetainfoError ("metainfo.inconsistent") unless both describe the same files at the same offsets. The pad file
    after the last file may be there or not (BEP 52 leaves it open).
    """
    in_tree = iter(tree)
    merged = []
    offset = aligned_end = 0           # where the v1 list is, and where the v2 tree says the next content begins
    for file in listed:
        if not file.is_pad:
            twin = next(in_tree, None)
            if twin is None or (file.path, file.length, file.link) != (twin.path, twin.length, twin.link):
                raise MetainfoError("metainfo.inconsistent", "the v1 and v2 lists of files differ")
            if file.length:
                if offset != aligned_end:
                    raise MetainfoError("metainfo.inconsistent", "the v1 and v2 lists put a file at different offsets")
                aligned_end = offset + file.length + -file.length % piece_length
            file = file._replace(pieces_root=twin.pieces_root)
        merged.append(file)
        offset += file.length
    if next(in_tree, None) is not None or offset > aligned_end:
        raise MetainfoError("metainfo.inconsistent", "the v1 and v2 lists of files differ")
    return merged


def measure(files: list[SourceFile], piece_length: int, *, is_v2_only: bool) -> PieceGeometry:
    """The geometry of these files. Raises MetainfoError ("metainfo.bad-size", "metainfo.too-many-pieces")."""
    size = sum(file.length for file in files)
    if not 0 < size <= MAX_LENGTH:
        raise MetainfoError("metainfo.bad-size", "the torrent is empty" if size == 0 else f"{size} bytes in all")
    geometry = PieceGeometry(size, piece_length)
    if geometry.num_pieces > MAX_PIECES:
        raise MetainfoError("metainfo.too-many-pieces", f"{geometry.num_pieces} pieces; at most {MAX_PIECES} are read")
    if not is_v2_only:
        return geometry
    short = {}
    offset = 0
    for file in files:
        if not file.is_pad and file.length % piece_length:
            short[(offset + file.length) // piece_length] = file.length % piece_length
        offset += file.length
    return PieceGeometry(size, piece_length, short)


def file_entries(files: list[SourceFile], name: str, *, is_single: bool) -> tuple[FileEntry, ...]:
    """The files with their offsets and safe paths. Links that lead nowhere become empty files."""
    folder = () if is_single else (name,)
    maker = PathMaker(folder)
    paths = [(name,) if is_single and not file.is_pad else maker.make(file.path) for file in files]
    distinct = iter(keep_apart([path for path, file in zip(paths, files, strict=True) if not file.is_pad]))
    paths = [path if file.is_pad else next(distinct) for path, file in zip(paths, files, strict=True)]
    targets = _link_targets(files, paths, maker, folder)
    offsets = accumulate((file.length for file in files), initial=0)
    return tuple(
        FileEntry(path, file.length, offset, file.is_pad, targets.get(path) if file.link else None,
                  file.is_executable, file.is_hidden, file.pieces_root)
        for file, path, offset in zip(files, paths, offsets, strict=False)
    )


def _link_targets(
    files: list[SourceFile], paths: list[Path], maker: PathMaker, folder: Path,
) -> dict[Path, Path | None]:
    links = {path: maker.make(file.link) for file, path in zip(files, paths, strict=True) if file.link}
    if not links:
        return {}
    solid = (path for file, path in zip(files, paths, strict=True) if not file.is_pad and path not in links)
    resolver = LinkResolver(folder, solid, links)
    return {link: resolver.target_of(link) for link in links}
