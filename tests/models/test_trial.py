from __future__ import annotations

import math
import random
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import passband as pb
from helpers import noise
from passband.attacks import PGD
from passband.errors import InputError
from passband.models.catalog import build_model
from passband.models.independence import check_independent
from passband.models.pixels import PixelModel
from passband.models.reading import Reading
from passband.models.trial import trial_pictures, tried, try_out
from passband.robustness.plan import AttackPlan

DATA = noise(samples=21, size=(12, 12))
IMAGES = DATA.images / 255


class Net(nn.Module):
    """A small network whose input and output are wrapped as somebody's code wraps them."""

    def __init__(
        self, after: Callable = lambda y: y, before: Callable = lambda x: x, classes: int = 4
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            self.convolution = nn.Conv2d(3, 8, 3)
            self.norm = nn.BatchNorm2d(8)
            self.linear = nn.Linear(8, classes)
        self.after, self.before = after, before

    def forward(self, images: Tensor) -> Any:
        features = self.norm(self.convolution(self.before(images))).relu().amax((2, 3))
        return self.after(4 * self.linear(features))


def plain(classes: int = 4) -> PixelModel:
    return PixelModel(Net(classes=classes), name="plain").eval()


def found(body: nn.Module, **settings) -> PixelModel:
    model = PixelModel(body, name="net", **settings).eval()
    try_out(model, (12, 12), 3)
    return model


def warnings(model: PixelModel) -> str:
    return " ".join(str(notice) for notice in model.notices)


Named = namedtuple("Named", ["logits", "aux"])


@dataclass
class Attributes:
    logits: Tensor


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (lambda y: y, None),
        (lambda y: y[:, :, None, None], None),
        (lambda y: y[:, :, None, None].squeeze(), None),
        (lambda y: y.double(), None),
        (lambda y: y.log_softmax(1) + y.logsumexp(1, keepdim=True), None),
        (lambda y: {"features": y * 0, "logits": y}, "Note: net returns a dict, whose 'logits' was taken and 'features' left."),
        (lambda y: {"out": y}, "whose 'out' was taken."),
        (lambda y: [y], r"Note: net returns a list ((2, 4) for a batch), whose first was taken."),
        (lambda y: (y, y[:, :2]), "net returns a tuple ((2, 4), (2, 2) for a batch), whose first was taken."),
        (lambda y: Named(y, None), "net returns a Named, whose 'logits' were taken."),
        (lambda y: Attributes(y), "net returns a Attributes, whose 'logits' were taken."),
    ],
)  # fmt: skip
def test_outputs_are_read_as_the_logits_that_they_hold(after, said):
    model = found(Net(after))
    for count in (1, 2, 5):
        torch.testing.assert_close(model(IMAGES[:count]), plain()(IMAGES[:count]))
    assert model(IMAGES).dtype == torch.float32
    assert (said is None and model.notices == ()) or said in warnings(model)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (lambda y: y.softmax(1), "returns probabilities, not logits: their logarithm was taken"),
        (lambda y: y.softmax(1).detach(), "returns probabilities, not logits"),
        (lambda y: 100 * y.softmax(1), "returns probabilities in percent, not logits"),
        (lambda y: y.sigmoid(), "a probability of each class on its own, as sigmoids do"),
        (lambda y: y.sigmoid().detach(), "a probability of each class on its own, as sigmoids do"),
    ],
)
def test_probabilities_become_logits_and_it_is_said(after, said):
    model = found(Net(after))
    torch.testing.assert_close(model(IMAGES).softmax(1), plain()(IMAGES).softmax(1), atol=1e-5, rtol=1e-4)
    assert f"Warning: net {said}" in warnings(model) or f"Warning: net returns {said}" in warnings(model)
    assert "where they are rounded to 0 or 1" in model.trial.doubts[0]


