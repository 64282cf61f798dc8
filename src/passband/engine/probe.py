"""What is measured along training: accuracy and loss on whole images, LFC and HFC, at chosen epochs.

A probe is data, as a run is. What it costs follows from what it asks: showing one component of one image takes about
a third of the time of training on one image (`ANSWER_COST`), so a default that stays cheap can be computed before
anything is trained (`Probe.affordable`), and every measurement tells how long it really took.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, get_args

import torch
from torch import nn

from passband.data.dataset import ImageDataset
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import check_components, lows_and_highs
from passband.frequency.fourier import corner_radius
from passband.instruments.components import ComponentAccuracy, image_by_image
from passband.instruments.instrument import Instrument, Subject
from passband.models.pixels import as_pixel_model
from passband.rows import PROBE_SECONDS, Row
from passband.types import Amplitude, Subset

RADII = (4.0, 8.0, 12.0, 16.0)
"""Those of the paper's figures."""

ANSWER_COST = 0.33
"""Time to show one component of one image, over the time to train on one image: measured on one CPU thread at 32x32
pixels as 0.27 to 0.31 for residual networks, 0.27 to 0.29 for AlexNet and VGG, 0.44 for LeNet (`benchmarks/probe.py`); a little
more is reckoned with, so that a share is kept."""

SHARE = 0.10
"""How much of the time of training a probe may take."""

LEAST = 50
"""Images that a probe is not reduced below, so that a run that is cut short still measures something."""


