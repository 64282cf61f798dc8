"""The calibration set: images whose label is carried by known frequencies, so that an audit's answer is known.

Each image is an even gray plus two waves. The *shape* is a wave of at most three cycles an image; the *texture* is
a fine grating with a period near 2.5 pixels. Either tells the class by its direction and frequency, as often as
it is asked to. Every frequency between `SHAPE_RADIUS` and `texture_radius` is empty, up to the rounding to bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from passband.data.dataset import ImageDataset
from passband.data.images import Request
from passband.errors import InputError, UnknownNameError
from passband.types import Subset

SAMPLES: dict[Subset, int] = {"train": 2_000, "test": 1_000}
"""How many images `phantom` has unless asked for another number."""

SHAPE_RADIUS = 3.0
"""All frequencies of a shape lie at or below this radius, at any image size."""

MAX_CLASSES = 14  # as many waves as there are within SHAPE_RADIUS
MIN_SIZE = 16
MAX_NOISE = 0.05

# In steps of 1/255. Nothing clips, since 160 + 2 * 40 + 255 * MAX_NOISE < 255, and as much below.
_BRIGHTNESS = (96.0, 160.0)
_AMPLITUDE = (16.0, 40.0)
_TINT = (0.75, 1.0)  # a wave's amplitude in one channel, relative to the others
_SHAPE_TURN = 0.25  # a shape is moved by at most a quarter of its period, either way; a texture by any part
_TEXTURE_TURN = 0.5
_TEXTURE_FREQUENCY = 0.4  # cycles per pixel
_CHUNK = 2**22  # pixels made at once


def texture_radius(size: int | tuple[int, int]) -> float:
    """Return the radius at or beyond which all frequencies of a texture lie, for images of `size` pixels.

    It is 0.35 of the shorter side: 0.4 cycles a pixel, less what rounding to whole cycles an image can take.

    Example:
        >>> texture_radius(32)
        11.2
    """
    return 0.35 * min(_height_width(size))


def make_phantom(
    samples: int,
    *,
    classes: int = 4,
    size: int | tuple[int, int] = 32,
    channels: int = 3,
    shape: float = 1.0,
    texture: float = 1.0,
    noise: float = 0.0,
    seed: int = 0,
    subset: Subset = "test",
) -> ImageDataset:
    """Make a phantom. The same arguments give the same bytes on every machine; fewer samples give a prefix.

    Brightness (about mid-gray), phases, amplitudes and tints are random. Classes are balanced: every run of
    `classes` samples, counted from the first, has each class once. The bytes are rounded up or down at random, in
    proportion, so that rounding leaves no pattern; nothing is ever clipped.

    Args:
        samples: How many images.
        classes: How many classes, 2 to 14.
        size: Height and width in pixels, 16 or more; an int for a square.
        channels: 1 or 3.
        shape: Probability that an image's shape is that of its label, in [0, 1]. Otherwise the shape is drawn
            from all classes alike, whatever the label: at 0 a shape is there and tells nothing.
        texture: The same for its texture.
        noise: Uniform noise of every frequency is added, up to this amplitude on the [0, 1] scale, at most 0.05.
            More than 0 fills the empty band.
        seed: Which phantom.
        subset: `"train"` and `"test"` are different images of the same classes.

    Raises:
        InputError: If an argument is out of its range.
    """
    height, width = _height_width(size)
    check_option("samples", samples, 1, math.inf)
    check_option("classes", classes, 2, MAX_CLASSES)
    check_option("the shorter side", min(height, width), MIN_SIZE, math.inf)
    check_option("shape", shape, 0, 1)
    check_option("texture", texture, 0, 1)
    check_option("noise", noise, 0, MAX_NOISE)
    check_option("seed", seed, 0, math.inf)
    if channels not in (1, 3):
        raise InputError(f"a phantom's channels must be 1 or 3, got {channels}")
    if subset not in SAMPLES:
        raise UnknownNameError("subset", subset, SAMPLES)

    # One stream for each purpose, each drawn sample by sample: so a prefix does not depend on what follows.
    for_labels, for_brightness, for_waves, for_rounding, for_noise = (
        np.random.Generator(np.random.PCG64(stream))
        for stream in np.random.SeedSequence([seed, int(subset == "train")]).spawn(5)
    )
    blocks = for_labels.random((math.ceil(samples / classes), classes))
    labels = blocks.argsort(axis=1).ravel()[:samples]
    brightness = _within(_BRIGHTNESS, for_brightness.random((samples, 1, 1, 1)))
    draws = for_waves.random((samples, 2, 4 + channels))
    cues = (
        (shape_waves(classes), shape, _SHAPE_TURN),
        (texture_waves(classes, (height, width)), texture, _TEXTURE_TURN),
    )
    images = np.empty((samples, channels, height, width), np.uint8)
    for part in _parts(samples, channels * height * width):
        pixels = np.repeat(brightness[part], channels, axis=1)
        for cue, (frequencies, reliability, turn) in enumerate(cues):
            drawn = draws[part, cue]
            waves = frequencies[_choose_cues(labels[part], reliability, classes, drawn[:, :2])]
            pixels = pixels + _draw_waves(waves, turn, drawn[:, 2:], (height, width))
        if noise:
            pixels += 255 * noise * (2 * for_noise.random(pixels.shape) - 1)
        pixels += for_rounding.random(pixels.shape)
        images[part] = np.floor(pixels)
    return ImageDataset(
        torch.from_numpy(images),
        torch.from_numpy(labels.astype(np.int64)),
        tuple(f"class {number}" for number in range(classes)),
        f"phantom (shape {shape:g}, texture {texture:g})",
        subset,
    )


def load_phantom(argument: str, request: Request) -> ImageDataset:
    """Make the phantom that `argument` describes, such as `shape=1,texture=0,size=32`.

    Options are those of `make_phantom`; `size` may be two sides, `32x48` (height x width). Where `request` has a
    size or a number of channels, the phantom is made with those.

    Raises:
        InputError: If an option is unknown, is not a number or out of its range, or contradicts `request`.
    """
    options = parse_options(argument, _OPTIONS)
    if "size" in options:
        options["size"] = _height_width(options["size"])
    for name, asked in (("size", request.preparation.size), ("channels", request.channels)):
        if asked is not None and options.setdefault(name, asked) != asked:
            raise InputError(
                f"{name} is given twice, as {options[name]} in 'phantom:{argument}' and as {asked}. Leave one out."
            )
    samples = request.count(options.pop("samples", SAMPLES[request.subset]), f"'phantom:{argument}'")
    height, width = _height_width(options.get("size", 32))
    needed = samples * options.get("channels", 3) * height * width
    request.check_memory(needed, f"{samples:,} images of {height}x{width}")
    return make_phantom(samples, subset=request.subset, **options)


def shape_waves(classes: int) -> np.ndarray:
    """Return each class's shape as a frequency, cycles an image down and across, shaped (classes, 2).

    Slow waves come first; of a frequency and its negative, which are one wave, only one is there.
    """
    reach = range(-int(SHAPE_RADIUS), int(SHAPE_RADIUS) + 1)
    half_plane = [
        (u, v) for u in reach for v in reach if (u, v) > (0, 0) and math.hypot(u, v) <= SHAPE_RADIUS
    ]
    return np.array(sorted(half_plane, key=lambda wave: (wave[0] ** 2 + wave[1] ** 2, wave))[:classes])


def texture_waves(classes: int, size: tuple[int, int]) -> np.ndarray:
    """Return each class's texture as a frequency, cycles an image down and across, shaped (classes, 2).

    The directions are spread evenly over the half circle, and turned so that none mirrors another: flipping
    images as an augmentation keeps the classes apart.
    """
    angles = np.pi * (np.arange(classes) + 0.25) / classes
    cycles_per_pixel = _TEXTURE_FREQUENCY * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    return np.rint(cycles_per_pixel * np.array(size)).astype(int)


def _choose_cues(labels: np.ndarray, reliability: float, classes: int, draws: np.ndarray) -> np.ndarray:
    follows, other = draws.T
    return np.where(follows < reliability, labels, np.floor(other * classes).astype(int))


def _draw_waves(waves: np.ndarray, turn: float, draws: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return one wave a sample, brightest near the center, shaped (samples, channels, height, width)."""
    phase = 2 * np.pi * _within((-turn, turn), draws[:, 0, None])
    down, across = (
        2 * np.pi * np.outer(frequency, np.arange(side) / side - 0.5)
        for frequency, side in zip(waves.T, size, strict=True)
    )
    rows = down + phase
    # cos(a + b), with as many sines and cosines as there are rows and columns instead of pixels
    wave = (
        np.cos(rows)[:, :, None] * np.cos(across)[:, None]
        - np.sin(rows)[:, :, None] * np.sin(across)[:, None]
    )
    amplitude = _within(_AMPLITUDE, draws[:, 1, None]) * _within(_TINT, draws[:, 2:])
    return amplitude[:, :, None, None] * wave[:, None]


