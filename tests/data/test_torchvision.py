"""The loaders read tiny files in torchvision's own formats; nothing is downloaded."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct
from urllib.error import URLError

import numpy as np
import pytest
from torchvision import datasets

from passband.data import torchvision
from passband.data.images import Request
from passband.errors import DownloadError
from passband.preparation import Preparation


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError("the network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def idx(items: np.ndarray) -> bytes:
    return struct.pack(f">HBB{items.ndim}I", 0, 8, items.ndim, *items.shape) + items.tobytes()


def write_idx_files(folder, images: np.ndarray, labels: np.ndarray, suffix: str = "") -> None:
    folder.mkdir(parents=True)
    pack = gzip.compress if suffix else bytes
    for stem, count in (("train", len(images)), ("t10k", len(images) // 2)):
        (folder / f"{stem}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(images[:count])))
        (folder / f"{stem}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(labels[:count])))


def test_mnist(tmp_path, photos, no_network):
    digits = np.arange(12, dtype=np.uint8) % 10
    write_idx_files(tmp_path / "MNIST" / "raw", photos[..., 0], digits)
    dataset = torchvision.load_mnist(Request("train", limit=7, root=tmp_path))
    assert np.array_equal(dataset.images.numpy(), photos[:7, None, :, :, 0])
    assert dataset.labels.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert (dataset.name, dataset.classes[3]) == ("mnist", "3")
    assert len(torchvision.load_mnist(Request("test", root=tmp_path))) == 6


@pytest.mark.parametrize("debian", [True, False])
def test_full_fashion_mnist(tmp_path, photos, no_network, monkeypatch, debian):
    folder, suffix = (tmp_path / "debian", ".gz") if debian else (tmp_path / "FashionMNIST" / "raw", "")
    write_idx_files(folder, photos[..., 0], np.full(12, 9, np.uint8), suffix)
    monkeypatch.setattr(torchvision, "DEBIAN_FASHION_MNIST", tmp_path / "debian")
    dataset = torchvision.load_full_fashion_mnist(Request("train", limit=4, root=tmp_path))
    assert np.array_equal(dataset.images.numpy(), photos[:4, None, :, :, 0])
    assert (dataset.name, dataset.classes[9], len(dataset.classes)) == (
        "fashion-mnist-full",
        "Ankle boot",
        10,
    )
    assert len(torchvision.load_full_fashion_mnist(Request("test", root=tmp_path))) == 6


def test_cifar10(tmp_path, no_network, monkeypatch):
    """torchvision compares checksums of the files; those of the tiny ones stand in for the real ones."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    def write(name: str, content: dict) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    images = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), np.uint8)
    batch = {"data": images.reshape(6, -1), "labels": [0, 9, 5, 5, 1, 0]}
    name, checksum = write("batches.meta", {"label_names": [f"class {i}" for i in range(10)]})
    monkeypatch.setattr(datasets.CIFAR10, "meta", {"filename": name, "key": "label_names", "md5": checksum})
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [write("data_batch_1", batch)])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [write("test_batch", batch)])
    dataset = torchvision.load_cifar10(Request("test", limit=5, root=tmp_path))
    assert np.array_equal(dataset.images.numpy(), images[:5])
    assert dataset.labels.tolist() == [0, 9, 5, 5, 1]
    assert (dataset.name, dataset.classes[9]) == ("cifar10", "class 9")


def test_imagenette(tmp_path, photos, encode, no_network, monkeypatch):
    for wnid in ("n01440764", "n03888257"):
        folder = tmp_path / "imagenette2-320" / "val" / wnid
        folder.mkdir(parents=True)
        for i in range(6):
            (folder / f"{i}.JPEG").write_bytes(encode(photos[i], "JPEG"))
    with pytest.raises(
        DownloadError, match=r"val must hold 3,925 images, and holds 12: unpacking was cut off"
    ):
        torchvision.load_imagenette(Request("test", root=tmp_path))
    monkeypatch.setitem(torchvision.IMAGENETTE_SIZES, "test", 12)
    dataset = torchvision.load_imagenette(Request("test", Preparation((8, 8)), limit=10, root=tmp_path))
    assert (dataset.name, dataset.classes) == ("imagenette", ("tench", "parachute"))
    assert dataset.images.shape == (10, 3, 8, 8)
    assert dataset.class_counts().min() > 1  # the files are sorted by class, and this is a prefix


@pytest.mark.parametrize(
    ("load", "name", "what"),
    [
        (torchvision.load_cifar10, "cifar10", r"cifar-10-python\.tar\.gz"),
        (torchvision.load_mnist, "mnist", "train-images-idx3-ubyte.gz"),
        (torchvision.load_full_fashion_mnist, "fashion-mnist-full", "t10k-labels-idx1-ubyte.gz"),
        (torchvision.load_imagenette, "imagenette", r"imagenette2-320\.tgz"),
    ],
)
def test_no_network_says_what_to_do(tmp_path, no_network, monkeypatch, load, name, what):
    monkeypatch.setattr(torchvision, "DEBIAN_FASHION_MNIST", tmp_path / "debian")
    with pytest.raises(
        DownloadError, match=f"^{name} could neither .*network is unreachable.*{what}"
    ) as caught:
        load(Request(root=tmp_path / "cache"))
    assert str(tmp_path / "cache") in str(caught.value)
    assert "Sources that need no network: fashion-mnist, phantom, parquet:PATH" in str(caught.value)


def test_damaged_files_are_not_a_traceback(tmp_path, no_network, photos):
    write_idx_files(tmp_path / "MNIST" / "raw", photos[..., 0], np.zeros(12, np.uint8))
    (tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte").write_bytes(idx(photos[..., 0])[:100])
    with pytest.raises(DownloadError, match="mnist could neither be loaded"):
        torchvision.load_mnist(Request("test", root=tmp_path))


def test_a_folder_that_cannot_be_made(tmp_path, no_network):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match="could neither"):
        torchvision.load_mnist(Request(root=tmp_path / "file" / "cache"))
