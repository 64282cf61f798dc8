import base64
import io
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.ops import box_iou

from made_up_detector import boxes, make_example
from pages import HOSTILE
from passband.report import boxes as drawing

COLORS = {"person": "#ffd23f", "zebra": "#3ecbff", HOSTILE: "#ff6b6b"}
NOTHING = boxes()


def picture(height=100, width=200, value=128):
    return torch.full((3, height, width), value, dtype=torch.uint8)


def parsed(svg):
    return ElementTree.fromstring(svg.replace(' xmlns="http://www.w3.org/2000/svg"', ""))


def draw(truth=NOTHING, found=NOTHING, image=None, **more):
    image = picture() if image is None else image
    return parsed(drawing.draw_boxes(image, truth, found, COLORS, label="a picture", **more).svg)


def texts(svg):
    return [each.text for each in svg.iter("text")]


def outlines(svg):
    return [each for each in svg.iter("rect") if each.get("stroke") != "#000"]


def embedded(svg):
    kind, _, text = svg.find("image").get("href").partition(",")
    return kind, Image.open(io.BytesIO(base64.b64decode(text)))


def test_boxes_are_where_they_are_in_the_image_and_truth_is_dashed():
    svg = draw(boxes((10, 20, 30, 60, "person", 1)), boxes((50, 0, 200, 100, "zebra", 0.5)))
    assert svg.get("viewBox") == "0 0 480.0 240.0"  # 200 pixels are 480 units
    there, found = outlines(svg)
    assert [float(there.get(key)) for key in ("x", "y", "width", "height")] == [24, 48, 48, 96]
    assert [float(found.get(key)) for key in ("x", "y", "width", "height")] == [120, 0, 360, 240]
    assert (there.get("stroke"), found.get("stroke")) == ("#ffd23f", "#3ecbff")
    assert there.get("stroke-dasharray")
    assert not found.get("stroke-dasharray")


def test_what_is_drawn_has_its_colors_on_its_edges():
    convert = pytest.importorskip("vl_convert")
    svg = drawing.draw_boxes(
        picture(240, 480), NOTHING, boxes((100, 50, 300, 150, "person", 0.9)), COLORS, label="x"
    ).svg
    pixels = np.asarray(Image.open(io.BytesIO(convert.svg_to_png(svg, scale=1))).convert("RGB")).astype(int)
    assert pixels.shape == (240, 480, 3)
    yellow = np.array([0xFF, 0xD2, 0x3F])
    for row, column in ((100, 100), (100, 300), (50, 250), (150, 250)):
        assert np.abs(pixels[row - 1 : row + 2, column - 1 : column + 2] - yellow).sum(axis=-1).min() < 40
    assert np.abs(pixels[100, 200] - 128).max() <= 3  # inside it is the image
    assert np.abs(pixels[200, 400] - 128).max() <= 3


def test_names_stand_at_what_was_found_and_at_what_was_missed():
    truth = boxes((10, 30, 40, 90, "person", 1), (150, 30, 190, 90, "zebra", 1))
    assert texts(draw(truth, boxes((11, 31, 41, 91, "person", 0.876)))) == ["zebra", "person 0.88"]
    assert texts(draw(truth, boxes((11, 31, 41, 91, "zebra", 0.9)))) == ["person", "zebra", "zebra 0.90"]


@given(
    st.lists(st.integers(0, 60), min_size=4, max_size=4), st.lists(st.integers(0, 60), min_size=4, max_size=4)
)
def test_what_is_there_is_missed_unless_a_box_overlaps_it_by_half(one, two):
    first, second = ([x, y, x + w + 1, y + h + 1] for x, y, w, h in (one, two))
    overlap = box_iou(torch.tensor([first]).float(), torch.tensor([second]).float()).item()
    if abs(overlap - 0.5) < 1e-5:
        return
    drawn = texts(
        draw(
            boxes((*first, "person", 1)),
            boxes((*second, "person", 0.5)),
            image=torch.zeros(3, 400, 400, dtype=torch.uint8),
        )
    )
    assert ("person" in drawn) == (overlap < 0.5)


