from __future__ import annotations

import os

import pytest
from PIL import Image

from passband.data.walk import has_pictures, list_folder, picture_suffixes, walk
from passband.errors import InputError


@pytest.fixture
def picture(encode, photos):
    def write(path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(photos[0]))

    return write


def names(folder) -> list[str]:
    return [file.relative_to(folder).as_posix() for listing in walk(folder) for file in listing.pictures]


def test_what_pillow_decodes_is_a_picture_whatever_the_case_of_its_suffix(tmp_path, picture):
    for suffix in ("png", "JPG", "jfif", "webp", "tga", "tiff", "jp2", "mpo"):
        picture(tmp_path / f"a.{suffix}")
    for suffix in ("mpg", "h5", "svg", "npy", "pdf", "txt", "heic-not"):
        picture(tmp_path / f"a.{suffix}")
    listing = list_folder(tmp_path)
    assert {file.suffix for file in listing.pictures} == {
        ".png",
        ".JPG",
        ".jfif",
        ".webp",
        ".tga",
        ".tiff",
        ".jp2",
        ".mpo",
    }
    assert listing.left_out.keys() == {
        f".{s} file" for s in ("mpg", "h5", "svg", "npy", "pdf", "txt", "heic-not")
    }


def test_suffixes_are_those_that_the_installed_pillow_reads():
    assert (".avif" in picture_suffixes()) == ("AVIF" in Image.OPEN)
    assert not picture_suffixes() & {".pdf", ".mpeg", ".hdf"}


def test_files_without_a_suffix_are_known_by_their_content(tmp_path, picture):
    picture(tmp_path / "0001")
    (tmp_path / "README").write_text("Pictures of ants.")
    (tmp_path / "cut").write_bytes((tmp_path / "0001").read_bytes()[:60])
    listing = list_folder(tmp_path)
    assert [file.name for file in listing.pictures] == ["0001", "cut"]  # decoding says that it is cut
    assert [file.name for file in listing.left_out["file without suffix"]] == ["README"]


@pytest.mark.parametrize(
    "litter",
    [
        ".ipynb_checkpoints",
        ".thumbnails",
        "__MACOSX",
        "@eaDir",
        "lost+found",
        "$RECYCLE.BIN",
        "System Volume Information",
    ],
)
def test_hidden_and_system_folders_are_left_out_at_every_depth(tmp_path, picture, litter):
    for folder in (tmp_path, tmp_path / "ant", tmp_path / "ant" / "more"):
        picture(folder / "a.png")
        picture(folder / litter / "b.png")
    assert names(tmp_path) == ["a.png", "ant/a.png", "ant/more/a.png"]
    assert sum(len(found) for listing in walk(tmp_path) for found in listing.left_out.values()) == 3


def test_hidden_and_system_files_are_left_out(tmp_path, picture):
    for name in ("._a.png", ".DS_Store", "Thumbs.db", "desktop.ini", "a.png"):
        picture(tmp_path / name)
    listing = list_folder(tmp_path)
    assert names(tmp_path) == ["a.png"]
    assert {kind: len(found) for kind, found in listing.left_out.items()} == {
        "hidden file": 2,
        "system file": 2,
    }


def test_a_folder_called_like_a_picture_is_a_folder(tmp_path, picture):
    picture(tmp_path / "x.png" / "a.png")
    assert names(tmp_path) == ["x.png/a.png"]


def test_links_are_followed_and_loops_end(tmp_path, picture):
    picture(tmp_path / "real" / "ant" / "a.png")
    data = tmp_path / "data"
    data.mkdir()
    (data / "ant").symlink_to(tmp_path / "real" / "ant")
    (data / "b.png").symlink_to(tmp_path / "real" / "ant" / "a.png")
    (data / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (data / "self").symlink_to("self")
    (data / "up").symlink_to(tmp_path)
    (tmp_path / "real" / "ant" / "back").symlink_to(data)
    found = list(walk(data))
    assert names(data) == ["b.png", "ant/a.png"]
    assert {k: len(v) for k, v in found[0].left_out.items()} == {"dangling link": 2, "looping link": 1}
    assert found[1].left_out.keys() == {"looping link"}
    assert found[0].linked


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    assert list_folder(tmp_path).left_out == {"special file": [tmp_path / "a.png"]}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_refused(tmp_path, picture):
    picture(tmp_path / "ant" / "a.png")
    (tmp_path / "ant").chmod(0)
    with pytest.raises(InputError, match="ant cannot be read .Permission denied.*Change its permissions"):
        names(tmp_path)
    (tmp_path / "ant").chmod(0o700)


def test_an_error_of_reading_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file cannot be read .Not a directory"):
        list_folder(tmp_path / "file")


def test_pictures_are_found_at_any_depth(tmp_path, picture):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert not has_pictures(tmp_path)
    picture(tmp_path / "a" / "b" / "c" / "d.png")
    assert has_pictures(tmp_path)
