"""The page as people use it, in a real browser."""

from __future__ import annotations

import csv
import io

import pytest
from PIL import Image

from explorer_scenes import explored, looked_at, make_scene, serving
from explorer_tab import Tab, serving_files
from passband.explorer.export import export
from passband.explorer.view import View
from pictures_sent import BAD, GOOD

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def scene():
    return make_scene(size=(32, 32), samples=60)


@pytest.fixture(scope="module")
def address(scene):
    with serving(scene) as found:
        yield found


def said(scene, index: int, place: float, part: int, view: View | None = None) -> str:
    image, _, answers, _ = looked_at(scene, index, view or View())
    return scene.images.classes[answers[0][image["places"].index(place)][part]["top"][0][0]]


def test_moving_the_slider_moves_pictures_and_answers(browser, address, scene):
    with Tab(browser, address, "?image=3&at=0") as tab:
        tab.whole()
        seen, answered = set(), set()
        for place in range(23):
            tab.page.locator("#at").fill(str(place))
            tab.until("p => document.getElementById('at-value').textContent === p", arg=str(place))
            seen.add(tuple(tab.pixels("first")))
            answered.add(tab.first_answer("first"))
            assert tab.first_answer("first").startswith(said(scene, 3, place, 0))
            assert tab.first_answer("second").startswith(said(scene, 3, place, 1))
        assert len(seen) == 23
        assert len(answered) > 1
        before = len(tab.requests)
        tab.page.locator("#at").fill("4")
        tab.page.wait_for_timeout(400)
        assert len(tab.requests) == before  # nothing is asked for: all radii are there
        assert tab.query()["at"] == "4"


def test_the_circle_is_dragged(browser, address):
    with Tab(browser, address, "?image=1&at=4") as tab:
        tab.whole()
        box = tab.page.locator("#spectrum").bounding_box()
        pixel = box["width"] / 32
        x, y = box["x"] + 16.5 * pixel, box["y"] + 16.5 * pixel
        before = tab.pixels("first")
        tab.page.mouse.move(x + 4.5 * pixel, y)
        tab.page.mouse.down()
        tab.page.mouse.move(x + 6 * pixel, y + 8 * pixel, steps=5)  # 10 away
        tab.page.wait_for_timeout(200)
        assert tab.text("at-value") in ("9", "10")
        assert tab.pixels("first") != before
        tab.page.mouse.up()
        tab.page.mouse.move(x, y)
        tab.page.wait_for_timeout(100)
        assert tab.text("at-value") in ("9", "10")


def test_the_picture_is_the_component_to_the_byte(browser, address, scene):
    from passband.explorer.look import look

    with Tab(browser, address, "?image=5&at=7&amplitude=rms") as tab:
        tab.whole()
        frames = list(look(scene, scene.picture(5), View(amplitude="rms")))
        (parts,) = [f for f in frames if f.header["kind"] == "parts" and f.header["index"] == 7]
        assert tab.pixels("first") + tab.pixels("second") == list(parts.payload)
        assert tab.pixels("whole") == list(frames[0].payload[: 32 * 32 * 3])


def test_everything_is_reached_by_keyboard(browser, address):
    with Tab(browser, address) as tab:
        tab.whole()
        reached, slider = [], None
        for _ in range(60):
            tab.page.keyboard.press("Tab")
            name = tab.page.evaluate(
                "document.activeElement.id || document.activeElement.name || document.activeElement.tagName"
            )
            if name == "at" and slider is None:
                slider = tab.text("at-value")
                for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
                    tab.page.keyboard.press(key)
                tab.page.wait_for_timeout(200)
                assert int(tab.text("at-value")) == int(slider) + 1
                tab.page.keyboard.press("Home")
                tab.page.wait_for_timeout(900)
                assert tab.text("at-value") == "0"
                assert "Radius 0" in tab.page.locator("#said").text_content()
            reached.append(name)
        wanted = {"list-all", "list-flips", "file", "forward", "at", "cut", "amplitude", "rho", "normalize", "epsilon", "steps", "save-picture", "save-numbers", "copy", "SUMMARY"}  # fmt: skip
        assert wanted <= set(reached)
        tab.page.locator("#thumbs button").nth(2).focus()
        tab.page.keyboard.press("Enter")
        tab.until("document.getElementById('panel-title').textContent.startsWith('Image 2')")
        tab.page.locator("input[value=radius]").focus()
        tab.page.keyboard.press("ArrowDown")
        tab.until("document.getElementById('at-name').textContent === 'Outer radius'")


