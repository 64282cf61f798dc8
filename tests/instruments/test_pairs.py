from dataclasses import replace

import pytest
import torch

import reference
from helpers import Constant, Memory, noise
from passband.instruments.pairs import defined_low_pass, find_pairs, verify
from passband.models.pixels import as_pixel_model

DATA = noise(30, size=(12, 10))
MODEL = as_pixel_model(Memory(DATA))


def test_pairs_are_what_the_definition_says():
    pairs = find_pairs(MODEL, DATA, 3, device="cpu")
    images = DATA.images.double() / 255
    for index, image in enumerate(images):
        low = torch.stack([torch.from_numpy(reference.low(plane.numpy(), 3)) for plane in image]).clamp(0, 1)
        torch.testing.assert_close(defined_low_pass(image.float(), 3).clamp(0, 1), low, rtol=0, atol=1e-6)
        change = (low - image).flatten()
        assert pairs.distance["l2"][index].item() == pytest.approx(change.norm().item(), abs=1e-5)
        assert pairs.distance["linf"][index].item() == pytest.approx(change.abs().max().item(), abs=1e-6)
        answers = MODEL(torch.stack([image, low]).float()).argmax(1)
        assert [pairs.whole[index], pairs.low[index]] == answers.tolist()
    assert pairs.differ.any()
    assert not pairs.differ.all()


def test_every_pair_found_is_verified():
    pairs = find_pairs(MODEL, DATA, 3, device="cpu")
    verified = verify(MODEL, DATA, 3, pairs, device="cpu")
    assert len(verified) == pairs.differ.sum()
    assert verified.all()


def test_a_wrong_distance_or_answer_or_radius_is_not_verified():
    pairs = find_pairs(MODEL, DATA, 3, device="cpu")
    for norm in ("l2", "linf"):
        nearer = pairs.distance | {norm: pairs.distance[norm] * 0.98}
        assert not verify(MODEL, DATA, 3, replace(pairs, distance=nearer), device="cpu").any()
    claimed = replace(pairs, low=(pairs.whole + 1) % 4)  # where the two answers are really the same
    same = ~pairs.differ
    assert not verify(MODEL, DATA, 3, claimed, device="cpu")[same[claimed.differ]].any()
    assert not verify(MODEL, DATA, 2, pairs, device="cpu").any()


def test_a_network_that_always_answers_the_same_has_no_pairs():
    model = as_pixel_model(Constant(1, 4))
    pairs = find_pairs(model, DATA, 3, device="cpu")
    assert not pairs.differ.any()
    assert len(verify(model, DATA, 3, pairs, device="cpu")) == 0
