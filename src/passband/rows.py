"""The columns of every table of results, and nothing else names them.

One row is one measurement. Values are fractions in [0, 1] where they are accuracies; an average, a gap or an
interval is computed from rows, never stored. What does not apply to a row is empty (null), never -1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import polars as pl
from jaxtyping import Float32

from passband.choices import DETECTION_NUMBERS
from passband.errors import InputError

COLUMNS = pl.Schema(
    {
        "run": pl.String(),  # the trained network: a run's id, or the hash of a foreign model's weights
        "seed": pl.Int64(),
        "epoch": pl.Int64(),  # empty for a finished model
        "subset": pl.String(),  # "train" or "test"; empty for what is measured of the network itself
        "component": pl.String(),  # the kind of what was shown: "full", "lfc", "hfc", ...
        "radius": pl.Float64(),  # its outermost radius in index units; empty for "full"
        "shown": pl.String(),  # all that it is, as text: "full", "lfc:8", ...
        "frequency": pl.Float64(),  # a radius of a layer's maps as a share of their grid's Nyquist frequency
        "geometry": pl.String(),  # how its radius is measured, where images have many sizes: "index" or "pixel"
        "split_at": pl.String(),  # of a detector: whether the "original" image was split, or the network's "input"
        "amplitude": pl.String(),  # the policy applied to the component
        "attack": pl.String(),  # what made the perturbation, such as "PGD-20"
        "band": pl.String(),  # the frequencies it was held to, such as "lfc:8"; empty for all
        "norm": pl.String(),  # "l2" or "linf", of a perturbation
        "epsilon": pl.Float64(),  # its bound on the [0, 1] pixel scale
        "rho": pl.Float64(),  # how strongly the first kernels were smoothed; empty if it was not asked
        "normalized": pl.Boolean(),  # whether the smoothed kernels were scaled back
        "metric": pl.String(),
        "value": pl.Float64(),
        "error": pl.Float64(),  # the value's standard error, where it is no share of `count`
        "count": pl.Int64(),  # the samples that the value rests on
        "class": pl.String(),  # empty for all classes together
        "each": pl.List(
            pl.Float32()
        ),  # what `value` is the mean of, image by image; empty where it is not kept
        "images": pl.String(),  # which images these are, in which order: equal ones can be paired
    }
)

ADDED = (
    "attack",
    "band",
    "rho",
    "normalized",
    "shown",
    "geometry",
    "split_at",
    "error",
    "rank",
    "each",
    "images",
    "frequency",
)  # columns that tables written by version 0.1 do not have

ACCURACY = "accuracy"  # the share of samples that are answered right
TOP5_ACCURACY = (
    "top5-accuracy"  # the share whose label is among the five most probable, ties counted against it
)
LOSS = "loss"  # the mean cross-entropy
CONFIDENCE = "confidence"  # the mean probability of the answer
AGREEMENT = "agreement"  # the share of samples that are answered as the whole image is
FIT_ACCURACY, FIT_LOSS = "fit-accuracy", "fit-loss"  # of what a run trained on, while it trained on it
PROBE_SECONDS = "probe-seconds"  # what measuring along a run took
ROBUST_ACCURACY = "robust-accuracy"  # the share that is right and stays so under an attack
ACCURACY_CEILING = "accuracy-ceiling"  # Corollary 1's bound on it
PERTURBATION_ENERGY = "perturbation-energy"  # the share of a perturbation's energy at a radius
FLIPS = "flips"  # the share of samples that are right as a whole and on the HFC, and wrong on the LFC
FLIPS_BY_CHANCE = "flips-by-chance"  # what it would be if the answers to HFCs were dealt out at random
FLIPS_BEYOND_CHANCE = "flips-beyond-chance"  # the difference of the two
SVD_FLIPS = (
    "svd-flips"  # the share of samples right as a whole and on the part taken, and wrong on what is left
)
SVD_FLIPS_BY_CHANCE = (
    "svd-flips-by-chance"  # what it would be if the answers to parts were dealt out at random
)
SVD_FLIPS_BEYOND_CHANCE = "svd-flips-beyond-chance"  # the difference of the two
SVD_KEPT_ACCURACY = "svd-kept-accuracy"  # accuracy on what is left
SVD_TAKEN_ACCURACY = "svd-taken-accuracy"  # accuracy on the part taken
SVD_TAKEN_ENERGY = "svd-taken-energy"  # the share of an image's energy in the part taken
SVD_RANK = "svd-rank"  # how many singular values of each channel are left
RINGS_WHOLE = "rings-whole"  # accuracy on the images that rings are taken from
RINGS_MAJORITY = "rings-majority"  # the share of the most frequent label among them
FOURIER_HEATMAP = "fourier-heatmap"  # the share of wrong answers when a wave is added
GRADIENT_ENERGY = "gradient-energy"  # the share of the energy of the loss's gradient at a radius
GRADIENT_BEYOND = "gradient-energy-beyond"  # the share of it beyond a radius
OF_NOISE, OF_IMAGES = (
    "-of-noise",
    "-of-images",
)  # follow these: what white noise has, and the images, their mean aside
GRADIENT_RADIUS = "gradient-radius"  # the mean radius of that energy, in cycles per image
GRADIENT_NORM = "gradient-norm"  # the median length of the gradient
GRADIENT_NONE = "gradient-none"  # the share of images whose gradient is 0 or not finite
DEGRADATIONS_LOST = "degradations-lost"  # whole images' accuracy less that on degraded ones
DEGRADATIONS_P = "degradations-p"  # McNemar's, that this is chance
DEGRADATIONS_RADIUS = "degradations-radius"  # the smallest whose LFC costs as much
PHASE_SWAP_WHOLE = "phase-swap-whole"  # accuracy on the images that give phases and amplitudes
PHASE_SWAP_PHASE = "phase-swap-phase"  # the share answered as the giver of the phase is labelled
PHASE_SWAP_AMPLITUDE = "phase-swap-amplitude"  # the share answered as the giver of the amplitude is
PHASE_SWAP_PHASE_ANSWER = "phase-swap-phase-answer"  # the share answered as the whole giver of the phase is
PHASE_SWAP_AMPLITUDE_ANSWER = "phase-swap-amplitude-answer"  # likewise of the amplitude
BY_CHANCE = "-by-chance"  # follows these four: what it would be if the answers were dealt out at random
PHASE_SWAP_DIFFERENCE = "phase-swap-difference"  # phase less amplitude, by label
PHASE_SWAP_BEYOND_CHANCE = "phase-swap-beyond-chance"  # the same of what exceeds chance
PHASE_SWAP_P = "phase-swap-p"  # McNemar's, that the difference is chance
SKEW_WHOLE = "skew-whole"  # accuracy on the images whose pictures are prepared otherwise
SKEW_FLIPS = "skew-flips"  # the share of images answered otherwise when their pictures are
SKEW_LOST, SKEW_WON = "skew-lost", "skew-won"  # the shares right before and wrong then, and the reverse
SKEW_CHANGED = "skew-changed"  # the share of images of which any pixel differs then
SKEW_COST = "skew-cost"  # the accuracy on the images less that then
SKEW_P = "skew-p"  # McNemar's, that this is chance
SKEW_DIFFERENCE = "skew-difference"  # the power of the difference at a radius over that of both
FEATURE_SPECTRUM = "feature-spectrum"  # the log amplitude of a layer's maps, less that at one cycle an image
FEATURE_HIGH = "feature-high"  # the same at the highest frequency of their grid
FEATURE_ALIASED = "feature-aliased"  # the share of maps' energy that aliases when they are made coarser
ENERGY_WITHIN = "energy-within"  # the share of the images' energy, their mean aside, up to a radius
COUNTEREXAMPLES = "counterexamples"  # the share of samples that are answered otherwise than their LFC
COUNTEREXAMPLES_RIGHT = "counterexamples-right"  # those of them that are answered right
COUNTEREXAMPLES_VERIFIED = "counterexamples-verified"  # the share of these that came out again
COUNTEREXAMPLE_DISTANCE = "counterexample-distance"  # the median distance of sample and LFC
ROUGHNESS = "roughness"  # of a layer's kernels: mean squared difference of neighbors over mean square
KERNEL_HIGH_FREQUENCY = (
    "kernel-high-frequency"  # of a layer's kernels: the share of energy in high frequencies
)
MAP = "map"  # COCO's mean average precision, over IoU 0.50 to 0.95
LOST = "-lost"  # follows these: the whole images' number less that of a view
GAIN, LOSE = "images-gain", "images-lose"  # the share of images whose own AP is higher, or lower, in a view
GAIN_BEYOND_CHANCE = "images-gain-beyond-chance"  # on the LFC, less that under the control
COST = "cost-"  # stands before a kind of error: how much mAP@50 would rise if there were none
OF_DETECTIONS = (
    *(f"{name}{lost}" for name in DETECTION_NUMBERS for lost in ("", LOST)),
    GAIN_BEYOND_CHANCE,
)
"""Metrics of what a detector finds: their standard error, over images, is in the column `error`."""

OF_PHASE_SWAP = (
    PHASE_SWAP_PHASE,
    PHASE_SWAP_AMPLITUDE,
    PHASE_SWAP_PHASE_ANSWER,
    PHASE_SWAP_AMPLITUDE_ANSWER,
)
"""Shares of images made of two: their standard error, over pairs that share images, is in the column `error`."""

OF_GRADIENTS = tuple(
    f"{name}{of}"
    for name in (GRADIENT_ENERGY, GRADIENT_BEYOND, GRADIENT_RADIUS)
    for of in ("", OF_NOISE, OF_IMAGES)
)
"""Metrics of the energy of gradients: their standard error, over images, is in the column `error`."""

REMOVED = "-removed"  # follows these two: how much of it smoothing has removed

OF_KERNELS = tuple(
    f"{name}{removed}" for name in (ROUGHNESS, KERNEL_HIGH_FREQUENCY) for removed in ("", REMOVED)
)
"""Metrics of a layer's kernels: their standard error, over its filters, is in the column `error`."""

