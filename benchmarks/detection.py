"""What showing a detector all views costs over its own forward passes, and whether memory grows with the number of images.

    OMP_NUM_THREADS=1 python benchmarks/detection.py [--images 4] [--large] [--device cuda --batch-size 8]

JPEG images of 480x640 pixels at three radii, in both geometries and with controls: 19 views of each. The detectors are the project's
own small RetinaNet and, with `--large`, torchvision's RetinaNet with ResNet-50, both untrained: their time does not depend on
what they have learned. A detector's own time is taken around its calls in the same run. Memory is the peak of a process that
shows so many images, and five times as many, to a detector that finds as much as others do and computes nothing.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.models.detection import retinanet_resnet50_fpn

from passband.detection.detect import Showing, detect
from passband.detection.detector import Detector, DetectorEntry
from passband.detection.folder import open_folder
from passband.detection.load import load_detector
from passband.detection.objects import Detections
from passband.detection.retinanet import build_retinanet
from passband.detection.shown import Shown
from passband.detection.view import all_views
from passband.files import write_json

HEIGHT, WIDTH = 480, 640
VIEWS = all_views([32, 64, 128], [0.0667, 0.133, 0.267])
FOUND = 100  # detections an image
MEMORY = (20, 100)  # images


class Timed(Detector):
    """A detector whose calls are timed."""

    def __init__(self, inner: Detector) -> None:
        self.inner, self.entry, self.device = inner, inner.entry, inner.device
        self.seconds = 0.0

    def detect(self, images: Sequence[Tensor]) -> list[Detections]:
        start = time.perf_counter()
        found = self.inner.detect(images)
        self.seconds += time.perf_counter() - start
        return found


class Idle(Detector):
    """Finds as many boxes as others do, at no cost."""

    entry = DetectorEntry("idle", "benchmark", "0" * 16)

    def detect(self, images: Sequence[Tensor]) -> list[Detections]:
        boxes = torch.tensor([10.0, 20.0, 50.0, 80.0]).expand(FOUND, 4)
        one = Detections(boxes, torch.linspace(1, 0, FOUND), torch.ones(FOUND, dtype=torch.int64))
        return [one for _ in images]


def write_photographs(folder: Path, count: int) -> tuple[Path, Path]:
    """Write smooth noise as JPEG files, with an object in each."""
    draw = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(count):
        coarse = Image.fromarray(draw.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8))
        coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=90)
        images.append({"id": number, "file_name": f"{number}.jpg", "height": HEIGHT, "width": WIDTH})
        box = [10, 20, 40, 60]
        annotations.append(
            {"id": number + 1, "image_id": number, "category_id": 1, "bbox": box, "area": 2400}
        )
    file = folder / "annotations.json"
    categories = [{"id": 1, "name": "thing"}]
    write_json(file, {"images": images, "annotations": annotations, "categories": categories})
    return folder, file


def show(detector: Detector, images: int, batch_size: int = 1) -> float:
    """Show a detector all views of so many images, and return the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = open_folder(*write_photographs(Path(folder), images))
        start = time.perf_counter()
        detect(detector, dataset, Showing(VIEWS, Shown()), Path(folder) / "found", batch_size=batch_size)
        return time.perf_counter() - start


def overhead(name: str, module: torch.nn.Module, images: int, batch_size: int) -> None:
    """Print what a detector's calls took, and what all of it did."""
    detector = Timed(load_detector(module.eval()))
    show(detector, 1, batch_size)  # warm up
    detector.seconds = 0.0
    whole = show(detector, images, batch_size)
    print(
        f"{name}: {images} images, {len(VIEWS)} views: {whole:.1f} s, of which the detector {detector.seconds:.1f} s; overhead "
        f"{100 * (whole / detector.seconds - 1):.1f}%"
    )


def peak(images: int) -> float:
    """Return the peak memory in MB of a new process that shows so many images to a detector at no cost."""
    line = [sys.executable, __file__, "--memory", str(images)]
    return float(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory:
        show(Idle(), given.memory)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), {given.device}, {HEIGHT}x{WIDTH} pixels"
    )
    few, many = (
        peak(images) for images in MEMORY
    )  # first: a process begins with the peak of the one that starts it
    print(
        f"peak memory without a detector's own: {MEMORY[0]} images {few:.0f} MB, {MEMORY[1]} images {many:.0f} MB"
    )
    overhead("small RetinaNet", build_retinanet(4).to(given.device), given.images, given.batch_size)
    if given.large:
        large = retinanet_resnet50_fpn(weights=None, weights_backbone=None).to(given.device)
        overhead("RetinaNet with ResNet-50", large, given.images, given.batch_size)
        print(f"peak memory with it: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