def test_logarithms_of_probabilities_that_are_0_stay_finite():
    for after in (lambda y: (1000 * y).softmax(1), lambda y: (1000 * y).sigmoid()):
        for kind in (torch.float32, torch.float16, torch.float64):
            model = found(Net(lambda y, after=after, kind=kind: after(y).to(kind)))
            assert model(IMAGES).isfinite().all()


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (lambda y: y, "has one output, a logit: the data's second class is the answer where it is above 0"),
        (lambda y: y.sigmoid(), "has one output, a probability: the data's second class is the answer where it is above 0.5"),
        (lambda y: y.sigmoid()[:, 0], "has one output, a probability"),
        (lambda y: y.sigmoid().detach().squeeze(), "has one output, a probability"),
        (lambda y: torch.cat([torch.zeros_like(y), y], 1).softmax(1)[:, 1], "has one output, a probability"),
    ],
)  # fmt: skip
def test_one_output_is_two_classes(after, said):
    model = found(Net(after, classes=1))
    with torch.no_grad():
        expected = plain(classes=1).body(IMAGES)
    torch.testing.assert_close(
        model(IMAGES), torch.cat([torch.zeros_like(expected), expected], 1), atol=1e-3, rtol=1e-3
    )
    torch.testing.assert_close(model(IMAGES[:1]), model(IMAGES)[:1], atol=1e-4, rtol=1e-4)
    assert said in warnings(model)


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (lambda y: y.argmax(1), r"got one of torch.int64 .are these classes, and no logits"),
        (lambda y: nn.functional.one_hot(y.argmax(1), 4), "got one of torch.int64"),
        (
            lambda y: nn.functional.one_hot(y.argmax(1), 4).float(),
            "net returns nothing but 0 and 1: its answers",
        ),
        (lambda y: y.T, r"must return logits shaped \(2, classes\) for 2 images; got \(4, 2\)"),
        (lambda y: y.mean(0), r"must return logits shaped \(2, classes\) for 2 images; got \(4,\)"),
        (lambda y: {"a": y, "b": y}, "got a dict of 'a', 'b': which of them are the logits"),
        (lambda y: {}, "got a dict of nothing"),
        (lambda y: None, "must return a tensor of logits, got a NoneType"),
        (lambda y: (), "must return a tensor of logits, got a tuple"),
        (lambda y: y / 0, "returns NaN or infinity for all random pictures"),
        (lambda y: y[:, :1].detach() * 1e-9 + 0.5, "cannot be told. Have it return two"),
    ],
)
def test_what_are_no_logits_is_refused(after, message):
    with pytest.raises(InputError, match=message):
        found(Net(after))


@pytest.mark.parametrize("name", ["resnet8", "lenet", "vgg11"])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 0.0])
def test_untrained_and_tiny_networks_raise_no_alarm(name, scale):
    for classes in (2, 10):
        body = build_model(name, num_classes=classes, seed=classes)
        with torch.no_grad():
            for parameter in body.parameters():
                parameter *= scale
        model = PixelModel(body, name="net").eval()
        trial = try_out(model, (32, 32), 3)
        assert trial.reading == Reading(outputs=classes)
        assert (trial.doubts, trial.dependent) == ((), None)
        collapsed = "net gives the same answer to all pictures that it was tried on."
        assert [notice.message for notice in trial.notices] in ([], [collapsed])
        assert scale != 1.0 or trial.notices == ()


def test_a_model_that_draws_at_random_is_said_to():
    model = found(Net(lambda y: nn.functional.dropout(y, 0.5)))
    assert "Warning: net answers the same picture differently from call to call" in warnings(model)
    assert "answers at random" in model.trial.doubts[0]
    assert found(Net(lambda y: nn.functional.dropout(y, 0.5, training=False))).notices == ()
    calls = iter(range(100))
    assert "from call to call" in warnings(found(Net(lambda y: y + next(calls))))


