from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passband.errors import InputError
from passband.models.class_indices import choose_outputs

NAMES = [
    ("tench", "Tinca tinca", "n01440764"),
    ("crane", "n02012849"),
    ("crane", "n03126707"),
    ("English springer",),
]


def pick(chosen, names=NAMES):
    return choose_outputs(chosen, count=4, names=names, model="net")


def test_indices_and_names_in_any_mixture():
    assert pick("0,3") == [0, 3]
    assert pick([3, 0]) == [3, 0]
    assert pick("english SPRINGER, tinca tinca") == [3, 0]
    assert pick(["n03126707", 1, "3"]) == [2, 1, 3]


@given(st.lists(st.integers(0, 3), min_size=2, unique=True))
def test_order_is_kept(indices):
    assert pick(indices) == indices
    assert pick(",".join(map(str, indices)), names=None) == indices


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("0,4", "class indices must lie between 0 and 3 for net, got 4"),
        ([-1, 0], "class indices must lie between 0 and 3 for net, got -1"),
        ("tensh,0", "no output of net is called 'tensh'. Nearest: tench"),
        ("zzz,0", "no output of net is called 'zzz'. An index from 0 to 3"),
        ("crane,0", r"several outputs of net; give the index of one \(1: crane, n02012849; 2: crane"),
        ("0,tench", "pick output 0 of net twice"),
        ("0", "at least two outputs of net, got 1"),
        ([], "at least two outputs of net, got 0"),
        ("", "no output of net is called ''"),
    ],
)
def test_bad_choices_are_refused(chosen, message):
    with pytest.raises(InputError, match=message):
        pick(chosen)


def test_names_of_a_model_without_names():
    with pytest.raises(
        InputError, match="names of the outputs of net are not known, so 'tench' cannot be found"
    ):
        pick("tench,0", names=None)
