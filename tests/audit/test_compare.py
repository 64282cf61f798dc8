import dataclasses
import json

import polars as pl
import pytest
import torch

from helpers import Constant, Memory, ask, noise
from passband.attacks import FGSM, PGD, Attack
from passband.audit.classifier import audit
from passband.audit.compare import compare
from passband.audit.gate import check_drop, check_each_drop
from passband.audit.requirement import parse_drop
from passband.errors import InputError
from passband.frequency.component import FULL, High, Low
from passband.preparation import Preparation
from passband.robustness.evaluate import evaluate_attack
from passband.robustness.plan import AttackPlan
from passband.stats import holm, mcnemar

DATA = noise(samples=80, classes=3)
FIRST, SECOND = Memory(DATA), Constant(0, 3)


def paired_counts(first: torch.Tensor, second: torch.Tensor) -> tuple[int, int]:
    return int((first & ~second).sum()), int((second & ~first).sum())


@pytest.fixture
def folders(tmp_path):
    for name, model in (("first", FIRST), ("second", SECOND)):
        audit(model, DATA, radii=[2, 5], ceiling_samples=0).save(tmp_path / name)
    return tmp_path / "first", tmp_path / "second"


def test_top_5_is_compared_in_pairs_where_both_have_it(tmp_path):
    many = noise(samples=60, classes=25)
    for name, model in (("one", Memory(many)), ("two", Constant(3, 25))):
        audit(model, many, radii=[2], ceiling_samples=0).save(tmp_path / name)
    (found,) = [d for d in compare(tmp_path / "one", tmp_path / "two").differences if d.measure == "top5"]
    first = ask(Memory(many), many, [2]).top5[0]
    assert (found.first, found.second) == pytest.approx(
        (first.double().mean().item(), (many.labels == 3).double().mean().item())
    )
    assert found.low is not None
    assert found.low < found.second - found.first < found.high < 0
    assert found.p < 0.01
    card = json.loads((tmp_path / "two" / "card.json").read_text())
    del card["clean"]["top5"]
    (tmp_path / "two" / "card.json").write_text(json.dumps(card))
    assert "top5" not in {d.measure for d in compare(tmp_path / "one", tmp_path / "two").differences}


def test_paired_tests_rest_on_the_same_samples(folders):
    found = compare(*folders)
    assert found.pairing == "paired on 80 samples"
    assert found.names == ("Memory", "Constant")
    by_measure = {d.measure: d for d in found.differences}
    outcomes = [ask(model, DATA, [2, 5]) for model in (FIRST, SECOND)]
    measures = [
        ("lfc@2", Low(2)),
        ("lfc@5", Low(5)),
        ("hfc@2", High(2)),
        ("hfc@5", High(5)),
        ("clean", FULL),
    ]
    corrects = [[o.correct[o.of(component)] for o in outcomes] for _, component in measures]
    expected = holm([mcnemar(*paired_counts(*pair)) for pair in corrects])
    for (measure, _), (one, two), p in zip(measures, corrects, expected, strict=True):
        difference = by_measure[measure]
        assert difference.p == pytest.approx(p)
        assert difference.first == pytest.approx(one.float().mean().item())
        assert difference.second == pytest.approx(two.float().mean().item())
        assert difference.low <= difference.second - difference.first <= difference.high
    assert by_measure["clean"].p < 0.001
    assert by_measure["critical50"].p is None


def test_a_model_against_itself_does_not_differ(folders):
    found = compare(folders[0], folders[0])
    assert all(d.p == 1 for d in found.differences if d.p is not None)
    assert all(d.first == d.second for d in found.differences)


def test_audits_of_parts_of_the_data_are_paired_on_the_common_part(tmp_path, folders):
    audit(SECOND, DATA, radii=[2, 5], ceiling_samples=0, precision=0.3, batch_size=10).save(tmp_path / "part")
    found = compare(folders[0], tmp_path / "part")
    common = int(found.pairing.split()[2])
    assert 10 <= common < 80
    assert dataclasses.asdict(found)["differences"][0]["p"] is not None


