"""Names for what travels between modules, said once.

Shapes are written for jaxtyping and checked while the tests run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

Images = Float[Tensor, "*batch channels height width"]
"""Pixel values, [0, 1] where they are an image; a component may leave that range."""

Batch = Float[Tensor, "batch channels height width"]
"""A batch of images for a model."""

ByteImages = UInt8[Tensor, "samples channels height width"]
"""Stored images, 0 to 255."""

Planes = Float[Tensor, "planes height width"]
"""Images of one channel each."""

Labels = Int64[Tensor, " samples"]
Logits = Float[Tensor, "batch classes"]
Mask = Bool[Tensor, "height width"]

Geometry = Literal["index", "isotropic"]
"""How the radial mask measures distance: see `passband.radial_mask`."""

Amplitude = Literal["raw", "clip", "max", "minmax", "rms"]
"""What is done to a component's amplitude before a model sees it: see `passband.rescale`."""

Subset = Literal["train", "test"]

Norm = Literal["l2", "linf"]

Progress = Callable[[str, int, int], None]
"""Called along long work with what is being done, how much of it is done, and how much there is."""
