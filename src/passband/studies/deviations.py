"""What is done otherwise than in the paper, and why; here what concerns every study, the rest with each study."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Deviation:
    """Something that a preset does otherwise than the paper."""

    what: str
    paper: str
    here: str
    why: str


SMOKE = (Deviation("everything", "section 4.2", "60 images, one epoch", "shows only that it runs"),)
"""What `smoke` changes."""

LAPTOP = (
    Deviation("network", "ResNet-18", "resnet8, width 16", "900 training images a second on one thread"),
    Deviation("training images", "all", "the first 9,469", "a pass takes ten seconds"),
    Deviation("image size", "32x32", "reduced to 32x32 where larger", "the radii keep their meaning"),
    Deviation("epochs", "100", "12", "the hour"),
    Deviation("learning rate", "1e-4", "1e-3", "so that 12 epochs are enough to learn"),
    Deviation(
        "probe",
        "every epoch, every image",
        "epochs 1, 2, 4, 8 and the last, on as many random images as a tenth of the training time allows",
        "the hour",
    ),
)
"""What `laptop` changes in every study."""

NOT_FOLLOWED = (
    Deviation("edge of the mask", "code: low if d < r", "d <= r, as the text", "one definition everywhere"),
    Deviation(
        "original training images",
        "code: divided by their maximum",
        "as they are, as the test images",
        "training and test images on one scale",
    ),
)
"""What `--source code` does not take over."""
