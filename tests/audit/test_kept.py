"""An audit that is killed between two instruments goes on from the last one that had ended."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from helpers import Memory, noise, same
from passband.audit.classifier import audit
from passband.files import remove_unfinished
from passband.frequency.component import FULL
from passband.instruments.favorite_answer import FavoriteAnswer
from passband.instruments.instrument import Cost, Instrument, Rows
from passband.instruments.rings import Rings
from passband.rows import ComponentRow

DATA = noise(samples=30, classes=3)


@dataclass(frozen=True)
class Killed(Instrument[Rows]):
    """Kills whoever asks it."""

    name: ClassVar[str] = "killed"
    summary: ClassVar[str] = "nothing"

    def cost(self, samples, size) -> Cost:
        return Cost()

    def measure(self, subject) -> Rows:
        raise KeyboardInterrupt


@dataclass(frozen=True)
class Mine(Killed):
    """An instrument of one's own."""

    name: ClassVar[str] = "mine"

    def measure(self, subject) -> Rows:
        row = ComponentRow(run=subject.run, subset="test", component=FULL, metric="mine", value=0.5, count=30)
        return Rows((row,))


class Counting(Memory):
    """Counts the images that it is shown."""

    shown = 0

    def forward(self, images):
        Counting.shown += len(images)
        return super().forward(images)


def asked(*instruments, folder, seed=0, data=DATA, model=None):
    """Return the audit, and how many images were shown for it."""
    Counting.shown = 0
    settings = {"radii": [2.0], "ceiling_samples": 0, "device": "cpu", "seed": seed}
    found = audit(model or Counting(DATA), data, instruments=instruments, result_folder=folder, **settings)
    return found, Counting.shown


def test_what_was_found_before_is_not_looked_for_again(tmp_path):
    _, without = asked(folder=None)
    whole, cost = asked(Rings(2), FavoriteAnswer(), folder=None)
    assert cost > without
    with pytest.raises(KeyboardInterrupt):
        asked(Rings(2), FavoriteAnswer(), Killed(), folder=tmp_path / "a")
    again, shown = asked(Rings(2), FavoriteAnswer(), folder=tmp_path / "a")
    assert shown == without
    assert same(again.extra, whole.extra)
    assert again.rows.equals(whole.rows)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a-unfinished-")
    remove_unfinished(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_other_settings_data_weights_and_folders_look_again(tmp_path):
    asked(Rings(2), folder=tmp_path / "a")
    _, without = asked(folder=None)
    other = Counting(DATA)
    with torch.no_grad():
        other.weight.add_(0.01)
    for again in (
        asked(Rings(3), folder=tmp_path / "a"),
        asked(Rings(2), folder=tmp_path / "a", seed=1),
        asked(Rings(2), folder=tmp_path / "a", data=noise(samples=30, classes=3, seed=1)),
        asked(Rings(2), folder=tmp_path / "a", model=other),
        asked(Rings(2), folder=tmp_path / "b"),
    ):
        assert again[1] > without
    assert asked(Rings(2), folder=tmp_path / "a")[1] == without


class Scaled(Counting):
    """The same weights, and other code."""

    def forward(self, images):
        return 0.5 * super().forward(images)


def test_a_network_whose_code_has_changed_is_looked_at_again(tmp_path):
    asked(Rings(2), folder=tmp_path / "a")
    _, without = asked(folder=None)
    changed, shown = asked(Rings(2), folder=tmp_path / "a", model=Scaled(DATA))
    assert shown > without
    assert same(changed.extra, asked(Rings(2), folder=None, model=Scaled(DATA))[0].extra)


def test_what_is_damaged_is_looked_for_again(tmp_path):
    first, cost = asked(Rings(2), folder=tmp_path / "a")
    (reading,) = tmp_path.glob(".a-unfinished-*/*/reading.safetensors")
    reading.write_bytes(reading.read_bytes()[:100])
    again, shown = asked(Rings(2), folder=tmp_path / "a")
    assert shown == cost
    assert same(again.extra, first.extra)


def test_instruments_of_ones_own_are_not_kept_since_their_code_may_change(tmp_path):
    found, _ = asked(Mine(), folder=tmp_path / "a")
    assert [reading.name for reading in found.extra] == ["mine"]
    assert not list(tmp_path.iterdir())
