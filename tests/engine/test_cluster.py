"""A real Ray cluster of two nodes on this computer: what comes of it is what comes of processes here, bit for bit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest

import killed_runs
import passband
from helpers import sides_source
from passband import user_modules
from passband.engine.cluster import Cluster
from passband.engine.engine import Crashed
from passband.engine.events import EpochDone, Note
from passband.engine.execute import execute
from passband.engine.local import Local
from passband.engine.nodes import ALONE
from passband.engine.plan import plan_measurement, plan_runs
from passband.engine.probe import Probe
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import Low
from passband.instruments.components import ComponentAccuracy
from passband.train.config import RunConfig
from passband.user_modules import import_code

pytestmark = pytest.mark.slow

PATIENCE = 60.0
"""Seconds within which what is waited for must come: nodes start processes, on a machine that may be busy."""

NODE = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 100 * 2**20}
EPOCHS = 12
PROBE = Probe(radii=(2, 4), components=("lfc",), samples=20)


@pytest.fixture(autouse=True)
def nothing_imported(monkeypatch):
    """Let files that other tests imported, and have changed since, be none of ours: nodes would import them again."""
    for name in ("_HASHES", "_FILES"):
        monkeypatch.setattr(user_modules, name, {})


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(scope="module")
def ray() -> Iterator[ModuleType]:
    """The library, which from its import on keeps to this computer."""
    before = dict(os.environ)
    os.environ.update(ALONE)
    roots = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2]), before.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, roots))  # where nodes find what tests call
    yield pytest.importorskip("ray", reason="ray is not installed: pip install 'passband[cluster]'")
    for name in (*ALONE, "PYTHONPATH"):
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="module")
def all_nodes(ray) -> Iterator[Any]:
    from ray.cluster_utils import Cluster as Nodes

    made = Nodes(initialize_head=True, head_node_args=NODE | {"include_dashboard": False})
    yield made
    made.shutdown()


@pytest.fixture
def nodes(all_nodes) -> Any:
    """Two nodes, each with a processor; the head comes first."""
    while len(all_nodes.list_all_nodes()) < 2:
        all_nodes.add_node(**NODE, num_gpus=1)  # so it says
    return all_nodes


def kill_second(nodes: Any) -> None:
    """Kill the second node: what works there, and what governs it."""
    node = nodes.list_all_nodes()[1]
    governor = node.all_processes["raylet"][0].process.pid
    workers = Path(f"/proc/{governor}/task/{governor}/children").read_text().split()
    os.kill(
        governor, signal.SIGKILL
    )  # first: it would tell of workers that end, and nobody of a node that is lost
    for pid in workers:
        os.kill(int(pid), signal.SIGKILL)
    nodes.remove_node(node, allow_graceful=False)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """60 training and 30 test images of 16x16 pixels in 3 classes."""
    return sides_source(tmp_path_factory.mktemp("data"), train=60, test=30)


def planned_in(store: Path, source: str, code: Path | None = None, seeds: int = 2) -> list:
    model = "lenet" if code is None else f"python:{code}:make"
    config = RunConfig(source, model=model, batch_size=16, epochs=EPOCHS, learning_rate=1e-3)
    runs = plan_runs([(replace(config, seed=seed), PROBE) for seed in range(seeds)], store)
    return [*runs, plan_measurement(ComponentAccuracy((Low(3),)), runs[0], store)]


GATED = """
import time
from pathlib import Path
from torch import nn

class Gated(nn.Sequential):
    batches = 0

    def forward(self, images):
        self.batches += self.training
        until = time.monotonic() + {patience}
        while self.batches > 8 and not Path({gate!r}).exists():  # after two epochs
            assert time.monotonic() < until, "the gate was not opened"
            time.sleep(0.01)
        return super().forward(images)

def make(num_classes):
    return Gated(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, num_classes))
