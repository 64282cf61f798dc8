import inspect
import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from helpers import Memory, noise
from passband.attacks import FGSM, PGD, Attack, AutoAttack, autoattack, fgsm, pgd
from passband.attacks.catalog import ATTACKS
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import FULL, KINDS, Component, Full, High, Low, checked_radius
from passband.randomness import generator_for

norms = st.sampled_from(["linf", "l2"])
radii = st.floats(0, 100)
bands = st.none() | st.builds("{}:{}".format, st.sampled_from(["lfc", "hfc"]), radii)
settings = st.one_of(
    st.fixed_dictionaries({"name": st.just("fgsm"), "band": bands}),
    st.fixed_dictionaries({"name": st.just("autoattack"), "norm": norms}),
    st.fixed_dictionaries(
        {
            "name": st.just("pgd"),
            "norm": norms,
            "steps": st.integers(1, 200),
            "step_share": st.none() | st.floats(0.001, 2),
            "restarts": st.integers(1, 20),
            "band": bands,
        }
    ),
    st.fixed_dictionaries({"steps": st.integers(1, 9), "random_start": st.just(False)}),
)
DATA = noise(samples=12, size=(8, 8))
MODEL = Memory(DATA)
IMAGES = DATA.images.float() / 255

EXAMPLES = [
    (FGSM(), "FGSM"),
    (FGSM(High(2)), "FGSM on hfc:2"),
    (PGD(), "PGD-20"),
    (PGD(steps=40, band=Low(3)), "PGD-40 on lfc:3"),
    (PGD(steps=10, step_share=0.25), "PGD-10"),
    (PGD("l2", steps=10, step_share=0.1, restarts=5), "PGD-10, step 0.1, 5 starts"),
    (PGD(random_start=False), "PGD-20, from the image"),
    (AutoAttack("l2"), "AutoAttack"),
    (AutoAttack(), "AutoAttack"),
]


@given(settings)
def test_an_attack_is_read_as_it_is_written(settings):
    attack = Attack.from_dict(settings)
    again = Attack.from_dict(json.loads(json.dumps(attack.to_dict())))
    assert again == attack
    assert hash(again) == hash(attack)
    assert attack.resolved().resolved() == attack.resolved()
    assert attack.resolved().label == attack.label


@given(settings, settings)
def test_attacks_of_one_norm_with_the_same_label_are_the_same(one, other):
    first, second = Attack.from_dict(one), Attack.from_dict(other)
    if first.norm == second.norm and first.label == second.label:
        assert first.resolved() == second.resolved()


@pytest.mark.parametrize(("attack", "label"), EXAMPLES, ids=str)
def test_every_attack_keeps_to_the_interface(attack, label):
    assert attack.label == label
    assert ATTACKS[attack.name] is type(attack)
    assert attack.norm in attack.norms
    assert attack.iterated.norm == attack.norm
    assert attack.iterated.band == attack.band
    assert attack.unconfined().band is None
    assert attack.effort.gradients >= 1
    assert (attack.ascent is None) == isinstance(attack, AutoAttack)
    epsilon = 0.5 if attack.norm == "linf" else 5.0
    adversarial = attack.run(MODEL, IMAGES, DATA.labels, epsilon, seed=1)
    assert torch.equal(adversarial, attack.run(MODEL, IMAGES, DATA.labels, epsilon, seed=1))
    change = (adversarial - IMAGES).flatten(1)
    size = change.abs().amax(1) if attack.norm == "linf" else change.norm(dim=1)
    assert 0 < size.max() <= epsilon + 1e-5
    if attack.ascent is not None:
        assert torch.equal(attack.ascent.run(MODEL, IMAGES, DATA.labels, epsilon, seed=1), adversarial)


def test_all_attacks_of_the_catalog_are_among_the_examples():
    assert {type(attack) for attack, _ in EXAMPLES} == set(ATTACKS.values())
    assert all(not inspect.isabstract(kind) and kind.__doc__ for kind in ATTACKS.values())