SHARES = (
    ACCURACY,
    TOP5_ACCURACY,
    AGREEMENT,
    FIT_ACCURACY,
    ROBUST_ACCURACY,
    ACCURACY_CEILING,
    FLIPS,
    COUNTEREXAMPLES,
    COUNTEREXAMPLES_RIGHT,
    COUNTEREXAMPLES_VERIFIED,
    PHASE_SWAP_WHOLE,
    *OF_PHASE_SWAP,
    GAIN,
    LOSE,
    GRADIENT_NONE,
    SKEW_WHOLE,
    SKEW_FLIPS,
    SKEW_LOST,
    SKEW_WON,
    SKEW_CHANGED,
)
"""Metrics that are shares of samples, whose error follows from their `count`."""

MEANS = (
    LOSS,
    CONFIDENCE,
    FIT_LOSS,
    PROBE_SECONDS,
    PERTURBATION_ENERGY,
    ENERGY_WITHIN,
    COUNTEREXAMPLE_DISTANCE,
    *OF_KERNELS,
    *OF_DETECTIONS,
    FLIPS_BY_CHANCE,
    FLIPS_BEYOND_CHANCE,
    *OF_GRADIENTS,
    GRADIENT_NORM,
    SVD_FLIPS_BY_CHANCE,
    SVD_FLIPS_BEYOND_CHANCE,
    SVD_TAKEN_ENERGY,
    SVD_RANK,
    DEGRADATIONS_LOST,
    DEGRADATIONS_P,
    DEGRADATIONS_RADIUS,
    *(f"{metric}{BY_CHANCE}" for metric in OF_PHASE_SWAP),
    PHASE_SWAP_DIFFERENCE,
    PHASE_SWAP_BEYOND_CHANCE,
    PHASE_SWAP_P,
    SKEW_COST,
    SKEW_P,
    SKEW_DIFFERENCE,
    FEATURE_SPECTRUM,
    FEATURE_HIGH,
    FEATURE_ALIASED,
)
"""Metrics that are not, even where they are between 0 and 1."""

