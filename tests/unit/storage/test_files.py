import errno
import os

import pytest

from blobtorrent.storage.files import (
    IOV_MAX,
    Cutter,
    make_link,
    open_anonymous,
    open_folder,
    open_in,
    read_all,
    write_all,
)


def open_beneath(root, parts, *, writable):
    folder = open_folder(root, parts[:-1], create=writable)
    try:
        return open_in(folder, parts[-1], writable=writable)
    finally:
        os.close(folder)


def close_after(descriptor):
    os.close(descriptor)


def test_a_writable_file_is_created_with_its_folders(tmp_path):
    close_after(open_beneath(tmp_path, ("a", "b", "c"), writable=True))
    assert (tmp_path / "a" / "b" / "c").is_file()


def test_opening_for_reading_creates_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_beneath(tmp_path, ("a", "b"), writable=False)
    assert list(tmp_path.iterdir()) == []


def test_the_root_itself_is_not_created(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_beneath(tmp_path / "gone", ("a",), writable=True)


def test_the_root_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real")
    close_after(open_beneath(tmp_path / "root", ("a",), writable=True))
    assert (tmp_path / "real" / "a").is_file()


@pytest.mark.parametrize("writable", [False, True])
def test_a_planted_link_to_a_file_is_not_followed(tmp_path, writable):
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").symlink_to(outside)
    with pytest.raises(OSError) as caught:
        open_beneath(root, ("file",), writable=writable)
    assert caught.value.errno == errno.ELOOP
    assert outside.read_bytes() == b"precious"


@pytest.mark.parametrize("writable", [False, True])
def test_a_planted_link_to_a_folder_is_not_followed(tmp_path, writable):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"precious")
    root = tmp_path / "root"
    root.mkdir()
    (root / "folder").symlink_to(outside)
    with pytest.raises(OSError) as caught:
        open_beneath(root, ("folder", "file"), writable=writable)
    assert caught.value.errno == errno.ENOTDIR


def test_a_dangling_link_creates_nothing(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").symlink_to(tmp_path / "new")
    with pytest.raises(OSError, match="link"):
        open_beneath(root, ("file",), writable=True)
    assert not (tmp_path / "new").exists()


@pytest.mark.timeout(10)
def test_a_planted_pipe_is_refused_and_hangs_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for writable in (False, True):
        with pytest.raises(OSError) as caught:
            open_beneath(tmp_path, ("pipe",), writable=writable)
        assert caught.value.errno == errno.ENXIO


def test_refused_opens_leak_no_descriptor(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    for parts in (("link",), ("pipe",), ("link", "x"), ("none", "x")):
        with pytest.raises(OSError):
            open_beneath(tmp_path, parts, writable=False)
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_anonymous_file_has_no_name(tmp_path):
    descriptor = open_anonymous(tmp_path)
    os.pwrite(descriptor, b"data", 100)
    assert os.pread(descriptor, 4, 100) == b"data"
    assert list(tmp_path.iterdir()) == []
    os.close(descriptor)


@pytest.mark.parametrize(
    ("path", "target", "text"),
    [
        (("t", "link"), ("t", "file"), "file"),
        (("t", "a", "link"), ("t", "b", "file"), "../b/file"),
        (("t", "a", "b", "link"), ("t", "a", "file"), "../file"),
        (("t", "link"), ("t", "a", "b"), "a/b"),
        (("t", "a", "link"), ("t", "a"), "../a"),
    ],
)
def test_links_are_relative_and_stay_in_the_torrent(tmp_path, path, target, text):
    make_link(tmp_path, path, target)
    assert os.readlink(tmp_path.joinpath(*path)) == text


def test_a_link_never_replaces_what_is_there(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "link").write_bytes(b"a file")
    make_link(tmp_path, ("t", "link"), ("t", "other"))
    assert (tmp_path / "t" / "link").read_bytes() == b"a file"


def test_more_buffers_than_one_call_takes_are_written_and_read(tmp_path):
    data = os.urandom(3 * IOV_MAX)
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    write_all(descriptor, [memoryview(data)[at : at + 1] for at in range(len(data))], 5)
    got = memoryview(bytearray(len(data)))
    assert read_all(descriptor, [got[at : at + 1] for at in range(len(data))], 5) == len(data)
    assert bytes(got) == data
    os.close(descriptor)


def test_reading_stops_at_the_end_of_the_file(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    buffers = [memoryview(bytearray(3)) for _ in range(3)]
    assert read_all(descriptor, buffers, 1) == 4
    assert bytes(buffers[0]) + bytes(buffers[1]) == b"2345\0\0"
    os.close(descriptor)


def test_the_cutter_hands_out_all_bytes_in_order():
    buffers = [memoryview(b"abc"), memoryview(b""), memoryview(b"defgh"), memoryview(b"i")]
    cutter = Cutter(buffers)
    assert [b"".join(cutter.take(length)) for length in (1, 4, 0, 4)] == [b"a", b"bcde", b"", b"fghi"]
