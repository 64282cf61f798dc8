"""All that the page shows of one image: its parts at every place, and what the models say of each of them.

The place that is asked for comes first, then the parts at all others from near to far, then the answers to those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from passband.explorer.cut import Cut
from passband.explorer.scene import Picture, Scene
from passband.explorer.view import View
from passband.explorer.wire import Frame
from passband.frequency.rescale import rescale
from passband.frequency.spectrum import power_spectrum
from passband.models.pixels import PixelModel, answers, evaluating
from passband.types import Amplitude, Batch, Images

TOP = 5
"""Classes that an answer names."""

VALUES_AT_ONCE = 2**19
"""Values of images that a model is shown at once: about 600 small gray ones, or 3 colored ones of 224 pixels."""

FLAT = 1e-4
"""Amplitude below which an HFC is the rounding of a transform, far below half a step of 8 bits: stretched it would look like texture."""

DECADES = 10.0
"""Of power between the darkest color of a spectrum and the brightest, at most: beyond is rounding."""


def look(scene: Scene, picture: Picture, view: View, at: float | None = None) -> Iterator[Frame]:
    """Yield the frames of one image.

    They are one `image`, one `whole` (the answers to it), and for each place a `parts` and a line in an `answers`; then `end`.

    Args:
        scene: Whose image it is.
        picture: The image.
        view: What is done to it.
        at: The place that comes first, or the one next to it; None begins after a third of them.

    Raises:
        InputError: If the image has no parts, a model cannot be smoothed or attacked, or an answer is not finite.
    """
    cut, classes = view.cut, len(scene.images.classes)
    places = cut.places(scene.images.size)
    models = scene.models_at(view.rho, view.normalize)
    original = image = scene.to_pixels(picture)
    if view.epsilon > 0:
        image = scene.attacked(models[0], original, picture.label, view.epsilon, view.steps).detach()
    begin = places[round((len(places) - 1) / 3)] if at is None else at
    order = sorted(range(len(places)), key=lambda index: abs(places[index] - begin))
    height, width = scene.images.size
    yield Frame(
        {
            "kind": "image",
            "name": picture.name,
            "label": picture.label,
            "size": [height, width],
            "channels": scene.images.channels,
            "places": list(places),
            "first": order[0],
            "shown": [[str(part) for part in cut.pair(place)] for place in places],
            "energy": [round(float(share), 6) for share in cut.energy(image[0], places)],
            "models": scene.names(models),
            "change": round(float((image - original).abs().max()), 6),
            "notices": [notice.message for notice in picture.notices],
        },
        as_bytes(image[0]) + spectrum_bytes(image[0]),
    )
    yield Frame({"kind": "whole", "models": [_answers(m, image, classes, picture.label)[0] for m in models]})
    first, others = order[:1], order[1:]
    shown = 2 * scene.images.channels * height * width
    few = max(4, VALUES_AT_ONCE // shown)
    for indices in (first, *_chunks(others, few)):
        yield from _parts(cut, image, places, indices, view.amplitude)
        if indices is first:
            yield _asked(models, cut, image, places, indices, view.amplitude, classes, picture.label)
    for indices in _chunks(others, few):
        yield _asked(models, cut, image, places, indices, view.amplitude, classes, picture.label)
    yield Frame({"kind": "end"})


def _chunks(indices: Sequence[int], few: int) -> list[Sequence[int]]:
    return [indices[start : start + few] for start in range(0, len(indices), few)]


def _parts(
    cut: Cut, image: Batch, places: Sequence[float], indices: Sequence[int], amplitude: Amplitude
) -> Iterator[Frame]:
    """Yield the parts at some places as they are seen: as the models are given them, what is signed on middle gray."""
    signed = cut.kind != "ring" and amplitude != "minmax"
    for index, (one, other) in zip(indices, cut.parts(image, [places[i] for i in indices]), strict=True):
        first, second = (rescale(part, amplitude, original=image)[0] for part in (one, other))
        largest = round(float(second.abs().max()), 6)
        seen = on_gray(second) if signed else second
        yield Frame({"kind": "parts", "index": index, "largest": largest}, as_bytes(first) + as_bytes(seen))


def _asked(
    models: Sequence[PixelModel],
    cut: Cut,
    image: Batch,
    places: Sequence[float],
    indices: Sequence[int],
    amplitude: Amplitude,
    classes: int,
    label: int | None,
) -> Frame:
    """Return what the models say of both parts at some places."""
    parts = [part for pair in cut.parts(image, [places[i] for i in indices]) for part in pair]
    batch = rescale(torch.cat(parts), amplitude, original=image.expand(len(parts), -1, -1, -1))
    said = [_answers(model, batch, classes, label) for model in models]
    pairs = [[list(pair) for pair in zip(of[::2], of[1::2], strict=True)] for of in said]
    return Frame({"kind": "answers", "indices": list(indices), "models": pairs})


def _answers(model: PixelModel, images: Batch, classes: int, label: int | None) -> list[dict[str, Any]]:
    """Return the most probable classes of each image with their probabilities, and the probability of its true class."""
    with evaluating(model):
        probability = answers(model, images, classes).float().log_softmax(dim=1)
        # Stable, so that of equal ones the first is the answer, as it is where accuracy is measured.
        values, indices = (each.cpu() for each in probability.sort(dim=1, descending=True, stable=True))
    labels = [None] * len(images) if label is None else probability[:, label].exp().tolist()
    return [
        {
            "top": [[index, round(value, 6)] for index, value in zip(first, of, strict=True)],
            "label": None if known is None else round(known, 6),
        }
        for first, of, known in zip(
            indices[:, :TOP].tolist(), values[:, :TOP].exp().tolist(), labels, strict=True
        )
    ]


def on_gray(part: Images) -> Images:
    """Return a signed part as it can be seen: 0 is middle gray, the largest amplitude black or white.

    Example:
        >>> on_gray(torch.tensor([[[-0.2, 0.0, 0.1]]]))
        tensor([[[0.0000, 0.5000, 0.7500]]])
    """
    largest = part.abs().max()
    return 0.5 + part / (2 * largest) if largest > FLAT else part + 0.5


def as_bytes(image: Float[Tensor, "channels height width"]) -> bytes:
    """Return pixels as bytes, channels last; what is outside [0, 1] is cut off."""
    return (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().cpu().numpy().tobytes()


def spectrum_bytes(image: Float[Tensor, "channels height width"]) -> bytes:
    """Return the logarithm of an image's power as bytes, from the weakest wave to the strongest, the zero frequency in the middle.

    The mean is stronger than any wave: it has the highest byte, whatever it is.
    """
    return _levels(torch.fft.fftshift(power_spectrum(image)).double().cpu()).numpy().tobytes()


def _levels(power: Float[Tensor, "height width"]) -> UInt8[Tensor, "height width"]:
    height, width = power.shape
    waves = power.flatten()
    middle = (height // 2) * width + width // 2
    waves = torch.cat([waves[:middle], waves[middle + 1 :]])
    top = max(float(waves.max()), 1e-12)
    bottom = max(float(waves.min()), top * 10**-DECADES)
    shade = (power.clamp(bottom, top) / bottom).log() / max(torch.tensor(top / bottom).log().item(), 1e-12)
    return (shade * 255).round().byte()
