"""Data sets of the `datasets` library: folders that `save_to_disk` wrote, and names on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from passband.data.columns import IMAGE_COLUMNS, LABEL_COLUMNS, choose_column
from passband.data.dataset import ImageDataset
from passband.data.images import Request, Stored, decode_with_notices
from passband.data.labeling import UNLABELED, Labeling, number_labels, one_order, other_order, renumber
from passband.data.order import fair_order
from passband.data.subset_names import SUBSET_NAMES, UNJUDGED
from passband.errors import DownloadError, InputError
from passband.notices import Notice
from passband.optional import require
from passband.user_modules import said

TIMEOUT = 5.0  # seconds within which the hub must answer before anything is asked of it


def load_hub(argument: str, request: Request) -> ImageDataset:
    """Load `hf:FOLDER`, which `save_to_disk` wrote, or `hf:NAME` or `hf:NAME:CONFIGURATION` on the hub.

    A name is looked for in the cache of `datasets`; what is not there is downloaded. A saved `Dataset` is taken for either
    subset, the splits of a `DatasetDict` as `SUBSET_NAMES` says. Columns and labels are found as in Parquet files. Pictures
    are decoded by passband and not by `datasets`, so that they are the same pixels; they are read one by one.

    Raises:
        MissingDependencyError: If `datasets` is not installed.
        InputError: If there is no such data set, or it does not have images and labels.
        DownloadError: If it is not in the cache, and the hub cannot be reached.
    """
    splits = _open(argument)
    table, labeling, notices = _read_judged(argument, splits, request)
    count = request.count(len(labeling.labels), f"hf:{argument}")
    order, sorting = fair_order(labeling.labels)
    chosen = order[:count]
    if unlabeled := int((labeling.labels[chosen] == UNLABELED).sum()):
        raise InputError(
            f"{unlabeled:,} of {count:,} images of '{table.split}' in hf:{argument} have no label (null or negative), as in "
            "test sets whose labels are kept secret. Use a subset that has labels"
        )
    names = [f"the image in row {row} of '{table.split}' in hf:{argument}" for row in chosen]
    images, seen, pictures = decode_with_notices(
        _Pictures(table.pictures, table.image[0], chosen, names), names, request
    )
    name = Path(argument).resolve().name if Path(argument).expanduser().is_dir() else argument
    found = (*table.image[1], *table.label[1], *notices, *labeling.notices, *sorting, *seen)
    labels = torch.from_numpy(labeling.labels[chosen])
    return ImageDataset(
        images,
        labels,
        labeling.classes,
        name,
        request.subset,
        notices=tuple(dict.fromkeys(found)),
        pictures=pictures,
    )


@dataclass(frozen=True)
class _Split:
    """One split: its columns are known, and no picture is read."""

    split: str
    dataset: Any
    image: tuple[str, tuple[Notice, ...]]
    label: tuple[str, tuple[Notice, ...]]

    @staticmethod
    def of(argument: str, split: str, dataset: Any) -> _Split:
        where = f"'{split}' in hf:{argument}" if split else f"hf:{argument}"
        kinds = {column: type(feature).__name__ for column, feature in dataset.features.items()}
        binary = [
            column
            for column, feature in dataset.features.items()
            if "binary" in getattr(feature, "dtype", "")
        ]
        typed = [column for column, kind in kinds.items() if kind == "Image"]
        image = choose_column("image", IMAGE_COLUMNS, typed or binary or list(kinds), typed, where)
        if image[0] not in (*typed, *binary):
            raise InputError(
                f"the column {image[0]!r} of {where} must hold pictures (the feature Image), got "
                f"{dataset.features[image[0]]}. Cast it: dataset.cast_column({image[0]!r}, datasets.Image())"
            )
        classed = [column for column, feature in dataset.features.items() if _names(feature)]
        label = choose_column(
            "label", LABEL_COLUMNS, [each for each in kinds if each != image[0]], classed, where
        )
        return _Split(split, dataset, image, label)

    @property
    def names(self) -> tuple[str, ...]:
        return _names(self.dataset.features[self.label[0]])

    @property
    def pictures(self) -> Any:
        """The column of pictures as they are stored, encoded."""
        datasets = _library()

        column = self.image[0]
        pictures = self.dataset.with_format(None).select_columns([column])
        if type(pictures.features[column]).__name__ == "Image":
            pictures = pictures.cast_column(column, datasets.Image(decode=False))
        return pictures

    def labels(self, classes: tuple[str, ...]) -> list[Any]:
        column = self.label[0]
        stored = self.dataset.with_format(None).select_columns([column])[:][column]
        return renumber(stored, self.names, classes, f"'{self.split}'")


class _Pictures:
    """Encoded pictures of some rows, each read when it is asked for: the table of `datasets` lies on the disk."""

    def __init__(self, table: Any, column: str, rows: np.ndarray, names: Sequence[str]) -> None:
        self.table, self.column, self.rows, self.names = table, column, rows, names

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int, /) -> Stored:
        stored = self.table[int(self.rows[index])][self.column]
        if isinstance(stored, bytes):
            return stored
        content, path = (stored or {}).get("bytes"), (stored or {}).get("path")
        if content is not None:
            return content
        if path and Path(path).is_file():
            return Path(path)
        raise InputError(
            f"{self.names[index]} has no image bytes, and there is no picture {path!r}. Embed the images"
        )


def _library() -> Any:
    return require("datasets", extra="hub", purpose="loading an hf: data set")


def _formats() -> Collection[str]:
    """Return the names by which `datasets` reads whatever files lie in the current folder, such as `csv`."""
    modules = require("datasets.packaged_modules", extra="hub", purpose="loading an hf: data set")
    return modules._PACKAGED_DATASETS_MODULES  # which has no public name


def _open(argument: str) -> Mapping[str, Any]:
    """Return the splits of a saved or a named data set; a `Dataset` alone has an empty name."""
    folder = Path(argument).expanduser()
    if folder.is_dir():
        return _open_folder(folder)
    if argument.startswith(("/", ".", "~")) or argument.count("/") > 1:
        raise InputError(f"no folder {folder}, and a name on the hub is written hf:NAME or hf:OWNER/NAME")
    name, _, configuration = argument.partition(":")
    if Path(name).is_dir():
        raise InputError(
            f"{name} is a folder here, and a configuration is that of a name on the hub. Give its folder itself"
        )
    if name in _formats():
        raise InputError(
            f"{name} is a format of files and no data set. Did you mean folder:PATH, parquet:PATH or npz:PATH?"
        )
    return _open_named(argument, name, configuration or None)


def _open_folder(folder: Path) -> Mapping[str, Any]:
    datasets = _library()

    if not any((folder / file).is_file() for file in ("dataset_dict.json", "state.json")):
        raise InputError(
            f"{folder} is no folder that save_to_disk of `datasets` wrote. Did you mean parquet:{folder} or folder:{folder}?"
        )
    try:
        found = datasets.load_from_disk(str(folder))
    except Exception as error:  # pyarrow and json have their own kinds
        raise InputError(f"cannot read {folder}, which save_to_disk wrote: {said(error)}") from error
    return found if isinstance(found, dict) else {"": found}


def _open_named(argument: str, name: str, configuration: str | None) -> Mapping[str, Any]:
    """Look in the cache first: what was measured yesterday is then the same data, and needs no network."""
    datasets = _library()

    try:
        with _offline():
            return datasets.load_dataset(name, configuration)
    except Exception as error:  # it is not there, or not so
        cached = error
    if not _reachable():
        raise DownloadError(
            f"hf:{argument} is not in the cache of `datasets` ({datasets.config.HF_DATASETS_CACHE}), and the Hugging Face hub "
            f"cannot be reached: {said(cached)}. On a machine with a network: datasets.load_dataset({name!r}"
            f"{'' if configuration is None else f', {configuration!r}'}).save_to_disk('FOLDER'), and hf:FOLDER here"
        ) from cached
    try:
        return datasets.load_dataset(name, configuration)
    except OSError as error:  # no such name too
        raise DownloadError(f"hf:{argument} could not be downloaded: {said(error)}") from error
    except Exception as error:
        raise InputError(f"hf:{argument} cannot be loaded: {said(error)}") from error


@contextmanager
def _offline() -> Generator[None]:
    datasets = _library()

    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def _reachable() -> bool:
    """Return whether the hub answers; `datasets` itself would try for half a minute."""
    datasets = _library()
    hub = require("huggingface_hub.utils", extra="hub", purpose="loading an hf: data set")

    if datasets.config.HF_HUB_OFFLINE:
        return False
    try:
        hub.get_session().head(datasets.config.HF_ENDPOINT, timeout=TIMEOUT)
    except Exception:  # of httpx or requests, whichever the version has
        return False
    return True


def _read_judged(
    argument: str, splits: Mapping[str, Any], request: Request
) -> tuple[_Split, Labeling, tuple[Notice, ...]]:
    """Return the split and its labels: of one whose labels are secret, another's."""
    if "" in splits:
        return *_read(argument, splits, ""), ()
    known = {split.lower(): split for split in splits}
    candidates = [known[name] for name in SUBSET_NAMES[request.subset] if name in known]
    if not candidates:
        raise InputError(
            f"hf:{argument} must have a split called {' or '.join(map(repr, SUBSET_NAMES[request.subset][:5]))} for the "
            f"{request.subset} subset, and has {', '.join(map(repr, splits))}"
        )
    found, labeling = _read(argument, splits, candidates[0])
    judged = next((each for each in candidates if each.lower() not in UNJUDGED), None)
    if (
        len(labeling.labels)
        and (labeling.labels == UNLABELED).all()
        and candidates[0].lower() in UNJUDGED
        and judged
    ):
        note = f"the labels of '{candidates[0]}' in hf:{argument} are secret (all null or negative): '{judged}' is used"
        return *_read(argument, splits, judged), (Notice("data", note),)
    return found, labeling, ()


def _read(argument: str, splits: Mapping[str, Any], split: str) -> tuple[_Split, Labeling]:
    chosen = _Split.of(argument, split, splits[split])
    known = {name for names in SUBSET_NAMES.values() for name in names}
    others = []
    for each in splits:
        if each != split and each.lower() in known:
            with suppress(InputError):  # what is not asked for need not have labels
                others.append(_Split.of(argument, each, splits[each]))
    classes, differ = one_order((f"'{each.split}'", each.names) for each in (*others, chosen))
    elsewhere = [] if classes else [label for other in others for label in other.labels(classes)]
    what = f"the labels {chosen.label[0]!r} of hf:{argument}"
    found = number_labels(chosen.labels(classes), what, classes, elsewhere)
    note = (other_order(f"hf:{argument}", classes),) if differ else ()
    return chosen, Labeling(found.labels, found.classes, (*found.notices, *note))


def _names(feature: Any) -> tuple[str, ...]:
    """Return the names of the classes of a `ClassLabel`, or of a list of them."""
    while feature is not None and not hasattr(feature, "names"):
        feature = getattr(feature, "feature", None)
    return () if feature is None else tuple(feature.names or ())