@pytest.mark.parametrize(
    "body",
    [
        Net(lambda y: y - y.mean(0)),
        Net(lambda y: y.softmax(0)),
        Net(before=lambda x: nn.functional.batch_norm(x, None, None, training=True)),
        Net(lambda y: y.cumsum(0).flip(0)),
    ],
)
def test_answers_that_depend_on_the_batch_are_refused_by_who_measures(body):
    model = found(body)
    assert model.trial.dependent == "the same picture was answered differently beside other pictures"
    with pytest.raises(
        InputError, match="answers of net depend on the other images of the batch: the same picture"
    ):
        check_independent(model, IMAGES[:1])
    with pytest.raises(InputError, match="depend on the other images"):
        pb.audit(body, DATA, radii=[2], device="cpu")


def test_batch_statistics_that_cannot_answer_one_image_are_left_to_who_measures():
    model = PixelModel(
        build_model("lenet", batch_norm=True, batch_statistics=True, seed=0), name="net"
    ).eval()
    trial = try_out(model, (32, 32), 3)
    assert trial.reading.batch is None
    assert "its BatchNorm uses the statistics of the batch" in trial.dependent


def test_rounding_on_the_fly_is_a_warning():
    def eight_bits(images: Tensor) -> Tensor:
        scale = images.mean() / 4
        return (images / scale).round() * scale

    model = found(Net(before=eight_bits))
    assert model.trial.dependent is None
    assert "change a little with the images beside an image" in warnings(model)


def even(y: Tensor) -> Tensor:
    return y.reshape(2, len(y) // 2, -1).reshape(len(y), -1)


def exactly(count: int) -> Callable[[Tensor], Tensor]:
    def check(y: Tensor) -> Tensor:
        if len(y) != count:
            raise ValueError(f"batch must be {count}")
        return y

    return check


@pytest.mark.parametrize(("after", "batch"), [(even, 32), (exactly(1), 1), (exactly(2), 2), (exactly(8), 8)])
def test_batches_of_sizes_that_fail_are_filled_up(after, batch):
    model = found(Net(after))
    assert model.trial.reading.batch == batch
    assert f"is shown {batch} images at a time" in warnings(model)
    for count in (1, 3, 21):
        torch.testing.assert_close(model(IMAGES[:count]), plain()(IMAGES[:count]))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_networks_in_another_precision_are_given_their_own_and_read_in_float32(kind):
    model = found(Net().to(kind))
    assert f"net computes in {str(kind).removeprefix('torch.')}" in warnings(model)
    images = IMAGES.clone().requires_grad_()
    logits = model(images)
    logits.sum().backward()
    assert (logits.dtype, images.grad.dtype) == (torch.float32, torch.float32)
    assert found(Net(before=lambda x: x.half()).half()).trial.reading.dtype is None  # it casts by itself


def test_networks_that_change_their_input_leave_the_images_alone():
    model = found(Net(before=lambda x: x.sub_(0.5).mul_(2)))
    images = IMAGES.clone()
    torch.testing.assert_close(model(images), model(images))
    assert torch.equal(images, IMAGES)
    pb.pgd(model, images, DATA.labels, 0.03, steps=2)
    assert torch.equal(images, IMAGES)


def test_a_network_that_divides_by_255_is_told_that_pixels_are_in_0_1():
    for before in (
        lambda x: x / 255,
        lambda x: x * (1 / 255),
        lambda x: (x - 120) / torch.full((3, 1, 1), 58.0),
    ):
        assert "Warning: net begins by dividing its input by" in warnings(found(Net(before=before)))
        assert found(Net(before=before), mean=[0.0], std=[1 / 255]).notices == ()
    for before in (lambda x: (x - 0.4) / torch.full((3, 1, 1), 0.2), lambda x: x * 255, lambda x: x / 2):
        assert found(Net(before=before)).notices == ()


def test_a_normalization_of_blue_green_red_is_noticed():
    said = "Warning: net has ImageNet's mean in the order blue, green, red (0.406 0.456 0.485)"
    assert said in warnings(found(Net(), mean=[0.406, 0.456, 0.485], std=[0.225, 0.224, 0.229]))
    assert found(Net(), mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]).notices == ()


