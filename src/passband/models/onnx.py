"""Models in ONNX files: black boxes, without layers to change and without a gradient."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from passband.errors import InputError
from passband.models.outputs import Output, choose_output
from passband.models.pieces import in_pieces
from passband.models.sources import Found, Options
from passband.notices import Notice
from passband.optional import require

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
DTYPES = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
    "tensor(uint8)": torch.uint8,
}
"""Types of images that a file may take; bytes are pixels as they are stored, 0 to 255."""
FATAL_ONLY = 4  # of onnxruntime's levels of logging: what is an error is raised as well

LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])")
"""In an ONNX file (protobuf): before the length of the name of a file beside it, which holds tensors of it."""


class OnnxModel(nn.Module):
    """An ONNX file as a module, for batches of any size; what it returns is float32 and has no gradient.

    For images on a GPU it runs there if the installed onnxruntime can, else on the CPU. A copy of it, or a process that
    it is sent to, opens the file again.

    Args:
        path: The file.
        output_name: Which of its outputs holds the logits; None where that can be told.

    Attributes:
        shape: Batch, channels, height and width of its images, whatever their order in the file; texts or None stand for
            what may vary.
        dtype: The type of its images. Where they are bytes, pixels in [0, 1] are multiplied by 255 and rounded.
        channels_last: Whether its images have their channels last.
        notices: What whoever reads numbers of it must know.

    Raises:
        MissingDependencyError: If onnxruntime is not installed.
        InputError: If it is not an ONNX file, or does not take one batch of images and return logits.
    """

    file_digest: Tensor

    def __init__(self, path: Path, output_name: str | None = None) -> None:
        super().__init__()
        self.path = path.absolute()
        self.sessions: dict[str, Any] = {}
        # Among the weights, since these cannot be read and it must tell one file from another in their stead.
        self.register_buffer("file_digest", hash_file(self.path))
        session = self._session("cpu")
        images = _check_input(session, path)
        self.input_name, self.dtype, self.shape = images.name, DTYPES[images.type], list(images.shape)
        self.channels_last = _has_channels_last(self.shape)
        if self.channels_last:
            batch, height, width, channels = self.shape
            self.shape = [batch, channels, height, width]
        self.output_name, chosen = _choose(session, output_name, path)
        self.notices = (*_about_input(self.dtype, self.channels_last, path), *chosen)

    def forward(self, images: Tensor) -> Tensor:
        """Return what the file's network returns for `images`, in one piece, on their device."""
        session = self._session(images.device.type)
        batch = self.shape[0]
        limits = (batch, batch) if isinstance(batch, int) else (1, sys.maxsize)

        def run(piece: Tensor) -> Tensor:
            (logits,) = session.run([self.output_name], {self.input_name: piece.contiguous().numpy()})
            return torch.from_numpy(logits).float()

        return in_pieces(run, self._as_taken(images.detach().cpu()), *limits).to(images.device)

    def _as_taken(self, images: Tensor) -> Tensor:
        """Return images in the type and the order of axes that the file takes."""
        if self.channels_last:
            images = images.permute(0, 2, 3, 1)
        if self.dtype == torch.uint8:
            return (images * 255).round().clamp(0, 255).to(torch.uint8)
        return images.to(self.dtype)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the sessions out: they cannot be copied."""
        return {**self.__dict__, "sessions": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of another one, if the file is still the same."""
        super().__setstate__(state)
        if not torch.equal(hash_file(self.path), self.file_digest.cpu()):
            raise InputError(f"{self.path} has changed since it was loaded")

    def _session(self, device: str) -> Any:
        runtime = onnx_runtime()
        provider = CUDA if device == "cuda" and CUDA in runtime.get_available_providers() else CPU
        if provider not in self.sessions:
            self.sessions[provider] = open_session(runtime, self.path, provider)
        return self.sessions[provider]


def from_onnx(file: str, options: Options) -> Found:
    """Load `onnx:FILE.onnx`; size and channels are those of its input.

    Raises:
        MissingDependencyError: If onnxruntime is not installed.
        InputError: If there is no such file, or as `OnnxModel`.
    """
    options.refuse(
        "weights", "num_classes", "in_channels", because="an ONNX file holds its weights and its shapes"
    )
    onnx_runtime()
    path = Path(file)
    if not path.is_file():
        raise InputError(f"no ONNX file {path}")
    model = OnnxModel(path, options.output_name)
    _, channels, height, width = model.shape
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    return Found(
        model,
        path.stem,
        size=size,
        fixed_size=size is not None,
        normalization="inside" if model.dtype == torch.uint8 else "unknown",
        channels=channels if isinstance(channels, int) else None,
        notices=model.notices,
    )


def onnx_runtime() -> Any:
    """Return the module `onnxruntime`.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    return require("onnxruntime", extra="onnx", purpose="running an ONNX file")


def open_session(runtime: Any, path: Path, provider: str) -> Any:
    """Open a file for one of onnxruntime's providers, on as many threads as torch has.

    Raises:
        InputError: If onnxruntime cannot run it.
    """
    settings = runtime.SessionOptions()
    settings.log_severity_level = FATAL_ONLY
    settings.intra_op_num_threads = torch.get_num_threads()
    try:
        return runtime.InferenceSession(path, settings, providers=[provider])
    except Exception as error:  # onnxruntime has a dozen classes of errors without a common base
        first_line = str(error).strip().split("\n")[0]
        raise InputError(f"{path} is not an ONNX file that onnxruntime can run ({first_line})") from error


def _check_input(session: Any, path: Path) -> Any:
    """Return the only input."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        named = ", ".join(f"{end.name} ({end.type})" for end in inputs)
        raise InputError(
            f"{path} must take one batch of images, it takes {len(inputs)}: {named or 'nothing'}"
        )
    (images,) = inputs
    if images.type not in DTYPES or len(images.shape) != 4:
        raise InputError(
            f"{path} must take images (batch, channels, height, width) of the type {' or '.join(DTYPES)}, it takes "
            f"{images.type} shaped ({', '.join(map(str, images.shape))})"
        )
    return images


def _has_channels_last(shape: list[int | str | None]) -> bool:
    return shape[3] in (1, 3) and shape[1] not in (1, 3)


def _choose(session: Any, wanted: str | None, path: Path) -> tuple[str, tuple[Notice, ...]]:
    """Return the name of the output that holds the logits."""
    ends = session.get_outputs()
    outputs = [
        Output(e.name, e.type, e.type in DTYPES and e.type != "tensor(uint8)", e.shape or ()) for e in ends
    ]
    number, notices = choose_output(outputs, wanted, path.name)
    return ends[number].name, notices


def _about_input(dtype: torch.dtype, channels_last: bool, path: Path) -> Iterator[Notice]:
    if dtype == torch.uint8:
        yield Notice(
            "model",
            f"{path.name} takes bytes: pixels are multiplied by 255, rounded and held to 0 to 255",
            warning=False,
        )
    if channels_last:
        yield Notice("model", f"{path.name} takes images with their channels last", warning=False)


def hash_file(path: Path) -> Tensor:
    """Return the SHA-256 of a file, and of those beside it that hold its tensors, as 32 bytes."""
    content = path.read_bytes()
    state = hashlib.sha256(content)
    beside = {content[found.end() : found.end() + found[1][0]] for found in LOCATION.finditer(content)}
    for name in sorted(beside):
        other = path.parent / name.decode(errors="replace")
        if other.is_file():
            with other.open("rb") as file:
                state.update(hashlib.file_digest(file, "sha256").digest())
    return torch.tensor(list(state.digest()), dtype=torch.uint8)
