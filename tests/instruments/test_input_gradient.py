"""Spectra of gradients: where the gradient is known exactly, against the definition, and where it is easily lost."""

import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import reference
from helpers import Constant, Memory, noise, subject, trained_on
from passband.attacks.gradient import attacking, loss_gradient
from passband.audit.pictures import ExtraReading
from passband.data.dataset import ImageDataset
from passband.errors import InputError
from passband.instruments.input_gradient import InputGradient, odds_against
from passband.models.catalog import build_model
from passband.models.pixels import PixelModel
from passband.models.trial import tried
from passband.report.extra import extra_charts
from passband.rows import (
    GRADIENT_BEYOND,
    GRADIENT_ENERGY,
    GRADIENT_NONE,
    GRADIENT_NORM,
    GRADIENT_RADIUS,
    OF_IMAGES,
    OF_NOISE,
    to_table,
)

DATA = noise(samples=13)
RADII = (2.0, 3.5, 5.0)
LOOK = InputGradient(RADII)


class Linear(nn.Module):
    """A linear classifier, whose gradient is known exactly.

    Args:
        weight: One image a class.
        bias: One number a class.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.float())
        self.bias = nn.Parameter(torch.zeros(len(weight)) if bias is None else bias.float())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bchw,nchw->bn", images, self.weight) + self.bias


def linear(scale: float = 0.05, seed: int = 1) -> Linear:
    draws = torch.Generator().manual_seed(seed)
    return Linear(scale * torch.randn(4, 3, 12, 10, generator=draws), torch.randn(4, generator=draws))


def at(found, metric: str) -> dict:
    """Return the rows of a metric by the radius that they are of."""
    named = (row for row in found.rows() if row.metric == metric)
    return {
        getattr(row, "radius", getattr(getattr(row, "component", None), "radius", None)): row for row in named
    }


def values(found, metric: str) -> dict:
    return {radius: row.value for radius, row in at(found, metric).items()}


def by_definition(gradients) -> dict:
    """Return the means over images of each metric, and the lengths, of gradients as arrays."""
    whole, exact, mean = zip(*(reference.spectrum_shares(each) for each in gradients), strict=True)
    beyond = [[sum(v for k, v in shares.items() if k > radius) for radius in RADII] for shares in exact]
    return {
        GRADIENT_ENERGY: dict(enumerate(np.mean(whole, axis=0))),
        GRADIENT_BEYOND: dict(zip(RADII, np.mean(beyond, axis=0), strict=True)),
        GRADIENT_RADIUS: {None: np.mean(mean)},
        GRADIENT_NORM: {None: np.median([np.linalg.norm(each) for each in gradients])},
    }, np.array(whole)


@pytest.mark.parametrize("normalized", [False, True])
def test_rows_are_the_gradients_of_the_definition_with_respect_to_pixels(normalized):
    net, std = linear(), np.array([0.1, 0.3, 0.9] if normalized else [1, 1, 1])[:, None, None]
    model = PixelModel(net, name="net", std=std.flatten().tolist()) if normalized else net
    pixels = (DATA.images / 255).double().numpy() / std
    weight, bias = net.weight.detach().double().numpy().reshape(4, -1), net.bias.detach().double().numpy()
    expected, whole = by_definition(
        [
            reference.cross_entropy_gradient(weight, bias, image, label) / std
            for image, label in zip(pixels, DATA.labels.tolist(), strict=True)
        ]
    )
    found = subject(model, DATA).read(LOOK)
    for metric, numbers in expected.items():
        assert values(found, metric) == pytest.approx(numbers, rel=1e-4, abs=1e-6)
    errors = [row.error for row in at(found, GRADIENT_ENERGY).values()]
    assert errors == pytest.approx(whole.std(axis=0, ddof=1) / math.sqrt(13), rel=1e-4, abs=1e-7)
    assert {row.count for row in found.rows() if not row.metric.endswith(OF_NOISE)} == {13}
    assert values(found, GRADIENT_NONE) == {None: 0}


def test_shares_add_up_and_those_beyond_are_what_is_left():
    found = subject(build_model("resnet8", num_classes=4, width=4, batch_norm=True, seed=0), DATA).read(
        InputGradient((0.5, 1.5, 2.5, 5.5))
    )
    for of in ("", OF_NOISE, OF_IMAGES):
        shares = values(found, GRADIENT_ENERGY + of)
        assert sum(shares.values()) == pytest.approx(1)
        for radius, share in values(
            found, GRADIENT_BEYOND + of
        ).items():  # between two whole radii both agree
            assert share == pytest.approx(sum(v for r, v in shares.items() if r > radius))


@pytest.mark.parametrize(("down", "across"), [(0, 0), (2, 3), (0, 5), (6, 5), (5, -2)])
def test_a_network_that_sees_one_wave_has_all_energy_at_its_radius(down, across):
    y, x = torch.meshgrid(torch.arange(12) / 12, torch.arange(10) / 10, indexing="ij")
    wave = torch.cos(2 * torch.pi * (down * y + across * x)).expand(3, 12, 10)
    found = subject(Linear(torch.stack([wave, -wave, wave / 2, 0 * wave])), DATA).read(LOOK)
    radius = math.hypot(down, across)
    assert values(found, GRADIENT_RADIUS)[None] == pytest.approx(radius, abs=1e-4)
    assert values(found, GRADIENT_ENERGY)[round(radius)] == pytest.approx(1, abs=1e-5)
    assert values(found, GRADIENT_BEYOND) == pytest.approx({r: float(radius > r) for r in RADII}, abs=1e-5)


def test_white_noise_has_the_share_of_the_coefficients_and_images_theirs_without_their_means():
    found = subject(linear(), DATA).read(LOOK)
    whole, _, mean = reference.spectrum_shares(np.eye(1, 120).reshape(1, 12, 10))  # a pulse is flat
    assert list(values(found, GRADIENT_ENERGY + OF_NOISE).values()) == pytest.approx(whole)
    assert values(found, GRADIENT_RADIUS + OF_NOISE)[None] == pytest.approx(mean)
    assert {row.error for row in found.rows() if row.metric.endswith(OF_NOISE)} == {0}
    pixels = (DATA.images / 255).double().numpy()
    centered = pixels - pixels.mean(axis=(2, 3), keepdims=True)
    shares = np.mean([reference.spectrum_shares(image)[0] for image in centered], axis=0)
    assert list(values(found, GRADIENT_ENERGY + OF_IMAGES).values()) == pytest.approx(shares, abs=1e-5)
    pulse = Linear(
        torch.zeros(4, 3, 12, 10).index_put((torch.tensor(0), *torch.tensor([1, 5, 7])), torch.tensor(1.0))
    )
    assert values(subject(pulse, DATA).read(LOOK), GRADIENT_ENERGY) == pytest.approx(
        values(found, GRADIENT_ENERGY + OF_NOISE), abs=1e-5
    )


@pytest.mark.parametrize("margin", [0, 20, 60, 200, 5000])
@pytest.mark.parametrize("right", [True, False])
def test_certainty_changes_the_length_of_a_gradient_and_not_where_its_energy_lies(margin, right):
    one_class = ImageDataset(DATA.images, torch.zeros(13, dtype=torch.int64), DATA.classes, "ones", "test")

    def with_bias(bias: float):
        net = linear(scale=0.01)
        with torch.no_grad():  # two classes share what the first one leaves, whatever it leaves
            net.bias.copy_(torch.tensor([bias, 0.0, 0.3, -60.0]))
        return subject(net, one_class).read(LOOK)

    sure, unsure = with_bias(margin if right else -margin), with_bias(0)
    assert sure.without == 0
    for metric in (GRADIENT_ENERGY, GRADIENT_BEYOND, GRADIENT_RADIUS):
        assert values(sure, metric) == pytest.approx(values(unsure, metric), rel=2e-3, abs=1e-6)
    ratio = values(sure, GRADIENT_NORM)[None] / values(unsure, GRADIENT_NORM)[None]
    if not right or margin == 0:
        assert 1 <= ratio < 5  # at most as long as the margin's, of which less than all were there
    elif margin < 700:
        assert math.log(ratio) == pytest.approx(-margin, abs=1.5)
    else:
        assert ratio == 0  # no float is so small


def test_the_loss_itself_would_have_lost_the_gradient_of_such_images():
    net = linear(scale=0.01)
    with torch.no_grad():
        net.bias.copy_(torch.tensor([200.0, 0.0, 0.3, -60.0]))
    with attacking(net):
        _, gradient = loss_gradient(net, DATA.images / 255, torch.zeros(13, dtype=torch.int64))
    assert not gradient.any()
    assert len(subject(net, DATA).read(LOOK).norm) == 13


def test_the_odds_make_the_cross_entropy():
    logits, labels = 3 * torch.randn(20, 5, dtype=torch.float64), torch.arange(20) % 5
    torch.testing.assert_close(
        F.softplus(odds_against(logits, labels)), F.cross_entropy(logits, labels, reduction="none")
    )


class Hinge(nn.Module):
    """Answers by the first row of pixels of images that are bright enough, and by nothing of others."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        score = images[:, :, 0].sum(dim=(1, 2)) * (images.mean(dim=(1, 2, 3)) > 0.5)
        return score[:, None] * torch.tensor([1.0, -1.0, 0.5, 0.0])