def test_random_states_are_left_alone_and_the_trial_repeats():
    def states():  # not Python's: the checks of types draw from it while tests run
        return torch.get_rng_state().tolist(), str(np.random.get_state())  # noqa: NPY002

    def draws(y: Tensor) -> Tensor:
        return y + torch.randn_like(y) + random.random() + np.random.rand()  # noqa: NPY002

    before = states()
    model = found(Net(draws))
    assert states() == before
    assert torch.equal(trial_pictures((12, 10), 3), trial_pictures((12, 10), 3))
    assert "from call to call" in warnings(model)


def test_a_model_is_tried_once_and_again_when_its_precision_changes():
    model = PixelModel(Net(), name="net").eval()
    first = tried(model, DATA, torch.device("cpu")).trial
    assert tried(model, DATA, torch.device("cpu")).trial is first
    model.body.half()
    assert tried(model, DATA, torch.device("cpu")).trial.reading.dtype == torch.float16
    model.body.float()
    assert tried(model, DATA, torch.device("cpu")).notices == ()


def test_a_wrapped_pixel_model_is_tried_inside():
    model = found(PixelModel(Net(lambda y: y.softmax(1)).half(), name="inner", outputs=[2, 0]))
    torch.testing.assert_close(
        model(IMAGES).softmax(1), plain()(IMAGES)[:, [2, 0]].softmax(1), atol=0.02, rtol=0.02
    )


def test_what_was_found_stands_in_cards_and_in_the_sanity_report():
    pytest.importorskip("pyautoattack")
    random_net = Net(lambda y: nn.functional.dropout(y, 0.5))
    plan = AttackPlan(PGD(steps=2), (4 / 255,), sanity_samples=4)
    card = pb.audit(random_net, DATA, radii=[2], ceiling_samples=0, attacks=[plan], device="cpu").card
    assert any("from call to call" in notice.message for notice in card.notices)
    finding = {finding.name: finding for finding in card.attacks[0].findings}["answers"]
    assert not finding.passed
    assert "answers at random" in finding.message
    card = pb.audit(Net(), DATA, radii=[2], ceiling_samples=0, attacks=[plan], device="cpu").card
    assert "answers" not in {finding.name for finding in card.attacks[0].findings}


def test_half_precision_is_attacked_in_float32():
    pytest.importorskip("pyautoattack")
    plan = AttackPlan(PGD(steps=2), (4 / 255,), sanity_samples=8)
    for body in (Net(before=lambda x: x.half()).half(), Net().half()):
        found = pb.audit(body, DATA, radii=[2], ceiling_samples=0, attacks=[plan], device="cpu")
        assert found.attacks[0].outcome.predictions.shape == (1, 21)


def test_networks_that_standardize_each_image_are_audited_where_no_image_is_constant():
    def standardized(x: Tensor) -> Tensor:
        return (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True)

    assert pb.audit(Net(before=standardized), DATA, radii=[2], ceiling_samples=0, device="cpu").card.clean
    flat = replace(DATA, images=torch.full_like(DATA.images, 128))
    with pytest.raises(InputError, match="Net returned NaN or infinite logits for 21 of 21 whole images"):
        pb.audit(Net(before=standardized), flat, radii=[2], ceiling_samples=0, device="cpu")


def test_what_is_not_finite_for_some_pictures_is_left_to_who_measures():
    def broken(images: Tensor) -> Tensor:  # noise, and no smooth picture
        return torch.where((images.std((1, 2, 3), keepdim=True) > 0.28), math.nan, images)

    model = found(Net(before=broken))
    assert (model.trial.dependent, model.notices) == (None, ())
    assert not model(trial_pictures((12, 12), 3)).isfinite().all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_network_without_weights_is_tried_where_it_is_asked():
    found = tried(
        PixelModel(nn.Flatten(), name="flat"), noise(samples=2, channels=1, size=(2, 2)), torch.device("cuda")
    )
    assert found.trial is not None
