from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
import torch._dynamo
import torch._inductor.config
from torch import nn

from helpers import bright_sides
from passband.attacks import PGD
from passband.errors import InputError
from passband.models.catalog import build_model
from passband.models.fingerprint import weights_hash
from passband.train import learner as learner_module
from passband.train.adversarial import Adversary
from passband.train.compiled import compile_network
from passband.train.config import RunConfig
from passband.train.learner import Learner, start_fabric
from passband.train.loop import train
from passband.train.placement import Placement

DATA = bright_sides(50, size=16)


def config(**values) -> RunConfig:
    return RunConfig("sides", **{"batch_size": 20, "learning_rate": 1e-3, "epochs": 2, **values})


def tiny(seed: int = 0) -> nn.Module:
    """A network that is compiled in a few seconds."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(784, 3)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "values", [{}, {"dropout": 0.5}, {"adversarial": Adversary(0.1, PGD(steps=2))}], ids=str
)
def test_a_compiled_network_learns_the_same(values):
    settings = config(optimizer="sgd", learning_rate=0.1, **values)
    compiled, plain = (
        train(
            build_model("lenet", num_classes=3, dropout=settings.dropout, seed=0),
            DATA,
            config(**{"optimizer": "sgd", "learning_rate": 0.1, **values, "compile": each}),
            device="cpu",
        )
        for each in (True, False)
    )
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    torch.testing.assert_close(compiled.state_dict(), plain.state_dict(), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@torch._dynamo.config.patch(recompile_limit=1)
def test_what_a_process_compiled_before_does_not_matter():
    first, again = (weights_hash(train(tiny(), DATA, config(compile=True), device="cpu")) for _ in range(2))
    train(tiny(1), bright_sides(30, size=16), config(compile=True, batch_size=10), device="cpu")
    last = weights_hash(train(tiny(), DATA, config(compile=True), device="cpu"))
    assert first == again == last
    assert first != weights_hash(train(tiny(), DATA, config(), device="cpu"))  # it is the compiled one


@pytest.mark.slow
def test_the_trial_leaves_no_trace():
    network, plain, pixels = tiny().eval(), tiny().eval(), torch.rand(20, 3, 16, 16)
    random = torch.get_rng_state()
    compile_network(network, pixels, nullcontext())
    assert torch.equal(torch.get_rng_state(), random)
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    for name, tensor in plain.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name


@pytest.fixture
def no_compiler(monkeypatch, tmp_path):
    """A machine that has none, and nothing that was compiled earlier."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    none = {"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True}
    with torch._inductor.config.patch(none):
        yield


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_none_can_be_forced():
    network = tiny()
    with pytest.raises(InputError, match="cannot be compiled here: .*compiler.*--no-compile"):
        train(network, DATA, config(compile=True), device="cpu")
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_a_run_that_asked_for_none_goes_on_and_says_so(monkeypatch):
    chosen = Placement(torch.channels_last, compiled=True)
    monkeypatch.setattr(learner_module, "choose_placement", lambda *_, **__: chosen)
    notes = []
    made = Learner(start_fabric("cpu"), tiny(), config(), DATA, on_note=notes.append)
    assert made.body is made.network
    assert not made.placement.compiled
    (note,) = notes
    assert "cannot be compiled here" in note
    assert note.endswith("It is trained as it is written.")
