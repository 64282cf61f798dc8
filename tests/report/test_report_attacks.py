from dataclasses import replace

import pytest
import torch
from torch import nn

from helpers import Memory, noise
from pages import HOSTILE, faults, opened, read
from passband.attacks import FGSM, PGD
from passband.audit.attack import measure_robustness
from passband.audit.card import CeilingPoint
from passband.audit.classifier import audit
from passband.frequency.component import Low
from passband.models.pixels import PixelModel
from passband.report import attacks, words
from passband.report.page import write_attack_report, write_report
from passband.robustness.plan import AttackPlan

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

DATA = noise(samples=24, size=(16, 16))
MODEL = PixelModel(Memory(DATA), name=HOSTILE, channels=3)
PLANS = (
    AttackPlan(FGSM(), (8 / 255, 0.3), sanity_samples=0),
    AttackPlan(PGD("l2", steps=3), (2.5,), sanity_samples=8),
)
STAGES = 3  # a chart a norm, one of the energy, and one a class and attack


@pytest.fixture(scope="session")
def found():
    return measure_robustness(MODEL, DATA, PLANS, device="cpu")


@pytest.fixture(scope="session")
def page(found, tmp_path_factory):
    return write_attack_report(found, tmp_path_factory.mktemp("attack"))


def test_the_report_writes_its_page_and_figures(page):
    assert page.name == "attack.html"
    charts = {"robust-accuracy-linf", "robust-accuracy-l2", "perturbation-energy"}
    assert "No class has 10 images that were attacked" in read(page).text
    pictures = {f"{name}-{what}.png" for name in ("fgsm", "pgd-l2") for what in ("spectrum", "examples")}
    files = {path.name for path in (page.parent / "figures").iterdir()}
    assert files == pictures | {f"{name}.{kind}" for name in charts for kind in ("pdf", "png", "svg")}
    assert {a["id"] for a in read(page).all("div") if a.get("class") == "stage"} == charts


def test_the_page_says_what_the_card_holds(page, found):
    text = read(page).text
    for attack in found.card.attacks:
        for point in attack.points:
            assert words.percent(point.accuracy.value) in text
            assert words.interval(point.accuracy) in text
    for finding in found.card.attacks[1].findings:
        assert finding.message in text
    assert text.count("broken at epsilon") == sum(len(attacked.examples) for attacked in found.attacks) > 0
    assert HOSTILE in text
    assert not any("onerror" in a for a in read(page).all("img"))
    assert all(a.get("alt") for a in read(page).all("img"))


def test_a_failed_check_is_warned_of_before_the_numbers(tmp_path):
    class Masked(Memory):
        def forward(self, images):
            return super().forward(images.detach()) + 0 * images.sum()

    plan = AttackPlan(FGSM(), (0.1,), sanity_samples=8)
    found = measure_robustness(Masked(DATA), DATA, [plan], device="cpu")
    failed = [f for f in found.card.attacks[0].findings if not f.passed]
    assert failed
    text = read(write_attack_report(found, tmp_path)).text
    warning = text.index("An attack may be weaker than it looks")
    assert warning < text.index("Clean accuracy") < text.index("Can the attack be trusted?")
    assert all(text.index(finding.message) > warning for finding in failed)
    assert "fgsm-spectrum.png" not in {
        path.name for path in (tmp_path / "figures").iterdir()
    }  # it moved nothing


def test_an_audits_report_has_a_section_for_attacks(tmp_path):
    found = audit(MODEL, DATA, radii=[2, 5], attacks=PLANS, device="cpu")
    page = read(write_report(found, tmp_path / "with"))
    assert "Under attack" in page.text
    assert "what attacks did leave follows under “Under attack”" in page.text
    assert f"Right under {PLANS[0].attack.label}" in page.text
    charts = {a["id"] for a in page.all("div") if a.get("class") == "stage"}
    assert {"robust-accuracy-linf", "robust-accuracy-l2", "perturbation-energy", "ceiling-linf"} <= charts


