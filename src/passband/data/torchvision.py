"""Data sets that torchvision downloads once: CIFAR-10, MNIST, Fashion-MNIST in full, Imagenette."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from filelock import FileLock
from torchvision import datasets

from passband.data.arrays import from_arrays, read_idx
from passband.data.dataset import ImageDataset
from passband.data.folder import load_class_folders
from passband.data.images import Request
from passband.errors import DownloadError

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts its files."""

IMAGENETTE_SIZES = {"train": 9_469, "test": 3_925}
"""Images in each subset: fewer mean that unpacking was cut off, which torchvision does not notice."""

OFFLINE = "fashion-mnist, phantom, parquet:PATH, folder:PATH, npz:PATH, hf:FOLDER"

D = TypeVar("D")


def load_cifar10(request: Request) -> ImageDataset:
    """Load CIFAR-10 (Krizhevsky 2009): 50,000 training and 10,000 test images, 32x32 pixels, color.

    Raises:
        DownloadError: If it is neither in `request.root` nor can be downloaded.
    """
    data = _fetch(
        "cifar10",
        lambda download: datasets.CIFAR10(request.root, train=request.subset == "train", download=download),
        request.root,
        f"put {datasets.CIFAR10.url} into {request.root}",
    )
    return from_arrays(data.data, np.asarray(data.targets), data.classes, "cifar10", request)


def load_mnist(request: Request) -> ImageDataset:
    """Load MNIST (LeCun et al. 1998): 60,000 training and 10,000 test images, 28x28 pixels, gray.

    Raises:
        DownloadError: If it is neither in `request.root` nor can be downloaded.
    """
    return _load_mnist_like("mnist", datasets.MNIST, [str(digit) for digit in range(10)], request)


def load_full_fashion_mnist(request: Request) -> ImageDataset:
    """Load all of Fashion-MNIST (Xiao et al. 2017): 60,000 training and 10,000 test images, 28x28 pixels, gray.

    It is read from Debian's package `dataset-fashion-mnist` where that is installed, else as torchvision has it;
    both are the same files.

    Raises:
        DownloadError: If it is neither on this machine nor can be downloaded.
    """
    classes = datasets.FashionMNIST.classes
    if not DEBIAN_FASHION_MNIST.is_dir():
        return _load_mnist_like("fashion-mnist-full", datasets.FashionMNIST, classes, request)
    stem = "train" if request.subset == "train" else "t10k"
    images = read_idx(DEBIAN_FASHION_MNIST / f"{stem}-images-idx3-ubyte.gz", request.limit)
    labels = read_idx(DEBIAN_FASHION_MNIST / f"{stem}-labels-idx1-ubyte.gz", request.limit)
    return from_arrays(images, labels, classes, "fashion-mnist-full", request)


def load_imagenette(request: Request) -> ImageDataset:
    """Load Imagenette (Howard 2019): ten classes of ImageNet, JPEG, shorter side 320 pixels: give it a size.

    Its files are sorted by class, so they come in the shuffled order of `folder:`.

    Raises:
        DownloadError: If it is neither in `request.root` nor can be downloaded, or is not whole.
    """
    split = "train" if request.subset == "train" else "val"
    data = _fetch(
        "imagenette",
        lambda download: datasets.Imagenette(request.root, split=split, size="320px", download=download),
        request.root,
        f"unpack https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz in {request.root}",
    )
    folder = request.root / "imagenette2-320"
    if len(data) != IMAGENETTE_SIZES[request.subset]:
        raise DownloadError(
            f"{folder}/{split} must hold {IMAGENETTE_SIZES[request.subset]:,} images, and holds {len(data):,}: "
            "unpacking was cut off. Remove the folder and load it again."
        )
    return load_class_folders(
        folder / split, data.wnids, [names[0] for names in data.classes], "imagenette", request
    )


def _load_mnist_like(
    name: str, kind: type[datasets.MNIST], classes: list[str], request: Request
) -> ImageDataset:
    raw = request.root / kind.__name__ / "raw"
    files = ", ".join(file for file, _ in kind.resources)
    data = _fetch(
        name,
        lambda download: kind(request.root, train=request.subset == "train", download=download),
        request.root,
        f"put {files} from {kind.mirrors[0]} into {raw}",
    )
    return from_arrays(data.data.numpy(), data.targets.numpy(), classes, name, request)


def _fetch(name: str, load: Callable[[bool], D], root: Path, by_hand: str) -> D:
    """Load what is there, or else download it first; two processes do not download into one folder at once."""
    try:
        return load(False)
    except (
        RuntimeError,
        FileNotFoundError,
    ):  # torchvision's "not found", and a subset's folder that is missing
        pass
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock"):
            return load(True)
    except (RuntimeError, OSError, EOFError) as error:  # URLError is an OSError
        reason = str(error).strip().splitlines()
        raise DownloadError(
            f"{name} could neither be loaded from {root} nor downloaded ({reason[-1] if reason else type(error).__name__}). "
            f"On a machine with a network, fetch it by hand: {by_hand}, then load it again. Another folder is chosen "
            f"with root= or the variable PASSBAND_DATA. Sources that need no network: {OFFLINE}."
        ) from error
