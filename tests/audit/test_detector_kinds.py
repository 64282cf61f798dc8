"""The audit of detectors of other kinds: an export of a network has its rows, and a large network of torchvision runs."""

import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal
from torchvision.models.detection import retinanet_resnet50_fpn

from passband.audit.detector import audit_detector
from passband.detection.folder import open_folder
from passband.detection.load import load_detector
from passband.detection.objects import detections_table
from passband.detection.phantom import make_scenes
from passband.detection.retinanet import build_retinanet
from passband.rows import MAP, OBJECT_COLUMNS

AMONG = 6


def sure_of_much(network):
    """Return an untrained network that finds something."""
    network.score_thresh, network.detections_per_img = 0.0, 30
    return network


def agreeing(scenes, detector):
    """Return scenes with what a detector is surest of in them as their objects, so that it is right about these."""
    rows = []
    for index, picture in enumerate(scenes.annotations.pictures):
        (found,) = detector.detect([scenes.image(index)])
        surest = replace(
            found, **{name: getattr(found, name)[:AMONG] for name in ("boxes", "scores", "labels")}
        )
        rows.append(detections_table([(picture.id, surest)]))
    table = pl.concat(rows).filter(pl.col("category") > 0).with_row_index("object", offset=1)
    objects = table.with_columns(area=pl.col("width") * pl.col("height"), crowd=pl.lit(False))
    objects = objects.select(list(OBJECT_COLUMNS)).cast(dict(OBJECT_COLUMNS))
    return replace(scenes, annotations=replace(scenes.annotations, objects=objects))


def test_an_onnx_file_of_the_small_retinanet_has_its_rows(tmp_path):
    network = sure_of_much(build_retinanet(3))
    own = load_detector(network.eval())
    dataset = agreeing(make_scenes(6, classes=3, size=64), own)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            ([dataset.image(0)],),
            tmp_path / "net.onnx",
            dynamo=False,
            opset_version=17,
            input_names=["image"],
            dynamic_axes={"image": {1: "height", 2: "width"}},
        )
    exported = load_detector(f"onnx:{tmp_path / 'net.onnx'}", decoder="torchvision", device="cpu")
    table = tmp_path / "labels.json"
    table.write_text('{"1": 1, "2": 2, "3": 3}')  # 0 is what RetinaNets call nothing
    settings = {"radii": [8], "resamples": 20, "label_ids": table}
    one, two = (audit_detector(each, dataset, **settings).rows for each in (own, exported))
    assert one.filter(pl.col("metric") == MAP, pl.col("shown") == "full")["value"][0] > 0.9
    assert 0 < one.filter(pl.col("metric") == MAP, pl.col("shown") == "lfc:8")["value"][0] < 0.9
    assert_frame_equal(two.drop("run", "value", "error"), one.drop("run", "value", "error"))
    for column in ("value", "error"):
        gap = np.nanmax(np.abs(one[column].to_numpy() - two[column].to_numpy()))
        assert gap < 1e-3


@pytest.mark.parametrize("split_at", ["original", "input"])
def test_an_untrained_retinanet_of_torchvision_is_audited_on_real_images(real_data, split_at):
    folder = real_data("coco-tiny")
    dataset = open_folder(folder / "train2017", folder / "annotations" / "instances_train2017.json", limit=2)
    torch.manual_seed(0)
    network = retinanet_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=80, min_size=128, max_size=200
    )
    detector = load_detector(sure_of_much(network).eval())
    found = audit_detector(
        detector,
        dataset,
        radii=[16],
        cycles_per_pixel=[0.2],
        label_ids="index0",
        split_at=split_at,
        resamples=10,
    )
    assert {view.view for view in found.card.views} >= {"full", "lfc:16", "hfc:0.2px"}
    assert set(found.rows["split_at"].drop_nulls()) == {split_at}
    assert found.card.views[0].detections > 0
