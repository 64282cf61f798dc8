"""What is seen of a network while it is asked."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from passband.models.watching import first_tensor, watching


def seen(network, *inputs, kinds=()):
    outputs, operations = [], []
    with (
        torch.inference_mode(),
        watching(network, output=outputs.append, operation=operations.append, kinds=kinds),
    ):
        for images in inputs:
            network(images)
    return outputs, operations


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution, self.act = nn.Conv2d(3, 3, 3, stride=2), nn.ReLU()

    def forward(self, images):
        pooled = F.max_pool2d(self.act(self.convolution(images)), 2)
        return self.act(F.avg_pool2d(pooled, 2)).flatten(1)


def test_calls_are_told_in_order_and_numbered_anew_for_each_piece():
    outputs, operations = seen(
        Twice(), torch.rand(2, 3, 16, 16), torch.rand(3, 3, 16, 16), kinds=("conv2d", "max_pool2d")
    )
    assert [output.name for output in outputs] == 2 * ["convolution", "act", "act#2", ""]
    assert [output.module for output in outputs][:3] == ["convolution", "act", "act"]
    assert [output.images for output in outputs] == 4 * [2] + 4 * [3]
    assert [(each.name, each.kind, each.images) for each in operations] == [
        ("convolution", "conv2d", 2),
        ("max_pool2d", "max_pool2d", 2),
        ("convolution", "conv2d", 3),
        ("max_pool2d", "max_pool2d", 3),
    ]


def test_a_network_is_left_as_it_was():
    network = Twice()
    before = network(torch.ones(1, 3, 16, 16))
    seen(network, torch.rand(1, 3, 16, 16))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    torch.testing.assert_close(network(torch.ones(1, 3, 16, 16)), before, rtol=0, atol=0)
    with pytest.raises(RuntimeError):  # three channels are needed
        seen(network, torch.rand(1, 1, 16, 16))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_a_failure_that_a_network_catches_does_not_shift_names():
    class Trying(nn.Module):
        def __init__(self):
            super().__init__()
            self.bad, self.good = nn.Conv2d(1, 1, 1), nn.Conv2d(3, 3, 1)

        def forward(self, images):
            try:
                images = self.bad(images)
            except RuntimeError:
                images = F.max_pool2d(self.good(images), 2)
            return images

    outputs, operations = seen(Trying(), torch.rand(1, 3, 4, 4), kinds=("conv2d", "max_pool2d"))
    assert [output.name for output in outputs] == ["good", ""]
    assert [each.name for each in operations] == ["good", "max_pool2d"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch's compiler
def test_compiled_modules_are_seen_under_their_own_names():
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 3, 2)), nn.Flatten())
    images = torch.rand(2, 3, 8, 8)
    names = [output.name for output in seen(plain, images)[0]]
    part = nn.Sequential(plain[0], torch.compile(plain[1]), plain[2])
    for network in (torch.compile(plain), part):
        network(images)  # compiled before it is watched: compiled code would call no hooks
        outputs, operations = seen(network, images, kinds=("conv2d",))
        assert [output.name for output in outputs] == names
        assert [each.name for each in operations] == ["0", "1.1"]
    plain.compile()
    plain(images)
    assert [output.name for output in seen(plain, images)[0]] == names


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace")
def test_what_torchscript_does_inside_is_not_seen():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), torch.jit.trace(nn.Sequential(nn.ReLU()), torch.rand(1, 4, 6, 6))
    )
    assert [output.name for output in seen(network, torch.rand(1, 3, 8, 8))[0]] == ["0", ""]


def test_the_first_tensor_of_what_a_module_returns():
    tensor = torch.rand(1)
    assert first_tensor((None, tensor, torch.rand(2))) is tensor
    assert first_tensor({"a": "b", "c": tensor}) is tensor
    assert first_tensor([]) is None
    assert first_tensor("text") is None
