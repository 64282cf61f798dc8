"""What the graph of gradients says of a network's first and last operation."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

RESHAPING = re.compile(
    r"(Alias|Clone|Copy|Expand|Index|Narrow|Permute|Reshape|Select|Slice|Split|Squeeze|T|ToCopy|Transpose|Unbind|UnsafeView|Unsqueeze|View)"
    r"(Alias|WithSizes|Int|s)?Backward\d*"
)
"""Operations that change no number."""

LARGEST_STD = 16
"""Pixels in [0, 1] are never divided by more, those from 0 to 255 by 50 to 255."""


@dataclass(frozen=True)
class Graph:
    """The ends of a network, as its gradient knows them.

    Attributes:
        last: The last operation that changes numbers, as torch names its gradient, such as `SoftmaxBackward0`; None if there
            is no gradient.
        scale: What the network divides its images by before anything else, if that is too much for pixels in [0, 1].
    """

    last: str | None = None
    scale: float | None = None


def follow(run: Callable[[Tensor], Tensor], images: Tensor) -> Graph:
    """Return what the gradient of `run(images)` says; an empty graph if there is none."""
    with torch.enable_grad():
        leaf = images.detach().clone().requires_grad_()
        try:
            end = run(leaf.clone()).grad_fn  # of a copy, which may be changed in place
        except Exception:  # a network that answers without a gradient, and fails with one, is a black box
            return Graph()
    return Graph() if end is None else Graph(_last(end), _scale(end, leaf))


def _last(node: Any) -> str:
    while (before := [each for each, _ in node.next_functions if each is not None]) and (
        RESHAPING.fullmatch(node.name()) or (node.name().startswith("Cat") and len(before) == 1)
    ):
        node = before[0]
    return node.name()


def _scale(end: Any, leaf: Tensor) -> float | None:
    """Return what the images are divided by, following additions and multiplications from them on."""
    after: dict[Any, list[Any]] = defaultdict(list)
    seen, waiting, start = {end}, [end], None
    while waiting:
        node = waiting.pop()
        for before, _ in node.next_functions:
            if before is None:
                continue
            after[before].append(node)
            if getattr(before, "variable", None) is leaf:
                start = before
            if before not in seen:
                seen.add(before)
                waiting.append(before)
    while start is not None and len(after[start]) == 1:
        (start,) = after[start]
        kind = re.sub(r"Backward\d*", "", start.name())
        if kind in ("Div", "Mul"):
            factor = getattr(start, "_saved_other", None)
            if isinstance(factor, Tensor) and factor.numel() in (1, 3) and factor.abs().min() > 0:
                smallest, largest = factor.abs().min().item(), factor.abs().max().item()
                divisor = smallest if kind == "Div" else 1 / largest
                if divisor > LARGEST_STD:
                    return divisor
        elif kind not in ("Sub", "Rsub", "Add") and not RESHAPING.fullmatch(start.name()):
            return None
    return None
