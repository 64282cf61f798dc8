"""An audit that is killed goes on from the shards that it had seen, and finds what one finds that was never killed."""

from __future__ import annotations

import multiprocessing
import signal
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

import killed_audits
from helpers import noise, same
from killed_audits import DATA, SETTINGS, Counting, counted
from passband.attacks import FGSM
from passband.audit.attack import measure_robustness
from passband.audit.kept import Shelf
from passband.files import remove_unfinished
from passband.frequency.component import FULL
from passband.instruments.instrument import Cost, Instrument, Rows
from passband.instruments.phase_swap import PhaseSwap
from passband.rows import ComponentRow

FEW = {"attacks": [], "instruments": [], "ceiling_samples": 0}


def undated(value: object) -> object:
    """Return a document without what depends on the clock."""
    if isinstance(value, dict):
        return {k: undated(v) for k, v in value.items() if k not in ("manifest", "seconds")}
    return [undated(v) for v in value] if isinstance(value, list) else value


def assert_same(one, two) -> None:
    assert one.rows.equals(two.rows)
    assert one.samples.equals(two.samples)
    assert undated(one.card.to_dict()) == undated(two.card.to_dict())
    for name in ("counterexamples", "panels", "strip", "spectrum"):
        assert same(getattr(one, name), getattr(two, name)), name
    for first, second in zip(one.attacks, two.attacks, strict=True):
        assert first.to_table().equals(second.to_table())
        assert same(first.examples, second.examples)
        assert first.findings == second.findings
    for first, second in zip(one.extra, two.extra, strict=True):
        assert first.rows.equals(second.rows)
        assert (first.name, first.words) == (second.name, second.words)


@pytest.fixture(scope="module")
def unbroken():
    return counted(None)


