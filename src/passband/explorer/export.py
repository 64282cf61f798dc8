"""The same page as static files, for a fixed choice of images: all places are computed beforehand."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from passband.choices import Progress
from passband.errors import InputError
from passband.explorer.app import INDEX, page_files
from passband.explorer.explored import Explored

CHOSEN = 12
"""Images of an export where nobody says which: what comes first in each list of those worth jumping to, up to half of them, and the data set's first."""

SERVED = 'data-served="true"'
"""What the page's first tag says where there is a server."""


def export(
    explored: Explored[Any],
    folder: Path,
    images: Sequence[int] | None = None,
    *,
    progress: Progress | None = None,
) -> list[int]:
    """Write the page and what it shows of some images; any web server can serve the folder.

    Args:
        explored: What is explored; it has a data set.
        folder: Where to.
        images: Positions in the data set; None chooses.
        progress: Called along the way.

    Returns:
        The positions.

    Raises:
        InputError: If there is no data set, or no such image.
    """
    if not explored.count:
        raise InputError("an export shows images of a data set, and none was loaded: give DATA too")
    flips = explored.flips({})
    chosen = list(dict.fromkeys(_chosen(explored.count, flips) if images is None else images))
    if not chosen:
        raise InputError("an export shows at least one image, got none")
    small = explored.thumbs(chosen)
    lists = {
        name: [each for each in found if each["sample"] in chosen] for name, found in flips["lists"].items()
    }
    for name, content in page_files(explored.page).items():
        if name == INDEX:
            content = content.replace(SERVED.encode(), SERVED.replace("true", "false").encode())
        (folder / name).write_bytes(content)
    data = folder / "data"
    data.mkdir()
    told = explored.about(images=chosen, flips=flips | {"lists": lists})
    (data / "about.json").write_text(json.dumps(told, allow_nan=False), encoding="utf-8")
    (data / "thumbs.bin").write_bytes(small.encode())
    kinds = explored.kinds
    for done, (image, kind) in enumerate((image, kind) for image in chosen for kind in kinds):
        frames = explored.look(explored.picture(image), {"cut": kind})
        content = b"".join(frame.encode() for frame in frames)
        # Packed here and unpacked by the page: a plain web server neither does it nor says that it was done.
        (data / f"{image}-{kind}.bin").write_bytes(gzip.compress(content, mtime=0))
        if progress:
            progress("images", done + 1, len(chosen) * len(kinds))
    return chosen


def _chosen(count: int, flips: dict[str, Any]) -> Iterator[int]:
    rows = zip_longest(*flips["lists"].values())  # the first of every list, then the second
    first = dict.fromkeys(each["sample"] for row in rows for each in row if each is not None)
    found = list(first)[: CHOSEN // 2]
    yield from found
    yield from [index for index in range(count) if index not in found][: CHOSEN - len(found)]
