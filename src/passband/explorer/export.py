"""The same page as static files, for a fixed choice of images: all places are computed beforehand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from passband.choices import Amplitude, Progress
from passband.errors import InputError
from passband.explorer.about import about
from passband.explorer.app import page_files
from passband.explorer.cut import Cut, CutKind
from passband.explorer.gallery import find_flips, thumbs
from passband.explorer.look import look
from passband.explorer.scene import Scene
from passband.explorer.view import View

CHOSEN = 12
"""Images of an export where nobody says which: the surest flips, up to half of them, and the data set's first."""

SERVED = 'data-served="true"'
"""What the page's first tag says where there is a server."""


def export(
    scene: Scene,
    folder: Path,
    images: Sequence[int] | None = None,
    *,
    amplitude: Amplitude = "max",
    progress: Progress | None = None,
) -> list[int]:
    """Write the page and what it shows of some images; any web server can serve the folder.

    Args:
        scene: What is explored; it has a data set.
        folder: Where to.
        images: Positions in the data set; None chooses.
        amplitude: What is done to components.
        progress: Called along the way.

    Returns:
        The positions.

    Raises:
        InputError: If there is no data set, or no such image.
    """
    if scene.dataset is None:
        raise InputError("an export shows images of a data set, and none was loaded: give DATA too")
    flips = find_flips(scene, amplitude)
    chosen = list(dict.fromkeys(_chosen(len(scene.dataset), flips) if images is None else images))
    if not chosen:
        raise InputError("an export shows at least one image, got none")
    small = thumbs(scene, chosen)
    flips["flips"] = [flip for flip in flips["flips"] if flip["sample"] in chosen]
    for name, content in page_files().items():
        if name == "index.html":
            content = content.replace(SERVED.encode(), SERVED.replace("true", "false").encode())
        (folder / name).write_bytes(content)
    data = folder / "data"
    data.mkdir()
    told = about(scene, amplitude, images=chosen, flips=flips)
    (data / "about.json").write_text(json.dumps(told, allow_nan=False), encoding="utf-8")
    (data / "thumbs.bin").write_bytes(small.encode())
    kinds = get_args(CutKind)
    for done, (image, kind) in enumerate((image, kind) for image in chosen for kind in kinds):
        frames = look(scene, scene.picture(image), View(Cut(kind), amplitude))
        content = b"".join(frame.encode() for frame in frames)
        # Packed here and unpacked by the page: a plain web server neither does it nor says that it was done.
        (data / f"{image}-{kind}.bin").write_bytes(gzip.compress(content, mtime=0))
        if progress:
            progress("images", done + 1, len(chosen) * len(kinds))
    return chosen


def _chosen(count: int, flips: dict) -> Iterator[int]:
    found = [flip["sample"] for flip in flips["flips"]][: CHOSEN // 2]
    yield from found
    yield from [index for index in range(count) if index not in found][: CHOSEN - len(found)]
