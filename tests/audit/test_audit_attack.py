import json

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

import passband as pb
from helpers import Memory, noise
from passband.attacks import FGSM, PGD
from passband.audit.attack import measure_robustness
from passband.audit.parts import share
from passband.errors import InputError
from passband.frequency.component import Low
from passband.robustness.plan import AttackPlan
from passband.rows import ATTACK_COLUMNS, COLUMNS

DATA = noise(samples=40)
MODEL = Memory(DATA)
EPSILONS = (22 / 255, 24 / 255)
PLANS = (
    AttackPlan(FGSM(), EPSILONS, sanity_samples=20),
    AttackPlan(PGD("l2", steps=3), (1.5,), sanity_samples=0),
)


class Masked(Memory):
    """A model whose gradient is zero: an attack that follows it goes nowhere."""

    def forward(self, images):
        return super().forward(images.detach()) + 0 * images.sum()


@pytest.fixture(scope="module")
def found():
    return measure_robustness(MODEL, DATA, PLANS, keep_images=True)


def test_the_card_says_what_the_attacks_found(found):
    card = found.card
    assert (card.kind, card.data.fingerprint) == ("attack", DATA.fingerprint)
    assert [attack.measure for attack in card.attacks] == ["fgsm", "pgd-l2"]
    for attack, attacked in zip(card.attacks, found.attacks, strict=True):
        outcome = attacked.outcome
        assert attack.attack == attacked.plan.attack
        assert attack.clean == card.clean.accuracy == share(outcome.correct)
        assert [point.epsilon for point in attack.points] == list(attacked.plan.epsilons)
        for index, point in enumerate(attack.points):
            assert point.accuracy == share(outcome.robust[index])
            assert sum(point.energy) == pytest.approx(1)
            assert 0 < point.median_distance <= point.epsilon * (1 + 1e-5)
            assert point.ceiling is None
        for number, group in enumerate(attack.classes):
            assert group.count == DATA.class_counts()[number]
            assert [cell.value for cell in group.robust] == pytest.approx(
                [robust[outcome.labels == number].double().mean().item() for robust in outcome.robust]
            )
    assert card.attacks[0].findings
    assert card.attacks[1].findings == ()


def test_rows_say_the_same(found):
    rows = found.rows
    assert rows.columns == list(COLUMNS)
    for attack in found.card.attacks:
        for point in attack.points:
            row = rows.filter(
                pl.col("attack") == attack.label,
                pl.col("norm") == attack.norm,
                pl.col("epsilon") == point.epsilon,
                pl.col("metric") == "robust-accuracy",
                pl.col("class").is_null(),
            )
            assert row["value"].item() == pytest.approx(point.accuracy.value)
            assert row["count"].item() == point.accuracy.count


def test_what_is_saved_is_read_back(found, tmp_path):
    found.save(tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert json.loads((folder / "attack.json").read_text()) == found.card.to_dict()
    assert pl.read_parquet(folder / "rows.parquet").equals(found.rows)
    samples = pl.read_parquet(folder / "samples.parquet")
    assert samples.columns == list(ATTACK_COLUMNS)
    assert len(samples) == 40 * (3 + 2)


def test_saved_images_are_those_that_the_accuracies_are_about(found, tmp_path):
    found.save(tmp_path)
    with np.load(tmp_path / "adversarial.npz") as saved:
        assert saved["images"].dtype == np.float32
        images, labels = torch.from_numpy(saved["images"]), torch.from_numpy(saved["labels"])
        with torch.no_grad():
            right = MODEL(images).argmax(dim=1) == labels
        originals = DATA.images[saved["samples"]].float() / 255
        change = (images - originals).flatten(1)
        assert saved["classes"].tolist() == list(DATA.classes)
        for attack in found.card.attacks:
            for point in attack.points:
                those = (saved["attacks"] == attack.label) & (saved["epsilons"] == point.epsilon)
                assert those.sum() == 40
                assert set(saved["norms"][those]) == {attack.norm}
                assert right[those].double().mean().item() == pytest.approx(point.accuracy.value)
                order = float("inf") if attack.norm == "linf" else 2
                length = torch.linalg.vector_norm(change[those], ord=order, dim=1)
                assert length.max() <= point.epsilon * (1 + 1e-5) + 1e-7


def test_saved_images_load_as_a_data_set_rounded_to_bytes(found, tmp_path):
    found.save(tmp_path)
    loaded = pb.load_dataset(f"npz:{tmp_path}/adversarial.npz")
    with np.load(tmp_path / "adversarial.npz") as saved:
        assert loaded.labels.tolist() == saved["labels"].tolist()
        assert loaded.classes == DATA.classes
        assert np.abs(loaded.images.numpy() / 255 - saved["images"]).max() <= 1 / 510 + 1e-6


def test_images_are_saved_only_where_they_were_kept(tmp_path):
    measure_robustness(MODEL, DATA, PLANS[1:]).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "attack.json",
        "pictures.safetensors",
        "rows.parquet",
        "samples.parquet",
    }


