"""Phantom scenes: pictures whose objects are told apart by their shape, their texture, or both, so that the answer of an
audit of a detector is known.

Each scene is a background of 1/f noise in color, with objects of several sizes that overlap, among others that belong to
no class. A thing has a *shape*, a soft outline whose frequencies end at `SHAPE_FREQUENCY`, and a *texture*, a fine
grating under a round window whose frequencies begin at `TEXTURE_FREQUENCY`. Both fill its box, whatever they are: so it
is found in the LFC and in the HFC, and either says what it is as often as it is asked to. What belongs to no class has
an irregular outline and a texture of noise; where a cue is not to be relied on, its outline or its texture are those of
a class too: so such a cue does not even tell what is an object. All frequencies between the two bands are empty, up to
the rounding to bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl
import torch

from passband.checks import check_at_least_one
from passband.data.images import MEMORY_LIMIT
from passband.data.phantom import NUMBER, SIZE, WHOLE, check_option, parse_options
from passband.detection.annotations import Annotations, Picture
from passband.detection.dataset import DetectionDataset, in_memory
from passband.errors import InputError, UnknownNameError
from passband.rows import OBJECT_COLUMNS
from passband.types import Subset

COUNTS: dict[Subset, int] = {"train": 1_500, "test": 300}
"""How many scenes there are unless another number is asked for."""

SHAPE_FREQUENCY = 0.16
"""All frequencies of shapes lie at or below it, in cycles per pixel."""

TEXTURE_FREQUENCY = 0.26
"""All frequencies of textures lie at or above it, in cycles per pixel."""

SPLIT_FREQUENCY = 0.2
"""A cut-off between the two: 25.6 cycles per image at 128 x 128 pixels."""

MIN_SIZE = 64
MIN_SIDE = 16
"""The shortest side of an object in pixels: its shape is resolved, and its texture's window leaves the grating's band."""

# In steps of 1/255. A low-frequency part within _LOW and a high-frequency part within +-_HIGH never clip together.
_BRIGHTNESS = (85.0, 170.0)
_NOISE = 12.0  # standard deviation of the background, less what lies between the bands
_LOW = (32.0, 223.0)
_HIGH = 30.0
_CONTRAST = (32.0, 76.0)  # of a shape to what it covers
_AMPLITUDE = (4.0, 24.0)  # of a texture
_OVERSHOOT = 8.0  # what a sharp filter adds beside an edge
_TINT = (0.5, 1.0)  # of one channel, relative to the others
_COLOR = 0.4  # how much of the noise differs between channels

_OBJECTS = (2, 7)
_OTHERS = (0, 3)  # things without a class
_LARGEST = 0.36  # longest side, of the picture's shorter one
_ASPECT = 0.2  # logarithm of the most by which a side is longer or shorter than the other
_HIDDEN = 0.4  # the most of an object's box that others may cover
_TRIES = 12
_EDGE = 3.0  # width of a shape's soft edge in pixels
_TAPER = 8.0  # of a texture's window: no more than half of MIN_SIDE
_GRATING = 0.4  # cycles per pixel


def _bar(along: np.ndarray, across: np.ndarray, half: float) -> np.ndarray:
    return np.minimum(1 - np.abs(along), half - np.abs(across))


# How far inside the outline a point is, by its place down and across the box, both in [-1, 1]: negative outside.
_SHAPES: tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], ...] = (
    lambda v, u: 1 - np.hypot(u, v),  # a disc
    lambda v, u: np.maximum(_bar(u, v, 0.34), _bar(v, u, 0.34)),  # a cross
    lambda v, u: np.minimum(1 - np.hypot(u, v), np.hypot(u, v) - 0.52),  # a ring
    lambda v, u: np.minimum(1 - np.abs(v), 0.8 * (np.abs(v) - np.abs(u)) + 0.16),  # an hourglass
    lambda v, u: np.minimum(1 - np.abs(u), 0.8 * (np.abs(u) - np.abs(v)) + 0.16),  # a bow tie
    lambda v, u: np.maximum(_bar(u, np.abs(v) - 0.68, 0.32), _bar(v, u, 0.3)),  # a capital I
)

MAX_CLASSES = len(_SHAPES)

_OPTIONS = {"count": WHOLE, "classes": WHOLE, "size": SIZE, "shape": NUMBER, "texture": NUMBER, "seed": WHOLE}


class _Thing(NamedTuple):
    """What is drawn: its box in whole pixels, its label (-1 without a class), and random numbers for shape and texture."""

    left: int
    top: int
    width: int
    height: int
    label: int
    draws: np.ndarray


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
    0.36 of the picture's shorter side. What is drawn
    later covers what was drawn before, of each object's box at most 0.4; an object for which no such place is found in
    twelve tries is left out. Areas are those of the boxes.

    Args:
        count: How many scenes.
        classes: How many classes, 2 to 6. Categories are numbered from 1.
        size: Height and width in pixels, 64 or more; an int for a square.
        shape: Probability that a thing's shape is that of its class, or the irregular one of no class, in [0, 1].
            Otherwise the shape is drawn from those of all classes alike: at 0 a shape is there and tells nothing.
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
        images.append(torch.from_numpy(_draw(things, pixels, classes, shape, texture, (height, width))))
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


def _place(rng: np.random.Generator, classes: int, size: tuple[int, int]) -> list[_Thing]:
    """Return what is in a scene, what is behind first."""
    numbers = [int(rng.integers(least, most + 1)) for least, most in (_OBJECTS, _OTHERS)]
    kinds = rng.permutation(np.repeat([True, False], numbers))
    largest = _LARGEST * min(size)
    placed: list[_Thing] = []
    covered: list[int] = []
    for has_class in kinds:
        label = int(rng.integers(classes)) if has_class else -1
        draws = rng.random((2, 10))
        for side, aspect, down, across in rng.random((_TRIES, 4)):
            longer = MIN_SIDE + (largest - MIN_SIDE) * side
            stretch = math.exp(_ASPECT * (2 * aspect - 1))
            height, width = (round(max(MIN_SIDE, min(largest, longer * by))) for by in (stretch, 1 / stretch))
            top, left = int(down * (size[0] - height + 1)), int(across * (size[1] - width + 1))
            thing = _Thing(left, top, width, height, label, draws)
            hidden = [was + _shared(thing, other) for was, other in zip(covered, placed, strict=True)]
            if all(
                area <= _HIDDEN * other.width * other.height
                for area, other in zip(hidden, placed, strict=True)
            ):
                placed.append(thing)
                covered = [*hidden, 0]
                break
    return placed


def _shared(one: _Thing, other: _Thing) -> int:
    """Return how many pixels two boxes share."""
    across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    return max(across, 0) * max(down, 0)


def _draw(
    things: list[_Thing],
    rng: np.random.Generator,
    classes: int,
    shape: float,
    texture: float,
    size: tuple[int, int],
) -> np.ndarray:
    """Return a scene's bytes, shaped (3, height, width)."""
    frequency = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1]))
    is_low, is_high = frequency <= SHAPE_FREQUENCY, frequency >= TEXTURE_FREQUENCY
    noise = _noise(rng, frequency, is_low | is_high, size)
    low = _brightness(rng) + np.clip(_filtered(noise, is_low), -2.5 * _NOISE, 2.5 * _NOISE)
    high = _filtered(noise, is_high)
    for thing in things:
        across = slice(thing.left, thing.left + thing.width)
        down = slice(thing.top, thing.top + thing.height)
        v, u = np.ogrid[: thing.height, : thing.width]
        v, u = (2 * v + 1) / thing.height - 1, (2 * u + 1) / thing.width - 1
        radius = math.sqrt(thing.height * thing.width) / 2
        for_shape, for_texture = thing.draws
        behind = low[:, down, across]
        cue, contrast = _choose(thing.label, for_shape, shape, classes, _CONTRAST)
        covered = _outline(cue, v, u, radius, for_shape[8:])
        behind += covered * (_color(behind, covered, contrast, for_shape[7]) - behind)
        behind = high[:, down, across]
        grain = rng.random(
            (thing.height, thing.width)
        )  # whatever it is, so that what follows does not depend on that
        cue, amplitude = _choose(thing.label, for_texture, texture, classes, _AMPLITUDE)
        wave = amplitude * _texture(cue, classes, grain, for_texture[7])
        behind += _window(np.hypot(u, v), radius) * (wave - behind)
    pixels = np.clip(_filtered(low, is_low), *_LOW) + np.clip(_filtered(high, is_high), -_HIGH, _HIGH)
    return np.floor(pixels + rng.random(pixels.shape)).astype(np.uint8)


