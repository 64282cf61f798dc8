"""What frequencies a data set holds, and whether they can be trusted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from passband.brief import Brief
from passband.data.batches import batches, choose_batch_size
from passband.data.dataset import ImageDataset
from passband.environment import choose_device
from passband.frequency.fourier import corner_radius
from passband.frequency.spectrum import energy_within, power_spectrum, radial_mean
from passband.frequency.traces import Traces, find_traces, sampled
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.instrument import Cost, Instrument, Reading, Subject
from passband.rows import ENERGY_WITHIN, RadiusRow


@dataclass(frozen=True, eq=False)
class DataSpectrum(Brief):
    """The mean power spectrum of a data set.

    Attributes:
        name: The data set.
        subset: `"train"` or `"test"`.
        fingerprint: Hash of its pixels and labels.
        samples: How many images it has, all of which are in the mean.
        height: In pixels.
        width: In pixels.
        channels: 1 or 3.
        power: Mean power over samples and channels, orthonormal transform, [0, 1] pixels; the zero frequency
            is in the middle, at [height // 2, width // 2].
        radial: Mean power by integer radius, from 0 to the corner.
        energy: Fraction of the energy, without the mean, within radius 0, 1, 2, ... until it holds the corner.
        traces: Signs of compression and resampling in the pixels.
    """

    name: str
    subset: str
    fingerprint: str
    samples: int
    height: int
    width: int
    channels: int
    power: Float[Tensor, "height width"]
    radial: Float[Tensor, " n_radii"]
    energy: Float[Tensor, " whole_radii"]
    traces: Traces


@dataclass(frozen=True, eq=False)
class FoundSpectrum(Reading):
    """The spectrum of what a network is looked at with: all images of the data set."""

    subject: Subject
    spectrum: DataSpectrum

    def rows(self) -> Iterator[RadiusRow]:
        """Yield the share of the images' energy, their mean aside, within each whole radius."""
        found = self.spectrum
        for radius, share in enumerate(found.energy.tolist()):
            yield RadiusRow(
                **self.subject.cells,
                metric=ENERGY_WITHIN,
                radius=float(radius),
                value=share,
                count=found.samples,
            )


@dataclass(frozen=True)
class Spectrum(Instrument[FoundSpectrum]):
    """The mean power spectrum of the images, and traces of compression and resampling in them; no network is asked."""

    name, summary, source, needs_gradient = INSTRUMENTS.lines["spectrum"]

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return that no network is asked."""
        return Cost()

    def measure(self, subject: Subject) -> FoundSpectrum:
        """Look at all images, whichever of them the subject names."""
        return FoundSpectrum(subject, measure_spectrum(subject.dataset, device=subject.device))


def measure_spectrum(dataset: ImageDataset, *, device: str = "auto") -> DataSpectrum:
    """Measure the mean power spectrum of a data set and look for traces of compression and resampling.

    Args:
        dataset: The images; all of them count.
        device: See `passband.environment.choose_device`.
    """
    place = choose_device(device)
    height, width = dataset.size
    total = torch.zeros(height, width)
    for samples in batches(dataset, batch_size=choose_batch_size(None, dataset, place), device=place):
        total += power_spectrum(samples.images).cpu() * len(samples.images)
    power = total / len(dataset)
    whole_radii = range(math.ceil(corner_radius(height, width)) + 1)
    return DataSpectrum(
        name=dataset.name,
        subset=dataset.subset,
        fingerprint=dataset.fingerprint,
        samples=len(dataset),
        height=height,
        width=width,
        channels=dataset.channels,
        power=torch.fft.fftshift(power),
        radial=radial_mean(power),
        energy=energy_within(power, whole_radii),
        traces=find_traces(dataset.images[sampled(dataset.images.shape)]),
    )
