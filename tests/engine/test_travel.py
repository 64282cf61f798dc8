"""Data sets on their way to a node, where their pixels lie in memory that nobody may write to."""

import pickle
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import killed_runs
from helpers import sides_source
from passband.attacks import PGD
from passband.data.load import load_dataset
from passband.engine.run import load_datasets, run
from passband.engine.travel import Packed, pack, unpack
from passband.train.adversarial import Adversary
from passband.train.config import RunConfig


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """40 training and 20 test images of 16x16 pixels in 3 classes."""
    return sides_source(tmp_path_factory.mktemp("data"), train=40, test=20)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> str:
    """Pictures of 12x12 pixels, ten a class."""
    folder, drawn = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for subset in ("train", "test"):
        for name in ("ant", "bee"):
            place = folder / subset / name
            place.mkdir(parents=True)
            for index in range(10):
                pixels = drawn.integers(0, 256, (12, 12, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{index}.png")
    return f"folder:{folder}"


def sent(packed: Packed | None, folder: Path) -> Packed:
    """Return what a node gets: copies, with arrays in files that are mapped, so that whoever writes to them crashes."""
    assert packed is not None
    buffers: list[pickle.PickleBuffer] = []
    content = pickle.dumps(packed, protocol=5, buffer_callback=buffers.append)
    mapped = []
    for index, buffer in enumerate(buffers):
        file = folder / f"{index}.npy"
        np.save(file, np.frombuffer(buffer, np.uint8))
        mapped.append(np.load(file, mmap_mode="r"))
    return pickle.loads(content, buffers=mapped)


@pytest.mark.parametrize("size", [None, 8, (6, 10)])
def test_data_arrive_as_they_were(pictures, tmp_path, size):
    config = RunConfig(pictures, size=size, limit=7)
    before = load_datasets(config, 9)
    after = unpack(sent(pack(before), tmp_path))
    assert before.keys() == after.keys()
    for subset, dataset in before.items():
        arrived = after[subset]
        assert arrived.fingerprint == dataset.fingerprint
        for name in {each.name for each in fields(dataset)} - {"images", "labels", "pictures"}:
            assert getattr(arrived, name) == getattr(dataset, name)
        assert (arrived.pictures is None) == (dataset.pictures is None)
        if dataset.pictures is not None:
            assert torch.equal(arrived.pictures[:], dataset.pictures[:])


def test_images_are_not_copied(source, tmp_path):
    packed = sent(pack(load_datasets(RunConfig(source))), tmp_path)
    images = packed["train"]["images"]
    assert not images.flags.writeable
    assert unpack(packed)["train"].images.data_ptr() == images.ctypes.data


def test_data_that_are_decoded_when_they_are_looked_at_stay_where_they_are(pictures):
    streamed = load_dataset(pictures, "test", memory_limit=100)
    assert pack({"test": streamed}) is None


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"mixup": 0.5},
        {"adversarial": Adversary(8 / 255, PGD(steps=2))},
        {"shuffle_labels": True},
        {"component": "lfc:4"},
        {"augment": True},
        {"batch_norm": True, "batch_statistics": True},
    ],
    ids=str,
)
def test_a_run_writes_to_none_of_its_data(source, tmp_path, settings):
    config = RunConfig(source, width=4, batch_size=16, epochs=1, learning_rate=1e-3, **settings)
    datasets = load_datasets(config)
    arrived = unpack(sent(pack(datasets), tmp_path))
    folders = [
        run(config, None, tmp_path / name, device="cpu", threads=1, datasets=given)
        for name, given in (("here", datasets), ("there", arrived))
    ]
    assert killed_runs.content(folders[0]) == killed_runs.content(folders[1])