class Root(nn.Module):
    """Answers by the root of each pixel's distance from 0, which has no finite derivative at 0."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :, 0].sqrt().sum(dim=(1, 2))[:, None] * torch.tensor([1.0, -1.0, 0.5, 0.0])


@pytest.mark.parametrize("model", [Hinge(), Root()])
def test_images_without_a_gradient_are_counted_and_averaged_with_nothing(model):
    images = DATA.images.clamp(min=1)
    dark = torch.arange(13) % 3 == 0
    images[dark] = 0
    images[~dark] = images[~dark] // 3 + 170
    data = ImageDataset(images, DATA.labels, DATA.classes, "partly dark", "test")
    found = subject(model, data).read(LOOK)
    bright = subject(model, data, indices=torch.arange(13)[~dark]).read(LOOK)
    assert values(found, GRADIENT_NONE) == {None: 5 / 13}
    for metric in (GRADIENT_ENERGY, GRADIENT_BEYOND, GRADIENT_RADIUS, GRADIENT_NORM):
        rows = at(found, metric).values()
        assert {row.count for row in rows} == {8}
        assert [row.value for row in rows] == pytest.approx(
            [row.value for row in at(bright, metric).values()]
        )
        assert all(math.isfinite(row.value) for row in rows)
    assert found.words().endswith(
        "5 of 13 images have a gradient that is 0 or not finite, and count in no share."
    )
    assert {row.count for row in at(found, GRADIENT_RADIUS + OF_IMAGES).values()} == {
        8
    }  # black images hold none


def test_where_no_image_has_a_gradient_nothing_is_said_of_it():
    black = ImageDataset(0 * DATA.images, DATA.labels, DATA.classes, "black", "test")
    found = subject(Hinge(), black).read(LOOK)
    assert values(found, GRADIENT_NONE) == {None: 1}
    assert {row.metric for row in found.rows()} == {
        GRADIENT_NONE,
        *(f"{metric}{OF_NOISE}" for metric in (GRADIENT_ENERGY, GRADIENT_BEYOND, GRADIENT_RADIUS)),
    }
    assert found.words().startswith("13 of 13 images have a gradient that is 0")


def test_an_image_of_large_loss_says_no_more_than_another():
    weight = torch.zeros(2, 3, 12, 10)
    weight[0, :, :, ::2], weight[1] = 1, 0.01
    data = ImageDataset(DATA.images, torch.arange(13) % 2, ("a", "b"), "noise", "test")
    one, two = (subject(Linear(scale * weight), data).read(LOOK) for scale in (0.001, 5))
    assert values(two, GRADIENT_ENERGY) == pytest.approx(values(one, GRADIENT_ENERGY), abs=1e-5)


@pytest.mark.parametrize("batch_size", [1, 4, 13])
def test_batches_and_what_lies_beside_an_image_change_nothing(batch_size):
    net = build_model("resnet8", num_classes=4, width=4, batch_norm=True, dropout=0.5, seed=0).train()
    chosen = torch.tensor([7, 2, 5, 11, 0])
    found = subject(net, DATA, batch_size=batch_size, seed=3).read(LOOK)
    again = subject(net, DATA, seed=3).read(LOOK)
    torch.testing.assert_close(found.gradient.at, again.gradient.at, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(found.norm, again.norm, rtol=1e-3, atol=1e-9)
    few = subject(net, DATA, indices=chosen, seed=3, batch_size=batch_size).read(LOOK)
    who = subject(net, DATA, indices=chosen, seed=3)
    order = {int(sample): row for row, sample in enumerate(subject(net, DATA, seed=3).draw(None))}
    rows = [order[int(sample)] for sample in who.draw(None)]
    torch.testing.assert_close(few.gradient.at, again.gradient.at[rows], rtol=1e-3, atol=1e-6)
    assert all(module.training for module in net.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())


def test_fewer_samples_are_a_part_of_more_and_follow_from_the_seed():
    net = linear()
    every, few = (subject(net, DATA, seed=5).read(InputGradient(RADII, samples)) for samples in (None, 4))
    torch.testing.assert_close(few.norm, every.norm[:4])
    assert {row.count for row in at(few, GRADIENT_ENERGY).values()} == {4}
    other = subject(net, DATA, seed=6).read(InputGradient(RADII, 4))
    assert not torch.equal(other.norm, few.norm)
    one = subject(net, DATA).read(InputGradient(RADII, 1))
    assert {row.error for row in at(one, GRADIENT_ENERGY).values()} == {None}


def test_the_outputs_that_are_kept_make_the_loss():
    net = linear()
    swapped = Linear(net.weight.detach()[[2, 0, 1, 3]], net.bias.detach()[[2, 0, 1, 3]])
    wide = Linear(torch.cat([net.weight.detach(), 99 * torch.ones(2, 3, 12, 10)]), torch.zeros(6))
    with torch.no_grad():
        wide.bias[:4] = net.bias
    one = subject(swapped, DATA).read(LOOK)
    two = subject(PixelModel(wide, name="wide", outputs=[2, 0, 1, 3]), DATA).read(LOOK)
    torch.testing.assert_close(one.gradient.at, two.gradient.at)
    torch.testing.assert_close(one.norm, two.norm)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_loses_no_gradient(dtype):
    net = build_model("resnet8", num_classes=4, width=8, batch_norm=True, seed=0).eval()
    model = PixelModel(net, name="net")
    whole = subject(model, DATA).read(LOOK)
    half = subject(tried(PixelModel(net.to(dtype), name="half"), DATA, torch.device("cpu")), DATA).read(LOOK)
    assert half.without == 0
    torch.testing.assert_close(half.gradient.beyond.mean(0), whole.gradient.beyond.mean(0), rtol=0, atol=0.02)


def test_it_costs_a_gradient_an_image_and_reports_its_progress():
    told, asked = [], []

    class Counting(Linear):
        def forward(self, images):
            if images.requires_grad:
                asked.append(len(images))
            return super().forward(images)

    net = linear()
    who = subject(
        Counting(net.weight.detach()), DATA, batch_size=4, progress=lambda *report: told.append(report)
    )
    who.read(InputGradient(samples=9))
    assert InputGradient(samples=9).cost(13, (12, 10)) == (9, 0)
    assert InputGradient(samples=None).cost(13, (12, 10)) == InputGradient().cost(13, (12, 10)) == (13, 0)
    assert sum(asked) == 9 + 1  # that there is a gradient is tried before
    assert told == [("input-gradient", done, 9) for done in (4, 8, 9)]


class Detached(Memory):
    def forward(self, images):
        return super().forward(images.detach())


class Broken(Linear):
    def forward(self, images):
        return super().forward(images / (images[:, :1, :1, :1] > 0.05))


def test_what_cannot_be_looked_at_is_refused_before_any_work():
    with pytest.raises(
        InputError, match="has no gradient with respect to its images.* An ONNX file has none"
    ):
        LOOK.check(subject(Detached(DATA), DATA))
    with pytest.raises(InputError, match="has no gradient with respect to its images"):
        LOOK.check(subject(Constant(0, 4), DATA))
    with pytest.raises(InputError, match="radius 9 is not below the corner"):
        InputGradient((9,)).check(subject(linear(), DATA))
    with pytest.raises(InputError, match="at least one radius is needed"):
        InputGradient(())
    with pytest.raises(InputError, match="samples must be a whole number of at least 1, got 0"):
        InputGradient(samples=0)
    single = ImageDataset(DATA.images, 0 * DATA.labels, ("a",), "one", "test")
    with pytest.raises(InputError, match="the loss of a single class is 0"):
        LOOK.check(subject(Linear(torch.ones(1, 3, 12, 10)), single))
    with pytest.raises(InputError, match="has 3 outputs and the data set 4 classes"):
        LOOK.check(subject(Linear(torch.ones(3, 3, 12, 10)), DATA))
    statistics = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), linear())
    with pytest.raises(InputError, match="depend on the other images of the batch"):
        subject(statistics, DATA).read(LOOK)
    with pytest.raises(InputError, match="returned NaN or infinite logits"):
        subject(Broken(linear().weight.detach()), noise(samples=60)).read(LOOK)


def test_an_onnx_file_is_refused_and_a_program_gives_the_rows_of_its_network(exported):
    original, export = exported
    if "onnx" in type(export.body).__name__.lower():
        with pytest.raises(InputError, match="load the network that it was made from"):
            LOOK.check(subject(export, DATA))
        return
    one, two = (list(subject(model, DATA).read(LOOK).rows()) for model in (original, export))
    assert [row.metric for row in one] == [row.metric for row in two]
    assert [row.value for row in two] == pytest.approx([row.value for row in one], abs=1e-3)
    assert InputGradient.needs_gradient


def test_settings_are_written_as_json_holds_them():
    who = subject(linear(), DATA)
    assert json.loads(json.dumps(InputGradient((4,)).to_dict())) == {
        "instrument": "input-gradient",
        "radii": [4.0],
        "samples": 1000,
    }
    assert who.read(InputGradient()) is who.read(InputGradient().resolved((12, 10)))
    assert InputGradient((4,)) == InputGradient((4.0,))


def test_its_figure_shows_the_gradient_beside_white_noise_and_the_images():
    pytest.importorskip("altair")
    found = subject(linear(), DATA).read(LOOK)
    reading = ExtraReading("input-gradient", "summary", to_table(found.rows()), found.figure())
    charts = extra_charts([reading])
    assert list(charts) == ["input-gradient-Gradient-by-radius", "input-gradient-Gradient-beyond-a-radius"]
    for chart, names, metric in zip(
        charts.values(),
        (("gradient", "white noise"), ("gradient", "white noise", "images")),
        (GRADIENT_ENERGY, GRADIENT_BEYOND),
        strict=True,
    ):
        points = chart.to_dict()["data"]["values"]
        assert {row["series"] for row in points} == set(names)
        drawn = {row["x"]: row["value"] for row in points if row["series"] == "gradient"}
        assert drawn == pytest.approx(values(found, metric))


@pytest.mark.slow
def test_trained_networks_have_their_gradient_in_the_band_of_their_cue():
    found = {cue: subject(*trained_on(cue)).read(InputGradient((3.0, 8.0))) for cue in ("shape", "texture")}
    noise_beyond = values(found["shape"], GRADIENT_BEYOND + OF_NOISE)
    shape, texture = (values(found[cue], GRADIENT_BEYOND) for cue in ("shape", "texture"))
    # Shapes are told at radii up to 3, gratings at 12 to 15.
    assert 1 - shape[3.0] > 5 * (1 - noise_beyond[3.0])
    assert shape[8.0] < noise_beyond[8.0] / 3
    assert texture[8.0] > 3 * shape[8.0]
    low, high = (
        {cue: values(each, GRADIENT_RADIUS)[None] for cue, each in found.items()},
        values(found["shape"], GRADIENT_RADIUS + OF_NOISE)[None],
    )
    assert low["shape"] < 0.6 * high
    assert low["texture"] > 0.8 * high
