"""The spectrum of feature maps: against its definition in loops, and of networks whose layers are known filters."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

import passband as pb
import reference
from helpers import Constant, Standardized, noise, subject
from passband.audit.pictures import ExtraReading
from passband.data.dataset import ImageDataset
from passband.data.phantom import make_phantom, texture_waves
from passband.errors import InputError
from passband.instruments.feature_spectrum import FeatureSpectrum
from passband.instruments.instrument import Cost
from passband.models.pixels import PixelModel, Trial
from passband.models.reading import Reading
from passband.report.extra import extra_charts
from passband.rows import FEATURE_ALIASED, FEATURE_HIGH, FEATURE_SPECTRUM, to_table

DATA = noise()
ALL = FeatureSpectrum(samples=None)


def network(*layers, classes=4):
    """Return layers one after the other, then a head that needs no weights of its own."""
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(classes)).eval()


def ready(body, data=DATA):
    with torch.no_grad():
        body(torch.rand(2, *data.images.shape[1:]))
    return body


def curves(found, metric=FEATURE_SPECTRUM):
    table = to_table(found.rows())
    rows = (
        table.filter(table["metric"] == metric)
        .select("shown", "frequency", "radius", "value", "error")
        .rows()
    )
    return {
        (shown.partition(":")[2], frequency): (value, error) for shown, frequency, _, value, error in rows
    }


def convolution(kernel, channels=3, **settings):
    """Return the same kernel on each channel, around the edges."""
    kernel = torch.as_tensor(kernel, dtype=torch.float32)
    made = nn.Conv2d(
        channels, channels, kernel.shape, groups=channels, bias=False, padding_mode="circular", **settings
    )
    made.weight.data[:] = kernel
    return made


@pytest.mark.parametrize("size", [(12, 10), (9, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_rows_are_those_of_the_definition(size, channels):
    data = noise(samples=5, channels=channels, size=size)
    body = ready(network(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2, padding=2)), data)
    model = PixelModel(body, name="net", mean=[0.4], std=[0.2])
    found = subject(model, data, batch_size=2).read(ALL)
    maps = (data.images / 255 - 0.4) / 0.2
    expected, dense = {}, None
    with torch.no_grad():
        for name, layer in list(body.named_children())[:3]:
            if name == "2":
                dense = nn.functional.conv2d(maps, layer.weight, layer.bias, 1, 2)
            maps = layer(maps)
            nyquist = min(maps.shape[-2:]) / 2
            amplitude = np.array([reference.ring_amplitudes(image.double().numpy()) for image in maps])
            mean = amplitude.mean(axis=0)
            for ring in range(len(mean)):
                ratio = amplitude[:, ring] / mean[ring] - amplitude[:, 0] / mean[0]
                value = math.log(mean[ring] / mean[0])
                expected[name, (ring + 1) / nyquist] = (value, ratio.std(ddof=1) / math.sqrt(5))
    measured = curves(found)
    assert list(measured) == list(expected)
    assert np.array(list(measured.values())) == pytest.approx(np.array(list(expected.values())), abs=1e-5)
    rows, columns = maps.shape[-2:]
    shares = [
        reference.aliased_share(image[:, : 2 * rows, : 2 * columns].double().numpy(), (2, 2))
        for image in dense
    ]
    ((name, value),) = curves(found, FEATURE_ALIASED).items()
    assert name == ("2", None)
    assert value == pytest.approx((np.mean(shares), np.std(shares, ddof=1) / math.sqrt(5)), abs=1e-6)


def test_errors_are_those_of_leaving_each_image_out():
    data = noise(samples=200)
    body = ready(network(nn.Conv2d(3, 4, 3), nn.ReLU()), data)
    found = subject(body, data).read(ALL).layers[1]
    amplitude = found.amplitude.numpy()
    logs = np.log([np.delete(amplitude, at, axis=0).mean(axis=0) for at in range(200)])
    without = logs - logs[:, :1]
    jackknife = without.std(axis=0) * math.sqrt(199)
    assert [error for _, error in found.relative().values()] == pytest.approx(jackknife, rel=0.02)


def test_a_known_filter_adds_the_log_of_its_response_and_an_identity_nothing():
    data = ImageDataset(
        (127.5 + 60 * waves_of_each_radius(16)).round().byte()[:, None].expand(-1, 3, -1, -1).clone(),
        torch.arange(8) % 4,
        tuple("abcd"),
        "waves",
    )
    low_pass = torch.tensor([[0.25], [0.5], [0.25]])  # cos^2 of half the angle, down only
    body = ready(network(nn.Identity(), convolution(low_pass, padding=(1, 0)), convolution([[1.0]])), data)
    found = curves(subject(body, data).read(FeatureSpectrum(("0", "1", "2"), samples=None)))
    own = np.array([reference.ring_amplitudes(image.double().numpy()) for image in data.images / 255]).mean(
        axis=0
    )
    response = np.cos(math.pi * np.arange(1, 9) / 16) ** 2
    for ring in range(7):  # at the last the response is 0
        frequency = (ring + 1) / 8
        assert found["0", frequency][0] == pytest.approx(math.log(own[ring] / own[0]), abs=1e-3)
        assert found["1", frequency][0] - found["0", frequency][0] == pytest.approx(
            math.log(response[ring] / response[0]), abs=0.02
        )  # images are of whole numbers, so that other frequencies have a little too
        assert found["2", frequency] == found["1", frequency]
    falling = [found["1", (ring + 1) / 8][0] - found["0", (ring + 1) / 8][0] for ring in range(7)]
    assert falling == sorted(falling, reverse=True)
    assert ("0", 1.0) in found
    assert ("1", 1.0) not in found  # where the filter leaves nothing there is no log of it


def waves_of_each_radius(side):
    places = 2 * math.pi * torch.arange(side) / side
    return torch.stack(
        [torch.cos(cycles * places)[:, None].expand(side, side) for cycles in range(1, side // 2 + 1)]
    )


def test_phantoms_peak_at_the_frequencies_of_their_shapes_and_textures_until_one_is_filtered_out():
    data = make_phantom(40)
    low_pass = torch.outer(*2 * [torch.tensor([1.0, 4, 6, 4, 1]) / 16])
    body = ready(network(nn.Identity(), convolution(low_pass, padding=2)), data)
    found = curves(subject(body, data).read(FeatureSpectrum(("0", "1"))))
    own, filtered = ({16 * f: value for (name, f), (value, _) in found.items() if name == at} for at in "01")
    radii = {round(radius) for radius in np.sqrt((texture_waves(4, (32, 32)) ** 2).sum(axis=1))}
    assert radii == {13}
    assert max(own, key=own.get) <= 3  # shapes
    assert max((radius for radius in own if radius > 6), key=own.get) == 13
    assert own[13] > own[10] + 1
    assert filtered[13] < own[13] - 2
    assert all(filtered[radius] == pytest.approx(own[radius], abs=0.2) for radius in (1, 2, 3))


class Folded(nn.Module):
    """Returns what a vision transformer would whose tokens are the pixels: some in front, and the rest row by row."""

    def __init__(self, front):
        super().__init__()
        self.front = front

    def forward(self, images):
        tokens = images.flatten(2).transpose(1, 2)
        return torch.cat([100 * torch.ones(len(images), self.front, images.shape[1]), tokens], dim=1)


class Head(nn.Module):
    def forward(self, tokens):
        return tokens.flatten(1, -2).mean(dim=1)[:, [0, 1, 2, 0]]


@pytest.mark.parametrize("front", [0, 1, 5])
def test_tokens_folded_to_a_grid_have_the_rows_of_the_maps_themselves(front):
    tokens = subject(nn.Sequential(Folded(front), Head()), DATA).read(ALL)
    maps = subject(ready(network(nn.Identity())), DATA).read(ALL)
    assert curves(tokens) == curves(maps)
    last = subject(nn.Sequential(Last(), Head()), DATA).read(ALL)
    assert curves(last) == curves(maps)


class Last(nn.Module):
    def forward(self, images):
        return images.permute(0, 2, 3, 1)


def test_a_channel_that_is_dead_or_constant_changes_nothing_and_a_layer_that_is_has_no_curve():
    class Some(nn.Module):
        def forward(self, images):
            return torch.cat([images, torch.zeros_like(images), torch.full_like(images, 7.5)], dim=1)

    class Dead(nn.Module):
        def forward(self, images):
            return 0 * images + 3

    found = subject(ready(network(nn.Identity(), Some(), Dead(), nn.MaxPool2d(2))), DATA).read(ALL)
    values = curves(found)
    for (name, frequency), (value, _) in values.items():
        assert math.isfinite(value)
        assert value == pytest.approx(values["0", frequency][0], abs=1e-6)
        assert name in "01"
    assert curves(found, FEATURE_ALIASED) == {}
    assert "5 rings of 2 hold nothing but rounding" in found.words()
    assert "maps before 3 hold nothing but their means" in found.words()
    assert [mark.name for mark in found.figure().panels[0].marks] == ["0", "1"]


def test_a_band_limited_input_does_not_alias_where_a_wave_beyond_does_all_of_it():
    for kept, share in ((slice(0, 4), 0.0), (slice(4, 8), 1.0)):
        waves = waves_of_each_radius(16)[kept]
        images = (127.5 + 100 * waves).round().byte()[:, None].expand(-1, 3, -1, -1).clone()
        data = ImageDataset(images, torch.arange(4) % 4, tuple("abcd"), "waves")
        found = subject(ready(network(convolution([[1.0]], stride=2)), data), data).read(ALL)
        (value, _) = curves(found, FEATURE_ALIASED)["0", None]
        assert value == pytest.approx(share, abs=1e-4)  # but for what rounding to bytes has added


def test_of_noise_about_three_quarters_alias_at_a_stride_of_2_and_fewer_after_a_filter():
    data = noise(samples=20, size=(32, 32))
    blur = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    body = ready(network(convolution([[1.0]], stride=2), nn.Identity()), data)
    blurred = ready(network(convolution(blur, padding=1, stride=2), nn.Identity()), data)
    plain, less = (
        curves(subject(each, data).read(ALL), FEATURE_ALIASED)["0", None][0] for each in (body, blurred)
    )
    assert plain == pytest.approx(1 - (17**2 - 1) / (32**2 - 1), abs=0.02)
    assert less < 0.5 * plain


def test_batches_pieces_and_neighbours_change_nothing():
    body = ready(network(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2)))

    def numbers(model=body, **settings):
        found = subject(model, DATA, **settings).read(FeatureSpectrum(samples=17))
        return {
            key: each
            for metric in (FEATURE_SPECTRUM, FEATURE_ALIASED)
            for key, each in curves(found, metric).items()
        }

    whole = numbers()
    in_pieces = PixelModel(body, name="net")
    in_pieces.trial = Trial(Reading(batch=4), 4)  # the last piece is filled up
    for other in (numbers(batch_size=3), numbers(in_pieces), numbers(in_pieces, batch_size=6)):
        assert other.keys() == whole.keys()
        assert np.array(list(other.values())) == pytest.approx(np.array(list(whole.values())), abs=1e-6)
    assert numbers(seed=1) != whole


def test_only_the_subjects_samples_are_looked_at():
    body = ready(network(nn.Conv2d(3, 4, 3)))
    some = torch.tensor([3, 8, 21])
    found = subject(body, DATA, indices=some).read(ALL)
    alone = ImageDataset(DATA.images[some], DATA.labels[some], DATA.classes, "alone")
    values = np.array(list(curves(found).values()))
    assert values == pytest.approx(np.array(list(curves(subject(body, alone).read(ALL)).values())), abs=1e-6)
    assert {row.count for row in found.rows()} == {3}
    one = subject(body, DATA, indices=some[:1]).read(ALL)
    assert {row.error for row in one.rows()} == {None}


def test_a_batch_with_statistics_of_its_own_is_refused():
    with pytest.raises(InputError, match="depend on the other images of the batch"):
        subject(ready(network(nn.BatchNorm2d(3, track_running_stats=False))), DATA).read(ALL)


def test_answers_and_maps_that_are_not_finite_are_refused():
    flat = ImageDataset(torch.zeros_like(DATA.images), DATA.labels, DATA.classes, "flat")
    with pytest.raises(InputError, match="NaN"):
        subject(Standardized(ready(network(nn.Identity()))), flat).read(ALL)

    class Lost(nn.Module):
        def forward(self, images):
            return images / 0

    class Forgiving(nn.Module):
        def forward(self, images):
            return torch.nan_to_num(images, posinf=1)

    with pytest.raises(InputError, match="the maps of layer 0 hold NaN or infinity"):
        subject(ready(network(Lost(), Forgiving())), DATA).read(ALL)


def test_it_costs_what_it_asks_and_reports_to_the_end():
    told, asked = [], []

    class Counting(Constant):
        def forward(self, images):
            asked.append(len(images))
            return super().forward(images)

    class Seen(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.rest = nn.Conv2d(3, 4, 3), Counting(0, 4)

        def forward(self, images):
            self.layer(images)
            return self.rest(images)

    who = subject(Seen(), DATA, batch_size=16, progress=lambda *report: told.append(report))
    who.read(FeatureSpectrum(samples=30))
    assert FeatureSpectrum(samples=30).cost(40, DATA.size) == Cost(answers=30)
    assert FeatureSpectrum().cost(40, DATA.size) == Cost(answers=40)
    assert (
        30 <= sum(asked) <= 30 + 20
    )  # layers are looked for with one image, and that answers are an image's own
    assert told == [("feature-spectrum", 16, 30), ("feature-spectrum", 30, 30)]


@pytest.mark.parametrize("layers", ["blocks.*", (), (3,), 4])
def test_impossible_layers_are_refused(layers, untyped):
    with pytest.raises(InputError, match="layers are names of modules or patterns"):
        FeatureSpectrum(layers)


def test_impossible_numbers_of_samples_are_refused():
    with pytest.raises(InputError, match="samples must be a whole number of at least 1, got 0"):
        FeatureSpectrum(samples=0)


def test_what_cannot_be_looked_at_is_refused_before_any_work():
    body = ready(network(nn.Conv2d(3, 4, 3)))
    with pytest.raises(InputError, match="'blocks.*' names no layer of Sequential with feature maps"):
        FeatureSpectrum(("blocks.*",)).check(subject(body, DATA))
    with pytest.raises(InputError, match="takes images of 8x8 pixels"):
        ALL.check(subject(PixelModel(body, name="net", size=(8, 8)), DATA))
    with pytest.raises(InputError, match="no module of Constant returns feature maps of 4x4 pixels or more"):
        ALL.check(subject(Constant(0, 4), DATA))


def test_an_exported_network_is_refused_since_it_has_no_layers_any_more(exported):
    _, export = exported
    with pytest.raises(
        InputError, match=r"is an (ONNX file|exported program), whose layers can no longer be seen one by one"
    ):
        ALL.check(subject(export, DATA))


def test_settings_are_written_as_json_holds_them_and_equal_ones_alike(untyped):
    one, other = FeatureSpectrum(("0", "1.*")), FeatureSpectrum(["0", "1.*"])
    assert one == other
    assert hash(one) == hash(other)
    assert json.loads(json.dumps(one.to_dict())) == {
        "instrument": "feature-spectrum",
        "layers": ["0", "1.*"],
        "samples": 50,
    }


def test_the_highest_frequency_has_a_row_of_its_own():
    found = subject(ready(network(nn.Conv2d(3, 4, 3), nn.ReLU())), DATA).read(ALL)
    high, all_of_them = curves(found, FEATURE_HIGH), curves(found)
    assert list(high) == [("0", 1.0), ("1", 1.0)]
    assert all(all_of_them[key] == value for key, value in high.items())
    assert "At the highest frequency of its grid" in found.words()


def test_ways_to_a_coarser_grid_that_cannot_be_measured_are_named():
    class Halved(nn.Module):
        def forward(self, images):
            return nn.functional.interpolate(images, scale_factor=0.5)

    found = subject(ready(network(Halved(), nn.AdaptiveAvgPool2d(4))), DATA).read(ALL)
    assert "0 makes a grid coarser by no stride" in found.words()
    assert "1 makes a grid coarser by no stride" in found.words()


def test_its_figure_has_a_curve_a_layer_and_a_bar_a_downsampling():
    pytest.importorskip("altair")
    found = subject(ready(network(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.ReLU())), DATA).read(ALL)
    reading = ExtraReading(
        "feature-spectrum", "summary", to_table(found.rows()), found.figure(), found.words()
    )
    spectrum, aliasing = extra_charts([reading]).values()
    rows = spectrum.to_dict()["data"]["values"]
    drawn = {(row["series"], row["x"]): row["value"] for row in rows}
    assert drawn == {key: value for key, (value, _) in curves(found).items()}
    bars = aliasing.to_dict()["data"]["values"]
    assert {row["category"]: row["value"] for row in bars} == {
        "1": curves(found, FEATURE_ALIASED)["1", None][0]
    }
    assert all(row["low"] < row["value"] < row["high"] for row in bars)


def test_of_many_layers_some_are_drawn_and_all_are_in_the_rows():
    found = subject(ready(network(*(nn.Identity() for _ in range(30)))), DATA).read(
        FeatureSpectrum(samples=2)
    )
    (panel,) = found.figure().panels
    assert panel.title == "Spectrum of feature maps, 12 of 30 layers"
    assert [mark.name for mark in panel.marks][:2] == ["0", "3"]
    assert panel.marks[-1].name == "29"
    assert len(curves(found)) == 30 * 5


def test_a_picture_leaves_out_what_all_names_begin_with_and_rows_do_not():
    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2))
    found = subject(ready(network(nn.Sequential(nn.Sequential(nn.Sequential(inner))))), DATA).read(
        FeatureSpectrum(("0.0.0.0.*",))
    )
    spectrum, aliasing = found.figure().panels
    assert [mark.name for mark in spectrum.marks] == ["0.0", "0.1"]
    assert [mark.category for mark in aliasing.marks] == ["0.1"]
    assert {row.component.name for row in found.rows()} == {"0.0.0.0.0", "0.0.0.0.1"}


def test_it_is_drawn_on_the_page_of_an_audit_and_read_again(tmp_path):
    pytest.importorskip("altair")
    body = ready(network(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2)))
    found = pb.audit(body, DATA, ceiling_samples=0, instruments=[FeatureSpectrum(samples=5)])
    found.save(tmp_path / "saved")
    loaded = pb.Audit.load(tmp_path / "saved")
    assert loaded.extra[0].figure == found.extra[0].figure
    assert loaded.extra[0].rows.equals(found.extra[0].rows)
    pb.write_report(loaded, tmp_path)
    for name in extra_charts(loaded.extra):
        assert (tmp_path / "figures" / f"{name}.png").is_file()
    assert len(extra_charts(loaded.extra)) == 2


def test_layers_of_timms_networks_are_measured_whatever_their_layout():
    timm = pytest.importorskip("timm")
    data = noise(samples=4, size=(64, 64))
    swin = {"img_size": 64, "window_size": 4, "embed_dim": 24, "depths": (1, 1, 1), "num_heads": (1, 2, 4)}
    shapes = {
        "swin_tiny_patch4_window7_224": (swin, 3, {"patch_embed.proj"}),
        "vit_tiny_patch16_224": ({"img_size": 64, "depth": 2}, 2, {"patch_embed.proj"}),
        "tf_efficientnet_lite0": ({}, 5, {"conv_stem", *(f"blocks.{at}.0.conv_dw" for at in (1, 2, 3))}),
    }
    for name, (settings, layers, downsamplings) in shapes.items():
        model = timm.create_model(name, num_classes=4, **settings).eval()
        found = subject(model, data).read(FeatureSpectrum())
        assert len(found.layers) == layers
        assert {each.name for each in found.downsamplings} == downsamplings
        assert all(0 < share < 1 for each in found.downsamplings for share in each.shares.tolist())
