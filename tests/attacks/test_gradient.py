from __future__ import annotations

import copy
import warnings
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from passband.attacks import fgsm, pgd
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import High, Low
from passband.models.catalog import build_model
from passband.models.fingerprint import weights_hash

LABELS = torch.arange(6) % 4


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return build_model("resnet8", num_classes=4, width=4, batch_norm=True, dropout=0.5, seed=0).eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Pixels in [0, 1], some of them at its ends."""
    return (torch.rand(6, 3, 8, 10, generator=torch.Generator().manual_seed(1)) * 1.4 - 0.2).clamp(0, 1)


def length(change: torch.Tensor, norm: str) -> torch.Tensor:
    flat = change.flatten(1)
    return flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1)


def loss(model: nn.Module, images: torch.Tensor) -> float:
    with torch.no_grad():
        return F.cross_entropy(model(images), LABELS).item()


@settings(max_examples=25)
@given(
    norm=st.sampled_from(["linf", "l2"]),
    epsilon=st.floats(0, 1) | st.lists(st.floats(0, 1, width=32), min_size=6, max_size=6).map(torch.tensor),
    step_size=st.none() | st.floats(0, 3),
    random_start=st.booleans(),
    restarts=st.integers(1, 2),
    band=st.none() | st.builds(Low, st.floats(0, 6)) | st.builds(High, st.floats(0, 6)),
)
def test_it_stays_in_the_ball_and_in_the_range(
    model, images, norm, epsilon, step_size, random_start, restarts, band
):
    adversarial = pgd(
        model,
        images,
        LABELS,
        epsilon,
        norm=norm,
        steps=3,
        step_size=step_size,
        restarts=restarts,
        random_start=random_start,
        band=band,
    )
    assert adversarial.shape == images.shape
    assert adversarial.min() >= 0
    assert adversarial.max() <= 1
    assert (length(adversarial - images, norm) <= torch.as_tensor(epsilon) + 1e-6).all()


def test_a_bound_for_each_image_is_that_bound_for_each(model, images):
    bounds = torch.tensor([0.0, 0.01, 0.02, 0.05, 0.1, 0.3])
    for norm in ("linf", "l2"):
        together = pgd(model, images, LABELS, bounds, norm=norm, steps=3, random_start=False)
        for index, bound in enumerate(bounds.tolist()):
            one = slice(index, index + 1)
            alone = pgd(model, images[one], LABELS[one], bound, norm=norm, steps=3, random_start=False)
            torch.testing.assert_close(together[one], alone, rtol=0, atol=1e-6)
    assert torch.equal(together[0], images[0])


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("band", [Low(2), High(2)], ids=str)
def test_a_perturbation_held_to_a_band_lies_in_it_and_uses_the_ball(model, images, norm, band):
    gray = images / 2 + 0.25  # nothing is cut to [0, 1]
    changes = [pgd(model, gray, LABELS, 0.1, norm=norm, steps=4, band=band) - gray]
    if norm == "linf":
        changes.append(fgsm(model, gray, LABELS, 0.1, band=band) - gray)
    for change in changes:
        torch.testing.assert_close(band.of(change), change, rtol=0, atol=1e-6)
        assert (length(change, norm) > 0.095).all()
        assert (length(change, norm) < 0.1 + 1e-6).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_only_the_cut_to_the_range_leaks_out_of_a_band(model, images, norm):
    band = Low(2)
    change = pgd(model, images, LABELS, 0.1, norm=norm, steps=4, band=band) - images
    outside = (change - band.of(change)).square().sum((1, 2, 3)) / change.square().sum((1, 2, 3))
    assert 0 < outside.max() < 0.2


def test_a_band_is_a_weaker_attack_than_all_frequencies_and_not_a_feeble_one(model, images):
    whole, low = (
        loss(model, pgd(model, images, LABELS, 0.1, steps=10, random_start=False, band=band))
        for band in (None, Low(4))
    )
    assert loss(model, images) < low < whole


def test_each_image_gets_the_first_start_that_fools_the_model():
    torch.manual_seed(4)
    model, images = nn.Sequential(nn.Flatten(), nn.Linear(48, 4)), torch.rand(20, 3, 4, 4)
    labels = model(images).argmax(dim=1)

    def starts(restarts: int) -> torch.Tensor:
        """Random images in the ball."""
        generator = torch.Generator().manual_seed(3)
        return pgd(model, images, labels, 0.1, steps=1, step_size=0.0, restarts=restarts, generator=generator)

    tries = [starts(restarts) for restarts in range(1, 9)]
    fooled = torch.stack([model(tried).argmax(dim=1) != labels for tried in tries])
    assert 0 < fooled[0].sum() < fooled[-1].sum()
    assert (fooled.int().diff(dim=0) >= 0).all()  # once fooled, the image is kept
    for (before, after), done in zip(pairwise(tries), fooled, strict=False):
        assert torch.equal(before[done], after[done])
        assert not torch.equal(before[~done], after[~done])


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_loss_rises_with_steps_and_with_epsilon(model, images, norm):
    reach = 0.05 if norm == "linf" else 1.0
    before = loss(model, images)
    one, ten = (
        loss(model, pgd(model, images, LABELS, reach, norm=norm, steps=steps, random_start=False))
        for steps in (1, 10)
    )
    wide = loss(model, pgd(model, images, LABELS, 2 * reach, norm=norm, steps=10, random_start=False))
    assert before < one < ten < wide


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(images, training):
    model = build_model("resnet8", num_classes=4, width=4, batch_norm=True, dropout=0.5, seed=0).train(
        training
    )
    model.stem.eval()  # modes may be mixed
    model.stem.weight.requires_grad_(False)
    model(images).sum().backward()
    modes = [module.training for module in model.modules()]
    gradients = copy.deepcopy([p.grad for p in model.parameters()])
    weights = weights_hash(model)  # with BatchNorm's running statistics
    fgsm(model, images, LABELS, 0.1)
    pgd(model, images, LABELS, 0.1, steps=2)
    assert [module.training for module in model.modules()] == modes
    assert weights_hash(model) == weights
    assert [p.requires_grad for p in model.parameters()] == [
        p is not model.stem.weight for p in model.parameters()
    ]
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert (parameter.grad is None and gradient is None) or torch.equal(parameter.grad, gradient)


def test_the_mode_is_put_back_after_an_error():
    class Breaks(nn.Module):
        def forward(self, images):
            raise RuntimeError("broken")

    model = Breaks().train()
    with pytest.raises(RuntimeError, match="broken"):
        fgsm(model, torch.rand(1, 1, 2, 2), LABELS[:1], 0.1)
    assert model.training


def test_the_network_is_attacked_in_evaluation_mode(model, images):
    trained = copy.deepcopy(model).train()
    assert torch.equal(fgsm(trained, images, LABELS, 0.1), fgsm(model, images, LABELS, 0.1))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_off(model, images, context):
    with context():
        inside = fgsm(model, images, LABELS, 0.1)
    assert torch.equal(inside, fgsm(model, images, LABELS, 0.1))
    assert not inside.requires_grad


def test_the_images_are_left_as_they_were(model, images):
    given_images, before = images.clone().requires_grad_(), images.clone()
    pgd(model, given_images, LABELS, 0.1, steps=2)
    assert torch.equal(given_images, before)
    assert given_images.grad is None


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_start_is_drawn_from_the_generator(model, images, norm):
    def start(seed: int, **values) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return pgd(
            model, images, LABELS, 0.1, norm=norm, steps=1, step_size=0.0, generator=generator, **values
        )

    state = torch.get_rng_state()
    assert torch.equal(start(1), start(1))
    assert not torch.equal(start(1), start(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(start(1, random_start=False), images)


def test_starts_fill_the_ball(model):
    gray = torch.full((500, 1, 8, 8), 0.5)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    start = pgd(linear, gray, torch.zeros(500, dtype=torch.int64), 0.2, steps=1, step_size=0.0) - 0.5
    assert start.abs().max().item() == pytest.approx(0.2, rel=1e-3)
    assert start.std().item() == pytest.approx(0.2 / 3**0.5, rel=0.02)
    start = (
        pgd(linear, gray, torch.zeros(500, dtype=torch.int64), 0.2, norm="l2", steps=1, step_size=0.0) - 0.5
    )
    shares = (length(start, "l2") / 0.2).sort().values ** 64  # in 64 dimensions this is uniform
    torch.testing.assert_close(shares, torch.linspace(0, 1, 500), rtol=0, atol=0.08)


def test_the_direction_is_written_out_for_a_linear_model():
    """The gradient of the loss of class 0 is p1 * (w1 - w0), so each pixel moves by the sign of w1 - w0."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    linear[1].weight.data = torch.tensor([[1.0, 0, 0, 2], [0, 1, 0, 3]])
    images = torch.full((1, 1, 2, 2), 0.5)
    moved = fgsm(linear, images, torch.zeros(1, dtype=torch.int64), 0.25) - images
    assert moved.flatten().tolist() == [-0.25, 0.25, 0, 0.25]
    far = pgd(linear, images, torch.zeros(1, dtype=torch.int64), 0.3, norm="l2", steps=4, random_start=False)
    expected = torch.tensor([-1.0, 1, 0, 1]) * 0.3 / 3**0.5
    torch.testing.assert_close((far - images).flatten(), expected)


