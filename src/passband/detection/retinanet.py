"""A RetinaNet small enough to be trained on one thread: torchvision's, with a backbone and a head of our own size."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.retinanet import RetinaNet, RetinaNetHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from passband.errors import InputError
from passband.randomness import derive_seed

LEVELS = (8, 16, 32)
"""How many pixels of an image a cell of each pyramid level is wide."""

GROUPS = 8
"""Groups of each group norm; widths are multiples of it."""


class SmallBackbone(nn.Module):
    """Residual stages and a feature pyramid over their last three.

    Args:
        width: Channels of the stage at full resolution, a multiple of `GROUPS`; every other level has four times as many.

    Attributes:
        out_channels: Channels of every level of the pyramid.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_channels = 4 * width
        self.stem = _Block(3, width, stride=1)
        self.stages = nn.ModuleList(
            _Block(before, after, stride=2)
            for before, after in ((width, 2 * width), (2 * width, 2 * width), (2 * width, 4 * width))
        )
        self.coarser = nn.ModuleList(_Block(4 * width, 4 * width, stride=2) for _ in LEVELS[1:])
        self.across = nn.ModuleList(nn.Conv2d(4 * width, 4 * width, 1) for _ in LEVELS)

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Return the levels of the pyramid, finest first."""
        features = self.stem(images)
        for stage in self.stages:
            features = stage(features)
        levels = [features]
        for stage in self.coarser:
            levels.append(stage(levels[-1]))
        levels = [across(level) for across, level in zip(self.across, levels, strict=True)]
        for finer in reversed(range(len(levels) - 1)):  # what is seen at a coarse level helps the finer ones
            size = levels[finer].shape[-2:]
            levels[finer] = levels[finer] + F.interpolate(levels[finer + 1], size=size, mode="nearest")
        return OrderedDict((str(stride), level) for stride, level in zip(LEVELS, levels, strict=True))


def build_retinanet(classes: int, *, width: int = 16, seed: int = 0) -> RetinaNet:
    """Build a RetinaNet of about half a million weights, in training mode, for [0, 1] images of any size, which it leaves
    as they are.

    Its labels are ids of categories from 1 on. Its anchors are from 12 to 77 pixels wide. Torch's global random numbers
    are left as they were.

    Args:
        classes: How many categories there are.
        width: Decides the channels of all layers; a multiple of 8.
        seed: Decides the first weights.

    Raises:
        InputError: If a number is impossible.

    Source:
        Lin et al. 2017, *Focal Loss for Dense Object Detection*, with group norm in backbone and head.
    """
    if classes < 1:
        raise InputError(f"classes must be at least 1, got {classes}")
    if width < 1 or width % GROUPS:
        raise InputError(f"width must be a multiple of {GROUPS}, such as 16, got {width}")
    with torch.random.fork_rng(devices=[]):  # torchvision's layers draw from nowhere but the global generator
        torch.manual_seed(derive_seed(seed, "initialization"))
        backbone = SmallBackbone(width)
        anchors = AnchorGenerator(
            sizes=tuple(tuple(1.5 * stride * 2 ** (step / 3) for step in range(3)) for stride in LEVELS),
            aspect_ratios=((1.0,),) * len(LEVELS),
        )
        head = RetinaNetHead(
            backbone.out_channels,
            anchors.num_anchors_per_location()[0],
            classes + 1,  # torchvision's label 0 is the background, and is never trained
            norm_layer=_norm,
        )
        network = RetinaNet(
            backbone, classes + 1, anchor_generator=anchors, head=head, detections_per_img=100
        )
    network.transform = _AsTheyAre(
        min_size=0, max_size=0, image_mean=[0.5, 0.5, 0.5], image_std=[0.25, 0.25, 0.25]
    )
    return network


class _AsTheyAre(GeneralizedRCNNTransform):
    """Normalizes images and pads them to a batch; torchvision's own can only skip the resize while a network trains."""

    def resize(
        self, image: Tensor, target: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target


class _Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            _norm(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            _norm(after),
        )
        # Pooled, since backward through a strided 1x1 convolution with the channels last writes where it may not (torch 2.14).
        self.around = nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(before, after, 1, bias=False))

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(self.body(features) + self.around(features))


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, channels)
