"""Measurements of finished runs, from a trained network to the folder that the next study finds."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest
import torch

from engines import Here
from passband.engine.events import Note
from passband.engine.execute import execute
from passband.engine.measure import finished_run, measure, measurement_id
from passband.engine.plan import PlannedMeasurement, plan_measurement, plan_runs
from passband.errors import InputError
from passband.files import seal, write_json
from passband.frequency.component import FULL
from passband.instruments.flips import Flips
from passband.instruments.instrument import EXAMPLES, SAMPLES, Cost, Instrument, Rows, Subject
from passband.instruments.on_training import OnTraining
from passband.models.catalog import build_model
from passband.models.fingerprint import weights_hash
from passband.models.load import load_model
from passband.results.store import find_measurement
from passband.rows import ComponentRow, to_table
from passband.train.config import RunConfig

CONFIG = RunConfig("fashion-mnist", limit=40, width=4, epochs=1, batch_size=20, seed=3)


@dataclass(frozen=True)
class Right(Instrument[Rows]):
    """Accuracy on some test images; it fails if there are not enough."""

    samples: int | None

    name: ClassVar[str] = "right"
    summary: ClassVar[str] = "accuracy on some images"

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        return Cost(answers=self.samples or samples)

    def measure(self, subject: Subject) -> Rows:
        test = subject.dataset.take(subject.draw(self.samples))
        if len(test) < (self.samples or 0):
            raise InputError(f"{self.samples} images are needed, got {len(test)}")
        with torch.no_grad():
            right = (subject.model(test.images / 255).argmax(1) == test.labels).double().mean().item()
        row = ComponentRow(
            run=subject.run,
            seed=subject.run_seed,
            subset="test",
            component=FULL,
            metric="accuracy",
            value=right,
            count=len(test),
        )
        return Rows((row,))


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """Return a store with one finished run on 50 test images."""
    folder = tmp_path_factory.mktemp("store")
    execute(plan_runs([(CONFIG, None)], folder, test_limit=50), engine=Here(), device="cpu")
    return folder


def planned_in(store: Path, samples: int | None = 30) -> PlannedMeasurement:
    (run,) = plan_runs([(CONFIG, None)], store, test_limit=50)
    return plan_measurement(Right(samples), run, store)


def test_a_measurement_of_a_network_that_counts_its_batches_is_found_again(tmp_path):
    config = replace(CONFIG, batch_norm=True)
    execute(plan_runs([(config, None)], tmp_path, test_limit=50), engine=Here(), device="cpu")
    (run,) = plan_runs([(config, None)], tmp_path, test_limit=50)
    planned = plan_measurement(Right(30), run, tmp_path)
    execute([planned], engine=Here(), device="cpu")
    assert planned.done


def test_training_images_are_measured_where_an_instrument_asks_for_them(store):
    (run,) = plan_runs([(CONFIG, None)], store, test_limit=50)
    flips = Flips((4.0,))
    planned = [plan_measurement(each, run, store) for each in (flips, OnTraining(flips))]
    ended = execute(planned, engine=Here(), device="cpu")
    assert {one.status for one in ended.values()} == {"found", "done"}
    assert planned[0].id != planned[1].id
    assert planned[1].passes < planned[0].passes  # 40 images are fewer than 50
    tables = [pl.read_parquet(each.folder / "rows.parquet") for each in planned]
    assert [set(table["subset"]) for table in tables] == [{"test"}, {"train"}]
    assert [set(table["count"]) for table in tables] == [{50}, {40}]
    subject = finished_run(run.folder, subset="train", test_limit=50, device="cpu")
    assert subject.dataset.fingerprint == run.fingerprints["train"]
    again = to_table(subject.read(flips).rows()).select("metric", "radius", "value", "images")
    assert again.equals(tables[1].select(again.columns))
    assert {path.name for path in planned[0].folder.iterdir()} >= {SAMPLES, EXAMPLES}
    (planned[0].folder / EXAMPLES).write_bytes(b"")  # as a full disk may leave it
    assert not planned[0].done
    execute(planned, engine=Here(), device="cpu")
    assert planned[0].done


def test_a_measurement_has_its_folder_and_is_found_again(store):
    planned = planned_in(store)
    assert not planned.done
    ended = execute([planned], engine=Here(), device="cpu")
    assert {name: one.status for name, one in ended.items()} == {
        planned.run.id: "found",
        planned.id: "done",
    }
    assert sorted(path.name for path in planned.folder.iterdir()) == [
        "SHA256SUMS", "config.json", "environment.json", "rows.parquet",
    ]  # fmt: skip
    assert planned.folder == store / "measurements" / planned.id
    record = find_measurement(planned.folder)
    assert record is not None
    assert (record["measurement"], record["run"]) == (planned.id, planned.run.id)
    assert record["weights_hash"] == weights_hash(load_model(planned.run.folder))
    assert record["settings"] == {"instrument": "right", "samples": 30}
    assert record["data"]["test_fingerprint"] == planned.run.fingerprints["test"]
    environment = json.loads((planned.folder / "environment.json").read_text())
    assert environment["seconds"] > 0
    assert environment["threads"] == 1
    rows = pl.read_parquet(planned.folder / "rows.parquet")
    assert rows.select("run", "seed", "metric", "count").row(0) == (planned.run.id, 3, "accuracy", 30)
    assert planned_in(store).done


def test_the_id_follows_from_settings_and_run():
    name = measurement_id(Right(30), "run")
    assert name == measurement_id(Right(30), "run")
    assert len(name) == 12
    assert len({name, measurement_id(Right(31), "run"), measurement_id(Right(30), "other")}) == 3


def copied(store: Path, to: Path) -> PlannedMeasurement:
    """Return the planned of a measurement that is done, in a store of its own."""
    execute([planned_in(store)], engine=Here(), device="cpu")
    shutil.copytree(store, to)
    planned = planned_in(to)
    assert planned.done
    return planned


def measure_again(planned: PlannedMeasurement) -> tuple[str, list[str]]:
    notes: list[str] = []

    def hear(one, event):
        if isinstance(event, Note):
            notes.append(event.text)

    ended = execute([planned], engine=Here(), device="cpu", on_event=hear)
    assert ended[planned.id].status == "found" or planned.done
    return ended[planned.id].status, notes


def test_a_measurement_of_other_weights_is_made_anew(store, tmp_path, monkeypatch):
    planned = copied(store, tmp_path / "s")
    shutil.rmtree(planned.run.folder)
    assert not planned.done
    monkeypatch.setattr("passband.engine.worker.build_model", changed_start)
    assert execute([planned.run], engine=Here(), device="cpu")[planned.run.id].status == "done"
    assert not planned.done
    before = find_measurement(planned.folder)["weights_hash"]
    status, notes = measure_again(planned)
    assert (status, notes) == (
        "done",
        [f"{planned.folder} is of other weights. The measurement {planned.id} is made anew."],
    )
    now = find_measurement(planned.folder)["weights_hash"]
    assert before != now == weights_hash(load_model(planned.run.folder))


def changed_start(*arguments, seed: int, **settings):
    """Build networks as a version of passband would that draws other first weights."""
    return build_model(*arguments, seed=seed + 11, **settings)


def test_a_run_that_is_trained_again_to_the_same_weights_keeps_its_measurements(store, tmp_path):
    planned = copied(store, tmp_path / "s")
    written = (planned.folder / "config.json").stat().st_mtime_ns
    shutil.rmtree(planned.run.folder)
    assert execute([planned], engine=Here(), device="cpu")[planned.id].status == "done"
    assert (planned.folder / "config.json").stat().st_mtime_ns == written


@pytest.mark.parametrize("name", ["config.json", "rows.parquet", "environment.json", "SHA256SUMS"])
def test_a_damaged_measurement_is_named_and_made_anew(store, tmp_path, name):
    planned = copied(store, tmp_path / "s")
    content = (planned.folder / name).read_bytes()
    (planned.folder / name).write_bytes(content[:-3])
    status, (note,) = measure_again(planned)
    assert status == "done"
    assert str(planned.folder / name) in note
    assert note.endswith(f"The measurement {planned.id} is made anew.")
    assert measure_again(planned) == ("found", [])


def test_a_measurement_of_another_run_is_not_believed(store, tmp_path):
    planned = copied(store, tmp_path / "s")
    other = planned_in(tmp_path / "s", 20)
    shutil.copytree(planned.folder, other.folder)
    assert measure_again(other) == (
        "done",
        [f"{other.folder} is another measurement. The measurement {other.id} is made anew."],
    )


def test_a_run_that_vanishes_is_told(store, tmp_path):
    planned = copied(store, tmp_path / "s")
    shutil.rmtree(planned.run.folder)
    with pytest.raises(InputError, match="was removed while the study ran: start it again"):
        planned.do(device="cpu", threads=1)


def test_it_measures_the_finished_network_on_images_that_the_seed_draws(store):
    planned = planned_in(store, None)
    execute([planned], engine=Here(), device="cpu")
    measured = pl.read_parquet(planned.folder / "rows.parquet")["value"].item()
    rows = pl.read_parquet(planned.run.folder / "rows.parquet")
    assert measured == rows.filter(pl.col("epoch").is_null(), subset="test", metric="accuracy", component="full").filter(
        pl.col("class").is_null()
    )["value"].item()  # fmt: skip
    finished = finished_run(planned.run.folder, test_limit=50, device="cpu")
    assert (finished.run, finished.run_seed) == (planned.run.id, 3)
    assert sorted(finished.draw(None).tolist()) == list(range(50))
    assert finished.draw(30).tolist() == finished.draw(None)[:30].tolist() != list(range(30))
    assert replace(finished, seed=4).draw(30).tolist() != finished.draw(30).tolist()


def test_what_a_measurement_refuses_is_told_and_leaves_nothing(store):
    planned = planned_in(store, 60)
    ended = execute([planned], engine=Here(), device="cpu")[planned.id]
    assert (ended.status, ended.message) == ("failed", "60 images are needed, got 50")
    assert not planned.folder.exists()


def test_other_images_than_those_that_were_planned_are_refused(store, tmp_path):
    planned = planned_in(store)
    with pytest.raises(InputError, match="the test images of fashion-mnist changed while the study ran"):
        measure(planned.measurement, planned.run.folder, tmp_path / "m", fingerprint="another", device="cpu")
    assert not (tmp_path / "m").exists()


def test_a_failed_run_is_refused(tmp_path, store):
    record = json.loads((planned_in(store).run.folder / "config.json").read_text())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "rows.parquet").touch()
    write_json(tmp_path / "run" / "config.json", record | {"status": "failed", "message": "the loss is inf"})
    seal(tmp_path / "run")
    with pytest.raises(InputError, match="its run failed: the loss is inf"):
        measure(Right(5), tmp_path / "run", tmp_path / "m", fingerprint="x", device="cpu")


def test_a_measurement_counts_less_than_training_on_as_many_images(store):
    planned = planned_in(store, None)
    assert planned.passes == pytest.approx(50 / 3)
    assert planned.run.passes == 40


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_measurement_is_not_replaced_by_one(store, tmp_path, kind):
    planned, place = planned_in(store), tmp_path / "m"
    if kind == "folder":
        place.mkdir()
    mine = place / "notes.txt" if kind == "folder" else place
    mine.write_text("mine")
    fingerprint = planned.run.fingerprints["test"]
    with pytest.raises(InputError, match="holds something else than a measurement"):
        measure(Right(5), planned.run.folder, place, fingerprint=fingerprint, test_limit=50, device="cpu")
    assert mine.read_text() == "mine"
