"""What a data set is: images, labels, the names of its classes, and a fingerprint."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import UInt8
from torch import Tensor

from passband.data.given import check_images, check_labels, refuse_as_dataset
from passband.data.stream import StreamedImages
from passband.display import Told
from passband.errors import InputError
from passband.files import Digest
from passband.notices import Notice
from passband.preparation import Preparation
from passband.types import ByteImages, Images, Labels, Subset


@dataclass(frozen=True, eq=False)
class ImageDataset(Told):
    """Labelled images of one size, held in memory, or decoded when they are looked at where they are too many for it.

    Attributes:
        images: Pixels 0 to 255, shaped (samples, channels, height, width), on the CPU. Either kind is indexed by a number,
            a slice or a tensor of positions; `passband.data.batches` decodes ahead.
        labels: The class of each image, 0 to `len(classes) - 1`.
        classes: The names of the classes.
        name: What the data set is called in tables and reports.
        subset: `"train"` or `"test"`.
        source: What `load_dataset` was asked for; empty if it was not.
        preparation: How pictures became these images; None if each is as it was stored.
        notices: What whoever reads numbers of them must know.
        pictures: What decodes the same images once more, so that they can be prepared otherwise, whether they are in memory or
            not; None where nothing prepared them.
    """

    images: ByteImages | StreamedImages
    labels: Labels
    classes: tuple[str, ...]
    name: str
    subset: Subset = "test"
    source: str = ""
    preparation: Preparation | None = None
    notices: tuple[Notice, ...] = ()
    pictures: StreamedImages | None = None

    def __post_init__(self) -> None:
        """Check that images, labels and classes are what they are called, and belong together."""
        if not isinstance(self.images, StreamedImages):
            check_images(self.images)
        check_labels(self.labels)
        if len(self.images) == 0:
            raise InputError(f"the data set {self.name!r} has no images in its {self.subset} subset")
        if len(self.images) != len(self.labels):
            raise InputError(
                f"a data set needs as many labels as images, got {len(self.labels)} labels and "
                f"{len(self.images)} images in {self.name!r}"
            )
        if self.pictures is not None and len(self.pictures) != len(self.images):
            raise InputError(
                f"a data set whose images are replaced by others has other pictures too, or none: got {len(self.images)} images "
                f"and {len(self.pictures)} pictures in {self.name!r}. Use take(), or give pictures=None as well."
            )
        lowest, highest = int(self.labels.min()), int(self.labels.max())
        if lowest < 0 or highest >= len(self.classes):
            raise InputError(
                f"labels must lie between 0 and {len(self.classes) - 1} for {len(self.classes)} classes, "
                f"got {lowest} to {highest} in {self.name!r}"
            )

    def __repr__(self) -> str:
        """Return how many images there are, of what size and in how many classes, and where they are."""
        where = "read when needed" if isinstance(self.images, StreamedImages) else "in memory"
        of = "x".join(map(str, (self.channels, *self.size)))
        return f"ImageDataset({self.name!r}, {self.subset}: {len(self):,} images of {of}, {len(self.classes)} classes, {where})"

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        return self.images.shape[-2], self.images.shape[-1]

    @property
    def channels(self) -> int:
        """1 for gray, 3 for colour."""
        return self.images.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """A hash of shape, pixels and labels: equal for the same data, wherever they were read from."""
        if isinstance(self.images, StreamedImages):
            digest = self.images.digest()
        else:
            digest = Digest()
            digest.add(repr(tuple(self.images.shape)).encode())
            digest.add(memoryview(self.images.contiguous().numpy()).cast("B"))
        digest.add(memoryview(self.labels.contiguous().numpy()).cast("B"))
        return str(digest)

    def take(self, indices: Tensor | slice) -> ImageDataset:
        """Return the samples at `indices` (a prefix is `take(slice(n))`), with the same classes and name."""
        streamed = isinstance(self.images, StreamedImages)
        images = self.images.take(indices) if streamed else self.images[indices]
        pictures = None if self.pictures is None else self.pictures.take(indices)
        return replace(self, images=images, labels=self.labels[indices], pictures=pictures)

    def in_memory(self, purpose: str) -> ByteImages:
        """Return the images as one tensor.

        Raises:
            InputError: If they are too many for memory, which `purpose` does not do with.
        """
        if isinstance(self.images, StreamedImages):
            raise InputError(
                f"{purpose} needs all images in memory, and {len(self):,} images of {self.name!r} take "
                f"{math.prod(self.images.shape) / 2**30:.2f} GiB, which is more than the memory limit. Take fewer images "
                "with limit=, or smaller ones with size=."
            )
        return self.images

    def class_counts(self) -> Tensor:
        """Return how many samples each class has, shaped (classes,)."""
        return torch.bincount(self.labels, minlength=len(self.classes))

    def describe_classes(self, most: int = 12) -> str:
        """Return the names of the classes with their numbers of images, the first `most` of them.

        Example:
            >>> ImageDataset(torch.zeros(3, 1, 2, 2).byte(), torch.tensor([0, 0, 1]), ("ant", "bee"), "pets").describe_classes()
            'ant (2), bee (1)'
        """
        counted = [
            f"{name} ({count:,})"
            for name, count in zip(self.classes, self.class_counts().tolist(), strict=True)
        ]
        more = len(counted) - most
        return ", ".join(counted[:most]) + (f", ... and {more:,} more" if more > 0 else "")

    @property
    def majority_baseline(self) -> float:
        """The accuracy of always answering the most frequent class."""
        return self.class_counts().max().item() / len(self)


def check_dataset(given: object) -> None:
    """Refuse what is no data set.

    Raises:
        InputError: If it is none; it has the line that makes one of a DataLoader, of tensors, of a data set of torch.
    """
    if not isinstance(given, ImageDataset):
        raise refuse_as_dataset(given)


def to_pixels(
    images: UInt8[Tensor, "*batch channels height width"], device: torch.device | str = "cpu"
) -> Images:
    """Return stored bytes as [0, 1] float32 pixels on `device`, moving bytes, not floats."""
    return to_device(images, device).float().div_(255)


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Return a tensor on `device`; what moves from memory to a CUDA device is not waited for.

    Memory that the system may move elsewhere would be copied twice, and only once the device has done all it was given. A copy
    away from the device is waited for, since who reads memory cannot know when it is complete.
    """
    if tensor.device.type == "cpu" and torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
