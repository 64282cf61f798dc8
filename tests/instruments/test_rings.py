"""Rings kept and removed: on images where it is known which frequencies tell the class, and against the definition."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import reference
from helpers import Constant, Memory, noise, subject, trained_on
from listening import Listener
from passband.audit.pictures import ExtraReading
from passband.data.dataset import ImageDataset
from passband.data.phantom import make_phantom, shape_waves, texture_waves
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import FULL, Low, Only, Ring, Without, check_components
from passband.frequency.fourier import corner_radius, frequency_distance
from passband.instruments.components import ComponentAccuracy
from passband.instruments.rings import Rings, equal_energy, equal_width
from passband.instruments.spectrum import measure_spectrum
from passband.report.extra import extra_charts
from passband.rows import RINGS_MAJORITY, RINGS_WHOLE, to_table

DATA = noise()
CUES = {"shape": (shape_waves(4), (1, 0)), "texture": (texture_waves(4, (32, 32)), (0, 1))}


def accuracies(found, metric="accuracy"):
    return {
        row.component: row.value for row in found.rows() if row.metric == metric and row.class_name is None
    }


@pytest.mark.parametrize("equal", ["width", "energy"])
@pytest.mark.parametrize("cue", CUES)
def test_only_the_rings_that_carry_the_class_matter(cue, equal):
    waves, (shape, texture) = CUES[cue]
    data = make_phantom(80, shape=shape, texture=texture)
    found = subject(Listener(waves), data).read(Rings(equal=equal))
    radii = {round(float((wave**2).sum()) ** 0.5, 9) for wave in waves}
    accuracy = accuracies(found)
    assert found.answers.correct[0].all()
    for ring in (component for component in accuracy if isinstance(component, Only)):
        inside = {radius for radius in radii if ring.inner < radius <= ring.outer}
        kept, removed = accuracy[ring], accuracy[Without(ring.inner, ring.outer)]
        if inside == radii:
            assert kept == 1
            assert removed == 0.25  # nothing is heard: all are called the first class
        elif inside:
            assert kept > 0.25
            assert removed < 1
        else:
            assert (kept, removed) == (0.25, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("cue", "ring"), [("shape", (0, 3)), ("texture", (12, 15))])
def test_a_trained_network_needs_the_ring_of_its_cue_and_no_other(cue, ring):
    network, test = trained_on(cue)
    who = subject(network, test)
    accuracy = accuracies(who.read(Rings()))
    kept, removed = (
        {(c.inner, c.outer): value for c, value in accuracy.items() if isinstance(c, kind)}
        for kind in (Only, Without)
    )
    assert kept.pop(ring) > 0.9
    assert max(kept.values()) < 0.4
    assert removed.pop(ring) < 0.4
    assert min(removed.values()) > 0.9
    if cue == "shape":  # without the mean, what the network needs is not enough
        assert accuracies(who.read(ComponentAccuracy((Ring(0, 3),), "raw")))[Ring(0, 3)] < 0.4


def test_rows_are_what_the_network_answers_to_rings_of_the_definition():
    model = Memory(DATA)
    found = subject(model, DATA).read(Rings(rings=3, amplitude="raw"))
    pixels = (DATA.images / 255).double().numpy()
    mean = torch.from_numpy(pixels.mean(axis=(2, 3), keepdims=True))
    for ring in (Ring(0, 3), Ring(3, 6), Ring(6, 9)):
        inside, outside = (
            torch.from_numpy(np.array([[reference.low(each, radius) for each in image] for image in pixels]))
            for radius in ring.radii
        )
        for component, shown in (
            (Only(*ring.radii), outside - inside + mean),
            (Without(*ring.radii), torch.from_numpy(pixels) - outside + inside),
        ):
            right = model(shown.float()).argmax(dim=1) == DATA.labels
            assert accuracies(found)[component] == pytest.approx(right.double().mean().item())


def test_a_row_beside_says_what_whole_images_and_the_majority_class_give_and_no_other_row_is_of_whole_images():
    found = subject(Memory(DATA), DATA).read(Rings())
    assert accuracies(found, RINGS_WHOLE) == {FULL: 1.0}
    assert accuracies(found, RINGS_MAJORITY) == {FULL: DATA.labels.bincount().max().item() / 40}
    assert {row.metric for row in found.rows() if row.component == FULL} == {RINGS_WHOLE, RINGS_MAJORITY}
    assert {row.amplitude for row in found.rows() if row.component != FULL} == {"clip"}


def test_a_ring_with_nothing_in_it_changes_no_answer_when_it_is_removed():
    dark = (
        make_phantom(40, texture=0, channels=1).images // 3
    )  # dividing by a maximum would make them brighter
    low = Low(12).of(dark / 255)
    data = ImageDataset((255 * low).round().byte(), torch.arange(40) % 4, tuple("abcd"), "dark")

    class Brightness(nn.Module):
        def forward(self, images):
            return -(images.mean(dim=(1, 2, 3))[:, None] - torch.tensor([0.1, 0.14, 0.18, 0.22])).abs()

    found = subject(Brightness(), data).read(Rings()).answers
    assert len(set(found.predictions[0].tolist())) > 1
    assert found.agrees.all()  # nothing but the mean counts, and all keep it


@pytest.mark.parametrize(
    "size", [(1, 2), (3, 3), (4, 64), (12, 10), (32, 32), (28, 28), (32, 48), (64, 3), (224, 224)]
)
@pytest.mark.parametrize("rings", [1, 3, 8, 50])
def test_rings_share_out_all_frequencies_but_the_mean_whatever_the_size(size, rings):
    energy = torch.linspace(0, 1, int(-(-corner_radius(*size) // 1)) + 1).tolist()
    distance = frequency_distance(*size)
    for edges in (equal_width(rings, size), equal_energy(rings, energy, size)):
        check_components([Ring(a, b) for a, b in pairwise(edges)], size)
        assert edges[0] == 0
        assert edges[-1] >= distance.max()
        assert 1 <= len(edges) - 1 <= rings


def test_rings_of_equal_energy_hold_equal_energy_where_no_radius_holds_more():
    power = measure_spectrum(noise(samples=100, size=(64, 64)))
    edges = equal_energy(4, power.energy.tolist(), (64, 64))
    shares = [float(power.energy[int(b)] - power.energy[int(a)]) for a, b in pairwise(edges)]
    assert len(shares) == 4
    assert shares == pytest.approx([0.25] * 4, abs=0.05)


def test_it_costs_what_it_asks_and_reports_stages_of_its_own():
    told, asked = [], []

    class Counting(Constant):
        def forward(self, images):
            asked.append(len(images))
            return super().forward(images)

    who = subject(Counting(0, 4), DATA, progress=lambda *report: told.append(report))
    who.read(Rings())
    cost = Rings().cost(40, (12, 10)).answers
    assert cost <= sum(asked) <= cost + 20  # that each answer is one image's own is tried too
    assert told[-1] == ("rings", 40, 40)


def test_impossible_settings_are_refused(untyped):
    with pytest.raises(InputError, match="rings must be a whole number of at least 1, got 0"):
        Rings(rings=0)
    with pytest.raises(UnknownNameError, match="no way to share out frequencies named 'wide'"):
        Rings(equal="wide")
    with pytest.raises(UnknownNameError, match="no amplitude policy named 'none'"):
        Rings(amplitude="none")
    with pytest.raises(InputError, match="images of 1x1 pixels have no frequency but their mean"):
        subject(Constant(0, 4), noise(size=(1, 1))).read(Rings())


def test_settings_are_written_as_json_holds_them():
    assert json.loads(json.dumps(Rings().to_dict())) == {
        "instrument": "rings",
        "rings": 8,
        "equal": "width",
        "amplitude": "clip",
    }


def test_its_figure_has_two_curves_and_two_levels():
    pytest.importorskip("altair")
    found = subject(Memory(DATA), DATA).read(Rings())
    reading = ExtraReading("rings", "summary", to_table(found.rows()), found.figure())
    (chart,) = extra_charts([reading]).values()
    *curves, levels = (layer["data"]["values"] for layer in chart.to_dict()["layer"])
    assert {row["series"] for row in curves[0]} == {"only the ring", "all but the ring"}
    assert [row["x"] for row in curves[0]] == 2 * [1, 2, 3, 4, 5, 6, 7, 8]
    assert {row["series"]: row["value"] for row in levels} == {
        "whole images": 1,
        "majority class": DATA.labels.bincount().max().item() / 40,
    }


def test_an_exported_network_gives_the_rows_of_the_original(exported):
    original, export = exported
    one, two = (list(subject(model, DATA).read(Rings()).rows()) for model in (original, export))
    assert [(row.component, row.metric) for row in one] == [(row.component, row.metric) for row in two]
    assert [row.value for row in two] == pytest.approx([row.value for row in one], abs=1e-3)


def test_a_network_of_batch_statistics_is_refused():
    network = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), Constant(0, 4))
    with pytest.raises(InputError, match="depend on the other images of the batch"):
        subject(network, DATA).read(Rings())


def test_the_answers_are_asked_once():
    who = subject(Memory(DATA), DATA)
    found = who.read(Rings())
    assert who.read(ComponentAccuracy(found.answers.shown, "clip")) is found.answers
