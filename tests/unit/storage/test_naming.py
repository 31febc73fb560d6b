import random

import pytest

from blobtorrent.model.errors import Conflict, Invalid, NotFound
from blobtorrent.model.metainfo import FileEntry, FilePart
from blobtorrent.storage.naming import Naming


def files(*paths, pads=()):
    entries = [FileEntry(tuple(path.split("/")), 1, number) for number, path in enumerate(paths)]
    return [*entries, *(FileEntry(tuple(path.split("/")), 1, 0, is_pad=True) for path in pads)]


def paths(naming):
    return ["/".join(path) for path in naming.paths]


ALBUM = files("a/cd1/1", "a/cd1/2", "a/cd2/1", "a/cover")


def test_without_renames_files_have_the_names_of_the_torrent():
    assert paths(Naming(ALBUM)) == ["a/cd1/1", "a/cd1/2", "a/cd2/1", "a/cover"]
    assert Naming(ALBUM).renames == {}


def test_a_file_is_renamed():
    naming = Naming(ALBUM).rename("a/cover", "a/front.jpg")
    assert paths(naming) == ["a/cd1/1", "a/cd1/2", "a/cd2/1", "a/front.jpg"]
    assert naming.renames == {"a/cover": "a/front.jpg"}


def test_renaming_a_folder_takes_one_entry_whatever_lies_in_it():
    naming = Naming(ALBUM).rename("a", "b").rename("b/cd1", "b/one")
    assert paths(naming) == ["b/one/1", "b/one/2", "b/cd2/1", "b/cover"]
    assert naming.renames == {"a": "b", "a/cd1": "b/one"}


def test_what_was_renamed_is_called_by_its_new_name():
    naming = Naming(ALBUM).rename("a/cd1/1", "a/cd1/x").rename("a/cd1", "a/one").rename("a/one/x", "a/one/y")
    assert paths(naming)[0] == "a/one/y"
    with pytest.raises(NotFound):
        naming.rename("a/cd1/1", "a/z")


def test_undoing_a_rename_leaves_no_entry():
    naming = Naming(ALBUM).rename("a", "b").rename("b/cover", "b/c").rename("b/c", "b/cover").rename("b", "a")
    assert naming.renames == {}
    assert paths(naming) == paths(Naming(ALBUM))


def test_a_file_may_go_to_another_folder_and_does_not_come_along_when_its_old_one_is_renamed():
    naming = Naming(ALBUM).rename("a/cd1/2", "a/cd2/2").rename("a/cd1", "a/one")
    assert paths(naming) == ["a/one/1", "a/cd2/2", "a/cd2/1", "a/cover"]
    naming = naming.rename("a/cd2", "a/two")
    assert paths(naming) == ["a/one/1", "a/two/2", "a/two/1", "a/cover"]


def test_a_folder_may_go_into_one_of_its_own_name():
    assert paths(Naming(ALBUM).rename("a", "a/a"))[3] == "a/a/cover"


def test_a_single_file_is_renamed():
    assert paths(Naming(files("film.mkv")).rename("film.mkv", "Film (1999).mkv")) == ["Film (1999).mkv"]


def test_a_saved_naming_is_the_same_again():
    naming = Naming(ALBUM).rename("a", "b").rename("b/cd2/1", "b/last")
    assert paths(Naming(ALBUM, naming.renames)) == paths(naming)


@pytest.mark.parametrize("new", [
    "", ".", "..", "../b", "b/..", "/b", "b/", "b//c", "b\\c", "b\0", "b\n", "x" * 256, "\ud800", "\udc80",
    "/".join("x" * 101), "/".join(["x" * 250] * 17), "\u202etxt.exe",
])
def test_no_name_leads_out_of_the_folder_or_hides_what_it_is(new):
    with pytest.raises(Invalid) as caught:
        Naming(ALBUM).rename("a/cover", new)
    assert caught.value.code == "torrent.bad-name"
    with pytest.raises(Invalid):
        Naming(ALBUM, {"a/cover": new})