FRACTIONS = (
    *SHARES,
    CONFIDENCE,
    FLIPS_BY_CHANCE,
    SVD_FLIPS,
    SVD_FLIPS_BY_CHANCE,
    SVD_KEPT_ACCURACY,
    SVD_TAKEN_ACCURACY,
    SVD_TAKEN_ENERGY,
    RINGS_WHOLE,
    RINGS_MAJORITY,
    FOURIER_HEATMAP,
    PERTURBATION_ENERGY,
    ENERGY_WITHIN,
    KERNEL_HIGH_FREQUENCY,
    FEATURE_ALIASED,
    *DETECTION_NUMBERS,
    *(f"{name}{of}" for name in (GRADIENT_ENERGY, GRADIENT_BEYOND) for of in ("", OF_NOISE, OF_IMAGES)),
)
"""Metrics that lie between 0 and 1, whatever they are of: so does the interval of one, however few seeds tell of it."""

PLAIN = (
    LOSS,
    FIT_LOSS,
    PROBE_SECONDS,
    COUNTEREXAMPLE_DISTANCE,
    ROUGHNESS,
    SVD_RANK,
    *(f"{GRADIENT_RADIUS}{of}" for of in ("", OF_NOISE, OF_IMAGES)),
    GRADIENT_NORM,
    DEGRADATIONS_P,
    DEGRADATIONS_RADIUS,
    PHASE_SWAP_P,
    SKEW_P,
    FEATURE_SPECTRUM,
    FEATURE_HIGH,
)
"""Metrics that are no fractions of anything: a chart writes them as they are, not in percent."""


