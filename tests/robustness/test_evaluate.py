from __future__ import annotations

import math
import warnings
from dataclasses import replace

import polars as pl
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from helpers import Constant, Memory, Standardized, noise
from passband.attacks import FGSM, PGD, Attack, AutoAttack
from passband.data.dataset import ImageDataset, to_pixels
from passband.errors import InputError
from passband.frequency.component import Component, High, Low
from passband.frequency.fourier import high_pass, low_pass
from passband.models.trial import tried
from passband.randomness import generator_for
from passband.robustness.evaluate import AttackOutcome, attack_rows, evaluate_attack
from passband.rows import COLUMNS, to_table

DATA = noise(samples=60, classes=4, size=(8, 8))
LINF, L2 = (0.01, 0.03, 0.06), (0.1, 0.3, 0.6)
ATTACKS = [
    FGSM(),
    FGSM(band=Low(2)),
    PGD(steps=6),
    PGD(steps=6, random_start=False),
    PGD(steps=4, step_share=0.3, restarts=3),
    PGD("l2", steps=6),
    PGD("l2", steps=3, restarts=2),
    PGD(steps=6, band=Low(2)),
    PGD(steps=6, band=High(2.5)),
    PGD("l2", steps=6, band=High(2)),
]


def trained(data: ImageDataset, rounds: int) -> nn.Module:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.Tanh(), nn.Linear(16, 4))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(rounds):
        optimizer.zero_grad()
        F.cross_entropy(network(to_pixels(data.images)), data.labels).backward()
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """A network that is right on most of the images, by more or by less."""
    return trained(DATA, 12)


def epsilons_of(attack: Attack) -> tuple[float, ...]:
    """A band leaves an attack less room, so that it needs a larger epsilon to break as much."""
    scale = 1 if attack.band is None else 2
    return tuple(scale * epsilon for epsilon in (LINF if attack.norm == "linf" else L2))


def lengths(change: Tensor, norm: str) -> Tensor:
    flat = change.flatten(1)
    return (flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1))[:, None, None, None]


def banded(change: Tensor, band: Component | None) -> Tensor:
    if band is None:
        return change
    assert isinstance(band, Low | High)
    return (low_pass if isinstance(band, Low) else high_pass)(change, band.radius)


def plain_start(image: Tensor, attack: Attack, epsilon: float, purpose: tuple) -> Tensor:
    """One image at a time: a draw in the ball, its component at the length of the whole."""
    generator = generator_for(*purpose)
    if attack.norm == "linf":
        draw = torch.empty_like(image).uniform_(-1, 1, generator=generator)
    else:
        draw = torch.empty_like(image).normal_(generator=generator)
        draw = draw / draw.norm() * torch.rand(1, generator=generator) ** (1 / image.numel())
    inside = banded(draw, attack.band)
    inside = inside * lengths(draw, attack.norm) / lengths(inside, attack.norm)
    return plain_confined(image, inside * epsilon, attack, epsilon)


def plain_confined(images: Tensor, change: Tensor, attack: Attack, epsilon: float) -> Tensor:
    if attack.norm == "linf":
        change = change.clamp(-epsilon, epsilon)
    if attack.band is not None:
        change = banded(change, attack.band)
        if attack.norm == "linf":
            for _ in range(2):
                change = banded(change.clamp(-epsilon, epsilon), attack.band)
    if attack.norm == "l2" or attack.band is not None:
        change = change * (epsilon / lengths(change, attack.norm)).clamp_max(1)
    return (images + change).clamp(0, 1)


