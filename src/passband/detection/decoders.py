"""What the outputs of an ONNX file mean: layouts of common exports, by name.

None is told from the shape of an output: (1, 300, 6) is corners in pixels with a score and a label in one family, and a
normalized center and size with the scores of two classes in another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_convert

from passband.detection.answers import read_answers
from passband.detection.objects import Detections
from passband.errors import InputError, UnknownNameError

Outputs = Mapping[str, Tensor]
"""What a file returns for one image, by its own names, with their axis of images."""

Size = tuple[int, int]
"""Height and width of what the network is shown."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation that are subtracted from [0, 1] pixels and that they are divided by."""

LEAST_SCORE, MOST_CANDIDATES, MOST_FOUND = 0.001, 30_000, 300
"""What YOLO's own validation keeps: scores above that, so many of them before overlaps are removed, and after."""

BEYOND = 0.5
"""How far outside the image, as a share of it, normalized boxes may lie; pixels lie farther."""


@dataclass(frozen=True)
class Decoder:
    """How a family of exports is shown an image, and what its outputs mean.

    Attributes:
        name: As `--decoder` writes it.
        about: Which exports it is for.
        returns: Their outputs, in words.
        resize: How an image becomes the input: `"letterbox"` keeps its shape, in the middle of gray; `"squash"` does not;
            `"shorter side"` makes that 800 pixels and the longer at most 1333, where the file takes any size, and else squashes;
            `"none"` shows it as it is.
        read: Takes the outputs for one image and the input's size. Returns detections, boxes in the input's pixels.
        antialias: Whether resizing averages over what it leaves out, as Pillow does and OpenCV does not.
        normalize: Mean and standard deviation per channel; None for [0, 1] pixels.
        sizes: The name of an input that wants width and height.
    """

    name: str
    about: str
    returns: str
    resize: Literal["letterbox", "squash", "shorter side", "none"]
    read: Callable[[Outputs, Size], Detections]
    antialias: bool = False
    normalize: tuple[Sequence[float], Sequence[float]] | None = None
    sizes: str | None = None


class MisfitError(ValueError):
    """Outputs are not laid out as a decoder reads them; the message says what differs."""


def find_decoder(name: str | None, file: str, outputs: Sequence[object]) -> Decoder:
    """Return the decoder of a name.

    Args:
        name: What the user gave.
        file: The ONNX file, for messages.
        outputs: What it returns, likewise.

    Raises:
        InputError: If none was given: the message lists all, and what the file returns.
        UnknownNameError: If there is none of that name.
    """
    if name is None:
        listed = "\n".join(
            f"  {each.name}: {each.about}; returns {each.returns}" for each in DECODERS.values()
        )
        raise InputError(
            f"{file} does not say what its outputs mean. It returns {', '.join(map(str, outputs))}. Give the layout with "
            f"--decoder NAME (decoder=...):\n{listed}"
        )
    if name not in DECODERS:
        raise UnknownNameError("decoder", name, DECODERS)
    return DECODERS[name]


def _triple(outputs: Outputs, size: Size) -> Detections:
    """Read boxes, scores and labels by these names, or else as the only outputs of their type and number of axes."""
    if outputs.keys() >= {"boxes", "scores", "labels"}:
        boxes, scores, labels = (outputs[name] for name in ("boxes", "scores", "labels"))
        if boxes.ndim == 3:
            boxes, scores, labels = boxes[0], scores[0], labels[0]
        return _checked(boxes, scores, labels)
    values = list(outputs.values())
    rows = [v for v in values if v.is_floating_point() and v.ndim == 2 and v.shape[1] == 4]
    real = [v for v in values if v.is_floating_point() and v.ndim == 1]
    whole = [v for v in values if not v.is_floating_point() and v.ndim == 1]
    if not len(rows) == len(real) == len(whole) == 1:
        raise MisfitError("it must have outputs named boxes, scores and labels, or one of each kind")
    return _checked(rows[0], real[0], whole[0])


