"""Detectors in PyTorch: torchvision's, with their weights, and any module that answers as they do."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes

from passband.detection.answers import Watch, read_answers
from passband.detection.detector import Detector, DetectorEntry, Image
from passband.detection.objects import Detections
from passband.errors import InputError
from passband.models.fingerprint import count_parameters, weights_hash
from passband.models.hub import download
from passband.models.matching import counted, pair_by_name
from passband.models.pixels import evaluating
from passband.models.weights import Weights, load_state, read_weights
from passband.notices import Notice

UNUSED = ("mask_roi_pool", "keypoint_roi_pool")
"""Parts of torchvision's detectors without which they return the same boxes, and no masks or keypoints."""

WITHOUT_EPSILON = (
    "fasterrcnn_resnet50_fpn",
    "keypointrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn",
    "retinanet_resnet50_fpn",
)
"""Networks whose published weights were trained with an epsilon of 0 in batch normalization, where others have 1e-5."""


class TorchDetector(Detector):
    """A module that takes a list of [0, 1] images and returns a list of dicts with boxes, scores and labels.

    It is torchvision's convention. Images of one size are shown together, others one after the other: padding would let an
    image's detections depend on the images beside it.

    Args:
        module: The network. It stays where it is, and as it is.
        name: What it is called.
        source: How it was loaded.
        label_names: What its labels are called; None for what its attribute `label_names` says, if it has one.
        notices: What is to be known of it.

    Raises:
        InputError: If its weights have no values yet.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        name: str,
        source: str = "a module in memory",
        label_names: Mapping[int, str] | None = None,
        notices: tuple[Notice, ...] = (),
    ) -> None:
        self.entry = DetectorEntry(name, source, weights_hash(module), count_parameters(module))
        self.label_names = label_names
        self.notices = notices
        self._loaded, self._watch = notices, Watch(name)
        transform = dict(module.named_children()).get("transform")  # not that of what it wraps
        self._transform = transform if isinstance(transform, GeneralizedRCNNTransform) else None
        self._module = module if self._transform is None else _of_boxes(module)
        self._like = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(0))
        self.device = self._like.device

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Return what is found in each image: see `Detector`."""
        return self._noting([_size(image) for image in images], self._find(self._module, images))

    def to_input(self, image: Image) -> Image:
        """Return an image as torchvision's transform resizes it, in [0, 1]: normalization is the same before and after."""
        if self._transform is None:
            return super().to_input(image)
        with evaluating(self._transform), torch.no_grad():
            return self._transform.resize(self._taken(image))[0].to(image)

    def detect_inputs(self, inputs: Sequence[Image], sizes: Sequence[tuple[int, int]]) -> list[Detections]:
        """Return what is found in images that `to_input` has resized: see `Detector`."""
        if self._transform is None:
            return super().detect_inputs(inputs, sizes)
        found = self._find(_without_resize(self._module), inputs)
        original = [
            Detections(resize_boxes(each.boxes, list(_size(image)), list(size)), each.scores, each.labels)
            for each, image, size in zip(found, inputs, sizes, strict=True)
        ]
        return self._noting(sizes, original)

    def _find(self, module: nn.Module, images: Sequence[Image]) -> list[Detections]:
        """Return what a module finds, images of one size at a time."""
        groups: dict[tuple[int, int], list[int]] = {}
        for position, image in enumerate(images):
            groups.setdefault(_size(image), []).append(position)
        found: dict[int, Detections] = {}
        with evaluating(module), torch.no_grad():
            for positions in groups.values():
                shown = [self._taken(images[position]) for position in positions]
                try:
                    answers = module(shown)
                except Exception as error:  # whatever its layers raise
                    raise InputError(
                        f"{self.entry.name} fails on images of {tuple(shown[0].shape)} ({type(error).__name__}: {error}). A "
                        f"detector takes a list of images (3, height, width) in [0, 1]."
                    ) from error
                read = read_answers(answers, len(shown), name=self.entry.name)
                found.update(zip(positions, read, strict=True))
        return [found[position] for position in range(len(images))]

    def _taken(self, image: Tensor) -> Tensor:
        """Return a copy of an image where and as the module takes it; a module may write into what it is given."""
        return image.to(self._like, copy=True)

    def _noting(self, sizes: Sequence[tuple[int, int]], found: list[Detections]) -> list[Detections]:
        self._watch.see(sizes, found)
        self.notices = (*self._loaded, *self._watch.notices)
        return found


