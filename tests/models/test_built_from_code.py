"""Networks that the user's code makes, untrained and trained."""

from pathlib import Path

import pytest
import torch

from passband.engine.run import run
from passband.errors import InputError
from passband.files import read_json
from passband.models.catalog import build_model
from passband.models.fingerprint import weights_hash
from passband.models.load import load_model
from passband.train.config import RunConfig

CODE = """
from torch import nn
from passband.models.pixels import PixelModel

def make(num_classes, in_channels):
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3, stride=4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(num_classes))

def net(num_classes, in_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes)
    )

def ten_classes():
    return net(10, 1)

def anything(**settings):
    return net(**settings)

def scaled(num_classes, in_channels):
    return PixelModel(net(num_classes, in_channels), name="scaled", mean=[0.5], std=[0.25])

def needs_more(depth, num_classes):
    return net(num_classes, 1)

number = 3
"""


@pytest.fixture
def file(tmp_path) -> Path:
    (tmp_path / "net.py").write_text(CODE)
    return tmp_path / "net.py"


def trained(file: Path, folder: Path, function: str = "net", **changes) -> Path:
    settings = {"limit": 40, "epochs": 1, "batch_size": 20, **changes}
    config = RunConfig("fashion-mnist", model=f"python:{file}:{function}", **settings)
    return run(config, None, folder, device="cpu", test_limit=20)


def test_a_function_gets_what_it_takes_and_draws_by_the_seed(file):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for function in ("net", "ten_classes", "anything"):
        first, again, other = (
            build_model(f"python:{file}:{function}", num_classes=10, in_channels=1, seed=seed)
            for seed in (1, 1, 2)
        )
        assert weights_hash(first) == weights_hash(again) != weights_hash(other)
        assert first(torch.zeros(2, 1, 9, 9)).shape == (2, 10)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("function", ["net", "scaled"])
def test_a_run_of_ones_own_network_is_loaded_again(file, tmp_path, monkeypatch, function):
    monkeypatch.chdir(tmp_path)
    folder = trained(Path("net.py"), tmp_path / "run", function)
    monkeypatch.chdir("/")  # the run remembers where the file is
    model = load_model(folder)
    assert (model.name, model.size, model.channels) == (f"net:{function}", (28, 28), 1)
    assert model.classes is not None
    images = torch.rand(3, 1, 28, 28)
    untrained = build_model(f"python:{file}:{function}", num_classes=10, in_channels=1, seed=0)
    with torch.no_grad():
        assert not torch.allclose(model(images), untrained.eval()(images))
        if function == "net":
            other = load_model(f"python:{file}:ten_classes", weights=folder / "weights.safetensors")
            torch.testing.assert_close(model(images), other(images))


def test_other_code_is_another_run(file, tmp_path):
    first = read_json(trained(file, tmp_path / "a") / "config.json")
    assert first["model"]["name"] == f"python:{file}:net"
    assert first["config"]["initialization"] is None
    file.write_text(CODE + "\n# a comment")
    second = read_json(trained(file, tmp_path / "b") / "config.json")
    assert first["config"] == second["config"]
    assert first["run"] != second["run"]
    with pytest.raises(InputError, match="holds another run"):
        trained(file, tmp_path / "a")


def test_the_same_code_elsewhere_is_the_same_run(file, tmp_path):
    (tmp_path / "moved").mkdir()
    moved = file.rename(tmp_path / "moved" / "net.py")
    first = read_json(trained(moved, tmp_path / "a") / "config.json")
    file.write_text(CODE)
    assert read_json(trained(file, tmp_path / "b") / "config.json")["run"] == first["run"]


def test_a_run_whose_code_has_changed_or_gone_says_so(file, tmp_path):
    folder = trained(file, tmp_path / "run")
    file.write_text(CODE.replace("nn.ReLU()", "nn.Tanh()"))  # its weights would fit
    with pytest.raises(InputError, match=r"net.py has changed since .*with --weights"):
        load_model(folder)
    file.unlink()
    with pytest.raises(InputError, match="there is no file .*net.py any more"):
        load_model(folder)
    file.write_text(CODE)
    assert load_model(folder).name == "net:net"


def test_code_that_changes_while_it_trains_is_not_taken_for_what_was_trained(file, tmp_path):
    config = RunConfig("fashion-mnist", model=f"python:{file}:net", limit=40, epochs=1, batch_size=20)

    def edit(report):
        file.write_text(CODE.replace("nn.ReLU()", "nn.Tanh()"))

    folder = run(config, None, tmp_path / "run", device="cpu", test_limit=20, on_epoch=edit)
    with pytest.raises(InputError, match=r"net.py has changed since"):
        load_model(folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 4}, "width is an option of passband's own networks"),
        ({"batch_norm": True}, "batch_norm is an option"),
        ({"dropout": 0.5}, "dropout is an option"),
        ({"initialization": "xavier"}, "initialization is an option"),
        ({"function": "absent"}, "has no function 'absent'"),
        ({"function": "number"}, "must be a function that returns a model"),
        ({"function": "needs_more"}, "calling .*needs_more with num_classes failed .TypeError: .*depth"),
        ({"function": "make", "limit": 40}, "must know its shapes when it is made"),
    ],
)
def test_what_cannot_be_trained_is_refused(file, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        trained(file, tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_a_place_without_a_name_is_refused_before_data_are_loaded(tmp_path):
    with pytest.raises(
        InputError, match="is written python:package.module:NAME or python:path/to/file.py:NAME"
    ):
        RunConfig("npz:none.npz", model="python:net.py")
    with pytest.raises(InputError, match="cannot import 'none.py' .*no file none.py"):
        trained(Path("none.py"), tmp_path / "run")
