import numpy as np
import polars as pl
import pytest

from made_up import answered, rows_of
from passband.analysis.contrast import Contrast, Term, above_chance, accuracy
from passband.analysis.evidence import estimate
from passband.analysis.lookup import NotMeasured, number_of, seeds_of, values_of
from passband.errors import InputError
from passband.frequency.component import High

ROWS = rows_of({"a test": [0.1, 0.2, 0.3, 0.5], "b test": 0.2})
MANY = rows_of({
    "a test": 0.5, "a robust FGSM 0.03 rho 0": 0.4, "a robust FGSM 0.03 rho 1": 0.3,
    "a robust FGSM 0.03 rho 1 normalized": 0.2, "a robust FGSM 0.06 rho 1": 0.1, "a robust PGD-20 0.03 rho 0": 0.35,
    "a robust PGD-20 8/255": 0.15, "a counterexamples 4": 0.25, "a roughness rho 0": 0.6,
})  # fmt: skip


@pytest.mark.parametrize(
    ("term", "value"),
    [
        (Term("a"), 0.5),
        (Term("a", shown=None, metric="robust-accuracy", attack="FGSM", epsilon=0.03, norm="linf", rho=0.0,
              normalized=False), 0.4),
        (Term("a", shown=None, metric="robust-accuracy", attack="FGSM", epsilon=0.03, norm="linf", rho=1.0,
              normalized=True), 0.2),
        (Term("a", shown=None, metric="robust-accuracy", attack="FGSM", epsilon=0.06, norm="linf", rho=1.0,
              normalized=False), 0.1),
        (Term("a", shown=None, metric="robust-accuracy", attack="PGD-20", epsilon=8 / 255, norm="linf"), 0.15),
        (Term("a", "test", "lfc:4", "counterexamples"), 0.25),
        (Term("a", None, None, metric="roughness", rho=0.0, normalized=False), 0.6),
    ],
)  # fmt: skip
def test_a_term_finds_the_one_row_that_has_what_it_says_and_nothing_else(term, value):
    assert number_of(MANY, term, 0).value == pytest.approx(value)


def test_an_empty_cell_is_matched_by_an_empty_cell_only():
    unsmoothed = Term("a", shown=None, metric="robust-accuracy", attack="FGSM", epsilon=0.03, norm="linf")
    with pytest.raises(
        NotMeasured, match="a has no robust-accuracy of test images under FGSM at epsilon 0.03"
    ):
        number_of(MANY, unsmoothed, 0)
    normalized = Term("a", None, None, metric="roughness", rho=0.0, normalized=True)
    with pytest.raises(NotMeasured, match="a has no roughness with rho 0, normalized"):
        number_of(MANY, normalized, 0)


def test_two_rows_where_one_is_meant_are_refused():
    twice = pl.concat([MANY, MANY])
    with pytest.raises(InputError, match="several rows of counterexamples on lfc:4 of test images"):
        number_of(twice, Term("a", "test", "lfc:4", "counterexamples"), 0)


