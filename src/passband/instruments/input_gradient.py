"""Which frequencies the loss's gradient with respect to the pixels has: what a network would have an image changed in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from passband.analysis.contrast import Term
from passband.analysis.figure import Curve, Figure, Panel, Role
from passband.attacks.gradient import attacking, frozen, pixel_gradient
from passband.checks import check_at_least_one
from passband.data.batches import batches
from passband.data.dataset import to_pixels
from passband.environment import choose_device
from passband.errors import InputError
from passband.frequency.component import High, check_components
from passband.frequency.fourier import frequency_distance
from passband.frequency.spectrum import ROUNDING, radial_sum
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.components import default_radii
from passband.instruments.instrument import Cost, Reading, Subject, as_floats
from passband.instruments.sharded import Shard, Sharded
from passband.models.independence import check_independent
from passband.models.pixels import PixelModel, answers, check_fits
from passband.prediction import predict
from passband.rows import (
    GRADIENT_BEYOND,
    GRADIENT_ENERGY,
    GRADIENT_NONE,
    GRADIENT_NORM,
    GRADIENT_RADIUS,
    OF_IMAGES,
    OF_NOISE,
    ComponentRow,
    RadiusRow,
    Row,
)
from passband.types import Batch, Labels, Logits


@dataclass(frozen=True, eq=False)
class Energy:
    """Where the energy of some images lies, as shares of each image's own.

    Attributes:
        at: At each whole radius, to the corner.
        beyond: Beyond each of the radii that were asked for.
        radius: Its mean radius, in cycles per image.
    """

    at: Float[Tensor, "images whole_radii"]
    beyond: Float[Tensor, "images radii"]
    radius: Float[Tensor, " images"]


@dataclass(frozen=True, eq=False)
class FoundGradients(Reading):
    """Where the energy of gradients lies, beside that of white noise and that of the images.

    Attributes:
        subject: The network.
        radii: Those beyond which energy was asked for.
        samples: How many images were looked at.
        gradient: Of the images whose gradient is finite and not 0.
        norm: The length of each of these gradients.
        noise: Of white noise: the share of all Fourier coefficients.
        images: Of the images, the mean of each channel aside; flat ones have none.
    """

    subject: Subject
    radii: tuple[float, ...]
    samples: int
    gradient: Energy
    norm: Float[Tensor, " images"]
    noise: Energy
    images: Energy

    @property
    def without(self) -> int:
        """How many images have a gradient that is 0 or not finite."""
        return self.samples - len(self.norm)

    def rows(self) -> Iterator[Row]:
        """Yield the means over images with their standard errors, the median length, and how many images have no gradient."""
        one = partial(Row, **self.subject.cells)
        yield one(metric=GRADIENT_NONE, value=self.without / self.samples, count=self.samples)
        if len(self.norm):
            yield one(metric=GRADIENT_NORM, value=self.norm.quantile(0.5).item(), count=len(self.norm))
        for energy, of in ((self.gradient, ""), (self.noise, OF_NOISE), (self.images, OF_IMAGES)):
            if len(energy.radius) == 0:
                continue
            mean = partial(self._mean, known=energy is self.noise)
            yield one(metric=f"{GRADIENT_RADIUS}{of}", **mean(energy.radius))
            for radius, shares in enumerate(energy.at.T):
                metric = f"{GRADIENT_ENERGY}{of}"
                yield RadiusRow(**self.subject.cells, metric=metric, radius=float(radius), **mean(shares))
            for radius, shares in zip(self.radii, energy.beyond.T, strict=True):
                metric = f"{GRADIENT_BEYOND}{of}"
                yield ComponentRow(
                    **self.subject.cells, metric=metric, component=High(radius), **mean(shares)
                )

    def _mean(self, values: Float[Tensor, " images"], *, known: bool) -> dict[str, Any]:
        """Return a mean with its standard error; of what is known without looking, all coefficients make it."""
        if known:
            return {"value": values.item(), "error": 0.0, "count": math.prod(self.subject.dataset.size)}
        error = None if len(values) < 2 else values.std().item() / math.sqrt(len(values))
        return {"value": values.mean().item(), "error": error, "count": len(values)}

    def figure(self) -> Figure:
        """Return the share at each radius beside that of white noise, and the share beyond a radius beside the images' too."""
        term = partial(Term, self.subject.run, self.subject.dataset.subset)
        looks: tuple[tuple[str, str, Role, bool], ...] = (
            ("gradient", "", "hfc", False),
            ("white noise", OF_NOISE, "muted", True),
            ("images", OF_IMAGES, "lfc", True),
        )

        def curves(metric: str, shown: str | None, count: int) -> tuple[Curve, ...]:
            return tuple(
                Curve(name, role, dashed=dashed, term=term(shown, f"{metric}{of}"), along="radius")
                for name, of, role, dashed in looks[:count]
            )

        x = "radius r (cycles per image)"
        at = Panel("Gradient by radius", curves(GRADIENT_ENERGY, None, 2), x, "share of energy at r")
        beyond = Panel(
            "Gradient beyond a radius", curves(GRADIENT_BEYOND, High.kind, 3), x, "share of energy beyond r"
        )
        return Figure(((at, beyond),))

    def words(self) -> str:
        """Return at which radius the energy lies on average, and how many images have none."""
        said = []
        if len(self.norm):
            images = (
                ""
                if len(self.images.radius) == 0
                else f", that of the images {self.images.radius.mean():.1f}"
            )
            said.append(
                f"The mean radius of the gradient's energy is {self.gradient.radius.mean():.1f} cycles per image, that of white "
                f"noise {self.noise.radius.item():.1f}{images}."
            )
        if self.without:
            said.append(
                f"{self.without:,} of {self.samples:,} images have a gradient that is 0 or not finite, and count in no share."
            )
        return " ".join(said)


