"""Phantom scenes carry what they say, at the frequencies where they say it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from passband.detection.drawing import (
    MAX_CLASSES,
    MIN_SIDE,
    SHAPE_FREQUENCY,
    SPLIT_FREQUENCY,
    TEXTURE_FREQUENCY,
)
from passband.detection.phantom import COUNTS, load_scenes, make_scenes
from passband.errors import InputError
from passband.frequency.fourier import split

sizes = st.one_of(st.integers(64, 130), st.tuples(st.integers(64, 130), st.integers(64, 130)))


def images_of(dataset):
    return torch.stack([dataset.read(index) for index in range(len(dataset))])


def frequencies(height, width):
    return torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width))


@settings(max_examples=8, deadline=None)
@given(size=sizes, classes=st.integers(2, MAX_CLASSES), seed=st.integers(0, 99))
def test_nothing_lies_between_the_bands_or_clips(size, classes, seed):
    images = images_of(make_scenes(3, size=size, classes=classes, seed=seed))
    assert images.min() > 0
    assert images.max() < 255
    power = torch.fft.fft2(images.double(), norm="ortho").abs() ** 2
    frequency = frequencies(*images.shape[-2:])
    between = (frequency > SHAPE_FREQUENCY) & (frequency < TEXTURE_FREQUENCY)
    # A byte that is rounded up or down in proportion is wrong by a sixth of a step squared, at every frequency alike.
    assert power[..., between].mean() < 0.19
    assert power[..., frequency >= TEXTURE_FREQUENCY].mean() > 10


def test_a_cut_off_between_the_bands_parts_them():
    assert SHAPE_FREQUENCY < SPLIT_FREQUENCY < TEXTURE_FREQUENCY


def test_fewer_scenes_are_a_prefix():
    few, many = make_scenes(3, size=64), make_scenes(5, size=64)
    assert torch.equal(images_of(few), images_of(many)[:3])
    first = many.first(3).annotations
    assert few.annotations.objects.equals(first.objects)
    assert few.annotations.pictures == first.pictures


def test_bytes_are_those_of_every_machine():
    dataset = make_scenes(2, size=(64, 80), classes=3, seed=5)
    assert dataset.fingerprint() == "efc8add8d89e1932"
    assert dataset.annotations.objects.rows()[0] == (1, 1, 1, 27, 15, 18, 17, 306, False)


def test_subsets_and_seeds_differ_and_reliabilities_leave_the_objects_where_they_are():
    own = make_scenes(4, size=64)
    assert not torch.equal(images_of(own), images_of(make_scenes(4, size=64, subset="train")))
    assert not torch.equal(images_of(own), images_of(make_scenes(4, size=64, seed=1)))
    other = make_scenes(4, size=64, shape=0, texture=0.5)
    assert own.annotations.objects.equals(other.annotations.objects)
    assert not torch.equal(images_of(own), images_of(other))


@settings(max_examples=8, deadline=None)
@given(size=sizes, seed=st.integers(0, 99))
def test_boxes_are_inside_and_no_object_is_hidden(size, seed):
    dataset = make_scenes(6, size=size, seed=seed)
    height, width = dataset.annotations.pictures[0].height, dataset.annotations.pictures[0].width
    objects = dataset.annotations.objects
    assert objects["object"].to_list() == list(range(1, len(objects) + 1))
    assert set(objects["image"]) == {each.id for each in dataset.annotations.pictures}
    for picture in dataset.annotations.pictures:
        boxes = objects.filter(pl.col("image") == picture.id).select("x", "y", "width", "height").rows()
        for number, (x, y, w, h) in enumerate(boxes):
            assert 0 <= x < x + w <= width
            assert 0 <= y < y + h <= height
            assert min(w, h) >= MIN_SIDE
            seen = np.ones((int(h), int(w)), bool)
            for left, top, wide, high in boxes[number + 1 :]:
                seen[
                    int(max(top - y, 0)) : int(max(top + high - y, 0)),
                    int(max(left - x, 0)) : int(max(left + wide - x, 0)),
                ] = False
            assert seen.mean() >= 0.6


def crops(dataset, component):
    """Return 24 x 24 pixels of each object in one component, and its category."""
    found, labels = [], []
    for row in dataset.annotations.objects.iter_rows(named=True):
        image = dataset.image(row["image"] - 1)
        radius = SPLIT_FREQUENCY * image.shape[-1]
        shown = split(image[None], radius)[component == "hfc"]
        x, y, w, h = (int(row[name]) for name in ("x", "y", "width", "height"))
        crop = shown[..., y : y + h, x : x + w].mean(1, keepdim=True)
        if component == "hfc":  # where a grating is in the spectrum does not depend on where it lies
            side = min(w, h, 24)
            window = torch.hann_window(side)[:, None] * torch.hann_window(side)
            crop = torch.fft.fft2(crop[..., :side, :side] * window, s=(24, 24)).abs()
        else:  # what is brighter and what is darker than the rest, whatever its sign
            crop = torch.nn.functional.interpolate(crop, size=(24, 24), mode="bilinear")
            crop = (crop - crop.mean()).abs()
        found.append((crop / crop.norm()).flatten())
        labels.append(row["category"])
    return torch.stack(found), torch.tensor(labels)


def share_told_right(component, **reliabilities):
    """Return the share of objects that are told right by the most similar of the means of a component's crops."""
    known, labels = crops(make_scenes(120, subset="train", **reliabilities), component)
    asked, right = crops(make_scenes(60, **reliabilities), component)
    means = torch.stack([known[labels == each].mean(0) for each in range(1, 5)])
    means = means - means.mean(0)
    answers = ((asked - known.mean(0)) @ (means / means.norm(dim=1, keepdim=True)).T).argmax(1) + 1
    return (answers == right).float().mean().item(), len(right)


