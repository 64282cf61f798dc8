"""The same pictures in several preparations, whatever they were stored in."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import passband as pb
from helpers import noise
from passband.data.held_out import hold_out
from passband.data.side_by_side import check_same, makes_a_difference, side_by_side
from passband.data.stream import StreamedImages
from passband.errors import InputError
from passband.preparation import Preparation

WAYS = (
    Preparation((12, 10), "squash", "torch-no-antialias"),
    Preparation((12, 10), "crop", "pillow-box", 0.8),
)


@pytest.fixture
def folder(tmp_path):
    draws = np.random.default_rng(0)
    for index in range(20):
        path = tmp_path / "pictures" / "abcd"[index % 4] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (40, 30, 3) if index % 3 else (33, 50, 3)
        Image.fromarray(draws.integers(0, 256, size, dtype=np.uint8)).save(path)
    return f"folder:{tmp_path / 'pictures'}"


@pytest.fixture
def archive(tmp_path):
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (20, 30, 24), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=np.arange(20) % 4)
    return f"npz:{tmp_path / 'data.npz'}"


def each_way(dataset):
    images = side_by_side(dataset, WAYS).images
    return images[:].unflatten(1, (3, dataset.channels)).unbind(1)


@pytest.mark.parametrize("memory_limit", [2**30, 1])
def test_each_way_gives_what_loading_so_gives(folder, memory_limit):
    data = pb.load_dataset(folder, size=(12, 10), memory_limit=memory_limit, num_workers=0)
    assert isinstance(data.images, StreamedImages) is (memory_limit == 1)
    own, *others = each_way(data)
    assert torch.equal(own, data.images[:])
    for way, found in zip(WAYS, others, strict=True):
        assert torch.equal(found, pb.load_dataset(folder, preparation=way).images)


@pytest.mark.parametrize("source", ["fashion-mnist", "archive"])
def test_gray_pictures_of_tables_and_archives_too(source, request):
    source = request.getfixturevalue("archive") if source == "archive" else source
    data = pb.load_dataset(source, size=(12, 10), limit=15)
    own, *others = each_way(data)
    assert torch.equal(own, data.images)
    for way, found in zip(WAYS, others, strict=True):
        assert torch.equal(found, pb.load_dataset(source, preparation=way, limit=15).images)


@pytest.mark.parametrize("source", ["fashion-mnist", "folder"])
def test_samples_keep_their_pictures_when_some_are_taken_and_in_copies(source, request):
    source = request.getfixturevalue("folder") if source == "folder" else source
    data = pb.load_dataset(source, size=(12, 10), limit=20)
    whole = each_way(data)
    order = torch.tensor([7, 3, 19])
    for some in (data.take(order), pickle.loads(pickle.dumps(data)).take(order)):
        assert all(torch.equal(part, way[order]) for part, way in zip(each_way(some), whole, strict=True))
    train, test = hold_out(data)
    for part in (train, test):
        own, *_ = each_way(part)
        assert torch.equal(own, part.images)
        assert len(side_by_side(part, WAYS)) == len(part.labels)


def test_many_pictures_are_decoded_by_processes_alike(tmp_path):
    draws = np.random.default_rng(0)
    for index in range(70):
        path = tmp_path / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(draws.integers(0, 256, (20, 20), dtype=np.uint8)).save(path)
    data = pb.load_dataset(f"folder:{tmp_path}", size=(12, 10), num_workers=1)
    own, *others = each_way(data)
    assert torch.equal(own, data.images)
    assert torch.equal(others[0], pb.load_dataset(f"folder:{tmp_path}", preparation=WAYS[0]).images)


def test_arrays_that_have_no_room_beside_the_images_are_not_kept(archive):
    room = 20 * 30 * 24 + 20 * 12 * 10
    assert pb.load_dataset(archive, size=(12, 10), memory_limit=room).pictures is not None
    assert pb.load_dataset(archive, size=(12, 10), memory_limit=room - 1).pictures is None


def test_images_that_nothing_prepared_have_no_pictures(archive):
    for data in (
        noise(),
        pb.load_dataset("phantom", limit=4),
        pb.load_dataset(archive),
        pb.load_dataset("fashion-mnist", limit=4),
    ):
        assert data.pictures is None
        with pytest.raises(InputError, match=r"cannot be prepared otherwise, since nothing prepared them"):
            side_by_side(data, ())


def test_other_images_are_not_taken_for_those_of_the_pictures(folder):
    data = pb.load_dataset(folder, size=(12, 10))
    few = torch.arange(20)
    check_same(data, few, data.images)
    inverted = replace(data, images=255 - data.images)
    with pytest.raises(
        InputError, match=r"20 of 20 pictures of pictures do not give the images that it has, image 0"
    ):
        check_same(inverted, few, data.images)
    with pytest.raises(InputError, match="got 19 images and 20 pictures in 'pictures'. Use take"):
        replace(data, images=data.images[1:], labels=data.labels[1:])


def test_ways_are_to_the_size_of_the_images(folder):
    data = pb.load_dataset(folder, size=(12, 10))
    with pytest.raises(InputError, match="pictures are compared that have one size, got squashed to 12x10"):
        side_by_side(data, [Preparation((10, 12))])


def test_a_way_makes_a_difference_unless_all_pictures_are_left_alone(folder, tmp_path):
    data = pb.load_dataset(folder, size=(12, 10))
    assert makes_a_difference(data, WAYS[0])
    assert not makes_a_difference(data, data.preparation)
    assert not makes_a_difference(noise(), WAYS[0])
    Image.new("L", (10, 12)).save(tmp_path / "pictures" / "a" / "fits.png")
    assert makes_a_difference(pb.load_dataset(folder, size=(12, 10)), WAYS[0])
    (tmp_path / "other" / "a").mkdir(parents=True)
    Image.new("L", (10, 12)).save(tmp_path / "other" / "a" / "fits.png")
    fits = pb.load_dataset(f"folder:{tmp_path / 'other'}", size=(12, 10))
    assert not makes_a_difference(fits, WAYS[0])
    assert makes_a_difference(fits, WAYS[1])
