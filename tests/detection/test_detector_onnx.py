from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision.ops import box_convert

from fake_detectors import small_retinanet
from passband.detection.decoders import DECODERS
from passband.detection.load import load_detector
from passband.errors import InputError, UnknownNameError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
FLOAT, UINT8, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8, onnx.TensorProto.INT64
SQUARE = (1, 3, 64, 64)


def save(path, outputs, *, shape=SQUARE, kind=FLOAT, metadata=None, extra=()):
    """Write a file that returns constants, whatever it is shown."""
    inputs = [onnx.helper.make_tensor_value_info("images", kind, shape), *extra]
    nodes, constants, ends = [], [], []
    for name, value in outputs.items():
        value = np.asarray(value)
        real = value.dtype.kind == "f"
        value = value.astype(np.float32 if real else np.int64)
        constants.append(onnx.numpy_helper.from_array(value, f"{name}-value"))
        nodes.append(onnx.helper.make_node("Identity", [f"{name}-value"], [name]))
        ends.append(onnx.helper.make_tensor_value_info(name, FLOAT if real else INT64, value.shape))
    graph = onnx.helper.make_graph(nodes, "net", inputs, ends, constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return f"onnx:{path}"


def rows(count, width, *given):
    """Return an output (1, count, width) of zeros that begins with the rows given."""
    table = np.zeros((1, count, width), np.float32)
    for position, row in enumerate(given):
        table[0, position] = row
    return table


WIDE = torch.rand(
    3, 32, 128
)  # a letterbox of 64 pixels shows it as 16x64, 24 pixels from the top, at half its size
TALL = torch.rand(3, 128, 32)


def test_yolov5_multiplies_by_objectness_and_removes_overlaps_of_a_class(tmp_path):
    found = rows(
        20,
        7,
        (32, 32, 16, 8, 0.5, 0.8, 0.0),
        (33, 32, 16, 8, 0.9, 0.1, 0.9),  # of both classes, the first is suppressed
        (20, 30, 4, 4, 0.0005, 1.0, 0.0),  # no object
        (10, 26, 4, 4, 1.0, 0.0, 0.3),
    )
    detector = load_detector(save(tmp_path / "a.onnx", {"output0": found}), decoder="yolov5", device="cpu")
    (each,) = detector.detect([WIDE])
    torch.testing.assert_close(each.scores, torch.tensor([0.81, 0.4, 0.3]))
    assert each.labels.tolist() == [1, 0, 1]
    torch.testing.assert_close(each.boxes, torch.tensor([[50.0, 8, 82, 24], [48, 8, 80, 24], [16, 0, 24, 8]]))


def test_yolov8_has_its_columns_the_other_way(tmp_path):
    found = rows(20, 6, (32, 32, 16, 8, 0.8, 0.0), (33, 32, 16, 8, 0.7, 0.6), (33, 32, 16, 8, 0.0, 0.0005))
    source = save(tmp_path / "a.onnx", {"output0": found.transpose(0, 2, 1)})
    (each,) = load_detector(source, decoder="yolov8", device="cpu").detect([TALL])
    torch.testing.assert_close(each.scores, torch.tensor([0.8, 0.6]))
    assert each.labels.tolist() == [0, 1]
    torch.testing.assert_close(each.boxes, torch.tensor([[0.0, 56, 32, 72], [2, 56, 32, 72]]))


def test_two_families_of_one_shape_are_two_decoders(tmp_path):
    found = rows(300, 6, (0.25, 0.5, 0.5, 0.75, 0.9, 0.0))
    source = save(tmp_path / "a.onnx", {"output0": found})
    (corners,) = load_detector(source, decoder="yolo-end2end", device="cpu").detect([torch.rand(3, 128, 128)])
    (shares,) = load_detector(source, decoder="rt-detr-ultralytics", device="cpu").detect(
        [torch.rand(3, 128, 128)]
    )
    assert corners.boxes.tolist() == [[0.5, 1, 1, 1.5]]
    assert shares.boxes[0].tolist() == [0, 16, 64, 112]
    assert len(corners) == 1
    assert len(shares) == 300


@pytest.mark.parametrize(
    ("decoder", "row", "message"),
    [
        ("yolo-end2end", (0.5, 0.5, 0.2, 0.2, 0.9, 0.0), "end before they begin"),
        ("yolo-end2end", (0.1, 0.1, 0.2, 0.2, 0.9, 0.3), "whole numbers as labels"),
        ("yolo-end2end", (10, 10, 20, 20, 3, 0.9), "scores must be between 0 and 1"),
        ("rt-detr-ultralytics", (10, 10, 20, 20, 0.9, 0), "boxes must be shares of the image"),
        ("rt-detr-ultralytics", (0.1, 0.1, 0.2, 0.2, 0.9, 17), "scores must be between 0 and 1"),
    ],
)
def test_the_other_family_is_refused_where_numbers_show_it(decoder, row, message, tmp_path):
    source = save(tmp_path / "a.onnx", {"output0": rows(300, 6, row)})
    with pytest.raises(InputError, match=message):
        load_detector(source, decoder=decoder, device="cpu")


def test_an_end_to_end_row_is_a_box_in_the_letterbox(tmp_path):
    source = save(tmp_path / "a.onnx", {"output0": rows(300, 6, (10, 26, 20, 46, 0.9, 7))})
    (each,) = load_detector(source, decoder="yolo-end2end", device="cpu").detect([WIDE])
    assert each.boxes.tolist() == [[20, 4, 40, 32]]  # held to the image
    assert (each.labels.tolist(), len(each)) == ([7], 1)


LOGITS = torch.tensor([[[2.0, 1.0, 0.0], [0.0, 3.0, -1.0]]])
BOXES = torch.tensor([[[0.5, 0.5, 0.25, 0.5], [0.25, 0.75, 0.5, 0.5]]])


def test_detr_has_a_class_for_no_object(tmp_path):
    source = save(tmp_path / "a.onnx", {"logits": LOGITS.numpy(), "pred_boxes": BOXES.numpy()})
    (each,) = load_detector(source, decoder="detr", device="cpu").detect([WIDE])
    expected = F.softmax(LOGITS[0], dim=1)
    torch.testing.assert_close(each.scores, torch.stack([expected[0, 0], expected[1, 1]]))
    assert each.labels.tolist() == [0, 1]
    sides = torch.tensor([128.0, 32, 128, 32])
    torch.testing.assert_close(each.boxes, box_convert(BOXES[0], "cxcywh", "xyxy") * sides)


@pytest.mark.parametrize("name", ["logits", "pred_logits"])
def test_rt_detr_has_none(name, tmp_path):
    source = save(tmp_path / "a.onnx", {name: LOGITS.numpy(), "pred_boxes": BOXES.numpy()})
    (each,) = load_detector(source, decoder="rt-detr", device="cpu").detect([WIDE])
    torch.testing.assert_close(each.scores, torch.tensor([3.0, 2.0]).sigmoid())
    assert each.labels.tolist() == [1, 0]
    sides = torch.tensor([128.0, 32, 128, 32])
    torch.testing.assert_close(each.boxes, box_convert(BOXES[0, [1, 0]], "cxcywh", "xyxy") * sides)


def test_rf_detr_has_other_names_and_normalized_images(tmp_path):
    source = save(tmp_path / "a.onnx", {"dets": BOXES.numpy(), "labels": LOGITS.numpy()})
    rt = load_detector(
        save(tmp_path / "b.onnx", {"logits": LOGITS.numpy(), "pred_boxes": BOXES.numpy()}),
        decoder="rt-detr",
        device="cpu",
    )
    rf = load_detector(source, decoder="rf-detr", device="cpu")
    (found,), (expected,) = rf.detect([WIDE]), rt.detect([WIDE])
    assert torch.equal(found.boxes, expected.boxes)
    assert torch.equal(found.scores, expected.scores)
    seen = []
    rf._session = type(
        "Spy",
        (),
        {"run": lambda self, names, given: seen.append(given["images"]) or [BOXES.numpy(), LOGITS.numpy()]},
    )()
    rf.detect([torch.full((3, 32, 32), 0.485)])
    assert abs(seen[0][0, 0]).max() < 1e-5


def test_detr_and_rt_detr_read_as_transformers_does(tmp_path):
    transformers = pytest.importorskip("transformers")
    generator = torch.Generator().manual_seed(0)
    logits, boxes = torch.randn(1, 30, 6, generator=generator), torch.rand(1, 30, 4, generator=generator)
    source = save(tmp_path / "a.onnx", {"logits": logits.numpy(), "pred_boxes": boxes.numpy()})
    for decoder, processor in (
        ("detr", transformers.DetrImageProcessor()),
        ("rt-detr", transformers.RTDetrImageProcessor()),
    ):
        (each,) = load_detector(source, decoder=decoder, device="cpu").detect([WIDE])
        outputs = transformers.models.detr.modeling_detr.DetrObjectDetectionOutput(
            logits=logits, pred_boxes=boxes
        )
        (expected,) = processor.post_process_object_detection(
            outputs, threshold=0.0, target_sizes=[(32, 128)]
        )
        torch.testing.assert_close(each.scores, expected["scores"])
        torch.testing.assert_close(each.boxes, expected["boxes"], atol=1e-4, rtol=1e-5)
        assert torch.equal(each.labels, expected["labels"])


def test_files_that_want_the_size_get_it(tmp_path):
    sizes = onnx.helper.make_tensor_value_info("orig_target_sizes", INT64, (1, 2))
    outputs = {
        "labels": np.array([[7, 2]]),
        "boxes": np.array([[[0, 0, 32, 16], [1, 2, 3, 4.0]]]),
        "scores": np.array([[0.5, 0.2]]),
    }
    source = save(tmp_path / "a.onnx", outputs, extra=[sizes])
    (each,) = load_detector(source, decoder="rt-detr-deploy", device="cpu").detect([WIDE])
    assert each.boxes.tolist() == [[0, 0, 64, 8], [2, 1, 6, 2]]
    assert each.labels.tolist() == [7, 2]
    with pytest.raises(InputError, match="it takes images, orig_target_sizes"):
        load_detector(source, decoder="torchvision", device="cpu")
    with pytest.raises(InputError, match="has? ?no input orig_target_sizes"):
        load_detector(save(tmp_path / "b.onnx", outputs), decoder="rt-detr-deploy", device="cpu")


def test_torchvision_triples_are_told_apart_by_type(tmp_path):
    outputs = {"6": np.array([[1.0, 2, 3, 4]]), "7": np.array([5]), "8": np.array([0.5])}
    source = save(tmp_path / "a.onnx", outputs, shape=(3, "height", "width"))
    (each,) = load_detector(source, decoder="torchvision", device="cpu").detect([WIDE])
    assert (each.boxes.tolist(), each.labels.tolist(), each.scores.tolist()) == ([[1, 2, 3, 4]], [5], [0.5])


def test_without_a_decoder_all_are_listed_with_what_the_file_returns(tmp_path):
    source = save(tmp_path / "a.onnx", {"output0": rows(300, 6)})
    with pytest.raises(InputError) as raised:
        load_detector(source, device="cpu")
    assert "output0 (tensor(float), 1 x 300 x 6)" in str(raised.value)
    assert all(f"\n  {name}: " in str(raised.value) for name in DECODERS)
    with pytest.raises(UnknownNameError, match="Did you mean 'yolov8'"):
        load_detector(source, decoder="yolov9", device="cpu")


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    "outputs",
    [
        {"output0": rows(3, 20)},
        {"output0": rows(300, 4)},
        {"output0": rows(300, 4)[0]},
        {"output0": rows(300, 6), "output1": rows(300, 6)},
        {"scores": rows(300, 6), "boxes": rows(300, 4)},
    ],
    ids=["wide", "narrow", "flat", "two", "unnamed"],
)
def test_what_does_not_fit_is_refused_with_both_shapes(decoder, outputs, tmp_path):
    if (
        decoder == "rt-detr-ultralytics"
        and outputs["output0" if "output0" in outputs else "boxes"].shape[-1] == 20
    ):
        pytest.skip("16 classes for 3 queries may be")
    extra = (
        [onnx.helper.make_tensor_value_info("orig_target_sizes", INT64, (1, 2))]
        if DECODERS[decoder].sizes
        else []
    )
    source = save(tmp_path / "a.onnx", outputs, extra=extra)
    with pytest.raises(InputError, match="is not laid out as the decoder") as raised:
        load_detector(source, decoder=decoder, device="cpu")
    assert DECODERS[decoder].returns in str(raised.value)
    assert "tensor(float)" in str(raised.value)