"""


def gate_of(code: Path) -> Path:
    """Return the gate of a network, a file: it is closed until that is there."""
    return code.with_suffix(".open")


@pytest.fixture(scope="module")
def gated(tmp_path_factory) -> Path:
    """Code of a network that goes on after two epochs when its gate is open: what a test takes away has not ended by then."""
    path = tmp_path_factory.mktemp("gated") / "gated.py"
    path.write_text(GATED.format(gate=str(gate_of(path)), patience=PATIENCE))
    return path


@pytest.fixture
def gate(gated) -> Path:
    """The gate, closed."""
    gate_of(gated).unlink(missing_ok=True)
    return gate_of(gated)


@pytest.fixture(scope="module")
def here(source, gated, tmp_path_factory) -> dict[str, tuple]:
    """What this computer makes of it."""
    store = tmp_path_factory.mktemp("here")
    gate_of(gated).touch()
    ended = execute(planned_in(store, source, gated), engine=Local(1), device="cpu")
    assert {one.status for one in ended.values()} == {"done"}
    return contents(store)


def contents(store: Path) -> dict[str, tuple]:
    runs = {folder.name: killed_runs.content(folder) for folder in (store / "runs").iterdir()}
    return runs | {
        folder.name: (folder / "rows.parquet").read_bytes() for folder in (store / "measurements").iterdir()
    }


def test_a_call_is_in_another_process_and_errors_come_back(nodes, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def double(number):\n    return 2 * number\n")
    double = import_code(str(file)).double
    file.unlink()
    with Cluster(nodes.address, gpus=0.5) as cluster:
        assert cluster.at_once == 1  # on the one node that has a GPU, and one processor
        assert cluster.call(double, 4) == 8
        assert cluster.call(os.getenv, "CUDA_VISIBLE_DEVICES") == "0"
        with pytest.raises(UnknownNameError, match="Did you mean 'above'"):
            cluster.call(raise_unknown)
        with pytest.raises(Crashed, match="without an answer"):
            cluster.call(signal.raise_signal, signal.SIGKILL)
        assert cluster.devices("auto") == ("cuda",)


def raise_unknown():
    raise UnknownNameError("way", "abve", ["above", "below"])


def test_calls_are_ended_and_no_others_are_begun(nodes):
    found = []
    with Cluster(nodes.address, at_once=1) as cluster:

        def wait():
            with pytest.raises(Crashed):
                cluster.call(say_and_wait, tell=found.append)
            found.append("ended")

        waiting = Thread(target=wait)
        waiting.start()
        wait_until(lambda: found)
        cluster.end()
        waiting.join(20)
        assert found == [Note("it begins"), "ended"]
        with pytest.raises(Crashed, match="it was not started"):
            cluster.call(os.getpid)
        assert cluster.devices("auto") == cluster.devices("cpu") == ("cpu",)
        with pytest.raises(InputError, match="say how many GPUs each run takes"):
            cluster.devices("cuda")
        with pytest.raises(InputError, match="Ray chooses among the GPUs"):
            cluster.devices("cuda:1")


def say_and_wait(tell):
    tell(Note("it begins"))
    time.sleep(600)


def test_a_cluster_of_this_computer_alone_lets_nobody_in(ray):
    def kept():
        return {name: os.environ[name] for name in ALONE}, signal.getsignal(signal.SIGTERM)

    before = kept()
    with Cluster() as cluster:
        assert [node["NodeManagerAddress"] for node in ray.nodes()] == ["127.0.0.1"]
        assert cluster.at_once == int(ray.cluster_resources()["CPU"])
        with pytest.raises(InputError, match="part of a Ray cluster already"):
            Cluster()
    assert kept() == before
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ray://127.0.0.1:10001",), "a door for programs outside of a cluster"),
        (("127.0.0.1:1",), "cannot join the Ray cluster at 127.0.0.1:1 .*ray start --head"),
    ],
)
def test_clusters_that_cannot_be_joined_are_refused(ray, arguments, message):
    with pytest.raises(InputError, match=message):
        Cluster(*arguments)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"at_once": 0}, "calls at a time must be a whole number of at least 1"),
        ({"threads": 0}, "threads must be a whole number of at least 1"),
        ({"gpus": -1}, "a share of one, or a whole number, got -1"),
        ({"gpus": 1.5}, "a share of one, or a whole number, got 1.5"),
        ({"shared": "memory://results"}, "the memory of one process"),
    ],
)
def test_what_no_cluster_could_do_is_refused(ray, settings, message):
    with pytest.raises(InputError, match=message):
        Cluster(**settings)


def test_a_cluster_without_room_is_refused(nodes):
    with pytest.raises(InputError, match=r"no node of the cluster has 8 processor core\(s\) and 1 GPU\(s\)"):
        Cluster(nodes.address, threads=8, gpus=1)


def test_a_node_that_does_not_see_the_store_is_named(nodes, source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Cluster(nodes.address) as cluster:
        with pytest.raises(
            InputError, match="the node .*127.0.0.1.* does not see what is written .*--shared"
        ):
            cluster.check(Path("/proc/self/cwd/store"))
        ended = execute(planned_in(Path("/proc/self/cwd/store"), source, seeds=1), engine=cluster)
        assert {one.status for one in ended.values()} == {"failed"}
        assert "does not see" in next(iter(ended.values())).message
    assert list(tmp_path.rglob(".passband-*")) == []
    with (
        Cluster(nodes.address, shared="/proc/self/cwd/shared") as cluster,
        pytest.raises(InputError, match="does not see what is written to /proc/self/cwd/shared here"),
    ):
        cluster.check(tmp_path)


def test_a_node_with_other_code_is_named(nodes, tmp_path):
    shutil.copytree(Path(passband.__file__).parent, tmp_path / "passband")
    with (tmp_path / "passband/rows.py").open("a") as file:
        file.write("\n")
    other = nodes.add_node(**NODE, num_gpus=2, env_vars={"PYTHONPATH": str(tmp_path)})
    try:
        with Cluster(nodes.address, gpus=2) as cluster:
            for refused in (partial(cluster.call, os.getpid), partial(cluster.check, tmp_path / "store")):
                with pytest.raises(
                    InputError, match="the node .* has code of passband .* instead of .*Install the same"
                ):
                    refused()
    finally:
        nodes.remove_node(other)


def test_data_come_with_a_run(nodes, source, tmp_path):
    path = tmp_path / "sides.npz"
    shutil.copy(source.removeprefix("npz:"), path)
    first, second = planned_in(tmp_path / "store", f"npz:{path}")[:2]
    with Cluster(nodes.address) as cluster:
        assert execute([first], engine=cluster)[first.id].status == "done"
        path.unlink()
        assert execute([second], engine=cluster)[second.id].status == "done"


class Listener:
    """Hears what is told, and does something, once, when all runs have ended an epoch."""

    def __init__(self, runs: int, act=lambda: None) -> None:
        self.epochs: dict[str, list[int]] = {}
        self.notes: list[str] = []
        self.runs, self.act = runs, act

    def __call__(self, planned, event) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)
        if isinstance(event, EpochDone):
            self.epochs.setdefault(planned.id, []).append(event.epoch)
            if len(self.epochs) == self.runs:
                act, self.act = self.act, lambda: None
                act()


@pytest.mark.parametrize("shared", [None, "dir::file://{}"])
def test_a_lost_node_costs_only_time(nodes, source, gated, gate, here, tmp_path, shared):
    store, place = tmp_path / "store", tmp_path / "shared"

    def kill_and_open():
        kill_second(nodes)
        gate.touch()

    listener = Listener(2, kill_and_open)
    with Cluster(nodes.address, shared=shared and shared.format(place)) as cluster:
        ended = execute(planned_in(store, source, gated), engine=cluster, on_event=listener)
    assert {one.status for one in ended.values()} == {"done"}
    assert contents(store) == here
    assert [note for note in listener.notes if "its node was lost" in note], listener.notes
    for epochs in listener.epochs.values():
        assert epochs.count(1) == 1  # whichever was lost went on from there
        assert sorted({*epochs}) == list(range(1, EPOCHS + 1))
    if shared:
        assert [path for path in place.rglob("*") if path.is_file()] == []


DRIVER = """
import sys
from pathlib import Path
import test_cluster
from passband import user_modules
from passband.engine.cluster import Cluster
from passband.engine.execute import execute

