import pytest

from passband.errors import UnknownNameError
from passband.studies.catalog import STUDIES, find_studies
from passband.studies.figure import Bar, Curve, Point
from passband.studies.presets import find_setting
from passband.studies.quantities import Term

SETTING = find_setting("smoke", "fashion-mnist")


def test_studies_are_found_by_name_in_the_papers_order():
    assert [study.name for study in find_studies(["all"])] == list(STUDIES)
    assert [s.name for s in find_studies(["batch-size", "label-shuffle"])] == ["label-shuffle", "batch-size"]
    with pytest.raises(UnknownNameError, match="no study named 'label-shufle'. Did you mean 'label-shuffle'"):
        find_studies(["label-shufle"])


def terms_of(mark) -> list[Term]:
    match mark:
        case Curve(term=term):
            return [term]
        case Bar(quantity=quantity):
            return list(quantity.terms)
        case Point(x=across, y=quantity):
            return [*quantity.terms, *(term for each in across for term in each.terms)]
    raise AssertionError(mark)


@pytest.mark.parametrize("study", STUDIES.values(), ids=list(STUDIES))
def test_a_study_is_whole(study):
    assert study.question.endswith("?")
    assert study.title
    assert "section" in study.source
    runs = study.runs(SETTING)
    shown = [
        term for panel in study.figure(SETTING).panels for mark in panel.marks for term in terms_of(mark)
    ]
    assert {term.label for term in shown} == set(runs)
    titles = [panel.title for panel in study.figure(SETTING).panels]
    assert len(titles) == len(set(titles))
    for panel in study.figure(SETTING).panels:
        assert len({type(mark) for mark in panel.marks}) == 1
