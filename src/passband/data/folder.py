"""Image files sorted into one folder a class."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from passband.data.class_order import order_classes
from passband.data.dataset import ImageDataset
from passband.data.images import Request, decode_with_notices
from passband.data.layout import ANNOTATIONS, names_a_class, read_annotations, read_layout
from passband.data.walk import Listing, list_folder, walk
from passband.errors import InputError, few
from passband.notices import Notice

NO_PICTURES = frozenset(
    f".{suffix} file"
    for suffix in ("txt", "csv", "tsv", "json", "xml", "yaml", "yml", "md", "html", "log", "py", "sh")
)
"""What nobody takes for a picture; other kinds of files that are left out may have been meant to count."""


def load_folder(argument: str, request: Request) -> ImageDataset:
    """Load the images under the folder `argument`, one folder a class.

    Either `PATH/train/<class>/*.png` with `PATH/test`, `PATH/val` or one called alike beside it, or `PATH/<class>/*.png`, which
    then serves for either subset; see `docs/guides/data.md`. Classes are the sorted folder names of all subsets together,
    whole numbers by value. The images come in a fixed shuffled order, so that a prefix is a fair subset: a folder listed by
    name would begin with one class alone.

    Raises:
        InputError: If there is no such folder, it holds no images or is laid out in another way, or an image
            cannot be decoded.
    """
    path = Path(argument).expanduser()
    if not path.is_dir():
        raise InputError(f"no folder {path}")
    layout = read_layout(path, request.subset)
    classes, notices = order_classes(layout.classes)
    name = path.resolve().name
    if (annotations := read_annotations(layout.folder)) is None:
        dataset = load_class_folders(layout.folder, classes, classes, name, request)
    else:
        dataset = _load_annotated(layout.folder, annotations, classes, name, request)
    return replace(dataset, notices=(*layout.notices, *notices, *_look_alike(classes), *dataset.notices))


def load_class_folders(
    folder: Path, folders: Sequence[str], classes: Sequence[str], name: str, request: Request
) -> ImageDataset:
    """Load `folder/<one of folders>/...`, in the order of `shuffle_key`.

    Args:
        folder: Where the folders of the classes are.
        folders: Their names, in the order of the labels. One that is missing has no images.
        classes: What each class is called.
        name: What the data set is called.
        request: What is wanted of it.
    """
    labels: dict[Path, int] = {}
    listings = [list_folder(folder)]
    for label, each in enumerate(folders):
        below = list(walk(folder / each)) if (folder / each).is_dir() else []
        labels |= {file: label for listing in below for file in listing.pictures}
        listings += below
    strays = listings[0].pictures
    notices = [*_within_classes(folder, listings[1:]), *_left_out(folder, len(labels), listings)]
    if strays:
        notices.append(
            Notice("data", f"pictures in no class folder are left out: {len(strays):,} directly in {folder}")
        )
    return _load(folder, labels, classes, name, request, notices)


def shuffle_key(path: Path) -> bytes:
    """Return what to sort files by for an order that looks random and is the same on every machine."""
    return hashlib.sha256(path.as_posix().encode("utf-8", "surrogateescape")).digest()


def _load_annotated(
    folder: Path, annotations: dict[str, str], classes: Sequence[str], name: str, request: Request
) -> ImageDataset:
    """Load pictures whose classes stand in a list beside them, by the names of the files."""
    listings = list(walk(folder))
    pictures = [file for listing in listings for file in listing.pictures]
    places = {each: place for place, each in enumerate(classes)}
    unknown = [file for file in pictures if file.name not in annotations]
    if unknown:
        raise InputError(
            f"{folder / ANNOTATIONS} must name each picture, and does not name {len(unknown):,} of {len(pictures):,}, such as "
            f"{unknown[0]}. Remove them or complete the list."
        )
    labels = {file: places[annotations[file.name]] for file in pictures}
    notices = _left_out(folder, len(labels), listings, read=ANNOTATIONS)
    if gone := annotations.keys() - {file.name for file in pictures}:
        notices.append(
            Notice(
                "data", f"{ANNOTATIONS} names {len(gone):,} pictures that are not there, such as {min(gone)}"
            )
        )
    return _load(folder, labels, classes, name, request, notices)


def _load(
    folder: Path,
    labels: dict[Path, int],
    classes: Sequence[str],
    name: str,
    request: Request,
    notices: Sequence[Notice],
) -> ImageDataset:
    if not labels:
        seen = "; ".join(notice.message for notice in notices)
        raise InputError(
            f"{folder} has no images that Pillow reads{f' ({seen})' if seen else ''}. At least one is needed."
        )
    count = request.count(len(labels), str(folder))
    files = sorted(labels, key=lambda file: shuffle_key(file.relative_to(folder)))[:count]
    images, decoded, pictures = decode_with_notices(files, [str(file) for file in files], request)
    counts = Counter(labels.values())
    absent = [each for label, each in enumerate(classes) if not counts[label]]
    return ImageDataset(
        images,
        torch.tensor([labels[file] for file in files]),
        tuple(classes),
        name,
        request.subset,
        notices=(*notices, *decoded, *_empty(folder, absent), *_alone(classes)),
        pictures=pictures,
    )


def _left_out(folder: Path, pictures: int, listings: Sequence[Listing], *, read: str = "") -> list[Notice]:
    """Say how many pictures there are, what was left out beside them (but for the file called `read`), and what is there twice."""
    kinds: Counter[str] = Counter()
    shown: dict[str, Path] = {}
    for listing in listings:
        for kind, found in listing.left_out.items():
            if files := [file for file in found if file.name != read]:
                kinds[kind] += len(files)
                shown.setdefault(kind, files[0])
    notices = []
    if kinds:
        most = kinds.most_common(5)
        parts = [
            f"{number:,} {kind}{'s' * (number > 1)} ({_below(folder, shown[kind])})" for kind, number in most
        ]
        rest = kinds.total() - sum(number for _, number in most)
        parts += [f"{rest:,} others"] * (rest > 0)
        meant = sorted(
            kind.removesuffix(" file") for kind in kinds if kind.startswith(".") and kind not in NO_PICTURES
        )
        hint = f". Pillow does not read {', '.join(meant[:5])}: convert what should count" if meant else ""
        notices.append(
            Notice(
                "data",
                f"{pictures:,} pictures; left out: {', '.join(parts)}{hint}",
                warning=bool(meant) or "dangling link" in kinds,
            )
        )
    if any(listing.linked for listing in listings):
        files = [file for listing in listings for file in listing.pictures]
        distinct = {(each.st_dev, each.st_ino) for each in (file.stat() for file in files)}
        if again := len(files) - len(distinct):
            message = f"{again:,} of {len(files):,} pictures are files that count already, under another name, through links"
            notices.append(Notice("data", message))
    return notices


def _within_classes(folder: Path, listings: Sequence[Listing]) -> list[Notice]:
    """Say which pictures lie in folders within those of the classes."""
    depth = len(folder.parts) + 1
    inner = [listing for listing in listings if len(listing.path.parts) > depth and listing.pictures]
    if not inner:
        return []
    count = sum(len(listing.pictures) for listing in inner)
    where = ", ".join(_below(folder, listing.path) for listing in inner[:3]) + ", ..." * (len(inner) > 3)
    return [
        Notice(
            "data",
            f"{count:,} of the pictures lie in folders within those of the classes, and count ({where})",
            warning=any(names_a_class(listing.path.name) for listing in inner),
        )
    ]


def _empty(folder: Path, absent: Sequence[str]) -> list[Notice]:
    if not absent:
        return []
    names = few([*map(repr, absent)], 6)
    return [
        Notice(
            "data",
            f"without pictures in {folder.name!r}: {names}. They count as classes; remove a folder that is none",
        )
    ]


def _alone(classes: Sequence[str]) -> list[Notice]:
    if len(classes) > 1:
        return []
    message = f"{classes[0]!r} is the only class: every other class of the model needs a folder too, if an empty one"
    return [Notice("data", message)]


def _look_alike(classes: Sequence[str]) -> list[Notice]:
    """Say which classes of different subsets are probably one."""
    first: dict[str, str] = {}
    for each in classes:
        same = first.setdefault(unicodedata.normalize("NFKC", each).casefold().strip(), each)
        if same != each:
            message = f"{same!r} and {each!r} count as two classes and differ in case, blanks or accents' encoding alone"
            return [Notice("data", message + "; if they are one, rename one folder")]
    return []


def _below(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()
