"""Whether a model answers each image on its own, whatever images are beside it in a batch."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from passband.errors import InputError
from passband.models.pixels import PixelModel, evaluating
from passband.types import Batch

CHANGE = 0.1
"""Share of the largest logit by which an answer must change to be called dependent. With the image beside it exchanged,
the answer of a usual network is the same to the last bit, weights quantized on the fly change it by less than this, and
the statistics of the batch by more."""


BY_STATISTICS = (
    "its BatchNorm uses the statistics of the batch at test too (batch_statistics, track_running_stats=False)"
)


def uses_batch_statistics(model: nn.Module) -> bool:
    """Return whether a BatchNorm of a model normalizes with the batch at hand in evaluation mode too."""
    norms = (module for module in model.modules() if isinstance(module, _BatchNorm))
    return any(norm.running_mean is None and norm.running_var is None for norm in norms)


def check_independent(model: PixelModel, image: Batch) -> None:
    """Refuse a model whose answer to an image depends on the images beside it.

    Its accuracy would depend on batch size and order, and an attack or a search that leaves images out of a batch would
    change the answers to those that are left. Besides BatchNorm with batch statistics, which is looked for, this finds what
    a program or another layer does likewise: one image is shown beside a black image, and beside a white one. Nothing is
    said of a model that draws at random, so that the same batch gets two answers.

    Args:
        model: On the device of `image`.
        image: One image, [0, 1] pixels shaped (1, channels, height, width).

    Raises:
        InputError: If its answers depend on the batch.
    """
    if uses_batch_statistics(model):
        why = BY_STATISTICS
    elif model.trial is not None and model.trial.dependent is not None:
        why = model.trial.dependent
    elif _changes(model, image):
        why = "one image was answered differently beside a black and beside a white image"
    else:
        return
    raise InputError(
        f"answers of {model.name} depend on the other images of the batch: {why}. So no image has an answer of its own, and "
        "batch size and order would decide every number. Use a network with running statistics. How a run of passband with "
        "batch_statistics answers, in batches drawn as in its training, is in the rows of its folder."
    )


def _changes(model: PixelModel, image: Batch) -> bool:
    black, white = (torch.cat([image, torch.full_like(image, value)]) for value in (0, 1))
    with evaluating(model):
        first, other, again = (model(batch)[0].float() for batch in (black, white, black))
    threshold = CHANGE * first.abs().max()
    if (again - first).abs().max() > threshold / 10:
        return False  # it draws at random
    return bool((other - first).abs().max() > threshold)
