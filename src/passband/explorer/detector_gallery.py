"""Images of a detector to choose from: all of the data set, and those whose own AP changes most."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch.nn.functional as F

from passband.audit.detector_parts import CHANGE
from passband.choices import ViewAmplitude
from passband.data.dataset import to_pixels
from passband.detection.evaluation import evaluate
from passband.detection.objects import detections_table
from passband.detection.view import WHOLE, View
from passband.errors import InputError
from passband.explorer.detector_look import own_precision
from passband.explorer.detector_scene import DetectorPicture, DetectorScene
from passband.explorer.gallery import MOST, THUMB, drawn_images
from passband.explorer.look import as_bytes
from passband.explorer.wire import Frame

LOOKED_AT = 200
"""Images that are looked at for changes, at most; of more, so many are drawn, always the same ones."""

SECONDS = 60.0
"""After which no further image is looked at: a large detector finds the changes of a few images in that time."""

LISTED = 48
"""Images of a list, those that change most."""


def thumbs(scene: DetectorScene, indices: Sequence[int]) -> Frame:
    """Return small pictures of some images of the data set, each of its own shape, with how many objects are in them.

    Raises:
        InputError: If there are more than `passband.explorer.gallery.MOST`, no such images, or one cannot be read.
    """
    if len(indices) > MOST:
        raise InputError(f"at most {MOST} thumbnails are sent at once, {len(indices)} were asked for")
    images, sizes, payload = [], [], b""
    for index in indices:
        picture = scene.picture(index)
        pixels = to_pixels(picture.pixels[None])
        height, width = pixels.shape[-2:]
        factor = min(1.0, THUMB / max(height, width))
        size = max(1, round(height * factor)), max(1, round(width * factor))
        small = F.interpolate(pixels, size=size, mode="area")[0]
        payload += as_bytes(small)
        sizes.append(list(size))
        images.append([index, _counted(picture)])
    return Frame({"kind": "thumbs", "sizes": sizes, "channels": 3, "images": images}, payload)


class _Change(NamedTuple):
    """How an image's own AP changes from the whole to a view."""

    sample: int
    before: float
    after: float

    @property
    def change(self) -> float:
        return self.after - self.before


def find_changes(scene: DetectorScene, amplitude: ViewAmplitude) -> dict[str, Any]:
    """Return the images whose own AP changes most, as `passband detect` measures it and shows it as evidence.

    Returns:
        `looked_at`, the number of images with objects that were looked at, `of` those of the data set; `radius`, the largest cut-off of
        `passband detect`, of the LFC and the control, and `hfc_radius`, its smallest, of the HFC. `gain` and `lose` are how many images
        gain and lose on the LFC, `by_control` how many gain under the control, and `gain_on_hfc`. Under `lists` stand `lose`, `gain` and
        `hfc`, the images that lose and gain most on the LFC and gain most on the HFC: `sample`, `radius`, `before` and `after`.

    Raises:
        InputError: If there is no data set, or as `DetectorScene.found`.
    """
    if scene.dataset is None:
        raise InputError(
            "changes are looked for in annotated images, and there are none: give IMAGES and ANNOTATIONS too"
        )
    radii = scene.default_radii((0, 0))
    if not radii:
        raise InputError("the median image is too small to be cut apart. Give --radii.")
    low, control = (View(kind, radii[-1], "index") for kind in ("lfc", "control"))
    high = View("hfc", radii[0], "index")
    changes: dict[View, list[_Change]] = {low: [], control: [], high: []}
    began = time.monotonic()
    for index in drawn_images(len(scene.dataset), LOOKED_AT).tolist():
        picture = scene.picture(index)
        if not _counted(picture):
            continue
        before, *after = _precisions(scene, picture, (WHOLE, *changes), amplitude)
        for of, value in zip(changes.values(), after, strict=True):
            of.append(_Change(index, before, value))
        if time.monotonic() - began > SECONDS:
            break
    return {
        "looked_at": len(changes[low]),
        "of": len(scene.dataset),
        "radius": radii[-1],
        "hfc_radius": radii[0],
        "gain": len(_gains(changes[low])),
        "lose": len(_losses(changes[low])),
        "by_control": len(_gains(changes[control])),
        "gain_on_hfc": len(_gains(changes[high])),
        "lists": {
            "lose": _listed(_losses(changes[low]), radii[-1]),
            "gain": _listed(_gains(changes[low]), radii[-1]),
            "hfc": _listed(_gains(changes[high]), radii[0]),
        },
    }


def _precisions(
    scene: DetectorScene, picture: DetectorPicture, views: Sequence[View], amplitude: ViewAmplitude
) -> list[float]:
    """Return an image's own AP in each view."""
    assert picture.truth is not None
    tables = (detections_table([(picture.id, found)]) for found in scene.found(picture, views, amplitude))
    return [own_precision(evaluate(picture.truth, table)) or 0.0 for table in tables]


def _counted(picture: DetectorPicture) -> int:
    return 0 if picture.truth is None else int((~picture.truth.objects["crowd"]).sum())


def _gains(changes: Sequence[_Change]) -> list[_Change]:
    return [each for each in changes if each.change > CHANGE]


def _losses(changes: Sequence[_Change]) -> list[_Change]:
    return [each for each in changes if each.change < -CHANGE]


def _listed(changes: Sequence[_Change], radius: float) -> list[dict[str, Any]]:
    most = sorted(changes, key=lambda each: -abs(each.change))[:LISTED]
    return [
        {"sample": each.sample, "radius": radius, "before": each.before, "after": each.after} for each in most
    ]
