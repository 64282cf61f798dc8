from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from passband.data.dataset import to_pixels
from passband.data.images import Request
from passband.data.phantom import (
    MAX_CLASSES,
    MAX_NOISE,
    SHAPE_RADIUS,
    load_phantom,
    make_phantom,
    shape_waves,
    texture_radius,
    texture_waves,
)
from passband.errors import InputError, UnknownNameError
from passband.preparation import Preparation

sizes = st.one_of(st.integers(16, 48), st.tuples(st.integers(16, 48), st.integers(16, 48)))


def power_and_radius(images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the power of every frequency, (samples, height, width), and its radius, (height, width)."""
    height, width = images.shape[-2:]
    radius = np.hypot(np.fft.fftfreq(height, 1 / height)[:, None], np.fft.fftfreq(width, 1 / width))
    return (np.abs(np.fft.fft2(images.double().numpy())) ** 2).sum(axis=1), radius


def cues(dataset, band: str) -> np.ndarray:
    """Return which class's wave each image shows in a band, found as its strongest frequency."""
    power, radius = power_and_radius(dataset.images)
    low = band == "shape"
    inside = (radius > 0) & (radius <= SHAPE_RADIUS) if low else radius >= texture_radius(dataset.size)
    strongest = (power * inside).reshape(len(power), -1).argmax(axis=1)
    classes = len(dataset.classes)
    height, width = dataset.size
    down, across = (shape_waves(classes) if low else texture_waves(classes, dataset.size)).T
    expected = {}
    for sign in (1, -1):
        for number, at in enumerate((sign * down % height) * width + sign * across % width):
            assert expected.setdefault(int(at), number) == number  # no wave belongs to two classes
    return np.array([expected[int(at)] for at in strongest])


@settings(max_examples=25)
@given(
    size=sizes, classes=st.integers(2, MAX_CLASSES), channels=st.sampled_from([1, 3]), seed=st.integers(0, 99)
)
def test_only_the_two_bands_hold_energy(size, classes, channels, seed):
    dataset = make_phantom(32, size=size, classes=classes, channels=channels, seed=seed)
    power, radius = power_and_radius(dataset.images)
    shape, texture = (radius > 0) & (radius <= SHAPE_RADIUS), radius >= texture_radius(dataset.size)
    gap = (radius > SHAPE_RADIUS) & ~texture
    energy = power[:, radius > 0].sum()
    assert gap.any()
    assert power[:, gap].sum() < 1e-3 * energy  # rounding to bytes
    assert power[:, shape].sum() > 0.2 * energy
    assert power[:, texture].sum() > 0.2 * energy


@settings(max_examples=25)
@given(size=sizes, classes=st.integers(2, MAX_CLASSES), seed=st.integers(0, 99))
def test_reliable_cues_are_those_of_the_label(size, classes, seed):
    dataset = make_phantom(64, size=size, classes=classes, seed=seed)
    assert np.array_equal(cues(dataset, "shape"), dataset.labels.numpy())
    assert np.array_equal(cues(dataset, "texture"), dataset.labels.numpy())


@pytest.mark.parametrize("band", ["shape", "texture"])
@pytest.mark.parametrize("reliability", [0.0, 0.5])
def test_unreliable_cues_follow_the_label_as_often_as_asked(band, reliability):
    dataset = make_phantom(4_000, size=16, channels=1, classes=4, **{band: reliability})
    found = cues(dataset, band)
    agreement = (found == dataset.labels.numpy()).mean()
    assert agreement == pytest.approx(reliability + (1 - reliability) / 4, abs=0.03)
    if reliability == 0:  # and then every pair of cue and label is as frequent as any other
        pairs = np.histogram2d(found, dataset.labels.numpy(), bins=4)[0] / len(found)
        assert pairs == pytest.approx(np.full((4, 4), 1 / 16), abs=0.02)


def test_the_two_cues_are_independent():
    dataset = make_phantom(4_000, size=16, channels=1, shape=0, texture=0)
    assert (cues(dataset, "shape") == cues(dataset, "texture")).mean() == pytest.approx(0.25, abs=0.03)


@settings(max_examples=20)
@given(size=sizes, channels=st.sampled_from([1, 3]), seed=st.integers(0, 99))
def test_nothing_clips(size, channels, seed):
    images = make_phantom(200, size=size, channels=channels, noise=MAX_NOISE, seed=seed).images
    assert images.min() > 0
    assert images.max() < 255


def test_brightness_is_about_mid_gray_and_noise_fills_the_gap():
    plain, noisy = (make_phantom(200, noise=noise) for noise in (0.0, 0.05))
    assert plain.images.double().mean().item() == pytest.approx(128, abs=4)
    power, radius = power_and_radius(noisy.images)
    gap = (radius > SHAPE_RADIUS) & (radius < texture_radius(32))
    noise = power[:, gap].mean() / (3 * 32**2)  # variance a pixel
    assert noise == pytest.approx((0.05 * 255) ** 2 / 3, rel=0.1)


def test_the_same_on_every_machine():
    fingerprints = [
        make_phantom(8, size=16).fingerprint,
        make_phantom(
            8, size=(17, 24), channels=1, classes=10, shape=0.5, texture=0, noise=0.02, seed=3
        ).fingerprint,
    ]
    assert fingerprints == ["6255681bd3526984", "710876643c7b4233"]


def test_seed_and_subset_choose_other_images_of_the_same_classes():
    phantoms = [make_phantom(40), make_phantom(40, subset="train"), make_phantom(40, seed=1)]
    assert len({phantom.fingerprint for phantom in phantoms}) == 3
    assert len({phantom.classes for phantom in phantoms}) == 1


@given(fewer=st.integers(1, 30))
def test_fewer_samples_are_a_prefix(fewer):
    whole, part = make_phantom(30, size=16, noise=0.01), make_phantom(fewer, size=16, noise=0.01)
    assert torch.equal(part.images, whole.images[:fewer])
    assert torch.equal(part.labels, whole.labels[:fewer])


def test_parts_do_not_change_the_bytes(monkeypatch):
    whole = make_phantom(30, size=16, noise=0.01)
    monkeypatch.setattr("passband.data.phantom._CHUNK", 3 * 16 * 16 * 7)
    assert make_phantom(30, size=16, noise=0.01).fingerprint == whole.fingerprint


def test_classes_are_balanced_from_the_first_sample_on():
    labels = make_phantom(40, size=16, classes=10).labels.reshape(4, 10)
    assert torch.equal(labels.sort(dim=1).values, torch.arange(10).expand(4, 10))
    assert not torch.equal(labels[0], labels[1])


@pytest.mark.parametrize(("shape", "texture"), [(1, 0), (0, 1)])
def test_a_small_network_learns_either_cue(shape, texture):
    train, test = (
        make_phantom(count, size=16, channels=1, shape=shape, texture=texture, subset=subset)
        for subset, count in (("train", 800), ("test", 200))
    )
    network = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Conv2d(32, 32, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 4)),
    )
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(4):
        for batch in torch.randperm(len(train)).split(50):
            loss = nn.functional.cross_entropy(network(to_pixels(train.images[batch])), train.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    accuracy = (network.eval()(to_pixels(test.images)).argmax(1) == test.labels).float().mean()
    assert accuracy > 0.9


def test_options_of_the_source():
    request = Request("train", limit=5)
    asked = load_phantom(
        "shape=1,texture=0.5,size=18x20,channels=1,classes=3,noise=0.01,seed=7,samples=9", request
    )
    made = make_phantom(
        5, texture=0.5, size=(18, 20), channels=1, classes=3, noise=0.01, seed=7, subset="train"
    )
    assert asked.fingerprint == made.fingerprint
    assert asked.name == "phantom (shape 1, texture 0.5)"


def test_defaults_of_the_source():
    assert len(load_phantom("", Request("train", Preparation((16, 16))))) == 2_000
    test = load_phantom("", Request("test", Preparation((16, 18)), channels=1))
    assert (len(test), test.size, test.channels) == (1_000, (16, 18), 1)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("shpe=1", "no phantom option named 'shpe'. Did you mean 'shape'"),
        ("shape", "shape in 'phantom:shape' must be a number, got ''"),
        ("classes=2.5", "classes in .* must be a whole number, got '2.5'"),
        ("size=1x2x3", "must be pixels such as 32 or 32x48"),
        ("classes=15", "a phantom's classes must be between 2 and 14, got 15"),
        ("size=15", "shorter side must be at least 16, got 15"),
        ("shape=1.1", "shape must be between 0 and 1, got 1.1"),
        ("texture=nan", "texture must be between 0 and 1, got nan"),
        ("noise=0.2", "noise must be between 0 and 0.05, got 0.2"),
        ("seed=-1", "seed must be at least 0, got -1"),
        ("channels=2", "channels must be 1 or 3, got 2"),
        ("samples=0", "'phantom:samples=0' has no images"),
        ("size=20000,samples=50", "50 images of 20000x20000 would take"),
    ],
)
def test_bad_options(argument, message):
    with pytest.raises(InputError, match=message):
        load_phantom(argument, Request())


def test_contradictions_and_unknown_subsets(untyped):
    with pytest.raises(
        InputError, match=r"size is given twice, as \(16, 16\) in 'phantom:size=16' and as \(32, 32\)"
    ):
        load_phantom("size=16", Request(preparation=Preparation((32, 32))))
    with pytest.raises(UnknownNameError, match="no subset named 'val'"):
        make_phantom(1, subset="val")  # ty: ignore[invalid-argument-type]
