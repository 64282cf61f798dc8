import pytest

from passband.errors import InputError
from passband.models.load import load_model


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("resnet50", r"no model named 'resnet50'. Did you mean timm:resnet50 or torchvision:resnet50\?"),
        ("ResNet50", r"Did you mean timm:resnet50 or torchvision:resnet50\?"),
        ("tf_efficientnet_lite0", r"Did you mean timm:tf_efficientnet_lite0\?"),
        ("efficientnet-b0", "Did you mean timm:efficientnet_b0 or torchvision:efficientnet_b0"),
        ("resnet9", "no model named 'resnet9'. Did you mean 'resnet8'"),
        ("nothing like it", "no model named 'nothing like it'. Known: alexnet"),
        (
            "resnet18",
            "has no weights of its own.*of that name have published weights: timm:resnet18 or torchvision:resnet18",
        ),
    ],
)
def test_names_are_suggested_where_they_are_known(source, message):
    with pytest.raises(InputError, match=message):
        load_model(source)


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("model.onnx", "an ONNX model is written onnx:{path}"),
        ("model.pt2", "an exported program is written export:{path}"),
        ("model.py", "python:{path}:FUNCTION"),
        (
            "model.safetensors",
            "NAME --weights {path}, such as timm:resnet50 --weights {path}, or python:FILE.py:FUNCTION",
        ),
        ("model.pt", "If it holds weights, name the network too: NAME --weights {path}"),
        ("MODEL.PTH", "If it holds a whole model"),
        ("best.pth.tar", "If it holds weights"),
        ("last.ckpt", "NAME --weights {path}"),
        ("pytorch_model.bin", "NAME --weights {path}"),
        ("model.tflite", "Export this one as ONNX, and write onnx:FILE.onnx"),
    ],
)
def test_files_without_their_kind_are_told_how_to_be_loaded(tmp_path, name, advice, there):
    path = tmp_path / name
    if there:
        path.write_bytes(b"")
    with pytest.raises(InputError) as raised:
        load_model(str(path))
    assert advice.format(path=path) in str(raised.value)
    assert (f"there is no file {path}" in str(raised.value)) is not there