def test_the_accuracy_chart_starts_at_the_clean_accuracy_and_names_epsilons_as_people_do(found):
    spec = attacks.robust_accuracy(found.card, "linf").to_dict()
    (drawn,) = [layer for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    values = {(row["series"], row["x"]): row["value"] for row in data_of(spec, drawn)}
    attack = found.card.attacks[0]
    assert values == {("FGSM", 0.0): attack.clean.value} | {
        ("FGSM", point.epsilon): point.accuracy.value for point in attack.points
    }
    assert '"0.031373": "8/255"' in drawn["encoding"]["x"]["axis"]["labelExpr"]


def test_a_ceiling_is_drawn_up_to_the_last_epsilon(found, card_of):
    curve = tuple(CeilingPoint(e / 255, 1 - e / 100) for e in range(100))
    card = replace(card_of(), attacks=found.card.attacks)
    card = replace(card, ceiling=replace(card.ceiling, linf=curve))
    spec = attacks.robust_accuracy(card, "linf").to_dict()
    drawn = data_of(spec, spec["layer"][0])
    assert [row["x"] for row in drawn] == pytest.approx([*(e / 255 for e in range(77)), 0.3])
    assert drawn[-1]["value"] == drawn[-2]["value"]


def test_energy_curves_end_at_all_of_it_and_white_noise_favors_no_frequency(found):
    spec = attacks.perturbation_energy(found.card, found.spectrum).to_dict()
    (drawn,) = [layer for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    by_curve: dict[str, list[float]] = {}
    for row in data_of(spec, drawn):
        by_curve.setdefault(row["series"], []).append(row["value"])
    assert set(by_curve) == {"images", "white noise", "FGSM", "PGD-3"}
    for values in by_curve.values():
        assert values == sorted(values)
        assert values[-1] == pytest.approx(1)
    assert by_curve["white noise"][0] == pytest.approx(9 / 256)  # coefficients at radius 0 and 1, of 16x16


@pytest.mark.parametrize(("energy", "radius"), [([0, 0, 0], None), ([1, 0], 0), ([0.2, 0.3, 0.5], 1)])
def test_half_of_the_energy_lies_within_a_radius(energy, radius):
    assert attacks.half_energy_radius(energy) == radius


def test_the_strongest_attack_is_told_at_each_epsilon(found):
    linf, l2 = words.under_attack(found.card)
    first, second = (words.percent(p.accuracy.value) for p in found.card.attacks[0].points)
    assert linf.startswith(f"FGSM leaves {first} right (")
    assert linf.endswith(f"where every pixel may change by up to 8/255 and {second} at 0.3.")
    assert "all pixels together may change by up to 2.5 in L2" in l2


def test_of_several_attacks_the_lowest_accuracy_counts(found):
    def left(accuracy):
        first, *others = weaker.points
        return replace(first, accuracy=replace(first.accuracy, value=accuracy)), *others

    weaker = found.card.attacks[0]
    stronger = replace(weaker, points=left(0.0625))
    held = replace(weaker, points=left(0.0), attack=replace(weaker.attack, band=Low(4)))
    (sentence,) = words.under_attack(replace(found.card, attacks=(weaker, stronger, held)))
    assert sentence.startswith("The strongest attack leaves 6.2% right (")


def test_a_model_that_is_never_broken_can_be_reported(tmp_path):
    body = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4))
    with torch.no_grad():
        body[1].weight.zero_()
        body[1].weight[0, 0] = 1e-6
    found = measure_robustness(body, DATA, [AttackPlan(FGSM(), (0.1,), sanity_samples=0)], device="cpu")
    text = read(write_attack_report(found, tmp_path)).text
    assert "The sanity report was left out." in text
    assert "What it looks like" not in text


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
def test_page_in_a_browser(browser, page, width):
    tab, requests, complaints = opened(browser, page, width)
    tab.wait_for_function(f"document.querySelectorAll('.stage.vega-embed svg').length === {STAGES}")
    assert [url for url in requests if not url.startswith("data:")] == [page.as_uri()]
    assert complaints == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("window.hacked") is None
    tab.close()
    assert faults(browser, page, width) == []


def data_of(spec: dict, layer: dict) -> list[dict]:
    data = layer.get("data", spec.get("data"))
    return data["values"] if "values" in data else spec["datasets"][data["name"]]
