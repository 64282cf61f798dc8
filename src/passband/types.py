"""Names for what travels between modules, said once.

Shapes are written for jaxtyping and checked while the tests run. The words are those of `passband.choices`, which needs
no torch.
"""

from __future__ import annotations

from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from passband.choices import Amplitude as Amplitude
from passband.choices import Geometry as Geometry
from passband.choices import Norm as Norm
from passband.choices import Progress as Progress
from passband.choices import Subset as Subset

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
