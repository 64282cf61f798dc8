"""Every claim of every study, on rows made up to support it, to contradict it, and to leave it open."""

import polars as pl
import pytest

from made_up import rows_of
from passband.analysis.claim import Claim, Rule, difference, farthest_of, greatest_of, judge, least_of
from passband.analysis.contrast import (
    Contrast,
    NotMeasured,
    Term,
    above_chance,
    accuracy,
    constant,
    estimate,
    fit,
    gap,
    value_of,
)
from passband.analysis.estimate import Estimate
from passband.errors import InputError
from passband.frequency.component import High, Low
from passband.stats import mean_interval, sum_interval, wilson_interval
from passband.studies.catalog import STUDIES
from passband.studies.presets import find_setting

SETTING = find_setting("laptop", "fashion-mnist")
FEW = 5  # samples that leave most things open


def lfc_runs(without: dict, extra: dict) -> dict:
    """Return cells of all runs on an LFC: `extra` is what BatchNorm adds at each radius, to all or by measure."""
    cells = {}
    for radius in (4, 8, 12, 16):
        for place, value in without.items():
            name = place.format(r=radius)
            more = extra[radius]
            added = more[place] if isinstance(more, dict) else more
            cells[f"lfc-{radius} {name}"] = value
            cells[f"lfc-{radius}, batchnorm {name}"] = value + added
    return cells