def test_other_data_are_not_paired(tmp_path, folders):
    other = noise(samples=80, classes=3, seed=1)
    audit(SECOND, other, radii=[5], amplitude="raw", ceiling_samples=0).save(tmp_path / "other")
    found = compare(folders[0], tmp_path / "other")
    assert found.pairing == "not paired: the audits are of different data"
    assert all(d.p is None for d in found.differences)
    assert "different amplitude policies, 'max' and 'raw'" in found.warnings[0]
    assert {d.measure for d in found.differences if "@" in d.measure} == {"lfc@5", "hfc@5"}


def test_cards_without_samples_are_not_paired(folders):
    (folders[1] / "samples.parquet").unlink()
    assert "samples.parquet is missing" in compare(*folders).pairing


def test_a_broken_table_is_refused(folders):
    (folders[1] / "samples.parquet").write_bytes(b"not a table")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        compare(*folders)


def test_no_common_radius_is_refused(tmp_path, folders):
    audit(SECOND, DATA, radii=[3], ceiling_samples=0).save(tmp_path / "three")
    with pytest.raises(InputError, match="no radius in common"):
        compare(folders[0], tmp_path / "three")


def test_different_sizes_are_warned_of(tmp_path, folders):
    larger = noise(samples=10, classes=3, size=(20, 20))
    audit(Constant(0, 3), larger, radii=[5], ceiling_samples=0).save(tmp_path / "larger")
    assert any(
        "different image sizes" in warning for warning in compare(folders[0], tmp_path / "larger").warnings
    )


@pytest.mark.parametrize(("common", "said"), [(0, "no sample in common"), (1, "1 sample in common")])
def test_fewer_than_two_common_samples_are_not_paired(folders, common, said):
    path = folders[1] / "samples.parquet"
    table = pl.read_parquet(path)
    table.filter(pl.col("sample") < common).write_parquet(path)
    found = compare(*folders)
    assert found.pairing == f"not paired: the audits have {said}"
    assert all(difference.p is difference.low is None for difference in found.differences)


def test_bootstrap_is_repeatable(folders):
    torch.manual_seed(1)
    first = compare(*folders, seed=5)
    torch.manual_seed(2)
    assert compare(*folders, seed=5) == first


def plan(attack: Attack, *epsilons: float) -> AttackPlan:
    return AttackPlan(attack, epsilons, sanity_samples=0)


@pytest.fixture
def attacked(tmp_path):
    """Return a function that audits a model under attacks, and returns the folder."""

    def call(name, model, *plans):
        audit(model, DATA, radii=[5], ceiling_samples=0, attacks=plans).save(tmp_path / name)
        return tmp_path / name

    return call


def test_attacks_are_paired_on_the_samples_that_both_were_tried_on(attacked):
    weaker = Memory(DATA)
    with torch.no_grad():
        weaker.weight.mul_(torch.linspace(0.2, 2, 3))
    models = (FIRST, weaker)
    folders = [
        attacked(f"{i}", model, plan(FGSM(), 4 / 255, 9 / 255), plan(PGD("l2", steps=2), 0.1))
        for i, model in enumerate(models)
    ]
    found = compare(*folders)
    by_measure = {d.measure: d for d in found.differences}
    assert {"fgsm@4/255", "fgsm@9/255", "pgd-l2@0.1"} <= by_measure.keys()
    outcomes = [evaluate_attack(model, DATA, FGSM(), [4 / 255, 9 / 255]) for model in models]
    one, two = (outcome.robust[1] for outcome in outcomes)
    assert paired_counts(one, two) != (0, 0)
    tested = by_measure["fgsm@9/255"]
    assert (tested.first, tested.second) == pytest.approx(
        (one.float().mean().item(), two.float().mean().item())
    )
    assert tested.low <= tested.second - tested.first <= tested.high
    assert mcnemar(*paired_counts(one, two)) <= tested.p <= 1
    assert found.warnings == ()


def test_without_its_samples_an_attack_is_listed_and_not_tested(attacked):
    folders = [attacked(name, FIRST, plan(FGSM(), 9 / 255)) for name in "ab"]
    (folders[1] / "attacks.parquet").unlink()
    by_measure = {d.measure: d for d in compare(*folders).differences}
    assert by_measure["fgsm@9/255"].first == by_measure["fgsm@9/255"].second
    assert by_measure["fgsm@9/255"].p is None
    assert by_measure["clean"].p is not None


