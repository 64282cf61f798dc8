"""What the page is told once: models, data, what can be done with them."""

from __future__ import annotations

from typing import Any, get_args

from passband.choices import Amplitude
from passband.explorer.scene import Scene
from passband.explorer.uploads import FORMATS, MOST_BYTES, MOST_PIXELS


def about(
    scene: Scene,
    amplitude: Amplitude,
    *,
    images: list[int] | None = None,
    flips: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return it as JSON holds it.

    Args:
        scene: What is explored.
        amplitude: The policy by default.
        images: Of an export, the images that it has; None of a server, which has all.
        flips: Of an export, what `find_flips` found.
    """
    served, dataset = images is None, scene.dataset
    count = 0 if dataset is None else len(dataset)
    height, width = scene.images.size
    return {
        "served": served,
        "models": scene.names(),
        "data": None if dataset is None else f"{dataset.name} ({dataset.subset})",
        "count": count,
        "images": images,
        "flips": flips,
        "classes": list(scene.images.classes),
        "size": [height, width],
        "channels": scene.images.channels,
        "amplitude": amplitude,
        "amplitudes": list(get_args(Amplitude)) if served else [amplitude],
        "preparation": str(scene.preparation),
        "no_smoothing": scene.why_not_smooth() if served else "an export has no network",
        "no_attack": scene.why_not_attack() if served else "an export has no network",
        "upload": {
            "formats": [f"image/{form.lower()}" for form in FORMATS],
            "bytes": MOST_BYTES,
            "pixels": MOST_PIXELS,
        }
        if served
        else None,
        "notices": [notice.message for notice in scene.notices if notice.warning],
    }
