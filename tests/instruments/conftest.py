"""What tests of several instruments share: a small network, and the same one as an ONNX file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from passband.models.load import load_model
from passband.models.pixels import PixelModel


@pytest.fixture
def exported(tmp_path) -> tuple[PixelModel, PixelModel]:
    """Return a network of 12x10 pixels and 4 classes, and its export."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    draws = np.random.Generator(np.random.PCG64(0))
    kernels, bias, linear = (draws.normal(size=size).astype(np.float32) for size in ((8, 3, 3, 3), 8, (8, 4)))
    body = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4, bias=False)
    )
    body.load_state_dict(
        {
            "0.weight": torch.from_numpy(kernels),
            "0.bias": torch.from_numpy(bias),
            "4.weight": torch.from_numpy(linear.T.copy()),
        }
    )
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [
            node("Conv", ["images", "kernels", "bias"], ["features"]),
            node("Relu", ["features"], ["positive"]),
            node("ReduceMean", ["positive"], ["pooled"], axes=[2, 3], keepdims=0),
            node("MatMul", ["pooled", "linear"], ["logits"]),
        ],
        "net",
        [value("images", onnx.TensorProto.FLOAT, ("batch", 3, 12, 10))],
        [value("logits", onnx.TensorProto.FLOAT, ("batch", 4))],
        [
            onnx.numpy_helper.from_array(v, n)
            for n, v in (("kernels", kernels), ("bias", bias), ("linear", linear))
        ],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "net.onnx")
    normalization = {"mean": [0.5, 0.4, 0.3], "std": [0.25]}
    return PixelModel(body, name="net", **normalization), load_model(
        f"onnx:{tmp_path / 'net.onnx'}", **normalization
    )
