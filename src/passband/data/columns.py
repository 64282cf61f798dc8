"""Which columns of a table hold the images and their labels, by the names that people give them."""

from __future__ import annotations

from collections.abc import Sequence

from passband.errors import InputError
from passband.notices import Notice

IMAGE_COLUMNS = (
    "image",
    "img",
    "images",
    "pixel_values",
    "picture",
    "photo",
    "image_bytes",
    "bytes",
    "jpg",
    "jpeg",
    "png",
    "webp",
    "x",
    "image_path",
    "file_name",
    "filename",
    "file",
    "path",
)
LABEL_COLUMNS = (
    "label",
    "labels",
    "fine_label",
    "fine_labels",
    "class",
    "target",
    "targets",
    "cls",
    "y",
    "class_label",
    "class_id",
    "label_id",
    "category",
    "class_name",
    "label_name",
    "coarse_label",
    "coarse_labels",
)
"""Names of columns, whatever their case, in the order tried."""

SAME_MEANING = {"class_name", "label_name", "coarse_label", "coarse_labels"}
"""Columns that usually stand beside the label, and say it in words or more roughly."""


def choose_column(
    what: str, names: Sequence[str], columns: Sequence[str], typed: Sequence[str], where: str
) -> tuple[str, tuple[Notice, ...]]:
    """Return the column that holds images or labels, and what must be known of the choice.

    Args:
        what: `"image"` or `"label"`.
        names: What such a column is called, in the order tried.
        columns: The table's columns that could be it.
        typed: Those that the table itself declares to be it: one alone is taken whatever its name.
        where: The table, for messages.

    Raises:
        InputError: If there is none.

    Example:
        >>> column, notices = choose_column("label", LABEL_COLUMNS, ["Class", "target"], [], "a.parquet")
        >>> print(column, *notices)
        Class Warning: the column 'Class' is taken for the label of a.parquet, which has 'target' too
    """
    known = {column.lower(): column for column in reversed(columns)}
    found = [known[name] for name in names if name in known]
    if not found:
        if len(typed) == 1:
            return typed[0], ()
        raise InputError(
            f"{where} must have a column for the {what} called {', '.join(map(repr, names[:4]))} or the like, and has "
            f"{', '.join(map(repr, columns)) or 'none'}. Rename it, such as to {names[0]!r}"
        )
    chosen, others = found[0], found[1:]
    if not others:
        return chosen, ()
    note = Notice(
        "data",
        f"the column {chosen!r} is taken for the {what} of {where}, which has {' and '.join(map(repr, others))} too",
        warning=not {other.lower() for other in others} <= SAME_MEANING,
    )
    return chosen, (note,)