def test_good_files_are_shown_and_bad_ones_said(browser, address):
    with Tab(browser, address) as tab:
        tab.whole()
        for name, content in GOOD.items():
            tab.page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": content})
            tab.until("n => document.getElementById('panel-title').textContent.toLowerCase() === n", arg=name)
            assert not tab.page.locator("#problem").is_visible()
            assert len(tab.pixels("whole")) == 32 * 32 * 3
        tab.page.set_input_files(
            "#file", {"name": "turned.jpg", "mimeType": "image/jpeg", "buffer": GOOD["turned.jpg"]}
        )
        tab.until("document.getElementById('note-whole').textContent.includes('EXIF')")
        assert "upload" in tab.query()
        for name, (content, words) in BAD.items():
            tab.page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": content})
            tab.until("w => document.getElementById('problem').textContent.includes(w)", arg=words)
            assert tab.page.locator("#problem").is_visible()
        refused = [text for text in tab.complaints if "400 (Bad Request)" in text]
        assert len(refused) == len(BAD)  # what the browser itself says of an answer that refuses
        tab.complaints[:] = [text for text in tab.complaints if text not in refused]


def test_the_address_brings_it_all_back(browser, address):
    query = "?image=7&at=9&cut=ring&width=2&amplitude=clip&rho=0.25&normalize=1&epsilon=4%2F255&steps=3"
    with Tab(browser, address, query) as tab:
        tab.whole()
        shown = {name: tab.pixels(name) for name in ("whole", "first", "second")}
        assert tab.text("at-value") == "9"
        assert "attacked" in tab.text("note-whole")
        for name, value in (
            ("width", "2"),
            ("amplitude", "clip"),
            ("rho", "0.25"),
            ("epsilon", "4/255"),
            ("steps", "3"),
        ):
            assert tab.page.locator(f"#{name}").input_value() == value
        assert tab.page.locator("#normalize").is_checked()
        copied = tab.page.url
    with Tab(browser, copied) as tab:
        tab.address = address
        tab.whole()
        assert {name: tab.pixels(name) for name in shown} == shown


def test_settings_change_what_is_shown(browser, address, scene):
    with Tab(browser, address, "?image=2&at=6") as tab:
        tab.whole()
        before = tab.page.locator("#answers-whole").inner_text()
        tab.page.select_option("#epsilon", "16/255")
        tab.until("document.getElementById('note-whole').textContent.includes('16.0/255')")
        assert tab.page.locator("#answers-whole").inner_text() != before
        tab.page.select_option("#epsilon", "0")
        tab.page.locator("#rho").fill("1")
        tab.until(
            "b => { const t = document.getElementById('answers-whole').innerText; return t && t !== b }",
            arg=before,
        )
        tab.page.locator("#rho").fill("0")
        tab.page.check("input[value=rank]")
        tab.until("document.getElementById('name-first').textContent === 'Dominant'")
        assert tab.page.locator("#spectrum circle").count() == 0


def test_flips_are_jumped_to(browser, address, scene):
    with Tab(browser, address) as tab:
        tab.whole()
        tab.page.click("#list-flips")
        tab.until("document.getElementById('list-note').textContent.includes('by chance')")
        tab.page.locator("#thumbs button").first.click()
        index = int(tab.page.locator("#thumbs button").first.get_attribute("data-image"))
        tab.until(
            "n => document.getElementById('panel-title').textContent.startsWith(n)", arg=f"Image {index}:"
        )
        tab.whole()
        assert tab.first_answer("second").split(" ")[0] == tab.first_answer("whole").split(" ")[0]
        assert "another answer" in tab.text("answers-first")


