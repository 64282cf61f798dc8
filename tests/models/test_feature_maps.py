"""Which modules return feature maps, and how these are read."""

import pytest
import torch
from torch import nn

from passband.errors import InputError
from passband.models.feature_maps import Fold, find_fold, find_layers
from passband.models.pixels import PixelModel


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((1, 64, 56, 56), (224, 224), Fold("NCHW", (56, 56))),
        ((1, 56, 56, 96), (224, 224), Fold("NHWC", (56, 56))),
        ((1, 7, 7, 8), (224, 224), Fold("NHWC", (7, 7))),  # and no map of 7x8
        ((1, 8, 8, 8), (32, 32), Fold("NCHW", (8, 8), ambiguous=True)),
        ((1, 16, 12, 10), (12, 10), Fold("NCHW", (12, 10))),
        ((1, 16, 10, 8), (12, 10), Fold("NCHW", (10, 8))),  # a convolution without padding
        ((1, 6, 5, 40), (12, 10), Fold("NHWC", (6, 5))),
        ((1, 40, 4, 3), (12, 10), Fold("NCHW", (4, 3))),
        ((2, 40, 6, 5), (12, 10), None),  # windows, and no images
        ((1, 196, 8), (224, 224), Fold("NLC", (14, 14))),
        ((1, 197, 8), (224, 224), Fold("NLC", (14, 14), 1)),
        ((1, 261, 8), (224, 224), Fold("NLC", (16, 16), 5)),
        ((1, 21, 8), (224, 224), Fold("NLC", (4, 4), 5)),  # and no 4x5 of 20
        ((197, 1, 8), (224, 224), Fold("LNC", (14, 14), 1)),
        ((1, 141, 8), (224, 160), Fold("NLC", (14, 10), 1)),
        ((1, 70, 8), (225, 160), Fold("NLC", (10, 7))),
        ((1, 182, 8), (224, 224), None),  # 13x14: some tokens have gone
        ((1, 207, 8), (224, 224), None),
        ((1, 1000), (224, 224), None),
        ((1, 12, 197, 64), (224, 224), None),  # heads of attention
    ],
)
def test_a_tensor_is_read_by_the_proportions_of_the_images(shape, size, expected):
    assert find_fold(torch.zeros(shape), 1, size) == expected


def test_the_network_knows_how_many_tokens_stand_in_front():
    tokens = torch.zeros(1, 25, 8)
    assert find_fold(tokens, 1, (32, 32)) == Fold("NLC", (5, 5))
    assert find_fold(tokens, 1, (32, 32), prefix=9) == Fold("NLC", (4, 4), 9)
    assert find_fold(tokens, 1, (32, 32), prefix=1) == Fold("NLC", (5, 5))  # before they were put there


def test_whole_numbers_and_complex_ones_are_no_maps():
    for dtype in (torch.int64, torch.complex64):
        assert find_fold(torch.zeros(1, 3, 8, 8, dtype=dtype), 1, (8, 8)) is None


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "NLC", "LNC"])
def test_whatever_the_layout_the_maps_are_the_same(layout):
    maps = torch.randn(3, 7, 6, 5)
    tokens = torch.cat([torch.randn(3, 2, 7), maps.flatten(2).transpose(1, 2)], dim=1)
    value = {"NCHW": maps, "NHWC": maps.permute(0, 2, 3, 1), "NLC": tokens, "LNC": tokens.transpose(0, 1)}[
        layout
    ]
    fold = Fold(layout, (6, 5), 2 if layout.startswith(("NL", "L")) else 0)
    torch.testing.assert_close(fold.of((value, "other"), 3), maps, rtol=0, atol=0)
    for wrong in (value[:2, :2], torch.randn(3, 7, 5, 6), torch.randn(3, 30, 7)[:, :29], None):
        with pytest.raises(InputError, match="a layer's maps must have one size throughout"):
            fold.of(wrong, 3)


def layers(network, size=(32, 32), patterns=None):
    model = PixelModel(network.eval(), name="net")
    return [layer.name for layer in find_layers(model, torch.rand(1, 3, *size), patterns)]


class Flat(nn.Module):
    """A network that holds its layers by name, and uses one twice."""

    def __init__(self):
        super().__init__()
        self.one, self.act, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1)
        self.never, self.head = nn.Conv2d(8, 8, 1), nn.Linear(8, 4)

    def forward(self, images):
        maps = self.act(self.two(self.act(self.one(images))))
        return self.head(maps.mean(dim=(2, 3)))


