"""Phantom scenes: pictures whose objects are told apart by their shape, their texture, or both, so that the answer of an
audit of a detector is known.

Each scene is a background of 1/f noise in color, with objects of several sizes that overlap, among others that belong to
no class. A thing has a *shape*, a soft outline whose frequencies end at `SHAPE_FREQUENCY`, and a *texture*, a fine
grating under a round window whose frequencies begin at `TEXTURE_FREQUENCY`. Both fill its box, whatever they are: so it
is found in the LFC and in the HFC, and either says what it is as often as it is asked to. What belongs to no class has
an irregular outline and a texture of noise; where a cue is not to be relied on, its outline or its texture are those of
a class too, and may be faint: so such a cue does not even tell what is an object. All frequencies between the two bands are empty, up to
the rounding to bytes.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import torch

from passband.checks import check_at_least_one
from passband.data.images import MEMORY_LIMIT
from passband.data.phantom import NUMBER, SIZE, WHOLE, check_option, parse_options
from passband.detection.annotations import Annotations, Picture
from passband.detection.dataset import DetectionDataset, in_memory
from passband.detection.drawing import MAX_CLASSES, MIN_SIDE, Thing, draw_scene
from passband.errors import InputError, UnknownNameError
from passband.rows import OBJECT_COLUMNS
from passband.types import Subset

COUNTS: dict[Subset, int] = {"train": 1_500, "test": 300}
"""How many scenes there are unless another number is asked for."""

MIN_SIZE = 64
_OBJECTS = (2, 7)
_OTHERS = (0, 3)  # things without a class
_LARGEST = 0.36  # longest side, of the picture's shorter one
_ASPECT = 0.2  # logarithm of the most by which a side is longer or shorter than the other
_HIDDEN = 0.4  # the most of an object's box that others may cover
_TRIES = 12

_OPTIONS = {"count": WHOLE, "classes": WHOLE, "size": SIZE, "shape": NUMBER, "texture": NUMBER, "seed": WHOLE}


def make_scenes(
    count: int,
    *,
    classes: int = 4,
    size: int | tuple[int, int] = 128,
    shape: float = 1.0,
    texture: float = 1.0,
    seed: int = 0,
    subset: Subset = "test",
) -> DetectionDataset:
    """Make phantom scenes. The same arguments give the same bytes on every machine; fewer scenes give a prefix.

    A scene has two to seven objects, and up to three things without a class. Sides of boxes, in whole pixels, are from 16 to
    0.36 of the picture's shorter side. What is drawn later covers what was drawn before, of each box at most 0.4; what finds
    no such place in twelve tries is left out. Areas are those of the boxes.

    Args:
        count: How many scenes.
        classes: How many classes, 2 to 6. Categories are numbered from 1.
        size: Height and width in pixels, 64 or more; an int for a square.
        shape: Probability that a thing's shape is that of its class, or the irregular one of no class, in [0, 1].
            Otherwise the shape is drawn from those of all classes alike, and is fainter, up to not being seen: at 0 it
            tells nothing.
        texture: The same for its texture.
        seed: Which scenes.
        subset: `"train"` and `"test"` are different scenes of the same classes.

    Raises:
        InputError: If an argument is out of its range, or the scenes do not fit in memory.
    """
    height, width = size if isinstance(size, tuple) else (size, size)
    check_option("count", count, 1, math.inf)
    check_option("classes", classes, 2, MAX_CLASSES)
    check_option("the shorter side", min(height, width), MIN_SIZE, math.inf)
    check_option("shape", shape, 0, 1)
    check_option("texture", texture, 0, 1)
    check_option("seed", seed, 0, math.inf)
    if subset not in COUNTS:
        raise UnknownNameError("subset", subset, COUNTS)
    if count * 3 * height * width > MEMORY_LIMIT:
        raise InputError(
            f"{count:,} scenes of {height}x{width} pixels take {count * 3 * height * width / 2**30:.1f} GiB, more than "
            f"{MEMORY_LIMIT / 2**30:g}. Make fewer or smaller ones."
        )

    images, pictures, rows = [], [], []
    for index in range(count):
        layout, pixels = (
            np.random.Generator(np.random.PCG64(stream))
            for stream in np.random.SeedSequence([seed, int(subset == "train"), index]).spawn(2)
        )  # a scene's own, so that it does not depend on how many there are
        things = _place(layout, classes, (height, width))
        images.append(torch.from_numpy(draw_scene(things, pixels, classes, shape, texture, (height, width))))
        pictures.append(Picture(index + 1, f"{subset}-{index:06}.png", height, width))
        rows += [
            (index + 1, each.label + 1, each.left, each.top, each.width, each.height)
            for each in things
            if each.label >= 0
        ]
    return in_memory(
        Annotations(
            f"phantom scenes (shape {shape:g}, texture {texture:g})",
            f"phantom:shape={shape:g},texture={texture:g},classes={classes},size={height}x{width},seed={seed},count={count}",
            tuple(pictures),
            {label + 1: f"class {label}" for label in range(classes)},
            _objects(rows),
        ),
        images,
    )


def load_scenes(source: str, subset: Subset = "test", *, limit: int | None = None) -> DetectionDataset:
    """Make the scenes that a source describes, such as `phantom` or `phantom:shape=1,texture=0,size=128,count=300`.

    Args:
        source: Its options are those of `make_scenes`; `size` may be two sides, `96x128` (height x width). Without a count,
            there are as many as `COUNTS` has.
        subset: `"train"` or `"test"`.
        limit: Make at most so many, from the first on; None makes all.

    Raises:
        InputError: If the source is another, or an option is unknown, is not a number or out of its range.
    """
    kind, _, argument = source.partition(":")
    if kind != "phantom":
        raise InputError(f"scenes are made by a phantom, such as 'phantom:shape=1,texture=0', got {source!r}")
    check_at_least_one("limit", limit)
    options = parse_options(argument, _OPTIONS)
    count = options.pop("count", COUNTS[subset])
    return make_scenes(count if limit is None else min(count, limit), subset=subset, **options)


def _objects(rows: list[tuple[int, ...]]) -> pl.DataFrame:
    names = ["image", "category", "x", "y", "width", "height"]
    table = pl.DataFrame(rows, schema=names, orient="row").with_row_index("object", offset=1)
    return table.with_columns(area=pl.col("width") * pl.col("height"), crowd=pl.lit(False)).cast(
        dict(OBJECT_COLUMNS)
    )


def _place(rng: np.random.Generator, classes: int, size: tuple[int, int]) -> list[Thing]:
    """Return what is in a scene, what is behind first."""
    numbers = [int(rng.integers(least, most + 1)) for least, most in (_OBJECTS, _OTHERS)]
    kinds = rng.permutation(np.repeat([True, False], numbers))
    largest = _LARGEST * min(size)
    placed: list[Thing] = []
    covered: list[int] = []
    for has_class in kinds:
        label = int(rng.integers(classes)) if has_class else -1
        draws = rng.random((2, 10))
        for side, aspect, down, across in rng.random((_TRIES, 4)):
            longer = MIN_SIDE + (largest - MIN_SIDE) * side
            stretch = math.exp(_ASPECT * (2 * aspect - 1))
            height, width = (round(max(MIN_SIDE, min(largest, longer * by))) for by in (stretch, 1 / stretch))
            top, left = int(down * (size[0] - height + 1)), int(across * (size[1] - width + 1))
            thing = Thing(left, top, width, height, label, draws)
            hidden = [was + _shared(thing, other) for was, other in zip(covered, placed, strict=True)]
            if all(
                area <= _HIDDEN * other.width * other.height
                for area, other in zip(hidden, placed, strict=True)
            ):
                placed.append(thing)
                covered = [*hidden, 0]
                break
    return placed


def _shared(one: Thing, other: Thing) -> int:
    """Return how many pixels two boxes share."""
    across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    return max(across, 0) * max(down, 0)
