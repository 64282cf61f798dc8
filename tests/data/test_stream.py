"""Images that are decoded when they are looked at are those that would be in memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from passband.cli.options import DataOptions
from passband.data import parquet as parquet_module
from passband.data.batches import Sequel, batches
from passband.data.dataset import ImageDataset
from passband.data.images import MEMORY_LIMIT
from passband.data.labels import shuffle_labels
from passband.data.load import load_dataset
from passband.data.stream import FEW, StreamedImages
from passband.errors import InputError

CPU = torch.device("cpu")
COUNT = FEW + 30  # so many that worker processes start


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Pictures of several sizes and kinds, one of them gray, in three classes."""
    place = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    for i in range(COUNT):
        pixels = draw.integers(0, 256, (20 + i % 7, 24 + i % 5, 3), np.uint8)
        (place / "abc"[i % 3]).mkdir(exist_ok=True)
        image = Image.fromarray(pixels).convert("L" if i == 40 else "RGB")
        image.save(place / "abc"[i % 3] / f"{i}.{'png' if i % 10 == 0 else 'jpg'}")
    return place


@pytest.fixture(scope="module")
def parquet(folder, tmp_path_factory) -> Path:
    """The same in a Parquet file of small row groups."""
    path = tmp_path_factory.mktemp("parquet") / "test.parquet"
    files = sorted(folder.rglob("*.*"))
    images = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    labels = ["abc".index(file.parent.name) for file in files]
    pl.DataFrame({"image": images, "label": labels}).write_parquet(path, row_group_size=16)
    return path


def load(source: str, *, streamed: bool, workers: int = 0, **wanted) -> ImageDataset:
    limit = {"memory_limit": 1000} if streamed else {}
    dataset = load_dataset(source, **{"size": 16, "num_workers": workers, **limit, **wanted})
    assert isinstance(dataset.images, StreamedImages) == streamed
    return dataset


@pytest.fixture(scope="module")
def both(folder) -> tuple[ImageDataset, ImageDataset]:
    return load(f"folder:{folder}", streamed=False), load(f"folder:{folder}", streamed=True)


@dataclass
class Counting:
    """Decodes as `decode` does, and counts."""

    decode: object
    names: list[str] = field(default_factory=list)

    def __call__(self, stored, name):
        self.names.append(name)
        return self.decode(stored, name)


def counted(dataset: ImageDataset) -> tuple[ImageDataset, list[str]]:
    decode = Counting(dataset.images.decode)
    return replace(dataset, images=replace(dataset.images, decode=decode, _digest=None)), decode.names


def pixels(dataset: ImageDataset, order: torch.Tensor | None = None, batch_size: int = 7) -> torch.Tensor:
    return torch.cat([b.images for b in batches(dataset, batch_size=batch_size, device=CPU, order=order)])


positions = st.integers(-COUNT, COUNT - 1)


@given(key=st.one_of(positions, st.slices(COUNT), st.lists(positions, max_size=5)))
def test_it_is_indexed_as_a_tensor(both, key):
    if isinstance(key, slice) and (key.step or 1) < 0:
        return  # a tensor does not know them
    key = torch.tensor(key, dtype=torch.int64) if isinstance(key, list) else key
    held, streamed = (dataset.images for dataset in both)
    assert torch.equal(streamed[key], held[key])
    assert streamed[key].is_contiguous()  # or another kernel of a network is used, with other rounding


def test_a_position_that_is_not_there(both):
    with pytest.raises(IndexError):
        both[1].images[COUNT]


def test_shape_size_and_channels(both):
    held, streamed = both
    assert streamed.images.shape == held.images.shape
    assert (len(streamed), streamed.size, streamed.channels) == (COUNT, (16, 16), 3)


@given(order=st.lists(st.integers(0, COUNT - 1)), batch_size=st.integers(1, 12))
def test_batches_in_any_order(both, order, batch_size):
    order = torch.tensor(order, dtype=torch.int64)
    found = [list(batches(d, batch_size=batch_size, device=CPU, order=order)) for d in both]
    for held, streamed in zip(*found, strict=True):
        assert all(map(torch.equal, held, streamed))


