"""What is in the images: a file of annotations in COCO's format, read once and checked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from passband.brief import Brief
from passband.errors import InputError
from passband.files import digest, read_json
from passband.notices import Notice
from passband.rows import OBJECT_COLUMNS


@dataclass(frozen=True)
class Picture:
    """One image of the annotations.

    Attributes:
        id: By which objects, detections and result files call it.
        file_name: Relative to the folder of images.
        height: In pixels.
        width: In pixels.
    """

    id: int
    file_name: str
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Annotations(Brief):
    """The images, the categories, and what is where.

    Attributes:
        name: What the data are called.
        source: Where they come from.
        pictures: The images, ascending by id.
        categories: Names by their ids, ascending.
        objects: A row an object, with the columns `passband.rows.OBJECT_COLUMNS`, in the order of the file.
        notices: What was left out, and what is to be known of the rest.
    """

    name: str
    source: str
    pictures: tuple[Picture, ...]
    categories: Mapping[int, str]
    objects: pl.DataFrame
    notices: tuple[Notice, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """A hash of images, categories and objects; pixels are not in it."""
        pictures = [(each.id, each.file_name, each.height, each.width) for each in self.pictures]
        return digest(
            repr(pictures).encode(),
            repr(sorted(self.categories.items())).encode(),
            repr(self.objects.rows()).encode(),
        )


@dataclass(frozen=True)
class _Document:
    """A file that is being read: where it is, and what JSON holds."""

    path: Path
    content: dict[str, Any]

    def refuse(self, what: str) -> InputError:
        return InputError(f"{self.path}: {what}")

    def part(self, key: str) -> list[dict[str, Any]]:
        """Return one of the lists of the file."""
        found = self.content.get(key)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self.refuse(
                f"annotations in COCO's format have lists of objects called images, annotations and categories; {key!r} is "
                + ("missing" if found is None else "something else")
            )
        return found

    def unique(self, key: str) -> dict[int, dict[str, Any]]:
        """Return what is in a list by its ids, in the order of the file."""
        found: dict[int, dict[str, Any]] = {}
        for position, each in enumerate(self.part(key)):
            number = self.number(each, "id", f"{key}[{position}]")
            if number in found:
                raise self.refuse(f"two entries of {key!r} have the id {number}")
            found[number] = each
        return found

    def number(self, entry: Mapping[str, Any], key: str, where: str) -> int:
        """Return a whole number, also one that is written 7.0."""
        found = entry.get(key)
        if isinstance(found, bool) or not isinstance(found, int | float) or found != int(found):
            raise self.refuse(f"{where} needs {key!r}, a whole number; it has {found!r}")
        return int(found)


def read_annotations(path: Path) -> Annotations:
    """Read a file of annotations in COCO's format: `images`, `annotations` and `categories`.

    What COCO's own tools pass over is passed over and counted in a notice: objects of images or categories that the file does
    not have. An object without an area has that of its box, one without `iscrowd` is none. Outlines are not read.

    Raises:
        InputError: If the file is missing, is no JSON, or lacks something; if an id comes twice; if a box has no four finite
            numbers, or a negative side.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: annotations in COCO's format are an object with images, annotations and categories, got "
            f"{type(content).__name__}" + (". Is it a file of results?" if isinstance(content, list) else "")
        )
    document = _Document(path, content)
    pictures = tuple(
        _picture(document, number, each) for number, each in sorted(document.unique("images").items())
    )
    if not pictures:
        raise document.refuse("there are no images in it")
    names = [each.file_name for each in pictures]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise document.refuse(f"two images have the file name {twice!r}")
    categories = {
        number: _name(document, each) for number, each in sorted(document.unique("categories").items())
    }
    if not categories:
        raise document.refuse("there are no categories in it")
    objects, notices = _objects(document, pictures, categories)
    return Annotations(path.stem, str(path), pictures, categories, objects, notices)


def _picture(document: _Document, number: int, entry: Mapping[str, Any]) -> Picture:
    where = f"image {number}"
    name = entry.get("file_name")
    if not isinstance(name, str) or not name:
        raise document.refuse(f"{where} needs 'file_name', a text; it has {name!r}")
    height, width = (document.number(entry, side, where) for side in ("height", "width"))
    if min(height, width) < 1:
        raise document.refuse(f"{where} has {height}x{width} pixels (height x width); a side has at least 1")
    return Picture(number, name, height, width)


def _name(document: _Document, entry: Mapping[str, Any]) -> str:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise document.refuse(f"category {entry['id']} needs 'name', a text; it has {name!r}")
    return name


def _objects(
    document: _Document, pictures: tuple[Picture, ...], categories: Mapping[int, str]
) -> tuple[pl.DataFrame, tuple[Notice, ...]]:
    """Return the table of objects, and what is to be known of them."""
    sizes = {each.id: each for each in pictures}
    rows, count = [], Counter[str]()
    for number, each in document.unique("annotations").items():
        where = f"annotation {number}"
        image, category = (document.number(each, key, where) for key in ("image_id", "category_id"))
        box = _box(document, where, each)
        if image not in sizes or category not in categories:
            count["of images" if image not in sizes else "of categories"] += 1
            continue
        area = each.get("area")
        if area is None:
            count["without an area"] += 1
            area = box[2] * box[3]
        if isinstance(area, bool) or not isinstance(area, int | float) or not 0 <= area < math.inf:
            raise document.refuse(f"{where} needs an 'area' of at least 0, it has {area!r}")
        count["empty"] += min(box[2:]) == 0
        count["outside"] += not _overlaps(box, sizes[image])
        rows.append((number, image, category, *box, float(area), bool(each.get("iscrowd", 0))))
    said = {
        "of images": "{} are in images that the file does not have, and are left out",
        "of categories": "{} are of categories that the file does not have, and are left out",
        "without an area": "{} have no area: that of the box decides whether they are small, medium or large",
        "empty": "{} have a box without an area, which nothing can match",
        "outside": "{} lie wholly outside their image, where nothing can find them",
    }
    mild = ("without an area",)
    notices = tuple(
        Notice(
            "data",
            f"of {len(document.part('annotations')):,} objects, {words.format(f'{count[kind]:,}')}",
            warning=kind not in mild,
        )
        for kind, words in said.items()
        if count[kind]
    )
    if not rows:
        raise document.refuse("there are no objects in its images: nothing could be found in them")
    return pl.DataFrame(rows, schema=OBJECT_COLUMNS, orient="row"), notices


def _box(document: _Document, where: str, entry: Mapping[str, Any]) -> tuple[float, float, float, float]:
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_finite(side) for side in box):
        hint = " Captions and panoptic files have none." if box is None else ""
        raise document.refuse(
            f"{where} needs 'bbox', the numbers [x, y, width, height]; it has {box!r}.{hint}"
        )
    if min(box[2:]) < 0:
        raise document.refuse(
            f"{where} has a box with a negative side, {box}; boxes are [x, y, width, height], and no corners"
        )
    x, y, width, height = map(float, box)
    return x, y, width, height


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _overlaps(box: tuple[float, float, float, float], picture: Picture) -> bool:
    x, y, width, height = box
    return x < picture.width and y < picture.height and x + width > 0 and y + height > 0