def test_yolov5_and_yolov8_are_not_taken_for_each_other(tmp_path):
    five, eight = rows(20, 7), rows(20, 6).transpose(0, 2, 1)
    for name, output, decoder in (("a", five, "yolov8"), ("b", eight, "yolov5")):
        with pytest.raises(InputError, match="is not laid out as the decoder"):
            load_detector(save(tmp_path / f"{name}.onnx", {"o": output}), decoder=decoder, device="cpu")


def test_letterboxes_are_gray_and_bytes_are_bytes(tmp_path):
    source = save(tmp_path / "a.onnx", {"o": rows(300, 6)}, kind=UINT8, shape=(1, 64, 64, 3))
    detector = load_detector(source, decoder="yolo-end2end", device="cpu")
    seen = []
    detector._session = type(
        "Spy", (), {"run": lambda self, names, given: seen.append(given["images"]) or [rows(300, 6)]}
    )()
    detector.detect([torch.full((3, 32, 128), 0.5), torch.full((3, 40, 40), 1.5)])
    assert seen[0].dtype == np.uint8
    assert seen[0].shape == (1, 64, 64, 3)
    assert (seen[0][0, :24] == 114).all()
    assert (seen[0][0, 24:40] == 128).all()
    assert (seen[0][0, 40:] == 114).all()
    assert (seen[1] == 255).all()


