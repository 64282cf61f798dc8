"""Parquet files of encoded images, or of paths to them, with a column of labels: the Hugging Face layout and its kin."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from passband.data.columns import IMAGE_COLUMNS, LABEL_COLUMNS, choose_column
from passband.data.dataset import ImageDataset
from passband.data.images import Request, Stored, decode_with_notices
from passband.data.labeling import UNLABELED, Labeling, number_labels, one_order, other_order, renumber
from passband.data.order import fair_order
from passband.data.parquet_files import Found, find_files
from passband.data.subset_names import SUBSET_NAMES, UNJUDGED
from passband.errors import InputError
from passband.notices import Notice

WINDOW_BYTES = 2**25
"""What is read at once: a file whose rows are one group, as pandas writes it, is gone through for each window."""


def load_parquet(argument: str, request: Request, name: str | None = None) -> ImageDataset:
    """Load the Parquet file or folder `argument`.

    A folder holds one file a subset or its shards, named as `find_files` says. A file is taken for either subset. One column
    holds the images (`IMAGE_COLUMNS`): encoded, as `bytes` within a struct or alone, or paths of pictures beside the file;
    another the labels (`LABEL_COLUMNS`), of the kinds that `number_labels` takes. Class names come from the metadata that
    `datasets` writes; files that name the classes in another order are mapped to one. Rows keep the order of the files, unless
    they lie there class by class (`fair_order`), and only images of those asked for are read.

    Args:
        argument: The path.
        request: What is wanted of it.
        name: What to call the data set; default the folder's name.

    Raises:
        InputError: If there is no such file, one is missing, it is not Parquet or not in this layout, an image cannot be
            decoded, or an image has no label.
    """
    path = Path(argument).expanduser()
    table, labeling, notices = _open_judged(path, request)
    count = request.count(len(labeling.labels), str(path))
    order, sorting = fair_order(labeling.labels)
    chosen = order[:count]
    _check_labeled(labeling.labels[chosen], table.files[0].path)
    ascending = np.sort(chosen)  # files are read from their beginning to their end, and put into order then
    stored = _Rows(table.files, ascending, path)
    images, seen, pictures = decode_with_notices(stored, stored.names, request)
    notices = (*table.notices, *seen, *notices, *labeling.notices, *sorting)
    dataset = ImageDataset(
        images,
        torch.from_numpy(labeling.labels[ascending]),
        labeling.classes,
        name or _name(path),
        request.subset,
        notices=tuple(dict.fromkeys(notices)),
        pictures=pictures,
    )
    return dataset if not sorting else dataset.take(torch.from_numpy(chosen.argsort().argsort()))


@dataclass(frozen=True)
class _File:
    """One file: its columns are known, and nothing is read yet."""

    path: Path
    rows: int
    schema: dict[str, Any]
    features: dict[str, Any]  # what `datasets` says of the columns

    @staticmethod
    def open(path: Path) -> _File:
        try:
            schema = dict(pl.read_parquet_schema(path))
            metadata = pl.read_parquet_metadata(path)
            rows = pl.scan_parquet(path).select(pl.len()).collect().item()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise InputError(f"{path} cannot be read as Parquet: {error}") from error
        try:
            features = json.loads(metadata["huggingface"])["info"]["features"]
        except (KeyError, TypeError, ValueError):  # they are optional, and so is every level above them
            features = {}
        return _File(path, rows, schema, features if isinstance(features, dict) else {})

    @cached_property
    def image(self) -> tuple[str, tuple[Notice, ...]]:
        usable = [column for column, kind in self.schema.items() if _content(kind, column)]
        encoded = [column for column in usable if self.schema[column] != pl.String]
        # Text comes last: 'image' or 'x' may be a description beside the picture.
        known = (some for some in (encoded, usable) if any(each.lower() in IMAGE_COLUMNS for each in some))
        candidates = next(known, list(self.schema))
        typed = [column for column in self.schema if _type(self.features.get(column)) == "Image"]
        return choose_column("image", IMAGE_COLUMNS, candidates, typed, str(self.path))

    @cached_property
    def label(self) -> tuple[str, tuple[Notice, ...]]:
        typed = [column for column in self.schema if _names(self.features.get(column))]
        columns = [column for column in self.schema if column != self.image[0]]
        return choose_column("label", LABEL_COLUMNS, columns, typed, str(self.path))

    @property
    def names(self) -> tuple[str, ...]:
        return _names(self.features.get(self.label[0])) if self.rows else ()

    def labels(self) -> list[Any]:
        column = self.label[0]
        kind = self.schema[column]
        content = pl.col(column)
        if isinstance(kind, pl.Categorical | pl.Enum):
            content = content.cast(pl.String)
        elif isinstance(kind, pl.Decimal):
            content = content.cast(pl.Float64)
        elif isinstance(kind, pl.Struct):
            raise InputError(f"the column {column!r} must hold labels, got {kind} in {self.path}")
        return _collect(pl.scan_parquet(self.path).select(label=content), self.path)["label"].to_list()

    def images(self, start: int, count: int) -> list[tuple[bytes | None, str | None]]:
        """Return the encoded images in so many rows, and where they lie if they lie elsewhere."""
        column = self.image[0]
        content = _content(self.schema[column], column)
        if content is None:
            raise InputError(
                f"the column {column!r} must hold encoded images, as a struct with a field 'bytes', or paths of pictures, got "
                f"{self.schema[column]} in {self.path}"
            )
        rows = pl.scan_parquet(self.path).slice(start, count)
        return _collect(rows.select(bytes=content[0], path=content[1]), self.path).rows()


@dataclass(frozen=True)
class _Table:
    """The files of a subset."""

    files: tuple[_File, ...]

    @staticmethod
    def open(found: Found) -> _Table:
        files = tuple(_File.open(path) for path in found.files)
        files = tuple(file for file in files if file.rows) or files  # an empty shard may lack even the types
        for file in files:
            if (file.image[0], file.label[0]) != (files[0].image[0], files[0].label[0]):
                raise InputError(
                    f"the files of a data set must have the same columns, and images and labels are in {files[0].image[0]!r} "
                    f"and {files[0].label[0]!r} of {files[0].path}, and {file.image[0]!r} and {file.label[0]!r} of {file.path}"
                )
        return _Table(files)

    @property
    def notices(self) -> tuple[Notice, ...]:
        return (*self.files[0].image[1], *self.files[0].label[1])

    def names(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(str(file.path), file.names) for file in self.files]

    def labels(self, classes: tuple[str, ...]) -> list[Any]:
        """Return the labels of all files, by the place in `classes` where a file has other places."""
        return [
            label
            for file in self.files
            for label in renumber(file.labels(), file.names, classes, str(file.path))
        ]


class _Rows:
    """The encoded images in rows of all files together, of which only some megabytes are in memory: those asked for last."""

    def __init__(self, files: Sequence[_File], places: np.ndarray, root: Path) -> None:
        self._files, self._places, self._root = files, places, root
        ends = np.cumsum([file.rows for file in files])
        self._file = np.searchsorted(ends, places, side="right")
        self._row = places - (ends - [file.rows for file in files])[self._file]
        where = zip(self._file.tolist(), self._row.tolist(), strict=True)
        self.names = [f"the image in row {row} of {files[file].path}" for file, row in where]
        self._window = lru_cache(maxsize=2)(self._read)  # two, since threads that take turns share a border

    def __reduce__(self) -> tuple:
        return type(self), (self._files, self._places, self._root)  # what was read stays here

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, index: int, /) -> Stored:
        which, row = int(self._file[index]), int(self._row[index])
        file = self._files[which]
        at_once = max(1, WINDOW_BYTES * file.rows // file.path.stat().st_size)
        content, path = self._window(which, row // at_once, at_once)[row % at_once]
        return content if content is not None else _beside(path, file.path, self._root, row)

    def _read(self, which: int, window: int, at_once: int) -> list[tuple[bytes | None, str | None]]:
        return self._files[which].images(window * at_once, at_once)


def _open_judged(path: Path, request: Request) -> tuple[_Table, Labeling, tuple[Notice, ...]]:
    """Return the files of the subset and their labels: of those whose labels are secret, another subset's."""
    candidates = find_files(path, request.subset)
    found = candidates[0]
    table, labeling = _read_labels(path, found)
    judged = next((each for each in candidates if each.name not in UNJUDGED), None)
    if (labeling.labels == UNLABELED).all() and len(labeling.labels) and found.name in UNJUDGED and judged:
        table, labeling = _read_labels(path, judged)
        note = Notice(
            "data",
            f"the labels of '{found.name}' in {path} are secret (all null or negative): '{judged.name}' is used",
        )
        return table, labeling, (note,)
    return table, labeling, ()


