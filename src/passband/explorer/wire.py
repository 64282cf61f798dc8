"""How things are sent to the page, and kept in the files of an export: as frames, one after the other.

A frame is a header, which is JSON, and bytes, which may be none. It begins with the lengths of the two, as unsigned whole numbers
of 32 bits with the lowest byte first. So pictures need no text around them, and what comes first can be drawn first.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

LENGTHS = struct.Struct("<II")


class Frame(NamedTuple):
    """One thing that is sent.

    Attributes:
        header: What it is: under `kind`, and whatever that kind has.
        payload: Its bytes.
    """

    header: dict[str, Any]
    payload: bytes = b""

    def encode(self) -> bytes:
        """Write it.

        Example:
            >>> Frame({"kind": "end"}).encode()[8:]
            b'{"kind":"end"}'
        """
        header = json.dumps(self.header, separators=(",", ":"), allow_nan=False).encode()
        return LENGTHS.pack(len(header), len(self.payload)) + header + self.payload


def decode(stream: bytes) -> list[Frame]:
    """Return the frames of a whole stream.

    Raises:
        ValueError: If it ends within a frame.
    """
    frames, at = [], 0
    while at < len(stream):
        if len(stream) - at < LENGTHS.size:
            raise ValueError("the stream ends within a frame")
        header, payload = LENGTHS.unpack_from(stream, at)
        middle = at + LENGTHS.size + header
        end = middle + payload
        if end > len(stream):
            raise ValueError("the stream ends within a frame")
        frames.append(Frame(json.loads(stream[at + LENGTHS.size : middle]), stream[middle:end]))
        at = end
    return frames
