"""From logits to answers: the one place where a largest logit becomes a class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from passband.environment import is_prompt
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
    _refuse(int(_count(logits)), len(logits), who, shown)
    return logits.argmax(dim=1)


class BrokenAnswers:
    """Answers that are none, because a logit is not finite: counted along a measurement, and refused.

    Where the device is prompt they are refused at once. To ask another one after each batch would let it stand idle in between,
    so there the count stays where it is until `refuse` asks for it, at the end.

    Args:
        who: The model, for the error.
        shown: What it is shown, for the error.

    Example:
        >>> broken = BrokenAnswers("the model", ["images"])
        >>> broken.count(torch.tensor([[[0.1, 0.9]]]))
        >>> broken.refuse()
    """

    def __init__(self, who: str, shown: Sequence[str]) -> None:
        self._who, self._shown = who, shown
        self._images, self._broken = 0, torch.zeros(len(shown), dtype=torch.int64)

    def count(self, logits: Float[Tensor, "shown batch classes"]) -> None:
        """Count those of one batch.

        Raises:
            InputError: As `refuse`, where the device is prompt.
        """
        self._images += logits.shape[1]
        self._broken = _count(logits) + (self._broken if self._images > logits.shape[1] else 0)
        if is_prompt(logits.device):
            self.refuse()

    def refuse(self) -> None:
        """Refuse what was counted.

        Raises:
            InputError: If there is one that is not finite.
        """
        for broken, shown in zip(self._broken.tolist(), self._shown, strict=True):
            _refuse(broken, self._images, self._who, shown)


def _count(logits: Float[Tensor, "*shown batch classes"]) -> Int64[Tensor, "*shown"]:
    return (~logits.isfinite()).any(dim=-1).sum(dim=-1)


def _refuse(broken: int, images: int, who: str, shown: str) -> None:
    if broken:
        raise InputError(
            f"{who} returned NaN or infinite logits for {broken} of {images} {shown}. Its weights or its "
            "normalization are broken: a division by an image's own deviation, for example, is one by 0 where the image is "
            "constant."
        )