def test_detr_is_shown_normalized_images_of_its_own_size(tmp_path):
    source = save(
        tmp_path / "a.onnx", {"logits": LOGITS.numpy(), "pred_boxes": BOXES.numpy()}, shape=(1, 3, "h", "w")
    )
    detector = load_detector(source, decoder="detr", device="cpu")
    assert detector.to_input(torch.rand(3, 480, 640)).shape == (3, 800, 1067)
    assert detector.to_input(torch.rand(3, 100, 400)).shape == (3, 333, 1333)
    seen = []
    returned = [LOGITS.numpy(), BOXES.numpy()]
    detector._session = type(
        "Spy", (), {"run": lambda self, names, given: seen.append(given["images"]) or returned}
    )()
    detector.detect([torch.full((3, 32, 32), 0.485)])
    assert seen[0].shape == (1, 3, 800, 800)
    assert abs(seen[0][0, 0]).max() < 1e-5
    np.testing.assert_allclose(seen[0][0, 2], (0.485 - 0.406) / 0.225, rtol=1e-5)


@pytest.mark.parametrize("decoder", ["yolo-end2end", "rt-detr-ultralytics"])
def test_a_resized_image_gives_what_the_image_gives(decoder, tmp_path):
    source = save(tmp_path / "a.onnx", {"o": rows(300, 6, (0.25, 0.5, 0.5, 0.75, 0.9, 0.0))})
    detector = load_detector(source, decoder=decoder, device="cpu")
    resized = [detector.to_input(image) for image in (WIDE, TALL)]
    expected = {"yolo-end2end": [(16, 64), (64, 16)], "rt-detr-ultralytics": [(64, 64)] * 2}[decoder]
    assert [tuple(image.shape[1:]) for image in resized] == expected
    for found, whole in zip(
        detector.detect_inputs(resized, [(32, 128), (128, 32)]), detector.detect([WIDE, TALL]), strict=True
    ):
        assert torch.equal(found.boxes, whole.boxes)


