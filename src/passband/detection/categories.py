"""Labels become categories: by what they are, by their names, or by a table."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from passband.detection.annotations import Annotations
from passband.detection.objects import Detections
from passband.errors import InputError, UnknownNameError, few
from passband.files import read_json
from passband.notices import Notice

POSITIONS = {"index0": 0, "index1": 1}
"""Readings by which labels are positions among the categories, ascending by id, and what the first position is called."""

READINGS = ("ids", *POSITIONS, "names")

LISTED = 8  # labels or names that a message lists at most


@dataclass(frozen=True)
class Labeling:
    """How labels are read.

    Attributes:
        said: In the words of `--label-ids`.
        categories: The category of each label, by ids.
        all_known: Whether a label without a category is an error; else the detector knows more than the annotations.
        notices: What of it must be known.
    """

    said: str
    categories: Mapping[int, int]
    all_known: bool
    notices: tuple[Notice, ...] = ()

    def read(self, found: Detections) -> tuple[Detections, Counter[int]]:
        """Return detections with categories for labels, and how many were left out, by their labels.

        Raises:
            InputError: If labels have no category and all must have one.
        """
        labels = found.labels.tolist()
        known = torch.tensor([label in self.categories for label in labels], dtype=torch.bool)
        left_out = Counter(label for label in labels if label not in self.categories)
        if left_out and self.all_known:
            raise InputError(self.misfit(left_out))
        kept = torch.tensor(
            [self.categories[label] for label in labels if label in self.categories], dtype=torch.int64
        )
        return Detections(found.boxes[known], found.scores[known], kept), left_out

    def misfit(self, labels: Counter[int]) -> str:
        """Return what is said of labels without a category."""
        listed = few([str(label) for label in sorted(labels)], LISTED)
        ids = sorted(set(self.categories.values()))
        if self.said == "ids":
            why = (
                f"no ids of categories, which are {ids[0]} to {ids[-1]}{_gaps(ids)}"
                if ids
                else "no ids of categories"
            )
        else:
            of = f"{min(self.categories)} to {max(self.categories)}" if self.categories else "none"
            why = f"beyond the {len(ids)} categories, which --label-ids {self.said} numbers {of}"
        return (
            f"{labels.total():,} detections have labels that are {why}: {listed}. If labels count the categories, ascending by id, "
            f"give --label-ids index0 (from 0 on) or index1 (from 1 on); else a JSON file of a dict from labels to ids or names."
        )

    def about(self, left_out: Counter[int]) -> tuple[Notice, ...]:
        """Return what is said of all detections that were left out."""
        if not left_out:
            return ()
        listed = few([str(label) for label, _ in left_out.most_common()], LISTED)
        return (
            Notice(
                "fit",
                f"{left_out.total():,} detections were left out whose labels have no category in the annotations: {listed}",
                warning=False,
            ),
        )


def read_labels(
    label_ids: str | Path | None, annotations: Annotations, label_names: Mapping[int, str] | None = None
) -> Labeling:
    """Return how labels are read.

    Args:
        label_ids: `"ids"`: labels are ids of categories. `"index0"`, `"index1"`: positions among the categories, ascending by
            id, from 0 or 1 on. `"names"`: by what the detector calls its labels. Else a JSON file, a dict from labels to ids
            or names of categories. None is by name where the detector names its labels, else `"ids"`.
        annotations: The categories.
        label_names: What the detector calls its labels.

    Raises:
        InputError: If there are no names, none is a category's, two categories share one, or the file holds something else.
        UnknownNameError: If it is none of these, and no file.
    """
    ids = sorted(annotations.categories)
    if label_ids is None:
        label_ids = "ids" if label_names is None else "names"
    if label_ids == "ids":
        return Labeling("ids", {each: each for each in ids}, all_known=True)
    if label_ids in POSITIONS:
        start = POSITIONS[str(label_ids)]
        return Labeling(str(label_ids), dict(enumerate(ids, start)), all_known=True)
    if label_ids == "names":
        if label_names is None:
            raise InputError(
                "the detector does not say what its labels are called. Give --label-ids ids, index0, index1, or a JSON file."
            )
        return _by_name("names", label_names, annotations)
    path = Path(label_ids)
    if not path.is_file() and path.suffix != ".json":
        raise UnknownNameError("reading of labels (or JSON file of one)", str(label_ids), READINGS)
    return _from_table(path, annotations)


def map_labels(found: pl.DataFrame, labeling: Labeling) -> tuple[pl.DataFrame, tuple[Notice, ...]]:
    """Return a table of detections, such as a results file, with categories for labels, and what was left out.

    Raises:
        InputError: If labels have no category and all must have one.
    """
    known = pl.col("category").is_in(list(labeling.categories))
    other = found.filter(~known).get_column("category").to_list()
    if other and labeling.all_known:
        raise InputError(labeling.misfit(Counter(other)))
    mapped = found.filter(known).with_columns(
        pl.col("category").replace_strict(dict(labeling.categories), return_dtype=pl.Int64)
    )
    return mapped, labeling.about(Counter(other))


def _by_name(said: str, names: Mapping[int, str], annotations: Annotations) -> Labeling:
    """Match labels with categories by their names: as they are written, or else without regard to case and underscores."""
    found: dict[int, int] = {}
    for spell in (str, _plain):
        known: defaultdict[str, list[int]] = defaultdict(list)
        for category, name in annotations.categories.items():
            known[spell(name)].append(category)
        for label, name in names.items():
            same = known.get(spell(name), ())
            if label not in found and len(same) > 1:
                raise InputError(
                    f"categories {' and '.join(map(str, same))} share the name {name!r}, so that labels cannot be matched by name. "
                    f"Give --label-ids ids, index0, index1, or a JSON file of a dict from labels to ids."
                )
            if same:
                found.setdefault(label, same[0])
    if not found and names:
        raise InputError(
            f"no name of a label is that of a category. Labels are called {_listed(names.values())}; categories "
            f"{_listed(annotations.categories.values())}. Give --label-ids ids, index0 or index1, or a JSON file of a dict from "
            f"labels to ids or names."
        )
    return Labeling(said, found, all_known=False, notices=_unheard(found, annotations))


def _unheard(found: Mapping[int, int], annotations: Annotations) -> tuple[Notice, ...]:
    """Return what is said of categories that no label stands for: a detector can only miss them."""
    missing = [name for each, name in annotations.categories.items() if each not in set(found.values())]
    if not missing:
        return ()
    return (
        Notice(
            "fit",
            f"{len(missing)} of {len(annotations.categories)} categories are the name of no label, so that their objects can only be "
            f"missed: {_listed(missing)}. A JSON file for --label-ids can say which labels they are.",
        ),
    )


def _from_table(path: Path, annotations: Annotations) -> Labeling:
    table = read_json(path)
    if not isinstance(table, dict) or not table:
        raise InputError(
            f'{path} must hold a dict from labels to ids or names of categories, such as {{"0": 1}}'
        )
    found: dict[int, int] = {}
    names: dict[int, str] = {}
    for key, value in table.items():
        if not re.fullmatch(r"-?\d+", key):
            raise InputError(f"labels in {path} are whole numbers, got {key!r}")
        if isinstance(value, str):
            names[int(key)] = value
        elif isinstance(value, bool) or not isinstance(value, int) or value not in annotations.categories:
            raise InputError(
                f"{path} says that label {key} is category {value!r}, and there is none; ids are {_listed(annotations.categories)}"
            )
        else:
            found[int(key)] = value
    if names:
        by_name = _by_name(str(path), names, annotations).categories
        strange = sorted(set(names) - set(by_name))
        if strange:
            raise InputError(
                f"{path} names categories that do not exist: {_listed(names[each] for each in strange)}"
            )
        found |= by_name
    return Labeling(str(path), found, all_known=False, notices=_unheard(found, annotations))


def _plain(name: str) -> str:
    return re.sub(r"[\s_/-]+", " ", name.strip()).casefold()


def _gaps(ids: Sequence[int]) -> str:
    missing = ids[-1] - ids[0] + 1 - len(ids)
    return f" with {missing} gaps" if missing else ""


def _listed(values: Iterable[object]) -> str:
    return few([str(value) for value in values], LISTED)
