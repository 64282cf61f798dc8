"""Accuracies, how sure they are, and whether two of them differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from passband.errors import InputError
from passband.types import Labels, Logits


def predict(logits: Logits, who: str, shown: str = "images") -> Int64[Tensor, " batch"]:
    """Return the class of each largest logit: the answers, once it is certain that they are answers.

    Args:
        logits: What a model returned.
        who: The model, for the error.
        shown: What it was shown, for the error.

    Raises:
        InputError: If a logit is not finite. NaN counts as the largest in torch, so that a class would be named all the same.

    Example:
        >>> predict(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), "the model").tolist()
        [1, 0]
    """
    broken = int((~logits.isfinite()).any(dim=1).sum())
    if broken:
        raise InputError(
            f"{who} returned NaN or infinite logits for {broken} of {len(logits)} {shown}. Its weights or its "
            "normalization are broken: a division by an image's own deviation, for example, is one by 0 where the image is "
            "constant."
        )
    return logits.argmax(dim=1)


def count_correct(logits: Logits, labels: Labels) -> int:
    """Return how many samples have their largest logit at their label.

    Raises:
        InputError: If a logit is not finite.

    Example:
        >>> count_correct(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
        1
    """
    return int((predict(logits, "the model") == labels).sum())


def accuracy(correct: int, total: int) -> float:
    """Return the fraction `correct / total`, in [0, 1].

    Raises:
        InputError: If there are no samples, or not 0 <= correct <= total.
    """
    _check_counts(correct, total)
    return correct / total


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion.

    Unlike the normal approximation it stays within [0, 1] and keeps its coverage near 0 and 1.

    Args:
        correct: Number of successes.
        total: Number of samples, at least 1.
        confidence: Coverage, between 0 and 1.

    Returns:
        `(low, high)`, fractions in [0, 1].

    Raises:
        InputError: If there are no samples, not 0 <= correct <= total, or `confidence` is not in (0, 1).

    Example:
        >>> low, high = wilson_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)

    Source:
        Wilson 1927, Probable inference, the law of succession, and statistical inference.
    """
    _check_counts(correct, total)
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie between 0 and 1, got {confidence}")
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    center = (correct + z2 / 2) / (total + z2)
    half = math.sqrt(z2 * (correct * (total - correct) / total + z2 / 4)) / (total + z2)
    # At the ends the bound is exact, and must not miss by a rounding error.
    return (center - half if correct > 0 else 0.0), (center + half if correct < total else 1.0)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value that two classifiers differ on the same samples.

    Args:
        only_first: Samples that only the first one gets right.
        only_second: Samples that only the second one gets right.

    Returns:
        The probability of a split at least as uneven if neither were better; 1 where they never disagree.

    Raises:
        InputError: If a count is negative.

    Example:
        >>> mcnemar(5, 5), round(mcnemar(0, 10), 5)
        (1.0, 0.00195)

    Source:
        McNemar 1947, in its exact binomial form.
    """
    if min(only_first, only_second) < 0:
        raise InputError(f"counts must be >= 0, got {only_first} and {only_second}")
    total = only_first + only_second
    k = torch.arange(min(only_first, only_second) + 1, dtype=torch.float64)
    n = torch.tensor(float(total), dtype=torch.float64)
    log_terms = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1) - n * math.log(2)
    return min(1.0, 2 * log_terms.logsumexp(0).exp().item())


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for testing all of them at once, in the order given.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]

    Source:
        Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    corrected = [1.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = highest
    return corrected


def bootstrap_difference(
    first: Float[Tensor, " samples"],
    second: Float[Tensor, " samples"],
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return the mean of `second - first` over paired samples, with a percentile bootstrap interval.

    Returns:
        `(difference, low, high)`.

    Raises:
        InputError: If the two do not have the same number of samples, or none.
    """
    if len(first) != len(second) or len(first) == 0:
        raise InputError(f"paired samples must be as many, got {len(first)} and {len(second)}")
    difference = (second - first).double()
    generator = torch.Generator().manual_seed(seed)
    means = torch.stack(
        [
            difference[torch.randint(len(difference), (len(difference),), generator=generator)].mean()
            for _ in range(resamples)
        ]
    )
    tail = (1 - confidence) / 2
    low, high = means.quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return difference.mean().item(), low, high


def generalization_gap(train_accuracy: float, test_accuracy: float) -> float:
    """Return how much better a model is on its training data: train accuracy minus test accuracy."""
    return train_accuracy - test_accuracy


def paired_counts(first: Bool[Tensor, " samples"], second: Bool[Tensor, " samples"]) -> tuple[int, int]:
    """Return how many samples only the first, and only the second, gets right: the input of `mcnemar`."""
    return int((first & ~second).sum()), int((second & ~first).sum())


def _check_counts(correct: int, total: int) -> None:
    if total < 1 or not 0 <= correct <= total:
        raise InputError(f"need 0 <= correct <= total and total >= 1, got {correct} of {total}")
