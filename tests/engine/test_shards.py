"""Shards that several processes look at: an audit finds in them what it finds alone."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import killed_audits
from helpers import Memory, noise, subject
from killed_audits import DATA, SETTINGS, Counting, Loaded, audited_by, counted
from passband import user_modules
from passband.audit.classifier import audit
from passband.audit.kept import Look, Shelf, looks_of
from passband.data.load import load_dataset
from passband.engine.events import Advance
from passband.engine.local import Local
from passband.engine.shard_group import Given, identity_of
from passband.engine.shards import plan_shards, side_by_side
from passband.errors import InputError, PassbandError
from passband.files import SEAL, remove_unfinished
from passband.instruments.components import ComponentAccuracy
from passband.instruments.flips import Flips
from passband.instruments.phase_swap import PhaseSwap

FEW = {"attacks": [], "instruments": [], "ceiling_samples": 0}


def assert_same(one, two) -> None:
    assert one.rows.equals(two.rows)
    assert one.samples.equals(two.samples)
    for first, second in zip(one.attacks, two.attacks, strict=True):
        assert first.to_table().equals(second.to_table())
        assert first.outcome.radial.equal(second.outcome.radial)
        assert first.findings == second.findings


@pytest.fixture(autouse=True)
def nothing_imported(monkeypatch):
    """Let files that other tests imported be none of ours: what was seen with them is not what is seen without."""
    for name in ("_HASHES", "_FILES"):
        monkeypatch.setattr(user_modules, name, {})


@pytest.fixture
def small():
    with killed_audits.small_shards():
        yield


def planned(folder: Path, groups: int, *instruments, data=DATA, **settings):
    """Return the groups of what some instruments look at."""
    asked = subject(Counting(data), data, batch_size=4, keep=Shelf(folder), **settings)
    return plan_shards(looks_of(instruments, asked), Given(asked.model, data), groups=groups)


def test_groups_hold_each_shard_once_and_cost_about_the_same(tmp_path, small):
    groups = planned(tmp_path, 4, Flips((2.0,)), Flips((2.0,), "max"), PhaseSwap())
    assert len(groups) == 4
    places = [place for group in groups for place in group.places]
    assert len(places) == len(set(places)) == 2 * 16  # both flips read the same answers
    assert sum((group.images for group in groups), start=type(groups[0].images)()) == {
        "components": 61,
        "phase-swap": 61,
    }
    costs = [group.cost for group in groups]
    assert max(costs) < 1.5 * min(costs)


def test_a_group_puts_on_the_shelf_what_was_not_there_and_tells_how_far_it_is(tmp_path, small):
    first, second = planned(tmp_path, 2, PhaseSwap())
    told = []
    assert not first.done
    assert "not in" in first.failure()
    assert first.do(device="cpu", threads=1, tell=told.append) == tmp_path
    assert first.done
    assert first.failure() is None
    assert not second.done
    assert told[-1] == Advance("phase-swap", 32, 32)
    assert {place.parent for place in first.places} == {place.parent for place in second.places}
    (left,) = planned(tmp_path, 1, PhaseSwap())
    assert left.places == second.places
    left.do(device="cpu", threads=1)
    assert planned(tmp_path, 1, PhaseSwap()) == []


def test_what_is_drawn_is_drawn_there_too(tmp_path, small):
    """Positions of a sample go along."""
    asked = subject(Counting(DATA), DATA, batch_size=4, keep=Shelf(tmp_path), seed=3)
    drawn = asked.at(asked.draw(10))
    looks = [Look(ComponentAccuracy(), drawn)]
    for group in plan_shards(looks, Given(asked.model, DATA), groups=2):
        group.do(device="cpu", threads=1)
    Counting.shown = 0
    found = drawn.read(ComponentAccuracy())
    assert Counting.shown == 0
    assert found.samples.equal(drawn.samples)


def test_two_processes_find_what_one_finds(tmp_path):
    whole, cost = counted(None)
    told = []
    found = audited_by(2, tmp_path / "a", progress=lambda *report: told.append(report))
    assert_same(found, whole)
    assert Counting.shown < 0.7 * cost  # here: checks of the attack, and examples
    assert ("components", 61, 61) in told
    remove_unfinished(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_worker_that_is_killed_costs_time_only(tmp_path):
    whole, _ = counted(None, **FEW)
    found = audited_by(1, tmp_path / "a", load=Loaded(tmp_path / "killed"), **FEW)
    assert (tmp_path / "killed").exists()
    assert_same(found, whole)


def test_when_all_are_killed_the_next_goes_on(tmp_path):
    whole, cost = counted(None)
    context = multiprocessing.get_context("spawn")
    parent = context.Process(target=killed_audits.audited_by, args=(2, tmp_path / "a"))
    parent.start()
    deadline = time.monotonic() + 120
    # The first images are shown once more, to tell whether it is the same model: so many shards are more than that.
    while len(seen := list(tmp_path.glob(f".a-unfinished-*/*/*/{SEAL}"))) < 20:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    parent.kill()
    parent.join()
    found, shown = counted(tmp_path / "a")
    assert_same(found, whole)
    assert seen
    assert shown < cost


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(70):
        (folder / "abc"[i % 3]).mkdir(exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (20, 24, 3), np.uint8)).save(folder / "abc"[i % 3] / f"{i}.jpg")
    return f"folder:{folder}"


def test_images_that_are_not_in_memory(tmp_path, streamed):
    settings = {"radii": [2.0], "batch_size": 8, "device": "cpu", "ceiling_samples": 10}
    held = load_dataset(streamed, size=16)
    read = load_dataset(streamed, size=16, memory_limit=1000, num_workers=0)
    model = Memory(held)
    whole = audit(model, held, **settings)
    with killed_audits.small_shards(), Local(2) as engine:
        found = audit(model, read, result_folder=tmp_path / "a", ahead=side_by_side(engine), **settings)
    assert_same(found, whole)


def test_another_model_than_the_audits_is_refused(tmp_path):
    with pytest.raises(PassbandError, match="model or data have changed since the audit began"):
        audited_by(1, tmp_path / "a", load=Loaded(scale=1.01), **FEW)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: replace(data, labels=data.labels.flip(0)),
        lambda data: replace(data, images=data.images.flip(0)),
        lambda data: replace(data, classes=("x", "y", "z")),
        lambda data: data.take(slice(60)),
    ],
)
def test_other_data_are_told_apart(change):
    model = Counting(DATA)
    assert identity_of(model, DATA) == identity_of(Counting(DATA), noise(samples=61, classes=3, size=(11, 9)))
    assert identity_of(model, DATA) != identity_of(model, change(DATA))


class Stuck(Memory):
    def __reduce__(self):
        raise TypeError("it holds a lock")


def test_a_model_that_cannot_go_to_another_process_is_refused(tmp_path):
    with pytest.raises(InputError, match="the model cannot be given to other processes .*it holds a lock"):
        Given(Stuck(DATA), DATA).check()


def test_without_a_folder_nothing_can_be_looked_at_ahead():
    with pytest.raises(InputError, match="give result_folder too"):
        audit(Counting(DATA), DATA, ahead=lambda looks: None, **{**SETTINGS, "instruments": []})
