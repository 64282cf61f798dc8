"""Robust accuracy: what is left of a model's accuracy under an attack, at several epsilons, and what the attack changed.

The numbers are those of the plain way, which attacks every sample at every epsilon, each epsilon as if it were the only one;
only less is computed. A sample that is wrong from the start is not attacked. One that is fooled at any iterate of an attack
is broken at that epsilon, and nothing is carried over to another: an attack that overshoots may find at a larger epsilon
less than it found at a smaller one, although all of that is allowed there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from passband.attacks import Attack
from passband.attacks.ball import check_band
from passband.attacks.epsilon import check_epsilon
from passband.attacks.gradient import attacking, frozen
from passband.data.batches import SMALLEST_BATCH, batches, choose_batch_size
from passband.data.dataset import ImageDataset, check_dataset, to_pixels
from passband.display import Told, as_pandas
from passband.environment import choose_device
from passband.errors import InputError
from passband.memory import kept
from passband.models.independence import check_independent
from passband.models.pixels import PixelModel, answers, evaluating
from passband.models.trial import tried
from passband.robustness.search import Attempts, Targets, search
from passband.robustness.tally import Sums, Tally
from passband.rows import RobustnessRow
from passband.stats import wilson_interval
from passband.types import Labels, Progress

# On a CPU: with gradients it is a network's features that must stay in the cache, and they are as many for gray images.
PIXELS_IN_BATCH = 2**16


@dataclass(frozen=True, eq=False)
class AttackOutcome(Told):
    """What an attack leaves of each sample, and what it changed.

    Attributes:
        attack: The attack.
        epsilons: Ascending bounds on the perturbation, on the [0, 1] pixel scale, each once.
        samples: Positions in the data set, shaped (samples,).
        labels: The true classes, shaped (samples,).
        correct: Whether the model is right on the original, shaped (samples,).
        predictions: The answer to the image that each sample was left with, shaped (epsilons, samples): the original if it
            was wrong from the start; the first that fooled the model at this epsilon; else the attack's last.
        distance: Of that image from the original in the attack's norm, shaped (epsilons, samples).
        radial: Share of a perturbation's energy at radius 0, 1, 2, ... to the corner, mean over the attacked samples that
            were changed, shaped (epsilons, n_radii); sums to 1, or is 0 where none was changed.
        power: Mean power spectrum of the perturbation over attacked samples and channels, orthonormal transform, [0, 1]
            pixels; the zero frequency is in the middle, at [height // 2, width // 2]. Shaped (epsilons, height, width).
        astray: Whether FGSM or PGD, at this epsilon, came to a point of the sample where the gradient is 0, or not finite
            somewhere, and had to go on from there with what is left of it; where nothing is left, the sample stays at
            that point. A sample that withstands so has withstood less of an attack. Shaped (epsilons, samples).
        images: The images that the samples were left with, shaped (epsilons, samples, channels, height, width); None if
            they were not to be kept.
        seconds: Wall time, of all shards together where there are several.
    """

    attack: Attack
    epsilons: tuple[float, ...]
    samples: Int64[Tensor, " samples"]
    labels: Labels
    correct: Bool[Tensor, " samples"]
    predictions: Int64[Tensor, "epsilons samples"]
    distance: Float[Tensor, "epsilons samples"]
    radial: Float[Tensor, "epsilons n_radii"]
    power: Float[Tensor, "epsilons height width"]
    astray: Bool[Tensor, "epsilons samples"]
    images: Float[Tensor, "epsilons samples channels height width"] | None
    seconds: float

    def __repr__(self) -> str:
        """Return the attack and robust accuracy at each epsilon; the tensors would fill a screen."""
        accuracies = self.robust.double().mean(dim=1).tolist()
        found = ", ".join(f"{e:g}: {a:.4f}" for e, a in zip(self.epsilons, accuracies, strict=True))
        return f"AttackOutcome({self.attack.label}, {len(self.samples)} samples, robust accuracy {{{found}}})"

    @property
    def rows(self) -> pl.DataFrame:
        """One row an epsilon, 0 for the originals: robust accuracy with its 95% Wilson interval, and of how many samples."""
        count = len(self.samples)
        rights = [int(self.correct.sum()), *self.robust.sum(dim=1).tolist()]
        intervals = [wilson_interval(right, count) for right in rights]
        return pl.DataFrame(
            {
                "epsilon": [0.0, *self.epsilons],
                "accuracy": [right / count for right in rights],
                "low": [low for low, _ in intervals],
                "high": [high for _, high in intervals],
                "count": [count] * len(rights),
            }
        )

    def to_pandas(self) -> Any:
        """Return `rows` as a `pandas.DataFrame`.

        Raises:
            MissingDependencyError: If pandas or pyarrow is not installed.
        """
        return as_pandas(self.rows)

    @property
    def robust(self) -> Bool[Tensor, "epsilons samples"]:
        """Whether the model is right on each sample and stays so, at each epsilon on its own."""
        return self.predictions == self.labels


def evaluate_attack(
    model: nn.Module,
    dataset: ImageDataset,
    attack: Attack,
    epsilons: Sequence[float],
    *,
    indices: Int64[Tensor, " samples"] | None = None,
    after: AttackOutcome | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    seed: int = 0,
    keep_images: bool = False,
    progress: Progress | None = None,
) -> AttackOutcome:
    """Attack a model at several epsilons; the means of `robust` are its robust accuracies.

    Args:
        model: A classifier of [0, 1] pixels.
        dataset: Labelled images of the size that the model takes.
        attack: The attack.
        epsilons: Bounds on the perturbation, on the [0, 1] pixel scale, in any order, each once.
        indices: Positions of the samples to attack; None takes all.
        after: An earlier outcome on the same samples, in the same norm, that has kept its images. What that attack has
            broken at an epsilon counts as broken at it and is not attacked again there, so that robust accuracy at each
            epsilon is that under the worse of the two and never higher than under the earlier one.
        batch_size: Images at a time; None chooses by size and device. It does not change the result of FGSM and PGD;
            AutoAttack draws for a batch.
        device: See `passband.environment.choose_device`.
        seed: Decides all that is drawn. A random start depends on it, the sample's position, epsilon and the number of
            the restart, and on nothing else.
        keep_images: Whether to keep the images; they take four bytes a pixel, sample and epsilon.
        progress: Called along the way.

    Raises:
        InputError: If model, data and settings do not fit together, the model has no gradient with respect to its
            images, or one of its answers is not finite.
        MissingDependencyError: If the attack needs a library that is not installed.

    Source:
        Wang et al. 2020, section 6, with a fixed epsilon and all samples, where the released code searches for the
        smallest epsilon on 100 of them.
    """
    check_dataset(dataset)
    bounds = checked_epsilons(epsilons, attack, dataset)
    samples = torch.arange(len(dataset)) if indices is None else indices.cpu()
    if after is not None:
        _check_after(after, samples, attack, bounds)
    seen = look_under_attack(
        model,
        dataset,
        attack,
        bounds,
        samples,
        after=after,
        batch_size=batch_size,
        device=device,
        seed=seed,
        keep_images=keep_images,
        progress=progress,
    )
    return joined_outcome(attack, bounds, [seen])


@dataclass(frozen=True, eq=False)
class SeenAttack:
    """What an attack leaves of some of the samples: the attributes of `AttackOutcome` that have an entry a sample, and sums."""

    samples: Int64[Tensor, " samples"]
    labels: Labels
    correct: Bool[Tensor, " samples"]
    predictions: Int64[Tensor, "epsilons samples"]
    distance: Float[Tensor, "epsilons samples"]
    astray: Bool[Tensor, "epsilons samples"]
    sums: Sums
    seconds: float
    images: Float[Tensor, "epsilons samples channels height width"] | None = None


def look_under_attack(
    model: nn.Module,
    dataset: ImageDataset,
    attack: Attack,
    epsilons: tuple[float, ...],
    samples: Int64[Tensor, " samples"],
    *,
    after: AttackOutcome | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    seed: int = 0,
    keep_images: bool = False,
    progress: Progress | None = None,
) -> SeenAttack:
    """Attack some samples, at epsilons that ascend: see `evaluate_attack`, which does so with all of them at once."""
    place = choose_device(device)
    pixels = tried(model, dataset, place)
    size = attack_batch_size(batch_size, dataset, place)
    start = time.perf_counter()
    check_independent(pixels, to_pixels(dataset.images[:1], place))
    clean = _predict(pixels, dataset, samples, size, place)
    tally = Tally(attack.norm, epsilons, dataset, samples, clean, keep_images=keep_images)
    positive = torch.tensor(epsilons)[:, None] > 0  # at epsilon 0 there is nothing to try
    standing = tally.robust if after is None else tally.robust & _standing(after, epsilons)
    targets = Targets(dataset, samples, standing & positive, place)
    done = int((~targets.tried).sum())
    with attacking(pixels), frozen(pixels), kept():
        for attempts in search(pixels, targets, attack, torch.tensor(epsilons), seed=seed, batch_size=size):
            tally.add(attempts)
            done += len(attempts.rows)
            if progress:
                progress("attack", done, targets.tried.numel())
    if after is not None:
        _take_over(after, targets, tally)
    return SeenAttack(
        samples=samples,
        labels=tally.labels,
        correct=tally.correct,
        predictions=tally.predictions,
        distance=tally.distance,
        astray=tally.astray,
        sums=tally.sums(),
        seconds=time.perf_counter() - start,
        images=tally.images,
    )


def joined_outcome(attack: Attack, epsilons: tuple[float, ...], seen: Iterable[SeenAttack]) -> AttackOutcome:
    """Return the outcome on the samples of all parts, in their order."""
    columns: dict[str, list[Tensor]] = {}
    sums, seconds = None, 0.0
    for each in seen:  # one at a time: the sums of each are as large as an image for each epsilon
        for name in ("samples", "labels", "correct", "predictions", "distance", "astray", "images"):
            if (column := getattr(each, name)) is not None:
                columns.setdefault(name, []).append(column)
        sums = each.sums if sums is None else sums + each.sums
        seconds += each.seconds
    assert sums is not None
    joined = {name: torch.cat(parts, dim=int(parts[0].ndim > 1)) for name, parts in columns.items()}
    return AttackOutcome(
        attack=attack,
        epsilons=epsilons,
        radial=sums.radial(),
        power=sums.mean_power(int(joined["correct"].sum())),
        seconds=seconds,
        images=joined.pop("images", None),
        **joined,
    )


def attack_batch_size(asked: int | None, dataset: ImageDataset, device: torch.device) -> int:
    """Return how many images are attacked at a time where so many were asked for; None chooses by size and device."""
    size = choose_batch_size(asked, dataset, device)
    if asked is not None or device.type != "cpu":
        return size
    return min(size, max(PIXELS_IN_BATCH // (dataset.size[0] * dataset.size[1]), SMALLEST_BATCH))


def attack_rows(
    outcome: AttackOutcome, dataset: ImageDataset, *, run: str, seed: int | None = None
) -> Iterator[RobustnessRow]:
    """Yield the measurements that an outcome holds.

    `robust-accuracy` at epsilon 0, where it is the clean accuracy, and at each epsilon, for all samples and for each
    class; `perturbation-energy` at each epsilon and whole radius, the mean share of a perturbation's energy there.
    """
    row = partial(
        RobustnessRow,
        run=run,
        seed=seed,
        subset=dataset.subset,
        norm=outcome.attack.norm,
        attack=outcome.attack.label,
        band=None if outcome.attack.band is None else str(outcome.attack.band),
    )
    measured = {0.0: outcome.correct, **dict(zip(outcome.epsilons, outcome.robust, strict=True))}
    for epsilon, robust in measured.items():
        accuracy = partial(row, epsilon=epsilon, metric="robust-accuracy")
        yield accuracy(value=robust.double().mean().item(), count=len(robust))
        for label, name in enumerate(dataset.classes):
            those = robust[outcome.labels == label]
            if len(those):
                yield accuracy(value=those.double().mean().item(), count=len(those), class_name=name)
    attacked = int(outcome.correct.sum())
    for epsilon, shares in zip(outcome.epsilons, outcome.radial.tolist(), strict=True):
        if not any(shares):
            continue  # nothing was changed, so there is no energy to speak of
        for radius, share in enumerate(shares):
            yield row(
                epsilon=epsilon, metric="perturbation-energy", radius=radius, value=share, count=attacked
            )


def checked_epsilons(epsilons: Sequence[float], attack: Attack, dataset: ImageDataset) -> tuple[float, ...]:
    """Return the epsilons in ascending order.

    Raises:
        InputError: If there are none, one comes twice or is impossible, or the attack's band does not fit the images.
    """
    bounds = tuple(sorted(float(epsilon) for epsilon in epsilons))
    if not bounds:
        raise InputError("at least one epsilon is needed, such as 8/255, got none")
    if len(set(bounds)) < len(bounds):
        raise InputError(f"each epsilon is measured once, got {', '.join(f'{e:g}' for e in bounds)}")
    for epsilon in bounds:
        check_epsilon(epsilon, attack.norm, dataset.images[0].numel())
    check_band(attack.band, dataset.size)
    return bounds


def _predict(
    model: PixelModel,
    dataset: ImageDataset,
    samples: Int64[Tensor, " samples"],
    batch_size: int,
    device: torch.device,
) -> Int64[Tensor, " samples"]:
    """Return the model's answers to the originals."""
    with evaluating(model):
        return torch.cat(
            [
                answers(model, part.images, len(dataset.classes), "whole images").argmax(dim=1).cpu()
                for part in batches(dataset, batch_size=batch_size, device=device, order=samples)
            ]
        )


def _check_after(
    after: AttackOutcome, samples: Int64[Tensor, " samples"], attack: Attack, bounds: tuple[float, ...]
) -> None:
    """Refuse an earlier outcome that says nothing about this attack.

    Raises:
        InputError: If samples or norm differ, an epsilon is missing, or the images were not kept.
    """
    if not torch.equal(after.samples, samples):
        raise InputError("an attack can only follow one on the same samples in the same order")
    if after.attack.norm != attack.norm:
        raise InputError(f"an attack in {attack.norm} cannot follow one in {after.attack.norm}")
    if missing := [f"{epsilon:g}" for epsilon in bounds if epsilon not in after.epsilons]:
        raise InputError(f"the earlier attack was not measured at epsilon {', '.join(missing)}")
    if after.images is None:
        raise InputError("the earlier attack's images are needed: evaluate it with keep_images=True")


def _standing(after: AttackOutcome, bounds: tuple[float, ...]) -> Bool[Tensor, "epsilons samples"]:
    """Return which samples have withstood an earlier attack, at each epsilon."""
    return after.robust[[after.epsilons.index(epsilon) for epsilon in bounds]]


def _take_over(after: AttackOutcome, targets: Targets, tally: Tally) -> None:
    """Count in what only the earlier attack has broken."""
    assert after.images is not None
    for level, epsilon in enumerate(tally.epsilons):
        index = after.epsilons.index(epsilon)
        rows = (tally.correct & tally.robust[level] & ~after.robust[index]).nonzero()[:, 0]
        if len(rows):
            images, _ = targets.load(rows)
            there = torch.full_like(rows, level)
            found = (part[index, rows] for part in (after.images, after.predictions, after.astray))
            tally.add(Attempts(rows, there, images, *found))
