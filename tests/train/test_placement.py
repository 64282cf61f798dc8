from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from passband.models.catalog import build_model
from passband.train.adversarial import Adversary
from passband.train.config import RunConfig
from passband.train.placement import SMALL_BATCH, STEPS_THAT_PAY, choose_layout, choose_placement


@pytest.mark.parametrize("width", [4, 8])
def test_narrow_networks_are_trained_within_their_memory(width):
    """A process that trains one is another one: what is written outside of its memory ends it."""
    program = f"""
import torch
from passband.models.catalog import build_model
from passband.train.placement import choose_layout
torch.set_num_threads(1)
network = build_model("resnet18", width={width}, seed=0)
layout = choose_layout(network, torch.device("cpu"))
network.to(memory_format=layout)
for _ in range(4):
    for size in (32, 64):
        images = torch.rand(8, 3, size, size).contiguous(memory_format=layout)
        network(images).sum().backward()
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("name", "width", "layout"),
    [
        ("resnet18", 8, torch.contiguous_format),
        ("resnet18", 16, torch.channels_last),
        ("resnet8", 8, torch.channels_last),
    ],
)
def test_other_networks_have_their_channels_last(name, width, layout):
    assert choose_layout(build_model(name, width=width), torch.device("cpu")) == layout


def test_whether_a_network_is_compiled_follows_from_the_run_and_from_nothing_that_changes_along_it():
    network, cuda = build_model("resnet8", seed=0), torch.device("cuda")
    short = RunConfig("phantom", batch_size=10, epochs=1)
    long = replace(short, epochs=STEPS_THAT_PAY // 10)
    assert not choose_placement(network, cuda, short, images=100).compiled
    assert choose_placement(network, cuda, long, images=100).graphs
    assert choose_placement(network, cuda, long, images=91).compiled  # the last batch is a step too
    assert not choose_placement(network, cuda, long, images=90).compiled
    assert not choose_placement(network, cuda, long, images=100, devices=2).compiled
    large = replace(long, batch_size=SMALL_BATCH + 1)
    chosen = choose_placement(network, cuda, large, images=100 * large.batch_size)
    assert (chosen.compiled, chosen.graphs) == (True, False)
    attacked = choose_placement(network, cuda, replace(long, adversarial=Adversary(8 / 255)), images=100)
    assert (attacked.compiled, attacked.graphs) == (True, False)
    for device in ("cpu", "mps"):
        assert not choose_placement(network, torch.device(device), long, images=10**9).compiled


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("images", [10, 10**6])
def test_what_a_run_asks_for_is_done(device, images):
    network, plain = build_model("resnet8", seed=0), RunConfig("phantom", batch_size=10, epochs=10)
    for asked in (True, False):
        chosen = choose_placement(network, torch.device(device), replace(plain, compile=asked), images=images)
        assert (chosen.compiled, chosen.forced) == (asked, asked)
        assert chosen.graphs == (asked and device == "cuda")


def test_a_file_can_hold_it():
    chosen = choose_placement(
        build_model("resnet18", width=8), torch.device("cpu"), RunConfig("phantom"), images=100
    )
    assert chosen.to_dict() == {"layout": "contiguous_format", "compiled": False, "cuda_graphs": False}
