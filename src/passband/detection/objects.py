"""What a detector finds in one image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from passband.brief import Brief
from passband.rows import DETECTION_COLUMNS


@dataclass(frozen=True, eq=False)
class Detections(Brief):
    """What a detector finds in one image, in its order, which decides between equal scores.

    Attributes:
        boxes: Left, top, right and bottom edge in pixels of the image, from its upper left corner.
        scores: How sure the detector is, the higher the surer.
        labels: What it says they are: its own labels, or ids of categories where they were mapped.
    """

    boxes: Float[Tensor, "objects 4"]
    scores: Float[Tensor, " objects"]
    labels: Int64[Tensor, " objects"]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.scores)


def no_detections() -> Detections:
    """Return that nothing was found."""
    return Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))


def detections_table(found: Iterable[tuple[int, Detections]]) -> pl.DataFrame:
    """Return one row a detection, with the columns `passband.rows.DETECTION_COLUMNS`, in the order given.

    Args:
        found: The id of an image and what was found in it, labels being ids of categories.

    Example:
        >>> one = Detections(torch.tensor([[1.0, 2.0, 4.0, 6.0]]), torch.tensor([0.5]), torch.tensor([7]))
        >>> detections_table([(3, one)]).row(0)
        (3, 7, 1.0, 2.0, 3.0, 4.0, 0.5)
    """
    tables = [pl.DataFrame(schema=DETECTION_COLUMNS)]
    for image, each in found:
        boxes = each.boxes.detach().cpu().double()
        sides = boxes[:, 2:] - boxes[:, :2]
        columns = {
            "image": torch.full((len(each),), image, dtype=torch.int64),
            "category": each.labels.cpu(),
            "x": boxes[:, 0],
            "y": boxes[:, 1],
            "width": sides[:, 0],
            "height": sides[:, 1],
            "score": each.scores.detach().cpu().double(),
        }
        tables.append(pl.DataFrame({name: column.numpy() for name, column in columns.items()}))
    return pl.concat(tables)
