"""Tables of boxes as arrays: checked, with positions in place of ids, the surest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float, Int64

from passband.errors import LISTED, InputError, few

SIDES = ("x", "y", "width", "height")


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes with the positions of their images and categories.

    Attributes:
        image: Where the image stands among all images.
        category: Likewise.
        pair: A number for both, ascending by image.
        sides: Left and upper edge, width and height in pixels.
    """

    image: Int64[np.ndarray, " boxes"]
    category: Int64[np.ndarray, " boxes"]
    pair: Int64[np.ndarray, " boxes"]
    sides: Float[np.ndarray, "boxes 4"]

    def __getitem__(self, chosen: np.ndarray) -> Boxes:
        """Return some of them."""
        return Boxes(self.image[chosen], self.category[chosen], self.pair[chosen], self.sides[chosen])


def read_boxes(
    table: pl.DataFrame,
    columns: Mapping[str, object],
    what: str,
    images: Int64[np.ndarray, " images"],
    categories: Int64[np.ndarray, " categories"],
) -> Boxes:
    """Return a table's boxes.

    Args:
        table: A row a box.
        columns: What it must have.
        what: What one is called, such as `"detection"`.
        images: The ids of all images, ascending.
        categories: The ids of all categories, ascending.

    Raises:
        InputError: If an image or a category is unknown, a number is not finite, a box has a negative side, or columns are others.
    """
    for name, kind in columns.items():
        if table.schema.get(name) != kind:
            raise InputError(
                f"{what}s need the columns {', '.join(columns)}; {name} should be {kind}, got {table.schema.get(name)}"
            )
    numbers = [name for name in columns if table.schema[name].is_float()]
    _refuse(
        table,
        ~pl.all_horizontal(pl.col(numbers).is_finite().fill_null(False)),
        what,
        "are not finite",
        numbers,
    )
    _refuse(table, pl.any_horizontal(pl.col("width", "height") < 0), what, "have a negative side", SIDES)
    if "crowd" in columns:
        _refuse(table, pl.col("crowd").is_null(), what, "do not say whether they are a crowd", ["crowd"])
    image = _positions(table["image"], images, what, "images")
    category = _positions(table["category"], categories, what, "categories")
    return Boxes(image, category, image * len(categories) + category, table.select(SIDES).to_numpy())


def surest(
    boxes: Boxes, scores: Float[np.ndarray, " boxes"], most: int
) -> tuple[Int64[np.ndarray, " kept"], Int64[np.ndarray, " kept"]]:
    """Return which detections count, in the order in which COCO goes through them, and their ranks.

    Args:
        boxes: The detections.
        scores: How sure the detector is of each.
        most: How many count in an image and category, the surest first.

    Returns:
        Rows by category, falling score, image and row; and of each how many surer ones its image and category have.
    """
    order = np.lexsort((-scores, boxes.pair))  # stable: equal scores stay in their order
    first = np.flatnonzero(np.diff(boxes.pair[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    order, rank = order[rank < most], rank[rank < most]
    again = np.lexsort((-scores[order], boxes.category[order]))
    return order[again], rank[again]


def _refuse(table: pl.DataFrame, wrong: pl.Expr, what: str, how: str, shown: Sequence[str]) -> None:
    rows = table.filter(wrong)
    if len(rows):
        first = ", ".join(
            f"{name} {value}" for name, value in rows.select("image", *shown).row(0, named=True).items()
        )
        raise InputError(
            f"{len(rows):,} of {len(table):,} {what}s {how}, the first one with {first}. "
            "A box is its left and upper edge, its width and its height in pixels."
        )


def _positions(
    ids: pl.Series, known: Int64[np.ndarray, " known"], what: str, of: str
) -> Int64[np.ndarray, " boxes"]:
    """Return where ids stand among those that are known."""
    wrong = ids.is_null() if ids.has_nulls() else pl.Series(~np.isin(ids.to_numpy(), known))
    if wrong.any():
        listed = few([str(each) for each in ids.filter(wrong).unique(maintain_order=True)], LISTED)
        raise InputError(
            f"{wrong.sum():,} of {len(ids):,} {what}s are of {of} that the annotations do not have: {listed}. "
            f"They have {len(known):,}: {few([str(each) for each in known], LISTED)}"
        )
    return np.searchsorted(known, ids.to_numpy())
