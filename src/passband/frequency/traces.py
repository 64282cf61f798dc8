"""Traces of JPEG, of halved color and of upsampling in a data set's pixels.

An audit would take what such processing removed or added for a property of the high frequencies. Each trace is
measured over many images as one number with a threshold; `docs/traces.md` has the numbers of clean and processed
sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from passband.errors import InputError
from passband.frequency import interpolation
from passband.frequency.quantization import BLOCK, lowest_radius, measure_quantization
from passband.types import ByteImages, Planes

Kind = Literal["jpeg", "chroma-subsampling", "upsampling"]

MIN_SIDE = 2 * BLOCK
MIN_IMAGES, MIN_PIXELS = 20, 40_000  # below either, noise and content reach the thresholds
MAX_IMAGES, MAX_SIDE, MAX_PIXELS = 500, 256, 2_000_000  # beyond, the numbers do not change


@dataclass(frozen=True)
class TraceStatistic:
    """One measured number.

    Attributes:
        name: What it is called in tables.
        value: None where it cannot be told: too small or too few images, or no color.
        threshold: The value from which it is a trace.
        meaning: What is measured, in a phrase.
    """

    name: str
    value: float | None
    threshold: float
    meaning: str

    @property
    def exceeded(self) -> bool:
        """Whether the value reaches the threshold; one that cannot be told does not."""
        return self.value is not None and self.value >= self.threshold


@dataclass(frozen=True)
class Trace:
    """A trace that was found.

    Attributes:
        kind: `"jpeg"`, `"chroma-subsampling"` or `"upsampling"`.
        evidence: The statistics it was found by.
        radius: The radius, in index units, from which the spectrum is not to be trusted: for JPEG, the lowest
            frequency where rounding coefficients makes an error above 5% of the power; else the highest frequency
            of the smaller image. None where it cannot be told.
        message: What was found and what it means for results on the HFC.
        grid: For JPEG, the top and left of the first whole block, 0 to 7 each: (0, 0) unless a border was added or
            the image was cropped.
    """

    kind: Kind
    evidence: tuple[TraceStatistic, ...]
    radius: float | None
    message: str
    grid: tuple[int, int] | None = None


@dataclass(frozen=True)
class Traces:
    """What `find_traces` found and measured.

    Attributes:
        findings: The traces found; none in clean data.
        statistics: Every statistic, exceeded or not.
        samples: How many images were looked at.
    """

    findings: tuple[Trace, ...]
    statistics: tuple[TraceStatistic, ...]
    samples: int

    def to_dict(self) -> dict[str, Any]:
        """Return all of it for JSON, with statistics and thresholds by name."""
        return {
            "findings": [
                {
                    "kind": finding.kind,
                    "evidence": {statistic.name: statistic.value for statistic in finding.evidence},
                    "radius": finding.radius,
                    "message": finding.message,
                    "grid": None if finding.grid is None else list(finding.grid),
                }
                for finding in self.findings
            ],
            "statistics": {statistic.name: statistic.value for statistic in self.statistics},
            "thresholds": {statistic.name: statistic.threshold for statistic in self.statistics},
            "samples": self.samples,
        }


def find_traces(images: ByteImages) -> Traces:
    """Look for traces of JPEG, of halved color and of upsampling in a data set.

    At most 500 images, 2 million pixels and the middle 256 pixels of a side are looked at, evenly spread over
    `images`. At least 20 images and 40,000 pixels (51 images of 28x28) are needed; with 100, thresholds are far. A
    border of one color that all images share is left out.

    - **jpeg**: the 8x8 DCT coefficients of luma lie on multiples of a step, on one of the 64 grids of blocks and not
      on most others: images that were padded or cropped, all alike, are found as well. Found at qualities 10 to
      100, gray or color, and where every photograph has a quality of its own; near the threshold at 10 and 100.
      Whole blocks are used, so any size will do.
    - **chroma-subsampling**: in Cb or Cr, and not in luma, every other difference of neighbors is smaller. Found
      in photographs at qualities from about 75; below, or where color is faint, blocks of JPEG drown it, or look
      like it.
    - **upsampling**: the differences of neighbors, or their differences, grow and shrink periodically on both axes.
      Found for factors from 4/3 to 8 with nearest and bilinear, to 4 with bicubic and Lanczos. An empty band
      of high frequencies lowers the threshold. Alone it is no trace: blurred and drawn images have one.

    Not found: what a later resize or rotation has erased, though lost frequencies stay lost, and JPEG whose grid
    differs from image to image, as after random crops.
    Found wrongly, at times: a reduction by nearest neighbor to a size that does not divide the old one, whose
    samples lie unevenly (as upsampling).

    Args:
        images: Pixels 0 to 255. Three channels are read as RGB, otherwise every channel as a gray image.

    Returns:
        Findings as values, and all statistics. Each statistic is None where there are too few or too small images
        (sides below 16 pixels without a border) to tell.

    Raises:
        InputError: If there are no images.

    Example:
        >>> noise = torch.randint(0, 256, (100, 3, 32, 32), dtype=torch.uint8)
        >>> find_traces(noise).findings
        ()
    """
    if images.numel() == 0:
        raise InputError(
            f"traces are looked for in at least one image of at least one pixel, got shape {tuple(images.shape)}"
        )
    height, width = images.shape[-2:]
    padded = _sample(images)
    sample, corner = _without_border(padded)
    luma, chroma = _luma(sample), _chroma(sample)
    enough = len(sample) >= MIN_IMAGES and _luma(padded).numel() >= MIN_PIXELS
    if not enough or min(luma.shape[1:]) < MIN_SIDE:
        return Traces((), _statistics(None, None, None, None), len(sample))
    quantization = measure_quantization(luma - 128)
    # An enlargement ripples on both axes.
    ripples = torch.stack([interpolation.ripple(luma, order).amin(0) for order in (1, 2)])
    missing, cutoff = interpolation.empty_band(luma)
    statistics = jpeg, halved, ripple, empty = _statistics(
        quantization.clustering,
        None if chroma is None else interpolation.pairing(interpolation.ripple(chroma, 1)).max().item(),
        ripples.max().item(),
        missing,
    )
    findings = []
    if jpeg.exceeded:
        radius = lowest_radius(quantization.lost, height, width)
        top, left = ((a + b) % BLOCK for a, b in zip(corner, quantization.grid, strict=True))
        findings.append(Trace("jpeg", (jpeg,), radius, _jpeg_message(radius, (top, left)), (top, left)))
    if ripple.exceeded:
        evidence = (ripple, empty) if empty.exceeded else (ripple,)
        radius = interpolation.enlarged_radius(ripples, missing, cutoff, min(height, width))
        findings.append(Trace("upsampling", evidence, radius, _upsampling_message(radius)))
    elif halved.exceeded:  # enlarged luma explains enlarged color
        radius = min(height, width) / 4
        findings.append(Trace("chroma-subsampling", (halved,), radius, _chroma_message(radius)))
    return Traces(tuple(findings), statistics, len(sample))


def sampled(shape: Sequence[int]) -> Int64[Tensor, " sampled"]:
    """Return the positions that `find_traces` looks at, of images shaped (samples, channels, height, width).

    What it finds in those alone is what it finds in all of them.
    """
    samples, _, height, width = shape
    within_pixels = max(2 * MIN_IMAGES, MAX_PIXELS // (min(height, MAX_SIDE) * min(width, MAX_SIDE)))
    count = min(samples, MAX_IMAGES, within_pixels)
    return torch.arange(count) * samples // count


def _statistics(
    clustering: float | None, pairing: float | None, ripple: float | None, missing: float | None
) -> tuple[TraceStatistic, TraceStatistic, TraceStatistic, TraceStatistic]:
    jpeg = TraceStatistic(
        "coefficient clustering",
        clustering,
        0.05,
        "how closely 8x8 DCT coefficients of luma lie on multiples of a step: 0 not at all, 1 exactly",
    )
    halved = TraceStatistic(
        "chroma pairing",
        pairing,
        0.1,
        "how much every other difference of neighbors is smaller in Cb or Cr: 0 not at all, 1 entirely",
    )
    empty = TraceStatistic(
        "empty band (dB)",
        missing,
        6.0,
        f"power missing in the highest band, measured from a fall by {interpolation.NATURAL_FALL:g} dB an octave",
    )
    enlarged = TraceStatistic(
        "difference ripple",
        ripple,
        # Below an empty band a faint ripple is telling. The blocks of JPEG ripple too, up to 0.17 at quality 5.
        (0.04 if empty.exceeded else 0.1) * (2 if jpeg.exceeded else 1),
        "how much differences of neighbors grow and shrink periodically in luma: 0 not at all, 1 entirely",
    )
    return jpeg, halved, enlarged, empty


def _jpeg_message(radius: float | None, grid: tuple[int, int]) -> str:
    found = "The images were JPEG files of this scale: their 8x8 DCT coefficients lie on quantization steps."
    if grid != (0, 0):
        found += f" The grid begins at {grid}: a border was added or the image was cropped."
    if radius is None:
        return f"{found} From which radius their error matters cannot be told: qualities are high, or differ."
    return f"{found} Claims on the HFC beyond radius {radius:g} would rest on compression artifacts."


def _upsampling_message(radius: float | None) -> str:
    found = (
        "The images were enlarged from a smaller size: differences of neighbors grow and shrink periodically."
    )
    if radius is None:
        return f"{found} The highest frequencies were made by interpolation, so claims on the HFC rest on it."
    return f"{found} Claims on the HFC beyond radius {radius:g} would rest on interpolation."


def _chroma_message(radius: float) -> str:
    return (
        "Color was probably stored at half the resolution: chroma looks enlarged and luma does not. "
        f"Claims on color in the HFC beyond radius {radius:g} would rest on interpolation."
    )


def _sample(images: ByteImages) -> Float[Tensor, "sampled channels lines columns"]:
    """Return an evenly spread part of the images, cut down to their middle without leaving the grid of JPEG."""
    sample = images[sampled(images.shape)]
    for axis in (2, 3):
        side = sample.shape[axis]
        if side > MAX_SIDE:
            sample = sample.narrow(axis, (side - MAX_SIDE) // 2 // BLOCK * BLOCK, MAX_SIDE)
    return sample.float()


def _without_border(
    images: Float[Tensor, "samples channels height width"],
) -> tuple[Float[Tensor, "samples channels lines columns"], tuple[int, int]]:
    """Return images without the border of one color that all share, and the top and left of what is left.

    The edge of such a border gives all images the same coefficients, which would pass for quantized ones, and jumps
    that drown a ripple. Opposite corners may differ in color; images of nothing else stay as they are.
    """
    top = left = 0
    for corner in (0, -1):
        content = (images != images[:, :, corner, None, corner, None]).flatten(0, 1).any(0)
        if not content.any():
            break
        (first, last), (begin, end) = (content.any(axis).nonzero()[[0, -1], 0].tolist() for axis in (1, 0))
        images = images[:, :, first : last + 1, begin : end + 1]
        top, left = top + first, left + begin
    return images, (top, left)


def _weighted(images: Float[Tensor, "samples 3 height width"], *weights: float) -> Planes:
    return torch.einsum("nchw,c->nhw", images, images.new_tensor(weights))


def _luma(images: Float[Tensor, "samples channels height width"]) -> Planes:
    return _weighted(images, 0.299, 0.587, 0.114) if images.shape[1] == 3 else images.flatten(0, 1)


def _chroma(images: Float[Tensor, "samples channels height width"]) -> Planes | None:
    """Return Cb and Cr as JPEG defines them, one after the other; None where there is no color."""
    if images.shape[1] != 3 or torch.equal(images[:, :2], images[:, 1:]):
        return None
    blue = _weighted(images, -0.168736, -0.331264, 0.5)
    red = _weighted(images, 0.5, -0.418688, -0.081312)
    return torch.cat([blue, red])
