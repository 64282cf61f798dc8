from __future__ import annotations

import json
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import InterpolationMode, center_crop, pil_to_tensor, resize

from passband.errors import DownloadError, InputError
from passband.models.load import load_model
from passband.models.processors import measure
from passband.models.smoothed import save_smoothed
from passband.robustness.smoothing import smoothed

transformers = pytest.importorskip("transformers")
LABELS = {0: "tench, Tinca tinca", 1: "goldfish", 2: "shark"}
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": 32,
    "patch_size": 8,
}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No server answers, and nothing is in a cache."""

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *args, **kwargs: None)
    monkeypatch.setattr("huggingface_hub.utils.get_session", refuse)


@pytest.fixture(autouse=True)
def no_bars():
    transformers.utils.logging.disable_progress_bar()
    yield
    transformers.utils.logging.enable_progress_bar()


def saved(folder, *, labels=LABELS, processor=None, network=transformers.ViTForImageClassification, **config):
    """A folder as `save_pretrained` writes it, of a network with random weights."""
    told = (
        {"num_labels": 3}
        if labels is None
        else {"id2label": labels, "label2id": {v: k for k, v in labels.items()}}
    )
    torch.manual_seed(0)
    body = network(transformers.ViTConfig(**SMALL, **told, **config)).eval()
    body.save_pretrained(folder)
    processor = processor or transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    return body, processor


def test_a_folder_gives_network_normalization_size_and_names(tmp_path, monkeypatch):
    body, processor = saved(tmp_path / "mine")
    model = load_model(f"hf:{tmp_path / 'mine'}")
    assert (model.name, model.size, model.channels) == ("mine", (32, 32), 3)
    assert model.names == (("tench", "Tinca tinca"), ("goldfish",), ("shark",))
    with monkeypatch.context() as within:
        within.chdir(tmp_path / "mine")
        assert load_model("hf:.").name == "mine"
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        expected = body(**processor(images=list(pixels), return_tensors="pt")).logits
        torch.testing.assert_close(model(pixels / 255), expected, rtol=1e-4, atol=1e-5)
    assert model.notices == ()


def test_gradients_reach_the_pixels(tmp_path):
    saved(tmp_path)
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    load_model(f"hf:{tmp_path}")(images).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_half_weights_and_unnamed_classes(tmp_path):
    body, _ = saved(tmp_path, labels=None)
    body.half().save_pretrained(tmp_path)
    model = load_model(f"hf:{tmp_path}", class_indices="2,0")
    assert model.classes is None
    assert model(torch.rand(2, 3, 32, 32)).dtype == torch.float32


def test_a_smoothed_one_is_found_from_elsewhere(tmp_path, monkeypatch):
    saved(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    model = smoothed(load_model("hf:mine"), 0.5)
    save_smoothed(model, tmp_path / "smooth")
    monkeypatch.chdir("/")
    again, images = load_model(tmp_path / "smooth"), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(again(images), model(images))
    assert (again.names, again.preparation) == (model.names, model.preparation)


BLUR = [0.48, 0.45, 0.40], [0.22, 0.21, 0.25]
PROCESSORS = {
    "squash": transformers.ViTImageProcessor(size={"height": 32, "width": 32}, resample=3),
    "no scale": transformers.ViTImageProcessor(
        size={"height": 32, "width": 32}, do_rescale=False, do_normalize=False
    ),
    "crop": transformers.CLIPImageProcessor(
        size={"shortest_edge": 36},
        crop_size={"height": 32, "width": 32},
        image_mean=BLUR[0],
        image_std=BLUR[1],
    ),
    "convnext": transformers.ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=0.8),
    "levit": transformers.LevitImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ),
    "blue first": transformers.MobileViTImageProcessor(
        size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}, do_flip_channel_order=True
    ),
    "offset": transformers.EfficientNetImageProcessor(
        size={"height": 32, "width": 32}, rescale_factor=1 / 127.5, rescale_offset=True, resample=2
    ),
}
FILTERS = {
    "torch": InterpolationMode.BILINEAR,
    "torch-bicubic": InterpolationMode.BICUBIC,
    "torch-nearest": InterpolationMode.NEAREST,
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_pictures_are_prepared_as_by_the_processor(tmp_path, name):
    body, processor = saved(tmp_path, processor=PROCESSORS[name])
    model = load_model(f"hf:{tmp_path}")
    said = model.preparation
    assert said is not None
    assert said.size == (32, 32)
    if "TorchvisionBackend" not in {base.__name__ for base in type(processor).__mro__}:
        pytest.skip("this version of transformers resizes pictures of Pillow")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    target = [32, 32] if said.fit == "squash" else [round(32 / said.crop_fraction)]
    pixels = center_crop(
        resize(pil_to_tensor(picture), target, FILTERS[said.resize], antialias=True), [32, 32]
    )
    with torch.no_grad():
        expected = body(processor(images=picture, return_tensors="pt")["pixel_values"]).logits
        torch.testing.assert_close(model(pixels[None] / 255), expected, rtol=1e-3, atol=1e-4)
    assert said.fit == ("squash" if name in ("squash", "no scale", "offset") else "crop")


def test_what_cannot_be_done_alike_is_a_warning(tmp_path):
    saved(
        tmp_path / "crop",
        processor=transformers.BeitImageProcessor(
            size={"height": 36, "width": 36}, crop_size={"height": 32, "width": 32}, do_center_crop=True
        ),
    )
    (notice,) = load_model(f"hf:{tmp_path / 'crop'}").notices
    assert notice.warning
    assert (
        "squashes pictures to 36x36 and takes the middle of that, which passband cannot: pictures are squashed"
        in (notice.message)
    )


def test_gray_pictures(tmp_path):
    processor = transformers.ViTImageProcessor(
        size={"height": 32, "width": 32}, image_mean=[0.2], image_std=[0.4]
    )
    saved(tmp_path, processor=processor, num_channels=1)
    model = load_model(f"hf:{tmp_path}")
    assert (model.channels, round(model.mean.item(), 4), round(model.std.item(), 4)) == (1, 0.2, 0.4)


def test_a_last_layer_is_never_random(tmp_path):
    saved(tmp_path, network=lambda config: transformers.ViTModel(config))
    with pytest.raises(InputError, match="lacks weights of its network .classifier.*which would be random"):
        load_model(f"hf:{tmp_path}")


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_folders_that_are_not_whole_are_refused(tmp_path, missing):
    saved(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(
        InputError, match="is not an image classifier of transformers with its image processor"
    ):
        load_model(f"hf:{tmp_path}")


def test_other_networks_and_foreign_code_are_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(InputError, match="is not an image classifier of transformers"):
        load_model(f"hf:{tmp_path}")
    saved(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {
        "model_type": "mine",
        "auto_map": {k: f"code.{k}" for k in ("AutoConfig", "AutoModelForImageClassification")},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "code.py").write_text("raise SystemExit('executed')")
    with pytest.raises(InputError, match="is not an image classifier of transformers"):
        load_model(f"hf:{tmp_path}")


def test_a_name_that_is_not_cached_needs_a_network_and_says_so_at_once():
    start = time.monotonic()
    with pytest.raises(
        DownloadError, match="weights of me/mine could not be had .OSError: no network.*save_pretrained"
    ):
        load_model("hf:me/mine")
    assert time.monotonic() - start < 5
    with pytest.raises(InputError, match="no folder ./absent"):
        load_model("hf:./absent")
    with pytest.raises(InputError, match="--weights cannot be used here"):
        load_model("hf:me/mine", weights="w.pth")


def test_a_cached_name_needs_no_network(tmp_path, monkeypatch):
    cache = tmp_path / "models--me--mine"
    saved(cache / "snapshots" / "0123")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("0123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.TRANSFORMERS_CACHE", str(tmp_path), raising=False)
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path), raising=False)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *args, **kwargs: str(cache))
    assert load_model("hf:me/mine").name == "mine"


def test_what_is_no_change_of_size_and_scale_is_refused():
    def gray(picture):
        return torch.from_numpy(picture.mean(2)).expand(3, -1, -1)

    with pytest.raises(InputError, match="by a mixture of their channels"):
        measure(gray, 3)
    with pytest.raises(InputError, match="by a mean and a standard deviation"):
        measure(lambda picture: torch.zeros(3, 8, 8), 3)


@pytest.mark.parametrize("side", [224, 288, 384])
@pytest.mark.parametrize("resized", [224, 235, 248, 256, 320, 403])
def test_the_crop_is_measured_to_the_pixel(side, resized):
    def process(picture):
        tensor = torch.from_numpy(picture).permute(2, 0, 1)
        return center_crop(resize(tensor, [resized], antialias=True), [side, side]).float()

    found = measure(process, 3)
    assert found.size == (side, side)
    assert found.crop_fraction == min(1, side / resized)
    assert bool(found.differs) == (side > resized)
