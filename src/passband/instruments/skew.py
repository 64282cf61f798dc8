"""The same network behind other ways of preparing the same pictures: what becomes of its answers, and where its inputs differ."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from passband.analysis.contrast import Contrast, Term
from passband.analysis.figure import Bar, Curve, Figure, Panel, Role
from passband.checks import check_at_least_one, write_number
from passband.data.batches import Sequel, choose_batch_size
from passband.data.dataset import ImageDataset, to_pixels
from passband.data.resizing import check_available
from passband.data.side_by_side import check_same, makes_a_difference, side_by_side
from passband.environment import choose_device
from passband.errors import InputError, MissingDependencyError
from passband.frequency.component import FULL
from passband.frequency.spectrum import ROUNDING, radial_sum
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.instrument import Cost, Reading, Subject
from passband.instruments.sharded import Shard, Sharded
from passband.models.independence import check_independent
from passband.models.pixels import answers, check_fits, evaluating
from passband.preparation import Change, Preparation
from passband.rows import (
    ACCURACY,
    AGREEMENT,
    SKEW_CHANGED,
    SKEW_COST,
    SKEW_DIFFERENCE,
    SKEW_FLIPS,
    SKEW_LOST,
    SKEW_P,
    SKEW_WHOLE,
    SKEW_WON,
    ComponentRow,
)
from passband.stats import holm, mcnemar, wilson_interval
from passband.types import Batch, Labels

USUAL = ("pillow-bicubic", "opencv-linear", "torch-no-antialias")
"""What is compared where nobody says: as timm's loaders do it, as OpenCV's users do, and as `F.interpolate` and exporters do."""

LOOKED_AT = 8  # pictures that are prepared again before any work
MARKS = (0.01, 0.1)  # of the inputs' power, which words name the radius for
ROLES: tuple[Role, ...] = ("lfc", "hfc", "energy", "full")


@dataclass(frozen=True)
class Prepared:
    """What stands in a row for images that were prepared otherwise, as a whole or at a radius.

    Attributes:
        way: What was done otherwise.
        radius: None for whole images.

    Example:
        >>> str(Prepared(Change("torch"))), str(Prepared(Change("torch", 0.875), 8.0))
        ('prepared:torch', 'prepared:torch@0.875:8')
    """

    way: Change
    radius: float | None = None

    @property
    def kind(self) -> str:
        """What stands in the column `component` of tables."""
        return f"prepared:{self.way}"

    @property
    def cutoff(self) -> float | None:
        """What stands in the column `radius` of tables."""
        return self.radius

    def __str__(self) -> str:
        """Write it as components are written."""
        return self.kind if self.radius is None else f"{self.kind}:{write_number(self.radius)}"


@dataclass(frozen=True, eq=False)
class FoundSkew(Reading):
    """What a network answers to pictures prepared in several ways.

    Attributes:
        subject: The network, with images prepared in the first way.
        ways: The others.
        left_out: Those of the usual ones that this machine cannot make.
        labels: The true classes.
        whole: The predictions on the images as they are.
        predictions: Those on images prepared in each other way.
        changed: Whether any pixel differs.
        difference: The power of the difference of the inputs over that of both together, at each whole radius from 0 to the
            corner: 0 where they are the same, 1 where they have nothing in common, or one of them has nothing; at most 2. NaN
            where neither has any power.
        error: Its standard error over images; NaN of one image.
    """

    subject: Subject
    ways: tuple[Change, ...]
    left_out: tuple[Change, ...]
    labels: Labels
    whole: Int64[Tensor, " samples"]
    predictions: Int64[Tensor, "ways samples"]
    changed: Bool[Tensor, "ways samples"]
    difference: Float64[Tensor, "ways radii"]
    error: Float64[Tensor, "ways radii"]

    @property
    def flips(self) -> Bool[Tensor, "ways samples"]:
        """Whether each answer is another one than that to the images as they are."""
        return self.predictions != self.whole

    def p_values(self) -> list[float]:
        """Return of each way the exact McNemar test of accuracy against the images as they are, by Holm's correction for all."""
        before = self.whole == self.labels
        after = self.predictions == self.labels
        return holm([mcnemar(int((before & ~each).sum()), int((each & ~before).sum())) for each in after])

    def rows(self) -> Iterator[ComponentRow]:
        """Yield the accuracy on the images as they are; of each way shares of images, the cost in accuracy, its test; the difference.

        `skew-cost` is the accuracy on the images as they are less that of the way, with the standard error of paired samples.
        Radii at which neither input has any power are left out.
        """
        count, before = len(self.labels), self.whole == self.labels
        row = partial(
            ComponentRow,
            **self.subject.cells,
            count=count,
        )
        yield row(component=FULL, metric=SKEW_WHOLE, value=_mean(before))
        for index, (way, p) in enumerate(zip(self.ways, self.p_values(), strict=True)):
            after, flips = self.predictions[index] == self.labels, self.flips[index]
            shares = {
                ACCURACY: after,
                AGREEMENT: ~flips,
                SKEW_FLIPS: flips,
                SKEW_LOST: before & ~after,
                SKEW_WON: after & ~before,
                SKEW_CHANGED: self.changed[index],
            }
            for metric, found in shares.items():
                yield row(component=Prepared(way), metric=metric, value=_mean(found))
            cost = before.double() - after.double()
            error = cost.std().item() / math.sqrt(count) if count > 1 else None
            yield row(component=Prepared(way), metric=SKEW_COST, value=cost.mean().item(), error=error)
            yield row(component=Prepared(way), metric=SKEW_P, value=p)
            numbers = zip(self.difference[index].tolist(), self.error[index].tolist(), strict=True)
            for radius, (value, error) in enumerate(numbers):
                if math.isfinite(value):
                    shown = Prepared(way, float(radius))
                    error = error if count > 1 else None
                    yield row(component=shown, metric=SKEW_DIFFERENCE, value=value, error=error)

    def figure(self) -> Figure:
        """Return how many answers change, a group of bars a way; and the difference of the inputs by radius, a curve a way."""
        term = partial(Term, self.subject.run, self.subject.dataset.subset)
        kinds: dict[str, tuple[str, Role]] = {
            SKEW_FLIPS: ("answered otherwise", "full"),
            SKEW_LOST: ("right before, wrong now", "hfc"),
            SKEW_WON: ("wrong before, right now", "lfc"),
        }
        bars = tuple(
            Bar(name, role, category=str(way), contrast=Contrast((term(str(Prepared(way)), metric),)))
            for way in self.ways
            for metric, (name, role) in kinds.items()
        )
        curves = tuple(
            Curve(
                str(way),
                ROLES[index % len(ROLES)],
                shade=1 if index < len(ROLES) else 0.3,
                dashed=str(way.resize).startswith(
                    "torch"
                ),  # or it would hide OpenCV's, which is nearly the same
                term=term(Prepared(way).kind, SKEW_DIFFERENCE),
                along="radius",
            )
            for index, way in enumerate(self.ways)
        )
        return Figure(
            (
                (
                    Panel("Answers that change", bars, x="prepared by", y="share of images"),
                    Panel(
                        "Where the inputs differ",
                        curves,
                        x="radius (cycles per image)",
                        y="power of the difference / of both inputs",
                    ),
                ),
            )
        )

    def words(self) -> str:
        """Return a sentence a way: how many answers change, what that costs, and from which radius on the inputs differ."""
        how = self.subject.dataset.preparation
        assert how is not None
        count, accuracy = len(self.labels), _mean(self.whole == self.labels)
        said = []
        for index, (way, p) in enumerate(zip(self.ways, self.p_values(), strict=True)):
            flips, changed = int(self.flips[index].sum()), int(self.changed[index].sum())
            low, high = wilson_interval(flips, count)
            instead = f"{way} instead of {Change.between(way.of(how), how)}"
            if not changed:
                said.append(f"Prepared by {instead}, the images are the same.")
                continue
            some = "" if changed == count else f"{changed:,} of the images differ at all; "
            after = _mean(self.predictions[index] == self.labels)
            said.append(
                f"Prepared by {instead}, {flips:,} of {count:,} answers change ({flips / count:.1%} [{low:.1%}, {high:.1%}]); "
                f"{some}accuracy {accuracy:.1%} -> {after:.1%} (p {p:.2g} by Holm); {self._reached(index)}."
            )
        if self.left_out:
            said.append(
                f"Left out, since OpenCV is not installed (extra opencv): {', '.join(map(str, self.left_out))}."
            )
        return " ".join(said)

    def _reached(self, index: int) -> str:
        """Return at which radii the difference first exceeds some shares of the images' power."""
        found = []
        for share in MARKS:
            beyond = (self.difference[index] > share).nonzero()
            if len(beyond):
                found.append(f"{share:.0%}{' of their power' * (not found)} at radius {int(beyond[0])}")
        if not found:
            return f"the inputs differ by no more than {MARKS[0]:.0%} of their power at any radius"
        return f"the difference of the inputs first exceeds {', '.join(found)}"