@pytest.mark.parametrize(("old", "new"), [
    ("a/cover", "a/cd1/1"),            # another file
    ("a/cover", "a/cd1"),              # a folder
    ("a/cover", "a/cd1/1/cover"),      # below a file
    ("a/cd1", "a/cd2"),                # a folder that holds a file of the same name
    ("a/cd1", "a/cover"),
])
def test_two_files_never_get_one_path(old, new):
    with pytest.raises(Conflict) as caught:
        Naming(ALBUM).rename(old, new)
    assert caught.value.code == "torrent.name-taken"


def test_padding_is_in_nobodys_way():
    naming = Naming(files("a/x", pads=["a/.pad/1"]))
    assert paths(naming.rename("a/x", "a/.pad"))[0] == "a/.pad"


@pytest.mark.parametrize("old", ["b", "a/cd", "a/cd1/1/x", "cover"])
def test_only_what_is_there_can_be_renamed(old):
    with pytest.raises(NotFound) as caught:
        Naming(ALBUM).rename(old, "c")
    assert caught.value.code == "torrent.no-such-path"


def test_a_link_leads_to_the_new_place_of_its_target():
    assert Naming(ALBUM).rename("a/cd1", "a/one").place(("a", "cd1", "2")) == ("a", "one", "2")


@pytest.mark.parametrize("seed", range(30))
def test_any_row_of_renames_gives_what_moving_real_files_would(seed):
    rng = random.Random(seed)
    entries = files(*{"/".join(rng.choice("abc") for _ in range(rng.randint(1, 3))) + f"/{number}"
                      for number in range(12)})
    naming, expected = Naming(entries), [entry.path for entry in entries]
    for _ in range(25):
        victim = rng.choice(expected)
        old = victim[:rng.randint(1, len(victim))]
        new = (*rng.choice(expected)[:rng.randint(0, 2)], rng.choice(["a", "b", "c", "d", "9"]))
        try:
            naming = naming.rename("/".join(old), "/".join(new))
        except Conflict:
            continue
        expected = [new + path[len(old):] if path[:len(old)] == old else path for path in expected]
        assert list(naming.paths) == expected
        again = Naming(entries, naming.renames)
        assert list(again.paths) == expected


def in_three(*, folder=()):
    """A file that is kept in parts, and another beside it."""
    whole = (*folder, "film")
    parts = [FileEntry((*folder, f"film.p{number}"), 1, number, part=FilePart(whole, f".p{number}"))
             for number in range(3)]
    return [*parts, FileEntry((*folder, "other"), 1, 3)]


def test_renaming_a_file_that_is_kept_in_parts_renames_all_of_them():
    naming = Naming(in_three()).rename("film", "movie")
    assert paths(naming) == ["movie.p0", "movie.p1", "movie.p2", "other"]
    assert naming.renames == {"film": "movie"} == Naming(in_three(), naming.renames).renames
    again = naming.rename("movie", "sub/film")
    assert paths(again)[:3] == ["sub/film.p0", "sub/film.p1", "sub/film.p2"]
    assert naming.rename("movie", "film").renames == {}


def test_a_part_can_be_renamed_alone_and_goes_with_its_folder():
    naming = Naming(in_three(folder=("a",))).rename("a/film.p1", "a/second")
    assert paths(naming) == ["a/film.p0", "a/second", "a/film.p2", "a/other"]
    assert paths(naming.rename("a", "b")) == ["b/film.p0", "b/second", "b/film.p2", "b/other"]
    assert paths(naming.rename("a/film", "a/movie")) == ["a/movie.p0", "a/second", "a/movie.p2", "a/other"]


def test_a_part_is_not_renamed_to_the_name_of_another_file():
    with pytest.raises(Conflict, match="another other"):
        Naming(in_three()).rename("film.p0", "other")
    with pytest.raises(Conflict, match="another other.p2"):
        Naming([*in_three()[:3], FileEntry(("other.p2",), 1, 3)]).rename("film", "other")
