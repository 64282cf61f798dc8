import json
from functools import partial

import pytest
import torch

from helpers import Memory, noise
from passband.attacks import FGSM, PGD, AutoAttack
from passband.errors import InputError
from passband.frequency.component import Low
from passband.instruments.attacks import UnderAttack
from passband.instruments.instrument import Subject
from passband.models.pixels import PixelModel
from passband.robustness.evaluate import attack_rows, evaluate_attack
from passband.robustness.plan import AttackPlan, concluded

DATA = noise(samples=40, size=(8, 8))
MODEL = PixelModel(Memory(DATA), name="memory")
SUBJECT = Subject(MODEL, DATA, "r", run_seed=3, indices=torch.tensor([5, 3, 9, 1]), seed=7, device="cpu")


def test_its_rows_are_those_of_the_plan():
    instrument = UnderAttack(PGD(steps=3), (0.1, 0.05), samples=3, sanity_samples=2)
    reading = SUBJECT.read(instrument)
    plan = AttackPlan(PGD(steps=3), (0.05, 0.1), samples=3, sanity_samples=2)
    how = {"seed": 7, "device": "cpu"}
    outcome = evaluate_attack(MODEL, DATA, plan.attack, plan.epsilons, indices=SUBJECT.indices[:3], **how)
    found = concluded(MODEL, DATA, plan, outcome, **how)
    assert list(reading.rows()) == list(attack_rows(found.outcome, DATA, run="r", seed=3))
    assert reading.attacked.outcome.samples.tolist() == [5, 3, 9]
    assert reading.attacked.findings == found.findings
    assert len(found.findings) == 5
    assert SUBJECT.read(UnderAttack(PGD(steps=3), (0.05, 0.1), 3, 2)) is reading  # equal, so it looks once


def test_its_settings_are_written():
    instrument = UnderAttack(FGSM(Low(2)), (8 / 255,))
    assert json.loads(json.dumps(instrument.to_dict())) == {
        "instrument": "attacks",
        "attack": {"name": "fgsm", "norm": "linf", "band": "lfc:2"},
        "epsilons": [8 / 255],
        "samples": None,
        "sanity_samples": 100,
    }


def test_it_costs_what_the_attack_does_and_no_more_than_its_samples():
    alone = partial(UnderAttack, sanity_samples=0)
    one, three = (alone(PGD(steps=20), epsilons).cost(10, (8, 8)) for epsilons in ((0.1,), (0.1, 0.2, 0.3)))
    assert one == (210, 10)
    assert one.gradients < three.gradients < 3 * one.gradients
    assert alone(FGSM(), (0.1, 0.2)).cost(10, (8, 8)) == (10, 30)
    assert alone(FGSM(), (0.1,), samples=4).cost(10, (8, 8)) == (4, 8)
    assert alone(AutoAttack(), (0.1, 0.2)).cost(10, (8, 8)) == (2 * 2_000, 2 * 5_000 + 10)


def test_its_checks_cost_more_steps_and_queries_of_no_more_samples_than_are_attacked():
    few = UnderAttack(PGD(steps=10), (0.1,), samples=4, sanity_samples=100)
    assert few.cost(10, (8, 8)) == (4 * 11 + 4 * (1 + 7 * 10 + 4), 4 + 4 * 300)
    assert UnderAttack(PGD(steps=10), (0.1,), sanity_samples=3).cost(10, (8, 8)).answers == 10 + 3 * 300


def test_what_cannot_be_run_is_refused_before():
    with pytest.raises(InputError, match="epsilon must be positive, got 0"):
        UnderAttack(epsilons=(0.0,))
    with pytest.raises(InputError, match="radius 7 is not below the corner"):
        UnderAttack(PGD(band=Low(7))).check(SUBJECT)
    UnderAttack(PGD(band=Low(2))).check(SUBJECT)
