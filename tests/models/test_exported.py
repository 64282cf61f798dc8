from __future__ import annotations

import logging
import zipfile

import pytest
import torch
from torch import nn
from torch.export import Dim

from passband.errors import InputError
from passband.models.load import load_model


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(4, 5)

    def forward(self, images):
        return self.linear(self.dropout(self.norm(self.convolution(images)).mean((2, 3))))


class TwoInputs(nn.Module):
    def forward(self, images, more):
        return (images + more).mean((2, 3))


class OfBytes(nn.Module):
    def forward(self, images):
        return images.float().mean((2, 3))


class Returns(nn.Module):
    def __init__(self, body, make):
        super().__init__()
        self.body = body
        self.make = make

    def forward(self, images):
        return self.make(self.body(images))


class OfVectors(nn.Module):
    def forward(self, vectors):
        return vectors * 2


@pytest.fixture
def net():
    return Net().eval()


def export(model, path, *inputs, **options):
    torch.export.save(torch.export.export(model, inputs or (torch.rand(3, 3, 16, 20),), **options), path)
    return f"export:{path}"


@pytest.mark.parametrize("images", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "dimensions",
    [None, {"images": {0: Dim("b")}}, {"images": {0: Dim("b", min=2, max=5)}}],
    ids=["fixed", "free", "bounded"],
)
def test_batches_of_any_size(net, tmp_path, dimensions, images):
    model = load_model(export(net, tmp_path / "net.pt2", dynamic_shapes=dimensions))
    batch = torch.rand(images, 3, 16, 20)
    with torch.no_grad():
        torch.testing.assert_close(model(batch), net(batch))
    assert (model.name, model.size, model.channels, model.training) == ("net", (16, 20), 3, False)


def test_normalization_and_outputs_are_applied(net, tmp_path):
    source = export(net, tmp_path / "net.pt2")
    model = load_model(source, mean=[0.5], std=[0.25], class_indices="4,1")
    batch = torch.rand(2, 3, 16, 20)
    with torch.no_grad():
        torch.testing.assert_close(model(batch), net((batch - 0.5) / 0.25)[:, [4, 1]])


def test_gradients_reach_the_pixels(net, tmp_path):
    model = load_model(export(net, tmp_path / "net.pt2"))
    batch = torch.rand(4, 3, 16, 20, requires_grad=True)
    model(batch).sum().backward()
    assert batch.grad is not None
    assert batch.grad.abs().sum(dim=(1, 2, 3)).gt(0).all()


def test_a_program_for_any_size_takes_the_given_one(net, tmp_path):
    free = {"images": {0: Dim("b"), 2: Dim("h", min=8), 3: Dim("w", min=8)}}
    source = export(net, tmp_path / "net.pt2", dynamic_shapes=free)
    assert load_model(source).size is None
    assert load_model(source, size=(24, 30)).size == (24, 30)


def test_a_size_the_program_cannot_take_is_refused(net, tmp_path):
    source = export(net, tmp_path / "net.pt2")
    with pytest.raises(
        InputError, match=r"images of \(16, 20\) pixels \(height, width\) only, got size \(32, 32\)"
    ):
        load_model(source, size=32)


def test_options_a_program_cannot_heed_are_refused(net, tmp_path):
    source = export(net, tmp_path / "net.pt2")
    with pytest.raises(InputError, match="--in-channels cannot be used here: an exported program"):
        load_model(source, in_channels=3)


def test_training_mode_is_refused(tmp_path):
    with pytest.raises(InputError, match="was exported in training mode"):
        load_model(export(Net().train(), tmp_path / "net.pt2"))


