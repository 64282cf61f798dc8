"""The networks that passband can build, and their initializations, by name; each is imported when it is first looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from passband.catalog import Catalog

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Line:
    """What is said of a network or an initialization where all of them are listed."""

    name: str


ARCHITECTURES: Catalog[Line, Callable[..., torch.nn.Module]] = Catalog(
    "model",
    {
        "passband.models.alexnet:AlexNet": Line("alexnet"),
        "passband.models.lenet:LeNet": Line("lenet"),
        "passband.models.resnet:RESNET8": Line("resnet8"),
        "passband.models.resnet:RESNET14": Line("resnet14"),
        "passband.models.resnet:ResNet18": Line("resnet18"),
        "passband.models.resnet:RESNET20": Line("resnet20"),
        "passband.models.resnet:RESNET32": Line("resnet32"),
        "passband.models.vgg:VGG11": Line("vgg11"),
        "passband.models.vgg:VGG16": Line("vgg16"),
    },
)
"""One line a network. `resnet18` is the paper's; `resnet32` is the released code's, with its smaller relatives."""

INITIALIZATIONS: Catalog[Line, Callable[[torch.nn.Module, torch.Generator | None], None]] = Catalog(
    "initialization",
    {
        "passband.models.initialize:initialize_xavier": Line("xavier"),
        "passband.models.initialize:initialize_as_released": Line("code"),
        "passband.models.initialize:initialize_by_default": Line("default"),
    },
)
"""One line an initialization: the paper's text, its released code, torch's own."""

XAVIER = "xavier"
"""The paper's initialization."""

PYTHON = "python:"
"""What stands before the place of a function."""


def list_models() -> list[str]:
    """Return the names that `build_model` knows."""
    return list(ARCHITECTURES)
