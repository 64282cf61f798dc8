import pytest
import torch

from passband.environment import choose_device, describe_environment, limited_threads, versions
from passband.errors import InputError


def test_versions_are_those_installed():
    found = versions()
    assert found["torch"] == torch.__version__.split("+")[0]
    assert {"python", "passband", "torchvision", "numpy", "polars"} <= set(found)


def test_environment_names_device_and_threads():
    found = describe_environment(torch.device("cpu"))
    assert found["device"] == "cpu"
    assert found["threads"] == torch.get_num_threads()


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(
        InputError, match="device must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', got 'gpu'"
    ):
        choose_device("gpu")
    with pytest.raises(InputError, match="device 'cuda:64' is not available on this machine"):
        choose_device("cuda:64")
    with pytest.raises(InputError, match="got 'meta'"):
        choose_device("meta")


def test_threads_are_limited_meanwhile():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), limited_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        1 / 0  # noqa: B018
    assert torch.get_num_threads() == before
    with limited_threads(None):
        assert torch.get_num_threads() == before
