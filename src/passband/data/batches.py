"""Walking through a data set in batches of pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from passband.data.dataset import ImageDataset, to_device, to_pixels
from passband.data.stream import StreamedImages
from passband.errors import InputError
from passband.types import Batch, ByteImages, Labels

# Values in a batch. On a CPU small batches win, since their components stay in the cache: about 40 color images of
# 32x32 pixels (benchmarks/probe.py).
VALUES_IN_BATCH = {"cpu": 2**17, "mps": 2**23, "cuda": 2**25}
LARGEST_BATCH = 2048

# On one thread torch gives convolutions of 1x1 to oneDNN from 16 images on. With fewer, networks that are made of them take 1.5
# times as long for answers and gradients at 224 pixels (resnet50, efficientnet_lite0), and those of 3x3 about the same.
SMALLEST_BATCH = 16


class Samples(NamedTuple):
    """A batch: positions in the data set, [0, 1] pixels and labels, all on one device."""

    indices: Int64[Tensor, " samples"]
    images: Batch
    labels: Labels


def choose_batch_size(asked: int | None, dataset: ImageDataset, device: torch.device) -> int:
    """Return the batch size asked for, or one for evaluation that suits the images' size and the device.

    Raises:
        InputError: If it is less than 1.
    """
    if asked is not None:
        if asked < 1:
            raise InputError(f"batch_size must be at least 1, got {asked}")
        return asked
    values = VALUES_IN_BATCH.get(device.type, VALUES_IN_BATCH["cpu"])
    return min(max(values // math.prod(dataset.images.shape[1:]), SMALLEST_BATCH), LARGEST_BATCH)


def batches(
    dataset: ImageDataset,
    *,
    batch_size: int,
    device: torch.device,
    order: Int64[Tensor, " visited"] | None = None,
) -> Iterator[Samples]:
    """Yield a data set batch by batch; the last one may be smaller.

    Args:
        dataset: The images.
        batch_size: Images in a batch.
        device: Where the batches go.
        order: Positions to visit, in this order; None visits all of them as they are.
    """
    if order is None:
        order = torch.arange(len(dataset))
    images = Sequel(dataset, order, batch_size)
    for indices in order.split(batch_size):
        pixels, labels = to_pixels(images.next(len(indices)), device), dataset.labels[indices]
        yield Samples(to_device(indices, device), pixels, to_device(labels, device))


class Sequel:
    """The images of a data set in an order that is known, handed out a few at a time; where they stream, decoded ahead.

    Args:
        dataset: The images.
        order: Positions to visit.
        batch_size: How many are looked at together.
    """

    def __init__(self, dataset: ImageDataset, order: Int64[Tensor, " visited"], batch_size: int) -> None:
        self._images, self._order, self._seen = dataset.images, order, 0
        if isinstance(dataset.images, StreamedImages):
            self._decoded = dataset.images.read(order, batch_size)
            self._rest = dataset.images[:0]

    def next(self, count: int) -> ByteImages:
        """Return the next images, so many of them.

        Raises:
            InputError: If one cannot be decoded.
        """
        if not isinstance(self._images, StreamedImages):
            self._seen += count
            return self._images[self._order[self._seen - count : self._seen]]
        parts, found = [self._rest], len(self._rest)
        while found < count:
            parts.append(next(self._decoded))
            found += len(parts[-1])
        images = torch.cat(parts)
        self._rest = images[count:].clone()  # and not all of them
        return images[:count]
