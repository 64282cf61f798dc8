"""Phases of one image and amplitudes of another: networks of which it is known what they read."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

import reference
from helpers import Constant, Memory, Standardized, noise, subject, trained_on
from listening import Listener
from passband.audit.pictures import ExtraReading
from passband.data.dataset import ImageDataset
from passband.data.phantom import make_phantom, shape_waves, texture_waves
from passband.data.stream import StreamedImages
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import FULL
from passband.instruments.image_pairs import draw_partners, error_over_pairs
from passband.instruments.phase_swap import SWAPPED, FoundPhaseSwap, PhaseSwap
from passband.report.extra import extra_charts, numbers_of
from passband.rows import BY_CHANCE, OF_PHASE_SWAP, PHASE_SWAP_AMPLITUDE, PHASE_SWAP_PHASE, to_table
from passband.stats import mcnemar, student_interval

DATA = noise()
UNSURE = noise(
    180, size=(8, 8)
)  # nearly as many as pixels, so that a fitted network is unsure of swapped images


def rows_of(found) -> dict:
    return {row.metric: row for row in found.rows()}


def values_of(found) -> dict:
    return {metric: row.value for metric, row in rows_of(found).items()}


@pytest.mark.parametrize("cue", ["shape", "texture"])
def test_a_network_that_hears_waves_follows_the_amplitude_of_all(cue):
    data = make_phantom(80, shape=float(cue == "shape"), texture=float(cue == "texture"), channels=1)
    waves = shape_waves(4) if cue == "shape" else texture_waves(4, (32, 32))
    found = subject(Listener(waves), data).read(PhaseSwap())
    values = values_of(found)
    assert values["phase-swap-whole"] == 1
    assert values["phase-swap-amplitude"] == values["phase-swap-amplitude-answer"] == 1
    assert values["phase-swap-phase"] == values["phase-swap-phase-answer"] == 0
    assert values["phase-swap-difference"] == -1
    assert values["phase-swap-p"] == mcnemar(80, 0)
    assert found.followed() == "amplitude"
    assert "more answers follow the amplitude than the phase" in found.words()


def crests(samples: int, classes: int = 4) -> ImageDataset:
    """Return images of one wave of any amplitude on any gray, whose class is where its crest lies."""
    draw = torch.Generator().manual_seed(0)
    gray, loud = (
        0.4 + 0.2 * torch.rand(samples, generator=draw),
        0.05 + 0.3 * torch.rand(samples, generator=draw),
    )
    labels = torch.arange(samples) % classes
    place = 3 * torch.arange(32) / 32
    waves = torch.cos(2 * math.pi * (place - labels[:, None] / classes))
    pixels = (255 * (gray[:, None] + loud[:, None] * waves)).round().to(torch.uint8)
    return ImageDataset(pixels[:, None, None].repeat(1, 1, 16, 1), labels, tuple("abcd"[:classes]), "crests")


class Places(nn.Module):
    """Names the class by the place of the crest, however loud the wave is."""

    def forward(self, images):
        angle = torch.fft.fft2(images.mean(dim=1))[:, 0, 3].angle()
        return torch.cos(angle[:, None] + 2 * math.pi * torch.arange(4) / 4)


def test_a_network_that_sees_where_a_wave_lies_follows_the_phase_of_all():
    found = subject(Places(), crests(80)).read(PhaseSwap())
    values = values_of(found)
    assert values["phase-swap-whole"] == 1
    assert values["phase-swap-phase"] == values["phase-swap-phase-answer"] == 1
    assert values["phase-swap-amplitude"] == values["phase-swap-amplitude-answer"] == 0
    assert values["phase-swap-difference"] == 1
    assert found.followed() == "phase"
    assert "more answers follow the phase than the amplitude" in found.words()


@pytest.mark.slow
@pytest.mark.parametrize("cue", ["shape", "texture"])
def test_a_trained_network_follows_the_amplitude_where_classes_are_told_by_which_wave_there_is(cue):
    network, test = trained_on(cue)
    found = subject(network, test).read(PhaseSwap())
    values = values_of(found)
    assert found.followed() == "amplitude"
    assert values["phase-swap-amplitude"] > 0.7
    assert values["phase-swap-phase"] < values["phase-swap-phase-by-chance"]


def test_rows_are_what_the_network_answers_to_images_of_the_definition():
    model = Memory(UNSURE)
    found = subject(model, UNSURE).read(PhaseSwap(amplitude="raw"))
    pixels = (UNSURE.images / 255).double().numpy()
    shown = np.array(
        [
            [reference.swapped(a, p) for a, p in zip(pixels[partner], pixels[sample], strict=True)]
            for sample, partner in enumerate(found.partners.tolist())
        ]
    )
    named, whole = (model(torch.from_numpy(each).float()).argmax(dim=1).tolist() for each in (shown, pixels))
    labels, partners, count = UNSURE.labels.tolist(), found.partners.tolist(), 180
    rows = values_of(found)
    assert 0 < rows["phase-swap-amplitude"] < rows["phase-swap-phase"] < 1
    wanted = {
        "phase-swap-phase": labels,
        "phase-swap-amplitude": [labels[partner] for partner in partners],
        "phase-swap-phase-answer": whole,
        "phase-swap-amplitude-answer": [whole[partner] for partner in partners],
    }
    for metric, targets in wanted.items():
        assert rows[metric] == pytest.approx(sum(n == t for n, t in zip(named, targets, strict=True)) / count)
        dealt = sum(n == t for n in named for t in targets) / count**2  # every answer to every image
        assert rows[metric + BY_CHANCE] == pytest.approx(dealt)
    assert rows["phase-swap-whole"] == 1
    assert rows["phase-swap-difference"] == pytest.approx(
        rows["phase-swap-phase"] - rows["phase-swap-amplitude"]
    )
    chance = rows["phase-swap-phase-by-chance"] - rows["phase-swap-amplitude-by-chance"]
    assert rows["phase-swap-beyond-chance"] == pytest.approx(rows["phase-swap-difference"] - chance)
    followed = [round(count * rows[f"phase-swap-{giver}"]) for giver in ("phase", "amplitude")]
    assert rows["phase-swap-p"] == pytest.approx(reference.sign_test(*followed))


def test_rows_say_what_was_shown_and_a_share_of_none_or_all_has_no_error():
    rows = rows_of(subject(Memory(UNSURE), UNSURE).read(PhaseSwap(amplitude="max")))
    whole = rows.pop("phase-swap-whole")
    assert (whole.component, whole.amplitude, whole.error) == (FULL, None, None)
    assert {(row.component, row.amplitude, row.count) for row in rows.values()} == {(SWAPPED, "max", 180)}
    errors = {metric: (row.value * (1 - row.value) / 179) ** 0.5 for metric, row in rows.items()}
    spread = [metric for metric in OF_PHASE_SWAP if 0 < rows[metric].value < 1]
    assert len(spread) == 4
    for metric in spread:
        assert rows[metric].error >= errors[metric] - 1e-9
    table = to_table(rows.values())
    assert set(table["shown"]) == set(table["component"]) == {"swap"}
    assert table["radius"].null_count() == len(table)
    assert rows_of(subject(Places(), crests(80)).read(PhaseSwap()))["phase-swap-phase"].error is None


@pytest.mark.parametrize("answer", [0, 1])
def test_one_answer_to_everything_follows_nothing_however_unequal_classes_are(answer):
    labels = (torch.arange(200) % 10 == 0).long()
    data = ImageDataset(noise(200).images, labels, ("often", "seldom"), "unequal")
    found = subject(Constant(answer, 2), data).read(PhaseSwap())
    values = values_of(found)
    assert values["phase-swap-phase"] == pytest.approx([0.9, 0.1][answer])
    assert values["phase-swap-amplitude"] == pytest.approx([0.1, 0.9][answer])
    assert values["phase-swap-p"] < 1e-9  # not equally often, and yet
    assert values["phase-swap-beyond-chance"] == pytest.approx(0)
    assert found.followed() is None
    assert "which of the two the answers follow is not decided by that" in found.words()


def test_two_images_decide_nothing_even_if_both_follow_the_phase():
    found = subject(Places(), crests(2)).read(PhaseSwap())
    assert values_of(found)["phase-swap-phase"] == 1
    assert found.followed() is None
    assert (np.isfinite(list(values_of(found).values()))).all()


def given(labels, partners, whole, swapped) -> FoundPhaseSwap:
    columns = (torch.as_tensor(column) for column in (labels, partners, whole, swapped))
    return FoundPhaseSwap(subject(Constant(0, 4), DATA), *columns, "clip")


def test_a_network_that_follows_either_as_often_is_seldom_said_to_follow_one_and_errors_are_those_of_images_drawn_anew():
    draw, differences, errors, said = torch.Generator().manual_seed(0), [], [], []
    for seed in range(400):
        labels = torch.randint(0, 4, (120,), generator=draw)
        partners = draw_partners(labels, torch.arange(120), seed)
        strong, first = torch.rand(2, 120, generator=draw) < torch.tensor([[0.3], [0.5]])
        swapped = torch.randint(-2, 4, (120,), generator=draw).clamp(
            min=0
        )  # else it is lost, and likes class 0
        swapped = torch.where(strong & first, labels, swapped)
        swapped = torch.where(strong[partners] & ~first, labels[partners], swapped)
        found = given(labels, partners, labels, swapped)
        differences.append(found.beyond_chance().mean())
        errors.append(error_over_pairs(found.beyond_chance(), partners))
        said.append(found.followed())
    assert np.mean(errors) / np.std(differences) == pytest.approx(1, abs=0.12)
    assert said.count(None) >= 0.95 * 400


def test_the_sentence_says_counts_intervals_and_chance():
    labels, partners = torch.arange(80) % 4, (torch.arange(80) + 1) % 80
    swapped = torch.where(torch.arange(80) < 60, labels, (labels + 2) % 4)
    swapped[60:64] = labels[partners[60:64]]
    found = given(labels, partners, labels, swapped)
    rows, said = rows_of(found), {}
    for metric in (PHASE_SWAP_PHASE, PHASE_SWAP_AMPLITUDE, "phase-swap-beyond-chance"):
        low, high = student_interval(rows[metric].value, rows[metric].error, 79)
        said[metric] = f"[{max(low, 0):.1%}, {high:.1%}]"
    assert found.words() == (
        f"Of 80 images made of the phases of one and the amplitudes of another, 60 (75.0% {said[PHASE_SWAP_PHASE]}, by chance "
        f"25.0%) are answered as the giver of the phases is labelled and 4 (5.0% {said[PHASE_SWAP_AMPLITUDE]}, by chance 25.0%) are "
        "answered as the giver of the amplitudes is labelled: more answers follow the phase than the amplitude (a difference of "
        f"70.0% {said['phase-swap-beyond-chance']} beyond chance). Of the whole images 100.0% are right."
    )
    other_way = given(labels[partners], partners.argsort(), labels, swapped)
    assert other_way.followed() == "amplitude"


def test_neither_batches_nor_order_change_an_answer_and_the_seed_changes_partners():
    model, asked = Memory(UNSURE), PhaseSwap()
    alone = subject(model, UNSURE).read(asked)
    shuffled = torch.randperm(180, generator=torch.Generator().manual_seed(1))
    again = subject(model, UNSURE, batch_size=7, indices=shuffled).read(asked)
    assert torch.equal(alone.swapped[shuffled], again.swapped)
    assert torch.equal(alone.partners[shuffled], shuffled[again.partners])
    assert values_of(alone) == pytest.approx(values_of(again))
    other = subject(model, UNSURE, seed=1).read(asked)
    assert torch.equal(alone.whole, other.whole)
    assert not torch.equal(alone.partners, other.partners)


def test_partners_are_among_the_samples():
    who = subject(Memory(DATA), DATA, seed=3)
    found = who.read(PhaseSwap(samples=9))
    drawn = who.draw(9)
    assert torch.equal(found.labels, DATA.labels[drawn])
    assert found.partners.max() < 9
    assert {row.count for row in found.rows()} == {9}
    some = torch.tensor([31, 4, 17, 8])
    part = subject(Memory(DATA), DATA, indices=some).read(PhaseSwap())
    assert torch.equal(part.labels, DATA.labels[some])
    assert (part.labels[part.partners] != part.labels).all()


def test_streamed_images_are_read_batch_by_batch():
    decoded = []

    def decode(stored, name):
        decoded.append(name)
        return stored

    images = StreamedImages(
        stored=list(DATA.images.numpy()),
        names=[str(place) for place in range(40)],
        decode=decode,
        shape=DATA.images.shape,
        stored_bytes=360.0,
        num_workers=0,
        positions=torch.arange(40),
    )
    streamed = ImageDataset(images, DATA.labels, DATA.classes, "streamed")
    model = Memory(DATA)
    held, read = (
        values_of(subject(model, data, batch_size=7).read(PhaseSwap())) for data in (DATA, streamed)
    )
    assert read == held
    assert len(decoded) == 1 + 2 * 40  # one is asked whether its answer is its own


def test_it_costs_what_it_asks_and_reports_how_far_it_is():
    told, asked = [], []

    class Counting(Constant):
        def forward(self, images):
            asked.append(len(images))
            return super().forward(images)

    who = subject(Counting(0, 4), DATA, batch_size=16, progress=lambda *report: told.append(report))
    who.read(PhaseSwap())
    assert sum(size for size in asked if size != 2) == PhaseSwap().cost(40, (12, 10)).answers
    assert told == [("phase-swap", done, 40) for done in (16, 32, 40)]
    assert PhaseSwap(samples=10).cost(40, (12, 10)).answers == 20
    assert PhaseSwap(samples=100).cost(40, (12, 10)).answers == 80


def test_impossible_settings_and_data_are_refused(untyped):
    with pytest.raises(InputError, match="samples must be a whole number of at least 1, got 0"):
        PhaseSwap(samples=0)
    with pytest.raises(UnknownNameError, match="no amplitude policy named 'none'"):
        PhaseSwap(amplitude="none")
    one_class = subject(Constant(0, 4), DATA, indices=(DATA.labels == 2).nonzero()[:, 0])
    with pytest.raises(InputError, match=r"the only class of the \d+ samples is 'c'. Take more samples"):
        PhaseSwap().check(one_class)
    with pytest.raises(InputError, match="the only class of the 1 samples"):
        PhaseSwap(samples=1).check(subject(Constant(0, 4), DATA))
    with pytest.raises(InputError, match="images of 1x1 pixels have no frequency but their mean"):
        subject(Constant(0, 4), noise(size=(1, 1))).read(PhaseSwap())


def test_an_answer_that_is_not_finite_says_what_was_shown():
    images = DATA.images.clone()
    images[7] = 9
    model = Standardized(Memory(DATA))
    with pytest.raises(InputError, match="whole images"):
        subject(model, ImageDataset(images, DATA.labels, DATA.classes, "flat")).read(PhaseSwap())

    class Afraid(Constant):
        def forward(self, images):
            swapped = ~torch.isin((255 * images).round() / 255, images).all() | (images > 1).any()
            return super().forward(images).masked_fill(swapped, torch.nan)

    with pytest.raises(InputError, match="images with the amplitudes of others"):
        subject(Afraid(0, 4), DATA).read(PhaseSwap(amplitude="raw"))


@pytest.mark.parametrize("policy", ["raw", "clip", "max", "minmax", "rms"])
def test_every_policy_is_applied_to_swapped_images_and_rms_leaves_them_as_they_are(policy):
    shown = []

    class Keeping(Constant):
        def forward(self, images):
            shown.append(images)
            return super().forward(images)

    subject(Keeping(0, 4), DATA, batch_size=40).read(PhaseSwap(amplitude=policy))
    swapped = shown[-1]
    highest = swapped.amax(dim=(1, 2, 3))
    if policy in ("max", "minmax"):
        torch.testing.assert_close(highest, torch.ones(40))
    if policy == "clip":
        assert 0 == swapped.min() < swapped.max() == 1
    if policy in ("raw", "rms"):
        assert swapped.min() < 0 < 1 < swapped.max()
        lengths = sorted(shown[-2].square().sum(dim=(1, 2, 3)).tolist())
        for length in swapped.square().sum(dim=(1, 2, 3)).tolist():
            assert min(abs(length - other) for other in lengths) < 1e-3


def test_settings_are_written_as_json_holds_them():
    assert json.loads(json.dumps(PhaseSwap().to_dict())) == {
        "instrument": "phase-swap",
        "amplitude": "clip",
        "samples": None,
    }


def test_its_figure_has_each_share_beside_chance():
    pytest.importorskip("altair")
    found = subject(Memory(DATA), DATA).read(PhaseSwap())
    reading = ExtraReading("phase-swap", "summary", to_table(found.rows()), found.figure())
    assert list(extra_charts([reading])) == ["phase-swap-Phase-or-amplitude"]
    numbers = numbers_of(reading, found.figure())
    assert len(numbers) == 1 + 2 * 4
    assert numbers["low"].null_count() == 0
    values = values_of(found)
    at = {(row["series"], row["category"]): row for row in numbers.iter_rows(named=True)}
    assert at["measured", "whole images"]["value"] == 1
    assert at["measured", "phase: label"]["value"] == values[PHASE_SWAP_PHASE]
    assert at["by chance", "amplitude: label"]["value"] == pytest.approx(
        values[PHASE_SWAP_AMPLITUDE + BY_CHANCE]
    )


def test_an_exported_network_gives_the_rows_of_the_original(exported):
    original, export = exported
    one, two = (list(subject(model, DATA).read(PhaseSwap()).rows()) for model in (original, export))
    assert [(row.component, row.metric) for row in one] == [(row.component, row.metric) for row in two]
    assert [row.value for row in two] == pytest.approx([row.value for row in one], abs=1e-3)


def test_a_network_of_batch_statistics_is_refused():
    network = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), Constant(0, 4))
    with pytest.raises(InputError, match="depend on the other images of the batch"):
        subject(network, DATA).read(PhaseSwap())