def test_what_exports_say_of_themselves_is_taken(tmp_path):
    said = {"names": "{0: 'person', 1: 'tooth brush'}", "imgsz": "[96, 128]"}
    source = save(tmp_path / "a.onnx", {"o": rows(300, 6)}, shape=(1, 3, "h", "w"), metadata=said)
    detector = load_detector(source, decoder="yolo-end2end", device="cpu")
    assert detector.label_names == {0: "person", 1: "tooth brush"}
    assert detector.to_input(torch.rand(3, 48, 48)).shape == (3, 96, 96)
    assert detector.notices == ()
    other = load_detector(source, decoder="yolo-end2end", size=(32, 64), device="cpu")
    assert other.to_input(torch.rand(3, 48, 48)).shape == (3, 32, 32)
    assert other.entry.weights_hash != detector.entry.weights_hash


def test_labels_beyond_the_names_of_a_file_are_refused(tmp_path):
    source = save(
        tmp_path / "a.onnx", {"o": rows(300, 6, (1, 1, 9, 9, 0.5, 2))}, metadata={"names": "{0: 'a', 1: 'b'}"}
    )
    with pytest.raises(InputError, match="names 2 labels, and .* it finds others: 2"):
        load_detector(source, decoder="yolo-end2end", device="cpu")