def _read_labels(path: Path, found: Found) -> tuple[_Table, Labeling]:
    table = _Table.open(found)
    others = _other_tables(path, found)
    named = [each for table in (*others, table) if table.files[0].rows for each in table.names()]
    classes, differ = one_order(named)
    column = table.files[0].label[0]
    what = f"the labels {column!r} of {table.files[0].path}"
    elsewhere = [] if classes else [label for other in others for label in other.labels(classes)]
    labeling = number_labels(table.labels(classes), what, classes, elsewhere)
    if not differ:
        return table, labeling
    return table, Labeling(
        labeling.labels, labeling.classes, (*labeling.notices, other_order(str(path), classes))
    )


def _other_tables(path: Path, found: Found) -> list[_Table]:
    """Return the other subsets: together they say how many classes there are, and their order."""
    tables = []
    for subset in SUBSET_NAMES:
        # A folder may hold one subset alone, and another need not be whole, or have labels.
        with suppress(InputError):
            for other in find_files(path, subset):
                if not set(other.files) & set(found.files):
                    tables.append(_Table.open(other))
    return tables


def _content(kind: Any, column: str) -> tuple[pl.Expr, pl.Expr] | None:
    """Return how to get the encoded image and its path from a column, or None if it cannot hold images."""
    nothing, nowhere = pl.lit(None, pl.Binary), pl.lit(None, pl.String)
    if isinstance(kind, pl.Struct):
        fields = {field.name: field.dtype for field in kind.fields}
        content = pl.col(column).struct
        if not {fields.get("bytes"), fields.get("path")} & {pl.Binary, pl.String}:
            return None
        return (
            content.field("bytes") if fields.get("bytes") == pl.Binary else nothing,
            content.field("path") if fields.get("path") == pl.String else nowhere,
        )
    if kind == pl.Binary:
        return pl.col(column), nowhere
    if kind == pl.String:
        return nothing, pl.col(column)
    return None


