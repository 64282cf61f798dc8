"""A radius in words that an engineer knows: what blur, a lower resolution, JPEG and noise leave of a model's accuracy.

All of it is measured on the images of the LFC curve, and each strength stands beside the radius whose LFC costs as much.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from passband.analysis.contrast import accuracy
from passband.analysis.crossing import crossing
from passband.analysis.figure import Bar, Figure, Panel, in_rows
from passband.errors import InputError
from passband.frequency.component import FULL, Low, lows_and_highs
from passband.frequency.degraded import DEGRADED, Blurred, Compressed, Degraded, Noisy, Reduced
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.components import Answers, ComponentAccuracy, default_radii
from passband.instruments.instrument import Cost, Instrument, Reading, Subject, as_floats
from passband.rows import DEGRADATIONS_LOST, DEGRADATIONS_P, DEGRADATIONS_RADIUS, ComponentRow
from passband.stats import CONFIDENCE, holm, mcnemar, wilson_interval
from passband.types import Amplitude

NAME = "degradations"

SIDES = (3 / 4, 1 / 2, 3 / 8, 1 / 4, 3 / 16, 1 / 8, 1 / 16)  # of the shorter side
QUALITIES = (90, 70, 50, 30, 20, 10, 5)
DEVIATIONS = (0.02, 0.04, 0.08, 0.12, 0.18, 0.26, 0.38)  # the last five are those of ImageNet-C
BLURS = 7
WEAKEST_BLUR, STRONGEST_BLUR = 0.5, 2.0  # pixels; the strongest is larger in images of more than 32 pixels

KEPT = 0.95


class Wording(NamedTuple):
    """How a kind of degradation is spoken of.

    Attributes:
        title: Its panel's.
        axis: What its strengths are.
        limit: Up to where accuracy is kept.
        strength: One strength.
    """

    title: str
    axis: str
    limit: str
    strength: str


WORDINGS: dict[type[Degraded], Wording] = {
    Reduced: Wording("Resolution", "pixels of the shorter side", "down to {} px", "{} px"),
    Compressed: Wording("JPEG", "quality", "down to JPEG quality {}", "JPEG quality {}"),
    Blurred: Wording("Gaussian blur", "sigma in pixels", "up to a blur of {} px", "a blur of {} px"),
    Noisy: Wording("Gaussian noise", "standard deviation", "up to noise of {}", "noise of {}"),
}


class Limit(NamedTuple):
    """Up to which strength of one kind the accuracy is kept.

    Attributes:
        kind: What is done to the images.
        strength: Where accuracy first falls to what is to be kept, interpolated; if that is at no place between two that were
            measured, the strongest that was measured where it never does, the weakest where it is lost there already.
        note: Which of these two: `"never"` or `"at once"`; None for an interpolated one.
    """

    kind: type[Degraded]
    strength: float
    note: str | None


@dataclass(frozen=True, eq=False)
class FoundDegradations(Reading):
    """What degraded images are answered.

    Attributes:
        answers: To whole and to degraded images.
        low: To the LFCs of the same images.
        kept: The share of the accuracy up to which `limits` are named.
    """

    answers: Answers
    low: Answers
    kept: float = KEPT

    @property
    def degraded(self) -> tuple[Degraded, ...]:
        """What was shown beside whole images, kind by kind, from weak to strong."""
        return tuple(shown for shown in self.answers.shown if isinstance(shown, Degraded))

    def accuracy(self, degraded: Degraded) -> float:
        """Return the accuracy on images so degraded."""
        return self.answers.correct[self.answers.of(degraded)].double().mean().item()

    @property
    def clean(self) -> float:
        """The accuracy on whole images."""
        return self.answers.correct[0].double().mean().item()

    def p_values(self) -> dict[Degraded, float]:
        """Return of each the exact McNemar test against whole images, by Holm's correction for all of them."""
        whole = self.answers.correct[0]
        found = [self.answers.correct[self.answers.of(degraded)] for degraded in self.degraded]
        tests = [mcnemar(int((whole & ~each).sum()), int((each & ~whole).sum())) for each in found]
        return dict(zip(self.degraded, holm(tests), strict=True))

    def radii(self) -> dict[Degraded, float | None]:
        """Return of each the smallest radius at which the LFC is answered as well, interpolated between those measured.

        There is none where nothing measurable is lost, so that many radii cost as much; where no more is left than guessing may
        give; and where the LFC curve does not pass that accuracy.
        """
        lows = sorted(
            (shown for shown in self.low.shown if isinstance(shown, Low)), key=lambda low: low.radius
        )
        curve = [self.low.correct[self.low.of(low)].double().mean().item() for low in lows]
        p_values, count = self.p_values(), len(self.answers.samples)
        found: dict[Degraded, float | None] = {}
        for degraded in self.degraded:
            value = self.accuracy(degraded)
            least, _ = wilson_interval(round(value * count), count)
            costs = value < self.clean and p_values[degraded] < 1 - CONFIDENCE
            at = crossing([low.radius for low in lows], curve, value)
            known = costs and least > self.answers.majority and at is not None and not at.first
            found[degraded] = at.place if known and at is not None else None
        return found

    def limits(self) -> tuple[Limit, ...]:
        """Return for each kind up to which strength the accuracy is kept; none where guessing alone may keep it."""
        count = len(self.answers.samples)
        least, _ = wilson_interval(round(self.clean * count), count)
        threshold = self.kept * self.clean
        if least <= self.answers.majority or threshold <= self.answers.majority:
            return ()
        return tuple(self._limit(kind, threshold) for kind in WORDINGS if self._of(kind))

    def _limit(self, kind: type[Degraded], threshold: float) -> Limit:
        those = self._of(kind)
        places = [degraded.strength for degraded in those]
        values = [self.accuracy(degraded) for degraded in those]
        whole = {Reduced: float(min(self.answers.subject.dataset.size)), Blurred: 0.0, Noisy: 0.0}
        if kind in whole:  # the whole image is such a one, but no file without loss has a JPEG quality
            places, values = [whole[kind], *places], [self.clean, *values]
        found = crossing(places, [-value for value in values], -threshold)
        if found is None:
            return Limit(kind, places[-1], "never")
        return Limit(kind, found.place, "at once" if found.first and values[0] < threshold else None)

    def _of(self, kind: type[Degraded]) -> list[Degraded]:
        return [degraded for degraded in self.degraded if isinstance(degraded, kind)]

    def rows(self) -> Iterator[ComponentRow]:
        """Yield what `Answers` yields of degraded images; what they lose, as a test too; and the radius that costs as much.

        `degradations-lost` is the whole images' accuracy less that of the degraded ones, with the standard error of paired
        samples; `degradations-p` is in `p_values` and `degradations-radius`, where there is one, in `radii`, with the amplitude of
        the LFC.
        """
        yield from (row for row in self.answers.rows() if row.component != FULL)
        subject, count = self.answers.subject, len(self.answers.samples)
        p_values, radii = self.p_values(), self.radii()
        right = self.answers.correct.double()
        for degraded in self.degraded:
            row = partial(
                ComponentRow,
                **subject.cells,
                component=degraded,
                amplitude=self.answers.amplitude,
                count=count,
            )
            lost = right[0] - right[self.answers.of(degraded)]
            error = lost.std().item() / math.sqrt(count) if count > 1 else None
            yield row(metric=DEGRADATIONS_LOST, value=lost.mean().item(), error=error)
            yield row(metric=DEGRADATIONS_P, value=p_values[degraded])
            radius = radii[degraded]
            if radius is not None:
                yield row(metric=DEGRADATIONS_RADIUS, value=radius, amplitude=self.low.amplitude)

    def figure(self) -> Figure:
        """Return accuracy by strength, a panel a kind; under each strength stands the radius whose LFC costs as much."""
        run, subset, radii = self.answers.subject.run, self.answers.subject.dataset.subset, self.radii()
        panels = []
        for kind, wording in WORDINGS.items():
            bars = tuple(
                Bar(
                    wording.title,
                    "lfc",
                    category=str(degraded).partition(":")[2]
                    + ("" if radius is None else f" (r {radius:.3g})"),
                    contrast=accuracy(run, subset, degraded),
                )
                for degraded in self._of(kind)
                for radius in [radii[degraded]]
            )
            x = f"{wording.axis} (r: the radius whose LFC costs as much)"
            panels.append(Panel(wording.title, bars, x=x, y=f"accuracy (whole images: {self.clean:.1%})"))
        return in_rows([panel for panel in panels if panel.marks], 2)

    def words(self) -> str:
        """Return the limits as sentences."""
        count = len(self.answers.samples)
        low, high = wilson_interval(round(self.clean * count), count)
        share, of = f"{self.kept:.0%}", f"{self.clean:.1%} of {count:,} images [{low:.1%}, {high:.1%}]"
        limits = self.limits()
        if not limits:
            return (
                f"Guessing alone may keep {share} of the accuracy, so that no limit can be named: it is {of}."
            )
        said: dict[str | None, list[str]] = {None: [], "never": [], "at once": []}
        for kind, strength, note in limits:
            form = WORDINGS[kind].strength if note else WORDINGS[kind].limit
            said[note].append(form.format(_written(kind, strength)))
        sentences = []
        if said[None]:
            sentences.append(f"It keeps {share} of its accuracy {', '.join(said[None])}.")
        if said["never"]:
            sentences.append(
                f"The limit is not reached within the strengths measured, where it keeps as much still: {', '.join(said['never'])}."
            )
        if said["at once"]:
            sentences.append(f"At the weakest measured it keeps less already: {', '.join(said['at once'])}.")
        sentences.append(f"The accuracy is {of}; limits between two strengths are interpolated.")
        return " ".join(sentences)