def test_other_settings_and_missing_attacks_are_warned_of(attacked):
    one = attacked("one", FIRST, plan(PGD(steps=2), 9 / 255), plan(FGSM(), 9 / 255))
    two = attacked("two", FIRST, plan(PGD(steps=3), 9 / 255))
    found = compare(one, two)
    assert found.warnings == (
        "different settings of pgd: 'PGD-2' and 'PGD-3'",
        "only one of the two was attacked by fgsm, which is not compared",
    )
    assert {d.measure for d in found.differences if "@9/255" in d.measure} == {"pgd@9/255"}


def test_attacks_in_a_band_of_version_0_1_are_compared(attacked):
    held = PGD(steps=2, band=Low(2))
    folders = [attacked("new", FIRST, plan(held, 9 / 255)), attacked("old", FIRST, plan(held, 9 / 255))]
    text = (folders[1] / "card.json").read_text().replace("lfc:2", "low:2")
    (folders[1] / "card.json").write_text(text)
    table = pl.read_parquet(folders[1] / "attacks.parquet")
    table = table.with_columns(pl.col("attack").str.replace("lfc:2", "low:2"))
    table.write_parquet(folders[1] / "attacks.parquet")
    assert "PGD-2 on low:2" in text
    assert "PGD-2 on low:2" in table["attack"]
    found = compare(*folders)
    (robust,) = [d for d in found.differences if d.measure == "pgd-lfc:2@9/255"]
    assert robust.p is not None  # paired, so found in both tables
    assert not found.warnings


def test_cards_from_before_attacks_are_read(attacked):
    folders = [attacked("new", FIRST, plan(FGSM(), 9 / 255)), attacked("old", FIRST)]
    card = json.loads((folders[1] / "card.json").read_text())
    assert card["schema"] == 1
    del card["robustness"]
    (folders[1] / "card.json").write_text(json.dumps(card))
    for order in (folders, folders[::-1]):
        found = compare(*order)
        assert found.pairing == "paired on 80 samples"
        assert found.warnings == ("only one of the two was attacked by fgsm, which is not compared",)


def prepared(resize, **changed):
    """Return the noise as if its pictures had been resized by a rule."""
    rule = Preparation(DATA.size, "squash", resize)
    return dataclasses.replace(DATA, preparation=rule, **changed)


def test_audits_of_differently_prepared_pictures_are_not_compared_unless_asked(tmp_path):
    other = {"images": DATA.images.roll(1, -1)}
    for name, data in (
        ("first", prepared("pillow-lanczos")),
        ("second", prepared("torch-no-antialias", **other)),
    ):
        audit(FIRST, data, radii=[2], ceiling_samples=0).save(tmp_path / name)
    folders = tmp_path / "first", tmp_path / "second"
    with pytest.raises(InputError, match=r"by pillow-lanczos \(antialiased\).*--any-preparation"):
        compare(*folders)
    found = compare(*folders, any_preparation=True)
    assert "prepared their pictures in different ways" in found.warnings[0]


def test_rules_that_gave_the_same_pixels_do_not_matter(tmp_path):
    for resize in ("pillow-lanczos", "torch"):
        audit(FIRST, prepared(resize), radii=[2], ceiling_samples=0).save(tmp_path / resize)
    assert compare(tmp_path / "pillow-lanczos", tmp_path / "torch").warnings == ()


@pytest.fixture
def several(folders, tmp_path):
    audit(Constant(1, 3), DATA, radii=[2, 5], ceiling_samples=0).save(tmp_path / "third")
    return (*folders, tmp_path / "third")


def test_several_audits_are_compared_with_the_first_and_corrected_for_all_tests(several):
    found = compare(*several)
    pairs = [compare(several[0], other) for other in several[1:]]
    assert found.names == ("Memory (first)", "Constant (second)", "Constant (third)")
    assert found.pairing == pairs[0].pairing
    for place, pair in enumerate(pairs, 1):
        own = [d for d in found.differences if d.audit == place]
        alike = [dataclasses.replace(d, p=None, audit=1) for d in own]
        assert alike == [dataclasses.replace(d, p=None) for d in pair.differences]
    right = [ask(model, DATA, [2, 5]).correct for model in (FIRST, SECOND, Constant(1, 3))]
    tests = [mcnemar(*paired_counts(right[0][row], other[row])) for other in right[1:] for row in range(5)]
    measures = ("clean", "lfc@2", "lfc@5", "hfc@2", "hfc@5")
    told = {(d.audit, d.measure): d.p for d in found.differences if d.p is not None}
    expected = dict(zip([(place, m) for place in (1, 2) for m in measures], holm(tests), strict=True))
    assert told == pytest.approx(expected)


