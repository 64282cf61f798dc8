from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import detection

from fake_detectors import small_retinanet
from passband.detection.load import load_detector
from passband.detection.torchvision import TorchDetector, from_torchvision
from passband.errors import DownloadError, InputError
from passband.models.fingerprint import weights_hash

CPU = torch.device("cpu")


def images(*sizes):
    return [torch.rand(3, height, width) for height, width in sizes]


def ssd():
    return detection.ssdlite320_mobilenet_v3_large(
        weights=None,
        weights_backbone=None,
        num_classes=4,
        score_thresh=0.0,
        topk_candidates=20,
        detections_per_img=20,
    ).eval()


def mask_rcnn():
    return detection.maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=4, min_size=64, max_size=96, box_score_thresh=0.0
    ).eval()


def alike(found, expected, atol=1e-3):
    assert len(found.scores) == len(expected.scores) > 0
    torch.testing.assert_close(found.boxes, expected.boxes, atol=atol, rtol=1e-4)
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=1e-4)
    assert torch.equal(found.labels, expected.labels)


@pytest.mark.parametrize("make", [small_retinanet, ssd, mask_rcnn])
def test_boxes_are_those_of_the_module(make):
    module = make()
    (image,) = images((50, 70))
    (found,) = load_detector(module).detect([image])
    with torch.no_grad():
        (expected,) = module([image])
    assert torch.equal(found.boxes, expected["boxes"])
    assert torch.equal(found.scores, expected["scores"])
    assert torch.equal(found.labels, expected["labels"])


@pytest.mark.parametrize("make", [small_retinanet, ssd, mask_rcnn])
@pytest.mark.parametrize("size", [(50, 70), (200, 31), (64, 96)])
def test_a_resized_image_gives_what_the_image_gives(make, size):
    detector = load_detector(make())
    (image,) = images(size)
    resized = detector.to_input(image)
    (found,) = detector.detect_inputs([resized], [size])
    (expected,) = detector.detect([image])
    alike(found, expected)


def test_resizing_is_that_of_the_transform():
    module = small_retinanet(image_mean=[0.0] * 3, image_std=[1.0] * 3)
    (image,) = images((50, 70))
    shown, _ = module.transform([image])
    (height, width) = shown.image_sizes[0]
    assert torch.equal(load_detector(module).to_input(image), shown.tensors[0, :, :height, :width])
    assert (height, width) == (64, 89)


def test_neither_the_image_nor_the_module_is_changed():
    module = small_retinanet().train()
    before, modes = weights_hash(module), [each.training for each in module.modules()]
    (image,) = images((50, 70))
    copy = image.clone()
    detector = load_detector(module)
    (whole,) = detector.detect([image])
    detector.detect_inputs([detector.to_input(image)], [(50, 70)])
    (again,) = detector.detect([image])
    assert torch.equal(whole.boxes, again.boxes)
    assert torch.equal(image, copy)
    assert weights_hash(module) == before
    assert [each.training for each in module.modules()] == modes
    assert not whole.boxes.requires_grad


def test_an_image_is_found_the_same_beside_others():
    detector = load_detector(small_retinanet())
    shown = images((50, 70), (120, 40), (50, 70), (33, 90))
    together = detector.detect(shown)
    for image, found in zip(shown, together, strict=True):
        (alone,) = detector.detect([image])
        alike(found, alone, atol=1e-4)
    assert detector.detect([]) == []


@pytest.mark.parametrize(
    "name", ["ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn", "fcos_resnet50_fpn"]
)
def test_a_file_says_how_many_classes_there_are(name, tmp_path):
    module = detection.__dict__[name](weights=None, weights_backbone=None, num_classes=5)
    torch.save({"model": module.state_dict()}, tmp_path / "mine.pth")
    detector = load_detector(f"torchvision:{name}", weights=tmp_path / "mine.pth", device="cpu")
    assert detector.label_names is None
    assert detector.entry.weights_hash == weights_hash(module)
    assert detector.entry.source == f"torchvision:{name}"


