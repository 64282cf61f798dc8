"""The page of a detector as people use it, in a real browser."""

from __future__ import annotations

import csv
import io
import threading
import time
from dataclasses import replace

import polars as pl
import pytest
from PIL import Image

from blobs import NAMES
from explorer_scenes import Forgetful, Scattered, explored, found_in, make_detector_scene, serving
from explorer_tab import Tab, serving_files
from pages import HOSTILE
from passband.detection.annotations import Annotations, Picture
from passband.detection.evaluation import evaluate
from passband.detection.sources import open_detection_data
from passband.explorer.detector_scene import DetectorScene
from passband.explorer.export import export
from passband.rows import DETECTION_COLUMNS, OBJECT_COLUMNS
from pictures_sent import BAD, GOOD

pytestmark = pytest.mark.browser


class DetectorTab(Tab):
    """It, with what only the page of a detector has."""

    def whole(self) -> DetectorTab:
        self.page.wait_for_selector("#table table", state="attached")
        return self

    def move_to(self, place: float) -> None:
        places = self.page.evaluate("Number(document.getElementById('at').max)")
        for position in range(places + 1):
            self.page.locator("#at").fill(str(position))
            self.page.wait_for_timeout(60)
            if float(self.text("at-value")) == place:
                return
        raise AssertionError(f"there is no radius {place}")

    def counts(self) -> dict[str, list[str]]:
        """Return what the strip says at each radius."""
        said = self.page.locator("#strip svg").get_attribute("aria-label")
        return {
            part: [each.split(" at ")[0] for each in said.split(f"{part}: ")[1].split(".")[0].split(", ")]
            for part in ("LFC", "HFC")
        }

    def boxes(self, part: str) -> int:
        return self.page.locator(f"#frame-{part} rect.box").count()

    def set_sure(self, sure: float) -> None:
        self.page.locator("#sure").fill(str(sure))
        self.until("s => document.getElementById('sure-value').textContent === s", arg=f"{sure:.2f}")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return make_detector_scene(tmp_path_factory.mktemp("detector"), Forgetful())


@pytest.fixture(scope="module")
def address(scene):
    with serving(scene) as found:
        yield found


def expected(scene, index: int, view: str, sure: float) -> tuple[int, int]:
    """Return how many objects are found from a score on, and how many boxes are drawn."""
    answer = found_in(scene, scene.picture(index))[1][view]
    return (
        sum(score is not None and score >= sure for score in answer["objects"]),
        sum(box[1] >= sure for box in answer["boxes"]),
    )


def test_boxes_follow_the_radius_and_the_score(browser, address, scene):
    with DetectorTab(browser, address, "?image=1") as tab:
        tab.whole()
        places = found_in(scene, scene.picture(1))[0]["places"]
        seen = set()
        for sure in (0.0, 0.5, 0.3):
            tab.set_sure(sure)
            for place in places:
                tab.move_to(place)
                for part, view in (("first", f"lfc:{place:g}"), ("second", f"hfc:{place:g}")):
                    found, drawn = expected(scene, 1, view, sure)
                    assert tab.boxes(part) == drawn, (view, sure)
                    assert f"{found} of 2 true objects found" in tab.text(f"answers-{part}")
                    seen.add(found)
            counts = tab.counts()
            for part in ("LFC", "HFC"):
                assert counts[part] == [
                    str(expected(scene, 1, f"{part.lower()}:{place:g}", sure)[0]) for place in places
                ]
        assert len(seen) > 1
        assert tab.page.locator("#frame-whole rect.truth").count() == 2
        tab.page.uncheck("#truth")
        tab.until("document.querySelectorAll('rect.truth').length === 0")
        tab.page.wait_for_timeout(400)
        assert (tab.query()["sure"], tab.query()["truth"]) == ("0.3", "0")


def test_boxes_lie_where_they_were_found(browser, address, scene):
    with DetectorTab(browser, address, "?image=0&sure=0") as tab:
        tab.whole()
        answer = found_in(scene, scene.picture(0))[1]["full"]
        frame = tab.page.locator("#frame-whole").bounding_box()
        drawn = [each.bounding_box() for each in tab.page.locator("#frame-whole rect.box").all()]
        assert len(drawn) == len(answer["boxes"]) > 0
        factor = frame["width"] / 60
        assert frame["height"] == pytest.approx(40 * factor, abs=1)
        for box, (_, _, left, top, right, bottom, _) in zip(drawn, answer["boxes"], strict=True):
            found = [box["x"] - frame["x"], box["y"] - frame["y"], box["width"], box["height"]]
            wanted = [each * factor for each in (left, top, right - left, bottom - top)]
            assert found == pytest.approx(wanted, abs=3.5)  # half of the line's width to either side


