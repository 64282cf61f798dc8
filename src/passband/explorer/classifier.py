"""A classifier as the page asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast, get_args

from passband.choices import Amplitude
from passband.data.images import Request
from passband.explorer.about import about
from passband.explorer.cut import CutKind
from passband.explorer.explored import Explored
from passband.explorer.gallery import find_flips, thumbs
from passband.explorer.look import look
from passband.explorer.scene import Picture, Scene
from passband.explorer.uploads import decode_upload
from passband.explorer.view import View, read_number
from passband.explorer.wire import Frame


class ExploredClassifier(Explored[Picture]):
    """A scene of classifiers.

    Args:
        scene: What is explored.
        amplitude: The policy by default.
    """

    page = "index.html"
    kinds = get_args(CutKind)
    scene: Scene
    amplitude: Amplitude

    def __init__(self, scene: Scene, amplitude: Amplitude = "max") -> None:
        super().__init__(scene, amplitude)

    def about(
        self, *, images: list[int] | None = None, flips: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return `passband.explorer.about.about`."""
        return about(self.scene, self.amplitude, images=images, flips=flips)

    def picture(self, index: int) -> Picture:
        """Return an image of the data set."""
        return self.scene.picture(index)

    def decode(self, content: bytes, name: str) -> Picture:
        """Return an uploaded picture as an image like those of the scene, prepared as `passband audit` would prepare it."""
        request = Request(preparation=self.scene.preparation, channels=self.scene.images.channels)
        called, decoded = decode_upload(content, name, request)
        return Picture(decoded.images[0], None, called, decoded.notices)

    def look(self, picture: Picture, query: Mapping[str, str]) -> Iterator[Frame]:
        """Yield `passband.explorer.look.look`."""
        at = read_number(query, "at") if "at" in query else None
        return look(self.scene, picture, View.read(query, self.amplitude), at)

    def thumbs(self, indices: Sequence[int]) -> Frame:
        """Return small pictures with their classes."""
        return thumbs(self.scene, indices)

    def policy(self, query: Mapping[str, str]) -> str:
        """Return the amplitude policy of a query."""
        return View.read(query, self.amplitude).amplitude

    def find(self, policy: str) -> dict[str, Any]:
        """Return the flips under a policy."""
        return find_flips(self.scene, cast(Amplitude, policy))
