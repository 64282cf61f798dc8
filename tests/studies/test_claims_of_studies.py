"""Every claim of every study, on rows made up to support it, to contradict it, to leave it open, and not to test it."""

import polars as pl
import pytest

from made_up import rows_of
from passband.analysis.claim import Claim, Condition
from passband.analysis.judge import judge, judge_claims
from passband.studies.catalog import STUDIES
from passband.studies.presets import find_setting
from passband.studies.section5_architectures import LATER, OLDER

SETTING = find_setting("laptop", "fashion-mnist")
FEW = 5  # samples that leave most things open
LONG = 50_000  # images of an epoch as long as the paper's


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
FIT = {"fit": 0.7}
BOTH = {"fit": 0.6, "test lfc {r}": 0.6}
SLOW = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
FAST = [0.5, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
RADII = (4, 8, 12, 16)
BATCHES = (25, 50, 100, 200, 400)
NETWORKS = list(OLDER)
OTHERS = [label for label in STUDIES["optimizers"].runs(SETTING) if label != "sgd"]


def batches(gaps, hfc) -> dict:
    cells = {}
    for size, the_gap, high in zip(BATCHES, gaps, hfc, strict=True):
        cells |= {f"batch {size} train": 0.9, f"batch {size} test": 0.9 - the_gap}
        cells |= {f"batch {size} test hfc {r}": high for r in RADII}
    return cells


def two_batches(small: str, large: str) -> list:
    def both(place: str, one: float, other: float) -> dict:
        return {f"{small} {place}": one, f"{large} {place}": other}

    return [
        (both("train", 0.95, 0.85), both("train", 0.85, 0.95)),
        (both("test", 0.7, 0.5), both("test", 0.5, 0.6)),
        (both("test", 0.6, 0.8), both("test", 0.8, 0.6)),
        (both("test hfc 4", 0.3, 0.15), both("test hfc 4", 0.1, 0.3)),
    ]


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


def but_last(most: float, last: float) -> list[float]:
    """Return the numbers of the older networks."""
    return [most] * (len(NETWORKS) - 1) + [last]


def gaps_of(resnet: float, others) -> dict:
    return networks("test", 0.9 - resnet, [0.9 - other for other in others])


def optimizers(sgd: float, others) -> dict:
    return {"sgd test hfc 4": sgd} | {f"{n} test hfc 4": v for n, v in zip(OTHERS, others, strict=True)}


MIXUPS = ("mixup", "mixup, as released")
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


def pairs_of_ranks(count: int) -> dict[str, list[int]]:
    """Return orders that rise, fall, or do neither."""
    rising = list(range(count))
    rising[3:5] = rising[4], rising[3]
    return {
        "above": rising,
        "below": rising[::-1],
        "neither": [at // 2 if at % 2 else count - 1 - at // 2 for at in range(count)],
    }


def gradients(component: str, radii, side: str) -> dict:
    """Return shares of the gradients' energy that rise from network to network, and accuracies in an order."""
    labels = list(STUDIES["input-gradient"].runs(SETTING))
    ranks = pairs_of_ranks(len(labels))[side]
    return {
        f"{label} {place} {radius}": value
        for at, label in enumerate(labels)
        for radius in radii
        for place, value in (
            ("gradient-energy-beyond", 0.1 + at / 20),
            (f"test {component}", 0.1 + ranks[at] / 20),
        )
    }


def trade_off(natural, adversarial) -> dict:
    shares = pairs("counterexamples", natural, adversarial, RADII)
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
                kernels(metric, {f"natural{size}": 0.5, f"adversarial{size}": 0.5}),  # filters do not count over seeds
            )
            for size in ("", ", 5x5")
            for metric in ("roughness", "kernel-high-frequency")
        ),
        *((smoother(m, 0.4), smoother(m, -0.2), smoother(m, 0.0)) for m in ("roughness", "kernel-high-frequency")),
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
            smoothing(["adversarial"], ATTACKS, [0.03], 0.4, 0.4),
        ),
        *(
            (
                smoothing([label], ATTACKS, [0.09], 0.1, 0.3, end="rho 1 normalized"),
                smoothing([label], ATTACKS, [0.09], 0.1, 0.3, end="rho 1 normalized")
                | smoothing([label], ["PGD-20"], [0.09], 0.1, 0.1, end="rho 1 normalized"),
                smoothing([label], ATTACKS, [0.09], 0.1, 0.15, end="rho 1 normalized"),
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
        for radii in (RADII, (4,), (8,), (12,), (16,))
        for component, sides in (("hfc", ("above", "below", "neither")), ("lfc", ("below", "above", "neither")))
    ],
    "label-shuffle": [
        (
            {"natural fit": FAST, "shuffled fit": SLOW},
            {"natural fit": SLOW, "shuffled fit": FAST},
            {"natural fit": SLOW, "shuffled fit": SLOW},
        ),
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
        for r in RADII
    ],
    "batch-size": [
        *two_batches("batch 25", "batch 400"),
        *two_batches("batch 50, equal steps", "batch 200, equal steps"),
        (
            batches([0.30, 0.25, 0.20, 0.15, 0.10], [0.30, 0.26, 0.21, 0.15, 0.12]),
            batches([0.30, 0.25, 0.20, 0.15, 0.10], [0.10, 0.15, 0.21, 0.25, 0.31]),
            batches([0.30, 0.25, 0.20, 0.15, 0.10], [0.20, 0.10, 0.30, 0.10, 0.20]),
        ),
    ],
    "heuristics": [
        (dropout(0.01), dropout(0.3)),
        *(({"vanilla test": 0.6, f"{label} test": 0.61}, {"vanilla test": 0.6, f"{label} test": 0.4}) for label in MIXUPS),
        *((heuristic(label, "hfc", (4, 8), 0.5, 0.2), heuristic(label, "hfc", (4, 8), 0.22, 0.2)) for label in MIXUPS),
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
            {"vanilla train": 0.9, "vanilla test": 0.9, "adversarial train": 0.7, "adversarial test": 0.5},
        ),
        (
            {"adversarial test hfc 12": 0.1, "adversarial test hfc 16": 0.11},
            {"adversarial test hfc 12": 0.1, "adversarial test hfc 16": 0.3},
        ),
        ({"adversarial test hfc 4": 0.25}, {"adversarial test hfc 4": 0.02}),
    ],
    "architectures": [
        (networks("test", 0.8, but_last(0.5, 0.7)), networks("test", 0.6, but_last(0.5, 0.7))),
        (gaps_of(0.1, but_last(0.3, 0.2)), gaps_of(0.25, but_last(0.3, 0.15))),
        (networks("test hfc 4", 0.1, but_last(0.3, 0.2)), networks("test hfc 4", 0.3, but_last(0.4, 0.2))),
        *(
            (
                {"ResNet test hfc 4": 0.3, f"{label} test hfc 4": 0.15},
                {"ResNet test hfc 4": 0.15, f"{label} test hfc 4": 0.3},
            )
            for label in LATER
        ),
    ],
    "optimizers": [
        (optimizers(0.4, (0.1, 0.2, 0.1, 0.2)), optimizers(0.2, (0.1, 0.2, 0.1, 0.3))),
        (optimizers(0.4, (0.2, 0.2, 0.2, 0.2)), optimizers(0.2, (0.1, 0.2, 0.1, 0.4))),
    ],
    "batchnorm-on-lfc": [
        (lfc_runs(PLACES, {4: -0.2, 8: 0, 12: 0.1, 16: 0.2}), lfc_runs(PLACES, dict.fromkeys(RADII, 0.2))),
        (lfc_runs(PLACES, {4: 0, 8: 0, 12: 0, 16: 0.3}), lfc_runs(PLACES, {4: 0.3, 8: 0, 12: 0, 16: 0})),
        (
            lfc_runs(BOTH, {key: {"fit": 0.3, "test lfc {r}": 0.0} for key in RADII}),
            lfc_runs(BOTH, {key: {"fit": 0.0, "test lfc {r}": 0.3} for key in RADII}),
        ),
        (lfc_runs(FIT, dict.fromkeys(RADII, 0.2)), lfc_runs(FIT, {4: 0.2, 8: 0.2, 12: -0.15, 16: 0.2}), lfc_runs(FIT, dict.fromkeys(RADII, 0.0)),),
        (lfc_runs(FIT, {4: 0, 8: 0.3, 12: 0.3, 16: 0.3}), lfc_runs(FIT, {4: 0.3, 8: 0, 12: 0.3, 16: 0.3}), lfc_runs(FIT, dict.fromkeys(RADII, 0.1))),
    ],
}  # fmt: skip


