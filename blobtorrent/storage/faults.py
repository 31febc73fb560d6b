"""What the operating system says about a file, as our own errors: the class tells the recovery, the text the advice."""

from __future__ import annotations

import errno

from blobtorrent.model.errors import Denied, DiskFull, FileMissing, StorageError

_IN_THE_WAY = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ETXTBSY)


def storage_error(error: OSError, path: object) -> StorageError:
    """Translate a failed call on `path`. The text holds a foreign name: whoever prints it escapes it."""
    number = error.errno
    if number == errno.ENOSPC:
        return DiskFull("storage.disk-full", f"no space left for {path}: free some, or move the torrent")
    if number == errno.EDQUOT:
        return DiskFull("storage.disk-full", f"the disk quota is used up at {path}: free some space, or raise it")
    if number in _FORBIDDEN:
        return Denied("storage.denied", f"{path}: {error.strerror}; check the owner and mode of the folder")
    if number in _IN_THE_WAY:
        return Denied("storage.denied", f"{path}: a link or something else is in the way, and is never followed")
    if number == errno.ENOENT:
        return FileMissing("storage.file-missing", f"{path} is gone: put it back, or recheck the torrent")
    if number == errno.ESTALE:
        return StorageError("storage.unmounted", f"the filesystem of {path} is gone: mount it, then start the torrent")
    if number == errno.EFBIG:
        return StorageError("storage.too-large", f"{path} is larger than this filesystem or the limits allow")
    if number == errno.ENAMETOOLONG:
        return StorageError("storage.name-too-long", f"{path}: the name is too long for this filesystem")
    if number in (errno.EMFILE, errno.ENFILE):
        return StorageError("storage.descriptors", f"{path}: no file descriptor left; raise the limit of open files")
    return StorageError("storage.io", f"{path}: {error.strerror or error}; check the disk")
