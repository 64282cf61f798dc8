"""Studies whose worker, parent or disk fails: what is run again afterwards comes to the tables of an unbroken one, bit for bit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

LINE = ("study", "run", "label-shuffle", "--preset", "laptop", "--seeds", "1", "--limit", "300", "--epochs", "6",
        "--device", "cpu", "--json")  # fmt: skip
PATIENCE = 120.0

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")


def start(store: Path) -> subprocess.Popen[str]:
    """Start the study, in a process group of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "passband", *LINE, "--store", str(store)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Return what it says on standard error; it must have ended well."""
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    return said


def tables(store: Path) -> dict[str, bytes]:
    """Return the content of all tables, and of the weights, by place."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for pattern in ("runs/*/*.parquet", "runs/*/*.safetensors", "studies/*/*.parquet", "studies/*/*.csv", "studies/*/claims.json")
        for path in sorted(store.glob(pattern))
    }  # fmt: skip


def workers_of(parent: int) -> list[int]:
    """Return the processes that it has started to train; not those that only watch over its resources."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:  # it has ended meanwhile
            continue
        if int(status[1]) == parent and b"spawn_main" in line and status[0] != "Z":
            found.append(int(folder.name))
    return found


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def checkpoints(store: Path) -> list[Path]:
    return list((store / "runs").glob("*.checkpoint/state.pt"))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> dict[str, bytes]:
    store = tmp_path_factory.mktemp("unbroken")
    finish(start(store))
    found = tables(store)
    assert len([name for name in found if name.endswith(".safetensors")]) == 2
    return found


def test_a_killed_worker_is_replaced(unbroken, tmp_path):
    process = start(tmp_path)
    wait_for(lambda: checkpoints(tmp_path))
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    said = finish(process)
    assert "is tried once more, since its process ended without an answer" in said
    assert tables(tmp_path) == unbroken


def test_a_killed_parent_takes_its_workers_along_and_the_same_command_goes_on(unbroken, tmp_path):
    process = start(tmp_path)
    wait_for(lambda: checkpoints(tmp_path))
    workers = workers_of(process.pid)
    assert workers
    process.kill()
    process.communicate()
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    assert not (tmp_path / "studies").exists()
    finish(start(tmp_path))
    assert tables(tmp_path) == unbroken
    leftovers = [
        path.name for path in tmp_path.rglob("*") if path.name.endswith((".lock", ".checkpoint", ".new"))
    ]
    assert leftovers == []


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Yield a file system that has no room for a checkpoint."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=256k", "none", str(disk)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("a small file system cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_named_and_nothing_is_left_half_written(unbroken, small_disk):
    process = start(small_disk)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2, said
    assert "No space left on device" in said
    assert "2 of 2 runs and measurements could not be made" in said
    assert "Traceback" not in said
    assert not list(small_disk.glob("runs/*/config.json"))
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    finish(start(small_disk))
    assert tables(small_disk) == unbroken
