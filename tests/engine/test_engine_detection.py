import json
import shutil
from dataclasses import replace

import polars as pl
import pytest
from PIL import Image
from polars.testing import assert_frame_equal

from blobs import write_scenes
from engines import Here
from passband.audit.detector import DetectorAudit
from passband.detection.training_config import DetectorConfig, PublishedDetector
from passband.engine.detection import (
    DetectionMeasurement,
    detection_seconds,
    plan_detection,
    plan_detectors,
)
from passband.engine.execute import execute
from passband.errors import InputError
from passband.results.tables import read_runs
from passband.rows import MAP

SMALL = DetectorConfig("phantom:shape=1,texture=0", limit=4, epochs=1, width=8)
MEASURED = DetectionMeasurement("phantom:shape=1,texture=0", (25.6,), limit=3, resamples=10)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    (run,) = plan_detectors([replace(SMALL, seed=3)], store)
    one = plan_detection(MEASURED, run, store, {})
    ended = execute([run, one], engine=Here(), device="cpu")
    assert {each.status for each in ended.values()} == {"done"}
    return one


def test_a_detector_is_trained_and_audited_and_its_rows_are_those_of_its_run(planned):
    rows = read_runs([("shape", planned.run.folder)], [("shape", planned.folder)])
    assert set(rows["run"]) == {planned.run.id}
    assert set(rows["seed"]) == {3}
    assert set(rows["label"]) == {"shape"}
    assert "fit-loss" in set(rows["metric"])
    assert rows.filter(pl.col("metric") == MAP, pl.col("class").is_null())["shown"].to_list() == [
        "full", "lfc:25.6", "hfc:25.6", "control:25.6",
    ]  # fmt: skip


def test_the_folder_of_the_measurement_is_that_of_an_audit(planned):
    found = DetectorAudit.load(planned.folder)
    assert found.card.data.images == 3
    assert found.card.model.source == str(planned.run.folder)
    description = json.loads((planned.folder / "config.json").read_text())
    assert description["settings"] == json.loads(json.dumps(MEASURED.to_dict()))
    assert not list(planned.folder.parent.glob(".*unfinished*"))


def test_what_the_store_holds_is_not_measured_again(planned):
    before = (planned.folder / "rows.parquet").stat().st_mtime_ns
    assert planned.done
    assert planned.run.done
    planned.do(device="cpu", threads=1)
    assert (planned.folder / "rows.parquet").stat().st_mtime_ns == before


def test_equal_detectors_are_planned_once_and_everything_that_decides_is_in_the_name(planned, tmp_path):
    one, same, other = plan_detectors([SMALL, replace(SMALL), replace(SMALL, seed=1)], tmp_path)
    assert one is same
    assert one.id != other.id
    audits = [
        plan_detection(measurement, one, tmp_path, {}).id
        for measurement in (
            MEASURED,
            replace(MEASURED, radii=(12.0,)),
            replace(MEASURED, limit=2),
            replace(MEASURED, amplitude="clip"),
        )
    ]
    assert len(set(audits)) == 4


def test_a_published_detector_is_found_and_not_trained(planned, tmp_path, monkeypatch):
    (run,) = plan_detectors([PublishedDetector(str(planned.run.folder))], tmp_path)
    assert not run.done
    assert run.passes == 0
    one = plan_detection(MEASURED, run, tmp_path, {})
    ended = execute([run, one], engine=Here(), device="cpu")
    assert {each.status for each in ended.values()} == {"done"}
    there = pl.read_parquet(planned.folder / "rows.parquet").drop("run", "seed")
    assert_frame_equal(pl.read_parquet(one.folder / "rows.parquet").drop("run", "seed"), there)


def test_images_that_change_are_measured_anew(planned, tmp_path):
    """The annotations stay as they are: it is the pixels that tell."""
    images, _ = write_scenes(tmp_path)
    (root := tmp_path / "coco").joinpath("annotations").mkdir(parents=True)
    images.rename(root / "val2017")
    (tmp_path / "annotations.json").rename(root / "annotations" / "instances_val2017.json")
    asked = replace(MEASURED, data=f"coco:{root}", radii=(8.0,))
    store = planned.run.folder.parent.parent
    before = plan_detection(asked, planned.run, store, {})
    assert plan_detection(asked, planned.run, store, {}).id == before.id
    first = root / "val2017" / "scene-0.png"
    with Image.open(first) as picture:
        changed = picture.point(lambda level: 255 - level)
    changed.save(first)
    assert plan_detection(asked, planned.run, store, {}).id != before.id
    with pytest.raises(InputError, match="changed while the study ran: start it again"):
        before.do(device="cpu", threads=1)
    assert not before.folder.exists()


def test_weights_that_are_others_than_the_store_says_are_refused(planned, tmp_path):
    (other,) = plan_detectors([replace(SMALL, seed=4)], tmp_path)
    execute([other], engine=Here(), device="cpu")
    (run,) = plan_detectors([PublishedDetector(str(tmp_path / "mine"))], tmp_path)
    shutil.copytree(planned.run.folder, tmp_path / "mine")
    run.do(device="cpu", threads=1)
    shutil.rmtree(tmp_path / "mine")
    shutil.copytree(other.folder, tmp_path / "mine")
    with pytest.raises(InputError, match="remove that folder"):
        plan_detection(MEASURED, run, tmp_path, {}).do(device="cpu", threads=1)


def test_time_is_estimated_from_a_few_steps(planned, tmp_path):
    timed: dict = {}
    run, longer = plan_detectors([SMALL, replace(SMALL, epochs=10)], tmp_path)
    few, many = (detection_seconds(each, "cpu", timed) for each in (run, longer))
    assert many == pytest.approx(10 * few)
    assert detection_seconds(plan_detection(MEASURED, run, tmp_path, {}), "cpu", timed) > 0
    assert len(timed) == 2