@pytest.mark.parametrize(
    ("reliabilities", "component", "carries"),
    [
        ({"shape": 1, "texture": 0}, "lfc", True),
        ({"shape": 1, "texture": 0}, "hfc", False),
        ({"shape": 0, "texture": 1}, "lfc", False),
        ({"shape": 0, "texture": 1}, "hfc", True),
    ],
    ids=str,
)
def test_each_component_tells_what_it_is_said_to_tell(reliabilities, component, carries):
    share, count = share_told_right(component, **reliabilities)
    if carries:
        assert share > 0.6
    else:  # a quarter by chance, and four standard errors
        assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / count)


@pytest.mark.parametrize(("named", "other"), [("shape", "texture"), ("texture", "shape")])
def test_a_reliability_changes_its_own_component_alone(named, other):
    """The same draws with another reliability: the component that the cue is not in stays, but for the rounding."""
    one, two = (images_of(make_scenes(5, **{named: share, other: 1})) / 255 for share in (0, 1))
    low, high = split(one - two, SPLIT_FREQUENCY * 128)
    changed, kept = (low, high) if named == "shape" else (high, low)
    assert changed.abs().max() > 0.05
    assert kept.std() < 0.6 / 255


def test_a_source_says_what_is_made():
    named = load_scenes("phantom:shape=1,texture=0,size=64x80,count=3,classes=2,seed=4")
    made = make_scenes(3, shape=1, texture=0, size=(64, 80), classes=2, seed=4)
    assert named.fingerprint() == made.fingerprint()
    assert load_scenes(named.annotations.source).fingerprint() == made.fingerprint()
    assert len(load_scenes("phantom:size=64", limit=2)) == 2
    assert len(load_scenes("phantom:size=64,count=3", limit=4)) == 3
    assert len(load_scenes("phantom:size=64")) == COUNTS["test"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("phantom:size=63", "the shorter side must be at least 64, got 63"),
        ("phantom:shape=1.5", "shape must be between 0 and 1"),
        ("phantom:shape=nan", "shape must be between 0 and 1"),
        ("phantom:classes=7", "classes must be between 2 and 6"),
        ("phantom:count=0", "count must be at least 1"),
        ("phantom:count=a", "count in 'phantom:count=a' must be a whole number"),
        ("phantom:count=100000", "100,000 scenes of 128x128 pixels take 4.6 GiB, more than 4"),
        ("phantom:samples=3", "no phantom option named 'samples'"),
        ("coco:val", "scenes are made by a phantom"),
    ],
)
def test_impossible_sources_are_refused(source, message):
    with pytest.raises(InputError, match=message):
        load_scenes(source)