def met(name: str) -> dict:
    """Return cells with which every condition of every claim of a study holds; a case may say otherwise of some."""
    labels = list(STUDIES[name].runs(SETTING))
    cells = {
        f"{label} {place}": value
        for label in labels
        for place, value in (("train", 0.9), ("fit", 0.9), ("test", 0.6))
    }
    for label in labels:
        if "adversarial" in label:
            natural = next(
                one for one in (label.replace("adversarial", "natural"), "vanilla") if one in labels
            )
            cells |= {f"{natural} robust PGD-20 8/255": 0.05, f"{label} robust PGD-20 8/255": 0.4}
    return cells | {
        "label-shuffle": {"natural train lfc 4": 0.5},
        "heuristics": {"vanilla test hfc 4": 0.1, "vanilla test hfc 12": 0.3, "vanilla test hfc 16": 0.3},
        "smoothing": smoothing(BOTH_NETWORKS, ATTACKS, [0.09], 0.1, 0.3)
        | {
            f"{label} robust PGD-20 0.03 rho 0": value
            for label, value in (("natural", 0.1), ("adversarial", 0.4))
        },
        "detection": {f"{label} map full": 0.5 for label in labels},
    }.get(name, {})


def made_up(name: str, case: dict, *, count: int = 2400, seeds: int = 5) -> pl.DataFrame:
    """Return the rows of a study: of a case, on so many samples, and of what its conditions need."""
    others = {place: value for place, value in met(name).items() if place not in case}
    found = pl.concat([rows_of(others, seeds=seeds), rows_of(case, count=count, seeds=seeds)])
    of_fit = pl.col("metric") == "fit-accuracy"
    return found.with_columns(count=pl.when(of_fit).then(LONG).otherwise("count").cast(pl.Int64))


