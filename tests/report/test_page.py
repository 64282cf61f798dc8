import base64
import itertools
import json
import re
import sys

import polars as pl
import pytest
import torch
from PIL import Image
from torch import nn

from helpers import edited
from pages import HOSTILE, faults, opened, read
from passband.audit.classifier import audit
from passband.data.dataset import ImageDataset
from passband.errors import MissingDependencyError
from passband.frequency.traces import Trace
from passband.models.pixels import PixelModel
from passband.report.page import write_report, write_spectrum_report

JPEG = Trace("jpeg", (), 8.0, "The images were JPEG & of low quality.")


@pytest.fixture(scope="session")
def ordinary(tmp_path_factory, card_of, audit_of):
    card = card_of(classes=("tench", "church", "golf ball", HOSTILE))
    trace = {"kind": JPEG.kind, "evidence": {}, "radius": JPEG.radius, "message": JPEG.message}
    card = edited(card, "traces.findings", [trace])
    return write_report(audit_of(card, traces=(JPEG,)), tmp_path_factory.mktemp("ordinary"))


@pytest.fixture(scope="session")
def bare(tmp_path_factory, card_of, audit_of):
    """An audit in which nothing was found."""
    return write_report(audit_of(card_of(ceiling=False, flips=0), panels=0), tmp_path_factory.mktemp("bare"))


def test_report_writes_the_page_and_each_figure_in_three_forms(ordinary):
    assert ordinary.name == "report.html"
    files = {path.name for path in (ordinary.parent / "figures").iterdir()}
    charts = {a["id"] for a in read(ordinary).all("div") if a.get("class") == "stage"}
    pictures = {"components.png", "flips.png", "spectrum.png"}
    assert files == pictures | {f"{name}.{kind}" for name in charts for kind in ("pdf", "png", "svg")}
    assert len(charts) == 12
    with Image.open(ordinary.parent / "figures" / "accuracy-by-radius.png") as image:
        assert image.format == "PNG"
        assert image.convert("RGBA").getpixel((0, 0)) == (254, 254, 254, 255)  # legible on a dark page
    assert "#0072b2" in (ordinary.parent / "figures" / "accuracy-by-radius.svg").read_text().lower()


def test_page_has_a_size_that_can_be_sent(ordinary):
    assert ordinary.stat().st_size < 2_500_000


def test_page_names_no_address_to_load_from(ordinary):
    page = read(ordinary)
    loaded = [a.get(key) for a in page.all("img", "link", "script", "iframe", "a") for key in ("src", "href")]
    assert all(address is None or address.startswith(("data:", "#")) for address in loaded)
    assert "url(" not in re.sub(r"<script.*?</script>", "", ordinary.read_text(), flags=re.S)
    assert any("default-src 'none'" in (a.get("content") or "") for a in page.all("meta"))


def test_every_link_within_the_page_leads_somewhere(ordinary):
    page = read(ordinary)
    names = [a["id"] for _, a in page.tags if "id" in a]
    assert len(names) == len(set(names))
    targets = {a["href"][1:] for a in page.all("a") if a["href"].startswith("#")}
    assert targets <= set(names)
    assert {
        "reading",
        "accuracy",
        "classes",
        "flips",
        "ceiling",
        "spectrum",
        "numbers",
        "measured",
    } <= targets


def test_each_chart_has_its_numbers_as_a_download(ordinary, card_of):
    page = read(ordinary)
    tables = {
        a["download"]: pl.read_csv(base64.b64decode(a["href"].partition(",")[2]))
        for a in page.all("a")
        if a.get("download")
    }
    assert set(tables) == {f"{a['id']}.csv" for a in page.all("div") if a.get("class") == "stage"}
    card, found = card_of(), tables["accuracy-by-radius.csv"]
    for point in card.curves:
        (row,) = found.filter(series=point.component.upper(), x=point.radius).to_dicts()
        assert (row["value"], row["low"], row["high"]) == pytest.approx(
            (point.accuracy.value, point.accuracy.low, point.accuracy.high)
        )
    cells = tables["lfc-by-class.csv"]
    assert len(cells) == len(card.classes) * len(card.settings.radii)
    assert set(cells["count"]) == {60}
    assert tables["flips-by-radius.csv"]["count"].sum() == card.flips.pairs


