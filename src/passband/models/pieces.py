"""Any number of images for a network that takes only so many at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def in_pieces(run: Callable[[Tensor], Tensor], images: Tensor, least: int, most: int) -> Tensor:
    """Return what `run`, which takes `least` to `most` images at once, returns for any number of them.

    A piece that is too small is filled up with copies of its last image.
    """
    logits = []
    for piece in images.split(most):
        filling = piece[-1:].expand(max(least - len(piece), 0), -1, -1, -1)
        logits.append(run(torch.cat([piece, filling]))[: len(piece)])
    return torch.cat(logits)
