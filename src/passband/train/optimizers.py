"""The optimizers that the paper compares, by name, each with the rate it has where none is given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from passband.errors import UnknownNameError

if TYPE_CHECKING:  # the names and rates are read without it
    import torch


class Optimizer(NamedTuple):
    """An optimizer, as `torch.optim` calls it, and its usual rate."""

    kind: str
    learning_rate: float


OPTIMIZERS: dict[str, Optimizer] = {
    "adadelta": Optimizer("Adadelta", 1e-1),  # the paper's released code
    "adagrad": Optimizer("Adagrad", 1e-2),  # Duchi et al. 2011 name none: torch's
    "adam": Optimizer("Adam", 1e-4),  # the paper, section 4.2
    "rmsprop": Optimizer("RMSprop", 1e-3),  # Tieleman and Hinton 2012
    "sgd": Optimizer("SGD", 1e-2),  # the paper's released code
}
"""One line an optimizer: section 5.1 of the paper. Beyond rate and weight decay, each has torch's defaults; so SGD has
no momentum, as in the paper's code."""


def make_optimizer(
    name: str, parameters: Iterable[torch.nn.Parameter], *, learning_rate: float, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """Return the optimizer called `name` for `parameters`.

    Args:
        name: One of `OPTIMIZERS`.
        parameters: What it is to change.
        learning_rate: Its rate.
        weight_decay: Added to the gradient as `weight_decay * weight` (an L2 penalty, for Adam too).

    Raises:
        UnknownNameError: If there is no such optimizer.

    Example:
        >>> import torch
        >>> make_optimizer("sgd", [torch.nn.Parameter(torch.zeros(2))], learning_rate=0.01).defaults["momentum"]
        0
    """
    if name not in OPTIMIZERS:
        raise UnknownNameError("optimizer", name, OPTIMIZERS)
    import torch

    make = getattr(torch.optim, OPTIMIZERS[name].kind)
    return make(parameters, lr=learning_rate, weight_decay=weight_decay)