def _yolov5(outputs: Outputs, size: Size) -> Detections:
    rows = _only(outputs)
    if rows.shape[1] < 6 or rows.shape[1] >= rows.shape[0]:
        raise MisfitError("it must have a row for each of many boxes, of 4 edges, an objectness and classes")
    objectness, scores = rows[:, 4:5], rows[:, 5:]
    _check_shares(rows[:, 4:], "objectness and scores")
    likely = objectness[:, 0] > LEAST_SCORE
    return _suppressed(rows[likely, :4], (objectness * scores)[likely], overlap=0.6)


def _yolov8(outputs: Outputs, size: Size) -> Detections:
    columns = _only(outputs)
    if columns.shape[0] < 5 or columns.shape[0] >= columns.shape[1]:
        raise MisfitError("it must have a column for each of many boxes, of 4 edges and classes")
    rows = columns.T
    _check_shares(rows[:, 4:], "scores")
    return _suppressed(rows[:, :4], rows[:, 4:], overlap=0.7)


def _end_to_end(outputs: Outputs, size: Size) -> Detections:
    rows = _only(outputs)
    if rows.shape[1] != 6:
        raise MisfitError("it must have rows of 6: edges, score, label")
    _check_shares(rows[:, 4], "scores")
    rows = rows[rows[:, 4] > 0]  # where less is found, the rest is filled up with zeros
    return _checked(rows[:, :4], rows[:, 4], rows[:, 5])


def _queries(outputs: Outputs, size: Size) -> Detections:
    rows = _only(outputs)
    if rows.shape[1] < 5:
        raise MisfitError("it must have rows of 4 edges and classes")
    _check_shares(rows[:, 4:], "scores")
    scores, labels = rows[:, 4:].max(dim=1)
    best = scores.argsort(descending=True, stable=True)
    return _checked(_scaled(rows[best, :4], size), scores[best], labels[best])


def _softmax(outputs: Outputs, size: Size) -> Detections:
    logits, boxes = _logits(outputs)
    scores, labels = logits.softmax(dim=1)[:, :-1].max(dim=1)
    return _checked(_scaled(boxes, size), scores, labels)


def _sigmoid(outputs: Outputs, size: Size) -> Detections:
    logits, boxes = _logits(outputs)
    scores, places = logits.sigmoid().flatten().topk(len(logits))
    queries, labels = places // logits.shape[1], places % logits.shape[1]
    return _checked(_scaled(boxes[queries], size), scores, labels)


def _dets(outputs: Outputs, size: Size) -> Detections:
    if not outputs.keys() >= {"dets", "labels"}:
        raise MisfitError("it must have outputs named dets and labels")
    return _sigmoid({"pred_boxes": outputs["dets"], "logits": outputs["labels"]}, size)


def _only(outputs: Outputs) -> Tensor:
    """Return the only output, of one image."""
    if len(outputs) != 1:
        raise MisfitError("it must return one output")
    (found,) = outputs.values()
    if found.ndim != 3 or not found.is_floating_point():
        raise MisfitError(
            "it must return one output of real numbers with three axes, the first of them images"
        )
    return found[0].float()


def _logits(outputs: Outputs) -> tuple[Tensor, Tensor]:
    """Return logits (queries, classes) and boxes (queries, 4) of one image."""
    named = [outputs[name] for name in ("logits", "pred_logits") if name in outputs]
    if len(named) != 1 or "pred_boxes" not in outputs:
        raise MisfitError("it must have outputs named logits (or pred_logits) and pred_boxes")
    logits, boxes = named[0], outputs["pred_boxes"]
    if logits.ndim != 3 or boxes.shape != (*logits.shape[:2], 4) or logits.shape[2] < 2:
        raise MisfitError("they must have the shapes (images, queries, classes) and (images, queries, 4)")
    return logits[0].float(), boxes[0].float()


