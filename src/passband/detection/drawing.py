"""How a phantom scene is drawn: what is in it, at its frequencies, to the byte."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

SHAPE_FREQUENCY = 0.16
"""All frequencies of shapes lie at or below it, in cycles per pixel."""

TEXTURE_FREQUENCY = 0.26
"""All frequencies of textures lie at or above it, in cycles per pixel."""

SPLIT_FREQUENCY = 0.2
"""A cut-off between the two: 25.6 cycles per image at 128 x 128 pixels."""

MIN_SIDE = 16
"""The shortest side of a thing in pixels: enough for its outline to be told, and for a window whose texture stays in its band."""

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
"""How many classes can be told apart by shape."""


class Thing(NamedTuple):
    """What is drawn.

    Attributes:
        left: The left edge of its box, in whole pixels.
        top: The upper edge.
        width: Of the box.
        height: Of the box.
        label: The number of its class from 0 on; -1 without one.
        draws: Ten random numbers in [0, 1) for its shape, and ten for its texture.
    """

    left: int
    top: int
    width: int
    height: int
    label: int
    draws: np.ndarray


def draw_scene(
    things: Sequence[Thing],
    rng: np.random.Generator,
    classes: int,
    shape: float,
    texture: float,
    size: tuple[int, int],
) -> np.ndarray:
    """Draw a scene.

    Args:
        things: What is in it, what is behind first.
        rng: Draws its background, the grain of its textures, and how its bytes are rounded.
        classes: How many classes there are.
        shape: How reliable the things' shapes are, in [0, 1].
        texture: How reliable their textures are.
        size: Height and width in pixels.

    Returns:
        Bytes, shaped (3, height, width).
    """
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
        grain = rng.random((thing.height, thing.width))  # for gratings too: what follows depends on no label
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
    """Return the inside of an outline that bulges three and five times around, unlike those of the classes."""
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
