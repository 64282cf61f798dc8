"""`load_dataset`: every source of images by its name, one line a source."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from passband.data.arrays import load_npz
from passband.data.builtin import load_fashion_mnist
from passband.data.dataset import ImageDataset
from passband.data.folder import load_folder
from passband.data.hub import load_hub
from passband.data.images import MEMORY_LIMIT, Request
from passband.data.parquet import load_parquet
from passband.data.phantom import load_phantom
from passband.data.pixels import exposure
from passband.data.stream import FEW
from passband.data.user_code import load_from_code
from passband.errors import InputError, UnknownNameError
from passband.preparation import AS_STORED, Preparation, Resize
from passband.types import Subset


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    Attributes:
        load: Takes what follows the colon, and the request.
        argument: What follows the colon: nothing, or a word for it, in lower case if it may be left out.
    """

    load: Callable[[str, Request], ImageDataset]
    argument: str = ""


def _named(load: Callable[[Request], ImageDataset]) -> Source:
    return Source(lambda argument, request: load(request))


def _of_torchvision(load: str) -> Source:
    def load_late(argument: str, request: Request) -> ImageDataset:
        from passband.data import torchvision  # takes seconds to import, so only what needs it does

        return getattr(torchvision, load)(request)

    return Source(load_late)


SOURCES: dict[str, Source] = {
    "fashion-mnist": _named(load_fashion_mnist),
    "fashion-mnist-full": _of_torchvision("load_full_fashion_mnist"),
    "phantom": Source(load_phantom, "[options]"),
    "parquet": Source(load_parquet, "PATH"),
    "folder": Source(load_folder, "PATH"),
    "npz": Source(load_npz, "PATH"),
    "hf": Source(load_hub, "PATH_OR_NAME"),
    "python": Source(load_from_code, "MODULE:FUNCTION"),
    "cifar10": _of_torchvision("load_cifar10"),
    "mnist": _of_torchvision("load_mnist"),
    "imagenette": _of_torchvision("load_imagenette"),
}


def load_dataset(
    source: str,
    subset: Subset = "test",
    *,
    size: int | tuple[int, int] | None = None,
    resize: Resize | None = None,
    crop_fraction: float | None = None,
    preparation: Preparation | None = None,
    channels: int | None = None,
    limit: int | None = None,
    root: Path | str | None = None,
    memory_limit: int = MEMORY_LIMIT,
    num_workers: int | None = None,
) -> ImageDataset:
    """Load labeled images, into memory where they fit.

    Args:
        source: `fashion-mnist` (built in, a part), `phantom` or `phantom:shape=1,texture=0,...` (made by rule,
            see `make_phantom`), `parquet:PATH`, `folder:PATH`, `npz:PATH`, `hf:FOLDER_OR_NAME` (the `datasets`
            library), `python:file.py:function` (runs that code), or, downloaded once, `cifar10`, `mnist`,
            `fashion-mnist-full` and `imagenette`.
        subset: `"train"` or `"test"` (what some call validation).
        size: An int resizes the shorter side and takes the middle: a square of that side, which keeps the aspect. A pair
            (height, width) resizes to exactly that. None keeps the size that all images share.
        resize: By which filter of which library: see `passband.preparation.Resize`; default Pillow's Lanczos, which is
            antialiased and keeps most of what is below the new Nyquist frequency.
        crop_fraction: The middle part that is taken, as a share of the sides: 0.875 resizes to 256 for a crop of 224.
        preparation: How pictures become a model's input, as `PixelModel.preparation` says; the three above change it.
        channels: 1 converts to gray (luma, ITU-R 601), 3 to color (gray is repeated). None keeps gray gray,
            unless the set has color images too.
        limit: Take only the first so many images, before anything is decoded. Every source is in a fixed order:
            that of its file, or shuffled where that is sorted by class.
        root: Where downloads are kept; default the environment variable `PASSBAND_DATA`, or else
            `~/.cache/passband/data`.
        memory_limit: Keep images in memory up to so many bytes, decoded by as many threads as torch may use. More of them are
            not kept: worker processes decode them whenever they are looked at, and everything but training takes them so.
            `npz:` and `phantom` are refused then.
        num_workers: Worker processes that decode those; 0 decodes in this one, None takes one for each processor, at most 8.

    Raises:
        UnknownNameError: If there is no such source or subset.
        InputError: If another argument cannot be used, or the data are missing, broken or too large.
        DownloadError: If data are not on this machine and cannot be downloaded.

    Example:
        >>> dataset = load_dataset("fashion-mnist", limit=100)
        >>> dataset.images.shape, dataset.classes[:2]
        (torch.Size([100, 1, 28, 28]), ('T-shirt/top', 'Trouser'))
    """
    prepared = (preparation or AS_STORED).changed(size=size, resize=resize, crop_fraction=crop_fraction)
    if prepared.size is None and (resize is not None or crop_fraction is not None):
        raise InputError(
            "a filter and a crop say how pictures are resized, and nothing says to what size: give --size (size=) too"
        )
    request = Request(subset, prepared, channels, limit, _root(root), memory_limit, num_workers)
    name, colon, argument = source.partition(":")
    if name not in SOURCES:
        raise _unknown(source, name)
    expected = SOURCES[name].argument
    if expected.isupper() and not argument:
        raise InputError(f"the data source {name!r} needs what it reads: {name}:{expected}")
    if not expected and colon:
        raise InputError(f"the data source {name!r} takes nothing after its name, got {source!r}")
    found = SOURCES[name].load(argument, request)
    looked_at = found.images if isinstance(found.images, Tensor) else found.images[:FEW]
    return replace(
        found,
        source=source,
        notices=(*found.notices, *exposure(looked_at)),
        preparation=None if prepared.size is None else prepared,
    )


def _root(root: Path | str | None) -> Path:
    return Path(root or os.environ.get("PASSBAND_DATA") or "~/.cache/passband/data").expanduser()


def _unknown(source: str, name: str) -> InputError:
    path = Path(source).expanduser()
    if source and path.is_dir():
        return InputError(
            f"a data source begins with its kind. Did you mean folder:{source} or parquet:{source}?"
        )
    if path.is_file():
        kind = "npz" if path.suffix in (".npz", ".npy") else "parquet"
        return InputError(f"a data source begins with its kind. Did you mean {kind}:{source}?")
    known = [f"{each}:{made.argument}" if made.argument.isupper() else each for each, made in SOURCES.items()]
    return UnknownNameError("data source", name, known)
