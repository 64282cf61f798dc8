"""Scenes of bright rectangles, a detector that finds them by their brightness, and both as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from passband.detection.detector import Detector, DetectorEntry
from passband.detection.objects import Detections, no_detections

SIZES = ((40, 60), (48, 48), (64, 44))
NAMES = {3: "bright", 7: "dim"}
LEVELS = {3: 230, 7: 150}


def write_scenes(folder: Path, count: int = 6, seed: int = 0) -> tuple[Path, Path]:
    """Write so many scenes and their annotations, and return the folder of images and the file."""
    generator = np.random.default_rng(seed)
    images = folder / "images"
    images.mkdir(parents=True)
    document = {
        "images": [],
        "annotations": [],
        "categories": [{"id": number, "name": name} for number, name in NAMES.items()],
    }
    for index in range(count):
        height, width = SIZES[index % len(SIZES)]
        pixels = generator.integers(0, 60, (height, width, 3))
        for side, category in enumerate(generator.permutation(list(NAMES))):
            h, w = generator.integers(5, 15, 2)
            y = int(generator.integers(1, height - h - 1))
            x = int(generator.integers(1, width // 2 - w - 1)) + side * (width // 2)
            pixels[y : y + h, x : x + w] = LEVELS[int(category)]
            document["annotations"].append(
                {
                    "id": len(document["annotations"]) + 1,
                    "image_id": 10 * index,
                    "category_id": int(category),
                    "bbox": [x, y, int(w), int(h)],
                    "area": int(w * h),
                    "iscrowd": 0,
                }
            )
        name = f"scene-{index}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(images / name)
        document["images"].append({"id": 10 * index, "file_name": name, "height": height, "width": width})
    (folder / "annotations.json").write_text(json.dumps(document))
    return images, folder / "annotations.json"


class Blobs(Detector):
    """Finds connected regions above a brightness; labels are the ids of the scenes' categories.

    Attributes:
        seen: Images that it was shown.
        fails_at: The one at which it raises KeyboardInterrupt, as if it were killed there.
    """

    entry = DetectorEntry("blobs", "tests", "0" * 16, None)
    label_names = NAMES

    def __init__(self, fails_at: int | None = None) -> None:
        self.seen = 0
        self.fails_at = fails_at

    def detect(self, images: Sequence[Tensor]) -> list[Detections]:
        """Return the regions of each image."""
        found = []
        for image in images:
            if self.seen == self.fails_at:
                raise KeyboardInterrupt
            self.seen += 1
            found.append(self._find(image.mean(0).numpy()))
        return found

    def to_input(self, image: Tensor) -> Tensor:
        """Return the image: it is looked at as it is."""
        return image

    def detect_inputs(self, inputs: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Detections]:
        """Return the regions of each image."""
        return self.detect(inputs)

    def _find(self, pixels: np.ndarray) -> Detections:
        regions, count = ndimage.label(pixels > 0.4)
        if not count:
            return no_detections()
        boxes, scores, labels = [], [], []
        for index, (down, across) in enumerate(ndimage.find_objects(regions), start=1):
            level = pixels[regions == index].mean()
            boxes.append([across.start, down.start, across.stop, down.stop])
            scores.append(min(1.0, float((regions == index).sum() / 300)))
            labels.append(3 if level > 0.7 else 7)
        return Detections(torch.tensor(boxes).float(), torch.tensor(scores), torch.tensor(labels))