@dataclass(frozen=True)
class Probe:
    """What is measured along a training run, and when.

    Attributes:
        radii: Cut-offs in cycles per image, below the corner.
        components: `"lfc"`, `"hfc"` or both; whole images are always shown too.
        subsets: `"train"`, `"test"` or both.
        epochs: After which epochs: every n-th, or exactly these. The last ones of a run are always measured.
        samples: Random images of each subset, the same at every epoch and for every run of a seed; None is all of
            them. With 2,400 the 95% interval of any accuracy is within two points.
        along: Random images before the last epochs, where curves are drawn and no claim rests; None is `samples`.
        last: After how many of the last epochs `samples` are measured, image by image. Claims rest on their mean: from one epoch to
            the next, accuracy on an LFC may swing by a tenth.
        amplitude: What is done to a component before the model sees it: see `passband.rescale`.
        batch_size: Images at a time on a CPU, which changes no answer: so many images of 32x32 pixels stay in its cache
            with their components; 100 of them take 1.5 times as long each. A GPU, where so few wait for launches, is shown as
            many as an audit shows it. A network whose BatchNorm uses the statistics of the batch is asked in batches of the
            size that it trains with instead.
        instruments: What else to look at the network with, on the same images.

    Raises:
        InputError: If a value is impossible.
        UnknownNameError: If there is no such component, subset or amplitude policy.
    """

    radii: tuple[float, ...] = RADII
    components: tuple[str, ...] = ("lfc", "hfc")
    subsets: tuple[Subset, ...] = ("train", "test")
    epochs: int | tuple[int, ...] = 1
    samples: int | None = 2400
    along: int | None = None
    last: int = 1
    amplitude: Amplitude = "max"
    batch_size: int = 40
    instruments: tuple[Instrument, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be measured; 4 and 4.0 are one radius, and one run."""
        object.__setattr__(self, "radii", tuple(map(float, self.radii)))
        _check_names("component", self.components, ("lfc", "hfc"))
        _check_names("subset", self.subsets, get_args(Subset))
        _check_names("amplitude policy", (self.amplitude,), get_args(Amplitude))
        if not self.subsets:
            raise InputError("a probe needs at least one subset, 'train' or 'test', got none")
        if self.components and not self.radii:
            raise InputError("a probe of components needs at least one radius, got none")
        counts = {
            "samples": self.samples,
            "along": self.along,
            "last": self.last,
            "batch_size": self.batch_size,
        }
        for name, value in counts.items():
            if value is not None and value < 1:
                raise InputError(f"{name} of a probe must be at least 1, got {value}")
        for epoch in (self.epochs,) if isinstance(self.epochs, int) else self.epochs:
            if epoch < 1:
                raise InputError(f"epochs are counted from 1 on, got {epoch}")

    @classmethod
    def full(cls, radii: tuple[float, ...] = RADII) -> Probe:
        """Return the paper's protocol: after every epoch, on every image, in batches of 100 (sections 4.2 and 5.1)."""
        return cls(radii=radii, samples=None, batch_size=100)

    @classmethod
    def affordable(cls, epochs: int, images: int, *, share: float = SHARE, **settings: Any) -> Probe | None:
        """Return the default probe of a run: as often as a share of its training time allows.

        Epochs are spaced by a constant factor, since a network changes fastest in the beginning; the last one is
        among them.

        Args:
            epochs: How long the run trains.
            images: Training images in an epoch.
            share: How much of the time of training the probe may take.
            **settings: Other attributes.

        Returns:
            The probe, or None where the run is so short that measuring its last epoch alone exceeds the share.

        Example:
            >>> Probe.affordable(epochs=100, images=9000).epochs
            (1, 3, 6, 16, 40, 100)
        """
        probe = cls(**settings)
        size = images if probe.samples is None else probe.samples
        once = size * len(probe.subsets) * probe.conditions
        affordable = int(share * epochs * images / (ANSWER_COST * once))
        return replace(probe, epochs=spaced(epochs, affordable)) if affordable else None

    def within(self, epochs: int, images: int, *, share: float = SHARE) -> Probe:
        """Return the same probe on as many fewer images as a share of a run's training time allows.

        Samples after the last epoch and before shrink by one factor, which follows from the length of the run alone: runs of
        one length stay comparable, and equal ones equal.

        Args:
            epochs: How long the run trains.
            images: Training images in an epoch.
            share: How much of the time of training the probe may take.

        Returns:
            The probe, with no more samples than it had, and no fewer than `LEAST` where it had as many.

        Example:
            >>> Probe(epochs=(1, 2, 4, 8), along=400).within(epochs=12, images=9469)
            Probe(..., epochs=(1, 2, 4, 8), samples=1147, along=191, ...)
        """
        asked = self.count_answers(epochs, dict.fromkeys(self.subsets, images))
        factor = share * epochs * images / (ANSWER_COST * asked)
        if factor >= 1:
            return self
        fewer = {
            name: max(min(LEAST, count), int(factor * min(count, images)))  # more than there are cost nothing
            for name, count in (("samples", self.samples or images), ("along", self.along))
            if count is not None
        }
        return replace(self, **fewer)

    @classmethod
    def default(
        cls, epochs: int, images: int, size: tuple[int, int], *, radii: tuple[float, ...] | None = None
    ) -> Probe | None:
        """Return what a run measures where nothing is said: see `affordable`.

        Args:
            epochs: How long the run trains.
            images: Training images in an epoch.
            size: Their height and width.
            radii: Cut-offs that were asked for, which are measured after the last epoch at any cost; by default those
                of the paper's figures that such images have.
        """
        found = cls.affordable(epochs, images, radii=radii or radii_of(size))
        return cls(radii=radii, epochs=(epochs,)) if found is None and radii else found

    @property
    def conditions(self) -> int:
        """How often each sampled image is shown: as a whole, and each component at each radius."""
        return 1 + len(self.components) * len(self.radii)

    def asked(self, *, final: bool) -> int | None:
        """Return how many images of a subset are sampled, after the last epochs of a run or before; None is all."""
        return self.samples if final or self.along is None else self.along

    def count_answers(self, epochs: int, images: Mapping[Subset, int]) -> int:
        """Return how many images, each as one component, a whole run shows the network.

        Args:
            epochs: How long the run trains.
            images: How many images each subset has.
        """
        due = [epoch for epoch in range(1, epochs + 1) if self.is_due(epoch, epochs)]
        asked = [self.asked(final=self.is_final(epoch, epochs)) for epoch in due]
        each = [min(images[subset], count or images[subset]) for count in asked for subset in self.subsets]
        return self.conditions * sum(each)

    def is_due(self, epoch: int, total: int) -> bool:
        """Return whether to measure after `epoch` of `total`, counted from 1."""
        if self.is_final(epoch, total):
            return True
        return epoch % self.epochs == 0 if isinstance(self.epochs, int) else epoch in self.epochs

    def is_final(self, epoch: int, total: int) -> bool:
        """Return whether `epoch` of `total`, counted from 1, is among the last ones, on which claims rest."""
        return epoch > total - self.last

    @property
    def answers(self) -> ComponentAccuracy:
        """The instrument that shows the network whole images and their components."""
        return ComponentAccuracy(lows_and_highs(self.radii, self.components), self.amplitude)

    def check_fits(self, size: tuple[int, int]) -> None:
        """Refuse radii that images of `size` (height, width) do not have, before anything is trained.

        Raises:
            InputError: If a radius is not below the corner, is negative, or comes twice.
        """
        check_components(self.answers.shown(size), size)

    def subjects(
        self,
        model: nn.Module,
        datasets: Mapping[Subset, ImageDataset],
        run: str,
        seed: int,
        *,
        training_batch: int | None = None,
        final: bool = True,
    ) -> dict[Subset, Subject]:
        """Return the network with the samples of each subset.

        Args:
            model: The network, on the device where it answers.
            datasets: The images of each subset in `subsets`, labelled as the run is to be judged.
            run: The run's id.
            seed: Draws the samples.
            training_batch: Images in a batch of its training: see `Subject`.
            final: Whether this is one of the run's last epochs, measured on `samples`; the others are on `along`.
        """
        tensors = chain(model.parameters(), model.buffers())
        place = next((tensor.device for tensor in tensors), torch.device("cpu"))
        asked = self.asked(final=final)
        return {
            subset: Subject(
                as_pixel_model(model),
                _draw(datasets[subset], asked, seed),
                run,
                run_seed=seed,
                seed=seed,
                batch_size=self.batch_size if place.type == "cpu" else None,
                training_batch=training_batch,
                device=str(place),
            )
            for subset in self.subsets
        }

    def measure(
        self,
        model: nn.Module,
        datasets: Mapping[Subset, ImageDataset],
        epoch: int,
        run: str,
        seed: int,
        *,
        training_batch: int | None = None,
        final: bool = True,
    ) -> Iterator[Row]:
        """Yield what all instruments find, without classes, and what it costs; arguments as for `subjects`.

        Args:
            epoch: After which epoch, counted from 1.

        Yields:
            Rows of each subset; the last one has the metric `probe-seconds`.

        Raises:
            InputError: If a radius or the model's output does not fit the images.
        """
        subjects = self.subjects(model, datasets, run, seed, training_batch=training_batch, final=final)
        for subset, subject in subjects.items():
            start = time.perf_counter()
            answers = subject.read(self.answers)
            found = [*(image_by_image(answers) if final else answers.rows())]
            found += [row for each in self.instruments for row in subject.read(each).rows()]
            seconds = time.perf_counter() - start
            for row in found:
                of_network = row.subset is None  # whatever the images: once is enough
                if row.class_name is None and not (of_network and subset != self.subsets[0]):
                    yield replace(row, epoch=epoch, subset=None if of_network else subset)
            yield Row(
                run=run,
                seed=seed,
                epoch=epoch,
                subset=subset,
                metric=PROBE_SECONDS,
                value=seconds,
                count=len(subject.dataset),
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the probe as JSON holds it."""
        settings = {field.name: getattr(self, field.name) for field in fields(self)}
        settings["instruments"] = [instrument.to_dict() for instrument in self.instruments]
        if self.last == 1:  # ids of runs are older than it
            del settings["last"]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}


def radii_of(size: tuple[int, int]) -> tuple[float, ...]:
    """Return those of the paper's radii that images of `size` (height, width) have: below their corner.

    Example:
        >>> radii_of((16, 16))
        (4.0, 8.0)
    """
    corner = corner_radius(*size)
    return tuple(radius for radius in RADII if radius < corner)


def spaced(total: int, count: int) -> tuple[int, ...]:
    """Return at most `count` epochs from 1 to `total`, spaced by a constant factor; one of them is `total`.

    Example:
        >>> spaced(100, 4), spaced(5, 1)
        ((1, 5, 22, 100), (5,))
    """
    exponents = [index / (count - 1) for index in range(count)] if count > 1 else [1.0]
    return tuple(sorted({round(total**exponent) for exponent in exponents}))


def _draw(dataset: ImageDataset, samples: int | None, seed: int) -> ImageDataset:
    """Return the first of the images in an order that the seed draws, so that fewer are a part of more."""
    if samples is None or samples >= len(dataset):
        return dataset
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))
    return dataset.take(order[:samples])


def _check_names(kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, name, known)