def test_shards_find_what_all_at_once_find(unbroken):
    in_one = killed_audits.audit(Counting(DATA), DATA, **SETTINGS)
    assert_same(in_one, unbroken[0])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_killed_at_any_time_it_goes_on_and_finds_the_same(unbroken, tmp_path, share):
    whole, cost = unbroken
    context = multiprocessing.get_context("spawn")
    killed = context.Process(
        target=killed_audits.audit_until_killed, args=(tmp_path / "a", int(share * cost), {})
    )
    killed.start()
    killed.join(120)
    assert killed.exitcode == -signal.SIGKILL
    again, shown = counted(tmp_path / "a")
    assert_same(again, whole)
    assert shown < (1 - share / 4) * cost
    kept, least = counted(
        tmp_path / "a"
    )  # checks and examples of attacks are made again, which are most of it here
    assert_same(kept, whole)
    assert least < shown
    remove_unfinished(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_sample_of_a_precision_goes_on_too(tmp_path):
    settings = FEW | {"precision": 0.3, "seed": 4}
    whole, cost = counted(None, **settings)
    assert len(whole.samples["sample"].unique()) < len(DATA)
    counted(tmp_path / "a", **settings)
    again, shown = counted(tmp_path / "a", **settings)
    assert_same(again, whole)
    assert shown < cost / 2


def test_other_settings_data_weights_and_folders_look_again(tmp_path):
    _, cost = counted(None, **FEW)
    _, first = counted(tmp_path / "a", **FEW)
    other = Counting(DATA)
    with torch.no_grad():
        other.weight.add_(0.01)
    relabeled = replace(DATA, labels=(DATA.labels + 1) % 3)
    for again in (
        counted(tmp_path / "a", **FEW | {"radii": [1.0, 3.0]}),
        counted(tmp_path / "a", **FEW, amplitude="clip"),
        counted(tmp_path / "a", **FEW, seed=1),
        counted(tmp_path / "a", **FEW, data=noise(samples=61, classes=3, size=(11, 9), seed=1)),
        counted(tmp_path / "a", **FEW, data=relabeled),
        counted(tmp_path / "a", **FEW, model=other),
        counted(tmp_path / "a", **FEW | {"batch_size": 5}),
        counted(tmp_path / "b", **FEW),
    ):
        assert again[1] > 0.9 * cost
    assert counted(tmp_path / "a", **FEW)[1] < first / 4


class Scaled(Counting):
    """The same weights, and other code."""

    def forward(self, images):
        return 0.5 * super().forward(images)


def test_a_network_whose_code_has_changed_is_looked_at_again(tmp_path):
    counted(tmp_path / "a", **FEW)
    _, cost = counted(None, **FEW)
    changed, shown = counted(tmp_path / "a", model=Scaled(DATA), **FEW)
    assert shown >= cost
    assert_same(changed, counted(None, model=Scaled(DATA), **FEW)[0])


def cut(content: bytes) -> bytes:
    return content[:-7]


def flipped(content: bytes) -> bytes:
    return content[:-7] + bytes([content[-7] ^ 1]) + content[-6:]


@pytest.mark.parametrize("damage", [cut, flipped, lambda content: b""])
def test_a_damaged_shard_is_looked_at_again_and_no_other(tmp_path, damage):
    whole, cost = counted(None, **FEW)
    counted(tmp_path / "a", **FEW)
    _, without = counted(tmp_path / "a", **FEW)
    shard, *_ = tmp_path.glob(".a-unfinished-*/components-*/000000008-*/found.safetensors")
    shard.write_bytes(damage(shard.read_bytes()))
    again, shown = counted(tmp_path / "a", **FEW)
    assert_same(again, whole)
    assert without < shown < cost / 2
    assert counted(tmp_path / "a", **FEW)[1] == without


def test_a_shard_of_another_place_is_not_taken(tmp_path):
    whole, _ = counted(None, **FEW)
    counted(tmp_path / "a", **FEW)
    (folder,) = tmp_path.glob(".a-unfinished-*/components-*")
    first, second, *_ = sorted(folder.iterdir())
    (first / "SHA256SUMS").unlink()  # what is not sealed is not whole
    again, _ = counted(tmp_path / "a", **FEW)
    assert_same(again, whole)
    assert second.is_dir()


def test_an_attack_goes_on_with_its_images(tmp_path):
    settings = {"keep_images": True, "batch_size": 4, "device": "cpu"}

    def attacked(folder):
        Counting.shown = 0
        with killed_audits.small_shards():
            found = measure_robustness(
                Counting(DATA), DATA, [killed_audits.PLAN], result_folder=folder, **settings
            )
        return found, Counting.shown

    whole, cost = attacked(None)
    attacked(tmp_path / "a")
    again, shown = attacked(tmp_path / "a")
    assert shown < cost
    assert again.rows.equals(whole.rows)
    assert torch.equal(again.attacks[0].outcome.images, whole.attacks[0].outcome.images)
    assert torch.equal(again.attacks[0].outcome.radial, whole.attacks[0].outcome.radial)


@dataclass(frozen=True)
class Mine(Instrument[Rows]):
    """An instrument of one's own."""

    name: ClassVar[str] = "mine"
    summary: ClassVar[str] = "nothing"

    def cost(self, samples, size) -> Cost:
        return Cost()

    def measure(self, subject) -> Rows:
        row = ComponentRow(run=subject.run, subset="test", component=FULL, metric="mine", value=0.5, count=30)
        return Rows((row,))


@dataclass(frozen=True)
class MyStep(FGSM):
    """An attack of one's own."""


@dataclass(frozen=True)
class MySwap(PhaseSwap):
    """A sharded instrument of one's own."""


def test_what_looks_with_code_of_ones_own_is_not_kept_since_it_may_change(tmp_path):
    plan = replace(killed_audits.PLAN, attack=MyStep())
    found, _ = counted(tmp_path / "a", attacks=[plan], instruments=[Mine(), MySwap()], ceiling_samples=0)
    assert [reading.name for reading in found.extra] == ["mine", "phase-swap"]
    (folder,) = tmp_path.iterdir()
    assert {each.name.rpartition("-")[0] for each in folder.iterdir()} == {"components"}


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    counted(None, **FEW)
    assert not list(tmp_path.iterdir())
    assert Shelf().folder is None


def test_shards_follow_from_size_and_batch_alone(tmp_path):
    """Neither threads nor how much was seen before change where they begin."""
    from helpers import subject
    from passband.instruments.components import ComponentAccuracy

    def places(**settings):
        asked = subject(Counting(DATA), DATA, keep=Shelf(), **settings)
        return [(shard.start, shard.stop) for shard in ComponentAccuracy().shards(asked)]

    assert places() == [(0, 61)]
    with killed_audits.small_shards():
        assert places(batch_size=20) == [(0, 20), (20, 40), (40, 60), (60, 61)]
        before = torch.get_num_threads()
        torch.set_num_threads(before + 1)
        try:
            assert len(places(batch_size=20)) == 4
        finally:
            torch.set_num_threads(before)
