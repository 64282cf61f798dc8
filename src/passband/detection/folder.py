"""Annotated images in a folder: each is decoded when it is looked at, and all of them once before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from passband.data.images import Decoder
from passband.detection.annotations import Picture, read_annotations
from passband.detection.dataset import DetectionDataset
from passband.errors import InputError, few
from passband.files import digest
from passband.preparation import AS_STORED


def open_folder(images: Path, annotations: Path, *, limit: int | None = None) -> DetectionDataset:
    """Return the images of a folder with annotations in COCO's format.

    Args:
        images: The folder that file names are relative to.
        annotations: The file.
        limit: Take at most so many images, those with the smallest ids.

    Raises:
        InputError: If the file cannot be read (see `passband.detection.annotations.read_annotations`), the folder is missing, or
            images are not in it.
    """
    if not images.is_dir():
        raise InputError(f"no folder of images {images}")
    found = read_annotations(annotations)
    pictures = _Pictures(images, found.pictures)
    dataset = DetectionDataset(
        replace(found, name=images.resolve().name), pictures.read, pictures.checksum
    ).first(limit)
    _check_there(images, dataset.annotations.pictures)
    return dataset


@dataclass(frozen=True)
class _Pictures:
    folder: Path
    pictures: tuple[Picture, ...]

    def read(self, index: int) -> UInt8[Tensor, "3 height width"]:
        """Return the bytes of an image, as it is stored: EXIF rotation is not applied, as COCO's tools do not."""
        picture = self.pictures[index]
        path = self.folder / picture.file_name
        pixels = Decoder(3, AS_STORED)(path, str(path))
        if pixels.shape[1:] != (picture.height, picture.width):
            height, width = pixels.shape[1:]
            turned = (width, height) == (picture.height, picture.width)
            raise InputError(
                f"{path} has {height}x{width} pixels (height x width), and the annotations say {picture.height}x{picture.width}"
                + (": it lies on its side. Store it turned." if turned else ": boxes would be somewhere else")
            )
        return torch.from_numpy(pixels.copy())

    def checksum(self, index: int) -> str:
        """Return a hash of the pixels."""
        return digest(self.read(index).numpy().tobytes())


def _check_there(folder: Path, pictures: tuple[Picture, ...]) -> None:
    """Refuse annotations of images that are not in the folder, before anything is measured."""
    missing = [each.file_name for each in pictures if not (folder / each.file_name).is_file()]
    if not missing:
        return
    hint = ""
    for other in (folder.parent, *(each for each in sorted(folder.iterdir()) if each.is_dir())):
        if (other / missing[0]).is_file():
            hint = f" They are in {other}: give that folder."
            break
    raise InputError(
        f"{len(missing):,} of {len(pictures):,} images are not in {folder}: {few(missing, 3)}.{hint}"
    )
