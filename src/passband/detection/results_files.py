"""Detections in files: COCO's results, as any framework writes and reads them."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from passband.detection.annotations import Annotations
from passband.errors import InputError, few
from passband.files import read_json, write_file
from passband.notices import Notice
from passband.rows import DETECTION_COLUMNS

KEYS = ("image_id", "category_id", "bbox", "score")

MANY = 0.5
"""From which share of the images on without detections a results file is suspected to be of others."""

CHANCE = 1e-3
"""How unlikely it must be that the last images are without detections by chance, for a results file to be suspected to be cut
short."""


def read_results(path: Path, annotations: Annotations) -> pl.DataFrame:
    """Read a COCO results file: `[{"image_id", "category_id", "bbox": [x, y, width, height], "score"}, ...]`.

    Args:
        path: The file.
        annotations: The images. Categories are not looked at: `passband.detection.categories.map_labels` reads them.

    Returns:
        A row a detection, with the columns `passband.rows.DETECTION_COLUMNS`, in the order of the file.

    Raises:
        InputError: If it is not JSON, not a list of such, or holds what cannot be: an unknown image, an id that is no whole
            number, a number that is not finite, a negative width or height.
    """
    plain = read_json(path)
    if isinstance(plain, dict):
        raise InputError(
            f"{path} must hold a list of detections, it holds a dict with {few(list(plain), 5) or 'nothing'}"
            f"{': it is a file of annotations' if 'annotations' in plain else ''}. COCO's results are "
            f'[{{"image_id": 1, "category_id": 1, "bbox": [x, y, width, height], "score": 0.5}}, ...]'
        )
    if not isinstance(plain, list):
        raise InputError(f"{path} must hold a list of detections, it holds {plain!r:.50}")
    known = {each.id for each in annotations.pictures}
    rows = [_row(each, f"detection {number} in {path}") for number, each in enumerate(plain)]
    strange = Counter(row[0] for row in rows if row[0] not in known)
    if strange:
        raise InputError(
            f"{path} has {strange.total():,} detections in {len(strange):,} images that the annotations do not have, such as "
            f"{few([str(each) for each in sorted(strange)], 5)}; the annotations have {_span(known)}. Are the results of other "
            f"images? With --limit, results of the first images alone are wanted."
        )
    return pl.DataFrame(rows, schema=DETECTION_COLUMNS, orient="row")


def about_results(path: Path, table: pl.DataFrame, annotations: Annotations) -> tuple[Notice, ...]:
    """Return what is strange about results that can be read: of no images or few, cut short, or boxes that are not in pixels.

    Args:
        path: The file, for the message.
        table: What `read_results` returned.
        annotations: The images.
    """
    if table.is_empty():
        return (Notice("data", f"{path} is an empty list: nothing was found in any image"),)
    notices = []
    without = len(annotations.pictures) - table["image"].n_unique()
    if without > MANY * len(annotations.pictures):
        notices.append(
            Notice(
                "data",
                f"{path} has no detections in {without:,} of {len(annotations.pictures):,} images: is it whole?",
            )
        )
    elif last := _missing_at_the_end(table, annotations):
        notices.append(
            Notice(
                "data",
                f"{path} has no detections in the last {last:,} of {len(annotations.pictures):,} images, in the order of their ids, "
                f"and in {without - last:,} of those before: was the run that wrote it cut short?",
            )
        )
    beyond = _leaving(table, annotations)
    if 2 * beyond > len(table):
        notices.append(
            Notice(
                "data",
                f"{beyond:,} of {len(table):,} boxes in {path} leave their image: bbox is [x, y, width, height] in pixels of the image, "
                f"and these may be edges, or of another size",
            )
        )
    if len(table) >= 10 and bool((table.select("x", "y", "width", "height").max_horizontal() <= 1.5).all()):
        notices.append(
            Notice(
                "data",
                f"all boxes in {path} lie within the first pixel: they may be shares of the image, and must be pixels",
            )
        )
    return tuple(notices)


def _missing_at_the_end(table: pl.DataFrame, annotations: Annotations) -> int:
    """Return how many images at the end are without detections, or 0 if chance alone may have put them there.

    Were the k images with detections anywhere among the n, the last t would be without with a probability of at most
    (1 - t / n)^k.
    """
    found = set(table["image"])
    last = next(n for n, each in enumerate(reversed(annotations.pictures)) if each.id in found)
    return last if (1 - last / len(annotations.pictures)) ** len(found) < CHANCE else 0


def write_results(path: Path, table: pl.DataFrame) -> None:
    """Write detections as a COCO results file, whole or not at all; numbers are written so that they are read back the same.

    Args:
        path: The file.
        table: With the columns `passband.rows.DETECTION_COLUMNS`.

    Raises:
        InputError: If a number is not finite, which JSON cannot hold.
    """
    numbers = table.select("x", "y", "width", "height", "score")
    if not all(numbers.select(pl.all().is_finite().all()).row(0)):
        raise InputError(f"{path} cannot be written: detections with NaN or infinity")
    found = [
        {"image_id": image, "category_id": category, "bbox": box, "score": score}
        for image, category, *box, score in table.select(DETECTION_COLUMNS.names()).iter_rows()
    ]
    write_file(path, json.dumps(found, allow_nan=False).encode())


def _row(each: Any, what: str) -> tuple[int, int, float, float, float, float, float]:
    """Return a detection of a results file as a row."""
    if not isinstance(each, dict):
        raise InputError(f"{what} must be a dict with {', '.join(KEYS)}, got {each!r:.80}")
    missing = [key for key in KEYS if key not in each]
    if missing:
        masks = " It holds masks alone, and passband reads boxes." if "segmentation" in each else ""
        raise InputError(
            f"{what} lacks {' and '.join(missing)}; it has {', '.join(each) or 'nothing'}.{masks}"
        )
    box = each["bbox"]
    if not isinstance(box, list) or len(box) != 4:
        raise InputError(f"bbox of {what} must be [x, y, width, height], got {box!r:.80}")
    x, y, width, height, score = (_number(value, f"{what}: {each!r:.120}") for value in (*box, each["score"]))
    if width < 0 or height < 0:
        raise InputError(
            f"the box of {what} has a negative width or height: {box}. It must be [x, y, width, height]."
        )
    return (
        _id(each["image_id"], "image_id", what),
        _id(each["category_id"], "category_id", what),
        x,
        y,
        width,
        height,
        score,
    )


def _id(value: Any, key: str, what: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
        raise InputError(f"{key} of {what} must be a whole number, as in the annotations, got {value!r:.50}")
    return value


def _number(value: Any, what: str) -> float:
    try:
        if not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        pass
    raise InputError(f"edges and scores must be finite numbers, got {value!r:.50} in {what}")


def _leaving(table: pl.DataFrame, annotations: Annotations) -> int:
    """Return how many boxes leave their image by more than a tenth of its sides."""
    sizes = pl.DataFrame(
        [(each.id, each.width, each.height) for each in annotations.pictures],
        schema={"image": pl.Int64, "sides_x": pl.Int64, "sides_y": pl.Int64},
        orient="row",
    )
    right, lower = pl.col("x") + pl.col("width"), pl.col("y") + pl.col("height")
    leaves = (right > 1.1 * pl.col("sides_x")) | (lower > 1.1 * pl.col("sides_y"))
    return table.join(sizes, on="image").filter(leaves).height


def _span(ids: set[int]) -> str:
    return f"{len(ids):,} images, with ids {min(ids)} to {max(ids)}" if ids else "no images"
