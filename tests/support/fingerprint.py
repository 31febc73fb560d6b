"""What a folder looks like, to tell that nothing in it was changed."""

from __future__ import annotations

import hashlib
from pathlib import Path


def fingerprint(folder: Path) -> dict[str, tuple[int, str]]:
    """Times and digests of its files, times of its folders."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*")) if path.is_file()
    } | {str(path): (path.stat().st_mtime_ns, "") for path in [folder, *folder.rglob("*")] if path.is_dir()}