def _within(bounds: tuple[float, float], draws: np.ndarray) -> np.ndarray:
    return bounds[0] + (bounds[1] - bounds[0]) * draws


def _parts(samples: int, pixels: int) -> Iterator[slice]:
    step = max(1, _CHUNK // pixels)
    return (slice(start, min(start + step, samples)) for start in range(0, samples, step))


def _height_width(size: int | tuple[int, int]) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


def check_option(name: str, value: float, lowest: float, highest: float) -> None:
    """Refuse an option of a phantom that is not between two numbers."""
    if not lowest <= value <= highest:
        limits = f"at least {lowest}" if highest == math.inf else f"between {lowest} and {highest}"
        raise InputError(f"a phantom's {name} must be {limits}, got {value}")


def _parse_size(text: str) -> int | tuple[int, int]:
    if "x" not in text:
        return int(text)
    height, width = map(int, text.split("x"))
    return height, width


Option = tuple[Callable[[str], Any], str]
"""How an option's text is read, and what it should be."""

WHOLE: Option = (int, "a whole number")
NUMBER: Option = (float, "a number")
SIZE: Option = (_parse_size, "pixels such as 32 or 32x48")

_OPTIONS = {
    "samples": WHOLE,
    "classes": WHOLE,
    "size": SIZE,
    "channels": WHOLE,
    "shape": NUMBER,
    "texture": NUMBER,
    "noise": NUMBER,
    "seed": WHOLE,
}


def parse_options(argument: str, known: Mapping[str, Option]) -> dict[str, Any]:
    """Return the options of a phantom that are written as `shape=1,texture=0`.

    Raises:
        InputError: If one is not known, or is not what it should be.
    """
    options = {}
    for part in filter(None, argument.split(",")):
        name, _, text = part.partition("=")
        if name not in known:
            raise UnknownNameError("phantom option", name, known)
        read, expected = known[name]
        try:
            options[name] = read(text)
        except ValueError as error:
            raise InputError(f"{name} in 'phantom:{argument}' must be {expected}, got {text!r}") from error
    return options