@pytest.mark.parametrize("order", [None, torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))])
@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_worker_processes_decode_the_same(folder, parquet, kind, order):
    source = f"{kind}:{folder if kind == 'folder' else parquet}"
    held, streamed = load(source, streamed=False), load(source, streamed=True, workers=3)
    before = torch.get_rng_state()
    assert torch.equal(pixels(streamed, order), pixels(held, order))
    assert torch.equal(torch.get_rng_state(), before)  # nothing was drawn
    assert held.fingerprint == streamed.fingerprint
    assert not multiprocessing.active_children()


def test_channels_and_size_are_those_of_the_whole_set(folder):
    gray = load(f"folder:{folder}", streamed=True, channels=1)
    assert torch.equal(gray.images[:], load(f"folder:{folder}", streamed=False, channels=1).images)
    squashed = load(f"folder:{folder}", streamed=True, size=(12, 18))
    assert torch.equal(squashed.images[:], load(f"folder:{folder}", streamed=False, size=(12, 18)).images)
    with pytest.raises(InputError, match="must have one size"):
        load_dataset(f"folder:{folder}", memory_limit=1000)


def test_images_of_some_positions_are_handed_out_in_any_portions(both):
    order = torch.arange(50).flip(0)
    for portions in ([3, 0, 20, 27], [50], [0]):
        one, two = (Sequel(dataset, order, 4) for dataset in both)
        for portion in portions:
            assert torch.equal(one.next(portion), two.next(portion))


def test_the_fingerprint_comes_with_the_first_complete_pass(both):
    held, streamed = both
    dataset, decoded = counted(streamed)
    pixels(dataset)
    assert len(decoded) == COUNT
    assert dataset.fingerprint == held.fingerprint
    assert len(decoded) == COUNT


@pytest.mark.parametrize("seen", [0, COUNT - 1, "backwards"])
def test_the_fingerprint_has_a_pass_of_its_own_after_any_other(both, seen):
    held, streamed = both
    dataset, decoded = counted(streamed)
    pixels(dataset, torch.arange(COUNT).flip(0) if seen == "backwards" else torch.arange(seen))
    before = len(decoded)
    assert dataset.fingerprint == held.fingerprint
    assert len(decoded) == before + COUNT


def test_the_fingerprint_of_a_pass_that_was_left(both):
    dataset, _ = counted(both[1])
    for _ in batches(dataset, batch_size=10, device=CPU):
        break
    assert dataset.fingerprint == both[0].fingerprint


def test_other_labels_and_a_part(both):
    held, streamed = both
    shuffled = [shuffle_labels(d, torch.Generator().manual_seed(0)).fingerprint for d in both]
    assert shuffled[0] == shuffled[1] != held.fingerprint
    for part in (slice(5, 20), torch.tensor([3, 1, 1])):
        one, two = held.take(part), streamed.take(part)
        assert torch.equal(one.images, two.images[:])
        assert torch.equal(one.labels, two.labels)
        assert one.fingerprint == two.fingerprint
    again = streamed.take(slice(5, 20)).take(torch.tensor([2, 0]))
    assert torch.equal(again.images[:], held.images[[7, 5]])


def test_only_what_a_limit_leaves_is_looked_at(folder):
    dataset, decoded = counted(load(f"folder:{folder}", streamed=True, limit=9))
    assert dataset.fingerprint == load(f"folder:{folder}", streamed=False, limit=9).fingerprint
    assert len(decoded) == 9


