"""What the explorer shows are the numbers and pictures of the rest of passband."""

import numpy as np
import pytest
import torch

import passband as pb
from explorer_scenes import answers_of, looked_at, make_network, make_scene
from helpers import noise
from passband.errors import InputError
from passband.explorer.cut import Cut
from passband.explorer.look import look, spectrum_bytes
from passband.explorer.scene import Scene
from passband.explorer.view import View
from passband.frequency.component import parse_component
from passband.frequency.rescale import rescale
from passband.instruments.components import ComponentAccuracy
from passband.instruments.instrument import Subject


@pytest.mark.parametrize("amplitude", ["raw", "clip", "max", "minmax", "rms"])
@pytest.mark.parametrize("kind", ["radius", "ring", "rank"])
def test_answers_are_those_that_an_audit_measures(kind, amplitude):
    scene = make_scene()
    view = View(Cut(kind, 2), amplitude)
    index = 7
    image, whole, answers, _ = looked_at(scene, index, view)
    shown = tuple(parse_component(text) for pair in image["shown"] for text in pair)
    subject = Subject(scene.models[0], scene.dataset, "x", indices=torch.tensor([index]), device="cpu")
    found = subject.read(ComponentAccuracy(tuple(dict.fromkeys(shown)), amplitude))
    assert whole[0]["top"][0][0] == int(found.predictions[0, 0])
    assert whole[0]["top"][0][1] == pytest.approx(float(found.confidence[0, 0]), abs=2e-6)
    for component, answer in zip(shown, [each for pair in answers[0] for each in pair], strict=True):
        at = found.of(component)
        assert answer["top"][0][0] == int(found.predictions[at, 0])
        assert answer["top"][0][1] == pytest.approx(float(found.confidence[at, 0]), abs=1e-5)
        assert answer["label"] == pytest.approx(float(found.loss[at, 0].neg().exp()), abs=1e-5)


def test_their_mean_over_images_is_what_evaluate_components_gives():
    scene = make_scene(samples=8)
    radii = [1, 3]
    rows = pb.evaluate_components(scene.models[0], scene.dataset, radii, device="cpu")
    looks = [looked_at(scene, index, View()) for index in range(8)]
    for place in radii:
        for part, component in enumerate(("lfc", "hfc")):
            right = [
                answers[0][image["places"].index(place)][part]["top"][0][0] == image["label"]
                for image, _, answers, _ in looks
            ]
            measured = rows.filter(
                (rows["component"] == component) & (rows["radius"] == place) & (rows["metric"] == "accuracy")
                & rows["class"].is_null()
            )["value"].item()  # fmt: skip
            assert np.mean(right) == pytest.approx(measured)


def test_equal_logits_are_answered_with_the_first_class_as_elsewhere():
    class Even(torch.nn.Module):
        def forward(self, images):
            return images.flatten(1).mean(dim=1, keepdim=True).mul(0).expand(-1, 4) + torch.tensor(
                [0, 1.0, 1, 1]
            )

    scene = Scene.of([Even()], noise(), device="cpu")
    assert {top[0] for top in answers_of(scene)} == {1}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("amplitude", ["raw", "max", "minmax"])
def test_pictures_are_what_the_model_is_given_made_visible(channels, amplitude):
    scene = make_scene(channels)
    picture = scene.picture(2)
    frames = list(look(scene, picture, View(amplitude=amplitude)))
    pixels = picture.pixels[None] / 255
    length = picture.pixels.numel()
    assert frames[0].payload[:length] == picture.pixels.permute(1, 2, 0).numpy().tobytes()
    seen = 0
    for frame in frames:
        if frame.header["kind"] != "parts":
            continue
        seen += 1
        parts = pb.split(pixels, frames[0].header["places"][frame.header["index"]])
        low, high = (rescale(part, amplitude, original=pixels)[0] for part in parts)
        expected = [
            low.clamp(0, 1),
            high if amplitude == "minmax" else 0.5 + high / (2 * high.abs().max().clamp_min(1e-4)),
        ]
        for at, each in enumerate(expected):
            found = np.frombuffer(frame.payload, np.uint8)[at * length : (at + 1) * length]
            wanted = (each * 255).permute(1, 2, 0).flatten().numpy()
            assert np.abs(found - wanted).max() <= 0.51
        assert frame.header["largest"] == pytest.approx(float(high.abs().max()), abs=1e-5)
    assert seen == len(frames[0].header["places"])


def test_the_place_that_is_asked_for_comes_first():
    scene = make_scene(size=(40, 40))
    kinds = [
        (f.header["kind"], f.header.get("index"), f.header.get("indices"))
        for f in look(scene, scene.picture(0), View(), 6.2)
    ]
    assert [kind for kind, *_ in kinds[:4]] == ["image", "whole", "parts", "answers"]
    assert kinds[2][1] == 6
    assert kinds[3][2] == [6]
    assert kinds[-1][0] == "end"
    assert kinds[4][1] in (7, 5)