def plain_robust(model: nn.Module, data: ImageDataset, attack: Attack, epsilons, seed: int) -> Tensor:
    """Attack every sample at every epsilon with every restart, to the last step, and put the results together."""
    images, labels = to_pixels(data.images), data.labels
    if isinstance(attack, FGSM):
        steps, share, starts, restarts = 1, 1.0, False, 1
    else:
        assert isinstance(attack, PGD)
        steps, share, starts = attack.steps, attack.step_share or 2.5 / attack.steps, attack.random_start
        restarts = attack.restarts
    wrong = model(images).argmax(1) != labels
    fooled = []
    for epsilon in torch.tensor(epsilons).tolist():  # as float32 has them
        here = wrong
        for restart in range(restarts):
            moved = images
            if starts:
                moved = torch.cat(
                    [
                        plain_start(image[None], attack, epsilon, (seed, "attack", i, repr(epsilon), restart))
                        for i, image in enumerate(images)
                    ]
                )
            for step in range(steps + 1):
                moved.requires_grad_()
                logits = model(moved)
                here = here | (logits.argmax(1) != labels)
                if step == steps:
                    break
                (gradient,) = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), moved)
                if attack.band is None:
                    up = gradient.sign() if attack.norm == "linf" else gradient / lengths(gradient, "l2")
                else:
                    up = banded(gradient, attack.band)
                    up = banded(up.sign(), attack.band) if attack.norm == "linf" else up
                    up = up / lengths(up, attack.norm)
                change = moved.detach() + share * epsilon * up - images
                moved = plain_confined(images, change, attack, epsilon)
        fooled.append(here)
    return ~torch.stack(fooled)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_the_short_way_finds_what_the_plain_way_finds(model, attack):
    outcome = evaluate_attack(model, DATA, attack, epsilons_of(attack), seed=3, batch_size=13)
    expected = plain_robust(model, DATA, attack, epsilons_of(attack), seed=3)
    assert torch.equal(outcome.robust, expected)
    assert 0 < expected[-1].sum() < expected[0].sum() < outcome.correct.sum() + 1 < len(DATA)


class Striped(nn.Module):
    """The answer changes and changes back along each image's own direction, so that long steps overshoot."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        logits = self.body(images)
        return torch.cat([logits[:, :2], (logits[:, 2:] * 3).sin() * 3], dim=1)


@pytest.mark.parametrize(
    "attack",
    [
        FGSM(),
        PGD(steps=3),
        PGD(steps=2, restarts=3),
        PGD("l2", steps=3, restarts=2),
        PGD("l2", steps=2, random_start=False),
    ],
    ids=str,
)
def test_an_epsilon_alone_and_in_a_list_is_the_same_sample_by_sample(model, attack):
    striped, scale = Striped(model), 1 if attack.norm == "linf" else 8
    epsilons = [scale * epsilon for epsilon in (0.02, 0.05, 0.1, 0.3, 0.8)]
    listed = evaluate_attack(striped, DATA, attack, epsilons, seed=3, batch_size=13, keep_images=True)
    assert torch.equal(listed.robust, plain_robust(striped, DATA, attack, epsilons, seed=3))
    for level, epsilon in enumerate(epsilons):
        alone = evaluate_attack(striped, DATA, attack, [epsilon], seed=3, keep_images=True)
        assert torch.equal(alone.predictions[0], listed.predictions[level])
        torch.testing.assert_close(alone.images[0], listed.images[level], rtol=0, atol=1e-5)
        torch.testing.assert_close(alone.radial[0], listed.radial[level])
        torch.testing.assert_close(alone.power[0], listed.power[level], rtol=1e-4, atol=1e-8)
    if isinstance(
        attack, FGSM
    ):  # this is where it matters: some are broken at an epsilon and not at the next
        assert (listed.robust[1:] & ~listed.robust[:-1]).any()


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_neither_batch_size_nor_order_changes_a_result(model, attack):
    epsilons = epsilons_of(attack)
    whole = evaluate_attack(model, DATA, attack, epsilons, keep_images=True)
    order = torch.randperm(len(DATA))
    parts = evaluate_attack(model, DATA, attack, epsilons, indices=order, batch_size=17, keep_images=True)
    assert torch.equal(parts.predictions, whole.predictions[:, order])
    torch.testing.assert_close(parts.images, whole.images[:, order], rtol=0, atol=1e-5)
    torch.testing.assert_close(parts.radial, whole.radial)
    torch.testing.assert_close(parts.power, whole.power)
    few = evaluate_attack(model, DATA, attack, epsilons, indices=torch.tensor([5, 40]), batch_size=1)
    assert torch.equal(few.predictions, whole.predictions[:, [5, 40]])


def test_the_seed_draws_the_starts(model):
    outcomes = [
        evaluate_attack(model, DATA, PGD(steps=1), LINF, seed=seed, keep_images=True) for seed in (0, 0, 1)
    ]
    assert torch.equal(outcomes[0].images, outcomes[1].images)
    assert not torch.equal(outcomes[0].images, outcomes[2].images)


@settings(max_examples=15)
@given(
    attack=st.sampled_from(ATTACKS),
    shares=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=3, unique=True),
    seed=st.integers(0, 99),
)
def test_images_are_what_the_outcome_says_of_them(model, attack, shares, seed):
    farthest = 1 if attack.norm == "linf" else math.sqrt(192)
    outcome = evaluate_attack(
        model, DATA, attack, [share * farthest for share in shares], seed=seed, keep_images=True
    )
    originals = to_pixels(DATA.images)
    assert outcome.images.min() >= 0
    assert outcome.images.max() <= 1
    assert list(outcome.epsilons) == sorted(outcome.epsilons)
    assert (outcome.robust <= outcome.correct).all()
    for level, epsilon in enumerate(outcome.epsilons):
        moved = lengths(outcome.images[level] - originals, attack.norm).flatten()
        torch.testing.assert_close(outcome.distance[level], moved, rtol=0, atol=1e-5)
        assert (moved <= epsilon + 1e-5).all()
        assert (moved[~outcome.correct] == 0).all()
        assert torch.equal(model(outcome.images[level]).argmax(1), outcome.predictions[level])


def test_nothing_happens_at_epsilon_0(model):
    outcome = evaluate_attack(model, DATA, PGD(steps=3), [0.02, 0], keep_images=True)
    assert outcome.epsilons == (0, 0.02)
    assert torch.equal(outcome.robust[0], outcome.correct)
    assert torch.equal(outcome.images[0], to_pixels(DATA.images))
    assert not outcome.radial[0].any()
    assert not outcome.power[0].any()


class Counted(nn.Module):
    """Passes images on and counts them."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body, self.seen, self.calls = body, 0, 0

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        self.calls += 1
        return self.body(images)


