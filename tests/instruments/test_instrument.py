"""Subjects and instruments, whatever is measured."""

import json

import pytest
import torch

from helpers import Constant, noise, subject
from passband.frequency.component import High
from passband.instruments.catalog import INSTRUMENTS, instruments
from passband.instruments.components import ComponentAccuracy, default_radii
from passband.instruments.favorite_answer import FavoriteAnswer
from passband.instruments.flips import Flips
from passband.instruments.instrument import Cost
from passband.instruments.kernels import KernelRoughness
from passband.instruments.pairs import LowPassCounterexamples

DATA = noise()


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_instrument_says_what_it_is_and_what_it_costs(name):
    instrument = INSTRUMENTS[name]()
    assert instrument.name == name
    assert instrument.summary
    assert min(instrument.cost(100, (12, 10))) >= 0
    settings = json.loads(json.dumps(instrument.to_dict()))
    assert settings["instrument"] == name
    assert {instrument: 1}[INSTRUMENTS[name]()] == 1  # equal ones are one


def test_names_are_those_of_the_catalog():
    assert instruments() == list(INSTRUMENTS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LowPassCounterexamples((4, 8)), LowPassCounterexamples((4.0, 8.0))),
        (Flips((4,)), Flips((4.0,))),
        (KernelRoughness((0, 1)), KernelRoughness((0.0, 1.0))),
    ],
)
def test_equal_settings_are_written_alike_since_ids_follow_from_what_is_written(one, other):
    assert one == other
    assert json.dumps(one.to_dict()) == json.dumps(other.to_dict())


def test_components_are_written_as_text():
    written = ComponentAccuracy((High(4.5),), "raw").to_dict()
    assert written == {
        "instrument": "components",
        "components": ["hfc:4.5"],
        "amplitude": "raw",
        "precision": None,
    }


class Counting(Constant):
    """Counts the images that it is shown."""

    shown = 0

    def forward(self, images):
        self.shown += len(images)
        return super().forward(images)


def test_a_subject_is_asked_once_whatever_builds_on_its_answers_and_however_defaults_are_written():
    counting = Counting(0, 4)
    who = subject(counting, DATA)
    answers = who.read(ComponentAccuracy())
    asked = counting.shown
    assert who.read(ComponentAccuracy(answers.shown)) is answers
    assert who.read(Flips()).answers is answers
    assert who.read(Flips(tuple(default_radii(DATA.size)))) is who.read(Flips())
    assert who.at(who.samples).read(FavoriteAnswer()).answers is answers
    assert counting.shown == asked
    fewer = who.at(who.samples[:3])
    assert len(fewer.read(ComponentAccuracy()).samples) == 3


def test_fewer_samples_that_the_seed_draws_are_a_part_of_more():
    who = subject(Constant(0, 4), DATA, seed=3)
    assert sorted(who.draw(None).tolist()) == list(range(40))
    assert who.draw(5).tolist() == who.draw(None)[:5].tolist() != list(range(5))
    few = who.at(torch.tensor([7, 3, 9]))
    assert set(few.draw(2).tolist()) < {7, 3, 9}


def test_a_subject_is_looked_at_once_and_fewer_samples_are_another_subject():
    who = subject(Constant(0, 4), DATA)
    first = who.read(ComponentAccuracy(()))
    assert who.read(ComponentAccuracy(())) is first
    assert who.at(torch.tensor([1, 2])).read(ComponentAccuracy(())).samples.tolist() == [1, 2]


def test_costs_are_gradients_and_answers():
    assert ComponentAccuracy((High(4),)).cost(10, (32, 32)) == Cost(answers=20)
