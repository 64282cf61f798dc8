"""Images for a report: components made visible and rows of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

_ROUNDING = 1e-4  # an amplitude far below half a step of an 8-bit image, 1/510
QUALITY = 80  # of JPEG


def picture(image: Float[Tensor, "channels height width"]) -> Image.Image:
    """Return [0, 1] pixels as a gray or color picture; values outside are clipped, other channel counts averaged."""
    pixels = image.detach().cpu().float().clamp(0, 1)
    if len(pixels) == 3:
        return Image.fromarray((pixels.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    return Image.fromarray((pixels.mean(dim=0).numpy() * 255).round().astype(np.uint8))


def visible(high: Float[Tensor, "channels height width"]) -> Float[Tensor, "channels height width"]:
    """Return a signed HFC as [0, 1] pixels: 0 becomes middle gray, the largest amplitude black or white.

    A component that holds only rounding, as past the corner, stays gray: stretched it would look like texture.

    Example:
        >>> import torch
        >>> visible(torch.tensor([[[-0.2, 0.0, 0.1]]]))
        tensor([[[0.0000, 0.5000, 0.7500]]])
    """
    largest = high.abs().max()
    return 0.5 + high / (2 * largest) if largest > _ROUNDING else high + 0.5


def data_uri(image: Image.Image, form: Literal["PNG", "JPEG"] = "PNG") -> str:
    """Return a picture as text that stands in a page in place of an address; as JPEG, which photographs need, it is not exact."""
    buffer = io.BytesIO()
    image.save(buffer, format=form, **({"quality": QUALITY} if form == "JPEG" else {}))
    return f"data:image/{form.lower()};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def grid(rows: Sequence[Sequence[Image.Image]], *, side: int = 128, gap: int = 8) -> Image.Image:
    """Lay pictures of one size out in rows, on white.

    Small pictures are enlarged by a whole factor without smoothing, so that each pixel stays what it was.

    Args:
        rows: The pictures, row by row.
        side: Height and width that a picture has at least in the grid, in pixels.
        gap: White between two pictures, in pixels.
    """
    width, height = rows[0][0].size
    factor = max(1, -(-side // max(width, height)))
    width, height = width * factor, height * factor
    columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (columns * (width + gap) - gap, len(rows) * (height + gap) - gap), "white")
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            enlarged = image.convert("RGB").resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (j * (width + gap), i * (height + gap)))
    return sheet