def test_inputs_other_than_images_are_refused(net, tmp_path):
    image = torch.rand(2, 3, 8, 8)
    with pytest.raises(InputError, match="must take one batch of images, it takes 2 inputs"):
        load_model(export(TwoInputs(), tmp_path / "two.pt2", image, image))
    with pytest.raises(InputError, match=r"it takes torch.float32 of shape \(2, 3\)"):
        load_model(export(OfVectors(), tmp_path / "vectors.pt2", torch.rand(2, 3)))
    with pytest.raises(InputError, match="of floating-point numbers, it takes torch.uint8"):
        load_model(export(OfBytes(), tmp_path / "bytes.pt2", (image * 255).byte()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_programs_of_another_precision_take_pixels_and_return_float32(net, tmp_path, dtype):
    net = net.to(dtype)
    model = load_model(export(net, tmp_path / "net.pt2", torch.rand(2, 3, 16, 20, dtype=dtype)), mean=[0.5])
    batch = torch.rand(3, 3, 16, 20, requires_grad=True)
    logits = model(batch)
    with torch.no_grad():
        torch.testing.assert_close(logits, net((batch - 0.5).to(dtype)).float(), rtol=1e-2, atol=1e-2)
    assert logits.dtype == torch.float32
    logits.sum().backward()
    assert batch.grad is not None
    assert batch.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("make", "name", "notice"),
    [
        (lambda y: {"logits": y}, None, None),
        (lambda y: [y], None, None),
        (
            lambda y: {"features": y[:, :2], "logits": y},
            None,
            "'logits' is taken for the logits, not features",
        ),
        (lambda y: (y.argmax(1), y), None, "'1' is taken for the logits, not 0"),
        (lambda y: (y, y * 0), None, "'0' is taken for the logits, not 1. Choose it with --output-name"),
        (lambda y: (y * 0, y), "1", None),
        (lambda y: {"head": {"a": y[:, :3], "b": y}}, "head.b", None),
    ],
)
def test_logits_are_found_among_several_outputs(net, tmp_path, make, name, notice):
    source = export(Returns(net, make).eval(), tmp_path / "net.pt2")
    model = load_model(source, output_name=name)
    batch = torch.rand(4, 3, 16, 20)
    with torch.no_grad():
        torch.testing.assert_close(model(batch), net(batch))
    about = [each for each in model.notices if "outputs of" in each.message]
    assert (notice is None) == (not about)
    if notice is not None:
        assert notice in about[0].message
        assert about[0].warning == ("--output-name" in notice)


def test_outputs_that_leave_a_choice_are_refused(net, tmp_path):
    source = export(Returns(net, lambda y: (y[:, :3], y)).eval(), tmp_path / "net.pt2")
    with pytest.raises(
        InputError, match=r"cannot be told which output of net.pt2 .* 0 \(torch.float32, 3 x 3\), 1"
    ):
        load_model(source)
    with pytest.raises(InputError, match="net.pt2 has no output named 'logits'; it returns 2: 0"):
        load_model(source, output_name="logits")
    with pytest.raises(InputError, match="must return floating-point logits"):
        load_model(export(Returns(net, lambda y: y.argmax(1)).eval(), tmp_path / "classes.pt2"))


def test_a_torchscript_program_is_named_as_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:  # as torch.jit.save lays it out
        archive.writestr("script/constants.pkl", b"")
        archive.writestr("script/data.pkl", b"")
    with pytest.raises(
        InputError, match="is a TorchScript program, not one of torch.export. Load it in a function"
    ):
        load_model(f"export:{tmp_path}/script.pt")


def test_files_that_are_no_programs_are_refused_quietly(tmp_path, caplog, capfd):
    torch.save({"a": torch.zeros(2)}, tmp_path / "state.pt2")
    (tmp_path / "noise.pt2").write_bytes(b"noise" * 100)
    for name in ("state", "noise"):
        with pytest.raises(InputError, match="is not an exported program"):
            load_model(f"export:{tmp_path / name}.pt2")
    with pytest.raises(InputError, match="no exported program"):
        load_model(f"export:{tmp_path}/absent.pt2")
    assert "Traceback" not in caplog.text + capfd.readouterr().err
    assert not logging.getLogger("torch.export").disabled