def test_layers_of_its_own_are_the_outermost_that_a_sequence_holds():
    timm = pytest.importorskip("timm")
    assert layers(timm.create_model("resnet18", num_classes=4), (64, 64)) == [
        *(
            "layer1.0",
            "layer1.1",
            "layer2.0",
            "layer2.1",
            "layer3.0",
            "layer3.1",
        )  # 2x2 pixels of layer4 are too few
    ]
    assert layers(timm.create_model("tf_efficientnet_lite0"), (128, 128)) == [
        f"blocks.{at}" for at in range(7)
    ]
    assert layers(timm.create_model("convnext_atto"), (64, 64)) == [
        "stem.0",
        "stem.1",
        *(f"stages.{at}" for at in range(3)),
    ]
    assert layers(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))) == ["0", "1"]
    assert layers(Flat()) == ["one", "act", "two", "act#2"]


def test_layers_of_transformers_are_their_blocks():
    timm = pytest.importorskip("timm")
    vit = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=3, reg_tokens=4)
    assert layers(vit, (64, 64)) == ["blocks.0", "blocks.1", "blocks.2"]
    found = find_layers(PixelModel(vit, name="vit"), torch.rand(1, 3, 64, 64))
    assert {layer.fold for layer in found} == {Fold("NLC", (4, 4), 5)}
    shape = {"img_size": 64, "window_size": 4, "embed_dim": 24, "depths": (1, 1, 1), "num_heads": (1, 2, 4)}
    swin = timm.create_model("swin_tiny_patch4_window7_224", **shape)
    found = find_layers(PixelModel(swin.eval(), name="swin"), torch.rand(1, 3, 64, 64))
    assert [(layer.name, layer.fold) for layer in found] == [
        (f"layers.{at}", Fold("NHWC", (16 // 2**at, 16 // 2**at))) for at in range(3)
    ]


def test_layers_of_a_model_of_transformers_inside_another_module():
    transformers = pytest.importorskip("transformers")
    shape = {
        "hidden_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "image_size": 32,
        "patch_size": 8,
    }
    network = transformers.ViTForImageClassification(transformers.ViTConfig(num_hidden_layers=2, **shape))

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, images):
            return self.network(images).logits

    found = find_layers(PixelModel(Outer().eval(), name="net"), torch.rand(1, 3, 32, 32))
    assert len(found) == 2
    assert {layer.fold for layer in found} == {Fold("NLC", (4, 4), 1)}
    assert {layer.name.rpartition(".")[2] for layer in found} == {"0", "1"}


def test_torchvisions_transformer_is_read_too():
    import torchvision

    network = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=4)
    assert layers(network) == ["encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1"]


def test_patterns_stand_for_parts_of_names_between_dots():
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.LazyLinear(4)
    )
    assert layers(network, patterns=["*"]) == ["0", "1"]
    assert layers(network, patterns=["0.*"]) == ["0.0", "0.1"]
    assert layers(network, patterns=["1", "0.1", "0.?"]) == ["0.0", "0.1", "1"]
    assert layers(Flat(), patterns=["act"]) == ["act", "act#2"]
    assert layers(Flat(), patterns=["act#2", "t*"]) == ["two", "act#2"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (
            "three",
            "'three' names no layer of net with feature maps: no module that is called has such a name. There are: one, act",
        ),
        ("never", "no module that is called has such a name"),
        ("head", r"head returns \(1, 4\), which is no map of 4x4 pixels or more"),
        ("one.*", "no module that is called has such a name"),
    ],
)
def test_names_of_what_has_no_maps_are_refused(pattern, message):
    with pytest.raises(InputError, match=message):
        layers(Flat(), patterns=["one", pattern])


def test_a_network_without_maps_is_refused_with_what_it_has():
    network = nn.Sequential(nn.AvgPool2d(16), nn.Flatten(), nn.Linear(12, 4))
    with pytest.raises(
        InputError, match=r"no module of net returns feature maps.*there are: 0 \(1, 3, 2, 2\), 1 \(1, 12\)"
    ):
        layers(network)


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace")
def test_programs_and_what_is_spread_over_devices_are_refused(monkeypatch):
    traced = torch.jit.trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()), torch.rand(1, 3, 32, 32))
    with pytest.raises(InputError, match="net is a TorchScript program, whose layers can no longer be seen"):
        layers(traced)
    spread = nn.DataParallel(nn.Conv2d(3, 4, 3))
    spread.device_ids = [0, 1]
    with pytest.raises(InputError, match="Use the module inside it"):
        layers(nn.Sequential(spread, nn.Flatten()))