def breaking(condition: Condition) -> tuple[dict, int | None]:
    """Return cells on which a condition does not hold, and how many images an epoch then has."""
    named, _, what = condition.text.partition(" must ")
    last = named.rpartition(" and ")[2]
    if what.startswith("have as many steps"):
        return {}, 3_000
    if what.startswith("be more robust"):
        natural = what.removeprefix("be more robust than ").partition(" by ")[0]
        return {
            f"{one} robust PGD-20 {where}": 0.3
            for one in (last, natural)
            for where in ("8/255", "0.03 rho 0")
        }, None
    if what.startswith("be a gain of M_"):
        return smoothing(
            [what.removeprefix("be a gain of M_").partition(" ")[0]], ["FGSM"], [0.09], 0.1, 0.1
        ), None
    for beginning, cells in {
        "reach an accuracy of 0.8 on clean": {f"{last} train": 0.5},
        "reach an accuracy": {f"{last} fit": 0.3},
        "reach an mAP": {"texture map full": 0.1},
        "be within 0.05 of the accuracy of": {f"{last} train": 1.0},
        "be within 0.1 of the accuracy of": {f"{last} train": 1.0}
        | {f"{one} train": 0.85 for one in ("sgd", "adam")},
        "be within 0.05 of one another": {f"{last} fit": 1.0},
        "learn it": {"natural train lfc 4": 0.15},
        "not be as invariant": {"vanilla test hfc 16": 0.12},
        "ignore the HFC": {"vanilla test hfc 4": 0.3},
    }.items():
        if what.startswith(beginning):
            return cells, None
    raise AssertionError(f"no rows are made up on which this does not hold: {condition.text}")


TABLE = [
    pytest.param(name, claim, *(*case, None)[:3], id=f"{name}-{index}")
    for name, study in STUDIES.items()
    for index, (claim, case) in enumerate(zip(study.claims(SETTING), CASES[name], strict=True))
]
CONDITIONS = [
    pytest.param(*param.values[:3], condition, id=f"{param.id}-{index}")
    for param in TABLE
    for index, condition in enumerate(param.values[1].conditions)
]
each_claim = pytest.mark.parametrize(("name", "claim", "supporting", "contradicting", "open_"), TABLE)


@each_claim
def test_a_claim_is_supported_contradicted_and_left_open(name, claim, supporting, contradicting, open_):
    supported, contradicted = (judge(claim, made_up(name, case)) for case in (supporting, contradicting))
    assert supported.estimate is not None
    assert supported.estimate.low <= supported.estimate.value <= supported.estimate.high
    assert (supported.estimate.n, supported.estimate.over) == (5, "seeds")
    assert (supported.verdict, contradicted.verdict) == ("supported", "contradicted"), (
        supported,
        contradicted,
    )
    assert max(supported.p, contradicted.p) <= 0.05
    left = judge(claim, made_up(name, supporting, count=FEW) if open_ is None else made_up(name, open_))
    assert left.verdict == "undecided", left
    assert left.p > 0.05


