"""Models in ONNX files: black boxes, without layers to change and without a gradient."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from passband.errors import InputError
from passband.models.pieces import in_pieces
from passband.models.sources import Found, Options
from passband.optional import require

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
FLOAT = "tensor(float)"
FATAL_ONLY = 4  # of onnxruntime's levels of logging: what is an error is raised as well

LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])")
"""In an ONNX file (protobuf): before the length of the name of a file beside it, which holds tensors of it."""


class OnnxModel(nn.Module):
    """An ONNX file as a module, for batches of any size; what it returns has no gradient.

    For images on a GPU it runs there if the installed onnxruntime can, else on the CPU. A copy of it, or a process that
    it is sent to, opens the file again.

    Args:
        path: The file.

    Raises:
        MissingDependencyError: If onnxruntime is not installed.
        InputError: If it is not an ONNX file, or does not take one batch of float32 images and return logits.
    """

    file_digest: Tensor

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path.absolute()
        self.sessions: dict[str, Any] = {}
        # Among the weights, since these cannot be read and it must tell one file from another in their stead.
        self.register_buffer("file_digest", _digest(self.path))
        self.input_name, self.shape = _check_interface(self._session("cpu"), path)

    def forward(self, images: Tensor) -> Tensor:
        """Return what the file's network returns for `images`, in one piece, on their device."""
        session = self._session(images.device.type)
        batch = self.shape[0]
        limits = (batch, batch) if isinstance(batch, int) else (1, sys.maxsize)

        def run(piece: Tensor) -> Tensor:
            (logits,) = session.run(None, {self.input_name: piece.contiguous().numpy()})
            return torch.from_numpy(logits)

        return in_pieces(run, images.detach().cpu().float(), *limits).to(images.device)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the sessions out: they cannot be copied."""
        return {**self.__dict__, "sessions": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of another one, if the file is still the same."""
        super().__setstate__(state)
        if not torch.equal(_digest(self.path), self.file_digest.cpu()):
            raise InputError(f"{self.path} has changed since it was loaded")

    def _session(self, device: str) -> Any:
        runtime = _runtime()
        provider = CUDA if device == "cuda" and CUDA in runtime.get_available_providers() else CPU
        if provider not in self.sessions:
            self.sessions[provider] = _open(runtime, self.path, provider)
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
    _runtime()
    path = Path(file)
    if not path.is_file():
        raise InputError(f"no ONNX file {path}")
    model = OnnxModel(path)
    _, channels, height, width = model.shape
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    return Found(
        model,
        path.stem,
        size=size,
        fixed_size=size is not None,
        channels=channels if isinstance(channels, int) else None,
    )


def _runtime() -> Any:
    return require("onnxruntime", extra="onnx", purpose="running an ONNX file")


def _open(runtime: Any, path: Path, provider: str) -> Any:
    settings = runtime.SessionOptions()
    settings.log_severity_level = FATAL_ONLY
    settings.intra_op_num_threads = torch.get_num_threads()
    try:
        return runtime.InferenceSession(path, settings, providers=[provider])
    except Exception as error:  # onnxruntime has a dozen classes of errors without a common base
        first_line = str(error).strip().split("\n")[0]
        raise InputError(f"{path} is not an ONNX file that onnxruntime can run ({first_line})") from error


def _check_interface(session: Any, path: Path) -> tuple[str, list[int | str | None]]:
    """Return name and shape of the only input; texts or None in the shape stand for what may vary."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        raise InputError(f"{path} must take one batch of images, it takes {_named(inputs)}")
    (images,) = inputs
    if images.type != FLOAT or len(images.shape) != 4:
        raise InputError(
            f"{path} must take float32 images (batch, channels, height, width), it takes {images.type} shaped "
            f"({', '.join(map(str, images.shape))})"
        )
    _, channels, _, last = images.shape
    if last in (1, 3) and channels not in (1, 3) and isinstance(channels, int):
        raise InputError(
            f"{path} takes images with the channels last, shaped ({', '.join(map(str, images.shape))}). Export it with "
            f"the channels before height and width."
        )
    if len(outputs) != 1 or outputs[0].type != FLOAT:
        raise InputError(f"{path} must return float32 logits and nothing else, it returns {_named(outputs)}")
    return images.name, images.shape


def _named(ends: list[Any]) -> str:
    return f"{len(ends)}: {', '.join(f'{end.name} ({end.type})' for end in ends) or 'nothing'}"


def _digest(path: Path) -> Tensor:
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
