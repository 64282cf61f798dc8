"""The spectrum of a network's feature maps, layer by layer, and what aliases where they are made coarser."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

from passband.analysis.contrast import Contrast, Term
from passband.analysis.figure import Bar, Curve, Figure, Panel, shades
from passband.checks import check_at_least_one
from passband.data.batches import batches, choose_batch_size
from passband.data.dataset import to_pixels
from passband.environment import choose_device
from passband.errors import InputError
from passband.frequency.nyquist import relative_frequencies
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.feature_numbers import Aliasing, LayerSpectrum, Numbers
from passband.instruments.instrument import Cost, Instrument, Reading, Subject
from passband.models.downsampling import OTHERS, STRIDED
from passband.models.feature_maps import Layer, find_layers
from passband.models.independence import check_independent
from passband.models.pixels import answers, check_fits, evaluating, network_of
from passband.models.watching import watching
from passband.rows import FEATURE_ALIASED, FEATURE_HIGH, FEATURE_SPECTRUM, FeatureRow, InLayer

MOST_CURVES = 12
"""Layers that a panel shows."""


@dataclass(frozen=True, eq=False)
class FoundFeatures(Reading):
    """The spectra of a network's layers.

    Attributes:
        subject: The network.
        layers: In the order in which they are done.
        downsamplings: Likewise.
        left_out: What could not be measured, in words.
    """

    subject: Subject
    layers: tuple[LayerSpectrum, ...]
    downsamplings: tuple[Aliasing, ...]
    left_out: tuple[str, ...]

    def rows(self) -> Iterator[FeatureRow]:
        """Yield of each layer the relative log amplitude by frequency, and at the highest; of each downsampling what aliases."""
        row = partial(
            FeatureRow,
            **self.subject.cells,
        )
        for layer in self.layers:
            frequencies, relative = relative_frequencies(*layer.grid), layer.relative()
            for radius, (value, error) in relative.items():
                for metric in (FEATURE_SPECTRUM, *([FEATURE_HIGH] if radius == len(frequencies) else [])):
                    yield row(
                        component=InLayer(layer.name, float(radius)),
                        frequency=frequencies[radius - 1],
                        metric=metric,
                        value=value,
                        error=error,
                        count=len(layer.amplitude),
                    )
        for found in self.downsamplings:
            count = len(found.shares)
            yield row(
                component=InLayer(found.name),
                metric=FEATURE_ALIASED,
                value=found.shares.mean().item(),
                error=found.shares.std().item() / math.sqrt(count) if count > 1 else None,
                count=count,
            )

    def figure(self) -> Figure:
        """Return relative log amplitude by relative frequency, pale to dark by depth; and what aliases, operation by operation."""
        term = partial(Term, self.subject.run, self.subject.dataset.subset)
        measured = [layer.name for layer in self.layers if layer.relative()]
        shown = _spread(measured, MOST_CURVES)
        curves = tuple(
            Curve(
                short, "hfc", shade, term=term(f"{InLayer.kind}:{name}", FEATURE_SPECTRUM), along="frequency"
            )
            for name, short, shade in zip(shown, _shortened(shown), shades(len(shown)), strict=True)
        )
        operations = [found.name for found in self.downsamplings]
        bars = tuple(
            Bar(
                "aliases",
                "energy",
                category=short,
                contrast=Contrast((term(f"{InLayer.kind}:{found.name}", FEATURE_ALIASED),)),
            )
            for found, short in zip(self.downsamplings, _shortened(operations), strict=True)
        )
        few = f", {len(shown)} of {len(measured)} layers" if len(shown) < len(measured) else ""
        panels = (
            Panel(
                f"Spectrum of feature maps{few}",
                curves,
                x="frequency (share of the grid's Nyquist frequency)",
                y="log amplitude, less that at one cycle an image",
            ),
            Panel(
                "What aliases at each downsampling",
                bars,
                x="",
                y="share of energy beyond the coarser grid",
            ),
        )
        return Figure((tuple(panel for panel in panels if panel.marks),))

    def words(self) -> str:
        """Return the highest frequency of the first and the last layer, the least and the most that aliases, and what is left out."""
        sentences = []
        ends = [
            (layer.name, relative[top][0])
            for layer in self.layers
            for relative, top in [(layer.relative(), len(relative_frequencies(*layer.grid)))]
            if top in relative
        ]
        if ends:
            said = " and ".join(
                f"{value:.2f} in {name}" for name, value in dict.fromkeys((ends[0], ends[-1]))
            )
            sentences.append(
                f"At the highest frequency of its grid, the log amplitude less that at one cycle an image is {said}."
            )
        if self.downsamplings:
            shares = sorted((found.shares.mean().item(), found.name) for found in self.downsamplings)
            said = " to ".join(
                f"{share:.1%} ({name})" for share, name in dict.fromkeys((shares[0], shares[-1]))
            )
            sentences.append(f"Of the energy before it is made coarser, {said} aliases.")
        if self.left_out:
            sentences.append(f"Note: {'; '.join(self.left_out)}.")
        return " ".join(sentences)


@dataclass(frozen=True)
class FeatureSpectrum(Instrument[FoundFeatures]):
    """How the amplitude of feature maps falls with frequency, layer by layer, and how much of it aliases at each downsampling.

    Amplitudes are means over images and channels, and their log is taken then, so that a channel that is zero throughout counts
    as zero. They are relative to those at one cycle an image, the lowest frequency beyond the mean, and frequencies to the Nyquist
    frequency of each layer's own grid.

    What aliases at an operation with a stride above 1 is the share of energy beyond the Nyquist frequency of the grid that it
    returns, in what the same operation gives with stride 1: see `passband.models.downsampling`.

    Attributes:
        layers: Names of modules, as `named_modules` of the network has them, or patterns such as `"blocks.*"`; None chooses: see
            `passband.models.feature_maps.find_layers`.
        samples: How many of the subject's samples, drawn by the seed; None takes all.

    Raises:
        InputError: If a setting is none of these.

    Source:
        Park and Kim 2022, "How do vision transformers work?", Figure 2; of aliasing Zhang 2019, "Making convolutional networks
        shift-invariant again", section 3.
    """

    layers: tuple[str, ...] | None = None
    samples: int | None = 50

    name, summary, source, needs_gradient = INSTRUMENTS.lines["feature-spectrum"]

    def __post_init__(self) -> None:
        """Refuse impossible settings, and make equal ones equal."""
        check_at_least_one("samples", self.samples)
        if self.layers is not None:
            named = isinstance(self.layers, list | tuple) and all(
                isinstance(each, str) for each in self.layers
            )
            if not named or not self.layers:
                raise InputError(
                    f"layers are names of modules or patterns, such as ('blocks.*',), or None; got {self.layers!r}"
                )
            object.__setattr__(self, "layers", tuple(self.layers))

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return that each sample is shown once; operations with stride 1 aside, which may cost as much."""
        return Cost(answers=samples if self.samples is None else min(samples, self.samples))

    def check(self, subject: Subject) -> None:
        """Refuse images that the model does not take, layers that cannot be seen, and those that are not there."""
        check_fits(subject.model, subject.dataset)
        self._layers(subject)

    def measure(self, subject: Subject) -> FoundFeatures:
        """Ask the model, and look at what its layers return the moment that they do."""
        check_fits(subject.model, subject.dataset)
        model, dataset, place = subject.model, subject.dataset, choose_device(subject.device)
        layers = self._layers(subject)
        check_independent(model, to_pixels(dataset.images[:1], place))
        visited, done = subject.draw(self.samples), 0
        size = choose_batch_size(subject.batch_size, dataset, place)
        numbers = Numbers(layers)
        with (
            evaluating(model),
            watching(
                network_of(model),
                output=numbers.of_output,
                operation=numbers.of_operation,
                kinds=(*STRIDED, *OTHERS),
            ),
        ):
            for samples in batches(dataset, batch_size=size, device=place, order=visited):
                answers(model, samples.images, len(dataset.classes))
                numbers.end_batch(len(samples.labels))
                done += len(samples.labels)
                if subject.progress:
                    subject.progress(self.name, done, len(visited))
        return FoundFeatures(subject, numbers.spectra(), numbers.aliasing(), tuple(numbers.left_out))

    def _layers(self, subject: Subject) -> list[Layer]:
        place = choose_device(subject.device)
        image = to_pixels(subject.dataset.images[:1], place)
        return find_layers(subject.model.to(place), image, self.layers)


def _spread(names: Sequence[str], most: int) -> list[str]:
    """Return so many of the names at most, evenly spread, the first and the last among them.

    Example:
        >>> _spread(["a", "b", "c", "d", "e"], 3)
        ['a', 'c', 'e']
    """
    if len(names) <= most:
        return list(names)
    return [names[round(at * (len(names) - 1) / (most - 1))] for at in range(most)]


def _shortened(names: Sequence[str]) -> list[str]:
    """Return names without the parts that all of them begin with, but for the last of these parts.

    Example:
        >>> _shortened(["net.vit.layers.0", "net.vit.layers.1"])
        ['layers.0', 'layers.1']
    """
    parts = [name.split(".") for name in names]
    levels = zip(*(each[:-1] for each in parts), strict=False)
    shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))
    return [".".join(each[max(shared - 1, 0) :]) for each in parts]