@dataclass(frozen=True)
class Degradations(Instrument[FoundDegradations]):
    """Accuracy on images that are blurred, reduced, compressed as JPEG or noisy, and the radius whose LFC costs as much.

    Attributes:
        degraded: What to show; None chooses seven strengths of each kind by the size, with noise drawn by the subject's seed.
        radii: Cut-offs of the LFC curve; None chooses about eight by the size.
        amplitude: What is done to an LFC before the model sees it: see `passband.rescale`; degraded images are shown as they are.
        kept: The share of the accuracy up to which limits are named, between 0 and 1.

    Raises:
        InputError: If `kept` is no such share, or nothing is to be shown.

    Source:
        Hendrycks and Dietterich 2019, Benchmarking neural network robustness to common corruptions and perturbations;
        Geirhos et al. 2018, Generalisation in humans and deep neural networks.
    """

    degraded: tuple[Degraded, ...] | None = None
    radii: tuple[float, ...] | None = None
    amplitude: Amplitude = "max"
    kept: float = KEPT

    name, summary, source, needs_gradient = INSTRUMENTS.lines[NAME]

    def __post_init__(self) -> None:
        """Refuse impossible settings, and make equal ones equal."""
        if not 0 < self.kept < 1:
            raise InputError(f"kept is a share of the accuracy, between 0 and 1, got {self.kept}")
        if self.degraded is not None:
            if not self.degraded or not all(type(each) in WORDINGS for each in self.degraded):
                raise InputError(
                    f"degraded images are needed, such as those of {', '.join(DEGRADED)}, got {self.degraded!r}"
                )
            object.__setattr__(self, "degraded", tuple(sorted(self.degraded, key=_order)))
        object.__setattr__(self, "radii", as_floats(self.radii))

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return what degraded images cost; the LFCs aside, which an audit has shown already."""
        return self._asked(size, seed=0).cost(samples, size)

    def check(self, subject: Subject) -> None:
        """Refuse images that cannot be so degraded, and what the answers refuse."""
        dataset = subject.dataset
        asked = self._asked(dataset.size, subject.seed)
        compressed = any(isinstance(each, Compressed) for each in asked.components or ())
        if compressed and dataset.channels not in (1, 3):
            raise InputError(
                f"JPEG stores images of 1 or 3 channels, these have {dataset.channels}. Leave it out: "
                "--with degradations:degraded=..., Degradations(degraded=...)."
            )
        asked.check(subject)
        self._low(dataset.size).check(subject)

    def sharded(self, subject: Subject) -> tuple[Instrument, ...]:
        """Return what both kinds of answers are read from."""
        size = subject.dataset.size
        return (
            *self._low(size).sharded(subject),
            *self._asked(size, subject.seed).sharded(subject),
        )

    def measure(self, subject: Subject) -> FoundDegradations:
        """Ask the model."""
        self.check(subject)
        size = subject.dataset.size
        low = subject.read(self._low(size))
        return FoundDegradations(subject.read(self._asked(size, subject.seed)), low, self.kept)

    def _asked(self, size: tuple[int, int], seed: int) -> ComponentAccuracy:
        shown = default_degraded(size, seed) if self.degraded is None else self.degraded
        return ComponentAccuracy(shown, amplitude="raw")

    def _low(self, size: tuple[int, int]) -> ComponentAccuracy:
        """Return the instrument of the LFC curve; with the HFCs, since an audit has asked for both."""
        radii = default_radii(size) if self.radii is None else self.radii
        return ComponentAccuracy(lows_and_highs(radii), self.amplitude)


def default_degraded(size: tuple[int, int], seed: int = 0) -> tuple[Degraded, ...]:
    """Return about seven strengths of each kind, from weak to strong.

    Args:
        size: Height and width of the images: resolutions are parts of the shorter side, and so is the strongest blur of large ones.
        seed: Draws the noise.

    Example:
        >>> " ".join(map(str, default_degraded((224, 224))[:3]))
        'size:168 size:112 size:84'
    """
    shorter = min(size)
    sides = {max(1, int(shorter * part)) for part in SIDES if shorter > 1}
    strongest = min(max(STRONGEST_BLUR, shorter / 16), max(size))
    growth = (strongest / WEAKEST_BLUR) ** (1 / (BLURS - 1))
    blurs = {float(f"{WEAKEST_BLUR * growth**step:.2g}") for step in range(BLURS)}
    degraded = (
        *map(Reduced, sides),
        *map(Compressed, QUALITIES),
        *map(Blurred, blurs),
        *(Noisy(deviation, seed) for deviation in DEVIATIONS),
    )
    return tuple(sorted(degraded, key=_order))


def _order(degraded: Degraded) -> tuple[int, float]:
    """Return what sorts degraded images by kind, and from weak to strong."""
    sign = -1 if degraded.smaller_is_stronger else 1
    return list(WORDINGS).index(type(degraded)), sign * degraded.strength


def _written(kind: type[Degraded], strength: float) -> str:
    """Return a strength as text, a limit rounded to the side on which the accuracy is kept.

    Example:
        >>> _written(Reduced, 117.2), _written(Blurred, 1.39), _written(Noisy, 0.0519)
        ('118', '1.3', '0.051')
    """
    if kind.smaller_is_stronger:
        return f"{math.ceil(strength - 1e-9):g}"
    step = 10.0 ** (math.floor(math.log10(strength)) - 1)
    return f"{math.floor(strength / step + 1e-9) * step:.2g}"
