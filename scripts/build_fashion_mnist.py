"""Make the Fashion-MNIST subset that ships with passband from Debian's package `dataset-fashion-mnist`.

    apt-get install dataset-fashion-mnist
    python scripts/build_fashion_mnist.py

It writes `train.parquet` (10,000 images) and `test.parquet` (2,000), as many of each class, shuffled, in the
Hugging Face layout. The choice is seeded, so running it again with the same versions gives the same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from passband.data.arrays import read_idx
from passband.data.builtin import FASHION_MNIST
from passband.data.torchvision import DEBIAN_FASHION_MNIST

CLASSES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
SUBSETS = {"train": ("train", 1_000), "test": ("t10k", 200)}  # the files' stem, images taken of each class
SEED = 2017


def choose(labels: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """Return the indices of `per_class` random samples of every class, in random order."""
    order = np.random.Generator(np.random.PCG64(seed)).random(len(labels)).argsort()
    kept = np.concatenate([order[labels[order] == label][:per_class] for label in range(len(CLASSES))])
    return order[np.isin(order, kept)]


def encode(image: np.ndarray) -> bytes:
    """Return the smallest PNG that Pillow makes of a gray image."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return file.getvalue()


def build(source: Path, target: Path, per_class: dict[str, int]) -> None:
    """Write one Parquet file for each subset in `per_class` to the folder `target`."""
    target.mkdir(parents=True, exist_ok=True)
    for subset, count in per_class.items():
        stem = SUBSETS[subset][0]
        images = read_idx(source / f"{stem}-images-idx3-ubyte.gz")
        labels = read_idx(source / f"{stem}-labels-idx1-ubyte.gz").astype(np.int64)
        chosen = choose(labels, count, SEED)
        table = pl.DataFrame(
            {
                "image": [{"bytes": encode(images[i]), "path": f"{stem}-{i:05d}.png"} for i in chosen],
                "label": labels[chosen],
            }
        )
        features = {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        table.write_parquet(target / f"{subset}.parquet", metadata=metadata, row_group_size=len(table))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--source", type=Path, default=DEBIAN_FASHION_MNIST, help="folder of the four IDX files"
    )
    parser.add_argument("--target", type=Path, default=FASHION_MNIST, help="folder to write to")
    arguments = parser.parse_args()
    build(arguments.source, arguments.target, {subset: count for subset, (_, count) in SUBSETS.items()})
    for file in sorted(arguments.target.glob("*.parquet")):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
