"""A detector as the page asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast, get_args

from passband.choices import ViewAmplitude
from passband.data.images import Request
from passband.explorer.detector_gallery import find_changes, thumbs
from passband.explorer.detector_look import look
from passband.explorer.detector_scene import DetectorPicture, DetectorScene
from passband.explorer.explored import Explored
from passband.explorer.uploads import FORMATS, MOST_BYTES, decode_upload
from passband.explorer.view import one_of, read_number
from passband.explorer.wire import Frame
from passband.files import digest

MOST_PIXELS = 16 * 10**6
"""Of an upload: a detector is given all of them, and the transform of an image takes many times its memory."""


class ExploredDetector(Explored[DetectorPicture]):
    """A scene of a detector.

    Args:
        scene: What is explored.
        amplitude: The policy by default.
    """

    page = "detector.html"
    kinds = ("radius",)
    scene: DetectorScene
    amplitude: ViewAmplitude

    def __init__(self, scene: DetectorScene, amplitude: ViewAmplitude = "picture") -> None:
        super().__init__(scene, amplitude)

    def about(
        self, *, images: list[int] | None = None, flips: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return what the page is told once."""
        served, scene = images is None, self.scene
        limits = {
            "formats": [f"image/{form.lower()}" for form in FORMATS],
            "bytes": MOST_BYTES,
            "pixels": MOST_PIXELS,
        }
        return {
            "served": served,
            "models": [scene.detector.entry.name],
            "data": None if scene.dataset is None else scene.dataset.annotations.name,
            "count": self.count,
            "images": images,
            "flips": flips,
            "categories": {str(number): name for number, name in scene.categories.items()},
            "amplitude": self.amplitude,
            "amplitudes": list(get_args(ViewAmplitude)) if served else [self.amplitude],
            "split_at": scene.split_at,
            "upload": limits if served else None,
            "notices": [notice.message for notice in scene.notices if notice.warning],
        }

    def picture(self, index: int) -> DetectorPicture:
        """Return an image of the data set, with what is in it."""
        return self.scene.picture(index)

    def decode(self, content: bytes, name: str) -> DetectorPicture:
        """Return an uploaded picture as `passband detect` reads files: as it is stored, in color."""
        called, decoded = decode_upload(content, name, Request(channels=3), MOST_PIXELS)
        return DetectorPicture(decoded.images[0], 0, digest(content), called, None, decoded.notices)

    def look(self, picture: DetectorPicture, query: Mapping[str, str]) -> Iterator[Frame]:
        """Yield `passband.explorer.detector_look.look`."""
        at = read_number(query, "at") if "at" in query else None
        return look(self.scene, picture, cast(ViewAmplitude, self.policy(query)), at)

    def thumbs(self, indices: Sequence[int]) -> Frame:
        """Return small pictures with how many objects are in them."""
        return thumbs(self.scene, indices)

    def policy(self, query: Mapping[str, str]) -> str:
        """Return the amplitude policy of a query."""
        return one_of(query.get("amplitude", self.amplitude), "amplitude policy", ViewAmplitude)

    def find(self, policy: str) -> dict[str, Any]:
        """Return the images that change most under a policy."""
        return find_changes(self.scene, cast(ViewAmplitude, policy))