def test_objects_and_functions_are_the_same_attacks():
    labels = DATA.labels
    run = FGSM(Low(3)).run(MODEL, IMAGES, labels, 0.1)
    assert torch.equal(run, fgsm(MODEL, IMAGES, labels, 0.1, band=Low(3)))
    run = PGD("l2", steps=3, step_share=0.5, restarts=2).run(MODEL, IMAGES, labels, 0.1, seed=4)
    draws = generator_for(4, "attack")
    settings = {"norm": "l2", "steps": 3, "step_size": 0.05, "restarts": 2}
    assert torch.equal(run, pgd(MODEL, IMAGES, labels, 0.1, generator=draws, **settings))
    run = AutoAttack().run(MODEL, IMAGES, labels, 0.5, seed=2)
    assert torch.equal(run, autoattack(MODEL, IMAGES, labels, 0.5, seed=2))


def test_each_image_may_have_an_epsilon_of_its_own():
    epsilons = torch.linspace(0, 0.1, len(IMAGES))
    moved = PGD(steps=2).run(MODEL, IMAGES, DATA.labels, epsilons) - IMAGES
    assert (moved.flatten(1).abs().amax(1) <= epsilons + 1e-6).all()
    assert torch.equal(moved[0], torch.zeros_like(moved[0]))


def test_equal_attacks_become_equal():
    assert PGD(steps=10).resolved() == PGD(steps=10, step_share=0.25).resolved()
    assert PGD(steps=10) != PGD(steps=10, step_share=0.25)
    assert replace(PGD(steps=10), steps=5).share == 0.5  # not that of ten steps


@pytest.mark.parametrize(
    ("settings", "attack"),
    [
        ({"name": "fgsm", "norm": "linf", "band": None}, FGSM()),
        ({"name": "fgsm", "norm": "linf", "band": "low:8"}, FGSM(Low(8))),
        ({"name": "pgd", "norm": "l2", "step_share": 0.125, "band": "high:4.5"}, PGD("l2", step_share=0.125, band=High(4.5))),
        ({"name": "autoattack", "norm": "l2", "band": None}, AutoAttack("l2")),
        ({"norm": "l2"}, PGD("l2")),
    ],
    ids=str,
)  # fmt: skip
def test_settings_of_version_0_1_are_still_read(settings, attack):
    unused = {"steps": 20, "step_share": None, "restarts": 1, "random_start": True}
    assert Attack.from_dict(unused | settings) == attack


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"name": "bim"}, UnknownNameError, "no attack named 'bim'"),
        ({"norm": "l1"}, UnknownNameError, "no norm named 'l1'"),
        ({"name": "autoattack", "norm": "l1"}, UnknownNameError, "no norm named 'l1'"),
        ({"steps": 0}, InputError, "steps must be a whole number of at least 1, got 0"),
        ({"steps": 2.5}, InputError, "steps must be a whole number of at least 1, got 2.5"),
        ({"restarts": True}, InputError, "restarts must be a whole number of at least 1, got True"),
        ({"step_share": 0}, InputError, "step_share is a share of epsilon and must be positive, got 0"),
        ({"step_share": math.inf}, InputError, "step_share .* got inf"),
        ({"step_share": "0.1"}, InputError, "step_share .* got '0.1'"),
        ({"step_share": True}, InputError, "step_share .* got True"),
        ({"random_start": 1}, InputError, "random_start must be true or false, got 1"),
        ({"band": "low-8"}, UnknownNameError, "no component named 'low-8'"),
        ({"band": "lfc:x"}, InputError, "written lfc:RADIUS, such as lfc:8, got 'lfc:x'"),
        ({"band": 8}, InputError, r"a band is a component, such as Low\(8\)"),
        ({"band": "full"}, InputError, "a perturbation cannot be held to 'full'.* such as lfc:8 or hfc:8"),
        ({"name": "fgsm", "norm": "l2"}, InputError, "FGSM takes no norm but linf, got 'l2'. Choose PGD"),
        ({"name": "fgsm", "steps": 7}, InputError, "FGSM takes no steps but 20, got '7'"),
        ({"name": "fgsm", "band": "full"}, InputError, "a perturbation cannot be held to 'full'"),
        ({"name": "autoattack", "band": "low:8"}, InputError, "AutoAttack takes no band, got 'lfc:8'"),
        ({"restarts": 3, "random_start": False}, InputError, "3 restarts without a random start"),
        ({"stepsize": 1}, UnknownNameError, "no setting of an attack named 'stepsize'"),
    ],
)  # fmt: skip
def test_impossible_attacks_are_refused(values, error, message):
    with pytest.raises(error, match=message):
        Attack.from_dict(values)