def test_the_card_counts_what_withstood_without_a_gradient():
    plan = AttackPlan(PGD("l2", steps=2), (0.5,), sanity_samples=5)
    for model, expected in ((Masked(DATA), 40), (MODEL, 0)):
        (attack,) = measure_robustness(model, DATA, [plan]).card.attacks
        assert [point.astray for point in attack.points] == [expected]
        passed = {finding.name: finding.passed for finding in attack.findings}
        assert passed["gradients"] is (expected == 0)


def test_no_attack_is_refused():
    with pytest.raises(InputError, match="at least one attack is needed, got none"):
        measure_robustness(MODEL, DATA, [])


def test_the_same_attacks_give_the_same_numbers(found):
    assert_frame_equal(measure_robustness(MODEL, DATA, PLANS).rows, found.rows, check_exact=True)
    # A batch of another size sums in another order.
    again = measure_robustness(MODEL, DATA, PLANS, batch_size=7)
    assert_frame_equal(again.rows, found.rows, rel_tol=1e-5)


def test_an_audit_holds_attacks_against_the_ceiling_on_the_same_samples():
    plan = AttackPlan(FGSM(), (1 / 255, 200 / 255), samples=30, sanity_samples=0)
    found = pb.audit(MODEL, DATA, radii=[2], attacks=[plan], ceiling_samples=20)
    (attack,) = found.card.attacks
    distance = found.counterexamples.distance["linf"]
    looked = found.counterexamples.samples
    assert len(looked) == 20
    both = looked < 30  # drawn from all 40, of which the first are attacked
    robust, distance = found.attacks[0].outcome.robust[:, looked[both]], distance[both]
    for index, point in enumerate(attack.points):
        ceiling, reachable = point.ceiling, distance <= point.epsilon
        assert ceiling.count == int(both.sum()) < 20
        possible = found.counterexamples.correct[both] & ~reachable
        assert ceiling.value == pytest.approx(possible.double().mean().item())
        assert ceiling.measured == pytest.approx(robust[index].double().mean().item())
        assert ceiling.missed == int((robust[index] & reachable).sum())
    assert attack.samples == 30
    assert any(point.ceiling.value < 1 for point in attack.points)


def test_an_attack_that_misses_what_an_lfc_breaks_is_found_out():
    plan = AttackPlan(FGSM(), (200 / 255,), sanity_samples=0)
    masked = pb.audit(Masked(DATA), DATA, radii=[2], attacks=[plan]).card.attacks[0]
    ceiling = masked.points[0].ceiling
    assert ceiling.measured == 1 > ceiling.value == ceiling.both
    (finding,) = masked.findings
    assert (finding.name, finding.passed) == ("ceiling", False)
    assert f"left {ceiling.missed} of 40 samples standing" in finding.message
    (passed,) = pb.audit(MODEL, DATA, radii=[2], attacks=[plan]).card.attacks[0].findings
    assert passed.passed


def test_an_attack_held_to_a_band_has_no_ceiling():
    plan = AttackPlan(FGSM(Low(2)), (8 / 255,), sanity_samples=0)
    (attack,) = pb.audit(MODEL, DATA, radii=[2], attacks=[plan]).card.attacks
    assert attack.points[0].ceiling is None
    assert attack.findings == ()


def test_an_audit_saves_what_attacks_did_to_each_sample(tmp_path):
    found = pb.audit(MODEL, DATA, radii=[2], attacks=PLANS, precision=0.6, batch_size=10, ceiling_samples=0)
    found.save(tmp_path)
    table = pl.read_parquet(tmp_path / "attacks.parquet")
    assert table.columns == list(ATTACK_COLUMNS)
    evaluated = found.samples["sample"].unique().sort().to_list()
    assert table["sample"].unique().sort().to_list() == evaluated
    assert len(evaluated) < 40
    assert found.rows.filter(metric="robust-accuracy")["attack"].unique().sort().to_list() == [
        "FGSM",
        "PGD-3",
    ]
    assert not (tmp_path / "counterexamples.parquet").exists()


def test_an_audit_without_attacks_says_so(tmp_path):
    found = pb.audit(MODEL, DATA, radii=[2], ceiling_samples=0)
    found.save(tmp_path)
    assert found.card.attacks == ()
    assert not (tmp_path / "attacks.parquet").exists()
