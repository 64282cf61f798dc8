"""Options that several commands share, described once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, Token

from passband.data.catalog import load_dataset
from passband.data.dataset import ImageDataset
from passband.errors import InputError
from passband.models.adapters import load_model
from passband.models.pixels import PixelModel
from passband.optional import require
from passband.types import Subset


def parse_size(_type: object, tokens: Sequence[Token]) -> int | tuple[int, int]:
    """Read `32` or `32x48` (height x width)."""
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", tokens[0].value)
    if match is None:
        raise InputError(
            f"a size is a number of pixels, or HEIGHTxWIDTH such as 32x48; got {tokens[0].value!r}"
        )
    return int(match[1]) if match[2] is None else (int(match[1]), int(match[2]))


def parse_fraction(_type: object, tokens: Sequence[Token]) -> float:
    """Read `8/255` or `0.03`."""
    try:
        return float(Fraction(tokens[0].value))
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(
            f"a number or a fraction such as 8/255 is needed, got {tokens[0].value!r}"
        ) from error


Model = Annotated[
    str,
    Parameter(
        help="The model: a run folder of `passband train`; a network's name with --weights; timm:NAME; "
        "torchvision:NAME; python:package.module:function; export:FILE.pt2."
    ),
]
Data = Annotated[
    str,
    Parameter(
        help="The data: fashion-mnist (built in), phantom, parquet:PATH, folder:PATH, npz:PATH, cifar10, mnist, "
        "fashion-mnist-full, imagenette."
    ),
]
Out = Annotated[Path | None, Parameter(help="Folder to write to.")]
Overwrite = Annotated[bool, Parameter(negative="", help="Replace what --out holds already.")]
Device = Annotated[str, Parameter(help="auto, cpu, cuda, cuda:N or mps.")]
Seed = Annotated[int, Parameter(help="Decides everything that is drawn at random.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print the result as JSON.")]
BatchSize = Annotated[int | None, Parameter(help="Images at a time; it does not change the result.")]
Fractional = Annotated[float | None, Parameter(converter=parse_fraction, n_tokens=1)]
Size = Annotated[
    int | tuple[int, int] | None,
    Parameter(
        converter=parse_size,
        n_tokens=1,
        negative="",
        help="Resize images, with antialiasing: a number (center square), or HEIGHTxWIDTH.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """How a model is loaded.

    Attributes:
        weights: File of weights: safetensors, or a PyTorch state dict (.pth, .pt, .bin).
        match_weights: Find each weight by its name, or take them in order where names differ and shapes agree.
        num_classes: Number of outputs, where the weights do not tell.
        class_indices: The model's outputs for the data's classes, in their order: indices or names, with commas.
        mean: What the model expects to be subtracted from [0, 1] pixels, one number or one a channel.
        std: What it expects them to be divided by.
    """

    weights: Path | None = None
    match_weights: Literal["name", "order"] = "name"
    num_classes: int | None = None
    class_indices: str | None = None
    mean: Annotated[list[float] | None, Parameter(consume_multiple=True, negative="")] = None
    std: Annotated[list[float] | None, Parameter(consume_multiple=True, negative="")] = None

    def load(self, source: str, size: int | tuple[int, int] | None) -> PixelModel:
        """Load the model called `source`."""
        return load_model(
            source,
            weights=self.weights,
            match_weights=self.match_weights,
            num_classes=self.num_classes,
            class_indices=self.class_indices,
            mean=self.mean,
            std=self.std,
            size=size,
        )


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How a data set is loaded.

    Attributes:
        subset: Which part of the data to use.
        limit: Use only the first images, this many.
        memory_limit: Refuse images that would take more memory than this, in GiB.
    """

    subset: Subset = "test"
    limit: int | None = None
    memory_limit: float = 8.0

    def load(
        self, source: str, *, size: int | tuple[int, int] | None = None, channels: int | None = None
    ) -> ImageDataset:
        """Load the data set called `source`."""
        return load_dataset(
            source,
            self.subset,
            size=size,
            channels=channels,
            limit=self.limit,
            memory_limit=int(self.memory_limit * 2**30),
        )


def check_report_extra() -> None:
    """Refuse a report that could not be written, before the work that it would report on."""
    for module in ("altair", "vl_convert", "jinja2"):
        require(module, extra="report", purpose="writing a report (leave it out with --no-report)")


MODEL_DEFAULTS = ModelOptions()
DATA_DEFAULTS = DataOptions()
ModelFlags = Annotated[ModelOptions, Parameter(name="*")]
DataFlags = Annotated[DataOptions, Parameter(name="*")]
