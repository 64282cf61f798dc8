"""What studies need: their runs and the measurements of these, each with its place in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from passband.data.source_names import data_name
from passband.engine.detection import (
    DetectionMeasurement,
    Fingerprints,
    PlannedDetection,
    PlannedDetector,
    plan_detection,
    plan_detectors,
)
from passband.engine.plan import PlannedMeasurement, PlannedRun, plan_measurement, plan_runs
from passband.errors import InputError
from passband.files import slug
from passband.instruments.instrument import Instrument
from passband.results.places import Store
from passband.studies.find import find_studies
from passband.studies.presets import Setting, find_setting
from passband.studies.study import Study, shortened, with_seeds
from passband.train.config import RunConfig


@dataclass(frozen=True)
class PlannedStudy:
    """A study in a setting, before it is run.

    Attributes:
        study: The study.
        setting: In which setting.
        runs: The label of every run, once a seed, and the run.
        measurements: The label of the measured run, and the measurement.
        folder: Where its result belongs: `STORE/studies/NAME-PRESET-DATA`.
    """

    study: Study
    setting: Setting
    runs: Sequence[tuple[str, PlannedRun | PlannedDetector]]
    measurements: Sequence[tuple[str, PlannedMeasurement | PlannedDetection]]
    folder: Path

    @property
    def everything(self) -> list[PlannedRun | PlannedDetector | PlannedMeasurement | PlannedDetection]:
        """All runs, then all measurements."""
        return [planned for _, planned in (*self.runs, *self.measurements)]


def plan_studies(
    studies: Sequence[Study | str] | Study | str,
    *,
    preset: str = "smoke",
    data: str = "fashion-mnist",
    source: str = "text",
    seeds: int | None = None,
    epochs: int | None = None,
    limit: int | None = None,
    store: Path = Path("results"),
) -> list[PlannedStudy]:
    """Return what studies need; runs and measurements that several share are planned once. Nothing is written.

    Args:
        studies: As `passband.run_studies` takes them, and all other arguments too.

    Raises:
        InputError: If anything does not fit: a study, the data, a batch larger than its data.
    """
    found = find_studies([studies] if isinstance(studies, (Study, str)) else studies)
    setting = find_setting(preset, data, source)
    for study in found:
        study.check(setting)
    many = setting.seeds if seeds is None else seeds
    labelled = {
        study.name: with_seeds(shortened(study.runs(setting), epochs=epochs, limit=limit), many)
        for study in found
    }
    wanted = [config for runs in labelled.values() for _, config in runs]
    classifiers = [(config, setting.probe) for config in wanted if isinstance(config, RunConfig)]
    trained = iter(plan_runs(classifiers, store, test_limit=limit, share=setting.probe_share))
    detectors = iter(plan_detectors((c for c in wanted if not isinstance(c, RunConfig)), store))
    planned = iter([next(trained if isinstance(c, RunConfig) else detectors) for c in wanted])
    known: Fingerprints = {}
    cuts = (("epochs", epochs), ("limit", limit))
    cut = "-".join(f"{name}{value}" for name, value in cuts if value is not None)
    return [
        _planned(
            study,
            setting,
            [(label, next(planned)) for label, _ in labelled[study.name]],
            store,
            result_folder(store, study, setting, cut),
            known,
        )
        for study in found
    ]


def _planned(
    study: Study,
    setting: Setting,
    runs: list[tuple[str, PlannedRun | PlannedDetector]],
    store: Path,
    folder: Path,
    known: Fingerprints,
) -> PlannedStudy:
    each = study.measurements(setting)
    measurements = [
        (label, _measurement(measurement, run, store, known))
        for label, run in runs
        for measurement in each.get(label, ())
    ]
    return PlannedStudy(study, setting, runs, measurements, folder)


def _measurement(
    measurement: Instrument | DetectionMeasurement,
    run: PlannedRun | PlannedDetector,
    store: Path,
    known: Fingerprints,
) -> PlannedMeasurement | PlannedDetection:
    if isinstance(run, PlannedRun) and isinstance(measurement, Instrument):
        return plan_measurement(measurement, run, store)
    if isinstance(run, PlannedDetector) and isinstance(measurement, DetectionMeasurement):
        return plan_detection(measurement, run, store, known)
    raise InputError(
        f"{measurement} does not measure {type(run.config).__name__}: a study is of classifiers or of detectors"
    )


def result_folder(store: Path, study: Study, setting: Setting, cut: str = "") -> Path:
    """Return where the result of a study is: `STORE/studies/NAME-PRESET-DATA`.

    Args:
        store: The folder of all results.
        study: The study.
        setting: In which setting. The reading of the code is named too, that of the text is not.
        cut: Names what was changed in the preset's runs.
    """
    reading = "" if setting.source == "text" else setting.source
    parts = (study.name, setting.preset, data_name(setting.data), reading, cut)
    return Store(store).studies / slug("-".join(part for part in parts if part))
