from __future__ import annotations

import pytest

from passband.data.labeling import number_labels, one_order
from passband.errors import InputError


@pytest.mark.parametrize(
    ("stored", "names", "labels", "classes", "said"),
    [
        ([0, 2, 1], (), [0, 2, 1], ("0", "1", "2"), None),
        ([0, 2], ("a", "b", "c"), [0, 2], ("a", "b", "c"), None),
        ([0.0, 2.0, float("nan")], (), [0, 2, -1], ("0", "1", "2"), None),
        ([True, False], (), [1, 0], ("False", "True"), None),
        ([[1], [0], []], (), [1, 0, -1], ("0", "1"), None),
        ([[0, 1, 0], [1, 0, 0]], ("a", "b", "c"), [1, 0], ("a", "b", "c"), "Note: .*one-hot"),
        (
            [[0, 1, 0, 0], [0, 0, 1, 0]],
            (),
            [1, 2],
            ("0", "1", "2", "3"),
            "one-hot",
        ),  # they do not count from 1
        ([[0.0, 1.0], [1.0, 0.0]], (), [1, 0], ("0", "1"), "one-hot"),
        (["dog", "ant", None], (), [1, 0, -1], ("ant", "dog"), "Note: .* alphabetical order, 'ant', 'dog'"),
        ([b"dog", b"ant"], (), [1, 0], ("ant", "dog"), "alphabetical"),
        (["dog", "ant"], ("dog", "cat", "ant"), [0, 2], ("dog", "cat", "ant"), None),
        (["0", "10", "2"], tuple("abcdefghijk"), [0, 10, 2], tuple("abcdefghijk"), None),
        (
            ["2", "0", "3"],
            (),
            [2, 0, 3],
            ("0", "1", "2", "3"),
            None,
        ),  # not the third of three in the alphabet
        (
            ["900", "10000", "80"],
            (),
            [1, 2, 0],
            ("80", "900", "10000"),
            "Warning: .*order of numbers, '80', '900', '10000'. .*order of text, '10000', '80', '900'",
        ),
        (["10", *"0123456789"], (), [10, *range(10)], tuple(map(str, range(11))), "order of numbers"),
        ([1, 3, 2, 3], (), [0, 2, 1, 2], ("0", "1", "2"), "Warning: .* 1 to 3 and never 0, .*count from 1"),
        ([2, 1, -1], ("a", "b"), [1, 0, -1], ("a", "b"), "count from 1"),
        (["2", "1"], (), [1, 0], ("0", "1"), "count from 1"),
        (
            [1, 2],
            ("a", "b", "c"),
            [1, 2],
            ("a", "b", "c"),
            None,
        ),  # three names: class 0 only has no image here
        ([1, 3], (), [1, 3], ("0", "1", "2", "3"), "Warning: no image has the label 0"),
        ([-1, None], (), [-1, -1], (), None),
    ],
)
def test_kinds_of_labels(stored, names, labels, classes, said):
    found = number_labels(stored, "labels", names)
    assert (found.labels.tolist(), found.classes) == (labels, classes)
    if said is None:
        assert not found.notices
    else:
        assert len(found.notices) == 1
        with pytest.raises(ValueError, match=said):
            raise ValueError(str(found.notices[0]))


def test_other_subsets_say_what_classes_there_are():
    assert number_labels(["dog"], "labels", others=["cat", "ant"]).classes == ("ant", "cat", "dog")
    assert number_labels([1, 2], "labels", others=[0, 3]).labels.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("stored", "names", "message"),
    [
        ([0.5, 1], (), "whole numbers, the classes, got 0.5"),
        ([float("inf")], (), "got inf"),
        ([[0, 1, 1]], (), "one class a sample, got lists of 3 values that are not one-hot"),
        ([[0.2, 0.8]], (), "probabilities"),
        ([[0, 1, 0]], ("a", "b"), "of 3 classes, and 2 have names"),
        ([[1], [1, 2]], (), "lists of 1, 2 values"),
        ([0, "dog"], (), "got number and text"),
        ([{"a": 1}], (), "got a dict"),
        ([10**12], (), "below 100,000, got 1,000,000,000,000"),
        (["dog"], ("ant", "bee"), "'dog' is none of 'ant', 'bee'"),
        (["crane"], ("crane", "bee", "crane"), "'crane' is the name of several"),
    ],
)
def test_what_is_no_class_is_refused(stored, names, message):
    with pytest.raises(InputError, match=message):
        number_labels(stored, "labels", names)


def test_one_order_of_several():
    assert one_order([("a", ()), ("b", ("x", "y"))]) == (("x", "y"), False)
    assert one_order([("a", ("y",)), ("b", ("x", "y"))]) == (("x", "y"), True)
    assert one_order([("a", ("x", "x")), ("b", ("x", "x"))]) == (("x", "x"), False)
    with pytest.raises(InputError, match=r"b has 'z', which a lacks"):
        one_order([("a", ("x", "y")), ("b", ("x", "z"))])
    with pytest.raises(InputError, match=r"'x' is the name of several"):
        one_order([("a", ("x", "y", "x")), ("b", ("y", "x", "x"))])
