import numpy as np
import polars as pl
import pytest

from made_up import answered, rows_of
from passband.analysis.contrast import Contrast, Term, accuracy, constant, gap
from passband.analysis.evidence import estimate, evidence
from passband.analysis.lookup import NotMeasured
from passband.errors import InputError
from passband.frequency.component import Low
from passband.stats import mean_interval, student_interval, sum_interval, wilson_interval

GAIN = accuracy("two") - accuracy("one")


def newcombe(one: int, two: int, count: int) -> tuple[float, float]:
    first, second = wilson_interval(one, count), wilson_interval(two, count)
    return sum_interval([two / count, -one / count], [second, (-first[1], -first[0])])


def test_differences_are_taken_seed_by_seed():
    """Two methods of which every seed says the same, however much seeds differ."""
    rows = pl.concat([
        rows_of({"one test": value, "two test": value + 0.1}, count=10**7).with_columns(seed=pl.lit(seed, pl.Int64))
        for seed, value in enumerate((0.2, 0.5, 0.8, 0.35))
    ])  # fmt: skip
    found = estimate(rows, GAIN)
    assert (found.value, found.n, found.over) == (pytest.approx(0.1), 4, "seeds")
    assert found.high - found.low < 0.002
    assert estimate(rows, accuracy("one")).high > 0.8


def test_numbers_of_the_same_images_are_paired_by_image():
    one, two = [1.0, 0.0, 1.0, 0.0] * 3, [1.0, 0.0, 1.0, 1.0] * 3
    paired = estimate(answered({"one test": [[one]], "two test": [[two]]}, images=["a"]), GAIN)
    differences = np.subtract(two, one)
    squares = np.sum((differences - 0.25) ** 2) + 2**2 / 4  # two more images, half a reach of 2 apart
    low, high = student_interval(0.25, squares**0.5 / 14, 11)
    assert (paired.value, paired.low, paired.high) == pytest.approx((0.25, low, high))
    assert (paired.n, paired.over) == (12, "samples")


@pytest.mark.parametrize("images", [("a", "b"), (None, None), ("a", None)])
def test_numbers_of_other_images_or_of_unknown_ones_are_not_paired(images):
    cells = {"one test": [[[1.0, 0.0, 1.0, 0.0]]], "two test": [[[1.0, 0.0, 1.0, 1.0]]]}
    rows = pl.concat(
        [answered({text: cells[text]}, images=[which]) for text, which in zip(cells, images, strict=True)]
    )
    apart = estimate(rows, GAIN)
    assert (apart.low, apart.high) == pytest.approx(newcombe(2, 3, 4))


def test_one_share_of_one_network_has_wilsons_interval_though_each_image_is_known():
    alone = estimate(answered({"two test": [[[1.0, 0.0, 1.0, 1.0]]]}, images=["a"]), accuracy("two"))
    assert (alone.low, alone.high) == pytest.approx(wilson_interval(3, 4))


def test_a_difference_of_gaps_is_paired_on_training_and_on_test_images():
    """As two differences that are paired, of images that have nothing to do with one another."""
    rng = np.random.default_rng(0)
    easy = {"train": rng.random(300), "test": rng.random(200)}
    right = {
        f"{label} {subset}": [[(each < share).astype(float).tolist()]]
        for label, share in (("one", 0.5), ("two", 0.6))
        for subset, each in easy.items()
    }
    rows = pl.concat([answered({text: right[text]}, images=[text.split()[1]]) for text in right])
    found = estimate(rows, gap("two") - gap("one"))
    train, test = (
        estimate(rows, accuracy("two", subset) - accuracy("one", subset)) for subset in ("train", "test")
    )
    low, high = sum_interval([train.value, -test.value], [(train.low, train.high), (-test.high, -test.low)])
    assert (found.value, found.low, found.high) == pytest.approx((train.value - test.value, low, high))
    apart = estimate(rows.with_columns(images=pl.lit(None, pl.String)), gap("two") - gap("one"))
    assert found.high - found.low < 0.8 * (apart.high - apart.low)