def test_dragging_asks_for_nothing(browser, address):
    with DetectorTab(browser, address, "?image=2") as tab:
        tab.whole()
        before, pictures = len(tab.requests), set()
        for position in range(5):
            tab.page.locator("#at").fill(str(position))
            tab.page.wait_for_timeout(80)
            pictures.add(tuple(tab.pixels("first")))
        box = tab.page.locator("#spectrum").bounding_box()
        tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tab.page.mouse.down()
        tab.page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, steps=4)
        tab.page.wait_for_timeout(100)
        tab.page.mouse.up()
        assert float(tab.text("at-value")) > 8
        assert len(pictures) == 5
        tab.page.wait_for_timeout(300)
        assert len(tab.requests) == before


def test_agreement_with_the_whole_image_is_what_coco_matches(browser, tmp_path):
    """Where nobody knows what is there, the page matches boxes itself: as the evaluation does, at every score."""
    scene = make_detector_scene(tmp_path, Scattered(), radii=[4, 8])
    stored = (tmp_path / "scenes" / "images" / "scene-0.png").read_bytes()
    _, answers, _ = found_in(scene, explored(scene).decode(stored, "a.png"))
    with serving(scene) as address, DetectorTab(browser, address) as tab:
        tab.whole()
        tab.page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": stored})
        tab.until("document.getElementById('panel-title').textContent === 'a.png'")
        tab.whole()
        assert not tab.page.locator("#truth").is_visible()
        told = set()
        for sure in (0.0, 0.25, 0.5, 0.8):
            tab.set_sure(sure)
            counts = tab.counts()
            for part in ("LFC", "HFC"):
                wanted = [agreed(answers["full"], answers[f"{part.lower()}:{at}"], sure) for at in (4, 8)]
                assert counts[part] == [str(each) for each in wanted], (part, sure)
                told |= set(wanted)
        assert len(told) > 3


def agreed(whole, part, sure: float) -> int:
    """Return how many boxes of the whole image others match, by COCO's evaluation."""
    sides = [
        [(box[0], box[2], box[3], box[4] - box[2], box[5] - box[3], box[1]) for box in of["boxes"] if box[1] >= sure]
        for of in (whole, part)
    ]  # fmt: skip
    objects = pl.DataFrame(
        [(i, 1, c, x, y, w, h, w * h, False) for i, (c, x, y, w, h, _) in enumerate(sides[0], 1)],
        schema=OBJECT_COLUMNS, orient="row",
    )  # fmt: skip
    found = pl.DataFrame([(1, *box) for box in sides[1]], schema=DETECTION_COLUMNS, orient="row")
    truth = Annotations("a", "b", (Picture(1, "a", 40, 60),), NAMES, objects)
    return int(evaluate(truth, found).matches.object_matched[0].sum())


def test_everything_is_reached_by_keyboard(browser, address):
    with DetectorTab(browser, address) as tab:
        tab.whole()
        reached = []
        for _ in range(50):
            tab.page.keyboard.press("Tab")
            name = tab.page.evaluate("document.activeElement.id || document.activeElement.tagName")
            if name == "at" and name not in reached:
                tab.page.keyboard.press("Home")
                tab.page.keyboard.press("ArrowRight")
                tab.page.wait_for_timeout(900)
                assert tab.text("at-value") == "2"
                assert "Radius 2. LFC: " in tab.page.locator("#said").text_content()
                assert "true objects found" in tab.page.locator("#first").get_attribute("aria-label")
            reached.append(name)
        wanted = {"list-all", "list-lose", "list-gain", "list-hfc", "file", "at", "sure", "truth", "amplitude", "save-picture", "save-numbers", "copy", "SUMMARY"}  # fmt: skip
        assert wanted <= set(reached)


def test_lists_of_changes_are_jumped_to(browser, address):
    with DetectorTab(browser, address) as tab:
        tab.whole()
        tab.page.click("#list-gain")
        tab.until("document.getElementById('list-note').textContent.includes('under a control for chance')")
        tab.page.click("#list-lose")
        tab.until("document.getElementById('list-note').textContent.includes('have a lower AP')")
        first = tab.page.locator("#thumbs button").first
        first.click()
        tab.until("document.getElementById('at-value').textContent === '16'")
        assert "AP −" in first.inner_text()
        assert first.get_attribute("aria-pressed") == "true"