def test_a_tiny_gradient_still_has_a_direction(model, images):
    class Sure(nn.Module):
        def forward(self, pixels):
            return torch.stack([pixels.sum((1, 2, 3)) * 1e-20, torch.zeros(len(pixels))], 1)

    moved = pgd(
        Sure(), images * 0 + 0.5, LABELS * 0, 0.5, norm="l2", steps=1, step_size=0.5, random_start=False
    )
    assert (length(moved - 0.5, "l2") - 0.5).abs().max() < 1e-4


def test_foolbox_gives_the_same_images(model, images, monkeypatch):
    monkeypatch.setenv("GIT_PYTHON_REFRESH", "quiet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        foolbox = pytest.importorskip("foolbox")
        oracle = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
        for epsilon in (8 / 255, 0.3):
            _, expected, _ = foolbox.attacks.FGSM(random_start=False)(
                oracle, images, LABELS, epsilons=epsilon
            )
            assert torch.equal(fgsm(model, images, LABELS, epsilon), expected)
            for norm, attack in (("linf", foolbox.attacks.LinfPGD), ("l2", foolbox.attacks.L2PGD)):
                by = attack(steps=5, abs_stepsize=0.4 * epsilon, random_start=False)
                _, expected, _ = by(oracle, images, LABELS, epsilons=epsilon)
                ours = pgd(
                    model,
                    images,
                    LABELS,
                    epsilon,
                    norm=norm,
                    steps=5,
                    step_size=0.4 * epsilon,
                    random_start=False,
                )
                torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"epsilon": -0.1}, InputError, "epsilon must be 0 or positive, got -0.1"),
        ({"epsilon": float("nan")}, InputError, "epsilon must be 0 or positive, got nan"),
        ({"epsilon": float("inf")}, InputError, "epsilon must be 0 or positive, got inf"),
        (
            {"epsilon": torch.ones(5)},
            InputError,
            "epsilon must be one number, or one for each of 6 images, got 5",
        ),
        ({"step_size": -1.0}, InputError, "step_size must be 0 or positive"),
        ({"steps": 0}, InputError, "an attack needs at least one step, got 0"),
        ({"restarts": 0}, InputError, "an attack needs at least one start, got 0"),
        (
            {"epsilon": 8.0},
            InputError,
            "epsilon must be at most 1 in linf, .* got 8. Pixels are .* write 8/255",
        ),
        (
            {"epsilon": torch.tensor([0.1] * 5 + [2])},
            InputError,
            "epsilon must be at most 1 in linf, .* got 2",
        ),
        ({"epsilon": 16.0, "norm": "l2"}, InputError, "epsilon must be at most 15.4919 in l2"),
        ({"band": Low(7)}, InputError, "radius 7 is not below the corner"),
        ({"norm": "l1"}, UnknownNameError, "no norm named 'l1'"),
        ({"images": torch.ones(6, 3, 8, 10, dtype=torch.uint8)}, InputError, "images / 255"),
        ({"images": torch.ones(3, 8, 10)}, InputError, r"must have shape \(batch, channels, height, width\)"),
        ({"labels": LABELS[:5]}, InputError, "as many labels as images are needed, got 5 and 6"),
        (
            {"images": torch.full((6, 3, 8, 10), 1.5)},
            InputError,
            r"pixels must be in \[0, 1\], got 1.5 to 1.5",
        ),
        ({"images": torch.full((6, 3, 8, 10), torch.nan)}, InputError, r"pixels must be in \[0, 1\]"),
    ],
)
def test_what_cannot_be_attacked_is_refused(model, images, values, error, message):
    arguments = {"images": images, "labels": LABELS, "epsilon": 0.1, **values}
    with pytest.raises(error, match=message):
        pgd(model, **arguments)


