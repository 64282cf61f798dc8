import json
from pathlib import Path

import polars as pl
import pytest
import torch

from passband.files import write_json
from passband.kernels import smooth_kernel
from passband.models.catalog import build_model
from passband.models.weights import save_weights
from passband.report.kernels import FILTERS_IN_ROW, draw_kernels
from passband.studies.kernel_figure import (
    KERNEL_TABLE,
    KernelFigure,
    KernelPanel,
    first_kernels,
    kernel_table,
)

FIGURE = KernelFigure((
    (KernelPanel("as trained", "a"), KernelPanel("smooth", "a", rho=1.0)),
    (KernelPanel("missing", "b"),),
))  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Return a run folder of a network with 20 filters of 3x3 weights for gray images."""
    folder = tmp_path_factory.mktemp("run")
    arguments = {"name": "resnet8", "num_classes": 4, "in_channels": 1, "width": 20}
    about = {"model": arguments, "classes": list("abcd"), "size": [16, 16]}
    save_weights(build_model(**arguments, seed=0), folder / "weights.safetensors", about)
    write_json(
        folder / "config.json",
        {"kind": "run", "status": "finished", "message": None, "data": {"size": [16, 16]}, **about},
    )
    return folder


def test_the_table_holds_the_weights_the_response_and_the_roughness_of_each_panel(run):
    table = kernel_table(FIGURE, {"a": run})
    assert table.schema == KERNEL_TABLE
    assert set(table["panel"]) == {"as trained", "smooth"}
    weight = first_kernels(run)
    assert weight.shape == (20, 1, 3, 3)
    for panel, rho in (("as trained", 0), ("smooth", 1)):
        found = table.filter(panel=panel)
        assert dict(found.group_by("part").len().rows()) == {
            "weight": 180, "response": 32 * 32, "roughness": 1, "high-frequency": 1,
        }  # fmt: skip
        values = found.filter(part="weight").sort("filter", "channel", "row", "column")["value"].to_list()
        torch.testing.assert_close(torch.tensor(values), smooth_kernel(weight, rho).flatten())
    rough, smooth = (
        table.filter(panel=p, part="roughness")["value"].item() for p in ("as trained", "smooth")
    )
    assert smooth < rough
    center = table.filter(panel="smooth", part="response", row=0, column=0)["value"].item()
    assert center == pytest.approx(smooth_kernel(weight, 1).sum(dim=(-2, -1)).abs().mean().item(), rel=1e-5)


def test_a_panel_shows_each_weight_once_on_one_scale_whatever_its_size(run):
    table = kernel_table(FIGURE, {"a": run})
    chart = draw_kernels(FIGURE, table).to_dict()
    drawn = chart["vconcat"]
    assert len(drawn) == 1  # a row without a run is left out
    scales = set()
    for panel in drawn[0]["hconcat"]:
        kernels, response = panel["hconcat"]
        values = chart["datasets"][kernels["data"]["name"]]
        assert len(values) == len({(v["x"], v["y"]) for v in values}) == 180
        assert len({v["x"] for v in values}) == 3 * FILTERS_IN_ROW  # the last four go on below
        mean_square = sum(v["value"] ** 2 for v in values) / 180
        assert mean_square == pytest.approx(1)
        scales.add(json.dumps(kernels["encoding"]["color"]["scale"]))
        assert max(v["gain"] for v in chart["datasets"][response["data"]["name"]]) == 1
        assert "roughness" in panel["title"]["subtitle"]
    assert len(scales) == 1
    assert json.loads(scales.pop())["domain"] == [-2.5, 0, 2.5]


def test_a_figure_of_no_runs_can_be_drawn_too():
    table = kernel_table(FIGURE, {})
    assert table.equals(pl.DataFrame(schema=KERNEL_TABLE))
    draw_kernels(FIGURE, table).to_dict()
