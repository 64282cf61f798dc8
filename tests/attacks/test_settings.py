import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from passband.attacks import Attack, Band
from passband.attacks.settings import bound, check_epsilon
from passband.errors import InputError, UnknownNameError

bands = st.builds(Band, st.sampled_from(["low", "high"]), st.floats(0, 100))
attacks = st.one_of(
    st.builds(Attack, st.just("fgsm"), band=st.none() | bands),
    st.builds(Attack, st.just("autoattack"), st.sampled_from(["linf", "l2"])),
    st.builds(
        Attack,
        st.just("pgd"),
        st.sampled_from(["linf", "l2"]),
        steps=st.integers(1, 200),
        step_share=st.none() | st.floats(0.001, 2),
        restarts=st.integers(1, 20),
        band=st.none() | bands,
    ),
    st.builds(Attack, steps=st.integers(1, 9), random_start=st.just(False)),
)


@given(bands)
def test_a_band_is_read_as_it_is_written(band):
    assert Band.parse(str(band)) == band


@given(attacks)
def test_an_attack_is_read_as_it_is_written(attack):
    assert Attack.from_dict(json.loads(json.dumps(attack.to_dict()))) == attack
    assert attack.resolved().resolved() == attack.resolved()
    assert attack.resolved().label == attack.label
    assert hash(attack) == hash(Attack.from_dict(attack.to_dict()))


@given(attacks, attacks)
def test_attacks_of_one_norm_with_the_same_label_are_the_same(first, second):
    if first.norm == second.norm and first.label == second.label:
        assert first.resolved() == second.resolved()


@pytest.mark.parametrize(
    ("attack", "label"),
    [
        (Attack("fgsm"), "FGSM"),
        (Attack("fgsm", band=Band("high", 4)), "FGSM on high:4"),
        (Attack(), "PGD-20"),
        (Attack(steps=40, band=Band("low", 8)), "PGD-40 on low:8"),
        (Attack(steps=10, step_share=0.25), "PGD-10"),
        (Attack(steps=10, step_share=0.1, restarts=5), "PGD-10, step 0.1, 5 starts"),
        (Attack(random_start=False), "PGD-20, from the image"),
        (Attack("autoattack", "l2"), "AutoAttack"),
    ],
)
def test_labels(attack, label):
    assert attack.label == label


def test_what_an_attack_does_not_use_makes_no_difference():
    assert Attack("fgsm", steps=7, restarts=2, random_start=False).resolved() == Attack("fgsm").resolved()
    assert Attack("autoattack", step_share=0.1).resolved() == Attack("autoattack").resolved()
    assert Attack(steps=10).resolved() == Attack(steps=10, step_share=0.25).resolved()


def test_a_band_keeps_its_frequencies_and_no_others():
    change = torch.rand(2, 3, 12, 10)
    low, high = Band("low", 3).project(change), Band("high", 3).project(change)
    torch.testing.assert_close(low + high, change)
    torch.testing.assert_close(Band("low", 3).project(high), torch.zeros_like(high), rtol=0, atol=1e-6)
    torch.testing.assert_close(Band("high", 3).project(high), high, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"name": "bim"}, UnknownNameError, "no attack named 'bim'"),
        ({"norm": "l1"}, UnknownNameError, "no norm named 'l1'"),
        ({"steps": 0}, InputError, "steps must be a whole number of at least 1, got 0"),
        ({"steps": 2.5}, InputError, "steps must be a whole number of at least 1, got 2.5"),
        ({"restarts": True}, InputError, "restarts must be a whole number of at least 1, got True"),
        ({"step_share": 0}, InputError, "step_share is a share of epsilon and must be positive, got 0"),
        ({"step_share": math.inf}, InputError, "step_share .* got inf"),
        ({"step_share": "0.1"}, InputError, "step_share .* got '0.1'"),
        ({"random_start": 1}, InputError, "random_start must be true or false, got 1"),
        ({"band": "low-8"}, InputError, "a band is written low:RADIUS"),
        ({"band": 8}, InputError, "band must be a Band, such as Band.parse"),
        ({"name": "fgsm", "norm": "l2"}, InputError, "FGSM is an attack in linf, got the norm 'l2'"),
        (
            {"name": "autoattack", "band": "low:8"},
            InputError,
            "AutoAttack cannot be held to the band 'low:8'",
        ),
        ({"restarts": 3, "random_start": False}, InputError, "3 restarts without a random start"),
        ({"stepsize": 1}, UnknownNameError, "no setting of an attack named 'stepsize'"),
    ],
)
def test_impossible_attacks_are_refused(values, error, message):
    with pytest.raises(error, match=message):
        Attack.from_dict(values)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("text", ["low", "low:", "low:x", "low:-1", "low:nan", "low:inf", "mid:3", ""])
def test_what_is_no_band_is_refused(text):
    with pytest.raises(InputError, match="a band is written low:RADIUS or high:RADIUS, such as low:8"):
        Band.parse(text)
    kind, _, radius = text.partition(":")
    with pytest.raises(InputError):
        Band(kind, {"-1": -1, "nan": math.nan, "inf": math.inf, "3": 3}.get(radius, radius))


@pytest.mark.parametrize(("kind", "left"), [("low", "every perturbation"), ("high", "no perturbation")])
def test_a_band_past_the_corner_is_refused(kind, left):
    Band(kind, 7.8).check((12, 10))  # the corner is at the square root of 61, 7.81
    with pytest.raises(
        InputError, match=f"'{kind}:8' is not below the corner .* at 7.8 for images of 12x10 .* {left}"
    ):
        Band(kind, 8).check((12, 10))


def test_epsilon_reaches_as_far_as_images_are_apart():
    for norm, farthest in (("linf", 1), ("l2", math.sqrt(12))):
        check_epsilon(0, norm, 12)
        check_epsilon(farthest, norm, 12)
        check_epsilon(torch.tensor(farthest, dtype=torch.float32).item(), norm, 12)
        with pytest.raises(
            InputError, match=f"epsilon must be at most {farthest:g} in {norm}.*write 8/255, not 8"
        ):
            check_epsilon(8, norm, 12)
    for impossible in (-0.1, math.nan, math.inf):
        with pytest.raises(InputError, match="epsilon must be 0 or positive"):
            check_epsilon(impossible, "l2", 12)


@pytest.mark.parametrize(
    ("epsilon", "text"),
    [
        (8 / 255, "8/255"),
        (1 / 255, "1/255"),
        (0.03, "0.03"),
        (0.2, "0.2"),
        (1.0, "1"),
        (0.5, "0.5"),
        (0.0123456, "0.01235"),
    ],
)
def test_an_epsilon_is_written_as_people_write_it(epsilon, text):
    assert bound(epsilon) == text
