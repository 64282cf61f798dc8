import re
from dataclasses import replace

import polars as pl
import pytest
import torch

from helpers import Constant, Memory, noise
from passband.attacks import FGSM, PGD
from passband.audit import parts
from passband.audit.card import Baselines, CriticalRadii, CriticalRadius
from passband.audit.classifier import audit
from passband.audit.gate import check
from passband.audit.requirement import AT_RADIUS, CEILINGS, PLAIN, parse_requirement
from passband.errors import InputError
from passband.robustness.plan import AttackPlan

DATA = noise(samples=60)
PLANS = (
    AttackPlan(FGSM(), (16 / 255, 0.1), sanity_samples=0),
    AttackPlan(PGD("l2", steps=3), (1.0,), sanity_samples=0),
)
AUDIT = audit(Memory(DATA), DATA, radii=[2, 5], attacks=PLANS)
CARD = AUDIT.card


@pytest.mark.parametrize(
    "measure",
    [
        *(each for each in PLAIN if each not in ("top5", "skew-flips")),
        *(f"{m}@5" for m in AT_RADIUS),
        *(f"{m}@0.1" for m in CEILINGS),
        "fgsm@16/255",
        "pgd-l2@1",
    ],
)
def test_every_measure_can_be_required_and_is_told_apart_from_its_opposite(measure):
    at_least, below = (AUDIT.check(f"{measure} {relation} 0.4") for relation in (">=", "<"))
    if at_least.value is None:
        assert not at_least.met
        assert not below.met
        assert "not reached" in at_least.detail
    else:
        assert at_least.met is (at_least.value >= 0.4)
        assert below.met is not at_least.met
    assert str(at_least).startswith("ok    " if at_least.met else "FAILED")


def test_values_are_those_of_the_card():
    assert AUDIT.check("clean >= 0").value == CARD.clean.accuracy.value
    point = next(p for p in CARD.curves if p.component == "hfc" and p.radius == 5)
    assert AUDIT.check("hfc@5 >= 0").value == point.accuracy.value
    assert AUDIT.check("hfc-agreement@5 >= 0").value == point.agreement.value
    correct, distance = AUDIT.counterexamples.correct, AUDIT.counterexamples.distance["linf"]
    assert AUDIT.check("ceiling-linf@20/255 >= 0").value == pytest.approx(
        (correct & (distance > torch.tensor(20 / 255))).float().mean().item()
    )


def test_a_robust_accuracy_is_that_of_its_attack_and_epsilon():
    fgsm, pgd = (attacked.outcome.robust.double().mean(dim=1).tolist() for attacked in AUDIT.attacks)
    assert [AUDIT.check(f"fgsm@{e} >= 0").value for e in ("16/255", "0.1")] == pytest.approx(fgsm)
    assert AUDIT.check("pgd-l2@1 >= 0").value == pytest.approx(pgd[0])
    assert 0 < fgsm[0] < 1


def test_what_was_not_measured_is_refused():
    with pytest.raises(InputError, match="did not run; it ran fgsm@16/255, fgsm@0.1, pgd-l2@1"):
        AUDIT.check("pgd@8/255 >= 0.5")
    with pytest.raises(InputError, match="did not run; it ran none"):
        check(parse_requirement("pgd@0.1 >= 0"), replace(CARD, attacks=()), None, AUDIT.rows)
    with pytest.raises(InputError, match="needs radius 4; measured were 2, 5"):
        AUDIT.check("lfc@4 >= 0.5")
    with pytest.raises(InputError, match="needs Corollary 1's ceiling, which this audit left out"):
        check(parse_requirement("ceiling-l2@1 >= 0"), CARD, None, AUDIT.rows)


def test_a_model_that_has_collapsed_meets_no_requirement_of_a_critical_radius():
    """A constant answer keeps its accuracy at every radius."""
    labels = torch.tensor([0, 0, 1]).repeat(20)
    collapsed = audit(Constant(0, 4), replace(DATA, labels=labels), radii=[2, 5])
    assert collapsed.card.clean.accuracy.value == collapsed.card.baselines.majority == pytest.approx(2 / 3)
    for text in ("critical95 <= 12", "critical50 <= 12"):
        found = collapsed.check(text)
        assert not found.met
        assert "not measurably better than naming the most frequent class" in str(found)


