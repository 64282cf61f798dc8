from __future__ import annotations

import sys

import pytest
import torch

from passband.errors import InputError
from passband.models.fingerprint import weights_hash
from passband.models.load import load_model

ic = pytest.importorskip("maite.protocols.image_classification")
CODE = """
import numpy as np
import torch
from torch import nn

class Linear:
    def __init__(self, labels=True, seed=0):
        self.metadata = {"id": "linear"}
        if labels:
            self.metadata["index2label"] = {1: "bee", 0: "ant", 2: "cat", 3: "dog"}
        self.weight = np.random.default_rng(seed).normal(size=(3, 4))

    def __call__(self, images):
        assert isinstance(images, list) and all(np.asarray(image).ndim == 3 for image in images)
        scores = np.stack([np.asarray(image).mean((1, 2)) for image in images]) @ self.weight
        return list(np.exp(scores) / np.exp(scores).sum(1, keepdims=True))

class Module(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.metadata = {"id": "module"}
        self.linear = nn.Linear(3, 4)
        self.dropout = nn.Dropout(0.5)

    def forward(self, images):
        return list(self.dropout(self.linear(torch.stack(images).mean((2, 3)))))

def other(): return Linear(seed=1)
def bare(): return Linear(labels=False)

def sparse():
    model = Linear()
    model.metadata["index2label"] = {1: "ant", 2: "bee"}
    return model

class Short(Linear):
    def __call__(self, images):
        return super().__call__(images)[:1]

class NoMetadata:
    def __call__(self, images):
        return images
"""


@pytest.fixture
def source(tmp_path):
    (tmp_path / "mine.py").write_text(CODE)
    return f"python:{tmp_path / 'mine.py'}"


def made(source, name):
    """The object itself, from the module that `load_model` imported."""
    module = next(
        m for n, m in sys.modules.items() if getattr(m, "__file__", None) == source.removeprefix("python:")
    )
    return getattr(module, name)()


@pytest.mark.parametrize("name", ["Linear", "Module"])
def test_a_model_of_the_protocol_answers_as_it_does_alone(source, name):
    model = load_model(f"{source}:{name}", mean=[0.5], std=[0.25])
    alone = made(source, name)
    assert isinstance(alone, ic.Model)
    images = torch.rand(3, 3, 8, 8)
    if isinstance(alone, torch.nn.Module):
        alone.eval()
    rows = [torch.as_tensor(row).float() for row in alone(list((images - 0.5) / 0.25))]
    answers = model(images)
    expected = torch.stack(rows).detach()
    torch.testing.assert_close(answers.softmax(1) if name == "Linear" else answers, expected)
    assert (answers.dtype, answers.requires_grad) == (torch.float32, False)
    notices = [str(each) for each in model.notices]
    assert notices[0].startswith("Note: it follows the MAITE protocol")
    assert notices[-1] == "Note: normalization by mean 0.5 and std 0.25, as given"


def test_names_come_from_its_metadata(source):
    assert load_model(f"{source}:Linear").classes == ("ant", "bee", "cat", "dog")
    assert load_model(f"{source}:Linear", class_indices="dog,ant").classes == ("dog", "ant")
    assert load_model(f"{source}:bare").classes is None
    with pytest.raises(InputError, match=r"must name the classes 0 to 1, it names \[1, 2\]"):
        load_model(f"{source}:sparse")


def test_other_weights_have_another_hash(source):
    hashes = [
        weights_hash(load_model(f"{source}:{name}")) for name in ("Linear", "Linear", "other", "Module")
    ]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_what_does_not_follow_it_is_refused(source, tmp_path):
    with pytest.raises(InputError, match="a model of the MAITE protocol .with metadata., got a NoMetadata"):
        load_model(f"{source}:NoMetadata")
    with pytest.raises(InputError, match="must return a sequence of 2 arrays for 2 images"):
        load_model(f"{source}:Short")
    with pytest.raises(InputError, match="--weights cannot be used here: .* which holds its weights"):
        load_model(f"{source}:Linear", weights=tmp_path / "w.pth")
