"""How folders of pictures are laid out: which are subsets, which are classes, and which are neither.

A folder that is read as the wrong one of these gives numbers of another question, so what is not plain is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from passband.data.subset_names import SERVING, Kind, subset_kind
from passband.data.walk import has_pictures, list_folder
from passband.errors import InputError, few
from passband.notices import Notice
from passband.types import Subset

ANNOTATIONS = "val_annotations.txt"
"""Tiny ImageNet's list of the classes of its validation pictures, which lie in one folder."""

SHOWN = 6  # names that a message lists

_PARTS = re.compile(
    r"(?:part|batch|chunk|shard|piece|session|sequence|seq|clip|video|camera|cam|day|week|set|series|group|more|extra|other"
    r"|images?|imgs?|pictures?|pics?|photos?|frames?|jpe?gs?|pngs?|rgb|colou?r)[\W_]*[0-9]*|[0-9]{4,8}"
)
"""What a folder within a class is called when it divides pictures and names nothing. A short number may be a label."""


@dataclass(frozen=True)
class Layout:
    """Where the pictures of a subset are.

    Attributes:
        folder: What holds the folders of the classes, or `ANNOTATIONS`.
        classes: The names of the classes of all subsets together, in no order.
        notices: What was taken for what, where more than one reading was possible.
    """

    folder: Path
    classes: frozenset[str]
    notices: tuple[Notice, ...] = ()


def read_layout(path: Path, subset: Subset) -> Layout:
    """Find the folder of a subset and the classes.

    Either the folders in `path` are those of subsets (see `passband.data.subset_names`), which hold one folder a class each; or they
    are those of classes, and serve for either subset. A class may be called `train`: where `train` holds pictures, not
    folders, and its neighbors are no subsets.

    Raises:
        InputError: If it is laid out in another way, or in one that can be read in two ways.
    """
    if annotations := read_annotations(path):
        return Layout(path, frozenset(annotations.values()))
    if list_folder(path).pictures and _is_flat(path):
        raise InputError(_describe_flat(path))
    folders = list_folder(path).folders
    kinds = {folder: kind for folder in folders if (kind := subset_kind(folder.name))}
    labeled = [folder for folder in kinds if not _is_flat(folder) and has_pictures(folder)]
    others = [folder for folder in folders if folder not in kinds and has_pictures(folder)]
    if labeled and (len(set(kinds.values())) > 1 or not others):
        layout = _choose_subset(path, subset, kinds, labeled, others)
    elif labeled:
        raise InputError(
            f"in {path}, {_quote(kinds)} looks like a subset, since it holds folders, and {_quote(others)} like a class. Give the "
            f"folder that holds the classes itself: folder:{labeled[0]}; or, if all are classes, put them into a folder {path}/test"
        )
    elif kinds and not others and (flat := [folder for folder in kinds if has_pictures(folder)]):
        raise InputError(
            f"{_describe_flat(flat[0])} If {_quote(kinds)} are the classes themselves, put them into a folder {path}/test."
        )
    elif not folders:
        raise InputError(
            f"{path} must hold one folder of images a class, such as {path}/cat and {path}/dog, or train and test folders of that "
            f"kind, and holds {_contents(path)}"
        )
    else:
        layout = Layout(path, frozenset(folder.name for folder in folders), tuple(_also_classes(kinds)))
    if not (layout.folder / ANNOTATIONS).is_file():
        for folder in list_folder(layout.folder).folders:
            _check_class(folder)
    _check_names(layout.classes)
    return layout


def read_annotations(folder: Path) -> dict[str, str] | None:
    """Return the class of each file that `ANNOTATIONS` in a folder names, by the file's name; None if it has no such list.

    Raises:
        InputError: If it cannot be read.
    """
    file = folder / ANNOTATIONS
    if not file.is_file():
        return None
    try:
        rows = [line.split("\t") for line in file.read_text("utf-8").splitlines() if line.strip()]
        return {row[0]: row[1] for row in rows}
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise InputError(
            f"{file} must hold a file's name, a tab and its class in each line; {error}"
        ) from error


def names_a_class(name: str) -> bool:
    """Return whether a folder's name is more than a date or a word for pictures, such as `part1` or `images`."""
    return _PARTS.fullmatch(name.casefold()) is None