@dataclass(frozen=True, eq=False)
class Power:
    """Sums over images of the power at each whole radius: of the difference that a way makes, and of both inputs together.

    Attributes:
        count: How many images.
        sums: Of both, their squares, the difference, its squares, and the products of the two; None of no image.
    """

    count: int = 0
    sums: Float64[Tensor, "5 ways radii"] | None = None

    def __add__(self, other: Power) -> Power:
        """Return the sums over the images of both."""
        if self.sums is None or other.sums is None:
            return self if other.sums is None else other
        return Power(self.count + other.count, self.sums + other.sums)

    def ratios(self) -> tuple[Float64[Tensor, "ways radii"], Float64[Tensor, "ways radii"]]:
        """Return the ratio of sums, and its standard error by linearization: see `FoundSkew.difference`."""
        assert self.sums is not None
        both, squares_of_both, difference, squares, products = self.sums
        there = both > ROUNDING * both.sum(dim=1, keepdim=True)
        ratio = (difference / both).where(there, math.nan)
        residuals = squares - 2 * ratio * products + ratio**2 * squares_of_both
        spread = residuals.clamp(min=0) * self.count / (self.count - 1 if self.count > 1 else math.nan)
        return ratio, spread.sqrt() / both


@dataclass(frozen=True, eq=False)
class SeenSkew:
    """What a network answers to a shard: the pictures as they are, then in each other way."""

    predictions: Int64[Tensor, "shown samples"]
    changed: Bool[Tensor, "ways samples"]
    power: Power


