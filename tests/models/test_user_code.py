from __future__ import annotations

import sys

import pytest
import torch

from passband.errors import InputError
from passband.models.fingerprint import weights_hash
from passband.models.load import load_model

CODE = """
import torch
from torch import nn
from beside import CLASSES
from passband.models.pixels import PixelModel

class Net(nn.Module):
    def __init__(self, channels=3):
        super().__init__()
        self.convolution = nn.Conv2d(channels, 4, 3)
        self.dropout = nn.Dropout(0.9)
        self.linear = nn.Linear(4, CLASSES)

    def forward(self, images):
        return self.linear(self.dropout(self.convolution(images).mean((2, 3))))

def gray():
    return Net(1)

def flat():
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 3))

def pixels():
    return PixelModel(Net(), name="mine", mean=[0.5], std=[0.25], size=(20, 24), channels=3, classes="abcde")

class Output(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, images):
        return self.make(images)

def object_like():
    return Output(lambda images: {"one": images.mean((2, 3)), "two": images.mean((2, 3))})

def tuple_like():
    return Output(lambda images: ("logits", images.mean((2, 3))))

def maps():
    return Output(lambda images: images)

def transposed():
    return Output(lambda images: images.mean((2, 3)).T)

def not_finite():
    return Output(lambda images: images.mean((2, 3)) / 0)

def needs_a_path(path):
    return Net()

def fails():
    raise KeyError("checkpoint")

def stops():
    raise SystemExit(3)

def nothing():
    pass

instance = Net()
NUMBER = 3
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "beside.py").write_text("CLASSES = 5\n")
    path = tmp_path / "mymodels.py"
    path.write_text(CODE)
    yield path
    sys.modules.pop("beside", None)


def test_a_function_in_a_file_gives_a_model_in_evaluation_mode(file):
    path_before = list(sys.path)
    model = load_model(f"python:{file}:Net", mean=[0.5, 0.4, 0.3], std=[0.2], size=20)
    assert sys.path == path_before
    assert (model.name, model.size, model.channels, model.classes) == ("mymodels:Net", (20, 20), 3, None)
    images = torch.rand(2, 3, 20, 20)
    with torch.no_grad():
        expected = model.body((images - torch.tensor([0.5, 0.4, 0.3]).reshape(3, 1, 1)) / 0.2)
        torch.testing.assert_close(model(images), expected)  # so dropout is off


def test_channels_are_those_of_the_first_convolution(file):
    assert load_model(f"python:{file}:gray").channels == 1
    with pytest.raises(InputError, match="give --size or --in-channels"):
        load_model(f"python:{file}:flat")
    assert load_model(f"python:{file}:flat", size=28, in_channels=1).size == (28, 28)


def test_a_pixel_model_speaks_for_itself(file):
    model = load_model(f"python:{file}:pixels", class_indices="c,a")
    assert (model.name, model.size, model.channels, model.classes) == ("mine", (20, 24), 3, ("c", "a"))
    images = torch.rand(2, 3, 20, 24)
    with torch.no_grad():
        torch.testing.assert_close(model(images), model.body.body((images - 0.5) / 0.25)[:, [2, 0]])
    with pytest.raises(InputError, match="mine takes pixels and normalizes them itself"):
        load_model(f"python:{file}:pixels", mean=[0.1])


def test_weights_can_come_from_a_file(file, tmp_path):
    source = load_model(f"python:{file}:Net")
    torch.save(source.body.state_dict(), tmp_path / "w.pth")
    torch.manual_seed(5)
    assert weights_hash(load_model(f"python:{file}:Net")) != weights_hash(source)
    assert weights_hash(load_model(f"python:{file}:Net", weights=tmp_path / "w.pth")) == weights_hash(source)


def test_an_installed_module_and_the_global_generator():
    before = torch.get_rng_state()
    model = load_model("python:torchvision.models:squeezenet1_1", size=64)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.name == "torchvision.models:squeezenet1_1"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("{file}:absent", "has no function 'absent'"),
        ("{file}:NUMBER", "must be a function that returns a model when called without arguments, got a int"),
        (
            "{file}:instance",
            "must be a function that returns a model when called without arguments, got a Net",
        ),
        ("{file}:needs_a_path", "without arguments failed .TypeError: .*path"),
        ("{file}:fails", "without arguments failed .KeyError: 'checkpoint'"),
        ("{file}:stops", "without arguments failed .SystemExit: 3"),
        (
            "{file}:nothing",
            "must return a torch.nn.Module, a passband PixelModel or a model of the MAITE .*, got None",
        ),
        (
            "{file}:object_like",
            "must return a tensor of logits, got a dict of 'one', 'two': .* Wrap it in a function",
        ),
        ("{file}:tuple_like", "must return a tensor of logits, got a tuple"),
        ("{file}:maps", r"must return logits shaped \(2, classes\) .* got \(2, 3, 32, 32\)"),
        ("{file}:transposed", r"must return logits shaped .* got \(3, 2\)"),
        ("{file}:not_finite", "returns NaN or infinity"),
        ("{file}", "is written python:package.module:NAME or python:path/to/file.py:NAME"),
        ("absent.py:make", "cannot import 'absent.py' .FileNotFoundError: no file absent.py"),
        ("mymodels:Net", "cannot import 'mymodels' .* is written path/to/file.py"),
    ],
)
def test_what_cannot_be_used_is_refused(file, place, message):
    with pytest.raises(InputError, match=message):
        load_model("python:" + place.format(file=file))


def test_a_file_that_cannot_be_imported(tmp_path):
    (tmp_path / "wrong.py").write_text("def broken(:\n")
    with pytest.raises(InputError, match="cannot import .*SyntaxError"):
        load_model(f"python:{tmp_path / 'wrong.py'}:broken")


@pytest.mark.parametrize("given", [{}, {"mean": [0.5], "std": [0.25, 0.2, 0.3]}])
def test_the_normalization_that_nobody_else_knows_is_said(file, given):
    notices = [str(each) for each in load_model(f"python:{file}:Net", **given).notices]
    if given:
        assert notices == ["Note: normalization by mean 0.5 and std 0.25 0.2 0.3, as given"]
    else:
        assert notices[0].startswith("Note: no normalization: it sees pixels in [0, 1]")
    assert load_model(f"python:{file}:pixels").notices == ()


def test_networks_in_half_precision(file):
    file.write_text(CODE + "\ndef half():\n    torch.manual_seed(0)\n    return Net().half()\n")
    model = load_model(f"python:{file}:half")
    images = torch.rand(2, 3, 20, 20)
    assert model(images).dtype == torch.float32
    assert next(model.parameters()).dtype == torch.float16


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_torchscript_programs(file, dtype):
    file.write_text(
        CODE + "\ndef plain():\n    torch.manual_seed(0)\n    return Net().eval()\n"
        f"\ndef program():\n    return torch.jit.script(plain().to(torch.{dtype}))\n"
    )
    program, plain = (load_model(f"python:{file}:{name}", size=20) for name in ("program", "plain"))
    images = torch.rand(2, 3, 20, 20)
    assert program(images).dtype == torch.float32
    torch.testing.assert_close(program(images), plain(images), rtol=1e-2, atol=1e-2)
