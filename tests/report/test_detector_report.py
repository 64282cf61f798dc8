import itertools
import re
from dataclasses import replace

import pytest

from made_up_detector import make_detector_audit, make_detector_card, make_example
from pages import HOSTILE, faults, opened, read
from passband.audit.detector import DetectorAudit
from passband.choices import DETECTION_NUMBERS
from passband.detection.view import View, all_views
from passband.notices import Notice
from passband.report import detector_figures
from passband.report.detector import write_detector_report
from passband.serial import read_tensors, write_tensors

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

WARNING = "Labels look shifted by one & may be wrong."
STAGES = 11


@pytest.fixture(scope="session")
def ordinary(tmp_path_factory):
    card = make_detector_card(
        names=("person", HOSTILE, "zebra"),
        notices=(Notice("fit", WARNING), Notice("data", "3 left out", warning=False)),
    )
    losses = [make_example(i, 0.9, 0.2, name=HOSTILE if i == 1 else "person") for i in range(4)]
    gains = [make_example(9, 0.3, 0.6, file_name=f"{HOSTILE}{'long' * 30}.jpg")]
    return write_detector_report(
        make_detector_audit(card, losses=losses, gains=gains), tmp_path_factory.mktemp("ordinary")
    )


def stages(page):
    return {a["id"] for a in page.all("div") if a.get("class") == "stage"}


def written(tmp_path, card, **more):
    return read(write_detector_report(make_detector_audit(card, **more), tmp_path))