def test_unknown_attacks_are_refused():
    with pytest.raises(UnknownNameError, match="no attack named 'pdg'. Did you mean 'pgd'?"):
        ATTACKS.find("pdg")


class Ring(Component):
    """Frequencies between two radii: what no attack knows of."""

    kind = "ring"
    form = "ring:INNER-OUTER"

    def __init__(self, inner: float, outer: float) -> None:
        self.inner, self.outer = checked_radius(inner), checked_radius(outer)

    def __str__(self) -> str:
        return f"ring:{self.inner:g}-{self.outer:g}"

    @property
    def radii(self):
        return self.inner, self.outer

    def make(self, images, splits):
        return splits[self.outer][0] - splits[self.inner][0]

    @classmethod
    def read(cls, text):
        return cls(*map(float, text.split("-")))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_any_part_of_the_frequencies_serves_as_a_band(monkeypatch, norm):
    monkeypatch.setitem(KINDS, "ring", Ring)
    attack = Attack.from_dict({"name": "pgd", "norm": norm, "steps": 3, "band": "ring:1-3"})
    assert attack.label == "PGD-3 on ring:1-3"
    gray = torch.full_like(IMAGES, 0.5)  # nothing is cut off at 0 or 1
    change = attack.run(MODEL, gray, DATA.labels, 0.05) - gray
    assert change.flatten(1).norm(dim=1).min() > 0
    torch.testing.assert_close(Ring(1, 3).of(change), change, rtol=0, atol=1e-6)


class Nonlinear(Full):
    """What no split at a radius makes."""

    kind = "rank"


@pytest.mark.parametrize("band", [FULL, Nonlinear()], ids=["full", "rank"])
def test_what_is_no_part_of_the_frequencies_is_no_band(band):
    for make in (
        lambda: FGSM(band),
        lambda: PGD(band=band),
        lambda: fgsm(MODEL, IMAGES, DATA.labels, 0.1, band=band),
    ):
        with pytest.raises(InputError, match=f"a perturbation cannot be held to '{band}'"):
            make()


class Detached(Memory):
    """A model that cuts its gradient off."""

    def forward(self, images):
        return super().forward(images).detach()


@pytest.mark.parametrize(
    ("attack", "model", "data", "message"),
    [
        (FGSM(), Detached(DATA), DATA, "no gradient with respect to its images"),
        (AutoAttack(), Detached(DATA), DATA, "no gradient with respect to its images"),
        (PGD(band=Low(20)), MODEL, DATA, "radius 20 is not below the corner"),
        (AutoAttack(), Memory(noise(classes=3)), noise(classes=3), "AutoAttack needs a model of at least 4 classes, got 3"),
        (AutoAttack("l2"), Memory(noise(size=(12, 12))), noise(size=(12, 12)), "cannot cut images of 12x12"),
    ],
    ids=["fgsm-gradient", "autoattack-gradient", "band", "classes", "tiles"],
)  # fmt: skip
def test_what_an_attack_cannot_run_on_is_refused_before(attack: Attack, model: nn.Module, data, message):
    images = data.images.float() / 255
    PGD().check(MODEL, IMAGES[:1], DATA.labels[:1])
    with pytest.raises(InputError, match=message):
        attack.check(model, images[:1], data.labels[:1])