def test_a_model_a_little_above_the_majority_by_chance_has_no_critical_radius():
    """16 of 60 right, of which 15 would be by naming one class: 95% of that is more than guessing, and means nothing."""
    share, majority = parts.share(torch.arange(60) < 16), 15 / 60
    assert share.value * 0.95 > majority > share.low
    card = replace(CARD, clean=replace(CARD.clean, accuracy=share), baselines=Baselines(majority))
    old = replace(card, critical_radius=CriticalRadii(CriticalRadius(2.0, None), CriticalRadius(2.5, None)))
    for each in (card, old):  # cards written before this was known name a radius
        found = check(parse_requirement("critical95 <= 12"), each, None, AUDIT.rows)
        assert (found.met, found.value) == (False, None)
        assert str(found).endswith("not measurably better than naming the most frequent class throughout")
    assert "; the model is not measurably better than" in str(
        check(parse_requirement("clean >= 0.1"), card, None, AUDIT.rows)
    )
    assert "measurably" not in str(AUDIT.check("clean >= 0.1"))


def test_of_an_interval_the_worse_end_counts():
    share = parts.share(torch.arange(60) < 48)
    assert share.low == pytest.approx(0.6822, abs=1e-4)  # Wilson's, 48 of 60
    assert share.high == pytest.approx(0.8817, abs=1e-4)
    card = replace(CARD, clean=replace(CARD.clean, accuracy=share))

    def met(text: str) -> bool:
        return check(parse_requirement(text), card, None, AUDIT.rows).met

    assert met("clean >= 0.8")
    assert not met("clean >= 0.8 at 95%")
    assert met("clean >= 0.68 at 95%")
    assert not met("clean > 0.69 at 95%")
    assert met("clean <= 0.8")
    assert not met("clean <= 0.8 at 95%")
    assert met("clean < 0.89 at 95%")
    found = check(parse_requirement("clean >= 0.8 at 95%"), card, None, AUDIT.rows)
    assert (found.value, found.low, found.high) == (share.value, share.low, share.high)
    assert str(found) == (
        "FAILED clean >= 0.8 at 95%: 0.8000 [0.6822, 0.8817] of 60 samples; the lower end of the interval counts"
    )


def test_what_a_requirement_is_on_is_measured_in_python_too():
    found = audit(
        Memory(DATA), DATA, radii=[2], ceiling_samples=0, require=["lfc@4 >= 0", "hfc@2 >= 0", "clean >= 0"]
    )
    assert found.card.settings.radii == (2, 4)
    assert found.check("lfc@4 >= 0").met
    with pytest.raises(InputError, match=r"passband.audit\(..., require=\['lfc@5 >= 0'\]\) or --require"):
        found.check("lfc@5 >= 0")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lfc@8 > 60", "did you mean 'lfc@8 > 0.6'"),
        ("pgd@8/255 >= 0.1", "needs an attack that is not asked for"),
        ("ceiling-l2@1 >= 0.1", "ceiling_samples=0"),
        ("top5 >= 0.1", "measured of more than 20 classes"),
        ("lfc@80 >= 0.1", "not below the corner"),
        ("skew-flips <= 0.1", "cannot be prepared otherwise"),
    ],
)
def test_what_an_audit_will_not_answer_is_refused_before_the_work(text, message):
    def refused(*_: object) -> None:
        raise AssertionError("the work began")

    with pytest.raises(InputError, match=message):
        audit(Memory(DATA), DATA, radii=[2], ceiling_samples=0, require=[text], progress=refused)


def test_top_5_can_be_required_of_many_classes_only():
    with pytest.raises(InputError, match="measured of more than 20 classes; the data have 4. Require clean"):
        AUDIT.check("top5 >= 0.9")
    many = noise(samples=60, classes=25)
    found = audit(Memory(many), many, radii=[2], ceiling_samples=0)
    assert found.check("top5 >= 0.9").value == found.card.clean.top5.value
    assert "of 60 samples" in str(found.check("top5 >= 0.9"))
    clean = replace(found.card.clean, top5=None)
    with pytest.raises(InputError, match="this audit does not have"):
        check(parse_requirement("top5 >= 0"), replace(found.card, clean=clean), None, AUDIT.rows)


def test_a_ceiling_says_what_it_rests_on():
    assert re.fullmatch(
        r"ok     ceiling-l2@1 >= 0: \d\.\d{4} \[\d\.\d{4}, \d\.\d{4}\] of 60 samples, bounded search",
        str(AUDIT.check("ceiling-l2@1 >= 0")),
    )


@pytest.mark.parametrize(
    ("low", "high", "text", "met"),
    [
        (5.0, 7.0, "critical50 <= 7 at 95%", True),
        (5.0, 7.0, "critical50 <= 6.5 at 95%", False),
        (5.0, None, "critical50 <= 20 at 95%", False),  # past the radii measured
        (5.0, None, "critical50 >= 4 at 95%", True),
    ],
)
def test_the_worse_end_of_a_critical_radius_counts(low, high, text, met):
    card = CARD
    half = CriticalRadius(6.0, None, low, high)
    card = replace(card, critical_radius=replace(card.critical_radius, half=half))
    assert check(parse_requirement(text), card, None, pl.DataFrame()).met == met