def test_the_report_writes_its_page_and_figures(ordinary):
    assert ordinary.name == "detection.html"
    charts = set(detector_figures.detector_charts(make_detector_card()))
    assert len(charts) == STAGES
    assert stages(read(ordinary)) == charts
    files = {path.name for path in (ordinary.parent / "figures").iterdir()}
    assert files == {
        f"{name}.{kind}" for name in (*charts, "losses", "gains") for kind in ("pdf", "png", "svg")
    }
    assert (ordinary.parent / "figures" / "gains.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_has_a_size_that_can_be_sent(ordinary):
    assert ordinary.stat().st_size < 3_000_000


def test_the_page_asks_for_nothing_and_names_from_outside_are_text(ordinary):
    page = read(ordinary)
    loaded = [a.get(key) for a in page.all("img", "image", "script", "link", "a") for key in ("src", "href")]
    assert all(address is None or address.startswith(("data:", "#")) for address in loaded)
    assert HOSTILE in page.text
    assert not any("onerror" in a for _, a in page.tags)
    assert "49<b>" not in page.text


def test_the_page_can_be_read_aloud(ordinary):
    page = read(ordinary)
    drawings = [a for a in page.all("svg") if a.get("role") == "img"]
    assert len(drawings) == 10
    assert all(a.get("aria-label") for a in drawings)
    assert all(a.get("scope") in ("row", "col") for a in page.all("th"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


def test_warnings_stand_before_the_numbers(ordinary):
    text = read(ordinary).text
    assert text.index("Read with care: there is a warning") < text.index("mAP on whole images")
    assert WARNING in text
    assert "3 left out" in text


def test_the_tables_hold_what_the_card_holds(ordinary):
    text = read(ordinary).text
    for name in DETECTION_NUMBERS.values():
        assert name.removesuffix(" objects") in text
    for number in (
        "35.6%",
        "34.6–36.6%",
        "27.5%",
        "10.7%",
        "8.1",
        "7.1 to 9.1",
        "1,684",
        "36,335",
        "0123456789abcdef",
    ):
        assert number in text
    assert "AP 30.0% as a whole, 60.0% on the LFC 128" in text
    assert "from a score of 0.45 on" in text
    assert "4,952 images with 36,335 objects of 3 categories, and 446 boxes around crowds" in text
    assert "The image was split as it is stored" in text
    assert "clipped to [0, 1]" in text


@pytest.mark.parametrize(
    ("views", "there", "not_there"),
    [
        (all_views([128], [], control=False), ["It was not measured here"], ["beyond luck", "per pixel."]),
        ((View("full"), View("lfc", 128, "index")), ["mAP lost on the LFC"], ["mAP lost on the HFC"]),
        (
            (View("full"), View("hfc", 0.2, "pixel")),
            ["mAP lost on the HFC"],
            ["By category", "mAP lost on the LFC"],
        ),
    ],
)
def test_what_was_not_measured_is_not_on_the_page(tmp_path, views, there, not_there):
    card = make_detector_card(views=views)
    page = written(tmp_path, card)
    assert stages(page) == set(detector_figures.detector_charts(card))
    assert all(text in page.text for text in there)
    assert not any(text in page.text for text in not_there)


def test_result_files_say_what_they_do_not_know(tmp_path):
    page = written(tmp_path, make_detector_card(from_files=True))
    assert "Results came from files, which do not say how the views were made." in page.text
    assert "No pictures were at hand" in page.text
    assert "amplitude policy" not in page.text
    assert not (tmp_path / "figures" / "losses.png").exists()


def test_one_image_one_category_and_no_sizes(tmp_path):
    card = make_detector_card(images=1, gain=0, width=None, names=("thing",), sizes=(), p=1.0)
    page = written(tmp_path, card)
    assert "There is one image only, so that no number has an interval." in page.text
    assert "Numbers without objects of their size are left out." in page.text
    assert "By size of objects" not in page.text
    assert "1 image with" in page.text
    assert "of 1 category" in page.text
    assert "All 1 categories" not in page.text
    assert "None" not in page.text.replace("none", "")


def test_no_gains_are_said(tmp_path):
    page = written(tmp_path, make_detector_card(gain=0), losses=[make_example(1, 0.5, 0.1)])
    assert "There is none: no image's AP rises on this LFC." in page.text
    assert not (tmp_path / "figures" / "gains.png").exists()
    assert (tmp_path / "figures" / "losses.png").exists()


def test_nothing_that_changes_is_not_a_lack_of_pictures(tmp_path):
    card = make_detector_card(gain=0)
    same = [
        entry if entry.images is None else replace(entry, images=replace(entry.images, lose=0))
        for entry in card.views
    ]
    text = written(tmp_path, replace(card, views=tuple(same))).text
    assert "No image's own AP changes on the LFC 128, so there is none to show." in text
    assert "No pictures were at hand" not in text


def test_many_categories_with_long_names(tmp_path):
    card = make_detector_card(names=[f"{i} {'very ' * 20}long" for i in range(80)])
    page = written(tmp_path, card)
    assert "Shown are 20 of 80 categories" in page.text
    assert page.text.count("very long") >= 80


def test_the_same_audit_gives_the_same_page_after_a_round_trip(tmp_path):
    audit = make_detector_audit(make_detector_card(), losses=[make_example(1, 0.51, 0.1)])
    first = write_detector_report(audit, tmp_path / "first")
    write_tensors(tmp_path / "pictures", audit.pictures)
    pictures = read_tensors(tmp_path / "pictures", type(audit.pictures))
    card = type(audit.card).from_dict(audit.card.to_dict())
    again = write_detector_report(replace(audit, card=card, pictures=pictures), tmp_path / "second")
    assert isinstance(audit, DetectorAudit)
    assert again.read_bytes() == first.read_bytes()
    figures = [
        {p.name: p.read_bytes() for p in (tmp_path / f / "figures").iterdir() if p.suffix != ".pdf"}
        for f in ("first", "second")
    ]
    assert figures[0] == figures[1]


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_page_in_a_browser(browser, ordinary, width, scheme):
    tab, requests, complaints = opened(browser, ordinary, width, color_scheme=scheme)
    tab.wait_for_function(f"document.querySelectorAll('.stage.vega-embed svg').length === {STAGES}")
    assert [url for url in requests if not url.startswith("data:")] == [ordinary.as_uri()]
    assert complaints == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("window.hacked") is None
    smallest = tab.evaluate(
        "Math.min(...[...document.querySelectorAll('.pair svg text')].map(t => t.getScreenCTM().a * 17))"
    )
    assert smallest >= 10  # pixels: names and scores are legible on a phone
    tab.close()
    assert faults(browser, ordinary, width, scheme) == []