def test_without_one_the_first_place_is_named_so_that_the_page_begins_there():
    scene = make_scene(size=(40, 40))
    frames = list(look(scene, scene.picture(0), View()))
    assert frames[0].header["first"] == frames[2].header["index"] == frames[3].header["indices"][0] == 9


def test_the_spectrum_has_the_frequency_of_a_wave_where_it_belongs():
    wave = 0.5 + 0.4 * torch.cos(2 * torch.pi * 3 * torch.arange(16) / 16).expand(1, 16, 16)
    levels = np.frombuffer(spectrum_bytes(wave), np.uint8).reshape(16, 16)
    assert {tuple(at) for at in np.argwhere(levels == 255)} == {(8, 8), (8, 5), (8, 11)}
    assert np.frombuffer(spectrum_bytes(torch.full((1, 8, 8), 0.3)), np.uint8).max() <= 255


def test_smoothing_and_attacks_are_those_of_passband():
    scene = make_scene()
    picture = scene.picture(1)
    smooth = pb.smoothed(scene.models[0], 0.5)
    _, whole, _, _ = looked_at(scene, 1, View(rho=0.5))
    with torch.no_grad():
        expected = smooth(scene.to_pixels(picture)).softmax(dim=1)[0].max()
    assert whole[0]["top"][0][1] == pytest.approx(float(expected), abs=1e-5)
    image, attacked, _, _ = looked_at(scene, 1, View(epsilon=8 / 255))
    assert 0 < image["change"] <= 8 / 255 + 1e-5
    assert attacked[0]["label"] < looked_at(scene, 1, View())[1][0]["label"]
    assert looked_at(scene, 1, View(epsilon=8 / 255)) == looked_at(scene, 1, View(epsilon=8 / 255))


def test_an_attack_leaves_the_network_as_it_was():
    scene = make_scene()
    parameters = list(scene.models[0].parameters())
    before = [parameter.requires_grad for parameter in parameters]
    looked_at(scene, 0, View(epsilon=0.1))
    assert [parameter.requires_grad for parameter in parameters] == before
    assert all(parameter.grad is None for parameter in parameters)


def test_the_second_model_is_asked_the_same_and_never_smoothed():
    scene = make_scene(models=2)
    image, whole, answers, _ = looked_at(scene, 0, View(rho=0.3))
    alone = Scene.of([make_network(seed=1)], scene.dataset, device="cpu")
    assert whole[1] == looked_at(alone, 0, View())[1][0]
    assert answers[1] == looked_at(alone, 0, View())[2][0]
    assert "smoothed" in image["models"][0]
    assert "smoothed" not in image["models"][1]


def test_two_models_of_one_name_are_told_apart():
    model = make_network()
    model.source = "runs/0a1b"
    other = make_network(seed=1)
    other.name, other.source = model.name, "runs/2c3d"
    scene = Scene.of([model, other], noise(), device="cpu")
    assert looked_at(scene, 0, View())[0]["models"] == ["small-0 (0a1b)", "small-0 (2c3d)"]
    assert Scene.of([model, model], noise(), device="cpu").names() == [
        "small-0 (model 1)",
        "small-0 (model 2)",
    ]


def test_answers_that_are_none_are_an_error():
    class Broken(torch.nn.Module):
        def forward(self, images):
            spread = images.flatten(1).std(dim=1, keepdim=True)
            return (images.flatten(1)[:, :4] - images.flatten(1).mean(dim=1, keepdim=True)) / spread

    scene = Scene.of([Broken()], noise(channels=1), device="cpu")
    with pytest.raises(InputError, match="NaN or infinite logits"):
        looked_at(scene, 0, View(amplitude="raw"))  # the LFC at radius 0 is flat


def test_an_upload_has_no_true_class():
    scene = make_scene()
    frames = list(look(scene, scene.picture(0)._replace(label=None), View(epsilon=2 / 255)))
    assert frames[0].header["label"] is None
    assert frames[1].header["models"][0]["label"] is None


def test_colors_are_those_of_reports():
    from importlib import resources

    from passband.report.theme import DARK, LIGHT

    style = (resources.files("passband.explorer") / "page" / "style.css").read_text()
    light, dark = style.split("prefers-color-scheme: dark")[:2]
    for role in ("lfc", "hfc", "full", "energy", "ink", "muted", "grid", "paper"):
        assert f"--{role}: {LIGHT[role]};" in light
        assert f"--{role}: {DARK[role]};" in dark.splitlines()[0]
