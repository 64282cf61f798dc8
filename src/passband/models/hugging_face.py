"""Image classifiers of the library transformers, in folders and on the hub."""

from __future__ import annotations

import re
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from passband.errors import InputError
from passband.models.hub import ask_server, cached, download
from passband.models.processors import Measured, measure
from passband.models.sources import Found, Options
from passband.notices import Notice
from passband.optional import require
from passband.preparation import Preparation, Resize

EXTRA = "hub"
UNNAMED = re.compile(r"LABEL_\d+")  # what transformers calls classes that nobody has named

FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
"""Pillow's numbers for its filters, which processors use."""

ON_TENSORS: dict[str, Resize] = {"bilinear": "torch", "bicubic": "torch-bicubic", "nearest": "torch-nearest"}
"""The same where a processor resizes tensors; others it hands to Pillow's."""

TENSOR_PROCESSORS = ("TorchvisionBackend", "BaseImageProcessorFast")


class Classifier(nn.Module):
    """A network of transformers as a function of images alone.

    Args:
        network: Takes `pixel_values` and returns an object with `logits`.
        reverses_channels: Whether it expects blue first.
    """

    def __init__(self, network: nn.Module, reverses_channels: bool = False) -> None:
        super().__init__()
        self.network = network
        self.reverses_channels = reverses_channels

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        return self.network(pixel_values=images.flip(1) if self.reverses_channels else images).logits


def from_hf(place: str, options: Options) -> Found:
    """Load `hf:FOLDER` or `hf:NAME`; normalization, size, preparation and names are those of its image processor and config.

    What is in the hub's cache needs no network. Code that lies beside weights is not run.

    Raises:
        MissingDependencyError: If transformers is not installed.
        InputError: If it is no image classifier with an image processor, or weights of it are missing.
        DownloadError: If it is neither a folder nor in the cache, and cannot be downloaded.
    """
    options.refuse(
        "weights",
        "num_classes",
        "in_channels",
        because="a model of transformers holds its weights and their shapes",
    )
    transformers = require("transformers", extra=EXTRA, purpose="loading a model of transformers")
    if not Path(place).is_dir() and (place.startswith((".", "/", "~")) or place.count("/") > 1):
        raise InputError(f"no folder {place}. A model of the hub is written ORGANIZATION/NAME.")
    with _quiet(transformers):
        network, processor, missing, notices = _load(transformers, place)
    if missing:
        raise InputError(
            f"{place} lacks weights of its network ({', '.join(missing[:3])}), which would be random: it was not trained to "
            f"classify images"
        )
    config = network.config
    channels = int(getattr(config, "num_channels", 3))
    with _quiet(transformers):
        try:
            made = measure(lambda picture: _processed(processor, picture), channels)
        except (ValueError, TypeError, RuntimeError, KeyError) as error:
            raise InputError(f"the image processor of {place} cannot be followed: {error}") from error
    preparation, differs = _preparation(processor, made, place)
    names = _names(config.id2label)
    return Found(
        Classifier(network.float(), made.reverses_channels),
        Path(place).resolve().name,
        mean=made.mean,
        std=made.std,
        size=made.size or _image_size(config),
        channels=channels,
        names=names,
        preparation=preparation,
        notices=(*notices, *differs),
    )


def _load(transformers: Any, place: str) -> tuple[Any, Any, Sequence[str], tuple[Notice, ...]]:
    """Return network and image processor, names of weights that were not there, and from where they came."""

    def get(local: bool) -> tuple[Any, Any, Sequence[str]]:
        how = {"local_files_only": local, "trust_remote_code": False}
        network, info = transformers.AutoModelForImageClassification.from_pretrained(
            place, output_loading_info=True, **how
        )
        processor = transformers.AutoImageProcessor.from_pretrained(place, **how)
        return network, processor, sorted(map(str, (*info["missing_keys"], *info["mismatched_keys"])))

    folder = Path(place).is_dir()
    if folder or cached(place, ("config.json",), extra=EXTRA) is not None:
        try:
            return *get(local=True), ()
        except Exception as error:  # its configs, files and classes raise whatever they meet
            if folder or not isinstance(error, OSError):
                first_line = str(error).strip().split("\n")[0]
                raise InputError(
                    f"{place} is not an image classifier of transformers with its image processor "
                    f"({type(error).__name__}: {first_line}). save_pretrained of both writes one; a model of timm is "
                    f"loaded with timm:hf-hub:NAME or timm:local-dir:FOLDER."
                ) from error

    def fetch() -> tuple[Any, Any, Sequence[str]]:
        ask_server(extra=EXTRA)
        return get(local=False)

    found = download(place, fetch, "Where there is no network, give a folder that save_pretrained wrote.")
    return *found, (Notice("model", f"{place} was downloaded from the hub into its cache", warning=False),)


@contextmanager
def _quiet(transformers: Any) -> Generator[None]:
    """Keep transformers from printing bars and what it says of weights, which is checked."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def _processed(processor: Any, picture: np.ndarray) -> Tensor:
    return torch.as_tensor(
        np.asarray(processor(images=Image.fromarray(picture), return_tensors="pt")["pixel_values"][0])
    )


def _preparation(processor: Any, made: Measured, place: str) -> tuple[Preparation | None, tuple[Notice, ...]]:
    if made.size is None:
        return None, ()
    number = getattr(processor, "resample", None)
    name = FILTERS[2 if number is None else int(number)]
    bases = {base.__name__ for base in type(processor).__mro__}
    on_tensors = not bases.isdisjoint(TENSOR_PROCESSORS) and name in ON_TENSORS
    rule: Any = ON_TENSORS[name] if on_tensors else f"pillow-{name}"
    preparation = Preparation(made.size, made.fit, rule, made.crop_fraction)
    if not made.differs:
        return preparation, ()
    message = (
        f"the image processor of {place} {made.differs}, which passband cannot: pictures are {preparation}"
    )
    return preparation, (Notice("model", message),)


def _image_size(config: Any) -> tuple[int, int] | None:
    size = getattr(config, "image_size", None)
    return (size, size) if isinstance(size, int) else None


def _names(labels: dict[int, str]) -> Sequence[Sequence[str]] | None:
    names = [str(labels[index]) for index in sorted(labels, key=int)]
    if all(UNNAMED.fullmatch(name) for name in names):
        return None
    return [tuple(name.split(", ")) for name in names]