PLACES = {"test": 0.5, "test lfc {r}": 0.5}
FIT = {"fit": 0.5}
BOTH = {"fit": 0.5, "test lfc {r}": 0.5}
SLOW = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
FAST = [0.5, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
NETWORKS = ("LeNet", "AlexNet", "VGG")
OTHERS = ("adam", "adagrad", "adadelta", "rmsprop")


def batches(gaps, hfc) -> dict:
    cells = {}
    for size, the_gap, high in zip((25, 50, 100, 200, 400), gaps, hfc, strict=True):
        cells |= {f"batch {size} train": 0.5 + the_gap, f"batch {size} test": 0.5}
        cells |= {f"batch {size} test hfc {r}": high for r in (4, 8, 12, 16)}
    return cells


def heuristic(label: str, component: str, radii, value: float, vanilla: float = 0.3) -> dict:
    return {f"{label} test {component} {r}": value for r in radii} | {
        f"vanilla test {component} {r}": vanilla for r in radii
    }


def dropout(off: float) -> dict:
    cells = {"vanilla test": 0.6, "dropout test": 0.6}
    cells |= heuristic("dropout", "lfc", (4, 8), 0.3) | heuristic("dropout", "hfc", (4, 8), 0.3 + off)
    return cells


def networks(what: str, resnet: float, others) -> dict:
    return {f"ResNet {what}": resnet} | {f"{n} {what}": v for n, v in zip(NETWORKS, others, strict=True)}


def gaps_of(resnet: float, others) -> dict:
    return networks("test", 0.5, (0.5,) * 3) | networks("train", 0.5 + resnet, [0.5 + o for o in others])


def optimizers(sgd: float, others) -> dict:
    return {"sgd test hfc 4": sgd} | {f"{n} test hfc 4": v for n, v in zip(OTHERS, others, strict=True)}


ATTACKS = ("FGSM", "PGD-20")
EPSILONS = (0.03, 0.06, 0.09)
BOTH_NETWORKS = ("natural", "adversarial")
FOUR_NETWORKS = ("natural", "adversarial", "natural, 5x5", "adversarial, 5x5")


def smoothing(labels, attacks, epsilons, before: float, after: float, *, end: str = "rho 1") -> dict:
    """Return accuracies under attack before and after smoothing."""
    places = [f"{n} robust {a} {e}" for n in labels for a in attacks for e in epsilons]
    return {f"{place} rho 0": before for place in places} | {f"{place} {end}": after for place in places}


def kernels(metric: str, values: dict, rho: int = 0) -> dict:
    return {f"{label} {metric} rho {rho}": value for label, value in values.items()}


def smoother(metric: str, removed: float) -> dict:
    values = dict.fromkeys(FOUR_NETWORKS, 0.4) | {"natural, 5x5": removed}
    return kernels(f"{metric}-removed", values, rho=1)


def pairs(metric: str, natural, adversarial, radii=(4,)) -> dict:
    values = [(r, n, a) for r, n, a in zip(radii, natural, adversarial, strict=True)]
    return {f"natural {metric} {r}": n for r, n, _ in values} | {
        f"adversarial {metric} {r}": a for r, _, a in values
    }


def lost(label: str, low: float, high: float) -> dict:
    return {f"{label} map-lost lfc:25.6": low, f"{label} map-lost hfc:25.6": high}


def share(metric: str, value: float) -> dict:
    return {f"shape {metric} lfc:25.6": value}


def splits(metric: str, **values: float) -> dict:
    return {f"vanilla {metric} {kind}": value for kind, value in values.items()}


def follow(beyond_chance: float, who: str = "vanilla") -> dict:
    return {f"{who} flips-beyond-chance hfc": beyond_chance}


OF_GRADIENTS = (
    "vanilla",
    "dropout",
    "mixup",
    "batchnorm",
    "adversarial",
    "LeNet",
    "AlexNet",
    "VGG",
)
RANKS = {
    "above": (1, 2, 3, 5, 4, 6, 8, 7),
    "below": (8, 7, 6, 4, 5, 3, 1, 2),
    "neither": (4, 1, 7, 2, 8, 3, 6, 5),
}


def gradients(component: str, radii, side: str) -> dict:
    """Return shares of the gradients' energy that rise from network to network, and accuracies in an order."""
    return {
        f"{label} {place} {radius}": value
        for at, label in enumerate(OF_GRADIENTS)
        for radius in radii
        for place, value in (
            ("gradient-energy-beyond", 0.1 + at / 10),
            (f"test {component}", RANKS[side][at] / 10),
        )
    }


def trade_off(natural, adversarial) -> dict:
    shares = pairs("counterexamples", natural, adversarial, (4, 8, 12, 16))
    return {"natural test": 0.7, "adversarial test": 0.5} | shares


# By study, in the order of its claims: cells that support the claim, and cells that contradict it. It is left open by
# the first ones on few samples, or by the third entry where there is one.
CASES = {
    "flips": [
        (follow(0.05), follow(-0.05)),
        (follow(0.05, "vanilla train"), follow(-0.05, "vanilla train")),
        *(
            (follow(0.05, one) | follow(0.0, two), follow(0.0, one) | follow(0.05, two))
            for one, two in (
                ("vanilla train", "vanilla"),
                ("mixup", "vanilla"),
                ("batchnorm", "vanilla"),
                ("vanilla", "adversarial"),
            )
        ),
    ],
    "detection": [
        (lost("shape", 0.2, 0.0), lost("shape", -0.2, 0.0)),
        (lost("shape", 0.1, 0.5), lost("shape", 0.5, 0.1)),
        (share("images-gain", 0.3), share("images-gain", 0.001), share("images-gain", 0.02)),
        (share("images-gain-beyond-chance", 0.1), share("images-gain-beyond-chance", -0.1)),
        (
            lost("texture", 0.6, 0.0) | lost("shape", 0.0, 0.6),
            lost("texture", 0.0, 0.6) | lost("shape", 0.0, 0.6),
        ),
        (lost("both", 0.8, 0.1), lost("both", 0.1, 0.8)),
    ],
    "corollary": [
        *(
            (pairs(metric, [0.5], [0.2]), pairs(metric, [0.5], [0.001]), pairs(metric, [0.5], [0.02]))
            for metric in ("counterexamples", "counterexamples-right")
        ),
        (trade_off([0.4] * 4, [0.2] * 4), trade_off([0.4, 0.4, 0.4, 0.1], [0.2] * 4)),
    ],
    "kernels": [
        *(
            (
                kernels(metric, {f"natural{size}": 0.6, f"adversarial{size}": 0.4}),
                kernels(metric, {f"natural{size}": 0.4, f"adversarial{size}": 0.6}),
            )
            for size in ("", ", 5x5")
            for metric in ("roughness", "kernel-high-frequency")
        ),
        *((smoother(m, 0.4), smoother(m, -0.2)) for m in ("roughness", "kernel-high-frequency")),
    ],
    "smoothing": [
        (
            smoothing(BOTH_NETWORKS, ["FGSM"], [0], 0.7, 0.4),
            smoothing(BOTH_NETWORKS, ["FGSM"], [0], 0.7, 0.68),
        ),
        (
            smoothing(BOTH_NETWORKS, ATTACKS, [0.09], 0.1, 0.3),
            smoothing(BOTH_NETWORKS, ATTACKS, [0.09], 0.1, 0.3)
            | smoothing(["adversarial"], ["FGSM"], [0.09], 0.3, 0.2),
        ),
        (
            {f"natural robust {a} 0.09 rho 1": 0.3 for a in ATTACKS}
            | {f"adversarial robust {a} 0.09 rho 0": 0.2 for a in ATTACKS},
            {f"natural robust {a} 0.09 rho 1": 0.1 for a in ATTACKS}
            | {f"adversarial robust {a} 0.09 rho 0": 0.2 for a in ATTACKS},
        ),
        (
            smoothing(["natural"], ATTACKS, EPSILONS, 0.1, 0.3),
            smoothing(["natural"], ATTACKS, EPSILONS, 0.1, 0.3)
            | smoothing(["natural"], ["PGD-20"], [0.06], 0.3, 0.2),
        ),
        (
            smoothing(["adversarial"], ATTACKS, [0.03], 0.4, 0.3),
            smoothing(["adversarial"], ATTACKS, [0.03], 0.4, 0.3)
            | smoothing(["adversarial"], ["FGSM"], [0.03], 0.3, 0.4),
        ),
        *(
            (
                smoothing([label], ATTACKS, [0.09], 0.1, 0.3, end="rho 1 normalized"),
                smoothing([label], ATTACKS, [0.09], 0.1, 0.3, end="rho 1 normalized")
                | smoothing([label], ["PGD-20"], [0.09], 0.1, 0.1, end="rho 1 normalized"),
            )
            for label in BOTH_NETWORKS
        ),
        *(
            (
                smoothing([label], ["AutoAttack"], [0.09], 0.1, 0.3),
                smoothing([label], ["AutoAttack"], [0.09], 0.0, 0.01),
            )
            for label in BOTH_NETWORKS
        ),
    ],
    "svd": [
        *(
            (splits(metric, hfc=0.5, svd=0.1), splits(metric, hfc=0.5, svd=0.4))
            for metric in ("svd-flips", "svd-flips-beyond-chance")
        ),
        *(
            (splits(metric, hfc=0.3, **{kind: 0.1}), splits(metric, hfc=0.1, **{kind: 0.3}))
            for metric, kind in (("svd-flips-beyond-chance", "noise"), ("svd-flips-beyond-chance", "random"))
        ),
        (
            splits("svd-kept-accuracy", hfc=0.3, svd=0.5, random=0.6, noise=0.7),
            splits("svd-kept-accuracy", hfc=0.5, svd=0.3, random=0.6, noise=0.7),
        ),
    ],
    "input-gradient": [
        tuple(gradients(component, radii, side) for side in sides)
        for radii in ((4, 8, 12, 16), (4,), (8,), (12,), (16,))
        for component, sides in (("hfc", ("above", "below", "neither")), ("lfc", ("below", "above", "neither")))
    ],
    "label-shuffle": [
        ({"natural fit": FAST, "shuffled fit": SLOW}, {"natural fit": SLOW, "shuffled fit": FAST}),
        (
            {f"{n} train lfc {r}": v for n, v in (("natural", 0.5), ("shuffled", 0.2)) for r in (4, 8)},
            {"natural train lfc 4": 0.1, "shuffled train lfc 4": 0.3}
            | {f"{n} train lfc 8": 0.5 for n in ("natural", "shuffled")},
        ),
        ({"shuffled train lfc 4": 0.12}, {"shuffled train lfc 4": 0.4}),
        ({"natural train lfc 4": [0.41, 0.9]}, {"natural train lfc 4": [0.15, 0.4]}),
    ],
    "train-on-components": [
        ({f"lfc-{r} test": 0.6, f"hfc-{r} test": 0.2}, {f"lfc-{r} test": 0.4, f"hfc-{r} test": 0.4})
        for r in (4, 8, 12, 16)
    ],
    "batch-size": [
        ({"batch 25 train": 0.9, "batch 400 train": 0.6}, {"batch 25 train": 0.6, "batch 400 train": 0.9}),
        ({"batch 25 test": 0.7, "batch 400 test": 0.5}, {"batch 25 test": 0.5, "batch 400 test": 0.6}),
        (batches([0.3, 0, 0, 0, 0.1], [0] * 5), batches([0.1, 0, 0, 0, 0.3], [0] * 5)),
        (
            {"batch 25 test hfc 4": 0.3, "batch 400 test hfc 4": 0.15},
            {"batch 25 test hfc 4": 0.1, "batch 400 test hfc 4": 0.3},
        ),
        (
            batches([0.30, 0.25, 0.20, 0.15, 0.10], [0.30, 0.26, 0.21, 0.15, 0.12]),
            batches([0.30, 0.25, 0.20, 0.15, 0.10], [0.10, 0.15, 0.21, 0.25, 0.31]),
            batches([0.30, 0.25, 0.20, 0.15, 0.10], [0.20, 0.10, 0.30, 0.10, 0.20]),
        ),
    ],
    "heuristics": [
        (dropout(0.01), dropout(0.3)),
        ({"vanilla test": 0.6, "mixup test": 0.61}, {"vanilla test": 0.6, "mixup test": 0.4}),
        (heuristic("mixup", "hfc", (4, 8), 0.5, 0.2), heuristic("mixup", "hfc", (4, 8), 0.22, 0.2)),
        *(
            (
                heuristic(label, component, (4, 8), 0.4),
                heuristic(label, component, (4,), 0.2) | heuristic(label, component, (8,), 0.4),
            )
            for label in ("batchnorm", "batchnorm, batch statistics")
            for component in ("lfc", "hfc")
        ),
        ({"vanilla test": 0.7, "adversarial test": 0.5}, {"vanilla test": 0.5, "adversarial test": 0.6}),
        (
            {"vanilla train": 0.9, "vanilla test": 0.6, "adversarial train": 0.5, "adversarial test": 0.5},
            {"vanilla train": 0.6, "vanilla test": 0.6, "adversarial train": 0.7, "adversarial test": 0.5},
        ),
        (
            {"adversarial test hfc 12": 0.1, "adversarial test hfc 16": 0.11},
            {"adversarial test hfc 12": 0.1, "adversarial test hfc 16": 0.3},
        ),
        (heuristic("adversarial", "hfc", (4,), 0.25, 0.1), heuristic("adversarial", "hfc", (4,), 0.1, 0.25)),
    ],
    "architectures": [
        (networks("test", 0.8, (0.5, 0.6, 0.7)), networks("test", 0.6, (0.5, 0.6, 0.7))),
        (gaps_of(0.1, (0.3, 0.25, 0.2)), gaps_of(0.25, (0.3, 0.3, 0.15))),
        (networks("test hfc 4", 0.1, (0.3, 0.3, 0.2)), networks("test hfc 4", 0.3, (0.4, 0.4, 0.2))),
    ],
    "optimizers": [
        (optimizers(0.4, (0.1, 0.2, 0.1, 0.2)), optimizers(0.2, (0.1, 0.2, 0.1, 0.3))),
        (optimizers(0.4, (0.2, 0.2, 0.2, 0.2)), optimizers(0.2, (0.1, 0.2, 0.1, 0.4))),
    ],
    "batchnorm-on-lfc": [
        (lfc_runs(PLACES, {4: -0.2, 8: 0, 12: 0.1, 16: 0.2}), lfc_runs(PLACES, dict.fromkeys((4, 8, 12, 16), 0.2))),
        (lfc_runs(PLACES, {4: 0, 8: 0, 12: 0, 16: 0.3}), lfc_runs(PLACES, {4: 0.3, 8: 0, 12: 0, 16: 0})),
        (
            lfc_runs(BOTH, {key: {"fit": 0.3, "test lfc {r}": 0.0} for key in (4, 8, 12, 16)}),
            lfc_runs(BOTH, {key: {"fit": 0.0, "test lfc {r}": 0.3} for key in (4, 8, 12, 16)}),
        ),
        (lfc_runs(FIT, dict.fromkeys((4, 8, 12, 16), 0.2)), lfc_runs(FIT, {4: 0.2, 8: 0.2, 12: -0.2, 16: 0.2})),
        (lfc_runs(FIT, {4: 0, 8: 0.3, 12: 0.3, 16: 0.3}), lfc_runs(FIT, {4: 0.3, 8: 0, 12: 0.3, 16: 0.3})),
    ],
}  # fmt: skip

TABLE = [
    pytest.param(claim, *case, id=f"{name}-{index}")
    for name, study in STUDIES.items()
    for index, (claim, case) in enumerate(zip(study.claims(SETTING), CASES[name], strict=True))
]
DECIDED = [pytest.param(param.values[0], *param.values[1:3], id=param.id) for param in TABLE]


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(("claim", "supporting", "contradicting"), DECIDED)
def test_a_claim_is_supported_and_contradicted(claim, supporting, contradicting, seeds):
    supported = judge(claim, rows_of(supporting, seeds=seeds))
    contradicted = judge(claim, rows_of(contradicting, seeds=seeds))
    assert supported.estimate is not None
    assert supported.estimate.low <= supported.estimate.value <= supported.estimate.high
    if supported.estimate.over not in ("runs", "filters"):
        assert supported.estimate.over == ("samples" if seeds == 1 else "seeds")
    assert (supported.verdict, contradicted.verdict) == ("supported", "contradicted")


@pytest.mark.parametrize(("claim", "cells"), [
    pytest.param(p.values[0], p.values[3] if len(p.values) > 3 else p.values[1], id=p.id) for p in TABLE
])  # fmt: skip
def test_a_claim_is_left_open(claim, cells):
    judgement = judge(claim, rows_of(cells, count=FEW))
    assert judgement.estimate is not None
    assert judgement.verdict == "undecided"


@pytest.mark.parametrize(("claim", "supporting"), [
    pytest.param(p.values[0], p.values[1], id=p.id) for p in TABLE
])  # fmt: skip
def test_missing_and_failed_runs_leave_a_claim_open_and_say_why(claim, supporting):
    for rows in (rows_of({}), rows_of(supporting, failed=True)):
        judgement = judge(claim, rows)
        assert judgement.verdict == "undecided"
        assert judgement.estimate is None
        assert "no seed has finished runs of all of" in judgement.note


@pytest.mark.parametrize("seeds", [1, 2])
def test_an_interval_without_width_is_no_certainty(seeds):
    nothing = {"net map-lost lfc:8": 0.0, "net test": 0.25}
    rows = rows_of(nothing, count=6, seeds=seeds, spread=0)
    rows = rows.with_columns(error=pl.when(pl.col("metric") == "map-lost").then(0.0))
    lost = Contrast((Term("net", shown="lfc:8", metric="map-lost"),))
    for estimated in (difference(lost), least_of(lost, accuracy("net"))):
        judgement = judge(Claim("s", "h", estimated, Rule("above", 0.1)), rows)
        assert (judgement.verdict, judgement.estimate) == ("undecided", None)
        assert "alike, so that nothing tells how far others would be" in judgement.note


@pytest.mark.parametrize("claim", [p.values[0] for p in TABLE], ids=[p.id for p in TABLE])
def test_a_claim_is_a_sentence_with_a_hypothesis_and_says_whose_it_is(claim):
    assert len(claim.sentence) > 20
    assert claim.quoted in (f"“{claim.sentence}”", f"Ours, not the paper's: {claim.sentence}")
    assert claim.quoted.startswith("“") == (claim.asked_by == "paper")
    assert claim.hypothesis.endswith(".")


@pytest.mark.parametrize(
    ("side", "low", "high", "verdict"),
    [
        ("above", 0.11, 0.2, "supported"),
        ("above", 0.1, 0.2, "undecided"),
        ("above", 0.0, 0.09, "contradicted"),
        ("above", 0.0, 0.1, "undecided"),
        ("below", 0.0, 0.09, "supported"),
        ("below", 0.11, 0.2, "contradicted"),
        ("below", 0.05, 0.15, "undecided"),
    ],
)
def test_the_rule_decides_by_the_whole_interval(side, low, high, verdict):
    assert Rule(side, 0.1).decide(Estimate(0.1, low, high, 10, "samples")) == verdict


def test_the_rule_says_itself():
    assert str(Rule("below", 0.05)) == (
        "supported if the whole 95% interval lies below 0.05, contradicted if the whole interval lies above it, "
        "else undecided"
    )


ROWS = rows_of({
    "a fit": [0.2, 0.4, 0.6, 0.8], "a train": 0.9, "a test": [0.1, 0.2, 0.3, 0.5], "a test lfc 4": 0.3, "b test": 0.2,
})  # fmt: skip


@pytest.mark.parametrize(
    ("contrast", "value"),
    [
        (accuracy("a"), 0.5),
        (accuracy("a", when=0.0), 0.1),
        (accuracy("a", when=0.5), 0.2),
        (accuracy("a", component=Low(4)), 0.3),
        (above_chance("a"), 0.4),
        (above_chance("a") - above_chance("b"), 0.3),
        (accuracy("a") - constant(0.2), 0.3),
        (gap("a"), 0.4),
        (gap("a") - (accuracy("b") - accuracy("a")), 0.7),
        (fit("a"), 0.8),
        (fit("a", when=0.5), 0.4),
    ],
)
def test_contrasts(contrast, value):
    assert estimate(ROWS, contrast).value == pytest.approx(value)


INVARIANCE = next(c for c in STUDIES["heuristics"].claims(SETTING) if "invariance" in c.sentence)
BARELY = next(c for c in STUDIES["label-shuffle"].claims(SETTING) if "barely" in c.sentence)


@pytest.mark.parametrize("answer", [0.75, 0.25], ids=["the frequent class", "the rare class"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_one_answer_to_all_images_is_not_above_chance_however_frequent_its_class(answer, seeds):
    """Two classes, 75:25; one over the number of classes would be 0.5."""
    measured = {f"adversarial test hfc {radius}": answer for radius in (12, 16)} | {
        "shuffled train lfc 4": answer
    }
    rows = rows_of(measured, chance=0.75, seeds=seeds)
    assert judge(INVARIANCE, rows).verdict == "supported"
    assert judge(BARELY, rows).verdict == "supported"


def test_chance_is_that_of_each_seeds_own_labels():
    one = rows_of({"a test": 0.6}, chance=0.5)
    other = rows_of({"a test": 0.8}, chance=0.6).with_columns(seed=pl.lit(1, pl.Int64))
    assert estimate(pl.concat([one, other]), above_chance("a")).value == pytest.approx(0.15)
    assert value_of(other, above_chance("a"), 1) == pytest.approx(0.2)


def test_where_chance_is_not_known_a_claim_on_it_stays_open():
    with pytest.raises(NotMeasured, match="a does not say how many test images each class has"):
        estimate(rows_of({"a test": 0.6}, chance=None), above_chance("a"))


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


MANY = rows_of({
    "a test": 0.5, "a robust FGSM 0.03 rho 0": 0.4, "a robust FGSM 0.03 rho 1": 0.3,
    "a robust FGSM 0.03 rho 1 normalized": 0.2, "a robust FGSM 0.06 rho 1": 0.1, "a robust PGD-20 0.03 rho 0": 0.35,
    "a counterexamples 4": 0.25, "a roughness rho 0": 0.6,
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
        (Term("a", "test", "lfc:4", "counterexamples"), 0.25),
        (Term("a", None, None, metric="roughness", rho=0.0, normalized=False), 0.6),
    ],
)  # fmt: skip
def test_a_term_finds_the_one_row_that_has_what_it_says_and_nothing_else(term, value):
    assert estimate(MANY, Contrast((term,))).value == pytest.approx(value)


def test_an_empty_cell_is_matched_by_an_empty_cell_only():
    unsmoothed = Term("a", shown=None, metric="robust-accuracy", attack="FGSM", epsilon=0.03, norm="linf")
    with pytest.raises(
        NotMeasured, match="a has no robust-accuracy of test images under FGSM at epsilon 0.03"
    ):
        estimate(MANY, Contrast((unsmoothed,)))
    normalized = Term("a", None, None, metric="roughness", rho=0.0, normalized=True)
    with pytest.raises(NotMeasured, match="a has no roughness with rho 0, normalized"):
        estimate(MANY, Contrast((normalized,)))


def test_two_rows_where_one_is_meant_are_refused():
    twice = pl.concat([MANY, MANY])
    with pytest.raises(InputError, match="several rows of counterexamples on lfc:4 of test images"):
        estimate(twice, Contrast((Term("a", "test", "lfc:4", "counterexamples"),)))


def test_an_estimate_has_the_interval_of_its_standard_error():
    found = estimate(MANY, Contrast((Term("a", None, None, metric="roughness", rho=0.0, normalized=False),)))
    assert (found.over, found.n) == ("filters", 2400)
    assert found.high - found.value == pytest.approx(1.961 * 0.5 / 2400**0.5, rel=1e-3)


def with_each(rows, images):
    """Return rows of four images each, whose values are kept; the second network is right on one more."""
    each = {"one": [1.0, 0.0, 1.0, 0.0], "two": [1.0, 0.0, 1.0, 1.0]}
    kept = [(each[label], sum(each[label]) / 4) for label in rows["label"]]
    return rows.with_columns(
        each=pl.Series([values for values, _ in kept], dtype=pl.List(pl.Float32)),
        value=pl.Series([value for _, value in kept]),
        images=pl.Series(images, dtype=pl.String),
    )


def newcombe(one: int, two: int, count: int) -> tuple[float, float]:
    intervals = [wilson_interval(two, count), tuple(-end for end in reversed(wilson_interval(one, count)))]
    return sum_interval([two / count, -one / count], intervals)


def test_numbers_of_the_same_images_are_paired():
    rows = rows_of({"one test": 0, "two test": 0}, count=4).filter(epoch=4)
    gain = accuracy("two") - accuracy("one")
    paired = estimate(with_each(rows, ["a", "a"]), gain)
    differences = [0.0, 0.0, 0.0, 1.0]
    low, high = mean_interval(differences)
    assert (paired.value, paired.low, paired.high, paired.n) == (
        0.25,
        pytest.approx(low),
        pytest.approx(high),
        4,
    )
    for images in (["a", "b"], [None, None], ["a", None]):
        apart = estimate(with_each(rows, images), gain)
        assert (apart.low, apart.high) == pytest.approx(newcombe(2, 3, 4))
    alone = estimate(with_each(rows, ["a", "a"]), accuracy("two"))
    assert (alone.low, alone.high) == pytest.approx(wilson_interval(3, 4))


def test_seeds_that_not_all_runs_have_do_not_count():
    rows = pl.concat([rows_of({"a test": 0.5}, seeds=3), rows_of({"b test": 0.2}, seeds=2)])
    assert estimate(rows, accuracy("a") - accuracy("b")).n == 2
    assert estimate(rows, accuracy("a")).n == 3


def test_what_was_not_measured_is_named():
    with pytest.raises(NotMeasured, match="b has no accuracy on hfc:4 of test images"):
        estimate(ROWS, accuracy("b", component=High(4)))


def test_below_a_margin_the_greatest_decides():
    both = greatest_of(accuracy("b"), accuracy("a"))(ROWS)
    assert both.value == 0.5
    assert both.low < difference(accuracy("a"))(ROWS).low


def test_many_quantities_at_once_have_wider_intervals_than_each():
    one = difference(accuracy("a"))(ROWS)
    both = least_of(accuracy("a"), accuracy("a"))(ROWS)
    far = farthest_of(accuracy("a"), accuracy("b"))(ROWS)
    assert both.value == far.value == one.value
    assert both.low < one.low < one.high < both.high
    assert far.low == both.low


def test_epochs_to_the_same_accuracy_are_counted():
    claim: Claim = STUDIES["label-shuffle"].claims(SETTING)[0]
    found = claim.estimate(rows_of({"natural fit": FAST, "shuffled fit": SLOW}, count=100_000))
    assert (found.value, found.low, found.high) == (6, 6, 6)  # 0.81 after epoch 2, and after epoch 8