def test_two_models_stand_side_by_side(browser):
    both = make_scene(models=2)
    with serving(both) as address, Tab(browser, address) as tab:
        tab.whole()
        assert tab.page.locator("#answers-first h4").all_inner_texts() == ["small-0", "small-1"]
        assert tab.page.locator("#strip svg").get_attribute("aria-label").count("small-1") == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_any_screen_and_no_accessibility_fault_is_found(browser, address, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme, "bypass_csp": True}
    with Tab(browser, address, "?image=1", **options) as tab:
        tab.whole()
        assert tab.page.evaluate("document.documentElement.scrollWidth") == width
        for summary in tab.page.locator("summary").all():
            summary.click() if summary.is_visible() else None
        assert tab.page.evaluate("document.documentElement.scrollWidth") == width
        found = axe.run(tab.page).response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_what_is_saved(browser, address, scene):
    with Tab(browser, address, "?image=4&at=5") as tab:
        tab.whole()
        with tab.page.expect_download() as caught:
            tab.page.click("#save-numbers")
        assert caught.value.suggested_filename == "image-4-radius-5.csv"
        rows = list(csv.DictReader(io.StringIO(caught.value.path().read_text())))
        assert len(rows) == 1 + 2 * 23
        (row,) = [row for row in rows if row["shown"] == "hfc:5"]
        image, _, answers, _ = looked_at(scene, 4, View())
        answer = answers[0][5][1]
        assert row["prediction"] == scene.images.classes[answer["top"][0][0]]
        assert float(row["confidence"]) == answer["top"][0][1]
        assert float(row["energy"]) == pytest.approx(1 - image["energy"][5], abs=1e-6)
        assert row["true_class"] == scene.images.classes[image["label"]]
        with tab.page.expect_download() as caught:
            tab.page.click("#save-picture")
        with Image.open(caught.value.path()) as picture:
            assert picture.width > 1200
            assert len(picture.convert("RGB").getcolors(2**20)) > 100


def test_an_image_that_is_not_there_is_said_in_the_page(browser, address):
    with Tab(browser, address, "?image=1000") as tab:
        tab.until("document.getElementById('problem').textContent.includes('there is no image 1000')")
        tab.complaints.clear()


def test_a_hostile_class_name_is_text(browser):
    from dataclasses import replace

    from pages import HOSTILE

    scene = make_scene()
    names = (HOSTILE, "=1+1", "c", "d")
    with (
        serving(
            replace(
                scene,
                images=replace(scene.dataset, classes=names),
                dataset=replace(scene.dataset, classes=names),
            )
        ) as address,
        Tab(browser, address) as tab,
    ):
        tab.whole()
        assert tab.page.evaluate("window.hacked") is None
        with tab.page.expect_download() as caught:
            tab.page.click("#save-numbers")
        assert "\n=" not in caught.value.path().read_text().replace(",=", "\n=")


def test_without_data_pictures_are_uploaded(browser):
    from explorer_scenes import make_network
    from passband.explorer.scene import Scene

    model = make_network()
    model.size, model.channels = (24, 24), 3
    with serving(Scene.of([model], device="cpu")) as address, Tab(browser, address) as tab:
        assert tab.text("panel-title") == "Nothing is chosen yet"
        tab.page.wait_for_selector("#file:enabled")
        tab.page.set_input_files(
            "#file", {"name": "a.png", "mimeType": "image/png", "buffer": GOOD["color.png"]}
        )
        tab.whole()
        assert tab.text("panel-title") == "A.png"
        assert tab.first_answer("whole").startswith("class ")


def test_no_picture_is_lost_that_is_chosen_before_the_page_knows_its_model(browser, address):
    context = browser.new_context()
    held = []
    context.route("**/about*", lambda route: held.append(route))
    page = context.new_page()
    try:
        page.goto(address)
        assert page.locator("#file").is_disabled()
        for _ in range(100):
            if held:
                break
            page.wait_for_timeout(100)
        held[0].continue_()
        page.wait_for_selector("#file:enabled")
    finally:
        context.close()


def test_an_export_is_the_same_page_without_a_server_of_ours(browser, address, scene, tmp_path):
    chosen = export(explored(scene), tmp_path, [4, 9])
    assert chosen == [4, 9]
    with serving_files(tmp_path) as other, Tab(browser, other, "?image=9&at=6") as tab:
        tab.whole()
        exported = {name: tab.pixels(name) for name in ("whole", "first", "second", "power")}
        assert tab.page.locator("#thumbs button").count() == 2
        assert not tab.page.locator("#file").is_visible()
        assert not tab.page.locator("#epsilon").is_visible()
        tab.page.check("input[value=rank]")
        tab.until("document.getElementById('name-first').textContent === 'Dominant'")
        tab.page.click("#list-flips")
        tab.until("document.getElementById('list-note').textContent.includes('by chance')")
    with Tab(browser, address, "?image=9&at=6") as tab:
        tab.whole()
        assert {name: tab.pixels(name) for name in exported} == exported
