"""Models that follow the image classification protocol of MAITE (package `maite`), which is not needed to use them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from passband.errors import InputError
from passband.models.class_indices import Names
from passband.notices import Notice


class MaiteModel(nn.Module):
    """A model of the protocol as a module: it gets a list of images and returns the rows of its answers, without a gradient.

    Args:
        model: Callable on a sequence of arrays (channels, height, width); it returns a sequence of arrays (classes).
        source: Where it comes from, for messages.
    """

    values_digest: Tensor

    def __init__(self, model: Any, source: str) -> None:
        super().__init__()
        self.called = (model,)  # in a tuple, for a module would be moved to a device that it does not expect
        self.source = source
        # Among the weights, since these may be anywhere in it, and it must tell one model from another in their stead.
        self.register_buffer("values_digest", _digest(model))
        for inside in (model, *vars(model).values()):
            if isinstance(inside, nn.Module):
                inside.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return what the model returns for `images`, on their device."""
        with torch.no_grad():
            answers = self.called[0](list(images.detach().cpu()))
        if not isinstance(answers, Sequence | np.ndarray | Tensor) or len(answers) != len(images):
            raise InputError(
                f"{self.source} must return a sequence of {len(images)} arrays for {len(images)} images, as the protocol says"
            )
        rows = [np.asarray(row.detach().cpu() if isinstance(row, Tensor) else row) for row in answers]
        return torch.from_numpy(np.stack(rows)).float().to(images.device)


def follows_protocol(value: object) -> bool:
    """Return whether an object is a model of the protocol: it is callable and its metadata has an id."""
    metadata = getattr(value, "metadata", None)
    return callable(value) and isinstance(metadata, Mapping) and "id" in metadata


def names_of(model: Any, source: str) -> Names | None:
    """Return the names that the metadata of a model gives its classes; None if it gives none.

    Raises:
        InputError: If it does not name each class from 0 on.
    """
    labels = model.metadata.get("index2label")
    if not labels:
        return None
    by_index = {int(index): str(name) for index, name in labels.items()}
    if sorted(by_index) != list(range(len(by_index))):
        raise InputError(
            f"index2label in the metadata of {source} must name the classes 0 to {len(by_index) - 1}, "
            f"it names {sorted(by_index)}"
        )
    return [(by_index[index],) for index in range(len(by_index))]


ABOUT = Notice(
    "model",
    "it follows the MAITE protocol, whose models may return probabilities or logits, and it is asked for no gradient",
    warning=False,
)


def _digest(model: Any) -> Tensor:
    """Return the SHA-256 of a model's id and of all arrays that it holds, as 32 bytes."""
    state = hashlib.sha256(str(model.metadata["id"]).encode())
    for name, value in _values(model):
        array = np.ascontiguousarray(value.detach().cpu().float() if isinstance(value, Tensor) else value)
        state.update(f"{name} {array.dtype} {array.shape}".encode())
        state.update(array.tobytes())
    return torch.tensor(list(state.digest()), dtype=torch.uint8)


def _values(model: Any) -> Iterator[tuple[str, Tensor | np.ndarray[Any, Any]]]:
    for name, value in sorted({"": model, **vars(model)}.items()):
        held = value.state_dict() if isinstance(value, nn.Module) else {"": value}
        for inner, array in held.items():
            if isinstance(array, Tensor | np.ndarray):
                yield f"{name}.{inner}", array
