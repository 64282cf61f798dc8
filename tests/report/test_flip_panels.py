"""Figure 2's panels: every image with what the network makes of it, on one sheet."""

import xml.etree.ElementTree as ElementTree

import pytest
import torch

from passband.instruments.flips import FlipExample, FlipPictures
from passband.report.flips import draw_flips, write_flips

CLASSES = ("cat & dog", "a name that is much too long for a panel")


def example(sample: int, channels: int = 3) -> FlipExample:
    image = torch.full((channels, 8, 6), 0.5)
    probabilities = torch.tensor([[0.91, 0.09], [0.2, 0.8], [0.6, 0.4]])
    return FlipExample(sample, 4.0, 0, image, image, torch.zeros_like(image), probabilities)


@pytest.mark.parametrize(("count", "channels"), [(1, 3), (2, 1), (7, 3)])
def test_each_image_has_its_answer_and_whether_that_is_right(count, channels):
    pictures = FlipPictures("test", CLASSES, tuple(example(i, channels) for i in range(count)))
    root = ElementTree.fromstring(draw_flips(pictures))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(list(root.iter("{http://www.w3.org/2000/svg}image"))) == 3 * count
    assert texts.count("cat & dog 91%") == texts.count("cat & dog 60%") == count
    assert texts.count("a name that is muc… 80%") == count
    assert [
        texts.count(f"{part}: {said}")
        for part, said in (("image", "right"), ("LFC", "wrong"), ("HFC", "right"))
    ] == 3 * [count]
    assert f"cat & dog (image {count - 1}), r = 4" in texts
    width, height = (float(root.attrib[side]) for side in ("width", "height"))
    for each in root.iter("{http://www.w3.org/2000/svg}image"):
        assert 0 <= float(each.attrib["x"]) <= width - float(each.attrib["width"])
        assert 0 <= float(each.attrib["y"]) <= height - float(each.attrib["height"])


def test_nothing_is_written_where_there_is_none(tmp_path):
    write_flips(FlipPictures("test", CLASSES, ()), tmp_path, "flips")
    assert not list(tmp_path.iterdir())


def test_it_is_written_in_three_forms(tmp_path):
    pytest.importorskip("vl_convert")
    write_flips(FlipPictures("train", CLASSES, (example(0),)), tmp_path, "flips-net-train")
    assert {path.name for path in tmp_path.iterdir()} == {
        f"flips-net-train.{kind}" for kind in ("svg", "pdf", "png")
    }
    assert (tmp_path / "flips-net-train.png").read_bytes().startswith(b"\x89PNG")