def test_a_model_without_a_gradient_is_refused(images):
    class Rounds(nn.Module):
        def forward(self, pixels):
            return pixels.detach().mean((2, 3))

    trained = nn.Sequential(Rounds(), nn.Linear(3, 3))  # its weights have gradients
    for model in (Rounds(), trained):
        with pytest.raises(InputError, match="the model has no gradient with respect to its images"):
            fgsm(model, images, LABELS % 3, 0.1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("band", [None, Low(2)], ids=str)
@pytest.mark.parametrize("value", [0.0, torch.nan])
def test_an_image_whose_gradient_leads_nowhere_stays_exactly_where_it_is(norm, band, value):
    class Spoiled(nn.Module):
        """Its gradient is spoiled for the first image."""

        def forward(self, images):
            images = images.clone()
            if images.requires_grad:
                images.register_hook(lambda g: torch.cat([torch.full_like(g[:1], value), g[1:]]))
            return images.flatten(1)[:, :4]

    images, labels = torch.rand(3, 1, 6, 6), torch.tensor([0, 1, 2])
    adversarial = pgd(Spoiled(), images, labels, 0.1, norm=norm, steps=3, random_start=False, band=band)
    assert torch.equal(adversarial[0], images[0])
    assert adversarial.isfinite().all()
    assert ((adversarial - images)[1:].flatten(1).abs().amax(1) > 0.01).all()
    started = pgd(Spoiled(), images, labels, 0.1, norm=norm, steps=3, band=band)
    assert started.isfinite().all()


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e25])
def test_a_step_in_l2_has_its_length_however_large_or_small_the_gradient_is(scale):
    class Scaled(nn.Module):
        def forward(self, images):
            images = images.clone()
            if images.requires_grad:
                images.register_hook(lambda gradient: gradient * scale)
            return images.flatten(1)[:, :2]

    images, labels = torch.full((1, 1, 6, 6), 0.5), torch.tensor([0])
    moved = pgd(Scaled(), images, labels, 0.1, norm="l2", steps=1, step_size=0.05, random_start=False)
    assert (moved - images).norm().item() == pytest.approx(0.05, rel=1e-4)


