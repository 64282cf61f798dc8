"""What an epoch of training comes to: a report, or a divergence."""

from __future__ import annotations

from dataclasses import dataclass

from passband.errors import PassbandError


class TrainingDiverged(PassbandError):
    """The loss of a training run is no longer a finite number."""


@dataclass(frozen=True)
class EpochReport:
    """What one pass over the training images gave.

    Attributes:
        epoch: Its number, from 1 on.
        loss: Mean cross-entropy of what was trained on, each example taken when its batch was.
        accuracy: The share of it predicted right, in [0, 1], taken at the same time; a blend of two classes, of weights
            0.7 and 0.3, counts 0.7 or 0.3 where one of them is predicted.
        seconds: How long it took.
        images_per_second: Training images a second.
    """

    epoch: int
    loss: float
    accuracy: float
    seconds: float
    images_per_second: float
