import numpy as np
import pytest
import torch
from torch import nn

import passband as pb
from helpers import Memory, noise
from passband.attacks import FGSM, PGD, AutoAttack
from passband.errors import InputError
from passband.frequency.component import High, Low
from passband.instruments.attacks import attack
from passband.instruments.instrument import Subject
from passband.models.pixels import as_pixel_model
from passband.robustness.plan import EXAMPLES, Attacked, AttackPlan, check_plans
from passband.rows import ATTACK_COLUMNS

DATA = noise(samples=40)
MODEL = Memory(DATA)
ONE_STEP = AttackPlan(FGSM(), (24 / 255, 1 / 255), sanity_samples=0)


def run_plan(model: nn.Module, data: pb.ImageDataset, plan: AttackPlan, **settings) -> Attacked:
    return attack(Subject(as_pixel_model(model), data, "r", **settings), plan)


class Detached(Memory):
    """A model that cuts its gradient off, as one that computes in NumPy does."""

    def forward(self, images):
        return super().forward(images).detach()


def test_a_plan_has_ascending_epsilons_and_resolved_settings():
    plan = AttackPlan(FGSM(), (0.2, 1 / 255))
    assert plan.epsilons == (1 / 255, 0.2)
    assert plan == AttackPlan(FGSM(), (1 / 255, 0.2))


@pytest.mark.parametrize(
    ("attack", "measure"),
    [
        (FGSM(), "fgsm"),
        (PGD(steps=5), "pgd"),
        (PGD("l2"), "pgd-l2"),
        (AutoAttack("l2"), "autoattack-l2"),
        (PGD(band=Low(8)), "pgd-lfc:8"),
    ],
)
def test_a_plan_is_called_as_requirements_call_it(attack, measure):
    assert AttackPlan(attack, (0.1,)).measure == measure


@pytest.mark.parametrize(
    ("epsilons", "message"),
    [
        ((), "FGSM needs at least one epsilon, such as 8/255, got none"),
        ((0.0, 0.1), "epsilon must be positive, got 0"),
        ((-0.1,), "epsilon must be positive, got -0.1"),
        ((float("nan"),), "epsilon must be positive, got nan"),
        ((8.0,), "at most 1 in linf.*write 8/255, not 8"),
        ((8 / 255, 8 / 255), "each epsilon is used once, got 8/255, 8/255"),
    ],
)
def test_impossible_epsilons_are_refused(epsilons, message):
    with pytest.raises(InputError, match=message):
        AttackPlan(FGSM(), epsilons)


def test_impossible_numbers_of_samples_are_refused():
    with pytest.raises(InputError, match="at least 1 sample, got 0"):
        AttackPlan(PGD(), (0.1,), samples=0)
    with pytest.raises(InputError, match="sanity_samples must be >= 0, got -1"):
        AttackPlan(PGD(), (0.1,), sanity_samples=-1)


@pytest.mark.parametrize(
    ("plans", "model", "data", "message"),
    [
        ([ONE_STEP, ONE_STEP], MODEL, DATA, "each attack is run once, at all its epsilons; fgsm is asked for twice"),
        ([ONE_STEP], Detached(DATA), DATA, "the model has no gradient with respect to its images"),
        ([AttackPlan(PGD("l2"), (99,))], MODEL, DATA, "epsilon must be at most .* in l2"),
        ([AttackPlan(PGD(band=Low(9)), (0.1,))], MODEL, DATA, "not below the corner"),
        ([ONE_STEP], Memory(noise(classes=3)), DATA, "has 3 outputs and the data set 4 classes"),
        ([AttackPlan(AutoAttack(), (0.1,))], Memory(noise(classes=3)), noise(classes=3),
         "AutoAttack needs a model of at least 4 classes, got 3"),
    ],
)  # fmt: skip
def test_attacks_that_do_not_fit_are_refused(plans, model, data, message):
    with pytest.raises(InputError, match=message):
        check_plans(plans, model, data)


def test_an_audit_refuses_them_before_any_work():
    told: list[tuple] = []
    with pytest.raises(InputError, match="no gradient"):
        pb.audit(Detached(DATA), DATA, attacks=[ONE_STEP], progress=lambda *report: told.append(report))
    assert told == []


def test_fitting_attacks_change_nothing():
    before = [parameter.clone() for parameter in MODEL.parameters()]
    check_plans([ONE_STEP, AttackPlan(PGD("l2", band=High(2)), (1.0,))], MODEL, DATA)
    assert all(torch.equal(*pair) for pair in zip(before, MODEL.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in MODEL.parameters())


def test_the_first_samples_of_an_order_are_attacked():
    plan = AttackPlan(FGSM(), (1 / 255,), samples=3, sanity_samples=0)
    found = run_plan(MODEL, DATA, plan, indices=torch.tensor([5, 3, 9, 1]))
    assert found.outcome.samples.tolist() == [5, 3, 9]
    assert found.findings == ()


def test_the_table_has_a_row_a_sample_and_epsilon_and_starts_with_the_whole_image():
    found = run_plan(MODEL, DATA, ONE_STEP)
    table, outcome = found.to_table(), found.outcome
    assert dict(table.schema) == dict(ATTACK_COLUMNS)
    assert table["epsilon"].unique().sort().to_list() == [0, 1 / 255, 24 / 255]
    whole = table.filter(epsilon=0)
    with torch.no_grad():
        answers = MODEL(DATA.images.float() / 255).argmax(dim=1)
    assert whole["prediction"].to_list() == answers.tolist()
    assert whole["robust"].to_list() == (answers == DATA.labels).tolist()
    for index, epsilon in enumerate(outcome.epsilons):
        rows = table.filter(epsilon=epsilon)
        assert rows["robust"].to_list() == outcome.robust[index].tolist()
        np.testing.assert_array_equal(rows["distance"].to_numpy(), outcome.distance[index].numpy())
    assert table["robust"].mean() < whole["robust"].mean()  # it broke something, so the table can be wrong


def test_examples_are_broken_at_their_epsilon_and_of_different_classes():
    found = run_plan(MODEL, DATA, AttackPlan(PGD(steps=3), (22 / 255, 32 / 255), sanity_samples=0))
    assert len(found.examples) == EXAMPLES
    assert len({example.label for example in found.examples}) == EXAMPLES
    assert [example.epsilon for example in found.examples] == sorted(e.epsilon for e in found.examples)
    for example in found.examples:
        row = found.outcome.samples.tolist().index(example.sample)
        broken = ~found.outcome.robust[:, row]
        assert example.epsilon == found.outcome.epsilons[int(broken.int().argmax())]
        assert example.probabilities[0].argmax() == example.label != example.probabilities[1].argmax()
        assert (example.adversarial - example.original).abs().max() <= example.epsilon + 1e-6
        torch.testing.assert_close(example.original, DATA.images[example.sample] / 255)


def test_an_attack_that_breaks_nothing_has_no_examples():
    labels = torch.zeros(10, dtype=torch.int64)
    data = pb.ImageDataset(noise(samples=10).images, labels, ("a", "b", "c", "d"), "zeros")
    body = nn.Sequential(nn.Flatten(), nn.Linear(360, 4))
    with torch.no_grad():
        body[1].weight.mul_(1e-3)
        body[1].bias.copy_(torch.tensor([9.0, 0, 0, 0]))
    assert run_plan(body, data, ONE_STEP).examples == ()


def test_progress_says_which_attack_it_is_about():
    told = set()
    run_plan(MODEL, DATA, ONE_STEP, progress=lambda stage, done, total: told.add((stage, total)))
    assert told == {("attack: FGSM", 80)}