def test_good_files_are_shown_and_bad_ones_said(browser, address):
    with DetectorTab(browser, address) as tab:
        tab.whole()
        for name in ("color.png", "photo.jpg", "gray.png"):
            tab.page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": GOOD[name]})
            tab.until("n => document.getElementById('panel-title').textContent === n", arg=name)
            with Image.open(io.BytesIO(GOOD[name])) as image:
                assert len(tab.pixels("whole")) == image.width * image.height * 3
        name, (content, words) = next(iter(BAD.items()))
        tab.page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": content})
        tab.until("w => document.getElementById('problem').textContent.includes(w)", arg=words)
        tab.complaints[:] = [text for text in tab.complaints if "400 (Bad Request)" not in text]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_any_screen_and_no_accessibility_fault_is_found(browser, address, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme, "bypass_csp": True}
    with DetectorTab(browser, address, "?image=1&sure=0.1", **options) as tab:
        tab.whole()
        for summary in tab.page.locator("summary").all():
            summary.click() if summary.is_visible() else None
        assert tab.page.evaluate("document.documentElement.scrollWidth") == width
        found = axe.run(tab.page).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_what_is_saved(browser, address, scene):
    with DetectorTab(browser, address, "?image=4&at=8") as tab:
        tab.whole()
        with tab.page.expect_download() as caught:
            tab.page.click("#save-numbers")
        rows = list(csv.DictReader(io.StringIO(caught.value.path().read_text())))
        _, answers, _ = found_in(scene, scene.picture(4))
        for view, answer in answers.items():
            saved = [row for row in rows if row["shown"] == view]
            assert [float(row["score"]) for row in saved] == [box[1] for box in answer["boxes"]]
            assert [row["category"] for row in saved] == [NAMES[box[0]] for box in answer["boxes"]]
        assert [row["category"] for row in rows if row["detector"] == "annotations"]
        with tab.page.expect_download() as caught:
            tab.page.click("#save-picture")
        with Image.open(caught.value.path()) as picture:
            assert picture.width > 1200
            assert len(picture.convert("RGB").getcolors(2**20)) > 100


def test_a_hostile_category_is_text(browser, tmp_path):
    scene = make_detector_scene(tmp_path)
    annotations = replace(scene.dataset.annotations, categories={3: HOSTILE, 7: "=1+1"})
    bad = DetectorScene.of(scene.detector, replace(scene.dataset, annotations=annotations), label_ids="ids")
    with serving(bad) as address, DetectorTab(browser, address, "?sure=0") as tab:
        tab.whole()
        assert tab.page.evaluate("window.hacked") is None
        with tab.page.expect_download() as caught:
            tab.page.click("#save-numbers")
        assert ",=1+1" not in caught.value.path().read_text()


def test_an_export_is_the_same_page_without_a_server_of_ours(browser, address, scene, tmp_path):
    assert export(explored(scene), tmp_path, [1, 3]) == [1, 3]
    shown = {}
    with serving_files(tmp_path) as other:
        for name, where in (("export", other), ("server", address)):
            with DetectorTab(browser, where, "?image=3&at=4&sure=0.1") as tab:
                tab.whole()
                shown[name] = [
                    tab.pixels("first"),
                    tab.text("answers-first"),
                    tab.counts(),
                    tab.boxes("second"),
                ]
                assert tab.page.locator("#file").is_visible() == (name == "server")
                tab.page.click("#list-lose")
                tab.until("document.getElementById('list-note').textContent.includes('have a lower AP')")
    assert shown["export"] == shown["server"]


def test_pictures_are_moved_through_while_the_detector_is_asked(browser, tmp_path):
    goes = threading.Event()

    class Waits(Scattered):
        def detect(self, images):
            assert goes.wait(60)
            return super().detect(images)

    scene = make_detector_scene(tmp_path, Waits())
    with serving(scene) as address, DetectorTab(browser, address, "?image=2") as tab:
        tab.until("document.getElementById('answers-first').textContent.includes('asking the detector')")
        seen = set()
        for position in range(5):
            tab.page.locator("#at").fill(str(position))
            tab.page.wait_for_timeout(80)
            seen.add(tuple(tab.pixels("first")))
        tab.set_sure(0.2)
        with tab.page.expect_download() as caught:
            tab.page.click("#save-numbers")
        assert "full" not in caught.value.path().read_text()
        assert len(seen) == 5
        goes.set()
        tab.whole()
        assert tab.boxes("whole") > 0


def test_the_latest_image_wins(browser, tmp_path):
    """A slow detector's answers to an image that was left do not come over those to the next."""

    class Slow(Scattered):
        def detect(self, images):
            time.sleep(0.05)
            return super().detect(images)

    scene = make_detector_scene(tmp_path, Slow())
    with serving(scene) as address, DetectorTab(browser, address) as tab:
        tab.page.locator("#thumbs button").nth(1).wait_for()
        for index in (1, 2, 3):
            tab.page.locator("#thumbs button").nth(index).click()
            tab.page.wait_for_timeout(100)
        tab.whole()
        assert tab.text("panel-title") == "scene-3.png"
        with tab.page.expect_download() as caught:
            tab.page.click("#save-numbers")
        rows = [row for row in csv.DictReader(io.StringIO(caught.value.path().read_text())) if row["shown"]]
        _, answers, _ = found_in(scene, scene.picture(3))
        assert [float(row["score"]) for row in rows] == [
            box[1] for view in dict.fromkeys(row["shown"] for row in rows) for box in answers[view]["boxes"]
        ]


def test_phantoms_are_explored_without_annotations_of_ones_own(browser):
    dataset = open_detection_data("phantom:count=3,size=64")
    detector = Scattered()
    detector.label_names = dataset.annotations.categories | {3: "class 2", 7: "class 6"}
    with serving(DetectorScene.of(detector, dataset)) as address, DetectorTab(browser, address) as tab:
        tab.whole()
        assert "true objects" in tab.text("everywhere").lower()