@dataclass(frozen=True, eq=False)
class SeenGradients:
    """The attributes of `FoundGradients` that have an entry an image, of the images of a shard."""

    gradient: Energy
    norm: Float[Tensor, " images"]
    images: Energy


@dataclass(frozen=True)
class InputGradient(Sharded[SeenGradients, FoundGradients]):
    """Where the energy of the gradient of each image's own cross-entropy with respect to its [0, 1] pixels lies.

    Energy is counted in shares of each image's own, so that an image with a large loss says no more than another one. The
    cross-entropy is log(1 + exp(m)), with m the log odds against the label, and its gradient that of m times the probability
    of all other classes. So m is what is differentiated, from logits in double precision: its gradient has the same
    shares, and does not vanish on images that a network is certain of, where that of the loss rounds to 0 or to another
    direction.

    Attributes:
        radii: Beyond which energy is asked for, in cycles per image; None takes those of the LFC curve, about eight.
        samples: How many of the subject's samples, drawn by the seed; None takes all.

    Raises:
        InputError: If a setting is none of these.

    Source:
        Spectra of a network's gradient beside the images' own: Chan et al. 2022, "How does frequency bias affect the robustness
        of neural image classifiers against common corruption and adversarial perturbations?", Figure 1. By radius, and beside
        white noise, they are passband's own.
    """

    radii: tuple[float, ...] | None = None
    samples: int | None = 1000

    seen = SeenGradients
    name, summary, source, needs_gradient = INSTRUMENTS.lines["input-gradient"]

    def __post_init__(self) -> None:
        """Refuse impossible settings, and make equal ones equal."""
        check_at_least_one("samples", self.samples)
        object.__setattr__(self, "radii", as_floats(self.radii))
        if self.radii == ():
            raise InputError("at least one radius is needed, got none")

    def __str__(self) -> str:
        """Say what is measured."""
        return "spectrum of the gradient"

    def resolved(self, size: tuple[int, int]) -> InputGradient:
        """Return it with its radii."""
        return replace(self, radii=self._radii(size))

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return that each sample is sent forward and back once."""
        return Cost(gradients=samples if self.samples is None else min(samples, self.samples))

    def check(self, subject: Subject) -> None:
        """Refuse radii that the images do not have, a single class, and a model that does not fit or has no gradient."""
        model, dataset = subject.model, subject.dataset
        check_fits(model, dataset)
        check_components([High(radius) for radius in self._radii(dataset.size)], dataset.size)
        if len(dataset.classes) < 2:
            raise InputError(
                "the loss of a single class is 0 for every image, so it has no gradient; two classes are needed"
            )
        image = to_pixels(dataset.images[:1], model.mean.device)
        with attacking(model):
            answers(model, image, len(dataset.classes))
            odds_gradient(model, image, dataset.labels[:1].to(image.device))

    def visited(self, subject: Subject) -> Int64[Tensor, " visited"]:
        """Return the samples that are drawn."""
        return subject.draw(self.samples)

    def look(self, subject: Subject, shard: Shard) -> SeenGradients:
        """Send each image forward and back."""
        model, dataset, place = subject.model, subject.dataset, choose_device(subject.device)
        model.to(place)
        check_independent(model, to_pixels(dataset.images[:1], place))
        radii, visited, size = self._radii(dataset.size), shard.samples, self.together(subject)
        gradients: list[tuple[Energy, Tensor]] = []
        images: list[Energy] = []
        done = 0
        with attacking(model), frozen(model):
            for batch in batches(dataset, batch_size=size, device=place, order=visited):
                odds, gradient = odds_gradient(model, batch.images, batch.labels)
                gradients.append(gradient_energy(odds, gradient, radii))
                images.append(image_energy(batch.images, radii))
                done += len(batch.labels)
                if subject.progress:
                    subject.progress(self.name, done, len(visited))
        return SeenGradients(
            _joined([energy for energy, _ in gradients]),
            torch.cat([norm for _, norm in gradients]),
            _joined(images),
        )

    def join(self, subject: Subject, seen: Iterable[SeenGradients]) -> FoundGradients:
        """Return where the energy of all gradients lies."""
        radii, parts = self._radii(subject.dataset.size), list(seen)
        return FoundGradients(
            subject,
            radii,
            len(self.visited(subject)),
            _joined([each.gradient for each in parts]),
            torch.cat([each.norm for each in parts]),
            spread(torch.ones(1, *subject.dataset.size, dtype=torch.float64), radii),
            _joined([each.images for each in parts]),
        )

    def _radii(self, size: tuple[int, int]) -> tuple[float, ...]:
        return tuple(float(each) for each in (default_radii(size) if self.radii is None else self.radii))


def odds_against(logits: Logits, labels: Labels) -> Float[Tensor, " batch"]:
    """Return the log odds against each label, in double precision on the CPU: with them the cross-entropy is log(1 + exp(odds)).

    Example:
        >>> odds_against(torch.tensor([[2.0, 5.0]]), torch.tensor([0]))
        tensor([3.], dtype=torch.float64)
    """
    wide, labels = logits.to("cpu", torch.float64), labels.cpu()
    others = wide.masked_fill(F.one_hot(labels, wide.shape[1]).bool(), -math.inf).logsumexp(dim=1)
    return others - wide.gather(1, labels[:, None])[:, 0]


def odds_gradient(model: PixelModel, images: Batch, labels: Labels) -> tuple[Float[Tensor, " batch"], Batch]:
    """Return the log odds against each image's label, and how they change with its pixels. Gradients must be enabled.

    Raises:
        InputError: If the model has no gradient with respect to its images, it cannot be computed, or an answer is not finite.
    """
    logits, gradient = pixel_gradient(model, images, lambda logits: odds_against(logits, labels).sum())
    predict(logits, model.name)
    return odds_against(logits, labels), gradient


def gradient_energy(
    odds: Float[Tensor, " batch"], gradient: Batch, radii: Sequence[float]
) -> tuple[Energy, Float[Tensor, " images"]]:
    """Return where the energy of gradients lies, and their length as gradients of the cross-entropy.

    Those that are 0 or not finite are left out.

    Args:
        odds: The log odds against the label.
        gradient: Of these.
        radii: Beyond which energy is asked for.
    """
    peak = gradient.abs().amax(dim=(1, 2, 3))
    counts = peak.isfinite() & (peak > 0)
    scaled = (
        gradient / peak.where(counts, 1)[:, None, None, None]
    )  # else the squares of small ones would round to 0
    counts, power = counts.cpu(), _power(scaled)[counts.cpu()]
    scale = odds[counts].sigmoid() * peak.cpu().double()[counts]
    return spread(power, radii), scale * power.sum(dim=(1, 2)).sqrt()


def image_energy(images: Batch, radii: Sequence[float]) -> Energy:
    """Return where the energy of images lies, the mean of each channel aside; flat ones are left out."""
    power = _power(images)
    mean = power[:, 0, 0].clone()
    power[:, 0, 0] = 0
    return spread(power[power.sum(dim=(1, 2)) > ROUNDING * mean], radii)


def spread(power: Float[Tensor, "images height width"], radii: Sequence[float]) -> Energy:
    """Return where power lies, image by image, of which none is 0 throughout; the zero frequency is at [0, 0].

    Example:
        >>> noise = spread(torch.ones(1, 4, 4), [1.0])  # of 16 coefficients 1, 8, 6 and 1 are at radius 0, 1, 2 and 3
        >>> noise.at[0].tolist(), noise.beyond.item()
        ([0.0625, 0.5, 0.375, 0.0625], 0.6875)
    """
    distance = frequency_distance(*power.shape[-2:])
    total = power.sum(dim=(1, 2))
    beyond = [(power * (distance > radius)).sum(dim=(1, 2)) for radius in radii]
    return Energy(
        radial_sum(power) / total[:, None],
        torch.stack(beyond, dim=1) / total[:, None],
        (power * distance).sum(dim=(1, 2)) / total,
    )


def _power(images: Batch) -> Float[Tensor, "batch height width"]:
    """Return the power of each Fourier coefficient of each image, all channels together, in double precision on the CPU."""
    power = torch.fft.fft2(images, norm="ortho").abs().square().sum(dim=1)
    return power.cpu().double()  # Apple's GPUs have no double precision


def _joined(parts: Sequence[Energy]) -> Energy:
    return Energy(
        torch.cat([each.at for each in parts]),
        torch.cat([each.beyond for each in parts]),
        torch.cat([each.radius for each in parts]),
    )
