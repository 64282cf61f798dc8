"""From logits to answers: the one place where a largest logit becomes a class."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from passband.errors import InputError
from passband.types import Logits


def as_float(logits: Logits) -> Logits:
    """Return logits in float32, or wider where they are: in half precision losses and their differences are lost."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def predict(logits: Logits, who: str, shown: str = "images") -> Int64[Tensor, " batch"]:
    """Return the class of each largest logit: the answers, once it is certain that they are answers.

    Args:
        logits: What a model returned.
        who: The model, for the error.
        shown: What it was shown, for the error.

    Raises:
        InputError: If a logit is not finite. NaN counts as the largest in torch, so that a class would be named all the same.

    Example:
        >>> import torch
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
