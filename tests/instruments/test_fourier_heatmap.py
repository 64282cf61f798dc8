"""The Fourier heat map: against its definition in loops, and on images where it is known which waves matter."""

import json
import math

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import passband as pb
import reference
from helpers import Constant, Memory, noise, subject, trained_on
from listening import Listener
from passband.analysis.figure import figure_table
from passband.audit.pictures import ExtraReading
from passband.data.phantom import make_phantom, shape_waves, texture_waves
from passband.errors import InputError
from passband.frequency.component import FULL
from passband.frequency.wave import Wave, wave_grid
from passband.instruments.fourier_heatmap import FourierHeatmap, distinct, draw_signs, usual_epsilon
from passband.instruments.instrument import Cost
from passband.models.pixels import PixelModel
from passband.randomness import generator_for
from passband.report.extra import extra_charts
from passband.rows import to_table

DATA = noise()
ALL = FourierHeatmap(size=None, samples=None)
CUES = {"shape": (shape_waves(4), (1, 0)), "texture": (texture_waves(4, (32, 32)), (0, 1))}


def cells(found):
    return {row.component: row.value for row in found.rows() if row.component != FULL}


@pytest.mark.parametrize("size", [(5, 4), (4, 5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_that_of_the_definition_in_pixels_before_normalization(size, channels):
    data = noise(samples=12, channels=channels, size=size, seed=1)
    body = Memory(data)
    body.weight.data += 0.2 * torch.randn(body.weight.shape)
    who = subject(PixelModel(body, name="net", mean=[0.4], std=[0.2]), data, seed=3)
    found = who.read(FourierHeatmap(size=None, samples=None, epsilon=2.0))
    visited = who.draw(None)
    waves = distinct(wave_grid(*size), size)
    signs = draw_signs(12, len(waves), channels, generator_for(3, "fourier-heatmap"))

    weight = body.weight.detach().double().numpy()

    def sign(sample: int, i: int, j: int) -> np.ndarray:
        place = next(at for at, wave in enumerate(waves) if wave in (Wave(i, j), Wave(i, j).mirrored(*size)))
        return signs[sample, place].numpy()

    def answer(image: np.ndarray) -> int:
        return int((((image - 0.4) / 0.2).ravel() @ weight).argmax())

    images = data.images[visited].double().numpy() / 255
    expected = reference.fourier_heat_map(answer, images, data.labels[visited].tolist(), sign, 2.0)
    assert {(wave.down, wave.across): value for wave, value in cells(found).items()} == pytest.approx(
        expected
    )
    assert 0 < sum(expected.values()) < len(expected)  # neither all right nor all wrong
    assert len(set(expected.values())) > 2


@pytest.mark.parametrize("cue", CUES)
def test_it_is_bright_at_the_waves_that_tell_the_class_and_dark_at_all_others(cue):
    waves, (shape, texture) = CUES[cue]
    data = make_phantom(24, shape=shape, texture=texture)
    found = subject(Listener(waves), data).read(FourierHeatmap(size=None, epsilon=20.0))
    assert found.whole_wrong == 0
    carriers = {Wave(sign * int(u), sign * int(v)) for u, v in waves for sign in (1, -1)}
    for wave, error in cells(found).items():
        assert error > 0.5 if wave in carriers else error == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cue", "bright", "dark"), [("shape", (1, 4), (8, 21)), ("texture", (10, 15), (1, 6))]
)
def test_of_a_trained_network_it_is_bright_around_its_cue_and_dark_far_from_it(cue, bright, dark):
    network, test = trained_on(cue)
    errors = cells(subject(network, test).read(FourierHeatmap(size=21, samples=40, epsilon=2)))
    inside, outside = (
        [error for wave, error in errors.items() if low <= wave.cutoff <= high]
        for low, high in (bright, dark)
    )
    assert max(inside) > 0.2
    assert np.mean(inside) > 0.05
    assert np.mean(outside) < 0.01
    assert np.mean(inside) > 10 * np.mean(outside)


def test_a_wave_and_its_mirror_image_are_asked_once_and_share_their_number():
    asked = []

    class Counting(Memory):
        def forward(self, images):
            asked.append(len(images))
            return super().forward(images)

    counting = Counting(DATA)
    found = subject(counting, DATA).read(FourierHeatmap(size=None, samples=None, epsilon=40))
    values = cells(found)
    assert len(values) == 12 * 10
    assert ALL.cost(40, DATA.size) == Cost(
        answers=40 * (1 + 62)
    )  # 120 waves, 4 of them their own mirror images
    assert 40 * 63 <= sum(asked) <= 40 * 63 + 20  # that each answer is one image's own is tried too
    for wave, value in values.items():
        assert values[wave.mirrored(12, 10)] == value
    assert len(set(values.values())) > 3


def test_batches_change_nothing_and_the_seed_decides():
    def numbers(**settings):
        return cells(subject(Memory(DATA), DATA, **settings).read(FourierHeatmap(5, samples=17, epsilon=40)))

    assert numbers(batch_size=3) == numbers(batch_size=40) == numbers()
    assert numbers(seed=1) != numbers()


def test_each_channel_of_each_image_has_a_wave_of_the_length_asked_for():
    seen = []

    class Seeing(Constant):
        def forward(self, images):
            seen.append(images.clone())
            return super().forward(images)

    subject(Seeing(0, 4), DATA).read(FourierHeatmap(3, samples=None, epsilon=2.5))
    whole, *shown = (images for images in seen if len(images) == 40)
    assert len(shown) == 5
    signs = []
    for images in shown:
        torch.testing.assert_close((images - whole).flatten(2).norm(dim=2), torch.full((40, 3), 2.5))
        corner = (images - whole)[:, :, 0, 0]
        assert (corner.abs() > 0).all()
        signs.append(corner > 0)
    share = torch.stack(signs).double().mean()
    assert share == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(600))
    assert (
        len({tuple(image.tolist()) for each in signs for image in each}) == 8
    )  # channels have signs of their own


def test_images_are_cut_to_0_and_1_only_where_that_is_asked_for():
    found = []

    class Ends(Constant):
        def forward(self, images):
            found.append((images.min().item(), images.max().item()))
            return super().forward(images)

    for clip in (False, True):
        found.clear()
        subject(Ends(0, 4), DATA).read(FourierHeatmap(3, epsilon=20, clip=clip))
        ends = [end for pair in found for end in pair]
        assert (min(ends) >= 0 and max(ends) <= 1) is clip


def test_the_length_is_that_of_the_literature_at_32_and_224_pixels_and_between_in_between():
    assert [usual_epsilon((side, side)) for side in (32, 224)] == [4.0, 15.7]
    assert usual_epsilon((32, 48)) == usual_epsilon((48, 32))
    assert 4 < usual_epsilon((32, 48)) < usual_epsilon((48, 48)) < 15.7
    found = subject(Constant(0, 4), noise(size=(32, 32))).read(FourierHeatmap(3))
    assert found.epsilon == 4.0
    assert FourierHeatmap().resolved((32, 32)) == FourierHeatmap(epsilon=4)


def test_rows_say_wave_radius_and_length_and_how_whole_images_fare():
    found = subject(Constant(0, 4), DATA).read(FourierHeatmap(3, samples=20, epsilon=2))
    table = to_table(found.rows())
    assert table["component"].to_list() == ["full", *["wave"] * 9]
    assert table["shown"].to_list()[1:4] == ["wave:-5,-4", "wave:-5,0", "wave:-5,4"]
    assert table["radius"].to_list()[1] == math.sqrt(41)
    assert table["epsilon"].to_list() == [None, *[2.0] * 9]
    assert set(table["count"]) == {20}
    wrong = (DATA.labels[subject(Constant(0, 4), DATA).draw(20)] != 0).double().mean().item()
    assert set(table["value"]) == {wrong}


def test_its_figure_has_a_cell_a_wave():
    found = subject(Memory(DATA), DATA).read(ALL)
    (panel,) = found.figure().panels
    rows = to_table(found.rows()).with_columns(label=pl.col("run"), seed=pl.lit(0))
    table = figure_table(found.figure(), rows)
    assert {(y, x): value for y, x, value in table.select("y", "x", "value").rows()} == {
        (wave.down, wave.across): value for wave, value in cells(found).items()
    }
    assert table["low"].null_count() == 0
    assert panel.title == "Wrong answers with a wave of length 1.88"


def test_it_is_drawn_on_the_page_of_an_audit(tmp_path):
    pytest.importorskip("altair")
    found = pb.audit(Memory(DATA), DATA, ceiling_samples=0, instruments=[FourierHeatmap(5)])
    found.save(tmp_path / "saved")
    loaded = pb.Audit.load(tmp_path / "saved")
    assert loaded.extra[0].figure == found.extra[0].figure
    pb.write_report(loaded, tmp_path)
    (name,) = extra_charts(loaded.extra)
    assert (tmp_path / "figures" / f"{name}.png").is_file()
    reading: ExtraReading = loaded.extra[0]
    assert len(reading.rows) == 26


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 16}, "size must be odd"),
        ({"samples": 0}, "samples must be a whole number of at least 1, got 0"),
        ({"epsilon": 0}, "epsilon, the length of a wave, must be positive, got 0"),
        ({"epsilon": math.nan}, "epsilon, the length of a wave, must be positive, got nan"),
        ({"epsilon": math.inf}, "epsilon, the length of a wave, must be positive, got inf"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        FourierHeatmap(**settings)


def test_what_the_model_does_not_take_is_refused_and_so_is_one_without_answers_of_its_own():
    with pytest.raises(InputError, match="takes images of 8x8 pixels"):
        FourierHeatmap().check(subject(PixelModel(Constant(0, 4), name="net", size=(8, 8)), DATA))
    network = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), Constant(0, 4))
    with pytest.raises(InputError, match="depend on the other images of the batch"):
        subject(network, DATA).read(FourierHeatmap())


def test_settings_are_written_as_json_holds_them_and_equal_ones_alike():
    assert json.dumps(FourierHeatmap(epsilon=4).to_dict()) == json.dumps(
        FourierHeatmap(epsilon=4.0).to_dict()
    )


def test_progress_counts_answers_to_the_end():
    told = []
    who = subject(Constant(0, 4), DATA, batch_size=16, progress=lambda *report: told.append(report))
    who.read(FourierHeatmap(3, samples=None))
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})
    assert told[-1] == ("fourier-heatmap", 240, 240)


def test_an_exported_network_gives_the_rows_of_the_original(exported):
    one, two = (subject(model, DATA).read(FourierHeatmap(size=7, epsilon=10)) for model in exported)
    assert cells(two) == pytest.approx(cells(one), abs=1e-3)
    assert len(set(cells(one).values())) > 2
