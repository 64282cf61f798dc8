"""Detectors that are small, or know the answer, and annotations for them."""

from __future__ import annotations

import polars as pl
import torch
from torch import nn
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator

from passband.detection.annotations import Annotations, Picture
from passband.detection.objects import Detections
from passband.rows import OBJECT_COLUMNS

ORACLE_LABELS = {
    "ids": lambda ids: {each: each for each in ids},
    "index0": lambda ids: {each: position for position, each in enumerate(sorted(ids))},
    "index1": lambda ids: {each: position for position, each in enumerate(sorted(ids), 1)},
}
"""How an oracle labels categories, by the reading that is right."""


def annotations(pictures, categories, objects=()):
    """Return annotations of pictures (id, name, height, width) with objects (image, category, x, y, width, height)."""
    rows = [
        (number, image, category, x, y, w, h, w * h, False)
        for number, (image, category, x, y, w, h) in enumerate(objects, 1)
    ]
    return Annotations(
        "made up",
        "nowhere.json",
        tuple(Picture(*each) for each in pictures),
        categories,
        pl.DataFrame(rows, schema=OBJECT_COLUMNS, orient="row"),
    )


def oracle(truth: Annotations, labels, *, wrong=0.0, seed=0):
    """Return what a detector finds that knows the boxes; a share of its labels are those of other categories."""
    generator = torch.Generator().manual_seed(seed)
    known = sorted(labels)
    found = []
    for (image,), part in truth.objects.filter(~pl.col("crowd")).partition_by("image", as_dict=True).items():
        edges = torch.tensor(part.select("x", "y", "width", "height").to_numpy())
        boxes = torch.cat([edges[:, :2], edges[:, :2] + edges[:, 2:]], dim=1)
        said = [
            known[int(torch.randint(len(known), (), generator=generator))]
            if torch.rand((), generator=generator) < wrong
            else category
            for category in part["category"]
        ]
        scores = torch.rand(len(boxes), generator=generator)
        found.append((image, Detections(boxes, scores, torch.tensor([labels[each] for each in said]))))
    return found


def small_retinanet(classes=3, *, size=64, **options):
    """Return an untrained RetinaNet of one level, which finds something in every image."""
    backbone = nn.Sequential(nn.Conv2d(3, 8, 7, stride=8, padding=3), nn.ReLU())
    backbone.out_channels = 8
    torch.manual_seed(0)
    network = RetinaNet(
        backbone,
        classes,
        min_size=size,
        max_size=size * 3 // 2,
        anchor_generator=AnchorGenerator(((8, 16, 32),), ((0.5, 1.0, 2.0),)),
        score_thresh=0.0,
        topk_candidates=50,
        detections_per_img=20,
        **options,
    )
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):  # as they are drawn, all scores would be alike
            nn.init.normal_(layer.weight, std=0.1)
    return network.eval()
