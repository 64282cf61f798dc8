"""Audits of a set that is not kept in memory find what those of the same set in memory find."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import Memory, same, subject
from passband.attacks import PGD
from passband.attacks.library import AutoAttack
from passband.audit.attack import measure_robustness
from passband.audit.classifier import Audit, audit
from passband.data.dataset import ImageDataset
from passband.data.load import load_dataset
from passband.data.stream import StreamedImages
from passband.errors import InputError
from passband.frequency.component import lows_and_highs
from passband.instruments.components import ComponentAccuracy
from passband.instruments.pairs import LowPassCounterexamples
from passband.instruments.spectrum import measure_spectrum
from passband.models.catalog import build_model
from passband.robustness.plan import AttackPlan
from passband.train.config import RunConfig
from passband.train.loop import train

COUNT = 70  # more than are decoded without a worker
PLANS = (
    AttackPlan(PGD(steps=2), (4 / 255, 20 / 255), sanity_samples=8),
    AttackPlan(PGD("l2", steps=2, random_start=False), (0.5,), sanity_samples=0),
)


class Counting:
    def __init__(self, decode) -> None:
        self.decode, self.count = decode, 0

    def __call__(self, stored, name):
        self.count += 1
        return self.decode(stored, name)


@pytest.fixture(scope="module", params=[1, 3], ids=["gray", "color"])
def both(request, tmp_path_factory) -> tuple[ImageDataset, ImageDataset]:
    """The same pictures in memory and streamed."""
    place, draw = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(COUNT):
        (place / "abcd"[i % 4]).mkdir(exist_ok=True)
        shape = (20, 24, 3) if request.param == 3 else (20, 24)
        Image.fromarray(draw.integers(0, 256, shape, np.uint8)).save(place / "abcd"[i % 4] / f"{i}.jpg")
    source = f"folder:{place}"
    held = load_dataset(source, size=16)
    streamed = load_dataset(source, size=16, memory_limit=1000, num_workers=2)
    assert isinstance(streamed.images, StreamedImages)
    assert streamed.channels == request.param
    return held, streamed


def counted(dataset: ImageDataset) -> tuple[ImageDataset, Counting]:
    decode = Counting(dataset.images.decode)
    return replace(
        dataset, images=replace(dataset.images, decode=decode, num_workers=0, _digest=None)
    ), decode


def undated(value: object) -> object:
    """Return a document without what depends on the clock."""
    if isinstance(value, dict):
        return {k: undated(v) for k, v in value.items() if k not in ("manifest", "seconds")}
    return [undated(v) for v in value] if isinstance(value, list) else value


def assert_same(one: Audit, two: Audit) -> None:
    assert one.rows.equals(two.rows)
    assert one.samples.equals(two.samples)
    assert undated(one.card.to_dict()) == undated(two.card.to_dict())
    for name in ("counterexamples", "panels", "strip", "spectrum"):
        assert same(getattr(one, name), getattr(two, name)), name


def test_an_audit_with_attacks_and_an_instrument(both):
    model = Memory(both[0])
    settings = {
        "radii": [2, 5],
        "attacks": PLANS,
        "instruments": [LowPassCounterexamples((2.0,))],
        "batch_size": 8,
    }
    held, streamed = (audit(model, dataset, device="cpu", **settings) for dataset in both)
    assert_same(held, streamed)
    for one, two in zip(held.attacks, streamed.attacks, strict=True):
        assert one.to_table().equals(two.to_table())
        assert same(one.examples, two.examples)
        assert one.findings == two.findings


def test_an_audit_of_as_many_as_a_precision_needs(both):
    model = Memory(both[0])
    settings = {"radii": [3], "precision": 0.4, "ceiling_samples": 5, "seed": 3}
    assert_same(*(audit(model, dataset, device="cpu", **settings) for dataset in both))


def test_a_precision_decodes_no_more_than_it_needs(both):
    dataset, decoded = counted(both[1])
    found = ComponentAccuracy(lows_and_highs([3]), precision=0.4).measure(subject(Memory(both[0]), dataset))
    assert len(found.samples) < COUNT // 2
    assert decoded.count <= len(found.samples) + 2  # those that the model is tried with


def test_each_instrument_decodes_once_for_all_radii(both):
    dataset, decoded = counted(both[1])
    ComponentAccuracy(lows_and_highs([1, 2, 3, 4, 5])).measure(subject(Memory(both[0]), dataset))
    assert COUNT <= decoded.count <= COUNT + 2
    before = decoded.count
    assert dataset.fingerprint == both[0].fingerprint
    assert decoded.count == before  # it came with that pass


def test_attacks_alone(both):
    model = Memory(both[0])
    settings = {"keep_images": True, "batch_size": 6, "seed": 1, "device": "cpu"}
    held, streamed = (measure_robustness(model, dataset, PLANS, **settings) for dataset in both)
    assert held.rows.equals(streamed.rows)
    assert undated(held.card.to_dict()) == undated(streamed.card.to_dict())
    for one, two in zip(held.attacks, streamed.attacks, strict=True):
        assert torch.equal(one.outcome.images, two.outcome.images)


def test_an_attack_that_takes_whole_batches(both):
    model, plan = Memory(both[0]), AttackPlan(AutoAttack(), (8 / 255,), samples=10, sanity_samples=0)
    held, streamed = (measure_robustness(model, d, [plan], batch_size=4, device="cpu") for d in both)
    assert held.rows.equals(streamed.rows)


def test_the_spectrum(both):
    assert same(*(measure_spectrum(dataset, device="cpu") for dataset in both))


def test_training_is_refused(both):
    channels = both[1].channels
    model = build_model("resnet8", num_classes=4, in_channels=channels)
    with pytest.raises(InputError, match=r"training needs all images in memory, and 70 images of .*limit="):
        train(model, both[1], RunConfig(dataset="x", model="resnet8", epochs=1, batch_size=10), device="cpu")