def _scaled(boxes: Tensor, size: Size) -> Tensor:
    """Return edges in pixels of normalized centers, widths and heights."""
    if bool((boxes < -BEYOND).any()) or bool((boxes > 1 + BEYOND).any()):
        raise MisfitError("boxes must be shares of the image, between 0 and 1")
    height, width = size
    return box_convert(boxes, "cxcywh", "xyxy") * torch.tensor([width, height, width, height])


def _suppressed(boxes: Tensor, scores: Tensor, *, overlap: float) -> Detections:
    """Return what remains of boxes (center, width, height) by scores (boxes, classes) when overlaps of a class are removed."""
    places = (scores > LEAST_SCORE).nonzero()
    likely = scores[places[:, 0], places[:, 1]]
    best = likely.argsort(descending=True, stable=True)[:MOST_CANDIDATES]
    (rows, labels), likely = places[best].T, likely[best]
    corners = box_convert(boxes[rows], "cxcywh", "xyxy")
    kept = batched_nms(corners, likely, labels, overlap)[:MOST_FOUND]
    return _checked(corners[kept], likely[kept], labels[kept])


def _check_shares(values: Tensor, what: str) -> None:
    if not bool(((values >= -1e-3) & (values <= 1 + 1e-3)).all()):
        raise MisfitError(
            f"{what} must be between 0 and 1, they are between {values.min():g} and {values.max():g}"
        )


def _checked(boxes: Tensor, scores: Tensor, labels: Tensor) -> Detections:
    try:
        (found,) = read_answers([{"boxes": boxes, "scores": scores, "labels": labels}], 1, name="it")
    except InputError as error:
        raise MisfitError(str(error)) from error
    return found


DECODERS = {
    each.name: each
    for each in (
        Decoder(
            "torchvision",
            "torch.onnx.export of torchvision's detectors, for images of any size",
            "boxes (n, 4), corners in pixels; scores (n); labels (n), whole",
            "none",
            _triple,
        ),
        Decoder(
            "yolov5",
            "YOLOv5 and YOLOv7 without NMS",
            "(1, boxes, 5 + classes): center and size in pixels, objectness, scores",
            "letterbox",
            _yolov5,
        ),
        Decoder(
            "yolov8",
            "YOLOv8, v9, 11 and 12 of Ultralytics, without NMS",
            "(1, 4 + classes, boxes): center and size in pixels, scores",
            "letterbox",
            _yolov8,
        ),
        Decoder(
            "yolo-end2end",
            "YOLOv10, YOLO26, and exports of Ultralytics with nms=True",
            "(1, n, 6): corners in pixels, score, label",
            "letterbox",
            _end_to_end,
        ),
        Decoder(
            "rt-detr-ultralytics",
            "RT-DETR of Ultralytics",
            "(1, queries, 4 + classes): normalized center and size, scores",
            "squash",
            _queries,
        ),
        Decoder(
            "rt-detr",
            "RT-DETR and D-FINE of transformers",
            "logits (1, queries, classes), pred_boxes (1, queries, 4): normalized center and size; sigmoid",
            "squash",
            _sigmoid,
            antialias=True,
        ),
        Decoder(
            "rt-detr-deploy",
            "RT-DETR, D-FINE and DEIM as their own repositories export them, with the input orig_target_sizes",
            "labels (1, n), boxes (1, n, 4), corners in pixels, and scores (1, n)",
            "squash",
            _triple,
            antialias=True,
            sizes="orig_target_sizes",
        ),
        Decoder(
            "rf-detr",
            "RF-DETR, as rfdetr exports it",
            "dets (1, queries, 4): normalized center and size; labels (1, queries, classes): logits; sigmoid",
            "squash",
            _dets,
            antialias=True,
            normalize=IMAGENET,
        ),
        Decoder(
            "detr",
            "DETR and YOLOS, of transformers and of their own repositories",
            "logits (1, queries, classes + 1), pred_boxes (1, queries, 4): normalized center and size; softmax, no object last",
            "shorter side",
            _softmax,
            antialias=True,
            normalize=IMAGENET,
        ),
    )
}
"""Decoders by their names."""
