"""A disk that loses its power: ext4 in a file, cut off by an ioctl as if the machine stopped, and mounted again.

Needs root, loop devices and mkfs.ext4.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
import time
from pathlib import Path
from subprocess import CalledProcessError
from typing import NamedTuple

from blobtorrent.core.session.rows import read_record
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import PROGRESS, TORRENT
from tests.support.crashes import Lives
from tests.support.payload import MIB, Sample
from tests.support.peers.measured import MeasuredPeer
from tests.support.peers.program import wait_until

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = struct.pack("I", 2)     # what the journal has not on disk is lost as well
PATIENCE_S = 60.0
RETRY_S = 1.0
ROOM_BYTES = 256 * MIB                 # for the filesystem itself, and for state


class LoopDisk:
    """A context: a filesystem of `size` bytes in a file beside `folder`, where it is mounted.

    Raises PermissionError on entering when this machine does not let us.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self._size = size
        self._image = folder.with_name(f"{folder.name}.ext4")

    def __enter__(self) -> LoopDisk:
        if os.geteuid() or not Path("/dev/loop-control").exists() or shutil.which("mkfs.ext4", path=_PATH) is None:
            raise PermissionError("needs root, loop devices and mkfs.ext4")
        self.folder.mkdir(parents=True)
        with open(self._image, "wb") as file:
            file.truncate(self._size)
        try:
            self._run("mkfs.ext4", "-q", str(self._image))
            self.mount()
        except CalledProcessError as error:
            self._image.unlink()
            raise PermissionError(f"{error.cmd[0]}: {error.stderr.strip()}") from error
        return self

    def __exit__(self, *raised: object) -> None:
        if os.path.ismount(self.folder):
            self.unmount()
        self._image.unlink()

    def mount(self) -> None:
        """Raises CalledProcessError. Another program may take the loop device that was free: there is another then."""
        for is_last in (False, False, True):
            try:
                self._run("mount", "-o", "loop", str(self._image), str(self.folder))
                return
            except CalledProcessError:
                if is_last:
                    raise
                time.sleep(RETRY_S)

    def unmount(self) -> None:
        self._run("umount", str(self.folder))
        # Who made a mount namespace meanwhile has the filesystem too, and it lives as long as the last one.
        wait_until(lambda: not self._run("losetup", "--associated", str(self._image)), PATIENCE_S, "the loop device")

    def cut(self) -> None:
        """The power is gone: nothing is written any more, and what was not on disk is lost. Mount it anew then."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH)
        finally:
            os.close(descriptor)

    def _run(self, program: str, *words: str) -> str:
        path = shutil.which(program, path=_PATH) or program
        return subprocess.run([path, *words], capture_output=True, text=True, check=True).stdout


_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


class Cut(NamedTuple):
    """What one power cut cost."""

    after_s: float                     # since the transfer went on
    had_bytes: int                     # verified and written, as it was shown just before
    claimed_bytes: int                 # in rows, on the disk as it was found
    false_pieces: int                  # claimed, and not there
    found_bytes: int                   # what the next life had when it began to download


def run_cuts(folder: Path, memory: Path, sample: Sample, *, cuts: int, bytes_per_s: int, longest_s: float,
             seed: int = 1) -> list[Cut]:
    """Download `sample` while the power is cut again and again at random moments; the end is checked."""
    rng = random.Random(seed)
    made = []
    size_bytes = sample.size_bytes * 9 // 8 + ROOM_BYTES               # ext4 keeps a twentieth for root
    with LoopDisk(folder / "disk", size_bytes) as disk, MeasuredPeer(sample, bytes_per_s=bytes_per_s) as peer:
        lives = Lives(folder / "daemon", memory, disk=disk.folder)
        lives.downloads.mkdir()
        for number in range(cuts):
            with lives:
                if not number:
                    lives.add(sample, peers=[peer.endpoint])
                status = wait_running(lives, sample)
                if number:
                    made[-1] = made[-1]._replace(found_bytes=status["done_bytes"])
                before = peer.sent_bytes
                wait_until(lambda before=before: peer.sent_bytes > before, PATIENCE_S, "the transfer")
                after_s = rng.uniform(0.1, longest_s)
                time.sleep(after_s)
                had = lives.status(sample)["done_bytes"]
                disk.cut()
                lives.kill()
            disk.unmount()
            disk.mount()
            shutil.rmtree(memory / "run")                  # memory does not outlive the power
            claimed, false = examine_claims(lives, sample)
            made.append(Cut(after_s, had, claimed, false, 0))
        with lives:
            made[-1] = made[-1]._replace(found_bytes=wait_running(lives, sample)["done_bytes"])
            lives.wait_state(sample, "seeding", PATIENCE_S + sample.size_bytes / bytes_per_s)
            lives.end()
        assert sample.differences(lives.downloads) == []
    return made


def wait_running(lives: Lives, sample: Sample) -> dict[str, object]:
    """The torrent's figures when all that was doubtful is checked."""
    wait_until(lambda: lives.status(sample)["state"] in ("downloading", "seeding"), PATIENCE_S, "the transfer")
    return lives.status(sample)


def examine_claims(lives: Lives, sample: Sample) -> tuple[int, int]:
    """(bytes of the pieces that the rows claim, how many of these pieces are not on disk)."""
    folder = StateDir(lives.state)
    try:
        assert folder.damages == []
        loaded = folder.state.load((TORRENT, PROGRESS))
        assert loaded.damaged == []
    finally:
        folder.close()
    bodies = {row.kind: row.body for row in loaded.rows}
    have = read_record(bodies[TORRENT], bodies.get(PROGRESS)).have
    name = os.fsdecode(sample.name)
    size, false = sample.piece_length, 0
    if not len(have):
        return 0, 0
    with open(sample.folder / name, "rb") as right, open(lives.downloads / name, "rb") as found:
        for index in have:
            right.seek(index * size)
            found.seek(index * size)
            false += right.read(size) != found.read(size)
    return len(have) * size, false
