from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from helpers import noise
from passband import optional
from passband.attacks import fgsm
from passband.audit.classifier import audit
from passband.errors import InputError, MissingDependencyError
from passband.models.fingerprint import weights_hash
from passband.models.load import load_model
from passband.robustness.smoothing import smoothed

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
FLOAT, FLOAT16, DOUBLE = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE
UINT8, INT32, INT64 = onnx.TensorProto.UINT8, onnx.TensorProto.INT32, onnx.TensorProto.INT64
IMAGES = ("batch", 3, 12, 10)


def draw(*shape, seed=0):
    return np.random.Generator(np.random.PCG64(seed)).normal(size=shape).astype(np.float32)


def save(path, nodes, *, inputs, outputs, constants=(), outside=False):
    graph = onnx.helper.make_graph(
        nodes,
        "net",
        [onnx.helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [onnx.helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path, save_as_external_data=outside, location=f"{path.stem}.data", size_threshold=0)
    return f"onnx:{path}"


def network(path, shape=IMAGES, *, seed=0, **options):
    nodes = [
        onnx.helper.make_node("Conv", ["images", "w"], ["features"]),
        onnx.helper.make_node("ReduceMean", ["features"], ["pooled"], axes=[2, 3], keepdims=0),
        onnx.helper.make_node("MatMul", ["pooled", "l"], ["logits"]),
    ]
    return save(
        path,
        nodes,
        inputs=[("images", FLOAT, shape)],
        outputs=[("logits", FLOAT, (shape[0], 4))],
        constants=[("w", draw(4, 3, 3, 3, seed=seed)), ("l", draw(4, 4, seed=seed + 1))],
        **options,
    )


def answer(images, seed=0):
    weight, linear = (
        torch.from_numpy(draw(4, 3, 3, 3, seed=seed)),
        torch.from_numpy(draw(4, 4, seed=seed + 1)),
    )
    return F.conv2d(images, weight).mean((2, 3)) @ linear


@pytest.mark.parametrize("batch", ["batch", 1, 3], ids=str)
@pytest.mark.parametrize("images", [1, 2, 3, 7])
def test_batches_of_any_size(tmp_path, batch, images):
    model = load_model(network(tmp_path / "net.onnx", (batch, 3, 12, 10)))
    pixels = torch.rand(images, 3, 12, 10)
    torch.testing.assert_close(model(pixels), answer(pixels))
    assert (model.name, model.size, model.channels, model.training) == ("net", (12, 10), 3, False)


def test_normalization_and_outputs_are_applied(tmp_path):
    model = load_model(network(tmp_path / "net.onnx"), mean=[0.5], std=[0.25], class_indices="3,1")
    pixels = torch.rand(2, 3, 12, 10)
    torch.testing.assert_close(model(pixels), answer((pixels - 0.5) / 0.25)[:, [3, 1]])


def test_a_file_for_any_size_takes_the_given_one(tmp_path):
    source = network(tmp_path / "net.onnx", ("batch", "channels", "height", "width"))
    assert (load_model(source).size, load_model(source).channels) == (None, None)
    assert load_model(source, size=(24, 30)).size == (24, 30)
    with pytest.raises(InputError, match=r"takes images of \(12, 10\) pixels .* only, got size \(32, 32\)"):
        load_model(network(tmp_path / "fixed.onnx"), size=32)


def test_an_onnx_file_is_audited_like_any_model(tmp_path):
    dataset = noise(samples=20, size=(12, 10))
    found = audit(load_model(network(tmp_path / "net.onnx")), dataset, radii=[2, 4], device="cpu")
    right = answer(dataset.images / 255).argmax(1) == dataset.labels
    assert found.card.clean.accuracy.value == pytest.approx(right.float().mean().item())
    assert found.card.model.source == f"onnx:{tmp_path / 'net.onnx'}"


def test_what_needs_a_gradient_is_refused(tmp_path):
    model = load_model(network(tmp_path / "net.onnx"))
    images, labels = torch.rand(2, 3, 12, 10), torch.tensor([0, 1])
    with pytest.raises(InputError, match="no gradient"):
        fgsm(model, images, labels, 0.1)
    with pytest.raises(InputError, match="net is an ONNX file, whose layers cannot be changed"):
        smoothed(model, 0.5)


def test_different_files_have_different_hashes(tmp_path):
    hashes = [
        weights_hash(load_model(network(tmp_path / name, seed=seed)))
        for name, seed in (("a.onnx", 0), ("again.onnx", 0), ("b.onnx", 1))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_weights_in_a_file_beside_it_count(tmp_path):
    source = network(tmp_path / "net.onnx", outside=True)
    before = weights_hash(load_model(source))
    written = (tmp_path / "net.onnx").read_bytes()
    (tmp_path / "net.data").unlink()
    network(tmp_path / "net.onnx", seed=1, outside=True)
    assert (tmp_path / "net.onnx").read_bytes() == written
    assert weights_hash(load_model(source)) != before
    (tmp_path / "net.data").unlink()
    with pytest.raises(InputError, match="is not an ONNX file that onnxruntime can run .*net.data"):
        load_model(source)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_answer_alike_while_the_file_is_the_same(tmp_path, way):
    model = load_model(network(tmp_path / "net.onnx"))
    pixels = torch.rand(2, 3, 12, 10)
    again = way(model)
    assert torch.equal(again(pixels), model(pixels))
    assert weights_hash(again) == weights_hash(model)
    network(tmp_path / "net.onnx", seed=1)
    with pytest.raises(InputError, match="net.onnx has changed since it was loaded"):
        way(model)


def test_files_that_are_no_networks_are_refused_quietly(tmp_path, capfd):
    (tmp_path / "noise.onnx").write_bytes(b"noise" * 100)
    with pytest.raises(InputError, match="noise.onnx is not an ONNX file that onnxruntime can run"):
        load_model(f"onnx:{tmp_path}/noise.onnx")
    with pytest.raises(InputError, match="no ONNX file .*absent.onnx"):
        load_model(f"onnx:{tmp_path}/absent.onnx")
    with pytest.raises(InputError, match="--num-classes cannot be used here: an ONNX file holds"):
        load_model(network(tmp_path / "net.onnx"), num_classes=4)
    assert capfd.readouterr().err == ""


def test_inputs_other_than_images_are_refused(tmp_path):
    add = [onnx.helper.make_node("Add", ["a", "b"], ["c"])]
    vectors = ("a", FLOAT, ("batch", 4)), ("b", FLOAT, ("batch", 4))
    with pytest.raises(
        InputError, match=r"must take one batch of images, it takes 2: a \(tensor\(float\)\), b"
    ):
        load_model(save(tmp_path / "two.onnx", add, inputs=vectors, outputs=[("c", FLOAT, ("batch", 4))]))
    relu = [onnx.helper.make_node("Relu", ["a"], ["c"])]
    with pytest.raises(InputError, match=r"it takes tensor\(float\) shaped \(batch, 4\)"):
        load_model(save(tmp_path / "v.onnx", relu, inputs=vectors[:1], outputs=[("c", FLOAT, ("batch", 4))]))
    with pytest.raises(InputError, match=r"must take images .* of the type .*, it takes tensor\(int32\)"):
        load_model(
            save(tmp_path / "i.onnx", relu, inputs=[("a", INT32, IMAGES)], outputs=[("c", INT32, IMAGES)])
        )


@pytest.mark.parametrize(("kind", "dtype"), [(FLOAT16, torch.float16), (DOUBLE, torch.float64)], ids=str)
def test_files_of_another_precision_take_pixels_and_return_float32(tmp_path, kind, dtype):
    model = load_model(means(tmp_path / "net.onnx", kind, IMAGES))
    pixels = torch.rand(3, 3, 12, 10)
    logits = model(pixels)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, pixels.mean((2, 3)), rtol=2e-3, atol=2e-3)


def test_bytes_are_pixels_times_255_rounded(tmp_path):
    cast = [onnx.helper.make_node("Cast", ["images"], ["real"], to=FLOAT)]
    source = means(tmp_path / "net.onnx", UINT8, IMAGES, before=cast)
    model = load_model(source)
    stored = torch.randint(0, 256, (5, 3, 12, 10), dtype=torch.uint8)
    torch.testing.assert_close(model(stored / 255), stored.float().mean((2, 3)))
    torch.testing.assert_close(model(stored / 255 * 1.4), (stored * 1.4).round().clamp(0, 255).mean((2, 3)))
    assert [str(each) for each in model.notices] == [
        "Note: net.onnx takes bytes: pixels are multiplied by 255, rounded and held to 0 to 255"
    ]
    with pytest.raises(InputError, match="net takes pixels and normalizes them itself"):
        load_model(source, mean=[0.5])


@pytest.mark.parametrize("size", [(12, 10), ("height", "width")], ids=["fixed", "any"])
def test_channels_last_are_put_there(tmp_path, size):
    first = [onnx.helper.make_node("Transpose", ["images"], ["real"], perm=[0, 3, 1, 2])]
    model = load_model(means(tmp_path / "net.onnx", FLOAT, ("batch", *size, 3), before=first))
    pixels = torch.rand(4, 3, 12, 10)
    torch.testing.assert_close(model(pixels), pixels.mean((2, 3)))
    assert (model.size, model.channels) == (size if size == (12, 10) else None, 3)
    assert "takes images with their channels last" in model.notices[0].message


def means(path, kind, shape, before=()):
    """A file that returns the mean of each channel; `before` makes `real` of the images."""
    mean = onnx.helper.make_node(
        "ReduceMean", ["real" if before else "images"], ["out"], axes=[2, 3], keepdims=0
    )
    result = FLOAT if kind == UINT8 else kind
    return save(
        path, [*before, mean], inputs=[("images", kind, shape)], outputs=[("out", result, (shape[0], 3))]
    )


def several(path, **kinds):
    """A file that returns the mean of each channel under several names, of which the first is right."""
    mean = onnx.helper.make_node("ReduceMean", ["images"], ["mean"], axes=[2, 3], keepdims=0)
    nodes = [mean, onnx.helper.make_node("Identity", ["mean"], [next(iter(kinds))])]
    outputs = []
    for number, (name, kind) in enumerate(kinds.items()):
        if kind == INT64:
            nodes.append(onnx.helper.make_node("ArgMax", ["mean"], [name], axis=1, keepdims=0))
        elif number:
            nodes.append(onnx.helper.make_node("Neg", ["mean"], [name]))
        outputs.append((name, kind, ("batch",) if kind == INT64 else ("batch", 3)))
    return save(path, nodes, inputs=[("images", FLOAT, IMAGES)], outputs=outputs)


def test_one_of_several_outputs_holds_the_logits(tmp_path):
    pixels = torch.rand(4, 3, 12, 10)
    mean = pixels.mean((2, 3))
    label = load_model(several(tmp_path / "label.onnx", out=FLOAT, label=INT64))
    torch.testing.assert_close(label(pixels), mean)
    assert str(label.notices[0]).startswith("Note: of 2 outputs of label.onnx, 'out' is taken for the logits")
    source = several(tmp_path / "two.onnx", a=FLOAT, b=FLOAT)
    two = load_model(source)
    torch.testing.assert_close(two(pixels), mean)
    assert str(two.notices[0]).startswith(
        "Warning: of 2 outputs of two.onnx, 'a' is taken for the logits, not b"
    )
    torch.testing.assert_close(load_model(source, output_name="b")(pixels), -mean)
    with pytest.raises(
        InputError, match=r"no output named 'c'; it returns 2: a \(tensor\(float\), batch x 3\), b"
    ):
        load_model(source, output_name="c")
    with pytest.raises(InputError, match="only an ONNX file or an exported program has outputs with names"):
        load_model("torchvision:resnet18", output_name="b")


def test_outputs_other_than_logits_are_refused(tmp_path):
    inputs = [("a", FLOAT, IMAGES)]
    relu = onnx.helper.make_node("Relu", ["a"], ["Relu"])
    ends = [("Relu", FLOAT, IMAGES)]
    classes = onnx.helper.make_node("ArgMax", ["a"], ["class"], axis=1)
    with pytest.raises(
        InputError, match=r"must return floating-point logits.*returns 1: class \(tensor\(int64\)"
    ):
        load_model(
            save(
                tmp_path / "c.onnx",
                [classes],
                inputs=inputs,
                outputs=[("class", INT64, ("batch", 1, 12, 10))],
            )
        )
    with pytest.raises(InputError, match=r"must return logits shaped \(2, classes\)"):
        load_model(save(tmp_path / "images.onnx", [relu], inputs=inputs, outputs=ends))


def test_onnxruntime_that_is_not_installed(tmp_path, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(optional.importlib, "import_module", absent)
    with pytest.raises(MissingDependencyError, match=r'an ONNX file needs onnxruntime.*"passband\[onnx\]"'):
        load_model(f"onnx:{tmp_path}/net.onnx")