@dataclass(frozen=True)
class Skew(Sharded[SeenSkew, FoundSkew]):
    """Answers to the same pictures, prepared otherwise: by another filter, without antialiasing, with another crop, squashed.

    Both the images of the data set and the others are made of the pictures once more, decoded once; where the first are not those
    that the data set has, since files have changed, that is refused.

    Attributes:
        ways: What is done otherwise, as `passband.preparation.Change` is written: `"opencv-linear"`, `"torch@0.875"`, `"@squash"`. What
            the images are is left out. None compares `USUAL`, without OpenCV where it is not installed, and what the
            model's source says where that is neither these nor what was done.
        samples: How many of the subject's samples, drawn by the seed; None takes all.

    Raises:
        InputError: If there is no way, one comes twice, or a number is impossible.
        UnknownNameError: If there is no such filter.

    Source:
        Wang, Li, Gong et al. 2023, SysNoise: Exploring and benchmarking training-deployment system inconsistency; Parmar, Zhang
        and Zhu 2022, On aliased resizing and surprising subtleties in GAN evaluation, on which filters are antialiased.
    """

    ways: tuple[str, ...] | None = None
    samples: int | None = None

    seen = SeenSkew
    name, summary, source, needs_gradient = INSTRUMENTS.lines["skew"]

    def __post_init__(self) -> None:
        """Refuse impossible settings, and make equal ones equal."""
        check_at_least_one("samples", self.samples)
        if self.ways is None:
            return
        ways = tuple(str(Change.read(way)) for way in self.ways)
        if not ways or len(set(ways)) < len(ways):
            raise InputError(
                f"ways are needed, each once, such as opencv-linear; got {', '.join(ways) or 'none'}"
            )
        object.__setattr__(self, "ways", ways)

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return that each image is shown as it is and in each way; by default there may be one less, or one more."""
        looked_at = samples if self.samples is None else min(samples, self.samples)
        return Cost(answers=looked_at * (1 + len(USUAL if self.ways is None else self.ways)))

    def check(self, subject: Subject) -> None:
        """Refuse images that no preparation made, and ways that this machine cannot go or that change none of them."""
        dataset = subject.dataset
        check_fits(subject.model, dataset)
        side_by_side(dataset, ())
        ways, left_out = self._chosen(subject)
        assert dataset.preparation is not None
        if not any(makes_a_difference(dataset, way.of(dataset.preparation)) for way in ways):
            compared = ", ".join(map(str, (*ways, *left_out))) or ", ".join(self.ways or USUAL)
            raise InputError(
                f"the pictures of {dataset.name} are the same, prepared by {compared}: they have the size that is wanted, or are "
                "prepared so already. Take the original pictures, with --size (size=), or name other ways: "
                "--with skew:ways=..., Skew(ways=...)."
            )
        few = self.visited(subject)[:LOOKED_AT]
        check_same(dataset, few, side_by_side(dataset, ()).images[few])

    def visited(self, subject: Subject) -> Int64[Tensor, " visited"]:
        """Return the samples that are drawn, in the order of the data set, in which files are read fastest."""
        return subject.draw(self.samples).sort().values

    def together(self, subject: Subject) -> int:
        """Return how many pictures are looked at together, each in all ways."""
        return choose_batch_size(subject.batch_size, self._prepared(subject), choose_device(subject.device))

    def depends_on(self, subject: Subject) -> str:
        """Return the ways to go, which depend on what is installed."""
        return repr(self._chosen(subject)[0])

    def look(self, subject: Subject, shard: Shard) -> SeenSkew:
        """Show the model each picture in all ways."""
        model, dataset, place = subject.model, subject.dataset, choose_device(subject.device)
        model.to(place)
        check_independent(model, to_pixels(dataset.images[:1], place))
        ways, samples, batch_size = self._chosen(subject)[0], shard.samples, self.together(subject)
        pictures = Sequel(self._prepared(subject), samples, batch_size)
        predictions: list[Tensor] = []
        changed: list[Tensor] = []
        power, done = Power(), 0
        with evaluating(model):
            for indices in samples.split(batch_size):
                pixels = pictures.next(len(indices)).unflatten(1, (-1, dataset.channels))
                check_same(dataset, indices, pixels[:, 0])
                views = to_pixels(pixels, place).unbind(1)
                shown = ("whole images", *(f"images prepared by {way}" for way in ways))
                predictions.append(
                    torch.stack(
                        [
                            answers(model, images, len(dataset.classes), what).argmax(dim=1).cpu()
                            for images, what in zip(views, shown, strict=True)
                        ]
                    )
                )
                changed.append((pixels[:, 1:] != pixels[:, :1]).flatten(2).any(dim=2).T)
                power += power_of(views[0], views[1:])
                done += len(indices)
                if subject.progress:
                    subject.progress(self.name, done, len(samples))
        return SeenSkew(torch.cat(predictions, dim=1).clone(), torch.cat(changed, dim=1), power)

    def join(self, subject: Subject, seen: Iterable[SeenSkew]) -> FoundSkew:
        """Return what the model answers to all pictures, and how the inputs differ."""
        ways, left_out = self._chosen(subject)
        shards = list(seen)
        whole, *others = torch.cat([each.predictions for each in shards], dim=1)
        difference, error = sum((each.power for each in shards), Power()).ratios()
        return FoundSkew(
            subject,
            ways,
            left_out,
            subject.dataset.labels[self.visited(subject)],
            whole,
            torch.stack(others),
            torch.cat([each.changed for each in shards], dim=1),
            difference,
            error,
        )

    def _prepared(self, subject: Subject) -> ImageDataset:
        how = subject.dataset.preparation
        assert how is not None
        return side_by_side(subject.dataset, [way.of(how) for way in self._chosen(subject)[0]])

    def _chosen(self, subject: Subject) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
        """Return the ways to go, and those of the usual ones that cannot be gone here.

        Raises:
            MissingDependencyError: If one was asked for by name that needs OpenCV, which is not installed.
        """
        how = subject.dataset.preparation
        assert how is not None
        asked = [Change.read(text) for text in (USUAL if self.ways is None else self.ways)]
        own = subject.model.preparation
        if self.ways is None and own is not None and own.size is not None:
            asked.append(Change.between(how, replace(own, size=how.size)))
        chosen: dict[Preparation, Change] = {}
        left_out = []
        for way in asked:
            made = way.of(how)
            if made == how or made in chosen:
                continue
            try:
                check_available(made.resize)
            except MissingDependencyError:
                if self.ways is not None:
                    raise
                left_out.append(way)
                continue
            chosen[made] = way
        return tuple(chosen.values()), tuple(left_out)


def power_of(images: Batch, others: tuple[Batch, ...]) -> Power:
    """Return the sums over some images, and the same ones in each way."""
    own = _radial(images)
    both = torch.stack([own + _radial(other) for other in others], dim=1)  # (samples, ways, radii)
    difference = torch.stack([_radial(other - images) for other in others], dim=1)
    parts = [both, both**2, difference, difference**2, difference * both]
    return Power(len(images), torch.stack([part.sum(dim=0) for part in parts]))


def _radial(images: Batch) -> Float64[Tensor, "samples radii"]:
    """Return each image's power at each whole radius, over its channels; the zero frequency is taken aside, and exact."""
    mean = images.mean(dim=(-2, -1), keepdim=True)
    power = torch.fft.fft2(images - mean, norm="ortho").abs().square()
    power[..., 0, 0] = mean[..., 0, 0] ** 2 * math.prod(images.shape[-2:])
    return radial_sum(power.sum(dim=1)).cpu().double()


def _mean(found: Tensor) -> float:
    return found.double().mean().item()