@each_claim
def test_fewer_than_three_seeds_are_no_verdict(name, claim, supporting, contradicting, open_):
    for seeds, text in (
        (1, "one seed: no verdict, which needs 3"),
        (2, "2 seeds: no verdict, which needs 3"),
    ):
        found = judge(claim, made_up(name, supporting, seeds=seeds))
        assert (found.verdict, found.note, found.p) == ("no verdict", text, None)
        assert found.estimate is not None
    assert judge(claim, made_up(name, supporting, seeds=3)).verdict == "supported"


@pytest.mark.parametrize(("name", "claim", "supporting", "condition"), CONDITIONS)
def test_where_a_condition_is_not_met_a_claim_is_not_tested(
    name: str, claim: Claim, supporting: dict, condition: Condition
):
    cells, images = breaking(condition)
    rows = made_up(name, supporting | cells)
    if images is not None:
        rows = rows.with_columns(count=pl.lit(images, pl.Int64))
    found = judge(claim, rows)
    assert found.verdict == "not tested"
    assert f"{condition.text}: it is " in found.note
    assert f"What would test it: {condition.remedy}" in found.note
    assert found.estimate is not None
    assert found.p is None


@each_claim
def test_missing_and_failed_runs_leave_a_claim_untested_and_say_why(
    name, claim, supporting, contradicting, open_
):
    for rows in (rows_of({}), rows_of(supporting, failed=True)):
        found = judge(claim, rows)
        assert (found.verdict, found.estimate) == ("not tested", None)
        assert "no seed has finished runs of all of" in found.note


@pytest.mark.parametrize("name", STUDIES)
def test_a_preset_that_only_shows_that_everything_runs_gives_no_verdict(name):
    setting = find_setting("smoke", "fashion-mnist")
    assert not setting.verdicts
    found = judge_claims(
        STUDIES[name].claims(SETTING), made_up(name, CASES[name][0][0]), verdicts=setting.verdicts
    )
    assert {each.verdict for each in found} == {"no verdict"}
    assert {each.p for each in found} == {None}
    assert found[0].estimate is not None
    assert all("this preset only shows that everything runs" in each.note for each in found)


@each_claim
def test_a_claim_is_a_sentence_with_a_hypothesis_and_says_whose_it_is(
    name, claim, supporting, contradicting, open_
):
    assert len(claim.sentence) > 20
    assert claim.quoted in (f"“{claim.sentence}”", f"Ours, not the paper's: {claim.sentence}")
    assert claim.quoted.startswith("“") == (claim.asked_by == "paper")
    assert claim.hypothesis.endswith(".")
    for condition in claim.conditions:
        assert " must " in condition.text
        assert condition.remedy


def test_a_published_detector_is_judged_by_itself():
    setting = find_setting("paper", "fashion-mnist")
    claims = STUDIES["detection"].claims(setting)
    cells = {"RetinaNet map full": 0.36, "RetinaNet map-lost lfc:128": 0.1, "RetinaNet map-lost hfc:128": 0.3}
    found = judge(claims[1], rows_of(cells))
    assert (found.verdict, found.estimate.seeds, found.estimate.over) == ("supported", 1, "samples")


INVARIANCE = next(c for c in STUDIES["heuristics"].claims(SETTING) if "invariance" in c.sentence)
BARELY = next(c for c in STUDIES["label-shuffle"].claims(SETTING) if "barely" in c.sentence)


@pytest.mark.parametrize("answer", [0.75, 0.25], ids=["the frequent class", "the rare class"])
def test_one_answer_to_all_images_is_not_above_chance_however_frequent_its_class(answer):
    """Two classes, 75:25; one over the number of classes would be 0.5."""
    invariant = {"adversarial test hfc 12": answer, "adversarial test hfc 16": answer}
    seeing = {"vanilla test hfc 12": 0.9, "vanilla test hfc 16": 0.9}
    rows = made_up("heuristics", invariant | seeing).with_columns(chance=pl.lit(0.75))
    assert judge(INVARIANCE, rows).verdict == "supported"
    barely = {"shuffled train lfc 4": answer, "natural train lfc 4": 0.95}
    rows = made_up("label-shuffle", barely).with_columns(chance=pl.lit(0.75))
    assert judge(BARELY, rows).verdict == "supported"