def _type(feature: Any) -> str:
    return str(feature.get("_type", "")) if isinstance(feature, dict) else ""


def _names(feature: Any) -> tuple[str, ...]:
    """Return the names of the classes in what `datasets` says of a column, of lists of one too."""
    if not isinstance(feature, dict):
        return ()
    names = feature.get("names")
    return tuple(map(str, names)) if isinstance(names, list) else _names(feature.get("feature"))


def _beside(path: str | None, file: Path, root: Path, row: int) -> Path:
    if path is None:
        raise InputError(f"row {row} of {file} has no image bytes, and no path of a picture")
    for folder in (file.parent, root if root.is_dir() else root.parent):
        try:
            if (folder / path).is_file():
                return folder / path
        except (OSError, ValueError):  # a text too long for a path, or with a null byte
            break
    raise InputError(
        f"row {row} of {file} has no image bytes, and there is no picture {path[:200]!r} in {file.parent}. Put the pictures "
        "there, or embed the images"
    )


def _collect(scan: pl.LazyFrame, file: Path) -> pl.DataFrame:
    try:
        return scan.collect()
    except pl.exceptions.PolarsError as error:
        raise InputError(f"cannot read {file}: {error}") from error


def _check_labeled(labels: np.ndarray, file: Path) -> None:
    if unlabeled := int((labels == UNLABELED).sum()):
        raise InputError(
            f"{unlabeled:,} of {len(labels):,} rows of {file} have no label (null or negative), as in test sets whose "
            "labels are kept secret. Use a labeled file, such as the validation one: parquet:PATH/FILE.parquet"
        )


def _name(path: Path) -> str:
    """Return a short name: the folder's, or the file's where it says more than which subset it is."""
    path = path.resolve()
    subsets = {name for names in SUBSET_NAMES.values() for name in names}
    if path.is_file() and re.split(r"[-_.]", path.name.lower())[0] in subsets:
        path = path.parent
    return path.parent.name if path.name == "data" else path.name.removesuffix(".parquet")
