"""Parquet files in the Hugging Face layout: encoded images, integer labels, class names in the metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import torch

from passband.data.dataset import ImageDataset
from passband.data.images import Request, decode_images
from passband.errors import InputError
from passband.types import Subset

STEMS: dict[Subset, tuple[str, ...]] = {"train": ("train",), "test": ("test", "val", "validation")}
"""What the files of a subset are called, in the order tried."""

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "labels", "fine_label")

WINDOW_BYTES = 2**25
"""What is read at once: a file whose rows are one group, as pandas writes it, is gone through for each window."""

_SHARD = re.compile(r"-(\d+)-of-(\d+)\.parquet$")


def load_parquet(argument: str, request: Request, name: str | None = None) -> ImageDataset:
    """Load the Parquet file or folder `argument`.

    A folder holds `train.parquet` and `test.parquet`, `val.parquet` or `validation.parquet`, or the same in
    shards such as `train-00000-of-00002.parquet`, there or in its subfolder `data`. A file is taken for either
    subset. The column `image` or `img` holds the encoded image as `bytes` within a struct (or alone), `label`,
    `labels` or `fine_label` its class. Class names come from the metadata that `datasets` writes; without them
    they are "0", "1", and so on. Rows keep the order of the file, and only those asked for are read.

    Args:
        argument: The path.
        request: What is wanted of it.
        name: What to call the data set; default the folder's name.

    Raises:
        InputError: If there is no such file, it is not Parquet or not in this layout, an image cannot be
            decoded, or an image has no label.
    """
    path = Path(argument).expanduser()
    files = _find_files(path, request.subset)
    table = _open_table(files)
    count = request.count(table.rows, str(path))
    given = _collect(table.scan.select("label").head(count), files)["label"]
    _check_labeled(given, files[0])
    stored = _Rows(
        table.scan, count, files, row_bytes=sum(file.stat().st_size for file in files) / table.rows
    )
    if len(files) == 1:
        names = [f"the image in row {i} of {files[0]}" for i in range(count)]
    else:
        names = [
            f"the image in row {i} of the {request.subset} files in {files[0].parent}" for i in range(count)
        ]
    images = decode_images(stored, names, request)
    classes = table.classes or _number_classes(path, files)
    labels = torch.tensor(given.to_list(), dtype=torch.int64)
    return ImageDataset(images, labels, tuple(classes), name or _name(path), request.subset)


@dataclass(frozen=True)
class _Table:
    scan: pl.LazyFrame  # columns image (bytes) and label (int64), nothing read yet
    rows: int
    classes: tuple[str, ...]  # empty where the metadata have no names


def _find_files(path: Path, subset: Subset) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"no file or folder {path}")
    for stem in STEMS[subset]:
        for folder in (path, path / "data"):
            whole = folder / f"{stem}.parquet"
            if whole.is_file():
                return [whole]
            if shards := sorted(folder.glob(f"{stem}-*-of-*.parquet")):
                _check_shards(shards)
                return shards
    expected = " or ".join(f"{stem}.parquet" for stem in STEMS[subset])
    found = ", ".join(sorted(file.name for file in path.glob("**/*.parquet"))[:6])
    raise InputError(
        f"{path} must hold {expected} (or shards such as {STEMS[subset][0]}-00000-of-00002.parquet) for the {subset} "
        f"subset, and holds {found or 'no Parquet file'}. A file can also be given itself: parquet:{path}/FILE"
    )


def _check_shards(shards: Sequence[Path]) -> None:
    matches = [match for match in (_SHARD.search(shard.name) for shard in shards) if match]
    present, total = (
        {int(match[1]) for match in matches},
        max((int(match[2]) for match in matches), default=0),
    )
    if missing := sorted(set(range(total)) - present):
        raise InputError(
            f"shard {missing[0]} of {total} is missing beside {shards[0]}. Fetch the whole data set."
        )


def _open_table(files: list[Path]) -> _Table:
    try:
        schema = pl.read_parquet_schema(files[0])
        metadata = pl.read_parquet_metadata(files[0])
        rows = pl.scan_parquet(files).select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{files[0]} cannot be read as Parquet: {error}") from error
    image = _choose_column(files[0], schema, "image", IMAGE_COLUMNS)
    label = _choose_column(files[0], schema, "label", LABEL_COLUMNS)
    content = pl.col(image)
    kind = schema[image]
    if isinstance(kind, pl.Struct) and any(field.name == "bytes" for field in kind.fields):
        content, kind = content.struct.field("bytes"), pl.Binary()
    if kind != pl.Binary:
        raise InputError(
            f"the column {image!r} must hold encoded images, as a struct with a field 'bytes', got {kind} in {files[0]}"
        )
    if not schema[label].is_integer():
        raise InputError(f"the column {label!r} must hold integers, got {schema[label]} in {files[0]}")
    scan = pl.scan_parquet(files).select(image=content, label=pl.col(label).cast(pl.Int64))
    return _Table(scan, rows, _class_names(metadata, label))


def _choose_column(file: Path, schema: dict[str, Any], what: str, names: Sequence[str]) -> str:
    for name in names:
        if name in schema:
            return name
    raise InputError(
        f"{file} must have a column for the {what} called {' or '.join(map(repr, names))}, and has "
        f"{', '.join(map(repr, schema)) or 'none'}. Rename it."
    )


def _class_names(metadata: dict[str, str], label: str) -> tuple[str, ...]:
    try:
        return tuple(map(str, json.loads(metadata["huggingface"])["info"]["features"][label]["names"]))
    except (KeyError, TypeError, ValueError):  # names are optional, and so is every level above them
        return ()


def _number_classes(path: Path, files: Sequence[Path]) -> list[str]:
    """Name the classes by number, as many as there are in all files, since a subset may lack the last one."""
    everything = set(files)
    if path.is_dir():
        for subset in STEMS:
            try:
                everything.update(_find_files(path, subset))
            except InputError:  # a folder may hold one subset alone
                continue
    scans = [_open_table([file]).scan for file in sorted(everything)]
    highest = max(_collect(scan.select(pl.col("label").max()), files).item() or 0 for scan in scans)
    return [str(number) for number in range(highest + 1)]


def _collect(scan: pl.LazyFrame, files: Sequence[Path]) -> pl.DataFrame:
    try:
        return scan.collect()
    except pl.exceptions.PolarsError as error:
        raise InputError(f"cannot read {files[0]}: {error}") from error


class _Rows:
    """The encoded images of a table, of which only a few megabytes are in memory: those about the last one asked for."""

    def __init__(self, scan: pl.LazyFrame, count: int, files: Sequence[Path], row_bytes: float) -> None:
        self._scan, self._count, self._files = scan.select("image"), count, files
        self._at_once = max(1, int(WINDOW_BYTES // max(row_bytes, 1)))
        self._window = lru_cache(maxsize=2)(self._read)  # two, since threads that take turns share a border

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, row: int, /) -> bytes:
        content = self._window(row // self._at_once)[row % self._at_once]
        if content is None:
            raise InputError(
                f"row {row} of {self._files[0]} has no image bytes. Files that only point to images elsewhere cannot "
                "be read: embed the images."
            )
        return content

    def _read(self, window: int) -> list[bytes | None]:
        rows = self._scan.slice(window * self._at_once, self._at_once)
        return _collect(rows, self._files)["image"].to_list()


def _check_labeled(labels: pl.Series, file: Path) -> None:
    unlabeled = int((labels.is_null() | (labels < 0)).sum())
    if unlabeled:
        raise InputError(
            f"{unlabeled:,} of {len(labels):,} rows of {file} have no label (null or negative), as in test sets whose "
            "labels are kept secret. Use a labeled file, such as the validation one: parquet:PATH/FILE.parquet"
        )


def _name(path: Path) -> str:
    """Return a short name: the folder's, or the file's where it says more than which subset it is."""
    path = path.resolve()
    subsets = {stem for stems in STEMS.values() for stem in stems}
    if path.is_file() and re.split(r"[-.]", path.name)[0] in subsets:
        path = path.parent
    return path.parent.name if path.name == "data" else path.name.removesuffix(".parquet")
