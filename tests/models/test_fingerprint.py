from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
import torch
from torch import Tensor, nn

from passband.errors import InputError
from passband.models.catalog import build_model
from passband.models.fingerprint import count_parameters, weights_hash
from passband.models.pixels import PixelModel


def test_hash_follows_values_names_and_types_but_not_layout():
    model = build_model("resnet8", seed=0)
    value = weights_hash(model)
    assert len(value) == 16
    assert weights_hash(build_model("resnet8", seed=0).to(memory_format=torch.channels_last)) == value
    assert weights_hash(PixelModel(build_model("resnet8", seed=0), name="x", mean=[0.5])) == value
    assert weights_hash(build_model("resnet8", seed=1)) != value
    assert weights_hash(build_model("resnet8", seed=0).double()) != value
    assert weights_hash(nn.Sequential(build_model("resnet8", seed=0))) != value
    assert weights_hash(build_model("resnet8", seed=0).bfloat16()) != value


def test_hash_sees_a_single_bit():
    model = nn.Linear(2, 2)
    before = weights_hash(model)
    with torch.no_grad():
        model.bias[1] = torch.nextafter(model.bias[1], torch.tensor(2.0))
    assert weights_hash(model) != before


def test_hashes_of_floating_point_networks_are_those_of_version_0_1():
    linear = nn.Linear(3, 2).half()
    linear.register_buffer("flag", torch.tensor([True, False]))
    with torch.no_grad():
        linear.weight.copy_(torch.arange(6).reshape(2, 3))
        linear.bias.fill_(1)
    assert weights_hash(linear) == "002a4aec6686cf49"


class Holds(nn.Module):
    """A network that keeps a value among its weights."""

    def __init__(self, value: object) -> None:
        super().__init__()
        if isinstance(value, Tensor):
            self.register_buffer("value", value)
        else:
            self.value = value

    def get_extra_state(self) -> object:
        return getattr(self, "value", None)

    def set_extra_state(self, state: object) -> None:
        self.value = state


def quantized(values: list[float], scale: float = 0.1, zero: int = 3) -> Tensor:
    return torch.quantize_per_tensor(torch.tensor(values), scale, zero, torch.qint8)


def by_channel(values: list[list[float]], scales: list[float]) -> Tensor:
    zeros = torch.zeros(len(scales), dtype=torch.int64)
    return torch.quantize_per_channel(torch.tensor(values), torch.tensor(scales), zeros, 0, torch.qint8)


ROWS = [[1.0, 0.0], [0.0, 2.0]]


@pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # that torch will give up quantized tensors, and sparse ones are young
@pytest.mark.parametrize(
    ("make", "others"),
    [
        (
            lambda: quantized([0.1, 0.5]),
            [lambda: quantized([0.1, 0.6]), lambda: quantized([0.2, 1.0], 0.2), lambda: quantized([0.1, 0.5], zero=4)],
        ),
        (
            lambda: by_channel(ROWS, [0.1, 0.2]),
            [lambda: by_channel([[1.0, 0.1], [0.0, 2.0]], [0.1, 0.2]), lambda: by_channel(ROWS, [0.2, 0.1])],
        ),
        (lambda: torch.tensor(ROWS).to_sparse(), [lambda: torch.tensor(ROWS[::-1]).to_sparse(), lambda: torch.tensor(ROWS)]),
        (lambda: torch.tensor(ROWS).to_sparse_csr(), [lambda: torch.tensor(ROWS[::-1]).to_sparse_csr()]),
        (lambda: torch.tensor(ROWS).to_sparse_csc(), [lambda: torch.tensor(ROWS[::-1]).to_sparse_csc()]),
        (lambda: torch.tensor([1 + 2j, 3]), [lambda: torch.tensor([1 - 2j, 3]), lambda: torch.tensor([1 + 2j, 3]).conj()]),
        (lambda: torch.tensor([True, False]), [lambda: torch.tensor([True, True])]),
        (lambda: torch.tensor([]), [lambda: torch.tensor([], dtype=torch.float64)]),
        (lambda: torch.tensor([1.0]).to(torch.float8_e4m3fn), [lambda: torch.tensor([2.0]).to(torch.float8_e4m3fn)]),
        (lambda: {"b": 1, "a": (2.5, None)}, [lambda: {"b": 1, "a": (2.5, 0)}, lambda: {"b": 1}]),
        (lambda: {"b": 1, "a": 2}, [lambda: {"b": 2, "a": 1}]),
        (lambda: [torch.tensor([1.0]), "name"], [lambda: [torch.tensor([2.0]), "name"]]),
        (lambda: {"one", "two"}, [lambda: {"one"}]),
    ],
)  # fmt: skip
def test_values_of_every_kind_are_told_apart(make, others):
    value = weights_hash(Holds(make()))
    assert weights_hash(Holds(make())) == value
    assert value not in {weights_hash(Holds(other())) for other in others}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_quantized_networks_have_a_hash_and_all_their_weights():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3))
    eight = torch.ao.quantization.quantize_dynamic(network, {nn.Linear}, dtype=torch.qint8)
    assert count_parameters(network) == count_parameters(eight) == 83
    torch.manual_seed(1)
    other = torch.ao.quantization.quantize_dynamic(
        nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3)),
        {nn.Linear},
        dtype=torch.qint8,
    )
    assert len({weights_hash(each) for each in (network, eight, other)}) == 3


def test_buffers_are_no_parameters():
    assert count_parameters(PixelModel(nn.BatchNorm2d(3), name="x", mean=[0.5] * 3)) == 6


def test_the_hash_is_the_same_in_another_process():
    code = """
    import torch, warnings
    from torch import nn
    warnings.simplefilter("ignore")
    from passband.models.fingerprint import weights_hash
    class Holds(nn.Linear):
        def get_extra_state(self):
            return {"names": {"one", "two", "three"}, "weights": [torch.ones(2)], "size": torch.Size([1])}
        def set_extra_state(self, state): pass
    torch.manual_seed(0)
    print(weights_hash(torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(2, 2), Holds(2, 2)), {nn.Linear})))
    """
    hashes = {
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(hashes) == 1


def test_weights_without_values_are_refused():
    for network in (nn.LazyLinear(3), nn.Linear(2, 2, device="meta")):
        with pytest.raises(InputError, match="bias has no values yet: lazy layers must have seen an image"):
            weights_hash(network)


def test_a_state_that_cannot_be_written_is_named():
    with pytest.raises(InputError, match="_extra_state is a function, which cannot be written down"):
        weights_hash(Holds(lambda: None))