def test_audits_at_hand_are_compared_as_their_folders_are(tmp_path):
    plans = [AttackPlan(FGSM(), (0.1,), sanity_samples=0)]
    audits = [audit(Memory(DATA), DATA, radii=[2, 5], ceiling_samples=0, attacks=plans) for _ in range(2)]
    audits.append(audit(SECOND, DATA, radii=[2], ceiling_samples=0))
    for place, each in enumerate(audits):
        each.save(tmp_path / str(place))
    at_hand, by_text = compare(*audits), compare(*(str(tmp_path / name) for name in "012"))
    assert at_hand.names == ("Memory (audit 1)", "Memory (audit 2)", "Constant (audit 3)")
    assert dataclasses.replace(at_hand, names=by_text.names, warnings=by_text.warnings) == by_text
    assert {d.measure for d in at_hand.differences if d.p is not None} >= {"clean", "lfc@2", "fgsm@0.1"}


def test_one_audit_is_compared_with_nothing(folders):
    with pytest.raises(InputError, match="at least two audits are compared, got 1"):
        compare(folders[0])


def test_what_is_said_of_each_pair_is_said_once_where_it_is_the_same(several, tmp_path):
    other = noise(samples=80, classes=3, seed=1)
    audit(Constant(1, 3), other, radii=[2, 5], ceiling_samples=0).save(tmp_path / "elsewhere")
    found = compare(*several[:2], tmp_path / "elsewhere")
    assert "(second) paired on 80 samples; " in found.pairing
    assert found.pairing.endswith("(elsewhere) not paired: the audits are of different data")


def test_a_drop_is_held_against_each_audit(several):
    found = compare(*several)
    requirement = parse_drop("clean-drop <= 0.9")
    each = [check_drop(requirement, [d for d in found.differences if d.audit == k]) for k in (1, 2)]
    checked = check_each_drop(found.names[1:], each)
    assert checked.met
    assert checked.value == max(one.value for one in each)
    assert all(
        f"{name} {one.detail}" in checked.detail for name, one in zip(found.names[1:], each, strict=True)
    )
    strict = [dataclasses.replace(each[0], met=False), each[1]]
    assert not check_each_drop(found.names[1:], strict).met
    assert check_each_drop(["alone"], each[:1]) is each[0]


def test_of_a_drop_the_upper_end_of_its_interval_may_count(folders):
    (clean,) = [d for d in compare(*folders).differences if d.measure == "clean"]
    drop, most = clean.first - clean.second, -clean.low
    assert drop < most < 1
    for text, met in (("", True), (" at 95%", False)):
        checked = check_drop(parse_drop(f"clean-drop <= {(drop + most) / 2}{text}"), [clean])
        assert (checked.met, checked.value, checked.high) == (met, drop, most)
    alone = dataclasses.replace(clean, low=None, high=None, p=None)
    with pytest.raises(
        InputError, match="is about an interval, and there is none here: .* audits of the same images"
    ):
        check_drop(parse_drop("clean-drop <= 0.5 at 95%"), [alone])


def test_a_model_at_chance_is_warned_of_and_has_no_critical_radius_to_lose(folders):
    found = compare(*folders)
    assert any(
        "Constant answers" in warning and "not measurably better than naming" in warning
        for warning in found.warnings
    )
    assert not any("Memory answers" in warning for warning in found.warnings)
    with pytest.raises(InputError, match="needs critical95, which one of the two audits does not have"):
        check_drop(parse_drop("critical95-drop <= 1"), found.differences)


def test_an_audit_that_shares_other_samples_with_the_first_is_told(several):
    assert not any("shares other samples" in warning for warning in compare(*several).warnings)
    path = several[2] / "samples.parquet"
    table = pl.read_parquet(path)
    table.filter(pl.col("sample") < 40).write_parquet(path)
    *_, warning = compare(*several).warnings
    assert warning.startswith(
        "Constant (third) shares other samples with the first audit than Constant (second) does"
    )