def test_what_is_wrong_or_broken_is_left_alone_and_batches_stay_full(model):
    counted = Counted(model)
    once = tried(counted, DATA, torch.device("cpu"))  # not counted, and not tried again
    counted.seen = counted.calls = 0
    outcome = evaluate_attack(once, DATA, PGD(steps=10), LINF, batch_size=10)
    # One look at each sample; then, at each epsilon, a start and ten steps if it withstands, about half if it does not.
    broken = int((outcome.correct & ~outcome.robust).sum())
    assert broken > 30
    assert counted.seen < len(DATA) + 11 * int(outcome.robust.sum()) + 7 * broken
    assert (
        counted.seen - len(DATA) - 6 > 10 * (counted.calls - 9) - 10 * 33
    )  # only the last ones leave slots empty
    wrong = replace(DATA, labels=(model(to_pixels(DATA.images)).argmax(1) + 1) % 4)
    counted.seen = 0
    assert not evaluate_attack(once, wrong, PGD(), LINF).correct.any()
    assert counted.seen == len(DATA) + 6  # three pairs show whether images are answered alone


def test_fgsm_asks_for_one_gradient_of_an_image_and_an_answer_at_each_epsilon(model):
    asked = []

    class Listening(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            asked.append((images.requires_grad, len(images)))
            return model(images)

    once = tried(Listening(), DATA, torch.device("cpu"))
    asked.clear()
    outcome = evaluate_attack(once, DATA, FGSM(), LINF, batch_size=10)
    right = int(outcome.correct.sum())
    assert sum(count for gradient, count in asked if gradient) == right > 0
    answers = sum(count for gradient, count in asked if not gradient)
    assert answers == len(DATA) + 6 + len(LINF) * right  # three pairs show whether images are answered alone


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_robust_accuracy_of_a_linear_classifier_of_two_classes_is_known(norm):
    """A perturbation moves its margin by the dual norm of the difference of weights, and no further."""
    generator = torch.Generator().manual_seed(2)
    data = noise(samples=200, classes=2, channels=1, size=(5, 5))
    data = replace(data, images=data.images // 2 + 64)  # from 0.25 to 0.75, so that no pixel reaches an end
    linear = nn.Sequential(nn.Flatten(), nn.Linear(25, 2))
    weight = linear[1].weight.data.normal_(generator=generator)
    difference = weight[0] - weight[1]
    margin = to_pixels(data.images).flatten(1) @ difference + linear[1].bias.data @ torch.tensor([1.0, -1])
    margin = torch.where(data.labels == 0, margin, -margin)
    reach = difference.abs().sum() if norm == "linf" else difference.norm()
    epsilons = (0.01, 0.03, 0.1) if norm == "linf" else (0.05, 0.1, 0.4)
    expected = margin > torch.tensor(epsilons)[:, None] * reach
    attacks = [PGD(norm, steps=20), PGD(norm, steps=1, step_share=1, random_start=False)]
    for attack in [*attacks, *([FGSM()] if norm == "linf" else [])]:
        outcome = evaluate_attack(linear, data, attack, epsilons)
        sure = (margin / reach - torch.tensor(epsilons)[:, None]).abs() > 1e-5  # but for rounding
        assert torch.equal(outcome.robust[sure], expected[sure])
        assert sure.float().mean() > 0.99
        assert 0.02 < outcome.robust.float().mean(dim=1)[-1] < outcome.robust.float().mean(dim=1)[0] < 0.6


def test_foolbox_finds_the_same_robust_accuracy(monkeypatch):
    monkeypatch.setenv("GIT_PYTHON_REFRESH", "quiet")
    data = noise(samples=300, classes=4, size=(8, 8), seed=5)
    network = trained(data, 25)
    images = to_pixels(data.images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        foolbox = pytest.importorskip("foolbox")
        oracle = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
        for attack, by, epsilons in (
            (FGSM(), foolbox.attacks.FGSM(random_start=False), LINF),
            (
                PGD(steps=10, random_start=False),
                foolbox.attacks.LinfPGD(steps=10, rel_stepsize=0.25, random_start=False),
                LINF,
            ),
            (PGD(steps=10), foolbox.attacks.LinfPGD(steps=10, rel_stepsize=0.25), LINF),
            (PGD("l2", steps=10), foolbox.attacks.L2PGD(steps=10, rel_stepsize=0.25), L2),
        ):
            _, _, success = by(oracle, images, data.labels, epsilons=list(epsilons))
            theirs = (~success).float().mean(dim=1)
            ours = evaluate_attack(network, data, attack, epsilons).robust.float().mean(dim=1)
            assert 0.05 < theirs[0] < 0.95
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0.01)


def test_spectra_are_those_of_the_perturbations(model):
    outcome = evaluate_attack(model, DATA, PGD(steps=5), LINF, keep_images=True)
    for level in range(len(LINF)):
        change = (outcome.images[level] - to_pixels(DATA.images))[outcome.correct].double()
        power = torch.fft.fft2(change, norm="ortho").abs().square()
        shifted = torch.fft.fftshift(power.mean(dim=(0, 1)))
        torch.testing.assert_close(outcome.power[level].double(), shifted, rtol=1e-4, atol=1e-9)
        shares = torch.zeros(len(change), 7, dtype=torch.float64)
        for row in range(8):
            for column in range(8):
                distance = math.hypot(row if row <= 4 else row - 8, column if column <= 4 else column - 8)
                shares[:, round(distance)] += power[:, :, row, column].sum(dim=1)
        expected = (shares / shares.sum(dim=1, keepdim=True)).mean(dim=0)
        torch.testing.assert_close(outcome.radial[level].double(), expected, rtol=1e-4, atol=1e-7)
        assert outcome.radial[level].sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_perturbation_held_to_a_band_lies_in_it(model, norm):
    gray = replace(DATA, images=DATA.images // 4 + 96)  # far from 0 and 1: nothing is cut
    for band, inside in ((Low(1), slice(0, 2)), (High(3), slice(3, None))):
        outcome = evaluate_attack(model, gray, PGD(norm, steps=3, band=band), [0.05])
        assert outcome.correct.any()
        assert outcome.radial[0][inside].sum().item() == pytest.approx(1, abs=1e-4)
        assert outcome.distance[0].max() <= 0.05 + 1e-6


def test_rows_are_means_over_samples_and_over_classes(model):
    attack = PGD(steps=3, band=Low(2))
    outcome = evaluate_attack(model, DATA, attack, LINF)
    table = to_table(attack_rows(outcome, DATA, run="r", seed=7))
    assert table.columns == list(COLUMNS)
    for column, value in {
        "run": "r",
        "seed": 7,
        "attack": "PGD-3 on lfc:2",
        "band": "lfc:2",
        "norm": "linf",
        "subset": "test",
    }.items():
        assert table[column].unique().to_list() == [value]
    accuracy = table.filter(pl.col("metric") == "robust-accuracy")
    overall = accuracy.filter(pl.col("class").is_null())
    assert overall["epsilon"].to_list() == [0, *LINF]
    clean = outcome.correct.double().mean().item()
    assert overall["value"].to_list() == [clean, *outcome.robust.double().mean(dim=1).tolist()]
    by_class = accuracy.filter(pl.col("class").is_not_null())
    assert len(by_class) == 4 * 4
    for _, part in by_class.group_by("epsilon"):
        assert part["count"].sum() == len(DATA)
    last = by_class.filter(pl.col("epsilon") == LINF[-1])
    assert (last["value"] * last["count"]).sum() == pytest.approx(outcome.robust[-1].sum().item())
    energy = table.filter(pl.col("metric") == "perturbation-energy", pl.col("epsilon") == LINF[0])
    assert energy["radius"].to_list() == list(range(7))
    assert energy["value"].to_list() == outcome.radial[0].tolist()
    assert energy["count"].unique().to_list() == [int(outcome.correct.sum())]


def test_an_epsilon_of_0_is_the_clean_accuracy_and_has_one_row_a_class(model):
    rows = list(attack_rows(evaluate_attack(model, DATA, FGSM(), [0]), DATA, run="r"))
    assert len(rows) == 5
    assert {row.epsilon for row in rows} == {0}


def test_an_attack_after_another_is_never_weaker(model):
    before = evaluate_attack(model, DATA, FGSM(), LINF, keep_images=True)
    weak = PGD(steps=1, step_share=0.01)
    alone = evaluate_attack(model, DATA, weak, LINF, keep_images=True)
    both = evaluate_attack(model, DATA, weak, LINF, after=before, keep_images=True)
    assert torch.equal(both.robust, alone.robust & before.robust)  # epsilon by epsilon
    assert (before.robust[1:] < before.robust[:-1]).any()
    assert both.robust.sum() < alone.robust.sum()
    assert torch.equal(model(both.images[1]).argmax(1), both.predictions[1])
    originals = to_pixels(DATA.images)
    for level in range(len(LINF)):
        torch.testing.assert_close(
            both.distance[level], lengths(both.images[level] - originals, "linf").flatten(), rtol=0, atol=1e-6
        )
        change = (both.images[level] - originals)[both.correct]
        power = torch.fft.fftshift(torch.fft.fft2(change, norm="ortho").abs().square().mean(dim=(0, 1)))
        torch.testing.assert_close(both.power[level], power, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": torch.arange(60).flip(0)}, "only follow one on the same samples in the same order"),
        ({"attack": PGD("l2")}, "an attack in linf cannot follow one in l2"),
        ({"epsilons": (0.01, 0.02, 0.06)}, "the earlier attack was not measured at epsilon 0.03"),
        ({"images": None}, "evaluate it with keep_images=True"),
    ],
)
def test_an_attack_follows_only_what_it_can_build_on(model, changes, message):
    before: AttackOutcome = evaluate_attack(model, DATA, FGSM(), LINF, keep_images=True)
    with pytest.raises(InputError, match=message):
        evaluate_attack(model, DATA, FGSM(), LINF, after=replace(before, **changes))


def test_autoattack_leaves_no_more_than_pgd_whose_broken_samples_it_takes_over(model):
    pytest.importorskip("pyautoattack")
    data, epsilons = DATA.take(slice(8)), (0.06, 0.1)
    pgd = evaluate_attack(model, data, PGD(steps=20), epsilons, keep_images=True)
    alone = evaluate_attack(model, data, AutoAttack(), epsilons)
    assert (alone.robust.sum(dim=1) <= pgd.robust.sum(dim=1)).all()  # as it is usually
    both = evaluate_attack(model, data, AutoAttack(), epsilons, after=pgd)
    assert (both.robust <= pgd.robust).all()  # as it must be
    assert 0 < pgd.robust[0].sum() < both.correct.sum()


def test_the_model_is_left_as_it_was():
    network = nn.Sequential(nn.Dropout(0.5), Memory(DATA), nn.BatchNorm1d(4))
    network[0].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    evaluate_attack(network, DATA, PGD(steps=2), [0.1])
    assert [module.training for module in network] == [False, True, True]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_progress_is_reported_to_the_end(model):
    seen = []
    evaluate_attack(model, DATA, PGD(steps=2), LINF, batch_size=9, progress=lambda *args: seen.append(args))
    done = [count for _, count, _ in seen]
    assert done == sorted(done)
    assert seen[-1] == ("attack", 180, 180)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("attack", "epsilons", "message"),
    [
        (PGD(), [], "at least one epsilon is needed, such as 8/255, got none"),
        (PGD(), [0.1, 0.1], "each epsilon is measured once, got 0.1, 0.1"),
        (PGD(), [-0.1], "epsilon must be 0 or positive, got -0.1"),
        (PGD(), [math.nan], "epsilon must be 0 or positive, got nan"),
        (PGD(), [8], "epsilon must be at most 1 in linf"),
        (PGD("l2"), [14], r"epsilon must be at most 13.8564 in l2"),
        (PGD(band=Low(6)), [0.1], "radius 6 is not below the corner"),
    ],
)
def test_impossible_settings_are_refused(model, attack, epsilons, message):
    with pytest.raises(InputError, match=message):
        evaluate_attack(model, DATA, attack, epsilons)


def test_a_model_without_a_gradient_or_of_other_classes_is_refused():
    right = replace(DATA, labels=torch.ones_like(DATA.labels))
    with pytest.raises(InputError, match="the model has no gradient with respect to its images"):
        evaluate_attack(Constant(1, 4), right, PGD(), [0.1])
    with pytest.raises(InputError, match="Constant has 7 outputs and noise 4 classes: a"):
        evaluate_attack(Constant(1, 7), DATA, PGD(), [0.1])


class Root(nn.Module):
    """Sees the square roots of pixels: at a black one the gradient is infinite."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        return self.body(images.sqrt())


BLACK = replace(DATA, images=DATA.images.clone().index_fill_(0, torch.arange(5), 0))


@pytest.mark.parametrize(
    ("attack", "epsilons"),
    [
        (FGSM(), LINF),
        (FGSM(band=Low(2)), LINF),
        (PGD(steps=3, random_start=False), LINF),
        (PGD("l2", steps=3, random_start=False), L2),
        (PGD("l2", steps=3, restarts=2), L2),
        (PGD("l2", steps=3, random_start=False, band=Low(2)), L2),
    ],
    ids=str,
)
def test_a_gradient_that_is_not_finite_makes_no_image_of_nan_and_is_counted(model, attack, epsilons):
    root = Root(model)
    right = replace(BLACK, labels=root(to_pixels(BLACK.images)).argmax(1))
    outcome = evaluate_attack(root, right, attack, epsilons, keep_images=True)
    assert outcome.images.isfinite().all()
    assert outcome.distance.isfinite().all()
    assert outcome.power.isfinite().all()
    fixed = attack.norm == "l2" or attack.band is not None  # in linf infinity has a sign
    if not attack.ascent.random_start:
        assert outcome.astray[:, :5].all()
        assert not outcome.robust[0].all()
        if fixed:
            assert (outcome.images[:, :5] == 0).all()
            assert outcome.robust[:, :5].all()
    some = (right.images > 0).flatten(1).all(dim=1)
    if isinstance(attack, FGSM):  # it goes on from the image alone
        assert torch.equal(outcome.astray[0], ~some)


@pytest.mark.parametrize("gradient", [0.0, math.nan])
def test_a_sample_without_a_gradient_stays_and_the_others_are_attacked(model, gradient):
    class Spoiled(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            first = (images == to_pixels(DATA.images[7:8])).flatten(1).all(dim=1)
            images = images.clone()
            if images.requires_grad:
                images.register_hook(lambda g: torch.where(first[:, None, None, None], gradient, g))
            return model(images)

    attack = PGD("l2", steps=4, random_start=False)
    data = replace(DATA, labels=model(to_pixels(DATA.images)).argmax(1))
    outcome = evaluate_attack(Spoiled(), data, attack, L2, keep_images=True)
    expected = evaluate_attack(model, data, attack, L2, keep_images=True)
    assert outcome.astray.nonzero().tolist() == [[0, 7], [1, 7], [2, 7]]
    assert torch.equal(outcome.images[:, 7], to_pixels(data.images[7]).expand(3, -1, -1, -1))
    others = torch.arange(len(data)) != 7
    torch.testing.assert_close(outcome.images[:, others], expected.images[:, others])
    assert not expected.astray.any()


def test_an_answer_that_is_not_finite_is_an_error_and_neither_right_nor_fooled(model):
    class Cliff(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            far = 0 < (images - to_pixels(DATA.images[:1])).abs().amax() < 0.02
            return model(images) + (math.nan if far else 0.0)

    one = DATA.take(slice(1))
    one = replace(one, labels=model(to_pixels(one.images)).argmax(1))
    message = r"NaN or infinite logits for 1 of 1 images made by FGSM in linf, at epsilon 0\.01"
    with pytest.raises(InputError, match=message):
        evaluate_attack(Cliff(), one, FGSM(), [0.01])
    constant = replace(DATA, images=torch.full_like(DATA.images, 9))
    with pytest.raises(InputError, match="for 60 of 60 whole images"):
        evaluate_attack(Standardized(model), constant, FGSM(), [0.01])


def test_answers_that_depend_on_the_batch_are_refused(model):
    normalized = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), model)
    with pytest.raises(InputError, match="answers of Sequential depend on the other images of the batch"):
        evaluate_attack(normalized, DATA, FGSM(), [0.1])
