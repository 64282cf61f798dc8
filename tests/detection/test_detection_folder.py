import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from blobs import write_scenes
from passband.detection.folder import open_folder
from passband.errors import InputError


@pytest.fixture
def scenes(tmp_path):
    return write_scenes(tmp_path)


def test_images_are_read_one_at_a_time_as_they_are(scenes):
    dataset = open_folder(*scenes)
    assert (len(dataset), dataset.shorter_side) == (6, 44)
    image = dataset.image(2)
    assert image.shape == (3, 64, 44)
    with Image.open(scenes[0] / "scene-2.png") as picture:
        expected = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255
    torch.testing.assert_close(image, expected)


def test_the_first_images_come_with_their_objects_alone(scenes):
    dataset = open_folder(*scenes, limit=2)
    assert len(dataset) == 2
    assert set(dataset.annotations.objects["image"]) == {0, 10}
    assert dataset.fingerprint() != open_folder(*scenes).fingerprint()


def test_data_are_called_after_their_folder_wherever_one_stands(scenes, monkeypatch):
    images, annotations = scenes
    monkeypatch.chdir(images)
    assert open_folder(Path("."), annotations).annotations.name == images.name


def test_the_fingerprint_is_that_of_pixels_and_annotations(scenes, tmp_path):
    before = open_folder(*scenes).fingerprint()
    again = write_scenes(tmp_path / "again")
    assert open_folder(*again).fingerprint() == before
    with Image.open(again[0] / "scene-1.png") as picture:
        picture.convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(again[0] / "scene-1.png")
    assert open_folder(*again).fingerprint() != before


def test_images_that_are_missing_are_counted_and_the_right_folder_is_named(scenes):
    images, annotations = scenes
    (images / "scene-3.png").unlink()
    with pytest.raises(InputError, match=r"1 of 6 images are not in .*: scene-3.png\."):
        open_folder(images, annotations)
    (images / "train").mkdir()
    for path in images.glob("*.png"):
        shutil.move(path, images / "train")
    shutil.copy(images / "train" / "scene-0.png", images / "train" / "scene-3.png")
    with pytest.raises(InputError, match=r"6 of 6 images .* They are in .*train: give that folder"):
        open_folder(images, annotations)


def test_images_that_cannot_be_used_are_found_before_anything_is_measured(scenes):
    images, annotations = scenes
    content = (images / "scene-1.png").read_bytes()
    (images / "scene-1.png").write_bytes(content[: len(content) // 2])
    shutil.copy(images / "scene-0.png", images / "scene-4.png")
    with pytest.raises(
        InputError, match=r"2 of 6 images cannot be used: .*scene-1.png.*; .*scene-4.png has 40x60"
    ):
        open_folder(images, annotations).fingerprint()


def test_an_image_on_its_side_is_told(scenes):
    images, annotations = scenes
    with Image.open(images / "scene-0.png") as picture:
        turned = picture.transpose(Image.Transpose.ROTATE_90)
    turned.save(images / "scene-0.png")
    with pytest.raises(InputError, match="it lies on its side"):
        open_folder(images, annotations).image(0)


def test_gray_and_transparent_images_have_three_channels(scenes):
    images, annotations = scenes
    for index, mode in enumerate(("L", "RGBA", "P")):
        with Image.open(images / f"scene-{index}.png") as picture:
            converted = picture.convert(mode)
        converted.save(images / f"scene-{index}.png")
    dataset = open_folder(images, annotations)
    assert {len(dataset.image(index)) for index in range(3)} == {3}


def test_a_folder_that_is_none_is_refused(scenes, tmp_path):
    with pytest.raises(InputError, match="no folder of images"):
        open_folder(tmp_path / "absent", scenes[1])
    document = json.loads(scenes[1].read_text())
    document["images"][0]["file_name"] = "sub/scene-0.png"
    scenes[1].write_text(json.dumps(document))
    with pytest.raises(InputError, match="1 of 6 images are not in"):
        open_folder(*scenes)
