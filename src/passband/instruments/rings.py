"""Which ring of frequencies a network needs, and which it can do without: one is kept, or one is removed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Literal, get_args

from passband.analysis.contrast import Term
from passband.analysis.figure import Curve, Figure, Level, Panel
from passband.checks import check_at_least_one
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import FULL, Only, Without
from passband.frequency.fourier import corner_radius, frequency_distance
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.components import Answers, ComponentAccuracy
from passband.instruments.instrument import Cost, Instrument, Reading, Subject
from passband.instruments.spectrum import Spectrum
from passband.rows import RINGS_MAJORITY, RINGS_WHOLE, ComponentRow
from passband.types import Amplitude

Equal = Literal["width", "energy"]


@dataclass(frozen=True, eq=False)
class FoundRings(Reading):
    """What a network answers to whole images, to images of one ring, and to images without it."""

    answers: Answers

    def rows(self) -> Iterator[ComponentRow]:
        """Yield accuracy, agreement, confidence and loss of each; whole images' accuracy and the majority class beside."""
        answers, subject = self.answers, self.answers.subject
        yield from (row for row in answers.rows() if row.component != FULL and row.class_name is None)
        beside = {
            RINGS_WHOLE: answers.correct[0].double().mean().item(),
            RINGS_MAJORITY: answers.majority,
        }
        for metric, value in beside.items():
            yield ComponentRow(
                **subject.cells,
                component=FULL,
                metric=metric,
                value=value,
                count=len(answers.labels),
            )

    def figure(self) -> Figure:
        """Return accuracy by the outer radius of the ring, kept and removed."""
        term = partial(Term, self.answers.subject.run, self.answers.subject.dataset.subset)
        marks = (
            Curve("only the ring", "lfc", term=term(Only.kind), along="radius"),
            Curve("all but the ring", "hfc", term=term(Without.kind), along="radius"),
            Level("whole images", "full", dashed=True, at=term(metric=RINGS_WHOLE)),
            Level("majority class", "muted", 0.3, dashed=True, at=term(metric=RINGS_MAJORITY)),
        )
        panel = Panel("Accuracy ring by ring", marks, x="outer radius of the ring (cycles per image)")
        return Figure(((panel,),))


@dataclass(frozen=True)
class Rings(Instrument[FoundRings]):
    """Accuracy when only a ring of frequencies is kept, and when only it is removed.

    The rings share out all frequencies but the mean, which every image keeps: without it, an image of one ring would be lost
    on many networks for its brightness, whatever the ring holds.

    Attributes:
        rings: How many, about.
        equal: Whether rings have equal `"width"` or hold equal `"energy"` of the data set's mean spectrum.
        amplitude: What is done to the images before the model sees them: see `passband.rescale`. They have the images' own
            scale already; dividing one by its maximum changes its brightness, whatever was removed.

    Raises:
        InputError: If there is not at least one ring.
        UnknownNameError: If there is no such policy, or no such way to share out frequencies.
    """

    rings: int = 8
    equal: Equal = "width"
    amplitude: Amplitude = "clip"

    name, summary, source, needs_gradient = INSTRUMENTS.lines["rings"]

    def __post_init__(self) -> None:
        """Refuse impossible settings."""
        check_at_least_one("rings", self.rings)
        if self.equal not in get_args(Equal):
            raise UnknownNameError("way to share out frequencies", self.equal, get_args(Equal))
        if self.amplitude not in get_args(Amplitude):
            raise UnknownNameError("amplitude policy", self.amplitude, get_args(Amplitude))

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return that each sample is shown whole, as each ring and without it; of equal energy there may be fewer rings."""
        rings = self.rings if self.equal == "energy" else len(equal_width(self.rings, size)) - 1
        return Cost(answers=samples * (1 + 2 * rings))

    def check(self, subject: Subject) -> None:
        """Refuse images that are too small to have a ring, and those that the model does not take."""
        size = subject.dataset.size
        if len(equal_width(self.rings, size)) < 2:
            raise InputError(
                f"images of {size[0]}x{size[1]} pixels have no frequency but their mean, so no ring of any"
            )
        ComponentAccuracy(()).check(subject)

    def sharded(self, subject: Subject) -> tuple[Instrument, ...]:
        """Return what the answers are read from."""
        return self._asked(subject).sharded(subject)

    def measure(self, subject: Subject) -> FoundRings:
        """Ask the model for what is kept, and for what is left."""
        self.check(subject)
        return FoundRings(_reporting(subject, self.name).read(self._asked(subject)))

    def _asked(self, subject: Subject) -> ComponentAccuracy:
        between = list(pairwise(self.edges(subject)))
        views = (*(Only(*radii) for radii in between), *(Without(*radii) for radii in between))
        return ComponentAccuracy(views, self.amplitude)

    def edges(self, subject: Subject) -> list[float]:
        """Return the radii between the rings, from 0 to the corner or beyond; those of energy depend on all of the images."""
        size = subject.dataset.size
        if self.equal == "width":
            return equal_width(self.rings, size)
        return equal_energy(self.rings, subject.read(Spectrum()).spectrum.energy.tolist(), size)


def equal_width(rings: int, size: tuple[int, int]) -> list[float]:
    """Return the radii between so many rings, about, of equal whole width; the last one may reach beyond the corner.

    Example:
        >>> equal_width(8, (32, 32)), equal_width(8, (224, 224))[:3]
        ([0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 21.0, 24.0], [0.0, 20.0, 40.0])
    """
    corner = corner_radius(*size)
    width = max(math.ceil(corner / rings), 1)
    return _with_frequencies([float(width * ring) for ring in range(math.ceil(corner / width) + 1)], size)


def equal_energy(rings: int, energy: Sequence[float], size: tuple[int, int]) -> list[float]:
    """Return the whole radii between rings that hold about equal energy; fewer where one radius holds much of it.

    Args:
        rings: How many, at most.
        energy: The share of energy, the mean aside, within radius 0, 1, 2, ... until it holds the corner.
        size: Height and width of the images in pixels.

    Example:
        >>> equal_energy(4, [0, 0.5, 0.6, 0.8, 0.9, 0.98, 1.0], (8, 8))
        [0.0, 1.0, 3.0, 6.0]
    """
    inner = (
        next(radius for radius, share in enumerate(energy) if share >= ring / rings)
        for ring in range(1, rings)
    )
    return _with_frequencies(sorted({0.0, *map(float, inner), float(len(energy) - 1)}), size)


def _with_frequencies(edges: Sequence[float], size: tuple[int, int]) -> list[float]:
    """Leave out edges beyond which, up to the next, there is no frequency: thin images have such rings."""
    distance = frequency_distance(*size)
    kept = [edges[0]]
    for edge in edges[1:]:
        if ((distance > kept[-1]) & (distance <= edge)).any():
            kept.append(edge)
    return kept


def _reporting(subject: Subject, stage: str) -> Subject:
    """Return the same subject, whose progress is that of another stage."""
    report = subject.progress
    return subject if report is None else replace(subject, progress=lambda _, *done: report(stage, *done))