def test_a_relative_path_means_the_same_wherever_one_goes(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)  # after multiprocessing has noted where workers start
    dataset = load("folder:.", streamed=True, workers=2)
    monkeypatch.chdir(tmp_path)
    assert torch.equal(pixels(dataset), pixels(load(f"folder:{folder}", streamed=False)))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_picture_that_is_cut_off_is_named(folder, tmp_path, workers):
    copied = tmp_path / "copied"
    for file in folder.rglob("*.*"):
        (copied / file.parent.name).mkdir(parents=True, exist_ok=True)
        content = file.read_bytes()
        (copied / file.parent.name / file.name).write_bytes(
            content[: len(content) * 2 // 3] if file.name == "52.jpg" else content
        )
    dataset = load(f"folder:{copied}", streamed=True, workers=workers)
    with pytest.raises(InputError, match=r"cannot decode .*52\.jpg.* Mend, replace or remove it"):
        pixels(dataset)
    assert not multiprocessing.active_children()
    (copied / "b" / "52.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"cannot decode .*52\.jpg"):  # before anything is looked at
        load(f"folder:{copied}", streamed=True)


def test_a_picture_that_is_exchanged_meanwhile(tmp_path):
    for i in range(3):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.new("RGB", (30, 30)).save(tmp_path / "a" / f"{i}.png")
    dataset = load(f"folder:{tmp_path}", streamed=True, size=None)
    Image.new("RGB", (40, 30)).save(tmp_path / "a" / "1.png")
    with pytest.raises(InputError, match=r"1\.png has changed since the data set was loaded"):
        pixels(dataset)


def test_a_worker_that_is_killed(folder):
    dataset = load(f"folder:{folder}", streamed=True, workers=2)
    order = torch.arange(COUNT).repeat(200)
    found = batches(dataset, batch_size=4, device=CPU, order=order)
    next(found)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    with pytest.raises(InputError, match="a process that decodes images ended unexpectedly.*--num-workers 1"):
        for _ in found:
            pass


SCRIPT = """
import multiprocessing, sys, time, torch
from passband.data.batches import batches
from passband.data.load import load_dataset
print("begun", flush=True)  # a script without a guard, which a worker must not run again
dataset = load_dataset(sys.argv[1], size=16, memory_limit=1000, num_workers=2)
for batch in batches(dataset, batch_size=4, device=torch.device("cpu"), order=torch.arange(len(dataset)).repeat(9999)):
    if batch.indices[0] == 0:
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
"""


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="what runs is read from /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nobody_is_left_when_the_command_ends(folder, tmp_path, how):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, script, f"folder:{folder}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "begun\n"
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert len(workers) == 2
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # as a terminal does
    else:
        process.kill()
    out, err = process.communicate(timeout=120)
    assert "begun" not in out
    if how == signal.SIGINT:
        assert err.count("Traceback") == err.count("KeyboardInterrupt") == 1  # the script's own
    until = time.monotonic() + 60
    while left := [pid for pid in workers if _runs(pid)]:
        assert time.monotonic() < until, f"{left} still run"
        time.sleep(0.1)


def test_rows_are_read_a_window_at_a_time_whatever_the_order(parquet, monkeypatch):
    monkeypatch.setattr(parquet_module, "WINDOW_BYTES", 10 * parquet.stat().st_size // COUNT + 1)  # ten rows
    images = load(f"parquet:{parquet}", streamed=True).images
    windows = -(-COUNT // 10)
    for order in (torch.arange(COUNT), torch.randperm(COUNT)):
        images.stored._window.cache_clear()
        for _ in images.read(order):
            pass
        assert images.stored._window.cache_info().misses == windows


def test_a_row_without_an_image_is_named(tmp_path):
    kinds = {"image": pl.Struct({"bytes": pl.Binary, "path": pl.String}), "label": pl.Int64}
    rows = {"image": [{"bytes": None, "path": "a.png"}], "label": [0]}
    pl.DataFrame(rows, schema=kinds).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="row 0 of .* has no image bytes"):
        load_dataset(f"parquet:{tmp_path / 'a.parquet'}", memory_limit=1)


def test_arrays_are_enlarged_when_they_are_looked_at(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (80, 6, 6, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.zeros(80, np.int64))
    source = f"npz:{tmp_path / 'a.npz'}"
    streamed = load(source, streamed=True, workers=2, size=32, memory_limit=80 * 108)
    assert streamed.images.num_workers == 0  # each worker would have a copy of all arrays
    assert torch.equal(streamed.images[:], load(source, streamed=False, size=32).images)


def test_the_command_line_has_the_same_limit():
    assert DataOptions().memory_limit * 2**30 == MEMORY_LIMIT


def test_less_than_no_worker():
    with pytest.raises(InputError, match="num_workers must be at least 0, got -1"):
        load_dataset("fashion-mnist", num_workers=-1)
