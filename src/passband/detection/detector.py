"""The seam of all detectors: images go in, detections come out, whichever framework finds them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from passband.detection.objects import Detections
from passband.errors import InputError
from passband.notices import Notice

Image = Float[Tensor, "3 _height _width"]
"""One picture, red, green and blue in [0, 1]; a component may leave that range. Each of a list has a size of its own."""


@dataclass(frozen=True)
class DetectorEntry:
    """Which detector it was.

    Attributes:
        name: What it is called.
        source: How it was loaded.
        weights_hash: The hash of its weights, or of the code or the result files that stand for it.
        parameters: How many numbers it has learned; None where it does not say.
    """

    name: str
    source: str
    weights_hash: str
    parameters: int | None = None


class Detector(ABC):
    """Finds objects in images of any size.

    Attributes:
        entry: What cards say of it.
        label_names: What its labels are called; None where it does not say.
        notices: What is to be known of what it finds.
        device: Where it computes.
    """

    entry: DetectorEntry
    label_names: Mapping[int, str] | None = None
    notices: tuple[Notice, ...] = ()
    device: torch.device = torch.device("cpu")

    @abstractmethod
    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Return what is found in each image: boxes in its pixels, labels as the detector has them.

        Images come on any device; detections on the CPU. Neither mode, gradients nor parameters are changed, and an image's
        detections do not depend on the images beside it.

        Raises:
            InputError: If it fails on them, or returns what cannot be read, such as a score that is not finite.
        """

    def to_input(self, image: Image) -> Image:
        """Return an image at the size at which the network looks at it, still in [0, 1]: what is resized and not yet normalized.

        Raises:
            InputError: If the detector does not show that.
        """
        raise InputError(
            f"{self.entry.name} does not show its own resize, so that the split cannot come after it. Use --split-at original."
        )

    def detect_inputs(self, inputs: Sequence[Image], sizes: Sequence[tuple[int, int]]) -> list[Detections]:
        """Return what is found in images that `to_input` has resized.

        Args:
            inputs: The resized images.
            sizes: Height and width of each before; boxes are in those pixels.

        Raises:
            InputError: As `detect` and `to_input`.
        """
        raise InputError(
            f"{self.entry.name} does not show its own resize, so that the split cannot come after it. Use --split-at original."
        )