def from_torchvision(
    name: str, *, weights: Path | None, weights_key: str | None, device: torch.device
) -> TorchDetector:
    """Load `torchvision:NAME`: one of torchvision's detectors with its published COCO weights, or those of a file.

    Raises:
        InputError: If torchvision has no such detector, or the file does not fit it.
        DownloadError: If no file is given and the published weights are neither in torchvision's cache nor can be had.
    """
    known = torchvision.models.list_models(module=torchvision.models.detection)
    if name not in known:
        close = get_close_matches(name, known, n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise InputError(f"torchvision has no detector named {name!r}.{hint} It has: {', '.join(known)}")
    published: Any = torchvision.models.get_model_weights(name)["DEFAULT"]
    if weights is None:
        module = _get_published(name, published)
        names, notices = _label_names(published), ()
    else:
        module, names, notices = _with_file(name, published, read_weights(weights, weights_key))
    return TorchDetector(
        module.eval().to(device), name=name, source=f"torchvision:{name}", label_names=names, notices=notices
    )


def _get_published(name: str, published: Any) -> nn.Module:
    file = published.url.rpartition("/")[2]
    place = Path(torch.hub.get_dir()) / "checkpoints" / file
    return download(
        name,
        # The backbone has its weights in the same file, and torchvision would download its own first.
        lambda: torchvision.models.get_model(name, weights=published, weights_backbone=None, progress=False),
        f"Put {file} (from {published.url}) at {place}, or give it with --weights FILE.",
    )


def _with_file(
    name: str, published: Any, weights: Weights
) -> tuple[nn.Module, Mapping[int, str] | None, tuple[Notice, ...]]:
    """Return a network of as many classes as a file of weights has, with that file, and the names of its labels."""

    def build(count: int) -> nn.Module:
        return torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=count)

    default = len(published.meta["categories"])
    count, module = default, build(default)
    in_file = _count_classes(module, weights, default)
    if in_file is not None:
        count, module = in_file, build(in_file)
    notices = load_state(module, weights)
    if name in WITHOUT_EPSILON:
        if _is_published(weights.path, published):
            for layer in module.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eps = 0.0
        else:
            notices = (
                *notices,
                Notice(
                    "model",
                    f"{weights.path.name} does not say the epsilon of batch normalization. It is taken to be 1e-5, as in training "
                    f"from a backbone; what was trained on from torchvision's COCO weights of {name} has 0, which a python: "
                    f"detector can set.",
                    warning=False,
                ),
            )
    return module, _label_names(published) if count == default else None, notices


def _count_classes(module: nn.Module, weights: Weights, count: int) -> int | None:
    """Return how many classes a file is for, if that explains all shapes in which it differs from a network of `count`."""
    own, given = counted(module.state_dict()), counted(weights.state)
    pairing = pair_by_name(own, given)
    if pairing is None:
        return None
    other = [
        (own[n].shape, v.shape) for n, v in pairing.state.items() if n in own and own[n].shape != v.shape
    ]
    # A head has as many outputs as classes, or as many for each anchor or each edge of a box.
    counts = {count * theirs[0] / mine[0] if mine[1:] == theirs[1:] else 0.0 for mine, theirs in other}
    if len(counts) != 1:
        return None
    (found,) = counts
    return int(found) if found >= 1 and found == int(found) else None


def _is_published(path: Path, published: Any) -> bool:
    """Return whether a file is the one that torchvision published: its name there ends with the first digits of its hash."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return found.startswith(Path(published.url).stem.rpartition("-")[2])


def _label_names(published: Any) -> dict[int, str]:
    """Return what labels are called, which are COCO's ids of categories; 0 is the background."""
    return {i: name for i, name in enumerate(published.meta["categories"]) if i > 0 and name != "N/A"}


def _of_boxes(module: nn.Module) -> nn.Module:
    """Return a detector of the same layers that finds boxes alone, without the time that masks and keypoints take."""
    heads = getattr(module, "roi_heads", None)
    if not isinstance(heads, nn.Module):
        return module
    return _with_parts(module, {"roi_heads": _with_parts(heads, dict.fromkeys(UNUSED))})


def _without_resize(module: nn.Module) -> nn.Module:
    """Return a detector of the same layers that takes images as they are."""
    transform = _with_parts(module.get_submodule("transform"), {})
    transform.__dict__["resize"] = _unchanged
    return _with_parts(module, {"transform": transform})


def _unchanged(image: Tensor, target: None = None) -> tuple[Tensor, None]:
    return image, target


def _with_parts(module: nn.Module, parts: Mapping[str, nn.Module | None]) -> nn.Module:
    """Return a shallow copy of a module that shares its layers but for those that are replaced."""
    copied = copy.copy(module)
    copied.__dict__["_modules"] = {**module.__dict__["_modules"], **parts}
    return copied


def _size(image: Tensor) -> tuple[int, int]:
    height, width = image.shape[-2:]
    return int(height), int(width)