def _choose_subset(
    path: Path, subset: Subset, kinds: dict[Path, Kind], labeled: Sequence[Path], others: Sequence[Path]
) -> Layout:
    serving = [[folder for folder in labeled if kinds[folder] == kind] for kind in SERVING[subset]]
    found = next((folders for folders in serving if folders), [])
    unlabeled = [folder for folder in kinds if folder not in labeled and kinds[folder] in SERVING[subset]]
    without_classes = f"; {_quote(unlabeled)} has no folders of classes" if unlabeled else ""
    if not found:
        raise InputError(
            f"{path} must hold a folder for the {subset} subset, such as {' or '.join(map(repr, SERVING[subset]))}, and holds "
            f"{_quote(labeled)}{without_classes}. Another folder can be given itself: folder:{labeled[0]}"
        )
    if len(found) > 1:
        raise InputError(
            f"{_quote(found)} in {path} may each be the {subset} subset. Give one itself: folder:{found[0]}"
        )
    notices, passed = [], [folder for folders in serving for folder in folders if folder != found[0]]
    if found[0].name.casefold() != subset or passed or unlabeled:
        beside = f"; beside it lies {_quote(passed)}" if passed else ""
        message = f"the {subset} subset is the folder {found[0].name!r}{beside}{without_classes}"
        notices.append(Notice("data", message, warning=False))
    if others:
        notices.append(
            Notice(
                "data", f"pictures in {_quote(others)} are left out: it lies beside the folders of subsets"
            )
        )
    if strays := list_folder(path).pictures:
        notices.append(Notice("data", f"{len(strays):,} pictures directly in {path} are left out"))
    return Layout(
        found[0], frozenset(name for folder in labeled for name in _class_names(folder)), tuple(notices)
    )


def _also_classes(kinds: Iterable[Path]) -> Iterable[Notice]:
    for folder in kinds:
        message = f"the folder {folder.name!r} is a class here, not a subset: it holds no folders, and beside it lie classes"
        yield Notice("data", message)


def _class_names(folder: Path) -> Iterable[str]:
    annotated = read_annotations(folder)
    return (each.name for each in list_folder(folder).folders) if annotated is None else annotated.values()


def _is_flat(folder: Path) -> bool:
    """Return whether a folder holds pictures, or a folder of such, and no folders of classes."""
    if (folder / ANNOTATIONS).is_file():
        return False
    folders = list_folder(folder).folders
    if list_folder(folder).pictures:
        return not any(has_pictures(each) for each in folders)
    return len(folders) == 1 and not (names_a_class(folders[0].name) and subset_kind(folders[0].name) is None)


def _check_class(folder: Path) -> None:
    listing = list_folder(folder)
    inner = [each for each in listing.folders if has_pictures(each)]
    subsets = [each for each in inner if subset_kind(each.name)]
    if subsets or (not listing.pictures and any(names_a_class(each.name) for each in inner)):
        what = "the subsets" if subsets else "the classes"
        holds = f"{'folders' if listing.pictures else 'only folders'} ({_quote(subsets or inner)})"
        raise InputError(
            f"{folder} must hold the pictures of a class, and holds {holds}. If these are {what}, give the folder that holds "
            f"them: folder:{folder}. If {folder.name!r} is a class, put its pictures into it"
            + (
                f", within a folder for each subset: {folder.parent}/{subsets[0].name}/{folder.name}"
                if subsets
                else ""
            )
            + "."
        )
    if not listing.pictures:
        for each in inner:
            _check_class(each)


def _check_names(classes: Collection[str]) -> None:
    for name in classes:
        if any(unicodedata.category(each) in ("Cc", "Cs") for each in name):  # Cs: bytes that are no text
            raise InputError(f"a class cannot be called {name!a}: rename its folder to printable text")


def _describe_flat(folder: Path) -> str:
    pictures = list_folder(folder).pictures
    if not pictures:
        folder = list_folder(folder).folders[0]
        pictures = list_folder(folder).pictures
    names = [file.stem for file in pictures]
    words = {match[1] for name in names if (match := re.fullmatch(r"(.*[^\W\d_])[\W_]*[0-9]+", name))}
    if any(name.startswith("ILSVRC2012_val_") for name in names):
        hint = "These are ImageNet's validation pictures, whose classes are in a list of its development kit: move each into a "
        hint += "folder of its class"
    elif 1 < len(words) <= len(names) / 2:
        hint = f"If their names begin with the class ({few(sorted(words), SHOWN)}), move each into a folder of its class"
    else:
        hint = "Move each into a folder of its class"
    return (
        f"the {len(pictures):,} pictures in {folder} lie in no folders of classes, so their classes are unknown. {hint} "
        f"({folder}/CLASS/{pictures[0].name if pictures else 'NAME.png'}), or write a Parquet file of images and labels."
    )


def _contents(path: Path) -> str:
    left = list_folder(path).left_out
    return (
        ", ".join(f"{len(files)} {kind}{'s' * (len(files) > 1)}" for kind, files in left.items()) or "nothing"
    )


def _quote(folders: Iterable[Path]) -> str:
    return few([repr(folder.name) for folder in folders], SHOWN)
