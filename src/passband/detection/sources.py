"""`open_detection_data`: annotated images from where they are."""

from __future__ import annotations

from pathlib import Path

from passband.detection.dataset import DetectionDataset
from passband.detection.folder import open_folder
from passband.detection.phantom import load_scenes
from passband.errors import InputError

PHANTOM, COCO = "phantom", "coco"


def open_detection_data(
    images: Path | str, annotations: Path | str | None = None, *, limit: int | None = None
) -> DetectionDataset:
    """Return annotated images.

    Args:
        images: A folder; `"coco:FOLDER"` for COCO's validation images as they are unpacked, in FOLDER/val2017 and
            FOLDER/annotations; or `"phantom"`, or `"phantom:shape=1,texture=0"` and so on: see
            `passband.detection.phantom.load_scenes`.
        annotations: The file of annotations in COCO's format; phantoms have their own.
        limit: Take at most so many images, those with the smallest ids.

    Raises:
        InputError: If they cannot be read, or annotations are missing or too much.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1 image, got {limit}")
    kind = str(images).partition(":")[0]
    if kind == PHANTOM and not Path(images).exists():
        if annotations is not None:
            raise InputError(f"a phantom has annotations of its own: leave {annotations} out")
        return load_scenes(str(images), limit=limit)
    if kind == COCO and annotations is None:
        root = Path(str(images).partition(":")[2])
        return open_folder(root / "val2017", root / "annotations" / "instances_val2017.json", limit=limit)
    if annotations is None:
        raise InputError(
            f"the images in {images} need a file of annotations in COCO's format, such as instances_val2017.json; COCO's own validation "
            "images, as they are unpacked, are written coco:FOLDER, with FOLDER/val2017 and FOLDER/annotations"
        )
    return open_folder(Path(images), Path(annotations), limit=limit)