def test_what_was_not_measured_is_named():
    with pytest.raises(NotMeasured, match="b has no accuracy on hfc:4 of test images"):
        estimate(ROWS, accuracy("b", component=High(4)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_taken_for_one(value):
    broken = rows_of({"a test": 0.5}).with_columns(value=pl.lit(value))
    with pytest.raises(
        NotMeasured, match=f"a has {value} as accuracy on full of test images, which is no number"
    ):
        number_of(broken, Term("a"), 0)


def test_the_finished_network_comes_before_its_last_probe_and_classes_do_not_count():
    finished = pl.concat(
        [
            ROWS,
            rows_of({"a test": [0.55]}, count=9000).with_columns(epoch=pl.lit(None, pl.Int64)),
            rows_of({"a test": [0.99]}, count=90).with_columns(pl.lit("cat").alias("class")),
        ]
    )
    found = estimate(finished, accuracy("a"))
    assert (found.value, found.n) == (pytest.approx(0.55), 9000)
    assert estimate(finished, accuracy("a", when=0.5)).value == pytest.approx(0.2)


def test_what_only_a_finished_network_has_is_not_there_after_half_of_the_epochs():
    with pytest.raises(NotMeasured, match="of the finished network only, and not along its training"):
        number_of(MANY, Term("a", "test", "lfc:4", "counterexamples", when=0.5), 0)


EPOCHS = [[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]]


def test_a_number_of_several_last_epochs_is_their_mean_image_by_image():
    rows = answered({"a test lfc 4": [EPOCHS]}, images=["same"])
    found = number_of(rows, Term("a", shown="lfc:4"), 0)
    assert (found.value, found.times, found.count) == (pytest.approx(0.5), 3, 4)
    assert found.each == pytest.approx(np.mean(EPOCHS, axis=0))
    assert number_of(rows, Term("a", shown="lfc:4", when=0.0), 0).value == 0.25


def test_epochs_on_other_images_or_on_unknown_ones_are_not_among_the_last():
    rows = answered({"a test lfc 4": [EPOCHS]}, images=["same"])
    first = pl.col("epoch") == 1
    for change in (
        {"images": pl.when(first).then(pl.lit("others")).otherwise("images")},
        {
            "images": pl.when(first).then(None).otherwise("images"),
            "each": pl.when(first).then(None).otherwise("each"),
        },
    ):
        found = number_of(rows.with_columns(**change), Term("a", shown="lfc:4"), 0)
        assert (found.value, found.times) == (pytest.approx(0.625), 2)
    for column in ("images", "each"):
        unknown = rows.with_columns(pl.lit(None, rows.schema[column]).alias(column))
        found = number_of(unknown, Term("a", shown="lfc:4"), 0)
        assert (found.value, found.times) == (0.5, 1)


def test_how_many_images_there_are_is_told_by_the_finished_network():
    whole = rows_of({"a test": [0.5]}, count=900).with_columns(epoch=pl.lit(None, pl.Int64))
    part = rows_of({"a test lfc 4": 0.5}, count=300)
    assert number_of(pl.concat([whole, part]), Term("a", shown="lfc:4"), 0).pool == 900
    assert number_of(part, Term("a", shown="lfc:4"), 0).pool is None


def test_chance_is_that_of_each_seeds_own_labels():
    one = rows_of({"a test": 0.6}, chance=0.5)
    other = rows_of({"a test": 0.8}, chance=0.6).with_columns(seed=pl.lit(1, pl.Int64))
    assert estimate(pl.concat([one, other]), above_chance("a")).value == pytest.approx(0.15)
    assert values_of(other, above_chance("a"), [1]) == [pytest.approx(0.2)]


def test_where_chance_is_not_known_a_claim_on_it_is_not_tested():
    with pytest.raises(NotMeasured, match="a does not say how many test images each class has"):
        estimate(rows_of({"a test": 0.6}, chance=None), above_chance("a"))


def test_seeds_are_those_that_all_runs_have_finished():
    rows = pl.concat([
        rows_of({"a test": 0.5}, seeds=3),
        rows_of({"b test": 0.2}, seeds=2),
        rows_of({"c test": 0.2}, failed=True),
        rows_of({"d test": 0.2}).with_columns(seed=pl.lit(None, pl.Int64)),
    ])  # fmt: skip
    assert seeds_of(rows, ["a"]) == [0, 1, 2]
    assert seeds_of(rows, ["a", "b", "a"]) == [0, 1]
    for label in ("c", "d", "nobody"):
        with pytest.raises(NotMeasured, match=f"no seed has finished runs of all of: a, {label}"):
            seeds_of(rows, ["a", label])


def test_a_contrast_of_kernels_is_over_filters():
    roughness = Contrast((Term("a", None, None, metric="roughness", rho=0.0, normalized=False),))
    found = estimate(MANY, roughness)
    assert (found.over, found.n) == ("filters", 2400)
    assert found.high - found.value == pytest.approx(1.961 * 0.5 / 2400**0.5, rel=1e-3)
