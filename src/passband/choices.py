"""What may be chosen: the words that options and functions take, said once, where a command finds them without torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Geometry = Literal["index", "isotropic", "pixel"]
"""How the radial mask measures distance: see `passband.radial_mask`."""

ViewGeometry = Literal["index", "pixel"]
"""Those of them that images of many sizes are compared by."""

SplitAt = Literal["original", "input"]
"""What is split for a detector: the image as it is stored, or as the network's own resize makes it."""

Amplitude = Literal["raw", "clip", "max", "minmax", "rms"]
"""What is done to a component's amplitude before a model sees it: see `passband.rescale`."""

ViewAmplitude = Literal["picture", "raw", "clip", "max", "minmax", "rms"]
"""What is done to what a detector is shown: as `Amplitude`; or a picture is made of it, an HFC on middle gray, the rest as it is."""

Subset = Literal["train", "test"]

Norm = Literal["l2", "linf"]

Search = Literal["bounded", "exact"]
"""How the nearest LFC that changes an answer is looked for: at some radii and between two of them, or at every whole radius."""

Precision = Literal["32", "bf16-mixed", "16-mixed"]
"""What a network computes in: float32, or bfloat16 or float16 where that is safe, with float32 weights."""

Schedule = Literal["constant", "cosine"]
"""How a learning rate changes along a run: see `passband.train.schedules`."""

Preset = Literal["smoke", "laptop", "paper"]

Source = Literal["text", "code"]
"""Which reading of the paper: its text, or the code that its authors released."""

Progress = Callable[[str, int, int], None]
"""Called along long work with what is being done, how much of it is done, and how much there is."""

DETECTION_NUMBERS = {
    "map": "mAP",
    "map50": "mAP@50",
    "map75": "mAP@75",
    "map-small": "mAP, small objects",
    "map-medium": "mAP, medium objects",
    "map-large": "mAP, large objects",
    "ar1": "recall, 1 detection",
    "ar10": "recall, 10 detections",
    "ar100": "recall, 100 detections",
    "ar-small": "recall, small objects",
    "ar-medium": "recall, medium objects",
    "ar-large": "recall, large objects",
}
"""COCO's twelve numbers in COCO's order, and what people call them. Recall is the mean over IoU 0.50 to 0.95."""

DETECTION = "detection.json"
"""The card of a detector: by it a folder is known to be that of its audit."""

COMPARISON = "comparison.json"
"""What audits have beside each other: by it a folder is known to be that of a comparison."""
