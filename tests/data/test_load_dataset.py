from __future__ import annotations

import subprocess
import sys
from inspect import signature

import numpy as np
import pytest

from passband.data import torchvision
from passband.data.images import Request
from passband.data.load import SOURCES, load_dataset
from passband.data.phantom import make_phantom
from passband.errors import InputError, UnknownNameError
from passband.preparation import Preparation


def test_every_source_has_a_loader():
    assert set(SOURCES) == {
        "fashion-mnist",
        "fashion-mnist-full",
        "phantom",
        "parquet",
        "folder",
        "npz",
        "hf",
        "python",
        "cifar10",
        "mnist",
        "imagenette",
    }


@pytest.mark.parametrize(
    ("source", "loader"),
    [
        ("cifar10", "load_cifar10"),
        ("mnist", "load_mnist"),
        ("imagenette", "load_imagenette"),
        ("fashion-mnist-full", "load_full_fashion_mnist"),
    ],
)
def test_sources_of_torchvision_get_the_request(tmp_path, monkeypatch, source, loader):
    assert list(signature(getattr(torchvision, loader)).parameters) == ["request"]
    asked = []
    monkeypatch.setattr(torchvision, loader, lambda request: asked.append(request) or make_phantom(1))
    monkeypatch.setenv("PASSBAND_DATA", str(tmp_path))
    load_dataset(source, "train", size=32, channels=3, limit=9)
    load_dataset(source, root=tmp_path / "other")
    monkeypatch.delenv("PASSBAND_DATA")
    load_dataset(source)
    assert asked[0] == Request("train", Preparation((32, 32)), channels=3, limit=9, root=tmp_path)
    assert asked[1].root == tmp_path / "other"
    assert asked[2].root.parts[-3:] == (".cache", "passband", "data")


def test_the_same_images_from_three_kinds_of_files(tmp_path, write_parquet, encode, photos):
    labels = [0, 1, 2, 0]
    write_parquet(tmp_path / "one" / "test.parquet", photos[:4], labels)
    np.savez(tmp_path / "one.npz", images=photos[:4], labels=labels)
    for image, label in zip(photos, labels, strict=False):
        folder = tmp_path / "folder" / ["cat", "dog", "owl"][label]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{len(list(folder.iterdir()))}.png").write_bytes(encode(image))
    parquet, npz, folder = (
        load_dataset(f"{kind}:{tmp_path / path}", size=6, channels=1)
        for kind, path in (("parquet", "one"), ("npz", "one.npz"), ("folder", "folder"))
    )
    assert parquet.fingerprint == npz.fingerprint
    assert sorted(i.tobytes() for i in folder.images.numpy()) == sorted(
        i.tobytes() for i in npz.images.numpy()
    )
    assert folder.classes == parquet.classes


def test_phantom_with_and_without_options():
    assert load_dataset("phantom:shape=1,texture=0,size=16", limit=5).name == "phantom (shape 1, texture 0)"
    plain = load_dataset("phantom", limit=5, size=16)
    assert (plain.size, plain.source) == ((16, 16), "phantom")


def test_limit_beyond_the_end_takes_everything(tmp_path, write_parquet, photos):
    path = write_parquet(tmp_path / "a.parquet", photos[:3], [0, 1, 2])
    assert len(load_dataset(f"parquet:{path}", limit=99)) == 3


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("fashion-minst", "no data source named 'fashion-minst'. Did you mean 'fashion-mnist'.*parquet:PATH"),
        ("", "no data source named ''"),
        ("parquet:", "'parquet' needs what it reads: parquet:PATH"),
        ("folder", "'folder' needs what it reads: folder:PATH"),
        ("hf:", "'hf' needs what it reads: hf:PATH_OR_NAME"),
        ("mnist:train", "'mnist' takes nothing after its name, got 'mnist:train'"),
    ],
)
def test_unusable_sources(source, message):
    with pytest.raises(InputError, match=message):
        load_dataset(source)


def test_a_path_without_its_kind(tmp_path):
    for name in ("photos.npz", "photos.parquet"):
        (tmp_path / name).touch()
        with pytest.raises(InputError, match=f"Did you mean {name[7:]}:{tmp_path}/{name}"):
            load_dataset(f"{tmp_path}/{name}")
    with pytest.raises(InputError, match=f"Did you mean folder:{tmp_path} or parquet:{tmp_path}"):
        load_dataset(str(tmp_path))


def test_unknown_subset(untyped):
    with pytest.raises(UnknownNameError, match="no subset named 'validation'"):
        load_dataset("phantom", "validation")  # ty: ignore[invalid-argument-type]


def test_torchvision_is_imported_by_those_sources_only():
    code = "import sys, passband.data.load as c; c.load_dataset('phantom', limit=1); print('torchvision' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_pictures_say_how_they_were_prepared(tmp_path):
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (30, 20), "red" if name == "cat" else "blue").save(tmp_path / name / "0.png")
    source = f"folder:{tmp_path}"
    assert load_dataset(source).preparation is None
    cropped = load_dataset(source, size=8, resize="torch", crop_fraction=0.8)
    assert cropped.preparation == Preparation((8, 8), "crop", "torch", 0.8)
    assert load_dataset(source, preparation=cropped.preparation, size=(4, 6)).preparation == Preparation(
        (4, 6), "squash", "torch"
    )


def test_a_filter_without_a_size_is_refused():
    with pytest.raises(InputError, match="nothing says to what size"):
        load_dataset("fashion-mnist", resize="torch")
