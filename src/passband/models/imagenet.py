"""The names of ImageNet's classes, as different libraries have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from passband.models.class_indices import Names


def imagenet_names(timm: Any, count: int) -> Names | None:
    """Return all names of the outputs of a network with ImageNet's 1,000 classes, or with more of WordNet's.

    They are the nouns and the id that WordNet has of a class, and torchvision's name, which tells the two cranes apart.

    Args:
        timm: The library.
        count: How many outputs there are.

    Returns:
        For each output the names, the first noun first; None if timm knows no such classes.
    """
    subset = timm.data.infer_imagenet_subset({"num_classes": count})
    if subset is None:
        return None
    info = timm.data.ImageNetInfo(subset)
    others = torchvision_names() if subset == "imagenet-1k" else [()] * count
    return [
        (*info.label_name_to_description(synset).split(", "), synset, *other)
        for synset, other in zip(info.label_names(), others, strict=True)
    ]


def torchvision_names() -> Sequence[tuple[str]]:
    """Return what torchvision calls ImageNet's 1,000 classes."""
    from torchvision.models import ResNet18_Weights

    return [(name,) for name in ResNet18_Weights.DEFAULT.meta["categories"]]
