"""Where the Parquet files of a subset lie, as hubs and people name them, and whether one of them is missing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from passband.data.subsets import SUBSET_NAMES
from passband.errors import InputError
from passband.types import Subset

SUFFIXES = (".parquet", ".pq")

NO_CONFIGURATION = {"data", "part", "shard", "split", "set", "0000", ""}
"""Parts of a path that name no configuration of a data set."""

_SHARD = re.compile(r"(.*?)[-_.]?(\d+)[-_]of[-_](\d+)(?:[-_.][0-9a-f]{8,})?", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*?)[-_.]?(\d+)(?:[-_.][0-9a-f]{8}[0-9a-f-]*)?(?:[-_.]c\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """The files of a subset.

    Attributes:
        name: What the subset is called there; empty if files do not say to which subset they belong.
        files: They, in the order of their numbers.
    """

    name: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _File:
    path: Path
    subset: str  # a name of `SUBSET_NAMES`, or empty
    configuration: str
    number: int | None = None
    total: int | None = None


def find_files(path: Path, subset: Subset) -> list[Found]:
    """Return the files under `path` that could be the subset, the likeliest first.

    A file or one of its folders is called as the subset is: `test.parquet`, `data/test-00000-of-00002.parquet`,
    `plain_text/valid-00000-of-00001-0123456789abcdef.parquet`, `default/test/0000.parquet`. What else a path says, such as
    `plain_text`, is a configuration; a folder may hold one. A file is taken for either subset, as are the files of a folder of
    which none is called as a subset.

    Raises:
        InputError: If there is none, there are several configurations, or files are missing by their numbers.
    """
    if path.is_file():
        return [Found("", (path,))]
    if not path.is_dir():
        raise InputError(f"no file or folder {path}")
    files = _of_one_configuration(path, [_parse(path, file) for file in _walk(path)])
    if files and not any(file.subset for file in files):
        return [Found("", _in_order(files))]
    names = [name for name in SUBSET_NAMES[subset] if any(file.subset == name for file in files)]
    if not names:
        expected = " or ".join(f"{name}.parquet" for name in SUBSET_NAMES[subset][:5])
        found = ", ".join(sorted(str(file.path.relative_to(path)) for file in files)[:6])
        raise InputError(
            f"{path} must hold {expected} (or shards such as {SUBSET_NAMES[subset][0]}-00000-of-00002.parquet) for the "
            f"{subset} subset, and holds {found or 'no Parquet file'}. A file can also be given itself: parquet:{path}/FILE"
        )
    return [Found(name, _in_order([file for file in files if file.subset == name])) for name in names]


def _walk(path: Path) -> Iterable[Path]:
    """Yield the Parquet files below a folder, hidden ones left out; links are followed, each folder once."""
    seen = set()
    for folder, folders, files in os.walk(path, followlinks=True):
        folders[:] = sorted(
            each
            for each in folders
            if not each.startswith((".", "_")) and (Path(folder) / each).resolve() not in seen
        )
        seen.update((Path(folder) / each).resolve() for each in folders)
        yield from (
            Path(folder) / file
            for file in sorted(files)
            if file.lower().endswith(SUFFIXES) and not file.startswith((".", "_"))
        )


def _parse(root: Path, file: Path) -> _File:
    stem = re.sub(r"(\.(snappy|gz|gzip|zstd|lz4|brotli))?\.(parquet|pq)$", "", file.name, flags=re.IGNORECASE)
    number = total = None
    if match := _SHARD.fullmatch(stem):
        stem, number, total = match[1], int(match[2]), int(match[3])
    elif (match := _NUMBERED.fullmatch(stem)) and (
        _words(match[1])[0] or not match[1].strip("-_.") or match[2][0] == "0"
    ):
        stem, number = match[1], int(match[2])  # such as test_1 or 0001, but not cifar10
    subset, rest = _words(stem)
    folders = list(file.relative_to(root).parts[:-1])
    if not subset:
        for place in reversed(range(len(folders))):
            subset, more = _words(folders[place])
            if subset:
                folders[place], rest = more, ""  # whatever the files within it are called
                break
    parts = [part for part in (*folders, rest) if part.lower() not in NO_CONFIGURATION]
    return _File(file, subset, "/".join(parts), number, total)


def _words(text: str) -> tuple[str, str]:
    """Return the name of a subset that is a word of `text`, and the rest of it; two such names name none."""
    known = {name for names in SUBSET_NAMES.values() for name in names}
    words = [word for word in re.split(r"[-_. ]+", text) if word]
    named = {word.lower() for word in words} & known
    if len(named) != 1:
        return "", text
    return named.pop(), "-".join(word for word in words if word.lower() not in known)


def _of_one_configuration(path: Path, files: Sequence[_File]) -> list[_File]:
    """Return the files of one data set: those in no configuration, or else of the only one, for all subsets."""
    if any(file.subset for file in files):
        files = [file for file in files if file.subset]
    groups: dict[str, list[_File]] = {}
    for file in files:
        groups.setdefault(file.configuration, []).append(file)
    if len(groups) > 1 and "" not in groups:
        listed = "; ".join(
            f"{name} (parquet:{group[0].path if len(group) == 1 else group[0].path.parent})"
            for name, group in sorted(groups.items())[:6]
        )
        raise InputError(
            f"{path} holds {len(groups)} data sets or configurations of one, and one must be chosen: give its folder or file, "
            f"{listed}"
        )
    return groups.get("", list(files))


def _in_order(files: Sequence[_File]) -> tuple[Path, ...]:
    """Return the files of a subset in the order of their numbers, if they are whole."""
    _check_whole(files)
    return tuple(file.path for file in sorted(files, key=lambda file: (file.number or 0, str(file.path))))


def _check_whole(files: Sequence[_File]) -> None:
    """Refuse files of which one is missing, or that hold the same part twice, by their numbers."""
    first = files[0].path
    if len({file.total for file in files}) > 1 or len({file.number is None for file in files}) > 1:
        raise InputError(
            f"the files {first.name} and {files[-1].path.name} in {files[-1].path.parent} do not belong together by their "
            f"names: are they the same images twice? Leave one kind, or give a file itself: parquet:{first}"
        )
    numbers = sorted(file.number for file in files if file.number is not None)
    if not numbers:
        if len({file.path.parent for file in files}) > 1:
            raise InputError(
                f"{first} and {files[-1].path} are the same subset twice. Give one of them itself: parquet:{first}"
            )
        return
    twice = next((number for number in numbers if numbers.count(number) > 1), None)
    if twice is not None:
        pair = [file.path.name for file in files if file.number == twice]
        raise InputError(
            f"shard {twice} is there twice in {first.parent}: {pair[0]} and {pair[1]}. Remove one"
        )
    total = files[0].total
    start = 1 if numbers[0] == 1 and (total is None or total in numbers) else 0
    expected = range(start, start + total) if total else range(start, numbers[-1] + 1)
    if len(files) == 1 and total is None and not re.search(r"(?<!\d)0\d", first.stem):
        return  # the number of a file alone may be a year or a size
    if missing := sorted(set(expected) - set(numbers)):
        raise InputError(
            f"shard {missing[0]} of {total or 'those numbered up to ' + str(numbers[-1])} is missing beside {first}. Fetch "
            "the whole data set"
        )
    if set(numbers) - set(expected):
        raise InputError(
            f"shard {numbers[-1]} of {total} cannot be, beside {first}. Fetch the whole data set"
        )