def test_names_from_outside_are_text(ordinary):
    page = read(ordinary)
    assert HOSTILE in page.text
    assert not any("onerror" in a for a in page.all("img"))
    assert "49<b>" not in page.text
    assert any(HOSTILE in json.dumps(chart, ensure_ascii=False).replace("\\", "") for chart in page.charts)


def test_charts_take_their_colors_from_the_page(ordinary):
    page = read(ordinary)
    assert len(page.charts) == 12
    text = json.dumps(page.charts)
    assert "var(--lfc)" in text
    assert not re.search(r"#[0-9a-f]{6}", text)
    styles = re.search(r"<style>.*?</style>", ordinary.read_text(), flags=re.S)
    assert styles is not None
    for name in set(re.findall(r"var\((--[a-z]+)\)", ordinary.read_text())):
        assert styles[0].count(f"{name}: #") == 2  # light and dark


def test_page_can_be_read_aloud(ordinary):
    page = read(ordinary)
    assert all(a.get("alt") for a in page.all("img"))
    assert all(a.get("scope") in ("row", "col") for a in page.all("th"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert page.text.count("It answers 91.2% of whole images right") == 1


def test_warning_stands_before_the_numbers(ordinary):
    text = read(ordinary).text
    assert text.index("Read with care: the images bear traces of JPEG beyond radius 8") < text.index(
        "Clean accuracy"
    )
    assert JPEG.message in text
    assert "No traces of JPEG" not in text


def test_table_and_manifest_hold_what_the_card_holds(ordinary, card_of):
    text, card = read(ordinary).text, card_of()
    for point in card.curves:
        assert f"{100 * point.accuracy.low:.1f}–{100 * point.accuracy.high:.1f}%" in text
    for value in (
        "0123456789abcdef",
        "fedcba9876543210",
        "manifest.environment.versions.torch",
        "2.14.1",
        "731.5",
    ):
        assert value in text
    assert "Haohan Wang, Xindi Wu, Zeyi Huang and Eric P. Xing" in text


def test_page_says_what_was_not_found(bare):
    page = read(bare)
    assert "There is none here" in page.text
    assert "No traces of JPEG or of upsampling were found" in page.text
    assert "A ceiling on robustness" not in page.text
    charts = {a["id"] for a in page.all("div") if a.get("class") == "stage"}
    assert not charts & {"flips-by-radius", "ceiling-l2", "ceiling-linf"}
    assert not (bare.parent / "figures" / "flips.png").exists()


def test_the_same_audit_gives_the_same_page(bare, tmp_path, card_of, audit_of):
    again = write_report(audit_of(card_of(ceiling=False, flips=0), panels=0), tmp_path / "new" / "folder")
    assert again.read_bytes() == bare.read_bytes()


def test_tiny_gray_images_can_be_reported(tmp_path, card_of, audit_of):
    card = edited(card_of(radii=[0.0, 1.0], size=(2, 3), classes=("a", "b")), "data.channels", 1)
    page = read(write_report(audit_of(card), tmp_path))
    assert "cannot be told: they are too small or too few" in page.text


def test_an_audit_without_attacks_says_how_to_measure_robustness(ordinary):
    text = read(ordinary).text
    assert "Under attack" not in text
    assert "--attack pgd --epsilon 8/255 measures it" in text


def test_a_real_audit_can_be_reported(tmp_path):
    """The made-up audits of the other tests follow the schema; this one sets it."""
    images = torch.randint(256, (24, 1, 16, 16), dtype=torch.uint8)
    dataset = ImageDataset(images, torch.arange(24) % 3, ("a", "b", "c"), "noise")
    body = nn.Sequential(nn.Flatten(), nn.Linear(16 * 16, 3))
    found = audit(PixelModel(body, name="linear", channels=1), dataset, radii=[1, 4, 8], device="cpu")
    page = read(write_report(found, tmp_path))
    assert f"It answers {100 * found.card.clean.accuracy.value:.1f}% of whole images right" in page.text
    assert len(page.charts) == 9 + (found.card.flips.pairs > 0)  # no class has ten images
    assert page.text.count(", cut at radius") == len(found.panels)


def test_spectrum_has_a_page_of_its_own(tmp_path, card_of, audit_of):
    path = write_spectrum_report(audit_of(card_of(), traces=(JPEG,)).spectrum, tmp_path)
    page = read(path)
    assert path == tmp_path / "spectrum.html"
    assert "The spectrum of imagenette-64" in page.text
    assert JPEG.message in page.text
    files = {file.name for file in (tmp_path / "figures").iterdir()}
    assert files == {
        f"{n}.{k}" for n in ("radial-power", "energy-by-radius") for k in ("pdf", "png", "svg")
    } | {"spectrum.png"}


@pytest.mark.parametrize("module", ["altair", "vl_convert"])
def test_missing_extra_says_what_to_install(module, monkeypatch, tmp_path, card_of, audit_of):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf'{module}.*pip install "passband\[report\]"'):
        write_report(audit_of(card_of()), tmp_path)


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 390, 1280])
def test_page_in_a_browser(browser, ordinary, width):
    tab, requests, complaints = opened(browser, ordinary, width)
    tab.wait_for_function("document.querySelectorAll('.stage.vega-embed svg').length === 12")
    assert [url for url in requests if not url.startswith("data:")] == [ordinary.as_uri()]
    assert complaints == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    wide = tab.evaluate(
        "[...document.querySelectorAll('.stage svg')].map(e => e.getBoundingClientRect().right)"
    )
    assert max(wide) <= width
    assert tab.evaluate("window.hacked") is None
    tab.close()
    for scheme in ("light", "dark"):
        assert faults(browser, ordinary, width, scheme) == []


