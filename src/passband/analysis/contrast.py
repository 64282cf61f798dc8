"""What a claim or a figure asks of rows: weighted sums of measured numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from passband.frequency.component import FULL, Component
from passband.rows import ACCURACY, ACCURACY_CEILING, FIT_ACCURACY, ROBUST_ACCURACY
from passband.types import Norm, Subset


@dataclass(frozen=True)
class Term:
    """One measured number of a run, with its weight in a sum; None stands for an empty cell, and matches only that.

    Attributes:
        label: The run.
        subset: On training or test images; None of the network itself.
        shown: What was shown, as text (`passband.frequency.component`): `"full"`, `"lfc:8"`; or a kind of component, such
            as `"lfc"`, for a curve along the radius.
        metric: `"accuracy"`, or `"fit-accuracy"` for what the run trained on, or what a measurement measured.
        when: After which part of the run's epochs: the first measurement from there on; 1 is the finished network.
        weight: In the sum.
        attack: The attack's label.
        epsilon: Its bound, or that on a distance.
        norm: How the bound is measured.
        rho: How much the first layer's kernels were smoothed; None of a network as it was trained.
        normalized: Whether smoothing kept their scale.
        above_chance: Whether chance is taken from it: the share of the most frequent class among the subset's labels.
    """

    label: str
    subset: Subset | None = "test"
    shown: str | None = str(FULL)
    metric: str = ACCURACY
    when: float = 1.0
    weight: float = 1.0
    attack: str | None = None
    epsilon: float | None = None
    norm: Norm | None = None
    rho: float | None = None
    normalized: bool | None = None
    above_chance: bool = False


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of measured numbers and a constant; contrasts can be subtracted.

    Example:
        >>> gain = accuracy("mixup") - accuracy("vanilla")
        >>> [(term.label, term.weight) for term in gain.terms]
        [('mixup', 1.0), ('vanilla', -1.0)]
    """

    terms: tuple[Term, ...]
    constant: float = 0.0

    def __sub__(self, other: Contrast) -> Contrast:
        """Return the difference of two contrasts; a number that is in both is measured once, or not at all if it cancels."""
        weights: dict[Term, float] = {}
        for sign, terms in ((1.0, self.terms), (-1.0, other.terms)):
            for term in terms:
                number = replace(term, weight=1.0)
                weights[number] = weights.get(number, 0.0) + sign * term.weight
        left = tuple(replace(number, weight=weight) for number, weight in weights.items() if weight)
        return Contrast(left, self.constant - other.constant)


def accuracy(
    label: str,
    subset: Subset = "test",
    component: Component = FULL,
    *,
    when: float = 1.0,
) -> Contrast:
    """Return the accuracy of a run on a subset and component; see `Term`."""
    return Contrast((Term(label, subset, str(component), when=when),))


def above_chance(
    label: str,
    subset: Subset = "test",
    component: Component = FULL,
) -> Contrast:
    """Return by how much a run is more often right than always naming the most frequent class of the subset.

    A network that gives one answer to all images is not above chance, whatever the answer and however many images each
    class has. Below chance says nothing: the answer may be a rarer class.
    """
    return Contrast((Term(label, subset, str(component), above_chance=True),))


def fit(label: str, *, when: float = 1.0) -> Contrast:
    """Return the accuracy of a run on what it trained on, taken while it trained on it."""
    return Contrast((Term(label, "train", metric=FIT_ACCURACY, when=when),))


def gap(label: str) -> Contrast:
    """Return the generalization gap of a run: accuracy on clean training images minus accuracy on test images."""
    return accuracy(label, "train") - accuracy(label)


def under_attack(
    label: str,
    attack: str | None,
    epsilon: float,
    *,
    rho: float | None = None,
    normalized: bool | None = None,
) -> Term:
    """Return accuracy on test images under an attack in the maximum norm; without an attack, Corollary 1's ceiling of it."""
    return Term(
        label,
        shown=None,
        metric=ACCURACY_CEILING if attack is None else ROBUST_ACCURACY,
        attack=attack,
        epsilon=epsilon,
        norm="linf",
        rho=rho,
        normalized=normalized,
    )


def constant(value: float) -> Contrast:
    """Return a number that needs no measuring."""
    return Contrast((), constant=value)