def is_share(metric: str, value: float, count: int) -> bool:
    """Return whether a number is a share of `count` samples; one of an instrument of one's own is if it can be.

    Example:
        >>> is_share("accuracy", 0.25, 8), is_share("loss", 0.25, 8), is_share("my-own", 0.3, 8)
        (True, False, False)
    """
    if metric in MEANS or not 0 <= value <= 1:
        return False
    return metric in SHARES or abs(value * count - round(value * count)) < 0.01


SAMPLE_COLUMNS = pl.Schema(
    {
        "sample": pl.Int64(),  # position in the data set
        "label": pl.Int64(),
        "component": pl.String(),
        "radius": pl.Float64(),
        "shown": pl.String(),
        "prediction": pl.Int64(),
        "confidence": pl.Float32(),  # probability of the prediction
        "label_probability": pl.Float32(),  # probability of the label
        "rank": pl.Int64(),  # how many classes have a logit no smaller than the label's, itself one of them
    }
)

ATTACK_COLUMNS = pl.Schema(
    {
        "sample": pl.Int64(),  # position in the data set
        "label": pl.Int64(),
        "attack": pl.String(),  # its settings in short, such as "PGD-20"
        "norm": pl.String(),
        "epsilon": pl.Float64(),  # 0 for the whole image
        "prediction": pl.Int64(),  # on the image that the sample was left with
        "robust": pl.Boolean(),  # right on the whole image, and not broken up to this epsilon
        "distance": pl.Float32(),  # of that image from the original, in the norm
    }
)


DETECTION_COLUMNS = pl.Schema(
    {
        "image": pl.Int64(),  # its id in the annotations
        "category": pl.Int64(),  # likewise
        "x": pl.Float64(),  # left edge in pixels of the image
        "y": pl.Float64(),  # upper edge
        "width": pl.Float64(),
        "height": pl.Float64(),
        "score": pl.Float64(),
    }
)
"""What a detector found, a row an object, in the detector's order: it decides between equal scores."""

OBJECT_COLUMNS = pl.Schema(
    {
        "object": pl.Int64(),  # its id in the annotations
        "image": pl.Int64(),
        "category": pl.Int64(),
        "x": pl.Float64(),
        "y": pl.Float64(),
        "width": pl.Float64(),
        "height": pl.Float64(),
        "area": pl.Float64(),  # of its outline, which decides whether it is small, medium or large
        "crowd": pl.Boolean(),  # a box around many, in which detections count neither for nor against a detector
    }
)
"""What is in the images, a row an annotation."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What every measurement has."""

    run: str
    seed: int | None = None
    epoch: int | None = None
    subset: str | None
    metric: str
    value: float
    error: float | None = None
    count: int
    class_name: str | None = None  # the column "class", which Python keeps for itself
    each: Float32[np.ndarray, " count"] | None = field(default=None, repr=False, compare=False)
    images: str | None = None


@runtime_checkable
class Shown(Protocol):
    """What a row needs to know of a component; `passband.frequency.component` has them."""

    @property
    def kind(self) -> str:
        """What stands in the column `component`."""
        ...

    @property
    def cutoff(self) -> float | None:
        """What stands in the column `radius`."""
        ...


def component_columns(component: Shown) -> dict[str, str | float | None]:
    """Return what the columns of a table say of a component: its kind, its outermost radius, and all of it as text."""
    return {"component": component.kind, "radius": component.cutoff, "shown": str(component)}


@dataclass(frozen=True, kw_only=True)
class ComponentRow(Row):
    """What a model does with the whole images, or with one component of them."""

    component: Shown
    amplitude: str | None = None


