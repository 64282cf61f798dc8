"""Images with what is in them, read from a folder one at a time, or held in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from statistics import median

import polars as pl
from jaxtyping import UInt8
from torch import Tensor

from passband.data.dataset import to_pixels
from passband.detection.annotations import Annotations
from passband.detection.detector import Image
from passband.display import Told
from passband.errors import InputError, few
from passband.files import digest
from passband.types import Progress

Bytes = UInt8[Tensor, "3 _height _width"]


@dataclass(frozen=True, eq=False)
class DetectionDataset(Told):
    """Annotated images, of any sizes.

    Attributes:
        annotations: What is in them.
        read: Returns an image's bytes by its position among the pictures of the annotations; raises InputError if it cannot.
        checksum: Returns a hash of an image's bytes, or of its file, by its position.
    """

    annotations: Annotations
    read: Callable[[int], Bytes]
    checksum: Callable[[int], str]
    _checksums: list[str] = field(default_factory=list, repr=False)

    def __repr__(self) -> str:
        """Return how many images and objects there are."""
        there = self.annotations
        return f"DetectionDataset({there.name!r}: {len(self):,} images, {len(there.objects):,} objects, {len(there.categories)} categories)"

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self.annotations.pictures)

    def image(self, index: int) -> Image:
        """Return an image in [0, 1].

        Raises:
            InputError: If it is missing, damaged, or has another size than the annotations say.
        """
        return to_pixels(self.read(index))

    def fingerprint(self, progress: Progress | None = None) -> str:
        """Return a hash of the images and of what is in them; every image is decoded for it, once.

        Args:
            progress: Called along the way.

        Raises:
            InputError: If images are missing, damaged, or have another size than the annotations say; it says how many.
        """
        if not self._checksums:
            self._checksums.extend(self._read_all(progress))
        return digest(self.annotations.fingerprint.encode(), *(each.encode() for each in self._checksums))

    def _read_all(self, progress: Progress | None) -> list[str]:
        found, broken = [], []
        with ThreadPoolExecutor() as pool:
            for result in pool.map(self._attempt, range(len(self))):
                (broken if isinstance(result, InputError) else found).append(result)
                if progress is not None:
                    progress("images checked", len(found) + len(broken), len(self))
        if broken:
            said = few([str(error).rstrip(".") for error in broken], 3, "; ")
            raise InputError(f"{len(broken):,} of {len(self):,} images cannot be used: {said}") from broken[0]
        return found

    def _attempt(self, index: int) -> str | InputError:
        try:
            return self.checksum(index)
        except InputError as error:
            return error

    def image_bytes(self, index: int) -> int:
        """Return what an image takes in memory while it is looked at."""
        picture = self.annotations.pictures[index]
        return 3 * 4 * picture.height * picture.width

    @property
    def shorter_side(self) -> float:
        """The median of the images' shorter sides in pixels."""
        return median(min(each.height, each.width) for each in self.annotations.pictures)

    def first(self, count: int | None) -> DetectionDataset:
        """Return the first images and what is in them; None is all."""
        if count is None or count >= len(self):
            return self
        pictures = self.annotations.pictures[:count]
        kept = self.annotations.objects.filter(pl.col("image").is_in([each.id for each in pictures]))
        annotations = replace(self.annotations, pictures=pictures, objects=kept)
        return replace(self, annotations=annotations, _checksums=[])


def in_memory(annotations: Annotations, images: Sequence[Bytes]) -> DetectionDataset:
    """Return a data set of images that are in memory, one for each picture of the annotations."""
    return DetectionDataset(
        annotations,
        read=lambda index: images[index],
        checksum=lambda index: digest(images[index].numpy().tobytes()),
    )
