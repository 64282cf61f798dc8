from __future__ import annotations

import pytest

from passband.errors import InputError, UnknownNameError
from passband.models.load import load_model


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "keras:net.h5",
            "no source of models named 'keras'. Known: export, hf, onnx, python, timm, torchvision",
        ),
        ("tim:resnet18", "no source of models named 'tim'. Did you mean 'timm'?"),
        (
            "resnt8",
            "no model named 'resnt8'. Did you mean 'resnet8'?.*the folder of a run or of a smoothed model, timm:NAME",
        ),
    ],
)
def test_unknown_sources_say_what_exists(source, message):
    with pytest.raises(UnknownNameError, match=message):
        load_model(source)


def test_a_network_without_weights_is_refused():
    with pytest.raises(InputError, match="resnet8 has no weights of its own. Give a file with --weights"):
        load_model("resnet8")


def test_a_folder_that_is_not_there():
    with pytest.raises(
        InputError, match="no folder runs/absent. A model is the folder of a run, or one of: alexnet"
    ):
        load_model("runs/absent")


def test_a_bare_file_of_weights_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"")
    with pytest.raises(InputError, match="holds no network. Name the network too: NAME --weights"):
        load_model(str(path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size must be a whole number of at least 1, got 0"),
        ({"size": (32, -1)}, "size must be a whole number of at least 1, got -1"),
        ({"std": [0.0]}, "std must be positive"),
        ({"mean": [0.5, 0.5]}, "mean must have 1 or 3 values, one a channel, got 2"),
        ({"mean": [123.675, 116.28, 103.53]}, "Divide by 255: --mean 0.485 0.456 0.406 --std 0.00392157"),
        ({"in_channels": 0}, "in_channels must be a whole number of at least 1, got 0"),
        ({"num_classes": 5}, "--num-classes cannot be used here: the function decides"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        load_model("python:torchvision.models:squeezenet1_1", **options)