if __name__ == "__main__":
    address, shared, store, source, code = sys.argv[1:]
    def say(planned, event):
        print(event, flush=True)
    with Cluster(address, shared=shared) as cluster:
        execute(test_cluster.planned_in(Path(store), source, Path(code)), engine=cluster, on_event=say)
"""


def test_a_killed_driver_costs_only_time(nodes, source, gated, gate, here, tmp_path):
    store, place = tmp_path / "store", tmp_path / "shared"
    (tmp_path / "driver.py").write_text(DRIVER)
    with subprocess.Popen(
        [sys.executable, "driver.py", nodes.address, str(place), str(store), source, str(gated)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
        stdout=subprocess.PIPE,
        text=True,
    ) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            if "epoch=2" in line:
                driver.kill()
                break
    assert not (store / "runs").exists()
    gate.touch()
    listener = Listener(2)
    with Cluster(nodes.address, shared=str(place)) as cluster:
        ended = execute(planned_in(store, source, gated), engine=cluster, on_event=listener)
    assert {one.status for one in ended.values()} == {"done"}
    assert contents(store) == here
    # The other run may not have come to the end of its first epoch.
    assert max(epochs[0] for epochs in listener.epochs.values()) > 1
    assert [path for path in place.rglob("*") if path.is_file()] == []
