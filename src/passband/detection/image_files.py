"""The images of a data set as detectors would be shown them, in files, for detectors that run elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image as Pillow
from torch import Tensor

from passband.choices import Progress
from passband.detection.annotations import Annotations
from passband.detection.dataset import DetectionDataset
from passband.detection.shown import PICTURES, Shown
from passband.detection.view import View
from passband.errors import InputError
from passband.files import write_json, written_whole

WRITTEN = "passband.json"
"""What was written, and from what, beside the folders of images."""

ANNOTATIONS = "annotations.json"
"""The annotations with the names that the images have in each folder."""

QUICK = 1
"""Of zlib's levels: photographs get a third of the time, and 9% more bytes, than by Pillow's own, which is 6."""

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif")
"""What stands at the end of a name for the format, in whose place `.png` comes; other endings belong to the name."""


def write_images(
    dataset: DetectionDataset,
    views: Sequence[View],
    shown: Shown,
    folder: Path,
    *,
    progress: Progress | None = None,
) -> None:
    """Write images as detectors would be shown them, one folder a view: `full`, `lfc-128`, `hfc-0.2px`.

    An image keeps its name and its folders, but for the ending: all are PNG, which loses nothing but what 8 bits cannot hold.
    `annotations.json` is the annotations with these names, `passband.json` says what was written.

    Args:
        dataset: The images, and what is in them.
        views: What is made of each.
        shown: How.
        folder: Takes the place of what is there when all of it is written.
        progress: Called after each image.

    Raises:
        InputError: If views are no pictures as `shown` makes them, two images would get one name, or one would lie outside the folder, or an image cannot be read.
    """
    if shown.amplitude not in PICTURES:
        raise InputError(
            f"images of the amplitude {shown.amplitude!r} leave [0, 1], where pictures end: give {' or '.join(PICTURES)}"
        )
    names = _png_names(dataset.annotations)
    with written_whole(folder) as aside:
        for index, name in enumerate(names):
            image = dataset.image(index)
            made = shown.make(image, views, dataset.annotations.pictures[index].id)
            for view, picture in zip(views, made, strict=True):
                path = aside / folder_of(view) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Pillow.fromarray(_bytes(picture)).save(path, compress_level=QUICK)
            if progress is not None:
                progress("writing images", index + 1, len(names))
        write_json(aside / ANNOTATIONS, _as_coco(dataset.annotations, names))
        about = {
            "annotations": dataset.annotations.source,
            "annotations_fingerprint": dataset.annotations.fingerprint,
            "images": len(names),
            "amplitude": shown.amplitude,
            "seed": shown.seed,
            "views": {folder_of(view): str(view) for view in views},
        }
        write_json(aside / WRITTEN, about)


def folder_of(view: View) -> str:
    """Return the name of the folder of a view's images, and of its results file.

    Example:
        >>> folder_of(View("hfc", 0.2, "pixel"))
        'hfc-0.2px'
    """
    return str(view).replace(":", "-")


def _png_names(annotations: Annotations) -> list[str]:
    """Return what images are called in every folder, in their order."""
    names = []
    for each in annotations.pictures:
        path = PurePosixPath(each.file_name)
        if path.is_absolute() or ".." in path.parts or not path.name:
            raise InputError(f"image {each.id} is called {each.file_name!r}, which is no name below a folder")
        stem = path.stem if path.suffix.lower() in ENDINGS else path.name
        names.append(str(path.with_name(f"{stem}.png")))
    twice = [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
    if twice:
        same = [
            each.file_name
            for each, name in zip(annotations.pictures, names, strict=True)
            if name.casefold() == twice[0]
        ]
        raise InputError(
            f"{len(twice)} names of images would be given twice as PNG, such as to {' and '.join(same)}. Rename them in the "
            f"annotations and in the folder."
        )
    return names


def _as_coco(annotations: Annotations, names: Sequence[str]) -> dict[str, Any]:
    """Return annotations in COCO's format, images by other names."""
    return {
        "images": [
            {"id": each.id, "file_name": name, "height": each.height, "width": each.width}
            for each, name in zip(annotations.pictures, names, strict=True)
        ],
        "categories": [{"id": each, "name": name} for each, name in annotations.categories.items()],
        "annotations": [
            {
                "id": row["object"],
                "image_id": row["image"],
                "category_id": row["category"],
                "bbox": [row["x"], row["y"], row["width"], row["height"]],
                "area": row["area"],
                "iscrowd": int(row["crowd"]),
            }
            for row in annotations.objects.iter_rows(named=True)
        ],
    }


def _bytes(image: Tensor) -> np.ndarray:
    return (image * 255).round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().cpu().numpy()