@pytest.mark.browser
def test_the_list_of_contents_stands_beside_the_page_where_there_is_room(browser, ordinary):
    for width, beside in ((1280, True), (390, False)):
        tab, _, _ = opened(browser, ordinary, width)
        assert tab.locator("nav.side").is_visible() == beside
        assert tab.locator(".folded summary").is_visible() != beside
        tab.close()


@pytest.mark.browser
def test_the_first_screen_holds_the_verdict_the_curve_the_key_numbers_and_what_to_do_next(browser, bare):
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.goto(bare.as_uri())
    tab.wait_for_selector("#accuracy-by-radius.vega-embed svg")
    for what in (".lead", "#accuracy-by-radius svg", ".tiles"):
        box = tab.locator(what).first.bounding_box()
        assert box["y"] + box["height"] <= 800, what
    assert tab.locator(".next").bounding_box()["y"] < 760
    tab.close()


@pytest.mark.browser
def test_page_and_charts_follow_the_color_scheme(browser, bare):
    seen = {}
    for scheme in ("light", "dark"):
        tab, _, _ = opened(browser, bare, 390, color_scheme=scheme)
        tab.wait_for_selector("#accuracy-by-radius.vega-embed svg path[stroke]")
        seen[scheme] = tab.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle("
            "document.querySelector('#accuracy-by-radius .mark-line path')).stroke]"
        )
        tab.close()
    assert seen["light"] == ["rgb(254, 254, 254)", "rgb(0, 114, 178)"]
    assert seen["dark"] == ["rgb(22, 25, 29)", "rgb(92, 182, 236)"]


@pytest.mark.browser
def test_charts_are_there_without_javascript(browser, ordinary):
    tab, _, _ = opened(browser, ordinary, 390, java_script_enabled=False)
    assert tab.locator(".stage > svg").count() == 12
    assert tab.locator(".stage > svg").first.bounding_box()["width"] <= 390
    tab.close()


@pytest.mark.browser
def test_it_prints_light_without_its_contents_and_no_wider_than_paper(browser, ordinary):
    tab, _, complaints = opened(browser, ordinary, 1280, color_scheme="dark")
    tab.wait_for_selector(".stage.vega-embed svg")
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 688, "height": 970})  # A4 without margins, at 96 pixels an inch
    assert tab.evaluate("document.documentElement.scrollWidth") <= 688
    assert not tab.locator(".side").first.is_visible()
    paper, ink = tab.evaluate(
        "['backgroundColor', 'color'].map(name => getComputedStyle(document.body)[name].match(/\\d+/g).map(Number))"
    )
    assert min(paper) > 240
    assert max(ink) < 60
    assert tab.pdf(format="A4").startswith(b"%PDF")
    assert complaints == []
    tab.close()


def test_spectrum_page_in_a_browser(browser, tmp_path, card_of, audit_of):
    path = write_spectrum_report(audit_of(card_of()).spectrum, tmp_path)
    tab, requests, complaints = opened(browser, path, 390)
    tab.wait_for_function("document.querySelectorAll('.stage.vega-embed svg').length === 2")
    assert (len(requests), complaints) == (1, [])
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.close()