@pytest.mark.parametrize(
    "said", [{}, {"names": "__import__('os')", "imgsz": "[0"}, {"names": "['a']", "imgsz": "[640]"}]
)
def test_a_size_that_nobody_says_is_noticed(said, tmp_path):
    source = save(tmp_path / "a.onnx", {"o": rows(300, 6)}, shape=(1, 3, "h", "w"), metadata=said)
    detector = load_detector(source, decoder="yolo-end2end", device="cpu")
    assert ["it is shown 640x640" in notice.message for notice in detector.notices] == [True]
    assert detector.label_names is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (1, 1, 64, 64)}, "takes images of 1 channels"),
        ({"shape": (64, 64)}, "must take images \\(batch, 3, height, width\\)"),
        ({"kind": INT64}, "must take images .* of the type .*, it takes tensor\\(int64\\)"),
    ],
)
def test_inputs_that_are_no_images_are_refused(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load_detector(
            save(tmp_path / "a.onnx", {"o": rows(300, 6)}, **options), decoder="yolov8", device="cpu"
        )


def test_sizes_that_cannot_be_are_refused(tmp_path):
    source = save(tmp_path / "a.onnx", {"o": rows(300, 6)})
    with pytest.raises(InputError, match="takes images of 64x64 only"):
        load_detector(source, decoder="yolo-end2end", size=(32, 32), device="cpu")
    with pytest.raises(InputError, match="no ONNX file"):
        load_detector(f"onnx:{tmp_path / 'b.onnx'}", decoder="yolov8", device="cpu")
    (tmp_path / "c.onnx").write_text("no")
    with pytest.raises(InputError, match="is not an ONNX file"):
        load_detector(f"onnx:{tmp_path / 'c.onnx'}", decoder="yolov8", device="cpu")


def test_an_export_of_a_retinanet_finds_the_same(tmp_path):
    module = small_retinanet()
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            ([torch.rand(3, 60, 80)],),
            path,
            dynamo=False,
            opset_version=17,
            input_names=["image"],
            dynamic_axes={"image": {1: "height", 2: "width"}},
        )
    detector = load_detector(f"onnx:{path}", decoder="torchvision", device="cpu")
    own = load_detector(module)
    shown = [torch.rand(3, 60, 80), torch.rand(3, 90, 50), torch.rand(3, 64, 64)]
    for found, expected in zip(detector.detect(shown), own.detect(shown), strict=True):
        assert len(expected) > 5
        torch.testing.assert_close(found.boxes, expected.boxes, atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(found.scores, expected.scores, atol=1e-4, rtol=1e-3)
        assert torch.equal(found.labels, expected.labels)