def test_a_small_image_is_exact_and_a_large_one_is_shrunk():
    noise = torch.randint(256, (3, 90, 120), dtype=torch.uint8)
    kind, stored = embedded(draw(image=noise))
    assert kind == "data:image/png;base64"
    assert np.array_equal(np.asarray(stored), noise.permute(1, 2, 0).numpy())
    kind, stored = embedded(draw(image=picture(1200, 1600)))
    assert (kind, stored.size) == ("data:image/jpeg;base64", (480, 360))
    assert np.abs(np.asarray(stored).astype(int) - 128).max() <= 2
    assert embedded(draw(image=picture(1200, 1600), side=720))[1].size == (720, 540)
    assert embedded(draw(image=picture(2, 3000)))[1].size == (480, 1)


def test_names_keep_clear_of_each_other_and_of_the_edges():
    crowd = boxes(*((3 * i, 10 + (i % 3), 3 * i + 30, 60, "person", 0.5 + i / 100) for i in range(40)))
    svg = draw(NOTHING, crowd)
    assert len(outlines(svg)) == 40
    shown = list(svg.iter("text"))
    assert 1 <= len(shown) < 40
    assert "person 0.89" in texts(svg)  # the surest first
    areas = []
    for each in shown:
        long = drawing.TEXT * drawing.LETTER * len(each.text)
        right = float(each.get("x")) if each.get("text-anchor") == "end" else float(each.get("x")) + long
        base = float(each.get("y"))
        areas.append((right - long, base - drawing.TEXT, right, base))
    for i, one in enumerate(areas):
        assert min(one) >= 0
        assert one[2] <= 480
        assert one[3] <= 240
        for two in areas[i + 1 :]:
            assert one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]


def test_hostile_and_long_names_stay_text_and_are_shortened():
    svg = draw(NOTHING, boxes((10, 30, 40, 90, HOSTILE, 0.5)))
    (text,) = texts(svg)
    assert text == f"{HOSTILE[:23]}… 0.50"
    label = drawing.draw_boxes(picture(), NOTHING, NOTHING, COLORS, label=HOSTILE).svg
    assert parsed(label).get("aria-label") == HOSTILE


def test_colors_are_those_of_the_whole_page_and_the_most_frequent_differ():
    examples = [make_example(1, 0.5, 0.2), make_example(2, 0.5, 0.2, name="bench")]
    colors = drawing.category_colors(examples)
    assert set(colors) == {"person", "bench", "zebra"}
    assert len(set(colors.values())) == 3
    many = replace(
        examples[0],
        found_before=boxes(*((0, 0, 1, 1, f"c{i:02}", 0.5) for i in range(40))),
        found_after=boxes(*((0, 0, 1, 1, "c39", 0.5) for _ in range(3))),
    )
    colors = drawing.category_colors([many])
    assert next(iter(colors)) == "c39"
    assert len(set(list(colors.values())[: len(drawing.PALETTE)])) == len(drawing.PALETTE)
    assert drawing.category_colors([]) == {}


def test_a_sheet_lays_rows_out_under_their_captions():
    wide = drawing.draw_boxes(picture(100, 200), NOTHING, NOTHING, COLORS, label="wide")
    tall = drawing.draw_boxes(picture(200, 100), NOTHING, NOTHING, COLORS, label="tall")
    svg = parsed(drawing.draw_sheet([("first <b>", [wide, wide]), ("second", [tall, tall])], "the note"))
    assert texts(svg) == ["first <b>", "second", "the note"]
    inner = svg.findall("svg")
    places = [(float(each.get("x")), float(each.get("y")), float(each.get("height"))) for each in inner]
    assert [place[0] for place in places] == [16, 512, 16, 512]
    assert places[2][1] >= places[0][1] + places[0][2]
    assert float(svg.get("height")) >= places[2][1] + 480
    convert = pytest.importorskip("vl_convert")
    image = Image.open(
        io.BytesIO(
            convert.svg_to_png(
                ElementTree.tostring(svg)
                .decode()
                .replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1),
                scale=1,
            )
        )
    )
    assert image.size[0] == 3 * 16 + 2 * 480
