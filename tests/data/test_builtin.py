from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from passband.data.arrays import read_idx
from passband.data.builtin import load_fashion_mnist
from passband.data.images import Request
from passband.data.torchvision import DEBIAN_FASHION_MNIST

SCRIPT = Path(__file__).parents[2] / "scripts" / "build_fashion_mnist.py"

debian = pytest.mark.skipif(
    not DEBIAN_FASHION_MNIST.is_dir(), reason="Debian's dataset-fashion-mnist is not installed"
)


@pytest.mark.parametrize(("subset", "per_class"), [("train", 1_000), ("test", 200)])
def test_what_ships(subset, per_class):
    dataset = load_fashion_mnist(Request(subset))
    assert dataset.images.shape == (10 * per_class, 1, 28, 28)
    assert dataset.class_counts().tolist() == [per_class] * 10
    assert (dataset.name, dataset.subset, dataset.classes[8]) == ("fashion-mnist", subset, "Bag")
    assert dataset.take(slice(200)).class_counts().min() > 5  # shuffled: a prefix is a fair subset


@debian
@pytest.mark.parametrize(("subset", "stem"), [("train", "train"), ("test", "t10k")])
def test_what_ships_is_debians(subset, stem):
    images = read_idx(DEBIAN_FASHION_MNIST / f"{stem}-images-idx3-ubyte.gz")
    labels = read_idx(DEBIAN_FASHION_MNIST / f"{stem}-labels-idx1-ubyte.gz")
    known = {(image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)}
    shipped = load_fashion_mnist(Request(subset))
    found = [
        (i.tobytes(), int(label)) for i, label in zip(shipped.images.numpy(), shipped.labels, strict=True)
    ]
    assert set(found) <= known
    assert len(set(found)) > 0.99 * len(
        found
    )  # no image is taken twice; Fashion-MNIST itself has a few twins


@debian
def test_building_again_gives_the_same_bytes(tmp_path):
    spec = importlib.util.spec_from_file_location("build_fashion_mnist", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name in ("first", "second"):
        script.build(DEBIAN_FASHION_MNIST, tmp_path / name, {"test": 3})
    first, second = (tmp_path / name / "test.parquet" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()

    labels = read_idx(DEBIAN_FASHION_MNIST / "t10k-labels-idx1-ubyte.gz")
    chosen = script.choose(labels, 200, script.SEED)
    images = read_idx(DEBIAN_FASHION_MNIST / "t10k-images-idx3-ubyte.gz")[chosen]
    assert np.array_equal(load_fashion_mnist(Request("test")).images[:, 0].numpy(), images)
