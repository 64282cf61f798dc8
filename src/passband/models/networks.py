"""The networks that passband can build, and their initializations, by name; each is imported when it is first looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from passband.catalog import Catalog
from passband.errors import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Line:
    """What is said of a network or an initialization where all of them are listed."""

    name: str


@dataclass(frozen=True)
class Architecture(Line):
    """What is said of a network.

    Attributes:
        batch_norm: Whether it can have BatchNorm; those that cannot have LayerNorm, always.
        multiple: What its width is a multiple of.
    """

    batch_norm: bool = True
    multiple: int = 1


ARCHITECTURES: Catalog[Architecture, Callable[..., torch.nn.Module]] = Catalog(
    "model",
    {
        "passband.models.alexnet:AlexNet": Architecture("alexnet"),
        "passband.models.convnext:ConvNeXt": Architecture("convnext", batch_norm=False),
        "passband.models.lenet:LeNet": Architecture("lenet"),
        "passband.models.resnet:RESNET8": Architecture("resnet8"),
        "passband.models.resnet:RESNET14": Architecture("resnet14"),
        "passband.models.resnet:ResNet18": Architecture("resnet18"),
        "passband.models.resnet:RESNET20": Architecture("resnet20"),
        "passband.models.resnet:RESNET32": Architecture("resnet32"),
        "passband.models.vgg:VGG11": Architecture("vgg11"),
        "passband.models.vgg:VGG16": Architecture("vgg16"),
        "passband.models.vision_transformer:VisionTransformer": Architecture(
            "vit", batch_norm=False, multiple=4
        ),
    },
)
"""One line a network. `resnet18` is the paper's; `resnet32` is the released code's, with its smaller relatives; `vit` and
`convnext` came after it."""

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


def check_options(name: str, *, batch_norm: bool, width: int | None) -> None:
    """Refuse what a network cannot have.

    Args:
        name: One of `list_models()`.
        batch_norm: Whether BatchNorm is asked for.
        width: Channels of its first stage; None is its own.

    Raises:
        InputError: If it has LayerNorm and cannot have BatchNorm, or its width is no multiple of what it must be.
    """
    line = ARCHITECTURES.lines[name]
    if batch_norm and not line.batch_norm:
        others = (each for each, other in ARCHITECTURES.lines.items() if other.batch_norm)
        raise InputError(
            f"{name} has LayerNorm, which normalizes each position of an image on its own, and cannot have BatchNorm. Leave "
            f"batch_norm (--batch-norm) out, or choose one of: {', '.join(others)}."
        )
    if width is not None and width % line.multiple:
        more = width + -width % line.multiple
        raise InputError(
            f"the width of {name} must be a multiple of {line.multiple}, such as {more}, got {width}"
        )
