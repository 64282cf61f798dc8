"""Every run and every measurement of every study, against a recording: a protocol must not change unseen."""

import json
from pathlib import Path

import pytest

from passband.studies.catalog import STUDIES
from passband.studies.presets import find_setting
from passband.train.config import RunConfig

DATA = "fashion-mnist"
RECORDED = json.loads((Path(__file__).parents[1] / "recorded" / "studies.json").read_text("utf-8"))
"""By preset and source: of each study its runs' settings that are no defaults, its measurements, its number of claims."""


@pytest.mark.parametrize("place", RECORDED)
def test_runs_measurements_and_claims_are_those_recorded(place):
    setting = find_setting(*place.split()[:1], DATA, *place.split()[1:])
    for name, recorded in RECORDED[place].items():
        study = STUDIES[name]
        runs = {
            label: RunConfig.from_dict({"dataset": DATA, **own}) for label, own in recorded["runs"].items()
        }
        assert study.runs(setting) == runs
        assert list(study.runs(setting)) == list(runs)
        found = {label: [m.to_dict() for m in each] for label, each in study.measurements(setting).items()}
        assert found == recorded["measurements"]
        assert len(study.claims(setting)) == recorded["claims"]
