"""Results on their way through a place that a node and the store both reach; here both are this process."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

import killed_runs
from helpers import sides_source
from passband.engine import shared as shared_module
from passband.engine.engine import Crashed
from passband.engine.events import EpochDone, Note, keep_quiet
from passband.engine.plan import PlannedMeasurement, PlannedRun, plan_measurement, plan_runs
from passband.engine.shared import Shared, absolute_place, bring, do_apart, moved, open_place, prepare
from passband.errors import InputError
from passband.files import seal
from passband.frequency.component import Low
from passband.instruments.components import ComponentAccuracy
from passband.results.lock import locked
from passband.train.checkpoint import checkpoint_folder
from passband.train.config import RunConfig

# DirFileSystem cannot rename, and knows no folders above its own.
PLACES = ["{}/place", "file://{}/place", "dir::file://{}/place"]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """60 training and 30 test images of 16x16 pixels in 3 classes."""
    return sides_source(tmp_path_factory.mktemp("data"), train=60, test=30)


@pytest.fixture(scope="module")
def made(source, tmp_path_factory) -> PlannedRun:
    """A run of three epochs in a store."""
    run = planned_in(tmp_path_factory.mktemp("made"), source)
    run.do(device="cpu", threads=1)
    return run


@pytest.fixture
def run(source, tmp_path) -> PlannedRun:
    """The same run, not made yet, in another store."""
    return planned_in(tmp_path / "store", source)


@pytest.fixture
def shared(tmp_path, run) -> Shared:
    return Shared(str(tmp_path / "place")).of(tmp_path / "store")


def planned_in(store: Path, source: str) -> PlannedRun:
    config = RunConfig(source, width=4, batch_size=16, epochs=3, learning_rate=1e-3)
    return plan_runs([(config, None)], store)[0]


def measured(run: PlannedRun) -> PlannedMeasurement:
    return plan_measurement(ComponentAccuracy((Low(3),)), run, run.folder.parents[1])


def do(planned, shared, tell=keep_quiet) -> None:
    do_apart(planned, shared, device="cpu", threads=1, tell=tell)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def object_of(shared: Shared) -> Path:
    (found,) = (path for path in Path(shared.url).rglob("*") if path.is_file())
    return found


@pytest.mark.parametrize("place", PLACES)
def test_what_is_put_there_comes_back_as_it_was(made, run, tmp_path, place):
    shared = Shared(place.format(tmp_path)).of(tmp_path / "store")
    assert not shared.holds(run)
    assert not shared.fetch(run)
    shared.put(made)
    assert shared.holds(run)
    bring(run, shared)
    assert run.done
    assert files(run.folder) == files(made.folder)
    assert shared.holds(run)  # for who measures it
    shared.tidy(tmp_path / "store")
    assert not shared.holds(run)
    assert [path for path in (tmp_path / "place").rglob("*") if path.is_file()] == []


def test_stores_do_not_disturb_one_another(made, run, shared, tmp_path):
    other = Shared(shared.url).of(tmp_path / "other")
    other.put(made)
    assert not shared.holds(run)
    (tmp_path / "store/runs" / run.id).mkdir(parents=True)
    shared.tidy(tmp_path / "store")
    assert other.holds(run)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99, 0.9999])
def test_an_archive_that_was_cut_is_none(made, run, shared, share):
    shared.put(made)
    archive = object_of(shared)
    archive.write_bytes(archive.read_bytes()[: int(share * archive.stat().st_size)])
    assert not shared.fetch(run)
    assert not run.folder.exists()
    with pytest.raises(Crashed, match="was removed from .*place, or cut on its way there"):
        bring(run, shared)
    assert not archive.exists()  # so that the next attempt does not find it


@pytest.mark.parametrize("without", ["weights.safetensors", "SHA256SUMS"])
def test_an_archive_that_lacks_a_file_is_none(made, run, shared, without):
    shared.put(made)
    archive = object_of(shared)
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in files(made.folder).items():
            if name != without:
                file.writestr(name, content)
    assert not shared.fetch(run)


def test_a_node_does_a_run_in_scratch_space_and_leaves_nothing(made, run, shared):
    told = []
    do(run, shared, told.append)
    assert not run.folder.exists()
    assert [event.epoch for event in told if isinstance(event, EpochDone)] == [1, 2, 3]
    bring(run, shared)
    assert killed_runs.content(run.folder) == killed_runs.content(made.folder)
    shared.tidy(run.folder.parents[1])
    assert files(Path(shared.url)) == {}


@pytest.mark.parametrize("cut", [False, True])
def test_a_run_goes_on_from_its_last_whole_checkpoint(made, run, shared, cut):
    def lost(event):
        if getattr(event, "epoch", 0) == 2:
            raise SystemExit  # as if the node were lost

    with pytest.raises(SystemExit):
        do(run, shared, lost)
    checkpoint = object_of(shared)
    if cut:  # the next one, by a node that was killed as it wrote it
        (checkpoint.parent / "00000009").write_bytes(checkpoint.read_bytes()[:-1])
        (checkpoint.parent / ".nfs0001").touch()
    told = []
    do(run, shared, told.append)
    assert [event.epoch for event in told if isinstance(event, EpochDone)] == [3]
    bring(run, shared)
    assert killed_runs.content(run.folder) == killed_runs.content(made.folder)


def test_a_run_that_began_here_goes_on_there(made, run, shared):
    def lost(event):
        raise SystemExit

    with pytest.raises(SystemExit):
        run.do(device="cpu", threads=1, tell=lost)
    assert checkpoint_folder(run.folder).is_dir()
    prepare(run, shared)
    told = []
    do(run, shared, told.append)
    assert [event.epoch for event in told if isinstance(event, EpochDone)] == [2, 3]
    bring(run, shared)
    assert killed_runs.content(run.folder) == killed_runs.content(made.folder)
    assert not checkpoint_folder(run.folder).exists()


def test_a_result_that_nobody_brought_is_not_made_again(run, shared):
    do(run, shared)
    told = []
    do(run, shared, told.append)
    assert told == []
    bring(run, shared)
    assert run.done


def test_a_run_outlives_a_place_that_takes_no_checkpoints(made, run, shared, monkeypatch):
    def full(self, planned):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Shared, "put_checkpoint", full)
    told = []
    do(run, shared, told.append)
    notes = [event.text for event in told if isinstance(event, Note)]
    assert len(notes) == 3
    assert "could not be put into" in notes[0]
    assert "No space left" in notes[0]
    bring(run, shared)
    assert killed_runs.content(run.folder) == killed_runs.content(made.folder)


def test_a_measurement_has_its_run_brought_to_it(made, shared):
    planned = measured(made)
    with pytest.raises(Crashed, match=f"runs/{made.id}, which it needs, was removed"):
        do(planned, shared)
    prepare(planned, shared)
    do(planned, shared)
    assert not planned.done
    bring(planned, shared)
    assert planned.done
    alone = replace(planned, folder=planned.folder.with_name("alone"))
    alone.do(device="cpu", threads=1)
    assert files(alone.folder)["rows.parquet"] == files(planned.folder)["rows.parquet"]


def test_a_measurement_of_other_weights_is_refused_and_made_anew(made, run, shared):
    """An archive may be left of a run that was trained again since."""
    planned = measured(run)
    do(run, shared)
    bring(run, shared)
    description = run.folder / "config.json"
    description.write_text(description.read_text().replace('"weights_hash": "', '"weights_hash": "0'))
    seal(run.folder)
    do(planned, shared)  # of the archive, which has the old hash
    with pytest.raises(Crashed):
        bring(planned, shared)
    prepare(planned, shared)
    do(planned, shared)
    bring(planned, shared)
    assert planned.done


def test_what_else_lies_there_is_not_replaced(run, shared):
    run.folder.mkdir(parents=True)
    (run.folder / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds something else than a result"):
        prepare(run, shared)


def test_scratch_space_of_killed_processes_is_removed_and_no_other(run, shared, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_module.tempfile, "tempdir", str(tmp_path))
    left, held = tmp_path / "passband-scratch-left", tmp_path / "passband-scratch-held"
    for folder in (left, held):
        (folder / "runs").mkdir(parents=True)
    with locked(held):
        do(run, shared)
    assert not left.exists()
    assert held.exists()
    assert [path.name for path in tmp_path.iterdir() if "scratch" in path.name] == [held.name]


def test_places_have_their_whole_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute_place("results") == str(tmp_path / "results")
    assert absolute_place("~/results") == str(Path("~/results").expanduser())
    assert absolute_place("s3://bucket/results") == "s3://bucket/results"


def test_what_is_moved_takes_along_what_it_needs(made, tmp_path):
    planned = moved(measured(made), lambda folder: tmp_path / folder.name)
    assert planned.folder == tmp_path / planned.id
    assert planned.needs.folder == tmp_path / made.id


def test_what_has_no_folder_of_its_own_does_not_travel(run, shared):
    planned = replace(run, folder=run.folder.with_name("kept"))
    with pytest.raises(InputError, match="kept does not travel through .*leave --shared out"):
        prepare(planned, shared)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://results", "is the memory of one process"),
        ("nowhere://results", "cannot be opened .*Protocol not known: nowhere"),
    ],
)
def test_places_that_cannot_be_shared_are_refused(url, message):
    with pytest.raises(InputError, match=message):
        open_place(url)


def test_a_file_system_that_is_not_installed_says_what_to_install():
    from fsspec.registry import known_implementations

    known_implementations["absent"] = {"class": "absent_fs.FileSystem", "err": "Install absent_fs"}
    try:
        with pytest.raises(InputError, match="cannot be opened .*Install absent_fs"):
            open_place("absent://results")
    finally:
        del known_implementations["absent"]
