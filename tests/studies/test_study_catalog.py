import pickle

import pytest

from passband.errors import UnknownNameError
from passband.instruments.instrument import Instrument
from passband.studies.catalog import STUDIES
from passband.studies.find import find_studies
from passband.studies.kernel_figure import KernelFigure
from passband.studies.presets import PRESETS, find_setting

SETTING = find_setting("smoke", "fashion-mnist")


def test_studies_are_found_by_name_in_the_papers_order():
    assert [study.name for study in find_studies(["all"])] == list(STUDIES)
    assert [s.name for s in find_studies(["batch-size", "label-shuffle"])] == ["label-shuffle", "batch-size"]
    with pytest.raises(UnknownNameError, match="no study named 'label-shufle'. Did you mean 'label-shuffle'"):
        find_studies(["label-shufle"])


@pytest.mark.parametrize("study", STUDIES.values(), ids=list(STUDIES))
def test_a_study_is_whole(study):
    assert study.question.endswith("?")
    assert study.title
    assert "section" in study.source
    study.check(SETTING)
    runs, figure = study.runs(SETTING), study.figure(SETTING)
    titles = [panel.title for panel in figure.panels]
    assert len(titles) == len(set(titles))
    assert figure.labels == set(runs)
    if isinstance(figure, KernelFigure):
        return
    for panel in figure.panels:
        assert len({type(mark) for mark in panel.marks}) == 1
    looks = {}
    for panel in figure.panels:
        for mark in panel.marks:  # one legend names them all
            assert looks.setdefault(mark.name, (mark.role, mark.shade, mark.dashed)) == (
                mark.role, mark.shade, mark.dashed,
            )  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("study", STUDIES.values(), ids=list(STUDIES))
def test_measurements_are_of_runs_of_the_study_all_different_and_can_be_sent_to_a_process(study, preset):
    setting = find_setting(preset, "fashion-mnist")
    measurements = study.measurements(setting)
    assert set(measurements) <= set(study.runs(setting))
    for each in measurements.values():
        assert len({str(measurement) for measurement in each}) == len(each)
        assert len({repr(measurement.to_dict()) for measurement in each}) == len(each)
        assert pickle.loads(pickle.dumps(each)) == each
        instruments = [measurement for measurement in each if isinstance(measurement, Instrument)]
        assert all(min(measurement.cost(1_000, (28, 28))) >= 0 for measurement in instruments)


def test_table_2_has_nine_networks_a_run_and_is_measured_as_often():
    setting = find_setting("laptop", "fashion-mnist")
    study = STUDIES["smoothing"]
    assert study.table is not None
    table = study.table(setting)
    assert len(table.rows) == sum(map(len, study.measurements(setting).values())) == 18
    assert "M_natural (ρ = 0.25, normalized)" in table.rows
    assert table.columns[:2] == ["clean", "FGSM 0.03"]
    assert [name for name in table.columns if "AutoAttack" in name] == ["AutoAttack 0.09"]
    assert len(table.columns) == 11
    assert len(study.table(find_setting("paper", "fashion-mnist")).columns) == 13