def test_a_file_of_all_classes_has_their_names(tmp_path):
    name = "ssdlite320_mobilenet_v3_large"
    torch.save(detection.__dict__[name](weights=None, weights_backbone=None).state_dict(), tmp_path / "w.pth")
    names = load_detector(f"torchvision:{name}", weights=tmp_path / "w.pth", device="cpu").label_names
    assert len(names) == 80
    assert (names[1], names[90], 0 in names, 12 in names) == ("person", "toothbrush", False, False)


def test_of_a_file_the_epsilon_is_not_known_unless_it_is_the_published_one(tmp_path, monkeypatch):
    name = "retinanet_resnet50_fpn"
    module = detection.retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=2)
    path = tmp_path / "mine.pth"
    torch.save(module.state_dict(), path)
    found = load_detector(f"torchvision:{name}", weights=path, device="cpu")
    assert ["epsilon" in notice.message for notice in found.notices] == [True]

    from passband.detection import torchvision as place

    monkeypatch.setattr(place, "_is_published", lambda path, published: True)
    published = from_torchvision(name, weights=path, weights_key=None, device=CPU)
    assert published.notices == ()
    epsilons = {m.eps for m in published._module.modules() if isinstance(m, nn.BatchNorm2d)}
    assert epsilons == {0.0}


def test_of_which_file_a_network_needs_is_said_and_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def nowhere(*_, **__):
        raise OSError("there is no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", nowhere)
    with pytest.raises(DownloadError) as raised:
        load_detector("torchvision:retinanet_resnet50_fpn", device="cpu")
    file = "retinanet_resnet50_fpn_coco-eeacb38b.pth"
    assert f"Put {file}" in str(raised.value)
    assert str(tmp_path / "hub" / "checkpoints" / file) in str(raised.value)
    assert "--weights" in str(raised.value)


def test_published_weights_come_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    name = "retinanet_resnet50_fpn"
    published = torchvision.models.get_model_weights(name)["DEFAULT"]
    place = tmp_path / "hub" / "checkpoints" / Path(published.url).name
    place.parent.mkdir(parents=True)
    module = detection.retinanet_resnet50_fpn(weights=None, weights_backbone=None)
    torch.save({k: v for k, v in module.state_dict().items() if "num_batches" not in k}, place)
    detector = load_detector(f"torchvision:{name}", device="cpu")
    own = detector._module.state_dict()
    assert all(torch.equal(own[k], v) for k, v in module.state_dict().items() if k in own)
    assert len(detector.label_names) == 80


def test_a_wrapped_detector_does_not_show_its_resize():
    wrapped = nn.DataParallel(small_retinanet())
    wrapped.__dict__["transform"] = wrapped.module.transform  # as torch.compile passes attributes on
    detector = load_detector(wrapped)
    (image,) = images((50, 70))
    alike(detector.detect([image])[0], load_detector(wrapped.module).detect([image])[0])
    with pytest.raises(InputError, match="does not show its own resize"):
        detector.to_input(image)


def test_what_is_no_detector_of_torchvision_is_refused():
    with pytest.raises(InputError, match="Did you mean retinanet_resnet50_fpn"):
        load_detector("torchvision:retinanet_resnet50_fnp")
    with pytest.raises(InputError, match="no detector named 'resnet50'"):
        load_detector("torchvision:resnet50")


def test_what_a_module_cannot_be_shown_is_said():
    class Classifier(nn.Module):
        def forward(self, shown):
            return torch.zeros(len(shown), 10)

    detector = TorchDetector(Classifier(), name="net")
    with pytest.raises(InputError, match="net must return a list of one dict an image.*got a Tensor"):
        detector.detect(images((20, 20)))
    with pytest.raises(InputError, match="does not show its own resize"):
        detector.to_input(images((20, 20))[0])
    with pytest.raises(InputError, match="fails on images of \\(3, 20, 20\\)"):
        load_detector(nn.Conv2d(3, 4, 3)).detect(images((20, 20)))
