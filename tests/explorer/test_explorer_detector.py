"""What the explorer shows of a detector is what `passband detect` measures."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

import passband as pb
from blobs import NAMES, Blobs
from explorer_scenes import Forgetful, Scattered, explored, found_in, make_detector_scene
from fake_detectors import small_retinanet
from passband.audit.detector import audit_detector
from passband.detection.categories import map_labels
from passband.detection.detect import Showing, detect
from passband.detection.objects import Detections
from passband.detection.shown import GRAY, Shown
from passband.detection.view import parse_view
from passband.errors import InputError
from passband.explorer.app import make_app
from passband.explorer.detector_gallery import find_changes
from passband.explorer.detector_look import answer_of, drawn_size
from passband.explorer.detector_scene import DetectorScene
from passband.explorer.look import on_gray
from passband.explorer.wire import decode
from pictures_sent import BAD, GOOD

RADII = [4.0, 9.0]


def rows_of(answer) -> list[tuple]:
    return sorted(tuple(box[:6]) for box in answer["boxes"])


def expected_rows(found, view: str, image: int, labeling=None) -> list[tuple]:
    table = found.of(parse_view(view)).filter(pl.col("image") == image)
    if labeling is not None:
        table, _ = map_labels(table, labeling)
    return sorted(
        (
            row["category"],
            round(row["score"], 6),
            *(round(e, 2) for e in (row["x"], row["y"], row["x"] + row["width"], row["y"] + row["height"])),
        )
        for row in table.iter_rows(named=True)
    )


@pytest.mark.parametrize("split_at", ["original", "input"])
@pytest.mark.parametrize("amplitude", ["picture", "raw", "clip", "max", "minmax", "rms"])
def test_boxes_are_those_that_detect_finds(tmp_path, amplitude, split_at):
    detector = pb.load_detector(small_retinanet(3, size=56))
    names = dict(enumerate(NAMES.values(), 1))
    detector.label_names = names | {0: "nothing"}
    scene = make_detector_scene(tmp_path, detector, radii=RADII, split_at=split_at)
    index = 2
    picture = scene.picture(index)
    image, answers, _ = found_in(scene, picture, amplitude)
    assert image["places"] == RADII
    assert set(answers) == {"full", "lfc:4", "lfc:9", "hfc:4", "hfc:9"}
    showing = Showing(tuple(map(parse_view, answers)), Shown(amplitude), split_at)
    found = detect(detector, scene.dataset, showing, tmp_path / "found", batch_size=1)
    for view, answer in answers.items():
        wanted = expected_rows(found, view, picture.id, scene.labeling)
        assert rows_of(answer) == wanted, view
        assert len(wanted) > 3
    assert answers["lfc:4"]["boxes"] != answers["full"]["boxes"]


def test_objects_and_ap_are_those_of_an_audit(tmp_path):
    scene = make_detector_scene(tmp_path, radii=RADII)
    audit = audit_detector(Blobs(), scene.dataset, radii=RADII, cycles_per_pixel=[], resamples=10)
    some = set()
    for index in range(len(scene.dataset)):
        picture = scene.picture(index)
        _, answers, _ = found_in(scene, picture)
        for view, answer in answers.items():
            here = (pl.col("image") == picture.id) & (pl.col("shown") == view)
            assert answer["ap"] == pytest.approx(audit.images.filter(here)["ap"].item())
            scores = audit.objects.filter(here)["score"].to_list()
            assert answer["objects"] == [s if s is None else pytest.approx(s, abs=1e-6) for s in scores]
            assert sum(box[6] == "right" for box in answer["boxes"]) == sum(s is not None for s in scores)
            some |= {s is None for s in scores}
    assert some == {True, False}


def test_what_is_found_from_a_score_on_is_what_the_boxes_from_there_on_match(tmp_path):
    """The page counts objects by the score that found them, for any position of the slider."""
    scene = make_detector_scene(tmp_path)
    draws, counts = torch.Generator().manual_seed(0), set()
    for index in range(6):
        picture = scene.picture(index)
        edges = torch.tensor(found_in(scene, picture)[0]["objects"])[:, 1:].repeat(15, 1)
        boxes = edges + 3 * (torch.rand(len(edges), 4, generator=draws) - 0.5)
        labels = torch.tensor(list(NAMES))[torch.randint(2, (len(edges),), generator=draws)]
        found = Detections(boxes, torch.rand(len(edges), generator=draws), labels)
        everything = answer_of(found, picture)
        for sure in np.linspace(0, 1, 21):
            kept = torch.tensor([round(float(score), 6) >= sure for score in found.scores])
            few = answer_of(Detections(boxes[kept], found.scores[kept], labels[kept]), picture)
            matched = [score is not None and score >= sure for score in everything["objects"]]
            assert matched == [score is not None for score in few["objects"]]
            assert [box for box in everything["boxes"] if box[1] >= sure] == few["boxes"]
            counts.add(sum(matched))
    assert counts == {0, 1, 2}


def test_pictures_are_what_the_detector_is_given_made_visible(tmp_path):
    scene = make_detector_scene(tmp_path, radii=RADII)
    picture = scene.picture(0)
    for amplitude in ("picture", "clip", "rms"):
        image, _, frames = found_in(scene, picture, amplitude)
        height, width = image["drawn"]
        assert (height, width) == tuple(image["size"]) == (40, 60)
        assert frames[0].payload[: 3 * 40 * 60] == picture.pixels.permute(1, 2, 0).numpy().tobytes()
        parts = [frame for frame in frames if frame.header["kind"] == "parts"]
        assert sorted(frame.header["index"] for frame in parts) == [0, 1]
        for frame in parts:
            views = [parse_view(text) for text in image["shown"][frame.header["index"]]]
            low, high = Shown(amplitude).make(picture.pixels / 255, views, picture.id)
            seen = (
                on_gray(high - GRAY)
                if amplitude == "picture"
                else on_gray(high)
                if amplitude == "rms"
                else high
            )
            wanted = [(each.clamp(0, 1) * 255).permute(1, 2, 0).flatten().numpy() for each in (low, seen)]
            assert np.abs(np.frombuffer(frame.payload, np.uint8) - np.concatenate(wanted)).max() <= 0.51


def test_the_radius_that_is_asked_for_comes_first_and_all_come(tmp_path):
    scene = make_detector_scene(tmp_path)
    frames = list(explored(scene).look(scene.picture(0), {"at": "6.2"}))
    places = frames[0].header["places"]
    kinds = [frame.header["kind"] for frame in frames]
    assert list(dict.fromkeys(kinds)) == ["image", "parts", "whole", "answers", "end"]
    assert places[frames[1].header["index"]] == 6
    assert kinds.count("parts") == len(places)
    assert sorted(i for f in frames if f.header["kind"] == "answers" for i in f.header["indices"]) == list(
        range(len(places))
    )
    asked = [frame.header["indices"][0] for frame in frames if frame.header["kind"] == "answers"]
    away = [abs(places[index] - 6.2) for index in asked]
    assert away == sorted(away)
    begun = next(iter(explored(scene).look(scene.picture(0), {})))
    assert begun.header["places"][begun.header["first"]] == 16 == begun.header["usual"][-1]


def test_radii_are_about_half_an_octave_apart_and_have_those_of_detect():
    scene = DetectorScene.of(Blobs())
    assert scene.places((480, 640)) == (8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362)
    assert scene.places((128, 128)) == (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64)
    assert scene.places((5, 400))[:2] == (1, 2) or len(scene.places((5, 400))) >= 12
    for size in ((2, 2), (3, 3), (2, 9), (1, 7)):
        assert all(place > 0 for place in scene.places(size))
    with pytest.raises(InputError, match="1x1 pixels has no frequencies"):
        scene.places((1, 1))
    given = DetectorScene.of(Blobs(), radii=[30, 4])
    assert given.places((100, 100)) == (4, 30)
    assert given.places((32, 32)) == (4,)
    with pytest.raises(InputError, match="the radii are 4, 30"):
        given.places((4, 4))


def test_nothing_is_asked_for_twice(tmp_path):
    detector = Blobs()
    scene = make_detector_scene(tmp_path, detector, radii=RADII)
    found_in(scene, scene.picture(0))
    assert detector.seen == 5
    found_in(scene, scene.picture(0))
    assert detector.seen == 5
    found_in(scene, scene.picture(0), "clip")
    assert detector.seen == 9  # the whole image is the same under every policy
    found_in(scene, scene.picture(1))
    assert detector.seen == 14


def test_two_images_are_never_taken_for_each_other(tmp_path):
    scene = make_detector_scene(tmp_path, radii=RADII)
    upload = explored(scene).decode(GOOD["color.png"], "color.png")
    other = explored(scene).decode(GOOD["photo.jpg"], "color.png")
    for picture in (upload, other, scene.picture(0), scene.picture(1)):
        _, answers, _ = found_in(scene, picture)
        alone = make_detector_scene(tmp_path / picture.key, radii=RADII)
        assert found_in(alone, picture)[1] == answers


def test_changes_are_those_of_an_audit(tmp_path):
    radii = [4.0, 10.0, 16.0]
    scene = make_detector_scene(tmp_path, Forgetful(), count=20, radii=radii)
    audit = audit_detector(Forgetful(), scene.dataset, radii=radii, cycles_per_pixel=[], resamples=10)
    found = find_changes(scene, "picture")
    assert (found["radius"], found["hfc_radius"], found["looked_at"], found["of"]) == (16, 4, 20, 20)
    counts = {view: audit.card.view(view).images for view in ("lfc:16", "control:16", "hfc:4")}
    assert found["lose"] == counts["lfc:16"].lose
    assert found["gain"] == counts["lfc:16"].gain
    assert found["by_control"] == counts["control:16"].gain
    assert found["gain_on_hfc"] == counts["hfc:4"].gain
    ids = [each.id for each in scene.dataset.annotations.pictures]
    for name, view in (("lose", "lfc:16"), ("gain", "lfc:16"), ("hfc", "hfc:4")):
        table = audit.images.filter(pl.col("shown") == view)
        change = dict(zip(table["image"], table["change"], strict=True))
        listed = [change[ids[each["sample"]]] for each in found["lists"][name]]
        assert listed == sorted(listed, reverse=name != "lose")
        assert all((value < 0) == (name == "lose") for value in listed)
        assert len(listed) == found[{"hfc": "gain_on_hfc"}.get(name, name)] > 0


def test_labels_that_seem_to_be_read_wrongly_are_said(tmp_path):
    class Silent(Blobs):
        label_names = None

        def detect(self, images):
            return [replace_labels(each, {3: 0, 7: 1}) for each in super().detect(images)]

    scene = make_detector_scene(tmp_path, Silent())
    with pytest.raises(InputError, match="--label-ids index0"):
        found_in(scene, scene.picture(0))
    scene = make_detector_scene(tmp_path / "more", Silent(), label_ids="index0")
    assert {box[0] for box in found_in(scene, scene.picture(0))[1]["full"]["boxes"]} <= set(NAMES)


def replace_labels(found: Detections, labels: dict[int, int]) -> Detections:
    return replace(
        found, labels=torch.tensor([labels[int(each)] for each in found.labels], dtype=torch.int64)
    )


def test_doubts_about_labels_come_with_the_image_and_do_not_end_it(tmp_path, monkeypatch):
    scene = make_detector_scene(tmp_path)

    def doubt(*_):
        raise InputError("labels seem to be read wrongly")

    monkeypatch.setattr(scene._watch, "see", doubt)
    _, answers, frames = found_in(scene, scene.picture(0))
    assert len(answers) > 3
    assert [frame.header["kind"] for frame in frames[-2:]] == ["error", "end"]
    assert "read wrongly" in frames[-2].header["message"]


def test_an_image_without_objects_and_an_upload_have_nothing_to_be_right_about(tmp_path):
    scene = make_detector_scene(tmp_path)
    objects = scene.dataset.annotations.objects.filter(pl.col("image") != 0)
    scene = DetectorScene.of(
        Blobs(), replace(scene.dataset, annotations=replace(scene.dataset.annotations, objects=objects))
    )
    image, answers, _ = found_in(scene, scene.picture(0))
    assert image["objects"] == [] == answers["full"]["objects"]
    assert answers["full"]["ap"] is None
    assert {box[6] for box in answers["full"]["boxes"]} == {"wrong"}
    upload = explored(scene).decode(GOOD["color.png"], "color.png")
    image, answers, _ = found_in(scene, upload)
    assert image["objects"] is None is answers["full"]["objects"]
    assert {box[6] for answer in answers.values() for box in answer["boxes"]} <= {None}


def test_boxes_around_crowds_are_counted_and_not_asked_for(tmp_path):
    scene = make_detector_scene(tmp_path)
    objects = scene.dataset.annotations.objects.with_columns(crowd=pl.col("object") == 1)
    scene = DetectorScene.of(
        Blobs(), replace(scene.dataset, annotations=replace(scene.dataset.annotations, objects=objects))
    )
    image, answers, _ = found_in(scene, scene.picture(0))
    assert image["crowds"] == 1
    assert len(image["objects"]) == 1 == len(answers["full"]["objects"])
    assert "crowd" in {box[6] for box in answers["full"]["boxes"]}


def test_only_uploads_without_data():
    class Nameless(Blobs):
        label_names = None

    scene = DetectorScene.of(Nameless())
    told = explored(scene).about()
    assert (told["count"], told["data"], told["categories"]) == (0, None, {})
    upload = explored(scene).decode(GOOD["photo.jpg"], "photo.jpg")
    _, answers, _ = found_in(scene, upload)
    assert {box[0] for box in answers["full"]["boxes"]} <= {3, 7}
    with pytest.raises(InputError, match="0 images were loaded"):
        scene.picture(0)
    with pytest.raises(InputError, match="give IMAGES and ANNOTATIONS"):
        find_changes(scene, "picture")
    with pytest.raises(InputError, match="there are none"):
        DetectorScene.of(Nameless(), label_ids="ids")


def test_uploads_are_read_as_files_of_a_data_set_are(tmp_path):
    scene = make_detector_scene(tmp_path)
    stored = tmp_path / "scenes" / "images" / "scene-1.png"
    upload = explored(scene).decode(stored.read_bytes(), "scene-1.png")
    assert torch.equal(upload.pixels, scene.picture(1).pixels)
    image, answers, _ = found_in(scene, upload)
    known, found, _ = found_in(scene, scene.picture(1))
    assert image["size"] == known["size"]
    for view, answer in answers.items():
        assert [box[:6] for box in answer["boxes"]] == [box[:6] for box in found[view]["boxes"]]
    for name, (content, words) in BAD.items():
        with pytest.raises(InputError, match="16 million" if "50 million" in words else words):
            explored(scene).decode(content, name)


def test_a_large_image_is_drawn_smaller_and_given_whole():
    shown = []

    class Sees(Blobs):
        def detect(self, images):
            shown.extend(image.shape for image in images)
            return super().detect(images)

    buffer = io.BytesIO()
    Image.new("RGB", (1200, 30), "gray").save(buffer, "PNG")
    scene = DetectorScene.of(Sees(), radii=[8])
    image, _, frames = found_in(scene, explored(scene).decode(buffer.getvalue(), "wide.png"))
    assert image["drawn"] == [20, 800] == list(drawn_size((30, 1200)))
    assert len(frames[0].payload) == 4 * 20 * 800
    assert set(shown) == {(3, 30, 1200)}


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(InputError, match="no image has frequencies beyond"):
        make_detector_scene(tmp_path, radii=[99])
    with pytest.raises(InputError, match="does not show its own resize"):
        DetectorScene.of(Scattered(), split_at="input")
    with pytest.raises(InputError, match=r"[0-]"):
        DetectorScene.of(Blobs(), radii=[-1])


def test_the_server_answers_for_detectors_too(tmp_path):
    scene = make_detector_scene(tmp_path)
    asking = TestClient(make_app(explored(scene)), base_url="http://127.0.0.1:8765")
    page = asking.get("/").text
    assert "detector.js" in page
    assert asking.get("/detector.js").status_code == 200
    assert asking.get("/detector.html").status_code == 404
    told = asking.get("/api/about").json()
    assert told["categories"] == {"3": "bright", "7": "dim"}
    (small,) = decode(asking.get("/api/thumbs?images=0,2").content)
    assert small.header["sizes"] == [[40, 60], [64, 44]]
    assert small.header["images"] == [[0, 2], [2, 2]]
    assert len(small.payload) == 3 * (40 * 60 + 64 * 44)
    frames = decode(asking.get("/api/look?image=1&amplitude=clip").content)
    (whole,) = [frame.header["found"] for frame in frames if frame.header["kind"] == "whole"]
    assert whole == found_in(scene, scene.picture(1), "clip")[1]["full"]
    assert asking.get("/api/flips").json()["lists"].keys() == {"lose", "gain", "hfc"}
    for query, words in (("image=6", "no image 6"), ("image=0&amplitude=loud", "no amplitude policy")):
        answer = asking.get(f"/api/look?{query}")
        assert (answer.status_code, words in answer.json()["error"]) == (400, True)
