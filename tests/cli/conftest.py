"""A small model, data and pictures on disk, and a way to run a command."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from passband.cli.main import run
from passband.models.catalog import build_model
from passband.models.weights import save_weights


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """Return a function that runs a command in an empty folder and returns exit code and output."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Ran:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """Return a folder with `data.npz` (16x16, 3 classes), `weights.safetensors` of a resnet8 for it, `photo.png`."""
    folder = tmp_path_factory.mktemp("files")
    draw = np.random.Generator(np.random.PCG64(0))
    images = draw.integers(0, 256, (60, 16, 16, 3), np.uint8)
    labels = np.arange(60) % 3
    np.savez(folder / "data.npz", x_train=images, y_train=labels, x_test=images[:30], y_test=labels[:30])
    arguments = {"name": "resnet8", "num_classes": 3, "in_channels": 3, "width": 4}
    save_weights(build_model(**arguments, seed=0), folder / "weights.safetensors", {"model": arguments})
    Image.fromarray(draw.integers(0, 256, (20, 24, 3), np.uint8)).save(folder / "photo.png")
    (folder / "model.py").write_text(
        "import torch\n"
        "def good(): return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 3))\n"
        "def detached():\n"
        "    class Detached(torch.nn.Sequential):\n"
        "        def forward(self, images): return super().forward(images).detach()\n"
        "    return Detached(*good())\n"
        "def not_a_model(): return 3\n"
        "def raises(): raise RuntimeError('no such checkpoint')\n"
        "def gives_text():\n"
        "    class Text(torch.nn.Module):\n"
        "        def forward(self, images): return 'cat'\n"
        "    return Text()\n"
        "def gives_nan():\n"
        "    class Nan(torch.nn.Module):\n"
        "        def forward(self, images): return torch.full((len(images), 3), float('nan'))\n"
        "    return Nan()\n"
    )
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    torch.export.save(torch.export.export(network.eval(), (torch.zeros(2, 3, 16, 16),)), folder / "net.pt2")
    (folder / "text.txt").write_text("not an image, not a table")
    (folder / "broken.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{broken}")
    torch.save({"other.weight": torch.zeros(2)}, folder / "other.pth")
    np.savez(folder / "empty.npz", images=images[:0], labels=labels[:0])
    np.save(folder / "images.npy", images)
    (folder / "shards").mkdir()
    for shard in (0, 2):
        (folder / "shards" / f"test-0000{shard}-of-00003-0123456789abcdef.parquet").touch()
    np.savez(folder / "more.npz", images=images, labels=labels[:30])
    return folder
