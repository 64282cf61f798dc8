"""Detectors in ONNX files, of which a decoder says how they are shown images and what their outputs mean."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from passband.detection.decoders import Decoder, MisfitError, Outputs, find_decoder
from passband.detection.detector import Detector, DetectorEntry, Image
from passband.detection.objects import Detections
from passband.errors import InputError, few
from passband.files import digest
from passband.models.onnx import CPU, CUDA, DTYPES, hash_file, onnx_runtime, open_session
from passband.models.outputs import Output
from passband.notices import Notice

GRAY = 114 / 255
"""What YOLO's letterbox is filled up with."""

USUAL_SIDE = 640
"""Of the input of a file that takes any size and does not say which."""

SHORTER_SIDE, LONGER_SIDE = 800, 1333  # of DETR


@dataclass(frozen=True)
class Input:
    """What a file takes.

    Attributes:
        name: What it calls its images.
        dtype: Their type; bytes are pixels as they are stored, 0 to 255.
        batch: How many at a time; None where any number will do.
        size: Height and width; None of an axis where any will do.
        channels_last: Whether channels are the last axis.
        bare: Whether one image comes without an axis of images.
    """

    name: str
    dtype: torch.dtype
    batch: int | None
    size: tuple[int | None, int | None]
    channels_last: bool
    bare: bool


class OnnxDetector(Detector):
    """An ONNX file with a decoder.

    Args:
        path: The file.
        decoder: The name of the layout of its outputs: one of `passband.detection.decoders.DECODERS`.
        size: Height and width of its input, where the file leaves them open; None for what it says itself, or 640.
        device: Where it computes, if the installed onnxruntime can.

    Raises:
        MissingDependencyError: If onnxruntime is not installed.
        InputError: If it is not an ONNX file, no decoder is given, or that does not fit the file.
    """

    def __init__(
        self,
        path: Path,
        decoder: str | None,
        *,
        size: tuple[int, int] | None = None,
        device: torch.device | None = None,
    ) -> None:
        runtime = onnx_runtime()
        if not path.is_file():
            raise InputError(f"no ONNX file {path}")
        on_gpu = device is not None and device.type == "cuda" and CUDA in runtime.get_available_providers()
        self._session = open_session(runtime, path, CUDA if on_gpu else CPU)
        self._path = path
        self._returns = [
            Output(end.name, end.type, end.type in DTYPES, end.shape or ())
            for end in self._session.get_outputs()
        ]
        self._decoder = find_decoder(decoder, path.name, self._returns)
        self._input = _read_input(self._session, self._decoder, path)
        said = self._session.get_modelmeta().custom_metadata_map
        self._size, self.notices = _choose_size(self._input, self._decoder, size, said.get("imgsz"), path)
        self.label_names = _names(said.get("names"))
        self.device = torch.device("cuda" if on_gpu else "cpu")
        self.entry = DetectorEntry(
            path.stem,
            f"onnx:{path} --decoder {self._decoder.name}",
            digest(hash_file(path).numpy().tobytes(), self._decoder.name.encode(), repr(self._size).encode()),
        )
        height, width = self._size or (USUAL_SIDE, USUAL_SIDE)
        self.detect(
            [torch.full((3, height, width), GRAY)]
        )  # what does not fit is said before anything is measured

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Return what is found in each image: see `Detector`."""
        sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        return self.detect_inputs([self.to_input(image) for image in images], sizes)

    def to_input(self, image: Image) -> Image:
        """Return an image as it is resized, in [0, 1], without what it is filled up with."""
        height, width = image.shape[-2:]
        wanted = self._resized(height, width)
        if wanted == (height, width):
            return image
        return F.interpolate(
            image[None], wanted, mode="bilinear", align_corners=False, antialias=self._decoder.antialias
        )[0]

    def detect_inputs(self, inputs: Sequence[Image], sizes: Sequence[tuple[int, int]]) -> list[Detections]:
        """Return what is found in images that `to_input` has resized: see `Detector`."""
        return [self._look(image, size) for image, size in zip(inputs, sizes, strict=True)]

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width to which an image is resized."""
        if self._decoder.resize == "none":
            return height, width
        if self._size is None:
            scale = min(SHORTER_SIDE / min(height, width), LONGER_SIDE / max(height, width))
            return max(1, round(height * scale)), max(1, round(width * scale))
        if self._decoder.resize != "letterbox":
            return self._size
        scale = min(self._size[0] / height, self._size[1] / width)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _look(self, image: Tensor, size: tuple[int, int]) -> Detections:
        """Return what is found in a resized image, in pixels of the original."""
        image = image.detach().cpu()
        height, width = image.shape[-2:]
        top = left = 0
        if self._decoder.resize == "letterbox":
            assert self._size is not None
            spare = self._size[0] - height, self._size[1] - width
            top, left = spare[0] // 2, spare[1] // 2
            image = F.pad(image, (left, spare[1] - left, top, spare[0] - top), value=GRAY)
        shown = (image.shape[-2], image.shape[-1])
        try:
            found = self._decoder.read(self._run(image), shown)
        except MisfitError as error:
            raise InputError(
                f"{self._path.name} is not laid out as the decoder {self._decoder.name} reads it: {error}. It returns "
                f"{', '.join(map(str, self._returns))}; {self._decoder.name} reads {self._decoder.returns}."
            ) from error
        unnamed = sorted(set(found.labels.tolist()) - self.label_names.keys()) if self.label_names else []
        if unnamed:
            raise InputError(
                f"{self._path.name} names {len(self.label_names or ())} labels, and as the decoder {self._decoder.name} reads it, "
                f"it finds others: {few([str(label) for label in unnamed], 5)}. Its outputs may be laid out otherwise: it returns "
                f"{', '.join(map(str, self._returns))}."
            )
        boxes = found.boxes - torch.tensor([left, top, left, top])
        boxes = boxes * torch.tensor([size[1] / width, size[0] / height] * 2)
        if self._decoder.resize == "letterbox":  # as YOLO does: its boxes may lie in the gray
            boxes = torch.minimum(boxes.clamp(min=0), torch.tensor([size[1], size[0]] * 2))
        return Detections(boxes, found.scores, found.labels)

    def _run(self, image: Tensor) -> Outputs:
        """Return what the file returns for an image of the size that it takes."""
        size = torch.tensor([[image.shape[-1], image.shape[-2]]])
        if self._decoder.normalize is not None:
            mean, std = (torch.tensor(each)[:, None, None] for each in self._decoder.normalize)
            image = (image - mean) / std
        if self._input.dtype == torch.uint8:
            image = (image * 255).round().clamp(0, 255)
        if self._input.channels_last:
            image = image.permute(1, 2, 0)
        batch = image if self._input.bare else image[None].expand(self._input.batch or 1, -1, -1, -1)
        given = {self._input.name: batch.to(self._input.dtype).contiguous().numpy()}
        if self._decoder.sizes is not None:
            given[self._decoder.sizes] = size.expand(self._input.batch or 1, -1).contiguous().numpy()
        try:
            values = self._session.run([each.name for each in self._returns], given)
        except Exception as error:  # onnxruntime has a dozen classes of errors without a common base
            first_line = str(error).strip().split("\n")[0]
            raise InputError(
                f"{self._path.name} fails on images of {batch.shape[-2]}x{batch.shape[-1]} ({first_line})"
            ) from error
        return {each.name: torch.from_numpy(value) for each, value in zip(self._returns, values, strict=True)}