def _filtered(pixels: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return np.fft.irfft2(np.fft.rfft2(pixels) * kept, s=pixels.shape[-2:])


def _brightness(rng: np.random.Generator) -> np.ndarray:
    least, most = _BRIGHTNESS
    return least + (most - least) * (0.7 * rng.random() + 0.3 * rng.random((3, 1, 1)))


def _noise(
    rng: np.random.Generator, frequency: np.ndarray, kept: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Return 1/f noise, most of it shared by the channels."""
    white = rng.random((4, *size)) - 0.5
    white = white[:1] + _COLOR * white[1:]
    slope = np.where(kept, 1 / np.maximum(frequency, 1 / max(size)), 0)
    slope[0, 0] = 0  # the brightness is drawn apart
    noise = _filtered(white, slope)
    return noise * (_NOISE / noise.std())


def _choose(
    label: int, draws: np.ndarray, reliability: float, classes: int, strength: tuple[float, float]
) -> tuple[int, np.ndarray]:
    """Return which class's shape or texture a thing has, -1 for that of none, and how strongly, a number a channel.

    One that tells nothing may be so faint that it is not seen: else a detector could find all things by it.
    """
    follows, other, share, amount, *tint = draws[:7]
    cue, share = (label, 1.0) if follows < reliability else (int(other * classes), share)
    tint = _TINT[0] + (_TINT[1] - _TINT[0]) * np.array(tint)
    return cue, share * (strength[0] + (strength[1] - strength[0]) * amount) * tint[:, None, None]


def _color(behind: np.ndarray, covered: np.ndarray, contrast: np.ndarray, draw: float) -> np.ndarray:
    """Return the color of a shape: brighter or darker than what it covers, as there is room."""
    below = (behind * covered).sum((1, 2), keepdims=True) / covered.sum()
    color = below + contrast if draw < 0.5 else below - contrast
    fits = np.all((color >= _LOW[0] + _OVERSHOOT) & (color <= _LOW[1] - _OVERSHOOT))
    return color if fits else 2 * below - color


def _outline(cue: int, v: np.ndarray, u: np.ndarray, radius: float, draws: np.ndarray) -> np.ndarray:
    """Return how much of each pixel of a box a shape covers, in [0, 1]."""
    inside = _irregular(v, u, draws) if cue < 0 else _SHAPES[cue](v, u)
    within = np.clip(inside * radius / _EDGE, 0, 1)
    return within**2 * (3 - 2 * within)


def _irregular(v: np.ndarray, u: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the inside of an outline that bulges three and five times around, unlike that of any class."""
    angle = np.arctan2(v, u)
    waves = (
        0.5 * np.cos(times * angle + 2 * np.pi * turn) for times, turn in zip((3, 5), draws, strict=True)
    )
    return 1 - np.hypot(u, v) * (1.35 + 0.7 * sum(waves))


def _window(distance: np.ndarray, radius: float) -> np.ndarray:
    return np.sin(np.pi / 2 * np.clip((1 - distance) * radius / _TAPER, 0, 1)) ** 2


def _texture(cue: int, classes: int, grain: np.ndarray, draw: float) -> np.ndarray:
    if cue < 0:
        return math.sqrt(1.5) * (2 * grain - 1)  # as strong as a grating
    angle = np.pi * (cue + 0.25) / classes  # no direction mirrors another
    down, across = (2 * np.pi * _GRATING * np.arange(side) for side in grain.shape)
    return np.cos(down[:, None] * math.sin(angle) + across * math.cos(angle) + 2 * np.pi * draw)
