"""What lies in a folder of pictures, and what of it is none: one walk, so that nothing is left out or taken in unseen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from passband.errors import InputError

SYSTEM = {
    *("__macosx", "__pycache__", "@eadir", "#recycle", "$recycle.bin", "recycler", "lost+found"),
    *("system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
}
"""What systems and tools leave behind without hiding it, in lower case; what begins with a dot is hidden."""

SNIFFED = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000")
"""What a file without a suffix is tried as. Pillow's other formats begin with bytes that anything may begin with."""

Identity = tuple[int, int]  # device and inode


@dataclass(frozen=True)
class Listing:
    """What lies directly in a folder, sorted by name.

    Attributes:
        path: The folder.
        folders: Those in it, links included.
        pictures: Files that Pillow reads, by their suffix or, where they have none, their first bytes.
        left_out: Everything else, by what it is: `".txt file"`, `"hidden folder"`, `"dangling link"`.
        linked: Whether a picture or a folder among these is a link.
    """

    path: Path
    folders: tuple[Path, ...]
    pictures: tuple[Path, ...]
    left_out: dict[str, list[Path]]
    linked: bool


def walk(folder: Path) -> Iterator[Listing]:
    """List a folder and all folders below it, following links; one that leads back to where the walk has come from is left out.

    Raises:
        InputError: If a folder cannot be read.
    """
    real = folder.resolve()
    yield from _walk(folder, frozenset(_identity(each) for each in (real, *real.parents)))


def list_folder(folder: Path) -> Listing:
    """List what lies directly in a folder.

    Raises:
        InputError: If it cannot be read.
    """
    return next(walk(folder))


def has_pictures(folder: Path) -> bool:
    """Return whether there is a picture in a folder or below it."""
    return any(listing.pictures for listing in walk(folder))


@cache
def picture_suffixes() -> frozenset[str]:
    """Return the suffixes, in lower case, of all that the Pillow at hand decodes."""
    suffixes = Image.registered_extensions()  # this also fills Image.OPEN
    # Pillow recognizes these, and cannot decode them: films, and tables and drawings that need another program.
    stubs = {kind for kind, (made, _) in Image.OPEN.items() if _is_stub(made)} | {"MPEG"}
    decoded = (Image.OPEN.keys() | {"MPO"}) - stubs  # what opens as JPEG and turns out to hold several
    return frozenset(suffix for suffix, kind in suffixes.items() if kind in decoded)


def _is_stub(made: object) -> bool:
    return isinstance(made, type) and issubclass(made, ImageFile.StubImageFile)


def _walk(folder: Path, above: frozenset[Identity]) -> Iterator[Listing]:
    listing = _list(folder, above)
    yield listing
    for each in listing.folders:
        yield from _walk(each, above | {_identity(each)})


def _list(folder: Path, above: frozenset[Identity]) -> Listing:
    folders, pictures, left_out, linked = [], [], {}, False
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be read ({error.strerror}), so pictures might be left out. "
            "Change its permissions, or move it elsewhere."
        ) from error
    for entry in entries:
        path, is_link = folder / entry.name, entry.is_symlink()
        kind = _kind(entry)
        if kind == "folder" and is_link and _identity(path) in above:
            kind = "looping link"
        if kind in ("folder", "picture"):
            (folders if kind == "folder" else pictures).append(path)
            linked |= is_link
        else:
            left_out.setdefault(kind, []).append(path)
    return Listing(folder, tuple(folders), tuple(pictures), left_out, linked)


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        is_folder, is_file = entry.is_dir(), entry.is_file()
    except OSError:  # links in a circle
        is_folder = is_file = False
    if entry.name.startswith("."):
        return "hidden folder" if is_folder else "hidden file"
    if entry.name.casefold() in SYSTEM:
        return "system folder" if is_folder else "system file"
    if is_folder:
        return "folder"
    if not is_file:
        return "dangling link" if entry.is_symlink() else "special file"
    suffix = Path(entry.name).suffix.lower()
    if suffix in picture_suffixes() or (not suffix and _begins_as_picture(Path(entry.path))):
        return "picture"
    return f"{suffix} file" if suffix else "file without suffix"


def _begins_as_picture(file: Path) -> bool:
    try:
        with Image.open(file, formats=[kind for kind in SNIFFED if kind in Image.OPEN]):
            return True
    except UnidentifiedImageError:
        return False
    except Exception:  # it is one, and broken or too large: decoding it says which
        return True


def _identity(path: Path) -> Identity:
    found = path.stat()
    return found.st_dev, found.st_ino
