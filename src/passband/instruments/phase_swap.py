"""Phase or amplitude: which of the two a network's answers follow, on images with the phases of one and the amplitudes of another.

A network that reads shapes and edges follows the phase, as people do; one that reads colors and textures may follow the amplitude.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from passband.analysis.contrast import Contrast, Term
from passband.analysis.figure import Bar, Figure, Panel, Role
from passband.checks import check_at_least_one
from passband.data.batches import batches
from passband.data.dataset import to_pixels
from passband.environment import choose_device
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import FULL
from passband.frequency.phase import swap_phase
from passband.frequency.rescale import rescale
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.flips import dealt_at_random
from passband.instruments.image_pairs import draw_partners, error_over_pairs
from passband.instruments.instrument import Cost, Reading, Subject
from passband.instruments.sharded import Shard, Sharded
from passband.models.independence import check_independent
from passband.models.pixels import answers, check_fits, evaluating
from passband.rows import (
    BY_CHANCE,
    OF_PHASE_SWAP,
    PHASE_SWAP_AMPLITUDE,
    PHASE_SWAP_AMPLITUDE_ANSWER,
    PHASE_SWAP_BEYOND_CHANCE,
    PHASE_SWAP_DIFFERENCE,
    PHASE_SWAP_P,
    PHASE_SWAP_PHASE,
    PHASE_SWAP_PHASE_ANSWER,
    PHASE_SWAP_WHOLE,
    ComponentRow,
)
from passband.stats import CONFIDENCE, mcnemar, student_interval, wilson_interval
from passband.types import Amplitude, Labels

NAME = "phase-swap"

ROUNDING = 1e-9
"""Of shares: where one answer is given to everything, a difference of this size, without any spread, is left of 0."""


@dataclass(frozen=True)
class Swapped:
    """What stands in a row for an image with another's amplitudes.

    Example:
        >>> str(Swapped())
        'swap'
    """

    kind: ClassVar[str] = "swap"
    cutoff: ClassVar[float | None] = None

    def __str__(self) -> str:
        """Write it as components are written."""
        return self.kind


SWAPPED = Swapped()

CATEGORIES = {
    PHASE_SWAP_PHASE: "phase: label",
    PHASE_SWAP_AMPLITUDE: "amplitude: label",
    PHASE_SWAP_PHASE_ANSWER: "phase: answer",
    PHASE_SWAP_AMPLITUDE_ANSWER: "amplitude: answer",
}
"""What bars say."""


@dataclass(frozen=True, eq=False)
class FoundPhaseSwap(Reading):
    """What a network answers to images with the phases of one and the amplitudes of another.

    Attributes:
        subject: The network.
        labels: The true class of each sample, the giver of a phase.
        partners: The place, among the samples, of the giver of the amplitude.
        whole: The predictions on whole images.
        swapped: The predictions on swapped ones.
        amplitude: The policy applied to swapped images.
    """

    subject: Subject
    labels: Labels
    partners: Int64[Tensor, " samples"]
    whole: Int64[Tensor, " samples"]
    swapped: Int64[Tensor, " samples"]
    amplitude: Amplitude

    def follows(self, metric: str) -> Bool[Tensor, " samples"]:
        """Return which swapped images are answered as one of `OF_PHASE_SWAP` says."""
        return self.swapped == self._wanted(metric)

    def by_chance(self, metric: str) -> Float[Tensor, " samples"]:
        """Return numbers whose mean is the share that would be so if the answers were dealt out at random."""
        could, classes = torch.ones_like(self.swapped, dtype=torch.bool), len(self.subject.dataset.classes)
        return dealt_at_random(could, self.swapped, self._wanted(metric), classes)

    def difference(self) -> Float[Tensor, " samples"]:
        """Return 1 where the label of the phase is answered, -1 where that of the amplitude is, 0 elsewhere."""
        return self.follows(PHASE_SWAP_PHASE).double() - self.follows(PHASE_SWAP_AMPLITUDE).double()

    def beyond_chance(self) -> Float[Tensor, " samples"]:
        """Return numbers whose mean is the difference, less what it would be by chance.

        Where classes have unequal numbers of images, more phases than amplitudes are those of a frequent class, and one answer
        to everything would seem to follow the phase.
        """
        chance = self.by_chance(PHASE_SWAP_PHASE) - self.by_chance(PHASE_SWAP_AMPLITUDE)
        return self.difference() - chance

    def p_value(self) -> float:
        """Return the exact McNemar test that neither label is answered more often."""
        difference = self.difference()
        return mcnemar(int((difference > 0).sum()), int((difference < 0).sum()))

    def followed(self) -> Literal["phase", "amplitude"] | None:
        """Return which of the two more answers follow, by label; None where that may be chance.

        The difference must be one by McNemar's test, and beyond what chance makes of it, as must the share itself.
        """
        beyond = self.beyond_chance()
        sign = 1 if beyond.mean() > 0 else -1
        metric = PHASE_SWAP_PHASE if sign > 0 else PHASE_SWAP_AMPLITUDE
        share = self.follows(metric).double() - self.by_chance(metric)
        certain = all(self._interval(values)[0] > ROUNDING for values in (sign * beyond, share))
        different = sign * self.difference().mean() > 0 and self.p_value() < 1 - CONFIDENCE
        if not (certain and different):
            return None
        return "phase" if sign > 0 else "amplitude"

    def rows(self) -> Iterator[ComponentRow]:
        """Yield the accuracy on whole images; each share of swapped ones, and by chance; and the difference, as a test too.

        Errors are those of pairs that share images (`error_over_pairs`); a share of none or all has none of its own.
        """
        yield self._row(PHASE_SWAP_WHOLE, (self.whole == self.labels).double().mean().item())
        for metric in OF_PHASE_SWAP:
            yield self._row_of(metric, self.follows(metric).double())
            yield self._row_of(f"{metric}{BY_CHANCE}", self.by_chance(metric))
        yield self._row_of(PHASE_SWAP_DIFFERENCE, self.difference())
        yield self._row_of(PHASE_SWAP_BEYOND_CHANCE, self.beyond_chance())
        yield self._row(PHASE_SWAP_P, self.p_value())

    def figure(self) -> Figure:
        """Return how often swapped images are answered as either giver, beside chance and the accuracy on whole images."""

        def bar(name: str, role: Role, category: str, shown: str, metric: str) -> Bar:
            term = Term(self.subject.run, self.subject.dataset.subset, shown, metric)
            return Bar(name, role, category=category, contrast=Contrast((term,)))

        bars = [bar("measured", "lfc", "whole images", str(FULL), PHASE_SWAP_WHOLE)]
        for metric, category in CATEGORIES.items():
            bars.append(bar("measured", "lfc", category, str(SWAPPED), metric))
            bars.append(bar("by chance", "muted", category, str(SWAPPED), f"{metric}{BY_CHANCE}"))
        x = "whose label is answered, or what is answered to its giver's whole image"
        return Figure(((Panel("Phase or amplitude", tuple(bars), x=x, y="share of answers"),),))

    def words(self) -> str:
        """Return what is followed more often, with counts, intervals and chance; or that it is not decided."""
        count, followed = len(self.labels), self.followed()
        said = []
        for metric, giver in ((PHASE_SWAP_PHASE, "phases"), (PHASE_SWAP_AMPLITUDE, "amplitudes")):
            follows, chance = self.follows(metric), self.by_chance(metric).mean().item()
            low, high = self._share_interval(follows)
            said.append(
                f"{int(follows.sum()):,} ({follows.double().mean().item():.1%} [{low:.1%}, {high:.1%}], by chance {chance:.1%}) "
                f"are answered as the giver of the {giver} is labelled"
            )
        verdict = "which of the two the answers follow is not decided by that"
        if followed is not None:
            other = "amplitude" if followed == "phase" else "phase"
            low, high = sorted(abs(end) for end in self._interval(self.beyond_chance()))
            verdict = (
                f"more answers follow the {followed} than the {other} (a difference of {abs(self.beyond_chance().mean().item()):.1%} "
                f"[{low:.1%}, {high:.1%}] beyond chance)"
            )
        right = (self.whole == self.labels).double().mean().item()
        return (
            f"Of {count:,} images made of the phases of one and the amplitudes of another, {said[0]} and {said[1]}: {verdict}. "
            f"Of the whole images {right:.1%} are right."
        )

    def _wanted(self, metric: str) -> Int64[Tensor, " samples"]:
        wanted = {
            PHASE_SWAP_PHASE: self.labels,
            PHASE_SWAP_AMPLITUDE: self.labels[self.partners],
            PHASE_SWAP_PHASE_ANSWER: self.whole,
            PHASE_SWAP_AMPLITUDE_ANSWER: self.whole[self.partners],
        }
        return wanted[metric]

    def _interval(self, values: Float[Tensor, " samples"]) -> tuple[float, float]:
        return student_interval(
            values.mean().item(), error_over_pairs(values, self.partners), len(values) - 1
        )

    def _share_interval(self, follows: Bool[Tensor, " samples"]) -> tuple[float, float]:
        """Return what a figure shows, within [0, 1]."""
        if follows.all() or not follows.any():
            return wilson_interval(int(follows.sum()), len(follows))
        low, high = self._interval(follows.double())
        return max(low, 0.0), min(high, 1.0)

    def _row_of(self, metric: str, values: Float[Tensor, " samples"]) -> ComponentRow:
        error = error_over_pairs(values, self.partners)
        if metric in OF_PHASE_SWAP and error == 0:
            return self._row(metric, values.mean().item())
        return self._row(metric, values.mean().item(), error)

    def _row(self, metric: str, value: float, error: float | None = None) -> ComponentRow:
        whole = metric == PHASE_SWAP_WHOLE
        return ComponentRow(
            **self.subject.cells,
            component=FULL if whole else SWAPPED,
            amplitude=None if whole else self.amplitude,
            metric=metric,
            value=value,
            error=error,
            count=len(self.labels),
        )


@dataclass(frozen=True, eq=False)
class SeenPhaseSwap:
    """The predictions on the whole and the swapped images of a shard."""

    whole: Int64[Tensor, " samples"]
    swapped: Int64[Tensor, " samples"]


@dataclass(frozen=True)
class PhaseSwap(Sharded[SeenPhaseSwap, FoundPhaseSwap]):
    """How often images with the phases of one and the amplitudes of another are answered as the one, and as the other.

    Each sample gives its phases once. The amplitudes are those of a partner: one of the samples of other classes, each as likely
    as the others, as the subject's seed and the sample's position decide.

    Attributes:
        amplitude: What is done to swapped images before the model sees them: see `passband.rescale`. They may leave [0, 1], and
            what is cut changes amplitudes; `"rms"` gives the length of the image that gave them, which they have already.
        samples: How many of the subject's samples, drawn by the seed, at least 2; None takes all.

    Raises:
        InputError: If there is not at least one sample.
        UnknownNameError: If there is no such policy.

    Source:
        Oppenheim and Lim 1981, "The importance of phase in signals"; Piotrowski and Campbell 1982, "A demonstration of the
        visual importance and flexibility of spatial-frequency amplitude and phase"; of networks: Chen et al. 2021,
        "Amplitude-phase recombination: rethinking robustness of convolutional neural networks in frequency domain". The
        numbers beside chance are passband's own.
    """

    amplitude: Amplitude = "clip"
    samples: int | None = None

    seen = SeenPhaseSwap
    name, summary, source, needs_gradient = INSTRUMENTS.lines[NAME]

    def __post_init__(self) -> None:
        """Refuse impossible settings."""
        check_at_least_one("samples", self.samples)
        if self.amplitude not in get_args(Amplitude):
            raise UnknownNameError("amplitude policy", self.amplitude, get_args(Amplitude))

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return that each sample is shown whole, and with another's amplitudes."""
        return Cost(answers=2 * (samples if self.samples is None else min(samples, self.samples)))

    def check(self, subject: Subject) -> None:
        """Refuse samples of one class, images of one pixel, and those that the model does not take."""
        check_fits(subject.model, subject.dataset)
        if math.prod(subject.dataset.size) == 1:
            raise InputError("images of 1x1 pixels have no frequency but their mean, so no phases to swap")
        labels = subject.dataset.labels[self.visited(subject)]
        if (labels == labels[0]).all():
            raise InputError(
                f"amplitudes come from an image of another class, and the only class of the {len(labels):,} samples is "
                f"{subject.dataset.classes[int(labels[0])]!r}. Take more samples, of at least two classes."
            )

    def visited(self, subject: Subject) -> Int64[Tensor, " visited"]:
        """Return all samples, or those that are drawn."""
        return subject.samples if self.samples is None else subject.draw(self.samples)

    def look(self, subject: Subject, shard: Shard) -> SeenPhaseSwap:
        """Show the model whole images, and each with its partner's amplitudes."""
        model, dataset, place = subject.model, subject.dataset, choose_device(subject.device)
        classes, size, count = len(dataset.classes), self.together(subject), len(shard.samples)
        partners = self._partners(subject, shard.visited)[shard.start : shard.stop]
        model.to(place)
        check_independent(model, to_pixels(dataset.images[:1], place))
        whole: list[Tensor] = []
        swapped: list[Tensor] = []
        givers = (
            batches(dataset, batch_size=size, device=place, order=order)
            for order in (shard.samples, shard.visited[partners])
        )
        with evaluating(model):
            for (_, phases, _), (_, amplitudes, _) in zip(*givers, strict=True):
                made = rescale(swap_phase(amplitudes, phases), self.amplitude, original=amplitudes)
                for found, shown, what in (
                    (whole, phases, "whole images"),
                    (swapped, made, "images with the amplitudes of others"),
                ):
                    found.append(answers(model, shown, classes, what).argmax(dim=1).cpu())
                if subject.progress:
                    subject.progress(self.name, min(len(whole) * size, count), count)
        return SeenPhaseSwap(torch.cat(whole), torch.cat(swapped))

    def join(self, subject: Subject, seen: Iterable[SeenPhaseSwap]) -> FoundPhaseSwap:
        """Return the answers to all samples."""
        visited, parts = self.visited(subject), list(seen)
        return FoundPhaseSwap(
            subject,
            subject.dataset.labels[visited],
            self._partners(subject, visited),
            torch.cat([each.whole for each in parts]),
            torch.cat([each.swapped for each in parts]),
            self.amplitude,
        )

    def _partners(self, subject: Subject, visited: Int64[Tensor, " visited"]) -> Int64[Tensor, " visited"]:
        return draw_partners(subject.dataset.labels[visited], visited, subject.seed)
