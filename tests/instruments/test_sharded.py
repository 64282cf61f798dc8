"""What is seen shard by shard, written and read back, is what is seen in all images at once: of every instrument that can."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from polars.testing import assert_frame_equal

import passband as pb
from helpers import Memory, noise, subject
from killed_audits import SHARDED, small_shards
from passband.attacks import FGSM, PGD
from passband.attacks.library import AutoAttack
from passband.audit.kept import Shelf
from passband.data.load import load_dataset
from passband.instruments.attacks import AttackSearch, UnderAttack
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.components import ComponentAccuracy
from passband.instruments.counterexamples import RobustnessCeiling
from passband.instruments.degradations import Degradations
from passband.instruments.favorite_answer import FavoriteAnswer
from passband.instruments.flips import Flips
from passband.instruments.fourier_heatmap import FourierHeatmap
from passband.instruments.input_gradient import InputGradient
from passband.instruments.on_training import OnTraining
from passband.instruments.pairs import LowPassCounterexamples
from passband.instruments.phase_swap import PhaseSwap
from passband.instruments.rings import Rings
from passband.instruments.sharded import Shard
from passband.instruments.skew import Skew
from passband.instruments.svd_flips import SvdFlips
from passband.robustness.plan import AttackPlan
from passband.rows import to_table

ASKED = [
    ComponentAccuracy(amplitude="clip"),
    ComponentAccuracy(precision=0.35),
    Flips((2.0, 5.0)),
    FavoriteAnswer(),
    OnTraining(FavoriteAnswer()),
    Degradations(),
    Rings(3),
    Rings(3, equal="energy"),
    RobustnessCeiling(),
    RobustnessCeiling(9, (2.0, 4.0)),
    LowPassCounterexamples((2.0, 4.0)),
    FourierHeatmap(size=3, samples=21),
    PhaseSwap(),
    PhaseSwap(samples=11),
    InputGradient((3.0,), samples=13),
    SvdFlips((2.0, 4.0)),
    Skew(("torch", "pillow-bicubic")),
    UnderAttack(PGD(steps=3, restarts=2), (2 / 255, 8 / 255), sanity_samples=0),
    UnderAttack(PGD("l2", steps=2, random_start=False), (0.5,), samples=17, sanity_samples=0),
    UnderAttack(FGSM(), (1 / 255, 8 / 255), sanity_samples=0),
]
WHOLE = {"kernels", "spectrum", "feature-spectrum"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """25 pictures, so that shards of 4 leave one over: its size is odd, its classes unequal."""
    folder, draw = tmp_path_factory.mktemp("pictures"), np.random.default_rng(1)
    for i in range(25):
        label = "abcaa"[i % 5]
        (folder / label).mkdir(exist_ok=True)
        pixels = draw.integers(0, 256, (30, 34, 3), np.uint8)
        Image.fromarray(pixels).save(folder / label / f"{i}.png")
    return load_dataset(f"folder:{folder}", size=(15, 17))


@pytest.fixture(scope="module")
def network():
    return pb.build_model("resnet8", num_classes=3, width=4, seed=3).eval()


@pytest.mark.parametrize("instrument", ASKED, ids=str)
def test_shards_and_files_change_no_bit(pictures, network, instrument, tmp_path):
    settings = {"batch_size": 4, "seed": 5}
    whole = to_table(subject(network, pictures, **settings).read(instrument).rows())
    with small_shards():
        if isinstance(
            instrument, UnderAttack
        ):  # its batches are filled up with the next samples, and rounding follows
            at_once, at = whole, subject(network, pictures, keep=Shelf(), **settings)
            whole = to_table(at.read(instrument).rows())
            assert_frame_equal(at_once, whole, rel_tol=1e-4)
        for _ in range(2):  # the second time from the shelf
            at = subject(network, pictures, keep=Shelf(tmp_path), **settings)
            assert to_table(at.read(instrument).rows()).equals(whole)
        parts = instrument.sharded(subject(network, pictures, keep=Shelf(tmp_path), **settings))
    assert parts
    kept = {path.parents[1].name for path in tmp_path.glob("*/*/found.safetensors")}
    assert len(kept) == len({each.resolved(pictures.size) for each in parts})


def test_every_instrument_is_sharded_or_known_to_be_whole(pictures, network):
    assert set(INSTRUMENTS) - {each.name for each in ASKED} == WHOLE
    at = subject(network, pictures)
    assert all(not INSTRUMENTS.find(name)().sharded(at) for name in WHOLE)


def test_batch_statistics_are_those_of_the_batches_of_training(pictures, network, tmp_path):
    model = pb.build_model("resnet8", num_classes=3, width=4, batch_norm=True, batch_statistics=True, seed=3)
    settings = {"training_batch": 6, "seed": 2}
    instrument = ComponentAccuracy(amplitude="raw")
    whole = to_table(subject(model, pictures, **settings).read(instrument).rows())
    with small_shards():
        at = subject(model, pictures, keep=Shelf(tmp_path), **settings)
        assert len(instrument.shards(at)) == 5  # the last one filled up
        assert to_table(at.read(instrument).rows()).equals(whole)


@pytest.mark.parametrize(
    ("size", "batch", "instrument", "expected"),
    [
        ((224, 224), 16, ComponentAccuracy(), 384),  # 2**30 / (3 * 224 * 224 * 19) is 375
        ((32, 32), 100, ComponentAccuracy(), 1100),  # 1,024 in whole batches
        ((32, 32), 1, ComponentAccuracy(), 1024),
        ((32, 32), 2000, ComponentAccuracy(), 8000),  # a few batches are more
        ((224, 224), 16, AttackSearch.of(AttackPlan(PGD(), (0.03, 0.06, 0.09))), 80),
        ((224, 224), 16, FourierHeatmap(), 64),
    ],
)
def test_a_shard_is_whole_batches_of_about_as_much_work(network, size, batch, instrument, expected):
    data = noise(samples=2, classes=3, size=size)
    at = subject(network, data, batch_size=batch, keep=Shelf())
    assert instrument._shard_size(at) == expected
    assert SHARDED.VALUES_IN_SHARD == 2**30


def test_a_shard_knows_its_samples_and_those_before():
    shard = Shard(torch.tensor([5, 3, 8, 1]), 1, 3)
    assert shard.samples.tolist() == [3, 8]


def test_progress_counts_the_images_of_all_shards(pictures, network, tmp_path):
    told = []
    with small_shards():
        at = subject(
            network, pictures, batch_size=4, keep=Shelf(tmp_path), progress=lambda *each: told.append(each)
        )
        at.read(PhaseSwap())
        assert told == [("phase-swap", min(4 * k, 25), 25) for k in range(1, 8)]
        told.clear()
        subject(
            network, pictures, batch_size=4, keep=Shelf(tmp_path), progress=lambda *each: told.append(each)
        ).read(PhaseSwap())
        assert told == [("phase-swap", min(4 * k, 25), 25) for k in range(1, 8)]


def test_autoattack_draws_for_a_batch_whichever_shard_comes_before():
    data = noise(samples=6, classes=4, size=(8, 8))
    search = AttackSearch(AutoAttack(), (60 / 255,), None)
    at = subject(Memory(data), data, batch_size=3, keep=Shelf(), seed=3)
    with small_shards():
        first, second = search.shards(at)
    forth = [search.look(at, shard) for shard in (first, second)]
    torch.manual_seed(99)  # nor what somebody else draws
    back = [search.look(at, shard) for shard in (second, first)]
    for one, other in zip(forth, reversed(back), strict=True):
        assert one.predictions.equal(other.predictions)
        assert one.distance.equal(other.distance)
        assert one.sums.power.equal(other.sums.power)
    assert any((each.predictions != each.labels).any() for each in forth)
