"""What the page asks for, whatever it is that is explored: a classifier, or a detector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, ClassVar, Generic, TypeVar

from passband.explorer.wire import Frame

P = TypeVar("P")
"""An image that is looked at."""


class Explored(ABC, Generic[P]):
    """Answers what the page asks for.

    Args:
        scene: What is explored; its `dataset` are the images to choose from, None where all are uploaded.
        amplitude: The policy by default.

    Attributes:
        page: The file of the page.
        kinds: The ways of cutting an image, all of which an export has.
        count: Images to choose from.
    """

    page: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]

    def __init__(self, scene: Any, amplitude: Any) -> None:
        self.scene, self.amplitude = scene, amplitude
        self.count: int = 0 if scene.dataset is None else len(scene.dataset)
        self._found: dict[str, dict[str, Any]] = {}
        self._looking = Lock()

    @abstractmethod
    def about(
        self, *, images: list[int] | None = None, flips: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return what the page is told once, as JSON holds it.

        Args:
            images: Of an export, the images that it has; None of a server, which has all.
            flips: Of an export, what `flips` found.
        """

    @abstractmethod
    def picture(self, index: int) -> P:
        """Return an image of the data set.

        Raises:
            InputError: If there is no such image.
        """

    @abstractmethod
    def decode(self, content: bytes, name: str) -> P:
        """Return an uploaded picture as an image.

        Raises:
            InputError: If it cannot be; the message is for whoever sent it.
        """

    @abstractmethod
    def look(self, picture: P, query: Mapping[str, str]) -> Iterator[Frame]:
        """Yield all that the page shows of an image, what is asked for first.

        Args:
            picture: The image.
            query: What the page's address says.

        Raises:
            InputError: If it asks for what cannot be; the first frame raises it.
        """

    @abstractmethod
    def thumbs(self, indices: Sequence[int]) -> Frame:
        """Return small pictures of some images of the data set.

        Raises:
            InputError: If there are no such images, or too many are asked for.
        """

    @abstractmethod
    def policy(self, query: Mapping[str, str]) -> str:
        """Return the amplitude policy that a query asks for, or that by default.

        Raises:
            UnknownNameError: If there is no such policy.
        """

    @abstractmethod
    def find(self, policy: str) -> dict[str, Any]:
        """Return the images that are worth jumping to, as JSON holds it: under `lists` by the name of each list, their positions as `sample`.

        Raises:
            InputError: If there is no data set to look in.
        """

    def flips(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return what `find` finds, which is looked for once; whoever asks again meanwhile waits for the same."""
        policy = self.policy(query)
        with self._looking:
            if policy not in self._found:
                self._found[policy] = self.find(policy)
        return self._found[policy]
