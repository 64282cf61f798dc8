"""What is in the images: a file of annotations in COCO's format, read once and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from passband.files import digest
from passband.notices import Notice


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
class Annotations:
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