def from_onnx(
    file: str, *, decoder: str | None, size: tuple[int, int] | None, device: torch.device
) -> OnnxDetector:
    """Load `onnx:FILE.onnx` with the layout of its outputs.

    Raises:
        MissingDependencyError: If onnxruntime is not installed.
        InputError: As `OnnxDetector`.
    """
    return OnnxDetector(Path(file), decoder, size=size, device=device)


def _read_input(session: Any, decoder: Decoder, path: Path) -> Input:
    ends = {end.name: end for end in session.get_inputs()}
    if decoder.sizes is not None and ends.pop(decoder.sizes, None) is None:
        raise InputError(
            f"{path} has no input {decoder.sizes}, which files of the decoder {decoder.name} have; it takes {', '.join(ends)}"
        )
    ranks = (3, 4) if decoder.resize == "none" else (4,)
    if len(ends) != 1:
        raise InputError(
            f"{path} must take one batch of images for the decoder {decoder.name}, it takes {', '.join(ends) or 'nothing'}"
        )
    (end,) = ends.values()
    shape = [side if isinstance(side, int) else None for side in end.shape]
    if end.type not in DTYPES or len(shape) not in ranks:
        raise InputError(
            f"{path} must take images (batch, 3, height, width) of the type {' or '.join(DTYPES)}, it takes {end.type} shaped "
            f"({', '.join(map(str, end.shape))})"
        )
    bare = len(shape) == 3
    batch, *sides = [1, *shape] if bare else shape
    channels_last = sides[2] == 3 and sides[0] != 3
    channels, height, width = (sides[2], *sides[:2]) if channels_last else sides
    if channels not in (3, None):
        raise InputError(
            f"{path} takes images of {channels} channels; detectors are shown red, green and blue"
        )
    return Input(end.name, DTYPES[end.type], batch, (height, width), channels_last, bare)


def _choose_size(
    taken: Input, decoder: Decoder, wanted: tuple[int, int] | None, said: str | None, path: Path
) -> tuple[tuple[int, int] | None, tuple[Notice, ...]]:
    """Return height and width of the input, None where they depend on the image, and what must be known of the choice."""
    height, width = taken.size
    if height is not None and width is not None:
        if wanted not in (None, (height, width)):
            raise InputError(f"{path} takes images of {height}x{width} only, got size {wanted}")
        return (height, width), ()
    if decoder.resize == "none":
        if wanted is not None:
            raise InputError(f"the decoder {decoder.name} shows images as they are: it has no use for a size")
        return None, ()
    if wanted is not None or decoder.resize == "shorter side":
        return wanted, ()
    sides = _literal(said)
    if isinstance(sides, list | tuple) and len(sides) == 2 and all(isinstance(side, int) for side in sides):
        return (sides[0], sides[1]), ()
    message = f"{path.name} takes images of any size and says none: it is shown {USUAL_SIDE}x{USUAL_SIDE}"
    return (USUAL_SIDE, USUAL_SIDE), (Notice("model", message),)


def _names(said: str | None) -> dict[int, str] | None:
    """Return what exports of Ultralytics call their labels; None where a file does not say."""
    names = _literal(said)
    if isinstance(names, dict) and names and all(isinstance(label, int) for label in names):
        return {label: str(name) for label, name in names.items()}
    return None


def _literal(text: str | None) -> object:
    """Return what a Python literal says; None if it is none."""
    try:
        return None if text is None else ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
