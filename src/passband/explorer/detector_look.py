"""All that the page shows of one image and a detector: its LFC and HFC at every radius, and what is found in each of them.

A detector takes its time, and parts do not: so the parts at all radii come first, to be moved through at once, then what is found in the
whole image, and in the parts, from the radius that is asked for to those far from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from passband.audit.detector import BATCH
from passband.choices import ViewAmplitude
from passband.detection.annotations import Annotations
from passband.detection.boxes import read_boxes, surest
from passband.detection.detector import Image
from passband.detection.evaluation import Evaluation, evaluate
from passband.detection.matches import IGNORED, MATCHED, MISSED, MOST_DETECTIONS
from passband.detection.objects import Detections, detections_table
from passband.detection.per_image import found_objects, image_precision
from passband.detection.shown import GRAY
from passband.detection.view import WHOLE, View
from passband.explorer.detector_scene import DetectorPicture, DetectorScene
from passband.explorer.look import as_bytes, on_gray, spectrum_bytes
from passband.explorer.wire import Frame
from passband.frequency.spectrum import energy_within, power_spectrum
from passband.rows import DETECTION_COLUMNS

LARGEST = 800
"""Pixels of the longer side of what is drawn; the detector is given all of them."""

SIGNED: tuple[ViewAmplitude, ...] = ("picture", "raw", "max", "rms")
"""Policies under which an HFC lies around a value, which is drawn as middle gray."""

VERDICTS = {MISSED: "wrong", MATCHED: "right", IGNORED: "crowd"}


def look(
    scene: DetectorScene, picture: DetectorPicture, amplitude: ViewAmplitude, at: float | None = None
) -> Iterator[Frame]:
    """Yield the frames of one image.

    They are one `image`, for each radius a `parts`, one `whole` (what is found in it), and for each radius a line in an `answers`; then
    `end`.

    Args:
        scene: Whose image it is.
        picture: The image.
        amplitude: What is done to the parts.
        at: The radius that comes first, or the one next to it; None begins at the largest of `passband detect` that the image has.

    Raises:
        InputError: If the image has no parts, or the detector fails on one.
    """
    (whole,) = scene.views_of(picture, [WHOLE], amplitude)
    split = (whole.shape[-2], whole.shape[-1])
    places = scene.places(split)
    usual = [each for each in scene.default_radii(split) if each in places]
    begin = (usual or places)[-1] if at is None else at
    order = sorted(range(len(places)), key=lambda index: abs(places[index] - begin))
    pairs = [(View("lfc", place, "index"), View("hfc", place, "index")) for place in places]
    drawn = drawn_size(split)
    power = power_spectrum(whole)
    height, width = picture.pixels.shape[-2:]
    yield Frame(
        {
            "kind": "image",
            "name": picture.name,
            "size": [height, width],
            "split": list(split),
            "drawn": list(drawn),
            "places": list(places),
            "first": order[0],
            "usual": usual,
            "shown": [[str(view) for view in pair] for pair in pairs],
            "energy": [round(float(share), 6) for share in energy_within(power, places)],
            "notices": [notice.message for notice in picture.notices],
            **_there(picture.truth),
        },
        as_bytes(_shrunk(whole, drawn)) + _shrunk_spectrum(whole, drawn),
    )
    yield from _parts(scene, picture, pairs, order, amplitude, drawn)
    (answer,) = _answers(scene, picture, [WHOLE], amplitude)
    yield Frame({"kind": "whole", "found": answer})
    few = max(1, BATCH.get(scene.detector.device.type, 1) // 2)
    for start in range(0, len(order), few):
        yield _found(scene, picture, pairs, order[start : start + few], amplitude)
    if scene.doubts is not None:
        yield Frame({"kind": "error", "message": scene.doubts})
    known = [notice.message for notice in scene.notices if notice.warning]  # some follow from what was found
    yield Frame({"kind": "end", "notices": known})


def drawn_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size (height, width) at which an image is drawn: its own, or `LARGEST` pixels at its longer side.

    Example:
        >>> drawn_size((480, 640)), drawn_size((3000, 4000))
        ((480, 640), (600, 800))
    """
    factor = min(1.0, LARGEST / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _there(truth: Annotations | None) -> dict[str, Any]:
    """Return what is in an image: the objects that count, and how many boxes are around crowds."""
    if truth is None:
        return {"objects": None, "crowds": 0}
    counted = truth.objects.filter(~truth.objects["crowd"])
    objects = [
        [row["category"], row["x"], row["y"], row["x"] + row["width"], row["y"] + row["height"]]
        for row in counted.iter_rows(named=True)
    ]
    return {"objects": objects, "crowds": len(truth.objects) - len(objects)}


def _parts(
    scene: DetectorScene,
    picture: DetectorPicture,
    pairs: Sequence[tuple[View, View]],
    indices: Sequence[int],
    amplitude: ViewAmplitude,
    drawn: tuple[int, int],
) -> Iterator[Frame]:
    """Yield LFC and HFC as they are seen: as the detector is given them, an HFC stretched around middle gray."""
    for index in indices:
        low, high = scene.views_of(picture, pairs[index], amplitude)
        center = GRAY if amplitude == "picture" else 0.0
        largest = round(float((high - center).abs().max()), 6)
        seen = on_gray(high - center) if amplitude in SIGNED else high
        payload = as_bytes(_shrunk(low, drawn)) + as_bytes(_shrunk(seen, drawn))
        yield Frame({"kind": "parts", "index": index, "largest": largest}, payload)


def _found(
    scene: DetectorScene,
    picture: DetectorPicture,
    pairs: Sequence[tuple[View, View]],
    indices: Sequence[int],
    amplitude: ViewAmplitude,
) -> Frame:
    """Return what is found in both parts at some radii."""
    found = _answers(scene, picture, [view for index in indices for view in pairs[index]], amplitude)
    both = [list(pair) for pair in zip(found[::2], found[1::2], strict=True)]
    return Frame({"kind": "answers", "indices": list(indices), "found": both})


def _answers(
    scene: DetectorScene, picture: DetectorPicture, views: Sequence[View], amplitude: ViewAmplitude
) -> list[dict[str, Any]]:
    return [answer_of(found, picture) for found in scene.found(picture, views, amplitude)]


def answer_of(found: Detections, picture: DetectorPicture) -> dict[str, Any]:
    """Return what was found in an image, as JSON holds it.

    Returns:
        `boxes`, one list each, the surest first: category, score, left, top, right and bottom edge in pixels, and whether it is
        `"right"`, `"wrong"`, or matches a `"crowd"` at IoU 0.5, as COCO matches; null where nobody knows what is there. `objects`:
        of each object that counts, the score of the detection that matches it, null where none does. `ap`: the image's own AP.
        A box of a lower score takes no match from a surer one. So what is found from a score on is what is matched from there on.
    """
    table = detections_table([(picture.id, found)])
    categories = sorted({*table["category"], *(picture.truth.categories if picture.truth else ())})
    ids = np.array([picture.id], dtype=np.int64), np.array(categories, dtype=np.int64)
    kept, _ = surest(
        read_boxes(table, DETECTION_COLUMNS, "detection", *ids),
        table["score"].to_numpy(),
        MOST_DETECTIONS[-1],
    )
    verdicts, objects, ap = _judged(picture.truth, table, len(kept))
    rows = table[kept].select("category", "score", "x", "y", "width", "height").rows()
    order = sorted(range(len(rows)), key=lambda at: -rows[at][1])
    return {"boxes": [_box(rows[at], verdicts[at]) for at in order], "objects": objects, "ap": ap}


def _box(row: tuple[Any, ...], verdict: str | None) -> list[Any]:
    category, score, x, y, width, height = row
    edges = (x, y, x + width, y + height)
    return [category, round(score, 6), *(round(edge, 2) for edge in edges), verdict]


def _judged(
    truth: Annotations | None, table: Any, count: int
) -> tuple[list[str | None], list[float | None] | None, float | None]:
    """Return what COCO's evaluation says of the detections that count, in its order, of the objects, and of the image."""
    if truth is None:
        return [None] * count, None, None
    measured = evaluate(truth, table)
    verdicts: list[str | None] = [VERDICTS[int(verdict)] for verdict in measured.matches.verdict[0, 0]]
    scores = [
        None if score is None else round(score, 6) for score in found_objects(measured.matches)["score"]
    ]
    return verdicts, scores, own_precision(measured)


def own_precision(measured: Evaluation) -> float | None:
    """Return the AP of an image that was measured alone; None where nothing is to be found."""
    value = float(image_precision(measured.matches)[0])
    return None if np.isnan(value) else value


def _shrunk(image: Image, size: tuple[int, int]) -> Float[Tensor, "3 height width"]:
    if image.shape[-2:] == size:
        return image
    return F.interpolate(image[None], size, mode="area")[0]


def _shrunk_spectrum(image: Image, size: tuple[int, int]) -> bytes:
    levels = spectrum_bytes(image)
    height, width = image.shape[-2:]
    if (height, width) == size:
        return levels
    shades = torch.frombuffer(bytearray(levels), dtype=torch.uint8).reshape(1, 1, height, width).float()
    return F.interpolate(shades, size, mode="area").round().byte().numpy().tobytes()
