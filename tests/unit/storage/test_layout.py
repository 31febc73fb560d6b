import random

from blobtorrent.model.metainfo import FileEntry
from blobtorrent.storage.layout import PAD, Layout, Part


def entries(*sizes, pads=()):
    files, offset = [], 0
    for number, size in enumerate(sizes):
        files.append(FileEntry((f"f{number}",), size, offset, is_pad=number in pads))
        offset += size
    return files


def test_a_span_inside_one_file_is_one_part():
    assert Layout(entries(100, 100)).parts(120, 30) == [Part(1, 20, 30)]


def test_a_span_is_cut_at_the_borders_of_files():
    assert Layout(entries(10, 5, 10)).parts(8, 10) == [Part(0, 8, 2), Part(1, 0, 5), Part(2, 0, 3)]


def test_empty_files_take_no_part():
    assert Layout(entries(10, 0, 0, 10)).parts(5, 10) == [Part(0, 5, 5), Part(3, 0, 5)]


def test_padding_is_marked():
    layout = Layout(entries(10, 6, 16, pads=(1,)))
    assert layout.parts(8, 10) == [Part(0, 8, 2), Part(PAD, 0, 6), Part(2, 0, 2)]


def test_padding_at_the_end_is_marked():
    assert Layout(entries(10, 6, pads=(1,))).parts(8, 8) == [Part(0, 8, 2), Part(PAD, 0, 6)]


def test_padding_before_the_first_file_is_marked():
    assert Layout(entries(4, 10, pads=(0,))).parts(0, 6) == [Part(PAD, 0, 4), Part(1, 0, 2)]


def test_no_bytes_have_no_parts():
    assert Layout(entries(10)).parts(5, 0) == []


def test_parts_of_any_span_agree_with_a_map_of_every_byte():
    rng = random.Random(3)
    for _ in range(50):
        sizes = [rng.choice((0, 0, 1, 2, 7, 30)) for _ in range(rng.randint(1, 12))]
        pads = {number for number in range(len(sizes)) if rng.random() < 0.2}
        files = entries(*sizes, pads=pads)
        truth = [
            (PAD, 0) if entry.is_pad else (number, at)
            for number, entry in enumerate(files)
            for at in range(entry.length)
        ]
        layout = Layout(files)
        for start in range(len(truth)):
            length = rng.randint(0, len(truth) - start)
            got = [
                (part.file, 0 if part.file == PAD else part.offset + at)
                for part in layout.parts(start, length)
                for at in range(part.length)
            ]
            assert got == truth[start : start + length]
