from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import passband as pb
from helpers import Constant, Memory, noise
from passband.errors import InputError
from passband.models.class_mapping import fitted, match_classes
from passband.models.imagenet import imagenet_names, torchvision_names

PETS = ("ant", "bee", "cat", "dog")
DATA = replace(noise(samples=40), classes=PETS)


def named(classes, data=DATA) -> pb.PixelModel:
    """Return a network that is right on `data`, and calls its outputs so."""
    return pb.PixelModel(Memory(data), name="pets", classes=classes)


def called(classes):
    return replace(DATA, classes=tuple(classes))


def in_order(order):
    """Return the same images, whose classes are listed in another order."""
    labels = torch.argsort(torch.tensor(order))[DATA.labels]
    return replace(DATA, labels=labels, classes=tuple(PETS[i] for i in order))


@settings(max_examples=8)
@given(st.permutations(range(4)))
def test_classes_in_another_order_are_found_by_name(order):
    data = in_order(order)
    found = pb.audit(named(PETS), data, radii=[3], ceiling_samples=0).card
    assert found.clean.accuracy.value == 1
    if list(order) == sorted(order):
        assert found.notices == ()
        assert found.model.class_outputs is None
    else:
        assert found.model.class_outputs == tuple(order)
        assert "matched with the classes of noise by name" in found.notices[0].message
        assert not found.notices[0].warning


def test_attacks_components_and_rows_are_of_the_same_answers():
    data = in_order([3, 1, 0, 2])
    model = named(PETS)
    attacked = pb.evaluate_attack(model, data, pb.PGD(steps=1), [0.01])
    assert attacked.correct.all()
    rows = pb.evaluate_components(model, data, [3])
    whole = rows.filter(rows["component"] == "full", rows["metric"] == "accuracy", rows["class"].is_null())
    assert whole["value"].item() == 1


def test_a_part_of_the_outputs_is_found_by_name():
    few = replace(DATA.take(DATA.labels < 2), classes=("BEE", "Ant"))
    few = replace(few, labels=1 - few.labels)
    found = pb.audit(named(PETS), few, radii=[3], ceiling_samples=0).card
    assert found.clean.accuracy.value == 1
    assert found.model.class_outputs == (1, 0)
    assert "The outputs of pets, 2 of 4, are matched" in found.notices[0].message


def test_what_the_user_chose_is_not_changed_but_doubted():
    model = named(PETS)
    model.chosen_by_user = True
    doubted = fitted(model, called(["dog", "bee", "cat", "ant"]))
    assert doubted.outputs is None
    assert "as --class-indices says: 'dog' is answered by 'ant'; 'ant' is" in doubted.notices[0].message


def test_names_that_have_nothing_in_common_are_a_warning():
    """Clothes on digits: as many classes, and no reason to believe them the same."""
    model = fitted(named(PETS), called("0123"))
    assert model.outputs is None
    (notice,) = model.notices
    assert notice.warning
    assert "'0' is answered by 'ant'" in notice.message
    assert "Is noise what pets was trained for?" in notice.message


def test_some_other_names_in_the_same_order_are_a_warning():
    (notice,) = fitted(named(PETS), called(["ant", "bee", "kitten", "dog"])).notices
    assert notice.message == (
        "pets and noise name their classes otherwise; they are taken by position: 'kitten' is answered by 'cat'."
    )


def test_some_other_names_in_another_order_are_refused_with_what_to_give():
    with pytest.raises(InputError, match=r"no output of their name: kitten\..*--class-indices 3,1,\?,0"):
        fitted(named(PETS), called(["dog", "bee", "kitten", "ant"]))


def test_names_unknown_or_equal_leave_a_model_alone():
    for model, data in (
        (pb.PixelModel(Memory(DATA), name="pets"), DATA),
        (named(PETS), called(["Ant", "bee", "CAT", "dog"])),
    ):
        assert fitted(model, data) is model


def test_fitting_twice_is_fitting_once():
    data = in_order([2, 0, 1, 3])
    once = fitted(named(PETS), data)
    assert fitted(once, data) is once
    assert fitted(once, DATA).outputs.tolist() == [0, 1, 2, 3]


def test_a_fitted_model_moves_and_shares_its_network():
    model = named(PETS)
    other = fitted(model, in_order([1, 0, 2, 3]))
    assert other.body is model.body
    assert model.outputs is None
    assert model.classes == PETS
    assert other.classes == ("bee", "ant", "cat", "dog")


def test_imagenet_by_every_librarys_names():
    timm = pytest.importorskip("timm")
    names, info = imagenet_names(timm, 1000), timm.data.ImageNetInfo()
    spelled = {
        "torchvision's": [name for (name,) in torchvision_names()],
        "the first noun": [group[0] for group in names],
        "all nouns": [info.label_name_to_description(synset) for synset in info.label_names()],
        "WordNet's ids": info.label_names(),
        "with underscores": [group[0].replace(" ", "_").replace("/", "_") for group in names],
    }
    for how, classes in spelled.items():
        found = match_classes(names, classes)
        assert found.outputs == tuple(range(1000)), how
        twice = {i for i, name in enumerate(classes) if classes.count(name) > 1}
        assert set(found.by_order) <= twice, how
        sorted_classes = sorted(set(classes))
        found = match_classes(names, sorted_classes)
        known = {name: index for index, name in enumerate(classes)}
        assert all(
            output == known[name]
            for name, output in zip(sorted_classes, found.outputs, strict=True)
            if classes.count(name) == 1
        ), how


def test_folders_of_two_classes_of_one_name_are_told_apart_by_their_number():
    found = match_classes([("crane",), ("dog",), ("crane",)], ["crane", "crane_2", "dog"])
    assert found.outputs == (0, 2, 1)
    assert found.by_order == (0, 1)


def test_capitals_tell_classes_apart_where_nothing_else_does():
    """ImageNet has a Cardigan, which is a dog, and a cardigan."""
    names = ("Cardigan", "bee", "cardigan", "dog")
    assert fitted(named(names), called(["cardigan", "bee", "Cardigan", "dog"])).outputs.tolist() == [
        2,
        1,
        0,
        3,
    ]
    assert fitted(named(names), called(names)).outputs is None


def test_one_output_is_not_given_to_two_classes():
    assert match_classes([("cat",), ("dog",)], ["cat", "Cat"]).outputs == (None, None)


def test_another_number_of_classes_is_refused_with_the_classes_found():
    few = replace(DATA.take(DATA.labels < 3), classes=("red", "green", "blue"))
    with pytest.raises(
        InputError, match=r"pets has 4 outputs \(ant, bee, .* and noise 3 classes: red \(\d+\), green"
    ):
        pb.audit(named(PETS), few, ceiling_samples=0)


def test_imagenets_names_under_a_network_without_names_say_which_outputs_to_choose():
    model = pb.PixelModel(Constant(0, 1000), name="exported")
    data = replace(noise(classes=2), classes=("English_springer", "tench"))
    with pytest.raises(
        InputError, match=r"if the outputs are in ImageNet's order, give --class-indices 217,0\."
    ):
        pb.audit(model, data, ceiling_samples=0)
