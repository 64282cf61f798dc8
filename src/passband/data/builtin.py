"""The data set inside the package: a part of Fashion-MNIST (Xiao et al. 2017, MIT license).

`scripts/build_fashion_mnist.py` makes its files: 1,000 training and 200 test images of each class, shuffled.
"""

from __future__ import annotations

from pathlib import Path

from passband.data.dataset import ImageDataset
from passband.data.images import Request
from passband.data.parquet import load_parquet

FASHION_MNIST = Path(__file__).parent / "files" / "fashion-mnist"


def load_fashion_mnist(request: Request) -> ImageDataset:
    """Load the built-in subset of Fashion-MNIST: 10,000 training, 2,000 test images, 28x28 pixels, gray."""
    return load_parquet(str(FASHION_MNIST), request, name="fashion-mnist")
