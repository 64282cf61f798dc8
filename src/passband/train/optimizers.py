"""The optimizers that the paper compares, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from passband.errors import UnknownNameError

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
"""One line an optimizer: section 5.2 of the paper. Beyond rate and weight decay, each has torch's defaults; so SGD has
no momentum, as in the paper's code."""


def make_optimizer(
    name: str, parameters: Iterable[nn.Parameter], *, learning_rate: float, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """Return the optimizer called `name` for `parameters`.

    Args:
        name: One of `OPTIMIZERS`.
        parameters: What it is to change.
        learning_rate: Its rate. The paper gives 1e-4 for Adam only; its code has 1e-2 for SGD and 1e-1 for AdaDelta.
        weight_decay: Added to the gradient as `weight_decay * weight` (an L2 penalty, for Adam too).

    Raises:
        UnknownNameError: If there is no such optimizer.

    Example:
        >>> make_optimizer("sgd", [torch.nn.Parameter(torch.zeros(2))], learning_rate=0.01).defaults["momentum"]
        0
    """
    if name not in OPTIMIZERS:
        raise UnknownNameError("optimizer", name, OPTIMIZERS)
    return OPTIMIZERS[name](parameters, lr=learning_rate, weight_decay=weight_decay)