def seeds_alike(count: int, images, seeds: int = 4, shown: str = "one test"):
    """Return rows of seeds that all have half of their images right."""
    return answered({shown: [[[1.0, 0.0] * (count // 2)]] * seeds}, images=images)


ONE = accuracy("one")


def width(rows, contrast=ONE) -> float:
    found = estimate(rows, contrast)
    return found.high - found.low


def test_more_seeds_on_the_same_images_do_not_make_these_more():
    one = width(seeds_alike(100, ["a"], seeds=1))
    assert width(seeds_alike(100, ["a"] * 9, seeds=9)) == pytest.approx(one, rel=0.02)
    assert width(seeds_alike(100, [None] * 9, seeds=9)) == pytest.approx(one, rel=0.02)


def test_more_seeds_on_other_images_do():
    one = width(seeds_alike(100, ["a"], seeds=1))
    assert width(seeds_alike(100, list("abcd"))) == pytest.approx(one / 2, rel=0.02)
    assert width(seeds_alike(100, list("aabb"))) == pytest.approx(one / 2**0.5, rel=0.02)


def test_samples_of_few_images_say_no_more_than_all_of_them():
    """Four samples of 100 of 150 images: as sure as 150, and not as 400."""
    shown = accuracy("one", component=Low(4))
    whole = seeds_alike(150, ["w"] * 4).with_columns(epoch=pl.lit(None, pl.Int64))
    parts = seeds_alike(100, list("abcd"), shown="one test lfc 4")
    one = width(seeds_alike(100, ["a"], seeds=1, shown="one test lfc 4"), shown)
    assert width(parts, shown) == pytest.approx(one / 2, rel=0.02)
    assert width(pl.concat([whole, parts]), shown) == pytest.approx(one / 1.5**0.5, rel=0.02)


def test_images_that_some_terms_share_over_seeds_and_others_do_not_are_reckoned_apart():
    """The whole images are the same for all seeds, and their error stays; those of the LFC are not, and theirs shrinks."""
    rows = pl.concat([seeds_alike(100, ["w"] * 4), seeds_alike(100, list("abcd"), shown="one test lfc 4")])
    shared, apart = width(rows), width(rows, accuracy("one", component=Low(4)))
    both = width(rows, accuracy("one") - accuracy("one", component=Low(4)))
    assert both == pytest.approx((shared**2 + apart**2) ** 0.5, rel=0.02)


@pytest.mark.parametrize("images", [["a"] * 3, list("abc"), [None] * 3])
@pytest.mark.parametrize("right", [0.0, 1.0])
def test_equal_values_of_few_samples_are_no_certainty(images, right):
    rows = answered({"one test": [[[right] * 6]] * 3, "two test": [[[right] * 6]] * 3}, images=images)
    assert width(rows, accuracy("one")) > 0.1  # to one side alone, since no accuracy is beyond
    assert width(rows, GAIN) > 0.2


def test_an_interval_over_few_seeds_holds_nothing_that_cannot_be():
    cells = {"one test": [[[1.0] * 6], [[0.0] * 6]], "two test": [[[0.0] * 6], [[1.0] * 6]]}
    far = answered(cells, images=["a", "b"])
    assert (estimate(far, accuracy("one")).low, estimate(far, accuracy("one")).high) == (0, 1)
    assert (estimate(far, GAIN).low, estimate(far, GAIN).high) == (-1, 1)
    margin = estimate(far, accuracy("one") - constant(0.5))
    assert (margin.low, margin.high) == (-0.5, 0.5)
    loss = far.with_columns(metric=pl.lit("loss"), each=pl.lit(None, far.schema["each"]))
    assert estimate(loss, Contrast((Term("one", metric="loss"),))).low < 0


def test_the_last_epochs_are_averaged_before_images_are_paired():
    one, two = [[1.0, 0.0, 0.0, 0.0]] * 3, [[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]]
    rows = answered({"one test": [one] * 3, "two test": [two] * 3}, images=["a"] * 3)
    assert estimate(rows, GAIN).value == pytest.approx(0.25)


def test_a_seed_that_lacks_a_row_is_left_out():
    rows = pl.concat(
        [rows_of({"one test": 0.5}, seeds=4), rows_of({"two test": 0.6, "two train": 0.7}, seeds=4)]
    )
    lacking = rows.filter(
        ~((pl.col("label") == "two") & (pl.col("subset") == "test") & (pl.col("seed") == 2))
    )
    assert estimate(lacking, GAIN).n == 3
    with pytest.raises(NotMeasured, match="two has no accuracy on full of test images"):
        estimate(rows.filter(~((pl.col("label") == "two") & (pl.col("subset") == "test"))), GAIN)


def test_a_number_without_an_error_is_decided_by_seeds_alone():
    loss = Contrast((Term("one", metric="loss"),))
    rows = rows_of({"one test": 0.5}, seeds=3).with_columns(metric=pl.lit("loss"), value=pl.col("value") + 2)
    found = estimate(rows, loss)
    values = rows.filter(epoch=4)["value"].to_list()
    assert (found.low, found.high) == pytest.approx(mean_interval(values))
    with pytest.raises(NotMeasured, match="several seeds decide it"):
        evidence(rows.filter(seed=0), loss)


def test_filters_are_a_networks_own_and_seeds_decide():
    rough = Contrast((Term("one", None, None, metric="roughness", rho=0.0, normalized=False),))
    rows = rows_of({"one roughness rho 0": 0.5}, count=16, seeds=3)
    found = estimate(rows, rough)
    assert (found.low, found.high) == pytest.approx(mean_interval(rows["value"].to_list()))
    assert estimate(rows.filter(seed=0), rough).over == "filters"


def test_a_constant_alone_is_no_evidence():
    with pytest.raises(InputError, match="at least one measured number, got a constant alone"):
        evidence(rows_of({"one test": 0.5}), constant(0.4))


def crossed(rng, seeds: int, count: int, *, shared: bool, between: float = 0.03):
    """Return what a difference of two networks measures where seeds and images vary: its true value is 0.1.

    Images are easy or hard for both networks; each seed is better or worse by chance at both.
    """
    of_seeds = []
    easy = rng.normal(0, 1, count)
    for _ in range(seeds):
        easy = easy if shared else rng.normal(0, 1, count)
        levels = rng.normal((0.5, 0.6), between)
        odd = 1 / (1 + np.exp(-0.8 * easy)) - 0.5
        of_seeds.append([rng.random(count) < np.clip(level + odd, 0, 1) for level in levels])
    return of_seeds


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("shared", [True, False], ids=["the same images", "other images"])
def test_an_interval_covers_as_often_as_it_says(seeds, shared):
    rng = np.random.default_rng(seeds + 10 * shared)
    times, hits = 200, 0
    images = ["a"] * seeds if shared else [str(seed) for seed in range(seeds)]
    for _ in range(times):
        drawn = crossed(rng, seeds, 120, shared=shared)
        cells = {
            f"{label} test": [[of_seed[at].astype(float).tolist()] for of_seed in drawn]
            for at, label in enumerate(("one", "two"))
        }
        found = estimate(answered(cells, images=images), GAIN)
        hits += found.low <= 0.1 <= found.high
    assert hits / times >= 0.93
