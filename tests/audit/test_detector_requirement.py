import pytest

from passband.audit.detector_requirement import parse_detector_requirement
from passband.detection.view import WHOLE, View
from passband.errors import InputError


@pytest.mark.parametrize(
    ("text", "number", "view"),
    [
        ("map >= 0.25", "map", WHOLE),
        ("map-lfc@128 >= 0.25", "map", View("lfc", 128.0, "index")),
        ("map-small-hfc@64>0.1", "map-small", View("hfc", 64.0, "index")),
        ("ar-large <= 1/2", "ar-large", WHOLE),
        ("map50-lfc@0.2px < 0.9", "map50", View("lfc", 0.2, "pixel")),
        ("gain-control@8 <= 0.1", "gain", View("control", 8.0, "index")),
    ],
)
def test_requirements_are_read(text, number, view):
    found = parse_detector_requirement(text)
    assert (found.number, found.view) == (number, view)
    assert found.measure.replace(" ", "") in text.replace(" ", "")


def test_a_drop_is_about_two_audits():
    found = parse_detector_requirement("map-lfc@128-drop <= 0.02", drop=True)
    assert (found.measure, found.bound) == ("map-lfc@128", 0.02)
    assert parse_detector_requirement("map-drop <= -0.02", drop=True).bound == -0.02
    with pytest.raises(InputError, match="passband compare"):
        parse_detector_requirement("map-drop <= 0.01")
    with pytest.raises(InputError, match="about what is lost"):
        parse_detector_requirement("map <= 0.01", drop=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mAP >= 0.3", "has the form"),
        ("mpa >= 0.3", "no measure named 'mpa'. Did you mean 'map'"),
        ("map-lfc >= 0.3", "with its cut-off"),
        ("map@8 >= 0.3", "with its cut-off"),
        ("map-lfc@8", "has the form"),
        ("map-lfc@8px3 >= 1", "has the form"),
        ("map-lfc@1.2.3 >= 1", "a cut-off is a radius"),
        ("gain >= 0.1", "needs a view"),
        ("map >= 1/0", "divides by zero"),
        ("map == 0.3", "has the form"),
        ("map >= 30", "no number meets .* 30 percent are 0.3: did you mean 'map >= 0.3'?"),
        ("map-lfc@128 >= 30%", "and no percent: write 'map-lfc@128 >= 0.3'"),
        ("map <= 1", "every number meets"),
    ],
)
def test_what_cannot_be_read_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_detector_requirement(text)


def test_an_interval_may_be_meant_of_a_detector():
    assert parse_detector_requirement("map-lfc@128 >= 0.25 at 95%").sure
    assert parse_detector_requirement("map-drop <= 0.02 at 95%", drop=True).sure
    with pytest.raises(InputError, match="every number meets .* 'map-drop <= 0.01'"):
        parse_detector_requirement("map-drop <= 1", drop=True)
