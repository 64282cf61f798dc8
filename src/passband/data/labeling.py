"""From labels as files have them, numbers or text, to class numbers and the names of the classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from passband.errors import InputError, few
from passband.notices import Notice

MOST_CLASSES = 100_000
"""Higher labels are numbers of something else than classes."""

UNLABELED = -1


@dataclass(frozen=True)
class Labeling:
    """Class numbers, and what they mean.

    Attributes:
        labels: The class of each sample, shaped (samples,); `UNLABELED` where it has none.
        classes: The names of the classes.
        notices: How the labels were read, where there was a choice.
    """

    labels: np.ndarray
    classes: tuple[str, ...]
    notices: tuple[Notice, ...] = ()


def number_labels(
    stored: Sequence[Any], what: str, names: Sequence[str] = (), others: Sequence[Any] = ()
) -> Labeling:
    """Turn stored labels into class numbers.

    Whole numbers are class numbers, as floats too; text is a class's name, or its number. A list of one is its content, a
    list of zeros with a single one among them is that one's place. Without a label is what is null, NaN or negative.
    Labels of all samples that are 1, 2, ... K, and never 0, count from 1: they are shifted. Text that is no number is sorted.

    Args:
        stored: One label a sample: None, a bool, a number, text, or a list.
        what: What they are, for messages.
        names: The names of the classes; default is what the labels say, or else "0", "1", and so on.
        others: Labels of the other subsets, since a subset may lack a class.

    Raises:
        InputError: If they are fractions, several a sample, or numbers that cannot be those of classes.

    Example:
        >>> number_labels(["dog", "ant", None], "label").labels.tolist()
        [1, 0, -1]
    """
    values, notices, places = _unwrap([*stored, *others], what)
    if places and names and len(names) != places:
        raise InputError(f"{what} are one-hot, of {places} classes, and {len(names)} have names")
    names = names or tuple(map(str, range(places)))
    kinds = {_kind(value) for value in values if value is not None}
    if len(kinds) > 1 or not kinds <= {"number", "text"}:
        raise InputError(
            f"{what} must be whole numbers or names of classes, got {' and '.join(sorted(kinds))}"
        )
    if kinds == {"text"}:
        texts = [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values]
        found = _number_texts(texts, what, names)
    else:
        found = _number_numbers(values, what, names)
    return Labeling(found.labels[: len(stored)], found.classes, (*notices, *found.notices))


def _kind(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return "number"
    return "text" if isinstance(value, str | bytes) else f"a {type(value).__name__}"


def _unwrap(values: list[Any], what: str) -> tuple[list[Any], tuple[Notice, ...], int]:
    """Take the content of lists of one, and the place of the one in lists of zeros, and return how many places there are."""
    if not any(isinstance(value, list | tuple) for value in values):
        return values, (), 0
    rows = [value if isinstance(value, list | tuple) else [value] for value in values]
    lengths = {len(row) for row in rows if row}
    if lengths <= {1}:
        return [row[0] if row else None for row in rows], (), 0
    if len(lengths) == 1:
        table = np.array([row for row in rows if row], object)
        if np.isin(table, (0, 1)).all() and ((table == 1).sum(axis=1) == 1).all():
            note = Notice("data", f"{what} are one-hot: the place of the 1 is the class", warning=False)
            return [list(row).index(1) if row else None for row in rows], (note,), table.shape[1]
    raise InputError(
        f"{what} must be one class a sample, got lists of {', '.join(map(str, sorted(lengths)))} values that are not one-hot. "
        "Images of several classes, and probabilities, cannot be judged right or wrong: labels.argmax(1) takes the likeliest"
    )


def _number_texts(values: Sequence[str | None], what: str, names: Sequence[str]) -> Labeling:
    found = {value for value in values if value is not None}
    if names and found <= set(names):
        if len(set(names)) < len(names):
            raise InputError(f"{what} are names, and {_repeated(names)!r} is the name of several classes")
        return Labeling(_places(values, names), tuple(names))
    if numbers := all(value.isascii() and value.isdigit() for value in found):
        by_number = sorted(found, key=lambda value: (int(value), value))
        order = ()
        if by_number != sorted(found):
            message = f"{what} are text, and numbers: the classes are in the order of numbers, {_listed(by_number)}. A model that "
            message += (
                f"was trained with them in the order of text, {_listed(sorted(found))}, needs --class-indices"
            )
            order = (Notice("order", message),)
        whole = all(str(int(value)) == value for value in found)
        if whole and (names or max(map(int, found), default=0) < 2 * len(found)):
            read = _number_numbers([None if value is None else int(value) for value in values], what, names)
            return replace(read, notices=(*(() if names else order), *read.notices))
    if names:
        raise InputError(
            f"{what} must be among the names of the classes, and {min(found - set(names))!r} is none of {_listed(names)}"
        )
    if numbers:
        return Labeling(_places(values, by_number), tuple(by_number), order)
    classes = sorted(found)
    note = Notice(
        "data", f"{what} are text: the classes are in alphabetical order, {_listed(classes)}", warning=False
    )
    return Labeling(_places(values, classes), tuple(classes), (note,))


def _number_numbers(values: Sequence[Any], what: str, names: Sequence[str]) -> Labeling:
    missing = [value is None or value != value for value in values]  # NaN is not itself
    present = [value for value, none in zip(values, missing, strict=True) if not none]
    for value in present:
        if isinstance(value, float) and not value.is_integer():
            raise InputError(
                f"{what} must be whole numbers, the classes, got {value:g}. Quantities, and several labels mixed, are no classes"
            )
    used = {int(value) for value in present if value >= 0}
    highest = max(used, default=-1)
    if highest >= MOST_CLASSES:
        raise InputError(
            f"{what} must be the numbers of classes, below {MOST_CLASSES:,}, got {highest:,}: numbers of something else? "
            "Give each class a number from 0 on, or a name"
        )
    labels = np.array(
        [
            UNLABELED if none else max(int(value), UNLABELED)
            for value, none in zip(values, missing, strict=True)
        ],
        np.int64,
    )
    from_one = len(used) > 1 and used == set(range(1, highest + 1)) and len(names) in (0, highest)
    if from_one:
        shifted = Notice(
            "data",
            f"{what} are 1 to {highest} and never 0, so they are taken to count from 1: label 1 is class 0, a model's first output",
        )
        classes = tuple(names) or tuple(str(number) for number in range(highest))
        return Labeling(np.where(labels > 0, labels - 1, UNLABELED), classes, (shifted,))
    if names:
        return Labeling(labels, tuple(names))
    if present and all(isinstance(value, bool) for value in present):
        return Labeling(labels, ("False", "True"))
    notices = ()
    if used and 0 not in used:
        notices = (
            Notice(
                "data",
                f"no image has the label 0 in {what}: if labels count from 1, every answer would be held against the class "
                "after the right one. Subtract 1 then, or give the names of the classes",
            ),
        )
    return Labeling(labels, tuple(str(number) for number in range(highest + 1)), notices)


def one_order(lists: Iterable[tuple[str, Sequence[str]]]) -> tuple[tuple[str, ...], bool]:
    """Return one list of classes for several files that name them, and whether the files differ.

    It is the longest, of several as long the first; the others must hold no name beside.

    Args:
        lists: Each file's name and its classes; a file that names none is left out.

    Raises:
        InputError: If classes cannot be told from each other by name.

    Example:
        >>> one_order([("train", ("ant", "bee")), ("test", ("bee", "ant"))])
        (('ant', 'bee'), True)
    """
    named = [(file, tuple(names)) for file, names in lists if names]
    if not named:
        return (), False
    reference, classes = max(named, key=lambda each: len(each[1]))
    if all(names == classes for _, names in named):
        return classes, False
    for file, names in named:
        if names != classes and (len(set(names)) < len(names) or len(set(classes)) < len(classes)):
            raise InputError(
                f"{reference} and {file} name the classes differently, and {_repeated(names) or _repeated(classes)!r} is the "
                "name of several, so they cannot be paired by name. Write both with one list"
            )
        if extra := [name for name in names if name not in classes]:
            raise InputError(
                f"the files of a data set must name the same classes, and {file} has {_listed(extra)}, which {reference} "
                f"lacks: it has {_listed(classes)}. Give one of the files itself, or write both with one list"
            )
    return classes, True


def renumber(labels: Sequence[Any], names: Sequence[str], classes: Sequence[str], what: str) -> list[Any]:
    """Turn class numbers of a file into those of a list of classes that `one_order` returned.

    Args:
        labels: As stored; what is no number is left as it is.
        names: What the file calls its classes; none if it does not say.
        classes: The list.
        what: The file, for messages.

    Raises:
        InputError: If a label is higher than the file's names.

    Example:
        >>> renumber([0, None, 1], ["bee", "ant"], ["ant", "bee"], "a.parquet")
        [1, None, 0]
    """
    if not names or tuple(names) == tuple(classes):
        return list(labels)
    place = [classes.index(name) for name in names]

    def new(label: Any) -> Any:
        if isinstance(label, list):
            if len(label) > 1:
                raise InputError(
                    f"{what} names the classes in another order than other files, and its labels are lists"
                )
            return [new(each) for each in label]
        if not isinstance(label, int | float) or not label >= 0:
            return label
        if label != int(label) or label >= len(place):
            raise InputError(f"{what} names {len(place)} classes, and has the label {label:g}")
        return place[int(label)]

    return [new(label) for label in labels]


def other_order(where: str, classes: Sequence[str]) -> Notice:
    """Return what must be known where `one_order` found several orders."""
    return Notice(
        "data",
        f"the files in {where} name the classes differently; labels are mapped by name to {_listed(classes)}",
    )


def _places(values: Sequence[str | None], classes: Sequence[str]) -> np.ndarray:
    place = {name: number for number, name in enumerate(classes)}
    return np.array([UNLABELED if value is None else place[value] for value in values], np.int64)


def _repeated(names: Sequence[str]) -> str | None:
    return next((name for name in names if names.count(name) > 1), None)


def _listed(names: Sequence[str]) -> str:
    """Return the first names, quoted, so that a line break within one does not break the message."""
    return few([repr(name[:40]) for name in names], 5)
