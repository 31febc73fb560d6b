"""Giving a file a second name, or another one, so that nothing that has the name already is ever replaced."""

from __future__ import annotations

import errno
import os

from blobtorrent.storage.folders import Folders, Parts

# Filesystems without hard links, files with too many, and files that we may move but not link.
_NO_LINKS = (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)


def place(source: Folders, old: Parts, target: Folders, new: Parts) -> bool:
    """Give the file `old` the name `new` too, in a folder that is made if need be. True when it keeps its old name,
    False when the filesystem only lets it change its name.

    Raises FileExistsError when something has the name, OSError (EXDEV) across filesystems.
    """
    with source.open(old[:-1]) as before, target.open(new[:-1], create=True) as after:
        try:
            os.link(old[-1], new[-1], src_dir_fd=before, dst_dir_fd=after, follow_symlinks=False)
            return True
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        if _exists(new[-1], after):
            raise FileExistsError(errno.EEXIST, "something has the name already", "/".join(new))
        os.rename(old[-1], new[-1], src_dir_fd=before, dst_dir_fd=after)
        return False


def remove(folders: Folders, path: Parts) -> None:
    """Take a name away; that it is gone already is no error."""
    try:
        with folders.open(path[:-1]) as folder:
            os.unlink(path[-1], dir_fd=folder)
    except FileNotFoundError:
        pass


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
