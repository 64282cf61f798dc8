"""Made-up objects and detections, and what pycocotools says of them."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from passband.detection.annotations import Annotations, Picture
from passband.rows import DETECTION_COLUMNS, OBJECT_COLUMNS

BOX = ("x", "y", "width", "height")


def annotated(
    objects: list[tuple[Any, ...]] | pl.DataFrame,
    images: int | list[int] = 1,
    categories: int | list[int] = 2,
) -> Annotations:
    """Return annotations of objects given as rows of `OBJECT_COLUMNS`."""
    ids = list(range(1, images + 1)) if isinstance(images, int) else images
    names = list(range(1, categories + 1)) if isinstance(categories, int) else categories
    return Annotations(
        name="made up",
        source="memory",
        pictures=tuple(Picture(each, f"{each}.jpg", 480, 640) for each in ids),
        categories={each: f"category {each}" for each in names},
        objects=pl.DataFrame(objects, schema=OBJECT_COLUMNS, orient="row"),
    )


def detected(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    """Return detections given as rows of `DETECTION_COLUMNS`."""
    return pl.DataFrame(rows, schema=DETECTION_COLUMNS, orient="row")


def read_annotations(path: Path) -> Annotations:
    """Read a real file as it is."""
    content = json.loads(path.read_text())
    return Annotations(
        name="real",
        source=str(path),
        pictures=tuple(
            Picture(each["id"], each["file_name"], each["height"], each["width"])
            for each in sorted(content["images"], key=lambda image: image["id"])
        ),
        categories={
            each["id"]: each["name"] for each in sorted(content["categories"], key=lambda c: c["id"])
        },
        objects=pl.DataFrame(
            [
                (o["id"], o["image_id"], o["category_id"], *o["bbox"], o["area"], bool(o["iscrowd"]))
                for o in content["annotations"]
            ],
            schema=OBJECT_COLUMNS,
            orient="row",
        ),
    )


def jittered(annotations: Annotations, seed: int, *, ties: bool = False, extra: int = 3) -> pl.DataFrame:
    """Return detections near the objects, the nearer the surer, some twice, some of another category, and some of nothing."""
    generator = np.random.default_rng(seed)
    categories = list(annotations.categories)
    rows = []
    for _, image, category, *box, _, _ in annotations.objects.rows():
        for _ in range(generator.choice(3, p=[0.15, 0.7, 0.15])):
            quality = generator.beta(2, 1)
            shift = (1 - quality) * 0.4 * generator.normal(size=4)
            x, y, width, height = box
            moved = (
                x + shift[0] * width,
                y + shift[1] * height,
                width * np.exp(shift[2]),
                height * np.exp(shift[3]),
            )
            said = category if generator.random() < 0.9 else generator.choice(categories)
            rows.append((image, int(said), *moved, 0.6 * quality + 0.4 * generator.random()))
    for _ in range(extra * len(annotations.pictures)):
        image = annotations.pictures[generator.integers(len(annotations.pictures))].id
        box = (*generator.uniform(0, 400, 2), *np.exp(generator.normal(3.5, 1, 2)))
        rows.append((image, int(generator.choice(categories)), *box, 0.7 * generator.random()))
    generator.shuffle(rows)
    found = detected([tuple(float(v) if i > 1 else int(v) for i, v in enumerate(row)) for row in rows])
    return found.with_columns(pl.col("score").round(1)) if ties else found


def scenes(seed: int, images: int = 12, categories: int = 4, objects: float = 5) -> Annotations:
    """Return objects of all sizes, some of them crowds; an image and a category have none, and some areas are not the box's."""
    generator = np.random.default_rng(seed)
    rows = []
    for image in range(2, images + 1):
        for _ in range(generator.poisson(objects)):
            x, y = generator.uniform(0, 400, 2)
            width, height = np.exp(generator.normal(3.8, 1, 2))
            area = width * height * generator.uniform(0.3, 1)
            crowd = bool(generator.random() < 0.1)
            category = int(generator.integers(1, categories))
            rows.append((len(rows) + 1, image, category, x, y, width, height, area, crowd))
    return annotated(rows, images, categories)


def pycocotools(
    annotations: Annotations, detections: pl.DataFrame, images: list[int] | None = None
) -> COCOeval:
    """Return pycocotools' evaluation, of all images or of some."""
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [
            {"id": each.id, "height": each.height, "width": each.width} for each in annotations.pictures
        ],
        "categories": [{"id": each, "name": name} for each, name in annotations.categories.items()],
        "annotations": [
            {
                "id": object_id,
                "image_id": image,
                "category_id": category,
                "bbox": box,
                "area": area,
                "iscrowd": int(crowd),
            }
            for object_id, image, category, *box, area, crowd in annotations.objects.rows()
        ],
    }
    found = [
        {"image_id": image, "category_id": category, "bbox": box, "score": score}
        for image, category, *box, score in detections.rows()
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        results = truth.loadRes(found) if found else COCO()
        measured = COCOeval(truth, results, "bbox")
        if images is not None:
            measured.params.imgIds = images
        measured.evaluate()
        measured.accumulate()
        measured.summarize()
    return measured


def their_numbers(measured: COCOeval) -> list[float | None]:
    """Return their twelve numbers, None for those that are not there."""
    return [None if value == -1 else float(value) for value in measured.stats]


def their_categories(measured: COCOeval) -> dict[int, float]:
    """Return their mAP by category."""
    precision = measured.eval["precision"][:, :, :, 0, -1]
    means = {
        int(each): precision[:, :, index].mean() for index, each in enumerate(sorted(measured.params.catIds))
    }
    return {category: value for category, value in means.items() if value > -1}