def test_a_start_is_not_chosen_by_an_answer_that_is_not_finite():
    class Broken(nn.Module):
        def forward(self, images):
            return images.flatten(1)[:, :4] * torch.nan

    images, labels = torch.rand(3, 1, 6, 6), torch.tensor([0, 1, 2])
    with pytest.raises(InputError, match="NaN or infinite logits for 3 of 3 images made by PGD"):
        pgd(Broken(), images, labels, 0.1, steps=1, restarts=2)


class Undone(nn.Module):
    """Changes in place what the gradient needs."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        roots = (images + 1).sqrt()
        logits = roots.flatten(1)[:, :4]
        roots.mul_(0)
        return logits


def test_a_gradient_that_cannot_be_computed_is_said_in_torchs_words(images):
    with pytest.raises(
        InputError, match="gradient with respect to its images cannot be computed .one of the variables"
    ):
        pgd(Undone(), images, LABELS, 0.03, steps=1)


def test_half_precision_is_climbed_by_a_loss_in_float32(model, images):
    class Half(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return model(images).half()

    adversarial = pgd(Half(), images, LABELS, 0.03, steps=3, random_start=False)
    assert adversarial.dtype == torch.float32
    assert loss(model, adversarial) > loss(model, images)


def test_trusted_pixels_are_not_looked_at_and_attacked_all_the_same(model, images):
    one, other = (
        pgd(model, images, LABELS, 0.1, steps=2, random_start=False, trusted=each) for each in (False, True)
    )
    assert torch.equal(one, other)
    pgd(model, images + 1, LABELS, 0.1, steps=1, trusted=True)
