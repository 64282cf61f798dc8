"""From logits to answers: the one place where a largest logit becomes a class."""

from __future__ import annotations

import torch
from jaxtyping import Int64
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

    Example:
        >>> broken = BrokenAnswers()
        >>> broken.count(torch.tensor([[0.1, 0.9]]), "the model", "images")
        >>> broken.refuse()
    """

    def __init__(self) -> None:
        self._images: dict[tuple[str, str], int] = {}
        self._broken: dict[tuple[str, str], Tensor] = {}

    def count(self, logits: Logits, who: str, shown: str) -> None:
        """Count those of one batch.

        Args:
            logits: What a model returned.
            who: The model, for the error.
            shown: What it was shown, for the error.

        Raises:
            InputError: As `refuse`, where the device is prompt.
        """
        broken = _count(logits)
        if is_prompt(logits.device):
            _refuse(int(broken), len(logits), who, shown)
            return
        key = who, shown
        self._images[key] = self._images.get(key, 0) + len(logits)
        self._broken[key] = self._broken[key] + broken if key in self._broken else broken

    def refuse(self) -> None:
        """Refuse what was counted.

        Raises:
            InputError: If there is one that is not finite.
        """
        if self._broken:
            for key, broken in zip(self._broken, torch.stack([*self._broken.values()]).tolist(), strict=True):
                _refuse(broken, self._images[key], *key)


def _count(logits: Logits) -> Tensor:
    return (~logits.isfinite()).any(dim=1).sum()


def _refuse(broken: int, images: int, who: str, shown: str) -> None:
    if broken:
        raise InputError(
            f"{who} returned NaN or infinite logits for {broken} of {images} {shown}. Its weights or its "
            "normalization are broken: a division by an image's own deviation, for example, is one by 0 where the image is "
            "constant."
        )
