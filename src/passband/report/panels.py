"""Images for a report: components made visible and rows of them."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

_ROUNDING = 1e-4  # an amplitude far below half a step of an 8-bit image, 1/510
QUALITY = 80  # of JPEG
STRONGEST = 0.995  # the share of amplitudes below what becomes black or white
NATURAL = 224  # pixels that a page shows one by one


def picture(image: Float[Tensor, "channels height width"]) -> Image.Image:
    """Return [0, 1] pixels as a gray or color picture; values outside are clipped, other channel counts averaged."""
    pixels = image.detach().cpu().float().clamp(0, 1)
    if len(pixels) == 3:
        return Image.fromarray((pixels.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    return Image.fromarray((pixels.mean(dim=0).numpy() * 255).round().astype(np.uint8))


def visible(high: Float[Tensor, "channels height width"]) -> Float[Tensor, "channels height width"]:
    """Return a signed HFC as [0, 1] pixels: 0 becomes middle gray, its strongest amplitudes black or white.

    Few of them are far stronger than all others: black and white are what all but one in 200 stay below, so that these do not
    leave the rest gray. A component that holds only rounding, as past the corner, stays gray: stretched it would look like texture.

    Example:
        >>> import torch
        >>> visible(torch.tensor([[[-0.2, 0.0, 0.1]]]))
        tensor([[[0.0000, 0.5000, 0.7500]]])
    """
    amplitudes = high.abs().flatten()
    strong = amplitudes.kthvalue(math.ceil(STRONGEST * len(amplitudes))).values
    if amplitudes.max() <= _ROUNDING:
        return high + 0.5
    return (0.5 + high / (2 * strong.clamp_min(_ROUNDING))).clamp(0, 1)


def window(
    image: Float[Tensor, "channels height width"], most: int = NATURAL
) -> Float[Tensor, "channels shown_height shown_width"]:
    """Return the middle of an image that is larger than `most` pixels: shrunk, an HFC would be gray.

    Args:
        image: The image or component.
        most: Height and width that are shown, in pixels.

    Example:
        >>> import torch
        >>> window(torch.zeros(3, 500, 100)).shape
        torch.Size([3, 224, 100])
    """
    height, width = image.shape[-2:]
    top, left = max(0, height - most) // 2, max(0, width - most) // 2
    return image[:, top : top + most, left : left + most]


def data_uri(image: Image.Image, form: Literal["PNG", "JPEG"] = "PNG") -> str:
    """Return a picture as text that stands in a page in place of an address; as JPEG, which photographs need, it is not exact."""
    buffer = io.BytesIO()
    image.save(buffer, format=form, **({"quality": QUALITY} if form == "JPEG" else {}))
    return f"data:image/{form.lower()};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def csv_uri(table: str) -> str:
    """Return a table as an address that downloads it."""
    return "data:text/csv;base64," + base64.b64encode(table.encode()).decode("ascii")


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