@dataclass(frozen=True, kw_only=True)
class RadiusRow(Row):
    """What is measured of images at a radius, whoever looks at them."""

    radius: float


@dataclass(frozen=True, kw_only=True)
class RobustnessRow(Row):
    """What remains of a model's accuracy under perturbations up to epsilon."""

    norm: str
    epsilon: float
    attack: str | None = None
    band: str | None = None
    radius: float | None = None
    rho: float | None = None
    normalized: bool | None = None


@dataclass(frozen=True, kw_only=True)
class CounterexampleRow(ComponentRow):
    """How many samples are answered otherwise than one of their components, and how far apart the two are."""

    norm: str | None = None
    epsilon: float | None = None


@dataclass(frozen=True, kw_only=True)
class WaveRow(ComponentRow):
    """What a model does with images to which a wave was added; `epsilon` is its length in each channel, empty without."""

    norm: str | None = None
    epsilon: float | None = None


@dataclass(frozen=True)
class InLayer:
    """Where in a network something is measured, as a row says it: see `Shown`.

    Attributes:
        name: Of a layer, or of an operation.
        cutoff: A radius in cycles per image of its maps' grid; None for all of them together.

    Example:
        >>> str(InLayer("blocks.0", 3.0))
        'layer:blocks.0'
    """

    name: str
    cutoff: float | None = None
    kind: ClassVar[str] = "layer"

    def __str__(self) -> str:
        """Write it, whatever the radius."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, kw_only=True)
class FeatureRow(ComponentRow):
    """What a layer's maps hold; `frequency` is the radius as a share of their grid's Nyquist frequency."""

    frequency: float | None = None


@dataclass(frozen=True, kw_only=True)
class KernelRow(Row):
    """What the kernels of a network's first convolution look like; `count` is how many filters it has."""

    rho: float
    normalized: bool


@dataclass(frozen=True, kw_only=True)
class DetectionRow(Row):
    """What a detector finds in a view of the images; `count` is how many images."""

    component: Shown
    geometry: str | None
    split_at: str | None
    amplitude: str | None


def to_table(rows: Iterable[Row]) -> pl.DataFrame:
    """Return rows as a table with all of `COLUMNS`.

    Example:
        >>> row = Row(run="a", subset="test", metric="accuracy", value=0.5, count=2)
        >>> to_table([row]).select("subset", "radius", "value").row(0)
        ('test', None, 0.5)
    """
    return pl.DataFrame([_cells(row) for row in rows], schema=COLUMNS)


def _cells(row: Row) -> dict[str, object]:
    cells = {each.name: getattr(row, each.name) for each in fields(row)}
    cells["class"] = cells.pop("class_name")
    if "component" in cells:
        cells |= component_columns(cells["component"])
    return cells


def read_table(path: Path, columns: Iterable[str]) -> pl.DataFrame:
    """Read a Parquet table that passband wrote.

    Columns that an earlier version did not write yet are filled with nulls.

    Raises:
        InputError: If the file is missing, is not Parquet, or lacks one of `columns`.
    """
    names = list(columns)
    if not path.is_file():
        raise InputError(f"no file {path}")
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}") from error
    if "error" in names and "error" not in table.columns and "metric" in table.columns:
        table = _errors_beside_values(table)
    table = table.with_columns(
        pl.lit(None, dtype=(COLUMNS | SAMPLE_COLUMNS)[name]).alias(name)
        for name in ADDED
        if name in names and name not in table.columns
    )
    if "shown" in names and "component" in table.columns:
        number = pl.col("radius").cast(pl.String).str.strip_suffix(".0")
        written = pl.concat_str("component", pl.lit(":") + number, ignore_nulls=True)
        said = pl.when(pl.col("component").is_not_null()).then(written)
        table = table.with_columns(shown=pl.coalesce("shown", said))
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; has {', '.join(table.columns)}")
    return table.select(names)


def _errors_beside_values(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table of an earlier version, whose standard errors were rows of their own, named `METRIC-error`."""
    named = pl.col("metric").is_in([f"{metric}-error" for metric in OF_KERNELS])
    errors = table.filter(named).with_columns(pl.col("metric").str.strip_suffix("-error"))
    others = [name for name in table.columns if name != "value"]
    errors = errors.select(*others, error="value")
    values = table.filter(~named)
    return values.join(errors, on=others, how="left", nulls_equal=True, maintain_order="left")
