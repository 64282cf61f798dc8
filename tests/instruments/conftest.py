"""What tests of several instruments share: a small network, and the same one exported."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from helpers import noise
from passband.models.load import load_model
from passband.models.pixels import PixelModel


@pytest.fixture(params=["onnx", "export"])
def exported(request, tmp_path) -> tuple[PixelModel, PixelModel]:
    """Return a network of 12x10 pixels and 4 classes, and its export."""
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    ).eval()
    nn.init.normal_(body[0].weight)
    nn.init.normal_(body[4].weight)
    with torch.no_grad():  # so that it does not give one answer to all
        body[4].bias -= body(
            (noise().images / 255 - torch.tensor([0.5, 0.4, 0.3])[:, None, None]) / 0.25
        ).mean(dim=0)
    path = tmp_path / "net"
    (to_onnx if request.param == "onnx" else to_program)(body, path)
    normalization = {"mean": [0.5, 0.4, 0.3], "std": [0.25]}
    return PixelModel(body, name="net", **normalization), load_model(
        f"{request.param}:{path}", **normalization
    )


def to_program(body: nn.Sequential, path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.export.export(body, (torch.rand(2, 3, 12, 10),), dynamic_shapes=({0: batch},))
    torch.export.save(program, path.with_suffix(".pt2"))
    path.with_suffix(".pt2").rename(path)


def to_onnx(body: nn.Sequential, path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    constants = {
        "kernels": body[0].weight,
        "bias": body[0].bias,
        "linear": body[4].weight,
        "last": body[4].bias,
    }
    graph = onnx.helper.make_graph(
        [
            node("Conv", ["images", "kernels", "bias"], ["features"]),
            node("Relu", ["features"], ["positive"]),
            node("ReduceMean", ["positive"], ["pooled"], axes=[2, 3], keepdims=0),
            node("Gemm", ["pooled", "linear", "last"], ["logits"], transB=1),
        ],
        "net",
        [value("images", onnx.TensorProto.FLOAT, ("batch", 3, 12, 10))],
        [value("logits", onnx.TensorProto.FLOAT, ("batch", 4))],
        [onnx.numpy_helper.from_array(each.detach().numpy(), name) for name, each in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
