"""The public names, and what importing them costs."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import passband

# A name that leaves this list, or an argument that leaves a signature, breaks somebody's program.
PUBLIC = {
    "Attack": None,
    "AttackOutcome": None,
    "AttackPlan": ["attack", "epsilons", "samples", "sanity_samples"],
    "Audit": None,
    "AutoAttack": ["norm"],
    "Comparison": None,
    "Components": None,
    "DetectionDataset": None,
    "DetectorAudit": None,
    "FGSM": ["band"],
    "High": ["radius"],
    "HighPass": ["radius", "geometry", "inclusive"],
    "ImageDataset": ["images", "labels", "classes", "name", "subset", "source", "preparation", "notices", "pictures"],
    "Low": ["radius"],
    "LowPass": ["radius", "geometry", "inclusive"],
    "PGD": ["norm", "steps", "step_share", "restarts", "random_start", "band"],
    "PassbandError": None,
    "Study": ["name", "title", "source", "question", "runs", "claims", "figure", "measurements", "table", "deviations"],
    "PixelModel": ["body", "name", "mean", "std", "size", "channels", "classes", "outputs"],
    "RobustnessAudit": None,
    "RunConfig": None,
    "audit": ["model", "dataset", "radii", "attacks", "amplitude", "precision", "ceiling", "ceiling_samples", "instruments", "require", "batch_size",
              "device", "seed", "result_folder", "progress", "expect", "ahead"],
    "audit_detector": ["detector", "dataset", "radii", "cycles_per_pixel", "views", "amplitude", "split_at", "label_ids", "require",
                       "resamples", "batch_size", "seed", "result_folder", "progress", "ahead"],
    "autoattack": ["model", "images", "labels", "epsilon", "norm", "seed", "batch_size"],
    "build_model": ["name", "num_classes", "in_channels", "batch_norm", "dropout", "width",
                    "batch_statistics", "fixed_affine", "initialization", "seed", "code"],
    "compare": ["audits", "any_preparation", "seed"],
    "compare_detectors": ["audits", "resamples", "seed"],
    "energy_fraction": ["images", "radius", "include_mean"],
    "evaluate_attack": ["model", "dataset", "attack", "epsilons", "indices", "after", "batch_size", "device", "seed",
                        "keep_images", "progress"],
    "evaluate_components": ["model", "dataset", "radii", "amplitude", "components", "batch_size", "device", "progress"],
    "fgsm": ["model", "images", "labels", "epsilon", "band"],
    "high_pass": ["images", "radius", "geometry", "inclusive"],
    "instruments": [],
    "load_dataset": ["source", "subset", "size", "resize", "crop_fraction", "preparation", "channels", "limit", "root",
                     "memory_limit", "num_workers"],
    "load_detector": ["source", "weights", "weights_key", "decoder", "size", "device"],
    "load_model": None,
    "low_pass": ["images", "radius", "geometry", "inclusive"],
    "make_phantom": None,
    "measure_robustness": ["model", "dataset", "plans", "keep_images", "batch_size", "device", "seed", "result_folder", "progress",
                           "ahead"],
    "open_detection_data": ["images", "annotations", "limit"],
    "parse_component": ["text"],
    "pgd": ["model", "images", "labels", "epsilon", "norm", "steps", "step_size", "restarts", "random_start", "band",
            "generator", "trusted"],
    "radial_mask": ["height", "width", "radius", "geometry", "inclusive"],
    "radial_power": ["images"],
    "rescale": ["images", "policy", "original"],
    "robust_accuracy_ceiling": ["correct", "distance", "epsilons"],
    "roughness": ["weight"],
    "run_studies": ["studies", "preset", "data", "source", "seeds", "epochs", "limit", "store", "workers", "device",
                    "threads", "engine", "watch"],
    "smooth_kernel": ["weight", "rho", "normalize"],
    "smoothed": ["model", "rho", "layer", "normalize"],
    "split": ["images", "radius", "geometry", "inclusive"],
    "split_by_rank": ["images", "rank"],
    "split_many": ["images", "radii", "geometry", "inclusive"],
    "train": ["model", "dataset", "config", "on_epoch", "device"],
    "write_attack_report": ["found", "folder"],
    "write_comparison": ["found", "folder", "checked", "command"],
    "write_detector_report": ["audit", "folder"],
    "write_report": ["audit", "folder"],
    "write_study": ["result", "folder", "command"],
}  # fmt: skip


def test_the_public_names_are_those_listed_here():
    assert sorted(passband.__all__) == sorted(PUBLIC)
    assert set(PUBLIC) <= set(dir(passband))


@pytest.mark.parametrize(("name", "arguments"), [(n, a) for n, a in PUBLIC.items() if a is not None])
def test_arguments_are_those_listed_here(name, arguments):
    assert list(inspect.signature(getattr(passband, name)).parameters) == arguments


RESULTS = ("Audit", "Comparison", "DetectorAudit", "RobustnessAudit")


@pytest.mark.parametrize("name", [*RESULTS, "AttackOutcome", "DetectionDataset", "ImageDataset"])
def test_results_and_data_say_what_they_are(name):
    methods = ["__repr__", "summary", "_repr_html_"] + (["plot", "to_pandas"] if name in RESULTS else [])
    for method in methods:
        assert inspect.getdoc(getattr(getattr(passband, name), method))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented(name):
    assert inspect.getdoc(getattr(passband, name))


def test_type_checkers_see_the_same_names():
    source = ast.parse(Path(passband.__file__).read_text())
    block = next(node for node in source.body if isinstance(node, ast.If))
    seen = {(n.module, alias.name) for n in block.body if isinstance(n, ast.ImportFrom) for alias in n.names}
    assert seen == {(module, name) for name, module in passband._HOME.items()}


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="module 'passband' has no attribute 'spilt'"):
        passband.spilt  # noqa: B018


def loaded_by(program: str) -> set[str]:
    """Return the top-level modules that a fresh process has after a program."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{program}; import sys; print(*{{m.split('.')[0] for m in sys.modules}})"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ran.stdout.split())


HEAVY = {
    "polars",
    "scipy",
    "PIL",
    "torchvision",
    "timm",
    "altair",
    "vl_convert",
    "jinja2",
    "cyclopts",
    "rich",
    "safetensors",
    "lightning_fabric",
}


def test_importing_and_splitting_loads_only_torch_and_jaxtyping():
    assert not HEAVY & loaded_by("import passband")
    assert not HEAVY & loaded_by("import passband; passband.split, passband.rescale, passband.LowPass")


def test_that_test_could_fail():
    assert {"polars", "PIL"} <= loaded_by("import passband; passband.load_dataset")


@pytest.mark.parametrize(
    "first", ["passband.audit.card", "passband.train.loop", "passband.audit", "passband.instruments.catalog"]
)
def test_functions_are_not_hidden_by_the_packages_of_their_names(first):
    program = f"import {first}, passband; assert callable(passband.audit) and callable(passband.train) and passband.instruments()"
    loaded_by(program)
